//! A model of texts that learns one label at a time: what the shipped detector misses of a new family of attacks.
//!
//! FTRL-proximal logistic regression (McMahan and others, *Ad click prediction: a view from the trenches*, 2013) over
//! indices of hashed n-grams. It never sees a text; the caller hashes. The detector's own log-odds are an offset, so that only what they lack is learnt.

use serde::{Deserialize, Serialize};

use crate::error::{Error, setting};

/// Indices beyond this number are not looked at: a text that long is cut.
pub const MAX_INDICES: usize = 1 << 16;

/// Settings of [`TextLane`].
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct TextConfig {
    /// Logarithm of the number of weights. Default 18: 2 MiB.
    pub bits: u32,
    /// Learning rate. Default 5: the labels of a new family are few.
    pub alpha: f64,
    /// Slows the learning rate at first. Default 1.
    pub beta: f64,
    /// Weights below this much evidence are 0. Default 0.
    pub l1: f64,
    /// Pull of weights to 0. Default 0.
    pub l2: f64,
    /// The most that it adds to the detector's log-odds. Default 12.
    pub most: f64,
}

impl Default for TextConfig {
    fn default() -> Self {
        Self { bits: 18, alpha: 5.0, beta: 1.0, l1: 0.0, l2: 0.0, most: 12.0 }
    }
}

/// Online logistic regression over hashed features, each with the value 1/√(number of features).
///
/// O(number of indices) for scoring and learning, without allocation.
///
/// ```
/// use aimds_learn::{TextConfig, TextLane};
///
/// let mut lane = TextLane::new(TextConfig::default())?;
/// for _ in 0..20 {
///     lane.learn(&[11, 12, 13], -4.0, true, 1.0)?; // an attack that the detector gives odds of e⁻⁴
///     lane.learn(&[21, 22, 13], -4.0, false, 1.0)?;
/// }
/// assert!(lane.adjustment(&[11, 12, 13]) > 3.0 && lane.adjustment(&[21, 22, 13]) == 0.0);
/// # Ok::<(), aimds_learn::Error>(())
/// ```
#[derive(Clone, Serialize, Deserialize)]
pub struct TextLane {
    config: TextConfig,
    /// z and n of the paper: the gradient sum with its correction, and the sum of squared gradients.
    states: Vec<(f32, f32)>,
    labels: u64,
}

impl TextLane {
    /// A lane that adds nothing yet.
    ///
    /// # Errors
    /// [`Error::Setting`].
    pub fn new(config: TextConfig) -> Result<Self, Error> {
        let TextConfig { bits, alpha, beta, l1, l2, most } = config;
        setting("bits", f64::from(bits), "from 8 to 24", (8..=24).contains(&bits))?;
        setting("alpha", alpha, "above 0 and at most 10", alpha > 0.0 && alpha <= 10.0)?;
        setting("beta", beta, "from 0.001 to 1000", (0.001..=1000.0).contains(&beta))?;
        setting("l1", l1, "from 0 to 1000", (0.0..=1000.0).contains(&l1))?;
        setting("l2", l2, "from 0 to 1000", (0.0..=1000.0).contains(&l2))?;
        setting("most", most, "from 0 to 100", (0.0..=100.0).contains(&most))?;
        Ok(Self { config, states: vec![(0.0, 0.0); 1 << bits], labels: 0 })
    }

    /// The model's own log-odds, without bounds.
    #[must_use]
    pub fn logit(&self, indices: &[u32]) -> f64 {
        let indices = indices.get(..MAX_INDICES).unwrap_or(indices);
        let sum: f64 = indices.iter().map(|&index| self.weight(index)).sum();
        sum / (indices.len().max(1) as f64).sqrt()
    }

    /// What to add to the detector's log-odds: never negative, so that nothing that is learnt can hide an attack.
    #[must_use]
    pub fn adjustment(&self, indices: &[u32]) -> f64 {
        self.logit(indices).clamp(0.0, self.config.most)
    }

    /// Learns that a text with these indices, to which the detector gives log-odds of `base`, is an attack or not.
    /// `weight` says how much the label counts.
    ///
    /// # Errors
    /// [`Error::NonFinite`] for the base or weight; nothing is learnt.
    pub fn learn(&mut self, indices: &[u32], base: f64, attack: bool, weight: f64) -> Result<(), Error> {
        if !base.is_finite() || !weight.is_finite() {
            return Err(Error::NonFinite { what: "base or weight", index: 0 });
        }
        let indices = indices.get(..MAX_INDICES).unwrap_or(indices);
        let value = 1.0 / (indices.len().max(1) as f64).sqrt();
        let probability = 1.0 / (1.0 + (-(base + self.logit(indices))).exp());
        let gradient = (probability - f64::from(u8::from(attack))) * value * weight.clamp(0.0, 100.0);
        for &index in indices {
            self.step(index, gradient);
        }
        self.labels += 1;
        Ok(())
    }

    /// How many labels were learnt.
    #[must_use]
    pub fn labels(&self) -> u64 {
        self.labels
    }

    /// How many weights are not 0. O(number of weights).
    #[must_use]
    pub fn weights(&self) -> usize {
        self.states.iter().filter(|(z, _)| f64::from(z.abs()) > self.config.l1).count()
    }

    fn slot(&self, index: u32) -> usize {
        // Multiplicative hashing: callers' indices may share their low bits.
        (index.wrapping_mul(0x9e37_79b1) >> (32 - self.config.bits)) as usize
    }

    fn weight(&self, index: u32) -> f64 {
        let (z, n) = self.states.get(self.slot(index)).copied().unwrap_or_default();
        let (z, n) = (f64::from(z), f64::from(n));
        let TextConfig { alpha, beta, l1, l2, .. } = self.config;
        if z.abs() <= l1 { 0.0 } else { -(z - z.signum() * l1) / ((beta + n.sqrt()) / alpha + l2) }
    }

    fn step(&mut self, index: u32, gradient: f64) {
        let weight = self.weight(index);
        let (slot, alpha) = (self.slot(index), self.config.alpha);
        if let Some((z, n)) = self.states.get_mut(slot) {
            let before = f64::from(*n);
            let after = before + gradient * gradient;
            let sigma = (after.sqrt() - before.sqrt()) / alpha;
            *z += (gradient - sigma * weight) as f32;
            *n = after as f32;
        }
    }

    pub(crate) fn is_sound(&self) -> bool {
        let finite = |(z, n): &(f32, f32)| z.is_finite() && n.is_finite() && *n >= 0.0;
        (8..=24).contains(&self.config.bits)
            && self.states.len() == 1 << self.config.bits
            && self.states.iter().all(finite)
    }
}

impl std::fmt::Debug for TextLane {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("TextLane")
            .field("config", &self.config)
            .field("labels", &self.labels)
            .finish_non_exhaustive()
    }
}
