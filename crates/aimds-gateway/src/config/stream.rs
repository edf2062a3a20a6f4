//! How streamed answers are inspected.

use std::num::NonZeroUsize;

use schemars::JsonSchema;
use serde::Deserialize;

use super::at_least_one;
use super::error::{ConfigError, value};

/// How streamed answers are inspected.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct StreamFile {
    /// Last bytes of a growing text that are held back (64 to 65536).
    pub hold_bytes: usize,
    /// Bytes that are inspected at once where no sentence ends before.
    pub step_bytes: NonZeroUsize,
    /// Bytes already sent on that are inspected again with what follows.
    pub overlap_bytes: usize,
    /// Whether tool calls, and what follows them, wait for the end of the answer.
    pub hold_calls: bool,
}

impl Default for StreamFile {
    fn default() -> Self {
        Self { hold_bytes: 128, step_bytes: at_least_one(64), overlap_bytes: 512, hold_calls: true }
    }
}

/// How streamed answers are inspected, in bytes.
#[derive(Clone, Copy, Debug)]
pub struct StreamConfig {
    /// Last bytes of a growing text that are held back.
    pub hold: usize,
    /// Bytes that are inspected at once where no sentence ends before.
    pub step: usize,
    /// Bytes already sent on that are inspected again with what follows.
    pub overlap: usize,
    /// Whether tool calls, and what follows them, wait for the end of the answer.
    pub hold_calls: bool,
}

/// The bounds of what is held back: shorter than an account number it would let one through in two halves, longer than
/// an answer it would be no stream.
const HOLD: std::ops::RangeInclusive<usize> = 64..=65_536;

pub(super) fn resolve(file: &StreamFile) -> Result<StreamConfig, ConfigError> {
    if !HOLD.contains(&file.hold_bytes) {
        return Err(value("stream.hold_bytes", "must be between 64 and 65536"));
    }
    if file.overlap_bytes > *HOLD.end() {
        return Err(value("stream.overlap_bytes", "must be at most 65536"));
    }
    Ok(StreamConfig {
        hold: file.hold_bytes,
        step: file.step_bytes.get(),
        overlap: file.overlap_bytes,
        hold_calls: file.hold_calls,
    })
}
