//! What the policy knows of a case: a few numbers, and what it may do.

use serde::{Deserialize, Serialize};

use crate::error::Error;

/// The most features of a context.
pub const MAX_FEATURES: usize = 32;
/// The most actions.
pub const MAX_ACTIONS: usize = 8;

/// Up to [`MAX_FEATURES`] finite numbers, in place. Scores, counts and hashed indicators, never text.
#[derive(Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Features {
    values: [f64; MAX_FEATURES],
    len: u8,
}

impl Features {
    /// Copies the numbers.
    ///
    /// # Errors
    /// [`Error::Features`] for none or too many, [`Error::NonFinite`] with the place.
    ///
    /// ```
    /// use aimds_learn::Features;
    /// let features = Features::new(&[1.0, 0.25])?;
    /// assert_eq!(features.as_slice(), [1.0, 0.25]);
    /// assert!(Features::new(&[f64::NAN]).is_err());
    /// # Ok::<(), aimds_learn::Error>(())
    /// ```
    pub fn new(numbers: &[f64]) -> Result<Self, Error> {
        if numbers.is_empty() || numbers.len() > MAX_FEATURES {
            return Err(Error::Features { expected: MAX_FEATURES, found: numbers.len() });
        }
        if let Some(index) = numbers.iter().position(|number| !number.is_finite()) {
            return Err(Error::NonFinite { what: "feature", index });
        }
        let mut values = [0.0; MAX_FEATURES];
        for (value, number) in values.iter_mut().zip(numbers) {
            *value = *number;
        }
        Ok(Self { values, len: numbers.len() as u8 })
    }

    /// The numbers.
    #[must_use]
    pub fn as_slice(&self) -> &[f64] {
        self.values.get(..usize::from(self.len)).unwrap_or_default()
    }

    /// The numbers with zeros behind them.
    pub(crate) fn padded(&self) -> &[f64; MAX_FEATURES] {
        &self.values
    }

    /// How many there are.
    #[must_use]
    #[expect(clippy::len_without_is_empty, reason = "there is always at least one")]
    pub fn len(&self) -> usize {
        usize::from(self.len)
    }

    /// Whether the invariants hold, of features that were read from bytes.
    pub(crate) fn is_sound(&self) -> bool {
        (1..=MAX_FEATURES).contains(&self.len())
            && self.values.iter().all(|value| value.is_finite())
            && self.values.iter().skip(self.len()).all(|value| *value == 0.0)
    }
}

impl std::fmt::Debug for Features {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_list().entries(self.as_slice()).finish()
    }
}

/// A response by its strength: 0 is the weakest, and every one is stronger than those before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Action(pub u8);

impl Action {
    /// The weakest.
    pub const WEAKEST: Self = Self(0);

    /// As a place in a list of actions.
    #[must_use]
    pub fn index(self) -> usize {
        usize::from(self.0)
    }
}

/// A case to be decided.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Context {
    /// What is known of it.
    pub features: Features,
    /// Whether another action than the best may be tried: only where the risk is benign.
    pub explore: bool,
    /// When, in milliseconds of the caller's clock.
    pub at_ms: u64,
}
