//! Early data (0-RTT): what is answered before the handshake is complete, and what is not. A relay between client and
//! gateway keeps the end of the handshake back.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::body::Bytes;
use axum::http::Method;
use serde_json::json;
use tokio::net::UdpSocket;

use super::client::{Client, ask, get, http3, native, post};
use crate::support::{Gate, eventually, gate};

/// Passes datagrams on, and records what the client sends before the gateway answers.
struct Relay {
    address: SocketAddr,
    state: Arc<State>,
}

#[derive(Default)]
struct State {
    /// Drop what the client sends once the gateway has answered: the handshake stays incomplete.
    hold: AtomicBool,
    answered: AtomicBool,
    first_flight: Mutex<Vec<Vec<u8>>>,
}

impl Relay {
    async fn before(gateway: SocketAddr) -> Self {
        let front = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        let back = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        back.connect(gateway).await.unwrap();
        let address = front.local_addr().unwrap();
        let state = Arc::new(State::default());
        let its = Arc::clone(&state);
        tokio::spawn(async move {
            let mut client = None;
            let (mut up, mut down) = (vec![0; 65_536], vec![0; 65_536]);
            loop {
                tokio::select! {
                    received = front.recv_from(&mut up) => {
                        let (length, from) = received.unwrap();
                        client = Some(from);
                        its.up(&back, &up[..length]).await;
                    }
                    received = back.recv(&mut down) => {
                        let Ok(length) = received else { continue };
                        its.answered.store(true, Ordering::SeqCst);
                        front.send_to(&down[..length], client.unwrap()).await.unwrap();
                    }
                }
            }
        });
        Self { address, state }
    }

    /// From now on, the next connection does not complete its handshake.
    fn hold(&self) {
        self.state.first_flight.lock().unwrap().clear();
        self.state.answered.store(false, Ordering::SeqCst);
        self.state.hold.store(true, Ordering::SeqCst);
    }

    fn release(&self) {
        self.state.hold.store(false, Ordering::SeqCst);
    }
}

impl State {
    async fn up(&self, back: &UdpSocket, datagram: &[u8]) {
        if self.hold.load(Ordering::SeqCst) {
            if self.answered.load(Ordering::SeqCst) {
                return;
            }
            self.first_flight.lock().unwrap().push(datagram.to_vec());
        }
        let _ = back.send(datagram).await;
    }
}

/// A client that has been here before, and a relay that now keeps the end of the handshake back.
async fn returning(gate: &Gate, alpn: &[u8]) -> (Client, Relay) {
    let relay = Relay::before(gate.quic).await;
    let client = Client::new(alpn);
    let connection = client.connect(relay.address).await.unwrap();
    // The ticket comes with the first packets after the handshake.
    let answer = match alpn {
        b"h3" => get(&mut http3(connection.clone()).await, "/healthz").await.status.as_u16(),
        _ => native(&connection, br#"{"route":"/healthz"}"#).await["status"].as_u64().unwrap() as u16,
    };
    assert_eq!(answer, 200);
    connection.close(0x100_u32.into(), b"");
    client.endpoint.wait_idle().await;
    relay.hold();
    (client, relay)
}

fn early(client: &Client, relay: &Relay) -> (quinn::Connection, quinn::ZeroRttAccepted) {
    let connecting = client.endpoint.connect(relay.address, "localhost").unwrap();
    connecting.into_0rtt().unwrap_or_else(|_| panic!("there is no session to resume"))
}

#[tokio::test]
async fn what_changes_nothing_is_answered_before_the_handshake_is_complete() {
    let gate = gate("").await;
    let (client, relay) = returning(&gate, b"h3").await;
    let (connection, accepted) = early(&client, &relay);
    let mut sender = http3(connection).await;
    let reply = tokio::time::timeout(Duration::from_secs(10), get(&mut sender, "/healthz")).await;
    assert_eq!(reply.expect("answered while the handshake is held back").text(), "ok\n");
    assert_eq!(gate.metric("aimds_quic_early_requests_total").await, 1.0);
    assert_eq!(gate.metric("aimds_quic_early_held_total").await, 0.0);
    relay.release();
    assert!(accepted.await);
}

#[tokio::test]
async fn a_verdict_waits_for_the_handshake_over_http_3() {
    let gate = gate("").await;
    let (client, relay) = returning(&gate, b"h3").await;
    let (connection, accepted) = early(&client, &relay);
    let mut sender = http3(connection).await;
    let key = gate.key.clone();
    let asking =
        tokio::spawn(async move { post(&mut sender, &key, "/v1/guard", r#"{"text":"hello"}"#).await });
    eventually("the request is held", async || gate.metric("aimds_quic_early_held_total").await == 1.0).await;
    assert_eq!(gate.metric("aimds_requests_total{route=\"/v1/guard\",status=\"2xx\"}").await, 0.0);
    assert!(!asking.is_finished());
    relay.release();
    assert!(accepted.await);
    assert_eq!(asking.await.unwrap().json()["decision"], "allow");
}

#[tokio::test]
async fn what_changes_nothing_is_answered_early_over_aimds_1_too() {
    let gate = gate("").await;
    let (client, relay) = returning(&gate, b"aimds/1").await;
    let (connection, accepted) = early(&client, &relay);
    let health = native(&connection, br#"{"route":"/healthz"}"#);
    let health = tokio::time::timeout(Duration::from_secs(10), health).await;
    assert_eq!(health.expect("answered while the handshake is held back")["status"], 200);
    relay.release();
    assert!(accepted.await);
}

#[tokio::test]
async fn a_verdict_waits_for_the_handshake_over_aimds_1() {
    let gate = gate("").await;
    let (client, relay) = returning(&gate, b"aimds/1").await;
    let (connection, accepted) = early(&client, &relay);
    let request = json!({"route": "/v1/guard", "key": gate.key, "body": {"text": "hello"}}).to_string();
    let asking = tokio::spawn(async move { native(&connection, request.as_bytes()).await });
    eventually("the request is held", async || gate.metric("aimds_quic_early_held_total").await == 1.0).await;
    assert!(!asking.is_finished());
    relay.release();
    assert!(accepted.await);
    assert_eq!(asking.await.unwrap()["decision"], "allow");
}

#[tokio::test]
async fn a_first_flight_that_is_sent_again_is_not_answered_again() {
    let gate = gate("").await;
    let (client, relay) = returning(&gate, b"h3").await;
    let (connection, accepted) = early(&client, &relay);
    let mut sender = http3(connection).await;
    assert_eq!(get(&mut sender, "/healthz").await.status, 200);
    relay.release();
    assert!(accepted.await);
    let answered = "aimds_requests_total{route=\"/healthz\",status=\"2xx\"}";
    let before = gate.metric(answered).await;
    assert_eq!(before, 2.0, "the first connection's and the early one");
    // From another address, as who recorded it would.
    let replayer = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let recorded = relay.state.first_flight.lock().unwrap().clone();
    assert!(!recorded.is_empty());
    for datagram in &recorded {
        replayer.send_to(datagram, gate.quic).await.unwrap();
    }
    // Whether or not the gateway begins a handshake that the replayer cannot finish, it does not send much (RFC 9000 §8.1).
    let (mut answer, mut received) = (vec![0; 2048], 0);
    while let Ok(got) = tokio::time::timeout(Duration::from_millis(300), replayer.recv(&mut answer)).await {
        received += got.unwrap();
    }
    let sent: usize = recorded.iter().map(Vec::len).sum();
    assert!(received <= 3 * sent, "{received} bytes for {sent}");
    assert_eq!(gate.metric(answered).await, before);
    assert_eq!(gate.metric("aimds_quic_early_requests_total").await, 1.0);
}

#[tokio::test]
async fn early_data_can_be_turned_off() {
    let gate = gate("[quic]\nearly_data = false\n").await;
    let client = Client::new(b"h3");
    assert_eq!(get(&mut client.http3(gate.quic).await, "/healthz").await.status, 200);
    assert!(client.endpoint.connect(gate.quic, "localhost").unwrap().into_0rtt().is_err());
}

#[tokio::test]
async fn what_an_intermediary_took_from_early_data_is_too_early() {
    let gate = gate("").await;
    let mut sender = Client::new(b"h3").http3(gate.quic).await;
    let headers = [("x-api-key", gate.key.as_str()), ("early-data", "1")];
    let body = Bytes::from(r#"{"text":"hello"}"#);
    let reply = ask(&mut sender, Method::POST, "/v1/guard", &headers, body).await.unwrap();
    assert_eq!((reply.status.as_u16(), reply.json()["error"]["code"].as_str()), (425, Some("too_early")));
    let reply = ask(&mut sender, Method::GET, "/healthz", &headers, "").await.unwrap();
    assert_eq!(reply.status, 200);
}
