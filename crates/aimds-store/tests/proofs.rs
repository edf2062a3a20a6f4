//! Proofs: made from a log, checked without it, and refused as soon as a byte is another.

mod support;

use aimds_store::{
    Head, Options, Proof, ProofError, ProveError, PublicKey, prove_consistency, prove_inclusion, rotate_key,
};
use support::{Home, PATIENCE, eager, record};

fn public_key(home: &Home) -> PublicKey {
    std::fs::read_to_string(home.beside(".pub")).unwrap().lines().last().unwrap().parse().unwrap()
}

fn head(home: &Home) -> Head {
    home.verify().head.unwrap()
}

#[test]
fn every_record_can_be_proved() {
    for n in [1, 2, 3, 7, 8, 9, 31] {
        let home = Home::with_records(n, Options { segment_records: 10, ..eager() });
        let (key, head) = (public_key(&home), head(&home));
        for entry in home.entries() {
            let document = prove_inclusion(&home.path, entry.seq).unwrap().to_json();
            let proof = Proof::from_json(&document).unwrap();
            let proven = proof.verify(&[key], Some(&head)).unwrap();
            assert_eq!((proven.head, proven.public_key), (head, key));
            let Proof::Inclusion(inclusion) = proof else { panic!("{document}") };
            assert_eq!((inclusion.record.hash(), &inclusion.record.body), (entry.hash, &entry.body));
            // As many hashes as the tree of at most 34 records is deep.
            assert!(inclusion.path.len() <= 6);
        }
        let missing = prove_inclusion(&home.path, head.seq + 1).unwrap_err();
        assert!(matches!(missing, ProveError::NoRecord { .. }), "{missing}");
    }
}

#[test]
fn a_log_is_the_continuation_of_every_earlier_statement() {
    let home = Home::with_records(30, eager());
    let (key, head) = (public_key(&home), head(&home));
    let entries = home.entries();
    for from in (4..=28).step_by(4).chain([30]) {
        let proof = prove_consistency(&home.path, from, None).unwrap();
        let known = entries[from as usize - 1].head();
        assert_eq!(proof.verify(&[key], Some(&known)).unwrap().head, head);
        for to in (from..=28).step_by(4) {
            let proof =
                Proof::from_json(&prove_consistency(&home.path, from, Some(to)).unwrap().to_json()).unwrap();
            assert_eq!(proof.verify(&[key], Some(&known)).unwrap().head, entries[to as usize - 1].head());
        }
    }
    let other = Head { seq: 5, ..head };
    let proof = prove_consistency(&home.path, 8, None).unwrap();
    assert_eq!(proof.verify(&[key], Some(&other)), Err(ProofError::OtherHead));
    let error = prove_consistency(&home.path, 7, None).unwrap_err();
    assert!(matches!(error, ProveError::NoStatement { seq: 7, before: 4 }), "{error}");
    // The later one first.
    let error = prove_consistency(&home.path, 8, Some(4)).unwrap_err();
    assert!(matches!(error, ProveError::Broken(ProofError::Numbers)), "{error}");
}

/// Every byte, every bit of it that keeps the document text.
#[test]
fn any_changed_byte_is_refused() {
    let home = Home::with_records(21, eager());
    rotate_key(&home.path, 5_000).unwrap();
    let log = home.open(eager());
    for i in 22..=26 {
        drop(log.append(record(i)).unwrap());
    }
    log.close(PATIENCE).unwrap();
    let inclusion = prove_inclusion(&home.path, 6).unwrap();
    let consistency = prove_consistency(&home.path, 12, None).unwrap();
    for proof in [inclusion, consistency] {
        let document = proof.to_json();
        assert!(document.contains("\"keys\":[{"), "{document}");
        assert!(Proof::from_json(&format!("{document}\n")).unwrap().verify(&[], None).is_ok());
        let mut refused = 0;
        for place in 0..document.len() {
            for bit in 0..8 {
                let mut bytes = document.clone().into_bytes();
                bytes[place] ^= 1 << bit;
                let Ok(text) = String::from_utf8(bytes) else { continue };
                let outcome = Proof::from_json(&text).and_then(|proof| proof.verify(&[], None));
                assert!(outcome.is_err(), "byte {place}, bit {bit}: {text}");
                refused += 1;
            }
            let mut shorter = document.clone();
            shorter.remove(place);
            let outcome = Proof::from_json(&shorter).and_then(|proof| proof.verify(&[], None));
            assert!(outcome.is_err(), "without byte {place}: {shorter}");
        }
        assert!(refused >= document.len() * 7, "{refused}");
        for other in [format!(" {document}"), format!("{document} "), document.replacen(':', ": ", 1)] {
            assert!(Proof::from_json(&other).is_err(), "{other}");
        }
    }
}

#[test]
fn parts_of_different_proofs_do_not_fit_together() {
    let home = Home::with_records(20, eager());
    let [Proof::Inclusion(a), Proof::Inclusion(b)] =
        [3, 4].map(|seq| prove_inclusion(&home.path, seq).unwrap())
    else {
        panic!()
    };
    let check = |proof, expected: ProofError| {
        assert_eq!(Proof::Inclusion(proof).verify(&[], None), Err(expected));
    };
    let mut mixed = a.clone();
    mixed.record = b.record.clone();
    check(mixed, ProofError::Path);
    let mut mixed = a.clone();
    mixed.head.seq = 2;
    check(mixed, ProofError::Numbers);
    let mut mixed = a.clone();
    mixed.head.first = 4;
    check(mixed, ProofError::Numbers);
    let mut mixed = a.clone();
    mixed.head.first = 0;
    check(mixed, ProofError::Numbers);
    let mut mixed = a.clone();
    mixed.path.reverse();
    check(mixed, ProofError::Path);
    let mut mixed = a.clone();
    mixed.head.at_ms += 1;
    check(mixed, ProofError::Signature);
    let mut mixed = a.clone();
    mixed.head.public_key = PublicKey([3; 32]);
    check(mixed, ProofError::Signature);
    let mut mixed = a;
    mixed.log_id[0] ^= 1;
    check(mixed, ProofError::Signature);
    // Another log's head, with all that belongs to it.
    let other = Home::with_records(20, eager());
    let Proof::Inclusion(theirs) = prove_inclusion(&other.path, 3).unwrap() else { panic!() };
    let mut mixed = b;
    mixed.head = theirs.head;
    check(mixed, ProofError::Path);
}

#[test]
fn only_trusted_keys_and_those_they_introduced_count() {
    let home = Home::with_records(10, eager());
    let first = public_key(&home);
    let rotated = rotate_key(&home.path, 1).unwrap();
    assert_eq!(rotated.previous, first);
    let log = home.open(eager());
    for i in 11..=20 {
        drop(log.append(record(i)).unwrap());
    }
    log.close(PATIENCE).unwrap();
    let second = rotated.public_key;
    let unknown = PublicKey([1; 32]);
    for seq in [2, 15] {
        let proof = prove_inclusion(&home.path, seq).unwrap();
        for key in [first, second] {
            assert_eq!(proof.verify(&[key], None).unwrap().public_key, second);
        }
        assert_eq!(proof.verify(&[unknown], None), Err(ProofError::UnknownKey(second)));
    }
    // From a statement of the first key to one of the second.
    let proof = prove_consistency(&home.path, 8, None).unwrap();
    assert_eq!(proof.verify(&[first], None).unwrap().public_key, second);
    // The second alone says nothing about what the first signed.
    assert_eq!(proof.verify(&[second], None), Err(ProofError::UnknownKey(first)));
    let Proof::Consistency(mut forged) = proof else { panic!() };
    forged.keys.clear();
    assert_eq!(Proof::Consistency(forged).verify(&[], None), Err(ProofError::Keys));
}

#[test]
fn a_broken_log_proves_what_is_whole_and_no_more() {
    let home = Home::with_records(12, eager());
    home.execute("UPDATE records SET tenant = 'evil' WHERE seq = 5");
    let error = prove_inclusion(&home.path, 5).unwrap_err();
    assert!(matches!(error, ProveError::Broken(ProofError::Path)), "{error}");
    // Its hash is still there, so its neighbours can be proved.
    assert!(prove_inclusion(&home.path, 6).is_ok());
    home.execute("DELETE FROM records WHERE seq = 5");
    let error = prove_inclusion(&home.path, 6).unwrap_err();
    assert!(matches!(error, ProveError::Broken(ProofError::Path)), "{error}");
}

#[test]
fn a_break_begins_a_new_tree_and_the_old_one_stays_provable() {
    let home = Home::with_records(10, eager());
    home.execute("DELETE FROM head");
    let log = home.open(eager());
    for i in 11..=20 {
        drop(log.append(record(i)).unwrap());
    }
    log.close(PATIENCE).unwrap();
    let key = public_key(&home);
    for (seq, first) in [(3, 1), (10, 1), (11, 11), (12, 11), (21, 11)] {
        let proof = prove_inclusion(&home.path, seq).unwrap();
        proof.verify(&[key], None).unwrap();
        let Proof::Inclusion(proof) = proof else { panic!() };
        assert_eq!(proof.head.first, first, "{seq}");
    }
    let error = prove_consistency(&home.path, 8, None).unwrap_err();
    assert!(matches!(error, ProveError::DifferentTrees { from: 8, to: 21 }), "{error}");
    assert!(prove_consistency(&home.path, 4, Some(8)).is_ok());
    assert!(prove_consistency(&home.path, 11, None).is_ok());
}

#[test]
fn what_is_no_proof_is_named() {
    let cases: &[(&str, &str)] = &[
        ("", "not a proof: EOF"),
        ("{}", "not a proof: missing field `proof`"),
        (r#"{"proof":"something"}"#, "not a proof: unknown variant"),
        ("[]", "not a proof:"),
    ];
    for (text, expected) in cases {
        let error = Proof::from_json(text).unwrap_err().to_string();
        assert!(error.starts_with(expected), "{text}: {error}");
    }
    let deep = format!("{}{}", r#"{"proof":"#, "[".repeat(100_000));
    assert!(Proof::from_json(&deep).is_err());
}
