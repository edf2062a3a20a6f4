//! Who is held: sessions in quarantine, throttled or delayed, each for a time. In memory, bounded, looked up for every
//! request, so that what is ordered for one request holds for the very next.

use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{PoisonError, RwLock};

use serde::{Deserialize, Serialize};

use crate::session_key::SessionKey;

/// Parts of the table, each with a lock of its own.
const SHARDS: usize = 16;

/// What is done with the requests of whoever is held. The order is that in which they win over each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "kind")]
pub(crate) enum Kind {
    /// They are refused.
    Quarantine,
    /// They are turned away: try again later.
    Throttle,
    /// Each waits for so many milliseconds.
    Delay { ms: u32 },
}

impl Kind {
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Quarantine => "quarantine",
            Self::Throttle => "throttle",
            Self::Delay { .. } => "delay",
        }
    }

    fn slot(self) -> usize {
        match self {
            Self::Quarantine => 0,
            Self::Throttle => 1,
            Self::Delay { .. } => 2,
        }
    }
}

/// One hold.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Hold {
    #[serde(flatten)]
    pub(crate) kind: Kind,
    /// Whose session it is.
    pub(crate) tenant: String,
    /// The API key, where everything that it sends is held.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) key: Option<String>,
    /// Milliseconds since the Unix epoch.
    pub(crate) since_ms: u64,
    /// Milliseconds since the Unix epoch.
    pub(crate) until_ms: u64,
    /// The playbook, or who else ordered it.
    pub(crate) by: String,
}

/// Everything that one session or key is held for.
type Held = [Option<Hold>; 3];

/// The table is full of holds that have not ended.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Full;

/// The table.
#[derive(Debug)]
pub(crate) struct Holds {
    shards: [RwLock<HashMap<SessionKey, Held>>; SHARDS],
    /// Sessions and keys in the table. While it is 0, no lock is taken.
    held: AtomicUsize,
    capacity: usize,
}

impl Holds {
    /// A table for so many sessions and keys.
    pub(crate) fn new(capacity: usize) -> Self {
        Self { shards: Default::default(), held: AtomicUsize::new(0), capacity }
    }

    /// How many sessions and keys are in it, also those whose time is up and that nobody has asked for.
    pub(crate) fn len(&self) -> usize {
        self.held.load(Ordering::Relaxed)
    }

    /// The strongest hold on a session or key, and how many milliseconds are left of it. Constant time.
    pub(crate) fn check(&self, key: SessionKey, now_ms: u64) -> Option<(Kind, u64)> {
        if self.len() == 0 {
            return None;
        }
        let shard = self.shard(key)?.read().unwrap_or_else(PoisonError::into_inner);
        let hold = shard.get(&key)?.iter().flatten().find(|hold| hold.until_ms > now_ms)?;
        Some((hold.kind, hold.until_ms - now_ms))
    }

    /// Holds a session or key. A hold of the same kind that lasts longer stays. Constant time, unless the table is full:
    /// then what has ended is thrown out first.
    ///
    /// # Errors
    /// [`Full`]: nothing has ended.
    pub(crate) fn hold(&self, key: SessionKey, hold: Hold, now_ms: u64) -> Result<(), Full> {
        let mut shard = self.shard(key).ok_or(Full)?.write().unwrap_or_else(PoisonError::into_inner);
        if !shard.contains_key(&key) && shard.len() >= self.capacity.div_ceil(SHARDS) {
            let before = shard.len();
            shard.retain(|_, held| held.iter().flatten().any(|hold| hold.until_ms > now_ms));
            self.held.fetch_sub(before - shard.len(), Ordering::Relaxed);
            if shard.len() == before {
                return Err(Full);
            }
        }
        let held = shard.entry(key).or_insert_with(|| {
            self.held.fetch_add(1, Ordering::Relaxed);
            Held::default()
        });
        if let Some(slot) = held.get_mut(hold.kind.slot())
            && slot.as_ref().is_none_or(|known| known.until_ms <= hold.until_ms)
        {
            *slot = Some(hold);
        }
        Ok(())
    }

    /// Ends every hold on a session or key of one of `tenants` (`None`: of all). Says whether there was one.
    pub(crate) fn release(&self, key: SessionKey, tenant: Option<&str>, now_ms: u64) -> bool {
        let Some(shard) = self.shard(key) else { return false };
        let mut shard = shard.write().unwrap_or_else(PoisonError::into_inner);
        let active =
            |hold: &Hold| hold.until_ms > now_ms && tenant.is_none_or(|tenant| tenant == hold.tenant);
        let found = shard.get(&key).is_some_and(|held| held.iter().flatten().any(active));
        if found && shard.remove(&key).is_some() {
            self.held.fetch_sub(1, Ordering::Relaxed);
        }
        found
    }

    /// The holds on one session or key that have not ended.
    pub(crate) fn of(&self, key: SessionKey, now_ms: u64) -> Vec<Hold> {
        let Some(shard) = self.shard(key) else { return Vec::new() };
        let shard = shard.read().unwrap_or_else(PoisonError::into_inner);
        let active = shard.get(&key).into_iter().flatten().flatten().filter(|hold| hold.until_ms > now_ms);
        active.cloned().collect()
    }

    /// The holds that have not ended, by key. Copies them: for people and for the file.
    pub(crate) fn list(&self, now_ms: u64) -> Vec<(SessionKey, Hold)> {
        let mut all = Vec::new();
        for shard in &self.shards {
            let shard = shard.read().unwrap_or_else(PoisonError::into_inner);
            for (key, held) in shard.iter() {
                let active = held.iter().flatten().filter(|hold| hold.until_ms > now_ms);
                all.extend(active.map(|hold| (*key, hold.clone())));
            }
        }
        all.sort_by_key(|(key, hold)| (*key, hold.kind.slot()));
        all
    }

    fn shard(&self, key: SessionKey) -> Option<&RwLock<HashMap<SessionKey, Held>>> {
        self.shards.get(key.slot(SHARDS))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn hold(kind: Kind, until_ms: u64) -> Hold {
        Hold { kind, tenant: "acme".into(), key: None, since_ms: 0, until_ms, by: "p".into() }
    }

    fn key(name: &str) -> SessionKey {
        SessionKey::of("acme", name).unwrap()
    }

    #[test]
    fn the_strongest_hold_counts_until_its_time_is_up() {
        let holds = Holds::new(100);
        assert_eq!(holds.check(key("a"), 0), None);
        holds.hold(key("a"), hold(Kind::Delay { ms: 5 }, 300), 0).unwrap();
        holds.hold(key("a"), hold(Kind::Throttle, 200), 0).unwrap();
        holds.hold(key("a"), hold(Kind::Quarantine, 100), 0).unwrap();
        // A shorter one of the same kind changes nothing.
        holds.hold(key("a"), hold(Kind::Quarantine, 50), 0).unwrap();
        let seen: Vec<_> = [0, 99, 100, 199, 200, 299, 300].map(|now| holds.check(key("a"), now)).into();
        let delay = Kind::Delay { ms: 5 };
        assert_eq!(
            seen,
            [
                Some((Kind::Quarantine, 100)),
                Some((Kind::Quarantine, 1)),
                Some((Kind::Throttle, 100)),
                Some((Kind::Throttle, 1)),
                Some((delay, 100)),
                Some((delay, 1)),
                None
            ]
        );
        assert_eq!(holds.check(key("b"), 0), None);
    }

    #[test]
    fn only_the_tenant_or_everyones_operator_releases() {
        let holds = Holds::new(100);
        holds.hold(key("a"), hold(Kind::Quarantine, 100), 0).unwrap();
        assert!(!holds.release(key("a"), Some("other"), 0));
        assert!(!holds.release(key("b"), None, 0));
        assert!(holds.release(key("a"), Some("acme"), 0));
        assert!(!holds.release(key("a"), Some("acme"), 0));
        assert_eq!((holds.check(key("a"), 0), holds.len()), (None, 0));
    }

    #[test]
    fn a_full_table_makes_room_from_what_has_ended_and_says_when_it_cannot() {
        let holds = Holds::new(SHARDS);
        let mut refused = 0;
        for n in 0..1000 {
            refused += usize::from(holds.hold(key(&n.to_string()), hold(Kind::Quarantine, 100), 0).is_err());
        }
        assert_eq!((holds.len(), refused), (SHARDS, 1000 - SHARDS));
        assert_eq!(holds.list(0).len(), SHARDS);
        holds.hold(key("later"), hold(Kind::Quarantine, 300), 200).unwrap();
        assert_eq!(holds.list(200).len(), 1);
    }

    proptest! {
        /// The table answers as a plain list of all holds would.
        #[test]
        fn answers_are_those_of_a_list(
            steps in prop::collection::vec((0_u8..4, 0_u8..3, 0_u64..100, 0_u64..60, any::<bool>()), 0..40)
        ) {
            let holds = Holds::new(10_000);
            let mut list: Vec<(u8, Kind, u64)> = Vec::new();
            for (session, kind, now, length, release) in steps {
                let kind = [Kind::Quarantine, Kind::Throttle, Kind::Delay { ms: 7 }][usize::from(kind)];
                let name = key(&session.to_string());
                if release {
                    let expected = list.iter().any(|(of, _, until)| *of == session && *until > now);
                    prop_assert_eq!(holds.release(name, None, now), expected);
                    if expected {
                        list.retain(|(of, ..)| *of != session);
                    }
                } else {
                    holds.hold(name, hold(kind, now + length), now).unwrap();
                    list.push((session, kind, now + length));
                }
                for session in 0..4 {
                    let longest = |kind: Kind| {
                        let of = list.iter().filter(|(of, known, _)| *of == session && known.slot() == kind.slot());
                        of.map(|(.., until)| *until).max().filter(|until| *until > now)
                    };
                    let kinds = [Kind::Quarantine, Kind::Throttle, Kind::Delay { ms: 7 }];
                    let expected = kinds.into_iter().find_map(|kind| Some((kind, longest(kind)? - now)));
                    prop_assert_eq!(holds.check(key(&session.to_string()), now), expected);
                }
            }
        }
    }
}
