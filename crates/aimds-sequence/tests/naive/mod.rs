//! The full matrices that everything is compared with: written to be obviously right, not fast.
#![allow(dead_code, reason = "each test uses some of these")]

/// The whole matrix of edit distances. With `free`, the first sequence may begin anywhere in the second.
pub fn edit_matrix<T: PartialEq>(a: &[T], b: &[T], free: bool) -> Vec<Vec<usize>> {
    let mut matrix = vec![vec![0; b.len() + 1]; a.len() + 1];
    for i in 0..=a.len() {
        for j in 0..=b.len() {
            matrix[i][j] = if i == 0 {
                if free { 0 } else { j }
            } else if j == 0 {
                i
            } else {
                (matrix[i - 1][j - 1] + usize::from(a[i - 1] != b[j - 1]))
                    .min(matrix[i - 1][j] + 1)
                    .min(matrix[i][j - 1] + 1)
            };
        }
    }
    matrix
}

pub fn levenshtein<T: PartialEq>(a: &[T], b: &[T]) -> usize {
    edit_matrix(a, b, false)[a.len()][b.len()]
}

/// The least distance of `a` to a part of `b`, the first end that has it, and the last start for this end.
pub fn infix<T: PartialEq>(a: &[T], b: &[T]) -> (usize, std::ops::Range<usize>) {
    let last = &edit_matrix(a, b, true)[a.len()];
    let best = *last.iter().min().unwrap();
    let end = last.iter().position(|&value| value == best).unwrap();
    let start = (0..=end).rev().find(|&start| levenshtein(a, &b[start..end]) == best).unwrap();
    (best, start..end)
}

pub fn lcs<T: PartialEq>(a: &[T], b: &[T]) -> usize {
    let mut matrix = vec![vec![0; b.len() + 1]; a.len() + 1];
    for i in 1..=a.len() {
        for j in 1..=b.len() {
            matrix[i][j] = if a[i - 1] == b[j - 1] {
                matrix[i - 1][j - 1] + 1
            } else {
                matrix[i - 1][j].max(matrix[i][j - 1])
            };
        }
    }
    matrix[a.len()][b.len()]
}

/// The warping distance over the cells that `inside` allows. With `free`, `a` may begin and end anywhere in `b`.
pub fn dtw(a: &[f64], b: &[f64], inside: impl Fn(usize, usize) -> bool, free: bool) -> f64 {
    let mut matrix = vec![vec![f64::INFINITY; b.len() + 1]; a.len() + 1];
    matrix[0][0] = 0.0;
    if free {
        matrix[0].fill(0.0);
    }
    for i in 1..=a.len() {
        for j in 1..=b.len() {
            if inside(i - 1, j - 1) {
                let best = matrix[i - 1][j - 1].min(matrix[i - 1][j]).min(matrix[i][j - 1]);
                matrix[i][j] = (a[i - 1] - b[j - 1]).powi(2) + best;
            }
        }
    }
    let last = &matrix[a.len()];
    if free { last[1..].iter().copied().fold(f64::INFINITY, f64::min).sqrt() } else { last[b.len()].sqrt() }
}
