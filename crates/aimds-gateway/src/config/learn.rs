//! The learner.

use std::num::NonZeroUsize;
use std::path::PathBuf;

use schemars::JsonSchema;
use serde::Deserialize;

use super::at_least_one;

/// The learner.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct LearnFile {
    /// What it may do.
    pub mode: LearnMode,
    /// File of its state; empty where nothing is learnt.
    pub state: String,
    /// Decisions that can wait for their outcome.
    pub waiting: NonZeroUsize,
}

/// What the learner may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum LearnMode {
    /// Nothing.
    Off,
    /// Look, propose and learn.
    Shadow,
    /// The same, and a policy that a person has promoted makes responses stricter.
    On,
}

impl Default for LearnFile {
    fn default() -> Self {
        Self { mode: LearnMode::Shadow, state: String::new(), waiting: at_least_one(WAITING) }
    }
}

const WAITING: usize = 16_384;

/// The learner.
#[derive(Clone, Debug)]
pub struct LearnConfig {
    /// What it may do; not `Off`.
    pub mode: LearnMode,
    /// File of its state.
    pub state: PathBuf,
    /// Decisions that can wait for their outcome.
    pub waiting: usize,
}

impl LearnConfig {
    /// In shadow, with its state in this file.
    #[must_use]
    pub fn shadow(state: PathBuf) -> Self {
        Self { mode: LearnMode::Shadow, state, waiting: WAITING }
    }
}

pub(super) fn resolve(file: LearnFile) -> Option<LearnConfig> {
    let LearnFile { mode, state, waiting } = file;
    (mode != LearnMode::Off && !state.is_empty()).then(|| LearnConfig {
        mode,
        state: state.into(),
        waiting: waiting.get(),
    })
}
