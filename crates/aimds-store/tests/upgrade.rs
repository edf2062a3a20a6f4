//! Logs of format 1, which had no tree: verified as they are, and continued in format 2.

mod support;

use aimds_store::{Options, ProveError, Reader, What, prove_inclusion};
use ed25519_dalek::{Signer, SigningKey};
use rusqlite::Connection;
use support::{Home, PATIENCE, eager, expected_ids, record, request_ids};

/// The tables of format 1 with these columns, and signatures over what format 1 signed.
fn into_format_1(home: &Home) {
    let conn = home.sqlite();
    let seed = std::fs::read_to_string(home.beside(".key")).unwrap();
    let seed: Vec<u8> = (0..32).map(|i| u8::from_str_radix(&seed[2 * i..2 * i + 2], 16).unwrap()).collect();
    let key = SigningKey::from_bytes(&seed.try_into().unwrap());
    for (table, id, name) in [
        ("checkpoints", "seq INTEGER PRIMARY KEY,", "aimds audit v1 checkpoint"),
        ("head", "id INTEGER PRIMARY KEY CHECK (id = 0), seq INTEGER NOT NULL,", "aimds audit v1 head"),
    ] {
        let columns = "segment INTEGER NOT NULL, hash BLOB NOT NULL, at_ms INTEGER NOT NULL, \
                       public_key BLOB NOT NULL, signature BLOB NOT NULL";
        let kept = if table == "head" { "id, seq" } else { "seq" };
        conn.execute_batch(&format!(
            "ALTER TABLE {table} RENAME TO later; CREATE TABLE {table} ({id} {columns}) STRICT; \
             INSERT INTO {table} SELECT {kept}, segment, hash, at_ms, public_key, signature FROM later; \
             DROP TABLE later;"
        ))
        .unwrap();
        sign(&conn, table, name, &key);
    }
    conn.execute_batch("PRAGMA user_version = 1").unwrap();
}

fn sign(conn: &Connection, table: &str, name: &str, key: &SigningKey) {
    let log_id: [u8; 16] = conn.query_row("SELECT log_id FROM log", [], |r| r.get(0)).unwrap();
    let select = format!("SELECT seq, segment, hash, at_ms FROM {table}");
    let rows: Vec<(i64, i64, [u8; 32], i64)> = conn
        .prepare(&select)
        .unwrap()
        .query_map([], |r| Ok((r.get(0)?, r.get(1)?, r.get(2)?, r.get(3)?)))
        .unwrap()
        .map(Result::unwrap)
        .collect();
    for (seq, segment, hash, at_ms) in rows {
        let message = [
            &(name.len() as u64).to_le_bytes()[..],
            name.as_bytes(),
            &log_id,
            &segment.to_le_bytes(),
            &seq.to_le_bytes(),
            &hash,
            &at_ms.to_le_bytes(),
        ]
        .concat();
        let update = format!("UPDATE {table} SET signature = ?1 WHERE seq = ?2");
        conn.execute(&update, (key.sign(&message).to_bytes(), seq)).unwrap();
    }
}

fn format(home: &Home) -> i64 {
    home.sqlite().query_row("PRAGMA user_version", [], |r| r.get(0)).unwrap()
}

#[test]
fn an_old_log_is_verified_as_it_is() {
    for n in [0, 3, 10] {
        let home = Home::with_records(n, eager());
        into_format_1(&home);
        let report = home.verify();
        assert_eq!((report.first_bad, report.records, report.proven), (None, n, n));
        assert_eq!(Reader::open(&home.path).unwrap().tail(99).unwrap().len() as u64, n);
        assert_eq!(format(&home), 1, "reading changed it");
    }
    let home = Home::with_records(10, eager());
    into_format_1(&home);
    assert!(matches!(prove_inclusion(&home.path, 3), Err(ProveError::NoTree { seq: 3 })));
    home.execute("UPDATE records SET tenant = 'evil' WHERE seq = 6");
    let bad = home.verify().first_bad.unwrap();
    assert_eq!((bad.seq, bad.what), (6, What::Hash));
}

#[test]
fn an_old_log_is_continued_in_the_new_format() {
    for n in [0, 3, 10] {
        let home = Home::with_records(n, eager());
        into_format_1(&home);
        // Opened and closed without a record, twice: nothing is lost or found broken.
        for _ in 0..2 {
            home.open(eager()).close(PATIENCE).unwrap();
            assert_eq!((format(&home), home.verify().first_bad), (2, None));
        }
        let log = home.open(Options { segment_records: 8, ..eager() });
        for i in n + 1..=n + 20 {
            drop(log.append(record(i)).unwrap());
        }
        log.close(PATIENCE).unwrap();
        let report = home.verify();
        assert_eq!(report.first_bad, None);
        assert_eq!(request_ids(&home.entries()), expected_ids(1..=n + 20));
        // The tree begins with the first record of the new format.
        if n > 0 {
            assert!(matches!(prove_inclusion(&home.path, n), Err(ProveError::NoTree { .. })));
        }
        for seq in n + 1..=report.records {
            assert!(prove_inclusion(&home.path, seq).is_ok(), "{seq}");
        }
        // Old and new are verified from everywhere, and changes of either are found.
        home.open(eager()).close(PATIENCE).unwrap();
        for seq in [1, n + 1, n + 7] {
            let damaged = Home::new();
            for suffix in ["", ".pub"] {
                std::fs::copy(home.beside(suffix), damaged.beside(suffix)).unwrap();
            }
            damaged.execute(&format!("UPDATE records SET at_ms = 0 WHERE seq = {seq}"));
            assert_eq!(damaged.verify().first_bad.unwrap().seq, seq);
        }
    }
}

#[test]
fn nothing_goes_back_to_the_old_format() {
    let home = Home::with_records(10, eager());
    into_format_1(&home);
    let old: Vec<(i64, [u8; 64])> = {
        let conn = home.sqlite();
        let mut statement = conn.prepare("SELECT seq, signature FROM checkpoints").unwrap();
        statement.query_map([], |r| Ok((r.get(0)?, r.get(1)?))).unwrap().map(Result::unwrap).collect()
    };
    assert_eq!(old.len(), 3);
    let log = home.open(eager());
    for i in 11..=20 {
        drop(log.append(record(i)).unwrap());
    }
    log.close(PATIENCE).unwrap();
    // A statement of format 2 with its additions taken away.
    home.execute("UPDATE checkpoints SET first = 0, root = x'', peaks = x'', previous = 0 WHERE seq = 14");
    let bad = home.verify().first_bad.unwrap();
    assert_eq!((bad.seq, bad.what), (14, What::Signature));
}
