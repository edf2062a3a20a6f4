//! A model that fails as it is told.

use std::io::{Read as _, Write as _};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use serde_json::{Value, json};

/// What is done with a request, after these bytes.
#[derive(Clone)]
pub enum Then {
    /// The connection is closed.
    Close(Vec<u8>),
    /// The connection is reset.
    Reset(Vec<u8>),
    /// Nothing comes any more; the connection stays.
    Stall(Vec<u8>),
    /// Only the model's half is closed.
    HalfClose(Vec<u8>),
}

pub struct Model {
    pub address: SocketAddr,
    then: Arc<Mutex<Then>>,
    asked: Arc<AtomicUsize>,
    left: Arc<AtomicUsize>,
}

impl Model {
    pub fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let model = Self {
            address: listener.local_addr().unwrap(),
            then: Arc::new(Mutex::new(Then::Close(whole("Hello.")))),
            asked: Arc::default(),
            left: Arc::default(),
        };
        let (then, asked, left) =
            (Arc::clone(&model.then), Arc::clone(&model.asked), Arc::clone(&model.left));
        std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let (then, asked, left) = (Arc::clone(&then), Arc::clone(&asked), Arc::clone(&left));
                std::thread::spawn(move || serve(stream, &then, &asked, &left));
            }
        });
        model
    }

    pub fn does(&self, then: Then) {
        *self.then.lock().unwrap() = then;
    }

    /// Requests that have come.
    pub fn asked(&self) -> usize {
        self.asked.load(Ordering::Relaxed)
    }

    /// Requests that the gateway went away from while the model kept it waiting.
    pub fn left(&self) -> usize {
        self.left.load(Ordering::Relaxed)
    }

    /// The section that puts it behind a gateway.
    pub fn config(&self) -> String {
        format!("[upstream]\nbase_url = \"http://{}/v1\"\n", self.address)
    }
}

fn serve(mut stream: TcpStream, then: &Mutex<Then>, asked: &AtomicUsize, left: &AtomicUsize) {
    let mut request = Vec::new();
    let mut piece = [0; 4096];
    while !complete(&request) {
        match stream.read(&mut piece) {
            Ok(read) if read > 0 => request.extend_from_slice(&piece[..read]),
            _ => return,
        }
    }
    asked.fetch_add(1, Ordering::Relaxed);
    let then = then.lock().unwrap().clone();
    let (Then::Close(bytes) | Then::Reset(bytes) | Then::Stall(bytes) | Then::HalfClose(bytes)) = &then;
    _ = stream.write_all(bytes);
    match then {
        Then::Close(_) => {}
        Then::Reset(_) => reset(&stream),
        Then::Stall(_) => {
            while matches!(stream.read(&mut piece), Ok(read) if read > 0) {}
            left.fetch_add(1, Ordering::Relaxed);
        }
        Then::HalfClose(_) => {
            _ = stream.shutdown(Shutdown::Write);
            while matches!(stream.read(&mut piece), Ok(read) if read > 0) {}
        }
    }
}

/// Closes with a reset: what was written arrives, then the connection is gone.
fn reset(stream: &TcpStream) {
    // Long enough for what was written to be read; a reset would take it away.
    std::thread::sleep(std::time::Duration::from_millis(100));
    rustix::net::sockopt::set_socket_linger(stream, Some(std::time::Duration::ZERO)).unwrap();
}

fn complete(request: &[u8]) -> bool {
    let text = String::from_utf8_lossy(request);
    let Some((head, body)) = text.split_once("\r\n\r\n") else { return false };
    let length = head
        .to_ascii_lowercase()
        .lines()
        .find_map(|line| line.strip_prefix("content-length: ")?.parse().ok());
    body.len() >= length.unwrap_or(0)
}

/// An answer in one piece.
pub fn whole(content: &str) -> Vec<u8> {
    let answer = json!({
        "id": "chatcmpl-1", "object": "chat.completion", "created": 1, "model": "m",
        "choices": [{ "index": 0, "message": { "role": "assistant", "content": content }, "finish_reason": "stop" }],
    });
    plain(200, &answer.to_string())
}

/// An answer with any body.
pub fn plain(status: u16, body: &str) -> Vec<u8> {
    format!(
        "HTTP/1.1 {status} Told\r\ncontent-type: application/json\r\nconnection: close\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    )
    .into_bytes()
}

/// The begin of a stream: enough words to be sent on, and no end.
pub fn begun() -> Vec<u8> {
    let event = |delta: Value| {
        let event = json!({ "id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 1, "model": "m",
            "choices": [{ "index": 0, "delta": delta, "finish_reason": null }] });
        chunk(&format!("data: {event}\n\n"))
    };
    let head = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n";
    let mut bytes = [head.as_bytes(), &event(json!({ "role": "assistant", "content": "" }))].concat();
    for _ in 0..20 {
        bytes.extend(event(json!({ "content": "All is well in the garden. " })));
    }
    bytes
}

pub fn chunk(text: &str) -> Vec<u8> {
    format!("{:x}\r\n{text}\r\n", text.len()).into_bytes()
}
