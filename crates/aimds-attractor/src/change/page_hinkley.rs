//! The test of Page and Hinkley: cumulated deviations from the running mean.

use serde::{Deserialize, Serialize};

use super::{Change, Counter, Direction};
use crate::error::{Error, setting};

/// Which changes raise an alarm.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Sides {
    /// Only to higher values.
    Up,
    /// Only to lower values.
    Down,
    /// Both.
    Both,
}

/// Settings of [`PageHinkley`]; the defaults are those of `river`.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct PageHinkleyConfig {
    /// No alarm before so many values. Default 30.
    pub min_values: u64,
    /// Deviations from the mean that are tolerated. Default 0.005.
    pub delta: f64,
    /// The statistic that raises an alarm. Default 50.
    pub threshold: f64,
    /// How much of the sum is kept at each step: below 1 it forgets. Default 0.9999.
    pub keep: f64,
    /// Which changes raise an alarm. Default both.
    pub sides: Sides,
}

impl Default for PageHinkleyConfig {
    fn default() -> Self {
        Self { min_values: 30, delta: 0.005, threshold: 50.0, keep: 0.9999, sides: Sides::Both }
    }
}

/// A sum and the value it was farthest from an alarm at.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Excursion {
    sum: f64,
    least: f64,
    since: u64,
}

impl Excursion {
    fn new() -> Self {
        Self { sum: 0.0, least: f64::INFINITY, since: 0 }
    }

    fn add(&mut self, step: f64, keep: f64) -> f64 {
        self.sum = keep * self.sum + step;
        self.since = self.since.saturating_add(1);
        if self.sum < self.least {
            (self.least, self.since) = (self.sum, 0);
        }
        self.sum - self.least
    }
}

/// Page and Hinkley's test with forgetting. O(1). After an alarm it begins anew.
///
/// Hinkley, *Inference about the change-point from cumulative sum tests*, 1971; alarms come at the same values as from
/// `river.drift.PageHinkley`.
///
/// ```
/// use aimds_attractor::{PageHinkley, PageHinkleyConfig};
///
/// let mut test = PageHinkley::new(PageHinkleyConfig { threshold: 5.0, ..Default::default() })?;
/// let stream = (0..200).map(|i| if i < 100 { 0.0 } else { 1.0 });
/// let alarms: Vec<usize> = stream.enumerate().filter(|&(_, x)| test.push(x).unwrap().is_some()).map(|(i, _)| i).collect();
/// assert_eq!(alarms, [105]);
/// # Ok::<(), aimds_attractor::Error>(())
/// ```
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct PageHinkley {
    config: PageHinkleyConfig,
    count: u64,
    mean: f64,
    up: Excursion,
    down: Excursion,
    counter: Counter,
}

impl PageHinkley {
    /// # Errors
    ///
    /// [`Error::Setting`] for a delta below 0, a threshold not above 0, or a share kept outside 0 to 1.
    pub fn new(config: PageHinkleyConfig) -> Result<Self, Error> {
        let PageHinkleyConfig { delta, threshold, keep, .. } = config;
        setting("delta", delta, "at least 0 and finite", delta >= 0.0 && delta.is_finite())?;
        setting("threshold", threshold, "above 0 and finite", threshold > 0.0 && threshold.is_finite())?;
        setting("keep", keep, "above 0 and at most 1", keep > 0.0 && keep <= 1.0)?;
        Ok(Self::fresh(config, Counter::default()))
    }

    fn fresh(config: PageHinkleyConfig, counter: Counter) -> Self {
        Self { config, count: 0, mean: 0.0, up: Excursion::new(), down: Excursion::new(), counter }
    }

    /// Takes the next value.
    ///
    /// # Errors
    ///
    /// [`Error::NonFinite`] with the number of the value; the test stays as it was.
    pub fn push(&mut self, value: f64) -> Result<Option<Change>, Error> {
        self.counter.admit(value)?;
        let PageHinkleyConfig { min_values, delta, threshold, keep, sides } = self.config;
        self.count += 1;
        self.mean += (value - self.mean) / self.count as f64;
        let deviation = value - self.mean;
        let up = self.up.add(deviation - delta, keep);
        let down = self.down.add(-deviation - delta, keep);
        if self.count < min_values {
            return Ok(None);
        }
        let change = if sides != Sides::Down && up > threshold {
            Some(Change { direction: Direction::Up, statistic: up, since: self.up.since })
        } else if sides != Sides::Up && down > threshold {
            Some(Change { direction: Direction::Down, statistic: down, since: self.down.since })
        } else {
            None
        };
        if change.is_some() {
            *self = Self::fresh(self.config, std::mem::take(&mut self.counter));
        }
        Ok(change)
    }
}
