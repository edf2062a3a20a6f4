//! Payment cards: ISO/IEC 7812 numbers, known issuer ranges and the Luhn check digit.

use super::checksum::luhn;
use super::context::Topic;
use super::number::{Gap, Number};
use super::{Around, Hit, Input, Kind, PiiKind, starts_cleanly};

/// The card that begins with the first group of `number`.
pub(super) fn card(input: Input<'_>, number: &Number, around: &mut Around<'_>) -> Option<Hit> {
    let groups = groups(number)?;
    let digits = number.digits(groups);
    let end = number.end(groups);
    let common = network(digits)?;
    if !luhn(digits)
        || !starts_cleanly(input, number.start)
        || input.at(end).is_ascii_alphanumeric()
        || input.at(end) == b'_'
    {
        return None;
    }
    // a table of four-digit columns, not one card
    if groups > 1
        && number.gap_after(groups) == number.gaps(2).first().copied()
        && number.group(groups).len() == 4
    {
        return None;
    }
    if groups == 1 && number.gap_after(1) == Some(Gap::Dot) {
        return None;
    }
    let context = around.context(number.start, end);
    let named = context.has(Topic::Card);
    let thing = context.nearer(Topic::Thing, Topic::Card);
    let (confidence, explanation) = match (common, named) {
        (_, true) if !thing => (0.97, "a payment card number: issuer range, Luhn check digit, named nearby"),
        (true, _) if groups > 1 => {
            (0.95, "a payment card number: issuer range, Luhn check digit, card grouping")
        }
        (true, _) if thing => (0.6, "digits with issuer range and Luhn check digit of a payment card"),
        (true, _) => (0.9, "a payment card number: issuer range and Luhn check digit"),
        (false, true) => (0.9, "a payment card number of an uncommon length: Luhn check digit, named nearby"),
        // one number in ten passes; a short or long one without context is as likely an article number
        (false, false) if digits.len() >= 14 => {
            (0.5, "digits with issuer range and Luhn check digit of a payment card")
        }
        (false, false) => return None,
    };
    Some(Hit { kind: Kind::Pii(PiiKind::CreditCard), start: number.start, end, confidence, explanation })
}

/// How many groups make up the card: written in one run or as printed on cards.
fn groups(number: &Number) -> Option<usize> {
    let lengths = number.lengths();
    let count = match lengths {
        [12..=19, ..] => 1,
        [4, 4, 4, 4, 3, ..] => 5,
        [4, 4, 4, 4, ..] => 4,
        [4, 6, 4 | 5, ..] => 3,
        [6, 10 | 13, ..] | [8, 8, ..] => 2,
        [4, 4, 4, 1, ..] | [4, 3, 3, 3, ..] => 4,
        _ => return None,
    };
    let first = number.gaps(2).first().copied();
    let even = matches!(first, Some(Gap::Space | Gap::Hyphen | Gap::Dot))
        && first.is_some_and(|gap| number.all_gaps(count, gap));
    (count == 1 || even).then_some(count)
}

/// Whether an issuer range covers the number: `Some(true)` where the network and length are in everyday use.
fn network(digits: &[u8]) -> Option<bool> {
    let head = |count: usize| {
        digits.get(..count).unwrap_or(&[]).iter().fold(0_u32, |sum, &digit| sum * 10 + u32::from(digit))
    };
    let (two, three, four) = (head(2), head(3), head(4));
    let length = digits.len();
    match length {
        // Visa, Mastercard (both series), Discover, JCB, UnionPay, Mir, RuPay, Troy, Verve, Elo, Hipercard
        16 if digits.first() == Some(&4) || (51..=55).contains(&two) || (2221..=2720).contains(&four) => {
            Some(true)
        }
        16 if four == 6011 || (644..=649).contains(&three) || two == 65 || (3528..=3589).contains(&four) => {
            Some(true)
        }
        16 if two == 62 || two == 81 || (2200..=2204).contains(&four) || four == 9792 => Some(true),
        15 if two == 34 || two == 37 || four == 2131 || four == 1800 => Some(true),
        14 if (300..=305).contains(&three) || three == 309 || two == 36 || two == 38 || two == 39 => {
            Some(true)
        }
        17..=19 if two == 62 => Some(true),
        // Visa's old and new lengths, Maestro, Diners with 16 digits
        13 | 18 | 19 if digits.first() == Some(&4) => Some(false),
        12..=19 if two == 50 || (56..=69).contains(&two) || four == 604 => Some(false),
        // JCB names 3528 to 3589 only; generators fill all of 35
        16..=19 if two == 35 || two == 36 || two == 38 || two == 39 => Some(false),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use crate::validators::tests::{found, nothing};

    #[test]
    fn hits() {
        for (text, value) in [
            ("4111111111111111", "4111111111111111"),
            ("card 4111 1111 1111 1111 exp 12/27", "4111 1111 1111 1111"),
            ("5555-5555-5555-4444.", "5555-5555-5555-4444"),
            ("amex 3782 822463 10005", "3782 822463 10005"),
            ("30569309025904", "30569309025904"),
            ("6011111111111117", "6011111111111117"),
            ("2223003122003222", "2223003122003222"),
            ("my card 630415405202", "630415405202"),
            ("visa 4222222222222", "4222222222222"),
            ("3530111333300000", "3530111333300000"),
            ("卡号4111111111111111。", "4111111111111111"),
            ("2200 0000 0000 0004", "2200 0000 0000 0004"),
        ] {
            found(text, "pii.credit_card", value);
        }
    }

    #[test]
    fn near_misses() {
        for text in [
            "4111111111111112",
            "Order 4111111111111111X shipped",
            "0.4111111111111111",
            "41111111111111110000000",
            "4222222222222",
            "9999 9999 9999 9995",
            "4111 1111 1111 1111 2222 3333",
            "id_4111111111111111",
            "37c9731b-b09d-4111111111111111",
            "1700000000000",
        ] {
            nothing(text, "pii.credit_card");
        }
    }
}
