//! The sessions that are remembered: a bounded number, and those that matter last to go.

use std::collections::{BTreeMap, BTreeSet};
use std::hash::{DefaultHasher, Hash, Hasher};

use crate::{SUSPICIOUS, Session, Timestamp};

/// Longer identifiers are not kept, only their hash.
const LONGEST_ID: usize = 64;
/// Sessions that have ended are forgotten so many at a call.
const MOST_EXPIRED: usize = 64;

/// How much is remembered. Each session takes less than 2 KiB, however long its identifier is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SessionLimits {
    /// Sessions together.
    pub capacity: usize,
    /// Sessions of one tenant.
    pub per_tenant: usize,
    /// Sessions of one source of a tenant.
    pub per_source: usize,
    /// Milliseconds after which a session that is not used has ended.
    pub idle_ms: u64,
}

impl Default for SessionLimits {
    fn default() -> Self {
        Self { capacity: 100_000, per_tenant: 50_000, per_source: 1_000, idle_ms: 3_600_000 }
    }
}

/// Limits that allow no session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NoRoom {
    /// The limit that is 0.
    pub limit: &'static str,
}

impl std::fmt::Display for NoRoom {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "invalid session limits: {} must be at least 1", self.limit)
    }
}

impl std::error::Error for NoRoom {}

/// Which session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SessionKey<'a> {
    /// Whose.
    pub tenant: &'a str,
    /// Where it comes from: a number for the address, the key or the user.
    pub source: u64,
    /// Its identifier with the tenant.
    pub id: &'a str,
}

/// How long a session is worth remembering: the calm ones go before the suspicious and these before the risky, in each the one
/// that was not used for longest.
type Rank = (Standing, Timestamp, u64);

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Standing {
    Calm,
    Suspicious,
    Risky,
}

impl Standing {
    fn of(session: &Session) -> Self {
        let risk = session.risk().max(session.peak());
        match risk {
            risk if risk >= 0.5 => Self::Risky,
            risk if risk >= SUSPICIOUS => Self::Suspicious,
            _ => Self::Calm,
        }
    }
}

/// An identifier comes from outside and may be long: 128 bits of hash stand for it.
type Name = [u64; 2];

fn name(id: &str) -> Name {
    [0_u8, 1].map(|salt| {
        let mut hasher = DefaultHasher::new();
        (salt, id).hash(&mut hasher);
        hasher.finish()
    })
}

#[derive(Debug)]
struct Entry {
    tenant: String,
    source: u64,
    name: Name,
    id: Box<str>,
    session: Session,
    rank: Rank,
}

/// A session that is remembered.
#[derive(Clone, Copy, Debug)]
pub struct Known<'a> {
    /// Whose it is.
    pub tenant: &'a str,
    /// Its identifier; empty where that is longer than 64 bytes.
    pub id: &'a str,
    /// What it has shown.
    pub session: &'a Session,
}

/// A bounded table of sessions. No clock and no lock inside.
///
/// Where it is full, the tenant with the most sessions loses one; a tenant or a source above its own limit loses one of its own.
/// A flood of new sessions can therefore neither push out other tenants' sessions beyond an equal share, nor the risky sessions
/// of its own tenant as long as there are calm ones, nor those of other sources while its own is at its limit.
///
/// Among risky sessions only, a new calm one is the one to go: whoever may use many sources can so keep later sessions of the
/// same tenant from being remembered, until the risky ones end.
///
/// ```
/// use aimds_analyze::{SessionKey, SessionLimits, Sessions, Timestamp};
/// let mut sessions = Sessions::new(SessionLimits::default())?;
/// let key = SessionKey { tenant: "acme", source: 7, id: "chat-1" };
/// let session = sessions.open(&key, Timestamp(1_000));
/// // … the engine looks at a request with `session` …
/// sessions.store(&key, session, Timestamp(1_000));
/// assert_eq!(sessions.len(), 1);
/// # Ok::<(), aimds_analyze::NoRoom>(())
/// ```
#[derive(Debug)]
pub struct Sessions {
    limits: SessionLimits,
    entries: BTreeMap<u64, Entry>,
    names: BTreeMap<String, BTreeMap<Name, u64>>,
    tenants: BTreeMap<String, BTreeSet<Rank>>,
    sources: BTreeMap<(String, u64), BTreeSet<Rank>>,
    /// Tenants by how many sessions they have.
    shares: BTreeSet<(usize, String)>,
    /// By last use.
    ages: BTreeSet<(Timestamp, u64)>,
    next: u64,
}

impl Sessions {
    /// An empty table.
    ///
    /// # Errors
    /// [`NoRoom`] if a limit is 0.
    pub fn new(limits: SessionLimits) -> Result<Self, NoRoom> {
        let SessionLimits { capacity, per_tenant, per_source, .. } = limits;
        for (limit, value) in [("capacity", capacity), ("per_tenant", per_tenant), ("per_source", per_source)]
        {
            if value == 0 {
                return Err(NoRoom { limit });
            }
        }
        Ok(Self {
            limits,
            entries: BTreeMap::new(),
            names: BTreeMap::new(),
            tenants: BTreeMap::new(),
            sources: BTreeMap::new(),
            shares: BTreeSet::new(),
            ages: BTreeSet::new(),
            next: 0,
        })
    }

    /// How many sessions are remembered.
    #[must_use]
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether none is remembered.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// A session, if it is remembered and has not ended. O(log n).
    #[must_use]
    pub fn get(&self, tenant: &str, id: &str, now: Timestamp) -> Option<&Session> {
        let entry = self.entries.get(self.names.get(tenant)?.get(&name(id))?)?;
        (!self.has_ended(entry.rank.1, now)).then_some(&entry.session)
    }

    /// The sessions of one tenant, or of all, that have not ended, and how many there are: of these at most `most`, those that
    /// would be forgotten last first. O(n + most · log most).
    #[must_use]
    pub fn known(&self, tenant: Option<&str>, now: Timestamp, most: usize) -> (Vec<Known<'_>>, usize) {
        let wanted = |entry: &&Entry| {
            tenant.is_none_or(|tenant| entry.tenant == tenant) && !self.has_ended(entry.rank.1, now)
        };
        let mut entries: Vec<&Entry> = self.entries.values().filter(wanted).collect();
        let total = entries.len();
        let last_first = |entry: &&Entry| std::cmp::Reverse(entry.rank);
        if most < total {
            entries.select_nth_unstable_by_key(most, last_first);
            entries.truncate(most);
        }
        entries.sort_unstable_by_key(last_first);
        let known = entries.into_iter();
        let known =
            known.map(|entry| Known { tenant: &entry.tenant, id: &entry.id, session: &entry.session });
        (known.collect(), total)
    }

    /// The tenants that have sessions.
    pub fn tenants(&self) -> impl Iterator<Item = &str> {
        self.tenants.keys().map(String::as_str)
    }

    /// A copy of the session to look at a request with, or a new one. O(log n).
    #[must_use]
    pub fn open(&self, key: &SessionKey<'_>, now: Timestamp) -> Session {
        self.get(key.tenant, key.id, now).cloned().unwrap_or_else(|| Session::new(key.tenant))
    }

    /// Remembers what a request made of a session. O(log n), plus at most 64 sessions that have ended.
    ///
    /// Of two requests of one session at the same time the riskier outcome is kept: who sends many at once gains nothing by it.
    pub fn store(&mut self, key: &SessionKey<'_>, session: Session, now: Timestamp) {
        self.expire(now);
        let known = self.names.get(key.tenant).and_then(|names| names.get(&name(key.id))).copied();
        let before = known.and_then(|slot| self.remove(slot)).filter(|old| !self.has_ended(old.rank.1, now));
        let (mut session, mut source, mut seen) = (session, key.source, now);
        if let Some(before) = before {
            // A session stays with the source that began it, else it could be moved to where it is pushed out.
            source = before.source;
            seen = seen.max(before.rank.1);
            let danger = |session: &Session| session.risk().max(session.peak());
            if before.session.turns() >= session.turns() && danger(&before.session) > danger(&session) {
                session = before.session;
            }
        }
        self.insert(key, source, session, seen);
        self.make_room(key.tenant, source);
    }

    fn has_ended(&self, last: Timestamp, now: Timestamp) -> bool {
        now.0.saturating_sub(last.0) > self.limits.idle_ms
    }

    fn expire(&mut self, now: Timestamp) {
        for _ in 0..MOST_EXPIRED {
            match self.ages.first() {
                Some(&(last, slot)) if self.has_ended(last, now) => drop(self.remove(slot)),
                _ => return,
            }
        }
    }

    fn make_room(&mut self, tenant: &str, source: u64) {
        let of_source = self.sources.get(&(tenant.to_owned(), source));
        let of_tenant = self.tenants.get(tenant);
        let victims = if of_source.is_some_and(|ranks| ranks.len() > self.limits.per_source) {
            of_source
        } else if of_tenant.is_some_and(|ranks| ranks.len() > self.limits.per_tenant) {
            of_tenant
        } else if self.entries.len() > self.limits.capacity {
            self.shares.last().and_then(|(_, largest)| self.tenants.get(largest))
        } else {
            None
        };
        if let Some(&(_, _, slot)) = victims.and_then(BTreeSet::first) {
            self.remove(slot);
        }
    }

    fn insert(&mut self, key: &SessionKey<'_>, source: u64, session: Session, seen: Timestamp) {
        let slot = self.next;
        self.next = self.next.wrapping_add(1);
        let rank = (Standing::of(&session), seen, slot);
        let (tenant, name) = (key.tenant.to_owned(), name(key.id));
        self.names.entry(tenant.clone()).or_default().insert(name, slot);
        self.sources.entry((tenant.clone(), source)).or_default().insert(rank);
        self.ages.insert((seen, slot));
        let ranks = self.tenants.entry(tenant.clone()).or_default();
        self.shares.remove(&(ranks.len(), tenant.clone()));
        ranks.insert(rank);
        self.shares.insert((ranks.len(), tenant.clone()));
        let id = if key.id.len() <= LONGEST_ID { key.id.into() } else { Box::default() };
        self.entries.insert(slot, Entry { tenant, source, name, id, session, rank });
    }

    /// Takes a session out of every index; what is empty then goes too.
    fn remove(&mut self, slot: u64) -> Option<Entry> {
        let entry = self.entries.remove(&slot)?;
        self.ages.remove(&(entry.rank.1, slot));
        if let Some(names) = self.names.get_mut(&entry.tenant) {
            names.remove(&entry.name);
            if names.is_empty() {
                self.names.remove(&entry.tenant);
            }
        }
        let place = (entry.tenant.clone(), entry.source);
        if let Some(ranks) = self.sources.get_mut(&place) {
            ranks.remove(&entry.rank);
            if ranks.is_empty() {
                self.sources.remove(&place);
            }
        }
        if let Some(ranks) = self.tenants.get_mut(&entry.tenant) {
            self.shares.remove(&(ranks.len(), entry.tenant.clone()));
            ranks.remove(&entry.rank);
            if ranks.is_empty() {
                self.tenants.remove(&entry.tenant);
            } else {
                self.shares.insert((ranks.len(), entry.tenant.clone()));
            }
        }
        Some(entry)
    }
}
