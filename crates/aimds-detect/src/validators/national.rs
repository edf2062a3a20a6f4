//! National identity and tax numbers: the check digits each authority publishes. Numbers whose check is weak (one
//! digit in ten passes) count only beside a word that names them.

use super::checksum::{luhn, mod11_10, value, verhoeff, weighted};
use super::context::Topic;
use super::date::possible;
use super::number::{Gap, Number};
use super::{Around, Hit, Input, Kind, PiiKind, ends_cleanly, starts_cleanly};

/// A number of digits only.
struct Digits {
    /// The word that names it.
    topic: Topic,
    /// Lengths of its groups, in every customary writing.
    shapes: &'static [&'static [u8]],
    /// The gaps that are its own: with them it counts without context.
    own: &'static [Gap],
    /// Whether digits are possible.
    check: fn(&[u8]) -> bool,
    /// Confidence without context: in its own grouping, and as one run; zero for not at all.
    alone: (f32, f32),
    explanation: &'static str,
}

const DIGITS: &[Digits] = &[
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
        topic: Topic::Sin,
        shapes: &[&[3, 3, 3], &[9]],
        own: &[],
        check: |d| !matches!(d.first(), None | Some(0 | 8)) && luhn(d),
        alone: (0.0, 0.0),
        explanation: "a Canadian social insurance number: Luhn check digit, named nearby",
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
        topic: Topic::SouthAfrica,
        shapes: &[&[13], &[6, 4, 3]],
        own: &[],
        check: |d| {
            possible(pair(d, 0), pair(d, 2), pair(d, 4)) && matches!(d.get(10), Some(0 | 1)) && luhn(d)
        },
        alone: (0.0, 0.0),
        explanation: "a South African identity number: date and Luhn check digit, named nearby",
    },
];

/// The formats, as bits, by the length of their first group: most numbers begin like none.
#[expect(clippy::indexing_slicing, reason = "evaluated by the compiler, which would refuse to build")]
static BY_FIRST: [u32; 32] = {
    let mut formats = [0; 32];
    let mut index = 0;
    while index < DIGITS.len() {
        let mut shape = 0;
        while shape < DIGITS[index].shapes.len() {
            formats[DIGITS[index].shapes[shape][0] as usize] |= 1 << index;
            shape += 1;
        }
        index += 1;
    }
    formats
};

/// The number that begins with the first group of `number`.
pub(super) fn digits(input: Input<'_>, number: &Number, around: &mut Around<'_>) -> Option<Hit> {
    lettered(input, number).or_else(|| {
        if number.digits(number.groups()).len() < 8 || !starts_cleanly(input, number.start) {
            return None;
        }
        let mut best: Option<Hit> = None;
        let first = number.lengths().first().map_or(0, |&first| usize::from(first));
        let mut formats = BY_FIRST.get(first).copied().unwrap_or(0);
        while let Some(format) = DIGITS.get(formats.trailing_zeros() as usize) {
            formats &= formats - 1;
            // Compared byte by byte: nearly all differ in the first one.
            let begins = |shape: &&&[u8]| {
                shape.len() <= number.groups() && shape.iter().zip(number.lengths()).all(|(a, b)| a == b)
            };
            let Some(shape) = format.shapes.iter().find(begins) else {
                continue;
            };
            let groups = shape.len();
            let end = number.end(groups);
            let digits = number.digits(groups);
            if !ends_cleanly(input, end) || !(format.check)(digits) {
                continue;
            }
            let confidence = confidence(format, number, groups, around.context(number.start, end));
            if confidence > best.as_ref().map_or(0.0, |best| best.confidence) {
                let (start, explanation) = (number.start, format.explanation);
                best =
                    Some(Hit { kind: Kind::Pii(PiiKind::NationalId), start, end, confidence, explanation });
            }
        }
        best
    })
}

fn confidence(format: &Digits, number: &Number, groups: usize, context: &super::context::Context) -> f32 {
    if context.has(format.topic) {
        return 0.95;
    }
    if context.has(Topic::Identity) && !matches!(format.topic, Topic::Rrn) {
        return 0.8;
    }
    match format.alone {
        (_, run) if groups == 1 => run,
        (grouped, _) if format.own.is_empty() && grouped > 0.0 => grouped,
        (grouped, _) if number.gaps(groups) == format.own => grouped,
        _ => 0.0,
    }
}

/// Two digits as a number.
fn pair(digits: &[u8], from: usize) -> u64 {
    value(digits.get(from..from + 2).unwrap_or(&[]))
}

/// Whether not all digits are the same, which many schemes would let through.
fn varied(digits: &[u8]) -> bool {
    digits.iter().any(|digit| Some(digit) != digits.first())
}

/// Whether the digit after the weighted ones is what the rest of their sum asks for.
fn remainder(digits: &[u8], weights: &[u32], modulus: u32, check: impl Fn(u32) -> u32) -> bool {
    digits.get(weights.len()).map(|&digit| u32::from(digit))
        == Some(check(weighted(digits, weights) % modulus))
}

/// GB 11643: region, date, and ISO/IEC 7064 MOD 11-2 with the check value `last`.
fn resident(digits: &[u8], last: u32) -> bool {
    let year = value(digits.get(6..10).unwrap_or(&[]));
    let sum = weighted(digits, &[7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2]);
    (11..=82).contains(&pair(digits, 0))
        && year >= 1850
        && possible(year, pair(digits, 10), pair(digits, 12))
        && (12 - sum % 11) % 11 == last
}

/// Digits followed or preceded by letters across a hyphen or a space.
fn lettered(input: Input<'_>, number: &Number) -> Option<Hit> {
    let start = number.start;
    let hit = |start, end, confidence, explanation| {
        (starts_cleanly(input, start) && !input.at(end).is_ascii_alphanumeric()).then_some(Hit {
            kind: Kind::Pii(PiiKind::NationalId),
            start,
            end,
            confidence,
            explanation,
        })
    };
    match number.lengths() {
        [6, ..] if matches!(input.at(start + 6), b'-' | b'+') && hetu(input.slice(start, start + 11)) => {
            hit(start, start + 11, 0.95, "a Finnish personal identity code: date and mod 31 check character")
        }
        // 12345678-Z and X-1234567-L
        [8] if input.at(start + 8) == b'-' && dni(number.digits(1), input.at(start + 9)) => {
            hit(start, start + 10, 0.9, "a Spanish DNI: mod 23 check letter")
        }
        [7] if input.before(start) == b'-' && start >= 2 => {
            let word = [input.slice(start - 2, start - 1), input.slice(start, start + 7)].concat();
            let after = usize::from(input.at(start + 7) == b'-');
            nie(&word, input.at(start + 7 + after))
                .then(|| hit(start - 2, start + 8 + after, 0.93, "a Spanish NIE: mod 23 check letter"))?
        }
        // AB 12 34 56 C
        [2, 2, 2] if start >= 3 && input.before(start) == b' ' && input.at(start + 8) == b' ' => {
            let word =
                [input.slice(start - 3, start - 1), &[b'0'; 6], input.slice(start + 9, start + 10)].concat();
            nino(&word).then(|| hit(start - 3, start + 10, 0.92, "a UK National Insurance number"))?
        }
        // 12.345.678-5
        [1 | 2, 3, 3, ..] if number.all_gaps(3, Gap::Dot) && input.at(number.end(3)) == b'-' => {
            let end = number.end(3);
            let sum = weighted(
                &number.digits(3).iter().rev().copied().collect::<Vec<_>>(),
                &[2, 3, 4, 5, 6, 7, 2, 3],
            );
            let check = match 11 - sum % 11 {
                11 => b'0',
                10 => b'K',
                digit => b'0' + digit as u8,
            };
            (input.at(end + 1).to_ascii_uppercase() == check)
                .then(|| hit(start, end + 2, 0.92, "a Chilean RUT: mod 11 check character"))?
        }
        _ => None,
    }
}

/// The number that the word `start..end`, of letters and digits, is.
pub(super) fn at_word(input: Input<'_>, start: usize, end: usize, around: &mut Around<'_>) -> Option<Hit> {
    let word = input.slice(start, end);
    let (topic, alone, named, explanation) = match word.len() {
        9 => {
            let digits = word.get(..8).and_then(values);
            if digits
                .is_some_and(|digits| dni(digits.get(..8).unwrap_or(&[]), word.last().copied().unwrap_or(0)))
            {
                (Topic::Dni, 0.6, 0.95, "a Spanish DNI: mod 23 check letter")
            } else if nie(word.get(..8)?, *word.last()?) {
                (Topic::Dni, 0.8, 0.95, "a Spanish NIE: mod 23 check letter")
            } else if nino(word) {
                (Topic::Nino, 0.8, 0.95, "a UK National Insurance number")
            } else if nric(word) {
                (Topic::Identity, 0.85, 0.95, "a Singapore NRIC or FIN: check letter")
            } else {
                return None;
            }
        }
        10 if pan(word) => (Topic::Pan, 0.7, 0.95, "an Indian permanent account number (PAN)"),
        11 if matches!(word.get(6), Some(b'A'..=b'F' | b'U'..=b'Y')) && hetu(word) => {
            (Topic::Hetu, 0.95, 0.97, "a Finnish personal identity code: date and mod 31 check character")
        }
        15 if nir_corsica(word) => {
            (Topic::Nir, 0.95, 0.97, "a French social security number (NIR): mod 97 key")
        }
        16 if codice_fiscale(word) => {
            (Topic::CodiceFiscale, 0.97, 0.98, "an Italian codice fiscale: check character")
        }
        18 if word.last().is_some_and(|last| last.eq_ignore_ascii_case(&b'X'))
            && values(word.get(..17)?).is_some_and(|digits| resident(&digits, 10)) =>
        {
            (
                Topic::ResidentId,
                0.95,
                0.98,
                "a Chinese resident identity number: region, date and mod 11-2 check",
            )
        }
        18 if curp(word) => (Topic::Identity, 0.95, 0.97, "a Mexican CURP: date and check digit"),
        _ => return None,
    };
    if matches!(input.before(start), b'_' | b'-' | b'/' | b'.')
        || matches!(input.at(end), b'_' | b'-') && input.at(end + 1).is_ascii_alphanumeric()
    {
        return None;
    }
    let context = around.context(start, end);
    let named_here = context.has(topic) || context.has(Topic::Identity);
    let confidence = if named_here {
        named
    } else if context.has(Topic::Thing) && alone < 0.9 {
        alone - 0.3
    } else {
        alone
    };
    Some(Hit { kind: Kind::Pii(PiiKind::NationalId), start, end, confidence, explanation })
}

/// Values of up to eighteen digits; `None` where another character stands.
fn values(text: &[u8]) -> Option<[u8; 18]> {
    let mut digits = [0_u8; 18];
    for (slot, byte) in digits.iter_mut().zip(text) {
        *slot = byte.is_ascii_digit().then(|| byte - b'0')?;
    }
    (text.len() <= 18).then_some(digits)
}

fn dni(digits: &[u8], letter: u8) -> bool {
    const LETTERS: &[u8] = b"TRWAGMYFPDXBNJZSQVHLCKE";
    varied(digits) && LETTERS.get((value(digits) % 23) as usize) == Some(&letter.to_ascii_uppercase())
}

fn nie(word: &[u8], letter: u8) -> bool {
    let Some((first, rest)) = word.split_first() else { return false };
    let head = match first.to_ascii_uppercase() {
        b'X' => 0,
        b'Y' => 1,
        b'Z' => 2,
        _ => return false,
    };
    let Some(values) = values(rest) else { return false };
    let mut digits = [0_u8; 8];
    for (slot, digit) in digits.iter_mut().zip([head].iter().chain(&values)) {
        *slot = *digit;
    }
    rest.len() == 7 && dni(&digits, letter)
}

/// HM Revenue & Customs: two letters without the unused ones, six digits, A–D.
fn nino(word: &[u8]) -> bool {
    let [first, second, digits @ .., last] = word else { return false };
    digits.len() == 6
        && digits.iter().all(u8::is_ascii_digit)
        && (b'A'..=b'D').contains(last)
        && first.is_ascii_uppercase()
        && second.is_ascii_uppercase()
        && !b"DFIQUV".contains(first)
        && !b"DFIQUVO".contains(second)
        && ![b"BG", b"GB", b"NK", b"KN", b"TN", b"NT", b"ZZ"].contains(&&[*first, *second])
}

/// Singapore: a letter for the century and kind, seven digits, a check letter.
fn nric(word: &[u8]) -> bool {
    let [first, digits @ .., last] = word else { return false };
    let Some(values) = values(digits) else { return false };
    let sum = weighted(&values, &[2, 7, 6, 5, 4, 3, 2]);
    let (offset, letters): (u32, &[u8]) = match first {
        b'S' => (0, b"JZIHGFEDCBA"),
        b'T' => (4, b"JZIHGFEDCBA"),
        b'F' => (0, b"XWUTRQPNMLK"),
        b'G' => (4, b"XWUTRQPNMLK"),
        _ => return false,
    };
    digits.len() == 7 && letters.get(((sum + offset) % 11) as usize) == Some(last)
}

/// Income Tax Department of India: five letters, the fourth for the kind of holder, four digits, a letter.
fn pan(word: &[u8]) -> bool {
    word.iter().enumerate().all(|(place, byte)| match place {
        3 => b"ABCFGHLJPTK".contains(byte),
        5..=8 => byte.is_ascii_digit(),
        _ => byte.is_ascii_uppercase(),
    })
}

/// Finland: ddmmyy, century, three digits, check character.
fn hetu(word: &[u8]) -> bool {
    const CHECK: &[u8] = b"0123456789ABCDEFHJKLMNPRSTUVWXY";
    let (Some(date), Some(serial)) = (word.get(..6).and_then(values), word.get(7..10).and_then(values))
    else {
        return false;
    };
    let number = value(date.get(..6).unwrap_or(&[])) * 1000 + value(serial.get(..3).unwrap_or(&[]));
    possible(pair(&date, 4), pair(&date, 2), pair(&date, 0))
        && CHECK
            .get((number % 31) as usize)
            .zip(word.get(10))
            .is_some_and(|(check, last)| *check == last.to_ascii_uppercase())
}

/// A French NIR of Corsica: 2A and 2B stand for 19 and 18 in the key.
fn nir_corsica(word: &[u8]) -> bool {
    let (department, replacement) =
        (word.get(5..7), [b'1', if word.get(6) == Some(&b'A') { b'9' } else { b'8' }]);
    if !matches!(department, Some(b"2A" | b"2B")) {
        return false;
    }
    let plain = [word.get(..5).unwrap_or(&[]), &replacement, word.get(7..).unwrap_or(&[])].concat();
    values(&plain).is_some_and(|d| {
        matches!(d[0], 1 | 2)
            && 97 - value(d.get(..13).unwrap_or(&[])) % 97 == value(d.get(13..15).unwrap_or(&[]))
    })
}

/// Italy: LLLLLL dd L dd L ddd L (digits may be the letters of omocodia), check character by position.
fn codice_fiscale(word: &[u8]) -> bool {
    const ODD: [u32; 26] =
        [1, 0, 5, 7, 9, 13, 15, 17, 19, 21, 2, 4, 18, 20, 11, 3, 6, 8, 12, 14, 16, 10, 22, 25, 24, 23];
    let mut sum = 0;
    for (place, byte) in word.iter().enumerate().take(15) {
        let byte = byte.to_ascii_uppercase();
        let letter_place = matches!(place, 0..=5 | 8 | 11);
        let fits = if letter_place {
            byte.is_ascii_uppercase()
        } else {
            byte.is_ascii_digit() || b"LMNPQRSTUV".contains(&byte)
        };
        if !fits {
            return false;
        }
        let rank = if byte.is_ascii_digit() { byte - b'0' } else { byte - b'A' };
        sum +=
            if place % 2 == 0 { ODD.get(usize::from(rank)).copied().unwrap_or(0) } else { u32::from(rank) };
    }
    let month = word.get(8).is_some_and(|byte| b"ABCDEHLMPRST".contains(&byte.to_ascii_uppercase()));
    month && word.get(15).map(u8::to_ascii_uppercase) == Some(b'A' + (sum % 26) as u8)
}

/// Mexico: four letters, date, sex, state and consonants, homoclave, check digit.
fn curp(word: &[u8]) -> bool {
    let shape = word.iter().enumerate().all(|(place, byte)| match place {
        4..=9 | 17 => byte.is_ascii_digit(),
        10 => matches!(byte, b'H' | b'M' | b'X'),
        16 => byte.is_ascii_digit() || byte.is_ascii_uppercase(),
        _ => byte.is_ascii_uppercase(),
    });
    let Some(date) = word.get(4..10).and_then(values) else { return false };
    let sum: u32 = word
        .iter()
        .take(17)
        .enumerate()
        .map(|(place, &byte)| {
            // Ñ stands between N and O
            let rank = match byte {
                b'0'..=b'9' => byte - b'0',
                b'A'..=b'N' => byte - b'A' + 10,
                _ => byte.saturating_sub(b'A') + 11,
            };
            u32::from(rank) * (18 - place as u32)
        })
        .sum();
    let last = word.last().map_or(99, |&byte| u32::from(byte.wrapping_sub(b'0')));
    shape && possible(pair(&date, 0), pair(&date, 2), pair(&date, 4)) && (10 - sum % 10) % 10 == last
}

#[cfg(test)]
mod tests {
    use crate::validators::tests::{found, nothing};

    #[test]
    fn hits() {
        for (text, value) in [
            ("NHS number 943 476 5919", "943 476 5919"),
            ("NI number AB123456C", "AB123456C"),
            ("AB 12 34 56 C", "AB 12 34 56 C"),
            ("DNI 12345678Z", "12345678Z"),
            ("12345678-Z", "12345678-Z"),
            ("NIE X1234567L", "X1234567L"),
            ("X-1234567-L", "X-1234567-L"),
            ("RSSMRA85T10A562S", "RSSMRA85T10A562S"),
            ("1 85 05 78 006 084 91", "1 85 05 78 006 084 91"),
            ("Steuer-ID: 86095742719", "86095742719"),
            ("BSN 111222333", "111222333"),
            ("PESEL 44051401359", "44051401359"),
            ("811218-9876", "811218-9876"),
            ("131052-308T", "131052-308T"),
            ("131052A308T", "131052A308T"),
            ("NIF 123456789", "123456789"),
            ("529.982.247-25", "529.982.247-25"),
            ("CPF 52998224725", "52998224725"),
            ("11.222.333/0001-81", "11.222.333/0001-81"),
            ("Aadhaar 2341 2341 2346", "2341 2341 2346"),
            ("PAN ABCPE1234F", "ABCPE1234F"),
            ("身份证11010519491231002X", "11010519491231002X"),
            ("TC Kimlik 10000000146", "10000000146"),
            ("TFN 123 456 782", "123 456 782"),
            ("ABN 51 824 753 556", "51 824 753 556"),
            ("SIN 130 692 544", "130 692 544"),
            ("756.9217.0769.85", "756.9217.0769.85"),
            ("85.07.30-033.28", "85.07.30-033.28"),
            ("S1234567D", "S1234567D"),
            ("12.345.678-5", "12.345.678-5"),
            ("주민등록번호 900101-1234568", "900101-1234568"),
        ] {
            found(text, "pii.national_id", value);
        }
    }

    #[test]
    fn near_misses() {
        for text in [
            "943 476 5919",
            "NHS number 943 476 5918",
            "12345678A",
            "X1234567M",
            "RSSMRA85T10A562T",
            "86095742719",
            "BSN 111222334",
            "PESEL 44051401358",
            "811218-9875",
            "131052-308S",
            "529.982.247-26",
            "52998224725",
            "CPF 111.111.111-11",
            "11.222.333/0001-82",
            "Aadhaar 2341 2341 2347",
            "11010519491231002Y",
            "110105194912310021",
            "TC Kimlik 10000000147",
            "TFN 123 456 783",
            "ABN 51 824 753 557",
            "SIN 130 692 545",
            "756.9217.0769.86",
            "QQ123456C",
            "S1234567E",
            "12.345.678-6",
        ] {
            nothing(text, "pii.national_id");
        }
    }

    /// Not done today: countries not listed, a codice fiscale with spaces.
    #[test]
    fn known_gaps() {
        nothing("CNP 1800101221144", "pii.national_id");
        nothing("RSS MRA 85T10 A562S", "pii.national_id");
    }
}
