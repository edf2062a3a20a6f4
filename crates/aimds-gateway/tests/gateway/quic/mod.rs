//! HTTP/3, `aimds/1`, early data and certificates, with quinn and h3 as clients. Clients that are not built from the
//! same libraries are in `tests/external`.

mod certificates;
pub mod client;
mod early;
mod native;
pub mod pki;
mod trusting;

use std::time::Duration;

use axum::body::Bytes;
use axum::http::Method;
use quinn::{ConnectionError, VarInt};
use serde_json::json;

use self::client::{Client, ask, get, post};
use crate::support::{CARD, Gate, Script, Upstream, chat, eventually, gate, gate_before};

const H3: &[u8] = b"h3";

#[tokio::test]
async fn the_same_routes_answer_over_http_3() {
    let gate = gate("").await;
    let mut http3 = Client::new(H3).http3(gate.quic).await;
    let reply = get(&mut http3, "/healthz").await;
    assert_eq!((reply.status.as_u16(), reply.text()), (200, "ok\n"));
    let verdict = post(&mut http3, &gate.key, "/v1/guard", json!({ "text": CARD }).to_string()).await;
    assert_eq!((verdict.status.as_u16(), verdict.decision()), (200, "block"));
    assert_eq!(verdict.json()["decision"], "block");
    assert_eq!(verdict.header("x-aimds-request-id").len(), 36);
    assert_eq!(verdict.header("content-length"), verdict.body.len().to_string());
    let word = post(&mut http3, &gate.key, "/v1/guard?format=verdict", r#"{"text":"hello"}"#).await;
    assert_eq!(word.text().trim(), "pass");
    for (method, path, key, status) in [
        (Method::GET, "/nowhere", "", 404),
        (Method::GET, "/v1/guard", "", 405),
        (Method::POST, "/v1/guard", "aimds_wrong", 401),
        (Method::POST, "/v1/guard", gate.key.as_str(), 400),
    ] {
        let body = if method == Method::POST { Bytes::from("{") } else { Bytes::new() };
        let reply = ask(&mut http3, method, path, &[("x-api-key", key)], body).await.unwrap();
        assert_eq!(reply.status, status, "{path}");
        assert!(reply.headers.contains_key("x-aimds-request-id"), "{path}");
        assert!(!reply.headers.contains_key("connection"), "{path}");
    }
    assert_eq!(gate.metric("aimds_connections").await, 2.0, "one over TCP, one over QUIC");
}

#[tokio::test]
async fn bodies_have_the_same_limits_over_http_3() {
    let gate = gate("[limits]\nbody_bytes = 600000\nrequest_timeout_ms = 300\n").await;
    let client = Client::new(H3);
    let mut http3 = client.http3(gate.quic).await;
    // More than the windows of the stream, so that the gateway must make room while it reads.
    let large = json!({ "text": "some words ".repeat(50_000) }).to_string();
    assert_eq!(post(&mut http3, &gate.key, "/v1/guard", large).await.status, 200);
    let too_large = vec![b' '; 3_000_000];
    let reply = post(&mut http3, &gate.key, "/v1/guard", too_large).await;
    assert_eq!(
        (reply.status.as_u16(), reply.json()["error"]["code"].as_str()),
        (413, Some("request_too_large"))
    );
    let announced = [("x-api-key", gate.key.as_str()), ("content-length", "700000")];
    let reply = ask(&mut http3, Method::POST, "/v1/guard", &announced, vec![b' '; 700_000]).await.unwrap();
    assert_eq!(reply.status, 413);
    for length in ["5", "500"] {
        let wrong = [("x-api-key", gate.key.as_str()), ("content-length", length)];
        let reply = ask(&mut http3, Method::POST, "/v1/guard", &wrong, r#"{"text":"a"}"#).await.unwrap();
        assert_eq!(
            (reply.status.as_u16(), reply.json()["error"]["code"].as_str()),
            (400, Some("request_incomplete"))
        );
    }
    let head =
        ask(&mut http3, Method::GET, "/healthz", &[("x-long", &"x".repeat(40_000))], "").await.unwrap();
    assert_eq!((head.status.as_u16(), head.json()["error"]["code"].as_str()), (431, Some("head_too_large")));
    let request = axum::http::Request::post("https://localhost/v1/guard").header("x-api-key", &gate.key);
    let mut slow = http3.send_request(request.body(()).unwrap()).await.unwrap();
    slow.send_data(Bytes::from("{")).await.unwrap();
    assert_eq!(slow.recv_response().await.unwrap().status(), 408);
    assert_eq!(get(&mut http3, "/healthz").await.status, 200, "the connection goes on");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn more_requests_than_streams_are_all_answered() {
    let gate = gate("[quic]\nmax_streams = 8\n").await;
    let http3 = Client::new(H3).http3(gate.quic).await;
    let asked = (0..200).map(|number| {
        let (mut http3, key) = (http3.clone(), gate.key.clone());
        let text = if number % 2 == 0 { CARD } else { "hello" };
        async move { post(&mut http3, &key, "/v1/guard", json!({ "text": text }).to_string()).await }
    });
    let replies = futures_util::future::join_all(asked).await;
    for (number, reply) in replies.iter().enumerate() {
        assert_eq!(reply.decision(), if number % 2 == 0 { "block" } else { "allow" });
    }
    eventually("nothing is in progress", async || gate.metric("aimds_requests_in_flight").await == 1.0).await;
}

/// Begins a request that the upstream will not answer, and waits until the upstream has it.
async fn waiting_for(upstream: &Upstream, gate: &Gate, http3: &mut client::Sender) -> Stream {
    upstream.acts(Script::Slow(Duration::from_secs(60)));
    let request =
        axum::http::Request::post("https://localhost/v1/chat/completions").header("x-api-key", &gate.key);
    let mut stream = http3.send_request(request.body(()).unwrap()).await.unwrap();
    stream.send_data(Bytes::from(chat("hello").to_string())).await.unwrap();
    stream.finish().await.unwrap();
    eventually("the upstream is asked", async || upstream.bodies().len() == 1).await;
    stream
}

type Stream = h3::client::RequestStream<h3_quinn::BidiStream<Bytes>, Bytes>;

#[tokio::test]
async fn a_cancelled_stream_cancels_the_request_at_the_upstream_and_nothing_else() {
    let upstream = Upstream::start().await;
    let gate = gate_before(&upstream, "").await;
    let mut http3 = Client::new(H3).http3(gate.quic).await;
    let mut stream = waiting_for(&upstream, &gate, &mut http3).await;
    stream.stop_sending(h3::error::Code::H3_REQUEST_CANCELLED);
    eventually("the upstream request is dropped", async || upstream.dropped() == 1).await;
    assert_eq!(get(&mut http3, "/healthz").await.status, 200, "the connection goes on");
    drop(stream);
}

#[tokio::test]
async fn a_lost_connection_cancels_its_requests() {
    let upstream = Upstream::start().await;
    let gate = gate_before(&upstream, "").await;
    let client = Client::new(H3);
    let mut http3 = client.http3(gate.quic).await;
    let _stream = waiting_for(&upstream, &gate, &mut http3).await;
    client.endpoint.close(VarInt::from_u32(0x100), b"");
    eventually("the upstream request is dropped", async || upstream.dropped() == 1).await;
    eventually("nothing is in progress", async || gate.metric("aimds_requests_in_flight").await == 1.0).await;
}

#[tokio::test]
async fn a_stream_that_breaks_at_the_upstream_never_looks_whole() {
    let upstream = Upstream::start().await;
    let gate = gate_before(&upstream, "").await;
    let mut http3 = Client::new(H3).http3(gate.quic).await;
    let piece = "data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"Hello. \"}}]}\n\n";
    upstream.acts(Script::Events(vec![Bytes::from(piece)], crate::support::After::Break));
    let mut body = chat("hello");
    body["stream"] = true.into();
    let reply = post(&mut http3, &gate.key, "/v1/chat/completions", body.to_string()).await;
    assert_eq!(reply.status, 200);
    assert!(reply.text().contains("\"error\"") && !reply.text().contains("[DONE]"), "{}", reply.text());
}

#[tokio::test]
async fn malformed_frames_close_their_connection_and_no_other() {
    let gate = gate("").await;
    let client = Client::new(H3);
    let mut other = client.http3(gate.quic).await;
    for (bytes, code) in [
        // A DATA frame before any HEADERS.
        (&b"\x00\x01a"[..], 0x105),
        // HEADERS with a field section that is none.
        (&b"\x01\x04\xff\xff\xff\xff"[..], 0x200),
        // SETTINGS on a request stream.
        (&b"\x04\x00"[..], 0x105),
    ] {
        let connection = client.connect(gate.quic).await.unwrap();
        let (mut send, _receive) = connection.open_bi().await.unwrap();
        send.write_all(bytes).await.unwrap();
        match connection.closed().await {
            ConnectionError::ApplicationClosed(closed) => {
                assert_eq!(closed.error_code.into_inner(), code, "{bytes:?}")
            }
            error => panic!("{bytes:?}: {error:?}"),
        }
    }
    // A head of a gigabyte, and as much of settings: h3 would keep all of it.
    let connection = client.connect(gate.quic).await.unwrap();
    let (mut send, mut receive) = connection.open_bi().await.unwrap();
    send.write_all(b"\x01\xc0\x00\x00\x00\x40\x00\x00\x00").await.unwrap();
    assert!(send.write_all(&vec![0; 4 << 20]).await.is_err(), "the gateway takes no more");
    assert!(receive.read_to_end(100).await.is_err());
    let mut control = connection.open_uni().await.unwrap();
    control.write_all(b"\x00\x04\xc0\x00\x00\x00\x40\x00\x00\x00").await.unwrap();
    assert!(control.write_all(&vec![0; 4 << 20]).await.is_err(), "the gateway takes no more");
    assert!(matches!(connection.closed().await, ConnectionError::ApplicationClosed(_)));
    // A request that ends before its head, and one whose head is not one: only their streams are reset.
    let connection = client.connect(gate.quic).await.unwrap();
    for bytes in [&b""[..], &b"\x01"[..]] {
        let (mut send, mut receive) = connection.open_bi().await.unwrap();
        send.write_all(bytes).await.unwrap();
        send.finish().unwrap();
        assert!(receive.read_to_end(100).await.is_err(), "{bytes:?}");
    }
    assert_eq!(get(&mut other, "/healthz").await.status, 200);
}

#[tokio::test]
async fn a_protocol_that_the_gateway_does_not_speak_is_refused() {
    let gate = gate("").await;
    // no_application_protocol (RFC 7301), as QUIC numbers it.
    match Client::new(b"h3-29").connect(gate.quic).await {
        Err(ConnectionError::ConnectionClosed(closed)) => assert_eq!(u64::from(closed.error_code), 0x178),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn with_many_handshakes_under_way_a_client_proves_its_address_first() {
    let gate = gate("[quic]\nretry_above = 0\n").await;
    let mut http3 = Client::new(H3).http3(gate.quic).await;
    assert_eq!(get(&mut http3, "/healthz").await.status, 200);
    assert!(gate.metric("aimds_quic_retries_total").await >= 1.0);
}

#[tokio::test]
async fn connections_over_the_limit_are_refused_on_both_listeners_together() {
    let gate = gate("[limits]\nmax_connections = 1\n").await;
    let client = Client::new(H3);
    let mut http3 = client.http3(gate.quic).await;
    assert_eq!(get(&mut http3, "/healthz").await.status, 200);
    match client.connect(gate.quic).await {
        // CONNECTION_REFUSED
        Err(ConnectionError::ConnectionClosed(closed)) => assert_eq!(u64::from(closed.error_code), 2),
        other => panic!("{other:?}"),
    }
    let answer = gate.raw(b"GET /healthz HTTP/1.1\r\nhost: x\r\n\r\n").await;
    assert!(answer.starts_with("HTTP/1.1 503 "), "{answer}");
}

#[tokio::test]
async fn a_client_keeps_its_connection_when_its_address_changes() {
    let gate = gate("").await;
    let client = Client::new(H3);
    let mut http3 = client.http3(gate.quic).await;
    assert_eq!(get(&mut http3, "/healthz").await.status, 200);
    let before = client.endpoint.local_addr().unwrap();
    client.endpoint.rebind(std::net::UdpSocket::bind("127.0.0.1:0").unwrap()).unwrap();
    assert_ne!(client.endpoint.local_addr().unwrap(), before);
    assert_eq!(get(&mut http3, "/healthz").await.status, 200);
}

#[tokio::test]
async fn a_silent_connection_is_closed() {
    let gate = gate("[quic]\nidle_timeout_ms = 1000\n").await;
    let connection = Client::new(H3).connect(gate.quic).await.unwrap();
    assert!(matches!(connection.closed().await, ConnectionError::TimedOut));
    eventually("it is forgotten", async || gate.metric("aimds_connections").await == 1.0).await;
}

#[tokio::test]
async fn shutdown_says_goaway_and_finishes_what_is_in_progress() {
    let upstream = Upstream::start().await;
    let mut gate = gate_before(&upstream, "").await;
    let client = Client::new(H3);
    let connection = client.connect(gate.quic).await.unwrap();
    let http3 = client::http3(connection.clone()).await;
    upstream.acts(Script::Slow(Duration::from_millis(1500)));
    let (key, mut asking) = (gate.key.clone(), http3.clone());
    let body = chat("hello").to_string();
    let in_progress =
        tokio::spawn(async move { post(&mut asking, &key, "/v1/chat/completions", body).await });
    eventually("the upstream is asked", async || upstream.bodies().len() == 1).await;
    gate.stop();
    let refused = async || ask(&mut http3.clone(), Method::GET, "/healthz", &[], "").await.is_err();
    eventually("no new request is taken", refused).await;
    assert!(client.connect(gate.quic).await.is_err(), "no new connection is taken");
    let reply = in_progress.await.unwrap();
    assert_eq!(reply.json()["choices"][0]["message"]["content"], "late");
    // Either side may be the first to close what has no request left; both say that nothing is wrong.
    match connection.closed().await {
        ConnectionError::ApplicationClosed(closed) => assert_eq!(closed.error_code.into_inner(), 0x100),
        ConnectionError::LocallyClosed => {}
        error => panic!("{error:?}"),
    }
    gate.stopped().await;
}

#[tokio::test]
async fn shutdown_over_quic_does_not_wait_longer_than_it_may() {
    let upstream = Upstream::start().await;
    let mut gate = gate_before(&upstream, "[limits]\ndrain_timeout_ms = 100\n").await;
    let mut http3 = Client::new(H3).http3(gate.quic).await;
    let mut stream = waiting_for(&upstream, &gate, &mut http3).await;
    gate.stop();
    assert!(stream.recv_response().await.is_err(), "cut off");
    tokio::time::timeout(Duration::from_secs(10), gate.stopped()).await.expect("shutdown hangs");
}
