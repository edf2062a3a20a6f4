//! The weights of a logistic regression over hashed indices, and how one gradient moves them (McMahan and others, *Ad click
//! prediction: a view from the trenches*, 2013).

use serde::{Deserialize, Serialize};

/// FTRL-proximal, each weight with a learning rate of its own.
#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct Weights {
    pub(crate) bits: u32,
    pub(crate) alpha: f64,
    pub(crate) beta: f64,
    pub(crate) l1: f64,
    pub(crate) l2: f64,
    /// z and n of the paper: the gradient sum with its correction, and the sum of squared gradients.
    pub(crate) states: Vec<(f32, f32)>,
}

impl Weights {
    pub(crate) fn of(&self, index: u32) -> f64 {
        let (z, n) = self.states.get(self.slot(index)).copied().unwrap_or_default();
        let (z, n) = (f64::from(z), f64::from(n));
        if z.abs() <= self.l1 {
            0.0
        } else {
            -(z - z.signum() * self.l1) / ((self.beta + n.sqrt()) / self.alpha + self.l2)
        }
    }

    /// The log-odds of a text with these indices, each with the value 1/√(number of indices).
    pub(crate) fn logit(&self, indices: &[u32]) -> f64 {
        let sum: f64 = indices.iter().map(|&index| self.of(index)).sum();
        sum / (indices.len().max(1) as f64).sqrt()
    }

    /// Learns that the log-odds should have been higher or lower than with an offset of `base`.
    pub(crate) fn learn(&mut self, indices: &[u32], base: f64, attack: bool, weight: f64) {
        let value = 1.0 / (indices.len().max(1) as f64).sqrt();
        let probability = 1.0 / (1.0 + (-(base + self.logit(indices))).exp());
        let gradient = (probability - f64::from(u8::from(attack))) * value * weight;
        for &index in indices {
            self.step(index, gradient);
        }
    }

    fn step(&mut self, index: u32, gradient: f64) {
        let weight = self.of(index);
        let (slot, alpha) = (self.slot(index), self.alpha);
        if let Some((z, n)) = self.states.get_mut(slot) {
            let before = f64::from(*n);
            let after = before + gradient * gradient;
            let sigma = (after.sqrt() - before.sqrt()) / alpha;
            *z += (gradient - sigma * weight) as f32;
            *n = after as f32;
        }
    }

    fn slot(&self, index: u32) -> usize {
        // Multiplicative hashing: callers' indices may share their low bits.
        (index.wrapping_mul(0x9e37_79b1) >> (32 - self.bits)) as usize
    }

    /// How many are not 0.
    pub(crate) fn count(&self) -> usize {
        self.states.iter().filter(|(z, _)| f64::from(z.abs()) > self.l1).count()
    }

    pub(crate) fn is_sound(&self) -> bool {
        let finite = |(z, n): &(f32, f32)| z.is_finite() && n.is_finite() && *n >= 0.0;
        (8..=24).contains(&self.bits) && self.states.len() == 1 << self.bits && self.states.iter().all(finite)
    }
}
