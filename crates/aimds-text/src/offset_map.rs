//! Maps from positions in a derived text back to spans of the original.

use std::ops::Range;

/// A stretch of the derived text. `linear` runs are byte-for-byte copies; others stand as a whole for `source`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Run {
    at: u32,
    len: u32,
    source: u32,
    source_len: u32,
    linear: bool,
}

/// Maps every byte range of a derived text to the byte range of the original that it came from.
///
/// Stored as runs, so that a text that was hardly changed costs a few words whatever its length. A look-up is a binary
/// search. Spans on character boundaries of the derived text map to spans on character boundaries of the original.
///
/// ```
/// let map = aimds_text::OffsetMap::identity(5);
/// assert_eq!(map.span(1..3), 1..3);
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct OffsetMap {
    runs: Vec<Run>,
}

impl OffsetMap {
    /// The map of a text of `len` bytes to itself.
    #[must_use]
    pub fn identity(len: usize) -> Self {
        let mut map = Self::default();
        map.push_copy(len, 0);
        map
    }

    /// Bytes of the derived text that are mapped so far.
    #[must_use]
    pub fn len(&self) -> usize {
        self.runs.last().map_or(0, |run| run.at as usize + run.len as usize)
    }

    /// True for the map of the empty text.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.runs.is_empty()
    }

    /// Appends `len` bytes that are a copy of the original from `source`.
    pub fn push_copy(&mut self, len: usize, source: usize) {
        if len == 0 {
            return;
        }
        let (len, source) = (clamp(len), clamp(source));
        if let Some(last) = self.runs.last_mut()
            && last.linear
            && last.source + last.len == source
        {
            last.len += len;
            last.source_len = last.len;
            return;
        }
        let at = clamp(self.len());
        self.runs.push(Run { at, len, source, source_len: len, linear: true });
    }

    /// Appends `len` bytes that stand as a whole for `source`.
    pub fn push_whole(&mut self, len: usize, source: Range<usize>) {
        if len == 0 {
            return;
        }
        let at = clamp(self.len());
        let source_len = clamp(source.end.saturating_sub(source.start));
        self.runs.push(Run { at, len: clamp(len), source: clamp(source.start), source_len, linear: false });
    }

    /// The span of the original that `range` of the derived text came from; empty for an empty range.
    #[must_use]
    pub fn span(&self, range: Range<usize>) -> Range<usize> {
        if range.start >= range.end {
            let at = self.start_of(range.start);
            return at..at;
        }
        let (first, last) = (self.start_of(range.start), self.end_of(range.end));
        let (other, another) = (self.start_of(range.end.saturating_sub(1)), self.end_of(range.start + 1));
        // A reversed text maps backwards, so the ends may come in either order.
        first.min(other)..last.max(another)
    }

    /// The map through this one and then through `parent`: derived from derived, back to the original.
    #[must_use]
    pub fn through(&self, parent: &Self) -> Self {
        let mut map = Self::default();
        for run in &self.runs {
            let source = run.source as usize..(run.source + run.source_len) as usize;
            if !run.linear {
                map.push_whole(run.len as usize, parent.span(source));
                continue;
            }
            let mut at = source.start;
            while at < source.end {
                let Some(over) = parent.run_at(at) else {
                    map.push_whole(source.end - at, parent.span(at..source.end));
                    break;
                };
                let until = source.end.min((over.at + over.len) as usize);
                let len = until.saturating_sub(at).max(1);
                if over.linear {
                    map.push_copy(len, over.source as usize + (at - over.at as usize));
                } else {
                    map.push_whole(len, over.source as usize..(over.source + over.source_len) as usize);
                }
                at += len;
            }
        }
        map
    }

    fn run_at(&self, at: usize) -> Option<&Run> {
        let after = self.runs.partition_point(|run| run.at as usize <= at);
        let run = self.runs.get(after.checked_sub(1)?)?;
        (at < (run.at + run.len) as usize).then_some(run)
    }

    fn start_of(&self, at: usize) -> usize {
        match self.run_at(at) {
            Some(run) if run.linear => run.source as usize + (at - run.at as usize),
            Some(run) => run.source as usize,
            None => self.runs.last().map_or(0, |run| (run.source + run.source_len) as usize),
        }
    }

    fn end_of(&self, end: usize) -> usize {
        match end.checked_sub(1).and_then(|last| self.run_at(last)) {
            Some(run) if run.linear => run.source as usize + (end - run.at as usize),
            Some(run) => (run.source + run.source_len) as usize,
            None => self.runs.last().map_or(0, |run| (run.source + run.source_len) as usize),
        }
    }
}

/// Texts of 4 GiB and more are refused before any map is built; saturating keeps the maps total all the same.
fn clamp(value: usize) -> u32 {
    u32::try_from(value).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn copies_map_byte_by_byte_and_wholes_as_a_whole() {
        let mut map = OffsetMap::default();
        map.push_copy(3, 0); // abc
        map.push_whole(2, 5..9); // xy stands for 5..9
        map.push_copy(2, 9);
        assert_eq!(map.len(), 7);
        for (range, expected) in
            [(0..1, 0..1), (1..3, 1..3), (3..4, 5..9), (2..4, 2..9), (5..7, 9..11), (4..6, 5..10), (7..7, 11..11)]
        {
            assert_eq!(map.span(range.clone()), expected, "{range:?}");
        }
    }

    #[test]
    fn composing_splits_copies_at_the_runs_of_the_parent() {
        let mut parent = OffsetMap::default();
        parent.push_copy(2, 10);
        parent.push_whole(2, 20..30);
        parent.push_copy(2, 40);
        let mut child = OffsetMap::default();
        child.push_copy(4, 1);
        child.push_whole(1, 0..6);
        let map = child.through(&parent);
        for (range, expected) in [(0..1, 11..12), (1..3, 20..30), (3..4, 40..41), (4..5, 10..42)] {
            assert_eq!(map.span(range.clone()), expected, "{range:?}");
        }
    }

    #[test]
    fn neighbouring_copies_are_one_run() {
        let mut map = OffsetMap::default();
        for at in 0..1000 {
            map.push_copy(1, at);
        }
        assert_eq!(map.runs.len(), 1);
        assert_eq!(map, OffsetMap::identity(1000));
    }
}
