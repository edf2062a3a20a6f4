//! Processes that append are killed at random moments; what they were told is committed must be there.
#![cfg(unix)]

mod support;

use std::collections::hash_map::RandomState;
use std::hash::BuildHasher;
use std::io::{BufRead, BufReader, Write};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use aimds_store::{AuditLog, Durability, Opened, Options, VerifyOptions, verify};
use support::{Home, eager, record};

const ROUNDS: u64 = 24;

/// Unpredictable on purpose: every run of the suite kills at other moments.
fn random(below: u64) -> u64 {
    RandomState::new().hash_one(0) % below
}

#[test]
fn what_was_acknowledged_survives_sigkill() {
    survive(Durability::Full);
}

#[test]
fn normal_and_interval_survive_sigkill_too() {
    survive(Durability::Normal);
    survive(Durability::Interval(Duration::from_millis(2)));
}

fn survive(durability: Durability) {
    let home = Home::new();
    let mut acknowledged: Vec<(u64, String)> = vec![];
    for round in 0..ROUNDS {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "appending_child", "--nocapture"])
            .env("AIMDS_CRASH", &home.path)
            .env("AIMDS_CRASH_ROUND", round.to_string())
            .env("AIMDS_CRASH_DURABILITY", format!("{durability:?}"))
            .stdout(Stdio::piped())
            .stderr(Stdio::inherit())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        // A few rounds die while opening, the others after some acknowledgements and a little more.
        let opening = round % 6 == 5;
        let wanted = if opening { 0 } else { 1 + random(300) };
        let mut seen = 0;
        while seen < wanted {
            let line = lines.next().expect("the child ended by itself").unwrap();
            seen += u64::from(note(&line, &mut acknowledged));
        }
        if round % 4 == 1 {
            // A reader in another process sees a whole chain at any moment.
            let report = verify(&home.path, &VerifyOptions::default());
            if !opening {
                assert_eq!(report.unwrap().first_bad, None, "while the child was writing");
            }
        }
        std::thread::sleep(Duration::from_micros(random(4_000)));
        child.kill().unwrap();
        child.wait().unwrap();
        // What was printed before the kill counts, read or not.
        for line in lines {
            note(&line.unwrap(), &mut acknowledged);
        }
        if !home.path.exists() {
            continue;
        }
        // The next process must find nothing to repair.
        let log = home.open(eager());
        assert!(matches!(log.opened(), Opened::Continued | Opened::Created), "{:?}", log.opened());
        drop(log);
        let report = home.verify();
        assert_eq!(report.first_bad, None);
        let entries = home.entries();
        // No gaps: verification counts from 1, and so does the number of rows.
        assert_eq!(entries.last().map_or(0, |e| e.seq), entries.len() as u64);
        for (seq, id) in &acknowledged {
            assert_eq!(&entries[*seq as usize - 1].request_id, id, "acknowledged {seq}");
        }
    }
    assert!(acknowledged.len() > 500, "{}", acknowledged.len());
    // Nothing twice.
    let mut ids = support::request_ids(&home.entries());
    let count = ids.len();
    ids.sort_unstable();
    ids.dedup();
    assert_eq!(ids.len(), count);
}

/// `ack <seq> <request id>`; a line that the kill cut short is no acknowledgement.
fn note(line: &str, acknowledged: &mut Vec<(u64, String)>) -> bool {
    let mut words = line.split(' ');
    let (Some("ack"), Some(seq), Some(id), Some("."), None) =
        (words.next(), words.next(), words.next(), words.next(), words.next())
    else {
        return false;
    };
    acknowledged.push((seq.parse().unwrap(), id.to_owned()));
    true
}

/// Not a test of its own: the process that is killed. Four threads append and say so once their ticket
/// resolves.
#[test]
fn appending_child() {
    let Ok(path) = std::env::var("AIMDS_CRASH") else { return };
    let round: u64 = std::env::var("AIMDS_CRASH_ROUND").unwrap().parse().unwrap();
    let durability = match std::env::var("AIMDS_CRASH_DURABILITY").unwrap().as_str() {
        "Full" => Durability::Full,
        "Normal" => Durability::Normal,
        _ => Durability::Interval(Duration::from_millis(2)),
    };
    let options = Options { durability, checkpoint_every: 7, segment_records: 50, ..eager() };
    let log = Arc::new(AuditLog::open(path, options).unwrap());
    let threads: Vec<_> = (0..4)
        .map(|thread| {
            let log = log.clone();
            std::thread::spawn(move || {
                for i in 0.. {
                    let record = record(round * 100_000_000 + thread * 10_000_000 + i);
                    let id = record.request_id.clone();
                    let head = log.append(record).unwrap().wait().unwrap();
                    // One write per line, so that lines of several threads do not mix; past libtest's
                    // capture.
                    let line = format!("ack {} {id} .\n", head.seq);
                    std::io::stdout().lock().write_all(line.as_bytes()).unwrap();
                }
            })
        })
        .collect();
    for thread in threads {
        thread.join().unwrap();
    }
}
