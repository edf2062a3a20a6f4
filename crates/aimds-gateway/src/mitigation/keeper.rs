//! Keeping revocations and quarantines on the disk: who asks waits in one list, and one worker writes what all of them have
//! changed at once, so that a slow disk holds up no other work, and many changes wait for the disk no longer than one.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::holds::Holds;
use super::report::About;
use super::revocations::Revocations;
use super::saved::{Entry, Journal};
use crate::app::now_ms;
use crate::session_key::SessionKey;

/// Changes that wait. What comes on top is reported as failed, and is in the file after the next write all the same.
const WAITING: usize = 16_384;

/// What may have changed.
pub(super) enum Change {
    /// What a session or key is held for.
    Held(SessionKey),
    /// Whether a key of a tenant is refused.
    Key { tenant: String, key: String },
}

/// Whose change it is.
pub(super) struct Asked {
    pub(super) about: About,
    pub(super) change: Change,
}

#[derive(Default)]
pub(super) struct Waiting {
    pub(super) asked: Vec<Asked>,
    /// Whatever the list says, all of the file has to be written.
    everything: bool,
}

pub(super) struct Keeper {
    holds: Arc<Holds>,
    revocations: Arc<Revocations>,
    /// Where a file is configured.
    journal: Option<Mutex<Journal>>,
    waiting: Mutex<Waiting>,
    /// Held from when a write is ordered until nothing waits any more.
    place: Arc<Semaphore>,
}

impl Keeper {
    pub(super) fn new(holds: Arc<Holds>, revocations: Arc<Revocations>, journal: Option<Journal>) -> Self {
        let (journal, waiting) = (journal.map(Mutex::new), Mutex::default());
        Self { holds, revocations, journal, waiting, place: Arc::new(Semaphore::new(1)) }
    }

    pub(super) fn is_on(&self) -> bool {
        self.journal.is_some()
    }

    /// Puts a change on the list. A place is for whoever now has to order the write; otherwise somebody else has.
    ///
    /// # Errors
    /// The list is full; the change comes back.
    pub(super) fn ask(&self, asked: Asked) -> Result<Option<OwnedSemaphorePermit>, Asked> {
        let mut waiting = self.waiting();
        if waiting.asked.len() >= WAITING {
            waiting.everything = true;
            return Err(asked);
        }
        waiting.asked.push(asked);
        Ok(Arc::clone(&self.place).try_acquire_owned().ok())
    }

    /// Writes what waits. Gives whose changes are in the file now.
    ///
    /// # Errors
    /// What the disk says. All still wait.
    pub(super) fn write(&self) -> std::io::Result<Vec<Asked>> {
        let Some(journal) = &self.journal else { return Ok(Vec::new()) };
        // One write at a time, so that the last one is the newest.
        let mut journal = journal.lock().unwrap_or_else(PoisonError::into_inner);
        let Waiting { asked, everything } = std::mem::take(&mut *self.waiting());
        if asked.is_empty() && !everything {
            return Ok(asked);
        }
        let written = match !everything && journal.takes(asked.len()) {
            true => journal.add(&self.entries(&asked)).or_else(|_| journal.replace(&self.all())),
            false => journal.replace(&self.all()),
        };
        if let Err(error) = written {
            tracing::error!(%error, path = %journal.path().display(), "revocations and quarantines cannot be written");
            let mut waiting = self.waiting();
            waiting.everything |= everything;
            waiting.asked.splice(0..0, asked);
            return Err(error);
        }
        Ok(asked)
    }

    /// Ends the order to write, unless something waits.
    ///
    /// # Errors
    /// Something waits: write again.
    pub(super) fn end(&self, place: OwnedSemaphorePermit) -> Result<(), OwnedSemaphorePermit> {
        let waiting = self.waiting();
        if !waiting.asked.is_empty() {
            return Err(place);
        }
        // While the list is locked, so that whoever is next on it finds the place free.
        drop(place);
        Ok(())
    }

    /// Ends the order to write although nothing could be written. What waited is in the file after the next write.
    pub(super) fn give_up(&self, place: OwnedSemaphorePermit) -> Vec<Asked> {
        let mut waiting = self.waiting();
        drop(place);
        waiting.everything |= !waiting.asked.is_empty();
        std::mem::take(&mut waiting.asked)
    }

    /// Waits until nothing is to be written any more.
    pub(super) async fn ended(&self) {
        let _ = self.place.acquire().await;
    }

    fn entries(&self, asked: &[Asked]) -> Vec<Entry> {
        let now_ms = now_ms();
        let entry = |asked: &Asked| match &asked.change {
            Change::Held(holder) => Entry::held(*holder, self.holds.of(*holder, now_ms)),
            Change::Key { tenant, key } => match self.revocations.of(tenant, key) {
                Some(revoked) => Entry::Revoked(revoked),
                None => Entry::Reinstated { tenant: tenant.clone(), key: key.clone() },
            },
        };
        asked.iter().map(entry).collect()
    }

    fn all(&self) -> Vec<Entry> {
        let revoked = self.revocations.list().into_iter().map(Entry::Revoked);
        let held = self.holds.list(now_ms());
        let held = held.chunk_by(|(one, _), (other, _)| one == other).filter_map(|holds| {
            let (holder, _) = holds.first()?;
            Some(Entry::held(*holder, holds.iter().map(|(_, hold)| hold.clone()).collect()))
        });
        revoked.chain(held).collect()
    }

    fn waiting(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;
    use std::time::Instant;

    use super::super::holds::{Hold, Kind};
    use super::super::revocations::Revoked;
    use super::super::saved::Saved;
    use super::*;

    fn asked(change: Change) -> Asked {
        let about = About {
            request_id: String::new(),
            tenant: "a".into(),
            route: "/",
            by: "p".into(),
            decided: Instant::now(),
        };
        Asked { about, change }
    }

    fn keeper(path: &Path) -> Keeper {
        Keeper::new(Arc::new(Holds::new(100_000)), Arc::default(), Some(Journal::new(path.to_owned())))
    }

    fn hold(keeper: &Keeper, nth: usize) -> Change {
        let holder = SessionKey::of("a", &nth.to_string()).unwrap();
        let until_ms = now_ms() + 100_000;
        let hold = Hold {
            kind: Kind::Quarantine,
            tenant: "a".into(),
            key: None,
            since_ms: 0,
            until_ms,
            by: "p".into(),
        };
        keeper.holds.hold(holder, hold, 0).unwrap();
        Change::Held(holder)
    }

    fn key(name: &str) -> Change {
        Change::Key { tenant: "a".into(), key: name.into() }
    }

    #[track_caller]
    fn check(path: &Path, held: usize, revoked: &[&str]) {
        let saved = Saved::load(path).unwrap().unwrap();
        let saved_keys: Vec<_> = saved.revoked.values().map(|revoked| revoked.key.as_str()).collect();
        let live = saved.held.values().filter(|holds| !holds.is_empty()).count();
        assert_eq!((live, saved_keys.as_slice()), (held, revoked));
    }

    #[test]
    fn one_write_has_what_all_have_changed_and_one_of_them_orders_it() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("state.json");
        let keeper = keeper(&path);
        let revoked =
            |key: &str| Revoked { tenant: "a".into(), key: key.into(), since_ms: 1, by: "p".into() };
        keeper.revocations.revoke(revoked("k")).unwrap();
        let place = keeper.ask(asked(key("k"))).ok().unwrap().unwrap();
        for nth in 0..50 {
            assert!(keeper.ask(asked(hold(&keeper, nth))).ok().unwrap().is_none());
        }
        let place = keeper.end(place).unwrap_err();
        assert_eq!(keeper.write().unwrap().len(), 51);
        check(&path, 50, &["k"]);
        assert!(keeper.end(place).is_ok() && keeper.write().unwrap().is_empty());
        // What has changed again since it was asked for is written as it is now.
        keeper.revocations.reinstate("a", "k");
        keeper.revocations.revoke(revoked("j")).unwrap();
        let released = hold(&keeper, 7);
        let Change::Held(holder) = released else { unreachable!() };
        keeper.holds.release(holder, None, now_ms());
        let place = keeper.ask(asked(key("k"))).ok().unwrap();
        keeper.ask(asked(key("j"))).ok().unwrap();
        keeper.ask(asked(released)).ok().unwrap();
        assert!(place.is_some());
        assert_eq!(keeper.write().unwrap().len(), 3);
        check(&path, 49, &["j"]);
        // Every change is in the file however often it was replaced meanwhile.
        for nth in 100..10_000 {
            keeper.ask(asked(hold(&keeper, nth))).ok().unwrap();
            if nth % 7 == 0 {
                keeper.write().unwrap();
            }
        }
        keeper.write().unwrap();
        check(&path, 49 + 9_900, &["j"]);
    }

    #[test]
    fn what_the_disk_refused_waits_and_what_was_given_up_is_in_the_next_write() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("later/state.json");
        let keeper = keeper(&path);
        let place = keeper.ask(asked(hold(&keeper, 1))).ok().unwrap().unwrap();
        assert!(keeper.write().is_err());
        let place = keeper.end(place).unwrap_err();
        assert_eq!(keeper.give_up(place).len(), 1);
        std::fs::create_dir(path.parent().unwrap()).unwrap();
        let place = keeper.ask(asked(hold(&keeper, 2))).ok().unwrap();
        assert_eq!((keeper.write().unwrap().len(), place.is_some()), (1, true));
        check(&path, 2, &[]);
        // So is what found no place on the list.
        drop(place);
        for nth in 0..WAITING {
            keeper.ask(asked(hold(&keeper, nth))).ok().unwrap();
        }
        let more = hold(&keeper, WAITING);
        assert!(keeper.ask(asked(more)).is_err());
        assert_eq!(keeper.write().unwrap().len(), WAITING);
        check(&path, WAITING + 1, &[]);
    }
}
