//! What playbooks order beside a decision.

use std::num::NonZeroUsize;
use std::path::PathBuf;

use schemars::JsonSchema;
use serde::Deserialize;

use super::at_least_one;

/// What playbooks order beside a decision.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct MitigationFile {
    /// File that keeps revoked keys and quarantines over a restart; empty where nothing is kept.
    pub state: String,
    /// Sessions and keys that can be held at the same time.
    pub max_held: NonZeroUsize,
    /// What a hold means for a request that names no session.
    pub without_session: WithoutSession,
}

/// What a hold means for a request that names no session.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum WithoutSession {
    /// Nothing is held; the action is reported as failed.
    Fail,
    /// Everything that the API key sends is held.
    Key,
}

impl Default for MitigationFile {
    fn default() -> Self {
        Self { state: String::new(), max_held: at_least_one(65_536), without_session: WithoutSession::Fail }
    }
}

/// What playbooks order beside a decision.
#[derive(Clone, Debug)]
pub struct MitigationConfig {
    /// File that keeps revoked keys and quarantines over a restart.
    pub state: Option<PathBuf>,
    /// Sessions and keys that can be held at the same time.
    pub max_held: usize,
    /// What a hold means for a request that names no session.
    pub without_session: WithoutSession,
}

pub(super) fn resolve(file: MitigationFile) -> MitigationConfig {
    MitigationConfig {
        state: (!file.state.is_empty()).then(|| file.state.into()),
        max_held: file.max_held.get(),
        without_session: file.without_session,
    }
}
