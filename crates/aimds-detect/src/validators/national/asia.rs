//! Asia and the Middle East.

use super::super::checksum::{luhn, value, verhoeff, weighted};
use super::super::context::Topic;
use super::super::date::possible;
use super::super::number::Gap;
use super::{Digits, pair, remainder, resident, varied};

/// The formats.
pub(super) const DIGITS: &[Digits] = &[
    Digits {
        topic: Topic::Aadhaar,
        shapes: &[&[4, 4, 4], &[12]],
        own: &[Gap::Space, Gap::Space],
        check: |d| matches!(d.first(), Some(2..=9)) && verhoeff(d),
        alone: (0.55, 0.0),
        explanation: "an Indian Aadhaar number: Verhoeff check digit",
    },
    Digits {
        topic: Topic::ResidentId,
        shapes: &[&[18]],
        own: &[],
        check: |d| resident(d, d.last().map_or(10, |&digit| u32::from(digit))),
        alone: (0.0, 0.95),
        explanation: "a Chinese resident identity number: region, date and mod 11-2 check",
    },
    Digits {
        topic: Topic::Rrn,
        shapes: &[&[6, 7], &[13]],
        own: &[Gap::Hyphen],
        check: |d| {
            let rest = weighted(d, &[2, 3, 4, 5, 6, 7, 8, 9, 2, 3, 4, 5]) % 11;
            possible(pair(d, 0), pair(d, 2), pair(d, 4))
                && d.get(12).map(|&digit| u32::from(digit)) == Some((11 - rest) % 10)
        },
        alone: (0.93, 0.0),
        explanation: "a Korean resident registration number: date and check digit",
    },
    Digits {
        // numbers issued since October 2020 carry no check digit
        topic: Topic::Rrn,
        shapes: &[&[6, 7]],
        own: &[],
        check: |d| possible(pair(d, 0), pair(d, 2), pair(d, 4)) && matches!(d.get(6), Some(1..=8)),
        alone: (0.0, 0.0),
        explanation: "a Korean resident registration number: date, named nearby",
    },
    Digits {
        topic: Topic::MyNumber,
        shapes: &[&[4, 4, 4], &[12]],
        own: &[],
        check: |d| {
            varied(d)
                && remainder(
                    d,
                    &[6, 5, 4, 3, 2, 7, 6, 5, 4, 3, 2],
                    11,
                    |rest| if rest < 2 { 0 } else { 11 - rest },
                )
        },
        alone: (0.0, 0.0),
        explanation: "a Japanese individual number (My Number): mod 11 check digit, named nearby",
    },
    Digits {
        topic: Topic::ThaiId,
        shapes: &[&[1, 4, 5, 2, 1], &[13]],
        own: &[Gap::Hyphen, Gap::Hyphen, Gap::Hyphen, Gap::Hyphen],
        check: |d| {
            d.first() != Some(&0)
                && remainder(d, &[13, 12, 11, 10, 9, 8, 7, 6, 5, 4, 3, 2], 11, |rest| (11 - rest) % 10)
        },
        alone: (0.93, 0.0),
        explanation: "a Thai identity number: mod 11 check digit",
    },
    Digits {
        topic: Topic::MyKad,
        shapes: &[&[6, 2, 4], &[12]],
        own: &[],
        check: |d| possible(pair(d, 0), pair(d, 2), pair(d, 4)) && pair(d, 6) > 0,
        alone: (0.0, 0.0),
        explanation: "a Malaysian MyKad number: date, named nearby",
    },
    Digits {
        topic: Topic::Nik,
        shapes: &[&[16]],
        own: &[],
        check: |d| {
            (11..=94).contains(&pair(d, 0))
                && possible(
                    pair(d, 10),
                    pair(d, 8),
                    if pair(d, 6) > 40 { pair(d, 6) - 40 } else { pair(d, 6) },
                )
        },
        alone: (0.0, 0.0),
        explanation: "an Indonesian NIK: province and date, named nearby",
    },
    Digits {
        topic: Topic::Cnic,
        shapes: &[&[5, 7, 1], &[13]],
        own: &[Gap::Hyphen, Gap::Hyphen],
        check: |d| matches!(d.first(), Some(1..=7)),
        alone: (0.55, 0.0),
        explanation: "a Pakistani CNIC: grouping",
    },
    Digits {
        topic: Topic::IsraelId,
        shapes: &[&[9]],
        own: &[],
        check: |d| varied(d) && luhn(d),
        alone: (0.0, 0.0),
        explanation: "an Israeli identity number: Luhn check digit, named nearby",
    },
    Digits {
        topic: Topic::EmiratesId,
        shapes: &[&[3, 4, 7, 1], &[15]],
        own: &[Gap::Hyphen, Gap::Hyphen, Gap::Hyphen],
        check: |d| {
            d.starts_with(&[7, 8, 4]) && (1900..=2100).contains(&value(d.get(3..7).unwrap_or(&[]))) && luhn(d)
        },
        alone: (0.95, 0.0),
        explanation: "an Emirates ID: year and Luhn check digit",
    },
    Digits {
        topic: Topic::SaudiId,
        shapes: &[&[10]],
        own: &[],
        check: |d| matches!(d.first(), Some(1 | 2)) && luhn(d),
        alone: (0.0, 0.0),
        explanation: "a Saudi identity or residence number: Luhn check digit, named nearby",
    },
];

#[cfg(test)]
mod tests {
    use crate::validators::tests::{found, nothing};

    #[test]
    fn hits() {
        for (text, value) in [
            ("Aadhaar 2341 2341 2346", "2341 2341 2346"),
            ("주민등록번호 900101-1234568", "900101-1234568"),
            ("マイナンバー 2245 3832 3646", "2245 3832 3646"),
            ("1-0562-24154-99-4", "1-0562-24154-99-4"),
            ("MyKad 850315-14-5678", "850315-14-5678"),
            ("NIK: 3174055503900001", "3174055503900001"),
            ("CNIC 35202-1234567-1", "35202-1234567-1"),
            ("תעודת זהות 039337423", "039337423"),
            ("784-1984-1234567-4", "784-1984-1234567-4"),
            ("Iqama 1023456781", "1023456781"),
        ] {
            found(text, "pii.national_id", value);
        }
    }

    #[test]
    fn near_misses() {
        for text in [
            "Aadhaar 2341 2341 2347",
            "110105194912310021",
            "マイナンバー 2245 3832 3647",
            "1-0562-24154-99-5",
            "MyKad 851315-14-5678",
            "NIK: 3174059913900001",
            "תעודת זהות 039337424",
            "784-1984-1234567-5",
            "Iqama 1023456782",
            "039337423",
            "1023456781",
        ] {
            nothing(text, "pii.national_id");
        }
    }
}
