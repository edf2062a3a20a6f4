//! Against a real Neo4j server, which `cargo xtask test` provides. By hand: a server of one's own with AIMDS_NEO4J_URL,
//! AIMDS_NEO4J_USER and AIMDS_NEO4J_PASSWORD for [`conforms`]; the folder that xtask made with AIMDS_NEO4J_FOLDER for all.

use std::path::PathBuf;
use std::time::{Duration, SystemTime};

use aimds_graph::{
    Batch, Error, Graph, Health, Limits, Neo4jGraph, Neo4jOptions, Node, NodeKind, Password, Property,
};

use crate::server::{Server, free_port, password};
use crate::words::{batch, id};

/// A server that starts cold on a busy machine.
const PATIENCE: Duration = Duration::from_secs(120);

fn options(server: &Server, spool: PathBuf) -> Neo4jOptions {
    let url = format!("bolt://127.0.0.1:{}", server.port);
    Neo4jOptions {
        first_pause: Duration::from_millis(50),
        longest_pause: Duration::from_secs(1),
        timeout: Duration::from_secs(20),
        ..Neo4jOptions::new(&url, "neo4j", Password(password()), spool)
    }
}

/// Tells this run's tenants from those of earlier runs on the same server.
fn run() -> String {
    format!("run{}", SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap().as_nanos())
}

/// Batch number `n` of the kill test: an attack of its own, and a node that all write, which tells the last.
fn numbered(n: i64) -> Batch {
    let mut numbered = batch("kill", &[&format!("source:order triggered attack:{n} @{}", 1000 + n)]);
    let order = Node::new(id("source:order"), 1000).with("number", Property::Count(n));
    numbered.nodes.retain(|node| node.id.kind() != NodeKind::Source);
    numbered.nodes.push(order);
    numbered
}

#[test]
#[ignore = "needs a Neo4j server: cargo xtask test"]
fn neo4j_conforms() {
    let folder = tempfile::tempdir().unwrap();
    let spool = folder.path().join("spool.db");
    let text = |name: &str| std::env::var(name).unwrap_or_default();
    let (_server, options) = match std::env::var("AIMDS_NEO4J_URL") {
        Ok(url) => {
            let password = Password(text("AIMDS_NEO4J_PASSWORD"));
            (None, Neo4jOptions::new(&url, &text("AIMDS_NEO4J_USER"), password, spool))
        }
        Err(_) => {
            let server = Server::start(&folder.path().join("data"), free_port());
            let options = options(&server, spool);
            (Some(server), options)
        }
    };
    let mut graph = Neo4jGraph::open(options).unwrap();
    crate::conformance::all(&mut graph, &run());
    assert_eq!(graph.health(), Health::Healthy);
}

#[test]
#[ignore = "needs a Neo4j server: cargo xtask test"]
fn neo4j_loses_nothing_when_either_side_is_killed() {
    let folder = tempfile::tempdir().unwrap();
    let (data, spool) = (folder.path().join("data"), folder.path().join("spool.db"));
    let server = Server::start(&data, free_port());
    let (port, options) = (server.port, options(&server, spool));
    let mut graph = Neo4jGraph::open(options.clone()).unwrap();
    for n in 0..40 {
        graph.upsert(&numbered(n)).unwrap();
        if n == 20 {
            graph.flush(PATIENCE).unwrap();
        }
    }
    // In the middle of writing: no warning, no goodbye. The caller notices nothing.
    server.kill();
    for n in 40..120 {
        graph.upsert(&numbered(n)).unwrap();
    }
    assert!(matches!(graph.flush(Duration::from_millis(1500)), Err(Error::Away(_))));
    assert!(matches!(graph.health(), Health::Away(_)), "{:?}", graph.health());
    assert!(matches!(graph.node("kill", &id("source:order")), Err(Error::Away(_))));
    assert!(matches!(graph.erase("kill", &id("source:order"), 1), Err(Error::Away(_))));
    // This side ends, too, and comes back before the server does.
    drop(graph);
    let mut graph = Neo4jGraph::open(options).unwrap();
    graph.upsert(&numbered(120)).unwrap();
    let _server = Server::start(&data, port);
    graph.flush(PATIENCE).unwrap();
    let counts = graph.stats(Some("kill")).unwrap();
    assert_eq!((counts.counts.nodes[&NodeKind::Attack], counts.counts.edges), (121, 121));
    assert_eq!((counts.waiting, counts.refused), (0, 0));
    let order = graph.node("kill", &id("source:order")).unwrap();
    assert_eq!(order.properties["number"], Property::Count(120), "the last written is the last that arrived");
    let blast = graph.blast("kill", &id("source:order"), &Limits::blast()).unwrap();
    assert_eq!(blast.reached[&NodeKind::Attack], 121);
}

#[test]
#[ignore = "needs a Neo4j server: cargo xtask test"]
fn neo4j_that_refuses_us_is_one_that_is_away() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(&folder.path().join("data"), free_port());
    let right = options(&server, folder.path().join("spool.db"));
    let wrong = Neo4jOptions { password: Password("wrong".into()), ..right.clone() };
    let mut graph = Neo4jGraph::open(wrong).unwrap();
    graph.upsert(&numbered(1)).unwrap();
    let error = graph.flush(Duration::from_secs(20)).unwrap_err().to_string();
    assert!(error.contains("1 batches wait in the spool"), "{error}");
    assert!(!error.contains("wrong") && !format!("{graph:?}").contains("wrong"), "{error}");
    drop(graph);
    let mut graph = Neo4jGraph::open(right).unwrap();
    graph.flush(PATIENCE).unwrap();
    assert!(graph.node("kill", &id("attack:1")).is_ok());
}

/// As an earlier version left them: relations that do not say whose they are, and no index of them.
const EARLIER: [&str; 8] = [
    "MATCH ()-[r]->() REMOVE r.hub, r.long_hub",
    "CALL db.awaitIndexes(60)",
    "DROP INDEX aimds_triggered_hub",
    "DROP INDEX aimds_triggered_long_hub",
    "DROP INDEX aimds_derived_from_hub",
    "DROP INDEX aimds_derived_from_long_hub",
    "DROP INDEX aimds_carried_by_hub",
    "DROP INDEX aimds_carried_by_long_hub",
];

#[test]
#[ignore = "needs a Neo4j server: cargo xtask test"]
fn neo4j_finds_what_an_earlier_version_wrote() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(&folder.path().join("data"), free_port());
    let options = options(&server, folder.path().join("spool.db"));
    let lines = [
        "source:a triggered session:s @1-5000",
        "source:a triggered attack:1 @2000",
        "attack:1 carried_by session:s @2000",
        "attack:1 derived_from pattern:p @2000",
        "attack:2 derived_from pattern:p @2001",
        "attack:3 derived_from pattern:p @1-3000",
    ];
    let blasts = |graph: &dyn Graph| {
        let limits = Limits { window_ms: Some(10), ..Limits::blast() };
        ["source:a", "session:s", "pattern:p"].map(|hub| {
            let blast = graph.blast("earlier", &id(hub), &limits).unwrap();
            (blast.reached, blast.subgraph.edges.len())
        })
    };
    let mut graph = Neo4jGraph::open(options.clone()).unwrap();
    graph.upsert(&batch("earlier", &lines)).unwrap();
    graph.flush(PATIENCE).unwrap();
    let before = blasts(&graph);
    assert_eq!(before.each_ref().map(|(_, edges)| *edges), [3, 1, 3]);
    drop(graph);
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async {
        let driver = neo4rs::Graph::new(options.url.as_str(), "neo4j", password()).unwrap();
        for statement in EARLIER {
            driver.run(statement).await.unwrap();
        }
    });
    // Without the index and what it holds, its questions would find nothing.
    assert_eq!(blasts(&Neo4jGraph::open(options).unwrap()), before);
}

/// No server is needed where there is none.
#[test]
fn without_a_database_the_spool_fills_and_says_so() {
    let folder = tempfile::tempdir().unwrap();
    let url = format!("bolt://127.0.0.1:{}", free_port());
    let options = Neo4jOptions {
        spool_batches: 3,
        first_pause: Duration::from_millis(5),
        timeout: Duration::from_secs(5),
        ..Neo4jOptions::new(&url, "neo4j", Password("secret-word".into()), folder.path().join("spool.db"))
    };
    assert!(!format!("{options:?}").contains("secret-word"));
    let mut graph = Neo4jGraph::open(options.clone()).unwrap();
    for n in 0..3 {
        graph.upsert(&numbered(n)).unwrap();
    }
    assert!(matches!(graph.upsert(&numbered(3)), Err(Error::SpoolFull)));
    let error = graph.flush(Duration::from_millis(300)).unwrap_err();
    assert!(error.to_string().contains("3 batches wait in the spool"), "{error}");
    assert!(matches!(graph.related("kill", &id("attack:1"), &Limits::related()), Err(Error::Away(_))));
    assert!(matches!(graph.stats(None), Err(Error::Away(_))));
    drop(graph);
    for url in ["http://localhost", "localhost:7687", "bolt://neo4j:secret-word@localhost"] {
        let error = Neo4jGraph::open(Neo4jOptions { url: url.into(), ..options.clone() }).unwrap_err();
        assert!(matches!(error, Error::Settings(_)), "{error:?}");
        assert!(!error.to_string().contains("secret-word"));
    }
}
