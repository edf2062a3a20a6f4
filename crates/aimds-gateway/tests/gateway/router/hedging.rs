//! A second attempt beside a slow one.

use std::time::{Duration, Instant};

use axum::body::Bytes;
use axum::http::Method;
use serde_json::{Value, json};

use super::{CHAT, pair, said, stream};
use crate::support::{After, Gate, Script, chat, chunks, completion, eventually};

const HEDGED: &str = "hedge_after_ms = 50";

async fn attempts(gate: &Gate, target: &str, result: &str) -> f64 {
    gate.metric(&format!("aimds_router_attempts_total{{target=\"{target}\",result=\"{result}\"}}")).await
}

async fn hedges(gate: &Gate) -> (f64, f64) {
    (gate.metric("aimds_router_hedges_total").await, gate.metric("aimds_router_hedges_won_total").await)
}

fn slow() -> Script {
    Script::Slow(Duration::from_secs(60))
}

#[tokio::test]
async fn the_first_good_answer_counts_and_the_other_attempt_is_called_off_and_paid() {
    let (a, b, gate) = pair(HEDGED, "").await;
    a.acts(slow());
    b.answers(200, completion("From b."));
    let begun = Instant::now();
    let reply = gate.post(CHAT, &chat("hello, this is a text of forty bytes....")).await;
    assert!(begun.elapsed() < Duration::from_secs(30));
    assert_eq!((reply.status.as_u16(), said(&reply, "target"), said(&reply, "attempts")), (200, "b", "2"));
    assert_eq!(reply.json()["choices"][0]["message"]["content"], "From b.");
    eventually("the slow attempt is cancelled at the upstream", async || a.dropped() == 1).await;
    assert_eq!((a.bodies().len(), b.bodies().len()), (1, 1));
    assert_eq!(
        (attempts(&gate, "a", "called_off").await, attempts(&gate, "b", "answered").await),
        (1.0, 1.0)
    );
    assert_eq!(hedges(&gate).await, (1.0, 1.0));
    // Forty bytes are ten tokens, at a dollar for a million of them.
    assert_eq!(gate.metric("aimds_router_cost_nanodollars_total{target=\"a\"}").await, 10_000.0);
    assert_eq!(gate.metric("aimds_router_cost_nanodollars_total{target=\"b\"}").await, 7_000.0);
    assert_eq!(gate.metric("aimds_router_open{target=\"a\"}").await, 0.0);
}

#[tokio::test]
async fn a_first_attempt_that_is_faster_after_all_wins() {
    let (a, b, gate) = pair(HEDGED, "").await;
    a.acts(Script::Slow(Duration::from_millis(400)));
    b.acts(slow());
    let reply = gate.post(CHAT, &chat("hello")).await;
    assert_eq!(
        (said(&reply, "target"), reply.json()["choices"][0]["message"]["content"].clone()),
        ("a", json!("late"))
    );
    eventually("the second attempt is cancelled", async || b.dropped() == 1).await;
    assert_eq!((hedges(&gate).await, attempts(&gate, "b", "called_off").await), ((1.0, 0.0), 1.0));
}

#[tokio::test]
async fn a_failure_does_not_end_the_attempt_beside_it() {
    let (a, b, gate) = pair(HEDGED, "").await;
    a.acts(Script::Slow(Duration::from_millis(500)));
    b.answers(500, "{}");
    let reply = gate.post(CHAT, &chat("hello")).await;
    assert_eq!((reply.status.as_u16(), said(&reply, "target"), said(&reply, "attempts")), (200, "a", "2"));
    assert_eq!((attempts(&gate, "b", "failed").await, b.bodies().len()), (1.0, 1));
}

#[tokio::test]
async fn streams_are_hedged_until_their_first_bytes() {
    let (a, b, gate) = pair(HEDGED, "").await;
    a.acts(Script::Events(vec![], After::Stall));
    b.streams(&chunks(&["From ", "b."], "stop"));
    let reply = gate.post(CHAT, &stream("hello")).await;
    assert_eq!((said(&reply, "target"), hedges(&gate).await), ("b", (1.0, 1.0)));
    assert!(reply.text().contains("From ") && reply.text().ends_with("[DONE]\n\n"));
    eventually("the stalled stream is cancelled", async || a.dropped() == 1).await;
    // Once it has begun, nothing is sent again, however slow the rest is.
    let pieces = chunks(&["From a."], "stop");
    a.acts(Script::Events(
        pieces[..2].iter().map(|piece| Bytes::from(piece.clone())).collect(),
        After::Stall,
    ));
    let _ = tokio::time::timeout(Duration::from_millis(600), gate.post(CHAT, &stream("hello"))).await;
    assert_eq!(hedges(&gate).await, (1.0, 1.0));
    assert_eq!((a.bodies().len(), b.bodies().len()), (2, 1));
}

/// Asks a slow target once for each body; gives how often the next one was asked.
async fn asked_twice(settings: &str, bodies: &[Value], headers: &[(&str, String)]) -> usize {
    let (a, b, gate) = pair(settings, "").await;
    a.acts(Script::Slow(Duration::from_millis(300)));
    let own = [headers, &[("authorization", format!("Bearer {}", gate.key))]].concat();
    for body in bodies {
        let reply = gate.send(Method::POST, CHAT, &own, body.to_string().into()).await;
        assert_eq!(reply.status, 200, "{}", reply.text());
    }
    let asked = b.bodies().len();
    assert_eq!(hedges(&gate).await.0, asked as f64);
    asked
}

#[tokio::test]
async fn nothing_is_sent_twice_that_may_leave_something_behind_or_that_the_operator_does_not_want() {
    assert_eq!(asked_twice("", &[chat("hello")], &[]).await, 0, "it is off unless asked for");
    assert_eq!(asked_twice(HEDGED, &[chat("hello")], &[]).await, 1);
    assert_eq!(asked_twice(HEDGED, &[chat("hello")], &[("idempotency-key", "k".to_owned())]).await, 0);
    let with = |name: &str, value: Value| {
        let mut body = chat("hello");
        body[name] = value;
        body
    };
    let bodies = [
        with("store", json!(true)),
        with("web_search_options", json!({})),
        with("tools", json!([{ "type": "code_interpreter" }])),
        with("not_known", json!(1)),
    ];
    assert_eq!(asked_twice(HEDGED, &bodies, &[]).await, 0);
    assert_eq!(asked_twice(&format!("{HEDGED}\nmax_attempts = 1"), &[chat("a")], &[]).await, 0);
}

#[tokio::test]
async fn hedges_come_out_of_the_retry_budget() {
    let settings = format!("{HEDGED}\nretry_percent = 0\nretry_burst = 1");
    let bodies = [chat("one"), chat("two"), chat("three")];
    assert_eq!(asked_twice(&settings, &bodies, &[]).await, 1);
}

#[tokio::test]
async fn a_target_whose_answers_are_known_is_waited_for_as_long_as_most_of_them_took() {
    let settings = "hedge_after_ms = 60000\nhedge_percentile = 90";
    let (a, _b, gate) = pair(settings, "").await;
    for _ in 0..40 {
        assert_eq!(gate.post(CHAT, &chat("hello")).await.status, 200);
    }
    // The latest answers took far less than the twenty seconds after which this one would come.
    let before = hedges(&gate).await.0;
    a.acts(Script::Slow(Duration::from_secs(20)));
    let reply = gate.post(CHAT, &chat("hello")).await;
    assert_eq!((said(&reply, "target"), hedges(&gate).await.0), ("b", before + 1.0));
}
