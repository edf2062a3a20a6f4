//! The trained weights and how they are applied.

use std::ops::Range;

use aimds_text::sentences;

use super::features::{Family, features};

/// The table has `2^TABLE_BITS` entries for each head.
pub const TABLE_BITS: u32 = 21;
/// Number of heads.
pub const HEADS: usize = 2;

/// Which question is asked of a text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Head {
    /// Does the text try to manipulate the model? For text by users.
    Manipulation,
    /// Does the text, which should be data, give orders to the model? For tool output and documents.
    Orders,
}

const MAGIC: &[u8; 8] = b"AIMDSLX1";
/// Added to every n-gram count, so that a handful of n-grams cannot be certain.
const SMOOTHING: f32 = 8.0;

/// Why a model file is refused.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum ModelError {
    /// Not a lexical model of this version.
    #[error("not a lexical model of this version")]
    Format,
    /// Shorter or longer than its header says.
    #[error("lexical model has {found} bytes, expected {expected}")]
    Length {
        /// Bytes given.
        found: usize,
        /// Bytes expected.
        expected: usize,
    },
    /// A number in the header is not finite.
    #[error("lexical model holds a number that is not finite")]
    NotFinite,
}

/// Per-head numbers of the header.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Scale {
    /// Weight of one quantisation step.
    pub step: f32,
    /// Added to every logit.
    pub bias: f32,
    /// Calibration: the calibrated logit is `slope × logit + offset`.
    pub slope: f32,
    /// See `slope`.
    pub offset: f32,
}

/// Sums over the n-grams of a stretch of text. Tallies of neighbouring stretches add up.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Tally {
    sums: [[i32; 2]; HEADS],
    counts: [u32; 2],
}

impl Tally {
    fn add(&mut self, other: &Self) {
        for (sums, others) in self.sums.iter_mut().zip(other.sums) {
            for (sum, other) in sums.iter_mut().zip(others) {
                *sum = sum.saturating_add(other);
            }
        }
        for (count, other) in self.counts.iter_mut().zip(other.counts) {
            *count = count.saturating_add(other);
        }
    }
}

/// The highest-scoring stretch of a text.
#[derive(Clone, Debug, PartialEq)]
pub struct Peak {
    /// Logit of the stretch.
    pub logit: f32,
    /// Where it is in the canonical text.
    pub range: Range<usize>,
}

/// What the model says about one text.
#[derive(Clone, Debug, PartialEq)]
pub struct Scores {
    /// Logit of the text as a whole.
    pub whole: f32,
    /// The highest of its windows of one to three sentences; the whole text if it has no more than one.
    pub peak: Peak,
    /// Number of sentences.
    pub sentences: usize,
}

/// A trained model. Weights are one byte each; a look-up touches one cache line for all heads.
pub struct LexicalModel {
    scales: [Scale; HEADS],
    weights: Box<[[i8; HEADS]]>,
}

impl std::fmt::Debug for LexicalModel {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("LexicalModel").field("scales", &self.scales).field("entries", &self.weights.len()).finish()
    }
}

impl LexicalModel {
    /// Reads a model file: magic, four little-endian `f32` for each head, then one byte for each entry and head.
    ///
    /// # Errors
    /// [`ModelError`] if the file is not complete and of this version.
    pub fn parse(bytes: &[u8]) -> Result<Self, ModelError> {
        let body = bytes.strip_prefix(MAGIC).ok_or(ModelError::Format)?;
        let header = HEADS * 16;
        let expected = MAGIC.len() + header + (HEADS << TABLE_BITS);
        let (header, table) = body
            .split_at_checked(header)
            .filter(|_| bytes.len() == expected)
            .ok_or(ModelError::Length { found: bytes.len(), expected })?;
        let mut numbers = header.as_chunks::<4>().0.iter().map(|&number| f32::from_le_bytes(number));
        let mut next = || numbers.next().filter(|number| number.is_finite()).ok_or(ModelError::NotFinite);
        let mut scales = [Scale::default(); HEADS];
        for scale in &mut scales {
            *scale = Scale { step: next()?, bias: next()?, slope: next()?, offset: next()? };
        }
        let weights = table.as_chunks::<HEADS>().0.iter().map(|entry| entry.map(|byte| byte as i8)).collect();
        Ok(Self { scales, weights })
    }

    /// Sums the weights of a stretch of canonical text. No allocation.
    #[must_use]
    pub fn tally(&self, text: &str) -> Tally {
        let mut sums = [[0i32; HEADS]; 2];
        let mut counts = [0u32; 2];
        features(text, |family, hash| {
            let Some(entry) = self.weights.get((hash >> (32 - TABLE_BITS)) as usize) else { return };
            let (sums, count) = match (family, &mut sums, &mut counts) {
                (Family::Words, [sums, _], [count, _]) => (sums, count),
                (Family::Characters, [_, sums], [_, count]) => (sums, count),
            };
            *count += 1;
            for (sum, &weight) in sums.iter_mut().zip(entry) {
                *sum = sum.saturating_add(i32::from(weight));
            }
        });
        let [words, characters] = sums;
        let mut tally = Tally { sums: [[0; 2]; HEADS], counts };
        for (slot, (word, character)) in tally.sums.iter_mut().zip(words.into_iter().zip(characters)) {
            *slot = [word, character];
        }
        tally
    }

    /// The logit of a tally: each family's sum over the square root of its count, plus the bias.
    #[must_use]
    pub fn logit(&self, tally: &Tally, head: Head) -> f32 {
        let (Some(scale), Some(sums)) = (self.scales.get(head as usize), tally.sums.get(head as usize)) else { return 0.0 };
        let mut logit = scale.bias;
        for (&sum, &count) in sums.iter().zip(&tally.counts) {
            logit += scale.step * sum as f32 / (count as f32 + SMOOTHING).sqrt();
        }
        logit
    }

    /// Scores a canonical text as a whole and by windows of one to three sentences. Linear, without allocation.
    #[must_use]
    pub fn scores(&self, text: &str, head: Head) -> Scores {
        let mut whole = Tally::default();
        // The last two sentences: tally and start.
        let mut window: [Option<(Tally, usize)>; 2] = [None, None];
        let mut peak = Peak { logit: f32::NEG_INFINITY, range: 0..text.len() };
        let mut count = 0;
        for range in sentences(text) {
            let sentence = self.tally(text.get(range.clone()).unwrap_or_default());
            whole.add(&sentence);
            count += 1;
            let mut stretch = sentence;
            let mut start = range.start;
            for before in [None].into_iter().chain(window.iter().rev().copied().map(Some)) {
                match before {
                    None => {}
                    Some(Some((tally, at))) => {
                        stretch.add(&tally);
                        start = at;
                    }
                    Some(None) => break,
                }
                let logit = self.logit(&stretch, head);
                if logit > peak.logit {
                    peak = Peak { logit, range: start..range.end };
                }
            }
            let [_, last] = window;
            window = [last, Some((sentence, range.start))];
        }
        let whole = self.logit(&whole, head);
        if count <= 1 {
            peak.logit = whole;
        }
        Scores { whole, peak, sentences: count }
    }

    /// The calibrated probability of a combined logit.
    #[must_use]
    pub fn probability(&self, logit: f32, head: Head) -> f32 {
        let Some(scale) = self.scales.get(head as usize) else { return 0.0 };
        1.0 / (1.0 + (-(scale.slope * logit + scale.offset)).exp())
    }
}

/// Writes a model file; the inverse of [`LexicalModel::parse`].
#[must_use]
pub fn serialise(scales: &[[f32; 4]; HEADS], weights: &[[i8; HEADS]]) -> Vec<u8> {
    let mut bytes = MAGIC.to_vec();
    for number in scales.iter().flatten() {
        bytes.extend(number.to_le_bytes());
    }
    bytes.extend(weights.iter().flatten().map(|&weight| weight as u8));
    bytes
}
