//! Western and southern Europe.

use super::super::checksum::{mod11_10, value, weighted};
use super::super::context::Topic;
use super::super::date::possible;
use super::super::number::Gap;
use super::{Digits, digit, pair, remainder, varied};

/// The formats.
pub(super) const DIGITS: &[Digits] = &[
    Digits {
        topic: Topic::Nhs,
        shapes: &[&[3, 3, 4], &[10]],
        own: &[],
        check: |d| remainder(d, &[10, 9, 8, 7, 6, 5, 4, 3, 2], 11, |rest| (11 - rest) % 11),
        alone: (0.0, 0.0),
        explanation: "a UK NHS number: mod 11 check digit, named nearby",
    },
    Digits {
        topic: Topic::Nir,
        shapes: &[&[15], &[13, 2], &[1, 2, 2, 2, 3, 3, 2]],
        own: &[],
        check: |d| {
            let (number, key) = (value(d.get(..13).unwrap_or(&[])), value(d.get(13..).unwrap_or(&[])));
            let month = value(d.get(3..5).unwrap_or(&[]));
            matches!(d.first(), Some(1..=4 | 7 | 8))
                && matches!(month, 1..=12 | 20..=42 | 50..=99)
                && 97 - number % 97 == key
        },
        alone: (0.95, 0.85),
        explanation: "a French social security number (NIR): mod 97 key",
    },
    Digits {
        topic: Topic::SteuerId,
        shapes: &[&[11], &[2, 3, 3, 3]],
        own: &[],
        check: |d| {
            let repeated =
                (0..10).filter(|digit| d.iter().take(10).filter(|other| *other == digit).count() > 1).count();
            d.first() != Some(&0) && (1..=2).contains(&repeated) && mod11_10(d)
        },
        alone: (0.0, 0.0),
        explanation: "a German tax identification number: mod 11,10 check digit, named nearby",
    },
    Digits {
        topic: Topic::Bsn,
        shapes: &[&[9], &[4, 2, 3], &[3, 3, 3], &[8]],
        own: &[],
        check: |d| {
            let mut full = [0_u8; 9];
            for (slot, digit) in full.iter_mut().rev().zip(d.iter().rev()) {
                *slot = *digit;
            }
            let (sum, last) = (weighted(&full, &[9, 8, 7, 6, 5, 4, 3, 2]), u32::from(full[8]));
            sum > 0 && (sum + 10 * last).is_multiple_of(11)
        },
        alone: (0.0, 0.0),
        explanation: "a Dutch citizen service number (BSN): 11-test, named nearby",
    },
    Digits {
        topic: Topic::Nif,
        shapes: &[&[9], &[3, 3, 3]],
        own: &[],
        check: |d| {
            matches!(d.first(), Some(1..=3 | 5..=9))
                && remainder(d, &[9, 8, 7, 6, 5, 4, 3, 2], 11, |rest| if rest < 2 { 0 } else { 11 - rest })
        },
        alone: (0.0, 0.0),
        explanation: "a Portuguese NIF: mod 11 check digit, named nearby",
    },
    Digits {
        topic: Topic::Identity,
        shapes: &[&[3, 4, 4, 2], &[13]],
        own: &[Gap::Dot, Gap::Dot, Gap::Dot],
        check: |d| {
            d.starts_with(&[7, 5, 6])
                && remainder(d, &[1, 3, 1, 3, 1, 3, 1, 3, 1, 3, 1, 3], 10, |rest| (10 - rest) % 10)
        },
        alone: (0.95, 0.0),
        explanation: "a Swiss AHV number: EAN-13 check digit",
    },
    Digits {
        topic: Topic::Identity,
        shapes: &[&[2, 2, 2, 3, 2], &[11]],
        own: &[Gap::Dot, Gap::Dot, Gap::Hyphen, Gap::Dot],
        check: |d| {
            let (number, key) = (value(d.get(..9).unwrap_or(&[])), value(d.get(9..).unwrap_or(&[])));
            possible(pair(d, 0), pair(d, 2), pair(d, 4))
                && (97 - number % 97 == key || 97 - (2_000_000_000 + number) % 97 == key)
        },
        alone: (0.95, 0.0),
        explanation: "a Belgian national number: date and mod 97 key",
    },
    Digits {
        topic: Topic::Svnr,
        shapes: &[&[4, 6], &[10]],
        own: &[],
        check: |d| {
            d.first() != Some(&0)
                && possible(pair(d, 8), pair(d, 6) % 12 + 12 * u64::from(pair(d, 6) % 12 == 0), pair(d, 4))
                && weighted(d, &[3, 7, 9, 0, 5, 8, 4, 2, 1, 6]) % 11 == digit(d, 3)
        },
        alone: (0.0, 0.0),
        explanation: "an Austrian social insurance number: date and mod 11 check digit, named nearby",
    },
    Digits {
        topic: Topic::Afm,
        shapes: &[&[9]],
        own: &[],
        check: |d| varied(d) && remainder(d, &[256, 128, 64, 32, 16, 8, 4, 2], 11, |rest| rest % 10),
        alone: (0.0, 0.0),
        explanation: "a Greek tax number (AFM): mod 11 check digit, named nearby",
    },
];

#[cfg(test)]
mod tests {
    use crate::validators::tests::{found, nothing};

    #[test]
    fn hits() {
        for (text, value) in [
            ("NHS number 943 476 5919", "943 476 5919"),
            ("1 85 05 78 006 084 91", "1 85 05 78 006 084 91"),
            ("Steuer-ID: 86095742719", "86095742719"),
            ("BSN 111222333", "111222333"),
            ("NIF 123456789", "123456789"),
            ("756.9217.0769.85", "756.9217.0769.85"),
            ("85.07.30-033.28", "85.07.30-033.28"),
            ("Sozialversicherungsnummer 7372 010180", "7372 010180"),
            ("ΑΦΜ: 094580733", "094580733"),
        ] {
            found(text, "pii.national_id", value);
        }
    }

    #[test]
    fn near_misses() {
        for text in [
            "943 476 5919",
            "NHS number 943 476 5918",
            "86095742719",
            "BSN 111222334",
            "756.9217.0769.86",
            "7372010180",
            "ΑΦΜ: 094580734",
        ] {
            nothing(text, "pii.national_id");
        }
    }
}
