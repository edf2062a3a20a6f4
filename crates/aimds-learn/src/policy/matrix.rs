//! Small symmetric matrices, row by row in one slice.

use crate::context::MAX_FEATURES;

/// A vector on the stack, of which the first `d` numbers count.
pub(crate) type Small = [f64; MAX_FEATURES];

/// Of two vectors of one length. Four partial sums, so that the compiler can use vector instructions.
pub(crate) fn dot(first: &[f64], second: &[f64]) -> f64 {
    let (a, a_rest) = first.as_chunks::<4>();
    let (b, b_rest) = second.as_chunks::<4>();
    let mut sums = [0.0; 4];
    for (a, b) in a.iter().zip(b) {
        for (sum, (a, b)) in sums.iter_mut().zip(a.iter().zip(b)) {
            *sum += a * b;
        }
    }
    let rest: f64 = a_rest.iter().zip(b_rest).map(|(a, b)| a * b).sum();
    sums.iter().sum::<f64>() + rest
}

/// `matrix · vector`. O(d²).
pub(crate) fn times(matrix: &[f64], vector: &[f64]) -> Small {
    let mut product = [0.0; MAX_FEATURES];
    for (out, row) in product.iter_mut().zip(matrix.chunks_exact(vector.len().max(1))) {
        *out = dot(row, vector);
    }
    product
}

/// `vectorᵀ · matrix · vector`. O(d²).
pub(crate) fn quadratic(matrix: &[f64], vector: &[f64]) -> f64 {
    let product = times(matrix, vector);
    dot(product.get(..vector.len()).unwrap_or_default(), vector)
}

/// `matrix = keep · matrix + factor · vector · vectorᵀ`. O(d²).
pub(crate) fn scale_add_outer(matrix: &mut [f64], keep: f64, factor: f64, vector: &[f64]) {
    for (row, a) in matrix.chunks_exact_mut(vector.len().max(1)).zip(vector) {
        let factor = factor * a;
        for (cell, b) in row.iter_mut().zip(vector) {
            *cell = keep * *cell + factor * b;
        }
    }
}

/// The lower triangle L with L·Lᵀ = `matrix`; `None` if it is not positive definite. O(d³).
fn cholesky(matrix: &[f64], d: usize) -> Option<Vec<f64>> {
    let mut lower = vec![0.0; d * d];
    for i in 0..d {
        for j in 0..=i {
            let (row_i, row_j) = (lower.get(i * d..i * d + j)?, lower.get(j * d..j * d + j)?);
            let rest = matrix.get(i * d + j)? - dot(row_i, row_j);
            let value = if i == j {
                if !(rest > 0.0 && rest.is_finite()) {
                    return None;
                }
                rest.sqrt()
            } else {
                rest / lower.get(j * d + j)?
            };
            *lower.get_mut(i * d + j)? = value;
        }
    }
    Some(lower)
}

/// The inverse of a symmetric positive definite matrix, by Cholesky's factors; `None` if it is none. O(d³).
pub(crate) fn inverse(matrix: &[f64], d: usize) -> Option<Vec<f64>> {
    let lower = cholesky(matrix, d)?;
    let mut inverse = vec![0.0; d * d];
    for column in 0..d {
        let mut solution = [0.0; MAX_FEATURES];
        *solution.get_mut(column)? = 1.0;
        for i in 0..d {
            let known = dot(lower.get(i * d..i * d + i)?, solution.get(..i)?);
            let slot = solution.get_mut(i)?;
            *slot = (*slot - known) / lower.get(i * d + i)?;
        }
        for i in (0..d).rev() {
            let mut known = 0.0;
            for k in i + 1..d {
                known += lower.get(k * d + i)? * solution.get(k)?;
            }
            let slot = solution.get_mut(i)?;
            *slot = (*slot - known) / lower.get(i * d + i)?;
        }
        for (i, value) in solution.iter().take(d).enumerate() {
            *inverse.get_mut(i * d + column)? = *value;
        }
    }
    Some(inverse)
}

/// `diagonal` on the diagonal.
pub(crate) fn diagonal(d: usize, diagonal: f64) -> Vec<f64> {
    let mut matrix = vec![0.0; d * d];
    for cell in matrix.iter_mut().step_by(d + 1) {
        *cell = diagonal;
    }
    matrix
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_inverse_is_one_and_an_indefinite_matrix_has_none() {
        let matrix = [4.0, 1.0, 0.5, 1.0, 3.0, -1.0, 0.5, -1.0, 2.0];
        let inverse = inverse(&matrix, 3).unwrap();
        for column in 0..3 {
            let unit: Vec<f64> = (0..3).map(|i| inverse[i * 3 + column]).collect();
            let product = times(&matrix, &unit);
            for (row, value) in product[..3].iter().enumerate() {
                assert!((value - f64::from(u8::from(row == column))).abs() < 1e-14);
            }
        }
        // 4 + 2·1·2 + 2·0.5·3 + 3·4 − 2·2·3 + 2·9
        assert_eq!(quadratic(&matrix, &[1.0, 2.0, 3.0]), 29.0);
        assert_eq!(super::inverse(&[1.0, 2.0, 2.0, 1.0], 2), None);
        assert_eq!(super::inverse(&[f64::NAN], 1), None);
    }
}
