//! `aimds/1` on bare streams.

use std::time::Duration;

use quinn::{ConnectionError, VarInt};
use serde_json::{Value, json};

use super::client::{Client, native};
use crate::support::{CARD, Script, Upstream, chat, eventually, gate, gate_before};

const NATIVE: &[u8] = b"aimds/1";

#[tokio::test]
async fn a_request_and_its_answer_are_one_object_each() {
    let gate = gate("").await;
    let connection = Client::new(NATIVE).connect(gate.quic).await.unwrap();
    for priority in ["critical", "high", "normal", "low"] {
        let request =
            json!({"route": "/v1/guard", "key": gate.key, "priority": priority, "body": {"text": CARD}});
        let answer = native(&connection, request.to_string().as_bytes()).await;
        assert_eq!((&answer["status"], &answer["decision"]), (&json!(200), &json!("block")), "{answer}");
        assert_eq!(answer["body"]["decision"], "block");
        assert_eq!(answer["request_id"].as_str().map(str::len), Some(36));
    }
    let word = json!({"route": "/v1/guard?format=verdict", "key": gate.key, "body": {"text": "hello"}});
    let answer = native(&connection, word.to_string().as_bytes()).await;
    assert_eq!(answer["body"].as_str().map(str::trim), Some("pass"), "a body that is not JSON is a string");
    let answer = native(&connection, br#"{"route":"/healthz"}"#).await;
    assert_eq!((&answer["status"], &answer["body"]), (&json!(200), &json!("ok\n")));
    assert!(answer.get("decision").is_none());
}

#[tokio::test]
async fn every_failure_is_an_answer() {
    let gate = gate("[limits]\nbody_bytes = 1000\njson_depth = 4\n").await;
    let connection = Client::new(NATIVE).connect(gate.quic).await.unwrap();
    let key = &gate.key;
    let guard =
        |body: Value| json!({"route": "/v1/guard", "key": key, "body": body}).to_string().into_bytes();
    for (request, status, code) in [
        (Vec::new(), 400, "malformed_json"),
        (b"\xff".to_vec(), 400, "not_utf8"),
        (b"{\"route\":\"/v1/guard\"".to_vec(), 400, "malformed_json"),
        (b"{\"route\":\"/healthz\",\"extra\":1}".to_vec(), 400, "malformed_json"),
        (b"{\"route\":\"healthz\"}".to_vec(), 400, "invalid_request"),
        (b"{\"route\":\"/nowhere\"}".to_vec(), 404, "not_found"),
        (b"{\"route\":\"/v1/guard\"}".to_vec(), 405, "method_not_allowed"),
        (b"{\"route\":\"/v1/guard\",\"body\":{\"text\":\"a\"}}".to_vec(), 401, "invalid_api_key"),
        (guard(json!({"text": 5})), 400, "malformed_json"),
        (guard(json!({"text": "a".repeat(2000)})), 413, "request_too_large"),
        (guard(json!({"text": "a".repeat(200_000)})), 413, "request_too_large"),
        (guard(json!([[[[["a"]]]]])), 400, "too_deep"),
        (
            json!({"route": "/v1/chat/completions", "key": key, "body": {}}).to_string().into(),
            503,
            "no_upstream",
        ),
    ] {
        let answer = native(&connection, &request).await;
        let shown = String::from_utf8_lossy(&request);
        assert_eq!(
            (&answer["status"], &answer["body"]["error"]["code"]),
            (&json!(status), &json!(code)),
            "{shown:.80}"
        );
        assert!(answer["request_id"].is_string());
    }
    assert_eq!(gate.metric("aimds_failures_total{code=\"request_too_large\"}").await, 2.0);
}

#[tokio::test]
async fn headers_reach_the_upstream_and_the_gateways_key_does_not() {
    let upstream = Upstream::start().await;
    let gate = gate_before(&upstream, "").await;
    let connection = Client::new(NATIVE).connect(gate.quic).await.unwrap();
    let request = json!({
        "route": "/v1/chat/completions",
        "headers": {"x-api-key": gate.key, "authorization": "Bearer upstream-key"},
        "body": chat("hello"),
    });
    let answer = native(&connection, request.to_string().as_bytes()).await;
    assert_eq!(answer["body"]["choices"][0]["message"]["content"], "Hello.", "{answer}");
    assert_eq!(upstream.last_headers()["authorization"], "Bearer upstream-key");
    assert!(!upstream.last_headers().contains_key("x-api-key"));
}

#[tokio::test]
async fn a_cancelled_request_is_cancelled_at_the_upstream() {
    let upstream = Upstream::start().await;
    let gate = gate_before(&upstream, "").await;
    upstream.acts(Script::Slow(Duration::from_secs(60)));
    let connection = Client::new(NATIVE).connect(gate.quic).await.unwrap();
    let request = json!({"route": "/v1/chat/completions", "key": gate.key, "body": chat("hello")});
    let (mut send, mut receive) = connection.open_bi().await.unwrap();
    send.write_all(request.to_string().as_bytes()).await.unwrap();
    send.finish().unwrap();
    eventually("the upstream is asked", async || upstream.bodies().len() == 1).await;
    receive.stop(VarInt::from_u32(0x10c)).unwrap();
    eventually("the upstream request is dropped", async || upstream.dropped() == 1).await;
    let answer = native(&connection, br#"{"route":"/healthz"}"#).await;
    assert_eq!(answer["status"], 200, "the connection goes on");
}

#[tokio::test]
async fn shutdown_finishes_what_is_in_progress_and_closes() {
    let upstream = Upstream::start().await;
    let mut gate = gate_before(&upstream, "").await;
    upstream.acts(Script::Slow(Duration::from_millis(400)));
    let connection = Client::new(NATIVE).connect(gate.quic).await.unwrap();
    let request =
        json!({"route": "/v1/chat/completions", "key": gate.key, "body": chat("hello")}).to_string();
    let asking = connection.clone();
    let in_progress = tokio::spawn(async move { native(&asking, request.as_bytes()).await });
    eventually("the upstream is asked", async || upstream.bodies().len() == 1).await;
    gate.stop();
    assert_eq!(in_progress.await.unwrap()["body"]["choices"][0]["message"]["content"], "late");
    match connection.closed().await {
        ConnectionError::ApplicationClosed(closed) => assert_eq!(closed.error_code.into_inner(), 0x100),
        error => panic!("{error:?}"),
    }
    gate.stopped().await;
}
