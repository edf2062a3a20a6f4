use std::io::{BufRead as _, BufReader};
use std::process::Stdio;
use std::time::Duration;

use aimds_store::{AuditLog, Options, Record};
use serde_json::json;

use crate::command::{Folder, aimds, run};

/// A log of `n` records, one a second, for two tenants.
fn write(folder: &Folder, n: u64) -> (AuditLog, String) {
    let path = folder.path().join("audit.db");
    let log = AuditLog::open(&path, Options::default()).unwrap();
    for i in 0..n {
        append(&log, i);
    }
    log.flush(Duration::from_secs(10)).unwrap();
    (log, path.to_str().unwrap().to_owned())
}

fn append(log: &AuditLog, i: u64) {
    let tenant = if i.is_multiple_of(2) { "acme" } else { "" };
    let record = Record {
        at_ms: 1_795_368_600_000 + i * 1000,
        request_id: format!("req-{i}"),
        tenant: tenant.into(),
        kind: "decision".into(),
        body: json!({"action": "block", "n": i}),
    };
    log.append(record).unwrap().wait().unwrap();
}

#[test]
fn an_intact_log_and_a_broken_one() {
    let folder = Folder::new();
    let (log, path) = write(&folder, 5);
    let head = log.close(Duration::from_secs(10)).unwrap();
    let ran = run(&["audit", "verify", &path]);
    assert_eq!((ran.status, ran.stderr.as_str()), (0, ""));
    assert!(ran.stdout.starts_with("intact  "), "{}", ran.stdout);
    assert!(ran.stdout.ends_with(&format!("\nhead: {head}\n")), "{}", ran.stdout);
    let by_directory = run(&["audit", "verify", "--data-dir", folder.path().to_str().unwrap()]);
    assert_eq!(by_directory.stdout, ran.stdout);
    assert_eq!(run(&["audit", "verify", &path, "--expected-head", &head.to_string()]).status, 0);
    let other = head.to_string().replace(['0', '1', '2'], "3");
    let ran = run(&["audit", "verify", &path, "--expected-head", &other, "--format", "json"]);
    assert_eq!(ran.status, 1);
    assert_eq!(ran.json()["first_bad"]["what"], "expected_head");
    let ran = run(&["audit", "verify", &path, "--expected-head", "nonsense"]);
    assert_eq!(ran.status, 2);
    let ran = run(&["audit", "verify", "/nowhere/audit.db"]);
    assert_eq!((ran.status, ran.stderr.as_str()), (3, "error: no audit log at /nowhere/audit.db\n"));
    let text = folder.file("text.db", "not a database, but long enough to look like a file");
    let ran = run(&["audit", "verify", &text]);
    assert_eq!(ran.status, 3);
    assert!(ran.stderr.starts_with("error: cannot read the audit log "), "{}", ran.stderr);
}

#[test]
fn export_filters() {
    let folder = Folder::new();
    let (_log, path) = write(&folder, 6);
    let numbers = |arguments: &[&str]| -> Vec<u64> {
        let ran = run(&[&["audit", "export", &path, "--kind", "decision"], arguments].concat());
        assert_eq!(ran.status, 0, "{}", ran.stderr);
        ran.lines().iter().map(|line| line["body"]["n"].as_u64().unwrap()).collect()
    };
    assert_eq!(numbers(&[]), [0, 1, 2, 3, 4, 5]);
    assert_eq!(numbers(&["--tenant", "acme"]), [0, 2, 4]);
    assert_eq!(numbers(&["--request-id", "req-3"]), [3]);
    assert_eq!(numbers(&["--from", "2026-11-22T17:30:02Z", "--to", "1795368604000"]), [2, 3]);
    assert_eq!(numbers(&["--limit", "2"]), [0, 1]);
    let ran = run(&["audit", "export", &path, "--from", "yesterday"]);
    assert_eq!(ran.status, 2);
    assert!(ran.stderr.contains("2026-11-22T17:30:00Z"), "{}", ran.stderr);
}

#[test]
fn tail_shows_the_last_and_follows() {
    let folder = Folder::new();
    let (log, path) = write(&folder, 4);
    let page = run(&["audit", "tail", "-n", "2", &path]).stdout;
    let lines: Vec<_> = page.lines().collect();
    assert_eq!(lines.len(), 2, "{page}");
    assert!(lines[1].starts_with("2026-11-22T17:30:03.000Z "), "{page}");
    assert!(lines[1].ends_with(r#"  decision  -  req-3  {"action":"block","n":3}"#), "{page}");
    let mut child = aimds()
        .args(["audit", "tail", "-n", "1", "--follow", "--format", "jsonl", &path])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let mut next = || serde_json::from_str::<serde_json::Value>(&lines.next().unwrap().unwrap()).unwrap();
    assert_eq!(next()["body"]["n"], 3);
    append(&log, 4);
    assert_eq!(next()["body"]["n"], 4);
    child.kill().unwrap();
    child.wait().unwrap();
}
