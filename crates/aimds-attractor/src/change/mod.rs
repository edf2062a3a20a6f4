//! Detectors of change for streams: one value in, an answer out, in constant or bounded memory and time.

mod adwin;
mod bocpd;
mod cusum;
mod page_hinkley;

pub use adwin::{Adwin, AdwinConfig};
pub use bocpd::{Bocpd, Prior, RunLength};
pub use cusum::{Cusum, LikelihoodCusum, Shift};
pub use page_hinkley::{PageHinkley, PageHinkleyConfig, Sides};

use serde::{Deserialize, Serialize};

use crate::error::Error;

/// Which way a stream changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Direction {
    /// To higher values.
    Up,
    /// To lower values.
    Down,
}

/// An alarm.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Change {
    /// Which way the values went.
    pub direction: Direction,
    /// The statistic that passed its threshold.
    pub statistic: f64,
    /// How many values ago the change seems to have begun: 1 is the value just pushed.
    pub since: u64,
}

/// Counts what was pushed, so that an error can say where.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
struct Counter(usize);

impl Counter {
    fn admit(&mut self, value: f64) -> Result<(), Error> {
        let index = self.0;
        self.0 = self.0.saturating_add(1);
        if value.is_finite() { Ok(()) } else { Err(Error::NonFinite { index }) }
    }
}
