//! Morse code and Braille.

use super::{Decoded, Pieces, plausible};
use crate::Transform;

/// International Morse code (ITU-R M.1677): letters apart by spaces, words by `/`, `|`, wider gaps or line ends.
pub(super) fn morse(text: &str) -> Option<Decoded> {
    let mut pieces = Pieces::default();
    let mut run = String::new();
    let mut source = 0..0;
    let mut at = 0;
    for token in text.split_inclusive([' ', '\n', '\t']) {
        let start = at;
        at += token.len();
        let code = token.trim();
        let wide = code.is_empty();
        let symbol = if wide { Some(' ') } else { letter(code) };
        match symbol {
            Some(symbol) if !(run.is_empty() && symbol == ' ') => {
                if run.is_empty() {
                    source.start = start;
                }
                if !(symbol == ' ' && run.ends_with(' ')) {
                    run.push(symbol);
                }
                if token.ends_with('\n') {
                    run.push(' ');
                }
                source.end = start + token.trim_end().len();
            }
            Some(_) => {}
            None => {
                flush(&mut pieces, &mut run, source.clone());
            }
        }
    }
    flush(&mut pieces, &mut run, source);
    pieces.finish(Transform::Morse)
}

fn flush(pieces: &mut Pieces, run: &mut String, source: std::ops::Range<usize>) {
    if run.trim().len() >= 6 && plausible::readable(run) {
        pieces.push_whole(run.trim_end(), source.start..source.end.max(source.start + 1));
    }
    run.clear();
}

fn letter(code: &str) -> Option<char> {
    if matches!(code, "/" | "|" | "//") {
        return Some(' ');
    }
    let mut value = 1usize;
    for c in code.chars() {
        value = value << 1
            | match c {
                '.' | '·' | '•' => 0,
                '-' | '–' | '—' | '−' | '_' => 1,
                _ => return None,
            };
        if value > 0xff {
            return None;
        }
    }
    // The code with a leading 1 as index: "." is 0b10, "-" is 0b11.
    const LETTERS: &[u8] = b"  etianmsurwdkgohvf l pjbxcyzq  54 3   2  +    16=/     7   8 90";
    let plain = LETTERS.get(value).copied().filter(|&c| c != b' ');
    plain.map(char::from).or(match code {
        "..--.." => Some('?'),
        "--..--" => Some(','),
        ".-.-.-" => Some('.'),
        "-.-.--" => Some('!'),
        ".----." => Some('\''),
        "-....-" => Some('-'),
        "---..." => Some(':'),
        ".-..-." => Some('"'),
        "-.--." => Some('('),
        "-.--.-" => Some(')'),
        "..--.-" => Some('_'),
        ".--.-." => Some('@'),
        "-.-.-." => Some(';'),
        _ => None,
    })
}

/// Uncontracted English Braille in Unicode's Braille patterns.
pub(super) fn braille(text: &str) -> Option<Decoded> {
    let mut pieces = Pieces::default();
    let mut run = String::new();
    let mut source = 0..0;
    for (at, c) in text.char_indices() {
        let symbol = match c {
            '\u{2800}'..='\u{283f}' => Some(braille_letter(u32::from(c) - 0x2800)),
            ' ' | '\n' if !run.is_empty() => Some(Some(' ')),
            _ => None,
        };
        match symbol {
            Some(symbol) => {
                if run.is_empty() {
                    source.start = at;
                }
                run.extend(symbol);
                source.end = at + c.len_utf8();
            }
            None => flush(&mut pieces, &mut run, source.clone()),
        }
    }
    flush(&mut pieces, &mut run, source);
    pieces.finish(Transform::Braille)
}

fn braille_letter(dots: u32) -> Option<char> {
    const LETTERS: &[u8] = &[
        0x01, 0x03, 0x09, 0x19, 0x11, 0x0b, 0x1b, 0x13, 0x0a, 0x1a, 0x05, 0x07, 0x0d, 0x1d, 0x15, 0x0f, 0x1f,
        0x17, 0x0e, 0x1e, 0x25, 0x27, 0x3a, 0x2d, 0x3d, 0x35,
    ];
    if dots == 0 {
        return Some(' ');
    }
    let at = LETTERS.iter().position(|&letter| u32::from(letter) == dots)?;
    char::from_u32(u32::from('a') + u32::try_from(at).ok()?)
}
