//! Models that fail, and clients that leave.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;

use serde_json::{Value, json};

use super::model::{Model, Then, begun, chunk, plain, whole};
use super::{CHAT, Raw, exchange, failures, gateway, metric, records, request};
use crate::command::Folder;
use crate::reload::eventually;
use crate::serve::Running;

const POLICY: &str = "version = 1\n";

fn body(stream: bool) -> Vec<u8> {
    json!({ "model": "m", "stream": stream, "messages": [{ "role": "user", "content": "hello" }] })
        .to_string()
        .into()
}

fn ask(running: &Running, stream: bool) -> Raw {
    exchange(running, request("POST", CHAT, &body(stream)))
}

#[test]
fn a_model_that_fails_in_any_way_is_told_in_the_shape_of_the_provider() {
    let folder = Folder::new();
    let model = Model::start();
    let running = gateway(&folder, POLICY, &format!("{}timeout_ms = 500\n", model.config()));
    let cut = |bytes: Vec<u8>| bytes[..bytes.len() - 9].to_vec();
    let cases = [
        ("reset before the answer", Then::Reset(Vec::new()), 502, "upstream_unreachable"),
        ("closed before the answer", Then::Close(Vec::new()), 502, "upstream_unreachable"),
        ("its half closed before the answer", Then::HalfClose(Vec::new()), 502, "upstream_unreachable"),
        ("reset in the answer", Then::Reset(cut(whole("Hello."))), 502, "upstream_unreachable"),
        ("its half closed in the answer", Then::HalfClose(cut(whole("Hello."))), 502, "upstream_unreachable"),
        ("silent", Then::Stall(Vec::new()), 504, "upstream_timeout"),
        ("silent in the answer", Then::Stall(cut(whole("Hello."))), 504, "upstream_timeout"),
        ("no HTTP", Then::Close(b"<html>".to_vec()), 502, "upstream_unreachable"),
        ("no JSON", Then::Close(plain(200, "<html>")), 502, "upstream_invalid_answer"),
        ("no answer of the provider", Then::Close(plain(200, "{}")), 502, "upstream_invalid_answer"),
        (
            "failed by its own account",
            Then::Close(plain(500, "{\"trace\":\"internal\"}")),
            502,
            "upstream_error",
        ),
    ];
    for (what, then, status, code) in cases {
        let before = failures(&running, code);
        model.does(then);
        let answer = ask(&running, false);
        assert_eq!((answer.status, answer.code().as_str()), (status, code), "{what}: {}", answer.body);
        let error: Value = serde_json::from_str(&answer.body).unwrap();
        assert_eq!(error["error"]["type"], "server_error", "{what}");
        assert!(!answer.body.contains("internal"), "{what}");
        assert_eq!(failures(&running, code), before + 1.0, "{what}");
    }
    model.does(Then::Close(whole("Hello.")));
    assert_eq!(ask(&running, false).status, 200, "the next request is a new one");
}

#[test]
fn a_stream_that_fails_half_way_ends_with_an_error_and_never_with_a_finish() {
    let folder = Folder::new();
    let model = Model::start();
    let running = gateway(&folder, POLICY, &format!("{}timeout_ms = 500\n", model.config()));
    let with = |more: &[u8]| [begun(), more.to_vec()].concat();
    let cases = [
        ("reset", Then::Reset(begun()), "upstream_unreachable"),
        ("closed", Then::Close(begun()), "upstream_unreachable"),
        ("its half closed", Then::HalfClose(begun()), "upstream_unreachable"),
        ("ended without a finish", Then::Close(with(b"0\r\n\r\n")), "upstream_unreachable"),
        ("silent", Then::Stall(begun()), "upstream_timeout"),
        ("garbage for an event", Then::Close(with(&chunk("data: <html>\n\n"))), "upstream_invalid_answer"),
        ("garbage for a chunk", Then::Close(with(b"zz\r\n")), "upstream_unreachable"),
    ];
    for (what, then, code) in cases {
        let before = failures(&running, code);
        model.does(then);
        let answer = ask(&running, true);
        assert_eq!(answer.status, 200, "{what}: {}", answer.body);
        assert!(answer.body.contains("All is well in the garden."), "{what}: what came is sent on");
        let last = answer.body.lines().rfind(|line| line.starts_with("data: ")).unwrap();
        let error: Value = serde_json::from_str(last.trim_start_matches("data: ")).unwrap();
        assert_eq!(error["error"]["code"], code, "{what}: {last}");
        assert!(!answer.body.contains("[DONE]") && !answer.body.contains("\"stop\""), "{what}");
        assert_eq!(failures(&running, code), before + 1.0, "{what}");
    }
}

#[test]
fn the_next_target_takes_over() {
    let folder = Folder::new();
    let (first, second) = (Model::start(), Model::start());
    first.does(Then::Reset(Vec::new()));
    let target = |name: &str, model: &Model| {
        format!(
            "[[router.targets]]\nname = \"{name}\"\nsurfaces = [\"chat\"]\nbase_url = \"http://{}/v1\"\ninput_price = \"1\"\n\
             output_price = \"1\"\n",
            model.address
        )
    };
    let route = "[[router.routes]]\nname = \"all\"\ntargets = [\"first\", \"second\"]\n";
    let sections = format!("{}{}{route}", target("first", &first), target("second", &second));
    let running = gateway(&folder, POLICY, &sections);
    let answer = ask(&running, false);
    assert_eq!((answer.status, first.asked(), second.asked()), (200, 1, 1), "{}", answer.body);
    second.does(Then::Close(plain(503, "{}")));
    assert_eq!(ask(&running, false).status, 502);
}

#[test]
fn a_client_that_leaves_cancels_the_model_and_is_recorded() {
    let folder = Folder::new();
    let model = Model::start();
    let running = gateway(&folder, POLICY, &format!("{}[audit]\npath = \"audit.db\"\n", model.config()));
    for (number, stream) in [false, true].into_iter().enumerate() {
        model.does(Then::Stall(if stream { begun() } else { Vec::new() }));
        let mut client = TcpStream::connect(running.url().trim_start_matches("http://")).unwrap();
        client.write_all(&request("POST", CHAT, &body(stream))).unwrap();
        if stream {
            let mut piece = [0; 4096];
            assert!(client.read(&mut piece).unwrap() > 0, "the stream has begun");
        }
        eventually("the model is asked", || model.asked() == number + 1);
        drop(client);
        eventually("the model is left", || model.left() == number + 1);
    }
    eventually("both are counted", || metric(&running, "aimds_requests_cancelled_total") == 2.0);
    running.stop();
    let outcomes = records(&folder, "outcome");
    let results: Vec<_> = outcomes.iter().map(|record| &record["body"]["result"]).collect();
    assert_eq!(results, ["client_disconnected", "client_disconnected"]);
}
