//! Fourier transforms, and what is read off them: the mean period, the share of slow frequencies.

pub(crate) mod lines;

use std::f64::consts::TAU;
use std::sync::Arc;

use realfft::num_complex::Complex64;
use realfft::{ComplexToReal, RealFftPlanner, RealToComplex};

/// Both directions for one length.
pub(crate) struct Transform {
    forward: Arc<dyn RealToComplex<f64>>,
    inverse: Arc<dyn ComplexToReal<f64>>,
    len: usize,
}

impl Transform {
    pub(crate) fn new(len: usize) -> Self {
        let mut planner = RealFftPlanner::new();
        Self { forward: planner.plan_fft_forward(len), inverse: planner.plan_fft_inverse(len), len }
    }

    /// The amplitudes of the frequencies `0..=len / 2`, in cycles per `len` samples. Empty if the series has not the length
    /// of the transform.
    pub(crate) fn forward(&self, series: &[f64]) -> Vec<Complex64> {
        let mut input = series.to_vec();
        let mut output = self.forward.make_output_vec();
        match self.forward.process(&mut input, &mut output) {
            Ok(()) => output,
            Err(_) => Vec::new(),
        }
    }

    /// The series of these amplitudes, which are spent.
    pub(crate) fn inverse(&self, amplitudes: &mut [Complex64]) -> Vec<f64> {
        // A real series has real amplitudes at frequency 0 and, if the length is even, at the last.
        if let Some(first) = amplitudes.first_mut() {
            first.im = 0.0;
        }
        if let Some(last) = amplitudes.last_mut().filter(|_| self.len.is_multiple_of(2)) {
            last.im = 0.0;
        }
        let mut output = self.inverse.make_output_vec();
        let scale = 1.0 / self.len as f64;
        match self.inverse.process(amplitudes, &mut output) {
            Ok(()) => output.iter().map(|value| value * scale).collect(),
            Err(_) => Vec::new(),
        }
    }
}

/// A Hann window, under which one line of a spectrum stays within three frequencies.
fn window(len: usize) -> Vec<f64> {
    let turn = TAU / len.max(1) as f64;
    (0..len).map(|at| 0.5 - 0.5 * (turn * (at as f64 + 0.5)).cos()).collect()
}

fn windowed(series: &[f64], window: &[f64]) -> Vec<f64> {
    series.iter().zip(window).map(|(value, weight)| value * weight).collect()
}

fn power(amplitudes: &[Complex64]) -> Vec<f64> {
    amplitudes.iter().map(|amplitude| amplitude.norm_sqr()).collect()
}

/// One over the mean frequency of the power spectrum, in samples: what Rosenstein takes for the time between two visits.
pub(crate) fn mean_period(standard: &[f64]) -> f64 {
    let input = windowed(standard, &window(standard.len()));
    let power = power(&Transform::new(standard.len()).forward(&input));
    let (mut total, mut sum) = (0.0, 0.0);
    for (frequency, power) in power.iter().enumerate().skip(1) {
        total += power;
        sum += power * frequency as f64;
    }
    standard.len() as f64 * total / sum.max(f64::MIN_POSITIVE)
}

/// The share of the variance in the `count` slowest frequencies.
pub(crate) fn slow_share(standard: &[f64], count: usize) -> f64 {
    let amplitudes = Transform::new(standard.len()).forward(standard);
    let power = |amplitudes: &[Complex64]| power(amplitudes).iter().sum::<f64>();
    let rest = amplitudes.get(1..).unwrap_or_default();
    let slow = rest.get(..count.min(rest.len())).unwrap_or_default();
    power(slow) / power(rest).max(f64::MIN_POSITIVE)
}
