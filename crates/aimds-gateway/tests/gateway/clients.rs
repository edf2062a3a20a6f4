//! Other people's clients, as they are published.

use std::process::Command;

use aimds_gateway::SigningKey;
use serde_json::Value;

use crate::coverage::model_answer;
use crate::support::{CARD, EMAIL, Script, Upstream, gate, gate_before};
use crate::tokens::{claims, guarded, jwks, trusting};

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

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs a Python with the packages pyjwt and cryptography: AIMDS_JWT_PYTHON=/path/to/python"]
async fn tokens_of_pyjwt_are_taken_and_pyjwt_takes_ours() {
    let python = std::env::var("AIMDS_JWT_PYTHON").expect("AIMDS_JWT_PYTHON is not set");
    let script = format!("{}/tests/gateway/jwt_client.py", env!("CARGO_MANIFEST_DIR"));
    let run = |arguments: &[&str]| {
        let output = Command::new(&python).arg(&script).args(arguments).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    };
    let folder = tempfile::tempdir().unwrap();
    run(&["make", folder.path().to_str().unwrap()]);
    let tokens: Value =
        serde_json::from_slice(&std::fs::read(folder.path().join("tokens.json")).unwrap()).unwrap();
    let gate = gate(&trusting(folder.path().join("jwks.json").to_str().unwrap())).await;
    for (kind, expected) in [("good", 200), ("bad", 401)] {
        for (name, token) in tokens[kind].as_object().unwrap() {
            assert_eq!(guarded(&gate, token.as_str().unwrap()).await.status, expected, "{name}");
        }
    }
    let key = SigningKey::generate().unwrap();
    run(&["verify", &jwks(&[&key]), &key.issue(&claims()).unwrap()]);
}
