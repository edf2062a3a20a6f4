//! Why a step of a proposal is refused.

/// Why a step cannot be taken now.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum NotNow {
    /// There is no such proposal.
    #[error("there is no proposal {0}")]
    Unknown(u64),
    /// It has not come that far, or is closed.
    #[error("proposal {id} is {stage}; that step needs {needed}")]
    Stage {
        /// The proposal.
        id: u64,
        /// Where it is.
        stage: &'static str,
        /// Where it ought to be.
        needed: &'static str,
    },
    /// The kill switch is on.
    #[error("learning is stopped: resume it first")]
    Stopped,
    /// There were enough promotions in this hour.
    #[error("{limit} promotions in one hour are the limit; the next is possible at {again_ms}")]
    TooFast {
        /// The limit.
        limit: usize,
        /// When there is room again, in milliseconds of the caller's clock.
        again_ms: u64,
    },
    /// A later promotion of the same part is still in force.
    #[error("proposal {later} came after it: roll that back first")]
    Covered {
        /// The later one.
        later: u64,
    },
    /// Nobody is named, or no reason is given.
    #[error("who and why must be said, in at most 500 bytes each")]
    Unsigned,
    /// Too many are open, or in force.
    #[error("no more than {limit} {what}")]
    Full {
        /// What of.
        what: &'static str,
        /// The bound.
        limit: usize,
    },
}
