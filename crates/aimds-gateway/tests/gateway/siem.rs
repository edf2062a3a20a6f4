//! Detections for the systems that watch: to a file and to a syslog server, while they happen, and never with a text.

use std::net::UdpSocket;
use std::time::Duration;

use serde_json::{Value, json};

use crate::support::{CARD, EMAIL, eventually, gate};

/// Asks for three verdicts: nothing found, something to redact, something to block.
async fn ask(gate: &crate::support::Gate) {
    for text in ["hello", EMAIL, CARD] {
        assert_eq!(gate.post("/v1/guard", &json!({ "text": text })).await.status, 200);
    }
}

#[tokio::test]
async fn detections_are_written_and_sent_as_they_happen_and_nothing_else_is() {
    let home = tempfile::tempdir().unwrap();
    let file = home.path().join("detections.jsonl");
    let server = UdpSocket::bind("127.0.0.1:0").unwrap();
    server.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    let address = server.local_addr().unwrap();
    let mut gate =
        gate(&format!("[siem]\nfile = \"{}\"\nsyslog = \"udp://{address}\"\n", file.display())).await;
    ask(&gate).await;
    let mut buffer = [0; 65536];
    let mut sent = Vec::new();
    for _ in 0..2 {
        let length = server.recv(&mut buffer).unwrap();
        sent.push(String::from_utf8(buffer[..length].to_vec()).unwrap());
    }
    let written = || std::fs::read_to_string(&file).unwrap();
    eventually("both are in the file", async || written().lines().count() == 2).await;
    let events: Vec<Value> = written().lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    for (event, (action, category)) in
        events.iter().zip([("decision redact", "pii.email"), ("decision block", "pii.credit_card")])
    {
        assert_eq!((&event["class_uid"], &event["message"]), (&json!(2004), &json!(action)));
        assert_eq!(event["finding_info"]["types"], json!([category]));
        assert_eq!(event["metadata"]["tenant_uid"], "acme");
        assert_eq!(event["metadata"]["log_name"], "detections");
    }
    assert_ne!(events[0]["metadata"]["uid"], events[1]["metadata"]["uid"]);
    for (message, line) in sent.iter().zip(written().lines()) {
        let (head, text) = message.split_once(" detection - ").unwrap();
        assert_eq!(text, line);
        assert!(head.starts_with("<132>1 20") || head.starts_with("<131>1 20"), "{head}");
    }
    assert!(!written().contains(EMAIL) && !written().contains(CARD));
    assert_eq!(gate.metric("aimds_siem_events_total{to=\"file\"}").await, 2.0);
    assert_eq!(gate.metric("aimds_siem_events_total{to=\"syslog\"}").await, 2.0);
    assert_eq!(gate.metric("aimds_siem_dropped_total{at=\"queue\"}").await, 0.0);
    // What comes at the very end is written all the same.
    gate.post("/v1/guard", &json!({ "text": CARD })).await;
    gate.stop();
    gate.stopped().await;
    assert_eq!(written().lines().count(), 3);
}

#[tokio::test]
async fn a_server_that_is_away_costs_no_request_and_is_counted() {
    let home = tempfile::tempdir().unwrap();
    let file = home.path().join("detections.cef");
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let config =
        format!("[siem]\nformat = \"cef\"\nfile = \"{}\"\nsyslog = \"tcp://{free}\"\n", file.display());
    let gate = gate(&config).await;
    ask(&gate).await;
    eventually("they are dropped", async || {
        gate.metric("aimds_siem_dropped_total{at=\"syslog\"}").await == 2.0
    })
    .await;
    eventually("they are in the file", async || std::fs::read_to_string(&file).unwrap().lines().count() == 2)
        .await;
    let written = std::fs::read_to_string(&file).unwrap();
    assert!(written.starts_with("CEF:0|AIMDS|AIMDS|") && written.contains("|decision:block|"), "{written}");
}

#[tokio::test]
async fn a_full_queue_drops_and_counts_and_no_request_waits() {
    // Nobody accepts: the connection stands, and the system's buffers fill up.
    let deaf = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = deaf.local_addr().unwrap();
    let gate = gate(&format!("[siem]\nsyslog = \"tcp://{address}\"\nqueue = 1\n")).await;
    let many = format!("{EMAIL} ").repeat(200);
    let dropped = async || {
        let mut sum = 0.0;
        for place in ["queue", "syslog"] {
            sum += gate.metric(&format!("aimds_siem_dropped_total{{at=\"{place}\"}}")).await;
        }
        sum
    };
    let started = std::time::Instant::now();
    while dropped().await == 0.0 {
        assert!(started.elapsed() < Duration::from_secs(120), "never");
        assert_eq!(gate.post("/v1/guard", &json!({ "text": many })).await.status, 200);
    }
}
