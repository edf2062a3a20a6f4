//! Central and eastern Europe, Turkey, Kazakhstan.

use super::super::checksum::{mod11_10, value, weighted};
use super::super::context::Topic;
use super::super::date::possible;
use super::super::number::Gap;
use super::{Digits, pair, remainder, twice, varied};

/// The formats.
pub(super) const DIGITS: &[Digits] = &[
    Digits {
        topic: Topic::Pesel,
        shapes: &[&[11]],
        own: &[],
        check: |d| {
            let (year, month, day) = (pair(d, 0), pair(d, 2), pair(d, 4));
            possible(year, month % 20, day)
                && remainder(d, &[1, 3, 7, 9, 1, 3, 7, 9, 1, 3], 10, |rest| (10 - rest) % 10)
        },
        alone: (0.0, 0.0),
        explanation: "a Polish PESEL: date and check digit, named nearby",
    },
    Digits {
        topic: Topic::Rodne,
        shapes: &[&[6, 4], &[10]],
        own: &[Gap::Slash],
        check: |d| {
            let month = pair(d, 2);
            possible(
                pair(d, 0),
                [0, 50, 20, 70]
                    .into_iter()
                    .map(|more| month.wrapping_sub(more))
                    .find(|month| matches!(month, 1..=12))
                    .unwrap_or(0),
                pair(d, 4),
            ) && (value(d).is_multiple_of(11)
                || value(d.get(..9).unwrap_or(&[])) % 11 == 10 && d.last() == Some(&0))
        },
        alone: (0.9, 0.0),
        explanation: "a Czech or Slovak birth number: date, divisible by 11",
    },
    Digits {
        topic: Topic::Cnp,
        shapes: &[&[13]],
        own: &[],
        check: |d| {
            matches!(d.first(), Some(1..=9))
                && possible(pair(d, 1), pair(d, 3), pair(d, 5))
                && remainder(
                    d,
                    &[2, 7, 9, 1, 4, 6, 3, 5, 8, 2, 7, 9],
                    11,
                    |rest| if rest == 10 { 1 } else { rest },
                )
        },
        alone: (0.0, 0.0),
        explanation: "a Romanian personal code (CNP): date and mod 11 check digit, named nearby",
    },
    Digits {
        topic: Topic::Egn,
        shapes: &[&[10]],
        own: &[],
        check: |d| {
            let month = pair(d, 2);
            possible(
                pair(d, 0),
                month
                    - if month > 40 {
                        40
                    } else if month > 20 {
                        20
                    } else {
                        0
                    },
                pair(d, 4),
            ) && remainder(d, &[2, 4, 8, 5, 10, 9, 7, 3, 6], 11, |rest| rest % 10)
        },
        alone: (0.0, 0.0),
        explanation: "a Bulgarian personal number (EGN): date and mod 11 check digit, named nearby",
    },
    Digits {
        topic: Topic::Oib,
        shapes: &[&[11]],
        own: &[],
        check: |d| mod11_10(d),
        alone: (0.0, 0.0),
        explanation: "a Croatian personal number (OIB): mod 11,10 check digit, named nearby",
    },
    Digits {
        topic: Topic::Jmbg,
        shapes: &[&[13]],
        own: &[],
        check: |d| {
            possible(pair(d, 5), pair(d, 2), pair(d, 0))
                && remainder(d, &[7, 6, 5, 4, 3, 2, 7, 6, 5, 4, 3, 2], 11, |rest| (11 - rest) % 11)
        },
        alone: (0.0, 0.0),
        explanation: "a personal number of the former Yugoslavia (JMBG, EMŠO): date and mod 11 check digit, named nearby",
    },
    Digits {
        topic: Topic::Taj,
        shapes: &[&[3, 3, 3], &[9]],
        own: &[],
        check: |d| varied(d) && remainder(d, &[3, 7, 3, 7, 3, 7, 3, 7], 10, |rest| rest),
        alone: (0.0, 0.0),
        explanation: "a Hungarian social security number (TAJ): check digit, named nearby",
    },
    Digits {
        topic: Topic::Rnokpp,
        shapes: &[&[10]],
        own: &[],
        check: |d| varied(d) && remainder(d, &[10, 5, 7, 9, 4, 6, 10, 5, 7], 11, |rest| rest % 10),
        alone: (0.0, 0.0),
        explanation: "a Ukrainian taxpayer number: mod 11 check digit, named nearby",
    },
    Digits {
        topic: Topic::Inn,
        shapes: &[&[12]],
        own: &[],
        check: |d| {
            varied(d)
                && remainder(d, &[7, 2, 4, 10, 3, 5, 9, 4, 6, 8], 11, |rest| rest % 10)
                && remainder(d, &[3, 7, 2, 4, 10, 3, 5, 9, 4, 6, 8], 11, |rest| rest % 10)
        },
        alone: (0.0, 0.0),
        explanation: "a Russian taxpayer number (INN): both mod 11 check digits, named nearby",
    },
    Digits {
        topic: Topic::Snils,
        shapes: &[&[3, 3, 3, 2], &[11]],
        own: &[Gap::Hyphen, Gap::Hyphen, Gap::Space],
        check: |d| varied(d) && weighted(d, &[9, 8, 7, 6, 5, 4, 3, 2, 1]) % 101 % 100 == pair(d, 9) as u32,
        alone: (0.9, 0.0),
        explanation: "a Russian insurance number (SNILS): mod 101 check",
    },
    Digits {
        topic: Topic::Iin,
        shapes: &[&[12]],
        own: &[],
        check: |d| {
            possible(pair(d, 0), pair(d, 2), pair(d, 4))
                && twice(d, &[1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11], &[3, 4, 5, 6, 7, 8, 9, 10, 11, 1, 2])
        },
        alone: (0.0, 0.0),
        explanation: "a Kazakh individual number (IIN): date and mod 11 check digit, named nearby",
    },
    Digits {
        topic: Topic::Tckn,
        shapes: &[&[11]],
        own: &[],
        check: |d| {
            let odd: u32 = d.iter().take(9).step_by(2).map(|&digit| u32::from(digit)).sum();
            let even: u32 = d.iter().take(8).skip(1).step_by(2).map(|&digit| u32::from(digit)).sum();
            let total: u32 = d.iter().take(10).map(|&digit| u32::from(digit)).sum();
            let last = |index: usize| d.get(index).map_or(99, |&digit| u32::from(digit));
            d.first() != Some(&0) && (odd * 7 + 90 - even) % 10 == last(9) && total % 10 == last(10)
        },
        alone: (0.0, 0.0),
        explanation: "a Turkish identity number (TCKN): both check digits, named nearby",
    },
];

#[cfg(test)]
mod tests {
    use crate::validators::tests::{found, nothing};

    #[test]
    fn hits() {
        for (text, value) in [
            ("PESEL 44051401359", "44051401359"),
            ("TC Kimlik 10000000146", "10000000146"),
            ("785506/5735", "785506/5735"),
            ("rodné číslo 7855065735", "7855065735"),
            ("CNP 1800101221144", "1800101221144"),
            ("ЕГН 7523169263", "7523169263"),
            ("OIB: 33392005961", "33392005961"),
            ("JMBG 0101006500006", "0101006500006"),
            ("TAJ szám: 168 193 035", "168 193 035"),
            ("РНОКПП 3642621295", "3642621295"),
            ("ИНН 509722003314", "509722003314"),
            ("СНИЛС 112-233-445 95", "112-233-445 95"),
            ("112-233-445 95", "112-233-445 95"),
            ("ИИН 850315300128", "850315300128"),
        ] {
            found(text, "pii.national_id", value);
        }
    }

    #[test]
    fn near_misses() {
        for text in [
            "PESEL 44051401358",
            "TC Kimlik 10000000147",
            "785506/5736",
            "1800101221144",
            "CNP 1800101221145",
            "ЕГН 7523169264",
            "OIB: 33392005962",
            "JMBG 0101006500007",
            "TAJ szám: 168 193 036",
            "РНОКПП 3642621296",
            "ИНН 509722003315",
            "112-233-445 96",
            "ИИН 850315300129",
        ] {
            nothing(text, "pii.national_id");
        }
    }
}
