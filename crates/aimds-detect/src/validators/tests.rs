//! Properties that hold for every family, and the helpers of the families' tables.

use std::fmt::Write as _;

use proptest::prelude::*;

use super::{Hit, Kind, PiiKind, SecretKind, scan};

fn id(hit: &Hit) -> &'static str {
    match hit.kind {
        Kind::Pii(kind) => kind.id(),
        Kind::Secret(kind) => kind.id(),
    }
}

/// `text` holds `value`, recognised as `wanted` with confidence of at least one half.
#[track_caller]
pub(super) fn found(text: &str, wanted: &str, value: &str) {
    let hits = scan(text);
    let fits = |hit: &Hit| id(hit) == wanted && &text[hit.start..hit.end] == value && hit.confidence >= 0.5;
    assert!(hits.iter().any(fits), "{wanted} {value:?} in {text:?}: {hits:?}");
}

/// `text` holds something recognised as `wanted` with confidence below one half.
#[track_caller]
pub(super) fn found_weak(text: &str, wanted: &str) {
    let hits = scan(text);
    assert!(
        hits.iter().any(|hit| id(hit) == wanted && hit.confidence < 0.5),
        "{wanted} in {text:?}: {hits:?}"
    );
}

/// `text` holds nothing recognised as `wanted`.
#[track_caller]
pub(super) fn nothing(text: &str, wanted: &str) {
    let hits = scan(text);
    assert!(!hits.iter().any(|hit| id(hit) == wanted), "{wanted} in {text:?}: {hits:?}");
}

/// Letters and digits without pattern, the same every time.
pub(super) fn random_text(length: usize) -> String {
    const ALPHABET: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
    let mut state = 0x9e37_79b9_7f4a_7c15_u64.wrapping_add(length as u64);
    (0..length)
        .map(|_| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            char::from(ALPHABET[(state >> 33) as usize % ALPHABET.len()])
        })
        .collect()
}

#[test]
fn identifiers_are_unique_and_in_their_namespace() {
    let mut ids: Vec<_> =
        PiiKind::ALL.iter().map(|kind| kind.id()).inspect(|id| assert!(id.starts_with("pii."))).collect();
    ids.extend(SecretKind::ALL.iter().map(|kind| kind.id()).inspect(|id| assert!(id.starts_with("secret."))));
    let count = ids.len();
    ids.sort_unstable();
    ids.dedup();
    assert_eq!(ids.len(), count);
}

#[test]
fn overlaps_go_to_the_surer() {
    let hits = scan("postgres://bob:S3cret99x@db.example.com/x and jane@example.com");
    assert_eq!(hits.iter().map(id).collect::<Vec<_>>(), ["secret.database_url", "pii.email"]);
    let hits = scan("OPENAI_API_KEY=AKIAZC1WW7WWLEKEET51");
    assert_eq!(hits.iter().map(id).collect::<Vec<_>>(), ["secret.aws_key"]);
}

/// A mebibyte of every byte and snippet that makes some family look: done in an instant only if every look is
/// bounded.
#[test]
fn hostile_repetition_stays_linear() {
    let snippets = [
        "0",
        "9",
        "1 ",
        "4111 ",
        "4111111111111111 ",
        "1.",
        "1-",
        "+1",
        "(1)",
        "@",
        "a@",
        "@a.",
        "a@b.",
        ".",
        ":",
        "a:",
        "::",
        "aa:",
        "12:",
        "-",
        "--",
        "aa-",
        "=",
        "a=",
        "password=",
        "password:",
        "<password>",
        "://",
        "a://",
        "http://a:b@",
        "postgres://a:b",
        "eyJ",
        "eyJ.",
        "eyJ-",
        "eyJhbGciOiJIUzI1NiJ9.",
        "-----BEGIN RSA PRIVATE KEY-----",
        "-----BEGIN ",
        "sk-",
        "sk-ant-",
        "ghp_",
        "AKIA",
        "SG.",
        "SG.aaaaaaaaaaaaaaaaaaaaaa.",
        "MTIz-",
        "a",
        "A",
        "ab1",
        "GB82 ",
        "GB82WEST",
        "Q~",
        "~",
        "bc1q",
        "1A1zP1eP5QGefi2DMPTfTL5SLmv7DivfNb ",
        "0x",
        "name is ",
        "my name is A",
        "Dear A ",
        "1 A",
        "1 Main ",
        "phone 1234567 ",
        "born 1990-01-01 ",
        "\u{e9}",
        "日",
        "日@",
        "字1",
        "password is ",
        "Bearer ",
        "1/1/1990 ",
        "passport A1234567 ",
    ];
    for snippet in snippets {
        let text = snippet.repeat((1 << 20) / snippet.len());
        well_formed(&text, &scan(&text));
    }
}

#[track_caller]
fn well_formed(text: &str, hits: &[Hit]) {
    let mut last = 0;
    for hit in hits {
        assert!(hit.start >= last && hit.start < hit.end && hit.end <= text.len(), "{hit:?}");
        assert!(text.get(hit.start..hit.end).is_some(), "{hit:?}");
        assert!((0.0..=1.0).contains(&hit.confidence), "{hit:?}");
        assert!(!hit.explanation.is_empty());
        last = hit.end;
    }
}

/// Appends the digit that makes `digits` pass `check`.
fn sealed(digits: &str, check: impl Fn(&[u8]) -> bool) -> Option<String> {
    (b'0'..=b'9')
        .map(|last| format!("{digits}{}", char::from(last)))
        .find(|text| check(&text.bytes().map(|byte| byte - b'0').collect::<Vec<_>>()))
}

/// `text` with the digit at `place` (counted among digits) raised by `by`.
fn corrupted(text: &str, place: usize, by: u8) -> String {
    let digits = text.bytes().filter(u8::is_ascii_digit).count();
    let mut count = 0;
    text.chars()
        .map(|char| match char {
            '0'..='9' => {
                count += 1;
                if count - 1 == place % digits {
                    char::from(b'0' + (char as u8 - b'0' + by) % 10)
                } else {
                    char
                }
            }
            _ => char,
        })
        .collect()
}

fn grouped(digits: &str, sizes: &[usize], separator: &str) -> String {
    let mut rest = digits;
    let mut out = String::new();
    for (index, &size) in sizes.iter().enumerate() {
        let (head, tail) = rest.split_at(size);
        let _ = write!(out, "{}{head}", if index == 0 { "" } else { separator });
        rest = tail;
    }
    out
}

proptest! {
    #[test]
    fn any_text_is_safe(text in any::<String>()) {
        well_formed(&text, &scan(&text));
    }

    #[test]
    fn text_of_trigger_characters_is_safe(text in "[-0-9a-fA-FxX@.:/+() =_~é日password\n\"]{0,200}") {
        well_formed(&text, &scan(&text));
    }

    #[test]
    fn pieces_of_formats_are_safe(pieces in prop::collection::vec(prop::sample::select(vec![
        "4111 1111 1111 1111", "+44 20 7946 0958", "jane@example.com", "GB82 WEST 1234 5698 7654 32", "192.168.0.1", "a2:ef:98:10:19:49", "ghp_", "password: ",
        "eyJhbGciOiJIUzI1NiJ9.", "é", "日本", "-----BEGIN PRIVATE KEY-----", "://", "born ", "1980-01-02", "x", " ", ",", "12", "Dear ", "Mr. ", "\u{a0}", "(",
    ]), 0..12)) {
        let text = pieces.concat();
        well_formed(&text, &scan(&text));
    }

    #[test]
    fn cards(head in prop::sample::select(vec!["4", "51", "55", "2221", "6011", "65"]), random in "[0-9]{15}", separator in prop::sample::select(vec!["", " ", "-"]), place in 0..16_usize, by in 1..10_u8) {
        let body = format!("{head}{random}");
        let card = sealed(&body[..15], super::checksum::luhn).unwrap();
        let text = grouped(&card, &[4, 4, 4, 4], separator);
        found(&format!("pay with {text} now"), "pii.credit_card", &text);
        nothing(&format!("pay with {} now", corrupted(&text, place, by)), "pii.credit_card");
    }

    #[test]
    fn ibans(country in prop::sample::select(vec![("DE", 22), ("ES", 24), ("PL", 28), ("PT", 25), ("AT", 20)]), random in "[0-9]{30}", spaced in any::<bool>(), place in 0..30_usize, by in 1..10_u8) {
        let body = &random[..country.1 - 4];
        let rest = super::checksum::mod97(format!("{body}{}00", country.0).bytes());
        let iban = format!("{}{:02}{body}", country.0, 98 - rest);
        let sizes: Vec<_> = (0..iban.len().div_ceil(4)).map(|group| 4.min(iban.len() - group * 4)).collect();
        let text = grouped(&iban, &sizes, if spaced { " " } else { "" });
        found(&format!("IBAN {text}."), "pii.iban", &text);
        nothing(&format!("IBAN {}.", corrupted(&text, place, by)), "pii.iban");
    }

    #[test]
    fn ssns(area in 1..900_u32, group in 1..100_u32, serial in 1..10_000_u32) {
        prop_assume!(area != 666);
        let text = format!("{area:03}-{group:02}-{serial:04}");
        found(&format!("SSN {text}"), "pii.ssn", &text);
        nothing(&format!("SSN 9{}", &text[1..]), "pii.ssn");
    }

    #[test]
    fn aadhaar(random in "[2-9][0-9]{10}", place in 0..12_usize, by in 1..10_u8) {
        let text = grouped(&sealed(&random, super::checksum::verhoeff).unwrap(), &[4, 4, 4], " ");
        found(&format!("Aadhaar {text}"), "pii.national_id", &text);
        nothing(&format!("Aadhaar {}", corrupted(&text, place, by)), "pii.national_id");
    }

    #[test]
    fn addresses(octets in prop::array::uniform4(0..=255_u8), segments in prop::array::uniform8(any::<u16>())) {
        prop_assume!(octets[0] > 20 && octets[0] < 224);
        let v4 = std::net::Ipv4Addr::from(octets);
        let hits = scan(&format!("from {v4}, ok"));
        prop_assert!(hits.iter().any(|hit| hit.kind == Kind::Pii(PiiKind::Ip)), "{v4} {hits:?}");
        let v6 = segments.map(|segment| format!("{segment:x}")).join(":");
        prop_assume!(v6.split(':').any(|group| group.len() != 2));
        let hits = scan(&format!("from {v6}, ok"));
        prop_assert!(hits.iter().any(|hit| hit.kind == Kind::Pii(PiiKind::Ip)), "{v6} {hits:?}");
    }

    #[test]
    fn emails(local in "[a-z][a-z0-9_+-]{0,20}(\\.[a-z0-9]{1,10})?", domain in "[a-z0-9]{1,20}(\\.[a-z][a-z0-9]{0,10}){0,2}\\.(com|org|de|museum)") {
        let text = format!("{local}@{domain}");
        found(&format!("write to {text}, please"), "pii.email", &text);
    }

    #[test]
    fn phones(country in prop::sample::select(vec![("1", "[2-9][0-9]{2}[2-9][0-9]{6}"), ("44", "20[0-9]{8}"), ("33", "[1-9][0-9]{8}")]).prop_flat_map(|(code, body)| body.prop_map(move |body| format!("+{code}{body}")))) {
        found(&format!("x {country} y"), "pii.phone", &country);
    }
}
