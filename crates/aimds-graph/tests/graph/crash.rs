//! Processes that write are killed at random moments: every batch is there as a whole or not at all, and in order.
#![cfg(unix)]

use std::collections::hash_map::RandomState;
use std::hash::BuildHasher as _;
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use aimds_graph::{Graph, Limits, NodeKind, SqliteGraph};
use rusqlite::Connection;

use crate::words::{batch, id};

const ROUNDS: u64 = 8;
/// Attacks of one batch.
const ATTACKS: u64 = 20;

/// Unpredictable on purpose: every run kills at other moments.
fn random(below: u64) -> u64 {
    RandomState::new().hash_one(0) % below
}

#[test]
fn batches_are_whole_after_sigkill() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("graph.db");
    drop(SqliteGraph::open(&path).unwrap());
    let mut acknowledged = 0;
    for _ in 0..ROUNDS {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "crash::writing_child", "--nocapture"])
            .env("AIMDS_GRAPH_CRASH", &path)
            .env("AIMDS_GRAPH_CRASH_FROM", (acknowledged + 1).to_string())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let mut seen = 0;
        let wanted = 1 + random(12);
        while seen < wanted {
            let line = lines.next().expect("the child ended by itself").unwrap();
            seen += u64::from(note(&line, &mut acknowledged));
        }
        std::thread::sleep(Duration::from_micros(random(5_000)));
        child.kill().unwrap();
        child.wait().unwrap();
        for line in lines {
            note(&line.unwrap(), &mut acknowledged);
        }
        check(&path, acknowledged);
    }
}

fn note(line: &str, acknowledged: &mut u64) -> bool {
    // A line that the kill cut short has no full stop.
    let number = line.strip_prefix("ack ").and_then(|line| line.strip_suffix('.'));
    number.is_some_and(|number| {
        *acknowledged = number.parse().unwrap();
        true
    })
}

fn check(path: &Path, acknowledged: u64) {
    let conn = Connection::open(path).unwrap();
    let text = |sql: &str| conn.query_row(sql, [], |row| row.get::<_, String>(0)).unwrap();
    let number = |sql: &str| conn.query_row(sql, [], |row| row.get::<_, i64>(0)).unwrap();
    assert_eq!(text("PRAGMA integrity_check"), "ok");
    let dangling = "SELECT count(*) FROM causes WHERE cause NOT IN (SELECT key FROM nodes) OR effect NOT IN (SELECT key FROM nodes)";
    assert_eq!(number(dangling), 0);
    let graph = SqliteGraph::open(path).unwrap();
    let counts = graph.stats(Some("acme")).unwrap().counts;
    let batches = counts.nodes[&NodeKind::Source];
    assert!(batches >= acknowledged, "{batches} of {acknowledged}");
    assert_eq!((counts.nodes[&NodeKind::Attack], counts.edges), (batches * ATTACKS, batches * ATTACKS));
    for batch in 1..=batches {
        let blast = graph.blast("acme", &id(&format!("source:{batch}")), &Limits::blast()).unwrap();
        assert_eq!(blast.reached[&NodeKind::Attack], ATTACKS);
    }
}

/// Not a test of its own: the process that is killed.
#[test]
fn writing_child() {
    let Ok(path) = std::env::var("AIMDS_GRAPH_CRASH") else { return };
    let from: u64 = std::env::var("AIMDS_GRAPH_CRASH_FROM").unwrap().parse().unwrap();
    let mut graph = SqliteGraph::open(path).unwrap();
    for number in from.. {
        let lines: Vec<String> = (0..ATTACKS)
            .map(|i| format!("source:{number} triggered attack:{number}-{i} @{number}"))
            .collect();
        graph.upsert(&batch("acme", &lines.iter().map(String::as_str).collect::<Vec<_>>())).unwrap();
        std::io::stdout().lock().write_all(format!("ack {number}.\n").as_bytes()).unwrap();
    }
}
