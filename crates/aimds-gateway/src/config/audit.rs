//! The audit log.

use std::num::NonZeroUsize;
use std::path::PathBuf;

use schemars::JsonSchema;
use serde::Deserialize;

use super::at_least_one;

/// The audit log.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct AuditFile {
    /// File of the log; empty where nothing is recorded.
    pub path: String,
    /// When a record counts as stored.
    pub durability: Durability,
    /// Records kept in memory while the disk is slow or away.
    pub spool: NonZeroUsize,
    /// What happens while the spool is full.
    pub on_full: OnFull,
}

/// When a record counts as stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Durability {
    /// Survives a crash of the process.
    Normal,
    /// Survives a loss of power.
    Full,
}

/// What happens with guarded requests while the audit spool is full.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum OnFull {
    /// 503.
    Closed,
    /// They go on unrecorded; counted.
    Open,
}

impl Default for AuditFile {
    fn default() -> Self {
        Self {
            path: String::new(),
            durability: Durability::Normal,
            spool: at_least_one(65_536),
            on_full: OnFull::Closed,
        }
    }
}

/// The audit log: what the program that opens it needs to know.
#[derive(Clone, Debug)]
pub struct AuditConfig {
    /// File of the log.
    pub path: PathBuf,
    /// When a record counts as stored.
    pub durability: Durability,
    /// Records kept in memory while the disk is slow or away.
    pub spool: usize,
}

pub(super) fn resolve(file: AuditFile) -> Option<AuditConfig> {
    (!file.path.is_empty()).then(|| AuditConfig {
        path: file.path.into(),
        durability: file.durability,
        spool: file.spool.get(),
    })
}
