//! Request smuggling: bytes in which a proxy in front and the gateway could see different requests. Either the gateway
//! refuses, or it reads them as RFC 9112 says and closes, so that what follows is nobody's request.

use std::time::Duration;

use super::exchange;
use crate::support::{Gate, gate};

const PATIENCE: Duration = Duration::from_secs(2);

/// How many answers came, the status of the first, and whether the connection was closed.
async fn answers(gate: &Gate, request: &str) -> (usize, u16, bool) {
    let request = request.replace("KEY", &gate.key);
    let (answer, closed) = exchange(gate, request.as_bytes(), PATIENCE).await;
    let status = answer.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap_or(0);
    (answer.matches("HTTP/1.1 ").count(), status, closed)
}

/// What is smuggled: if it were read as a request of its own, it would be answered.
const SMUGGLED: &str = "GET /healthz HTTP/1.1\r\nhost: x\r\n\r\n";

#[tokio::test]
async fn what_has_two_lengths_is_refused_or_is_the_last_on_its_connection() {
    let gate = gate("").await;
    let head = "POST /v1/guard HTTP/1.1\r\nhost: x\r\nx-api-key: KEY\r\n";
    let body = "{\"text\":\"a\"}";
    let chunks = format!("c\r\n{body}\r\n0\r\n\r\n");
    // By length the chunks and what is smuggled are one body; by chunks there is a second request.
    let whole = chunks.len() + SMUGGLED.len();
    for lines in [
        format!("content-length: {whole}\r\ntransfer-encoding: chunked\r\n"),
        format!("transfer-encoding: chunked\r\ncontent-length: {whole}\r\n"),
        format!("Transfer-Encoding: Chunked\r\nContent-Length: {whole}\r\n"),
        // A proxy that lets a bare line feed through sees one header here.
        format!("content-length: {whole}\r\nx: y\ntransfer-encoding: chunked\r\n"),
    ] {
        let (count, status, closed) = answers(&gate, &format!("{head}{lines}\r\n{chunks}{SMUGGLED}")).await;
        // Closing over what is not read may lose the answer on its way.
        assert!(
            count <= 1 && [0, 200, 400].contains(&status) && closed,
            "{lines}: {count} {status} {closed}"
        );
    }
    for lines in [
        // Lengths that differ, or that are no numbers.
        "content-length: 12\r\ncontent-length: 50\r\n",
        "content-length: 12, 50\r\n",
        "content-length: 12\r\nx: y\ncontent-length: 50\r\n",
        "content-length: +12\r\n",
        "content-length: -1\r\n",
        "content-length: 0x0c\r\n",
        "content-length: 12 0\r\n",
        "content-length: \r\n",
        "content-length: 99999999999999999999\r\n",
        // Encodings that are not understood by everyone, or not last.
        "transfer-encoding: chunked, identity\r\n",
        "transfer-encoding: identity\r\n",
        "transfer-encoding: xchunked\r\n",
        "transfer-encoding: \x0bchunked\r\n",
        "transfer-encoding: chunked\r\ntransfer-encoding: identity\r\n",
        "transfer-encoding:\r\n chunked\r\n",
        // Names and lines that not everyone reads alike.
        "transfer-encoding : chunked\r\n",
        " transfer-encoding: chunked\r\n",
        "x: y\r\n transfer-encoding: chunked\r\n",
        "transfer-encoding\r\n",
        "x\0y: z\r\n",
        "x: y\0z\r\n",
        "x: y\rcontent-length: 12\r\n",
    ] {
        let (count, status, closed) = answers(&gate, &format!("{head}{lines}\r\n{body}{SMUGGLED}")).await;
        assert!(count <= 1 && [0, 400].contains(&status) && closed, "{lines:?}: {count} {status} {closed}");
    }
    assert_eq!(gate.metric("aimds_requests_total{route=\"/healthz\",status=\"2xx\"}").await, 0.0, "smuggled");
    // HTTP/1.0 has no chunks.
    let old = format!(
        "POST /v1/guard HTTP/1.0\r\nx-api-key: KEY\r\ntransfer-encoding: chunked\r\n\r\n{chunks}{SMUGGLED}"
    );
    assert!(matches!(answers(&gate, &old).await, (0 | 1, 0 | 400, true)));
    // The same length twice is one length.
    let twice = format!("{head}content-length: 12\r\ncontent-length: 12\r\nconnection: close\r\n\r\n{body}");
    assert_eq!(answers(&gate, &twice).await, (1, 200, true));
}

/// RFC 9112 §2.2 lets a reader take a bare line feed for the end of a line, which the parser does. It harms nobody unless a
/// proxy in front lets line feeds inside of headers through, which RFC 9110 §5.5 forbids.
#[tokio::test]
async fn a_bare_line_feed_ends_a_line_of_a_head() {
    let gate = gate("").await;
    let request = "GET /healthz HTTP/1.1\nhost: x\nconnection: close\n\n";
    assert_eq!(answers(&gate, request).await, (1, 200, true));
}

#[tokio::test]
async fn chunks_are_read_strictly() {
    let gate = gate("").await;
    let head = "POST /v1/guard HTTP/1.1\r\nhost: x\r\nx-api-key: KEY\r\ntransfer-encoding: chunked\r\n\r\n";
    let body = "{\"text\":\"a\"}";
    for chunks in [
        format!("c\n{body}\r\n0\r\n\r\n"),
        format!("c\r\n{body}\n0\r\n\r\n"),
        format!("c\r\n{body}0\r\n\r\n"),
        format!("0xc\r\n{body}\r\n0\r\n\r\n"),
        format!("-c\r\n{body}\r\n0\r\n\r\n"),
        format!("+c\r\n{body}\r\n0\r\n\r\n"),
        format!("10000000000000000c\r\n{body}\r\n0\r\n\r\n"),
        format!("c ;a\nb\r\n{body}\r\n0\r\n\r\n"),
        format!("{}\r\n{body}\r\n0\r\n\r\n", "0".repeat(100_000)),
        format!("c;{}\r\n{body}\r\n0\r\n\r\n", "e".repeat(100_000)),
        format!("c\r\n{body}\r\n0\r\n{}\r\n", "x-trailer: y\r\n".repeat(10_000)),
    ] {
        let (count, status, closed) = answers(&gate, &format!("{head}{chunks}{SMUGGLED}")).await;
        let what = &chunks[..chunks.len().min(30)];
        assert!(count <= 1 && [0, 400].contains(&status) && closed, "{what:?}: {count} {status} {closed}");
    }
    assert_eq!(gate.metric("aimds_requests_total{route=\"/healthz\",status=\"2xx\"}").await, 0.0, "smuggled");
    let good = head.replace("host: x", "host: x\r\nconnection: close");
    let (count, status, closed) = answers(&gate, &format!("{good}C;name=value\r\n{body}\r\n0\r\n\r\n")).await;
    assert_eq!((count, status, closed), (1, 200, true));
}

#[tokio::test]
async fn request_lines_that_not_everyone_reads_alike_are_refused() {
    let gate = gate("").await;
    for line in [
        "GET  /healthz HTTP/1.1",
        "GET /healthz HTTP/1.1 ",
        "GET /healthz HTTP/1.1\tx",
        "GET /healthz HTTP/2.0",
        "GET /healthz HTTP/1.10",
        "GET /healthz",
        "GET /heal\tthz HTTP/1.1",
        "G\0ET /healthz HTTP/1.1",
        "GET /healthz\0 HTTP/1.1",
        "get /healthz HTTP/1.1",
    ] {
        let (count, status, _) =
            answers(&gate, &format!("{line}\r\nhost: x\r\nconnection: close\r\n\r\n")).await;
        assert!(count <= 1 && [0, 400, 405, 505].contains(&status), "{line:?}: {count} {status}");
    }
}
