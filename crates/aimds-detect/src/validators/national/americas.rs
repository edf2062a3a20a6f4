//! The Americas.

use super::super::checksum::luhn;
use super::super::context::Topic;
use super::super::number::Gap;
use super::{Digits, digit, pair, remainder, varied};

/// The formats.
pub(super) const DIGITS: &[Digits] = &[
    Digits {
        topic: Topic::Cpf,
        shapes: &[&[3, 3, 3, 2], &[11]],
        own: &[Gap::Dot, Gap::Dot, Gap::Hyphen],
        check: |d| {
            let check = |rest: u32| if rest < 2 { 0 } else { 11 - rest };
            varied(d)
                && remainder(d, &[10, 9, 8, 7, 6, 5, 4, 3, 2], 11, check)
                && remainder(d, &[11, 10, 9, 8, 7, 6, 5, 4, 3, 2], 11, check)
        },
        alone: (0.95, 0.0),
        explanation: "a Brazilian CPF: both mod 11 check digits",
    },
    Digits {
        topic: Topic::Cpf,
        shapes: &[&[2, 3, 3, 4, 2], &[14]],
        own: &[Gap::Dot, Gap::Dot, Gap::Slash, Gap::Hyphen],
        check: |d| {
            let check = |rest: u32| if rest < 2 { 0 } else { 11 - rest };
            varied(d)
                && remainder(d, &[5, 4, 3, 2, 9, 8, 7, 6, 5, 4, 3, 2], 11, check)
                && remainder(d, &[6, 5, 4, 3, 2, 9, 8, 7, 6, 5, 4, 3, 2], 11, check)
        },
        alone: (0.95, 0.0),
        explanation: "a Brazilian CNPJ: both mod 11 check digits",
    },
    Digits {
        topic: Topic::Sin,
        shapes: &[&[3, 3, 3], &[9]],
        own: &[],
        check: |d| !matches!(d.first(), None | Some(0 | 8)) && luhn(d),
        alone: (0.0, 0.0),
        explanation: "a Canadian social insurance number: Luhn check digit, named nearby",
    },
    Digits {
        topic: Topic::Cuit,
        shapes: &[&[2, 8, 1], &[11]],
        own: &[Gap::Hyphen, Gap::Hyphen],
        check: |d| {
            matches!(pair(d, 0), 20 | 23..=27 | 30 | 33 | 34)
                && remainder(d, &[5, 4, 3, 2, 7, 6, 5, 4, 3, 2], 11, |rest| match rest {
                    0 => 0,
                    1 => 9,
                    rest => 11 - rest,
                })
        },
        alone: (0.92, 0.0),
        explanation: "an Argentine CUIT or CUIL: mod 11 check digit",
    },
    Digits {
        topic: Topic::Cedula,
        shapes: &[&[10]],
        own: &[],
        check: |d| matches!(pair(d, 0), 1..=24) && digit(d, 2) < 6 && luhn(d),
        alone: (0.0, 0.0),
        explanation: "an Ecuadorian cédula: province and Luhn check digit, named nearby",
    },
    Digits {
        topic: Topic::Cedula,
        shapes: &[&[1, 3, 3, 1], &[8]],
        own: &[Gap::Dot, Gap::Dot, Gap::Hyphen],
        check: |d| varied(d) && remainder(d, &[2, 9, 8, 7, 6, 3, 4], 10, |rest| (10 - rest) % 10),
        alone: (0.6, 0.0),
        explanation: "a Uruguayan cédula: check digit",
    },
];

#[cfg(test)]
mod tests {
    use crate::validators::tests::{found, nothing};

    #[test]
    fn hits() {
        for (text, value) in [
            ("529.982.247-25", "529.982.247-25"),
            ("CPF 52998224725", "52998224725"),
            ("11.222.333/0001-81", "11.222.333/0001-81"),
            ("SIN 130 692 544", "130 692 544"),
            ("20-12345678-6", "20-12345678-6"),
            ("CUIL 20123456786", "20123456786"),
            ("cédula 1710034065", "1710034065"),
            ("1.234.567-2", "1.234.567-2"),
        ] {
            found(text, "pii.national_id", value);
        }
    }

    #[test]
    fn near_misses() {
        for text in [
            "529.982.247-26",
            "52998224725",
            "CPF 111.111.111-11",
            "11.222.333/0001-82",
            "SIN 130 692 545",
            "20-12345678-7",
            "20123456786",
            "cédula 1710034066",
            "1.234.567-3",
        ] {
            nothing(text, "pii.national_id");
        }
    }
}
