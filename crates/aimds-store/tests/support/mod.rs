//! What the integration tests share: a log in a temporary directory, and ways to look at and damage it from
//! outside.
#![allow(dead_code, reason = "each test binary uses a part of it")]

use std::path::{Path, PathBuf};
use std::time::Duration;

use aimds_store::{AuditLog, Entry, Filter, Health, Options, Reader, Record, Report, VerifyOptions, verify};
use rusqlite::Connection;
use serde_json::json;

/// Far beyond what any step takes: tests wait for events, never for time to pass.
pub const PATIENCE: Duration = Duration::from_secs(120);

pub struct Home {
    pub directory: tempfile::TempDir,
    pub path: PathBuf,
}

impl Home {
    pub fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("audit.db");
        Self { directory, path }
    }

    pub fn open(&self, options: Options) -> AuditLog {
        AuditLog::open(&self.path, options).unwrap()
    }

    /// A closed log of `n` records.
    pub fn with_records(n: u64, options: Options) -> Self {
        let home = Self::new();
        let log = home.open(options);
        for i in 1..=n {
            drop(log.append(record(i)).unwrap());
        }
        log.close(PATIENCE).unwrap();
        home
    }

    pub fn verify(&self) -> Report {
        verify(&self.path, &VerifyOptions::default()).unwrap()
    }

    pub fn entries(&self) -> Vec<Entry> {
        entries(&self.path)
    }

    /// An ordinary SQLite connection: what somebody who tampers would use.
    pub fn sqlite(&self) -> Connection {
        Connection::open(&self.path).unwrap()
    }

    pub fn execute(&self, sql: &str) {
        self.sqlite().execute_batch(sql).unwrap();
    }

    pub fn beside(&self, suffix: &str) -> PathBuf {
        PathBuf::from(format!("{}{suffix}", self.path.display()))
    }
}

pub fn entries(path: &Path) -> Vec<Entry> {
    let mut entries = Vec::new();
    let collect = |entry| {
        entries.push(entry);
        Ok(())
    };
    Reader::open(path).unwrap().read(&Filter::default(), collect).unwrap();
    entries
}

pub fn record(i: u64) -> Record {
    Record {
        at_ms: 1_000 + i,
        request_id: format!("req-{i}"),
        tenant: "acme".to_owned(),
        kind: "decision".to_owned(),
        body: json!({ "n": i, "action": "allow" }),
    }
}

/// Request ids in the order of the log, without the records that the log wrote itself.
pub fn request_ids(entries: &[Entry]) -> Vec<String> {
    entries.iter().map(|e| e.request_id.clone()).filter(|id| !id.is_empty()).collect()
}

pub fn expected_ids(range: std::ops::RangeInclusive<u64>) -> Vec<String> {
    range.map(|i| format!("req-{i}")).collect()
}

/// Blocks until the store has failed at least `attempts` times in a row; returns the reason.
pub fn wait_degraded(log: &AuditLog, attempts: u64) -> String {
    loop {
        if let Health::Degraded { since_attempts, reason } = log.health()
            && since_attempts >= attempts
        {
            return reason;
        }
        std::thread::yield_now();
    }
}

/// Options under which segments, checkpoints and retries happen soon.
pub fn eager() -> Options {
    Options {
        checkpoint_every: 4,
        segment_records: 0,
        retry_min: Duration::from_millis(1),
        retry_max: Duration::from_millis(4),
        ..Options::default()
    }
}
