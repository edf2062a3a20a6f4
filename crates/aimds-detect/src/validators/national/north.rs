//! The Nordic and Baltic countries.

use super::super::checksum::{luhn, weighted};
use super::super::context::Topic;
use super::super::date::possible;
use super::super::number::Gap;
use super::{Digits, digit, pair, remainder, twice};

/// The formats.
pub(super) const DIGITS: &[Digits] = &[
    Digits {
        topic: Topic::Personnummer,
        shapes: &[&[6, 4], &[8, 4], &[10], &[12]],
        own: &[Gap::Hyphen],
        check: |d| {
            let ten = d.get(d.len().saturating_sub(10)..).unwrap_or(&[]);
            let (year, month, day) = (pair(ten, 0), pair(ten, 2), pair(ten, 4));
            let century = d.len() == 10 || matches!(pair(d, 0), 18..=20);
            century && possible(year, month, if day > 60 { day - 60 } else { day }) && luhn(ten)
        },
        alone: (0.85, 0.0),
        explanation: "a Swedish personnummer: date and Luhn check digit",
    },
    Digits {
        topic: Topic::Personnummer,
        shapes: &[&[6, 4]],
        own: &[],
        check: |d| possible(pair(d, 4), pair(d, 2), pair(d, 0)),
        alone: (0.0, 0.0),
        explanation: "a Danish CPR number: date, named nearby",
    },
    Digits {
        topic: Topic::Personnummer,
        shapes: &[&[11], &[6, 5]],
        own: &[],
        check: |d| {
            let (day, month) = (pair(d, 0) % 40, pair(d, 2) % 40);
            possible(pair(d, 4), month, day)
                && weighted(d, &[3, 7, 6, 1, 8, 9, 4, 5, 2, 1]).is_multiple_of(11)
                && weighted(d, &[5, 4, 3, 2, 7, 6, 5, 4, 3, 2, 1]).is_multiple_of(11)
        },
        alone: (0.0, 0.0),
        explanation: "a Norwegian birth number: date and both mod 11 check digits, named nearby",
    },
    Digits {
        topic: Topic::Kennitala,
        shapes: &[&[6, 4], &[10]],
        own: &[],
        check: |d| {
            possible(pair(d, 4), pair(d, 2), pair(d, 0))
                && matches!(d.last(), Some(0 | 8 | 9))
                && remainder(d, &[3, 2, 7, 6, 5, 4, 3, 2], 11, |rest| (11 - rest) % 11)
        },
        alone: (0.0, 0.0),
        explanation: "an Icelandic kennitala: date and mod 11 check digit, named nearby",
    },
    Digits {
        topic: Topic::Baltic,
        shapes: &[&[11]],
        own: &[],
        check: |d| {
            matches!(d.first(), Some(1..=8))
                && possible(pair(d, 1), pair(d, 3), pair(d, 5))
                && twice(d, &[1, 2, 3, 4, 5, 6, 7, 8, 9, 1], &[3, 4, 5, 6, 7, 8, 9, 1, 2, 3])
        },
        alone: (0.0, 0.0),
        explanation: "an Estonian or Lithuanian personal code: date and mod 11 check digit, named nearby",
    },
    Digits {
        topic: Topic::Baltic,
        shapes: &[&[6, 5], &[11]],
        own: &[],
        check: |d| {
            (d.starts_with(&[3, 2]) || possible(pair(d, 4), pair(d, 2), pair(d, 0)))
                && digit(d, 10) == (1101 - weighted(d, &[1, 6, 3, 7, 9, 10, 5, 8, 4, 2])) % 11 % 10
        },
        alone: (0.0, 0.0),
        explanation: "a Latvian personal code: mod 11 check digit, named nearby",
    },
];

#[cfg(test)]
mod tests {
    use crate::validators::tests::{found, nothing};

    #[test]
    fn hits() {
        for (text, value) in [
            ("811218-9876", "811218-9876"),
            ("fødselsnummer 01010112377", "01010112377"),
            ("kennitala: 120174-3399", "120174-3399"),
            ("isikukood 37605030299", "37605030299"),
            ("personas kods 161175-10212", "161175-10212"),
        ] {
            found(text, "pii.national_id", value);
        }
    }

    #[test]
    fn near_misses() {
        for text in [
            "811218-9875",
            "kennitala: 120174-3389",
            "37605030299",
            "isikukood 37605030290",
            "personas kods 161175-10213",
        ] {
            nothing(text, "pii.national_id");
        }
    }
}
