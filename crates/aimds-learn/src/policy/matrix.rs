//! Small symmetric matrices.

use serde::{Deserialize, Serialize};

use crate::context::MAX_FEATURES;

/// A vector on the stack, of which the first `d` numbers count; the others are 0.
pub(crate) type Small = [f64; MAX_FEATURES];

/// Rows and columns of a block.
const SIDE: usize = 4;

/// Sixteen cells that are worked on together, so that the compiler can use vector instructions.
type Block = [[f64; SIDE]; SIDE];

/// A symmetric matrix of which the lower triangle is held, in blocks: (0, 0), (1, 0), (1, 1), (2, 0), …
///
/// Blocks on the diagonal are held whole; all others stand for their mirror images as well. Cells beyond the matrix are 0.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Symmetric {
    blocks: Vec<Block>,
}

impl Symmetric {
    /// `value` on the diagonal.
    pub(crate) fn diagonal(d: usize, value: f64) -> Self {
        let mut matrix = Self { blocks: vec![[[0.0; SIDE]; SIDE]; blocks_above(d.div_ceil(SIDE))] };
        for axis in 0..d {
            matrix.add_to_diagonal(axis, value);
        }
        matrix
    }

    /// Of a symmetric matrix, row by row in one slice.
    pub(crate) fn from_full(full: &[f64], d: usize) -> Self {
        let mut matrix = Self::diagonal(d, 0.0);
        let cell = |row: usize, column: usize| {
            let held = row < d && column < d;
            full.get(row * d + column).copied().filter(|_| held).unwrap_or(0.0)
        };
        for (block, (below, beside)) in matrix.blocks.iter_mut().zip(places()) {
            for (r, row) in block.iter_mut().enumerate() {
                for (c, out) in row.iter_mut().enumerate() {
                    *out = cell(below * SIDE + r, beside * SIDE + c);
                }
            }
        }
        matrix
    }

    /// Row by row in one vector.
    pub(crate) fn full(&self, d: usize) -> Vec<f64> {
        (0..d).flat_map(|axis| self.column(axis).into_iter().take(d)).collect()
    }

    /// Whether it is a finite matrix of this size.
    pub(crate) fn is_sound(&self, d: usize) -> bool {
        self.blocks.len() == blocks_above(d.div_ceil(SIDE))
            && self.blocks.as_flattened().as_flattened().iter().all(|cell| cell.is_finite())
            && Self::from_full(&self.full(d), d) == *self
    }

    /// Multiplies every cell.
    pub(crate) fn scale(&mut self, factor: f64) {
        self.blocks.as_flattened_mut().as_flattened_mut().iter_mut().for_each(|cell| *cell *= factor);
    }

    /// Adds to one cell of the diagonal. O(1).
    pub(crate) fn add_to_diagonal(&mut self, axis: usize, value: f64) {
        let block = self.blocks.get_mut(blocks_above(axis / SIDE) + axis / SIDE);
        let row = block.and_then(|block| block.get_mut(axis % SIDE));
        if let Some(cell) = row.and_then(|row| row.get_mut(axis % SIDE)) {
            *cell += value;
        }
    }

    /// A column, which is a row as well. O(d).
    pub(crate) fn column(&self, axis: usize) -> Small {
        let mut column = [0.0; MAX_FEATURES];
        let (own, within) = (axis / SIDE, axis % SIDE);
        for (at, out) in column.as_chunks_mut::<SIDE>().0.iter_mut().enumerate() {
            let place = blocks_above(own.max(at)) + own.min(at);
            let Some(block) = self.blocks.get(place) else { return column };
            for (r, (out, row)) in out.iter_mut().zip(block).enumerate() {
                let mirrored = || block.get(within).and_then(|row| row.get(r));
                let cell = if at > own { row.get(within) } else { mirrored() };
                *out = cell.copied().unwrap_or(0.0);
            }
        }
        column
    }

    /// `matrix · vector`. O(d²).
    pub(crate) fn times(&self, vector: &Small) -> Small {
        let mut product = [0.0; MAX_FEATURES];
        let factors = vector.as_chunks::<SIDE>().0;
        for (at, ((mirrored, own), below)) in self.rows().zip(factors).enumerate() {
            let Some((done, out)) = product.as_chunks_mut::<SIDE>().0.split_at_mut_checked(at) else { break };
            let mut sums = Block::default();
            for ((block, beside), done) in mirrored.iter().zip(factors).zip(done) {
                for ((sums, row), factor) in sums.iter_mut().zip(block).zip(below) {
                    add_products(sums, row, beside);
                    add_multiple(done, *factor, row);
                }
            }
            for (sums, row) in sums.iter_mut().zip(own) {
                add_products(sums, row, below);
            }
            for (out, sums) in out.iter_mut().flatten().zip(sums) {
                *out += sums.iter().sum::<f64>();
            }
        }
        product
    }

    /// `vectorᵀ · matrix · vector`. O(d²).
    pub(crate) fn quadratic(&self, vector: &Small) -> f64 {
        let factors = vector.as_chunks::<SIDE>().0;
        let (mut once, mut twice) = ([0.0; SIDE], [0.0; SIDE]);
        for ((mirrored, own), below) in self.rows().zip(factors) {
            for (block, beside) in mirrored.iter().zip(factors) {
                add_products(&mut twice, &combined(block, below), beside);
            }
            add_products(&mut once, &combined(own, below), below);
        }
        once.iter().sum::<f64>() + 2.0 * twice.iter().sum::<f64>()
    }

    /// Adds `factor · vector · vectorᵀ` for each of the terms, in one pass. O(d²).
    pub(crate) fn add_outer<const TERMS: usize>(&mut self, terms: [(f64, &Small); TERMS]) {
        for (block, (below, beside)) in self.blocks.iter_mut().zip(places()) {
            for (factor, vector) in terms {
                let chunks = vector.as_chunks::<SIDE>().0;
                let (Some(below), Some(beside)) = (chunks.get(below), chunks.get(beside)) else { continue };
                for (row, value) in block.iter_mut().zip(below) {
                    add_multiple(row, factor * value, beside);
                }
            }
        }
    }

    /// The blocks of each row of blocks: those that are mirrored, and the one on the diagonal.
    fn rows(&self) -> impl Iterator<Item = (&[Block], &Block)> {
        let mut rest = self.blocks.as_slice();
        (1..).map_while(move |length| {
            let (row, below) = rest.split_at_checked(length)?;
            rest = below;
            let (own, mirrored) = row.split_last()?;
            Some((mirrored, own))
        })
    }
}

/// Blocks before a row of blocks.
fn blocks_above(row: usize) -> usize {
    row * (row + 1) / 2
}

/// Row and column of each block in the order in which they are held.
fn places() -> impl Iterator<Item = (usize, usize)> {
    (0..MAX_FEATURES.div_ceil(SIDE)).flat_map(|below| (0..=below).map(move |beside| (below, beside)))
}

/// The rows of a block, each times its factor, added up.
fn combined(block: &Block, factors: &[f64; SIDE]) -> [f64; SIDE] {
    let mut sum = [0.0; SIDE];
    for (row, factor) in block.iter().zip(factors) {
        add_multiple(&mut sum, *factor, row);
    }
    sum
}

fn add_multiple(out: &mut [f64; SIDE], factor: f64, row: &[f64; SIDE]) {
    for (out, cell) in out.iter_mut().zip(row) {
        *out += factor * cell;
    }
}

fn add_products(sums: &mut [f64; SIDE], first: &[f64; SIDE], second: &[f64; SIDE]) {
    for (sum, (a, b)) in sums.iter_mut().zip(first.iter().zip(second)) {
        *sum += a * b;
    }
}

/// Of two vectors of one length. Four partial sums, for vector instructions too.
pub(crate) fn dot(first: &[f64], second: &[f64]) -> f64 {
    let (a, a_rest) = first.as_chunks::<SIDE>();
    let (b, b_rest) = second.as_chunks::<SIDE>();
    let mut sums = [0.0; SIDE];
    for (a, b) in a.iter().zip(b) {
        add_products(&mut sums, a, b);
    }
    let rest: f64 = a_rest.iter().zip(b_rest).map(|(a, b)| a * b).sum();
    sums.iter().sum::<f64>() + rest
}

/// The lower triangle L with L·Lᵀ = `matrix`, which is held row by row in one slice; `None` if it is not positive definite. O(d³).
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

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::Random;

    pub(crate) fn padded(numbers: &[f64]) -> Small {
        let mut small = [0.0; MAX_FEATURES];
        small[..numbers.len()].copy_from_slice(numbers);
        small
    }

    #[test]
    fn an_inverse_is_one_and_an_indefinite_matrix_has_none() {
        let full = [4.0, 1.0, 0.5, 1.0, 3.0, -1.0, 0.5, -1.0, 2.0];
        let matrix = Symmetric::from_full(&full, 3);
        let inverse = inverse(&full, 3).unwrap();
        for column in 0..3 {
            let unit: Vec<f64> = (0..3).map(|i| inverse[i * 3 + column]).collect();
            let product = matrix.times(&padded(&unit));
            for (row, value) in product[..3].iter().enumerate() {
                assert!((value - f64::from(u8::from(row == column))).abs() < 1e-14);
            }
        }
        // 4 + 2·1·2 + 2·0.5·3 + 3·4 − 2·2·3 + 2·9
        assert_eq!(matrix.quadratic(&padded(&[1.0, 2.0, 3.0])), 29.0);
        assert_eq!(super::inverse(&[1.0, 2.0, 2.0, 1.0], 2), None);
        assert_eq!(super::inverse(&[f64::NAN], 1), None);
    }

    #[test]
    fn half_a_matrix_says_the_same_as_a_whole_one() {
        let mut random = Random::new(3);
        for d in 1..=MAX_FEATURES {
            let mut vector = || padded(&(0..d).map(|_| random.normal()).collect::<Vec<f64>>());
            let (a, b, x) = (vector(), vector(), vector());
            let mut matrix = Symmetric::diagonal(d, 0.5);
            matrix.add_outer([(2.0, &a), (-0.25, &b)]);
            matrix.add_to_diagonal(d - 1, 3.0);
            matrix.scale(0.5);
            let cell = |i: usize, j: usize| {
                let on_diagonal = f64::from(u8::from(i == j)) * (0.5 + if i == d - 1 { 3.0 } else { 0.0 });
                0.5 * (on_diagonal + 2.0 * a[i] * a[j] - 0.25 * b[i] * b[j])
            };
            let close = |found: f64, expected: f64| {
                assert!(
                    (found - expected).abs() <= 1e-12 * (1.0 + expected.abs()),
                    "{d}: {found} {expected}"
                );
            };
            let full = matrix.full(d);
            let (product, mut quadratic) = (matrix.times(&x), 0.0);
            for i in 0..d {
                let expected: f64 = (0..d).map(|j| cell(i, j) * x[j]).sum();
                close(product[i], expected);
                quadratic += x[i] * expected;
                for j in 0..d {
                    close(full[i * d + j], cell(i, j));
                    assert_eq!(matrix.column(j)[i], full[i * d + j]);
                }
            }
            close(matrix.quadratic(&x), quadratic);
            assert_eq!(product[d..], [0.0; MAX_FEATURES][d..]);
            assert_eq!(Symmetric::from_full(&full, d).full(d), full);
            assert!(matrix.is_sound(d) && !matrix.is_sound(d - 1) && !matrix.is_sound(d + SIDE));
        }
    }
}
