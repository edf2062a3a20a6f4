//! Replacing the signing key, and what the old one is worth afterwards.

mod support;

use std::fs;

use aimds_store::{
    AuditLog, OpenError, Opened, PublicKey, Report, RotateError, VerifyOptions, What, rotate_key, verify,
};
use rusqlite::params;
use serde_json::Value;
use support::{Home, PATIENCE, eager, record};

fn append(home: &Home, range: std::ops::RangeInclusive<u64>) -> PublicKey {
    let log = home.open(eager());
    assert_eq!(*log.opened(), Opened::Continued);
    for i in range {
        drop(log.append(record(i)).unwrap());
    }
    let key = log.public_key();
    log.close(PATIENCE).unwrap();
    key
}

fn verify_with(home: &Home, keys: &[PublicKey]) -> Report {
    verify(&home.path, &VerifyOptions { public_keys: keys.to_vec(), ..VerifyOptions::default() }).unwrap()
}

#[test]
fn the_first_key_is_enough_for_ever() {
    let home = Home::with_records(5, eager());
    let mut keys = vec![];
    for round in 0..3 {
        let rotated = rotate_key(&home.path, 9_000 + round).unwrap();
        keys.push(rotated.previous);
        assert_eq!(home.verify().head, Some(rotated.head));
        let body: Value = serde_json::from_str(&home.entries().last().unwrap().body).unwrap();
        assert_eq!(body["event"], "key_rotated");
        assert_eq!(body["public_key"], rotated.public_key.to_string());
        // Even before the new key has signed anything.
        assert!(verify_with(&home, &keys[..1]).is_intact());
        assert_eq!(append(&home, 1..=6), rotated.public_key);
        assert!(verify_with(&home, &keys[..1]).is_intact());
        assert!(home.verify().is_intact());
    }
    // Whoever knows only a later key cannot say anything of the time before.
    let bad = verify_with(&home, &keys[1..2]).first_bad.unwrap();
    assert_eq!((bad.seq, bad.what), (4, What::UnknownKey));
    assert_eq!(verify_with(&home, &[PublicKey([1; 32])]).first_bad.unwrap().what, What::UnknownKey);
    // Also from the middle.
    for entry in home.entries() {
        let options = VerifyOptions {
            public_keys: keys[..1].to_vec(),
            since: Some(entry.head()),
            ..VerifyOptions::default()
        };
        assert_eq!(verify(&home.path, &options).unwrap().first_bad, None, "{}", entry.seq);
    }
    assert_eq!(fs::read_to_string(home.beside(".pub")).unwrap().lines().count(), 4);
    assert!(!home.beside(".key.next").exists());
}

#[test]
fn the_old_key_signs_no_more() {
    let home = Home::with_records(5, eager());
    let old = fs::read(home.beside(".key")).unwrap();
    let rotated = rotate_key(&home.path, 1).unwrap();
    let new = fs::read(home.beside(".key")).unwrap();
    assert_ne!(old, new);
    append(&home, 6..=9);
    fs::write(home.beside(".key"), &old).unwrap();
    let error = AuditLog::open(&home.path, eager()).unwrap_err();
    assert!(matches!(error, OpenError::RetiredKey { seq } if seq == rotated.head.seq), "{error}");
    fs::write(home.beside(".key"), &new).unwrap();
    append(&home, 10..=11);

    // Somebody who has the old key signs the head anew with it.
    let conn = home.sqlite();
    conn.execute("UPDATE head SET public_key = ?1", params![rotated.previous.0]).unwrap();
    let bad = home.verify().first_bad.unwrap();
    assert_eq!((bad.seq, bad.what), (12, What::RetiredKey));
}

#[test]
fn an_introduction_that_was_not_signed_introduces_nobody() {
    let home = Home::with_records(3, eager());
    let theirs = Home::with_records(3, eager());
    rotate_key(&theirs.path, 1).unwrap();
    let foreign: Value = serde_json::from_str(&theirs.entries().last().unwrap().body).unwrap();
    // Whoever can append can write such a record, but not its signature.
    let log = home.open(eager());
    let key = log.public_key();
    let mut own = foreign.clone();
    own["previous"] = key.to_string().into();
    for body in [foreign, own, Value::Null, serde_json::json!({ "event": "key_rotated" })] {
        drop(log.append(aimds_store::Record { kind: "key".to_owned(), body, ..record(4) }).unwrap());
    }
    log.close(PATIENCE).unwrap();
    // The key goes on to count.
    assert!(verify_with(&home, &[key]).is_intact());
    append(&home, 5..=9);
    assert!(verify_with(&home, &[key]).is_intact());
}

#[test]
fn an_interrupted_rotation_is_finished_or_undone() {
    // Before anything was written to the log: the prepared key was never used.
    let home = Home::with_records(3, eager());
    let key = fs::read(home.beside(".key")).unwrap();
    let other = Home::with_records(1, eager());
    fs::copy(other.beside(".key"), home.beside(".key.next")).unwrap();
    append(&home, 4..=5);
    assert_eq!(fs::read(home.beside(".key")).unwrap(), key);
    assert!(!home.beside(".key.next").exists());

    // After the log named the new key, before it was put in place.
    let rotated = rotate_key(&home.path, 1).unwrap();
    fs::rename(home.beside(".key"), home.beside(".key.next")).unwrap();
    fs::write(home.beside(".key"), &key).unwrap();
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        fs::set_permissions(home.beside(".key"), fs::Permissions::from_mode(0o600)).unwrap();
    }
    fs::write(home.beside(".pub"), format!("{}\n", rotated.previous)).unwrap();
    assert!(home.verify().is_intact());
    assert_eq!(append(&home, 6..=9), rotated.public_key);
    assert!(home.verify().is_intact());
    assert!(!home.beside(".key.next").exists());
}

#[test]
fn refusals() {
    let home = Home::new();
    assert!(matches!(rotate_key(&home.path, 1), Err(RotateError::Missing)));
    assert!(!home.beside(".key").exists());
    let log = home.open(eager());
    assert!(matches!(rotate_key(&home.path, 1), Err(RotateError::Open(OpenError::AlreadyOpen))));
    drop(log.append(record(1)).unwrap());
    log.close(PATIENCE).unwrap();
    assert!(matches!(rotate_key(&home.path, u64::MAX), Err(RotateError::Record(_))));
    // What was prepared for it is gone at the next opening.
    rotate_key(&home.path, 1).unwrap();
    home.execute("DELETE FROM head");
    let error = rotate_key(&home.path, 1).unwrap_err();
    assert!(matches!(&error, RotateError::Broken(bad) if bad.what == What::HeadMissing), "{error}");
}
