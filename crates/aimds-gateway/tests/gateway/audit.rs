use std::sync::Arc;
use std::time::Duration;

use aimds_store::{AuditLog, Options};
use serde_json::{Value, json};

use crate::support::{After, CARD, EMAIL, POLICY, Script, Upstream, chat, chunks, eventually, gate_with};

const PATIENCE: Duration = Duration::from_secs(10);

/// Everything in the log, without what the log writes itself.
fn exported(path: &std::path::Path) -> Vec<Value> {
    let mut out = Vec::new();
    aimds_store::export(path, &aimds_store::Filter::default(), aimds_store::Format::Jsonl, &mut out).unwrap();
    let lines = String::from_utf8(out).unwrap();
    assert!(!lines.contains(EMAIL) && !lines.contains(CARD), "the log holds content");
    let records = lines.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    records.filter(|record| record["kind"] == "decision" || record["kind"] == "outcome").collect()
}

#[tokio::test]
async fn decisions_and_outcomes_are_recorded_without_content() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("audit.db");
    let log = Arc::new(AuditLog::open(&path, Options::default()).unwrap());
    let upstream = Upstream::start().await;
    let config = format!("[upstream]\nbase_url = \"http://{}/v1\"\n", upstream.address);
    let mut gate = gate_with(&config, POLICY, Some(Arc::clone(&log))).await;
    let blocked = gate.post("/v1/guard", &json!({ "text": format!("{CARD} {EMAIL}") })).await;
    upstream.answers(200, crate::support::completion(EMAIL));
    let proxied = gate.post("/v1/chat/completions", &chat("hello")).await;
    upstream.acts(Script::HangUp);
    gate.post("/v1/chat/completions", &chat("hello")).await;
    assert_eq!(gate.get("/readyz").await.json()["audit"], true);
    assert_eq!(gate.metric("aimds_audit_healthy").await, 1.0);
    gate.stop();
    gate.stopped().await;
    log.close(PATIENCE).unwrap();

    let records = exported(&path);
    let told: Vec<_> = records
        .iter()
        .map(|record| {
            let body = &record["body"];
            let what = body["decision"].as_str().or(body["result"].as_str()).unwrap();
            format!("{} {} {what}", record["kind"].as_str().unwrap(), body["route"].as_str().unwrap())
        })
        .collect();
    assert_eq!(
        told,
        [
            "decision /v1/guard block",
            "decision /v1/chat/completions allow",
            "decision /v1/chat/completions redact",
            "outcome /v1/chat/completions answered",
            "decision /v1/chat/completions allow",
            "outcome /v1/chat/completions upstream_unreachable",
        ]
    );
    assert_eq!(records[0]["request_id"], blocked.header("x-aimds-request-id"));
    assert_eq!(records[3]["request_id"], proxied.header("x-aimds-request-id"));
    assert_eq!((&records[0]["tenant"], &records[0]["body"]["key"]), (&json!("acme"), &json!("test")));
    assert_eq!(records[0]["body"]["findings_total"], 2);
    let finding = &records[0]["body"]["findings"][1];
    assert_eq!((&finding["category"], &finding["start"]), (&json!("pii.email"), &json!(CARD.len() + 1)));
    assert_eq!(records[3]["body"]["upstream_status"], 200);
}

#[tokio::test]
async fn a_violated_policy_is_recorded_with_its_witness_and_told_to_the_caller() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("audit.db");
    let log = Arc::new(AuditLog::open(&path, Options::default()).unwrap());
    let policy = format!(
        "{POLICY}[tools]\nsends = [\"send_*\"]\n[[temporal]]\nname = \"nothing leaves\"\n\
         formula = \"after untrusted, never sends unless approved\"\n"
    );
    let mut gate = gate_with("", &policy, Some(Arc::clone(&log))).await;
    let call =
        json!({ "type": "function", "id": "c1", "function": { "name": "send_mail", "arguments": EMAIL } });
    let messages = json!([
        { "role": "user", "content": "go on" },
        { "role": "tool", "name": "read_page", "content": "the page" },
        { "role": "assistant", "tool_calls": [call] },
    ]);
    let verdict = gate.post("/v1/guard", &json!({ "messages": messages })).await.json();
    gate.stop();
    gate.stopped().await;
    log.close(PATIENCE).unwrap();
    let expected = json!([{ "policy": "nothing leaves", "verdict": "violated", "witness": [
        { "step": 1, "part": "request", "message": 1, "events": ["untrusted"] },
        { "step": 2, "part": "request", "message": 2, "events": ["sends"] },
    ] }]);
    assert_eq!((&verdict["decision"], &verdict["violations"]), (&json!("block"), &expected), "{verdict}");
    assert_eq!(exported(&path)[0]["body"]["violations"], expected);
}

#[tokio::test]
async fn what_became_of_a_stream_is_recorded_once_for_each_text() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("audit.db");
    let log = Arc::new(AuditLog::open(&path, Options::default()).unwrap());
    let upstream = Upstream::start().await;
    let mut gate = gate_with(&upstream.config(), POLICY, Some(Arc::clone(&log))).await;
    let mut body = chat("hello");
    body["stream"] = true.into();
    let words = vec!["All is well in the garden. "; 40];
    upstream.streams(&chunks(&[&words[..], &[EMAIL]].concat(), "stop"));
    gate.post("/v1/chat/completions", &body).await;
    upstream.streams(&chunks(&[&words[..], &[CARD, " is it. "], &words[..]].concat(), "stop"));
    gate.post("/v1/chat/completions", &body).await;
    upstream.acts(Script::Events(vec!["data: {}\n\n".into()], After::Break));
    gate.post("/v1/chat/completions", &body).await;
    gate.stop();
    gate.stopped().await;
    log.close(PATIENCE).unwrap();
    let told: Vec<_> = exported(&path)
        .iter()
        .map(|record| {
            let body = &record["body"];
            let what = body["decision"].as_str().or(body["result"].as_str()).unwrap();
            format!("{} {what}", body["direction"].as_str().unwrap_or("outcome"))
        })
        .collect();
    assert_eq!(
        told,
        [
            "request allow",
            "response redact",
            "outcome answered",
            "request allow",
            "response block",
            "outcome blocked",
            "request allow",
            "outcome upstream_unreachable",
        ]
    );
}

#[tokio::test]
async fn a_caller_that_goes_away_is_recorded() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("audit.db");
    let log = Arc::new(AuditLog::open(&path, Options::default()).unwrap());
    let upstream = Upstream::start().await;
    upstream.acts(Script::Slow(Duration::from_secs(60)));
    let config = format!("[upstream]\nbase_url = \"http://{}/v1\"\n", upstream.address);
    let gate = gate_with(&config, POLICY, Some(Arc::clone(&log))).await;
    let body = chat("hello");
    tokio::select! {
        _ = gate.post("/v1/chat/completions", &body) => panic!("answered"),
        () = eventually("the upstream is asked", async || upstream.bodies().len() == 1) => {}
    }
    eventually("the upstream sees the caller go", async || upstream.dropped() == 1).await;
    log.flush(PATIENCE).unwrap();
    let records = exported(&path);
    assert_eq!(records.last().unwrap()["body"]["result"], "client_disconnected");
}

/// A log whose file somebody else keeps locked, so that nothing leaves its spool of two records.
fn stuck_log(path: &std::path::Path) -> (Arc<AuditLog>, rusqlite::Connection) {
    let options = Options { spool_capacity: 2, ..Options::default() };
    let log = Arc::new(AuditLog::open(path, options).unwrap());
    let lock = rusqlite::Connection::open(path).unwrap();
    lock.execute_batch("BEGIN IMMEDIATE").unwrap();
    (log, lock)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn while_the_spool_is_full_requests_are_closed_or_open_as_configured() {
    for (on_full, status) in [("closed", 503), ("open", 200)] {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("audit.db");
        let (log, lock) = stuck_log(&path);
        let upstream = Upstream::start().await;
        let config = format!(
            "[upstream]\nbase_url = \"http://{}/v1\"\n[audit]\non_full = \"{on_full}\"\n",
            upstream.address
        );
        let gate = gate_with(&config, POLICY, Some(Arc::clone(&log))).await;
        for _ in 0..2 {
            assert_eq!(gate.post("/v1/guard", &json!({ "text": "hello" })).await.status, 200);
        }
        for (path, body) in
            [("/v1/guard", json!({ "text": "hello" })), ("/v1/chat/completions", chat("hello"))]
        {
            let reply = gate.post(path, &body).await;
            assert_eq!(reply.status, status, "{on_full} {path}");
            if status == 503 {
                assert_eq!(reply.json()["error"]["code"], "audit_unavailable");
                assert_eq!(reply.header("retry-after"), "1");
                assert!(upstream.bodies().is_empty(), "nothing unrecorded is forwarded");
            }
        }
        assert!(gate.metric("aimds_audit_unrecorded_total").await >= 2.0);
        assert_eq!(gate.metric("aimds_audit_spooled").await, 2.0);
        drop(lock);
        eventually("the store recovers", async || gate.get("/readyz").await.status == 200).await;
        log.close(PATIENCE).unwrap();
    }
}
