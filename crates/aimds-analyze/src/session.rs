//! What is remembered between the requests of one session: a fixed number of bytes, whatever the traffic.

/// Milliseconds since the Unix epoch. Passed in by the caller: the core has no clock.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(pub u64);

/// The state of one session.
///
/// ```
/// use aimds_analyze::Session;
/// let session = Session::new("acme");
/// assert_eq!(session.tenant(), "acme");
/// assert_eq!(session.turns(), 0);
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Session {
    tenant: String,
    turns: u64,
    peak: f32,
    last_seen: Timestamp,
}

impl Session {
    /// A new session of a tenant. The empty name is the default tenant.
    #[must_use]
    pub fn new(tenant: impl Into<String>) -> Self {
        Self { tenant: tenant.into(), turns: 0, peak: 0.0, last_seen: Timestamp(0) }
    }

    /// Whose session it is.
    #[must_use]
    pub fn tenant(&self) -> &str {
        &self.tenant
    }

    /// How many requests it has seen.
    #[must_use]
    pub fn turns(&self) -> u64 {
        self.turns
    }

    /// The highest risk of any request so far.
    #[must_use]
    pub fn peak(&self) -> f32 {
        self.peak
    }

    /// When it was last used.
    #[must_use]
    pub fn last_seen(&self) -> Timestamp {
        self.last_seen
    }

    pub(crate) fn observe(&mut self, score: f32, now: Timestamp) {
        self.turns = self.turns.saturating_add(1);
        self.peak = self.peak.max(score);
        self.last_seen = self.last_seen.max(now);
    }
}
