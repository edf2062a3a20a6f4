//! The engine with the policy that the operator names.

use std::path::Path;

use aimds_engine::{DEFAULT_POLICY, Engine, Policy};
use anyhow::Context as _;

use crate::ordered;
use crate::scan::Deep;
use crate::status::Misconfigured;

/// The engine with the embedded policy, or with the one in the file, and the deep path used as asked.
///
/// # Errors
/// The file cannot be read or is not a policy: the operator's to mend.
pub(crate) fn engine(policy: Option<&Path>, deep: Deep) -> anyhow::Result<Engine> {
    let policy = match policy {
        None => Policy::parse(DEFAULT_POLICY)?,
        Some(path) => self::policy(path)?,
    };
    Ok(Engine::with_policy(deep.apply(policy))?.with_threads(ordered::workers(None)))
}

/// Reads a policy file.
///
/// # Errors
/// As [`engine`].
pub(crate) fn policy(path: &Path) -> anyhow::Result<Policy> {
    parse_policy(path, &policy_text(path)?)
}

/// The text of a policy file.
///
/// # Errors
/// As [`engine`].
pub(crate) fn policy_text(path: &Path) -> anyhow::Result<String> {
    std::fs::read_to_string(path).with_context(|| named(path)).map_err(misconfigured)
}

/// The policy that a text holds, of which errors say where it came from.
///
/// # Errors
/// As [`engine`].
pub(crate) fn parse_policy(path: &Path, text: &str) -> anyhow::Result<Policy> {
    Policy::parse(text).with_context(|| named(path)).map_err(misconfigured)
}

fn named(path: &Path) -> String {
    format!("policy {}", path.display())
}

/// Marks an error so that it ends the process with the status for usage and configuration.
pub(crate) fn misconfigured(error: anyhow::Error) -> anyhow::Error {
    error.context(Misconfigured)
}
