//! HTTP/2, frame by frame (RFC 9113): floods that cost the sender little and the receiver much.

use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use super::alive;
use crate::support::{Gate, eventually, gate};

const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
const HEADERS: u8 = 1;
const RST_STREAM: u8 = 3;
const SETTINGS: u8 = 4;
const GOAWAY: u8 = 7;
const CONTINUATION: u8 = 9;
const END_STREAM: u8 = 1;
const END_HEADERS: u8 = 4;
/// ENHANCE_YOUR_CALM (RFC 9113 §7).
const CALM: u32 = 11;

fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
    [&length[1..], &[kind, flags], &stream.to_be_bytes(), payload].concat()
}

/// `GET /healthz`, in HPACK (RFC 7541) with the static table alone.
fn healthz() -> Vec<u8> {
    [&[0x82, 0x86, 0x04, 8][..], b"/healthz", &[0x01, 1], b"x"].concat()
}

/// A connection on which the prefaces have been exchanged.
async fn connect(gate: &Gate) -> TcpStream {
    let mut stream = TcpStream::connect(gate.address).await.unwrap();
    stream
        .write_all(&[PREFACE, &frame(SETTINGS, 0, 0, &[]), &frame(SETTINGS, 1, 0, &[])].concat())
        .await
        .unwrap();
    stream
}

/// The frames that the gateway sends until it closes.
async fn frames(stream: &mut (impl tokio::io::AsyncRead + Unpin)) -> Vec<(u8, Vec<u8>)> {
    let mut bytes = Vec::new();
    let reading = async {
        let mut piece = vec![0; 16_384];
        while let Ok(length @ 1..) = stream.read(&mut piece).await {
            bytes.extend_from_slice(&piece[..length]);
        }
    };
    tokio::time::timeout(Duration::from_secs(10), reading).await.expect("the connection stays open");
    let (mut frames, mut rest) = (Vec::new(), bytes.as_slice());
    while let [a, b, c, kind, _, _, _, _, _, payload @ ..] = rest {
        let length = u32::from_be_bytes([0, *a, *b, *c]) as usize;
        frames.push((*kind, payload[..length.min(payload.len())].to_vec()));
        rest = payload.get(length..).unwrap_or_default();
    }
    frames
}

/// With which code the gateway has said that the connection ends.
fn farewell(frames: &[(u8, Vec<u8>)]) -> Option<u32> {
    let (_, payload) = frames.iter().rev().find(|(kind, _)| *kind == GOAWAY)?;
    Some(u32::from_be_bytes(payload[4..8].try_into().unwrap()))
}

#[tokio::test]
async fn streams_that_are_begun_and_reset_at_once_end_the_connection() {
    let gate = gate("").await;
    let mut stream = connect(&gate).await;
    let (mut reading, mut writing) = stream.split();
    let flood = async {
        for number in 0..50_000_u32 {
            let id = 2 * number + 1;
            let begun = frame(HEADERS, END_STREAM | END_HEADERS, id, &healthz());
            let both = [begun, frame(RST_STREAM, 0, id, &8_u32.to_be_bytes())].concat();
            if writing.write_all(&both).await.is_err() {
                return number;
            }
        }
        50_000
    };
    let (sent, frames) = tokio::join!(flood, frames(&mut reading));
    assert_eq!(farewell(&frames), Some(CALM), "after {sent} streams");
    let answered = "aimds_requests_total{route=\"/healthz\",status=\"2xx\"}";
    assert!(gate.metric(answered).await < 5000.0, "most of it costs nothing");
    eventually("nothing is left of it", async || gate.metric("aimds_connections").await <= 1.0).await;
    assert!(alive(&gate).await);
}

#[tokio::test]
async fn a_head_in_endless_continuations_ends_the_connection() {
    let gate = gate("").await;
    let mut stream = connect(&gate).await;
    let (mut reading, mut writing) = stream.split();
    let flood = async {
        writing.write_all(&frame(HEADERS, END_STREAM, 1, &healthz())).await.unwrap();
        // A literal with a name and a value of its own, never indexed, again and again.
        let line = [&[0x10, 1, b'a', 0x7f, 0x80, 0x01][..], &[b'b'; 255]].concat();
        let piece = frame(CONTINUATION, 0, 1, &line.repeat(60));
        let mut sent = 0;
        while sent < 100 << 20 && writing.write_all(&piece).await.is_ok() {
            sent += piece.len();
        }
        sent
    };
    let (sent, frames) = tokio::join!(flood, frames(&mut reading));
    assert!(farewell(&frames).is_some_and(|code| code != 0), "{:?}", farewell(&frames));
    assert!(sent < 20 << 20, "{sent} bytes of a head were taken");
    assert!(alive(&gate).await);
}

#[tokio::test]
async fn a_head_that_grows_when_it_is_unpacked_is_too_large() {
    let gate = gate("").await;
    let mut stream = connect(&gate).await;
    // One header of 4000 bytes is put into the table, then named 16,000 times with a byte each: 64 MB.
    let value = [&[0x40, 1, b'a', 0x7f, 0xa1, 0x1e][..], &[b'b'; 4000]].concat();
    let head = [healthz(), value].concat();
    let pieces = [
        frame(HEADERS, END_STREAM, 1, &head),
        frame(CONTINUATION, END_HEADERS, 1, &vec![0xbe; 16_000]),
        frame(HEADERS, END_STREAM | END_HEADERS, 3, &healthz()),
    ];
    stream.write_all(&pieces.concat()).await.unwrap();
    stream.shutdown().await.unwrap();
    let frames = frames(&mut stream).await;
    let answered = gate.metric("aimds_requests_total{route=\"/healthz\",status=\"2xx\"}").await;
    assert!(answered <= 1.0, "the request with the large head is not answered: {frames:?}");
    assert!(alive(&gate).await);
}

#[tokio::test]
async fn a_head_that_does_not_end_closes_the_connection_after_its_time() {
    let gate = gate("[limits]\nheader_read_timeout_ms = 300\n").await;
    let mut stream = connect(&gate).await;
    stream.write_all(&frame(HEADERS, END_STREAM, 1, &healthz())).await.unwrap();
    frames(&mut stream).await;
    assert!(alive(&gate).await);
}
