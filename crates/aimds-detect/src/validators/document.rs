//! Numbers of documents and accounts that have no check digit of their own: only a word nearby tells them from any
//! other number. (US routing numbers do have one: ABA, weights 3-7-1.)

use super::checksum::weighted;
use super::context::Topic;
use super::number::{Gap, Number};
use super::{Around, Hit, Input, Kind, PiiKind, starts_cleanly};

/// The document whose number is the word `start..end` (letters and digits).
pub(super) fn at_word(input: Input<'_>, start: usize, end: usize, around: &mut Around<'_>) -> Option<Hit> {
    let word = input.slice(start, end);
    let digits = word.iter().filter(|byte| byte.is_ascii_digit()).count();
    if !(6..=18).contains(&word.len())
        || digits < 5
        || word.iter().any(u8::is_ascii_lowercase) && word.iter().any(u8::is_ascii_uppercase)
    {
        return None;
    }
    if !starts_cleanly(input, start)
        || matches!(input.at(end), b'_' | b'.' | b'-' | b'@') && input.at(end + 1).is_ascii_alphanumeric()
    {
        return None;
    }
    let context = around.context(start, end);
    let letters = word.len() - digits;
    let passport = (6..=10).contains(&word.len()) && letters <= 3 && context.distance(Topic::Passport) < 60;
    let licence = letters <= 8 && word.len() <= 16 && context.distance(Topic::Licence) < 60;
    let (kind, confidence, explanation) = if passport {
        (PiiKind::Passport, 0.85, "a number of a passport's form with a word for passport nearby")
    } else if licence {
        (PiiKind::DriverLicense, 0.7, "a number with a word for driving licence nearby")
    } else if letters == 0 && word.len() == 9 && context.has(Topic::Routing) && routing(word) {
        (PiiKind::BankAccount, 0.9, "a US bank routing number: ABA check digit, named nearby")
    } else if letters == 0 && (6..=17).contains(&word.len()) && context.distance(Topic::Bank) < 40 {
        (PiiKind::BankAccount, 0.6, "a number with a word for bank account nearby")
    } else {
        return None;
    };
    Some(Hit { kind: Kind::Pii(kind), start, end, confidence, explanation })
}

/// A licence number in groups.
pub(super) fn grouped(input: Input<'_>, number: &Number, around: &mut Around<'_>) -> Option<Hit> {
    let groups = number.groups();
    let end = number.end(groups);
    let digits = number.digits(groups).len();
    if !(2..=4).contains(&groups)
        || !number.all_gaps(groups, Gap::Hyphen)
        || !(8..=14).contains(&digits)
        || !starts_cleanly(input, number.start)
        || super::date::numeric(number)
    {
        return None;
    }
    (around.context(number.start, end).distance(Topic::Licence) < 40).then_some(Hit {
        kind: Kind::Pii(PiiKind::DriverLicense),
        start: number.start,
        end,
        confidence: 0.6,
        explanation: "a number with a word for driving licence nearby",
    })
}

/// ABA: 3·(d1+d4+d7) + 7·(d2+d5+d8) + (d3+d6+d9) is a multiple of ten; the first two digits name a district.
fn routing(word: &[u8]) -> bool {
    let mut digits = [0_u8; 9];
    for (slot, byte) in digits.iter_mut().zip(word) {
        *slot = byte.wrapping_sub(b'0');
    }
    let district = digits[0] * 10 + digits[1];
    weighted(&digits, &[3, 7, 1, 3, 7, 1, 3, 7, 1]).is_multiple_of(10)
        && matches!(district, 0..=12 | 21..=32 | 61..=72 | 80)
}

#[cfg(test)]
mod tests {
    use crate::validators::tests::{found, nothing};

    #[test]
    fn hits() {
        found("I lost my passport TR1213847; my address", "pii.passport", "TR1213847");
        found("Passport No: 123456789", "pii.passport", "123456789");
        found("my driver's license number is A56319335", "pii.driver_license", "A56319335");
        found("routing number 021000021", "pii.bank_account", "021000021");
        found("my bank account 12345678", "pii.bank_account", "12345678");
    }

    #[test]
    fn near_misses() {
        for (text, id) in [
            ("TR1213847", "pii.passport"),
            ("passport costs 12 dollars", "pii.passport"),
            ("sha 5e05173cab13df19aa931b14d84be89056f0a855 passport", "pii.passport"),
            ("software license v1.2", "pii.driver_license"),
            ("12345678", "pii.bank_account"),
        ] {
            nothing(text, id);
        }
    }
}
