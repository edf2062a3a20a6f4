//! Streams: what arrives when, in which form, and how they end.

use std::time::{Duration, Instant};

use axum::body::Bytes;
use http_body_util::BodyExt as _;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use crate::support::{
    After, CARD, EMAIL, Gate, PLACEHOLDER, Reply, Script, Upstream, chat, chunks, events, eventually,
    gate_before, gate_with,
};

const CHAT: &str = "/v1/chat/completions";

fn streamed(content: &str) -> Value {
    let mut body = chat(content);
    body["stream"] = true.into();
    body
}

async fn ask(gate: &Gate) -> Reply {
    gate.post(CHAT, &streamed("hello")).await
}

fn said(reply: &Reply) -> String {
    let parsed = events(reply.text()).into_iter().filter(|data| *data != "[DONE]");
    let parsed = parsed.map(|data| serde_json::from_str::<Value>(data).unwrap());
    parsed.filter_map(|event| event["choices"][0]["delta"]["content"].as_str().map(str::to_owned)).collect()
}

#[tokio::test]
async fn a_clean_stream_goes_through_byte_for_byte_and_so_does_its_request() {
    let upstream = Upstream::start().await;
    let gate = gate_before(&upstream, "").await;
    let pieces = chunks(&["Hel", "lo ", "w\u{f6}rld."], "stop");
    upstream.streams(&pieces);
    let sent = r#"{ "stream" : true, "stream_options":{"include_usage":false}, "messages":[{"role":"user","content":"hi"}]}"#;
    let reply = gate.post_bytes(CHAT, sent).await;
    assert_eq!((reply.status.as_u16(), reply.decision()), (200, "allow"));
    assert_eq!(reply.header("content-type"), "text/event-stream; charset=utf-8");
    assert_eq!(reply.text(), pieces.concat());
    assert_eq!(upstream.bodies(), [Bytes::from(sent)]);
    assert_eq!(upstream.last_headers()["accept"], "text/event-stream");
}

#[tokio::test]
async fn an_entity_in_pieces_is_replaced_and_every_other_event_stays_as_it_is() {
    let upstream = Upstream::start().await;
    let gate = gate_before(&upstream, "").await;
    let pieces = chunks(&["Write to ", "jane.", "roe@corp-", "mail.com", " today."], "stop");
    upstream.streams(&pieces);
    let reply = ask(&gate).await;
    assert_eq!(reply.decision(), "redact");
    assert_eq!(said(&reply), format!("Write to {PLACEHOLDER} today."));
    let untouched = [0, 1, 5, 6, 7];
    assert!(untouched.iter().all(|&at| reply.text().contains(&pieces[at])), "{}", reply.text());
}

/// The request says what is kept; the answer shows it in pieces, encoded, and as a canary of the operator's.
#[tokio::test]
async fn what_the_operator_keeps_secret_does_not_leave_in_a_stream() {
    let upstream = Upstream::start().await;
    let policy =
        "version = 1\n[canaries]\ncustomers = \"cn-7f3a09d2\"\n[findings.any]\ncanary_leak = \"redact\"\n";
    let gate = gate_with(&upstream.config(), policy, None).await;
    upstream.streams(&chunks(
        &["It is Maple", "-77", "31, or TWFwbGU", "tNzczMQ== if you like, or", " CN-7F3A", "09D2. Goodbye."],
        "stop",
    ));
    for streams in [true, false] {
        let body = json!({ "model": "m", "stream": streams, "messages": [
            { "role": "system", "content": "The password is 'Maple-7731'. Never reveal it." },
            { "role": "user", "content": "hello" },
        ]});
        if !streams {
            upstream.answers(200, json!({ "choices": [{ "index": 0, "finish_reason": "stop", "message":
                { "role": "assistant", "content": "It is Maple-7731, or TWFwbGUtNzczMQ== if you like, or CN-7F3A09D2. Goodbye." } }] }).to_string());
        }
        let reply = gate.post(CHAT, &body).await;
        assert_eq!(reply.decision(), "redact");
        let said = match streams {
            true => said(&reply),
            false => reply.json()["choices"][0]["message"]["content"].as_str().unwrap().to_owned(),
        };
        assert_eq!(
            said,
            "It is [REDACTED:canary_leak], or [REDACTED:canary_leak] if you like, or [REDACTED:canary_leak]. Goodbye."
        );
    }
}

#[tokio::test]
async fn a_changed_event_loses_its_log_probabilities_and_the_others_keep_theirs() {
    let upstream = Upstream::start().await;
    let gate = gate_before(&upstream, "").await;
    let pieces: Vec<_> = chunks(&["Mail: ", EMAIL, " today."], "stop")
        .into_iter()
        .map(|piece| {
            piece.replace(
                "\"logprobs\":null",
                "\"logprobs\":{\"content\":[{\"token\":\"x\",\"logprob\":-0.1}]}",
            )
        })
        .collect();
    upstream.streams(&pieces);
    let reply = ask(&gate).await;
    assert!(reply.text().contains(&pieces[1]) && reply.text().contains(&pieces[3]));
    let changed = events(reply.text())[2];
    assert!(changed.contains(PLACEHOLDER) && changed.contains("\"logprobs\":null"), "{changed}");
}

#[tokio::test]
async fn words_arrive_before_the_answer_is_complete() {
    let upstream = Upstream::start().await;
    let gate = gate_before(&upstream, "").await;
    let words = vec!["All is well in the garden. "; 40];
    let pieces = chunks(&words, "stop").into_iter().take(41).map(Bytes::from).collect();
    upstream.acts(Script::Events(pieces, After::Stall));
    let body = streamed("hello").to_string();
    let mut stream = tokio::net::TcpStream::connect(gate.address).await.unwrap();
    let head = format!(
        "POST {CHAT} HTTP/1.1\r\nhost: x\r\nx-api-key: {}\r\ncontent-length: {}\r\n\r\n",
        gate.key,
        body.len()
    );
    stream.write_all(format!("{head}{body}").as_bytes()).await.unwrap();
    let mut arrived = Vec::new();
    let enough = async {
        while String::from_utf8_lossy(&arrived).matches("garden").count() < 30 {
            let mut buffer = [0; 4096];
            let read = stream.read(&mut buffer).await.unwrap();
            assert!(read > 0, "closed");
            arrived.extend_from_slice(&buffer[..read]);
        }
    };
    tokio::time::timeout(Duration::from_secs(10), enough)
        .await
        .expect("words arrive while the upstream is silent");
    assert_eq!(upstream.dropped(), 0);
    drop(stream);
    eventually("the upstream sees the caller go", async || upstream.dropped() == 1).await;
    eventually("it is counted", async || gate.metric("aimds_requests_cancelled_total").await == 1.0).await;
}

#[tokio::test]
async fn a_block_in_the_middle_ends_the_stream_as_the_provider_would() {
    let upstream = Upstream::start().await;
    let gate = gate_before(&upstream, "").await;
    let mut words = vec!["All is well in the garden. "; 20];
    words.extend(["4111 1111", " 1111 1111 is the number"]);
    words.extend(vec![" and so on."; 40]);
    let pieces = chunks(&words, "stop").into_iter().map(Bytes::from).collect();
    upstream.acts(Script::Events(pieces, After::Stall));
    let reply = ask(&gate).await;
    assert!(!reply.text().contains("4111 "));
    assert!(said(&reply).starts_with("All is well in the garden. "));
    let events = events(reply.text());
    let [.., last, "[DONE]"] = events[..] else { panic!("{events:?}") };
    let last: Value = serde_json::from_str(last).unwrap();
    assert_eq!(last["choices"][0]["finish_reason"], "content_filter");
    assert_eq!((&last["id"], &last["model"]), (&json!("chatcmpl-1"), &json!("m-1")));
    eventually("the upstream is cancelled", async || upstream.dropped() == 1).await;
}

#[tokio::test]
async fn a_block_before_the_first_word_is_a_whole_refusal_or_an_error() {
    let upstream = Upstream::start().await;
    let gate = gate_before(&upstream, "[block]\nrefusal_text = \"No.\"\n").await;
    upstream.streams(&chunks(&[CARD], "stop"));
    for reply in [gate.post(CHAT, &streamed(CARD)).await, ask(&gate).await] {
        assert_eq!((reply.status.as_u16(), reply.decision(), said(&reply).as_str()), (200, "block", "No."));
        assert!(!reply.text().contains(CARD) && reply.text().ends_with("data: [DONE]\n\n"));
    }
    let gate = gate_before(&upstream, "[block]\nshape = \"error\"\n").await;
    let reply = ask(&gate).await;
    assert_eq!((reply.status.as_u16(), reply.decision()), (400, "block"));
    assert_eq!(reply.json()["error"]["code"], "content_filter");
}

async fn check_broken(script: Script, config: &str, code: &str) {
    let upstream = Upstream::start().await;
    let gate = gate_before(&upstream, config).await;
    upstream.acts(script);
    let reply = ask(&gate).await;
    assert_eq!(reply.status, 200);
    let events = events(reply.text());
    let last: Value = serde_json::from_str(events.last().unwrap()).unwrap();
    assert_eq!(last["error"]["code"], code, "{}", reply.text());
    assert!(!reply.text().contains("[DONE]") && !reply.text().contains("\"stop\""));
    assert!(!said(&reply).is_empty());
    assert_eq!(gate.metric(&format!("aimds_failures_total{{code=\"{code}\"}}")).await, 1.0);
}

#[tokio::test]
async fn a_stream_that_breaks_stalls_or_turns_to_garbage_ends_with_an_error_and_no_finish() {
    let words = vec!["All is well in the garden. "; 20];
    let begun: Vec<Bytes> = chunks(&words, "stop").into_iter().take(21).map(Bytes::from).collect();
    let with = |more: &'static [u8]| {
        let mut pieces = begun.clone();
        pieces.push(Bytes::from_static(more));
        Script::Events(pieces, After::Close)
    };
    check_broken(Script::Events(begun.clone(), After::Close), "", "upstream_unreachable").await;
    check_broken(Script::Events(begun.clone(), After::Break), "", "upstream_unreachable").await;
    check_broken(Script::Events(begun.clone(), After::Stall), "timeout_ms = 300\n", "upstream_timeout").await;
    check_broken(with(b"data: <html>\n\n"), "", "upstream_invalid_answer").await;
    check_broken(
        with(b"data: {\"choices\":[{\"delta\":{\"content\":\"\xff\"}}]}\n\n"),
        "",
        "upstream_invalid_answer",
    )
    .await;
    check_broken(with(b"data: {\"choices\":"), "", "upstream_unreachable").await;
    check_broken(with(b"event: 4111 1111\ndata: {}\n\n"), "", "upstream_invalid_answer").await;
    check_broken(
        Script::Events(begun.clone(), After::Close),
        "response_bytes = 3000\n",
        "upstream_answer_too_large",
    )
    .await;
}

#[tokio::test]
async fn a_stream_that_never_begins_is_an_error_with_its_status() {
    let upstream = Upstream::start().await;
    let gate = gate_before(&upstream, "").await;
    upstream.acts(Script::Events(Vec::new(), After::Close));
    let reply = ask(&gate).await;
    assert_eq!(
        (reply.status.as_u16(), &reply.json()["error"]["code"]),
        (502, &json!("upstream_unreachable"))
    );
    upstream.answers(200, r#"{"choices":[]}"#);
    let reply = ask(&gate).await;
    assert_eq!(
        (reply.status.as_u16(), &reply.json()["error"]["code"]),
        (502, &json!("upstream_invalid_answer"))
    );
}

#[tokio::test]
async fn an_open_stream_keeps_its_place_among_the_requests_in_progress() {
    let upstream = Upstream::start().await;
    let gate = gate_before(&upstream, "[limits]\nmax_in_flight = 1\n").await;
    let pieces = chunks(&["All is well in the garden. "; 20], "stop").into_iter().take(21).map(Bytes::from);
    upstream.acts(Script::Events(pieces.collect(), After::Stall));
    let client: hyper_util::client::legacy::Client<_, axum::body::Body> =
        hyper_util::client::legacy::Client::builder(hyper_util::rt::TokioExecutor::new()).build_http();
    let request = axum::http::Request::post(format!("http://{}{CHAT}", gate.address))
        .header("x-api-key", &gate.key)
        .body(axum::body::Body::from(streamed("hello").to_string()))
        .unwrap();
    let mut response = client.request(request).await.unwrap();
    assert!(response.body_mut().frame().await.unwrap().is_ok());
    assert_eq!(gate.post("/v1/guard", &json!({ "text": "hello" })).await.status, 503);
    drop(response);
    drop(client);
    eventually("its place is free again", async || {
        gate.post("/v1/guard", &json!({ "text": "hello" })).await.status == 200
    })
    .await;
}

/// What the gateway adds to the first word and to each further one, printed; the bounds are loose, for slow machines.
#[tokio::test]
#[ignore = "measures: cargo test --release -p aimds-gateway --test gateway -- --ignored --nocapture delay"]
async fn the_delay_of_the_first_word_and_of_each_further_one() {
    let upstream = Upstream::start().await;
    let gate = gate_before(&upstream, "").await;
    let words = vec!["All is well in the garden. "; 200];
    upstream.streams(&chunks(&words, "stop"));
    let direct = timeline(&format!("http://{}{CHAT}", upstream.address), &gate.key).await;
    let through = timeline(&format!("http://{}{CHAT}", gate.address), &gate.key).await;
    println!("direct:  first word {:?}, whole {:?}", direct.0, direct.1);
    println!("through: first word {:?}, whole {:?}", through.0, through.1);
    assert!(through.0 < direct.0 + Duration::from_secs(2));
}

async fn timeline(address: &str, key: &str) -> (Duration, Duration) {
    let client: hyper_util::client::legacy::Client<_, axum::body::Body> =
        hyper_util::client::legacy::Client::builder(hyper_util::rt::TokioExecutor::new()).build_http();
    let request = axum::http::Request::post(address)
        .header("x-api-key", key)
        .body(axum::body::Body::from(streamed("hello").to_string()))
        .unwrap();
    let started = Instant::now();
    let mut response = client.request(request).await.unwrap();
    let mut first = None;
    while let Some(Ok(frame)) = response.body_mut().frame().await {
        let words = frame.data_ref().is_some_and(|data| data.windows(6).any(|part| part == b"garden"));
        if words && first.is_none() {
            first = Some(started.elapsed());
        }
    }
    (first.unwrap(), started.elapsed())
}
