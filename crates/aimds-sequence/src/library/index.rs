//! Which patterns contain what: an inverted index.

/// For each key, by its rank, the patterns that contain it in rising order; a pattern that contains it twice is there
/// twice.
#[derive(Clone, Debug, Default)]
pub(super) struct Postings {
    /// Where the patterns of each key begin, and one more.
    starts: Vec<u32>,
    patterns: Vec<u32>,
}

impl Postings {
    /// From pairs of key and pattern; also returns the keys in order.
    pub(super) fn new(mut occurrences: Vec<(u64, u32)>) -> (Vec<u64>, Self) {
        occurrences.sort_unstable();
        let mut keys = Vec::new();
        let mut starts = Vec::new();
        for (at, &(key, _)) in occurrences.iter().enumerate() {
            if keys.last() != Some(&key) {
                keys.push(key);
                starts.push(at as u32);
            }
        }
        starts.push(occurrences.len() as u32);
        (keys, Self { starts, patterns: occurrences.into_iter().map(|(_, pattern)| pattern).collect() })
    }

    /// How many keys there are.
    pub(super) fn len(&self) -> usize {
        self.starts.len().saturating_sub(1)
    }

    #[inline]
    pub(super) fn of(&self, key: usize) -> &[u32] {
        let Some(&[start, end]) = self.starts.get(key..key + 2) else { return &[] };
        self.patterns.get(start as usize..end as usize).unwrap_or_default()
    }
}
