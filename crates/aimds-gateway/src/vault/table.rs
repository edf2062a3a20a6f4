//! Sessions in memory, by tenant: bounded, and the one that was idle longest goes first. A tenant's sessions make room for
//! its own only.

use std::collections::{BTreeSet, HashMap};
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use aimds_engine::vault::Vault;

use super::counters::Counters;

/// Sessions that are looked at for one that nobody uses.
const LOOKS: usize = 64;

/// What a session is found by: a keyed hash of tenant and name.
pub(super) type SessionId = [u8; 32];

/// One session.
pub(super) struct Session {
    pub(super) id: SessionId,
    /// `None` until it is first used, and while a request waits for the file.
    pub(super) vault: tokio::sync::Mutex<Option<Vault>>,
    /// Values that the file has.
    stored: AtomicUsize,
    /// When the file was last told that it goes on.
    touched_ms: AtomicU64,
}

impl Session {
    fn new(id: SessionId) -> Arc<Self> {
        Arc::new(Self {
            id,
            vault: tokio::sync::Mutex::new(None),
            stored: AtomicUsize::new(0),
            touched_ms: AtomicU64::new(0),
        })
    }

    /// What the file has: how many values, and when it was told that the session goes on. Only whoever holds the vault
    /// changes it.
    pub(super) fn known(&self) -> (usize, u64) {
        (self.stored.load(Ordering::Relaxed), self.touched_ms.load(Ordering::Relaxed))
    }

    pub(super) fn stored(&self, values: usize, at_ms: u64) {
        self.stored.store(values, Ordering::Relaxed);
        self.touched_ms.store(at_ms, Ordering::Relaxed);
    }
}

/// When a session was used last: the time in milliseconds, and which use of its tenant's it was, since a millisecond has room
/// for several.
type Used = (u64, u64);

/// The sessions of one tenant.
#[derive(Default)]
struct Tenant {
    uses: u64,
    sessions: HashMap<SessionId, (Used, Arc<Session>)>,
    /// By last use.
    idle: BTreeSet<(Used, SessionId)>,
}

/// The sessions in memory. The lock is held for a look-up, never over work.
pub(super) struct Table {
    /// Of one tenant.
    most: usize,
    tenants: Mutex<HashMap<String, Tenant>>,
}

impl Table {
    pub(super) fn new(most: usize) -> Self {
        Self { most, tenants: Mutex::default() }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<String, Tenant>> {
        self.tenants.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn len(&self) -> usize {
        self.lock().values().map(|tenant| tenant.sessions.len()).sum()
    }

    /// A session, used now. With `make` it is made where there is none; `None` also where every session of the tenant is in
    /// use by a request.
    pub(super) fn get(
        &self,
        tenant: &str,
        id: &SessionId,
        now_ms: u64,
        ttl_ms: u64,
        make: bool,
        counters: &Counters,
    ) -> Option<Arc<Session>> {
        let mut tenants = self.lock();
        if !tenants.contains_key(tenant) {
            if !make {
                return None;
            }
            tenants.insert(tenant.to_owned(), Tenant::default());
        }
        let tenant = tenants.get_mut(tenant)?;
        counters.expired(tenant.expire(now_ms, ttl_ms));
        tenant.uses += 1;
        let now = (now_ms, tenant.uses);
        if let Some((used, session)) = tenant.sessions.get_mut(id) {
            tenant.idle.remove(&(*used, *id));
            *used = now;
            tenant.idle.insert((now, *id));
            return Some(Arc::clone(session));
        }
        if !make {
            return None;
        }
        if tenant.sessions.len() >= self.most {
            let mut idle = tenant.idle.iter().take(LOOKS);
            let free = *idle.find(|(_, id)| tenant.is_free(id))?;
            tenant.remove(free);
            counters.evicted();
        }
        let session = Session::new(*id);
        tenant.sessions.insert(*id, (now, Arc::clone(&session)));
        tenant.idle.insert((now, *id));
        Some(session)
    }

    /// Erases the sessions that have ended.
    pub(super) fn expire(&self, now_ms: u64, ttl_ms: u64, counters: &Counters) {
        let mut tenants = self.lock();
        for tenant in tenants.values_mut() {
            counters.expired(tenant.expire(now_ms, ttl_ms));
        }
        tenants.retain(|_, tenant| !tenant.sessions.is_empty());
    }
}

impl Tenant {
    /// A session that a request uses is not taken away: two vaults of one session would not know of each other.
    fn is_free(&self, id: &SessionId) -> bool {
        self.sessions.get(id).is_none_or(|(_, session)| Arc::strong_count(session) == 1)
    }

    fn remove(&mut self, (used, id): (Used, SessionId)) {
        self.idle.remove(&(used, id));
        self.sessions.remove(&id);
    }

    fn expire(&mut self, now_ms: u64, ttl_ms: u64) -> usize {
        let ended: Vec<_> = self
            .idle
            .iter()
            .take_while(|((used_ms, _), _)| used_ms.saturating_add(ttl_ms) <= now_ms)
            .filter(|(_, id)| self.is_free(id))
            .copied()
            .collect();
        let count = ended.len();
        for session in ended {
            self.remove(session);
        }
        count
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(byte: u8) -> SessionId {
        [byte; 32]
    }

    #[test]
    fn a_tenant_makes_room_for_itself_only() {
        let (table, counters) = (Table::new(2), Counters::default());
        let get = |tenant: &str, byte: u8, now: u64| table.get(tenant, &id(byte), now, 1000, true, &counters);
        let one = Arc::downgrade(&get("a", 1, 1).unwrap());
        let two = Arc::downgrade(&get("a", 2, 2).unwrap());
        get("b", 3, 3).unwrap();
        // Also where all of it happens in one millisecond.
        get("a", 1, 2).unwrap();
        get("a", 4, 2).unwrap();
        assert!(one.upgrade().is_some() && two.upgrade().is_none(), "the idle one goes");
        assert_eq!(table.len(), 3);
        let held = (get("a", 1, 6).unwrap(), get("a", 4, 6).unwrap());
        assert!(get("a", 5, 7).is_none(), "both are in use");
        assert!(get("b", 5, 7).is_some());
        drop(held);
        assert!(get("a", 5, 8).is_some());
    }

    #[test]
    fn a_session_ends_when_it_was_idle_for_its_time() {
        let (table, counters) = (Table::new(9), Counters::default());
        let get = |now: u64, make: bool| table.get("a", &id(1), now, 10, make, &counters);
        assert!(get(0, false).is_none());
        let session = Arc::downgrade(&get(0, true).unwrap());
        assert!(get(9, false).is_some() && get(18, false).is_some());
        let held = get(19, false).unwrap();
        table.expire(100, 10, &counters);
        assert!(session.upgrade().is_some(), "a request still uses it");
        drop(held);
        table.expire(100, 10, &counters);
        assert!(session.upgrade().is_none());
        assert_eq!(table.len(), 0);
    }
}
