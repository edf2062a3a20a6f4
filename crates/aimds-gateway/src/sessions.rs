//! What earlier requests of a session have shown, for requests that name one (see [`session_key`](crate::session_key)).

use std::fmt::Write as _;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::sync::{Mutex, PoisonError};

use aimds_engine::{Session, SessionLimits, SessionName, Sessions, Timestamp};

use crate::session_key::SessionKey;

/// The sessions that are remembered. The lock is held for a look-up in a tree, never while a text is inspected.
pub(crate) struct Remembered(Option<Mutex<Sessions>>);

/// Which session of whom.
#[derive(Clone, Copy)]
pub(crate) struct Of<'a> {
    pub(crate) tenant: &'a str,
    /// The API key that asks: a session stays with the key that began it.
    pub(crate) api_key: &'a str,
    pub(crate) session: SessionKey,
}

/// A session, for people to look at.
pub(crate) struct Shown {
    pub(crate) id: String,
    pub(crate) tenant: String,
    pub(crate) session: Session,
}

impl Remembered {
    /// Nothing is remembered without limits, or where they leave no room.
    pub(crate) fn new(limits: Option<SessionLimits>) -> Self {
        Self(limits.and_then(|limits| Sessions::new(limits).ok()).map(Mutex::new))
    }

    /// The session to look at a request with: a copy of what is remembered, or a new one.
    pub(crate) fn open(&self, of: Option<Of<'_>>, tenant: &str, now: Timestamp) -> Session {
        let known = of.and_then(|of| self.read(of.tenant, of.session, now));
        known.unwrap_or_else(|| Session::new(tenant))
    }

    /// What is remembered of a session.
    pub(crate) fn read(&self, tenant: &str, session: SessionKey, now: Timestamp) -> Option<Session> {
        let sessions = self.0.as_ref()?.lock().unwrap_or_else(PoisonError::into_inner);
        sessions.get(tenant, &session.to_string(), now).cloned()
    }

    /// A session by its key, of one tenant or of any.
    pub(crate) fn find(&self, tenant: Option<&str>, session: SessionKey, now: Timestamp) -> Option<Shown> {
        let sessions = self.0.as_ref()?.lock().unwrap_or_else(PoisonError::into_inner);
        let id = session.to_string();
        let shown = |tenant: &str| {
            let session = sessions.get(tenant, &id, now)?.clone();
            Some(Shown { id: id.clone(), tenant: tenant.to_owned(), session })
        };
        match tenant {
            Some(tenant) => shown(tenant),
            None => sessions.tenants().find_map(shown),
        }
    }

    /// The sessions of one tenant, or of all: the riskiest first, at most so many, and how many there are.
    pub(crate) fn list(&self, tenant: Option<&str>, now: Timestamp, most: usize) -> (Vec<Shown>, usize) {
        let Some(sessions) = &self.0 else { return (Vec::new(), 0) };
        let sessions = sessions.lock().unwrap_or_else(PoisonError::into_inner);
        let (known, total) = sessions.known(tenant, now, most);
        let shown = known.into_iter().map(|known| Shown {
            id: known.id.to_owned(),
            tenant: known.tenant.to_owned(),
            session: known.session.clone(),
        });
        (shown.collect(), total)
    }

    /// Remembers what a request made of its session.
    pub(crate) fn store(&self, of: Of<'_>, session: Session, now: Timestamp) {
        let Some(sessions) = &self.0 else { return };
        let mut source = DefaultHasher::new();
        of.api_key.hash(&mut source);
        let id = of.session.to_string();
        let name = SessionName { tenant: of.tenant, source: source.finish(), id: &id };
        sessions.lock().unwrap_or_else(PoisonError::into_inner).store(&name, session, now);
    }

    /// The text that Prometheus reads.
    pub(crate) fn expose(&self, out: &mut String) {
        let Some(sessions) = &self.0 else { return };
        let number = sessions.lock().unwrap_or_else(PoisonError::into_inner).len();
        let _ = write!(
            out,
            "# HELP aimds_sessions Sessions that are remembered.\n# TYPE aimds_sessions gauge\naimds_sessions {number}\n"
        );
    }
}
