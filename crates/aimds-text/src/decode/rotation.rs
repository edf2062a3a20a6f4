//! Letters shifted through the alphabet, mirrored, or written backwards.

use std::ops::Range;

use super::spelling::Words;
use super::{Decoded, plausible};
use crate::lexicon::LEXICON;
use crate::{Mapped, Transform};

/// Unknown words that are looked at to tell the shift.
const SAMPLE: usize = 48;

/// Caesar shifts 1–25 and Atbash, told by how many unknown words become known. The shifted region is decoded.
pub(super) fn rotated(canonical: &str, words: &Words) -> Option<Decoded> {
    let unknown = words.unknown_sample(canonical, SAMPLE);
    let mut best = (Recognised::default(), 0u8);
    for shift in 1..=26 {
        let mut recognised = Recognised::default();
        for (tried, word) in unknown.iter().enumerate() {
            recognised.count(word, LEXICON.class(word.bytes().map(|byte| shifted(byte, shift))).is_some());
            // Not promising: text in another language would otherwise cost 26 full rounds.
            if tried == 7 && recognised.words < 2 {
                break;
            }
        }
        if recognised.letters > best.0.letters {
            best = (recognised, shift);
        }
    }
    let (recognised, shift) = best;
    if !recognised.is_convincing(unknown.len()) {
        return None;
    }
    // Where hardly any word is known as it stands, everything was shifted; else what lies between the words that were.
    let all = super::spelling::words(canonical).count();
    let everything = words.unknown_count() * 4 >= all * 3;
    let first = if everything { 0..canonical.len() } else { words.unknown_span(canonical, shift)? };
    let region = canonical.get(first.clone())?;
    // ASCII stays ASCII, so the text stays UTF-8.
    let text = String::from_utf8(region.bytes().map(|byte| shifted(byte, shift)).collect()).ok()?;
    let mut mapped = Mapped { text, ..Mapped::default() };
    mapped.map.push_copy(region.len(), first.start);
    let transform = if shift == 26 { Transform::Atbash } else { Transform::Rot };
    let turned = words.turned(canonical, |word| LEXICON.class(word.iter().map(|&byte| shifted(byte, shift))));
    let inside = |word: &Range<usize>| first.start <= word.start && word.end <= first.end;
    let sources = turned.filter(inside).collect();
    Some(Decoded { sources, ..Decoded::changing(transform, mapped, vec![first.clone()]) })
}

/// Unknown words that became known.
#[derive(Clone, Copy, Default)]
struct Recognised {
    words: usize,
    letters: usize,
    longest: usize,
}

impl Recognised {
    fn count(&mut self, word: &str, known: bool) {
        if known {
            self.words += 1;
            self.letters += word.len();
            self.longest = self.longest.max(word.len());
        }
    }

    /// Three words, or so many letters that chance would not spell them (less of a short text, where there are fewer
    /// chances), and half of what was unknown.
    fn is_convincing(self, unknown: usize) -> bool {
        (self.words >= 3 || self.letters >= 8 || unknown <= 3 && self.longest >= 5)
            && self.words * 2 >= unknown.min(16)
    }
}

/// Shift 26 stands for Atbash.
pub(super) fn shifted(byte: u8, shift: u8) -> u8 {
    match byte {
        b'a'..=b'z' if shift == 26 => b'z' - (byte - b'a'),
        b'a'..=b'z' => {
            let place = byte - b'a' + shift;
            b'a' + if place >= 26 { place - 26 } else { place }
        }
        _ => byte,
    }
}

/// Text written backwards, as a whole and word by word; both are made, since the words alone do not tell which it was.
pub(super) fn reversed(canonical: &str, words: &Words) -> Vec<Decoded> {
    let unknown = words.unknown_sample(canonical, SAMPLE);
    let backwards = |word: &[u8]| LEXICON.class(word.iter().copied().rev());
    let mut recognised = Recognised::default();
    for word in &unknown {
        recognised.count(word, backwards(word.as_bytes()).is_some());
    }
    if !recognised.is_convincing(unknown.len()) && !marks_backwards(canonical) {
        return Vec::new();
    }
    let mut whole = Mapped::with_capacity(canonical.len());
    for (at, c) in canonical.char_indices().rev() {
        whole.whole_char(c, at..at + c.len_utf8());
    }
    let turned: Vec<Range<usize>> = words.turned(canonical, backwards).collect();
    // Where most words are known as they stand, only the others were written backwards.
    let everything = words.unknown_count() * 3 >= super::spelling::words(canonical).count() * 2;
    let mut ahead = turned.iter().peekable();
    let mut turns = |token: Range<usize>| {
        while ahead.next_if(|word| word.start < token.start).is_some() {}
        everything || ahead.peek().is_some_and(|word| word.end <= token.end)
    };
    // Punctuation travels with its word: "system." backwards is ".metsys".
    let mut by_word = Mapped::with_capacity(canonical.len());
    let mut start = 0;
    for token in canonical.split_inclusive([' ', '\n']) {
        let word = token.trim_end_matches([' ', '\n']);
        if turns(start..start + word.len()) {
            for (at, c) in word.char_indices().rev() {
                by_word.whole_char(c, start + at..start + at + c.len_utf8());
            }
        } else {
            by_word.copy(word, start);
        }
        by_word.copy(token.get(word.len()..).unwrap_or_default(), start + word.len());
        start += token.len();
    }
    if !everything {
        let by_word = Decoded::changing(Transform::Reversed, by_word, turned.clone());
        return vec![Decoded::new(Transform::Reversed, whole, turned), by_word];
    }
    // Both are the same words, one of them from the last to the first, which nobody wrote: that one hid nothing.
    let order = order(&whole.text) - order(&by_word.text);
    let mut whole = Decoded::new(Transform::Reversed, whole, turned);
    let mut by_word = Decoded::new(Transform::Reversed, by_word, Vec::new());
    if order >= SURE {
        by_word.changed = Some(Vec::new());
    } else if order <= -SURE {
        whole.changed = Some(Vec::new());
    }
    vec![whole, by_word]
}

/// By how much one order of words must be better than the other.
const SURE: i32 = 2;

/// How much speaks for the order of the words of a canonical text: neighbours that hardly ever stand the other way round, and
/// a sentence that ends where the text does.
fn order(text: &str) -> i32 {
    #[rustfmt::skip]
    const BEFORE: [&str; 28] = [
        "of", "in", "to", "on", "for", "with", "from", "at", "by", "about", "into", "using", "is", "as", "and", "or", "if",
        "that", "when", "de", "en", "con", "dans", "mit", "für", "per", "para", "que",
    ];
    #[rustfmt::skip]
    const AFTER: [&str; 21] = [
        "the", "a", "an", "my", "your", "our", "this", "these", "la", "el", "los", "las", "le", "les", "der", "die", "das",
        "den", "dem", "il", "una",
    ];
    const ASKED: [&str; 8] = ["tell", "give", "show", "let", "help", "want", "need", "how"];
    const FOR: [&str; 2] = ["me", "to"];
    let mut before = "";
    let mut found = 0;
    for word in text.split_ascii_whitespace() {
        let word = word.trim_matches(|c: char| c.is_ascii_punctuation());
        let ordered = BEFORE.contains(&before) && AFTER.contains(&word)
            || ASKED.contains(&before) && FOR.contains(&word);
        found += i32::from(ordered);
        before = word;
    }
    let end = text.trim_end_matches(['"', '\'', ')', ' ', '\n']);
    found + i32::from(end.ends_with(['.', '?', '!']))
}

/// Whether a mark of the turns of a chat stands in it from behind: `>|dne_mi|<`, `]tsni[`. Told by one mark alone, so that
/// it does not matter where a window of the text begins and ends.
fn marks_backwards(canonical: &str) -> bool {
    const LONGEST: usize = 24;
    /// What is no word of the lexicon.
    const NAMES: [&[u8]; 3] = [b"inst", b"sys", b"im"];
    let bytes = canonical.as_bytes();
    let closing = |byte: &u8| matches!(byte, b'>' | b']' | b'}');
    let mark = |rest: &[u8]| {
        let [close, rest @ ..] = rest else { return false };
        let opens = match close {
            b'>' => b'<',
            b']' => b'[',
            _ => b'{',
        };
        let name_ends = |byte: &u8| !(byte.is_ascii_alphabetic() || matches!(byte, b'_' | b'|' | b'/'));
        let len = rest.iter().take(LONGEST).position(name_ends);
        let Some((name, [end, ..])) = len.and_then(|len| rest.split_at_checked(len)) else { return false };
        let mut words = name.split(|byte| !byte.is_ascii_alphabetic());
        *end == opens
            && words.any(|word| {
                let named = NAMES.iter().any(|name| name.iter().rev().eq(word));
                named
                    || word.len() >= 3
                        && !LEXICON.knows(word)
                        && LEXICON.class(word.iter().copied().rev()).is_some()
            })
    };
    bytes
        .iter()
        .enumerate()
        .filter(|(_, byte)| closing(byte))
        .any(|(at, _)| bytes.get(at..).is_some_and(mark))
}

/// ROT47, which rotates every printable ASCII character.
pub(super) fn rot47(exact: &str) -> Option<Decoded> {
    let rotate = |byte: u8| if matches!(byte, b'!'..=b'~') { (byte - 33 + 47) % 94 + 33 } else { byte };
    // ASCII stays ASCII, so the text stays UTF-8.
    let decoded = String::from_utf8(exact.bytes().map(rotate).collect()).ok()?;
    let letters = decoded.bytes().filter(u8::is_ascii_alphabetic).count();
    if letters * 3 <= decoded.len() * 2 {
        return None;
    }
    let words = decoded.split(|c: char| !c.is_ascii_alphabetic()).filter(|word| word.len() >= 3);
    let known = words
        .filter(|word| plausible::known_word(word) || LEXICON.knows(word.to_ascii_lowercase().as_bytes()))
        .take(3)
        .count();
    (known == 3).then(|| {
        let mut mapped = Mapped::default();
        mapped.map.push_copy(decoded.len(), 0);
        mapped.text = decoded;
        Decoded::new(Transform::Rot, mapped, Vec::new())
    })
}
