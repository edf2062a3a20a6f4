//! Playbooks carried out by the real gateway: what the upstream receives, what holds for the next request, what is
//! recorded.
//!
//! What is planted is found by a rule of high severity that says where it stands, so that these tests do not depend on the
//! quality of a model.

mod holds;
mod keys;
mod notify;
mod texts;

use std::sync::Arc;
use std::time::Duration;

use aimds_store::{AuditLog, Options};
use axum::body::Bytes;
use axum::http::Method;
use serde_json::{Value, json};

use crate::support::{Gate, Reply};

const PATIENCE: Duration = Duration::from_secs(10);

/// A log in a folder of its own.
struct Log {
    folder: tempfile::TempDir,
    log: Arc<AuditLog>,
}

impl Log {
    fn open() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let log = Arc::new(AuditLog::open(folder.path().join("audit.db"), Options::default()).unwrap());
        Self { folder, log }
    }

    /// Stops the gateway and reads the records of a kind. None of them may hold `content`.
    async fn of(self, mut gate: Gate, kind: &str, content: &[&str]) -> Vec<Value> {
        gate.stop();
        gate.stopped().await;
        self.log.close(PATIENCE).unwrap();
        let mut out = Vec::new();
        let path = self.folder.path().join("audit.db");
        aimds_store::export(&path, &aimds_store::Filter::default(), aimds_store::Format::Jsonl, &mut out)
            .unwrap();
        let lines = String::from_utf8(out).unwrap();
        for content in content {
            assert!(!lines.contains(content), "the log holds {content}");
        }
        let records = lines.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
        records.filter(|record| record["kind"] == kind).collect()
    }
}

/// `strip ok request 1`: action, result, target, count; sorted, because some end later than others.
fn told(records: &[Value]) -> Vec<String> {
    let mut told: Vec<_> = records
        .iter()
        .map(|record| {
            let body = &record["body"];
            assert!(body["latency_us"].is_u64() && body["route"].is_string(), "{body}");
            let result = body["error"].as_str().unwrap_or("ok");
            assert_eq!(body["ok"], result == "ok");
            let target = body["target"].as_str().unwrap();
            let target = target.split(':').next().unwrap();
            format!("{} {result} {target} {}", body["event"].as_str().unwrap(), body["count"])
        })
        .collect();
    told.sort();
    told
}

/// A request of a session to the guard.
async fn guard(gate: &Gate, session: &str, text: &str) -> Reply {
    within(gate, session, "/v1/guard", &json!({ "text": text })).await
}

/// A request of a session.
async fn within(gate: &Gate, session: &str, path: &str, body: &Value) -> Reply {
    let mut headers = vec![("authorization", format!("Bearer {}", gate.key))];
    if !session.is_empty() {
        headers.push(("x-aimds-session", session.to_owned()));
    }
    gate.send(Method::POST, path, &headers, Bytes::from(body.to_string())).await
}
