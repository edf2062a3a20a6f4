//! A model that answers at once: the same completion to everyone but for ten letters, whole or as a stream. One thread for each connection, so that
//! it takes as little time as a model on the same machine can.

use std::io::{self, Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use serde_json::{Value, json};

use super::marked;

/// A request larger than this is none of ours.
const MAX_REQUEST: usize = 1 << 20;
const WORDS: [&str; 5] = [
    "########## ",
    "The three largest changes are in freight, in energy and in wages. ",
    "Freight rose because two contracts ended in spring. ",
    "Energy fell with the new tariff. ",
    "Wages rose as agreed, by three parts in a hundred. ",
];

/// The server; it ends with the process.
pub(super) struct Upstream {
    pub(super) address: SocketAddr,
}

struct Answers {
    whole: String,
    /// The head, then one piece for each event.
    streamed: Vec<String>,
    given: AtomicU64,
}

impl Upstream {
    pub(super) fn start() -> io::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let address = listener.local_addr()?;
        let answers = Arc::new(Answers::new());
        std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let answers = Arc::clone(&answers);
                std::thread::spawn(move || serve(stream, &answers));
            }
        });
        Ok(Self { address })
    }
}

impl Answers {
    fn new() -> Self {
        let words: Vec<&str> = WORDS.iter().flat_map(|line| line.split_inclusive(' ')).collect();
        let whole = json!({
            "id": "chatcmpl-1", "object": "chat.completion", "created": 1, "model": "m",
            "choices": [{ "index": 0, "message": { "role": "assistant", "content": words.concat() }, "finish_reason": "stop" }],
            "usage": { "prompt_tokens": 50, "completion_tokens": words.len(), "total_tokens": 50 + words.len() },
        })
        .to_string();
        let whole = format!(
            "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{whole}",
            whole.len()
        );
        let event = |delta: Value, finish: Value| {
            let event = json!({ "id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 1, "model": "m",
                "choices": [{ "index": 0, "delta": delta, "finish_reason": finish }] });
            chunk(&format!("data: {event}\n\n"))
        };
        let head = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n";
        let mut streamed =
            vec![head.to_owned(), event(json!({ "role": "assistant", "content": "" }), Value::Null)];
        streamed.extend(words.iter().map(|word| event(json!({ "content": word }), Value::Null)));
        streamed.push(event(json!({}), "stop".into()));
        streamed.push(chunk("data: [DONE]\n\n") + "0\r\n\r\n");
        Self { whole, streamed, given: AtomicU64::new(0) }
    }
}

fn chunk(text: &str) -> String {
    format!("{:x}\r\n{text}\r\n", text.len())
}

/// Answers one request after the other until the client goes.
fn serve(mut stream: TcpStream, answers: &Answers) {
    let _ = stream.set_nodelay(true);
    let mut buffer = Vec::new();
    while let Ok(Some(streamed)) = next_request(&mut stream, &mut buffer) {
        let number = answers.given.fetch_add(1, Ordering::Relaxed);
        let mut write = |piece: &str| stream.write_all(marked(piece, number).as_bytes());
        let written = match streamed {
            false => write(&answers.whole),
            true => answers.streamed.iter().try_for_each(|piece| write(piece)),
        };
        if written.is_err() {
            return;
        }
    }
}

/// Takes a request out of what has come. Gives whether it asks for a stream; `None` at the end.
fn next_request(stream: &mut TcpStream, buffer: &mut Vec<u8>) -> io::Result<Option<bool>> {
    let mut piece = [0; 16 << 10];
    loop {
        if let Some(length) = complete(buffer) {
            let streamed = find(&buffer[..length], b"\"stream\":true").is_some();
            buffer.drain(..length);
            return Ok(Some(streamed));
        }
        let read = stream.read(&mut piece)?;
        if read == 0 || buffer.len() > MAX_REQUEST {
            return Ok(None);
        }
        buffer.extend_from_slice(&piece[..read]);
    }
}

/// The length of the first request, once all of it is there.
fn complete(buffer: &[u8]) -> Option<usize> {
    let head = find(buffer, b"\r\n\r\n")? + 4;
    let lines = String::from_utf8_lossy(&buffer[..head]).to_ascii_lowercase();
    let length = lines.lines().find_map(|line| line.strip_prefix("content-length:")?.trim().parse().ok());
    let whole = head + length.unwrap_or(0);
    (buffer.len() >= whole).then_some(whole)
}

/// Where `what` begins. O(length), as both are short.
pub(super) fn find(text: &[u8], what: &[u8]) -> Option<usize> {
    text.windows(what.len()).position(|window| window == what)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_is_complete_with_its_body() {
        let request = b"POST / HTTP/1.1\r\nContent-Length: 4\r\n\r\nabcdGET";
        assert_eq!(complete(request), Some(request.len() - 3));
        assert_eq!(complete(&request[..request.len() - 4]), None);
        assert_eq!(complete(b"GET / HTTP/1.1\r\n\r\n"), Some(18));
    }
}
