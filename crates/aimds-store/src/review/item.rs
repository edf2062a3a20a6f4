//! What an item of the queue is.

/// Where an item stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReviewState {
    /// It waits for a person.
    Pending,
    /// It may go on, once.
    Approved,
    /// It may not.
    Denied,
    /// Nobody decided in time.
    Expired,
    /// Whoever asked has gone away.
    Withdrawn,
}

impl ReviewState {
    /// Every state.
    pub const ALL: [Self; 5] = [Self::Pending, Self::Approved, Self::Denied, Self::Expired, Self::Withdrawn];

    /// The stable name.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Approved => "approved",
            Self::Denied => "denied",
            Self::Expired => "expired",
            Self::Withdrawn => "withdrawn",
        }
    }

    /// The state of this name.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.as_str() == name)
    }

    /// Its number in the file.
    pub(super) fn number(self) -> i64 {
        match self {
            Self::Pending => 0,
            Self::Approved => 1,
            Self::Denied => 2,
            Self::Expired => 3,
            Self::Withdrawn => 4,
        }
    }

    /// A number that nobody here wrote lets nothing pass.
    pub(super) fn of(number: i64) -> Self {
        Self::ALL.into_iter().find(|state| state.number() == number).unwrap_or(Self::Expired)
    }
}

/// An item that is to wait.
#[derive(Clone, Copy, Debug)]
pub struct NewReview<'a> {
    /// Its name: that of the request that asks for it.
    pub id: &'a str,
    /// Whose request it is.
    pub tenant: &'a str,
    /// Who asks.
    pub requester: &'a str,
    /// Where the request came in.
    pub route: &'a str,
    /// A keyed hash of everything that tells the request from another.
    pub digest: [u8; 32],
    /// Now, in milliseconds since the Unix epoch.
    pub opened_ms: u64,
    /// When nobody waits any longer.
    pub ends_ms: u64,
    /// The texts, sealed.
    pub sealed: &'a [u8],
}

/// What a person has decided.
#[derive(Clone, Copy, Debug)]
pub struct Decided<'a> {
    /// Yes or no.
    pub approved: bool,
    /// Who.
    pub by: &'a str,
    /// When.
    pub at_ms: u64,
    /// Until when it stands.
    pub ends_ms: u64,
    /// When the item is erased.
    pub erase_ms: u64,
    /// What they said of it, sealed.
    pub said: &'a [u8],
}

/// One item.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReviewItem {
    /// Its name.
    pub id: String,
    /// Whose request it is.
    pub tenant: String,
    /// Who asks.
    pub requester: String,
    /// Where the request came in.
    pub route: String,
    /// The keyed hash of the request.
    pub digest: [u8; 32],
    /// Where it stands.
    pub state: ReviewState,
    /// When it began to wait, in milliseconds since the Unix epoch.
    pub opened_ms: u64,
    /// Until when it waits, or its decision stands.
    pub ends_ms: u64,
    /// When it was decided on, or ended.
    pub decided_ms: Option<u64>,
    /// Who decided; `None` where nobody did.
    pub decided_by: Option<String>,
    /// When its approval was used.
    pub used_ms: Option<u64>,
    /// The texts, sealed, where they were asked for and are kept.
    pub sealed: Option<Vec<u8>>,
    /// What the reviewer said, sealed, where it was asked for.
    pub said: Option<Vec<u8>>,
}

/// Which items.
#[derive(Clone, Copy, Debug)]
pub struct ReviewFilter<'a> {
    /// Only those that stand so.
    pub state: Option<ReviewState>,
    /// Only those of a tenant.
    pub tenant: Option<&'a str>,
    /// At most so many, and at most 1000.
    pub limit: usize,
}

/// How much the queue may hold.
#[derive(Clone, Copy, Debug)]
pub struct ReviewLimits {
    /// Items that wait.
    pub pending: usize,
    /// Items of one tenant that wait.
    pub tenant: usize,
    /// Sealed bytes of everything that is kept.
    pub bytes: u64,
}

/// How much it holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ReviewCounts {
    /// Items that wait.
    pub pending: usize,
    /// Sealed bytes.
    pub bytes: u64,
}

/// What became of an item that was to be added.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Added {
    /// It waits; these had to go for it.
    Waits {
        /// Items that do not wait any more.
        ended: Vec<ReviewItem>,
    },
    /// There is no place.
    Full,
    /// There is none for this tenant: it leaves the others theirs.
    TenantFull,
}
