//! What stands in place of a value while the model works.

use aimds_detect::validators::PiiKind;

use super::random::Random;

/// Longer than every placeholder: `[CRYPTO_WALLET_`, a number, `_`, a tag, `]`.
pub const LONGEST: usize = 64;

/// Letters of tags: 32, so that a byte makes one without bias; without those that look like digits (Crockford).
const LETTERS: &[u8; 32] = b"0123456789abcdefghjkmnpqrstvwxyz";
/// 40 bits: with every text of a request checked for it, what is left to guess is the placeholder of another request.
const TAG: usize = 8;
/// 60 bits for an address, which has no number beside the tag.
const LOCAL: usize = 12;

/// A placeholder for the `number`th value of its kind: `[EMAIL_1_k7q2m9xd]`, or where `formatted` is asked for and the
/// kind has such a shape, what looks like a value and cannot be one.
///
/// * `pii.email`: `k7q2m9xd4tz0@example.invalid` (RFC 2606: no such domain will ever exist);
/// * `pii.credit_card`: 16 digits that begin with 4 and fail the check of ISO/IEC 7812.
///
/// Printable ASCII without a space, a quote or a backslash: it is the same inside JSON, and no stream cuts it.
pub(super) fn make(kind: PiiKind, number: usize, formatted: bool, random: &mut Random) -> String {
    match kind {
        PiiKind::Email if formatted => format!("{}@example.invalid", tag(LOCAL, random)),
        PiiKind::CreditCard if formatted => card(random),
        _ => format!("[{}_{number}_{}]", label(kind), tag(TAG, random)),
    }
}

/// `EMAIL` for `pii.email`.
fn label(kind: PiiKind) -> String {
    let id = kind.id();
    id.strip_prefix("pii.").unwrap_or(id).to_ascii_uppercase()
}

fn tag(length: usize, random: &mut Random) -> String {
    let mut bytes = [0; LOCAL];
    random.fill(&mut bytes);
    let letter = |byte: &u8| LETTERS.get(usize::from(byte % 32)).copied().map_or('0', char::from);
    bytes.iter().take(length).map(letter).collect()
}

fn card(random: &mut Random) -> String {
    let mut bytes = [0; 15];
    random.fill(&mut bytes);
    let mut digits: Vec<u32> = vec![4];
    // A byte modulo ten favours some digits a little: nothing to guess by.
    digits.extend(bytes.iter().take(14).map(|byte| u32::from(byte % 10)));
    let sum: u32 = digits
        .iter()
        .enumerate()
        .map(|(at, &digit)| match at % 2 {
            0 => digit * 2 / 10 + digit * 2 % 10,
            _ => digit,
        })
        .sum();
    let valid = (10 - sum % 10) % 10;
    let shift = bytes.last().map_or(0, |byte| u32::from(byte % 9)) + 1;
    digits.push((valid + shift) % 10);
    digits.into_iter().filter_map(|digit| char::from_digit(digit, 10)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use aimds_detect::validators::{Kind, scan};

    #[test]
    fn placeholders_are_short_plain_and_differ() {
        let mut random = Random::new([3; 32]);
        let mut seen = std::collections::HashSet::new();
        for kind in PiiKind::ALL {
            for formatted in [false, true] {
                let placeholder = make(*kind, 123_456, formatted, &mut random);
                assert!(placeholder.len() <= LONGEST, "{placeholder}");
                assert!(
                    placeholder.bytes().all(|byte| byte.is_ascii_graphic() && !b"\"'\\<>".contains(&byte))
                );
                assert!(seen.insert(placeholder));
            }
        }
        let placeholder = make(PiiKind::Email, 1, false, &mut random);
        assert!(
            placeholder.starts_with("[EMAIL_1_") && placeholder.ends_with(']') && placeholder.len() == 18
        );
    }

    #[test]
    fn what_looks_like_a_value_is_no_finding() {
        let mut random = Random::new([4; 32]);
        for number in 0..500 {
            let card = make(PiiKind::CreditCard, number, true, &mut random);
            assert_eq!((card.len(), card.as_bytes()[0]), (16, b'4'));
            let mail = make(PiiKind::Email, number, true, &mut random);
            for text in [format!("Card {card}, please."), format!("Mail {mail}, please.")] {
                let data = |kind: Kind| matches!(kind, Kind::Pii(PiiKind::CreditCard | PiiKind::Email));
                assert!(!scan(&text).iter().any(|hit| data(hit.kind)), "{text}");
            }
        }
    }
}
