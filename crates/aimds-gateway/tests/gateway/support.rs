//! A gateway on a free port, a client for it, and an upstream that answers as it is told.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use aimds_engine::{Engine, Policy};
use aimds_gateway::{ApiKey, Certificates, Config, Gateway, Scope, generate_key};
use aimds_store::AuditLog;
use axum::body::{Body, Bytes};
use axum::http::{HeaderMap, Method, Request, Response, StatusCode};
use http_body_util::{BodyExt as _, Full};
use hyper_util::client::legacy::{Client, connect::HttpConnector};
use hyper_util::rt::{TokioExecutor, TokioIo};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

/// E-mail addresses are redacted, card numbers block.
pub const POLICY: &str =
    "version = 1\n[findings.any]\n\"pii.email\" = \"redact\"\n\"pii.credit_card\" = \"block\"\n";
pub const EMAIL: &str = "jane.roe@corp-mail.com";
pub const CARD: &str = "4111 1111 1111 1111";
pub const PLACEHOLDER: &str = "[REDACTED:pii.email]";

pub struct Gate {
    pub address: SocketAddr,
    pub quic: SocketAddr,
    pub certificates: Certificates,
    pub key: String,
    stop: Option<oneshot::Sender<()>>,
    served: JoinHandle<()>,
    client: Client<HttpConnector, Full<Bytes>>,
}

pub struct Reply {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub body: Bytes,
}

impl Reply {
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error}: {:?}", self.body))
    }

    pub fn text(&self) -> &str {
        std::str::from_utf8(&self.body).unwrap()
    }

    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }

    pub fn decision(&self) -> &str {
        self.header("x-aimds-decision")
    }
}

/// A gateway with the test policy and what `config` says differently.
pub async fn gate(config: &str) -> Gate {
    gate_with(config, POLICY, None).await
}

/// A gateway in front of an upstream.
pub async fn gate_before(upstream: &Upstream, config: &str) -> Gate {
    gate(&format!("{}{config}", upstream.config())).await
}

pub async fn gate_with(config: &str, policy: &str, audit: Option<Arc<AuditLog>>) -> Gate {
    let mut config = Config::parse(config).unwrap();
    config.http = "127.0.0.1:0".parse().unwrap();
    config.quic.as_mut().unwrap().address = config.http;
    let key = generate_key().unwrap();
    config.keys.push(ApiKey::new("test", key.hash, "acme", &Scope::ALL));
    let bound = Gateway::bind(config, engine(policy), audit).await.unwrap();
    let (address, quic, certificates) = (bound.local_addr(), bound.quic_addr(), bound.certificates());
    let (stop, stopped) = oneshot::channel();
    let served = tokio::spawn(bound.serve(async {
        let _ = stopped.await;
    }));
    let client = Client::builder(TokioExecutor::new()).build_http();
    let quic = quic.unwrap();
    Gate { address, quic, certificates, key: key.secret, stop: Some(stop), served, client }
}

/// One engine for each policy: loading the model is most of the time that a test takes.
fn engine(policy: &str) -> Arc<Engine> {
    static ENGINES: Mutex<BTreeMap<String, Arc<Engine>>> = Mutex::new(BTreeMap::new());
    let mut engines = ENGINES.lock().unwrap();
    let make = || Arc::new(Engine::with_policy(Policy::parse(policy).unwrap()).unwrap());
    Arc::clone(engines.entry(policy.to_owned()).or_insert_with(make))
}

impl Gate {
    pub async fn post(&self, path: &str, body: &Value) -> Reply {
        self.post_bytes(path, body.to_string()).await
    }

    pub async fn post_bytes(&self, path: &str, body: impl Into<Bytes>) -> Reply {
        let headers = [("authorization", format!("Bearer {}", self.key))];
        self.send(Method::POST, path, &headers, body.into()).await
    }

    pub async fn get(&self, path: &str) -> Reply {
        let headers = [("authorization", format!("Bearer {}", self.key))];
        self.send(Method::GET, path, &headers, Bytes::new()).await
    }

    pub async fn send(&self, method: Method, path: &str, headers: &[(&str, String)], body: Bytes) -> Reply {
        let mut request = Request::builder().method(method).uri(format!("http://{}{path}", self.address));
        for (name, value) in headers {
            request = request.header(*name, value);
        }
        let response = self.client.request(request.body(Full::new(body)).unwrap()).await.unwrap();
        whole(response).await
    }

    /// Tells the gateway to stop.
    pub fn stop(&mut self) {
        let _ = self.stop.take().unwrap().send(());
    }

    /// Waits until it has stopped.
    pub async fn stopped(self) {
        self.served.await.unwrap();
    }

    /// One value of the metrics, 0 where it does not exist yet.
    pub async fn metric(&self, series: &str) -> f64 {
        let exposed = self.get("/metrics").await;
        let line = exposed
            .text()
            .lines()
            .find_map(|line| line.strip_prefix(series)?.strip_prefix(' ')?.parse().ok());
        line.unwrap_or(0.0)
    }

    /// Sends bytes as they are and reads until the gateway closes.
    pub async fn raw(&self, bytes: &[u8]) -> String {
        let mut stream = TcpStream::connect(self.address).await.unwrap();
        stream.write_all(bytes).await.unwrap();
        let mut answer = Vec::new();
        let _ = tokio::time::timeout(Duration::from_secs(10), stream.read_to_end(&mut answer)).await.unwrap();
        String::from_utf8_lossy(&answer).into_owned()
    }
}

pub async fn whole<B>(response: Response<B>) -> Reply
where
    B: hyper::body::Body<Data = Bytes>,
    B::Error: std::fmt::Debug,
{
    let (parts, body) = response.into_parts();
    let body = body.collect().await.unwrap().to_bytes();
    Reply { status: parts.status, headers: parts.headers, body }
}

/// Waits until something becomes true.
pub async fn eventually(what: &str, mut holds: impl AsyncFnMut() -> bool) {
    for _ in 0..3_000 {
        if holds().await {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("never: {what}");
}

/// What the upstream does with the next requests.
#[derive(Clone)]
pub enum Script {
    Answer(u16, Vec<(&'static str, &'static str)>, Bytes),
    /// A stream in these pieces, and how it ends.
    Events(Vec<Bytes>, After),
    /// Looks at the path and the body and decides.
    Choose(fn(&str, &Value) -> Script),
    /// Answers after a pause.
    Slow(Duration),
    /// Closes the connection without an answer.
    HangUp,
}

/// How a stream ends.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum After {
    Close,
    /// The connection breaks.
    Break,
    /// Nothing comes any more.
    Stall,
}

#[derive(Default)]
struct Seen {
    paths: Vec<String>,
    bodies: Vec<Bytes>,
    headers: Vec<HeaderMap>,
    dropped: usize,
}

pub struct Upstream {
    pub address: SocketAddr,
    script: Arc<Mutex<Script>>,
    seen: Arc<Mutex<Seen>>,
}

/// Counts a request that is dropped before its answer.
struct Dropped(Arc<Mutex<Seen>>, bool);

impl Drop for Dropped {
    fn drop(&mut self) {
        if self.1 {
            self.0.lock().unwrap().dropped += 1;
        }
    }
}

impl Upstream {
    pub async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let script = Arc::new(Mutex::new(Script::Answer(200, vec![], completion("Hello."))));
        let seen = Arc::new(Mutex::new(Seen::default()));
        let (its_script, its_seen) = (Arc::clone(&script), Arc::clone(&seen));
        tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                let (script, seen) = (Arc::clone(&its_script), Arc::clone(&its_seen));
                tokio::spawn(async move {
                    let service = hyper::service::service_fn(|request| serve(&script, &seen, request));
                    let _ = hyper::server::conn::http1::Builder::new()
                        .serve_connection(TokioIo::new(stream), service)
                        .await;
                });
            }
        });
        Self { address, script, seen }
    }

    pub fn answers(&self, status: u16, body: impl Into<Bytes>) {
        self.acts(Script::Answer(status, vec![], body.into()));
    }

    /// Answers with a stream, piece by piece.
    pub fn streams(&self, pieces: &[impl AsRef<[u8]>]) {
        let pieces = pieces.iter().map(|piece| Bytes::copy_from_slice(piece.as_ref())).collect();
        self.acts(Script::Events(pieces, After::Close));
    }

    /// The configuration of a gateway in front of it, up to the keys of `[upstream]`.
    pub fn config(&self) -> String {
        let address = self.address;
        format!(
            "[anthropic]\nbase_url = \"http://{address}/v1\"\n[gemini]\nbase_url = \"http://{address}\"\n\
             [upstream]\nbase_url = \"http://{address}/v1\"\n"
        )
    }

    pub fn last_path(&self) -> String {
        self.seen.lock().unwrap().paths.last().unwrap().clone()
    }

    pub fn acts(&self, script: Script) {
        *self.script.lock().unwrap() = script;
    }

    pub fn bodies(&self) -> Vec<Bytes> {
        self.seen.lock().unwrap().bodies.clone()
    }

    pub fn last_headers(&self) -> HeaderMap {
        self.seen.lock().unwrap().headers.last().unwrap().clone()
    }

    pub fn dropped(&self) -> usize {
        self.seen.lock().unwrap().dropped
    }
}

async fn serve(
    script: &Arc<Mutex<Script>>,
    seen: &Arc<Mutex<Seen>>,
    request: Request<hyper::body::Incoming>,
) -> Result<Response<Body>, std::io::Error> {
    let (parts, body) = request.into_parts();
    let body = body.collect().await.map_err(std::io::Error::other)?.to_bytes();
    let path = parts.uri.to_string();
    let asked = serde_json::from_slice(&body).unwrap_or_default();
    {
        let mut seen = seen.lock().unwrap();
        seen.paths.push(path.clone());
        seen.bodies.push(body);
        seen.headers.push(parts.headers);
    }
    let mut pending = Dropped(Arc::clone(seen), true);
    let mut script = script.lock().unwrap().clone();
    if let Script::Choose(choose) = script {
        script = choose(&path, &asked);
    }
    let result = match script {
        Script::Choose(_) => panic!("chosen once"),
        Script::Answer(status, headers, body) => {
            let mut response = Response::builder().status(status).header("content-type", "application/json");
            for (name, value) in headers {
                response = response.header(name, value);
            }
            Ok(response.body(Body::from(body)).unwrap())
        }
        Script::Events(pieces, after) => {
            let dropped = std::mem::replace(&mut pending, Dropped(Arc::clone(seen), false));
            return Ok(Response::builder()
                .header("content-type", "text/event-stream")
                .body(Body::from_stream(futures_util::stream::unfold(
                    (pieces.into_iter(), after, dropped),
                    next_piece,
                )))
                .unwrap());
        }
        Script::Slow(pause) => {
            tokio::time::sleep(pause).await;
            Ok(Response::new(Body::from(completion("late"))))
        }
        Script::HangUp => Err(std::io::Error::other("hang up")),
    };
    pending.1 = false;
    result
}

type Pieces = (std::vec::IntoIter<Bytes>, After, Dropped);

async fn next_piece((mut pieces, after, mut dropped): Pieces) -> Option<(std::io::Result<Bytes>, Pieces)> {
    // Each piece in a packet of its own.
    tokio::time::sleep(Duration::from_millis(1)).await;
    if let Some(piece) = pieces.next() {
        return Some((Ok(piece), (pieces, after, dropped)));
    }
    if after == After::Stall {
        std::future::pending::<()>().await;
    }
    dropped.1 = false;
    let broken = || Err(std::io::Error::other("broken"));
    (after == After::Break).then(|| (broken(), (pieces, After::Close, dropped)))
}

/// The data of each event.
pub fn events(text: &str) -> Vec<&str> {
    text.lines().filter_map(|line| line.strip_prefix("data: ")).collect()
}

/// A stream of a chat completion, one event for each piece.
pub fn chunks(pieces: &[&str], finish: &str) -> Vec<String> {
    let chunk = |delta: Value, finish: Value| {
        let choice = json!({ "index": 0, "delta": delta, "logprobs": null, "finish_reason": finish });
        let chunk = json!({ "id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 1, "model": "m-1", "choices": [choice] });
        format!("data: {chunk}\n\n")
    };
    let mut out = vec![chunk(json!({ "role": "assistant", "content": "" }), Value::Null)];
    out.extend(pieces.iter().map(|piece| chunk(json!({ "content": piece }), Value::Null)));
    out.push(chunk(json!({}), finish.into()));
    out.push("data: [DONE]\n\n".to_owned());
    out
}

/// A chat completion with one choice.
pub fn completion(content: &str) -> Bytes {
    completion_of(&json!({ "role": "assistant", "content": content }))
}

pub fn completion_of(message: &Value) -> Bytes {
    let answer = json!({
        "id": "chatcmpl-1",
        "object": "chat.completion",
        "created": 1,
        "model": "m-1",
        "choices": [{ "index": 0, "message": message, "finish_reason": "stop" }],
        "usage": { "prompt_tokens": 3, "completion_tokens": 2, "total_tokens": 5 },
    });
    answer.to_string().into()
}

/// A chat request with one user message.
pub fn chat(content: &str) -> Value {
    json!({ "model": "m-1", "messages": [{ "role": "user", "content": content }] })
}
