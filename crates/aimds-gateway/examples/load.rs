//! Load on a gateway over HTTP/3 or HTTP/2: so many connections with so many requests at a time on each, for so long.
//!
//! ```text
//! cargo run --release -p aimds-gateway --example load -- h3 127.0.0.1:4433 KEY --connections 4 --streams 16 --seconds 10
//! ```
//!
//! Prints one line that `cargo xtask load --protocol h3` reads. HTTP/2 is without TLS, with prior knowledge; HTTP/3 takes
//! any certificate. Every answer is checked: a status other than 200 or a body that is no verdict is an error.

#[path = "../tests/gateway/quic/trusting.rs"]
mod trusting;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::body::Bytes;
use axum::http::Request;
use http_body_util::{BodyExt as _, Full};
use hyper::body::Buf as _;
use hyper_util::rt::{TokioExecutor, TokioIo};
use quinn::crypto::rustls::QuicClientConfig;

type Failed = Box<dyn std::error::Error + Send + Sync>;

const USAGE: &str = "load h3|h2 ADDRESS:PORT KEY [--connections N] [--streams N] [--seconds N]";

/// The script for wrk, which holds the prompts: what is asked over each protocol is the same.
const SCRIPT: &str = include_str!("../../../xtask/src/guard.lua");

struct Arguments {
    http3: bool,
    address: SocketAddr,
    key: String,
    connections: usize,
    streams: usize,
    seconds: u64,
}

impl Arguments {
    fn read() -> Option<Self> {
        let mut words = std::env::args().skip(1);
        let http3 = match words.next()?.as_str() {
            "h3" => true,
            "h2" => false,
            _ => return None,
        };
        let (address, key) = (words.next()?.parse().ok()?, words.next()?);
        let mut arguments = Self { http3, address, key, connections: 4, streams: 8, seconds: 10 };
        while let Some(name) = words.next() {
            let value = words.next()?;
            match name.as_str() {
                "--connections" => arguments.connections = value.parse().ok()?,
                "--streams" => arguments.streams = value.parse().ok()?,
                "--seconds" => arguments.seconds = value.parse().ok()?,
                _ => return None,
            }
        }
        Some(arguments)
    }

    fn request(&self, scheme: &str) -> axum::http::request::Builder {
        let uri = format!("{scheme}://{}/v1/guard", self.address);
        Request::post(uri)
            .header("content-type", "application/json")
            .header("authorization", format!("Bearer {}", self.key))
    }
}

#[derive(Default)]
struct Measured {
    took: Vec<Duration>,
    errors: usize,
}

/// One of the prompts in turn, twice and cut at 200 characters, after a number of its own in letters: no text is sent twice,
/// and nine digits would be looked at as somebody's identifier.
fn body(worker: usize, number: usize) -> Bytes {
    let prompts = || SCRIPT.lines().filter_map(|line| line.trim().strip_prefix('"')?.strip_suffix("\","));
    let prompt: String = prompts().nth(number % prompts().count()).unwrap_or_default().repeat(2);
    let letter = |digit: u8| char::from(b'a' + digit - b'0');
    let mark: String = format!("{worker}{number:08}").bytes().map(letter).collect();
    let prompt: String = mark.chars().chain(" ".chars()).chain(prompt.chars()).take(200).collect();
    serde_json::json!({ "messages": [{ "role": "user", "content": prompt }] }).to_string().into()
}

fn is_verdict(status: axum::http::StatusCode, body: &[u8]) -> bool {
    status == 200 && body.starts_with(b"{") && body.windows(10).any(|window| window == b"\"decision\"")
}

#[tokio::main]
async fn main() -> Result<(), Failed> {
    let arguments = Arc::new(Arguments::read().ok_or(USAGE)?);
    let until = Instant::now() + Duration::from_secs(arguments.seconds);
    let started = Instant::now();
    let mut workers = tokio::task::JoinSet::new();
    for _ in 0..arguments.connections {
        let sender = match arguments.http3 {
            true => Sender::Http3(http3(&arguments).await?),
            false => Sender::Http2(http2(&arguments).await?),
        };
        for number in 0..arguments.streams {
            workers.spawn(repeat(until, number, Arc::clone(&arguments), sender.clone()));
        }
    }
    let mut all = Measured::default();
    while let Some(measured) = workers.join_next().await {
        let measured = measured?;
        all.took.extend(measured.took);
        all.errors += measured.errors;
    }
    let seconds = started.elapsed().as_secs_f64();
    all.took.sort_unstable();
    let at = |share: f64| {
        let place = (all.took.len() as f64 * share) as usize;
        all.took.get(place.min(all.took.len().saturating_sub(1))).map_or(0.0, |took| took.as_secs_f64() * 1e6)
    };
    println!(
        "aimds-load requests={} seconds={seconds:.3} p50_us={:.0} p99_us={:.0} max_us={:.0} errors={}",
        all.took.len() + all.errors,
        at(0.5),
        at(0.99),
        at(1.0),
        all.errors
    );
    Ok(())
}

/// A connection, which many workers share.
#[derive(Clone)]
enum Sender {
    Http3(Http3),
    Http2(Http2),
}

impl Sender {
    /// One request. True if its answer is a verdict.
    async fn ask(&mut self, arguments: &Arguments, body: Bytes) -> Result<bool, Failed> {
        match self {
            Self::Http3(sender) => ask_http3(arguments, sender, body).await,
            Self::Http2(sender) => ask_http2(arguments, sender, body).await,
        }
    }
}

/// One request after the other until time is up.
async fn repeat(until: Instant, first: usize, arguments: Arc<Arguments>, mut sender: Sender) -> Measured {
    let mut measured = Measured::default();
    let mut number = first;
    while Instant::now() < until {
        let started = Instant::now();
        match sender.ask(&arguments, body(first, number)).await {
            Ok(true) => measured.took.push(started.elapsed()),
            Ok(false) => measured.errors += 1,
            Err(_) => {
                // The connection is gone, and with it what this worker could still ask.
                measured.errors += 1;
                break;
            }
        }
        number += 1;
    }
    measured
}

type Http3 = h3::client::SendRequest<h3_quinn::OpenStreams, Bytes>;

async fn http3(arguments: &Arguments) -> Result<Http3, Failed> {
    let mut tls = trusting::builder()?.with_no_client_auth();
    tls.alpn_protocols = vec![b"h3".to_vec()];
    let crypto = QuicClientConfig::try_from(tls)?;
    let mut endpoint = quinn::Endpoint::client(SocketAddr::new(arguments.address.ip(), 0))?;
    endpoint.set_default_client_config(quinn::ClientConfig::new(Arc::new(crypto)));
    let connection = endpoint.connect(arguments.address, "localhost")?.await?;
    let (mut driver, sender) = h3::client::new(h3_quinn::Connection::new(connection)).await?;
    tokio::spawn(async move { std::future::poll_fn(|cx| driver.poll_close(cx)).await });
    Ok(sender)
}

async fn ask_http3(arguments: &Arguments, sender: &mut Http3, body: Bytes) -> Result<bool, Failed> {
    let mut stream = sender.send_request(arguments.request("https").body(())?).await?;
    stream.send_data(body).await?;
    stream.finish().await?;
    let status = stream.recv_response().await?.status();
    let mut answer = Vec::new();
    while let Some(piece) = stream.recv_data().await? {
        answer.extend_from_slice(piece.chunk());
    }
    Ok(is_verdict(status, &answer))
}

type Http2 = hyper::client::conn::http2::SendRequest<Full<Bytes>>;

async fn http2(arguments: &Arguments) -> Result<Http2, Failed> {
    let stream = tokio::net::TcpStream::connect(arguments.address).await?;
    stream.set_nodelay(true)?;
    let (sender, connection) =
        hyper::client::conn::http2::handshake(TokioExecutor::new(), TokioIo::new(stream)).await?;
    tokio::spawn(connection);
    Ok(sender)
}

async fn ask_http2(arguments: &Arguments, sender: &mut Http2, body: Bytes) -> Result<bool, Failed> {
    sender.ready().await?;
    let answer = sender.send_request(arguments.request("http").body(Full::new(body))?).await?;
    let status = answer.status();
    Ok(is_verdict(status, &answer.into_body().collect().await?.to_bytes()))
}
