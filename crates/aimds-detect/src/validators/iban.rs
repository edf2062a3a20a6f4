//! International bank account numbers: ISO 13616 country lengths and ISO/IEC 7064 MOD 97-10.

use super::checksum::mod97;
use super::{Hit, Input, Kind, PiiKind};

/// Lengths in the SWIFT registry (and the few countries that use the form without registering).
const LENGTHS: &[(&[u8; 2], usize)] = &[
    (b"AD", 24),
    (b"AE", 23),
    (b"AL", 28),
    (b"AT", 20),
    (b"AZ", 28),
    (b"BA", 20),
    (b"BE", 16),
    (b"BG", 22),
    (b"BH", 22),
    (b"BI", 27),
    (b"BR", 29),
    (b"BY", 28),
    (b"CH", 21),
    (b"CR", 22),
    (b"CY", 28),
    (b"CZ", 24),
    (b"DE", 22),
    (b"DJ", 27),
    (b"DK", 18),
    (b"DO", 28),
    (b"EE", 20),
    (b"EG", 29),
    (b"ES", 24),
    (b"FI", 18),
    (b"FK", 18),
    (b"FO", 18),
    (b"FR", 27),
    (b"GB", 22),
    (b"GE", 22),
    (b"GI", 23),
    (b"GL", 18),
    (b"GR", 27),
    (b"GT", 28),
    (b"HN", 28),
    (b"HR", 21),
    (b"HU", 28),
    (b"IE", 22),
    (b"IL", 23),
    (b"IQ", 23),
    (b"IS", 26),
    (b"IT", 27),
    (b"JO", 30),
    (b"KW", 30),
    (b"KZ", 20),
    (b"LB", 28),
    (b"LC", 32),
    (b"LI", 21),
    (b"LT", 20),
    (b"LU", 20),
    (b"LV", 21),
    (b"LY", 25),
    (b"MC", 27),
    (b"MD", 24),
    (b"ME", 22),
    (b"MK", 19),
    (b"MN", 20),
    (b"MR", 27),
    (b"MT", 31),
    (b"MU", 30),
    (b"NI", 28),
    (b"NL", 18),
    (b"NO", 15),
    (b"OM", 23),
    (b"PK", 24),
    (b"PL", 28),
    (b"PS", 29),
    (b"PT", 25),
    (b"QA", 29),
    (b"RO", 24),
    (b"RS", 22),
    (b"RU", 33),
    (b"SA", 24),
    (b"SC", 31),
    (b"SD", 18),
    (b"SE", 24),
    (b"SI", 19),
    (b"SK", 24),
    (b"SM", 27),
    (b"SO", 23),
    (b"ST", 25),
    (b"SV", 28),
    (b"TL", 23),
    (b"TN", 24),
    (b"TR", 26),
    (b"UA", 29),
    (b"VA", 22),
    (b"VG", 24),
    (b"XK", 20),
    (b"YE", 30),
];

/// The account number that begins with the word at `start` (two letters, two digits).
pub(super) fn at_word(input: Input<'_>, start: usize) -> Option<Hit> {
    let country = [input.at(start).to_ascii_uppercase(), input.at(start + 1).to_ascii_uppercase()];
    if !input.at(start + 2).is_ascii_digit() || !input.at(start + 3).is_ascii_digit() {
        return None;
    }
    let &(_, length) = LENGTHS.iter().find(|(known, _)| **known == country)?;
    let mut account = [0_u8; 34];
    let (mut at, mut count) = (start, 0);
    while count < length {
        let byte = input.at(at);
        if byte.is_ascii_alphanumeric() {
            *account.get_mut(count)? = byte;
            count += 1;
            at += 1;
        } else {
            at += separator(input, at)?;
        }
    }
    // one run ends with the account; in printed groups the next word may be anything
    if input.at(at).is_ascii_alphanumeric() || input.at(at) == b'_' {
        return None;
    }
    let (head, body) = account.get(..count)?.split_at_checked(4)?;
    let digits = body.iter().filter(|byte| byte.is_ascii_digit()).count();
    // words that happen to pass: an account is mostly digits
    if digits * 2 < body.len() || mod97(body.iter().chain(head).copied()) != 1 {
        return None;
    }
    Some(Hit {
        kind: Kind::Pii(PiiKind::Iban),
        start,
        end: at,
        confidence: 0.98,
        explanation: "an IBAN: length of its country and MOD 97-10 check digits (ISO 13616)",
    })
}

/// Width of one separator between alphanumerics.
fn separator(input: Input<'_>, at: usize) -> Option<usize> {
    let width = match (input.at(at), input.at(at + 1)) {
        (b' ' | b'-' | b'.', _) => 1,
        (0xc2, 0xa0) => 2,
        _ => return None,
    };
    input.at(at + width).is_ascii_alphanumeric().then_some(width)
}

#[cfg(test)]
mod tests {
    use crate::validators::tests::{found, nothing};

    #[test]
    fn hits() {
        for (text, value) in [
            ("to GB82 WEST 1234 5698 7654 32, thanks", "GB82 WEST 1234 5698 7654 32"),
            ("DE89370400440532013000", "DE89370400440532013000"),
            ("IBAN:FR1420041010050500013M02606", "FR1420041010050500013M02606"),
            ("de89 3704 0044 0532 0130 00", "de89 3704 0044 0532 0130 00"),
            ("NO9386011117947.", "NO9386011117947"),
            ("NL91-ABNA-0417-1643-00", "NL91-ABNA-0417-1643-00"),
            ("MT84MALT011000012345MTLCAST001S", "MT84MALT011000012345MTLCAST001S"),
            (
                "IBAN\u{a0}DE89\u{a0}3704\u{a0}0044\u{a0}0532\u{a0}0130\u{a0}00",
                "DE89\u{a0}3704\u{a0}0044\u{a0}0532\u{a0}0130\u{a0}00",
            ),
        ] {
            found(text, "pii.iban", value);
        }
    }

    #[test]
    fn near_misses() {
        for text in [
            "GB82 WEST 1234 5698 7654 33",
            "DE8937040044053201300",
            "DE893704004405320130000",
            "XX89370400440532013000",
            "xDE89370400440532013000",
            "GB82 is 1234",
        ] {
            nothing(text, "pii.iban");
        }
    }

    /// Not done today: an account whose check digits are wrong, even beside the word IBAN.
    #[test]
    fn known_gaps() {
        nothing("IBAN DE89370400440532012363", "pii.iban");
    }
}
