//! What can be wrong with an input.

/// Why a series or a setting was refused.
#[derive(Debug, Clone, Copy, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A value is NaN or infinite.
    #[error("value {index} is not a finite number")]
    NonFinite {
        /// Where it is in the series.
        index: usize,
    },
    /// A time is before the one in front of it.
    #[error("time {index} is before the one in front of it")]
    Unordered {
        /// Where it is in the list of times.
        index: usize,
    },
    /// There are not as many times as values.
    #[error("{times} times for {values} values")]
    Lengths {
        /// How many times were given.
        times: usize,
        /// How many values were given.
        values: usize,
    },
    /// A point has not as many measures as the others.
    #[error("a point of {found} measures instead of {expected}")]
    Measures {
        /// How many there should be.
        expected: usize,
        /// How many there are.
        found: usize,
    },
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
}

/// Refuses a series that holds NaN or infinity.
pub(crate) fn finite(series: &[f64]) -> Result<(), Error> {
    match series.iter().position(|value| !value.is_finite()) {
        Some(index) => Err(Error::NonFinite { index }),
        None => Ok(()),
    }
}

/// Refuses a setting for which `holds` is false.
pub(crate) fn setting(name: &'static str, value: f64, range: &'static str, holds: bool) -> Result<(), Error> {
    if holds { Ok(()) } else { Err(Error::Setting { name, value, range }) }
}
