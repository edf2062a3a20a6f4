//! A store that cannot write, and a log that somebody has changed.

use serde_json::Value;

use super::{alarms, configuration, exchange, gateway, get, log, records, request};
use crate::command::{BLOCK_EMAIL, Folder, WITH_EMAIL, run};
use crate::reload::eventually;
use crate::serve::Running;

/// The bytes that a file may have while the disk is full.
#[cfg(target_os = "linux")]
const FULL: u64 = 200_000;

/// Lets the files of a process grow to so many bytes; `None`: as the system lets them.
#[cfg(target_os = "linux")]
fn disk(running: &Running, bytes: Option<u64>) {
    use rustix::process::{Pid, Resource, Rlimit, getrlimit, prlimit};
    let process = i32::try_from(running.id()).ok().and_then(Pid::from_raw);
    let system = getrlimit(Resource::Fsize);
    prlimit(process, Resource::Fsize, Rlimit { current: bytes.or(system.current), ..system }).unwrap();
}

#[cfg(target_os = "linux")]
#[test]
fn a_full_disk_delays_records_and_loses_none() {
    let folder = Folder::new();
    folder.file("policy.toml", "version = 1\n");
    let config = folder.file("aimds.toml", configuration("[audit]\npath = \"audit.db\"\nspool = 40\n"));
    // Without this the system ends a process that writes too much.
    let running = Running::start_through(
        &folder,
        &["sh", "-c", "trap '' XFSZ; exec \"$@\"", "sh"],
        &["--config", &config],
    );
    let ask = || exchange(&running, request("POST", "/v1/guard", b"{\"text\":\"hello\"}"));
    let mut taken = 0;
    assert_eq!(ask().status, 200);
    taken += 1;
    disk(&running, Some(FULL));
    let refused = loop {
        let answer = ask();
        if answer.status != 200 {
            break answer;
        }
        taken += 1;
        assert!(taken < 5000, "the disk is never full");
    };
    assert_eq!((refused.status, refused.code().as_str()), (503, "audit_unavailable"), "{}", refused.body);
    assert!(refused.head.contains("\r\nretry-after: 1\r\n"));
    assert_eq!(get(&running, "/readyz").status, 503);
    eventually("the alarms", || {
        alarms(&running, "audit_store_failing") == 1.0 && alarms(&running, "audit_spool_full") >= 1.0
    });
    disk(&running, None);
    eventually("the store recovers", || get(&running, "/readyz").status == 200);
    assert_eq!(ask().status, 200);
    taken += 1;
    running.stop();
    let path = folder.path().join("audit.db");
    let verified = run(&["audit", "verify", path.to_str().unwrap()]);
    assert_eq!(verified.status, 0, "{}{}", verified.stdout, verified.stderr);
    let recorded = records(&folder, "decision");
    assert_eq!(recorded.len(), taken, "what was answered is recorded, once");
    let sequence: Vec<_> = recorded.iter().map(|record| record["at_ms"].as_u64().unwrap()).collect();
    assert!(sequence.is_sorted());
}

fn execute(folder: &Folder, sql: &str) {
    let connection = rusqlite::Connection::open(folder.path().join("audit.db")).unwrap();
    connection.busy_timeout(std::time::Duration::from_secs(10)).unwrap();
    connection.execute_batch(sql).unwrap();
}

#[test]
fn a_log_that_was_changed_is_named_and_goes_on_in_a_new_segment_with_an_alarm() {
    let folder = Folder::new();
    let sections = "[audit]\npath = \"audit.db\"\n[siem]\nfile = \"siem.jsonl\"\n";
    let running = gateway(&folder, BLOCK_EMAIL, sections);
    for _ in 0..3 {
        assert_eq!(running.guard("", WITH_EMAIL).0, 200);
    }
    eventually("the records are there", || records(&folder, "decision").len() == 3);
    assert_eq!(alarms(&running, "audit_chain_broken"), 0.0);
    execute(&folder, "DELETE FROM records WHERE seq = (SELECT max(seq) FROM records)");
    let (status, verdict) = running.guard("", WITH_EMAIL);
    assert_eq!((status, verdict["decision"].as_str()), (200, Some("block")), "serving goes on");
    eventually("the alarm", || alarms(&running, "audit_chain_broken") == 1.0);
    assert_eq!(get(&running, "/readyz").status, 200);
    running.stop();
    assert!(log(&folder).contains("audit_chain_broken"));
    let told = std::fs::read_to_string(folder.path().join("siem.jsonl")).unwrap();
    assert!(told.lines().any(|line| line.contains("alarm audit_chain_broken")), "{told}");
    let verify = || {
        let path = folder.path().join("audit.db");
        let ran = run(&["audit", "verify", path.to_str().unwrap(), "--format", "json"]);
        (ran.status, ran.json())
    };
    let (status, report) = verify();
    assert_eq!((status, report["first_bad"]["segment"].as_u64()), (1, Some(1)), "{report}");
    let entry: Value = records(&folder, "alarm")[0].clone();
    assert_eq!((&entry["segment"], &entry["body"]["reason"]), (&2.into(), &"chain_broken".into()), "{entry}");

    // While nobody looks: the next start says so.
    execute(&folder, "UPDATE records SET tenant = 'other' WHERE seq = (SELECT max(seq) FROM records)");
    let running = gateway(&folder, BLOCK_EMAIL, sections);
    assert_eq!(running.guard("", WITH_EMAIL).0, 200);
    eventually("the alarm", || alarms(&running, "audit_chain_broken") == 1.0);
    running.stop();
    assert_eq!(records(&folder, "alarm").len(), 2);
}
