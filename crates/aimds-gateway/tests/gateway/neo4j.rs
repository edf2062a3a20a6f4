//! The causal memory in a real Neo4j, which `cargo xtask test` provides.

use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::Value;

use crate::graph::{attack, close, gate, log_in};
use crate::neo4j_server::{Server, free_port};
use crate::support::{Gate, eventually};

/// Starts a server where that does not hold up the gateway.
async fn started(data: &Path, port: u16) -> Server {
    let data = PathBuf::from(data);
    tokio::task::spawn_blocking(move || Server::start(&data, port)).await.unwrap()
}

/// Asks until the answer is as it should be: deliveries pause for up to half a minute after failures.
async fn asked(gate: &Gate, question: &str, is_right: impl Fn(&Value) -> bool) -> Value {
    let mut last = String::new();
    for _ in 0..1200 {
        let reply = gate.get(&format!("/admin/graph/{question}")).await;
        if reply.status.is_success() && is_right(&reply.json()) {
            return reply.json();
        }
        last = reply.text().to_owned();
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    panic!("{question}: {last}");
}

fn attacks(of: &Value) -> usize {
    of["attacks"].as_array().map_or(0, Vec::len)
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs a Neo4j server: cargo xtask test"]
async fn neo4j_answers_through_the_gateway_and_may_go_away_and_come_back() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let server = started(&data, free_port()).await;
    let port = server.port;
    let log = log_in(folder.path());
    let spool = folder.path().join("spool.db");
    let config =
        format!("[graph]\nneo4j_url = \"bolt://127.0.0.1:{port}\"\nneo4j_spool = \"{}\"\n", spool.display());
    let gate = gate(&config, &log).await;
    let (first, second) = (attack(&gate).await, attack(&gate).await);
    let related = asked(&gate, &format!("related?id={second}"), |answer| attacks(answer) == 1).await;
    assert_eq!(related["attacks"][0]["id"], format!("attack:{first}"), "{related}");
    assert_eq!(asked(&gate, &format!("root?id={second}"), |_| true).await["root"], "source:test");
    assert_eq!(asked(&gate, "blast?id=test", |_| true).await["reached"]["attack"], 2);
    let chain = asked(&gate, &format!("chain?id={first}"), |_| true).await;
    assert!(chain["sentence"].as_str().unwrap().contains("came from source test in session "), "{chain}");
    let campaigns = asked(&gate, "campaigns", |_| true).await;
    assert_eq!(attacks(&campaigns["campaigns"][0]), 2, "{campaigns}");

    server.kill();
    let third = attack(&gate).await;
    eventually("it is in the spool", async || gate.metric("aimds_graph_linked_total").await == 3.0).await;
    assert_eq!(gate.get(&format!("/admin/graph/related?id={third}")).await.status.as_u16(), 503);
    assert_eq!(gate.get("/readyz").await.status.as_u16(), 200);

    let _server = started(&data, port).await;
    asked(&gate, &format!("related?id={third}"), |answer| attacks(answer) == 2).await;
    let campaigns = asked(&gate, "campaigns", |_| true).await;
    assert_eq!(attacks(&campaigns["campaigns"][0]), 3, "{campaigns}");
    close(gate, log).await;
}
