//! What a person decided, in the audit log.

use std::path::Path;
use std::time::Duration;

use aimds_gateway::Untold;
use aimds_store::{AuditLog, Options, Record};
use anyhow::Context as _;

use super::state::now_ms;

const PATIENCE: Duration = Duration::from_secs(10);

/// Opens the log for writing: before anything is changed, so that a log that cannot be written changes nothing.
pub(super) fn open(path: &Path) -> anyhow::Result<AuditLog> {
    anyhow::ensure!(path.is_file(), "no audit log at {}", path.display());
    let options = Options { opened_at_ms: now_ms(), ..Options::default() };
    AuditLog::open(path, options).with_context(|| format!("cannot write to the audit log {}", path.display()))
}

/// Appends what the log was not told of yet, and waits until it is on disk.
pub(super) fn append(log: &AuditLog, untold: Vec<Untold>) -> anyhow::Result<()> {
    let mut last = None;
    for Untold { at_ms, body, .. } in untold {
        let (request_id, tenant, kind) = (String::new(), String::new(), "learn".to_owned());
        last = Some(log.append(Record { at_ms, request_id, tenant, kind, body })?);
    }
    let closed = log.close(PATIENCE);
    // A log that fails only at its closing checkpoint holds the records all the same: they are in order.
    if last.is_none_or(|ticket| matches!(ticket.outcome(), Some(Ok(_)))) {
        return Ok(());
    }
    closed?;
    anyhow::bail!("the record was not written")
}
