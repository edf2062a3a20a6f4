//! The chain: recomputed here from README.md alone, and damaged in every way that SQL allows.

mod support;

use aimds_store::{AuditLog, Bad, Head, Options, PublicKey, Record, VerifyOptions, What, verify};
use ed25519_dalek::{Signature, Signer, SigningKey, Verifier, VerifyingKey};
use proptest::prelude::*;
use rusqlite::Connection;
use rusqlite::types::Value as Sql;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use support::{Home, PATIENCE, eager, expected_ids, record, request_ids};

// --- a second implementation of the format -----------------------------------------------------------------------

fn naive_hash(context: &str, parts: &[Vec<u8>]) -> [u8; 32] {
    blake3::derive_key(context, &parts.concat())
}

fn le(n: u64) -> Vec<u8> {
    n.to_le_bytes().to_vec()
}

fn prefixed(text: &str) -> Vec<u8> {
    [le(text.len() as u64), text.as_bytes().to_vec()].concat()
}

fn naive_canonical(value: &Value) -> String {
    match value {
        Value::Object(map) => {
            let sorted: std::collections::BTreeMap<_, _> = map.iter().collect();
            let fields: Vec<_> =
                sorted.iter().map(|(k, v)| format!("{}:{}", json!(k), naive_canonical(v))).collect();
            format!("{{{}}}", fields.join(","))
        }
        Value::Array(items) => {
            format!("[{}]", items.iter().map(naive_canonical).collect::<Vec<_>>().join(","))
        }
        scalar => scalar.to_string(),
    }
}

/// The root of RFC 9162, 2.1.1, word for word.
fn naive_root(hashes: &[[u8; 32]]) -> [u8; 32] {
    let sha256 = |parts: &[&[u8]]| -> [u8; 32] { Sha256::digest(parts.concat()).into() };
    match hashes {
        [] => sha256(&[]),
        [hash] => sha256(&[&[0], hash]),
        _ => {
            let k = (0..).map(|e| 1 << e).take_while(|k| *k < hashes.len()).last().unwrap();
            sha256(&[&[1], &naive_root(&hashes[..k]), &naive_root(&hashes[k..])])
        }
    }
}

/// What is signed in a row of `checkpoints` or `head`, from its columns alone.
fn naive_message(name: &str, log_id: &[u8], row: &rusqlite::Row<'_>) -> Vec<u8> {
    let number = |column: &str| row.get::<_, i64>(column).unwrap();
    let hash = |column: &str| row.get::<_, [u8; 32]>(column).unwrap().to_vec();
    [
        prefixed(name),
        log_id.to_vec(),
        le(number("segment") as u64),
        le(number("seq") as u64),
        hash("hash"),
        number("at_ms").to_le_bytes().to_vec(),
        le(number("first") as u64),
        hash("root"),
        le(number("previous") as u64),
    ]
    .concat()
}

const STATEMENTS: [(&str, &str); 2] =
    [("checkpoints", "aimds audit v2 checkpoint"), ("head", "aimds audit v2 head")];

/// Reads every row with plain SQL and recomputes hashes and signatures.
fn naive_verification(home: &Home, appended: &[Record]) {
    let conn = home.sqlite();
    let log_id: Vec<u8> = conn.query_row("SELECT log_id FROM log", [], |r| r.get(0)).unwrap();
    let public: PublicKey = std::fs::read_to_string(home.beside(".pub")).unwrap().parse().unwrap();
    let mut statement = conn.prepare("SELECT * FROM records ORDER BY seq").unwrap();
    let mut rows = statement.query([]).unwrap();
    let (mut last, mut position) = ((0, [0; 32]), 0);
    let mut hashes = vec![];
    let mut own = appended.iter();
    while let Some(row) = rows.next().unwrap() {
        let segment: u64 = row.get::<_, i64>("segment").unwrap().try_into().unwrap();
        let text = |column: &str| row.get::<_, String>(column).unwrap();
        position += 1;
        assert_eq!(row.get::<_, i64>("seq").unwrap(), position);
        let previous = if segment == last.0 {
            last.1
        } else {
            assert_eq!(segment, last.0 + 1);
            naive_hash("aimds audit v1 genesis", &[log_id.clone(), le(segment)])
        };
        assert_eq!(row.get::<_, [u8; 32]>("prev_hash").unwrap(), previous);
        let hash = naive_hash(
            "aimds audit v1",
            &[
                le(segment),
                le(position.try_into().unwrap()),
                previous.to_vec(),
                row.get::<_, i64>("at_ms").unwrap().to_le_bytes().to_vec(),
                prefixed(&text("request_id")),
                prefixed(&text("tenant")),
                prefixed(&text("kind")),
                prefixed(&text("body")),
            ],
        );
        assert_eq!(row.get::<_, [u8; 32]>("hash").unwrap(), hash);
        if segment == last.0 || segment == 1 {
            let record = own.next().unwrap();
            assert_eq!(row.get::<_, i64>("at_ms").unwrap(), record.at_ms as i64);
            assert_eq!(
                (text("request_id"), text("tenant"), text("kind"), text("body")),
                (
                    record.request_id.clone(),
                    record.tenant.clone(),
                    record.kind.clone(),
                    naive_canonical(&record.body)
                )
            );
        } else {
            assert_eq!(text("kind"), "segment");
        }
        last = (segment, hash);
        hashes.push(hash);
    }
    assert!(own.next().is_none());
    let mut before = 0;
    for (table, name) in STATEMENTS {
        let mut statement = conn.prepare(&format!("SELECT * FROM {table} ORDER BY seq")).unwrap();
        let mut rows = statement.query([]).unwrap();
        while let Some(row) = rows.next().unwrap() {
            let number = |column: &str| row.get::<_, i64>(column).unwrap();
            let hash: [u8; 32] = row.get("hash").unwrap();
            assert_eq!(row.get::<_, [u8; 32]>("public_key").unwrap(), public.0);
            if number("seq") > 0 {
                assert_eq!(hash, hashes[number("seq") as usize - 1]);
            }
            let message = naive_message(name, &log_id, row);
            let signature = Signature::from_bytes(&row.get::<_, [u8; 64]>("signature").unwrap());
            VerifyingKey::from_bytes(&public.0).unwrap().verify(&message, &signature).unwrap();
            // The tree covers every record of a log that began with format 2 and was never broken.
            assert_eq!((number("first"), number("previous")), (1, before));
            let leaves = &hashes[..number("seq") as usize];
            assert_eq!(row.get::<_, [u8; 32]>("root").unwrap(), naive_root(leaves));
            let mut rest = leaves;
            let mut peaks = vec![];
            for bit in (0..64).rev().filter(|bit| leaves.len() >> bit & 1 == 1) {
                let (subtree, others) = rest.split_at(1 << bit);
                peaks.extend(naive_root(subtree));
                rest = others;
            }
            assert_eq!(row.get::<_, Vec<u8>>("peaks").unwrap(), peaks);
            if table == "head" {
                assert_eq!(number("seq") as usize, hashes.len());
            } else {
                before = number("seq");
            }
        }
    }
}

// --- properties --------------------------------------------------------------------------------------------------

fn any_body() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        any::<String>().prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 32, 5, |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..5).prop_map(Value::from),
            proptest::collection::vec((any::<String>(), inner), 0..5)
                .prop_map(|fields| Value::Object(fields.into_iter().collect())),
        ]
    })
}

fn any_record() -> impl Strategy<Value = Record> {
    (0..=i64::MAX as u64, any::<String>(), any::<String>(), any::<String>(), any_body())
        .prop_map(|(at_ms, request_id, tenant, kind, body)| Record { at_ms, request_id, tenant, kind, body })
}

const COLUMNS: [&str; 9] =
    ["seq", "segment", "at_ms", "request_id", "tenant", "kind", "body", "prev_hash", "hash"];

/// The value with one byte changed, or `None` if it has no such byte.
fn flip(value: Sql, byte: usize, mask: u8) -> Option<Sql> {
    let flip_in = |mut bytes: Vec<u8>| {
        *bytes.get_mut(byte)? ^= mask;
        Some(bytes)
    };
    Some(match value {
        Sql::Integer(n) => {
            Sql::Integer(i64::from_le_bytes(flip_in(n.to_le_bytes().to_vec())?.try_into().unwrap()))
        }
        Sql::Text(text) => Sql::Blob(flip_in(text.into_bytes())?),
        Sql::Blob(blob) => Sql::Blob(flip_in(blob)?),
        _ => return None,
    })
}

/// Changes one byte of one column of one row, checks with `check`, and puts it back.
fn with_flip(
    conn: &Connection,
    table: &str,
    column: &str,
    seq: i64,
    byte: usize,
    mask: u8,
    check: impl FnOnce(&Sql),
) -> bool {
    let select = format!("SELECT rowid, {column} FROM {table} WHERE seq = ?1");
    let (rowid, old): (i64, Sql) = conn.query_row(&select, [seq], |r| Ok((r.get(0)?, r.get(1)?))).unwrap();
    let Some(new) = flip(old.clone(), byte, mask) else { return false };
    let is_text = matches!(old, Sql::Text(_));
    let set = if is_text { "CAST(?1 AS TEXT)" } else { "?1" };
    let moved = match (&new, column) {
        (Sql::Integer(n), "seq") if table != "head" => *n,
        _ => rowid,
    };
    let update = format!("UPDATE {table} SET {column} = {set} WHERE rowid = ?2");
    if conn.execute(&update, (&new, rowid)).is_err() {
        // Another row has that number already: SQLite itself refuses.
        return false;
    }
    check(&new);
    let back = format!("UPDATE {table} SET {column} = ?1 WHERE rowid = ?2");
    assert_eq!(conn.execute(&back, (&old, moved)).unwrap(), 1);
    true
}

/// Whether the report's finding is about the row that was at `seq` and now has `stored` for a number.
fn names(bad: &Bad, seq: i64, stored: Option<i64>) -> bool {
    let by_stored = matches!(bad.what, What::OutOfOrder { stored: n } if Some(n) == stored);
    bad.seq == seq as u64 || by_stored
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

    #[test]
    fn any_records_verify_and_any_changed_byte_is_named(
        records in proptest::collection::vec(any_record(), 1..14),
        checkpoint_every in 1..6_u64,
        segment_records in 0..7_u64,
        flips in proptest::collection::vec((any::<prop::sample::Index>(), 0..9_usize, any::<u16>(), 1..=255_u8), 24),
    ) {
        let home = Home::new();
        let log = home.open(Options { checkpoint_every, segment_records, ..Options::default() });
        for record in &records {
            drop(log.append(record.clone()).unwrap());
        }
        let head = log.close(PATIENCE).unwrap();
        let report = home.verify();
        prop_assert_eq!(&report.first_bad, &None);
        prop_assert_eq!(report.head, Some(head));
        prop_assert_eq!(report.records, head.seq);
        prop_assert_eq!(report.segments, head.segment);
        naive_verification(&home, &records);

        let conn = home.sqlite();
        for (row, column, byte, mask) in flips {
            let seq = row.index(head.seq as usize) as i64 + 1;
            let column = COLUMNS[column];
            let length: i64 = conn
                .query_row(&format!("SELECT octet_length({column}) FROM records WHERE seq = ?1"), [seq], |r| r.get(0))
                .unwrap();
            let length = if ["seq", "segment", "at_ms"].contains(&column) { 8 } else { length as usize };
            if length == 0 {
                continue;
            }
            with_flip(&conn, "records", column, seq, usize::from(byte) % length, mask, |new| {
                let stored = match new {
                    Sql::Integer(n) if column == "seq" => Some(*n),
                    _ => None,
                };
                let bad = home.verify().first_bad.expect("a changed byte was not noticed");
                assert!(names(&bad, seq, stored), "{column} of {seq}: {bad}");
            });
        }
        prop_assert!(home.verify().is_intact());
    }
}

#[test]
fn every_byte_of_every_column_counts() {
    let home = Home::with_records(6, eager());
    let conn = home.sqlite();
    let mut flipped = 0;
    for seq in 1..=6 {
        for column in COLUMNS {
            for byte in 0..64 {
                flipped += usize::from(with_flip(&conn, "records", column, seq, byte, 0x01, |new| {
                    let stored = if let (Sql::Integer(n), "seq") = (new, column) { Some(*n) } else { None };
                    let bad = home.verify().first_bad.expect("a changed byte was not noticed");
                    assert!(names(&bad, seq, stored), "{column} of {seq}: {bad}");
                }));
            }
        }
    }
    // 6 rows of 32 + 32 bytes of hashes, 8 + 8 + 8 of integers, and texts.
    assert!(flipped > 6 * (64 + 20 + 5 + 4 + 8), "{flipped}");
    for (table, seqs) in [("checkpoints", vec![4, 6]), ("head", vec![6])] {
        let columns = [
            "seq",
            "segment",
            "hash",
            "at_ms",
            "public_key",
            "signature",
            "first",
            "root",
            "peaks",
            "previous",
        ];
        for column in columns {
            for seq in &seqs {
                for byte in 0..64 {
                    with_flip(&conn, table, column, *seq, byte, 0x80, |_| {
                        assert!(!home.verify().is_intact(), "{table}.{column} of {seq}, byte {byte}");
                    });
                }
            }
        }
    }
    assert!(home.verify().is_intact());
}

// --- a table of forgeries ----------------------------------------------------------------------------------------

#[test]
fn forgeries_are_named() {
    // Twelve records, checkpoints at 4, 8 and 12; the head at 12.
    let cases: &[(&str, &str, u64)] = &[
        ("the first record is gone", "DELETE FROM records WHERE seq = 1", 1),
        ("one in the middle is gone", "DELETE FROM records WHERE seq = 6", 6),
        ("several are gone", "DELETE FROM records WHERE seq BETWEEN 5 AND 7", 5),
        ("the tail is cut off behind a checkpoint", "DELETE FROM records WHERE seq > 8", 9),
        (
            "the tail is cut off with its checkpoint, the head stays",
            "DELETE FROM records WHERE seq > 8; DELETE FROM checkpoints WHERE seq > 8",
            9,
        ),
        (
            "cut back to a checkpoint that poses as the head",
            "DELETE FROM records WHERE seq > 8; DELETE FROM checkpoints WHERE seq > 8; DELETE FROM head; \
             INSERT INTO head SELECT 0, * FROM checkpoints WHERE seq = 8",
            8,
        ),
        ("everything is gone", "DELETE FROM records; DELETE FROM checkpoints", 1),
        (
            "everything and the head is gone",
            "DELETE FROM records; DELETE FROM checkpoints; DELETE FROM head",
            0,
        ),
        (
            "two are swapped",
            "UPDATE records SET seq = 100 WHERE seq = 5; UPDATE records SET seq = 5 WHERE seq = 6; \
             UPDATE records SET seq = 6 WHERE seq = 100",
            5,
        ),
        (
            "one is inserted at the end",
            "INSERT INTO records SELECT 13, segment, at_ms, request_id, tenant, kind, body, hash, hash \
             FROM records WHERE seq = 12",
            13,
        ),
        (
            "one is inserted in the middle",
            "UPDATE records SET seq = -seq WHERE seq >= 7; UPDATE records SET seq = 1 - seq WHERE seq < 0; \
             INSERT INTO records SELECT 7, segment, at_ms, 'forged', tenant, kind, body, hash, prev_hash \
             FROM records WHERE seq = 6",
            7,
        ),
        (
            "one is inserted before the first",
            "INSERT INTO records SELECT 0, segment, at_ms, request_id, tenant, kind, body, prev_hash, hash FROM records WHERE seq = 1",
            0,
        ),
        ("a tail is declared a new segment", "UPDATE records SET segment = 2 WHERE seq > 8", 9),
        ("the log is declared another", "UPDATE log SET log_id = zeroblob(16)", 1),
        ("the head is gone", "DELETE FROM head", 12),
        ("a checkpoint is gone", "DELETE FROM checkpoints WHERE seq = 8", 8),
        ("the last checkpoint is gone", "DELETE FROM checkpoints WHERE seq = 12", 12),
        (
            "a checkpoint of format 1",
            "UPDATE checkpoints SET first = 0, root = x'', peaks = x'', previous = 0 WHERE seq = 8",
            8,
        ),
        ("the tree begins elsewhere", "UPDATE checkpoints SET first = 5 WHERE seq = 8", 8),
        ("another root", "UPDATE checkpoints SET root = zeroblob(32) WHERE seq = 8", 8),
        ("other subtrees", "UPDATE checkpoints SET peaks = zeroblob(32) WHERE seq = 8", 8),
        ("too many subtrees", "UPDATE checkpoints SET peaks = zeroblob(64) WHERE seq = 8", 8),
        ("half a subtree", "UPDATE checkpoints SET peaks = zeroblob(16) WHERE seq = 8", 8),
        ("the head's subtrees", "UPDATE head SET peaks = x''", 12),
        ("a checkpoint has another hash", "UPDATE checkpoints SET hash = zeroblob(32) WHERE seq = 8", 8),
        ("a hash is too short", "UPDATE records SET hash = x'00' WHERE seq = 3", 3),
        ("a trigger is added", "CREATE TRIGGER t AFTER INSERT ON records BEGIN DELETE FROM records; END", 1),
        ("a table is gone", "DROP TABLE checkpoints", 1),
        ("a table is added", "CREATE TABLE notes (text)", 1),
    ];
    for (name, sql, seq) in cases {
        let home = Home::with_records(12, eager());
        assert!(home.verify().is_intact());
        home.execute(sql);
        let bad = home.verify().first_bad.unwrap_or_else(|| panic!("not noticed: {name}"));
        assert_eq!(bad.seq, *seq, "{name}: {bad}");
        let proven = home.verify().proven;
        assert!(proven <= *seq && [0, 4, 8, 12].contains(&proven), "{name}: {proven}");
    }
}

#[test]
fn a_rewritten_chain_fails_at_the_signature() {
    // Somebody without the key recomputes every hash from record 7 on, which the format allows anyone to do.
    let home = Home::with_records(12, eager());
    let conn = home.sqlite();
    conn.execute("UPDATE records SET body = '{\"action\":\"allow\",\"n\":70}' WHERE seq = 7", []).unwrap();
    let mut previous: [u8; 32] =
        conn.query_row("SELECT hash FROM records WHERE seq = 6", [], |r| r.get(0)).unwrap();
    for seq in 7..=12_u64 {
        let hash = conn
            .query_row("SELECT * FROM records WHERE seq = ?1", [seq as i64], |row| {
                let text = |column: &str| row.get::<_, String>(column).unwrap();
                Ok(naive_hash(
                    "aimds audit v1",
                    &[
                        le(1),
                        le(seq),
                        previous.to_vec(),
                        row.get::<_, i64>("at_ms").unwrap().to_le_bytes().to_vec(),
                        prefixed(&text("request_id")),
                        prefixed(&text("tenant")),
                        prefixed(&text("kind")),
                        prefixed(&text("body")),
                    ],
                ))
            })
            .unwrap();
        let update = "UPDATE records SET prev_hash = ?1, hash = ?2 WHERE seq = ?3";
        conn.execute(update, (previous, hash, seq as i64)).unwrap();
        previous = hash;
    }
    let bad = home.verify().first_bad.unwrap();
    assert_eq!((bad.seq, bad.what), (8, What::Checkpoint));
    // Which record it was is blurred by the recomputed hashes, but not beyond what is signed.
    assert_eq!(home.verify().proven, 4);

    // With checkpoints and head signed anew by a key of their own it is the key that gives them away.
    let own = SigningKey::from_bytes(&[7; 32]);
    let log_id: Vec<u8> = conn.query_row("SELECT log_id FROM log", [], |r| r.get(0)).unwrap();
    let hashes: Vec<[u8; 32]> = (1..=12)
        .map(|seq| conn.query_row("SELECT hash FROM records WHERE seq = ?1", [seq], |r| r.get(0)).unwrap())
        .collect();
    for (table, name) in STATEMENTS {
        for seq in [8_usize, 12] {
            let prepare = format!("UPDATE {table} SET hash = ?1, root = ?2, public_key = ?3 WHERE seq = ?4");
            let changed =
                (hashes[seq - 1], naive_root(&hashes[..seq]), own.verifying_key().to_bytes(), seq as i64);
            if conn.execute(&prepare, changed).unwrap() == 0 {
                continue;
            }
            let row = format!("SELECT * FROM {table} WHERE seq = ?1");
            let message =
                conn.query_row(&row, [seq as i64], |row| Ok(naive_message(name, &log_id, row))).unwrap();
            let sign = format!("UPDATE {table} SET signature = ?1, peaks = ?2 WHERE seq = ?3");
            let peaks = [naive_root(&hashes[..8]), naive_root(&hashes[8..])].concat();
            let peaks = if seq == 8 { peaks[..32].to_vec() } else { peaks };
            conn.execute(&sign, (own.sign(&message).to_bytes(), peaks, seq as i64)).unwrap();
        }
    }
    let bad = home.verify().first_bad.unwrap();
    assert_eq!((bad.seq, bad.what), (8, What::UnknownKey));
    // That the forgery is otherwise perfect shows when its key is trusted.
    let public_keys = vec![
        PublicKey(own.verifying_key().to_bytes()),
        std::fs::read_to_string(home.beside(".pub")).unwrap().parse().unwrap(),
    ];
    assert!(
        verify(&home.path, &VerifyOptions { public_keys, ..VerifyOptions::default() }).unwrap().is_intact()
    );
}

#[test]
fn only_a_head_kept_elsewhere_tells_a_rollback() {
    let home = Home::with_records(5, eager());
    let old = std::fs::read(&home.path).unwrap();
    let log = home.open(eager());
    log.append(record(6)).unwrap().wait().unwrap();
    let head = log.close(PATIENCE).unwrap();
    let expecting = |head: Head| {
        verify(&home.path, &VerifyOptions { expected_head: Some(head), ..VerifyOptions::default() }).unwrap()
    };
    assert!(expecting(head).is_intact());
    std::fs::write(&home.path, old).unwrap();
    assert!(home.verify().is_intact(), "documented: the file alone cannot tell");
    let bad = expecting(head).first_bad.unwrap();
    assert_eq!(bad, Bad { segment: 1, seq: 6, what: What::ExpectedHead });
    // An older head is still part of the log.
    let third = home.entries()[2].head();
    assert!(expecting(third).is_intact());
    assert_eq!(third.to_string().parse(), Ok(third));
}

#[test]
fn verification_can_begin_where_an_earlier_one_ended() {
    let home = Home::with_records(12, eager());
    home.execute("UPDATE records SET tenant = 'x' WHERE seq = 3");
    let entries = home.entries();
    let since = |seq: usize| {
        let since = Some(entries[seq - 1].head());
        verify(&home.path, &VerifyOptions { since, ..VerifyOptions::default() }).unwrap()
    };
    assert_eq!(since(2).first_bad.unwrap().seq, 3);
    assert_eq!((since(7).first_bad, since(7).records), (None, 5));
    assert_eq!((since(12).first_bad, since(12).records), (None, 0));
    // The record itself is looked at: it must be what it was.
    assert_eq!(since(3).first_bad.unwrap().what, What::ExpectedHead);
}

#[test]
fn segments_rotate_and_stay_one_chain() {
    let home = Home::with_records(25, Options { segment_records: 10, ..eager() });
    let report = home.verify();
    assert_eq!((report.first_bad, report.segments, report.records), (None, 3, 27));
    let entries = home.entries();
    assert_eq!(request_ids(&entries), expected_ids(1..=25));
    assert_eq!(entries[10].kind, "segment");
    let body: Value = serde_json::from_str(&entries[10].body).unwrap();
    assert_eq!(body["previous"]["hash"], json!(entries[9].hash));
    // A whole segment cannot be taken out, not even by someone who renumbers the rest.
    home.execute(
        "DELETE FROM records WHERE segment = 2; DELETE FROM checkpoints WHERE segment = 2; \
         UPDATE records SET seq = seq - 10, segment = 2 WHERE segment = 3",
    );
    assert_eq!(home.verify().first_bad.unwrap().seq, 11);
}

#[test]
fn an_empty_log_is_intact_and_cannot_be_faked() {
    let home = Home::new();
    let log = home.open(Options::default());
    let head = log.close(PATIENCE).unwrap();
    assert_eq!((head.segment, head.seq), (1, 0));
    let report = home.verify();
    assert_eq!((report.records, report.head, report.first_bad), (0, Some(head), None));
}

#[test]
fn flipping_any_byte_of_the_file_is_noticed_or_changes_nothing() {
    let home = Home::with_records(40, eager());
    let original = std::fs::read(&home.path).unwrap();
    let truth = home.entries();
    let copy = Home::new();
    std::fs::copy(home.beside(".pub"), copy.beside(".pub")).unwrap();
    let (mut noticed, mut harmless) = (0, 0);
    // A stride that is prime to every structure's size visits all of them.
    for offset in (0..original.len()).step_by(53) {
        let mut bytes = original.clone();
        bytes[offset] ^= 0xff;
        std::fs::write(&copy.path, &bytes).unwrap();
        match verify(&copy.path, &VerifyOptions::default()) {
            Ok(report) if report.is_intact() => {
                assert_eq!(copy.entries(), truth, "offset {offset}");
                harmless += 1;
            }
            Ok(_) | Err(_) => noticed += 1,
        }
        for suffix in ["-wal", "-shm", "-journal"] {
            let _ = std::fs::remove_file(copy.beside(suffix));
        }
    }
    // What is harmless is unused space and bookkeeping of SQLite's own.
    assert!(noticed > 100, "{noticed} noticed, {harmless} harmless");
}

#[test]
fn an_audit_log_is_shared_between_threads() {
    fn shared<T: Send + Sync>() {}
    shared::<AuditLog>();
}
