//! Other people's clients, as they are published.

use std::process::Command;

use crate::support::{CARD, Upstream, gate_before};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs a Python with the package openai: AIMDS_OPENAI_PYTHON=/path/to/python"]
async fn the_official_openai_client_understands_every_answer() {
    let python = std::env::var("AIMDS_OPENAI_PYTHON").expect("AIMDS_OPENAI_PYTHON");
    let upstream = Upstream::start().await;
    let gate = gate_before(&upstream, "").await;
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/gateway/openai_client.py");
    let arguments = [script.to_owned(), gate.address.to_string(), gate.key.clone(), CARD.to_owned()];
    let run = move || Command::new(python).args(arguments).output().unwrap();
    let output = tokio::task::spawn_blocking(run).await.unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}
