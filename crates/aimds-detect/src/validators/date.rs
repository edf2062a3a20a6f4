//! Calendar dates (ISO 8601 and the customary orders), reported only as a date of birth: a date alone says nothing
//! about a person.

use super::context::Topic;
use super::number::{Gap, Number};
use super::{Around, Hit, Input, Kind, PiiKind};

/// Whether day, month and year are possible. Two-digit years count.
pub(super) fn possible(year: u64, month: u64, day: u64) -> bool {
    let longest = match month {
        2 => 29,
        4 | 6 | 9 | 11 => 30,
        1..=12 => 31,
        _ => return false,
    };
    (1..=longest).contains(&day) && (year < 100 || (1850..=2100).contains(&year))
}

/// Whether the first three groups are a date in any customary order.
pub(super) fn numeric(number: &Number) -> bool {
    // The lengths tell most numbers from dates.
    let ([4, 1..=2, 1..=2, ..] | [1..=2, 1..=2, 2 | 4, ..]) = number.lengths() else { return false };
    let separated =
        [Gap::Hyphen, Gap::Dot, Gap::Slash, Gap::Space].into_iter().any(|gap| number.all_gaps(3, gap));
    let value = |index| super::checksum::value(number.group(index));
    let (a, b, c) = (value(0), value(1), value(2));
    separated
        && match number.lengths() {
            [4, 1..=2, 1..=2, ..] => possible(a, b, c),
            [1..=2, 1..=2, 4, ..] => c >= 1850 && (possible(c, b, a) || possible(c, a, b)),
            [1..=2, 1..=2, 2, ..] => possible(c, b, a) || possible(c, a, b) || possible(a, b, c),
            _ => false,
        }
}

/// A date of birth that begins with the first group of `number`.
pub(super) fn birth(input: Input<'_>, number: &Number, around: &mut Around<'_>) -> Option<Hit> {
    let (start, end) = if number.groups() >= 3 && numeric(number) && !number.all_gaps(3, Gap::Space) {
        (number.start, number.end(3))
    } else {
        written(input, number)?
    };
    if input.before(start).is_ascii_alphanumeric() || input.at(end).is_ascii_alphanumeric() {
        return None;
    }
    let context = around.context(start, end);
    // "born in 1990, joined on …": the word must be close
    (context.distance(Topic::Birth) <= 40).then_some(Hit {
        kind: Kind::Pii(PiiKind::DateOfBirth),
        start,
        end,
        confidence: 0.88,
        explanation: "a date with a word for birth nearby",
    })
}

/// Whether a word that begins with a digit has letters after one or two digits that no date goes on with: "4ll". Nothing
/// that begins with such a number is of interest to any family.
pub(super) fn is_no_day(word: &[u8]) -> bool {
    let digits = word.iter().take(3).take_while(|byte| byte.is_ascii_digit()).count();
    let letters = word.get(digits..).unwrap_or_default();
    let goes_on = ORDINALS.iter().chain(FILLERS).any(|start| letters.starts_with(start)) || month(letters);
    digits <= 2 && !letters.is_empty() && !goes_on
}

const ORDINALS: &[&[u8]] = &[b"st", b"nd", b"rd", b"th"];
/// What stands between a day and its month.
const FILLERS: &[&[u8]] = &[b"of", b"de"];

/// "12 March 1980", "12th of March, 1980", "March 12, 1980", "1980年3月12日".
fn written(input: Input<'_>, number: &Number) -> Option<(usize, usize)> {
    let (start, end) = (number.start, number.end(1));
    let day = super::checksum::value(number.group(0));
    if input.slice(end, end + 3) == "年".as_bytes() && number.group(0).len() == 4 {
        let digits =
            |from: usize| input.slice(from, from + 2).iter().take_while(|byte| byte.is_ascii_digit()).count();
        let month = digits(end + 3);
        let after = end + 3 + month;
        let last = digits(after + 3);
        let close = after + 3 + last;
        let whole = month > 0
            && last > 0
            && input.slice(after, after + 3) == "月".as_bytes()
            && input.slice(close, close + 3) == "日".as_bytes();
        return whole.then_some((start, close + 3));
    }
    if !(1..=31).contains(&day) || number.group(0).len() > 2 {
        return None;
    }
    // where digits follow, the month can only stand before: tables end here
    let word_before = || {
        let last = start.checked_sub(2).map_or(0, |at| input.at(at));
        input.before(start) == b' ' && (last.is_ascii_alphabetic() || last == b'.')
    };
    if number.gap_after(1).is_some() && !word_before() {
        return None;
    }
    // after the day: an ordinal ending, then a year after a comma or a month after a space
    let mut at = end;
    if ORDINALS.contains(&input.slice(at, at + 2)) {
        at += 2;
    }
    let before = input.slice(start.saturating_sub(12), start);
    if let Some(stem) = before.strip_suffix(b" ") {
        let letters =
            stem.iter().rev().take_while(|byte| byte.is_ascii_alphabetic() || **byte == b'.').count();
        let from = start - 1 - letters;
        if month(input.slice(from, start - 1)) {
            at += usize::from(input.at(at) == b',');
            at += usize::from(input.at(at) == b' ');
            return year(input, at).map(|end| (from, end));
        }
    }
    at += input.slice(at, at + 1).iter().filter(|byte| matches!(byte, b' ' | b'-' | b'.')).count();
    at += usize::from(input.at(at) == b' ');
    for filler in FILLERS {
        if input.slice(at, at + 2) == *filler && input.at(at + 2) == b' ' {
            at += 3;
        }
    }
    let letters = input
        .slice(at, at + 12)
        .iter()
        .take_while(|byte| byte.is_ascii_alphabetic() || **byte >= 0x80)
        .count();
    if !month(input.slice(at, at + letters)) {
        return None;
    }
    at += letters;
    at += input.slice(at, at + 2).iter().take_while(|byte| matches!(byte, b' ' | b',' | b'-' | b'.')).count();
    if input.slice(at, at + 3) == b"de " {
        at += 3;
    }
    year(input, at).map(|end| (start, end))
}

fn year(input: Input<'_>, at: usize) -> Option<usize> {
    let text = input.slice(at, at + 4);
    let plausible = text.len() == 4
        && text.iter().all(u8::is_ascii_digit)
        && matches!(text.get(..2), Some(b"18" | b"19" | b"20"));
    (plausible && !input.at(at + 4).is_ascii_digit()).then_some(at + 4)
}

/// Whether the word names a month in English, German, French, Spanish, Italian, Portuguese or Dutch.
fn month(word: &[u8]) -> bool {
    let Some(head) = word.first_chunk::<3>() else { return false };
    match head.map(|byte| byte.to_ascii_lowercase()) {
        [b'f', 0xc3, 0xa9] | [b'd', 0xc3, 0xa9] | [b'm', 0xc3, 0xa4] | [b'a', b'o', 0xc3] => true,
        lower => matches!(
            &lower,
            b"jan"
                | b"feb"
                | b"mar"
                | b"apr"
                | b"may"
                | b"jun"
                | b"jul"
                | b"aug"
                | b"sep"
                | b"oct"
                | b"nov"
                | b"dec"
                | b"mai"
                | b"mei"
                | b"mrt"
                | b"okt"
                | b"dez"
                | b"ene"
                | b"abr"
                | b"ago"
                | b"dic"
                | b"gen"
                | b"mag"
                | b"giu"
                | b"lug"
                | b"set"
                | b"ott"
                | b"out"
        ),
    }
}

#[cfg(test)]
mod tests {
    use crate::validators::tests::{found, nothing};

    #[test]
    fn hits() {
        for (text, value) in [
            ("born 1981-04-09, phone", "1981-04-09"),
            ("DOB 8/31/1970", "8/31/1970"),
            ("Date of birth: 31.08.1970", "31.08.1970"),
            ("She was born on 12 March 1980.", "12 March 1980"),
            ("date_of_birth: March 12th, 1980", "March 12th, 1980"),
            ("geboren am 3. Mai 1955", "3. Mai 1955"),
            ("née le 4 février 1961", "4 février 1961"),
            ("生年月日:1980年3月12日", "1980年3月12日"),
            ("It's my birthday, 12/31/99", "12/31/99"),
        ] {
            found(text, "pii.date_of_birth", value);
        }
    }

    #[test]
    fn near_misses() {
        for text in ["2024-01-02", "born 1990-13-45", "born in 1990", "DOB 99/99/9999", "version 1.2.24"] {
            nothing(text, "pii.date_of_birth");
        }
    }

    /// Not done today: years alone, and months in words of other languages.
    #[test]
    fn known_gaps() {
        nothing("born in 1975", "pii.date_of_birth");
        nothing("родился 3 мая 1955", "pii.date_of_birth");
    }
}
