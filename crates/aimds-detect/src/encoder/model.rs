//! The layers and how they are applied.

use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use rten::{Model, ModelOptions, NodeId, RunOptions, ThreadPool};
use rten_tensor::NdTensor;
use rten_tensor::prelude::*;
use serde::Deserialize;

use super::words::{Piece, Words, WordsError};
use crate::lexical::{HEADS, Head};

/// Pieces of a window, beside the two that mark its ends.
pub const WINDOW: usize = 126;
/// Pieces from the start of a window to the start of the next.
pub const STRIDE: usize = 94;
/// Windows that go through the layers together.
const BATCH: usize = 4;
const BEGIN: u32 = 0;
const END: u32 = 2;

/// Why an encoder is refused, or did not answer.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum EncoderError {
    /// The vocabulary is refused.
    #[error(transparent)]
    Words(#[from] WordsError),
    /// The layers are refused.
    #[error("the encoder's layers are refused: {0}")]
    Layers(String),
    /// The calibration is refused.
    #[error("the encoder's calibration is refused: {0}")]
    Calibration(String),
    /// The layers failed on a text.
    #[error("the encoder failed: {0}")]
    Run(String),
}

/// A stretch of a text that goes through the layers as one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Window {
    pieces: Vec<Piece>,
}

impl Window {
    /// The bytes of the text that the window covers.
    #[must_use]
    pub fn range(&self) -> Range<usize> {
        let start = self.pieces.first().map_or(0, |piece| piece.range.start);
        start..self.pieces.last().map_or(start, |piece| piece.range.end)
    }
}

/// What the layers say about one window for one head.
#[derive(Clone, Debug, PartialEq)]
pub struct Judgement {
    /// Logit of the window.
    pub logit: f32,
    /// The bytes of the text that speak most for an attack.
    pub range: Range<usize>,
}

/// How the logits of both tiers become one probability, for each head.
#[derive(Clone, Copy, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Join {
    /// Constant.
    pub bias: f32,
    /// Weight of the logit of tier 1.
    pub fast: f32,
    /// Weight of the highest logit of tier 2.
    pub deep: f32,
    /// Weight of the logarithm of the number of windows.
    pub windows: f32,
}

#[derive(Deserialize)]
struct Calibration {
    /// A window whose foretold logits all lie below goes no further.
    sure: f32,
    user: Join,
    data: Join,
}

/// Vocabulary, layers, calibration. Immutable: one instance serves every thread.
pub struct Encoder {
    vocabulary: Words,
    model: Model,
    /// The pieces' vectors, and what the first layers make of them.
    words: NodeId,
    halfway: NodeId,
    /// The logits of a window as the first layers foretell them, and as the last gives them.
    early: NodeId,
    window: NodeId,
    /// The last logits of each piece.
    token: NodeId,
    sure: f32,
    join: [Join; HEADS],
    /// Each thread that asks gets the next; a pool has one thread, so that requests do not wait for each other's steps.
    pools: Vec<Arc<ThreadPool>>,
    next: AtomicUsize,
}

impl std::fmt::Debug for Encoder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Encoder")
            .field("vocabulary", &self.vocabulary)
            .field("join", &self.join)
            .finish_non_exhaustive()
    }
}

impl Encoder {
    /// Reads vocabulary, layers (ONNX) and calibration (TOML).
    ///
    /// # Errors
    /// [`EncoderError`] if one of the three is not complete and of this version.
    pub fn parse(
        words: &'static [u8],
        layers: &'static [u8],
        calibration: &str,
    ) -> Result<Self, EncoderError> {
        let vocabulary = Words::parse(words)?;
        let refused = |error: &dyn std::fmt::Display| EncoderError::Layers(error.to_string());
        let mut options = ModelOptions::with_all_ops();
        let model =
            options.prepack_weights(true).load_static_slice(layers).map_err(|error| refused(&error))?;
        let node = |name: &str| model.node_id(name).map_err(|error| refused(&error));
        let (words, halfway) = (node("words")?, node("halfway")?);
        let (early, window, token) = (node("early")?, node("window")?, node("token")?);
        let Calibration { sure, user, data } =
            toml::from_str(calibration).map_err(|error| EncoderError::Calibration(error.to_string()))?;
        let numbers = [user, data].map(|join| [join.bias, join.fast, join.deep, join.windows]);
        if !numbers.as_flattened().iter().chain([&sure]).all(|number| number.is_finite()) {
            return Err(EncoderError::Calibration("a number is not finite".into()));
        }
        let (join, next) = ([user, data], AtomicUsize::new(0));
        let pools = Vec::new();
        let encoder =
            Self { vocabulary, model, words, halfway, early, window, token, sure, join, pools, next };
        Ok(encoder.with_threads(1))
    }

    /// The same with `threads` requests that run beside each other, each on a thread of its own.
    #[must_use]
    pub fn with_threads(self, threads: usize) -> Self {
        let pools = (0..threads.max(1)).map(|_| Arc::new(ThreadPool::with_num_threads(1))).collect();
        Self { pools, ..self }
    }

    /// Cuts a text into windows, each of which overlaps the next. Linear in the text.
    #[must_use]
    pub fn windows(&self, text: &str) -> Vec<Window> {
        let pieces = self.vocabulary.pieces(text);
        let mut windows = Vec::new();
        let mut start = 0;
        loop {
            let end = (start + WINDOW).min(pieces.len());
            windows.push(Window { pieces: pieces.get(start..end).unwrap_or_default().to_vec() });
            if end == pieces.len() {
                return windows;
            }
            start += STRIDE;
        }
    }

    /// What the layers say about windows, in their order, for each head. A window of which the first layers are sure that it is
    /// innocent goes through no others: its logits are foretold, and no stretch of it tells more than the rest.
    ///
    /// Cost: about 20 million multiplications for each piece, 14 million where the first layers are sure; memory for four
    /// windows at a time.
    ///
    /// # Errors
    /// [`EncoderError::Run`] if the layers fail or give numbers that are not finite.
    pub fn judge(&self, windows: &[Window]) -> Result<Vec<[Judgement; HEADS]>, EncoderError> {
        let mut judged = Vec::with_capacity(windows.len());
        for same in windows.chunk_by(|a, b| a.pieces.len() == b.pieces.len()) {
            for batch in same.chunks(BATCH) {
                judged.append(&mut self.run(batch)?);
            }
        }
        Ok(judged)
    }

    /// Windows of one length.
    fn run(&self, batch: &[Window]) -> Result<Vec<[Judgement; HEADS]>, EncoderError> {
        let width = self.vocabulary.width();
        let length = batch.first().map_or(0, |window| window.pieces.len()) + 2;
        let mut vectors = Vec::with_capacity(batch.len() * length * width);
        for window in batch {
            self.vocabulary.vector(BEGIN, &mut vectors);
            window.pieces.iter().for_each(|piece| self.vocabulary.vector(piece.id, &mut vectors));
            self.vocabulary.vector(END, &mut vectors);
        }
        let words = NdTensor::try_from_data([batch.len(), length, width], vectors)
            .map_err(|error| EncoderError::Run(error.to_string()))?;
        let pool = self.pools.get(self.next.fetch_add(1, Ordering::Relaxed) % self.pools.len().max(1));
        let mut options = RunOptions::default();
        options.thread_pool = pool.cloned();

        let (halfway, early) = self.step((self.words, words), [self.halfway, self.early], &options)?;
        let foretold = |number: usize| -> [f32; HEADS] {
            std::array::from_fn(|head| early.get([number, head]).copied().unwrap_or(f32::INFINITY))
        };
        let open: Vec<usize> = (0..batch.len())
            .filter(|&number| foretold(number).iter().any(|&logit| logit >= self.sure))
            .collect();
        let mut judged: Vec<_> = batch
            .iter()
            .enumerate()
            .map(|(number, window)| foretold(number).map(|logit| Judgement { logit, range: window.range() }))
            .collect();
        if open.is_empty() {
            return Ok(judged);
        }
        let states: Vec<f32> = open.iter().flat_map(|&number| halfway.slice(number).to_vec()).collect();
        let states = NdTensor::try_from_data([open.len(), length, width], states)
            .map_err(|error| EncoderError::Run(error.to_string()))?;
        let (token, window) = self.step((self.halfway, states), [self.token, self.window], &options)?;
        for (row, &number) in open.iter().enumerate() {
            let (Some(judged), Some(of)) = (judged.get_mut(number), batch.get(number)) else { continue };
            *judged = std::array::from_fn(|head| Judgement {
                logit: window.get([row, head]).copied().unwrap_or_default(),
                range: telling(&of.pieces, |at| token.get([row, at + 1, head]).copied().unwrap_or_default()),
            });
        }
        Ok(judged)
    }

    /// Some of the layers: from one node of the graph to two others.
    fn step(
        &self,
        (from, states): (NodeId, NdTensor<f32, 3>),
        to: [NodeId; 2],
        options: &RunOptions,
    ) -> Result<(NdTensor<f32, 3>, NdTensor<f32, 2>), EncoderError> {
        let failed = |error: &dyn std::fmt::Display| EncoderError::Run(error.to_string());
        let [of_pieces, of_windows] = self
            .model
            .run_n(vec![(from, states.into())], to, Some(options.clone()))
            .map_err(|error| failed(&error))?;
        let of_pieces: NdTensor<f32, 3> = of_pieces.try_into().map_err(|error| failed(&error))?;
        let of_windows: NdTensor<f32, 2> = of_windows.try_into().map_err(|error| failed(&error))?;
        if !of_windows.iter().chain(of_pieces.iter()).all(|number| number.is_finite()) {
            return Err(EncoderError::Run("a number is not finite".into()));
        }
        Ok((of_pieces, of_windows))
    }

    /// One probability from the logits of both tiers.
    #[must_use]
    pub fn probability(&self, head: Head, fast: f32, deep: f32, windows: usize) -> f32 {
        let Some(join) = head.of(self.join) else { return fast };
        let logit =
            join.bias + join.fast * fast + join.deep * deep + join.windows * (windows.max(1) as f32).ln();
        1.0 / (1.0 + (-logit).exp())
    }
}

/// The stretch around the piece with the highest logit in which no two neighbouring pieces fall far behind it.
fn telling(pieces: &[Piece], logit: impl Fn(usize) -> f32) -> Range<usize> {
    const BEHIND: f32 = 3.0;
    const GAP: usize = 2;
    let Some(peak) = (0..pieces.len()).max_by(|&a, &b| logit(a).total_cmp(&logit(b))) else { return 0..0 };
    let least = logit(peak) - BEHIND;
    let reach = |positions: &mut dyn Iterator<Item = usize>| {
        let mut last = peak;
        for at in positions {
            if logit(at) >= least {
                last = at;
            } else if at.abs_diff(last) > GAP {
                break;
            }
        }
        last
    };
    let first = reach(&mut (0..peak).rev());
    let last = reach(&mut (peak + 1..pieces.len()));
    let range = |at: usize| pieces.get(at).map_or(0..0, |piece| piece.range.clone());
    range(first).start..range(last).end
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_telling_stretch_surrounds_the_peak_and_forgives_small_gaps() {
        let pieces: Vec<Piece> = (0..10).map(|at| Piece { id: 5, range: at * 10..at * 10 + 9 }).collect();
        let check = |logits: [f32; 10], expected| assert_eq!(telling(&pieces, |at| logits[at]), expected);
        check([-9.0, -9.0, 1.0, 2.0, -5.0, 1.5, -9.0, -9.0, -9.0, 1.0], 20..59);
        check([3.0, -9.0, -9.0, -9.0, -9.0, -9.0, -9.0, -9.0, -9.0, -9.0], 0..9);
        assert_eq!(telling(&[], |_| 0.0), 0..0);
    }
}
