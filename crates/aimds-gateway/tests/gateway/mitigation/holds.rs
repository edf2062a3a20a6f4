use std::time::{Duration, Instant};

use aimds_gateway::{Scope, generate_key};
use axum::body::Bytes;
use axum::http::Method;
use serde_json::json;

use super::{Log, guard, told, within};
use crate::support::{CARD, EMAIL, Gate, Reply, Upstream, chat, eventually, gate_with};

const QUARANTINE: &str = "version = 1\n[findings.any]\n\"pii.credit_card\" = \"block\"\n\
    [[playbook]]\nname = \"caught\"\ndecision = [\"block\"]\nactions = [\"quarantine\"]\nseconds = 600\n";

fn code(reply: &Reply) -> String {
    reply.json()["error"]["code"].as_str().unwrap_or_default().to_owned()
}

#[tokio::test]
async fn a_quarantined_session_is_refused_from_the_next_request_on_until_it_is_released() {
    let log = Log::open();
    let upstream = Upstream::start().await;
    let gate = gate_with(&upstream.config(), QUARANTINE, Some(log.log.clone())).await;
    assert_eq!(guard(&gate, "s1", "hello").await.json()["decision"], "allow");
    assert_eq!(guard(&gate, "s1", CARD).await.json()["decision"], "block");
    let refused = guard(&gate, "s1", "hello").await;
    assert_eq!((refused.status.as_u16(), code(&refused).as_str()), (403, "session_quarantined"));
    assert_eq!(refused.decision(), "block");
    // For every surface, in the shape of its errors, and nothing reaches the upstream.
    let before = upstream.bodies().len();
    let contents = json!({ "contents": [{ "parts": [{ "text": "hi" }] }] });
    let message = json!({ "model": "m", "messages": [{ "role": "user", "content": "hi" }] });
    for (path, body, place) in [
        ("/v1/chat/completions", &message, "/error/code"),
        ("/v1/responses", &json!({ "model": "m", "input": "hi" }), "/error/code"),
        ("/v1/messages", &message, "/error/type"),
        ("/v1beta/models/x:generateContent", &contents, "/error/status"),
        ("/v2/guard", &message, "/error/code"),
    ] {
        let reply = within(&gate, "s1", path, body).await;
        assert_eq!(reply.status, 403, "{path}");
        assert!(reply.json().pointer(place).is_some(), "{path}: {}", reply.text());
    }
    assert_eq!(upstream.bodies().len(), before);
    // Others are let in, by header and by field.
    assert_eq!(guard(&gate, "s2", "hello").await.status, 200);
    assert_eq!(gate.post("/v1/guard", &json!({ "text": "hello" })).await.status, 200);
    let field = gate.post("/v1/guard", &json!({ "text": "hello", "session": "s1" })).await;
    assert_eq!(code(&field), "session_quarantined");

    let list = gate.get("/admin/quarantine").await.json();
    assert_eq!((&list["total"], &list["held"][0]["kind"]), (&json!(1), &json!("quarantine")));
    assert_eq!((&list["held"][0]["by"], &list["held"][0]["tenant"]), (&json!("caught"), &json!("acme")));
    let id = list["held"][0]["id"].as_str().unwrap();
    assert!(!list.to_string().contains("s1"), "the name of a session is not stored");
    let release = json!({ "action": "release", "id": id });
    assert_eq!(gate.post("/admin/quarantine", &release).await.json()["changed"], true);
    assert_eq!(gate.post("/admin/quarantine", &release).await.json()["changed"], false);
    assert_eq!(guard(&gate, "s1", "hello").await.status, 200);

    let records = log.of(gate, "action", &[CARD, "\"s1\""]).await;
    assert_eq!(records[0]["body"]["by"], "caught");
    assert_eq!(records[0]["tenant"], "acme");
    assert_eq!(told(&records), ["quarantine ok session 1", "release ok session 0", "release ok session 1"]);
}

#[tokio::test]
async fn a_throttled_session_is_told_when_to_come_back_and_may_then() {
    let upstream = Upstream::start().await;
    let policy = "version = 1\n[[playbook]]\nname = \"slow down\"\ncategory = [\"pii.credit_card\"]\n\
                  actions = [\"throttle\"]\nseconds = 600\n\
                  [[playbook]]\nname = \"a moment\"\ncategory = [\"pii.email\"]\nactions = [\"throttle\"]\nseconds = 1\n";
    let gate = gate_with(&upstream.config(), policy, None).await;
    let first = within(&gate, "s", "/v1/chat/completions", &chat(CARD)).await;
    assert_eq!((first.status.as_u16(), first.decision()), (429, "throttle"));
    assert_eq!(first.header("retry-after"), "600");
    let next = within(&gate, "s", "/v1/chat/completions", &chat("hello")).await;
    assert_eq!((next.status.as_u16(), next.decision()), (429, "throttle"));
    assert_eq!(code(&next), "throttled");
    assert!((1..=600).contains(&next.header("retry-after").parse::<u64>().unwrap()));
    assert_eq!(upstream.bodies().len(), 0);
    assert_eq!(within(&gate, "other", "/v1/chat/completions", &chat("hello")).await.status, 200);
    // Whoever asks the guard gets the verdict.
    assert_eq!(guard(&gate, "third", CARD).await.json()["decision"], "throttle");
    assert_eq!(guard(&gate, "third", "hello").await.status, 429);
    assert_eq!(within(&gate, "fourth", "/v1/chat/completions", &chat(EMAIL)).await.status, 429);
    eventually("the time is up", async || {
        within(&gate, "fourth", "/v1/chat/completions", &chat("hello")).await.status == 200
    })
    .await;
}

#[tokio::test]
async fn a_delayed_session_waits_and_is_served() {
    let policy = "version = 1\n[[playbook]]\nname = \"tar\"\ncategory = [\"pii.email\"]\nactions = [\"delay\"]\n\
                  delay_ms = 150\nseconds = 600\n";
    let gate = gate_with("", policy, None).await;
    assert_eq!(guard(&gate, "s", EMAIL).await.json()["decision"], "flag");
    let begun = Instant::now();
    assert_eq!(guard(&gate, "s", "hello").await.status, 200);
    assert!(begun.elapsed() >= Duration::from_millis(150));
    assert_eq!(gate.get("/admin/quarantine").await.json()["held"][0]["kind"], "delay");
}

#[tokio::test]
async fn a_request_without_a_session_holds_nothing_or_its_key() {
    let log = Log::open();
    let gate = gate_with("", QUARANTINE, Some(log.log.clone())).await;
    assert_eq!(guard(&gate, "", CARD).await.json()["decision"], "block");
    assert_eq!(guard(&gate, "", "hello").await.status, 200);
    assert_eq!(told(&log.of(gate, "action", &[]).await), ["quarantine no_session request 0"]);

    let gate = gate_with("[mitigation]\nwithout_session = \"key\"\n", QUARANTINE, None).await;
    guard(&gate, "", CARD).await;
    assert_eq!(guard(&gate, "", "hello").await.status, 403);
    assert_eq!(guard(&gate, "s", "hello").await.status, 403);
    // Who is held is released on routes that stay open.
    assert_eq!(gate.get("/admin/quarantine").await.json()["held"][0]["key"], "test");
    let release = json!({ "action": "release", "key": "test" });
    assert_eq!(gate.post("/admin/quarantine", &release).await.json()["changed"], true);
    assert_eq!(guard(&gate, "", "hello").await.status, 200);
}

#[tokio::test]
async fn the_table_has_an_end_and_the_request_is_blocked_all_the_same() {
    let gate = gate_with("[mitigation]\nmax_held = 1\n", QUARANTINE, None).await;
    for session in 0..64 {
        assert_eq!(guard(&gate, &session.to_string(), CARD).await.json()["decision"], "block");
    }
    let failed = gate.metric("aimds_actions_total{action=\"quarantine\",result=\"failed\"}").await;
    let ok = gate.metric("aimds_actions_total{action=\"quarantine\",result=\"ok\"}").await;
    assert!(failed > 0.0 && ok > 0.0 && ok <= 16.0, "{failed} {ok}");
    assert_eq!(gate.metric("aimds_held").await, ok);
}

#[tokio::test]
async fn an_answer_holds_the_session_as_well() {
    let upstream = Upstream::start().await;
    let gate = gate_with(&upstream.config(), QUARANTINE, None).await;
    upstream.answers(200, crate::support::completion(CARD));
    assert_eq!(within(&gate, "s", "/v1/chat/completions", &chat("hello")).await.decision(), "block");
    assert_eq!(within(&gate, "s", "/v1/chat/completions", &chat("hello")).await.status, 403);
}

#[tokio::test]
async fn only_an_operator_of_the_tenant_releases() {
    let plain = generate_key().unwrap();
    let config = format!("[[auth.keys]]\nid = \"plain\"\nhash = \"{}\"\ntenant = \"other\"\n", plain.hash);
    let gate = gate_with(&config, QUARANTINE, None).await;
    let ask = async |gate: &Gate, method: Method, body: &str| {
        let headers = [("authorization", format!("Bearer {}", plain.secret))];
        gate.send(method, "/admin/quarantine", &headers, Bytes::from(body.to_owned())).await
    };
    assert_eq!(ask(&gate, Method::GET, "").await.status, 403, "no key is an operator that is not called one");
    assert!(!Scope::DEFAULT.contains(&Scope::Admin));
    for (body, expected) in [
        (json!({ "action": "release" }), "give exactly one of id, session and key"),
        (json!({ "action": "release", "id": "x" }), "id must be 32 hexadecimal digits"),
        (json!({ "action": "hold", "id": "0".repeat(32) }), "name a session or a key to hold it"),
        (json!({ "action": "hold", "session": "s", "seconds": 0 }), "seconds must be between 1 and 2592000"),
        (
            json!({ "action": "hold", "session": "s", "tenant": "other" }),
            "a key of a tenant manages its own sessions and keys",
        ),
    ] {
        let reply = gate.post("/admin/quarantine", &body).await;
        assert_eq!(
            (reply.status.as_u16(), reply.json()["error"]["message"].as_str().unwrap()),
            (400, expected)
        );
    }
    assert_eq!(
        gate.post("/admin/quarantine", &json!({ "action": "hold", "session": "s" })).await.json()["changed"],
        true
    );
    assert_eq!(guard(&gate, "s", "hello").await.status, 403);
    assert_eq!(within(&gate, &"x".repeat(300), "/v1/guard", &json!({ "text": "hello" })).await.status, 400);
}
