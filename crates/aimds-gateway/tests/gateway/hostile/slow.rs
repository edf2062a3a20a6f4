//! Clients that are slow on purpose: each would keep a connection for ever.

use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpSocket, TcpStream};

use super::alive;
use crate::support::gate;

/// Sends one byte after the other with pauses until the gateway closes; says what it answered and how long it took.
async fn dripping(address: std::net::SocketAddr, start: &str, byte: &[u8]) -> (String, Duration) {
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(start.as_bytes()).await.unwrap();
    let (mut reading, mut writing) = stream.split();
    let begun = Instant::now();
    let drip = async {
        loop {
            tokio::time::sleep(Duration::from_millis(20)).await;
            if writing.write_all(byte).await.is_err() {
                std::future::pending::<()>().await;
            }
        }
    };
    let mut answer = Vec::new();
    let read = async {
        let mut piece = [0; 1024];
        while let Ok(length @ 1..) = reading.read(&mut piece).await {
            answer.extend_from_slice(&piece[..length]);
        }
    };
    let closed = async {
        tokio::select! { () = read => (), () = drip => () }
    };
    tokio::time::timeout(Duration::from_secs(8), closed).await.expect("the connection stays open");
    (String::from_utf8_lossy(&answer).into_owned(), begun.elapsed())
}

#[tokio::test]
async fn heads_and_bodies_that_drip_end_after_their_time_however_lively_they_are() {
    let gate = gate("[limits]\nheader_read_timeout_ms = 300\nrequest_timeout_ms = 300\n").await;
    let (key, address) = (gate.key.clone(), gate.address);
    let post = format!("POST /v1/guard HTTP/1.1\r\nhost: x\r\nx-api-key: {key}\r\n");
    for (what, start, byte) in [
        ("a request line", "GET /".to_owned(), "a"),
        ("a head", "GET /healthz HTTP/1.1\r\nhost: x\r\nx-slow: ".to_owned(), "y"),
        ("lines", "GET /healthz HTTP/1.1\r\nhost: x\r\n".to_owned(), "a: b\r\n"),
        ("an HTTP/2 preface", "PRI * HTTP/2.0\r\n".to_owned(), "\r\n"),
        ("a body", format!("{post}content-length: 1000\r\n\r\n{{\"text\":\""), "a"),
        ("chunks", format!("{post}transfer-encoding: chunked\r\n\r\n"), "1\r\na\r\n"),
        ("a size of a chunk", format!("{post}transfer-encoding: chunked\r\n\r\n"), "0"),
    ] {
        let (answer, took) = dripping(address, &start, byte.as_bytes()).await;
        assert!(took < Duration::from_secs(4), "{what} took {took:?}");
        let status = answer.split(' ').nth(1).unwrap_or("none");
        assert!(["none", "400", "408"].contains(&status), "{what}: {answer}");
    }
    assert!(alive(&gate).await);
}

#[tokio::test]
async fn who_asks_and_does_not_read_is_cut_off() {
    let gate = gate("[limits]\nanswer_timeout_ms = 300\n").await;
    let socket = TcpSocket::new_v4().unwrap();
    socket.set_recv_buffer_size(4096).unwrap();
    let mut stream = socket.connect(gate.address).await.unwrap();
    let ask = b"GET /openapi.json HTTP/1.1\r\nhost: x\r\n\r\n".repeat(50);
    // Until the buffers of both ends are full, and then for as long as the gateway bears it.
    let asking = async { while stream.write_all(&ask).await.is_ok() {} };
    tokio::time::timeout(Duration::from_secs(20), asking).await.expect("the connection stays open");
    let open = async || gate.metric("aimds_connections").await;
    crate::support::eventually("its connection is gone", async || open().await <= 1.0).await;
}

#[tokio::test]
async fn nobody_takes_all_connections() {
    let begin = async |config: &str| {
        let gate =
            gate(&format!("[limits]\nmax_connections = 10\nconnections_per_address = 4\n{config}")).await;
        let mut held = Vec::new();
        for _ in 0..4 {
            held.push(TcpStream::connect(gate.address).await.unwrap());
        }
        (gate, held)
    };
    let (one, held) = begin("").await;
    let fifth = one.raw(b"GET /healthz HTTP/1.0\r\n\r\n").await;
    assert!(fifth.starts_with("HTTP/1.1 503 ") && fifth.contains("retry-after: 1\r\n"), "{fifth}");
    let client = crate::quic::client::Client::new(b"h3");
    assert!(client.connect(one.quic).await.is_err(), "both listeners count together");
    drop(held);
    crate::support::eventually("its places are free again", async || {
        one.raw(b"GET /healthz HTTP/1.0\r\n\r\n").await.contains("200 OK")
    })
    .await;
    // The connections of a proxy are those of many clients.
    let (many, _held) = begin("[listen]\ntrusted_proxies = [\"127.0.0.1\"]\n").await;
    assert!(alive(&many).await);
}

#[tokio::test]
async fn slow_clients_keep_their_connections_and_nobody_elses() {
    let gate = gate("[limits]\nmax_connections = 40\nheader_read_timeout_ms = 400\n").await;
    let mut held = Vec::new();
    for _ in 0..40 {
        let mut stream = TcpStream::connect(gate.address).await.unwrap();
        stream.write_all(b"GET /healthz HTTP/1.1\r\n").await.unwrap();
        held.push(stream);
    }
    crate::support::eventually("the places are free again", async || {
        gate.raw(b"GET /healthz HTTP/1.0\r\n\r\n").await.contains("200 OK")
    })
    .await;
}
