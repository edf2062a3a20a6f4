//! Finding the patterns that a text contains.

use std::ops::Range;

use super::PatternLibrary;
use super::masks::Masks;
use crate::symbols::{WORD, align, end_in_word, levenshtein_infix_cutoff, span_len};

/// Tokens that are looked at together. Short, because the filter counts what a part of the text has in common with a
/// pattern, and in a long one everything occurs somewhere.
const CHUNK: usize = 512;

/// How much work a search may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Budget {
    /// Cells: one for each token of the text, one for each entry of the index that is read, and one for each pair of a
    /// token of a pattern and a token of a text that are compared.
    pub max_cells: u64,
}

impl Default for Budget {
    /// 64 million cells: about a tenth of a second at worst.
    fn default() -> Self {
        Self { max_cells: 64 << 20 }
    }
}

/// The cutoff of a search is NaN or negative.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the cutoff must be a number from 0")]
pub struct CutoffError;

/// A pattern that a text contains.
#[derive(Clone, Debug, PartialEq)]
pub struct PatternHit {
    /// The pattern, by its number in the order of insertion.
    pub pattern: usize,
    /// Tokens that must be inserted, deleted or substituted to make the part of the text the pattern.
    pub distance: usize,
    /// 1 for the pattern itself: 1 - distance / length of the pattern.
    pub similarity: f64,
    /// The part of the text, in tokens.
    pub span: Range<usize>,
    /// The tokens that are the same: index into the pattern and index into the text. Empty where the budget did not
    /// suffice to find them.
    pub matched: Vec<(usize, usize)>,
}

/// What a search has found.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Found {
    /// At most one for each pattern, at its best place (of several the one that ends first, and there the shortest);
    /// the most similar pattern first, equally similar ones by number.
    pub hits: Vec<PatternHit>,
    /// False if the budget ran out: there may be more hits, better places, and `matched` may be missing.
    pub exact: bool,
    /// Cells that were spent. Finding where a hit starts is counted, but not refused, so that this may be above the
    /// budget; it is never above twice the budget.
    pub work_done: u64,
}

/// Memory for searches, to be kept by a thread so that a search allocates only for its hits and for candidates of more
/// than 64 tokens.
///
/// It fits every library; a library larger than any before makes it grow.
#[derive(Clone, Debug, Default)]
pub struct Scratch {
    /// The text, as ranks in the vocabulary; unknown tokens are its length.
    text: Vec<u32>,
    counts: Vec<u32>,
    counted: Vec<u32>,
    seen: Seen,
    candidates: Vec<(u32, u32)>,
    masks: Masks,
    /// Best place of each pattern: 1 + index into `places`, or 0.
    best: Vec<u32>,
    places: Vec<Place>,
    /// For each length: tokens or bigrams that a pattern must have in common with the text.
    needs: Vec<Need>,
}

#[derive(Clone, Copy, Debug)]
struct Place {
    pattern: u32,
    distance: u32,
    end: usize,
}

/// What a pattern of some length must share with the text to be within the cutoff.
#[derive(Clone, Copy, Debug, Default)]
struct Need {
    /// Edits within the cutoff.
    edits: u32,
    /// Bigrams; 0 if the bound says nothing.
    bigrams: u32,
    /// Tokens.
    tokens: u32,
}

/// Which keys occurred in a chunk, without clearing between chunks.
#[derive(Clone, Debug, Default)]
struct Seen {
    stamps: Vec<u32>,
    now: u32,
}

impl Seen {
    fn start(&mut self, keys: usize) {
        self.now = self.now.wrapping_add(1);
        if self.now == 0 {
            self.stamps.fill(0);
            self.now = 1;
        }
        if self.stamps.len() < keys {
            self.stamps.resize(keys, 0);
        }
    }

    /// True the first time.
    #[inline]
    fn insert(&mut self, key: usize) -> bool {
        let Some(stamp) = self.stamps.get_mut(key) else { return false };
        std::mem::replace(stamp, self.now) != self.now
    }
}

/// What is left of the budget.
struct Meter {
    left: u64,
    spent: u64,
}

impl Meter {
    fn spend(&mut self, cells: usize) -> Result<(), Exhausted> {
        let cells = cells as u64;
        self.left = self.left.checked_sub(cells).ok_or(Exhausted)?;
        self.spent += cells;
        Ok(())
    }
}

struct Exhausted;

impl PatternLibrary {
    /// The patterns that `text` contains with at most `cutoff` times their length of edits (rounded down), a share of
    /// the pattern's length: 0.2 allows one edit in patterns of 5 to 9 tokens.
    ///
    /// At least one token must be the same, whatever the cutoff: a pattern of one token is found as it is or not at all,
    /// and cutoffs of 1 and more are as if just below 1.
    ///
    /// First the pairs of neighbouring tokens that pattern and text share are counted with an inverted index. An edit
    /// destroys at most two of the pattern's pairs, so a pattern of n tokens within k edits shares at least n - 1 - 2k
    /// (the q-gram lemma; Gravano et al., *Approximate string joins in a database (almost) for free*, 2001). Where that is
    /// not above 0, which takes a short pattern or a cutoff near 1/2 and above, n - k single tokens are counted instead,
    /// which is slower. Patterns that have enough in common are aligned by [`levenshtein_infix`](crate::levenshtein_infix).
    /// Texts are worked on in parts that overlap by the longest span a hit can have, so that none is lost.
    ///
    /// O(text + index entries read + candidates · pattern · text), bounded by `budget`. When it runs out, what is found
    /// so far is returned with [`Found::exact`] false; the order of the text, and within a part the likeliest candidates
    /// first, decide what that is.
    ///
    /// # Errors
    ///
    /// [`CutoffError`] for a cutoff that is NaN or negative.
    pub fn find(&self, text: &[u32], budget: Budget, cutoff: f64) -> Result<Found, CutoffError> {
        self.find_with(&mut Scratch::default(), text, budget, cutoff)
    }

    /// [`find`](Self::find) with memory from an earlier search.
    ///
    /// # Errors
    ///
    /// As for [`find`](Self::find).
    ///
    /// ```
    /// use aimds_sequence::{Budget, PatternLibrary, Scratch};
    ///
    /// let mut builder = PatternLibrary::builder();
    /// builder.insert("greeting", "test", &[10, 11])?;
    /// let library = builder.build()?;
    /// let mut scratch = Scratch::default();
    /// for text in [vec![10, 11], vec![1, 10, 11]] {
    ///     assert_eq!(library.find_with(&mut scratch, &text, Budget::default(), 0.0)?.hits.len(), 1);
    /// }
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn find_with(
        &self,
        scratch: &mut Scratch,
        text: &[u32],
        budget: Budget,
        cutoff: f64,
    ) -> Result<Found, CutoffError> {
        self.find_in_chunks(scratch, text, budget, cutoff, CHUNK)
    }

    fn find_in_chunks(
        &self,
        scratch: &mut Scratch,
        text: &[u32],
        budget: Budget,
        cutoff: f64,
        chunk: usize,
    ) -> Result<Found, CutoffError> {
        if cutoff.is_nan() || cutoff < 0.0 {
            return Err(CutoffError);
        }
        let mut meter = Meter { left: budget.max_cells, spent: 0 };
        self.prepare(scratch, cutoff);
        let mut exact = self.scan(scratch, text, &mut meter, chunk).is_ok();
        let places = std::mem::take(&mut scratch.places);
        let mut hits: Vec<PatternHit> = Vec::with_capacity(places.len());
        for &place in &places {
            if let Some(best) = scratch.best.get_mut(place.pattern as usize) {
                *best = 0;
            }
            hits.extend(self.hit(&scratch.text, place, &mut meter));
        }
        scratch.places = places;
        scratch.places.clear();
        hits.sort_by(|a, b| b.similarity.total_cmp(&a.similarity).then(a.pattern.cmp(&b.pattern)));
        for hit in &mut hits {
            exact &= self.explain(&scratch.text, hit, &mut meter).is_ok();
        }
        Ok(Found { hits, exact, work_done: meter.spent })
    }

    fn prepare(&self, scratch: &mut Scratch, cutoff: f64) {
        scratch.masks.fit(self.vocabulary.len());
        for sized in [&mut scratch.counts, &mut scratch.best] {
            if sized.len() < self.patterns.len() {
                sized.resize(self.patterns.len(), 0);
            }
        }
        let longest = self.patterns.last().map_or(0, Vec::len);
        scratch.needs.clear();
        scratch.needs.extend((0..=longest).map(|len| {
            let edits = edits_within(cutoff, len);
            Need {
                edits: edits as u32,
                bigrams: len.saturating_sub(1 + 2 * edits) as u32,
                tokens: (len - edits) as u32,
            }
        }));
    }

    fn scan(
        &self,
        scratch: &mut Scratch,
        text: &[u32],
        meter: &mut Meter,
        chunk: usize,
    ) -> Result<(), Exhausted> {
        scratch.text.clear();
        if self.is_empty() {
            return Ok(());
        }
        // What cannot be paid for is not even read.
        let affordable = text.len().min(usize::try_from(meter.left).unwrap_or(usize::MAX));
        meter.spend(affordable)?;
        let unknown = self.vocabulary.len() as u32;
        let ranks = text.iter().take(affordable).map(|&token| match self.vocabulary.row(token) {
            0 => unknown,
            row => row as u32 - 1,
        });
        scratch.text.extend(ranks);
        // A hit has at most as many tokens as the pattern and all insertions.
        let overlap =
            scratch.needs.iter().zip(0..).map(|(need, len)| need.edits as usize + len).max().unwrap_or(0);
        let chunk = chunk.max(overlap.saturating_mul(4)).max(1);
        let mut start = 0_usize;
        loop {
            let end = start.saturating_add(chunk).min(affordable);
            self.scan_chunk(scratch, start..end, meter)?;
            if end == affordable {
                break;
            }
            start = end - overlap;
        }
        if affordable < text.len() { Err(Exhausted) } else { Ok(()) }
    }

    fn scan_chunk(
        &self,
        scratch: &mut Scratch,
        chunk: Range<usize>,
        meter: &mut Meter,
    ) -> Result<(), Exhausted> {
        let Scratch { text, counts, counted, seen, candidates, masks, best, places, needs } = scratch;
        let Some(ranks) = text.get(chunk.clone()) else { return Ok(()) };
        candidates.clear();

        // Patterns that the bigrams say something about. Counting a bigram of the text once, and as often as the pattern
        // has it, counts at least what both share.
        seen.start(self.bigrams.len());
        let enough = count(counts, counted, |add| {
            for &[first, second] in ranks.array_windows() {
                if let Some(bigram) = self.bigram(first, second)
                    && seen.insert(bigram)
                {
                    let patterns = self.bigrams.of(bigram);
                    meter.spend(patterns.len())?;
                    add(patterns);
                }
            }
            Ok(())
        });
        drain(counts, counted, |pattern, count| {
            let Some((len, need)) = self.need(needs, pattern) else { return };
            if need.bigrams > 0 && count >= need.bigrams {
                // Each edit destroys at most two of the missing bigrams.
                candidates.push(((len as u32 - 1).saturating_sub(count).div_ceil(2), pattern));
            }
        });
        enough?;

        // The others, which are the first by length unless the cutoff is high.
        let longest = needs.iter().rposition(|need| need.bigrams == 0 && need.tokens > 0);
        let others =
            self.patterns.partition_point(|pattern| longest.is_some_and(|longest| pattern.len() <= longest));
        if others > 0 {
            seen.start(self.tokens.len());
            let enough = count(counts, counted, |add| {
                for &token in ranks {
                    if seen.insert(token as usize) {
                        let patterns = self.tokens.of(token as usize);
                        let end = patterns.partition_point(|&pattern| (pattern as usize) < others);
                        let patterns = patterns.get(..end).unwrap_or_default();
                        meter.spend(patterns.len())?;
                        add(patterns);
                    }
                }
                Ok(())
            });
            drain(counts, counted, |pattern, count| {
                let Some((len, need)) = self.need(needs, pattern) else { return };
                if need.bigrams == 0 && count >= need.tokens {
                    candidates.push(((len as u32).saturating_sub(count), pattern));
                }
            });
            enough?;
        }

        candidates.sort_unstable();
        for &(bound, number) in candidates.iter() {
            let (Some(pattern), Some(best)) =
                (self.patterns.get(number as usize), best.get_mut(number as usize))
            else {
                continue;
            };
            let known = (*best as usize).checked_sub(1).and_then(|place| places.get_mut(place));
            // Only a place that is better than the one in an earlier part counts.
            let limit = match &known {
                Some(place) if place.distance == 0 => continue,
                Some(place) => place.distance - 1,
                None => self.need(needs, number).map_or(0, |(_, need)| need.edits),
            };
            if bound > limit {
                continue;
            }
            meter.spend(pattern.len().saturating_mul(ranks.len()))?;
            let (distance, end) = if pattern.len() <= WORD {
                masks.with(pattern, |masks| {
                    end_in_word(ranks.iter().map(|&token| masks.of(token)), pattern.len())
                })
            } else {
                match levenshtein_infix_cutoff(pattern, ranks, limit as usize) {
                    Some(found) => (found.distance, found.span.end),
                    None => continue,
                }
            };
            if distance > limit as usize {
                continue;
            }
            let found = Place { pattern: number, distance: distance as u32, end: chunk.start + end };
            match known {
                Some(place) => *place = found,
                None => {
                    places.push(found);
                    *best = places.len() as u32;
                }
            }
        }
        Ok(())
    }

    /// The rank of two tokens that follow each other in a pattern.
    #[inline]
    fn bigram(&self, first: u32, second: u32) -> Option<usize> {
        let &[start, end] = self.firsts.get(first as usize..first as usize + 2)?.as_array()?;
        let seconds = self.seconds.get(start as usize..end as usize)?;
        let offset = if seconds.len() <= 8 {
            seconds.iter().position(|&other| other == second)?
        } else {
            seconds.binary_search(&second).ok()?
        };
        Some(start as usize + offset)
    }

    #[inline]
    fn need(&self, needs: &[Need], pattern: u32) -> Option<(usize, Need)> {
        let len = usize::from(*self.lens.get(pattern as usize)?);
        Some((len, *needs.get(len)?))
    }

    fn hit(&self, text: &[u32], place: Place, meter: &mut Meter) -> Option<PatternHit> {
        let pattern = self.patterns.get(place.pattern as usize)?;
        let distance = place.distance as usize;
        // Not refused: it is at most what finding the end has cost.
        let cells = (pattern.len() * (pattern.len() + distance).min(place.end)) as u64;
        meter.spent += cells;
        meter.left = meter.left.saturating_sub(cells);
        let start = place.end - span_len(pattern, text.get(..place.end)?, distance);
        Some(PatternHit {
            pattern: *self.numbers.get(place.pattern as usize)? as usize,
            distance,
            similarity: 1.0 - distance as f64 / pattern.len() as f64,
            span: start..place.end,
            matched: Vec::new(),
        })
    }

    fn explain(&self, text: &[u32], hit: &mut PatternHit, meter: &mut Meter) -> Result<(), Exhausted> {
        let Some(pattern) =
            self.names.get(hit.pattern).and_then(|name| self.patterns.get(name.place as usize))
        else {
            return Ok(());
        };
        let part = text.get(hit.span.clone()).unwrap_or_default();
        meter.spend(pattern.len().saturating_mul(part.len()))?;
        align(pattern, part, (0, hit.span.start), &mut hit.matched);
        Ok(())
    }
}

/// Edits that `cutoff` allows in a pattern of `len` tokens.
pub(super) fn edits_within(cutoff: f64, len: usize) -> usize {
    // 0.29 of 100 is 29, although the nearest binary fraction to 0.29 is below it.
    let edits = (cutoff * len as f64 + 1e-9).floor();
    (edits as usize).min(len.saturating_sub(1))
}

/// Counts how often each pattern is added. Whatever happens, `counted` names all that are not 0.
fn count<E>(
    counts: &mut [u32],
    counted: &mut Vec<u32>,
    each: impl FnOnce(&mut dyn FnMut(&[u32])) -> Result<(), E>,
) -> Result<(), E> {
    each(&mut |patterns| {
        for &pattern in patterns {
            if let Some(count) = counts.get_mut(pattern as usize) {
                if *count == 0 {
                    counted.push(pattern);
                }
                *count += 1;
            }
        }
    })
}

/// Visits all counts and clears them.
fn drain(counts: &mut [u32], counted: &mut Vec<u32>, mut visit: impl FnMut(u32, u32)) {
    for pattern in counted.drain(..) {
        if let Some(count) = counts.get_mut(pattern as usize) {
            visit(pattern, std::mem::take(count));
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::levenshtein_infix;

    /// A text that contains pieces of patterns, so that there is something to find.
    fn case() -> impl Strategy<Value = (Vec<Vec<u32>>, Vec<u32>, f64)> {
        let patterns = prop_oneof![
            prop::collection::vec(prop::collection::vec(0..12_u32, 1..12), 1..12),
            prop::collection::vec(prop::collection::vec(0..200_u32, 1..90), 1..8),
        ];
        let pieces = prop::collection::vec(
            (any::<prop::sample::Index>(), 0..90_usize, 0..90_usize, 0..250_u32),
            0..12,
        );
        let cutoff = prop_oneof![prop::sample::select(vec![0.0, 0.2, 0.25, 0.34, 0.5, 1.0, 7.0]), 0.0..1.0];
        (patterns, pieces, cutoff).prop_map(|(patterns, pieces, cutoff)| {
            let mut text = Vec::new();
            for (pattern, from, len, between) in pieces {
                let pattern = pattern.get(&patterns);
                text.extend(pattern.iter().skip(from % pattern.len()).take(len));
                text.push(between);
            }
            (patterns, text, cutoff)
        })
    }

    fn library(patterns: &[Vec<u32>]) -> PatternLibrary {
        let mut builder = PatternLibrary::builder();
        for (number, pattern) in patterns.iter().enumerate() {
            builder.insert(&number.to_string(), "class", pattern).unwrap();
        }
        builder.build().unwrap()
    }

    /// Every pattern against the whole text.
    fn brute(patterns: &[Vec<u32>], text: &[u32], cutoff: f64) -> Vec<(usize, usize, Range<usize>)> {
        let mut hits: Vec<(usize, usize, Range<usize>)> = Vec::new();
        for (number, pattern) in patterns.iter().enumerate() {
            let found = levenshtein_infix(pattern, text);
            if found.distance < pattern.len() && found.distance as f64 <= cutoff * pattern.len() as f64 + 1e-9
            {
                hits.push((number, found.distance, found.span));
            }
        }
        let similarity = |&(number, distance, _): &(usize, usize, Range<usize>)| {
            1.0 - distance as f64 / patterns[number].len() as f64
        };
        hits.sort_by(|a, b| similarity(b).total_cmp(&similarity(a)).then(a.0.cmp(&b.0)));
        hits
    }

    fn places(found: &Found) -> Vec<(usize, usize, Range<usize>)> {
        found.hits.iter().map(|hit| (hit.pattern, hit.distance, hit.span.clone())).collect()
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 3000, failure_persistence: None, ..ProptestConfig::default() })]

        /// No false dismissals: the filter and the parts find what trying everything finds.
        #[test]
        fn found_is_what_brute_force_finds((patterns, text, cutoff) in case(), chunk in 1..60_usize) {
            let library = library(&patterns);
            let expected = brute(&patterns, &text, cutoff);
            let found = library.find(&text, Budget::default(), cutoff).unwrap();
            prop_assert!(found.exact);
            prop_assert_eq!(places(&found), expected);
            let mut scratch = Scratch::default();
            for _ in 0..2 {
                let parts = library.find_in_chunks(&mut scratch, &text, Budget::default(), cutoff, chunk).unwrap();
                prop_assert_eq!(&parts.hits, &found.hits);
            }
            for hit in &found.hits {
                let pattern = &patterns[hit.pattern];
                prop_assert!(!hit.matched.is_empty());
                for &(i, j) in &hit.matched {
                    prop_assert_eq!(pattern[i], text[j]);
                    prop_assert!(hit.span.contains(&j));
                }
                prop_assert!(hit.matched.len() >= pattern.len() - hit.distance);
            }
        }

        /// A budget that runs out is reported, is kept, and leaves the memory fit for the next search.
        #[test]
        fn a_small_budget_is_reported((patterns, text, cutoff) in case(), max_cells in 0..3000_u64) {
            let library = library(&patterns);
            let full = library.find(&text, Budget::default(), cutoff).unwrap();
            let mut scratch = Scratch::default();
            let found = library.find_with(&mut scratch, &text, Budget { max_cells }, cutoff).unwrap();
            if found.exact {
                prop_assert_eq!(&found.hits, &full.hits);
                prop_assert_eq!(found.work_done, full.work_done);
            } else {
                prop_assert!(full.work_done > max_cells);
                prop_assert!(found.work_done <= 2 * max_cells);
                for hit in &found.hits {
                    let better = full.hits.iter().find(|other| other.pattern == hit.pattern).unwrap();
                    prop_assert!(better.distance <= hit.distance);
                }
            }
            let again = library.find_with(&mut scratch, &text, Budget::default(), cutoff).unwrap();
            prop_assert_eq!(again, full);
        }
    }

    #[test]
    fn edges_are_defined() {
        let library = library(&[vec![5], vec![5, 6], vec![7; 3]]);
        let find = |text: &[u32], cutoff| places(&library.find(text, Budget::default(), cutoff).unwrap());
        assert_eq!(find(&[], 0.5), []);
        assert_eq!(find(&[1, 2, 3], 0.9), []);
        // One token: as it is, whatever the cutoff.
        assert_eq!(find(&[1, 5], 0.0), [(0, 0, 1..2)]);
        assert_eq!(find(&[1, 5], 0.9), [(0, 0, 1..2), (1, 1, 1..2)]);
        assert_eq!(find(&[7, 1, 7], 0.4), [(2, 1, 0..3)]);
        assert_eq!(library.find(&[], Budget::default(), f64::NAN), Err(CutoffError));
        assert_eq!(library.find(&[], Budget::default(), -0.1), Err(CutoffError));
        let empty = PatternLibrary::default().find(&[1], Budget { max_cells: 0 }, 0.0).unwrap();
        assert_eq!((empty.hits.len(), empty.exact), (0, true));
        let nothing_left = library.find(&[5], Budget { max_cells: 0 }, 0.0).unwrap();
        assert_eq!((nothing_left.hits.len(), nothing_left.exact, nothing_left.work_done), (0, false, 0));
    }

    /// A hit that lies across the end of a part, in a text far longer than one.
    #[test]
    fn long_texts_are_searched_everywhere() {
        let pattern: Vec<u32> = (100..140).collect();
        let library = library(std::slice::from_ref(&pattern));
        for place in [0, 400, 480, 500, 512, 40_000 - 40] {
            let mut text = vec![1_u32; 40_000];
            text[place..place + 40].copy_from_slice(&pattern);
            text[place + 20] = 2;
            let found = library.find(&text, Budget::default(), 0.1).unwrap();
            assert_eq!(places(&found), [(0, 1, place..place + 40)]);
            assert!(found.exact);
        }
    }
}
