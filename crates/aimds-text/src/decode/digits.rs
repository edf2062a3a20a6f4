//! Text written as numbers: bits, character codes, hexadecimal pairs with gaps.

use std::ops::Range;

use super::{Decoded, Pieces, plausible};
use crate::Transform;

/// Groups of eight (or seven) bits.
pub(super) fn binary(text: &str) -> Option<Decoded> {
    let mut pieces = Pieces::default();
    for run in runs(text, |byte| matches!(byte, b'0' | b'1'), 28) {
        let Some(digits) = text.get(run.clone()) else { continue };
        let first = digits.bytes().position(|byte| !byte.is_ascii_digit()).unwrap_or(digits.len());
        let width = if first == 7 { 7 } else { 8 };
        let bits = || digits.bytes().filter(u8::is_ascii_digit).map(|byte| byte & 1);
        if !bits().count().is_multiple_of(width) {
            continue;
        }
        if let Some(decoded) = packed(bits(), width).or_else(|| packed(bits().rev(), width)) {
            pieces.push(&decoded, run);
        }
    }
    pieces.finish(Transform::Binary)
}

/// Bits as text, `width` to a byte.
fn packed(bits: impl Iterator<Item = u8>, width: usize) -> Option<String> {
    let (mut bytes, mut held, mut value) = (Vec::new(), 0, 0u8);
    for bit in bits {
        value = value << 1 | bit;
        held += 1;
        if held == width {
            bytes.push(value);
            (held, value) = (0, 0);
        }
    }
    plausible::text(bytes)
}

/// Character codes in decimal or octal, with gaps: `73 103 110`.
pub(super) fn codes(text: &str) -> Option<Decoded> {
    let mut pieces = Pieces::default();
    for run in runs(text, |byte| byte.is_ascii_digit(), 16) {
        let Some(digits) = text.get(run.clone()) else { continue };
        let decoded = [10, 8].into_iter().find_map(|radix| {
            let bytes = numbers(digits, radix).filter(|bytes| bytes.len() >= 8)?;
            // Lists of small numbers are common; small letters are what tells text from them.
            let small = bytes.iter().filter(|&&byte| byte >= b'a').count();
            let digits =
                bytes.iter().all(|&byte| byte.is_ascii_alphanumeric() || b" ,=%&#;\\".contains(&byte));
            let encoded_again = bytes.len() >= 24 && (small * 5 >= bytes.len() || digits);
            plausible::text(bytes).filter(|text| encoded_again || plausible::known_word(text))
        });
        if let Some(decoded) = decoded {
            pieces.push(&decoded, run);
        }
    }
    pieces.finish(Transform::CharCodes)
}

/// Numbers of at most three digits as bytes; `None` where one is none.
fn numbers(digits: &str, radix: u16) -> Option<Vec<u8>> {
    let mut bytes = Vec::with_capacity(digits.len() / 3);
    let (mut value, mut len) = (0u16, 0);
    for byte in digits.bytes().chain([b' ']) {
        if byte.is_ascii_digit() {
            let digit = u16::from(byte - b'0');
            len += 1;
            if len > 3 || digit >= radix {
                return None;
            }
            value = value * radix + digit;
        } else if len > 0 {
            bytes.push(u8::try_from(value).ok()?);
            (value, len) = (0, 0);
        }
    }
    Some(bytes)
}

/// Hexadecimal pairs with gaps: `49 67`, `49:67`, `0x49, 0x67`.
pub(super) fn spaced_hex(text: &str) -> Option<Decoded> {
    let mut pieces = Pieces::default();
    let mut pairs: Vec<u8> = Vec::new();
    let mut source = 0..0;
    let bytes = text.as_bytes();
    let mut at = 0;
    let mut flush = |pairs: &mut Vec<u8>, source: Range<usize>| {
        if pairs.len() >= 6
            && let Some(decoded) = plausible::text(std::mem::take(pairs))
        {
            pieces.push(&decoded, source);
        }
        pairs.clear();
    };
    while at < bytes.len() {
        let marked = bytes.get(at..at + 2).is_some_and(|two| matches!(two, b"0x" | b"0X"));
        let start = at + if marked { 2 } else { 0 };
        let len = bytes.iter().skip(start).take(3).take_while(|byte| byte.is_ascii_hexdigit()).count();
        let digit = |at: usize| bytes.get(at).and_then(|&byte| char::from(byte).to_digit(16));
        let value = digit(start)
            .zip(digit(start + 1))
            .filter(|_| len == 2)
            .map(|(high, low)| (high << 4 | low) as u8);
        match value {
            Some(value) => {
                if pairs.is_empty() {
                    source.start = at;
                }
                pairs.push(value);
                source.end = start + 2;
                let gap = bytes
                    .iter()
                    .skip(start + 2)
                    .take(3)
                    .take_while(|byte| matches!(byte, b' ' | b':' | b',' | b'-' | b'\n' | b';'))
                    .count();
                at = start + 2 + gap;
                if gap == 0 {
                    flush(&mut pairs, source.clone());
                    at += bytes.iter().skip(at).take_while(|byte| byte.is_ascii_alphanumeric()).count();
                }
            }
            None => {
                flush(&mut pairs, source.clone());
                let word = bytes.iter().skip(at).take_while(|byte| byte.is_ascii_alphanumeric()).count();
                at += word.max(1);
            }
        }
    }
    flush(&mut pairs, source.clone());
    pieces.finish(Transform::Hex)
}

/// Runs of digits with short gaps between them, of at least `least` digits.
fn runs(text: &str, is_digit: impl Fn(u8) -> bool, least: usize) -> impl Iterator<Item = Range<usize>> {
    let bytes = text.as_bytes();
    let mut at = 0;
    std::iter::from_fn(move || {
        loop {
            while !is_digit(*bytes.get(at)?) {
                at += 1;
            }
            let start = at;
            let (mut digits, mut end) = (0, at);
            while let Some(&byte) = bytes.get(at) {
                if is_digit(byte) {
                    digits += 1;
                    at += 1;
                    end = at;
                } else if matches!(
                    byte,
                    b' ' | b',' | b'\n' | b'\t' | b'-' | b'_' | b';' | b'|' | b'\\' | b'/'
                ) && at < end + 3
                {
                    at += 1;
                } else {
                    break;
                }
            }
            at = at.max(end);
            // A digit of another kind inside the last number means that it was not of this alphabet.
            if digits >= least && !bytes.get(end).is_some_and(u8::is_ascii_alphanumeric) {
                return Some(start..end);
            }
        }
    })
}
