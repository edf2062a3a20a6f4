//! From a series to its class: the cheap and certain questions first, chaos last.

use crate::drift::{self, Drift};
use crate::embedding::Embedding;
use crate::error::{Error, finite, setting};
use crate::lyapunov::{self, Estimate};
use crate::period::{self, Cycle};
use crate::permutation::permutation_entropy;
use crate::recurrence;
use crate::report::{Class, Report};
use crate::standard::{range, standardise};
use crate::surrogate::{self, SurrogateTest};
use crate::trajectory::Trajectory;
use crate::zero_one::zero_one;

/// A shorter series is [`Class::InsufficientData`]. An exponent of a two-dimensional attractor needs some hundred values
/// (Eckmann and Ruelle, *Fundamental limitations for estimating dimensions and Lyapunov exponents*, 1992).
pub const MIN_LEN: usize = 200;
/// Of a longer series only the last so many values are looked at.
pub const MAX_LEN: usize = 10_000;

/// The last quarter of a settled series moves by less than this share of the whole range.
const SETTLED: f64 = 1e-3;
/// The order of the permutation entropy.
const ORDER: usize = 4;
/// A p at most this is evidence.
const SIGNIFICANT: f64 = 0.05;
/// Deterministic series are predicted with less than this share of the error of their surrogates …
const CLEARLY: f64 = 0.3;
/// … and above this share there is nothing to see, whatever p is.
const HARDLY: f64 = 0.85;
/// Neighbours of a stochastic series say less than this about its future.
const UNPREDICTABLE: f64 = 0.4;
/// A divergence curve less straight than this has no slope worth its name.
const STRAIGHT: f64 = 0.9;
/// Below this K of the 0–1 test the motion is regular, whatever neighbours seem to do.
const REGULAR: f64 = 0.2;
/// Vectors within this many times the mean distance of nearest neighbours are neighbours for Kantz's method.
const KANTZ_RADIUS: f64 = 4.0;

/// What an analysis may be told.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Config {
    /// Time between two values; periods and exponents are in its unit. Default 1: they are per sample.
    pub sampling_interval: f64,
    /// Surrogates of the test that stands before [`Class::Chaotic`]. Default 19, the fewest for p = 0.05; with 0 there is
    /// no test, and nothing is called chaotic. At most 1,000.
    pub surrogates: usize,
    /// Where all randomness comes from. The same seed gives the same report.
    pub seed: u64,
    /// Radius of the recurrences in standard deviations. Default 0.25.
    pub recurrence_radius: f64,
}

impl Default for Config {
    fn default() -> Self {
        Self { sampling_interval: 1.0, surrogates: 19, seed: 1, recurrence_radius: 0.25 }
    }
}

impl Config {
    fn check(&self) -> Result<(), Error> {
        let positive = |value: f64| value > 0.0 && value.is_finite();
        let range = "above 0 and finite";
        setting("sampling_interval", self.sampling_interval, range, positive(self.sampling_interval))?;
        setting("recurrence_radius", self.recurrence_radius, range, positive(self.recurrence_radius))?;
        setting("surrogates", self.surrogates as f64, "at most 1000", self.surrogates <= 1000)
    }
}

/// Analyses a series of equally spaced values.
///
/// Every number is the same for `x` and `a·x + b` with `a > 0`, up to rounding. The last [`MAX_LEN`] values are looked at, and
/// the report says so. About O(n log n); 19 surrogates cost about ten times the rest.
///
/// # Errors
///
/// [`Error::NonFinite`] with the place of the first such value, [`Error::Setting`]. A short series is no error but
/// [`Class::InsufficientData`].
///
/// ```
/// use aimds_attractor::{Class, Config, analyze};
///
/// let mut x = 0.3;
/// let logistic: Vec<f64> = (0..1000).map(|_| { x = 4.0 * x * (1.0 - x); x }).collect();
/// let report = analyze(&logistic, &Config::default())?;
/// assert_eq!(report.class, Class::Chaotic);
/// let exponent = report.lyapunov.unwrap();
/// assert!((exponent.value - 2.0_f64.ln()).abs() < 0.03);
/// # Ok::<(), aimds_attractor::Error>(())
/// ```
pub fn analyze(series: &[f64], config: &Config) -> Result<Report, Error> {
    finite(series)?;
    config.check()?;
    let start = series.len().saturating_sub(MAX_LEN);
    let window = series.get(start..).unwrap_or_default();
    let mut report = inspect(window, config)?;
    report.analysed = start..series.len();
    if start > 0 {
        report
            .reason
            .push_str(&format!(" Only the last {MAX_LEN} of {} values were looked at.", series.len()));
    }
    Ok(report)
}

/// Analyses a trajectory: [`analyze`] with its interval, and a word on its clock in the reason.
///
/// # Errors
///
/// As for [`analyze`].
pub fn analyze_trajectory(trajectory: &Trajectory, config: &Config) -> Result<Report, Error> {
    let config = Config { sampling_interval: trajectory.interval(), ..*config };
    let mut report = analyze(trajectory.values(), &config)?;
    if trajectory.duplicates() > 0 {
        let note =
            format!(" {} values shared a time with another and were averaged.", trajectory.duplicates());
        report.reason.push_str(&note);
    }
    if trajectory.resampled() {
        report.reason.push_str(" The times were irregular: the values are interpolated.");
    }
    Ok(report)
}

impl Report {
    fn of(class: Class, reason: String) -> Self {
        Self {
            class,
            lyapunov: None,
            kantz: None,
            surrogate: None,
            zero_one_k: None,
            permutation_entropy: None,
            recurrence: None,
            embedding: None,
            analysed: 0..0,
            reason,
        }
    }
}

fn inspect(series: &[f64], config: &Config) -> Result<Report, Error> {
    if series.len() < MIN_LEN {
        let reason = format!("{} values are too few: at least {MIN_LEN} are needed.", series.len());
        return Ok(Report::of(Class::InsufficientData, reason));
    }
    let Some(standard) = standardise(series) else {
        let mut report = Report::of(Class::Constant, format!("All {} values are the same.", series.len()));
        report.permutation_entropy = permutation_entropy(series, ORDER, 1)?;
        return Ok(report);
    };
    let entropy = permutation_entropy(series, ORDER, 1)?;
    let mut report = match settled(&standard) {
        Some(reason) => Report::of(Class::FixedPoint, reason),
        None => in_motion(&standard, config)?,
    };
    report.permutation_entropy = entropy;
    Ok(report)
}

/// Why the series is at rest in the end, if it is.
fn settled(standard: &[f64]) -> Option<String> {
    let (low, high) = range(standard);
    let (last_low, last_high) = range(standard.get(standard.len() - standard.len() / 4..)?);
    let share = (last_high - last_low) / (high - low);
    (share <= SETTLED)
        .then(|| format!("The values settle: the last quarter moves by {share:.1e} of the whole range."))
}

fn in_motion(standard: &[f64], config: &Config) -> Result<Report, Error> {
    let embedding = Embedding::choose(standard);
    let thinned: Vec<f64> = standard.iter().copied().step_by(embedding.delay).collect();
    let k = zero_one(&thinned, config.seed)?;
    let error = surrogate::prediction_error(standard, &embedding);
    let mut report = match period::find(standard, error) {
        Some(cycle) => repeating(&cycle, config.sampling_interval),
        None => match drift::find(standard) {
            Some(drift) => drifting(drift),
            None => irregular(standard, &embedding, error.unwrap_or(1.0), k, config),
        },
    };
    report.zero_one_k = k;
    report.recurrence = recurrence::quantify(standard, &embedding, config.recurrence_radius);
    report.embedding = Some(embedding);
    Ok(report)
}

/// How far neighbours are followed: until they are as far apart as any two states.
fn steps(len: usize, embedding: &Embedding) -> usize {
    let far = if embedding.delay == 1 { 20 } else { 30 * embedding.delay };
    far.min(len / 8)
}

fn repeating(cycle: &Cycle, interval: f64) -> Report {
    match cycle {
        Cycle::Exact { period } => {
            let class = Class::Periodic { period: *period as f64 * interval };
            Report::of(class, format!("The second half of the series repeats itself after {period} values."))
        }
        Cycle::Harmonic { period, lines, unexplained } => {
            let (class, period) = (Class::Periodic { period: period * interval }, period * interval);
            let reason = format!(
                "{lines} spectral lines, all multiples of one over {period:.6}, predict the last third of the series; \
                 {:.2} % of its variance is left.",
                100.0 * unexplained
            );
            Report::of(class, reason)
        }
        Cycle::Incommensurate { periods, unexplained } => {
            let list: Vec<String> =
                periods.iter().map(|period| format!("{:.6}", period * interval)).collect();
            let reason = format!(
                "Spectral lines with the periods {} and no common multiple predict the last third of the series; {:.2} % of \
                 its variance is left.",
                list.join(", "),
                100.0 * unexplained
            );
            Report::of(Class::QuasiPeriodic, reason)
        }
    }
}

fn drifting(drift: Drift) -> Report {
    let reason = match drift {
        Drift::Trend(share) => format!("A straight line explains {:.0} % of the variance.", 100.0 * share),
        Drift::Wandering { slow, dickey_fuller } => format!(
            "The slowest eight frequencies hold {:.0} % of the variance, and a unit root is not ruled out \
             (Dickey-Fuller {dickey_fuller:.2}, limit -2.86).",
            100.0 * slow
        ),
    };
    Report::of(Class::Drifting, reason)
}

/// Noise or chaos.
fn irregular(standard: &[f64], embedding: &Embedding, error: f64, k: Option<f64>, config: &Config) -> Report {
    let test = (config.surrogates > 0)
        .then(|| surrogate::test(standard, embedding, config.surrogates, config.seed))
        .flatten();
    let (class, reason) = match &test {
        Some(test) => against_surrogates(test),
        None => without_surrogates(error),
    };
    let mut report = Report::of(class, reason);
    report.surrogate = test;
    if class == Class::Stochastic {
        return report;
    }
    measure(standard, embedding, config.sampling_interval, &mut report);
    if class == Class::Chaotic {
        confirm(&mut report, k);
    }
    report
}

/// Adds the exponent by both methods.
fn measure(standard: &[f64], embedding: &Embedding, interval: f64, report: &mut Report) {
    let steps = steps(standard.len(), embedding);
    let neighbours = lyapunov::neighbours(standard, embedding, steps);
    let pairs = neighbours.nearest(1);
    let typical = pairs.iter().map(|pair| pair.distance).sum::<f64>() / pairs.len().max(1) as f64;
    let exponent =
        lyapunov::divergence(standard, embedding, steps, &pairs).and_then(|curve| curve.estimate(embedding));
    report.lyapunov = exponent.map(|estimate| estimate.per(interval));
    report.kantz = lyapunov::kantz_of(standard, embedding, steps, &neighbours, KANTZ_RADIUS * typical)
        .map(|estimate| estimate.per(interval));
}

/// Whether nearest neighbours know more than a linear stochastic process could. [`Class::Chaotic`] is still to be confirmed.
fn against_surrogates(test: &SurrogateTest) -> (Class, String) {
    let SurrogateTest { p, error, surrogate_error, surrogates } = *test;
    let tested = format!(
        "Nearest neighbours predict it with an error of {error:.3} (1 is chance), {surrogates} surrogates with {surrogate_error:.3} (p = {p:.3})"
    );
    if p > SIGNIFICANT && surrogates < 19 {
        return (Class::Undetermined, format!("{tested}; fewer than 19 surrogates cannot decide."));
    }
    if p > SIGNIFICANT || error > HARDLY * surrogate_error {
        return (Class::Stochastic, format!("{tested}: no better than linear noise of the same spectrum."));
    }
    if error > CLEARLY * surrogate_error {
        return (
            Class::Undetermined,
            format!("{tested}: better than linear noise, but too little to be called deterministic."),
        );
    }
    (Class::Chaotic, tested)
}

/// A deterministic series is chaotic if the 0–1 test does not call it regular and its neighbours part exponentially for
/// certain.
fn confirm(report: &mut Report, k: Option<f64>) {
    if k.is_none_or(|k| k < REGULAR) {
        report.class = Class::Undetermined;
        let found = k.map_or("has too few values".to_owned(), |k| format!("says regular (K = {k:.2})"));
        report.reason.push_str(&format!(": deterministic, but the 0-1 test {found}."));
        return;
    }
    let Some(Estimate { value, low, high, r2, .. }) = &report.lyapunov else {
        report.class = Class::Undetermined;
        report
            .reason
            .push_str(": deterministic, but there is no stretch over which neighbours part exponentially.");
        return;
    };
    let measured = format!("exponent {value:.4}, 95 % interval {low:.4} to {high:.4}, r² {r2:.3}");
    if *low > 0.0 && *r2 >= STRAIGHT {
        report.reason.push_str(&format!(", and neighbours part exponentially: {measured}."));
    } else {
        report.class = Class::Undetermined;
        report.reason.push_str(&format!(": deterministic, but the exponent is not certain: {measured}."));
    }
}

fn without_surrogates(error: f64) -> (Class, String) {
    let found = format!("Nearest neighbours predict it with an error of {error:.3} (1 is chance)");
    if error > UNPREDICTABLE {
        return (Class::Stochastic, format!("{found}: as noise would be."));
    }
    (Class::Undetermined, format!("{found}; without surrogates nothing more is claimed."))
}
