//! ADWIN: a window that is as long as the mean in it has not changed.
//!
//! Bifet and Gavaldà, *Learning from time-changing data with adaptive windowing*, 2007 (ADWIN2): the window is kept as
//! buckets of 1, 2, 4, … values, a few of each size, so that it needs O(log n) memory.

use std::collections::VecDeque;

use serde::{Deserialize, Serialize};

use super::{Change, Counter, Direction};
use crate::error::{Error, setting};

/// Settings of [`Adwin`]; the defaults are those of `river`.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct AdwinConfig {
    /// Bound on the chance of a false alarm at each look. Default 0.002.
    pub delta: f64,
    /// Looks for a change each so many values. Default 32.
    pub clock: u64,
    /// Buckets of each size. Default 5.
    pub max_buckets: usize,
    /// Neither side of a cut is shorter. Default 5.
    pub min_window: u64,
    /// No look before the window is longer than this. Default 10.
    pub grace_period: u64,
}

impl Default for AdwinConfig {
    fn default() -> Self {
        Self { delta: 0.002, clock: 32, max_buckets: 5, min_window: 5, grace_period: 10 }
    }
}

/// Some consecutive values: how many, their sum, and the sum of their squared deviations from their mean.
#[derive(Debug, Clone, Copy, Default, Serialize, Deserialize)]
struct Bucket {
    count: f64,
    total: f64,
    deviation: f64,
}

impl Bucket {
    fn mean(&self) -> f64 {
        self.total / self.count
    }

    /// How much the deviations of two groups grow by being one.
    fn between(&self, other: &Self) -> f64 {
        let difference = self.mean() - other.mean();
        self.count * other.count * difference * difference / (self.count + other.count)
    }

    fn with(&self, other: &Self) -> Self {
        if self.count == 0.0 {
            return *other;
        }
        Self {
            count: self.count + other.count,
            total: self.total + other.total,
            deviation: self.deviation + other.deviation + self.between(other),
        }
    }

    /// The group without a part of it.
    fn without(&self, part: &Self) -> Self {
        let mut rest =
            Self { count: self.count - part.count, total: self.total - part.total, deviation: 0.0 };
        if rest.count > 0.0 {
            rest.deviation = (self.deviation - part.deviation - rest.between(part)).max(0.0);
        }
        rest
    }
}

/// ADWIN2. Some 50 ns a value on average; O(log n) memory for a window of n values.
///
/// Alarms come at the same values as from `river.drift.ADWIN` with the same settings, and as there the window begins anew
/// after an alarm.
///
/// ```
/// use aimds_attractor::{Adwin, AdwinConfig};
///
/// let mut adwin = Adwin::new(AdwinConfig::default())?;
/// let stream = (0..2000).map(|i| if i < 1000 { f64::from(i % 10 == 0) } else { f64::from(i % 2) });
/// let alarm = stream.enumerate().find(|&(_, x)| adwin.push(x).unwrap().is_some()).unwrap().0;
/// assert!((1000..1100).contains(&alarm));
/// # Ok::<(), aimds_attractor::Error>(())
/// ```
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Adwin {
    config: AdwinConfig,
    /// Rows of buckets of 1, 2, 4, … values; in each row the oldest first.
    rows: Vec<VecDeque<Bucket>>,
    window: Bucket,
    ticks: u64,
    counter: Counter,
    /// Of the window in which the last alarm was raised, until the next value comes.
    alarmed: bool,
}

impl Adwin {
    /// # Errors
    ///
    /// [`Error::Setting`] for a delta outside 0 to 1, a clock of 0, fewer than one or more than 1,000 buckets, or a shortest window of 0.
    pub fn new(config: AdwinConfig) -> Result<Self, Error> {
        let AdwinConfig { delta, clock, max_buckets, min_window, .. } = config;
        setting("delta", delta, "between 0 and 1", delta > 0.0 && delta < 1.0)?;
        setting("clock", clock as f64, "at least 1", clock >= 1)?;
        setting("max_buckets", max_buckets as f64, "from 1 to 1000", (1..=1000).contains(&max_buckets))?;
        setting("min_window", min_window as f64, "at least 1", min_window >= 1)?;
        Ok(Self::fresh(config, Counter::default()))
    }

    fn fresh(config: AdwinConfig, counter: Counter) -> Self {
        let window = Bucket::default();
        Self { config, rows: Vec::new(), window, ticks: 0, counter, alarmed: false }
    }

    /// Takes the next value. The window is what was left after an alarm until the next value begins a new one.
    ///
    /// # Errors
    ///
    /// [`Error::NonFinite`] with the number of the value; the window stays as it was.
    pub fn push(&mut self, value: f64) -> Result<Option<Change>, Error> {
        self.counter.admit(value)?;
        if self.alarmed {
            *self = Self::fresh(self.config, std::mem::take(&mut self.counter));
        }
        let bucket = Bucket { count: 1.0, total: value, deviation: 0.0 };
        self.window = self.window.with(&bucket);
        self.insert(bucket);
        self.ticks += 1;
        if !self.ticks.is_multiple_of(self.config.clock) || self.width() <= self.config.grace_period {
            return Ok(None);
        }
        let change = self.shrink();
        self.alarmed = change.is_some();
        Ok(change)
    }

    /// How many values are in the window.
    pub fn width(&self) -> u64 {
        self.window.count as u64
    }

    /// The mean of the window; `None` before the first value.
    pub fn mean(&self) -> Option<f64> {
        (self.window.count > 0.0).then(|| self.window.mean())
    }

    /// Adds to the first row; of a row that is too long the two oldest become one of the next.
    fn insert(&mut self, bucket: Bucket) {
        let mut carried = Some(bucket);
        let mut row = 0;
        while let Some(bucket) = carried.take() {
            if self.rows.len() == row {
                self.rows.push(VecDeque::new());
            }
            let Some(buckets) = self.rows.get_mut(row) else { return };
            buckets.push_back(bucket);
            if buckets.len() > self.config.max_buckets {
                carried = buckets.pop_front().zip(buckets.pop_front()).map(|(a, b)| a.with(&b));
            }
            row += 1;
        }
    }

    /// Drops the oldest buckets while any cut of the window has two different sides.
    fn shrink(&mut self) -> Option<Change> {
        let mut change = None;
        while let Some(cut) = self.cut() {
            change = Some(cut);
            let Some(oldest) = self.rows.last_mut().and_then(VecDeque::pop_front) else { break };
            self.window = self.window.without(&oldest);
            if self.rows.last().is_some_and(VecDeque::is_empty) {
                self.rows.pop();
            }
        }
        change
    }

    /// The first cut, from the oldest on, whose sides differ by more than chance allows.
    fn cut(&self) -> Option<Change> {
        let least = self.config.min_window as f64;
        let log = (2.0 * self.window.count.ln() / self.config.delta).ln();
        let variance = self.window.deviation / self.window.count;
        let mut old = Bucket::default();
        let (mut count, mut total) = (self.window.count, self.window.total);
        for bucket in self.rows.iter().rev().flatten() {
            (old.count, old.total) = (old.count + bucket.count, old.total + bucket.total);
            (count, total) = (count - bucket.count, total - bucket.total);
            if count < least {
                return None;
            }
            if old.count < least {
                continue;
            }
            let inverse = 1.0 / (old.count - least + 1.0) + 1.0 / (count - least + 1.0);
            let bound = (2.0 * inverse * variance * log).sqrt() + 2.0 / 3.0 * log * inverse;
            let difference = total / count - old.mean();
            if difference.abs() > bound {
                let direction = if difference > 0.0 { Direction::Up } else { Direction::Down };
                return Some(Change { direction, statistic: difference.abs(), since: count as u64 });
            }
        }
        None
    }
}
