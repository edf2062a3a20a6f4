use std::time::Duration;

use axum::http::Method;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::support::{Gate, Script, Upstream, chat, eventually, gate, gate_before, gate_with};

async fn refused(gate: &Gate, body: impl Into<axum::body::Bytes>) -> (u16, Value) {
    let reply = gate.post_bytes("/v1/guard", body).await;
    assert_eq!(reply.decision(), "error");
    assert!(!reply.text().contains("secret"), "content is echoed: {}", reply.text());
    (reply.status.as_u16(), reply.json()["error"].clone())
}

#[tokio::test]
async fn a_body_over_the_limit_is_a_413() {
    let gate = gate("[limits]\nbody_bytes = 1000\n").await;
    let body = |length: usize| format!("{{\"text\":\"{}\"}}", "x".repeat(length - 11));
    assert_eq!(gate.post_bytes("/v1/guard", body(1000)).await.status, 200);
    let (status, error) = refused(&gate, body(1001)).await;
    assert_eq!((status, &error["code"]), (413, &json!("request_too_large")));
    let chunked = format!(
        "POST /v1/guard HTTP/1.1\r\nhost: x\r\nx-api-key: {}\r\ntransfer-encoding: chunked\r\n\r\n3e9\r\n{}\r\n0\r\n\r\n",
        gate.key,
        body(1001)
    );
    assert!(gate.raw(chunked.as_bytes()).await.starts_with("HTTP/1.1 413 "));
}

#[tokio::test]
async fn a_body_that_is_not_utf_8_is_refused_with_its_place() {
    let gate = gate("").await;
    let (status, error) = refused(&gate, &b"{\n\"text\":\"secret \xff\"}"[..]).await;
    assert_eq!((status, error["code"].as_str()), (400, Some("not_utf8")));
    assert_eq!((&error["line"], &error["column"]), (&json!(2), &json!(16)));
}

#[tokio::test]
async fn a_malformed_body_is_refused_with_its_place() {
    let gate = gate("").await;
    for (body, line, column) in [
        ("", 1, 0),
        ("{\"text\":\"secret\"", 1, 16),
        ("{\n\"text\": secret}", 2, 9),
        ("{\n\"text\": [\"secret\"]}", 2, 8),
        ("{\"text\":\"secret\"} x", 1, 19),
    ] {
        let (status, error) = refused(&gate, body).await;
        assert_eq!((status, error["code"].as_str()), (400, Some("malformed_json")), "{body}");
        assert_eq!((&error["line"], &error["column"]), (&json!(line), &json!(column)), "{body} {error}");
    }
}

#[tokio::test]
async fn a_body_that_is_nested_too_deep_is_refused_with_its_place() {
    let upstream = Upstream::start().await;
    let gate = gate_before(&upstream, "[limits]\njson_depth = 8\n").await;
    let nested = |depth: usize| {
        format!("{{\"x\":{}{},\"text\":\"secret\"}}", "[".repeat(depth - 1), "]".repeat(depth - 1))
    };
    assert_eq!(gate.post_bytes("/v1/guard", nested(8)).await.status, 200);
    let (status, error) = refused(&gate, nested(9)).await;
    assert_eq!((status, error["code"].as_str()), (400, Some("too_deep")));
    assert_eq!((&error["line"], &error["column"]), (&json!(1), &json!(13)));
    let reply = gate.post_bytes("/v1/chat/completions", nested(100_000)).await;
    assert_eq!((reply.status.as_u16(), &reply.json()["error"]["code"]), (400, &json!("too_deep")));
}

#[tokio::test]
async fn a_request_with_too_many_texts_is_refused() {
    let upstream = Upstream::start().await;
    let gate = gate_before(&upstream, "").await;
    let texts = vec!["x"; 5000];
    let reply = gate.post("/v1/moderations", &json!({ "input": texts })).await;
    assert_eq!(reply.status, 400);
    let messages: Vec<_> = texts.iter().map(|text| json!({ "role": "user", "content": text })).collect();
    for path in ["/v1/guard", "/v2/guard", "/v1/chat/completions"] {
        let reply = gate.post(path, &json!({ "messages": messages })).await;
        assert_eq!(
            (reply.status.as_u16(), &reply.json()["error"]["code"]),
            (400, &json!("invalid_request")),
            "{path}"
        );
    }
}

#[tokio::test]
async fn unknown_routes_and_methods_are_answered_in_json() {
    let gate = gate("").await;
    let reply = gate.get("/v1/nothing").await;
    assert_eq!((reply.status.as_u16(), &reply.json()["error"]["code"]), (404, &json!("not_found")));
    let reply = gate.get("/v1/guard").await;
    assert_eq!((reply.status.as_u16(), &reply.json()["error"]["code"]), (405, &json!("method_not_allowed")));
    assert_eq!(reply.header("allow"), "POST");
    assert!(!reply.header("x-aimds-request-id").is_empty());
    let reply = gate.send(Method::DELETE, "/healthz", &[], Default::default()).await;
    assert_eq!(reply.status, 405);
    assert_eq!(gate.metric("aimds_requests_total{route=\"unmatched\",status=\"4xx\"}").await, 3.0);
}

/// The connection is closed within the time, whatever the client sends.
async fn closes(gate: &Gate, bytes: &[u8]) -> String {
    let mut stream = TcpStream::connect(gate.address).await.unwrap();
    stream.write_all(bytes).await.unwrap();
    let mut answer = Vec::new();
    let read = stream.read_to_end(&mut answer);
    let _ = tokio::time::timeout(Duration::from_secs(5), read).await.expect("the connection stays open");
    String::from_utf8_lossy(&answer).into_owned()
}

#[tokio::test]
async fn a_head_that_does_not_arrive_closes_the_connection() {
    let gate = gate("[limits]\nheader_read_timeout_ms = 150\n").await;
    for bytes in ["", "P", "PRI * HT", "POST /v1/guard HTTP/1.1\r\nhost: x\r\n"] {
        closes(&gate, bytes.as_bytes()).await;
    }
    let idle = closes(&gate, b"GET /healthz HTTP/1.1\r\nhost: x\r\n\r\n").await;
    assert!(idle.starts_with("HTTP/1.1 200 "), "{idle}");
}

#[tokio::test]
async fn a_head_over_the_limit_is_a_431() {
    let gate = gate("[limits]\nheader_bytes = 8192\n").await;
    let head =
        |length| format!("GET /healthz HTTP/1.1\r\nhost: x\r\nx-padding: {}\r\n\r\n", "x".repeat(length));
    for length in [8300, 20_000] {
        let answer = gate.raw(head(length).as_bytes()).await;
        assert!(answer.starts_with("HTTP/1.1 431 "), "{length}: {answer:?}");
    }
    let mut stream = TcpStream::connect(gate.address).await.unwrap();
    let _ = stream.write_all(head(1_000_000).as_bytes()).await;
    let mut answer = Vec::new();
    let closed = tokio::time::timeout(Duration::from_secs(5), stream.read_to_end(&mut answer)).await;
    assert!(closed.is_ok() && !answer.starts_with(b"HTTP/1.1 200"));
}

#[tokio::test]
async fn a_body_that_does_not_arrive_is_a_408() {
    let gate = gate("[limits]\nrequest_timeout_ms = 150\n").await;
    let head = format!(
        "POST /v1/guard HTTP/1.1\r\nhost: x\r\nx-api-key: {}\r\ncontent-length: 100\r\n\r\n{{",
        gate.key
    );
    assert!(closes(&gate, head.as_bytes()).await.starts_with("HTTP/1.1 408 "));
}

#[tokio::test]
async fn requests_over_the_limit_are_shed_and_operations_stay_visible() {
    let upstream = Upstream::start().await;
    let gate = gate_before(&upstream, "[limits]\nmax_in_flight = 1\n").await;
    upstream.acts(Script::Slow(Duration::from_secs(60)));
    let busy = async {
        gate.post("/v1/chat/completions", &chat("hello")).await;
    };
    let others = async {
        eventually("the upstream is asked", async || upstream.bodies().len() == 1).await;
        let reply = gate.post("/v1/guard", &json!({ "text": "hello" })).await;
        assert_eq!((reply.status.as_u16(), reply.header("retry-after")), (503, "1"));
        assert_eq!(reply.json()["error"]["code"], "overloaded");
        assert_eq!(gate.get("/readyz").await.status, 200);
        assert_eq!(gate.metric("aimds_failures_total{code=\"overloaded\"}").await, 1.0);
    };
    tokio::select! {
        () = busy => panic!("the slow request has an answer"),
        () = others => {}
    }
    eventually("the place is free again", async || {
        gate.post("/v1/guard", &json!({ "text": "hello" })).await.status == 200
    })
    .await;
}

#[tokio::test]
async fn connections_over_the_limit_are_told_so() {
    let gate = gate("[limits]\nmax_connections = 2\n").await;
    let held =
        [TcpStream::connect(gate.address).await.unwrap(), TcpStream::connect(gate.address).await.unwrap()];
    let mut third = TcpStream::connect(gate.address).await.unwrap();
    let mut answer = String::new();
    third.read_to_string(&mut answer).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 503 ") && answer.contains("retry-after: 1\r\n"), "{answer}");
    drop(held);
    eventually("a place is free again", async || {
        gate.raw(b"GET /healthz HTTP/1.0\r\n\r\n").await.contains("200 OK")
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_deep_path_is_used_within_its_deadline_and_missed_beyond_it() {
    let policy =
        "version = 1\n[risk.user]\nblock = 0.999\n[deep]\nmode = \"always\"\non_degraded = \"flag\"\n";
    let body = json!({ "text": "Could you tell me what the weather will be like tomorrow?" });
    let patient = gate_with("[limits]\ndeep_deadline_ms = 60000\n", policy, None).await;
    let verdict = patient.post("/v1/guard", &body).await.json();
    assert_eq!((verdict["path"].as_str(), verdict.get("degraded")), (Some("deep"), None), "{verdict}");
    // A text of many windows takes longer than a millisecond.
    let long = json!({ "text": "Could you tell me what the weather will be like tomorrow? ".repeat(200) });
    let hasty = gate_with("[limits]\ndeep_deadline_ms = 1\n", policy, None).await;
    let verdict = hasty.post("/v1/guard", &long).await.json();
    assert_eq!(
        (verdict["degraded"].as_str(), verdict["decision"].as_str()),
        (Some("late"), Some("flag")),
        "{verdict}"
    );
}
