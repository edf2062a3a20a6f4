//! Export, tail and follow, also while a writer is at work.

mod support;

use std::time::Duration;

use aimds_store::{Filter, Format, ReadError, Reader, Record, export};
use serde_json::{Value, json};
use support::{Home, PATIENCE, eager, record};

fn lines(home: &Home, filter: Filter) -> Vec<Value> {
    let mut out = Vec::new();
    let written = export(&home.path, &filter, Format::Jsonl, &mut out).unwrap();
    let lines: Vec<Value> =
        String::from_utf8(out).unwrap().lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(lines.len() as u64, written);
    lines
}

#[test]
fn filters() {
    let home = Home::new();
    let log = home.open(eager());
    for i in 1..=10 {
        let kind = if i % 2 == 0 { "decision" } else { "review" };
        let tenant = if i > 5 { "b" } else { "a" };
        drop(log.append(Record { kind: kind.to_owned(), tenant: tenant.to_owned(), ..record(i) }).unwrap());
    }
    log.close(PATIENCE).unwrap();
    let all = Filter::default();
    let text = |s: &str| Some(s.to_owned());
    let cases: Vec<(Filter, Vec<u64>)> = vec![
        (all.clone(), (1..=10).collect()),
        (Filter { from_ms: Some(1_008), ..all.clone() }, vec![8, 9, 10]),
        (Filter { to_ms: Some(1_003), ..all.clone() }, vec![1, 2]),
        (Filter { kind: text("review"), limit: Some(2), ..all.clone() }, vec![1, 3]),
        (Filter { request_id: text("req-7"), ..all.clone() }, vec![7]),
        (Filter { tenant: text("b"), kind: text("decision"), ..all.clone() }, vec![6, 8, 10]),
        (Filter { after_seq: 9, ..all.clone() }, vec![10]),
        (Filter { kind: text("' OR 1=1 --"), ..all.clone() }, vec![]),
        (Filter { from_ms: Some(u64::MAX), ..all.clone() }, vec![]),
        (Filter { limit: Some(0), ..all }, vec![]),
    ];
    for (filter, expected) in cases {
        let seqs: Vec<u64> =
            lines(&home, filter.clone()).iter().map(|line| line["seq"].as_u64().unwrap()).collect();
        assert_eq!(seqs, expected, "{filter:?}");
    }
}

#[test]
fn a_line_holds_everything_and_the_body_byte_for_byte() {
    let home = Home::new();
    let log = home.open(eager());
    let odd = Record {
        at_ms: 5,
        request_id: "a\"\n\0".to_owned(),
        tenant: "ü".to_owned(),
        kind: "decision".to_owned(),
        body: json!({ "z": 1, "a": "x\ny" }),
    };
    drop(log.append(odd).unwrap());
    log.close(PATIENCE).unwrap();
    let mut out = Vec::new();
    export(&home.path, &Filter::default(), Format::Jsonl, &mut out).unwrap();
    let text = String::from_utf8(out).unwrap();
    let entry = &home.entries()[0];
    assert_eq!(
        text,
        format!(
            "{{\"segment\":1,\"seq\":1,\"at_ms\":5,\"request_id\":\"a\\\"\\n\\u0000\",\"tenant\":\"ü\",\
             \"kind\":\"decision\",\"body\":{{\"a\":\"x\\ny\",\"z\":1}},\"prev_hash\":\"{}\",\"hash\":\"{}\"}}\n",
            entry.prev_hash, entry.hash
        )
    );
    // A tampered body cannot break out of its line.
    home.execute("UPDATE records SET body = '{}' || char(10) || '{\"seq\":2}'");
    assert_eq!(lines(&home, Filter::default())[0]["body_raw"], json!("{}\n{\"seq\":2}"));
    home.execute("UPDATE records SET hash = x'00'");
    let error = export(&home.path, &Filter::default(), Format::Jsonl, &mut Vec::new()).unwrap_err();
    assert!(matches!(error, ReadError::Malformed { seq: 1, column: "hash" }), "{error}");
}

#[test]
fn tail_and_follow_while_writing() {
    let home = Home::new();
    let log = home.open(eager());
    for i in 1..=5 {
        drop(log.append(record(i)).unwrap());
    }
    log.flush(PATIENCE).unwrap();
    let reader = Reader::open(&home.path).unwrap();
    let seqs: Vec<_> = reader.tail(3).unwrap().iter().map(|e| e.seq).collect();
    assert_eq!(seqs, [3, 4, 5]);
    assert_eq!(reader.tail(0).unwrap(), []);
    assert_eq!(reader.tail(u64::MAX).unwrap().len(), 5);

    let mut follow = reader.follow(3, Duration::from_millis(1));
    assert_eq!(follow.poll().unwrap().unwrap().seq, 4);
    assert_eq!(follow.poll().unwrap().unwrap().seq, 5);
    assert_eq!(follow.poll().unwrap(), None);
    let writer = std::thread::spawn(move || {
        for i in 6..=1_000 {
            log.append(record(i)).unwrap().wait().unwrap();
        }
        log.close(PATIENCE).unwrap();
    });
    for expected in 6..=1_000 {
        assert_eq!(follow.next().unwrap().unwrap().request_id, format!("req-{expected}"));
    }
    writer.join().unwrap();
}

#[test]
fn other_files_are_not_read() {
    let home = Home::new();
    assert!(Reader::open(&home.path).is_err());
    assert!(!home.path.exists(), "reading created a file");
    home.execute("CREATE TABLE theirs (x)");
    assert!(matches!(Reader::open(&home.path), Err(ReadError::NotAnAuditLog)));
}
