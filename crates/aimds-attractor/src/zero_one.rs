//! The 0–1 test for chaos: does a walk that the series drives wander off, or stay where it is?

use std::f64::consts::{PI, SQRT_2};

use crate::error::{Error, finite};
use crate::random::Random;
use crate::standard::{standardise, sum_of_pairs};

/// Frequencies of the walk; the result is the median over them.
const FREQUENCIES: usize = 31;
/// Distances in time at which the displacement is measured.
const LAGS: usize = 16;
/// Values used at most: the last ones.
const MOST: usize = 2000;
/// Strength of the damping term, as recommended by its authors.
const DAMPING: f64 = 2.5;

/// The growth rate K: near 1 for chaos **and for noise**, near 0 for regular motion.
///
/// Gottwald and Melbourne, *On the implementation of the 0–1 test for chaos*, 2009: the correlation method with the damping
/// term of Dawes and Freeland (2008). The series is centred, so that there is no oscillating term to take off, and the
/// amplitude of the damping is the variance instead of the squared mean, so that the zero of the series does not matter. The median over 31 frequencies between π/5 and 4π/5,
/// drawn from `seed`. A series that is sampled finely must be thinned first, else K is near 0 whatever it is.
///
/// Uses the last 2,000 values: constant cost above. `None` below 50 values and for a constant series.
///
/// # Errors
///
/// [`Error::NonFinite`].
///
/// ```
/// let mut x = 0.3;
/// let chaos: Vec<f64> = (0..1000).map(|_| { x = 4.0 * x * (1.0 - x); x }).collect();
/// let sine: Vec<f64> = (0..1000).map(|i| (f64::from(i) / 4.0).sin()).collect();
/// assert!(aimds_attractor::zero_one(&chaos, 7)?.unwrap() > 0.9);
/// assert!(aimds_attractor::zero_one(&sine, 7)?.unwrap() < 0.1);
/// # Ok::<(), aimds_attractor::Error>(())
/// ```
pub fn zero_one(series: &[f64], seed: u64) -> Result<Option<f64>, Error> {
    finite(series)?;
    let last = series.get(series.len().saturating_sub(MOST)..).unwrap_or_default();
    if last.len() < 50 {
        return Ok(None);
    }
    Ok(standardise(last).map(|standard| growth(&standard, seed)))
}

fn growth(standard: &[f64], seed: u64) -> f64 {
    let mut random = Random::new(seed);
    let mut rates: Vec<f64> =
        (0..FREQUENCIES).map(|_| correlation(standard, PI * (0.2 + 0.6 * random.unit()))).collect();
    *rates.select_nth_unstable_by(FREQUENCIES / 2, f64::total_cmp).1
}

/// How the mean squared displacement of the walk with this frequency correlates with time.
fn correlation(standard: &[f64], frequency: f64) -> f64 {
    let (mut x, mut y) = (0.0, 0.0);
    // The next angle from the last: sine and cosine of each were half of the time.
    let (turn_sine, turn_cosine) = frequency.sin_cos();
    let (mut sine, mut cosine) = (0.0, 1.0);
    let (xs, ys): (Vec<f64>, Vec<f64>) = standard
        .iter()
        .map(|value| {
            (sine, cosine) =
                (sine * turn_cosine + cosine * turn_sine, cosine * turn_cosine - sine * turn_sine);
            x += value * cosine;
            y += value * sine;
            (x, y)
        })
        .unzip();
    let longest = standard.len() / 10;
    let starts = standard.len() - longest;
    let points = (1..=LAGS).map(|part| (part * longest).div_ceil(LAGS)).map(|lag| {
        let moved = |walk: &[f64]| {
            let later = walk.get(lag..lag + starts).unwrap_or_default();
            sum_of_pairs(walk, later, |a, b| (b - a) * (b - a)) / starts as f64
        };
        (lag as f64, moved(&xs) + moved(&ys) + DAMPING * (SQRT_2 * lag as f64).sin())
    });
    pearson(&points.collect::<Vec<_>>())
}

/// 0 where one of the two does not vary.
pub(crate) fn pearson(points: &[(f64, f64)]) -> f64 {
    let count = points.len() as f64;
    let (x, y) = points.iter().fold((0.0, 0.0), |(x, y), point| (x + point.0 / count, y + point.1 / count));
    let (mut xy, mut xx, mut yy) = (0.0, 0.0, 0.0);
    for point in points {
        xy += (point.0 - x) * (point.1 - y);
        xx += (point.0 - x) * (point.0 - x);
        yy += (point.1 - y) * (point.1 - y);
    }
    if xx * yy > 0.0 { xy / (xx * yy).sqrt() } else { 0.0 }
}
