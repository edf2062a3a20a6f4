//! Australia, New Zealand, South Africa.

use super::super::checksum::{luhn, weighted};
use super::super::context::Topic;
use super::super::date::possible;
use super::super::number::Gap;
use super::{Digits, pair, remainder, varied};

/// The formats.
pub(super) const DIGITS: &[Digits] = &[
    Digits {
        topic: Topic::Tfn,
        shapes: &[&[3, 3, 3], &[9]],
        own: &[],
        check: |d| varied(d) && weighted(d, &[1, 4, 3, 7, 5, 8, 6, 9, 10]).is_multiple_of(11),
        alone: (0.0, 0.0),
        explanation: "an Australian tax file number: mod 11 check, named nearby",
    },
    Digits {
        topic: Topic::Abn,
        shapes: &[&[2, 3, 3, 3], &[11]],
        own: &[Gap::Space, Gap::Space, Gap::Space],
        check: |d| {
            let sum = weighted(d, &[10, 1, 3, 5, 7, 9, 11, 13, 15, 17, 19]);
            d.first() != Some(&0) && (sum - 10).is_multiple_of(89)
        },
        alone: (0.55, 0.0),
        explanation: "an Australian business number: mod 89 check",
    },
    Digits {
        topic: Topic::SouthAfrica,
        shapes: &[&[13], &[6, 4, 3]],
        own: &[],
        check: |d| {
            possible(pair(d, 0), pair(d, 2), pair(d, 4)) && matches!(d.get(10), Some(0 | 1)) && luhn(d)
        },
        alone: (0.0, 0.0),
        explanation: "a South African identity number: date and Luhn check digit, named nearby",
    },
    Digits {
        topic: Topic::Ird,
        shapes: &[&[2, 3, 3], &[3, 3, 3], &[8], &[9]],
        own: &[],
        check: |d| ird(d),
        alone: (0.0, 0.0),
        explanation: "a New Zealand tax number (IRD): mod 11 check digit, named nearby",
    },
    Digits {
        topic: Topic::Medicare,
        shapes: &[&[4, 5, 1], &[10]],
        own: &[],
        check: |d| {
            matches!(d.first(), Some(2..=6)) && remainder(d, &[1, 3, 7, 9, 1, 3, 7, 9], 10, |rest| rest)
        },
        alone: (0.0, 0.0),
        explanation: "an Australian Medicare number: check digit, named nearby",
    },
];

/// Inland Revenue of New Zealand: a second row of weights where the first one leaves ten.
fn ird(digits: &[u8]) -> bool {
    let mut full = [0_u8; 9];
    for (slot, digit) in full.iter_mut().rev().zip(digits.iter().rev()) {
        *slot = *digit;
    }
    let check = |weights: &[u32]| (11 - weighted(&full, weights) % 11) % 11;
    let check = match check(&[3, 2, 7, 6, 5, 4, 3, 2]) {
        10 => check(&[7, 4, 3, 2, 5, 2, 7, 6]),
        check => check,
    };
    varied(digits) && full.last().is_some_and(|&last| u32::from(last) == check)
}

#[cfg(test)]
mod tests {
    use crate::validators::tests::{found, nothing};

    #[test]
    fn hits() {
        for (text, value) in [
            ("TFN 123 456 782", "123 456 782"),
            ("ABN 51 824 753 556", "51 824 753 556"),
            ("South African ID 8001015009087", "8001015009087"),
            ("IRD number 49-091-850", "49-091-850"),
            ("Medicare 2095145441", "2095145441"),
        ] {
            found(text, "pii.national_id", value);
        }
    }

    #[test]
    fn near_misses() {
        for text in [
            "TFN 123 456 783",
            "ABN 51 824 753 557",
            "8001015009087",
            "IRD number 49-091-851",
            "2095145441",
            "Medicare 2095145451",
        ] {
            nothing(text, "pii.national_id");
        }
    }
}
