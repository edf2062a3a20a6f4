//! What the program itself answers when something fails. The table of it is in SECURITY.md, with the tests of each row.

mod access;
mod model;
mod records;
mod requests;
mod upstream;
mod verdicts;

use std::io::{Read as _, Write as _};
use std::net::TcpStream;

use serde_json::Value;

use crate::command::{Folder, run};
use crate::serve::Running;

const CHAT: &str = "/v1/chat/completions";

/// A gateway that asks nobody for a key. `sections` come first, `more` behind `[auth]`.
fn gateway(folder: &Folder, policy: &str, sections: &str) -> Running {
    folder.file("policy.toml", policy);
    let config = folder.file("aimds.toml", configuration(sections));
    Running::start_logging(folder, &["--config", &config], &folder.path().join("log.txt"))
}

fn configuration(sections: &str) -> String {
    format!(
        "[listen]\nquic = \"\"\n[auth]\nrequire = false\n[policy]\npath = \"policy.toml\"\n[reload]\nwatch_seconds = 0\n{sections}"
    )
}

/// What the program has logged so far.
fn log(folder: &Folder) -> String {
    std::fs::read_to_string(folder.path().join("log.txt")).unwrap()
}

/// An answer as it came.
struct Raw {
    status: u16,
    head: String,
    body: String,
}

impl Raw {
    fn code(&self) -> String {
        let body: Value = serde_json::from_str(&self.body).unwrap_or_default();
        body["error"]["code"].as_str().unwrap_or_default().to_owned()
    }
}

fn request(method: &str, path: &str, body: &[u8]) -> Vec<u8> {
    let head = format!(
        "{method} {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n",
        body.len()
    );
    [head.as_bytes(), body].concat()
}

/// Sends bytes, whatever becomes of them, and reads until the gateway closes.
fn exchange(running: &Running, bytes: Vec<u8>) -> Raw {
    let mut stream = TcpStream::connect(running.url().trim_start_matches("http://")).unwrap();
    let mut sending = stream.try_clone().unwrap();
    // Beside: an answer that comes before all is sent must be read at once.
    let sender = std::thread::spawn(move || {
        _ = sending.write_all(&bytes);
    });
    let mut answer = Vec::new();
    // A reset after the answer takes nothing back.
    _ = stream.read_to_end(&mut answer);
    drop(stream);
    sender.join().unwrap();
    let answer = String::from_utf8_lossy(&answer).into_owned();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap_or_else(|| panic!("no answer: {answer:?}"));
    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
    Raw { status, head: head.to_owned(), body: body.to_owned() }
}

fn get(running: &Running, path: &str) -> Raw {
    exchange(running, request("GET", path, b""))
}

/// One value of the metrics, 0 where it does not exist yet.
fn metric(running: &Running, series: &str) -> f64 {
    let exposed = get(running, "/metrics").body;
    let line = exposed.lines().find_map(|line| line.strip_prefix(series)?.strip_prefix(' ')?.parse().ok());
    line.unwrap_or(0.0)
}

fn alarms(running: &Running, event: &str) -> f64 {
    metric(running, &format!("aimds_alarms_total{{event=\"{event}\"}}"))
}

fn failures(running: &Running, code: &str) -> f64 {
    metric(running, &format!("aimds_failures_total{{code=\"{code}\"}}"))
}

/// Records of a kind in the audit log beside the configuration.
fn records(folder: &Folder, kind: &str) -> Vec<Value> {
    let path = folder.path().join("audit.db");
    let exported = run(&["audit", "export", path.to_str().unwrap(), "--kind", kind]);
    assert_eq!(exported.status, 0, "{}", exported.stderr);
    exported.lines()
}
