//! What can be wrong with a setting, an input or stored bytes.

/// Why something was refused.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A setting is outside its range.
    #[error("setting {name} is {value}; it must be {range}")]
    Setting {
        /// Its name.
        name: &'static str,
        /// What was given.
        value: f64,
        /// What is allowed.
        range: &'static str,
    },
    /// A number is NaN or infinite.
    #[error("{what} {index} is not a finite number")]
    NonFinite {
        /// What the number is.
        what: &'static str,
        /// Which of them.
        index: usize,
    },
    /// A context has not as many features as the policy.
    #[error("{found} features instead of {expected}")]
    Features {
        /// How many there should be.
        expected: usize,
        /// How many there are.
        found: usize,
    },
    /// There is no such action.
    #[error("action {action} of {actions}")]
    Action {
        /// What was given.
        action: usize,
        /// How many there are.
        actions: usize,
    },
    /// A probability outside of 0 to 1, or 0.
    #[error("propensity {0} is not above 0 and at most 1")]
    Propensity(f64),
    /// Too few rows to say anything.
    #[error("{found} usable rows, at least {needed} are needed")]
    TooFew {
        /// How many are needed.
        needed: usize,
        /// How many there are.
        found: usize,
    },
    /// A bounded list is full.
    #[error("no more than {limit} {what}")]
    Full {
        /// What it lists.
        what: &'static str,
        /// Its bound.
        limit: usize,
    },
    /// Bytes that are no snapshot of this kind.
    #[error("not a snapshot: {0}")]
    Snapshot(&'static str),
    /// A snapshot of another version.
    #[error("snapshot of version {found}, this program reads version {known}")]
    Version {
        /// That of the bytes.
        found: u32,
        /// The one that is known.
        known: u32,
    },
}

/// Refuses a setting for which `holds` is false.
pub(crate) fn setting(name: &'static str, value: f64, range: &'static str, holds: bool) -> Result<(), Error> {
    if holds { Ok(()) } else { Err(Error::Setting { name, value, range }) }
}
