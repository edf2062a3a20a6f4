//! The engine with the policy that the operator names.

use std::path::Path;

use aimds_engine::{Engine, Policy};
use anyhow::Context as _;

use crate::status::Misconfigured;

/// The engine with the embedded policy, or with the one in the file.
///
/// # Errors
/// The file cannot be read or is not a policy: the operator's to mend.
pub(crate) fn engine(policy: Option<&Path>) -> anyhow::Result<Engine> {
    let Some(path) = policy else { return Ok(Engine::embedded()?) };
    let policy = self::policy(path)?;
    Ok(Engine::with_policy(policy)?)
}

/// Reads a policy file.
///
/// # Errors
/// As [`engine`].
pub(crate) fn policy(path: &Path) -> anyhow::Result<Policy> {
    let named = || format!("policy {}", path.display());
    let text = std::fs::read_to_string(path).with_context(named).map_err(misconfigured)?;
    Policy::parse(&text).with_context(named).map_err(misconfigured)
}

/// Marks an error so that it ends the process with the status for usage and configuration.
pub(crate) fn misconfigured(error: anyhow::Error) -> anyhow::Error {
    error.context(Misconfigured)
}
