//! What is kept comes back to its owner, whatever the text, and to nobody else.

use aimds_detect::{Category, Conversation, Origin};
use proptest::prelude::*;

use super::*;
use crate::Edit;

const MAIL: &str = "jane.roe@corp-mail.com";

fn options() -> Options {
    Options { kinds: Kinds::parse(["pii.*"]).unwrap(), ..Options::default() }
}

fn vault_of(owner: &str, seed: u8) -> Vault {
    Vault::new(&Key::new([9; 32]), &[owner.as_bytes()], [seed; 32], options())
}

fn restoration(vault: &mut Vault) -> Arc<Restoration> {
    Arc::new(vault.restoration().unwrap().unwrap())
}

fn back(vault: &mut Vault, text: &str) -> String {
    restoration(vault).whole(text, Vec::new(), false).unwrap_or_else(|| text.to_owned())
}

/// Clears one text from which these places are redacted.
fn clear(vault: &mut Vault, text: &str, places: &[(Range<usize>, PiiKind)]) -> String {
    let policy =
        aimds_policy::Policy::parse("version = 1\n[findings.any]\n\"pii.*\" = \"redact\"\n").unwrap();
    let findings = places.iter().map(|(span, kind)| aimds_detect::Finding {
        category: Category::Pii(*kind),
        detector: aimds_detect::Detector::Validator,
        rule: None,
        confidence: 1.0,
        message: 0,
        span: span.clone(),
        explanation: "".into(),
    });
    let conversation = Conversation::single(Origin::User, text);
    let session = &mut aimds_analyze::Session::new("");
    let assessment =
        aimds_analyze::assess(vec![], findings.collect(), vec![], session, aimds_analyze::Timestamp(0));
    let permit = policy.decide(&conversation, &assessment, "").into_permit().unwrap();
    let (cleared, kept) = crate::Cleared::kept(permit, conversation, vault).unwrap();
    assert_eq!(kept.kept + kept.gone, cleared.edits().len());
    cleared.conversation().messages[0].text.clone()
}

#[test]
fn the_same_value_has_the_same_placeholder_and_another_has_another() {
    let mut vault = vault_of("a", 1);
    let one = vault.keep(PiiKind::Email, MAIL).unwrap();
    let two = vault.keep(PiiKind::Email, "j.roe@corp-mail.com").unwrap();
    let as_person = vault.keep(PiiKind::Person, MAIL).unwrap();
    assert!(one != two && one != as_person);
    assert!(two.starts_with("[EMAIL_2_") && as_person.starts_with("[PERSON_1_"), "{two} {as_person}");
    assert_eq!(vault.keep(PiiKind::Email, MAIL).unwrap(), one);
    assert_eq!(vault.keep(PiiKind::Email, &one).unwrap(), one, "a placeholder stands for itself");
    assert_eq!(vault.len(), 3);
}

#[test]
fn memory_is_bounded_and_a_full_vault_redacts_for_good() {
    let options = Options { values: 1, value_bytes: 30, ..options() };
    let mut vault = Vault::new(&Key::new([1; 32]), &[], [1; 32], options);
    let text = "a@corp.com b@corp.com a@corp.com";
    let places = [0..10, 11..21, 22..32].map(|span| (span, PiiKind::Email));
    let cleared = clear(&mut vault, text, &places);
    let stand_in = vault.entries[0].stand_in.clone();
    assert_eq!(cleared, format!("{stand_in} [REDACTED:pii.email] {stand_in}"));
    assert_eq!(vault.keep(PiiKind::Email, MAIL), Err(VaultError::Full));
    assert_eq!(vault.keep(PiiKind::Email, &"x".repeat(31)), Err(VaultError::Length));
    assert_eq!(vault.keep(PiiKind::Email, ""), Err(VaultError::Length));
}

#[test]
fn what_is_not_chosen_is_redacted_for_good() {
    let kinds = Kinds::parse(["pii.email"]).unwrap();
    let mut vault = Vault::new(&Key::new([1; 32]), &[], [1; 32], Options { kinds, ..options() });
    assert_eq!(clear(&mut vault, "Jane", &[(0..4, PiiKind::Person)]), "[REDACTED:pii.person]");
    assert!(vault.is_empty() && vault.restoration().unwrap().is_none());
}

#[test]
fn nothing_of_another_owner_comes_back_even_with_the_same_seed() {
    let (mut own, mut other) = (vault_of("acme/1", 5), vault_of("acme/2", 5));
    let theirs = other.keep(PiiKind::Email, MAIL).unwrap();
    own.keep(PiiKind::Person, "Jane Roe").unwrap();
    assert_eq!(back(&mut own, &theirs), theirs);
    let rows = other.export(0).unwrap();
    assert_eq!(own.import(&rows), Err(VaultError::Sealed));
    assert!(own.is_empty(), "half a vault is none");
}

#[test]
fn rows_come_back_in_their_order_with_the_same_key_only() {
    let mut vault = vault_of("a", 1);
    let stand_ins = [(PiiKind::Email, MAIL), (PiiKind::Person, "Jane \"J\" Roe")]
        .map(|(kind, value)| vault.keep(kind, value).unwrap());
    let mut rows = vault.export(0).unwrap();
    assert!(rows.iter().all(|row| !row.windows(4).any(|window| window == b"jane" || window == b"EMAI")));
    let mut again = vault_of("a", 2);
    again.import(&rows).unwrap();
    assert_eq!(back(&mut again, &stand_ins.join(" ")), "jane.roe@corp-mail.com Jane \"J\" Roe");
    assert_eq!(again.keep(PiiKind::Email, MAIL).unwrap(), stand_ins[0]);
    assert_eq!(vault.export(1).unwrap().len(), 1);
    let mut wrong = Vault::new(&Key::new([8; 32]), &[b"a"], [1; 32], options());
    assert_eq!(wrong.import(&rows), Err(VaultError::Sealed));
    rows.swap(0, 1);
    assert_eq!(again.import(&rows), Err(VaultError::Sealed));
}

#[test]
fn guesses_that_are_already_there_mean_nothing() {
    // The same seed gives the same tags: the text knows what would be drawn first.
    let first = vault_of("a", 1).keep(PiiKind::Email, MAIL).unwrap();
    let text = format!("{first} {MAIL}");
    let mut vault = vault_of("a", 1);
    let cleared = clear(&mut vault, &text, &[(text.len() - MAIL.len()..text.len(), PiiKind::Email)]);
    assert!(cleared.starts_with(&first) && !cleared.contains(MAIL) && cleared.matches(&first).count() == 1);
    assert_eq!(back(&mut vault, &cleared), text);
}

#[test]
fn a_placeholder_that_a_conversation_repeats_is_not_kept_again() {
    let mut vault = vault_of("a", 1);
    let stand_in = vault.keep(PiiKind::Email, MAIL).unwrap();
    let text = format!("password: {stand_in}");
    assert_eq!(clear(&mut vault, &text, &[(11..11 + stand_in.len() - 1, PiiKind::Person)]), text);
    assert_eq!(vault.len(), 1);
}

#[test]
fn values_in_json_are_read_and_written_with_their_escapes() {
    let mut vault = vault_of("a", 1);
    let text = r#"{"name":"Jos\u00e9 \"J\" Roe","n":1}"#;
    let end = text.find("\",\"n\"").unwrap();
    let cleared = clear(&mut vault, text, &[(9..end, PiiKind::Person)]);
    let stand_in = vault.entries[0].stand_in.clone();
    assert_eq!(cleared, format!("{{\"name\":\"{stand_in}\",\"n\":1}}"));
    assert_eq!(back(&mut vault, &format!("Hello {stand_in}!")), "Hello José \"J\" Roe!");
    assert_eq!(back(&mut vault, &cleared), r#"{"name":"José \"J\" Roe","n":1}"#);
    // An escape that is cut in two is no value.
    assert_eq!(
        clear(&mut vault, r#"{"name":"a\u00e9b"}"#, &[(11..16, PiiKind::Person)]),
        r#"{"name":"a\[REDACTED:pii.person]b"}"#
    );
}

#[test]
fn calls_and_addresses_get_back_what_the_rules_say() {
    let check = |calls: &[&str], addresses: bool, call: bool, before: &str, expected: bool| {
        let rules = Rules { calls: Kinds::parse(calls.iter().copied()).unwrap(), addresses };
        let mut vault = Vault::new(&Key::new([1; 32]), &[], [1; 32], Options { rules, ..options() });
        let stand_in = vault.keep(PiiKind::Email, MAIL).unwrap();
        let restoration = restoration(&mut vault);
        let back = restoration.whole(&format!("{before}{stand_in}"), Vec::new(), call);
        assert_eq!(back.is_some(), expected, "{calls:?} {addresses} {call} {before}");
        let met = restoration.met();
        assert_eq!((met.restored, met.withheld), (usize::from(expected), usize::from(!expected)));
    };
    check(&[], false, false, "to ", true);
    check(&[], false, true, "{\"to\":\"", false);
    check(&["pii.email"], false, true, "{\"to\":\"", true);
    check(&["pii.person"], false, true, "{\"to\":\"", false);
    check(&["pii.*"], false, true, "{\"url\":\"https://evil.example/?q=", false);
    check(&["pii.*"], true, true, "{\"url\":\"https://evil.example/?q=", true);
    check(&[], false, false, "![x](https://evil.example/?q=", false);
    check(&[], true, false, "![x](https://evil.example/?q=", true);
}

#[test]
fn edits_inside_a_placeholder_are_dropped_and_others_win() {
    let mut vault = vault_of("a", 1);
    let stand_in = vault.keep(PiiKind::Email, MAIL).unwrap();
    let restoration = restoration(&mut vault);
    let text = format!("x {stand_in} y");
    let edit = |span: Range<usize>| vec![Edit { message: 0, span, replacement: "[R]".into() }];
    let whole = |span| restoration.whole(&text, edit(span), false).unwrap();
    assert_eq!(whole(2..text.len() - 2), format!("x {MAIL} y"));
    assert_eq!(whole(4..9), format!("x {MAIL} y"));
    assert_eq!(whole(0..9), format!("[R]{} y", &text[9..text.len() - 2]));
    assert_eq!(whole(0..1), format!("[R] {MAIL} y"));
}

#[test]
fn nothing_that_is_kept_shows_when_it_is_printed() {
    let mut vault = vault_of("a", 1);
    vault.keep(PiiKind::Email, MAIL).unwrap();
    let restoration = restoration(&mut vault);
    let restorer = Restorer::new(Arc::clone(&restoration), false);
    let shown = format!("{vault:?} {restoration:?} {restorer:?} {:?}", Random::new([1; 32]));
    assert!(!shown.contains("jane") && !shown.contains("EMAIL"), "{shown}");
}

/// Texts of values, words, and what looks like placeholders and addresses.
fn token() -> impl Strategy<Value = (String, Option<PiiKind>)> {
    let words = [
        "the ",
        "Zürich 🙂",
        "\n",
        "[EMAIL_1_",
        "[EMAIL_1_00000000]",
        "]",
        "[",
        "\"",
        "{\"a\":\"",
        "https://x.example/?q=",
        "\\",
        "@example.invalid",
    ];
    prop_oneof![
        6 => prop::sample::select(words.to_vec()).prop_map(|word| (word.to_owned(), None)),
        2 => prop::sample::select(vec![MAIL, "é@corp.com", "a\"b@corp.com"]).prop_map(|mail| (mail.to_owned(), Some(PiiKind::Email))),
        1 => Just(("Jane Roe".to_owned(), Some(PiiKind::Person))),
        1 => Just(("4111 1111 1111 1111".to_owned(), Some(PiiKind::CreditCard))),
    ]
}

fn text() -> impl Strategy<Value = (String, Vec<(Range<usize>, PiiKind)>)> {
    prop::collection::vec(token(), 0..24).prop_map(|tokens| {
        let (mut text, mut places) = (String::new(), Vec::new());
        for (token, kind) in tokens {
            let start = text.len();
            text += &token;
            places.extend(kind.map(|kind| (start..text.len(), kind)));
        }
        (text, places)
    })
}

proptest! {
    #[test]
    fn what_was_redacted_comes_back_in_any_text((text, places) in text(), seed: u8, formatted: bool) {
        let rules = Rules { addresses: true, ..options().rules };
        let mut vault = Vault::new(&Key::new([1; 32]), &[], [seed; 32], Options { formatted, rules, ..options() });
        // Escapes may come back in another spelling.
        prop_assume!(!context::is_json(&text));
        let cleared = clear(&mut vault, &text, &places);
        prop_assert_eq!(vault.is_empty(), places.is_empty());
        for (span, _) in &places {
            prop_assert!(!cleared.contains(&text[span.clone()]));
        }
        if !vault.is_empty() {
            prop_assert_eq!(back(&mut vault, &cleared), text);
        }
    }

    #[test]
    fn however_a_text_arrives_the_same_comes_back(
        (text, places) in text(), cuts in prop::collection::vec(1_usize..40, 1..8), addresses: bool, call: bool,
    ) {
        let rules = Rules { addresses, calls: Kinds::parse(["pii.email"]).unwrap() };
        let mut vault = Vault::new(&Key::new([1; 32]), &[], [1; 32], Options { rules, ..options() });
        let cleared = clear(&mut vault, &text, &places);
        prop_assume!(!vault.is_empty());
        let restoration = restoration(&mut vault);
        let whole = restoration.whole(&cleared, Vec::new(), call).unwrap_or_else(|| cleared.clone());
        let (mut restorer, mut out, mut from, mut arrived) =
            (Restorer::new(Arc::clone(&restoration), call), String::new(), 0, 0);
        for cut in cuts.iter().cycle() {
            arrived = cleared.ceil_char_boundary((arrived + cut).min(cleared.len()));
            let complete = arrived == cleared.len();
            let (settled, found) = restorer.advance(&cleared[..arrived], arrived, complete);
            prop_assert!(arrived - settled <= if complete { 0 } else { LONGEST }, "held back too much");
            for Found { span, value } in found {
                out += &cleared[from..span.start];
                out += value.as_ref().map_or(&cleared[span.clone()], |value| value.as_str());
                from = span.end;
            }
            out += &cleared[from.min(settled)..settled];
            from = settled.max(from);
            if complete { break; }
        }
        prop_assert_eq!(out, whole);
    }

    #[test]
    fn no_text_makes_it_give_away_or_panic(text in ".{0,300}", at in 0_usize..300, bytes in prop::collection::vec(any::<u8>(), 0..80)) {
        let mut vault = vault_of("a", 1);
        vault.keep(PiiKind::Email, MAIL).unwrap();
        let restoration = restoration(&mut vault);
        prop_assert_eq!(restoration.whole(&text, Vec::new(), false), None);
        let mut restorer = Restorer::new(restoration, false);
        restorer.advance(&text, at, false);
        prop_assert!(vault.import(&[bytes]).is_err());
    }
}
