//! The state of everyone who is limited, in memory of one size: whoever comes from ever new addresses cannot make it grow.
//!
//! Each source has a set of eight places, chosen by a hash that is keyed anew in each process. Where all of them are in
//! use, the source that has used least goes; it begins anew. So a flood of sources that ask once each cannot push out
//! one that is at its limit.

use std::hash::{BuildHasher as _, Hash, RandomState};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use super::gcra::{Left, Rate};

const WAYS: usize = 8;
/// Sets behind one lock, and the number of locks.
const SETS: usize = 128;
const SHARDS: usize = 64;

#[derive(Clone, Copy, Debug, Default)]
struct Place {
    source: u64,
    empty_at: u64,
}

type Set = [Place; WAYS];

/// The table: places for 65,536 sources in one mebibyte.
#[derive(Debug)]
pub(super) struct Table {
    shards: Vec<Mutex<Vec<Set>>>,
    hasher: RandomState,
}

impl Table {
    pub(super) fn new() -> Self {
        let shard = || Mutex::new(vec![Set::default(); SETS]);
        Self { shards: (0..SHARDS).map(|_| shard()).collect(), hasher: RandomState::new() }
    }

    /// Asks for one request of a source. `now` is in nanoseconds. Constant time.
    ///
    /// # Errors
    /// The time until the next would be let in.
    pub(super) fn take(&self, source: impl Hash, rate: Rate, now: u64) -> Result<Option<Left>, Duration> {
        let taken = self.with(source, |source, set| {
            let known = set.iter().position(|place| place.source == source);
            // Nobody who is idle has a state: the place that has used least is the first that is idle.
            let at = known.or_else(|| (0..WAYS).min_by_key(|&at| set.get(at).map(|place| place.empty_at)));
            let Some(place) = at.and_then(|at| set.get_mut(at)) else { return Ok(None) };
            let empty_at = if known.is_some() { place.empty_at } else { 0 };
            let (empty_at, left) = rate.take(empty_at, now)?;
            *place = Place { source, empty_at };
            Ok(Some(left))
        });
        taken.unwrap_or(Ok(None))
    }

    /// Takes over what is known of a source elsewhere: it has used nothing more before `empty_at`. `back` nanoseconds that
    /// were taken here count for nothing. Constant time.
    pub(super) fn learn(&self, source: impl Hash, empty_at: u64, back: u64) {
        self.with(source, |source, set| {
            for place in set.iter_mut().filter(|place| place.source == source) {
                place.empty_at = place.empty_at.saturating_sub(back).max(empty_at);
            }
        });
    }

    fn with<T>(&self, source: impl Hash, work: impl FnOnce(u64, &mut Set) -> T) -> Option<T> {
        let source = self.hasher.hash_one(source);
        let (shard, set) = (source as usize % SHARDS, source as usize / SHARDS % SETS);
        let mut shard = self.shards.get(shard)?.lock().unwrap_or_else(PoisonError::into_inner);
        Some(work(source, shard.get_mut(set)?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: u64 = 1_000_000_000;

    #[test]
    fn a_flood_of_sources_neither_grows_the_table_nor_frees_who_is_at_the_limit() {
        let table = Table::new();
        let rate = Rate::parse("5/1m").unwrap();
        let now = 100 * SECOND;
        assert_eq!((0..7).filter(|_| table.take("greedy", rate, now).is_ok()).count(), 5);
        for stranger in 0..1_000_000_u64 {
            assert!(table.take(stranger, rate, now).is_ok(), "a stranger is not limited");
        }
        assert!(table.take("greedy", rate, now).is_err());
        let places: usize = table.shards.iter().map(|shard| shard.lock().unwrap().len() * WAYS).sum();
        assert_eq!((places, size_of::<Place>()), (65_536, 16));
    }

    #[test]
    fn what_is_learnt_only_adds_and_what_is_given_back_is_gone() {
        let table = Table::new();
        let rate = Rate::parse("4/4s").unwrap();
        let now = 100 * SECOND;
        let left = |now| table.take("a", rate, now).map(|left| left.unwrap().requests);
        assert_eq!(left(now), Ok(3));
        table.learn("a", now, 0);
        table.learn("stranger", now + 9 * SECOND, 0);
        assert_eq!(left(now), Ok(2), "others have used less");
        table.learn("a", now + 4 * SECOND, 0);
        assert_eq!(left(now), Err(Duration::from_secs(1)), "others have used everything");
        table.learn("a", 0, 2 * SECOND);
        assert_eq!(left(now), Ok(1));
    }

    #[test]
    fn sources_do_not_count_for_each_other() {
        let table = Table::new();
        let rate = Rate::parse("1/1s").unwrap();
        for source in 0..10_000_u32 {
            assert!(table.take(source, rate, SECOND).is_ok());
        }
        let limited = (0..10_000_u32).filter(|source| table.take(source, rate, SECOND).is_err()).count();
        // 10,000 in 8192 sets of eight: hardly a set overflows.
        assert!(limited > 9_990, "{limited}");
        assert!((0..10_000_u32).all(|source| table.take(source, rate, 3 * SECOND).is_ok()));
    }
}
