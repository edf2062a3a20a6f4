//! Encodings that escape single characters inside ordinary text. The result is the whole text, so that what is escaped
//! keeps its context.
//!
//! Where a text holds escapes of several families, all of them are undone in one pass: one reading for each subset of
//! the families would multiply the work without showing more.

use std::ops::Range;

use super::Decoded;
use crate::{Mapped, Transform};

/// A family of escapes.
#[derive(Clone, Copy)]
struct Family {
    transform: Transform,
    /// The byte that each escape begins with.
    mark: u8,
    /// Fewer escapes than this are taken for something else.
    least: usize,
    /// Reads the escapes at the start of a text that begins with `mark`: appends what they stand for.
    read: fn(&[u8], &mut String) -> Option<Escapes>,
}

/// Escapes that were read.
struct Escapes {
    /// Source bytes that they took.
    taken: usize,
    /// How many they are; 0 for those that prove nothing.
    count: usize,
}

const FAMILIES: [Family; 4] = [
    Family { transform: Transform::Percent, mark: b'%', least: 2, read: percent },
    Family { transform: Transform::HtmlEntities, mark: b'&', least: 1, read: html },
    Family { transform: Transform::QuotedPrintable, mark: b'=', least: 3, read: quoted_printable },
    Family { transform: Transform::Backslash, mark: b'\\', least: 2, read: backslash },
];

/// Longest run of escaped bytes that is read at once.
const MOST_BYTES: usize = 4096;

/// Undoes every family of escapes that `text` holds enough of; at most `most` families, the others are left in the
/// result.
pub(super) fn escapes(text: &str, most: usize) -> Option<Decoded> {
    let bytes = text.as_bytes();
    // A first pass that counts, and ends where nothing is left to count.
    let mut present = [false; 256];
    let mut plain = String::new();
    let mut transforms = Vec::new();
    for family in FAMILIES {
        let (mut at, mut count) = (0, 0);
        while transforms.len() < most
            && count < family.least
            && let Some(offset) = bytes.get(at..).and_then(|rest| memchr::memchr(family.mark, rest))
        {
            at += offset;
            plain.clear();
            let read = bytes.get(at..).and_then(|rest| (family.read)(rest, &mut plain));
            count += read.as_ref().map_or(0, |read| read.count);
            at += read.map_or(1, |read| read.taken.max(1));
        }
        if count >= family.least {
            transforms.push(family.transform);
            if let Some(present) = present.get_mut(usize::from(family.mark)) {
                *present = true;
            }
        }
    }
    let (&first, also) = transforms.split_first()?;
    if first == Transform::Percent && !text.contains(' ') {
        // In form data.
        present.get_mut(usize::from(b'+')).into_iter().for_each(|present| *present = true);
    }
    let mut mapped = Mapped::with_capacity(text.len());
    let mut sources: Vec<Range<usize>> = Vec::new();
    let (mut done, mut at) = (0, 0);
    let is_mark = |byte: &u8| present.get(usize::from(*byte)) == Some(&true);
    while let Some(offset) = bytes.get(at..).and_then(|rest| rest.iter().position(is_mark)) {
        at += offset;
        let rest = bytes.get(at..).unwrap_or_default();
        plain.clear();
        let taken = match rest.first() {
            Some(b'+') => {
                plain.push(' ');
                1
            }
            mark => {
                let family = FAMILIES.iter().find(|family| Some(&family.mark) == mark);
                family.and_then(|family| (family.read)(rest, &mut plain)).map_or(0, |read| read.taken)
            }
        };
        if taken == 0 {
            at += 1;
            continue;
        }
        mapped.copy(text.get(done..at).unwrap_or_default(), done);
        if plain.len() == 1 {
            mapped.whole(&plain, at..at + taken);
        } else if plain.is_ascii() {
            // A run of escapes of equal width maps character by character.
            mapped.text.push_str(&plain);
            mapped.map.push_even(plain.len(), at..at + taken);
        } else {
            let chars = plain.chars().count().max(1);
            for (index, c) in plain.chars().enumerate() {
                mapped.whole_char(c, at + index * taken / chars..at + (index + 1) * taken / chars);
            }
        }
        match sources.last_mut() {
            Some(last) if last.end == at => last.end = at + taken,
            _ => sources.push(at..at + taken),
        }
        at += taken;
        done = at;
    }
    mapped.copy(text.get(done..).unwrap_or_default(), done);
    Some(Decoded { transform: first, mapped, also: also.to_vec(), sources, changed: None })
}

fn hex_digits(digits: &[u8]) -> Option<u32> {
    digits.iter().try_fold(0, |value, &byte| Some(value << 4 | char::from(byte).to_digit(16)?))
}

/// Bytes that are written as `prefix` and two hexadecimal digits each, one after the other.
fn hex_bytes(text: &[u8], prefix: &[u8], plain: &mut String) -> Option<Escapes> {
    let width = prefix.len() + 2;
    let byte = |escape: &[u8]| {
        hex_digits(escape.strip_prefix(prefix).filter(|digits| digits.len() == 2)?).map(|byte| byte as u8)
    };
    // NUL ends what is text.
    let escaped = || text.chunks(width).take(MOST_BYTES).map_while(byte).take_while(|&byte| byte != 0);
    let (mut count, mut ascii) = (0, true);
    for byte in escaped() {
        count += 1;
        ascii &= byte.is_ascii();
    }
    if ascii {
        plain.extend(escaped().map(char::from));
    } else {
        match String::from_utf8(escaped().collect()) {
            Ok(text) => plain.push_str(&text),
            Err(_) => plain.extend(escaped().map(char::from)),
        }
    }
    (count > 0).then_some(Escapes { taken: count * width, count })
}

/// Percent-encoding (RFC 3986).
fn percent(text: &[u8], plain: &mut String) -> Option<Escapes> {
    hex_bytes(text, b"%", plain)
}

/// Quoted-printable (RFC 2045), soft line breaks joined.
fn quoted_printable(text: &[u8], plain: &mut String) -> Option<Escapes> {
    match text {
        [b'=', b'\n', ..] => Some(Escapes { taken: 2, count: 1 }),
        [b'=', b'\r', b'\n', ..] => Some(Escapes { taken: 3, count: 1 }),
        _ => hex_bytes(text, b"=", plain),
    }
}

/// Backslash escapes of C, JSON, JavaScript and Python: `\n`, `\"`, `\x41`, `\u0041`, `\u{41}`, `\U00000041`, `\101`.
fn backslash(text: &[u8], plain: &mut String) -> Option<Escapes> {
    let mut one = |code: Option<u32>, taken: usize, count: usize| {
        plain.push(char::from_u32(code?)?);
        Some(Escapes { taken, count })
    };
    let hex = |from: usize, to: usize| text.get(from..to).and_then(hex_digits);
    match text {
        [_, b'n' | b'r', ..] => one(Some(10), 2, 0),
        [_, b't', ..] => one(Some(32), 2, 0),
        [_, c @ (b'"' | b'\'' | b'/' | b'\\'), ..] => one(Some(u32::from(*c)), 2, 0),
        [_, b'x', ..] => hex_bytes(text, b"\\x", plain),
        [_, b'u', b'{', rest @ ..] => {
            let len = rest.iter().take(7).position(|&byte| byte == b'}').filter(|&len| len > 0)?;
            one(hex(3, 3 + len), len + 4, 1)
        }
        [_, b'u', ..] => match (hex(2, 6)?, hex(8, 12)) {
            (high @ 0xd800..0xdc00, Some(low @ 0xdc00..0xe000)) if text.get(6..8) == Some(b"\\u") => {
                one(Some(0x1_0000 + ((high - 0xd800) << 10 | (low - 0xdc00))), 12, 2)
            }
            (code, _) => one(Some(code), 6, 1),
        },
        [_, b'U', ..] => one(hex(2, 10), 10, 1),
        [_, digits @ ..] if digits.len() >= 3 => {
            let [a @ b'0'..=b'3', b @ b'0'..=b'7', c @ b'0'..=b'7', ..] = digits else { return None };
            let digit = |byte: &u8| u32::from(byte - b'0');
            one(Some(digit(a) << 6 | digit(b) << 3 | digit(c)), 4, 1)
        }
        _ => None,
    }
}

/// HTML character references, numeric and the named ones of ASCII and common Latin letters.
fn html(text: &[u8], plain: &mut String) -> Option<Escapes> {
    const LONGEST: usize = 12;
    let window = text.get(1..)?;
    let window = window.get(..LONGEST.min(window.len()))?;
    if let Some(number) = window.strip_prefix(b"#") {
        let (digits, radix, skip) = match number {
            [b'x' | b'X', digits @ ..] => (digits, 16, 3),
            _ => (number, 10, 2),
        };
        let digit = |byte: &u8| char::from(*byte).to_digit(radix);
        let len = digits.iter().take_while(|byte| digit(byte).is_some()).count();
        let value = digits
            .iter()
            .map_while(digit)
            .try_fold(0u32, |value, digit| value.checked_mul(radix)?.checked_add(digit));
        let c = value.filter(|&value| len > 0 && value > 0).and_then(char::from_u32)?;
        plain.push(c);
        let semicolon = usize::from(digits.get(len) == Some(&b';'));
        return Some(Escapes { taken: skip + len + semicolon, count: 1 });
    }
    let name = window.get(..memchr::memchr(b';', window)?)?;
    let (_, known) = NAMED.iter().find(|(known, _)| known.as_bytes() == name)?;
    plain.push_str(known);
    Some(Escapes { taken: name.len() + 2, count: 1 })
}

const NAMED: &[(&str, &str)] = &[
    ("lt", "<"),
    ("gt", ">"),
    ("amp", "&"),
    ("quot", "\""),
    ("apos", "'"),
    ("nbsp", " "),
    ("Tab", " "),
    ("NewLine", "\n"),
    ("colon", ":"),
    ("semi", ";"),
    ("comma", ","),
    ("period", "."),
    ("excl", "!"),
    ("quest", "?"),
    ("num", "#"),
    ("dollar", "$"),
    ("percnt", "%"),
    ("lpar", "("),
    ("rpar", ")"),
    ("ast", "*"),
    ("plus", "+"),
    ("sol", "/"),
    ("bsol", "\\"),
    ("equals", "="),
    ("commat", "@"),
    ("lsqb", "["),
    ("rsqb", "]"),
    ("lbrack", "["),
    ("rbrack", "]"),
    ("lbrace", "{"),
    ("rbrace", "}"),
    ("lcub", "{"),
    ("rcub", "}"),
    ("vert", "|"),
    ("grave", "`"),
    ("lowbar", "_"),
    ("hyphen", "-"),
    ("dash", "-"),
    ("ndash", "-"),
    ("mdash", "-"),
    ("lsquo", "'"),
    ("rsquo", "'"),
    ("ldquo", "\""),
    ("rdquo", "\""),
    ("hellip", "..."),
    ("shy", ""),
    ("zwnj", ""),
    ("zwj", ""),
    ("eacute", "é"),
    ("egrave", "è"),
    ("agrave", "à"),
    ("aacute", "á"),
    ("iacute", "í"),
    ("oacute", "ó"),
    ("uacute", "ú"),
    ("ntilde", "ñ"),
    ("ccedil", "ç"),
    ("auml", "ä"),
    ("ouml", "ö"),
    ("uuml", "ü"),
    ("szlig", "ß"),
    ("iexcl", "¡"),
    ("iquest", "¿"),
];
