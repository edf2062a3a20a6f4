//! A series with its clock: equally spaced values, made from measured times where needed.

use crate::error::{Error, finite, setting};

/// A step between two times that differs from the usual one by more than this share makes the sampling irregular.
const JITTER: f64 = 0.01;
/// Resampling makes at most this many times the values that were given: a single long gap must not cost memory.
const GROWTH: usize = 4;

/// Equally spaced values and the time between two of them.
#[derive(Debug, Clone, PartialEq)]
pub struct Trajectory {
    values: Vec<f64>,
    interval: f64,
    resampled: bool,
    duplicates: usize,
}

impl Trajectory {
    /// Values taken every `interval` units of time.
    ///
    /// # Errors
    ///
    /// [`Error::NonFinite`], and [`Error::Setting`] if the interval is not above 0.
    pub fn regular(values: Vec<f64>, interval: f64) -> Result<Self, Error> {
        finite(&values)?;
        setting("interval", interval, "above 0 and finite", interval > 0.0 && interval.is_finite())?;
        Ok(Self { values, interval, resampled: false, duplicates: 0 })
    }

    /// Values with the time of each.
    ///
    /// Values of the same time are averaged. If the steps differ by more than one hundredth, the series is resampled at
    /// the median step by straight lines between neighbours, and [`Trajectory::resampled`] says so; straight lines smooth,
    /// so that what is found in a resampled series is weaker evidence. A gap so long that the result would have more than
    /// four times the values given makes the step longer. O(n log n).
    ///
    /// # Errors
    ///
    /// [`Error::Lengths`], [`Error::NonFinite`] (for times too), [`Error::Unordered`].
    ///
    /// ```
    /// let trajectory = aimds_attractor::Trajectory::timed(&[0.0, 1.0, 1.0, 2.0, 4.0], &[0.0, 1.0, 3.0, 4.0, 8.0])?;
    /// assert_eq!(trajectory.values(), [0.0, 2.0, 4.0, 6.0, 8.0]);
    /// assert!(trajectory.resampled() && trajectory.duplicates() == 1);
    /// # Ok::<(), aimds_attractor::Error>(())
    /// ```
    pub fn timed(times: &[f64], values: &[f64]) -> Result<Self, Error> {
        if times.len() != values.len() {
            return Err(Error::Lengths { times: times.len(), values: values.len() });
        }
        finite(times)?;
        finite(values)?;
        let pairs = times.iter().zip(times.iter().skip(1));
        if let Some(before) = pairs.clone().position(|(earlier, later)| later < earlier) {
            return Err(Error::Unordered { index: before + 1 });
        }
        let points = merged(times, values);
        let duplicates = values.len() - points.len();
        let Some(step) = median_step(&points) else {
            let values = points.iter().map(|point| point.1).collect();
            return Ok(Self { values, interval: 1.0, resampled: false, duplicates });
        };
        let even = points.windows(2).all(|pair| match pair {
            [a, b] => ((b.0 - a.0) / step - 1.0).abs() <= JITTER,
            _ => true,
        });
        if even {
            let values = points.iter().map(|point| point.1).collect();
            return Ok(Self { values, interval: step, resampled: false, duplicates });
        }
        let (values, interval) = resample(&points, step);
        Ok(Self { values, interval, resampled: true, duplicates })
    }

    /// The values, equally spaced.
    pub fn values(&self) -> &[f64] {
        &self.values
    }

    /// The time between two values.
    pub fn interval(&self) -> f64 {
        self.interval
    }

    /// Whether the values were interpolated because their times were irregular.
    pub fn resampled(&self) -> bool {
        self.resampled
    }

    /// How many values shared a time with another and were averaged into it.
    pub fn duplicates(&self) -> usize {
        self.duplicates
    }
}

fn merged(times: &[f64], values: &[f64]) -> Vec<(f64, f64)> {
    let mut points: Vec<(f64, f64)> = Vec::with_capacity(times.len());
    let mut same = 1.0;
    for (&time, &value) in times.iter().zip(values) {
        match points.last_mut() {
            Some(last) if last.0 == time => {
                same += 1.0;
                last.1 += (value - last.1) / same;
            }
            _ => {
                same = 1.0;
                points.push((time, value));
            }
        }
    }
    points
}

/// `None` if there are fewer than two points or no step is a finite positive number.
fn median_step(points: &[(f64, f64)]) -> Option<f64> {
    let mut steps: Vec<f64> = points.iter().zip(points.iter().skip(1)).map(|(a, b)| b.0 - a.0).collect();
    let middle = steps.len() / 2;
    if steps.is_empty() {
        return None;
    }
    let step = *steps.select_nth_unstable_by(middle, f64::total_cmp).1;
    (step > 0.0 && step.is_finite()).then_some(step)
}

fn resample(points: &[(f64, f64)], step: f64) -> (Vec<f64>, f64) {
    let (Some(&(start, _)), Some(&(end, _))) = (points.first(), points.last()) else {
        return (Vec::new(), step);
    };
    let longest = (points.len() * GROWTH) as f64;
    let step = step.max((end - start) / longest);
    let count = ((end - start) / step + 1e-9).floor() as usize + 1;
    let values = (0..count).map(|number| at(points, start + number as f64 * step)).collect();
    (values, step)
}

/// The value at a time, on the straight line between the two points around it.
fn at(points: &[(f64, f64)], time: f64) -> f64 {
    let after = points.partition_point(|point| point.0 < time).clamp(1, points.len() - 1);
    match (points.get(after - 1), points.get(after)) {
        (Some(a), Some(b)) => {
            let share = ((time - a.0) / (b.0 - a.0)).clamp(0.0, 1.0);
            a.1 * (1.0 - share) + b.1 * share
        }
        _ => 0.0,
    }
}
