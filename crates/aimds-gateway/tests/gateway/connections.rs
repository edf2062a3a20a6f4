use std::time::Duration;

use axum::body::Bytes;
use axum::http::{Request, Version};
use http_body_util::Full;
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;
use serde_json::json;

use crate::support::{Script, Upstream, chat, eventually, gate, gate_before, whole};

#[tokio::test]
async fn http_2_with_prior_knowledge_is_answered() {
    let gate = gate("").await;
    let client = Client::builder(TokioExecutor::new()).http2_only(true).build_http::<Full<Bytes>>();
    for _ in 0..3 {
        let request =
            Request::post(format!("http://{}/v1/guard", gate.address)).header("x-api-key", &gate.key);
        let body = Full::new(Bytes::from(json!({ "text": "hello" }).to_string()));
        let response = client.request(request.body(body).unwrap()).await.unwrap();
        assert_eq!(response.version(), Version::HTTP_2);
        assert_eq!(whole(response).await.json()["decision"], "allow");
    }
}

#[tokio::test]
async fn requests_on_one_connection_have_different_identifiers() {
    let gate = gate("").await;
    let ask = format!(
        "POST /v1/guard HTTP/1.1\r\nhost: x\r\nx-api-key: {}\r\nx-aimds-request-id: mine\r\ncontent-length: 12\r\n\r\n{}",
        gate.key, "{\"text\":\"a\"}"
    );
    let last = ask.replace("host: x", "host: x\r\nconnection: close");
    let answer = gate.raw(format!("{ask}{ask}{last}").as_bytes()).await;
    let mut ids: Vec<_> =
        answer.lines().filter_map(|line| line.strip_prefix("x-aimds-request-id: ")).collect();
    assert_eq!(ids.len(), 3, "{answer}");
    assert!(!ids.contains(&"mine"));
    ids.sort_unstable();
    ids.dedup();
    assert_eq!(ids.len(), 3);
}

#[tokio::test]
async fn shutdown_lets_requests_in_progress_finish_and_takes_no_new_ones() {
    let upstream = Upstream::start().await;
    let mut gate = gate_before(&upstream, "").await;
    upstream.acts(Script::Slow(Duration::from_millis(400)));
    let request =
        Request::post(format!("http://{}/v1/chat/completions", gate.address)).header("x-api-key", &gate.key);
    let request = request.body(Full::new(Bytes::from(chat("hello").to_string()))).unwrap();
    let client = Client::builder(TokioExecutor::new()).build_http::<Full<Bytes>>();
    let in_progress = tokio::spawn(async move { whole(client.request(request).await.unwrap()).await });
    eventually("the upstream is asked", async || upstream.bodies().len() == 1).await;
    let address = gate.address;
    gate.stop();
    eventually("the listener is closed", async || tokio::net::TcpStream::connect(address).await.is_err())
        .await;
    let reply = in_progress.await.unwrap();
    assert_eq!(
        (reply.status.as_u16(), reply.json()["choices"][0]["message"]["content"].as_str()),
        (200, Some("late"))
    );
    gate.stopped().await;
}

#[tokio::test]
async fn shutdown_does_not_wait_longer_than_it_may() {
    let upstream = Upstream::start().await;
    let mut gate = gate_before(&upstream, "[limits]\ndrain_timeout_ms = 100\n").await;
    upstream.acts(Script::Slow(Duration::from_secs(60)));
    let request =
        Request::post(format!("http://{}/v1/chat/completions", gate.address)).header("x-api-key", &gate.key);
    let request = request.body(Full::new(Bytes::from(chat("hello").to_string()))).unwrap();
    let client = Client::builder(TokioExecutor::new()).build_http::<Full<Bytes>>();
    tokio::spawn(async move { client.request(request).await });
    eventually("the upstream is asked", async || upstream.bodies().len() == 1).await;
    gate.stop();
    tokio::time::timeout(Duration::from_secs(5), gate.stopped()).await.expect("shutdown hangs");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn large_texts_do_not_hold_up_small_ones() {
    let gate = gate("").await;
    let large = json!({ "text": "some words ".repeat(60_000) });
    let small = json!({ "text": "hello" });
    let (a, b, c) = tokio::join!(
        gate.post("/v1/guard", &large),
        gate.post("/v1/guard", &large),
        gate.post("/v1/guard", &small),
    );
    for reply in [a, b, c] {
        assert_eq!(reply.status, 200);
    }
}
