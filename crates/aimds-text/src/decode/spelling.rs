//! Words that were written so that a filter does not see them: letters apart, digits for letters, no gaps, accents.

use std::ops::Range;

use unicode_normalization::char::decompose_canonical;

use super::Decoded;
use crate::lexicon::LEXICON;
use crate::{Mapped, Transform};

/// The ASCII words of a canonical text that are not known.
pub(super) struct Words {
    unknown: Vec<(u32, u32)>,
}

impl Words {
    pub(super) fn of(canonical: &str) -> Self {
        let bytes = canonical.as_bytes();
        let unknown = words(canonical)
            .filter(|word| bytes.get(word.clone()).is_some_and(|word| !LEXICON.knows(word)))
            .filter_map(|word| Some((u32::try_from(word.start).ok()?, u32::try_from(word.end).ok()?)));
        Self { unknown: unknown.collect() }
    }

    fn unknown(&self) -> impl DoubleEndedIterator<Item = Range<usize>> + Clone {
        self.unknown.iter().map(|&(start, end)| start as usize..end as usize)
    }

    /// The unknown words that are known once their letters are turned.
    pub(super) fn turned(
        &self,
        canonical: &str,
        turn: impl Fn(&[u8]) -> Option<u8>,
    ) -> impl Iterator<Item = Range<usize>> {
        self.unknown().filter(move |word| {
            canonical.get(word.clone()).is_some_and(|word| turn(word.as_bytes()).is_some())
        })
    }

    /// How many words are unknown.
    pub(super) fn unknown_count(&self) -> usize {
        self.unknown.len()
    }

    /// Up to `most` unknown words, spread over the text.
    pub(super) fn unknown_sample<'t>(&self, canonical: &'t str, most: usize) -> Vec<&'t str> {
        let step = self.unknown.len().div_ceil(most).max(1);
        self.unknown().step_by(step).filter_map(|word| canonical.get(word)).collect()
    }

    /// From the first to the last unknown word that the shift makes known.
    pub(super) fn unknown_span(&self, canonical: &str, shift: u8) -> Option<Range<usize>> {
        let hit = |word: &Range<usize>| {
            canonical.get(word.clone()).is_some_and(|word| {
                LEXICON.class(word.bytes().map(|byte| super::rotation::shifted(byte, shift))).is_some()
            })
        };
        let first = self.unknown().find(hit)?;
        let last = self.unknown().rfind(hit).map_or(first.end, |word| word.end);
        // Unknown neighbours (names, rare words, known-looking accidents) belong to the region as well.
        let start = canonical
            .get(..first.start)
            .map_or(0, |before| before.rfind([':', '\n', '"']).map_or(0, |at| at + 1));
        let start = if first.start - start < 40 { start } else { first.start };
        let end =
            canonical.get(last..).and_then(|after| after.find('\n')).map_or(canonical.len(), |at| last + at);
        Some(start..if end - last < 40 { end } else { last })
    }
}

/// The words of three ASCII letters or more. Letters that touch digits, or letters of other alphabets, are not words
/// of this language.
pub(super) fn words(canonical: &str) -> impl Iterator<Item = Range<usize>> {
    let bytes = canonical.as_bytes();
    let mut at = 0;
    std::iter::from_fn(move || {
        loop {
            let gap = bytes.get(at..)?.iter().position(u8::is_ascii_lowercase)?;
            let start = at + gap;
            let rest = bytes.get(start..)?;
            let len = rest.iter().position(|byte| !byte.is_ascii_lowercase()).unwrap_or(rest.len());
            at = start + len;
            let touches =
                |byte: Option<&u8>| byte.is_some_and(|byte| !byte.is_ascii() || byte.is_ascii_digit());
            if len >= 3
                && !touches(start.checked_sub(1).and_then(|before| bytes.get(before)))
                && !touches(bytes.get(at))
            {
                return Some(start..at);
            }
        }
    })
}

/// Letters kept apart by spaces, dots, dashes, stars or line ends: `i g n o r e`. Wider gaps are the gaps between
/// words; where there are none, the word list finds them.
pub(super) fn spaced(exact: &str) -> Option<Decoded> {
    let mut mapped = Mapped::default();
    let mut sources = Vec::new();
    let mut letters = Vec::new();
    let mut done = 0;
    let mut at = 0;
    let bytes = exact.as_bytes();
    while at < bytes.len() {
        let word = word_len(bytes, at);
        if word >= 2 && bytes.get(at..at + 2).is_some_and(<[u8]>::is_ascii) {
            // A word begins here, so no run does.
            at += word;
            continue;
        }
        if word == 0 && !bytes.get(at).is_some_and(|byte| matches!(byte, b'$' | b'@' | b'!' | b'|')) {
            at += 1;
            continue;
        }
        let (source, found) = spaced_run(exact, at, &mut letters);
        if !found {
            // Skip what was looked at and the rest of this word.
            at = source.end.max(at);
            at += word_len(bytes, at).max(1);
            continue;
        }
        mapped.copy(exact.get(done..source.start).unwrap_or_default(), done);
        write(&letters, &mut mapped);
        done = source.end;
        at = source.end.max(at + 1);
        sources.push(source);
    }
    if done == 0 {
        return None;
    }
    mapped.copy(exact.get(done..).unwrap_or_default(), done);
    Some(Decoded { sources: sources.clone(), ..Decoded::changing(Transform::Spaced, mapped, sources) })
}

fn word_len(bytes: &[u8], at: usize) -> usize {
    let rest = bytes.get(at..).unwrap_or_default();
    rest.iter().position(|byte| byte.is_ascii() && !byte.is_ascii_alphanumeric()).unwrap_or(rest.len())
}

/// Looks for a run of five or more single letters with separators that starts at `start`: how far, and whether it is
/// one. `letters` becomes each letter with its place; a gap between words is `None`.
fn spaced_run(exact: &str, start: usize, letters: &mut Vec<(Option<char>, u32)>) -> (Range<usize>, bool) {
    const LEAST: usize = 5;
    letters.clear();
    let bytes = exact.as_bytes();
    if start > 0 && bytes.get(start - 1).is_some_and(u8::is_ascii_alphanumeric) {
        return (start..start, false);
    }
    let single = |at: usize| -> Option<(char, usize)> {
        let c = match bytes.get(at) {
            Some(byte) if byte.is_ascii() => char::from(*byte),
            _ => exact.get(at..)?.chars().next()?,
        };
        let fits = c.is_alphanumeric() || "$@!|'\"()?:;".contains(c);
        fits.then_some((c, at + c.len_utf8()))
    };
    let separates = |byte: &u8| {
        matches!(byte, b' ' | b'.' | b'-' | b'_' | b'*' | b'|' | b'/' | b',' | b'\n' | b'+' | b'~')
    };
    // Texts of 4 GiB and more are refused.
    let place = |at: usize| u32::try_from(at).unwrap_or(u32::MAX);
    let (mut at, mut end) = (start, start);
    let mut narrow: Option<&[u8]> = None;
    let mut count = 0;
    let mut first_end = start;
    while let Some((c, next)) = single(at) {
        let rest = bytes.get(next..).unwrap_or_default();
        let gap = rest.iter().take(6).take_while(|byte| separates(byte)).count();
        let separator = rest.get(..gap).unwrap_or_default();
        let followed = rest.get(gap).is_some_and(|&byte| {
            byte.is_ascii_alphanumeric() || !byte.is_ascii() || gap > 0 && b"'\"()?:;".contains(&byte)
        });
        if gap == 0 && followed {
            // The start of a longer word ends the run before it.
            break;
        }
        letters.push((Some(c), place(at)));
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
            Some(known) if separator.len() > known.len() => letters.push((None, place(next))),
            // The first gap was one between words.
            Some(known) if separator.len() < known.len() && letters.len() == 2 => {
                letters.insert(1, (None, place(first_end)));
                narrow = Some(separator);
            }
            Some(_) => letters.push((None, place(next))),
        }
        at = next + gap;
    }
    while matches!(letters.last(), Some((None, _))) {
        letters.pop();
    }
    (start..end, count >= LEAST)
}

/// Writes the letters of a run without what stood between them.
fn write(letters: &[(Option<char>, u32)], out: &mut Mapped) {
    let plain = letters.iter().all(|(letter, _)| letter.is_some_and(|c| c.is_ascii()));
    let lower: Vec<u8> = if plain {
        letters.iter().filter_map(|(c, _)| *c).map(|c| c.to_ascii_lowercase() as u8).collect()
    } else {
        Vec::new()
    };
    let ends = if plain { LEXICON.split(&lower) } else { None };
    let mut ends = ends.unwrap_or_default().into_iter().peekable();
    for (index, &(letter, at)) in letters.iter().enumerate() {
        let at = at as usize;
        match letter {
            Some(c) => {
                let mut buffer = [0; 4];
                out.copy(c.encode_utf8(&mut buffer), at);
                if ends.next_if_eq(&(index + 1)).is_some() && index + 1 < lower.len() {
                    out.whole(" ", at..at + c.len_utf8());
                }
            }
            None => out.whole(" ", at..at + 1),
        }
    }
}

/// Longest word that is read as leetspeak.
const LONGEST_LEET: usize = 40;

/// Two words that become known by accident lie further apart in prose than words that somebody wrote like this.
const NEAR: usize = 96;

/// Digits and symbols for letters: `1gn0r3`. Made where one long or two short words near each other become known.
pub(super) fn leet(canonical: &str) -> Option<Decoded> {
    let parts = |byte: &u8| b" \n-/,.:\"_=';[]{}<>*#&`".contains(byte);
    let bytes = canonical.as_bytes();
    let mut mapped = Mapped::default();
    let (mut done, mut at) = (0, 0);
    let (mut gain, mut last_gain, mut best) = (0, 0, 0);
    let mut changed = Vec::new();
    while let Some(mark) =
        bytes.get(at..).and_then(|rest| rest.iter().position(|&byte| unleet(byte, false).is_some()))
    {
        let rest = bytes.get(at..at + mark).unwrap_or_default();
        let start = at + rest.iter().rposition(parts).map_or(0, |before| before + 1);
        let rest = bytes.get(at + mark..).unwrap_or_default();
        at = rest.iter().position(parts).map_or(bytes.len(), |after| at + mark + after + 1);
        let word = bytes.get(start..at).unwrap_or_default();
        let ends = |byte: &u8| !parts(byte) && !matches!(byte, b'?' | b')' | b'\'');
        let word = word.get(..word.iter().rposition(ends).map_or(0, |last| last + 1)).unwrap_or_default();
        if word.len() < 2 || word.len() > LONGEST_LEET {
            continue;
        }
        let mut eye = [0; LONGEST_LEET];
        let (mut letters, mut marks, mut ambiguous) = (0, 0, false);
        for (slot, &byte) in eye.iter_mut().zip(word) {
            let plain = unleet(byte, false);
            marks += usize::from(plain.is_some());
            letters += usize::from(byte.is_ascii_lowercase());
            ambiguous |= plain == Some(b'i');
            *slot = plain.unwrap_or(byte);
        }
        if marks == 0 || letters + marks < word.len() - 1 || letters == 0 && marks < 3 {
            continue;
        }
        let mut ell = eye;
        if ambiguous {
            ell.iter_mut().zip(word).for_each(|(slot, &byte)| *slot = unleet(byte, true).unwrap_or(byte));
        }
        // A trailing "!" is punctuation more often than a letter.
        let bare = word.iter().rposition(|&byte| byte != b'!').map_or(0, |last| last + 1);
        let readings = [
            eye.get(..word.len()),
            ell.get(..word.len()).filter(|_| ambiguous),
            eye.get(..bare).filter(|bare| !bare.is_empty() && bare.len() < word.len()),
        ];
        let known = readings.into_iter().flatten().find(|word| LEXICON.knows(word));
        // "!!!now" and "fun!" are words already.
        let first = word.iter().position(|&byte| byte != b'!').unwrap_or(word.len());
        let core = word.get(first..bare).unwrap_or_default();
        let called = core.iter().all(|&byte| unleet(byte, false).is_none());
        if called && (known.is_none() || LEXICON.knows(core)) {
            continue;
        }
        if let Some(word) = known {
            gain = if start - last_gain > NEAR { 0 } else { gain } + if word.len() >= 5 { 2 } else { 1 };
            last_gain = start;
            best = best.max(gain);
        }
        // All ASCII: a word may hold one byte that is neither letter nor mark, and no other character is one byte.
        let plain = known.or(eye.get(..word.len())).and_then(|plain| std::str::from_utf8(plain).ok());
        let Some(plain) = plain else { continue };
        mapped.copy(canonical.get(done..start).unwrap_or_default(), done);
        mapped.copy(plain, start);
        done = start + plain.len();
        // What is no word either way (a date, an amount) hides nothing.
        if known.is_some() {
            changed.push(start..done);
        }
    }
    if best < 2 {
        return None;
    }
    mapped.copy(canonical.get(done..).unwrap_or_default(), done);
    Some(Decoded::changing(Transform::Leet, mapped, changed))
}

/// What a mark is read as; 0 for what is none.
#[expect(clippy::indexing_slicing, reason = "evaluated by the compiler, which would refuse to build")]
static LEET: [u8; 256] = {
    let pairs = *b"0o1i|i!i3e4a@a5s$s7t+t8b9g6g2z(c";
    let mut table = [0; 256];
    let mut at = 0;
    while at < pairs.len() {
        table[pairs[at] as usize] = pairs[at + 1];
        at += 2;
    }
    table
};

fn unleet(byte: u8, ell: bool) -> Option<u8> {
    match LEET.get(usize::from(byte)) {
        None | Some(0) => None,
        Some(b'i') if ell && byte != b'!' => Some(b'l'),
        Some(&plain) => Some(plain),
    }
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
    Some(Decoded::changing(Transform::Unaccented, mapped, Vec::new()))
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
    let mut changed = Vec::new();
    for word in words.unknown().filter(|word| word.len() >= SHORTEST) {
        tried += 1;
        if tried > MOST {
            break;
        }
        let Some(ends) = canonical.get(word.clone()).and_then(|word| LEXICON.split(word.as_bytes())) else {
            continue;
        };
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
            mapped.copy(
                canonical.get(word.start + start..word.start + end).unwrap_or_default(),
                word.start + start,
            );
            start = end;
        }
        done = word.end;
        changed.push(word);
    }
    if done == 0 {
        return None;
    }
    mapped.copy(canonical.get(done..).unwrap_or_default(), done);
    Some(Decoded::changing(Transform::RunTogether, mapped, changed))
}
