//! Alarms when a stream of measurements changes: three detectors, of which each sees something else.

use aimds_attractor::{Adwin, AdwinConfig, Direction, PageHinkley, PageHinkleyConfig, Sides};
use serde::{Deserialize, Serialize};

use crate::error::Error;

/// Which detector raised an alarm.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Detector {
    /// The mean of a growing window: small lasting changes.
    Adwin,
    /// Cumulated deviations: large sudden changes, sooner.
    PageHinkley,
}

/// An alarm.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Alarm {
    /// Who raised it.
    pub detector: Detector,
    /// To higher values; otherwise to lower ones.
    pub rising: bool,
    /// The number of the value at which it was raised, from 1.
    pub at: u64,
    /// How many values before it the change seems to have begun.
    pub since: u64,
}

/// Watches values between 0 and 1: rewards, scores, whether a text was stopped.
///
/// ```
/// let mut monitor = aimds_learn::DriftMonitor::new()?;
/// let alarm = (0..2000).find_map(|i| monitor.push(if i < 1000 { 0.1 } else { 0.9 }).unwrap());
/// assert!((1000..1100).contains(&alarm.unwrap().at));
/// # Ok::<(), aimds_learn::Error>(())
/// ```
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct DriftMonitor {
    adwin: Adwin,
    page_hinkley: PageHinkley,
    seen: u64,
    last: Option<Alarm>,
    alarms: u64,
}

/// Page and Hinkley's statistic over values between 0 and 1: a step from 0.1 to 0.6 is seen after some twenty values.
const THRESHOLD: f64 = 10.0;

impl DriftMonitor {
    /// A monitor with the settings that this crate's tests measure.
    ///
    /// # Errors
    /// None today.
    pub fn new() -> Result<Self, Error> {
        let fault = |_| Error::Snapshot("drift settings");
        let settings =
            PageHinkleyConfig { threshold: THRESHOLD, delta: 0.05, sides: Sides::Both, ..Default::default() };
        Ok(Self {
            adwin: Adwin::new(AdwinConfig::default()).map_err(fault)?,
            page_hinkley: PageHinkley::new(settings).map_err(fault)?,
            seen: 0,
            last: None,
            alarms: 0,
        })
    }

    /// Takes the next value.
    ///
    /// # Errors
    /// [`Error::NonFinite`].
    pub fn push(&mut self, value: f64) -> Result<Option<Alarm>, Error> {
        let refused = |_| Error::NonFinite { what: "value", index: self.seen as usize };
        let adwin = self.adwin.push(value).map_err(refused)?;
        let page_hinkley = self.page_hinkley.push(value).map_err(refused)?;
        self.seen += 1;
        let first = [(Detector::PageHinkley, page_hinkley), (Detector::Adwin, adwin)]
            .into_iter()
            .find_map(|(detector, change)| Some((detector, change?)));
        let alarm = first.map(|(detector, change)| Alarm {
            detector,
            rising: change.direction == Direction::Up,
            at: self.seen,
            since: change.since,
        });
        if alarm.is_some() {
            self.last = alarm;
            self.alarms += 1;
        }
        Ok(alarm)
    }

    /// The last alarm.
    #[must_use]
    pub fn last(&self) -> Option<Alarm> {
        self.last
    }

    /// How many alarms there were.
    #[must_use]
    pub fn alarms(&self) -> u64 {
        self.alarms
    }

    /// The mean since the last change.
    #[must_use]
    pub fn mean(&self) -> Option<f64> {
        self.adwin.mean()
    }
}
