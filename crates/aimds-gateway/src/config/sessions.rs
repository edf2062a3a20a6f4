//! What is remembered of sessions.

use aimds_engine::SessionLimits;
use schemars::JsonSchema;
use serde::Deserialize;

use super::error::{ConfigError, value};

/// What is remembered of sessions.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct SessionsFile {
    /// Sessions together, each of less than 2 KiB; 0 where none is remembered.
    pub capacity: usize,
    /// Sessions of one tenant.
    pub per_tenant: usize,
    /// Sessions of one API key.
    pub per_key: usize,
    /// Time after which a session that is not used has ended, in milliseconds.
    pub idle_ms: u64,
}

impl Default for SessionsFile {
    fn default() -> Self {
        Self { capacity: 50_000, per_tenant: 25_000, per_key: 10_000, idle_ms: 3_600_000 }
    }
}

pub(super) fn resolve(file: &SessionsFile) -> Result<Option<SessionLimits>, ConfigError> {
    if file.capacity == 0 {
        return Ok(None);
    }
    for (key, number) in [("sessions.per_tenant", file.per_tenant), ("sessions.per_key", file.per_key)] {
        if number == 0 {
            return Err(value(key, "must be at least 1"));
        }
    }
    Ok(Some(SessionLimits {
        capacity: file.capacity,
        per_tenant: file.per_tenant,
        per_source: file.per_key,
        idle_ms: file.idle_ms,
    }))
}
