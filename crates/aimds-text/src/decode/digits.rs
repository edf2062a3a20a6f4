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
        let bits: Vec<u8> = digits.bytes().filter(u8::is_ascii_digit).map(|byte| byte - b'0').collect();
        if bits.len() % width != 0 {
            continue;
        }
        let value = |backwards: bool| {
            let order: Vec<u8> = if backwards { bits.iter().rev().copied().collect() } else { bits.clone() };
            plausible::text(order.chunks(width).map(|byte| byte.iter().fold(0, |value, bit| value << 1 | bit)).collect())
        };
        if let Some(decoded) = value(false).or_else(|| value(true)) {
            pieces.push(&decoded, run);
        }
    }
    pieces.finish(Transform::Binary)
}

/// Character codes in decimal or octal, with gaps: `73 103 110`.
pub(super) fn codes(text: &str) -> Option<Decoded> {
    let mut pieces = Pieces::default();
    for run in runs(text, |byte| byte.is_ascii_digit(), 16) {
        let Some(digits) = text.get(run.clone()) else { continue };
        let numbers = || digits.split(|c: char| !c.is_ascii_digit()).filter(|number| !number.is_empty());
        if numbers().count() < 8 || numbers().any(|number| number.len() > 3) {
            continue;
        }
        let decoded = [10, 8].into_iter().find_map(|radix| {
            let bytes = numbers().map(|number| u8::from_str_radix(number, radix).ok()).collect::<Option<Vec<u8>>>()?;
            // Lists of small numbers are common; small letters are what tells text from them.
            let small = bytes.iter().filter(|&&byte| byte >= b'a').count();
            let digits = bytes.iter().all(|&byte| byte.is_ascii_alphanumeric() || b" ,=%&#;\\".contains(&byte));
            let encoded_again = bytes.len() >= 24 && (small * 5 >= bytes.len() || digits);
            plausible::text(bytes).filter(|text| encoded_again || plausible::known_word(text))
        });
        if let Some(decoded) = decoded {
            pieces.push(&decoded, run);
        }
    }
    pieces.finish(Transform::CharCodes)
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
        let value = text.get(start..start + len).filter(|_| len == 2).and_then(|pair| u8::from_str_radix(pair, 16).ok());
        match value {
            Some(value) => {
                if pairs.is_empty() {
                    source.start = at;
                }
                pairs.push(value);
                source.end = start + 2;
                let gap = bytes.iter().skip(start + 2).take(3).take_while(|byte| matches!(byte, b' ' | b':' | b',' | b'-' | b'\n' | b';')).count();
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
                } else if matches!(byte, b' ' | b',' | b'\n' | b'\t' | b'-' | b'_' | b';' | b'|' | b'\\' | b'/') && at < end + 3 {
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
