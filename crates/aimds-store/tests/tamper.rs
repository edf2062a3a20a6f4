//! Thousands of random tamperings with one log: every one is found, and its place named.
//!
//! 500 by default; `AIMDS_TAMPERINGS=10000 cargo test --release -p aimds-store --test tamper -- --nocapture` for more,
//! `AIMDS_SEED=n` for others. Each begins with a fresh copy of an intact log and does one thing to it, as somebody would
//! who can write to the file and knows the format, but lacks the key.
//!
//! What "named" means is written down per tampering, as the range in which `first_bad` must lie. It is one number
//! wherever hashes were left alone; hashes that were recomputed blur it, never beyond the signed statements around it.

mod support;

use std::collections::BTreeMap;
use std::fs;
use std::ops::RangeInclusive;

use aimds_store::{Options, Report};
use ed25519_dalek::{Signer, SigningKey};
use rusqlite::Connection;
use support::{Home, eager};

/// Records of the log, and how often a checkpoint is written.
const RECORDS: u64 = 300;
const EVERY: u64 = 16;

/// SplitMix64 (Steele, Lea & Flood 2014).
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn within(&mut self, range: RangeInclusive<u64>) -> u64 {
        range.start() + self.next() % (range.end() - range.start() + 1)
    }

    fn of<'a, T: ?Sized>(&mut self, items: &[&'a T]) -> &'a T {
        items[self.next() as usize % items.len()]
    }
}

/// What was done.
struct Done {
    /// The first record, or place of a checkpoint, that is not what was written.
    first: u64,
    /// Where it may be named.
    named: RangeInclusive<u64>,
}

/// Named exactly.
fn at(seq: u64) -> Done {
    Done { first: seq, named: seq..=seq }
}

type Tampering = fn(&Connection, &mut Random) -> Done;

const TAMPERINGS: [(&str, Tampering); 23] = [
    ("change a text", |conn, random| {
        let (seq, column) = (any(random), random.of(&["request_id", "tenant", "kind", "body"]));
        run(conn, &format!("UPDATE records SET {column} = {column} || 'x' WHERE seq = {seq}"));
        at(seq)
    }),
    ("change a letter", |conn, random| {
        let seq = any(random);
        let place = random.within(1..=10);
        let changed = format!("substr(body, 1, {place}) || '~' || substr(body, {place} + 2)");
        run(conn, &format!("UPDATE records SET body = {changed} WHERE seq = {seq}"));
        at(seq)
    }),
    ("change the time", |conn, random| {
        let (seq, by) = (any(random), random.within(1..=1_000_000));
        run(conn, &format!("UPDATE records SET at_ms = at_ms - {by} WHERE seq = {seq}"));
        at(seq)
    }),
    ("change the segment", |conn, random| {
        let (seq, by) = (any(random), random.within(1..=3));
        run(conn, &format!("UPDATE records SET segment = segment + {by} WHERE seq = {seq}"));
        at(seq)
    }),
    ("change a hash", |conn, random| {
        let (seq, column) = (any(random), random.of(&["hash", "prev_hash"]));
        let bytes = hex(random, 32);
        run(conn, &format!("UPDATE records SET {column} = x'{bytes}' WHERE seq = {seq}"));
        at(seq)
    }),
    ("shorten a hash", |conn, random| {
        let (seq, column) = (any(random), random.of(&["hash", "prev_hash"]));
        run(conn, &format!("UPDATE records SET {column} = x'00' WHERE seq = {seq}"));
        at(seq)
    }),
    ("drop one", |conn, random| {
        let seq = any(random);
        run(conn, &format!("DELETE FROM records WHERE seq = {seq}"));
        at(seq)
    }),
    ("drop several", |conn, random| {
        let seq = random.within(1..=RECORDS - 1);
        let last = random.within(seq..=RECORDS - 1);
        run(conn, &format!("DELETE FROM records WHERE seq BETWEEN {seq} AND {last}"));
        at(seq)
    }),
    ("drop one and close the gap", |conn, random| {
        let seq = random.within(1..=RECORDS - 1);
        run(conn, &format!("DELETE FROM records WHERE seq = {seq}"));
        renumber(conn, seq + 1, -1);
        at(seq)
    }),
    ("swap two", |conn, random| {
        let a = random.within(1..=RECORDS - 1);
        let b = random.within(a + 1..=RECORDS);
        run(
            conn,
            &format!(
                "UPDATE records SET seq = -1 WHERE seq = {a}; UPDATE records SET seq = {a} WHERE seq = {b}; \
                 UPDATE records SET seq = {b} WHERE seq = -1"
            ),
        );
        at(a)
    }),
    ("swap the contents of two", |conn, random| {
        let a = random.within(1..=RECORDS - 1);
        let b = random.within(a + 1..=RECORDS);
        let other = format!("(SELECT body FROM records WHERE seq = {a} + {b} - changed.seq)");
        run(conn, &format!("UPDATE records AS changed SET body = {other} WHERE seq IN ({a}, {b})"));
        at(a)
    }),
    ("repeat one at the end", |conn, random| {
        copy(conn, any(random), RECORDS + 1);
        at(RECORDS + 1)
    }),
    ("repeat one behind itself", |conn, random| {
        let seq = any(random);
        renumber(conn, seq + 1, 1);
        copy(conn, seq, seq + 1);
        at(seq + 1)
    }),
    ("cut the end off", |conn, random| {
        let last = random.within(0..=RECORDS - 1);
        run(
            conn,
            &format!("DELETE FROM records WHERE seq > {last}; DELETE FROM checkpoints WHERE seq > {last}"),
        );
        at(last + 1)
    }),
    ("cut the end off with the head", |conn, random| {
        let last = random.within(1..=RECORDS - 1);
        run(
            conn,
            &format!(
                "DELETE FROM records WHERE seq > {last}; DELETE FROM checkpoints WHERE seq > {last}; \
                 DELETE FROM head"
            ),
        );
        // That it went on is not known any more; that it cannot end there is.
        Done { first: last + 1, named: last..=last }
    }),
    ("cut back to a checkpoint as the head", |conn, random| {
        let last = random.within(1..=RECORDS / EVERY) * EVERY;
        run(
            conn,
            &format!(
                "DELETE FROM records WHERE seq > {last}; DELETE FROM checkpoints WHERE seq > {last}; \
                 DELETE FROM head; INSERT INTO head SELECT 0, * FROM checkpoints WHERE seq = {last}"
            ),
        );
        Done { first: last + 1, named: last..=last }
    }),
    ("change one and its hash", |conn, random| {
        let seq = any(random);
        run(conn, &format!("UPDATE records SET tenant = 'other' WHERE seq = {seq}"));
        rehash(conn, seq, seq);
        // The next one still has the old hash, or a statement has.
        Done { first: seq, named: seq..=(seq + 1).min(RECORDS) }
    }),
    ("replace the tail consistently", |conn, random| {
        let seq = any(random);
        run(conn, &format!("UPDATE records SET body = '{{}}' WHERE seq >= {seq}"));
        rehash(conn, seq, RECORDS);
        Done { first: seq, named: seq..=signed_from(seq) }
    }),
    ("drop one and rebuild the chain", |conn, random| {
        let seq = random.within(1..=RECORDS - 1);
        run(conn, &format!("DELETE FROM records WHERE seq = {seq}"));
        renumber(conn, seq + 1, -1);
        rehash(conn, seq, RECORDS - 1);
        Done { first: seq, named: seq..=signed_from(seq) }
    }),
    ("replace the tail and sign with another key", |conn, random| {
        let seq = any(random);
        run(conn, &format!("UPDATE records SET body = '{{}}' WHERE seq >= {seq}"));
        rehash(conn, seq, RECORDS);
        resign(conn, seq);
        Done { first: seq, named: seq..=signed_from(seq) }
    }),
    ("edit a checkpoint", |conn, random| {
        let seq = random.within(1..=RECORDS / EVERY) * EVERY;
        let change = match random.next() % 9 {
            0 => "segment = segment + 1".to_owned(),
            1 => format!("hash = x'{}'", hex(random, 32)),
            2 => "at_ms = at_ms + 1".to_owned(),
            3 => format!("public_key = x'{}'", hex(random, 32)),
            4 => format!("signature = x'{}'", hex(random, 64)),
            5 => "first = first + 1".to_owned(),
            6 => format!("root = x'{}'", hex(random, 32)),
            7 => format!("peaks = x'{}'", hex(random, 32)),
            _ => "previous = previous - 1".to_owned(),
        };
        run(conn, &format!("UPDATE checkpoints SET {change} WHERE seq = {seq}"));
        at(seq)
    }),
    ("remove a checkpoint", |conn, random| {
        let seq = random.within(1..=RECORDS / EVERY) * EVERY;
        run(conn, &format!("DELETE FROM checkpoints WHERE seq = {seq}"));
        at(seq)
    }),
    ("edit the head", |conn, random| {
        let change = match random.next() % 5 {
            0 => format!("hash = x'{}'", hex(random, 32)),
            1 => "at_ms = at_ms + 1".to_owned(),
            2 => format!("signature = x'{}'", hex(random, 64)),
            3 => format!("root = x'{}'", hex(random, 32)),
            _ => "previous = 0".to_owned(),
        };
        run(conn, &format!("UPDATE head SET {change}"));
        // The closing checkpoint still proves every record.
        Done { first: RECORDS + 1, named: RECORDS..=RECORDS }
    }),
];

fn any(random: &mut Random) -> u64 {
    random.within(1..=RECORDS)
}

/// The first signed statement about `seq` or a later record.
fn signed_from(seq: u64) -> u64 {
    seq.next_multiple_of(EVERY).min(RECORDS)
}

fn run(conn: &Connection, sql: &str) {
    conn.execute_batch(sql).unwrap();
}

fn hex(random: &mut Random, bytes: usize) -> String {
    (0..bytes).map(|_| format!("{:02x}", random.next() as u8)).collect()
}

/// Moves the records from `seq` on by one, up or down.
fn renumber(conn: &Connection, seq: u64, by: i64) {
    run(
        conn,
        &format!(
            "UPDATE records SET seq = -seq WHERE seq >= {seq}; UPDATE records SET seq = {by} - seq WHERE seq < 0"
        ),
    );
}

fn copy(conn: &Connection, from: u64, to: u64) {
    run(
        conn,
        &format!(
            "INSERT INTO records SELECT {to}, segment, at_ms, request_id, tenant, kind, body, prev_hash, hash \
             FROM records WHERE seq = {from}"
        ),
    );
}

/// Recomputes the chain from `first` to `last`, as README.md describes it.
fn rehash(conn: &Connection, first: u64, last: u64) {
    let le = |n: u64| n.to_le_bytes().to_vec();
    let text = |s: String| [le(s.len() as u64), s.into_bytes()].concat();
    let select =
        |sql: &str, seq: u64| -> [u8; 32] { conn.query_row(sql, [seq as i64], |r| r.get(0)).unwrap() };
    let mut previous = match first {
        1 => select("SELECT prev_hash FROM records WHERE seq = ?1", 1),
        _ => select("SELECT hash FROM records WHERE seq = ?1", first - 1),
    };
    let mut read =
        conn.prepare("SELECT at_ms, request_id, tenant, kind, body FROM records WHERE seq = ?1").unwrap();
    let mut write = conn.prepare("UPDATE records SET prev_hash = ?1, hash = ?2 WHERE seq = ?3").unwrap();
    for seq in first..=last {
        let fields: Vec<u8> = read
            .query_row([seq as i64], |row| {
                let texts = (1..=4).map(|i| text(row.get(i).unwrap()));
                Ok([row.get::<_, i64>(0)?.to_le_bytes().to_vec()]
                    .into_iter()
                    .chain(texts)
                    .flatten()
                    .collect())
            })
            .unwrap();
        let message = [le(1), le(seq), previous.to_vec(), fields].concat();
        let hash = blake3::derive_key("aimds audit v1", &message);
        write.execute((previous, hash, seq as i64)).unwrap();
        previous = hash;
    }
}

/// Signs what is said of the records from `seq` on with a key of the tamperer's own.
fn resign(conn: &Connection, seq: u64) {
    let own = SigningKey::from_bytes(&[9; 32]);
    for table in ["checkpoints", "head"] {
        let update = format!(
            "UPDATE {table} SET hash = (SELECT hash FROM records WHERE records.seq = {table}.seq), \
             public_key = ?1, signature = ?2 WHERE seq >= ?3"
        );
        let signature = own.sign(b"whatever: the key alone gives it away").to_bytes();
        conn.execute(&update, (own.verifying_key().to_bytes(), signature, seq as i64)).unwrap();
    }
}

fn from_environment(name: &str, otherwise: u64) -> u64 {
    std::env::var(name).map_or(otherwise, |text| text.parse().unwrap())
}

#[test]
fn every_random_tampering_is_found_and_named() {
    let home = Home::with_records(RECORDS, Options { checkpoint_every: EVERY, ..eager() });
    assert_eq!((home.verify().first_bad, home.verify().proven), (None, RECORDS));
    let intact = fs::read(&home.path).unwrap();
    let rounds = from_environment("AIMDS_TAMPERINGS", 500);
    let mut random = Random(from_environment("AIMDS_SEED", 1));
    // How often each was done, and how often only one place was allowed to be named.
    let mut tally: BTreeMap<&str, (u64, u64)> = BTreeMap::new();
    for round in 0..rounds {
        let (name, tamper) = TAMPERINGS[round as usize % TAMPERINGS.len()];
        for suffix in ["-wal", "-shm"] {
            let _ = fs::remove_file(home.beside(suffix));
        }
        fs::write(&home.path, &intact).unwrap();
        let done = {
            let conn = home.sqlite();
            conn.execute_batch("PRAGMA journal_mode = MEMORY; PRAGMA synchronous = OFF; BEGIN").unwrap();
            let done = tamper(&conn, &mut random);
            conn.execute_batch("COMMIT").unwrap();
            done
        };
        let Report { first_bad, proven, .. } = home.verify();
        let bad =
            first_bad.unwrap_or_else(|| panic!("{name} of {} in round {round} was not found", done.first));
        assert!(done.named.contains(&bad.seq), "{name} of {} in round {round}: {bad}", done.first);
        assert!(proven < done.first, "{name} of {}: said to be proven up to {proven}", done.first);
        assert!(done.first - proven <= EVERY, "{name} of {}: only proven up to {proven}", done.first);
        let (count, exact) = tally.entry(name).or_default();
        *count += 1;
        *exact += u64::from(done.named.start() == done.named.end());
    }
    let (count, exact) = tally.values().fold((0, 0), |sum, (c, e)| (sum.0 + c, sum.1 + e));
    for (name, (count, exact)) in &tally {
        println!("{name:<44} {count:>6} found, {exact:>6} named exactly");
    }
    println!("{:<44} {count:>6} found, {exact:>6} named exactly", "all");
    assert_eq!(count, rounds);
}
