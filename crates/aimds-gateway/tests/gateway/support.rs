//! A gateway on a free port, a client for it, and an upstream that answers as it is told.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use aimds_engine::{Engine, Policy};
use aimds_gateway::{ApiKey, Config, Gateway, Scope, generate_key};
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
    gate(&format!("[upstream]\nbase_url = \"http://{}/v1\"\n{config}", upstream.address)).await
}

pub async fn gate_with(config: &str, policy: &str, audit: Option<Arc<AuditLog>>) -> Gate {
    let mut config = Config::parse(config).unwrap();
    config.http = "127.0.0.1:0".parse().unwrap();
    let key = generate_key().unwrap();
    config.keys.push(ApiKey::new("test", key.hash, "acme", &Scope::ALL));
    let bound = Gateway::bind(config, engine(policy), audit).await.unwrap();
    let address = bound.local_addr();
    let (stop, stopped) = oneshot::channel();
    let served = tokio::spawn(bound.serve(async {
        let _ = stopped.await;
    }));
    let client = Client::builder(TokioExecutor::new()).build_http();
    Gate { address, key: key.secret, stop: Some(stop), served, client }
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
    for _ in 0..400 {
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
    /// Answers after a pause.
    Slow(Duration),
    /// Closes the connection without an answer.
    HangUp,
}

#[derive(Default)]
struct Seen {
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

    pub fn acts(&self, script: Script) {
        *self.script.lock().unwrap() = script;
    }

    pub fn bodies(&self) -> Vec<Bytes> {
        self.seen.lock().unwrap().bodies.clone()
    }

    pub fn last_json(&self) -> Value {
        serde_json::from_slice(self.bodies().last().expect("the upstream was asked")).unwrap()
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
    assert_eq!(parts.uri.path(), "/v1/chat/completions");
    let body = body.collect().await.map_err(std::io::Error::other)?.to_bytes();
    {
        let mut seen = seen.lock().unwrap();
        seen.bodies.push(body);
        seen.headers.push(parts.headers);
    }
    let mut pending = Dropped(Arc::clone(seen), true);
    let script = script.lock().unwrap().clone();
    let result = match script {
        Script::Answer(status, headers, body) => {
            let mut response = Response::builder().status(status).header("content-type", "application/json");
            for (name, value) in headers {
                response = response.header(name, value);
            }
            Ok(response.body(Body::from(body)).unwrap())
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
