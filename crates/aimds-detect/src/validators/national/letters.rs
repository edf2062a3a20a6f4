//! Identity and tax numbers with letters in them.

use super::super::checksum::{value, weighted};
use super::super::context::Topic;
use super::super::date::possible;
use super::super::number::{Gap, Number};
use super::super::{Around, Hit, Input, Kind, PiiKind, starts_cleanly};
use super::{pair, resident, varied};

/// Digits followed or preceded by letters across a hyphen or a space.
pub(super) fn lettered(input: Input<'_>, number: &Number) -> Option<Hit> {
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
pub(in super::super) fn at_word(
    input: Input<'_>,
    start: usize,
    end: usize,
    around: &mut Around<'_>,
) -> Option<Hit> {
    let word = input.slice(start, end);
    let mut last = end;
    let (topic, alone, named, explanation) = match word.len() {
        7 | 8 if input.at(end) == b'(' && input.at(end + 2) == b')' && hkid(word, input.at(end + 1)) => {
            last = end + 3;
            (Topic::Hkid, 0.9, 0.97, "a Hong Kong identity card number: mod 11 check character")
        }
        8 if pps(word) => (Topic::Pps, 0.3, 0.95, "an Irish PPS number: mod 23 check letter"),
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
            } else if pps(word) {
                (Topic::Pps, 0.6, 0.95, "an Irish PPS number: mod 23 check letter")
            } else {
                return None;
            }
        }
        10 if taiwan(word) => (Topic::TaiwanId, 0.85, 0.97, "a Taiwanese identity number: check digit"),
        10 if pan(word) => (Topic::Pan, 0.7, 0.95, "an Indian permanent account number (PAN)"),
        11 if matches!(word.get(6), Some(b'A'..=b'F' | b'U'..=b'Y')) && hetu(word) => {
            (Topic::Hetu, 0.95, 0.97, "a Finnish personal identity code: date and mod 31 check character")
        }
        13 if rfc(word) => {
            (Topic::Rfc, 0.93, 0.97, "a Mexican RFC of a person: date and mod 11 check character")
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
    Some(Hit { kind: Kind::Pii(PiiKind::NationalId), start, end: last, confidence, explanation })
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

/// Hong Kong: one or two letters, six digits, and a check character in parentheses.
fn hkid(word: &[u8], check: u8) -> bool {
    let Some((letters, digits)) = word.split_at_checked(word.len().saturating_sub(6)) else { return false };
    let Some(values) = values(digits) else { return false };
    let letters =
        letters.iter().map(|letter| letter.is_ascii_uppercase().then(|| u32::from(letter - b'A') + 10));
    let Some(letters) = letters.collect::<Option<Vec<u32>>>() else { return false };
    // a single letter stands behind a space, which counts 36
    let (first, second) = match letters.as_slice() {
        &[second] => (36, second),
        &[first, second] => (first, second),
        _ => return false,
    };
    let sum = first * 9 + second * 8 + weighted(&values, &[7, 6, 5, 4, 3, 2]);
    check == *b"0123456789A".get(((11 - sum % 11) % 11) as usize).unwrap_or(&0)
}

/// Taiwan: a letter for the place, which counts as two digits, and nine digits.
fn taiwan(word: &[u8]) -> bool {
    const PLACES: &[u8] = b"ABCDEFGHJKLMNPQRSTUVXYWZIO";
    let Some((letter, digits)) = word.split_first() else { return false };
    let Some(place) = PLACES.iter().position(|place| place == letter) else { return false };
    let Some(values) = values(digits) else { return false };
    let place = place as u32 + 10;
    let sum = place / 10 + place % 10 * 9 + weighted(&values, &[8, 7, 6, 5, 4, 3, 2, 1, 1]);
    matches!(values.first(), Some(1 | 2 | 8 | 9)) && sum.is_multiple_of(10)
}

/// Ireland: seven digits, a check letter, perhaps a second letter that the check counts.
fn pps(word: &[u8]) -> bool {
    let Some((digits, letters)) = word.split_at_checked(7) else { return false };
    let Some(values) = values(digits) else { return false };
    let (check, more) = match letters {
        &[check] => (check, 0),
        &[check, more @ b'A'..=b'I'] => (check, u32::from(more - b'A') + 1),
        _ => return false,
    };
    let rest = (weighted(&values, &[8, 7, 6, 5, 4, 3, 2]) + 9 * more) % 23;
    varied(values.get(..7).unwrap_or(&[])) && b"WABCDEFGHIJKLMNOPQRSTUV".get(rest as usize) == Some(&check)
}

/// Mexico, tax number of a person: four letters, date, two characters and a check character.
fn rfc(word: &[u8]) -> bool {
    let shape = word.iter().enumerate().all(|(place, byte)| match place {
        0..=3 => byte.is_ascii_uppercase(),
        4..=9 => byte.is_ascii_digit(),
        _ => byte.is_ascii_digit() || byte.is_ascii_uppercase(),
    });
    let Some(date) = word.get(4..10).and_then(values) else { return false };
    let sum: u32 = word
        .iter()
        .take(12)
        .zip((2..=13).rev())
        .map(|(&byte, weight)| {
            // & stands between N and O
            let rank = match byte {
                b'0'..=b'9' => byte - b'0',
                b'A'..=b'N' => byte - b'A' + 10,
                _ => byte.saturating_sub(b'A') + 11,
            };
            u32::from(rank) * weight
        })
        .sum();
    let check = b"0123456789A".get(((11 - sum % 11) % 11) as usize);
    shape && possible(pair(&date, 0), pair(&date, 2), pair(&date, 4)) && check == word.last()
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
            ("NI number AB123456C", "AB123456C"),
            ("AB 12 34 56 C", "AB 12 34 56 C"),
            ("DNI 12345678Z", "12345678Z"),
            ("12345678-Z", "12345678-Z"),
            ("NIE X1234567L", "X1234567L"),
            ("X-1234567-L", "X-1234567-L"),
            ("RSSMRA85T10A562S", "RSSMRA85T10A562S"),
            ("131052-308T", "131052-308T"),
            ("131052A308T", "131052A308T"),
            ("PAN ABCPE1234F", "ABCPE1234F"),
            ("身份证11010519491231002X", "11010519491231002X"),
            ("S1234567D", "S1234567D"),
            ("12.345.678-5", "12.345.678-5"),
            ("A123456(3)", "A123456(3)"),
            ("身分證 A123456789", "A123456789"),
            ("PPS number 1234567T", "1234567T"),
            ("PPSN: 1234567FA", "1234567FA"),
            ("RFC GODE561231GR8", "GODE561231GR8"),
        ] {
            found(text, "pii.national_id", value);
        }
    }

    #[test]
    fn near_misses() {
        for text in [
            "12345678A",
            "X1234567M",
            "RSSMRA85T10A562T",
            "131052-308S",
            "11010519491231002Y",
            "QQ123456C",
            "S1234567E",
            "12.345.678-6",
            "A123456(4)",
            "A123456788",
            "PPS number 1234567U",
            "RFC GODE561231GR7",
            "RFC GODE561331GR8",
        ] {
            nothing(text, "pii.national_id");
        }
    }

    /// Not done today: a codice fiscale with spaces.
    #[test]
    fn known_gaps() {
        nothing("RSS MRA 85T10 A562S", "pii.national_id");
    }
}
