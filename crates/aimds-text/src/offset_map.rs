//! Maps from positions in a derived text back to spans of the original.

use std::ops::Range;

/// A stretch of the derived text: units of equal width, each of which stands as a whole for a span of the source. The
/// spans follow each other at equal distances, perhaps with a gap between neighbours, so one run says where every letter
/// of `%69%67%6e` or of `i g n o r e` came from. A byte-for-byte copy is a run of units of one byte without gaps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Run {
    /// First derived byte.
    at: u32,
    /// Derived bytes.
    len: u32,
    /// First source byte.
    source: u32,
    /// Source bytes of all units, each with the gap after it.
    reach: u32,
    /// Derived bytes of one unit.
    unit: u32,
    /// Source bytes after each unit that belong to none.
    gap: u32,
}

impl Run {
    fn end(&self) -> usize {
        self.at as usize + self.len as usize
    }

    fn source_end(&self) -> usize {
        (self.source as usize + self.reach as usize).saturating_sub(self.gap as usize)
    }

    /// Whether this is a byte-for-byte copy.
    fn is_copy(&self) -> bool {
        self.unit == 1 && self.reach == self.len && self.gap == 0
    }

    /// How many units there are.
    fn units(&self) -> u32 {
        if self.unit == self.len { 1 } else { self.len / self.unit.max(1) }
    }

    /// Distance of the units in the source, where it is the same for all.
    fn stride(&self) -> Option<u32> {
        let units = self.units().max(1);
        self.reach.is_multiple_of(units).then(|| self.reach / units)
    }

    /// Where unit `index` begins in the source.
    fn unit_start(&self, index: usize) -> usize {
        let scaled = index as u64 * u64::from(self.reach) / u64::from(self.units().max(1));
        self.source as usize + scaled as usize
    }

    /// Where unit `index - 1` ends in the source.
    fn unit_end(&self, index: usize) -> usize {
        let scaled = (index as u64 * u64::from(self.reach)).div_ceil(u64::from(self.units().max(1)));
        (self.source as usize + scaled as usize).saturating_sub(self.gap as usize)
    }

    /// Where the source of the derived byte `at` begins.
    fn start_of(&self, at: usize) -> usize {
        let inside = at.saturating_sub(self.at as usize);
        if self.is_copy() {
            self.source as usize + inside
        } else {
            self.unit_start(inside / self.unit.max(1) as usize)
        }
    }

    /// Where the source of what ends before the derived byte `end` ends.
    fn end_of(&self, end: usize) -> usize {
        let inside = end.saturating_sub(self.at as usize);
        if self.is_copy() {
            self.source as usize + inside
        } else {
            self.unit_end(inside.div_ceil(self.unit.max(1) as usize))
        }
    }

    /// The derived bytes `start..end` of this run; a unit that is cut still stands for all of its source.
    fn part(&self, start: usize, end: usize) -> Self {
        let (source, source_end) = (self.start_of(start), self.end_of(end));
        let (len, unit) = (clamp(end.saturating_sub(start)), self.unit);
        let inside = start.saturating_sub(self.at as usize);
        let whole_units = clamp(inside).is_multiple_of(unit.max(1)) && len.is_multiple_of(unit.max(1));
        Self {
            at: 0,
            len,
            source: clamp(source),
            reach: clamp(source_end.saturating_sub(source)) + if whole_units { self.gap } else { 0 },
            unit: if whole_units { unit } else { len },
            gap: if whole_units { self.gap } else { 0 },
        }
    }
}

/// Maps every byte range of a derived text to the byte range of the original that it came from.
///
/// Stored as runs, so that a text that was hardly changed, or changed everywhere in the same way, costs a few words
/// whatever its length. A look-up is a binary search. Spans on character boundaries of the derived text map to spans on
/// character boundaries of the original.
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
        self.runs.last().map_or(0, Run::end)
    }

    /// True for the map of the empty text.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.runs.is_empty()
    }

    /// Appends `len` bytes that are a copy of the original from `source`.
    pub fn push_copy(&mut self, len: usize, source: usize) {
        self.push_even(len, source..source.saturating_add(len));
    }

    /// Appends `len` bytes that stand as a whole for `source`.
    pub fn push_whole(&mut self, len: usize, source: Range<usize>) {
        let reach = clamp(source.end.saturating_sub(source.start));
        self.push(Run {
            at: 0,
            len: clamp(len),
            source: clamp(source.start),
            reach,
            unit: clamp(len),
            gap: 0,
        });
    }

    /// Appends `len` bytes that lie evenly in `source`, whatever their number; `source` must be ASCII.
    pub(crate) fn push_even(&mut self, len: usize, source: Range<usize>) {
        let reach = clamp(source.end.saturating_sub(source.start));
        self.push(Run { at: 0, len: clamp(len), source: clamp(source.start), reach, unit: 1, gap: 0 });
    }

    /// Appends a run, as part of the last one where it goes on in the same way.
    fn push(&mut self, mut run: Run) {
        if run.len == 0 {
            return;
        }
        run.at = clamp(self.len());
        let Some(last) = self.runs.last_mut() else {
            self.runs.push(run);
            return;
        };
        if last.is_copy() && run.is_copy() && last.source_end() == run.source as usize {
            last.len += run.len;
            last.reach += run.len;
            return;
        }
        // One more unit, or more of them, at the distance that the units have so far.
        if last.unit == run.unit
            && run.source >= last.source
            && let (Some(stride), Some(stride_of_run)) = (last.stride(), run.stride())
            && stride.wrapping_sub(last.gap) == stride_of_run.wrapping_sub(run.gap)
        {
            let (units, units_of_run, width) = (last.units(), run.units(), stride.wrapping_sub(last.gap));
            let distance = (run.source - last.source) / units;
            let follows = distance * units == run.source - last.source
                && distance >= width
                && (units == 1 || distance == stride)
                && (units_of_run == 1 || distance == stride_of_run)
                && u64::from(distance) * u64::from(units + units_of_run) <= u64::from(u32::MAX);
            if follows {
                last.len += run.len;
                last.reach = distance * (units + units_of_run);
                last.gap = distance - width;
                return;
            }
        }
        self.runs.push(run);
    }

    /// The span of the original that `range` of the derived text came from; empty for an empty range.
    #[must_use]
    pub fn span(&self, range: Range<usize>) -> Range<usize> {
        self.span_near(range, &mut 0)
    }

    /// [`OffsetMap::span`] for many ranges that mostly follow each other; `near` is the run that was found last.
    fn span_near(&self, range: Range<usize>, near: &mut usize) -> Range<usize> {
        let end = self.runs.last().map_or(0, Run::source_end);
        if range.start >= range.end {
            let at = self.run_at(range.start, near).map_or(end, |run| run.start_of(range.start));
            return at..at;
        }
        let (mut start, mut first_end) = (end, end);
        if let Some(run) = self.run_at(range.start, near) {
            (start, first_end) = (run.start_of(range.start), run.end_of(range.start + 1));
            if range.end <= run.end() {
                return start..run.end_of(range.end).max(first_end);
            }
        }
        let last = range.end - 1;
        let (last_start, last_end) =
            self.run_at(last, near).map_or((end, end), |run| (run.start_of(last), run.end_of(range.end)));
        // A reversed text maps backwards, so the ends may come in either order.
        start.min(last_start)..last_end.max(first_end)
    }

    /// The map through this one and then through `parent`: derived from derived, back to the original.
    #[must_use]
    pub fn through(&self, parent: &Self) -> Self {
        // Nothing to do where one of the two changes nothing, as for most texts.
        if let [only] = parent.runs.as_slice()
            && only.is_copy()
            && only.source == 0
            && self.runs.iter().all(|run| run.source_end() <= only.len as usize)
        {
            return self.clone();
        }
        if let [only] = self.runs.as_slice()
            && only.is_copy()
            && only.source == 0
            && only.len as usize == parent.len()
        {
            return parent.clone();
        }
        let mut map = Self::default();
        map.runs.reserve(self.runs.len());
        let mut near = 0;
        for run in &self.runs {
            let (start, end) = (run.source as usize, run.source_end());
            if run.units() == 1 && !run.is_copy() {
                map.push_whole(run.len as usize, parent.span_near(start..end, &mut near));
                continue;
            }
            // In a stretch that the parent copied, the run stays as it is.
            if let Some(over) = parent.run_at(start, &mut near)
                && over.is_copy()
                && end <= over.end()
            {
                map.push(Run { source: clamp(over.start_of(start)), ..*run });
                continue;
            }
            if !run.is_copy() {
                for unit in 0..run.units() as usize {
                    let source = run.unit_start(unit)..run.unit_end(unit + 1);
                    map.push_whole(run.unit as usize, parent.span_near(source, &mut near));
                }
                continue;
            }
            let mut at = start;
            while at < end {
                let Some(over) = parent.run_at(at, &mut near) else {
                    map.push_whole(end - at, parent.span_near(at..end, &mut near));
                    break;
                };
                let until = end.min(over.end()).max(at + 1);
                // A unit that is cut stands alone, so that the others stay units.
                let inside = (at - over.at as usize) % over.unit.max(1) as usize;
                let unit_end = at + over.unit as usize - inside;
                let last_unit = until - (until - over.at as usize) % over.unit.max(1) as usize;
                let cut = if inside > 0 || last_unit <= at { until.min(unit_end) } else { last_unit };
                map.push(over.part(at, cut));
                at = cut;
            }
        }
        map
    }

    /// The run that holds the derived byte `at`, looked for first where the last one was found.
    fn run_at(&self, at: usize, near: &mut usize) -> Option<&Run> {
        let holds = |run: &&Run| (run.at as usize..run.end()).contains(&at);
        if let Some(run) = self.runs.get(*near).filter(holds) {
            return Some(run);
        }
        if let Some(run) = self.runs.get(*near + 1).filter(holds) {
            *near += 1;
            return Some(run);
        }
        let before = self.runs.partition_point(|run| run.at as usize <= at).checked_sub(1)?;
        *near = before;
        self.runs.get(before).filter(holds)
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
        for (range, expected) in [
            (0..1, 0..1),
            (1..3, 1..3),
            (3..4, 5..9),
            (2..4, 2..9),
            (5..7, 9..11),
            (4..6, 5..10),
            (7..7, 11..11),
        ] {
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

    #[test]
    fn units_at_equal_distances_are_one_run() {
        let mut map = OffsetMap::default();
        for at in 0..1000 {
            map.push_whole(1, at * 3..at * 3 + 3); // %69%67
        }
        for at in 0..1000 {
            map.push_copy(1, 4000 + at * 2); // i g n
        }
        assert_eq!(map.runs.len(), 2);
        for (range, expected) in [
            (0..1, 0..3),
            (10..12, 30..36),
            (999..1000, 2997..3000),
            (1000..1001, 4000..4001),
            (1001..1003, 4002..4005),
        ] {
            assert_eq!(map.span(range.clone()), expected, "{range:?}");
        }
        let mut child = OffsetMap::default();
        child.push_copy(4, 998);
        let map = child.through(&map);
        for (range, expected) in [(0..1, 2994..2997), (1..3, 2997..4001), (2..4, 4000..4003)] {
            assert_eq!(map.span(range.clone()), expected, "{range:?}");
        }
    }

    #[test]
    fn bytes_that_lie_evenly_overlap_where_they_must() {
        let mut map = OffsetMap::default();
        map.push_even(3, 10..14);
        for (range, expected) in [(0..1, 10..12), (1..2, 11..13), (2..3, 12..14), (0..3, 10..14)] {
            assert_eq!(map.span(range.clone()), expected, "{range:?}");
        }
    }

    /// A child composed with a parent says the same as looking up one after the other.
    #[test]
    fn composing_is_looking_up_twice() {
        let mut seed = 7u32;
        let mut random = |below: usize| {
            seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (seed >> 8) as usize % below
        };
        for _ in 0..2000 {
            let mut parent = OffsetMap::default();
            let mut source = 0;
            while parent.len() < 60 {
                source += [0, 0, 1, 2][random(4)];
                let (len, width) = (1 + random(3), 1 + random(3));
                for _ in 0..1 + random(4) {
                    if random(2) == 0 {
                        parent.push_copy(len, source);
                        source += len;
                    } else {
                        parent.push_whole(len, source..source + width);
                        source += width;
                    }
                }
            }
            let mut child = OffsetMap::default();
            let mut at = 0;
            // What each byte of the child came from, kept without runs.
            let mut bytes = Vec::new();
            while at + 8 < parent.len() {
                let (len, width) = (1 + random(3), 1 + random(3));
                if random(2) == 0 {
                    child.push_copy(len, at);
                    bytes.extend((at..at + len).map(|at| at..at + 1));
                    at += len;
                } else {
                    child.push_whole(len, at..at + width);
                    bytes.extend((0..len).map(|_| at..at + width));
                    at += width;
                }
                at += random(2);
            }
            let map = child.through(&parent);
            assert_eq!(map.len(), child.len());
            for (at, source) in bytes.into_iter().enumerate() {
                assert_eq!(child.span(at..at + 1), source);
                assert_eq!(map.span(at..at + 1), parent.span(source), "{at}: {child:?} through {parent:?}");
            }
        }
    }
}
