//! Encodings that write bytes in an alphabet of 16, 32, 64 or 85 characters.

use std::ops::Range;

use super::{Decoded, Pieces, plausible};
use crate::Transform;

/// Shortest run that is tried, in characters.
pub(super) const SHORTEST: usize = 12;
/// Shortest run of base 32 that is tried: a word of twelve letters is hardly ever more.
const SHORTEST_BASE32: usize = 16;
/// Shortest base 85 word that is tried.
pub(super) const SHORTEST_BASE85: usize = 10;
/// Runs that failed to decode and are tried again backwards and rotated; more would cost too much.
const SECOND_TRIES: usize = 8;

/// Base 64 (RFC 4648, both alphabets, with and without padding, wrapped lines), also written backwards or through ROT13.
pub(super) fn base64(text: &str, runs: &Runs) -> Option<Decoded> {
    let mut pieces = Pieces::default();
    let mut tries = SECOND_TRIES;
    for run in runs.padded(text) {
        let Some(digits) = text.get(run.clone()) else { continue };
        if digits.bytes().all(|byte| byte.is_ascii_lowercase())
            || digits.bytes().filter(u8::is_ascii_digit).count() == digits.len()
        {
            continue; // a word or a number
        }
        let mut decoded = decode64(digits.bytes());
        if decoded.is_none() && tries > 0 && digits.len() >= 20 {
            tries -= 1;
            decoded =
                decode64(digits.bytes().rev()).or_else(|| decode64(digits.bytes().map(plausible::rot13)));
        }
        if let Some(decoded) = decoded {
            pieces.push(&decoded, run);
        }
    }
    pieces.finish(Transform::Base64)
}

fn value64(byte: u8) -> Option<u32> {
    Some(match byte {
        b'A'..=b'Z' => u32::from(byte - b'A'),
        b'a'..=b'z' => u32::from(byte - b'a') + 26,
        b'0'..=b'9' => u32::from(byte - b'0') + 52,
        b'+' | b'-' => 62,
        b'/' | b'_' => 63,
        _ => return None,
    })
}

fn decode64(digits: impl Iterator<Item = u8>) -> Option<String> {
    plausible::text(bits(digits.filter_map(value64), 6))
}

/// Base 32 (RFC 4648), either case.
pub(super) fn base32(text: &str, runs: &Runs) -> Option<Decoded> {
    let value = |byte: u8| match byte {
        b'A'..=b'Z' => Some(u32::from(byte - b'A')),
        b'a'..=b'z' => Some(u32::from(byte - b'a')),
        b'2'..=b'7' => Some(u32::from(byte - b'2') + 26),
        _ => None,
    };
    let mut pieces = Pieces::default();
    for run in runs.of_alphabet(text, SHORTEST_BASE32, |byte| value(byte).is_some(), b"=") {
        let Some(digits) = text.get(run.clone()) else { continue };
        if let Some(decoded) = plausible::text(bits(digits.bytes().filter_map(value), 5)) {
            pieces.push(&decoded, run);
        }
    }
    pieces.finish(Transform::Base32)
}

/// Hexadecimal, without gaps.
pub(super) fn hex(text: &str, runs: &Runs) -> Option<Decoded> {
    let mut pieces = Pieces::default();
    for run in runs.of_alphabet(text, SHORTEST, |byte| byte.is_ascii_hexdigit(), b"") {
        let Some(digits) = text.get(run.clone()) else { continue };
        let values = || digits.chars().filter_map(|c| c.to_digit(16));
        let backwards = || digits.chars().rev().filter_map(|c| c.to_digit(16));
        if values().count() % 2 == 1 || digits.bytes().all(|byte| byte.is_ascii_alphabetic()) {
            continue;
        }
        if let Some(decoded) =
            plausible::text(bits(values(), 4)).or_else(|| plausible::text(bits(backwards(), 4)))
        {
            pieces.push(&decoded, run);
        }
    }
    pieces.finish(Transform::Hex)
}

/// Base 85 as in Adobe's Ascii85, in RFC 1924 and in ZeroMQ, where no word of it begins in a stretch that is `known` to be
/// something else.
pub(super) fn base85(text: &str, known: &[Range<usize>]) -> Option<Decoded> {
    let mut known = known.iter().peekable();
    let mut pieces = Pieces::default();
    let mut at = 0;
    for word in text.split_inclusive(|c: char| c.is_whitespace()) {
        let start = at;
        at += word.len();
        let word = word.trim_end();
        while known.next_if(|stretch| stretch.end <= start).is_some() {}
        if known.peek().is_some_and(|stretch| stretch.start <= start) {
            continue;
        }
        if word.len() < SHORTEST_BASE85 || !word.is_ascii() || word.contains("://") {
            continue;
        }
        let kinds = [
            word.bytes().any(|byte| byte.is_ascii_lowercase()),
            word.bytes().any(|byte| byte.is_ascii_uppercase()),
            word.bytes().any(|byte| byte.is_ascii_digit()),
            word.bytes().any(|byte| byte.is_ascii_punctuation()),
        ];
        if kinds.iter().filter(|&&kind| kind).count() < 3 {
            continue;
        }
        let framed = word.strip_prefix("<~").map_or(word, |rest| rest.strip_suffix("~>").unwrap_or(rest));
        let decoded = [&ASCII85, &RFC1924, &Z85].into_iter().find_map(|values| decode85(framed, values));
        if let Some(decoded) = decoded {
            pieces.push(&decoded, start..start + word.len());
        }
    }
    pieces.finish(Transform::Base85)
}

/// The value of each byte in an alphabet of 85 digits; 255 for what is no digit.
type Values = [u8; 256];

#[expect(clippy::indexing_slicing, reason = "evaluated by the compiler, which would refuse to build")]
const fn values(digits: &[u8; 85]) -> Values {
    let mut values = [u8::MAX; 256];
    let mut at = 0;
    while at < digits.len() {
        values[digits[at] as usize] = at as u8;
        at += 1;
    }
    values
}

static ASCII85: Values =
    values(b"!\"#$%&'()*+,-./0123456789:;<=>?@ABCDEFGHIJKLMNOPQRSTUVWXYZ[\\]^_`abcdefghijklmnopqrstu");
static RFC1924: Values =
    values(b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz!#$%&()*+-;<=>?@^_`{|}~");
static Z85: Values =
    values(b"0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ.-:+=^!/*?&<>()[]{}@%$#");

fn decode85(word: &str, values: &Values) -> Option<String> {
    let value = |byte: u8| values.get(usize::from(byte)).copied().filter(|&value| value < 85).map(u32::from);
    let mut bytes = Vec::with_capacity(word.len() * 4 / 5);
    for group in word.as_bytes().chunks(5) {
        if group.len() == 1 {
            return None;
        }
        let mut number: u64 = 0;
        for at in 0..5 {
            let digit = group.get(at).map_or(Some(84), |&byte| value(byte))?;
            number = number * 85 + u64::from(digit);
        }
        let number = u32::try_from(number).ok()?;
        bytes.extend(number.to_be_bytes().iter().take(group.len() - 1));
    }
    // That so many bytes are all printable is no chance, whatever they say: vowels may be left out, or it is encoded again.
    const NO_CHANCE: usize = 20;
    let printable = |text: &str| text.bytes().all(|byte| matches!(byte, b' '..=b'~' | b'\n' | b'\r' | b'\t'));
    plausible::text(bytes)
        .filter(|text| text.len() >= NO_CHANCE && printable(text) || plausible::known_word(text))
}

/// Packs digits of `width` bits into bytes; bits left over at the end are padding.
fn bits(digits: impl Iterator<Item = u32>, width: u32) -> Vec<u8> {
    let (lower, _) = digits.size_hint();
    let mut bytes = Vec::with_capacity(lower * width as usize / 8 + 8);
    let (mut buffer, mut held) = (0u32, 0u32);
    for digit in digits {
        buffer = (buffer << width | digit) & 0xffff;
        held += width;
        if held >= 8 {
            held -= 8;
            bytes.push((buffer >> held & 0xff) as u8);
        }
    }
    bytes
}

/// The stretches of a text that can hold an encoding: maximal runs of the digits of base 64, which hold those of base 32
/// and base 16. Runs go on over a line end (wrapped at 40 characters or more).
pub(super) struct Runs(Vec<Range<usize>>);

impl Runs {
    pub(super) fn of(text: &str) -> Self {
        let bytes = text.as_bytes();
        let is_digit = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'-' | b'/' | b'_');
        let mut found = Vec::new();
        let mut from = 0;
        // A run that is long enough covers every place that is tried, so most bytes of prose are never looked at.
        while let Some(next) = bytes.get(from..from + SHORTEST) {
            match next.iter().rposition(|&byte| !is_digit(byte)) {
                Some(gap) => from += gap + 1,
                None => {
                    let run = run(bytes, from, is_digit);
                    from = run.end;
                    found.push(run);
                }
            }
        }
        Self(found)
    }

    /// The runs that begin in none of some stretches, which are in order.
    pub(super) fn outside(mut self, stretches: &[Range<usize>]) -> Self {
        let mut stretches = stretches.iter().peekable();
        self.0.retain(|run| {
            while stretches.next_if(|stretch| stretch.end <= run.start).is_some() {}
            stretches.peek().is_none_or(|stretch| run.start < stretch.start)
        });
        self
    }

    /// The runs with the padding that follows them.
    fn padded(&self, text: &str) -> impl Iterator<Item = Range<usize>> {
        self.0.iter().map(|run| run.start..padded(text.as_bytes(), run.end, b"="))
    }

    /// The maximal runs of another alphabet, which base 64 includes.
    fn of_alphabet(
        &self,
        text: &str,
        least: usize,
        is_digit: impl Fn(u8) -> bool + Copy,
        padding: &'static [u8],
    ) -> impl Iterator<Item = Range<usize>> {
        let bytes = text.as_bytes();
        self.0.iter().filter(move |within| within.len() >= least).flat_map(move |within| {
            let mut at = within.start;
            std::iter::from_fn(move || {
                loop {
                    at += bytes.get(at..within.end)?.iter().position(|&byte| is_digit(byte))?;
                    let found = run(bytes, at, is_digit);
                    at = found.end;
                    let digits = bytes.get(found.clone())?.iter().filter(|&&byte| is_digit(byte)).count();
                    if digits >= least {
                        return Some(found.start..padded(bytes, found.end, padding));
                    }
                }
            })
        })
    }
}

/// The run of digits that begins at `start`.
fn run(bytes: &[u8], start: usize, is_digit: impl Fn(u8) -> bool) -> Range<usize> {
    let (mut at, mut line) = (start, 0);
    while let Some(&byte) = bytes.get(at) {
        if is_digit(byte) {
            line += 1;
            at += 1;
        } else if line >= 40 && byte.is_ascii_whitespace() {
            let gap = bytes.iter().skip(at).take(8).take_while(|byte| byte.is_ascii_whitespace()).count();
            let line_end = bytes.iter().skip(at).take(gap).any(|byte| matches!(byte, b'\n' | b'\r'));
            if !line_end || !bytes.get(at + gap).is_some_and(|&byte| is_digit(byte)) {
                break;
            }
            at += gap;
            line = 0;
        } else {
            break;
        }
    }
    start..at
}

/// Where the padding after `end` ends.
fn padded(bytes: &[u8], end: usize, padding: &[u8]) -> usize {
    end + bytes.iter().skip(end).take(8).take_while(|byte| padding.contains(byte)).count()
}
