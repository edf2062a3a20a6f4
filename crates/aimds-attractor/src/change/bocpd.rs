//! Bayesian detection of change points while the values come in.
//!
//! Adams and MacKay, *Bayesian online changepoint detection*, 2007, for normal values of unknown mean and variance.

use std::f64::consts::PI;

use super::Counter;
use crate::error::{Error, setting};

/// Run lengths less likely than this are forgotten.
const FORGET: f64 = 1e-10;

/// What is believed of a stretch before its first value: a normal-gamma distribution of mean and precision.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Prior {
    /// Expected mean.
    pub mean: f64,
    /// How many values that expectation is worth.
    pub strength: f64,
    /// Shape of the precision: half of the number of values the variance is worth.
    pub shape: f64,
    /// Rate of the precision: the expected variance is about `rate / shape`.
    pub rate: f64,
}

/// What is believed of the current stretch.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct RunLength {
    /// The most likely number of values since the last change.
    pub most_likely: usize,
    /// Its mean.
    pub expected: f64,
}

/// One hypothesis: the stretch began `run` values ago.
#[derive(Debug, Clone, Copy)]
struct Hypothesis {
    run: usize,
    probability: f64,
    mean: f64,
    strength: f64,
    shape: f64,
    rate: f64,
    /// ln Γ(shape + ½) − ln Γ(shape).
    log_gammas: f64,
}

impl Hypothesis {
    fn of(prior: &Prior, log_gammas: f64) -> Self {
        let Prior { mean, strength, shape, rate } = *prior;
        Self { run: 0, probability: 1.0, mean, strength, shape, rate, log_gammas }
    }

    /// The logarithm of Student's density of the next value.
    fn log_density(&self, value: f64) -> f64 {
        let spread = 2.0 * self.rate * (self.strength + 1.0) / self.strength;
        let offset = value - self.mean;
        self.log_gammas - 0.5 * (PI * spread).ln() - (self.shape + 0.5) * (offset * offset / spread).ln_1p()
    }

    fn with(&self, value: f64) -> Self {
        let offset = value - self.mean;
        Self {
            run: self.run + 1,
            probability: self.probability,
            mean: self.mean + offset / (self.strength + 1.0),
            strength: self.strength + 1.0,
            shape: self.shape + 0.5,
            rate: self.rate + 0.5 * self.strength / (self.strength + 1.0) * offset * offset,
            // Γ(x + 1) = x·Γ(x), half a step at a time.
            log_gammas: self.shape.ln() - self.log_gammas,
        }
    }
}

/// The posterior of the time since the last change. O(hypotheses) a value, at most `longest`.
///
/// Run lengths less likely than 1e-10 are dropped, and the least likely beyond `longest`.
///
/// ```
/// use aimds_attractor::{Bocpd, Prior};
///
/// let prior = Prior { mean: 0.0, strength: 1.0, shape: 1.0, rate: 1.0 };
/// let mut detector = Bocpd::new(prior, 100.0, 300)?;
/// for i in 0..150 {
///     detector.push(f64::from(i % 3) + if i < 100 { 0.0 } else { 9.0 })?;
/// }
/// assert_eq!(detector.run_length().most_likely, 50);
/// assert!(detector.within(60) > 0.99);
/// # Ok::<(), aimds_attractor::Error>(())
/// ```
#[derive(Debug, Clone)]
pub struct Bocpd {
    start: Hypothesis,
    hazard: f64,
    longest: usize,
    hypotheses: Vec<Hypothesis>,
    counter: Counter,
}

impl Bocpd {
    /// `expected_run` is the mean number of values between two changes, `longest` the number of hypotheses kept.
    ///
    /// # Errors
    ///
    /// [`Error::Setting`] for a prior that is no distribution, an expected run not above 1, or `longest` outside 2 to
    /// 100,000.
    pub fn new(prior: Prior, expected_run: f64, longest: usize) -> Result<Self, Error> {
        let positive = |value: f64| value > 0.0 && value.is_finite();
        setting("mean", prior.mean, "finite", prior.mean.is_finite())?;
        setting("strength", prior.strength, "above 0 and finite", positive(prior.strength))?;
        setting("shape", prior.shape, "above 0 and finite", positive(prior.shape))?;
        setting("rate", prior.rate, "above 0 and finite", positive(prior.rate))?;
        setting(
            "expected_run",
            expected_run,
            "above 1 and finite",
            expected_run > 1.0 && expected_run.is_finite(),
        )?;
        setting("longest", longest as f64, "from 2 to 100000", (2..=100_000).contains(&longest))?;
        let start = Hypothesis::of(&prior, log_gamma(prior.shape + 0.5) - log_gamma(prior.shape));
        let hazard = 1.0 / expected_run;
        Ok(Self { start, hazard, longest, hypotheses: vec![start], counter: Counter::default() })
    }

    /// Takes the next value.
    ///
    /// # Errors
    ///
    /// [`Error::NonFinite`] with the number of the value; the beliefs stay as they were.
    pub fn push(&mut self, value: f64) -> Result<RunLength, Error> {
        self.counter.admit(value)?;
        let logs: Vec<f64> = self.hypotheses.iter().map(|hypothesis| hypothesis.log_density(value)).collect();
        let highest = logs.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        let mut total = 0.0;
        for (hypothesis, log) in self.hypotheses.iter_mut().zip(&logs) {
            let joint = hypothesis.probability * (log - highest).exp();
            *hypothesis = Hypothesis { probability: joint * (1.0 - self.hazard), ..hypothesis.with(value) };
            total += joint;
        }
        if total > 0.0 {
            self.hypotheses.push(Hypothesis { probability: total * self.hazard, ..self.start });
        } else {
            // A value so far out that no hypothesis knows it: only a new stretch is left.
            self.hypotheses = vec![self.start];
        }
        self.forget();
        Ok(self.run_length())
    }

    fn forget(&mut self) {
        let total: f64 = self.hypotheses.iter().map(|hypothesis| hypothesis.probability).sum();
        self.hypotheses.retain(|hypothesis| hypothesis.probability >= FORGET * total);
        if self.hypotheses.len() > self.longest {
            let least = |a: &(usize, f64), b: &(usize, f64)| a.1.total_cmp(&b.1);
            let probabilities = self.hypotheses.iter().map(|hypothesis| hypothesis.probability).enumerate();
            if let Some((at, _)) = probabilities.min_by(least) {
                self.hypotheses.remove(at);
            }
        }
        let total: f64 = self.hypotheses.iter().map(|hypothesis| hypothesis.probability).sum();
        for hypothesis in &mut self.hypotheses {
            hypothesis.probability /= total;
        }
    }

    /// What is believed now.
    pub fn run_length(&self) -> RunLength {
        let best = self.hypotheses.iter().max_by(|a, b| a.probability.total_cmp(&b.probability));
        let expected = self.hypotheses.iter().map(|it| it.probability * it.run as f64).sum();
        RunLength { most_likely: best.map_or(0, |hypothesis| hypothesis.run), expected }
    }

    /// The probability that the last change was at most so many values ago. It is at least one over the expected run: a
    /// new stretch is always possible.
    pub fn within(&self, values: usize) -> f64 {
        self.hypotheses.iter().filter(|it| it.run <= values).map(|it| it.probability).sum()
    }
}

/// ln Γ by Stirling's series, after moving the argument up.
fn log_gamma(value: f64) -> f64 {
    let (mut shift, mut x) = (0.0, value);
    while x < 12.0 {
        shift += x.ln();
        x += 1.0;
    }
    let inverse = 1.0 / (x * x);
    let series = (1.0 / 12.0 - inverse * (1.0 / 360.0 - inverse * (1.0 / 1260.0 - inverse / 1680.0))) / x;
    (x - 0.5) * x.ln() - x + 0.5 * (2.0 * PI).ln() + series - shift
}

#[cfg(test)]
mod tests {
    use super::log_gamma;

    #[test]
    fn log_gamma_of_whole_and_half_numbers() {
        let check = |value: f64, expected: f64| {
            assert!((log_gamma(value) - expected).abs() < 1e-12, "{value}");
        };
        check(1.0, 0.0);
        check(2.0, 0.0);
        check(0.5, std::f64::consts::PI.sqrt().ln());
        check(11.0, 3_628_800_f64.ln());
        check(100.0, (1..100).map(|i| f64::from(i).ln()).sum());
    }
}
