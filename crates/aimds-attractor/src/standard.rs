//! Mean 0 and variance 1: what makes every result the same for `x` and `a·x + b`.

/// A spread below this share of the largest value is rounding.
const ROUNDING: f64 = 1e-13;

/// The series with mean 0 and variance 1, or `None` if it is constant up to rounding. Values near the largest number are
/// no problem.
pub(crate) fn standardise(series: &[f64]) -> Option<Vec<f64>> {
    let (low, high) = range(series);
    // Halves, so that the difference of two huge values stays finite.
    let half_range = high * 0.5 - low * 0.5;
    let largest = low.abs().max(high.abs());
    if half_range.is_nan() || half_range <= largest * ROUNDING {
        return None;
    }
    let middle = high * 0.5 + low * 0.5;
    let mut unit: Vec<f64> =
        series.iter().map(|value| (value * 0.5 - middle * 0.5) / (half_range * 0.5)).collect();
    let count = unit.len() as f64;
    let mean = unit.iter().sum::<f64>() / count;
    let variance = unit.iter().map(|value| (value - mean) * (value - mean)).sum::<f64>() / count;
    let scale = 1.0 / variance.sqrt();
    for value in &mut unit {
        *value = (*value - mean) * scale;
    }
    Some(unit)
}

/// The smallest and the largest value; of nothing, infinities.
pub(crate) fn range(series: &[f64]) -> (f64, f64) {
    series
        .iter()
        .fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), &value| (low.min(value), high.max(value)))
}

/// The sum of `f(a) over pairs`, in four sums that the compiler can compute at once.
pub(crate) fn sum_of_pairs(a: &[f64], b: &[f64], f: impl Fn(f64, f64) -> f64) -> f64 {
    let common = a.len().min(b.len());
    let (a, b) = (a.get(..common).unwrap_or_default(), b.get(..common).unwrap_or_default());
    let (a_chunks, a_rest) = a.as_chunks::<4>();
    let (b_chunks, b_rest) = b.as_chunks::<4>();
    let mut sums = [0.0; 4];
    for (a, b) in a_chunks.iter().zip(b_chunks) {
        for (sum, (&a, &b)) in sums.iter_mut().zip(a.iter().zip(b)) {
            *sum += f(a, b);
        }
    }
    let rest: f64 = a_rest.iter().zip(b_rest).map(|(&a, &b)| f(a, b)).sum();
    sums.iter().sum::<f64>() + rest
}

/// The correlation of a series of mean 0 and variance 1 with itself `lag` later, over the pairs there are.
pub(crate) fn autocorrelation(standard: &[f64], lag: usize) -> f64 {
    let later = standard.get(lag..).unwrap_or_default();
    sum_of_pairs(standard, later, |a, b| a * b) / later.len().max(1) as f64
}
