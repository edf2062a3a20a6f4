//! Datagrams with forged addresses, by which the gateway would send much to somebody who has asked for nothing.

use std::time::Duration;

use tokio::net::UdpSocket;

use crate::quic::client::Client;
use crate::support::gate;

/// The first datagram of a handshake.
async fn first_datagram() -> Vec<u8> {
    let sink = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let client = Client::new(b"h3");
    let connecting = client.endpoint.connect(sink.local_addr().unwrap(), "localhost").unwrap();
    let mut datagram = vec![0; 2048];
    let length = sink.recv(&mut datagram).await.unwrap();
    drop(connecting);
    datagram.truncate(length);
    datagram
}

#[tokio::test]
async fn before_an_address_is_proved_at_most_three_times_what_came_is_sent_to_it() {
    // A chain that is larger than three first datagrams, so that the limit holds it back.
    let folder = tempfile::tempdir().unwrap();
    let names: Vec<_> = (0..150).map(|n| format!("a-rather-long-name-{n}.of-a-gateway.example")).collect();
    let made = rcgen::generate_simple_self_signed(names).unwrap();
    assert!(made.cert.der().len() > 5000);
    let write = |name: &str, text: String| {
        std::fs::write(folder.path().join(name), text).unwrap();
        folder.path().join(name).display().to_string()
    };
    let (certificate, key) =
        (write("c.pem", made.cert.pem()), write("k.pem", made.signing_key.serialize_pem()));
    let gate = gate(&format!("[tls]\ncertificate = '{certificate}'\nkey = '{key}'\n")).await;
    let datagram = first_datagram().await;
    assert!(datagram.len() >= 1200, "RFC 9000 §14.1");
    let victim = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    victim.send_to(&datagram, gate.quic).await.unwrap();
    let (mut answer, mut received) = (vec![0; 2048], 0);
    // Also what is sent again because nobody confirms it.
    let silence = Duration::from_millis(1500);
    while let Ok(length) = tokio::time::timeout(silence, victim.recv(&mut answer)).await {
        received += length.unwrap();
    }
    assert!(received > datagram.len(), "{received}");
    assert!(received <= 3 * datagram.len(), "{received} bytes for {}", datagram.len());
    // One that is too small for a first datagram gets nothing at all.
    let small = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    small.send_to(&datagram[..1100], gate.quic).await.unwrap();
    assert!(tokio::time::timeout(Duration::from_millis(300), small.recv(&mut answer)).await.is_err());
    // Nor does one with an unknown version get more than it sent.
    let mut unknown = datagram.clone();
    unknown[1..5].copy_from_slice(&0x0a0a_0a0a_u32.to_be_bytes());
    small.send_to(&unknown, gate.quic).await.unwrap();
    let told = tokio::time::timeout(Duration::from_millis(500), small.recv(&mut answer)).await;
    assert!(told.unwrap().unwrap() < unknown.len());
}
