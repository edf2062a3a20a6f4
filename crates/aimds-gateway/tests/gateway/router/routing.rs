use aimds_store::{AuditLog, Options};
use axum::http::Method;
use serde_json::{Value, json};
use std::sync::Arc;
use std::time::Duration;

use super::{CHAT, pair, route, said, target};
use crate::support::{CARD, EMAIL, Gate, POLICY, Reply, Script, Upstream, chat, gate_with};

const HARD: &str = "Why? Derive it and refactor this:\n```\nfn f() {}\n```";

async fn post_private(gate: &Gate, value: &str) -> Reply {
    let headers = [("authorization", format!("Bearer {}", gate.key)), ("x-aimds-private", value.to_owned())];
    gate.send(Method::POST, CHAT, &headers, chat("hello").to_string().into()).await
}

/// Cheap, strong and local targets with the routes of the example.
async fn three() -> ([Upstream; 3], Gate) {
    let upstreams = [Upstream::start().await, Upstream::start().await, Upstream::start().await];
    let [cheap, strong, local] = &upstreams;
    let config = [
        target("cheap", cheap, ""),
        target("strong", strong, "model = \"strong-1\""),
        target("local", local, "local = true"),
        route("easy", &["cheap", "strong"], "max_score = 29\nmodels = [\"m-*\"]"),
        route("hard", &["strong", "local"], "models = [\"m-*\"]"),
        route("named", &["strong"], "models = [\"big\"]\nkeys = [\"test\"]\ntenants = [\"acme\"]"),
        route("not-mine", &["cheap"], "tenants = [\"other\"]"),
    ];
    let gate = gate_with(&config.concat(), POLICY, None).await;
    (upstreams, gate)
}

fn called(upstreams: &[Upstream; 3]) -> [usize; 3] {
    [0, 1, 2].map(|number| upstreams[number].bodies().len())
}

#[tokio::test]
async fn the_score_and_the_name_of_the_model_choose() {
    let (upstreams, gate) = three().await;
    let easy = gate.post(CHAT, &chat("hello")).await;
    assert_eq!(easy.header("x-aimds-route"), "route=easy; target=cheap; score=0; attempts=1; cache=off");
    let hard = gate.post(CHAT, &chat(HARD)).await;
    assert_eq!(hard.header("x-aimds-route"), "route=hard; target=strong; score=40; attempts=1; cache=off");
    let mut named = chat("hello");
    named["model"] = json!("big");
    assert_eq!(said(&gate.post(CHAT, &named).await, "route"), "named");
    named["model"] = json!("unknown");
    let none = gate.post(CHAT, &named).await;
    assert_eq!((none.status.as_u16(), &none.json()["error"]["code"]), (404, &json!("no_route")));
    assert_eq!(called(&upstreams), [1, 2, 0]);
}

#[tokio::test]
async fn only_the_model_changes_on_the_way_and_no_credentials_of_the_caller_go_along() {
    let (upstreams, gate) = three().await;
    let sent = |model: &str| {
        format!(r#" {{"temperature" :1.50, "model": {model} , "messages":[{{"role":"user","content":"{HARD}"}}]}}"#)
            .replace('\n', "\\n")
    };
    let headers = [("x-api-key", gate.key.clone()), ("authorization", "Bearer sk-of-the-caller".to_owned())];
    let reply = gate.send(Method::POST, CHAT, &headers, sent("\"m-1\"").into()).await;
    assert_eq!(said(&reply, "target"), "strong", "{}", reply.text());
    assert_eq!(upstreams[1].bodies(), [sent("\"strong-1\"")]);
    assert_eq!(upstreams[1].last_headers().get("authorization"), None);
}

#[tokio::test]
async fn geminis_model_is_in_the_address() {
    let upstream = Upstream::start().await;
    let target =
        target("g", &upstream, "model = \"other-2\"").replace("/v1\"", "\"").replace("chat", "gemini");
    let gate = gate_with(&format!("{target}{}", route("r", &["g"], "")), POLICY, None).await;
    let asked = json!({ "contents": [{ "role": "user", "parts": [{ "text": "hello" }] }] });
    upstream
        .answers(200, json!({ "candidates": [], "usageMetadata": { "promptTokenCount": 3 } }).to_string());
    let reply = gate.post("/v1beta/models/gemini-1:generateContent", &asked).await;
    assert_eq!(reply.status.as_u16(), 200, "{}", reply.text());
    assert_eq!(upstream.last_path(), "/v1beta/models/other-2:generateContent");
    assert_eq!(upstream.bodies(), [asked.to_string()]);
}

#[tokio::test]
async fn private_requests_never_reach_a_target_that_is_not_local() {
    let (upstreams, gate) = three().await;
    for value in ["1", "true", "", "yes please"] {
        let reply = post_private(&gate, value).await;
        assert_eq!(said(&reply, "target"), "local", "{value}: {}", reply.text());
        assert!(reply.header("x-aimds-route").ends_with("; confined"));
    }
    let found = gate.post(CHAT, &chat(&format!("write to {EMAIL}"))).await;
    assert_eq!((said(&found, "target"), found.decision()), ("local", "redact"));
    assert_eq!(said(&post_private(&gate, "0").await, "target"), "cheap");
    for script in [Script::HangUp, Script::Answer(500, vec![], "{}".into())] {
        upstreams[2].acts(script);
        assert_eq!(post_private(&gate, "1").await.status.as_u16(), 502);
    }
    assert_eq!(called(&upstreams)[..2], [1, 0]);
}

#[tokio::test]
async fn without_a_local_target_private_requests_are_refused() {
    let (a, b, gate) = pair("", "").await;
    let refused = post_private(&gate, "1").await;
    assert_eq!((refused.status.as_u16(), &refused.json()["error"]["code"]), (403, &json!("no_local_target")));
    let refused = gate.post(CHAT, &chat(&format!("write to {EMAIL}"))).await;
    assert_eq!(refused.status.as_u16(), 403);
    assert_eq!(a.bodies().len() + b.bodies().len(), 0);
    assert_eq!(gate.metric("aimds_router_no_local_total").await, 2.0);
    let (a, _, gate) = pair("pii_stays_local = false", "").await;
    let allowed = gate.post(CHAT, &chat(&format!("write to {EMAIL}"))).await;
    assert_eq!((allowed.status.as_u16(), said(&allowed, "target")), (200, "a"));
    assert!(!String::from_utf8_lossy(&a.bodies()[0]).contains(EMAIL));
}

#[tokio::test]
async fn what_the_policy_blocks_reaches_no_target() {
    let (a, b, gate) = pair("", "local = true").await;
    assert_eq!(gate.post(CHAT, &chat(CARD)).await.decision(), "block");
    assert_eq!(a.bodies().len() + b.bodies().len(), 0);
    a.answers(200, crate::support::completion(CARD));
    assert_eq!(gate.post(CHAT, &chat("hello")).await.decision(), "block");
    assert_eq!(b.bodies().len(), 0);
}

#[tokio::test]
async fn without_a_router_nothing_is_said_of_one() {
    let upstream = Upstream::start().await;
    let gate = crate::support::gate_before(&upstream, "").await;
    assert_eq!(gate.post(CHAT, &chat("hello")).await.header("x-aimds-route"), "");
    assert!(!gate.get("/metrics").await.text().contains("aimds_router"));
}

#[tokio::test]
async fn the_audit_log_tells_the_way() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("audit.db");
    let log = Arc::new(AuditLog::open(&path, Options::default()).unwrap());
    let (a, b) = (Upstream::start().await, Upstream::start().await);
    let config = [target("a", &a, ""), target("b", &b, ""), route("all", &["a", "b"], "")].concat();
    let mut gate = gate_with(&config, POLICY, Some(Arc::clone(&log))).await;
    a.acts(Script::HangUp);
    gate.post(CHAT, &chat("why?")).await;
    gate.stop();
    gate.stopped().await;
    log.close(Duration::from_secs(10)).unwrap();
    let mut out = Vec::new();
    aimds_store::export(&path, &aimds_store::Filter::default(), aimds_store::Format::Jsonl, &mut out)
        .unwrap();
    let outcome = String::from_utf8(out)
        .unwrap()
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).unwrap())
        .find(|record| record["kind"] == "outcome")
        .unwrap();
    assert_eq!(
        outcome["body"]["routing"],
        json!({
            "route": "all",
            "candidates": ["a", "b"],
            "confined": false,
            "private": false,
            "pii": false,
            "score": 15,
            "points": { "length": 0, "turns": 0, "tools": 0, "code": 0, "question": 15 },
            "attempts": [{ "target": "a", "result": "failed" }, { "target": "b", "result": "answered" }],
            "target": "b",
            "cache": "off",
            "input_tokens": 3,
            "output_tokens": 2,
            "estimated": false,
            "cost_nanodollars": 7000,
            "called_off_nanodollars": 0,
        })
    );
}
