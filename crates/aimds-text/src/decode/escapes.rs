//! Encodings that escape single characters inside ordinary text. The result is the whole text, so that what is escaped
//! keeps its context.

use super::Decoded;
use crate::{Mapped, Transform};

/// Percent-encoding (RFC 3986), two escapes or more.
pub(super) fn percent(text: &str) -> Option<Decoded> {
    let plus_is_space = !text.contains(' ') && text.contains('+');
    in_place(text, Transform::Percent, 2, |rest| match rest.as_bytes() {
        [b'%', ..] => {
            let mut bytes = Vec::new();
            while let Some(byte) = rest.get(bytes.len() * 3..).and_then(percent_byte) {
                bytes.push(byte);
                if bytes.len() == 4096 {
                    break;
                }
            }
            unescaped(bytes, 3)
        }
        [b'+', ..] if plus_is_space => Some((" ".into(), 1, 0)),
        _ => None,
    })
}

fn percent_byte(rest: &str) -> Option<u8> {
    hex_byte(rest.strip_prefix('%')?)
}

fn hex_byte(rest: &str) -> Option<u8> {
    let pair = rest.get(..2).filter(|pair| pair.bytes().all(|byte| byte.is_ascii_hexdigit()))?;
    u8::from_str_radix(pair, 16).ok()
}

/// A run of escapes as text: the text, the source bytes that it took, the number of escapes.
fn unescaped(bytes: Vec<u8>, width: usize) -> Option<(String, usize, usize)> {
    let count = bytes.len();
    let text = String::from_utf8(bytes).unwrap_or_else(|error| error.as_bytes().iter().copied().map(char::from).collect());
    (count > 0 && !text.contains('\0')).then_some((text, count * width, count))
}

/// Quoted-printable (RFC 2045), three escapes or more, soft line breaks joined.
pub(super) fn quoted_printable(text: &str) -> Option<Decoded> {
    in_place(text, Transform::QuotedPrintable, 3, |rest| {
        let bytes = rest.as_bytes();
        match bytes {
            [b'=', b'\n', ..] => Some((String::new(), 2, 1)),
            [b'=', b'\r', b'\n', ..] => Some((String::new(), 3, 1)),
            [b'=', ..] => {
                let mut decoded = Vec::new();
                while let Some(byte) = rest.get(decoded.len() * 3..).and_then(|rest| hex_byte(rest.strip_prefix('=')?)) {
                    decoded.push(byte);
                    if decoded.len() == 4096 {
                        break;
                    }
                }
                unescaped(decoded, 3)
            }
            _ => None,
        }
    })
}

/// Backslash escapes of C, JSON, JavaScript and Python: `\n`, `\"`, `\x41`, `\u0041`, `\u{41}`, `\U00000041`, `\101`.
pub(super) fn backslash(text: &str) -> Option<Decoded> {
    in_place(text, Transform::Backslash, 2, |rest| {
        let after = rest.strip_prefix('\\')?;
        let bytes = after.as_bytes();
        let code = |skip: usize, len: usize, radix: u32, taken: usize| {
            let digits = after.get(skip..skip + len)?;
            let valid = digits.bytes().all(|byte| char::from(byte).is_digit(radix));
            let c = char::from_u32(u32::from_str_radix(digits, radix).ok().filter(|_| valid)?)?;
            Some((c.to_string(), taken, 1))
        };
        match bytes {
            [b'n' | b'r', ..] => Some(("\n".into(), 2, 0)),
            [b't', ..] => Some((" ".into(), 2, 0)),
            [b'"' | b'\'' | b'/' | b'\\', ..] => Some((after.get(..1)?.to_owned(), 2, 0)),
            [b'x', ..] => {
                let mut decoded = Vec::new();
                while let Some(byte) = rest.get(decoded.len() * 4..).and_then(|rest| hex_byte(rest.strip_prefix("\\x")?)) {
                    decoded.push(byte);
                    if decoded.len() == 4096 {
                        break;
                    }
                }
                unescaped(decoded, 4)
            }
            [b'u', b'{', ..] => {
                let len = after.get(2..)?.find('}').filter(|len| (1..=6).contains(len))?;
                code(2, len, 16, len + 4)
            }
            [b'u', ..] => surrogates(rest).or_else(|| code(1, 4, 16, 6)),
            [b'U', ..] => code(1, 8, 16, 10),
            [b'0'..=b'3', b'0'..=b'7', b'0'..=b'7', ..] => code(0, 3, 8, 4),
            _ => None,
        }
    })
}

/// A UTF-16 surrogate pair as two `\u` escapes.
fn surrogates(rest: &str) -> Option<(String, usize, usize)> {
    let unit = |at: usize| u16::from_str_radix(rest.get(at..)?.strip_prefix("\\u")?.get(..4)?, 16).ok();
    let pair = [unit(0)?, unit(6)?];
    (0xd800..0xdc00).contains(pair.first()?).then(|| String::from_utf16(&pair).ok()).flatten().map(|text| (text, 12, 2))
}

/// HTML character references, numeric and the named ones of ASCII and common Latin letters.
pub(super) fn html(text: &str) -> Option<Decoded> {
    in_place(text, Transform::HtmlEntities, 1, |rest| {
        let after = rest.strip_prefix('&')?;
        let window = after.get(..after.floor_char_boundary(12))?;
        if let Some(number) = window.strip_prefix('#') {
            let (digits, radix, skip) = match number.strip_prefix(['x', 'X']) {
                Some(digits) => (digits, 16, 3),
                None => (number, 10, 2),
            };
            let len = digits.bytes().take_while(|&byte| char::from(byte).is_digit(radix)).count();
            let c = char::from_u32(u32::from_str_radix(digits.get(..len)?, radix).ok()?).filter(|&c| c != '\0')?;
            let semicolon = usize::from(digits.as_bytes().get(len) == Some(&b';'));
            return Some((c.to_string(), skip + len + semicolon, 1));
        }
        let (name, _) = window.split_once(';')?;
        let plain = NAMED.iter().find(|(known, _)| *known == name).map(|&(_, plain)| plain)?;
        Some((plain.to_owned(), name.len() + 2, 1))
    })
}

const NAMED: &[(&str, &str)] = &[
    ("lt", "<"), ("gt", ">"), ("amp", "&"), ("quot", "\""), ("apos", "'"), ("nbsp", " "), ("Tab", " "), ("NewLine", "\n"),
    ("colon", ":"), ("semi", ";"), ("comma", ","), ("period", "."), ("excl", "!"), ("quest", "?"), ("num", "#"),
    ("dollar", "$"), ("percnt", "%"), ("lpar", "("), ("rpar", ")"), ("ast", "*"), ("plus", "+"), ("sol", "/"),
    ("bsol", "\\"), ("equals", "="), ("commat", "@"), ("lsqb", "["), ("rsqb", "]"), ("lbrack", "["), ("rbrack", "]"),
    ("lbrace", "{"), ("rbrace", "}"), ("lcub", "{"), ("rcub", "}"), ("vert", "|"), ("grave", "`"), ("lowbar", "_"),
    ("hyphen", "-"), ("dash", "-"), ("ndash", "-"), ("mdash", "-"), ("lsquo", "'"), ("rsquo", "'"), ("ldquo", "\""),
    ("rdquo", "\""), ("hellip", "..."), ("shy", ""), ("zwnj", ""), ("zwj", ""), ("eacute", "é"), ("egrave", "è"),
    ("agrave", "à"), ("aacute", "á"), ("iacute", "í"), ("oacute", "ó"), ("uacute", "ú"), ("ntilde", "ñ"), ("ccedil", "ç"),
    ("auml", "ä"), ("ouml", "ö"), ("uuml", "ü"), ("szlig", "ß"), ("iexcl", "¡"), ("iquest", "¿"),
];

/// Replaces every escape that `escape` recognises at a position: (replacement, source bytes taken, escapes counted).
/// `None` if fewer than `least` were counted.
fn in_place(
    text: &str,
    transform: Transform,
    least: usize,
    escape: impl Fn(&str) -> Option<(String, usize, usize)>,
) -> Option<Decoded> {
    let mut mapped = Mapped::default();
    let mut sources: Vec<std::ops::Range<usize>> = Vec::new();
    let (mut done, mut at, mut count) = (0, 0, 0);
    let triggers = |byte: u8| matches!(byte, b'%' | b'=' | b'\\' | b'&' | b'+');
    while let Some(offset) = text.as_bytes().get(at..).and_then(|rest| rest.iter().position(|&byte| triggers(byte))) {
        at += offset;
        match text.get(at..).and_then(&escape) {
            Some((plain, taken, counted)) if taken > 0 => {
                mapped.copy(text.get(done..at).unwrap_or_default(), done);
                // A run of equal-width escapes maps character by character.
                let chars = plain.chars().count().max(1);
                for (index, c) in plain.chars().enumerate() {
                    mapped.whole_char(c, at + index * taken / chars..at + (index + 1) * taken / chars);
                }
                match sources.last_mut() {
                    Some(last) if last.end == at => last.end = at + taken,
                    _ => sources.push(at..at + taken),
                }
                at += taken;
                done = at;
                count += counted;
            }
            _ => at += 1,
        }
    }
    if count < least {
        return None;
    }
    mapped.copy(text.get(done..).unwrap_or_default(), done);
    Some(Decoded { transform, mapped, sources })
}
