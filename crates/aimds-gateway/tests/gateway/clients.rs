//! Other people's clients, as they are published.

use std::process::Command;

use serde_json::Value;

use crate::coverage::model_answer;
use crate::support::{CARD, EMAIL, Script, Upstream, gate_before};

async fn run(variable: &str, script: &str, answers: fn(&str, &Value) -> Script) {
    let python = std::env::var(variable).unwrap_or_else(|_| panic!("{variable} is not set"));
    let upstream = Upstream::start().await;
    upstream.acts(Script::Choose(answers));
    let gate = gate_before(&upstream, "").await;
    let script = format!("{}/tests/gateway/{script}", env!("CARGO_MANIFEST_DIR"));
    let arguments = [script, gate.address.to_string(), gate.key.clone(), CARD.to_owned(), EMAIL.to_owned()];
    let run = move || Command::new(python).args(arguments).output().unwrap();
    let output = tokio::task::spawn_blocking(run).await.unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs a Python with the package openai: AIMDS_OPENAI_PYTHON=/path/to/python"]
async fn the_official_openai_client_understands_every_answer() {
    run("AIMDS_OPENAI_PYTHON", "openai_client.py", model_answer).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs a Python with the packages openai, anthropic, google-genai: AIMDS_PROVIDERS_PYTHON=/path/to/python"]
async fn the_official_clients_of_three_providers_understand_every_answer() {
    run("AIMDS_PROVIDERS_PYTHON", "provider_clients.py", model_answer).await;
}
