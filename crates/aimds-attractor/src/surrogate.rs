//! Surrogates: series that have the values and the spectrum of a given one, and otherwise nothing of it.

use realfft::num_complex::Complex64;

use crate::embedding::neighbours::{Neighbours, Search};
use crate::embedding::{Embedding, vectors};
use crate::error::{Error, finite, setting};
use crate::random::Random;
use crate::spectrum::Transform;
use crate::standard::standardise;

/// Rounds of exchanging spectrum and values at most; it mostly stops earlier, when no value changes its rank.
const ROUNDS: usize = 20;
/// Vectors whose future is predicted.
const REFERENCES: usize = 300;
/// Dimension of the prediction at most.
const DIMENSION: usize = 4;
/// Surrogates at most: each costs a transform of the series some twenty times.
const MOST: usize = 10_000;

/// One surrogate by the iterated amplitude-adjusted Fourier transform: exactly the values of the series in another order, with
/// nearly its spectrum.
///
/// Schreiber and Schmitz, *Improved surrogate data for nonlinearity tests*, 1996. At most 20 rounds of O(n log n). The same
/// seed gives the same surrogate.
///
/// # Errors
///
/// [`Error::NonFinite`].
///
/// ```
/// let series: Vec<f64> = (0..64).map(|i| f64::from(i * i % 37)).collect();
/// let mut surrogate = aimds_attractor::iaaft(&series, 1)?;
/// assert_ne!(surrogate, series);
/// let mut values = series.clone();
/// values.sort_by(f64::total_cmp);
/// surrogate.sort_by(f64::total_cmp);
/// assert_eq!(surrogate, values);
/// # Ok::<(), aimds_attractor::Error>(())
/// ```
pub fn iaaft(series: &[f64], seed: u64) -> Result<Vec<f64>, Error> {
    finite(series)?;
    if series.len() < 2 {
        return Ok(series.to_vec());
    }
    Ok(Template::new(series).surrogate(&mut Random::new(seed)))
}

/// What all surrogates of a series share.
struct Template {
    transform: Transform,
    amplitudes: Vec<f64>,
    sorted: Vec<f64>,
}

impl Template {
    fn new(series: &[f64]) -> Self {
        let transform = Transform::new(series.len());
        let amplitudes = transform.forward(series).iter().map(|amplitude| amplitude.norm()).collect();
        let mut sorted = series.to_vec();
        sorted.sort_unstable_by(f64::total_cmp);
        Self { transform, amplitudes, sorted }
    }

    fn surrogate(&self, random: &mut Random) -> Vec<f64> {
        let mut current = self.sorted.clone();
        random.shuffle(&mut current);
        let places = current.len().next_power_of_two() as u64 - 1;
        let mut ranks: Vec<u64> = Vec::with_capacity(current.len());
        for _ in 0..ROUNDS {
            let mut spectrum = self.transform.forward(&current);
            for (found, &wanted) in spectrum.iter_mut().zip(&self.amplitudes) {
                let norm = found.norm();
                *found = if norm > 0.0 { *found * (wanted / norm) } else { Complex64::new(wanted, 0.0) };
            }
            ranks.clear();
            let filtered = self.transform.inverse(&mut spectrum);
            ranks.extend(filtered.iter().zip(0..).map(|(&value, place)| (ordered(value) & !places) | place));
            ranks.sort_unstable();
            let mut changed = false;
            for (&rank, &value) in ranks.iter().zip(&self.sorted) {
                if let Some(old) = current.get_mut((rank & places) as usize) {
                    changed |= *old != value;
                    *old = value;
                }
            }
            if !changed {
                break;
            }
        }
        current
    }
}

/// A number that is larger the larger the value is. Its lowest bits make room for the place of the value, so that numbers
/// are sorted and not pairs: half of the time of a surrogate was sorting.
fn ordered(value: f64) -> u64 {
    let bits = value.to_bits();
    if value.is_sign_negative() { !bits } else { bits | (1 << 63) }
}

/// What the surrogates say about a series.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct SurrogateTest {
    /// The chance that a linear stochastic process seen through any monotone function is predicted as well as the series: one-sided, by
    /// rank, so at least `1 / (surrogates + 1)`.
    pub p: f64,
    /// Error of predicting by the nearest neighbour: 0 is perfect, 1 is as bad as any other value of the series.
    pub error: f64,
    /// Median error for the surrogates.
    pub surrogate_error: f64,
    /// How many surrogates.
    pub surrogates: usize,
}

/// Is the series easier to predict than series that are nothing but its values and its spectrum?
///
/// The error is that of the nearest neighbour's future, `embedding.delay` steps on, for at most 300 vectors of at most four
/// dimensions (the best discriminating statistic of Schreiber and Schmitz, *Discrimination power of measures for
/// nonlinearity in a time series*, 1997). The series is first cut where its ends fit together, because a jump there is
/// broad-band noise to a Fourier transform. 19 surrogates are the fewest that allow p = 0.05. `None` if the series is too short for the embedding.
///
/// # Errors
///
/// [`Error::NonFinite`], and [`Error::Setting`] for no or more than 10,000 surrogates.
pub fn surrogate_test(
    series: &[f64],
    embedding: &Embedding,
    surrogates: usize,
    seed: u64,
) -> Result<Option<SurrogateTest>, Error> {
    finite(series)?;
    setting("surrogates", surrogates as f64, "from 1 to 10000", (1..=MOST).contains(&surrogates))?;
    Ok(standardise(series).and_then(|standard| test(&standard, embedding, surrogates, seed)))
}

/// [`surrogate_test`] of a series of mean 0 and variance 1.
pub(crate) fn test(
    standard: &[f64],
    embedding: &Embedding,
    surrogates: usize,
    seed: u64,
) -> Option<SurrogateTest> {
    let series = matched_ends(standard);
    let error = prediction_error(series, embedding)?;
    let template = Template::new(series);
    let mut random = Random::new(seed);
    let mut errors: Vec<f64> = (0..surrogates)
        .map(|_| prediction_error(&template.surrogate(&mut random), embedding).unwrap_or(f64::INFINITY))
        .collect();
    let better = errors.iter().filter(|&&other| other <= error).count();
    let (_, median, _) = errors.select_nth_unstable_by(surrogates / 2, f64::total_cmp);
    let p = (better + 1) as f64 / (surrogates + 1) as f64;
    Some(SurrogateTest { p, error, surrogate_error: *median, surrogates })
}

/// Error of the nearest neighbour's future over twice the variance; `None` without neighbours or variance.
pub(crate) fn prediction_error(series: &[f64], embedding: &Embedding) -> Option<f64> {
    let embedding = Embedding { dimension: embedding.dimension.min(DIMENSION), ..*embedding };
    let Embedding { delay, dimension, theiler } = embedding;
    let usable = vectors(series.len(), delay, dimension).saturating_sub(delay);
    let stride = usable.div_ceil(REFERENCES).max(1);
    // The same state seen before is the best of predictors.
    let search = Search { delay, dimension, usable, theiler, farther_than: -1.0 };
    let pairs = Neighbours::new(series, search).nearest(stride);
    let later = series.get(embedding.span() + delay..)?;
    let (mut errors, mut sum, mut squares, mut count) = (0.0, 0.0, 0.0, 0.0);
    for pair in &pairs {
        let (Some(a), Some(b)) = (later.get(pair.from), later.get(pair.to)) else { continue };
        errors += (a - b) * (a - b);
        sum += a;
        squares += a * a;
        count += 1.0;
    }
    let variance = squares / count - (sum / count) * (sum / count);
    (variance > 0.0).then(|| errors / count / (2.0 * variance))
}

/// A piece of at least nine tenths of the series whose length is quick to transform, cut where the ends differ least in
/// value and slope.
fn matched_ends(series: &[f64]) -> &[f64] {
    let most = series.len() - series.len() / 50;
    let len = (1..=most).rev().find(|&len| is_smooth(len)).unwrap_or(series.len());
    let pieces = series.windows(len.max(1));
    pieces.min_by(|a, b| end_mismatch(a).total_cmp(&end_mismatch(b))).unwrap_or(series)
}

/// Has no prime factor above five.
fn is_smooth(mut number: usize) -> bool {
    for prime in [2, 3, 5] {
        while number.is_multiple_of(prime) {
            number /= prime;
        }
    }
    number == 1
}

fn end_mismatch(piece: &[f64]) -> f64 {
    match piece {
        [a, b, .., y, z] => (a - z).abs() + ((b - a) - (z - y)).abs(),
        _ => f64::INFINITY,
    }
}
