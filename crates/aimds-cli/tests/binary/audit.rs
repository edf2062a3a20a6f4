use std::io::{BufRead as _, BufReader};
use std::process::Stdio;
use std::time::Duration;

use aimds_store::{AuditLog, Options, Record};
use serde_json::json;

use crate::command::{Folder, aimds, run, run_with};

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

#[test]
fn export_writes_other_formats() {
    let folder = Folder::new();
    let (_log, path) = write(&folder, 2);
    let ran = run(&["audit", "export", &path, "--format", "ocsf"]);
    assert_eq!(ran.status, 0, "{}", ran.stderr);
    let events = ran.lines();
    assert_eq!(events.len(), 2);
    assert_eq!((&events[0]["class_uid"], &events[0]["disposition"]), (&json!(2004), &json!("Blocked")));
    let ran = run(&["audit", "export", &path, "--format", "cef", "--limit", "1"]);
    assert_eq!(ran.stdout.lines().count(), 1);
    assert!(ran.stdout.starts_with("CEF:0|AIMDS|AIMDS|"), "{}", ran.stdout);
    assert!(ran.stdout.contains("|decision:block|decision block|8|rt=1795368600000 "), "{}", ran.stdout);
    let ran = run(&["audit", "export", &path, "--format", "leef"]);
    assert_eq!(ran.status, 2);
}

#[test]
fn records_are_proved_and_proofs_verified() {
    let folder = Folder::new();
    let (log, path) = write(&folder, 5);
    let key = log.public_key().to_string();
    let head = log.close(Duration::from_secs(10)).unwrap();
    let out = folder.path().join("proof.json").to_str().unwrap().to_owned();
    let ran = run(&["audit", "prove", &path, "--record", "3", "--out", &out]);
    assert_eq!((ran.status, ran.stdout.as_str(), ran.stderr.as_str()), (0, "", ""));
    let ran = run(&["audit", "verify-proof", &out, "--public-key", &key]);
    let expected = format!(
        "proved  record 3 (decision) of request req-2 is in the log\nhead: {head}\nsigned by: {key}\n"
    );
    assert_eq!((ran.status, ran.stdout.as_str()), (0, expected.as_str()));
    let ran = run(&["audit", "verify-proof", &out, "--format", "json", "--expected-head", &head.to_string()]);
    assert_eq!((ran.status, ran.json()["trusted"].as_bool()), (0, Some(false)));
    let other = "1".repeat(64);
    let ran = run(&["audit", "verify-proof", &out, "--public-key", &other]);
    assert_eq!(ran.status, 1);
    assert!(ran.stdout.starts_with(&format!("refused  signed by {key}")), "{}", ran.stdout);
    // By request, from standard input, changed.
    let ran = run(&["audit", "prove", &path, "--request-id", "req-4"]);
    assert_eq!((ran.status, ran.stdout.lines().count()), (0, 1));
    assert_eq!(run_with(&["audit", "verify-proof", "-"], ran.stdout.as_bytes()).status, 0);
    let twice = ran.stdout.repeat(2);
    assert_eq!(
        run_with(&["audit", "verify-proof", "-"], twice.as_bytes()).stdout.matches("proved  ").count(),
        2
    );
    let changed = twice.replacen("req-4", "req-5", 1);
    let ran = run_with(&["audit", "verify-proof", "-", "--format", "json"], changed.as_bytes());
    assert_eq!(ran.status, 1);
    assert_eq!(ran.lines()[0], json!({"verdict": "refused", "reason": "the numbers contradict each other"}));
    assert_eq!(ran.lines()[1]["verdict"], "proved");
    for nothing in ["", "\n", "{}", "\u{0}"] {
        assert_eq!(run_with(&["audit", "verify-proof", "-"], nothing.as_bytes()).status, 1, "{nothing:?}");
    }
    assert_eq!(run(&["audit", "verify-proof", "/nowhere/proof"]).status, 3);
    let ran = run(&["audit", "prove", &path, "--record", "6"]);
    assert_eq!((ran.status, ran.stderr.as_str()), (3, "error: there is no record 6\n"));
    let ran = run(&["audit", "prove", &path, "--request-id", "req-9"]);
    assert_eq!((ran.status, ran.stderr.as_str()), (3, "error: there is no record of request req-9\n"));
    for wrong in [&["audit", "prove", &path][..], &["audit", "prove", &path, "--record", "1", "--from", "1"]]
    {
        assert_eq!(run(wrong).status, 2);
    }
}

#[test]
fn a_log_is_proved_to_have_only_grown_also_over_a_new_key() {
    let folder = Folder::new();
    let (log, path) = write(&folder, 5);
    let key = log.public_key().to_string();
    let ran = run(&["audit", "rotate-key", &path]);
    assert_eq!(ran.status, 3, "the log is open for writing: {}", ran.stdout);
    let noted = log.close(Duration::from_secs(10)).unwrap().to_string();
    let ran = run(&["audit", "rotate-key", &path]);
    assert_eq!(ran.status, 0, "{}", ran.stderr);
    assert!(
        ran.stdout.starts_with(&format!("signed until now: {key}\nsigns from now on: ")),
        "{}",
        ran.stdout
    );
    let (log, _) = write(&folder, 3);
    let new = log.public_key().to_string();
    let head = log.close(Duration::from_secs(10)).unwrap().to_string();
    assert_eq!(run(&["audit", "verify", &path, "--public-key", &key]).status, 0);
    let proof = run(&["audit", "prove", &path, "--from", &noted]);
    assert_eq!(proof.status, 0, "{}", proof.stderr);
    let check = |arguments: &[&str]| {
        run_with(&[&["audit", "verify-proof", "-"], arguments].concat(), proof.stdout.as_bytes())
    };
    let ran = check(&["--public-key", &key, "--expected-head", &noted]);
    let expected = format!("proved  the log only grew since {noted}\nhead: {head}\nsigned by: {new}\n");
    assert_eq!((ran.status, ran.stdout.as_str()), (0, expected.as_str()));
    assert_eq!(check(&["--public-key", &new]).status, 1);
    assert_eq!(check(&["--expected-head", &head]).status, 1);
    assert_eq!(run(&["audit", "prove", &path, "--from", "5", "--to", "6"]).status, 0);
    let ran = run(&["audit", "prove", &path, "--from", "4"]);
    assert_eq!(ran.status, 3);
    assert!(ran.stderr.contains("no signed statement ends with record 4"), "{}", ran.stderr);
    // A head that was noted and is not in the log.
    let (place, _) = noted.rsplit_once('/').unwrap();
    let ran = run(&["audit", "prove", &path, "--from", &format!("{place}/{}", "5".repeat(64))]);
    assert_eq!(ran.status, 1, "{}", ran.stderr);
    assert_eq!(run(&["audit", "prove", &path, "--from", "here"]).status, 2);
}
