//! What cannot be read, and what is too much.

use std::io::{Read as _, Write as _};
use std::net::{Shutdown, TcpStream};

use serde_json::{Value, json};

use super::model::{Model, Then};
use super::{CHAT, exchange, failures, gateway, get, log, metric, request};
use crate::command::Folder;
use crate::reload::eventually;

const POLICY: &str = "version = 1\n";

#[test]
fn a_request_that_cannot_be_read_is_refused_with_its_place_and_counted() {
    let folder = Folder::new();
    let running = gateway(&folder, POLICY, "[limits]\nbody_bytes = 1000\njson_depth = 8\n");
    let deep = format!("{{\"text\":{}{}}}", "[".repeat(9), "]".repeat(9));
    let large = format!("{{\"text\":\"secret {}\"}}", "x".repeat(1000));
    let cases: [(&[u8], u16, &str, Option<(u64, u64)>); 4] = [
        (large.as_bytes(), 413, "request_too_large", None),
        (b"{\n\"text\":\"secret \xff\"}", 400, "not_utf8", Some((2, 16))),
        (b"{\n\"text\": secret}", 400, "malformed_json", Some((2, 9))),
        (deep.as_bytes(), 400, "too_deep", Some((1, 16))),
    ];
    for (body, status, code, place) in cases {
        let answer = exchange(&running, request("POST", "/v1/guard", body));
        assert_eq!((answer.status, answer.code().as_str()), (status, code), "{}", answer.body);
        assert!(
            answer.head.contains("x-aimds-decision: error") && !answer.body.contains("secret"),
            "{}",
            answer.body
        );
        let error: Value = serde_json::from_str(&answer.body).unwrap();
        let told = error["error"]["line"].as_u64().zip(error["error"]["column"].as_u64());
        assert_eq!(told, place, "{code}");
        assert_eq!(failures(&running, code), 1.0);
    }
    assert_eq!(running.guard("", "hello").0, 200);
    assert!(!log(&folder).contains("secret"));
}

/// The most memory that a process has used, in KiB.
#[cfg(target_os = "linux")]
fn peak_kib(process: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    line.trim().strip_suffix(" kB").unwrap().trim().parse().unwrap()
}

#[cfg(target_os = "linux")]
#[test]
fn a_hundred_megabytes_are_refused_and_cost_no_memory() {
    let folder = Folder::new();
    let running = gateway(&folder, POLICY, &Model::start().config());
    assert_eq!(running.guard("", "hello").0, 200);
    let before = peak_kib(running.id());
    let body = vec![b'x'; 100 << 20];
    let chunked = |path: &str| {
        let head = format!(
            "POST {path} HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n{:x}\r\n",
            body.len()
        );
        [head.as_bytes(), &body, b"\r\n0\r\n\r\n"].concat()
    };
    for path in ["/v1/guard", CHAT] {
        for bytes in [request("POST", path, &body), chunked(path)] {
            let answer = exchange(&running, bytes);
            assert_eq!((answer.status, answer.code().as_str()), (413, "request_too_large"), "{path}");
        }
    }
    let grown = peak_kib(running.id()).saturating_sub(before);
    assert!(grown < 32 << 10, "{grown} KiB more");
    assert_eq!(running.guard("", "hello").0, 200);
}

#[test]
fn a_client_that_closes_its_half_over_http_1_has_gone() {
    let folder = Folder::new();
    let model = Model::start();
    let running = gateway(&folder, POLICY, &model.config());
    model.does(Then::Stall(Vec::new()));
    let body = json!({ "model": "m", "messages": [{ "role": "user", "content": "hello" }] }).to_string();
    let mut client = TcpStream::connect(running.url().trim_start_matches("http://")).unwrap();
    client.write_all(&request("POST", CHAT, body.as_bytes())).unwrap();
    eventually("the model is asked", || model.asked() == 1);
    // The other half stays open: what the gateway sees is what it sees of a client that has closed both.
    client.shutdown(Shutdown::Write).unwrap();
    eventually("the model is left", || model.left() == 1);
    eventually("it is counted", || metric(&running, "aimds_requests_cancelled_total") == 1.0);
    let mut answer = Vec::new();
    client.read_to_end(&mut answer).unwrap();
    assert!(answer.is_empty(), "{}", String::from_utf8_lossy(&answer));
    assert_eq!(running.guard("", "hello").0, 200);
}

#[test]
fn what_is_over_the_limit_is_shed_with_the_time_to_come_back_and_operations_stay_visible() {
    let folder = Folder::new();
    let model = Model::start();
    let running = gateway(&folder, POLICY, &format!("{}[limits]\nmax_in_flight = 1\n", model.config()));
    model.does(Then::Stall(Vec::new()));
    let body = json!({ "model": "m", "messages": [{ "role": "user", "content": "hello" }] }).to_string();
    let mut busy = TcpStream::connect(running.url().trim_start_matches("http://")).unwrap();
    busy.write_all(&request("POST", CHAT, body.as_bytes())).unwrap();
    eventually("the model is asked", || model.asked() == 1);
    let shed = exchange(&running, request("POST", "/v1/guard", b"{\"text\":\"hello\"}"));
    assert_eq!((shed.status, shed.code().as_str()), (503, "overloaded"));
    assert!(shed.head.contains("\r\nretry-after: 1\r\n"), "{}", shed.head);
    assert_eq!((get(&running, "/healthz").status, get(&running, "/readyz").status), (200, 200));
    assert_eq!(failures(&running, "overloaded"), 1.0);
    drop(busy);
    eventually("its place is free again", || running.guard("", "hello").0 == 200);
}
