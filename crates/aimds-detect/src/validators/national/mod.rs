//! National identity and tax numbers: the check digits each authority publishes. Numbers whose check is weak (one
//! digit in ten passes) count only beside a word that names them. One file for the formats of a region, one for numbers with
//! letters in them.

mod americas;
mod asia;
mod east;
mod letters;
mod north;
mod south;
mod west;

pub(super) use letters::at_word;

use super::checksum::{value, weighted};
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

/// The formats of digits only, by where they are issued.
const REGIONS: [&[Digits]; 6] =
    [west::DIGITS, north::DIGITS, east::DIGITS, americas::DIGITS, asia::DIGITS, south::DIGITS];

/// For each region the formats, as bits, by the length of their first group: most numbers begin like none.
#[expect(clippy::indexing_slicing, reason = "evaluated by the compiler, which would refuse to build")]
static BY_FIRST: [[u32; REGIONS.len()]; 32] = {
    let mut formats = [[0; REGIONS.len()]; 32];
    let mut region = 0;
    while region < REGIONS.len() {
        let mut index = 0;
        while index < REGIONS[region].len() {
            let mut shape = 0;
            while shape < REGIONS[region][index].shapes.len() {
                formats[REGIONS[region][index].shapes[shape][0] as usize][region] |= 1 << index;
                shape += 1;
            }
            index += 1;
        }
        region += 1;
    }
    formats
};

/// The number that begins with the first group of `number`.
pub(super) fn digits(input: Input<'_>, number: &Number, around: &mut Around<'_>) -> Option<Hit> {
    letters::lettered(input, number).or_else(|| {
        if number.digits(number.groups()).len() < 8 || !starts_cleanly(input, number.start) {
            return None;
        }
        let mut best: Option<Hit> = None;
        let first = number.lengths().first().map_or(0, |&first| usize::from(first));
        for (region, mut begun) in REGIONS.iter().zip(BY_FIRST.get(first).copied().unwrap_or_default()) {
            while let Some(format) = region.get(begun.trailing_zeros() as usize) {
                begun &= begun - 1;
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
                    best = Some(Hit {
                        kind: Kind::Pii(PiiKind::NationalId),
                        start,
                        end,
                        confidence,
                        explanation,
                    });
                }
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

/// One digit as a number.
fn digit(digits: &[u8], at: usize) -> u32 {
    digits.get(at).map_or(99, |&digit| u32::from(digit))
}

/// Whether the digit after the weighted ones is the rest of their sum by eleven, by other weights where that is ten, and zero
/// where that is ten again.
fn twice(digits: &[u8], weights: &[u32], others: &[u32]) -> bool {
    let rest = match weighted(digits, weights) % 11 {
        10 => weighted(digits, others) % 11 % 10,
        rest => rest,
    };
    digit(digits, weights.len()) == rest
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
