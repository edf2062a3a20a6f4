//! Least squares by Cholesky's decomposition of the normal equations.

/// The weights that fit the rows to the values best; `None` if there are more weights than rows.
///
/// A tiny ridge keeps rows that depend on each other from spoiling the result. O(rows · weights²).
pub(crate) fn least_squares<R: AsRef<[f64]>>(
    rows: impl Iterator<Item = R>,
    values: &[f64],
) -> Option<Vec<f64>> {
    solve(Normal::of(rows, values)?).map(|(weights, _)| weights)
}

/// The weights, and the standard error of the last one.
pub(crate) fn least_squares_with_error(
    rows: impl Iterator<Item = Vec<f64>> + Clone,
    values: &[f64],
) -> Option<(Vec<f64>, f64)> {
    let (weights, last_pivot) = solve(Normal::of(rows.clone(), values)?)?;
    let squares: f64 = rows
        .zip(values)
        .map(|(row, value)| {
            let fitted: f64 = row.iter().zip(&weights).map(|(entry, weight)| entry * weight).sum();
            (value - fitted) * (value - fitted)
        })
        .sum();
    let freedom = values.len().checked_sub(weights.len()).filter(|&freedom| freedom > 0)?;
    // The last diagonal entry of the inverse is one over the square of the last pivot.
    Some((weights, (squares / freedom as f64).sqrt() / last_pivot))
}

/// Lower half of the matrix of products, row by row, and the products with the values.
struct Normal {
    lower: Vec<Vec<f64>>,
    right: Vec<f64>,
}

impl Normal {
    fn of<R: AsRef<[f64]>>(rows: impl Iterator<Item = R>, values: &[f64]) -> Option<Self> {
        let mut rows = rows.peekable();
        let size = rows.peek()?.as_ref().len();
        let mut normal =
            Self { lower: (0..size).map(|row| vec![0.0; row + 1]).collect(), right: vec![0.0; size] };
        for (row, value) in rows.zip(values) {
            let row = row.as_ref();
            for ((line, right), entry) in normal.lower.iter_mut().zip(&mut normal.right).zip(row) {
                for (cell, other) in line.iter_mut().zip(row) {
                    *cell += entry * other;
                }
                *right += entry * value;
            }
        }
        Some(normal)
    }
}

/// The solution and the last pivot.
fn solve(normal: Normal) -> Option<(Vec<f64>, f64)> {
    let Normal { mut lower, mut right } = normal;
    let largest = lower.iter().filter_map(|row| row.last()).fold(0.0_f64, |a, &b| a.max(b));
    let ridge = largest * 1e-12;
    let mut pivot = f64::NAN;
    for at in 0..lower.len() {
        let (above, rest) = lower.split_at_mut(at);
        let line = rest.first_mut()?;
        for (column, other) in above.iter().enumerate() {
            let sum: f64 = line.iter().zip(other).take(column).map(|(a, b)| a * b).sum();
            let cell = line.get_mut(column)?;
            *cell = (*cell - sum) / other.last()?;
        }
        let sum: f64 = line.iter().take(at).map(|a| a * a).sum();
        let diagonal = line.last_mut()?;
        pivot = (*diagonal + ridge - sum).max(ridge).sqrt();
        *diagonal = pivot;
    }
    forward(&lower, &mut right)?;
    backward(&lower, &mut right)?;
    right.iter().all(|weight| weight.is_finite()).then_some((right, pivot))
}

fn forward(lower: &[Vec<f64>], right: &mut [f64]) -> Option<()> {
    for (at, line) in lower.iter().enumerate() {
        let known: f64 = line.iter().zip(right.iter()).take(at).map(|(a, b)| a * b).sum();
        let value = right.get_mut(at)?;
        *value = (*value - known) / line.last()?;
    }
    Some(())
}

fn backward(lower: &[Vec<f64>], right: &mut [f64]) -> Option<()> {
    for (at, line) in lower.iter().enumerate().rev() {
        let (open, rest) = right.split_at_mut(at);
        let value = rest.first_mut()?;
        *value /= line.last()?;
        for (open, entry) in open.iter_mut().zip(line) {
            *open -= entry * *value;
        }
    }
    Some(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plane_is_found_again() {
        let rows = || (0..50).map(|i| vec![1.0, f64::from(i), f64::from(i * i % 7)]);
        let values: Vec<f64> = rows().map(|row| 2.0 - 0.5 * row[1] + 3.0 * row[2]).collect();
        let weights = least_squares(rows(), &values).unwrap();
        for (found, expected) in weights.iter().zip([2.0, -0.5, 3.0]) {
            assert!((found - expected).abs() < 1e-8, "{weights:?}");
        }
    }

    /// Slope of a line through five points: the textbook formula says 0.6 with a standard error of sqrt(0.08).
    #[test]
    fn the_error_is_the_textbook_one() {
        let rows = (1..=5).map(|i| vec![1.0, f64::from(i)]);
        let (weights, error) = least_squares_with_error(rows, &[2.0, 4.0, 5.0, 4.0, 5.0]).unwrap();
        assert!(
            (weights[1] - 0.6).abs() < 1e-9 && (error - 0.08_f64.sqrt()).abs() < 1e-9,
            "{weights:?} {error}"
        );
    }
}
