//! A model of texts that learns one label at a time: what the shipped detector misses of a new family of attacks.
//!
//! Two logistic regressions over indices of hashed n-grams, which never see a text; the caller hashes. The first looks at the whole
//! text; the detector's own log-odds are its offset, so that only what they lack is learnt, and it adds to them. The second
//! looks at windows of a few words and stands beside the detector, with a threshold of its own: under one threshold for the
//! sum, what one family gains is lost by the others, whose threshold rises with it.

use serde::{Deserialize, Serialize};

use crate::error::{Error, setting};
use crate::ftrl::Weights;
use crate::threshold::second_threshold;
use crate::windows;

/// Indices beyond this number are not looked at: a text that long is cut.
pub const MAX_INDICES: usize = 1 << 16;

/// Settings of [`TextLane`].
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct TextConfig {
    /// Logarithm of the number of weights for whole texts. Default 18: 2 MiB.
    pub bits: u32,
    /// Learning rate for whole texts. Default 5: the labels of a new family are few.
    pub alpha: f64,
    /// Slows the learning rate at first. Default 1.
    pub beta: f64,
    /// Weights below this much evidence are 0. Default 0.
    pub l1: f64,
    /// Pull of weights to 0. Default 0.
    pub l2: f64,
    /// The most that it adds to the detector's log-odds. Default 12.
    pub most: f64,
    /// Logarithm of the number of weights for windows. Default 17: 1 MiB.
    pub window_bits: u32,
    /// Learning rate for windows. Default 10: a window has few indices, and most were never seen.
    pub window_alpha: f64,
}

impl Default for TextConfig {
    fn default() -> Self {
        Self {
            bits: 18,
            alpha: 5.0,
            beta: 1.0,
            l1: 0.0,
            l2: 0.0,
            most: 12.0,
            window_bits: 17,
            window_alpha: 10.0,
        }
    }
}

/// A text as hashes.
#[derive(Clone, Copy, Debug, Default)]
pub struct Hashed<'a> {
    /// Its n-grams of all kinds, each once.
    pub indices: &'a [u32],
    /// Its n-grams of words in the order of the text, repeats included.
    pub words: &'a [u32],
}

/// Online logistic regression over hashed features, each with the value 1/√(number of features).
///
/// O(number of indices) for scoring and learning, without allocation.
///
/// ```
/// use aimds_learn::{Hashed, TextConfig, TextLane};
///
/// let mut lane = TextLane::new(TextConfig::default())?;
/// let attack = Hashed { indices: &[11, 12, 13], words: &[11, 12] };
/// let benign = Hashed { indices: &[21, 22, 13], words: &[21, 22] };
/// for _ in 0..20 {
///     lane.learn(attack, -4.0, true, 1.0)?; // an attack that the detector gives odds of e⁻⁴
///     lane.learn(benign, -4.0, false, 1.0)?;
/// }
/// assert!(lane.adjustment(attack.indices) > 3.0 && lane.adjustment(benign.indices) == 0.0);
/// assert!(lane.window(attack.words) > 0.0 && lane.window(benign.words) < 0.0);
/// # Ok::<(), aimds_learn::Error>(())
/// ```
#[derive(Clone, Serialize, Deserialize)]
pub struct TextLane {
    most: f64,
    whole: Weights,
    windows: Weights,
    /// Windows above it are alarms; `None`: none is.
    bar: Option<f64>,
    labels: u64,
}

impl TextLane {
    /// A lane that adds nothing yet.
    ///
    /// # Errors
    /// [`Error::Setting`].
    pub fn new(config: TextConfig) -> Result<Self, Error> {
        let TextConfig { bits, alpha, beta, l1, l2, most, window_bits, window_alpha } = config;
        for (name, bits) in [("bits", bits), ("window_bits", window_bits)] {
            setting(name, f64::from(bits), "from 8 to 24", (8..=24).contains(&bits))?;
        }
        for (name, alpha) in [("alpha", alpha), ("window_alpha", window_alpha)] {
            setting(name, alpha, "above 0 and at most 10", alpha > 0.0 && alpha <= 10.0)?;
        }
        setting("beta", beta, "from 0.001 to 1000", (0.001..=1000.0).contains(&beta))?;
        setting("l1", l1, "from 0 to 1000", (0.0..=1000.0).contains(&l1))?;
        setting("l2", l2, "from 0 to 1000", (0.0..=1000.0).contains(&l2))?;
        setting("most", most, "from 0 to 100", (0.0..=100.0).contains(&most))?;
        let weights = |bits: u32, alpha: f64| Weights {
            bits,
            alpha,
            beta,
            l1,
            l2,
            states: vec![(0.0, 0.0); 1 << bits],
        };
        let (whole, windows) = (weights(bits, alpha), weights(window_bits, window_alpha));
        Ok(Self { most, whole, windows, bar: None, labels: 0 })
    }

    /// The log-odds of a whole text by itself, without bounds.
    #[must_use]
    pub fn logit(&self, indices: &[u32]) -> f64 {
        self.whole.logit(cut(indices))
    }

    /// What to add to the detector's log-odds: never negative, so that nothing that is learnt can hide an attack.
    #[must_use]
    pub fn adjustment(&self, indices: &[u32]) -> f64 {
        self.logit(indices).clamp(0.0, self.most)
    }

    /// The log-odds of the highest window.
    #[must_use]
    pub fn window(&self, words: &[u32]) -> f64 {
        windows::highest(&self.windows, cut(words)).0
    }

    /// Whether a window is an alarm, whatever the detector says.
    #[must_use]
    pub fn alarms(&self, words: &[u32]) -> bool {
        self.bar.is_some_and(|bar| self.window(words) > bar)
    }

    /// Sets the threshold of the windows from benign texts that were never learnt: so high that alarms of the score (above
    /// `threshold`) and of the windows together keep the budget with the given confidence. Too few texts: no window is an
    /// alarm. Says how many texts it rests on.
    ///
    /// # Errors
    /// As of [`threshold()`](crate::threshold()).
    pub fn calibrate<'a>(
        &mut self,
        benign: impl Iterator<Item = (f64, Hashed<'a>)>,
        threshold: f64,
        budget: f64,
        confidence: f64,
    ) -> Result<usize, Error> {
        let scores: Vec<(f64, f64)> = benign
            .map(|(base, text)| (base + self.adjustment(text.indices), self.window(text.words)))
            .collect();
        self.bar = second_threshold(&scores, threshold, budget, confidence)?;
        Ok(scores.len())
    }

    /// The threshold of the windows.
    #[must_use]
    pub fn bar(&self) -> Option<f64> {
        self.bar
    }

    /// Learns that a text, to which the detector gives log-odds of `base`, is an attack or not. `weight` says how much the
    /// label counts.
    ///
    /// # Errors
    /// [`Error::NonFinite`] for the base or weight; nothing is learnt.
    pub fn learn(&mut self, text: Hashed<'_>, base: f64, attack: bool, weight: f64) -> Result<(), Error> {
        if !base.is_finite() || !weight.is_finite() {
            return Err(Error::NonFinite { what: "base or weight", index: 0 });
        }
        let weight = weight.clamp(0.0, 100.0);
        self.whole.learn(cut(text.indices), base, attack, weight);
        windows::learn(&mut self.windows, cut(text.words), attack, weight);
        self.labels += 1;
        Ok(())
    }

    /// Learns once more, in windows alone, the one of these benign texts that is nearest to a false alarm: few of them decide how
    /// high the threshold must be. For a few texts drawn from a memory after each label.
    pub fn rehearse<'a>(&mut self, benign: impl Iterator<Item = &'a [u32]>) {
        let odds = benign.map(|words| (self.window(words), words));
        if let Some((_, words)) = odds.max_by(|a, b| a.0.total_cmp(&b.0)) {
            windows::learn(&mut self.windows, cut(words), false, 1.0);
        }
    }

    /// How many labels were learnt.
    #[must_use]
    pub fn labels(&self) -> u64 {
        self.labels
    }

    /// How many weights are not 0. O(number of weights).
    #[must_use]
    pub fn weights(&self) -> usize {
        self.whole.count() + self.windows.count()
    }

    pub(crate) fn is_sound(&self) -> bool {
        self.whole.is_sound() && self.windows.is_sound() && self.bar.is_none_or(f64::is_finite)
    }
}

fn cut(indices: &[u32]) -> &[u32] {
    indices.get(..MAX_INDICES).unwrap_or(indices)
}

impl std::fmt::Debug for TextLane {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("TextLane")
            .field("bar", &self.bar)
            .field("labels", &self.labels)
            .finish_non_exhaustive()
    }
}
