//! The comparisons as they are written down first: what is right, and what one would have without a library.

/// Time warping with squared costs in a band, two rows at a time.
pub(super) fn warping(a: &[f64], b: &[f64], radius: usize) -> f64 {
    let mut last = vec![f64::INFINITY; b.len() + 1];
    let mut row = last.clone();
    if let Some(first) = last.first_mut() {
        *first = 0.0;
    }
    for (i, x) in a.iter().enumerate() {
        let (from, to) = (i.saturating_sub(radius), (i + radius + 1).min(b.len()));
        row.fill(f64::INFINITY);
        let mut left = f64::INFINITY;
        let above = last.windows(2).zip(b).zip(row.iter_mut().skip(1));
        for ((above, y), cell) in above.take(to).skip(from) {
            let least = above.iter().copied().fold(left, f64::min);
            left = (x - y) * (x - y) + least;
            *cell = left;
        }
        std::mem::swap(&mut last, &mut row);
    }
    last.last().copied().unwrap_or(f64::INFINITY).sqrt()
}

/// Insertions, deletions and substitutions (Wagner and Fischer, 1974).
pub(super) fn edits(a: &[u8], b: &[u8]) -> usize {
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.iter().enumerate() {
        let (mut diagonal, mut left) = (i, i + 1);
        row.iter_mut().take(1).for_each(|first| *first = left);
        for (y, cell) in b.iter().zip(row.iter_mut().skip(1)) {
            let substituted = diagonal + usize::from(x != y);
            diagonal = *cell;
            left = substituted.min(diagonal + 1).min(left + 1);
            *cell = left;
        }
    }
    row.last().copied().unwrap_or(0)
}

/// The length of the longest common subsequence.
pub(super) fn common(a: &[u8], b: &[u8]) -> usize {
    let mut row = vec![0; b.len() + 1];
    for x in a {
        let (mut diagonal, mut left) = (0, 0);
        for (y, cell) in b.iter().zip(row.iter_mut().skip(1)) {
            let both = diagonal + usize::from(x == y);
            diagonal = *cell;
            left = both.max(diagonal).max(left);
            *cell = left;
        }
    }
    row.last().copied().unwrap_or(0)
}

/// The vectors with the largest cosines, in no order: a product with each, in 32 sums that the compiler computes at once.
pub(super) fn nearest(vectors: &[Vec<f32>], query: &[f32], count: usize) -> Vec<usize> {
    let product = |a: &[f32], b: &[f32]| {
        let mut sums = [0.0_f32; 32];
        for (a, b) in a.as_chunks::<32>().0.iter().zip(b.as_chunks::<32>().0) {
            for (sum, (a, b)) in sums.iter_mut().zip(a.iter().zip(b)) {
                *sum += a * b;
            }
        }
        sums.iter().sum::<f32>()
    };
    let mut best: Vec<(f32, usize)> = Vec::with_capacity(count + 1);
    for (index, vector) in vectors.iter().enumerate() {
        let cosine = product(vector, query) / product(vector, vector).sqrt();
        if best.len() < count || best.last().is_some_and(|(least, _)| cosine > *least) {
            best.push((cosine, index));
            best.sort_by(|a, b| b.0.total_cmp(&a.0));
            best.truncate(count);
        }
    }
    best.into_iter().map(|(_, index)| index).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_loops_are_right() {
        assert_eq!((edits(b"kitten", b"sitting"), edits(b"", b"ab"), edits(b"ab", b"")), (3, 2, 2));
        assert_eq!((common(b"abcde", b"xbxdx"), common(b"", b"a")), (2, 0));
        let check = |a: &[f64], b: &[f64], radius, expected: f64| assert_eq!(warping(a, b, radius), expected);
        check(&[1.0, 2.0, 3.0], &[1.0, 1.0, 2.0, 3.0], 4, 0.0);
        check(&[0.0, 3.0], &[0.0, 0.0], 2, 3.0);
        // The band keeps the second pair on the diagonal.
        check(&[0.0, 0.0, 4.0], &[0.0, 4.0, 4.0], 0, 4.0);
        let mut vectors = vec![vec![0.0; 32]; 3];
        vectors[0][1] = 1.0;
        vectors[1][0] = 1.0;
        vectors[2][0] = 5.0;
        vectors[2][1] = 5.0;
        let mut query = vec![0.0; 32];
        query[0] = 2.0;
        assert_eq!(nearest(&vectors, &query, 1), [1]);
    }
}
