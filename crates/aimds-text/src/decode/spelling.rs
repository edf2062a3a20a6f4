//! Words that were written so that a filter does not see them: letters apart, digits for letters, no gaps, accents.

use std::ops::Range;

use unicode_normalization::char::decompose_canonical;

use super::Decoded;
use crate::lexicon::LEXICON;
use crate::{Mapped, Transform};

/// The ASCII words of a canonical text, and which of them are not known.
pub(super) struct Words {
    words: Vec<(Range<usize>, bool)>,
}

impl Words {
    pub(super) fn of(canonical: &str) -> Self {
        let bytes = canonical.as_bytes();
        let mut words = Vec::new();
        let mut at = 0;
        while at < bytes.len() {
            let len = bytes.iter().skip(at).take_while(|byte| byte.is_ascii_lowercase()).count();
            if len == 0 {
                at += 1;
                continue;
            }
            // Letters that touch digits, or letters of other alphabets, are not words of this language.
            let touches = |byte: Option<&u8>| byte.is_some_and(|byte| !byte.is_ascii() || byte.is_ascii_digit());
            let alone = !touches(at.checked_sub(1).and_then(|before| bytes.get(before))) && !touches(bytes.get(at + len));
            if len >= 3 && alone {
                words.push((at..at + len, bytes.get(at..at + len).is_some_and(|word| LEXICON.knows(word))));
            }
            at += len;
        }
        Self { words }
    }

    pub(super) fn all(&self) -> impl Iterator<Item = Range<usize>> {
        self.words.iter().map(|(word, _)| word.clone())
    }

    /// Up to `most` unknown words, spread over the text.
    pub(super) fn unknown_sample<'t>(&self, canonical: &'t str, most: usize) -> Vec<&'t str> {
        let unknown = || self.words.iter().filter(|(_, known)| !known);
        let step = unknown().count().div_ceil(most).max(1);
        unknown().step_by(step).filter_map(|(word, _)| canonical.get(word.clone())).collect()
    }

    /// From the first to the last unknown word that the shift makes known.
    pub(super) fn unknown_span(&self, canonical: &str, shift: u8) -> Option<Range<usize>> {
        let mut hits = self.words.iter().filter(|(word, known)| {
            !known
                && canonical.get(word.clone()).is_some_and(|word| {
                    LEXICON.class(word.bytes().map(|byte| super::rotation::shifted(byte, shift))).is_some()
                })
        });
        let first = hits.next()?.0.clone();
        let last = hits.next_back().map_or(first.end, |(word, _)| word.end);
        // Unknown neighbours (names, rare words, known-looking accidents) belong to the region as well.
        let start = canonical.get(..first.start).map_or(0, |before| {
            before.rfind([':', '\n', '"']).map_or(0, |at| at + 1)
        });
        let start = if first.start - start < 40 { start } else { first.start };
        let end = canonical.get(last..).and_then(|after| after.find('\n')).map_or(canonical.len(), |at| last + at);
        Some(start..if end - last < 40 { end } else { last })
    }
}

/// Letters kept apart by spaces, dots, dashes, stars or line ends: `i g n o r e`. Wider gaps are the gaps between
/// words; where there are none, the word list finds them.
pub(super) fn spaced(exact: &str) -> Option<Decoded> {
    let mut mapped = Mapped::default();
    let mut sources = Vec::new();
    let mut done = 0;
    let mut at = 0;
    let bytes = exact.as_bytes();
    while at < bytes.len() {
        let run = match spaced_run(exact, at) {
            Ok(run) => run,
            Err(seen) => {
                // Skip what was looked at and the rest of this word.
                at = seen.max(at);
                let len = bytes.iter().skip(at).take_while(|byte| byte.is_ascii_alphanumeric() || !byte.is_ascii()).count();
                at += len.max(1);
                continue;
            }
        };
        mapped.copy(exact.get(done..run.source.start).unwrap_or_default(), done);
        run.write(&mut mapped);
        done = run.source.end;
        at = run.source.end.max(at + 1);
        sources.push(run.source);
    }
    if done == 0 {
        return None;
    }
    mapped.copy(exact.get(done..).unwrap_or_default(), done);
    Some(Decoded { transform: Transform::Spaced, mapped, sources })
}

struct SpacedRun {
    source: Range<usize>,
    /// Each letter with its place; a gap between words is `None`.
    letters: Vec<(Option<char>, usize)>,
}

/// A run of five or more single letters with separators that starts at `start`; else how far it was looked for.
fn spaced_run(exact: &str, start: usize) -> Result<SpacedRun, usize> {
    const LEAST: usize = 5;
    let bytes = exact.as_bytes();
    if start > 0 && bytes.get(start - 1).is_some_and(u8::is_ascii_alphanumeric) {
        return Err(start);
    }
    let single = |at: usize| -> Option<(char, usize)> {
        let c = exact.get(at..)?.chars().next()?;
        let fits = c.is_alphanumeric() || matches!(c, '$' | '@' | '!' | '|');
        fits.then_some((c, at + c.len_utf8()))
    };
    let mut letters = Vec::new();
    let (mut at, mut end) = (start, start);
    let mut narrow: Option<&[u8]> = None;
    let mut count = 0;
    let mut first_end = start;
    while let Some((c, next)) = single(at) {
        let gap = bytes.iter().skip(next).take(6).take_while(|byte| matches!(byte, b' ' | b'.' | b'-' | b'_' | b'*' | b'|' | b'/' | b',' | b'\n' | b'+' | b'~')).count();
        let separator = bytes.get(next..next + gap).unwrap_or_default();
        let followed = bytes.get(next + gap).is_some_and(|&byte| byte.is_ascii_alphanumeric() || !byte.is_ascii());
        if gap == 0 && followed {
            // The start of a longer word ends the run before it.
            break;
        }
        letters.push((Some(c), at));
        count += usize::from(c.is_alphabetic());
        end = next;
        if gap == 0 {
            break;
        }
        match narrow {
            None => {
                narrow = Some(separator);
                first_end = next;
            }
            Some(narrow) if separator == narrow => {}
            Some(known) if separator.len() > known.len() => letters.push((None, next)),
            // The first gap was one between words.
            Some(known) if separator.len() < known.len() && letters.len() == 2 => {
                letters.insert(1, (None, first_end));
                narrow = Some(separator);
            }
            Some(_) => letters.push((None, next)),
        }
        at = next + gap;
    }
    while matches!(letters.last(), Some((None, _))) {
        letters.pop();
    }
    if count >= LEAST { Ok(SpacedRun { source: start..end, letters }) } else { Err(end) }
}

impl SpacedRun {
    fn write(&self, out: &mut Mapped) {
        let gaps = self.letters.iter().any(|(letter, _)| letter.is_none());
        let lower: Vec<u8> = self.letters.iter().filter_map(|(c, _)| c.filter(char::is_ascii)).map(|c| c.to_ascii_lowercase() as u8).collect();
        let ends = if gaps || lower.len() != self.letters.len() { None } else { LEXICON.split(&lower) };
        for (index, &(letter, at)) in self.letters.iter().enumerate() {
            match letter {
                Some(c) => {
                    let mut buffer = [0; 4];
                    out.copy(c.encode_utf8(&mut buffer), at);
                    if ends.as_ref().is_some_and(|ends| ends.contains(&(index + 1)) && index + 1 < lower.len()) {
                        out.whole(" ", at..at + c.len_utf8());
                    }
                }
                None => out.whole(" ", at..at + 1),
            }
        }
    }
}

/// Digits and symbols for letters: `1gn0r3`. Made where at least one long or two short words become known.
pub(super) fn leet(canonical: &str) -> Option<Decoded> {
    let mut mapped = Mapped::default();
    let (mut done, mut at, mut gain) = (0, 0, 0);
    for word in canonical.split_inclusive([' ', '\n', '-', '/', ',', '.', ':', '"']) {
        let start = at;
        at += word.len();
        let trimmed = word.trim_end_matches([' ', '\n', '-', '/', ',', '.', ':', '"', '?', ')', '\'']);
        let letters = trimmed.bytes().filter(u8::is_ascii_lowercase).count();
        let marks = trimmed.bytes().filter(|&byte| unleet(byte, false).is_some()).count();
        if marks == 0 || trimmed.len() < 2 || trimmed.len() > 40 || letters + marks < trimmed.len().saturating_sub(1) || letters == 0 && marks < 3 {
            continue;
        }
        let folded = |ell: bool| -> Vec<u8> { trimmed.bytes().map(|byte| unleet(byte, ell).unwrap_or(byte)).collect() };
        let (eye, ell) = (folded(false), folded(true));
        // A trailing "!" is punctuation more often than a letter.
        let bare = eye.get(..eye.len() - 1).filter(|_| trimmed.ends_with('!'));
        let plain = [Some(eye.as_slice()), Some(ell.as_slice()), bare].into_iter().flatten().find(|word| LEXICON.knows(word));
        gain += plain.map_or(0, |word| if word.len() >= 5 { 2 } else { 1 });
        let plain = plain.unwrap_or(&eye);
        mapped.copy(canonical.get(done..start).unwrap_or_default(), done);
        for (index, &byte) in plain.iter().enumerate() {
            mapped.copy(char::from(byte).encode_utf8(&mut [0; 4]), start + index);
        }
        done = start + plain.len();
    }
    if gain < 2 {
        return None;
    }
    mapped.copy(canonical.get(done..).unwrap_or_default(), done);
    Some(Decoded { transform: Transform::Leet, mapped, sources: Vec::new() })
}

fn unleet(byte: u8, ell: bool) -> Option<u8> {
    Some(match byte {
        b'0' => b'o',
        b'1' | b'|' => {
            if ell {
                b'l'
            } else {
                b'i'
            }
        }
        b'!' => b'i',
        b'3' => b'e',
        b'4' | b'@' => b'a',
        b'5' | b'$' => b's',
        b'7' | b'+' => b't',
        b'8' => b'b',
        b'9' | b'6' => b'g',
        b'2' => b'z',
        b'(' => b'c',
        _ => return None,
    })
}

/// Accents that turn a known word into an unknown one: `ïgnörë`. Made where at least two words become known.
pub(super) fn unaccented(canonical: &str) -> Option<Decoded> {
    if canonical.is_ascii() {
        return None;
    }
    let mut mapped = Mapped::default();
    let (mut done, mut gain) = (0, 0);
    for (start, word) in crate::canonical::words(canonical) {
        if word.is_ascii() || word.len() > 40 {
            continue;
        }
        let plain: String = word.chars().map(base_letter).collect();
        if !plain.is_ascii() || !LEXICON.knows(plain.as_bytes()) {
            continue;
        }
        gain += 1;
        mapped.copy(canonical.get(done..start).unwrap_or_default(), done);
        for (offset, c) in word.char_indices() {
            mapped.whole_char(base_letter(c), start + offset..start + offset + c.len_utf8());
        }
        done = start + word.len();
    }
    if gain < 2 {
        return None;
    }
    mapped.copy(canonical.get(done..).unwrap_or_default(), done);
    Some(Decoded { transform: Transform::Unaccented, mapped, sources: Vec::new() })
}

fn base_letter(c: char) -> char {
    let mut base = None;
    decompose_canonical(c, |part| _ = base.get_or_insert(part));
    match base.unwrap_or(c) {
        'ø' => 'o',
        'ł' => 'l',
        'đ' | 'ð' => 'd',
        'ħ' => 'h',
        'ŧ' => 't',
        base => base,
    }
}

/// Words without gaps: `ignoreallpreviousinstructions`.
pub(super) fn run_together(canonical: &str, words: &Words) -> Option<Decoded> {
    const SHORTEST: usize = 12;
    const MOST: usize = 32;
    let mut mapped = Mapped::default();
    let (mut done, mut tried) = (0, 0);
    for (word, _) in words.words.iter().filter(|(word, known)| !known && word.len() >= SHORTEST) {
        tried += 1;
        if tried > MOST {
            break;
        }
        let Some(ends) = canonical.get(word.clone()).and_then(|word| LEXICON.split(word.as_bytes())) else { continue };
        // Long compounds fall apart into short words by accident.
        if ends.len() < 3 || ends.len() * 7 > word.len() * 2 {
            continue;
        }
        mapped.copy(canonical.get(done..word.start).unwrap_or_default(), done);
        let mut start = 0;
        for end in ends {
            if start > 0 {
                mapped.whole(" ", word.start + start - 1..word.start + start);
            }
            mapped.copy(canonical.get(word.start + start..word.start + end).unwrap_or_default(), word.start + start);
            start = end;
        }
        done = word.end;
    }
    if done == 0 {
        return None;
    }
    mapped.copy(canonical.get(done..).unwrap_or_default(), done);
    Some(Decoded { transform: Transform::RunTogether, mapped, sources: Vec::new() })
}
