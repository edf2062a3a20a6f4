//! Lines in the spectrum: frequencies that stand still, as those of a periodic or a quasi-periodic series do.
//!
//! Frequencies are found one after the other at the peaks of a windowed transform and refined there (Laskar, *The chaotic
//! motion of the solar system*, 1990), then all amplitudes together by least squares. Whether they *are* lines shows where
//! they were not fitted: what they predict for the rest of the series.

use std::f64::consts::TAU;

use super::{Transform, power, window, windowed};
use crate::linear::least_squares;

/// Lines looked for.
const MOST: usize = 16;
/// After this many lines less than half of the variance explained means that there are none worth the time.
const FIRST: usize = 4;
/// A line that explains less than this share of what is left ends the search …
const GAIN: f64 = 0.2;
/// … and so does a rest below this share of the variance.
const REST: f64 = 1e-9;

/// A frequency in cycles per sample, with its share of the variance.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Line {
    pub(crate) frequency: f64,
    pub(crate) share: f64,
}

#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Lines {
    /// The strongest first.
    pub(crate) lines: Vec<Line>,
    /// The share of the variance that the lines do not explain in the last third, having been fitted to the rest.
    pub(crate) unexplained: f64,
    /// How many samples they were fitted to.
    pub(crate) fitted: usize,
}

/// Fits lines to the first two thirds of a series of mean 0 and variance 1; `None` if there are none worth the name.
pub(crate) fn find(standard: &[f64]) -> Option<Lines> {
    let fitted = standard.len() * 2 / 3;
    let (train, test) = standard.split_at_checked(fitted)?;
    let frequencies = frequencies(train)?;
    let weights = least_squares(waves(&frequencies, 0), train)?;
    let mut error = 0.0;
    for (row, value) in waves(&frequencies, fitted).zip(test) {
        let predicted: f64 = row.iter().zip(&weights).map(|(wave, weight)| wave * weight).sum();
        error += (value - predicted) * (value - predicted);
    }
    let spread = variance(test) * test.len() as f64;
    let mut lines: Vec<Line> = frequencies
        .iter()
        .zip(weights.get(1..)?.chunks(2))
        .map(|(&frequency, pair)| {
            let share = pair.iter().map(|weight| weight * weight / 2.0).sum();
            Line { frequency, share }
        })
        .collect();
    lines.sort_by(|a, b| b.share.total_cmp(&a.share));
    Some(Lines { lines, unexplained: error / spread.max(f64::MIN_POSITIVE), fitted })
}

fn variance(values: &[f64]) -> f64 {
    let mean = values.iter().sum::<f64>() / values.len().max(1) as f64;
    values.iter().map(|value| (value - mean) * (value - mean)).sum::<f64>() / values.len().max(1) as f64
}

/// 1 and the cosine and sine of each frequency, at one place after the other.
fn waves(frequencies: &[f64], from: usize) -> impl Iterator<Item = Vec<f64>> {
    let mut waves: Vec<Wave> = frequencies.iter().map(|&frequency| Wave::new(frequency, from)).collect();
    std::iter::repeat_with(move || {
        std::iter::once(1.0).chain(waves.iter_mut().flat_map(Wave::step)).collect()
    })
}

/// The next angle from the last: sines and cosines of each took longer than all else that is done with them.
struct Wave {
    cosine: f64,
    sine: f64,
    /// Of the angle between two places.
    turn: (f64, f64),
}

impl Wave {
    fn new(frequency: f64, from: usize) -> Self {
        let (sine, cosine) = (TAU * frequency * from as f64).sin_cos();
        Self { cosine, sine, turn: (TAU * frequency).sin_cos() }
    }

    /// The cosine and the sine at this place.
    fn step(&mut self) -> [f64; 2] {
        let (cosine, sine) = (self.cosine, self.sine);
        let (turn_sine, turn_cosine) = self.turn;
        self.cosine = cosine * turn_cosine - sine * turn_sine;
        self.sine = sine * turn_cosine + cosine * turn_sine;
        [cosine, sine]
    }
}

fn frequencies(train: &[f64]) -> Option<Vec<f64>> {
    let mean = train.iter().sum::<f64>() / train.len().max(1) as f64;
    let mut rest: Vec<f64> = train.iter().map(|value| value - mean).collect();
    let all = variance(&rest);
    let mut left = all;
    let mut found: Vec<f64> = Vec::new();
    let (window, transform) = (window(rest.len()), Transform::new(rest.len().next_power_of_two()));
    while found.len() < MOST {
        let input = windowed(&rest, &window);
        let frequency = refined(&input, peak(&input, &transform)?);
        let mut wave = Wave::new(frequency, 0);
        let row = |[cosine, sine]: [f64; 2]| [1.0, cosine, sine];
        let rows: Vec<[f64; 3]> = (0..rest.len()).map(|_| row(wave.step())).collect();
        let weights = least_squares(rows.iter(), &rest)?;
        let fitted =
            |row: &[f64; 3]| row.iter().zip(&weights).map(|(wave, weight)| wave * weight).sum::<f64>();
        let without: Vec<f64> = rows.iter().zip(&rest).map(|(row, value)| value - fitted(row)).collect();
        let remains = variance(&without);
        let gain = 1.0 - remains / left.max(f64::MIN_POSITIVE);
        // The strongest of a few lines explains more than its share.
        if found.is_empty() && gain < 1.0 / MOST as f64 {
            return None;
        }
        if gain < GAIN && !found.is_empty() {
            break;
        }
        // A line beside one that was already found is what is left of that one.
        if found.iter().all(|known| (known - frequency).abs() * train.len() as f64 > 1.0) {
            found.push(frequency);
        }
        (rest, left) = (without, remains);
        if left < REST * all {
            break;
        }
        if found.len() == FIRST && left > 0.5 * all {
            return None;
        }
    }
    (left < 0.5 * all).then_some(found)
}

/// The frequency with the highest power, in cycles per sample.
fn peak(input: &[f64], transform: &Transform) -> Option<f64> {
    let mut padded = input.to_vec();
    padded.resize(transform.len, 0.0);
    let power = power(&transform.forward(&padded));
    let (at, _) = power.iter().enumerate().skip(1).max_by(|a, b| a.1.total_cmp(b.1))?;
    Some(at as f64 / transform.len as f64)
}

/// The highest power within one step of the transform around a frequency, by golden section.
fn refined(input: &[f64], frequency: f64) -> f64 {
    let step = 1.0 / input.len().next_power_of_two() as f64;
    let ratio = (5.0_f64.sqrt() - 1.0) / 2.0;
    let (mut low, mut high) = ((frequency - step).max(0.0), (frequency + step).min(0.5));
    let (mut a, mut b) = (high - ratio * (high - low), low + ratio * (high - low));
    let (mut at_a, mut at_b) = (power_at(input, a), power_at(input, b));
    // Power is flat at its peak: beyond this width rounding decides.
    while high - low > step * 1e-7 {
        if at_a < at_b {
            (low, a, at_a) = (a, b, at_b);
            b = low + ratio * (high - low);
            at_b = power_at(input, b);
        } else {
            (high, b, at_b) = (b, a, at_a);
            a = high - ratio * (high - low);
            at_a = power_at(input, a);
        }
    }
    (low + high) / 2.0
}

/// Goertzel's recurrence.
fn power_at(input: &[f64], frequency: f64) -> f64 {
    let turn = 2.0 * (TAU * frequency).cos();
    let (mut last, mut before) = (0.0, 0.0);
    for value in input {
        // In this order only one product and one sum wait for the last.
        (last, before) = ((value - before) + turn * last, last);
    }
    last * last + before * before - turn * last * before
}

/// The frequency of which all lines are multiples, if there is one that the fit allows.
///
/// Lines are taken for multiples if they miss by less than the error that a frequency has after so many samples. Multiples
/// above half of the sampling rate, which fold back, are not looked for.
pub(crate) fn common_frequency(lines: &Lines) -> Option<f64> {
    let strongest = lines.lines.first()?;
    let strong: Vec<Line> =
        lines.lines.iter().copied().filter(|line| line.share > 1e-3 * strongest.share).collect();
    let samples = lines.fitted as f64;
    let noise = (6.0 * lines.unexplained.max(0.0)).sqrt() / samples.powf(1.5);
    let tolerance = (0.02 / samples).max(noise);
    let candidates = strong.iter().flat_map(|line| (1..=5).map(move |part| line.frequency / f64::from(part)));
    candidates
        .filter(|&base| base * samples > 2.0)
        .filter(|&base| strong.iter().all(|line| is_multiple(line.frequency, base, tolerance)))
        .max_by(f64::total_cmp)
}

fn is_multiple(frequency: f64, base: f64, tolerance: f64) -> bool {
    let multiple = (frequency / base).round();
    (1.0..=40.0).contains(&multiple) && (frequency - multiple * base).abs() <= tolerance * multiple
}
