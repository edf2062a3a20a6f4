//! Is decoded text something that a person or a model could read?

use crate::lexicon::{LEXICON, LONGEST};

/// Decoded bytes as text, if they are text: UTF-8 (or UTF-16 LE of ASCII, as some shells write it), at least four
/// characters, letters among them, hardly any controls. Short texts must hold a known word.
pub(super) fn text(bytes: Vec<u8>) -> Option<String> {
    let text = match String::from_utf8(bytes) {
        Ok(text) if !text.contains('\0') => text,
        Ok(text) => narrow(text.as_bytes())?,
        Err(error) => narrow(error.as_bytes())?,
    };
    readable(&text).then_some(text)
}

fn narrow(bytes: &[u8]) -> Option<String> {
    let (pairs, []) = bytes.as_chunks::<2>() else { return None };
    pairs
        .iter()
        .map(|&[low, high]| (high == 0 && low.is_ascii() && low != 0).then_some(char::from(low)))
        .collect()
}

pub(super) fn readable(text: &str) -> bool {
    let (mut count, mut letters, mut odd, mut ascii_letters) = (0usize, 0usize, 0usize, 0usize);
    for c in text.chars() {
        count += 1;
        match c {
            'a'..='z' | 'A'..='Z' => {
                letters += 1;
                ascii_letters += 1;
            }
            '0'..='9' | ' '..='~' | '\n' | '\r' | '\t' => {}
            _ if c.is_control() || c == '\u{fffd}' => odd += 1,
            _ if c.is_alphabetic() => letters += 1,
            // Rare symbols turn up when binary data happens to be valid UTF-8.
            _ => odd += usize::from(!('\u{2000}'..='\u{ffff}').contains(&c) && c < '\u{1f000}'),
        }
    }
    if count < 4 || odd * 20 > count {
        return false;
    }
    if count >= 24 && letters == ascii_letters {
        return true;
    }
    // Short or not ASCII: must be more than chance.
    known_word(text)
        || letters > ascii_letters && letters * 2 > count && one_script(text)
        || odd == 0 && text.is_ascii() && letters * 2 > count && encoded_again(text)
}

/// Whether a known word shows in a short text that is read backwards or through ROT13, which are what words are most
/// often put through before another encoding.
fn encoded_again(text: &str) -> bool {
    let backwards: String = text.chars().rev().collect();
    let rotated: String = text.bytes().map(|byte| char::from(rot13(byte))).collect();
    known_word(&backwards) || known_word(&rotated)
}

/// ROT13 of a byte.
pub(super) fn rot13(byte: u8) -> u8 {
    match byte {
        b'a'..=b'z' => (byte - b'a' + 13) % 26 + b'a',
        b'A'..=b'Z' => (byte - b'A' + 13) % 26 + b'A',
        _ => byte,
    }
}

/// Whether a known word of four letters or more (or two of three) occurs, or a mark of the turns of a chat.
pub(super) fn known_word(text: &str) -> bool {
    if text.contains("<|") && text.contains("|>") {
        return true;
    }
    let mut short = 0;
    for word in text.as_bytes().split(|byte| !byte.is_ascii_alphabetic()) {
        if !(3..=LONGEST).contains(&word.len()) {
            continue;
        }
        let mut lower = [0; LONGEST];
        lower.iter_mut().zip(word).for_each(|(slot, byte)| *slot = byte.to_ascii_lowercase());
        if lower.get(..word.len()).is_some_and(|word| LEXICON.knows(word)) {
            short += 1;
            if word.len() > 3 || short == 2 {
                return true;
            }
        }
    }
    false
}

/// Random bytes that happen to be UTF-8 jump between scripts; writing does not.
fn one_script(text: &str) -> bool {
    let (mut count, mut jumps) = (0usize, 0usize);
    let mut before = None;
    for c in text.chars().filter(|c| !c.is_ascii() && c.is_alphabetic()) {
        let block = u32::from(c) >> 8;
        jumps += usize::from(before.is_some_and(|before: u32| before.abs_diff(block) > 0x60));
        count += 1;
        before = Some(block);
    }
    jumps * 8 <= count
}
