//! What the policy escalates, and the people who decide on it: over real sockets, with the file on the disk.

mod decisions;
mod limits;
mod wait;

use std::sync::Arc;
use std::time::Duration;

use aimds_gateway::generate_key;
use aimds_store::{AuditLog, Options};
use axum::body::Bytes;
use axum::http::Method;
use serde_json::{Value, json};

use crate::support::{Gate, Reply, Upstream, chat, gate_with};

const CHAT: &str = "/v1/chat/completions";
/// What the policy escalates.
const IBAN: &str = "DE89 3704 0044 0532 0130 00";
/// E-mail addresses are redacted, IBANs need a person, card numbers are blocked.
const POLICY: &str = "version = 1\n[findings.any]\n\"pii.email\" = \"redact\"\n\"pii.iban\" = \"escalate\"\n\
    \"pii.credit_card\" = \"block\"\n";

/// A gateway in front of an upstream, whose key `test` of acme asks and may do everything, and keys of other people.
struct Office {
    gate: Gate,
    upstream: Upstream,
    folder: tempfile::TempDir,
    log: Arc<AuditLog>,
    /// Decides for acme.
    ann: String,
    /// Asks in acme as well.
    bob: String,
    /// Asks and decides in another tenant.
    eve: String,
    /// Decides for everybody.
    root: String,
}

impl Office {
    /// With these keys of `[review]`, and further tables.
    async fn open(review: &str, more: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let upstream = Upstream::start().await;
        let log = Arc::new(AuditLog::open(folder.path().join("audit.db"), Options::default()).unwrap());
        let mut config = format!(
            "{}{more}[review]\npath = \"{}\"\n{review}",
            upstream.config(),
            folder.path().join("review.db").display()
        );
        let mut key = |id: &str, tenant: &str, scopes: &str| {
            let key = generate_key().unwrap();
            config += &format!(
                "[[auth.keys]]\nid = \"{id}\"\ntenant = \"{tenant}\"\nhash = \"{}\"\nscopes = [{scopes}]\n",
                key.hash
            );
            key.secret
        };
        let ann = key("ann", "acme", "\"review\"");
        let bob = key("bob", "acme", "\"guard\", \"proxy\"");
        let eve = key("eve", "other", "\"guard\", \"proxy\", \"review\"");
        let root = key("root", "", "\"review\"");
        let gate = gate_with(&config, POLICY, Some(Arc::clone(&log))).await;
        Self { gate, upstream, folder, log, ann, bob, eve, root }
    }

    async fn ask_as(&self, key: &str, body: &str) -> Reply {
        let headers = [("authorization", format!("Bearer {key}"))];
        self.gate.send(Method::POST, CHAT, &headers, Bytes::from(body.to_owned())).await
    }

    async fn ask(&self, body: &str) -> Reply {
        self.ask_as(&self.gate.key, body).await
    }

    async fn get_as(&self, key: &str, path: &str) -> Reply {
        let headers = [("authorization", format!("Bearer {key}"))];
        self.gate.send(Method::GET, path, &headers, Bytes::new()).await
    }

    async fn decide_as(&self, key: &str, id: &str, decision: &Value) -> Reply {
        let headers = [("authorization", format!("Bearer {key}"))];
        let path = format!("/admin/reviews/{id}");
        self.gate.send(Method::POST, &path, &headers, Bytes::from(decision.to_string())).await
    }

    /// What Ann says of a review.
    async fn decide(&self, id: &str, action: &str) -> Reply {
        self.decide_as(&self.ann, id, &json!({ "action": action, "reason": "looked at it" })).await
    }

    /// Where a review of the key that asks stands.
    async fn state(&self, id: &str) -> String {
        let status = self.gate.get(&format!("/v1/reviews/{id}")).await;
        assert_eq!(status.status, 200, "{}", status.text());
        status.json()["state"].as_str().unwrap().to_owned()
    }

    /// The bodies that the upstream received.
    fn arrived(&self) -> Vec<String> {
        let bodies = self.upstream.bodies();
        bodies.into_iter().map(|body| String::from_utf8(body.to_vec()).unwrap()).collect()
    }

    /// Stops the gateway; the `review` records of the log as `EVENT BY`. Nothing in the log or in the folder holds a text.
    async fn close(self) -> Vec<String> {
        let Self { mut gate, folder, log, .. } = self;
        gate.stop();
        gate.stopped().await;
        log.close(Duration::from_secs(10)).unwrap();
        let mut out = Vec::new();
        let path = folder.path().join("audit.db");
        aimds_store::export(&path, &aimds_store::Filter::default(), aimds_store::Format::Jsonl, &mut out)
            .unwrap();
        for file in std::fs::read_dir(folder.path()).unwrap() {
            let file = file.unwrap().path();
            let bytes = std::fs::read(&file).unwrap();
            for content in [IBAN, "looked at it"] {
                let found = bytes.windows(content.len()).any(|window| window == content.as_bytes());
                assert!(!found, "{} holds {content}", file.display());
            }
        }
        let records = String::from_utf8(out).unwrap();
        let records = records.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
        let told = records.filter(|record| record["kind"] == "review").map(|record| {
            let body = &record["body"];
            assert_eq!((&record["request_id"], &record["tenant"]), (&body["review"], &json!("acme")));
            format!("{} {}", body["event"].as_str().unwrap(), body["by"].as_str().unwrap_or("-"))
        });
        told.collect()
    }
}

/// A request that the policy escalates.
fn risky(text: &str) -> String {
    chat(&format!("{IBAN} {text}")).to_string()
}

/// The review of an answer that does not go on.
fn review_of(reply: &Reply) -> String {
    assert_eq!(reply.decision(), "escalate", "{}", reply.text());
    reply.header("x-aimds-review").to_owned()
}
