use serde_json::{Value, json};

use super::{CHAT, key, pair, post_as, route, said, stream, target};
use crate::support::{EMAIL, Gate, Upstream, chat, chunks, completion, completion_of, gate_with};

const ON: &str = "cache = \"deterministic\"";

/// E-mail addresses are marked and go on.
const MARKS: &str = "version = 1\n[findings.any]\n\"pii.email\" = \"flag\"\n";

fn cold(content: &str) -> Value {
    let mut asked = chat(content);
    asked["temperature"] = json!(0);
    asked
}

async fn flagged(gate: &Gate) -> f64 {
    gate.metric("aimds_decisions_total{direction=\"response\",action=\"flag\"}").await
}

#[tokio::test]
async fn the_same_request_gets_the_same_answer_and_costs_nothing() {
    let (a, b, gate) = pair(ON, "").await;
    a.answers(200, completion("First."));
    let first = gate.post(CHAT, &cold("hello")).await;
    assert_eq!((said(&first, "cache"), said(&first, "attempts")), ("miss", "1"));
    a.answers(200, completion("Second."));
    let respelt = r#" {"temperature":0 ,"messages":[{"content":"h\u0065llo","role":"user"}],"model":"m-1"}"#;
    let again = gate.post_bytes(CHAT, respelt).await;
    assert_eq!((said(&again, "cache"), said(&again, "target"), said(&again, "attempts")), ("hit", "a", "0"));
    assert_eq!((again.body.clone(), again.decision()), (first.body.clone(), "allow"));
    assert_eq!((a.bodies().len(), b.bodies().len()), (1, 0));
    assert_eq!(gate.metric("aimds_router_cost_nanodollars_total{target=\"a\"}").await, 7000.0);
    assert_eq!(gate.metric("aimds_router_cache_hits_total").await, 1.0);
    assert_eq!(gate.metric("aimds_router_cache_entries").await, 1.0);
}

#[tokio::test]
async fn another_request_is_another_request() {
    let (a, _, gate) = pair(ON, "").await;
    let mut other_model = cold("hello");
    other_model["model"] = json!("m-2");
    for asked in [cold("hello"), cold("hello!"), other_model, chat("hello"), chat("hello")] {
        assert_ne!(said(&gate.post(CHAT, &asked).await, "cache"), "hit");
    }
    let headers = [("authorization", format!("Bearer {}", gate.key)), ("openai-beta", "x=1".to_owned())];
    let with_header =
        gate.send(axum::http::Method::POST, CHAT, &headers, cold("hello").to_string().into()).await;
    assert_eq!(said(&with_header, "cache"), "miss");
    assert_eq!(a.bodies().len(), 6);
}

#[tokio::test]
async fn answers_never_cross_from_one_tenant_to_another() {
    let upstream = Upstream::start().await;
    let ((one, first), (two, second), (three, third)) = (key("k1", "t1"), key("k2", "t1"), key("k3", "t2"));
    let config =
        ["[router]\n", ON, "\n", &target("a", &upstream, ""), &route("all", &["a"], ""), &one, &two, &three];
    let gate = gate_with(&config.concat(), MARKS, None).await;
    let mut told = Vec::new();
    for key in [&first, &second, &third, &third] {
        told.push(said(&post_as(&gate, key, &cold("hello")).await, "cache").to_owned());
    }
    assert_eq!(told, ["miss", "hit", "miss", "hit"]);
    assert_eq!(upstream.bodies().len(), 2);
}

#[tokio::test]
async fn private_requests_and_personal_data_are_not_kept_unless_it_is_allowed() {
    let personal = cold(&format!("write to {EMAIL}"));
    for (setting, expected) in [("", "off"), ("\ncache_private = true", "hit")] {
        let upstream = Upstream::start().await;
        let config = [
            "[router]\n",
            ON,
            setting,
            "\n",
            &target("a", &upstream, "local = true"),
            &route("all", &["a"], ""),
        ];
        let gate = gate_with(&config.concat(), MARKS, None).await;
        gate.post(CHAT, &personal).await;
        assert_eq!(said(&gate.post(CHAT, &personal).await, "cache"), expected);
        let headers =
            [("authorization", format!("Bearer {}", gate.key)), ("x-aimds-private", "1".to_owned())];
        let mut last = None;
        for _ in 0..2 {
            let body = cold("hello").to_string().into();
            last = Some(gate.send(axum::http::Method::POST, CHAT, &headers, body).await);
        }
        assert_eq!(said(&last.unwrap(), "cache"), expected);
    }
}

/// The marker stands in every text that an answer may have: each must be found again in the answer that was kept.
#[tokio::test]
async fn an_answer_that_was_kept_is_inspected_like_a_live_one() {
    let marked = [
        json!({ "role": "assistant", "content": EMAIL }),
        json!({ "role": "assistant", "content": "", "reasoning_content": EMAIL }),
        json!({ "role": "assistant", "content": null, "tool_calls": [{ "id": "c", "type": "function",
            "function": { "name": "f", "arguments": format!("{{\"to\":\"{EMAIL}\"}}") } }] }),
        json!({ "role": "assistant", "content": "", "x_future": { "deep": [EMAIL] } }),
    ];
    for message in marked {
        let upstream = Upstream::start().await;
        let config = ["[router]\n", ON, "\n", &target("a", &upstream, ""), &route("all", &["a"], "")];
        let gate = gate_with(&config.concat(), MARKS, None).await;
        upstream.answers(200, completion_of(&message));
        for (number, cache) in [(1.0, "miss"), (2.0, "hit"), (3.0, "hit")] {
            let reply = gate.post(CHAT, &cold("hello")).await;
            assert_eq!((said(&reply, "cache"), reply.decision()), (cache, "flag"), "{message}");
            assert_eq!(flagged(&gate).await, number);
        }
        assert_eq!(upstream.bodies().len(), 1);
    }
}

#[tokio::test]
async fn streams_are_kept_whole_and_inspected_again() {
    let upstream = Upstream::start().await;
    let config = ["[router]\n", ON, "\n", &target("a", &upstream, ""), &route("all", &["a"], "")];
    let gate = gate_with(&config.concat(), MARKS, None).await;
    let mut asked = stream("hello");
    asked["temperature"] = json!(0);
    upstream.streams(&chunks(&["Write to jane.roe@", "corp-mail.com ", "today."], "stop"));
    let first = gate.post(CHAT, &asked).await;
    assert_eq!(flagged(&gate).await, 1.0);
    let again = gate.post(CHAT, &asked).await;
    assert_eq!((said(&first, "cache"), said(&again, "cache"), again.decision()), ("miss", "hit", "flag"));
    assert_eq!(flagged(&gate).await, 2.0);
    assert_eq!(again.body, first.body);
    // The same words without a stream are another request.
    upstream.answers(200, completion("whole"));
    assert_eq!(said(&gate.post(CHAT, &cold("hello")).await, "cache"), "miss");
    assert_eq!(upstream.bodies().len(), 2);
}

#[tokio::test]
async fn what_was_changed_or_broken_or_blocked_is_not_kept() {
    let (a, _, gate) = pair(ON, "").await;
    let whole = chunks(&["Hello ", "there."], "stop");
    let mut streamed = stream("hello");
    streamed["temperature"] = json!(0);
    for _ in 0..2 {
        a.answers(200, completion(EMAIL));
        let redacted = gate.post(CHAT, &cold("hello")).await;
        assert_eq!((said(&redacted, "cache"), redacted.decision()), ("miss", "redact"));
        a.answers(200, completion(crate::support::CARD));
        let blocked = gate.post(CHAT, &cold("hello")).await;
        assert_eq!((said(&blocked, "cache"), blocked.decision()), ("miss", "block"));
        a.answers(400, r#"{"error":{"message":"no"}}"#);
        assert_eq!(said(&gate.post(CHAT, &cold("hello")).await, "cache"), "miss");
        a.streams(&whole[..2]);
        let broken = gate.post(CHAT, &streamed).await;
        assert_eq!(said(&broken, "cache"), "miss");
        assert!(broken.text().contains("upstream_unreachable"), "{}", broken.text());
    }
    assert_eq!(gate.metric("aimds_router_cache_entries").await, 0.0);
}

#[tokio::test]
async fn embeddings_are_always_the_same() {
    let upstream = Upstream::start().await;
    let target = target("e", &upstream, "").replace("chat", "embeddings");
    let config = ["[router]\n", ON, "\n", &target, &route("all", &["e"], "")];
    let gate = gate_with(&config.concat(), MARKS, None).await;
    upstream.answers(200, r#"{"object":"list","data":[{"index":0,"embedding":[0.5]}],"usage":{"prompt_tokens":4,"total_tokens":4}}"#);
    let asked = json!({ "model": "m", "input": "hello" });
    let told = [gate.post("/v1/embeddings", &asked).await, gate.post("/v1/embeddings", &asked).await];
    assert_eq!(told.each_ref().map(|reply| said(reply, "cache")), ["miss", "hit"]);
    assert_eq!(told[0].body, told[1].body);
    assert_eq!(gate.metric("aimds_router_cost_nanodollars_total{target=\"e\"}").await, 4000.0);
}
