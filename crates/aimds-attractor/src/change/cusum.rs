//! Cumulative sums (Page, *Continuous inspection schemes*, 1954).

use super::{Change, Counter, Direction};
use crate::error::{Error, setting};

/// A sum that never falls below 0, and for how many values it has been above.
#[derive(Debug, Clone, Default)]
struct Sum {
    value: f64,
    since: u64,
}

impl Sum {
    /// Adds, and says whether the threshold is passed, which starts the sum again.
    fn add(&mut self, step: f64, threshold: f64, direction: Direction) -> Option<Change> {
        self.value = (self.value + step).max(0.0);
        self.since = if self.value > 0.0 { self.since.saturating_add(1) } else { 0 };
        (self.value > threshold).then(|| {
            let Self { value, since } = std::mem::take(self);
            Change { direction, statistic: value, since }
        })
    }
}

/// Two-sided tabular CUSUM for the level of a stream. O(1).
///
/// ```
/// let mut cusum = aimds_attractor::Cusum::new(0.1, 0.1, 1.0)?;
/// for _ in 0..100 {
///     assert_eq!(cusum.push(0.15)?, None);
/// }
/// let alarm = (0..10).find_map(|_| cusum.push(0.6).unwrap()).unwrap();
/// assert_eq!(alarm.since, 3);
/// # Ok::<(), aimds_attractor::Error>(())
/// ```
#[derive(Debug, Clone)]
pub struct Cusum {
    target: f64,
    slack: f64,
    threshold: f64,
    up: Sum,
    down: Sum,
    counter: Counter,
}

impl Cusum {
    /// `target` is the level in control, `slack` (k) half of the shift that should be found, `threshold` (h) how much
    /// excess over the slack may gather; all in the unit of the values.
    ///
    /// # Errors
    ///
    /// [`Error::Setting`] if the target is not finite, the slack is negative or the threshold not above 0.
    pub fn new(target: f64, slack: f64, threshold: f64) -> Result<Self, Error> {
        setting("target", target, "finite", target.is_finite())?;
        setting("slack", slack, "at least 0 and finite", slack >= 0.0 && slack.is_finite())?;
        setting("threshold", threshold, "above 0 and finite", threshold > 0.0 && threshold.is_finite())?;
        let (up, down) = (Sum::default(), Sum::default());
        Ok(Self { target, slack, threshold, up, down, counter: Counter::default() })
    }

    /// Takes the next value; an alarm starts its sum again.
    ///
    /// # Errors
    ///
    /// [`Error::NonFinite`] with the number of the value; the sums stay as they were.
    pub fn push(&mut self, value: f64) -> Result<Option<Change>, Error> {
        self.counter.admit(value)?;
        let excess = value - self.target;
        let up = self.up.add(excess - self.slack, self.threshold, Direction::Up);
        let down = self.down.add(-excess - self.slack, self.threshold, Direction::Down);
        Ok(up.or(down))
    }

    /// The upper and the lower sum.
    pub fn sums(&self) -> (f64, f64) {
        (self.up.value, self.down.value)
    }
}

/// A known change of distribution.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Shift {
    /// Normal values with this deviation whose mean goes from `before` to `after`.
    Normal {
        /// Mean in control.
        before: f64,
        /// Mean to be found.
        after: f64,
        /// Standard deviation, the same on both sides.
        deviation: f64,
    },
    /// Events that happen (a value above 0.5) with probability `before`, then `after`.
    Bernoulli {
        /// Probability in control.
        before: f64,
        /// Probability to be found.
        after: f64,
    },
}

impl Shift {
    fn check(self) -> Result<(), Error> {
        match self {
            Self::Normal { before, after, deviation } => {
                setting("before", before, "finite", before.is_finite())?;
                let differs = after.is_finite() && after != before;
                setting("after", after, "finite and another than before", differs)?;
                let positive = deviation > 0.0 && deviation.is_finite();
                setting("deviation", deviation, "above 0 and finite", positive)
            }
            Self::Bernoulli { before, after } => {
                let inside = |share: f64| share > 0.0 && share < 1.0;
                setting("before", before, "between 0 and 1", inside(before))?;
                let differs = inside(after) && after != before;
                setting("after", after, "between 0 and 1 and another than before", differs)
            }
        }
    }

    fn direction(self) -> Direction {
        let (Self::Normal { before, after, .. } | Self::Bernoulli { before, after }) = self;
        if after > before { Direction::Up } else { Direction::Down }
    }

    /// The logarithm of how much more likely the value is after the change.
    fn log_ratio(self, value: f64) -> f64 {
        match self {
            Self::Normal { before, after, deviation } => {
                (after - before) / deviation * ((value - (before + after) / 2.0) / deviation)
            }
            Self::Bernoulli { before, after } if value > 0.5 => (after / before).ln(),
            Self::Bernoulli { before, after } => ((1.0 - after) / (1.0 - before)).ln(),
        }
    }
}

/// CUSUM of log-likelihood ratios: the fastest possible detector of a known change at a given rate of false alarms
/// (Moustakides, *Optimal stopping times for detecting changes in distributions*, 1986). O(1).
///
/// ```
/// use aimds_attractor::{LikelihoodCusum, Shift};
///
/// let mut cusum = LikelihoodCusum::new(Shift::Bernoulli { before: 0.05, after: 0.5 }, 4.0)?;
/// let alarm = [0.0, 0.0, 1.0, 1.0, 0.0, 1.0].map(|event| cusum.push(event).unwrap());
/// assert_eq!(alarm.iter().position(Option::is_some), Some(3));
/// # Ok::<(), aimds_attractor::Error>(())
/// ```
#[derive(Debug, Clone)]
pub struct LikelihoodCusum {
    shift: Shift,
    threshold: f64,
    sum: Sum,
    counter: Counter,
}

impl LikelihoodCusum {
    /// `threshold` is in nats: a false alarm comes after about `exp(threshold)` values or later.
    ///
    /// # Errors
    ///
    /// [`Error::Setting`] for a shift that is none or a threshold not above 0.
    pub fn new(shift: Shift, threshold: f64) -> Result<Self, Error> {
        shift.check()?;
        setting("threshold", threshold, "above 0 and finite", threshold > 0.0 && threshold.is_finite())?;
        Ok(Self { shift, threshold, sum: Sum::default(), counter: Counter::default() })
    }

    /// Takes the next value; an alarm starts the sum again.
    ///
    /// # Errors
    ///
    /// [`Error::NonFinite`] with the number of the value; the sum stays as it was.
    pub fn push(&mut self, value: f64) -> Result<Option<Change>, Error> {
        self.counter.admit(value)?;
        Ok(self.sum.add(self.shift.log_ratio(value), self.threshold, self.shift.direction()))
    }

    /// The evidence gathered, in nats.
    pub fn sum(&self) -> f64 {
        self.sum.value
    }
}
