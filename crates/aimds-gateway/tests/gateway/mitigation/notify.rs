use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::sync::mpsc;
use std::time::Duration;

use serde_json::{Value, json};

use super::{Log, guard, told};
use crate::support::{CARD, EMAIL, Script, Upstream, eventually, gate_with};

const POLICY: &str = "version = 1\n[findings.any]\n\"pii.credit_card\" = \"block\"\n\
    [[playbook]]\nname = \"tell\"\ndecision = [\"block\"]\nactions = [\"notify\"]\n";

/// The secret that messages are signed with: a variable that every test of cargo's has.
const SECRET_ENV: &str = "CARGO_MANIFEST_DIR";

fn config(upstream: &Upstream, attempts: u32) -> String {
    told_at(&upstream.address.to_string(), attempts)
}

fn told_at(address: &str, attempts: u32) -> String {
    format!(
        "[notify]\nurl = \"http://{address}/hook\"\nsecret_env = \"{SECRET_ENV}\"\nattempts = {attempts}\ntimeout_ms = 2000\n"
    )
}

fn hmac(message: &str) -> String {
    let secret = std::env::var(SECRET_ENV).unwrap();
    let key = ring::hmac::Key::new(ring::hmac::HMAC_SHA256, secret.as_bytes());
    ring::hmac::sign(&key, message.as_bytes()).as_ref().iter().map(|byte| format!("{byte:02x}")).collect()
}

#[tokio::test]
async fn a_signed_message_without_content_is_sent_once() {
    let log = Log::open();
    let receiver = Upstream::start().await;
    receiver.answers(204, "");
    let gate = gate_with(&config(&receiver, 3), POLICY, Some(log.log.clone())).await;
    let blocked = guard(&gate, "s", &format!("{CARD} {EMAIL}")).await;
    assert_eq!(guard(&gate, "s", "hello").await.json()["decision"], "allow");
    eventually("told", async || receiver.bodies().len() == 1).await;
    let body = String::from_utf8(receiver.bodies()[0].to_vec()).unwrap();
    let message: Value = serde_json::from_str(&body).unwrap();
    assert_eq!(message["playbook"], "tell");
    assert_eq!(
        (&message["decision"], &message["tenant"], &message["key"]),
        (&json!("block"), &json!("acme"), &json!("test"))
    );
    assert_eq!(message["request_id"], blocked.header("x-aimds-request-id"));
    assert!(!body.contains(CARD) && !body.contains(EMAIL) && !body.contains("\"s\""), "{body}");
    let headers = receiver.last_headers();
    let signature = headers["x-aimds-signature"].to_str().unwrap();
    let (at, v1) = signature.strip_prefix("t=").unwrap().split_once(",v1=").unwrap();
    assert_eq!(v1, hmac(&format!("{at}.{body}")));
    assert_eq!(gate.metric("aimds_scheduler_tasks_total{class=\"medium\",end=\"completed\"}").await, 1.0);
    assert_eq!(told(&log.of(gate, "action", &[CARD, EMAIL]).await), ["notify ok webhook 1"]);
}

#[tokio::test]
async fn a_receiver_that_is_down_gets_further_attempts_and_traffic_does_not_wait() {
    let log = Log::open();
    let receiver = Upstream::start().await;
    receiver.answers(503, "");
    let gate = gate_with(&config(&receiver, 3), POLICY, Some(log.log.clone())).await;
    assert_eq!(guard(&gate, "s", CARD).await.json()["decision"], "block");
    assert_eq!(guard(&gate, "s", "hello").await.json()["decision"], "allow");
    eventually("three attempts", async || receiver.bodies().len() == 3).await;
    eventually("failed", async || {
        gate.metric("aimds_actions_total{action=\"notify\",result=\"failed\"}").await == 1.0
    })
    .await;
    // A receiver that does not want it is not asked again; one that is back gets the next message.
    receiver.answers(400, "");
    guard(&gate, "s", CARD).await;
    eventually("refused", async || receiver.bodies().len() == 4).await;
    receiver.answers(200, "");
    guard(&gate, "s", CARD).await;
    eventually("told", async || {
        gate.metric("aimds_actions_total{action=\"notify\",result=\"ok\"}").await == 1.0
    })
    .await;
    assert_eq!(receiver.bodies().len(), 5);
    let told = told(&log.of(gate, "action", &[CARD]).await);
    assert_eq!(told, ["notify ok webhook 1", "notify refused webhook 0", "notify refused webhook 0"]);
}

#[tokio::test]
async fn nobody_to_tell_is_a_failure_that_is_recorded() {
    let log = Log::open();
    let gate = gate_with("", POLICY, Some(log.log.clone())).await;
    assert_eq!(guard(&gate, "s", CARD).await.json()["decision"], "block");
    assert_eq!(told(&log.of(gate, "action", &[CARD]).await), ["notify not_configured webhook 0"]);
}

#[tokio::test]
async fn messages_that_wait_have_an_end_and_shutdown_waits_for_those_under_way() {
    let log = Log::open();
    let receiver = Upstream::start().await;
    receiver.acts(Script::Slow(Duration::from_millis(700)));
    let gate = gate_with(&config(&receiver, 1), POLICY, Some(log.log.clone())).await;
    for _ in 0..300 {
        assert_eq!(guard(&gate, "s", CARD).await.json()["decision"], "block");
    }
    let records = log.of(gate, "action", &[CARD]).await;
    assert_eq!(records.len(), 300, "every message is accounted for");
    let with = |error: &Value| records.iter().filter(|record| record["body"]["error"] == *error).count();
    assert_eq!(with(&Value::Null) + with(&json!("too_many")) + with(&json!("timeout")), 300);
    assert!(with(&Value::Null) > 0);
}

#[tokio::test]
async fn a_message_does_not_wait_for_the_threads_of_the_requests() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let config = told_at(&listener.local_addr().unwrap().to_string(), 1);
    let (came, comes) = mpsc::channel();
    std::thread::spawn(move || {
        let mut stream = listener.accept().unwrap().0;
        let mut head = [0; 4];
        stream.read_exact(&mut head).unwrap();
        came.send(head).unwrap();
        let _ = stream.write_all(b"HTTP/1.1 204 No Content\r\n\r\n");
    });
    let gate = gate_with(&config, POLICY, None).await;
    assert_eq!(guard(&gate, "s", CARD).await.json()["decision"], "block");
    // This is the only thread that answers requests, and it does nothing else meanwhile.
    assert_eq!(comes.recv_timeout(Duration::from_secs(10)).unwrap(), *b"POST");
}
