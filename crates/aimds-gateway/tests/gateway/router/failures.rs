use std::time::Duration;

use axum::body::Bytes;
use serde_json::{Value, json};

use super::{CHAT, pair, route, said, stream, target};
use crate::support::{
    After, POLICY, Script, Upstream, chat, chunks, completion, events, eventually, gate_with,
};

const QUICK: &str = "timeout_ms = 300";

fn pieces(texts: &[String]) -> Vec<Bytes> {
    texts.iter().map(|text| Bytes::from(text.clone())).collect()
}

/// What a model may do wrong before it says anything.
fn broken() -> Vec<(&'static str, Script)> {
    let answer = |status, body: &'static str| Script::Answer(status, vec![], body.into());
    vec![
        ("reset", Script::HangUp),
        ("500", answer(500, "{}")),
        ("529", answer(529, r#"{"type":"error"}"#)),
        ("429", answer(429, r#"{"error":{"message":"slow down"}}"#)),
        ("401", answer(401, r#"{"error":{"message":"bad key"}}"#)),
        ("redirect", answer(302, "")),
        ("garbage", answer(200, "\u{0}\u{1} not json")),
        ("no choices", answer(200, "{}")),
        ("slow", Script::Slow(Duration::from_secs(60))),
    ]
}

#[tokio::test]
async fn the_next_target_takes_over() {
    for (what, script) in broken() {
        let (a, b, gate) = pair("", QUICK).await;
        a.acts(script);
        b.answers(200, completion("From b."));
        let reply = gate.post(CHAT, &chat("hello")).await;
        assert_eq!(reply.status.as_u16(), 200, "{what}: {}", reply.text());
        assert_eq!((said(&reply, "target"), said(&reply, "attempts")), ("b", "2"), "{what}");
        assert_eq!(reply.json()["choices"][0]["message"]["content"], "From b.");
        assert_eq!((a.bodies().len(), b.bodies().len()), (1, 1), "{what}");
        assert_eq!(gate.metric("aimds_router_attempts_total{target=\"a\",result=\"failed\"}").await, 1.0);
    }
}

#[tokio::test]
async fn the_next_target_takes_over_a_stream_that_has_not_begun() {
    let started = [
        ("stall", Script::Events(vec![], After::Stall)),
        ("break", Script::Events(vec![], After::Break)),
        ("no events", Script::Answer(200, vec![], completion("whole"))),
    ];
    for (what, script) in broken().into_iter().chain(started) {
        let (a, b, gate) = pair("", QUICK).await;
        a.acts(script);
        b.streams(&chunks(&["From ", "b."], "stop"));
        let reply = gate.post(CHAT, &stream("hello")).await;
        assert_eq!((reply.status.as_u16(), said(&reply, "target")), (200, "b"), "{what}: {}", reply.text());
        assert!(reply.text().contains("From ") && reply.text().ends_with("[DONE]\n\n"), "{what}");
    }
}

#[tokio::test]
async fn where_all_fail_the_caller_gets_its_providers_error() {
    let check = async |a_does: Script, b_does: Script, status: u16, code: &str| {
        let (a, b, gate) = pair("", QUICK).await;
        a.acts(a_does);
        b.acts(b_does);
        let reply = gate.post(CHAT, &chat("hello")).await;
        assert_eq!((reply.status.as_u16(), &reply.json()["error"]["code"]), (status, &json!(code)));
        assert_eq!(reply.decision(), "error");
        assert_eq!((a.bodies().len(), b.bodies().len()), (1, 1), "{code}");
    };
    let slow = || Script::Slow(Duration::from_secs(60));
    let answer = |status, body: &'static str| Script::Answer(status, vec![], body.into());
    check(slow(), Script::HangUp, 502, "upstream_unreachable").await;
    check(Script::HangUp, slow(), 504, "upstream_timeout").await;
    check(Script::HangUp, answer(200, "?"), 502, "upstream_invalid_answer").await;
    check(Script::HangUp, answer(500, "{}"), 502, "upstream_error").await;
    check(slow(), answer(401, r#"{"error":{}}"#), 502, "upstream_error").await;

    let upstream = Upstream::start().await;
    let anthropic = target("a", &upstream, QUICK).replace("chat", "messages");
    let gate = gate_with(&format!("{anthropic}{}", route("r", &["a"], "")), POLICY, None).await;
    upstream.acts(slow());
    let asked =
        json!({ "model": "m", "max_tokens": 9, "messages": [{ "role": "user", "content": "hello" }] });
    let reply = gate.post("/v1/messages", &asked).await;
    assert_eq!((reply.status.as_u16(), &reply.json()["error"]["type"]), (504, &json!("timeout_error")));
}

#[tokio::test]
async fn the_last_limit_of_a_provider_reaches_the_caller() {
    let (a, b, gate) = pair("", "").await;
    a.acts(Script::HangUp);
    let limit = r#"{"error":{"message":"too many","type":"rate_limit_error"}}"#;
    b.acts(Script::Answer(429, vec![("retry-after", "7")], limit.into()));
    let reply = gate.post(CHAT, &chat("hello")).await;
    assert_eq!((reply.status.as_u16(), reply.header("retry-after"), reply.text()), (429, "7", limit));
}

#[tokio::test]
async fn a_mistake_of_the_caller_is_not_repeated_elsewhere() {
    let (a, b, gate) = pair("", "").await;
    a.answers(400, r#"{"error":{"message":"max_tokens is too large"}}"#);
    let reply = gate.post(CHAT, &chat("hello")).await;
    assert_eq!((reply.status.as_u16(), said(&reply, "target")), (400, "a"));
    assert_eq!(b.bodies().len(), 0);
    assert_eq!(gate.metric("aimds_router_cost_nanodollars_total{target=\"a\"}").await, 0.0);
}

#[tokio::test]
async fn a_stream_that_breaks_half_way_is_not_sent_again() {
    for after in [After::Break, After::Stall] {
        let (a, b, gate) = pair("breaker_failures = 1\nbreaker_open_ms = 3600000", QUICK).await;
        let words = "A sentence that is long enough to be sent on at once. ".repeat(8);
        let begun = &chunks(&[&words], "stop")[..2];
        a.acts(Script::Events(pieces(begun), after));
        let reply = gate.post(CHAT, &stream("hello")).await;
        assert_eq!((reply.status.as_u16(), said(&reply, "target")), (200, "a"));
        let last: Value = serde_json::from_str(events(reply.text()).last().unwrap()).unwrap();
        assert!(last["error"]["code"].as_str().unwrap().starts_with("upstream_"), "{last}");
        assert!(reply.text().contains("A sentence") && !reply.text().contains("[DONE]"));
        assert_eq!(b.bodies().len(), 0);
        // It counts against the target all the same.
        assert_eq!(gate.metric("aimds_router_attempts_total{target=\"a\",result=\"broke\"}").await, 1.0);
        assert_eq!(gate.metric("aimds_router_open{target=\"a\"}").await, 1.0);
    }
}

#[tokio::test]
async fn an_error_that_a_stream_reports_counts_against_its_target() {
    let (a, b, gate) = pair("", "").await;
    let mut told = chunks(&["Hello "], "stop");
    told.truncate(2);
    told.push("data: {\"error\":{\"message\":\"overloaded\"}}\n\n".to_owned());
    a.streams(&told);
    let reply = gate.post(CHAT, &stream("hello")).await;
    assert!(reply.text().contains("overloaded"), "{}", reply.text());
    assert_eq!(gate.metric("aimds_router_attempts_total{target=\"a\",result=\"broke\"}").await, 1.0);
    assert_eq!(b.bodies().len(), 0);
}

#[tokio::test]
async fn a_target_that_keeps_failing_is_left_alone_and_tried_again() {
    let (a, b, gate) = pair("breaker_failures = 2\nbreaker_open_ms = 400", "").await;
    a.acts(Script::HangUp);
    for expected in ["2", "2"] {
        assert_eq!(said(&gate.post(CHAT, &chat("hello")).await, "attempts"), expected);
    }
    eventually("the breaker opens", async || {
        gate.post(CHAT, &chat("hello")).await;
        gate.metric("aimds_router_attempts_total{target=\"a\",result=\"skipped\"}").await > 0.0
    })
    .await;
    a.answers(200, completion("Back."));
    eventually("the target is used again", async || {
        said(&gate.post(CHAT, &chat("hello")).await, "target") == "a"
    })
    .await;
    assert!(b.bodies().len() > 2);
}

#[tokio::test]
async fn where_every_breaker_is_open_nothing_is_sent() {
    let (a, b, gate) = pair("breaker_failures = 1\nbreaker_open_ms = 3600000", "").await;
    for upstream in [&a, &b] {
        upstream.acts(Script::HangUp);
    }
    for _ in 0..3 {
        let reply = gate.post(CHAT, &chat("hello")).await;
        assert_eq!(
            (reply.status.as_u16(), &reply.json()["error"]["code"]),
            (502, &json!("upstream_unreachable"))
        );
    }
    assert_eq!((a.bodies().len(), b.bodies().len()), (1, 1));
}

#[tokio::test]
async fn retries_are_a_share_of_the_requests() {
    let (a, b, gate) = pair("retry_percent = 0\nretry_burst = 1\nbreaker_failures = 100", "").await;
    a.acts(Script::HangUp);
    assert_eq!(gate.post(CHAT, &chat("hello")).await.status.as_u16(), 200);
    assert_eq!(gate.post(CHAT, &chat("hello")).await.status.as_u16(), 502);
    assert_eq!((a.bodies().len(), b.bodies().len()), (2, 1));
    assert_eq!(gate.metric("aimds_router_unretried_total").await, 1.0);
    let (a, b, gate) = pair("max_attempts = 1", "").await;
    a.acts(Script::HangUp);
    assert_eq!(gate.post(CHAT, &chat("hello")).await.status.as_u16(), 502);
    assert_eq!(b.bodies().len(), 0);
}

#[tokio::test]
async fn a_caller_that_goes_away_says_nothing_about_the_target() {
    let (a, _, gate) = pair("breaker_failures = 1\nbreaker_open_ms = 3600000", "").await;
    a.acts(Script::Slow(Duration::from_secs(60)));
    let asked = chat("hello");
    let left = tokio::time::timeout(Duration::from_millis(300), gate.post(CHAT, &asked)).await;
    assert!(left.is_err());
    eventually("the target's request is dropped", async || a.dropped() == 1).await;
    assert_eq!(gate.metric("aimds_router_open{target=\"a\"}").await, 0.0);
    a.answers(200, completion("Here."));
    assert_eq!(said(&gate.post(CHAT, &asked).await, "target"), "a");
}
