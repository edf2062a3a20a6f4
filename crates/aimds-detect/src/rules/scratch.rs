//! What a search for rules keeps for the next one, for each of the threads that search beside each other.

use std::sync::{Mutex, TryLockError};

use regex_automata::hybrid::dfa::Cache;

/// As many scratches as threads are expected to search at a time. The first free one is taken, so that no more are ever
/// filled than were needed at a time, and those of threads that ended serve others. (A pool by threads keeps one for each
/// thread that ever searched: where a runtime changes its threads, memory grows for hours.)
#[derive(Debug)]
pub(super) struct Scratches(Box<[Mutex<Scratch>]>);

impl Scratches {
    pub(super) fn new(threads: usize) -> Self {
        Self((0..threads.max(1)).map(|_| Mutex::default()).collect())
    }

    /// Never waits: where all are taken, the search has one of its own, which is dropped afterwards.
    pub(super) fn with<T>(&self, search: impl FnOnce(&mut Scratch) -> T) -> T {
        for scratch in &self.0 {
            match scratch.try_lock() {
                Ok(mut scratch) => return search(&mut scratch),
                Err(TryLockError::Poisoned(left)) => {
                    // An automaton that was left in the middle of a step is not to be trusted.
                    let mut left = left.into_inner();
                    *left = Scratch::default();
                    scratch.clear_poison();
                    return search(&mut left);
                }
                Err(TryLockError::WouldBlock) => {}
            }
        }
        search(&mut Scratch::default())
    }
}

/// What searching needs and keeps from one text to the next.
#[derive(Debug, Default)]
pub(super) struct Scratch {
    /// Number of the current search; what bears another number is of an earlier one.
    pub(super) search: u64,
    pub(super) patterns: Vec<Progress>,
    pub(super) caches: Vec<Option<Box<Cache>>>,
    /// The search in which each prefix was found to begin nothing more.
    pub(super) spent: Vec<u64>,
    /// The search in which each rule was found last.
    pub(super) found: Vec<u64>,
    /// Where each suffix ends in the text of this search, as a bit for each stretch; empty as long as it was not worth
    /// looking.
    pub(super) suffixes: Vec<u64>,
}

/// Cuts a text into at most 64 stretches.
#[derive(Clone, Copy)]
pub(super) struct Stretches {
    shift: u32,
}

impl Stretches {
    pub(super) fn of(text: &str) -> Self {
        Self { shift: (text.len().max(1).ilog2() + 1).saturating_sub(6) }
    }

    /// The bit of the stretch that holds a byte.
    pub(super) fn bit(self, at: usize) -> u64 {
        1 << (at >> self.shift).min(63)
    }

    /// The bits of the stretches that hold `start..end`.
    pub(super) fn bits(self, start: usize, end: usize) -> u64 {
        let (first, last) = (self.bit(start), self.bit(end.saturating_sub(1)));
        last | last.wrapping_sub(first)
    }
}

/// How far one pattern has come. Small, since many are looked at for each place.
#[derive(Clone, Debug, Default)]
pub(super) struct Progress {
    pub(super) search: u64,
    /// Bytes that it may still walk from place to place; 0 if there is nothing more to find.
    pub(super) steps: usize,
    /// Places before this one cannot be the beginning of a match.
    pub(super) from: usize,
    /// The stretches in which a match may end.
    pub(super) ends: u64,
}

impl Progress {
    /// Whether something may begin at `start` or later.
    pub(super) fn goes_on(&self, start: usize, stretches: Stretches) -> bool {
        self.steps > 0 && self.ends >= stretches.bit(start)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Notes a search in a scratch, and how many were noted there before.
    fn count(scratch: &mut Scratch) -> u64 {
        scratch.search += 1;
        scratch.search
    }

    #[test]
    fn the_first_free_one_serves() {
        let scratches = Scratches::new(2);
        assert_eq!([(); 3].map(|()| scratches.with(count)), [1, 2, 3]);
        let beside = scratches.with(|first| (count(first), scratches.with(count), scratches.with(count)));
        assert_eq!(beside, (4, 1, 2));
    }

    #[test]
    fn where_all_are_taken_nothing_waits_and_nothing_more_is_kept() {
        let scratches = Scratches::new(1);
        let beside = || scratches.with(|first| (count(first), scratches.with(count)));
        assert_eq!([beside(), beside()], [(1, 1), (2, 1)]);
    }

    #[test]
    fn what_a_panic_left_is_not_used() {
        let scratches = Scratches::new(1);
        let panics = std::panic::AssertUnwindSafe(|| {
            scratches.with(|scratch| {
                count(scratch);
                panic!("in a search");
            })
        });
        assert!(std::panic::catch_unwind(panics).is_err());
        assert_eq!([(); 2].map(|()| scratches.with(count)), [1, 2]);
    }
}
