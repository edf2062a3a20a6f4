//! What attackers do below the level of requests: two readers of one byte stream, heads and bodies without end, floods.
//! All on real sockets, byte for byte.

mod http2;
mod quic;
mod slow;
mod smuggling;

use std::time::Duration;

use axum::body::Bytes;
use axum::http::Method;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::support::{Gate, Upstream, chat, completion, gate, gate_before};

/// Sends bytes and reads for as long as the gateway sends or keeps the connection open, but not longer than some time.
async fn exchange(gate: &Gate, bytes: &[u8], patience: Duration) -> (String, bool) {
    let mut stream = TcpStream::connect(gate.address).await.unwrap();
    let _ = stream.write_all(bytes).await;
    let mut answer = Vec::new();
    let closed = tokio::time::timeout(patience, async {
        let mut piece = [0; 4096];
        while let Ok(length @ 1..) = stream.read(&mut piece).await {
            answer.extend_from_slice(&piece[..length]);
        }
    });
    let closed = closed.await.is_ok();
    (String::from_utf8_lossy(&answer).into_owned(), closed)
}

async fn alive(gate: &Gate) -> bool {
    gate.send(Method::GET, "/healthz", &[], Bytes::new()).await.status == 200
}

#[tokio::test]
async fn every_answer_says_how_browsers_and_caches_treat_it() {
    let upstream = Upstream::start().await;
    let gate = gate_before(&upstream, "").await;
    let cached = vec![("cache-control", "public, max-age=600"), ("x-content-type-options", "sniff")];
    upstream.acts(crate::support::Script::Answer(200, cached, completion("Hello.")));
    let post = |path: &'static str, body: serde_json::Value| (Method::POST, path, body.to_string(), true);
    let get = |path: &'static str, known: bool| (Method::GET, path, String::new(), known);
    for (method, path, body, known) in [
        get("/healthz", false),
        get("/openapi.json", false),
        get("/metrics", true),
        get("/admin/access", true),
        get("/admin/access", false),
        get("/nothing", true),
        get("/v1/guard", true),
        post("/v1/guard", serde_json::json!({ "text": "hello" })),
        post("/v1/guard", serde_json::json!({})),
        post("/v1/chat/completions", chat("hello")),
    ] {
        let headers: Vec<_> = known.then(|| ("x-api-key", gate.key.clone())).into_iter().collect();
        let reply = gate.send(method, path, &headers, body.into()).await;
        let told = ["cache-control", "x-content-type-options", "referrer-policy", "content-security-policy"];
        assert_eq!(
            told.map(|name| reply.header(name)),
            ["no-store", "nosniff", "no-referrer", "default-src 'none'; frame-ancestors 'none'"],
            "{path} {}",
            reply.status
        );
        assert_eq!(reply.headers.get_all("cache-control").iter().count(), 1);
        assert!(reply.headers.get("server").is_none(), "what it is made of is not told");
    }
}

#[tokio::test]
async fn heads_without_end_are_cut_off_and_cost_no_more_than_the_limit() {
    let gate = gate("[limits]\nheader_bytes = 8192\n").await;
    let bomb = |lines: String| format!("GET /healthz HTTP/1.1\r\nhost: x\r\n{lines}\r\n");
    let many: String = (0..200).map(|n| format!("x-{n}: y\r\n")).collect();
    let same = "x-same: y\r\n".repeat(3000);
    let long_name = format!("{}: y\r\n", "n".repeat(100_000));
    for (what, lines) in [("many", many), ("same", same), ("a long name", long_name)] {
        let (answer, closed) = exchange(&gate, bomb(lines).as_bytes(), Duration::from_secs(5)).await;
        assert!(answer.starts_with("HTTP/1.1 431 ") || answer.is_empty(), "{what}: {answer}");
        assert!(closed, "{what}");
    }
    let target = format!("GET /{} HTTP/1.1\r\nhost: x\r\n\r\n", "a".repeat(100_000));
    let (answer, closed) = exchange(&gate, target.as_bytes(), Duration::from_secs(5)).await;
    let status = answer.split(' ').nth(1).unwrap_or("lost on its way");
    assert!(closed && ["414", "431", "lost on its way"].contains(&status), "{answer}");
    // A head that never ends: the gateway stops reading and closes, long before its sender has sent what it would.
    let mut stream = TcpStream::connect(gate.address).await.unwrap();
    stream.write_all(b"GET /healthz HTTP/1.1\r\nhost: x\r\n").await.unwrap();
    let line = format!("x-endless: {}\r\n", "y".repeat(1000));
    let mut sent = 0;
    while sent < 100 << 20 && stream.write_all(line.as_bytes()).await.is_ok() {
        sent += line.len();
    }
    assert!(sent < 20 << 20, "{sent} bytes of a head were taken");
    assert!(alive(&gate).await);
}
