//! The state that the commands work on, and the telling of what was decided about it.

use std::path::PathBuf;
use std::time::{SystemTime, UNIX_EPOCH};

use aimds_gateway::LearnState;
use aimds_learn::Learner;
use aimds_store::AuditLog;
use anyhow::Context as _;
use serde_json::Value;

use super::{Where, audit};
use crate::data_directory;

/// Opens what is there.
pub(super) fn open(place: &Where) -> anyhow::Result<LearnState> {
    let path = path(place)?;
    let state = LearnState::open(&path)?;
    state.with_context(|| {
        format!("no state at {}: `aimds learn replay FILE` or a gateway begins one", path.display())
    })
}

/// Opens what is there, else begins.
pub(super) fn open_or(
    place: &Where,
    begin: impl FnOnce() -> anyhow::Result<Learner>,
) -> anyhow::Result<LearnState> {
    LearnState::open_or(&path(place)?, begin)
}

/// Writes the state with a decision about it, and tells the log of that and of all that it was not told of before. Without
/// a log the telling is left to whoever has one.
pub(super) fn decide(
    state: &LearnState,
    log: Option<AuditLog>,
    record: Value,
    at_ms: u64,
) -> anyhow::Result<()> {
    state.decide(record, at_ms)?;
    let Some(log) = log else { return Ok(()) };
    audit::append(&log, state.untold()?)
        .context("it is in force, but the audit log could not be appended to: the next decision tells it")?;
    Ok(state.told()?)
}

/// The caller's clock: milliseconds since 1970.
pub(super) fn now_ms() -> u64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(now.as_millis()).unwrap_or(u64::MAX)
}

fn path(place: &Where) -> anyhow::Result<PathBuf> {
    match &place.state {
        Some(file) => Ok(file.clone()),
        None => Ok(data_directory::find(place.data_dir.as_deref())?.join(data_directory::LEARN)),
    }
}
