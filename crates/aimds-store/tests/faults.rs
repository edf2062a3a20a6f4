//! What happens when the store fails, and what happens when somebody was at the file.

mod support;

use std::fs;
use std::future::Future;
use std::sync::Arc;
use std::task::{Context, Poll, Wake};
use std::time::Duration;

use aimds_store::{
    Abandoned, AppendError, AuditLog, Durability, Health, OpenCheck, OpenError, Opened, Options, Reader,
    Record, VerifyOptions, What, verify,
};
use serde_json::{Value, json};
use support::{Home, PATIENCE, eager, entries, expected_ids, record, request_ids, wait_degraded};

// --- the spool ---------------------------------------------------------------------------------------------------

#[test]
fn a_locked_database_delays_and_loses_nothing() {
    let home = Home::new();
    let log = home.open(eager());
    log.append(record(1)).unwrap().wait().unwrap();
    let other = home.sqlite();
    other.execute_batch("BEGIN EXCLUSIVE").unwrap();
    let tickets: Vec<_> = (2..=20).map(|i| log.append(record(i)).unwrap()).collect();
    let reason = wait_degraded(&log, 2);
    assert!(reason.contains("locked"), "{reason}");
    assert!(tickets.iter().all(|ticket| ticket.outcome().is_none()));
    let counters = log.counters();
    assert_eq!((counters.appended, counters.committed, counters.spool_len), (20, 1, 19));
    assert!(counters.retried >= 2);
    assert!(log.flush(Duration::ZERO).is_err());
    other.execute_batch("COMMIT").unwrap();
    log.flush(PATIENCE).unwrap();
    assert_eq!(log.health(), Health::Healthy);
    for (ticket, seq) in tickets.iter().zip(2..) {
        assert_eq!(ticket.outcome().unwrap().unwrap().seq, seq);
    }
    log.close(PATIENCE).unwrap();
    assert!(home.verify().is_intact());
    assert_eq!(request_ids(&home.entries()), expected_ids(1..=20));
}

#[test]
fn a_full_spool_refuses_and_keeps_what_it_has() {
    let home = Home::new();
    let log = home.open(Options { spool_capacity: 8, ..eager() });
    let other = home.sqlite();
    other.execute_batch("BEGIN EXCLUSIVE").unwrap();
    for i in 1..=8 {
        drop(log.append(record(i)).unwrap());
    }
    wait_degraded(&log, 1);
    // Being in the writer's hands does not make room: the bound is on memory.
    assert_eq!(log.append(record(9)).unwrap_err(), AppendError::SpoolFull);
    assert_eq!((log.counters().refused, log.counters().spool_len), (1, 8));
    other.execute_batch("COMMIT").unwrap();
    log.flush(PATIENCE).unwrap();
    assert_eq!((log.counters().spool_len, log.counters().spool_bytes), (0, 0));
    drop(log.append(record(9)).unwrap());
    log.close(PATIENCE).unwrap();
    assert_eq!(request_ids(&home.entries()), expected_ids(1..=9));
}

/// The first wait as they were given, the later ones encoded.
#[test]
fn many_that_wait_keep_their_order() {
    let home = Home::new();
    let log = home.open(eager());
    let other = home.sqlite();
    other.execute_batch("BEGIN EXCLUSIVE").unwrap();
    for i in 1..=700 {
        drop(log.append(record(i)).unwrap());
    }
    other.execute_batch("COMMIT").unwrap();
    log.flush(PATIENCE).unwrap();
    assert_eq!((log.counters().spool_len, log.counters().spool_bytes), (0, 0));
    log.close(PATIENCE).unwrap();
    assert!(home.verify().is_intact());
    assert_eq!(request_ids(&home.entries()), expected_ids(1..=700));
}

#[test]
fn the_spool_is_bounded_in_bytes_too() {
    let home = Home::new();
    let log = home.open(Options { spool_bytes: 10_000, max_record_bytes: 4_000, ..eager() });
    let other = home.sqlite();
    other.execute_batch("BEGIN EXCLUSIVE").unwrap();
    let big = |bytes: usize| Record { body: json!("x".repeat(bytes)), ..record(1) };
    assert!(matches!(log.append(big(4_000)), Err(AppendError::RecordTooLarge { limit: 4_000, .. })));
    let taken = (0..10).take_while(|_| log.append(big(3_000)).is_ok()).count();
    assert_eq!(taken, 3);
    other.execute_batch("COMMIT").unwrap();
    log.flush(PATIENCE).unwrap();
    drop(log.append(big(3_000)).unwrap());
}

#[test]
fn closing_a_failing_log_gives_the_records_back() {
    let home = Home::new();
    let log = home.open(eager());
    let other = home.sqlite();
    other.execute_batch("BEGIN EXCLUSIVE").unwrap();
    let first = log.append(record(1)).unwrap();
    wait_degraded(&log, 1);
    let second = log.append(record(2)).unwrap();
    let error = log.close(Duration::ZERO).unwrap_err();
    assert_eq!(error.unwritten, [record(1), record(2)]);
    assert!(error.reason.contains("locked"), "{error}");
    assert_eq!((first.wait(), second.wait()), (Err(Abandoned), Err(Abandoned)));
    assert_eq!(log.append(record(3)).unwrap_err(), AppendError::Closed);
    other.execute_batch("COMMIT").unwrap();
    drop(log);
    // They can go in again, once.
    let log = home.open(eager());
    for record in error.unwritten {
        drop(log.append(record).unwrap());
    }
    log.close(PATIENCE).unwrap();
    assert_eq!(request_ids(&home.entries()), expected_ids(1..=2));
    assert!(home.verify().is_intact());
}

#[test]
fn many_threads_one_order() {
    for durability in [Durability::Full, Durability::Normal, Durability::Interval(Duration::from_millis(3))] {
        let home = Home::new();
        let log = Arc::new(home.open(Options { durability, segment_records: 100, ..eager() }));
        let threads: Vec<_> = (0..8_u64)
            .map(|thread| {
                let log = log.clone();
                std::thread::spawn(move || {
                    let tickets: Vec<_> =
                        (0..50).map(|i| log.append(record(thread * 1_000 + i)).unwrap()).collect();
                    let seqs: Vec<_> = tickets.iter().map(|ticket| ticket.wait().unwrap().seq).collect();
                    assert!(seqs.is_sorted());
                    (thread, seqs)
                })
            })
            .collect();
        let results: Vec<_> = threads.into_iter().map(|thread| thread.join().unwrap()).collect();
        log.close(PATIENCE).unwrap();
        assert!(home.verify().is_intact());
        let entries = home.entries();
        for (thread, seqs) in results {
            for (i, seq) in (0..).zip(seqs) {
                assert_eq!(entries[seq as usize - 1].request_id, format!("req-{}", thread * 1_000 + i));
            }
        }
        assert_eq!(request_ids(&entries).len(), 400);
    }
}

#[test]
fn flushing_does_not_wait_for_the_interval() {
    let home = Home::new();
    let log = home.open(Options { durability: Durability::Interval(Duration::from_secs(86_400)), ..eager() });
    log.append(record(1)).unwrap().wait().unwrap();
    let second = log.append(record(2)).unwrap();
    assert_eq!(second.outcome(), None);
    assert_eq!(log.flush(PATIENCE).unwrap().seq, 2);
    assert_eq!(second.wait().unwrap().seq, 2);
    drop(log.append(record(3)).unwrap());
    assert_eq!(log.close(PATIENCE).unwrap().seq, 3);
}

#[test]
fn tickets_can_be_awaited() {
    struct Unpark(std::thread::Thread);
    impl Wake for Unpark {
        fn wake(self: Arc<Self>) {
            self.0.unpark();
        }
    }
    let home = Home::new();
    let log = home.open(eager());
    let other = home.sqlite();
    other.execute_batch("BEGIN EXCLUSIVE").unwrap();
    let mut ticket = Box::pin(log.append(record(1)).unwrap());
    let waker = Arc::new(Unpark(std::thread::current())).into();
    let mut context = Context::from_waker(&waker);
    assert_eq!(ticket.as_mut().poll(&mut context), Poll::Pending);
    other.execute_batch("COMMIT").unwrap();
    let head = loop {
        match ticket.as_mut().poll(&mut context) {
            Poll::Ready(outcome) => break outcome.unwrap(),
            Poll::Pending => std::thread::park(),
        }
    };
    assert_eq!(head.seq, 1);
}

#[test]
fn dropping_writes_what_is_waiting() {
    let home = Home::new();
    let log = home.open(eager());
    for i in 1..=100 {
        drop(log.append(record(i)).unwrap());
    }
    drop(log);
    assert_eq!(request_ids(&home.entries()), expected_ids(1..=100));
    assert!(home.verify().is_intact());
}

// --- the disk ----------------------------------------------------------------------------------------------------

/// The kernel itself refuses to let the files grow: `RLIMIT_FSIZE`, set by a child process on itself (with
/// `SIGXFSZ` ignored, so that writes fail instead of killing it) and raised again when the spool has filled
/// up.
#[cfg(unix)]
#[test]
fn a_full_disk_delays_and_loses_nothing() {
    use std::process::Command;
    let home = Home::new();
    let output = Command::new("sh")
        .args(["-c", "trap '' XFSZ; exec \"$@\"", "sh"])
        .arg(std::env::current_exe().unwrap())
        .args(["--exact", "full_disk_child", "--nocapture"])
        .env("AIMDS_FULL_DISK", &home.path)
        .output()
        .unwrap();
    let text =
        String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{text}");
    let appended: u64 =
        text.lines().find_map(|line| line.strip_prefix("appended ")).expect(&text).parse().unwrap();
    assert!(home.verify().is_intact());
    assert_eq!(request_ids(&home.entries()), expected_ids(1..=appended));
}

/// Not a test of its own: what [`a_full_disk_delays_and_loses_nothing`] runs as a child.
#[cfg(unix)]
#[test]
fn full_disk_child() {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let Ok(path) = std::env::var("AIMDS_FULL_DISK") else { return };
    let before = getrlimit(Resource::Fsize);
    let log = AuditLog::open(&path, Options { spool_capacity: 100, ..eager() }).unwrap();
    setrlimit(Resource::Fsize, Rlimit { current: Some(200_000), maximum: before.maximum }).unwrap();
    let large = |i: u64| Record { body: json!({ "n": i, "padding": "x".repeat(2_000) }), ..record(i) };
    let mut appended = 0;
    loop {
        // The first attempt of several may have left its transaction in the file although SQLite reported an
        // error; the next one sees that, and the spool empties once more.
        let stuck = matches!(log.health(), Health::Degraded { since_attempts: 3.., .. });
        match log.append(large(appended + 1)) {
            Ok(ticket) => {
                drop(ticket);
                appended += 1;
            }
            Err(AppendError::SpoolFull) if stuck => break,
            Err(AppendError::SpoolFull) => std::thread::yield_now(),
            Err(error) => panic!("{error}"),
        }
    }
    let reason = wait_degraded(&log, 3);
    assert!(reason.contains("disk"), "{reason}");
    assert_eq!(log.counters().spool_len, 100);
    setrlimit(Resource::Fsize, before).unwrap();
    log.flush(PATIENCE).unwrap();
    assert_eq!(log.health(), Health::Healthy);
    drop(log.append(large(appended + 1)).unwrap());
    log.close(PATIENCE).unwrap();
    println!("\nappended {}", appended + 1);
}

#[test]
fn a_file_that_goes_away_and_comes_back() {
    let home = Home::new();
    let log = home.open(eager());
    log.append(record(1)).unwrap().wait().unwrap();
    let away = home.beside(".away");
    fs::rename(&home.path, &away).unwrap();
    for i in 2..=5 {
        drop(log.append(record(i)).unwrap());
    }
    let reason = wait_degraded(&log, 3);
    assert!(reason.contains("removed") || reason.contains("could not be opened"), "{reason}");
    assert!(!home.path.exists(), "a second, half log was begun");
    fs::rename(&away, &home.path).unwrap();
    log.flush(PATIENCE).unwrap();
    log.close(PATIENCE).unwrap();
    // Exactly once, although the first attempt had reached the file that was away.
    assert_eq!(request_ids(&home.entries()), expected_ids(1..=5));
    assert!(home.verify().is_intact());
}

#[test]
fn a_removed_write_ahead_log_is_survived() {
    let home = Home::new();
    let log = home.open(eager());
    log.append(record(1)).unwrap().wait().unwrap();
    fs::remove_file(home.beside("-wal")).unwrap();
    for i in 2..=5 {
        log.append(record(i)).unwrap().wait().unwrap();
    }
    assert!(log.counters().retried > 0);
    log.close(PATIENCE).unwrap();
    assert_eq!(request_ids(&home.entries()), expected_ids(1..=5));
    assert!(home.verify().is_intact());
}

#[test]
fn a_file_replaced_by_rubbish_is_moved_aside() {
    let home = Home::new();
    let log = home.open(eager());
    log.append(record(1)).unwrap().wait().unwrap();
    // The write-ahead log as well: SQLite would restore the small file from it.
    fs::remove_file(&home.path).unwrap();
    fs::remove_file(home.beside("-wal")).unwrap();
    fs::write(&home.path, "rubbish ".repeat(1_000)).unwrap();
    for i in 2..=5 {
        log.append(record(i)).unwrap().wait().unwrap();
    }
    assert_eq!(log.counters().breaks, 1);
    log.close(PATIENCE).unwrap();
    assert!(fs::read_to_string(home.beside(".broken-1")).unwrap().starts_with("rubbish"));
    let entries = home.entries();
    assert_eq!(entries[0].kind, "alarm");
    // The log's own list of faults says that there was one before.
    assert_eq!(home.verify().first_bad.unwrap().what, What::Replaced);
    assert_eq!(request_ids(&entries), expected_ids(2..=5));
}

// --- tampering ---------------------------------------------------------------------------------------------------

/// Ten records, checkpoints at 4, 8 and (closing) 10.
#[test]
fn a_tampered_tail_opens_a_new_segment() {
    let cases: &[(&str, &str, u64)] = &[
        ("last record removed", "DELETE FROM records WHERE seq = 10", 10),
        (
            "tail removed, checkpoint too",
            "DELETE FROM records WHERE seq > 9; DELETE FROM checkpoints WHERE seq > 8",
            10,
        ),
        (
            "last record changed",
            "UPDATE records SET body = '{}' WHERE seq = 10; DELETE FROM checkpoints WHERE seq > 8",
            10,
        ),
        (
            "middle of the tail removed",
            "DELETE FROM records WHERE seq = 9; DELETE FROM checkpoints WHERE seq > 8",
            9,
        ),
        (
            "a record added",
            "INSERT INTO records SELECT 11, segment, at_ms, request_id, tenant, kind, body, hash, prev_hash FROM records WHERE seq = 10",
            11,
        ),
        ("head removed", "DELETE FROM head", 10),
        ("head of elsewhere", "UPDATE head SET seq = 9, hash = (SELECT hash FROM records WHERE seq = 9)", 10),
        ("last checkpoint forged", "UPDATE checkpoints SET signature = zeroblob(64) WHERE seq = 10", 10),
        ("hash cut short", "UPDATE records SET hash = x'01' WHERE seq = 10", 10),
        ("all records removed", "DELETE FROM records", 10),
        (
            "segment number out of line",
            "UPDATE records SET segment = 7 WHERE seq = 10; DELETE FROM checkpoints WHERE seq > 8",
            10,
        ),
    ];
    for (name, sql, seq) in cases {
        let home = Home::with_records(10, eager());
        home.execute(sql);
        let log = home.open(Options { opened_at_ms: 77, ..eager() });
        let Opened::NewSegment { bad } = log.opened() else { panic!("{name}: {:?}", log.opened()) };
        assert_eq!(bad.seq, *seq, "{name}: {bad}");
        // Serving goes on.
        let place = log.append(record(11)).unwrap().wait().unwrap();
        assert_eq!(log.counters().breaks, 1, "{name}");
        log.close(PATIENCE).unwrap();

        let conn = home.sqlite();
        let (kind, at_ms, body): (String, i64, String) = conn
            .query_row("SELECT kind, at_ms, body FROM records WHERE seq = ?1", [place.seq as i64 - 1], |r| {
                Ok((r.get(0)?, r.get(1)?, r.get(2)?))
            })
            .unwrap();
        let body: Value = serde_json::from_str(&body).unwrap();
        assert_eq!((kind.as_str(), &body["reason"]), ("alarm", &json!("chain_broken")), "{name}");
        assert!(at_ms >= 77, "{name}");
        assert_eq!(body["first_bad"]["seq"], *seq, "{name}");

        // The break stays on record, and is answered once.
        assert!(!home.verify().is_intact(), "{name}");
        for check in [OpenCheck::Tail, OpenCheck::Full] {
            let log = home.open(Options { check, ..eager() });
            assert_eq!(*log.opened(), Opened::Continued, "{name}");
            assert_eq!(log.close(PATIENCE).unwrap(), place, "{name}");
        }
        let since = Some(Reader::open(&home.path).unwrap().tail(2).unwrap()[0].head());
        let report = verify(&home.path, &VerifyOptions { since, ..VerifyOptions::default() }).unwrap();
        assert_eq!((report.first_bad, report.records), (None, 1), "{name}");
    }
}

#[test]
fn an_old_change_is_found_by_the_full_check_only() {
    let home = Home::with_records(10, eager());
    home.execute("UPDATE records SET tenant = 'evil' WHERE seq = 2");
    assert_eq!(*home.open(eager()).opened(), Opened::Continued);
    let log = home.open(Options { check: OpenCheck::Full, ..eager() });
    let Opened::NewSegment { bad } = log.opened() else { panic!() };
    assert_eq!((bad.seq, &bad.what), (2, &What::Hash));
}

#[test]
fn tampering_while_open_opens_a_new_segment() {
    for sql in [
        "DELETE FROM records WHERE seq = 5",
        "UPDATE head SET hash = zeroblob(32)",
        "INSERT INTO records SELECT 6, segment, at_ms, request_id, tenant, kind, body, hash, hash FROM records WHERE seq = 5",
    ] {
        let home = Home::new();
        let log = home.open(eager());
        for i in 1..=5 {
            log.append(record(i)).unwrap().wait().unwrap();
        }
        home.execute(sql);
        let place = log.append(record(6)).unwrap().wait().unwrap();
        assert_eq!((place.segment, log.counters().breaks), (2, 1), "{sql}");
        log.append(record(7)).unwrap().wait().unwrap();
        log.close(PATIENCE).unwrap();
        assert!(!home.verify().is_intact(), "{sql}");
        assert_eq!(*home.open(eager()).opened(), Opened::Continued, "{sql}");
    }
}

#[test]
fn numbers_that_cannot_be_continued_are_moved_aside() {
    for sql in [
        "UPDATE records SET seq = 9223372036854775807 WHERE seq = 10",
        "UPDATE records SET segment = 9223372036854775807 WHERE seq = 10",
        "UPDATE checkpoints SET seq = 9223372036854775807 WHERE seq = 10",
        "CREATE TRIGGER t AFTER INSERT ON records BEGIN DELETE FROM records; END",
        "PRAGMA application_id = 0",
    ] {
        let home = Home::with_records(10, eager());
        home.execute(sql);
        let log = home.open(eager());
        let Opened::Replaced { moved_to, .. } = log.opened() else { panic!("{sql}: {:?}", log.opened()) };
        assert_eq!(*moved_to, home.beside(".broken-1"));
        log.append(record(1)).unwrap().wait().unwrap();
        log.close(PATIENCE).unwrap();
        assert_eq!(home.entries()[0].kind, "alarm");
        assert_eq!(*home.open(eager()).opened(), Opened::Continued);
    }
}

#[test]
fn a_damaged_file_is_moved_aside_whole() {
    let home = Home::with_records(10, eager());
    let mut bytes = fs::read(&home.path).unwrap();
    bytes[..16].fill(0);
    fs::write(&home.path, &bytes).unwrap();
    let log = home.open(eager());
    assert!(matches!(log.opened(), Opened::Replaced { .. }));
    assert_eq!(fs::read(home.beside(".broken-1")).unwrap(), bytes);
}

#[test]
fn a_lost_key_is_a_break() {
    let home = Home::with_records(3, eager());
    fs::remove_file(home.beside(".key")).unwrap();
    let log = home.open(eager());
    let Opened::NewSegment { bad } = log.opened() else { panic!() };
    assert_eq!(bad.what, What::KeyReplaced);
    log.append(record(4)).unwrap().wait().unwrap();
    log.close(PATIENCE).unwrap();
    assert_eq!(home.verify().first_bad.unwrap().what, What::Recorded);
    assert_eq!(fs::read_to_string(home.beside(".pub")).unwrap().lines().count(), 2);
    assert_eq!(*home.open(eager()).opened(), Opened::Continued);
}

// --- refusals ----------------------------------------------------------------------------------------------------

#[test]
fn one_writer_at_a_time() {
    let home = Home::new();
    let log = home.open(eager());
    assert!(matches!(AuditLog::open(&home.path, eager()), Err(OpenError::AlreadyOpen)));
    drop(log);
    assert_eq!(*home.open(eager()).opened(), Opened::Continued);
}

#[test]
fn files_of_others_are_left_alone() {
    let home = Home::new();
    home.execute("CREATE TABLE theirs (x); INSERT INTO theirs VALUES (1)");
    let theirs = fs::read(&home.path).unwrap();
    assert!(matches!(AuditLog::open(&home.path, eager()), Err(OpenError::NotAnAuditLog)));
    assert_eq!(fs::read(&home.path).unwrap(), theirs);

    let home = Home::new();
    fs::write(&home.path, "not a database, and somebody needs it").unwrap();
    assert!(matches!(AuditLog::open(&home.path, eager()), Err(OpenError::NotAnAuditLog)));
    assert_eq!(fs::read_to_string(&home.path).unwrap(), "not a database, and somebody needs it");
}

#[test]
fn a_later_format_is_refused() {
    let home = Home::with_records(1, eager());
    home.execute("PRAGMA user_version = 3");
    assert!(matches!(
        AuditLog::open(&home.path, eager()),
        Err(OpenError::NewerFormat { found: 3, known: 2 })
    ));
    assert!(verify(&home.path, &VerifyOptions::default()).is_err());
}

#[cfg(unix)]
#[test]
fn the_files_are_private() {
    use std::os::unix::fs::PermissionsExt;
    let home = Home::with_records(1, eager());
    for suffix in ["", ".key"] {
        let mode = fs::metadata(home.beside(suffix)).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "{suffix}");
    }
    assert_eq!(entries(&home.path).len(), 1);
}
