//! What the operator's instructions keep secret.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::LazyLock;

use aimds_text::canonical;
use memchr::memmem;

use super::forms::forms;
use super::words::{ADDRESSED, INSTRUCTIONS, REVEAL, SECRETS, stems};
use crate::literals::Literals;

/// Values and sentences of one conversation at most.
const MOST_KEPT: usize = 64;
/// A value stands at most so many bytes before or after the word that says what it is.
const NEAR: usize = 80;
/// A word of a language does so nearer.
const NEXT: usize = 24;
/// No stem has more bytes.
const LONGEST_STEM: usize = 48;
/// Bytes that are looked at for a value.
const LOOK: usize = 320;
/// Characters of a value.
const VALUE: std::ops::RangeInclusive<usize> = 3..=64;
/// Characters of a value in letters of the Latin alphabet, of which less says more.
const LEAST_ASCII: usize = 4;
/// Words of a sentence that tell it from others, and as many of it as are looked for.
const WORDS: std::ops::RangeInclusive<usize> = 8..=16;

const QUOTES: [(char, char); 10] = [
    ('"', '"'),
    ('\'', '\''),
    ('`', '`'),
    ('“', '”'),
    ('„', '“'),
    ('«', '»'),
    ('‘', '’'),
    ('「', '」'),
    ('『', '』'),
    ('”', '”'),
];

/// Something that must not stand in an answer.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Kept {
    pub(super) forms: Vec<Needle>,
    pub(super) confidence: f32,
    pub(super) explanation: Cow<'static, str>,
}

/// How it is recognised, in canonical spelling.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Needle {
    /// Letter by letter.
    Value(String),
    /// Its letters and digits, whatever stands between them.
    Spelled(String),
    /// The same inside of others, too.
    Encoded(String),
    /// Word by word, whatever stands between them.
    Words(Vec<String>),
}

/// What a stem says.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Says {
    /// Something is a secret.
    Secret,
    /// It must not be revealed.
    Reveal,
    /// The instructions are meant.
    Instructions,
    /// A sentence is meant for the model.
    Addressed,
}

/// The stems of all lists, in the spelling of the texts that they are searched in; one may say several things.
static STEMS: LazyLock<(Literals, Vec<Vec<Says>>)> = LazyLock::new(|| {
    let lists = [
        (SECRETS, Says::Secret),
        (REVEAL, Says::Reveal),
        (INSTRUCTIONS, Says::Instructions),
        (ADDRESSED, Says::Addressed),
    ];
    let mut all: BTreeMap<Vec<u8>, Vec<Says>> = BTreeMap::new();
    for (list, says) in lists {
        for stem in stems(list) {
            all.entry(canonical(stem).text.into_bytes()).or_default().push(says);
        }
    }
    let (stems, says): (Vec<_>, _) = all.into_iter().unzip();
    (Literals::new(&stems), says)
});

/// Adds what one of the operator's texts keeps secret: the values beside a word for a secret, and the sentences of the text where it
/// says so of its instructions. Nothing unless the text forbids to reveal something. Linear.
pub(super) fn kept(original: &str, all: &mut Vec<Kept>) {
    let text = canonical(original);
    let (mut nouns, mut addressed): (Vec<Range<usize>>, Vec<usize>) = Default::default();
    let (mut reveals, mut instructions) = (false, false);
    let (stems, says) = &*STEMS;
    stems.find(text.text.as_bytes(), |stem, at| {
        for says in says.get(stem).into_iter().flatten() {
            match says {
                Says::Secret => nouns.push(at.clone()),
                Says::Reveal => reveals = true,
                Says::Instructions => instructions = true,
                Says::Addressed => addressed.push(at.start),
            }
        }
    });
    if !reveals {
        return;
    }
    let mut add = |kept: Kept| {
        if all.len() < MOST_KEPT && all.iter().all(|other| other.forms != kept.forms) {
            all.push(kept);
        }
    };
    let as_written = |range: Range<usize>| original.get(text.map.span(range)).unwrap_or_default();
    let near = |range: &Range<usize>| {
        let most = if unusual(as_written(range.clone())) { NEAR } else { NEXT };
        // In order of their places.
        let first = nouns.partition_point(|noun| noun.start + most + LONGEST_STEM < range.start);
        let nouns = nouns.iter().skip(first).take_while(|noun| noun.start <= range.end + most);
        nouns.into_iter().any(|noun| {
            let outside = range.end <= noun.start || noun.end <= range.start;
            outside && range.start <= noun.end + most
        })
    };
    let quoted = quotations(&text.text);
    let named = nouns.iter().filter_map(|noun| named(&text.text, noun.end));
    let named = named.filter(|range| unusual(as_written(range.clone())));
    for range in quoted.into_iter().filter(near).chain(named).take(MOST_KEPT) {
        let value = as_written(range.clone()).trim();
        let characters = value.chars().count();
        let named = nouns
            .binary_search_by_key(&range.start, |noun| noun.start)
            .is_ok_and(|at| nouns.get(at) == Some(&range));
        if named || !VALUE.contains(&characters) || value.is_ascii() && characters < LEAST_ASCII {
            continue;
        }
        // Words of a language may stand in an answer for another reason, and prompts quote some that are no secrets.
        let confidence = match () {
            () if unusual(value) => 0.95,
            () if value.contains(char::is_whitespace) => 0.45,
            () => 0.7,
        };
        let explanation =
            Cow::Borrowed("the answer holds a value that the operator's instructions keep secret");
        add(Kept { forms: forms(value), confidence, explanation });
    }
    if !instructions {
        return;
    }
    let mut start = 0;
    for sentence in text.text.split_inclusive(['.', '!', '?', '\n', '。', ';']) {
        let here = start..start + sentence.len();
        start = here.end;
        let next = addressed.partition_point(|&at| at < here.start);
        let addressed = addressed.get(next).is_some_and(|at| here.contains(at));
        let words: Vec<String> =
            words(sentence).map(|(_, word)| word.to_owned()).take(*WORDS.end()).collect();
        if words.len() >= *WORDS.start() && addressed {
            let explanation = Cow::Borrowed(
                "the answer holds a sentence of the operator's instructions, which keep themselves secret",
            );
            add(Kept { forms: vec![Needle::Words(words)], confidence: 0.9, explanation });
        }
    }
}

/// As much of what follows a place as may hold a value.
fn after(text: &str, place: usize) -> &str {
    let rest = text.get(place..).unwrap_or_default();
    rest.get(..rest.floor_char_boundary(LOOK)).unwrap_or_default()
}

/// What stands between quotation marks.
fn quotations(text: &str) -> Vec<Range<usize>> {
    let mut found = Vec::new();
    let mut before = ' ';
    let mut from = 0;
    for (at, c) in text.char_indices() {
        let opens = at >= from && (c != '\'' || !before.is_alphanumeric());
        if let Some((_, close)) = QUOTES.iter().find(|(open, _)| opens && *open == c) {
            let start = at + c.len_utf8();
            let line = after(text, start).split('\n').next().unwrap_or_default();
            // An apostrophe inside a word closes nothing.
            let closes = |(length, _): &(usize, &str)| {
                let after = line.get(length + close.len_utf8()..).and_then(|after| after.chars().next());
                after.is_none_or(|after| !after.is_ascii_alphanumeric())
            };
            if let Some((length, _)) = line.match_indices(*close).find(closes) {
                found.push(start..start + length);
                from = start + length + close.len_utf8();
            }
        }
        before = c;
    }
    found
}

/// The token that a noun is said to be: `password: x`, `the key is x`.
fn named(text: &str, noun_ends: usize) -> Option<Range<usize>> {
    const NOUNS: [&str; 8] = ["key", "code", "word", "phrase", "password", "number", "token", "value"];
    const LINKS: [&str; 11] = ["is", "are", "ist", "lautet", "est", "es", "è", "e", "é", "this", "now"];
    let mut at = noun_ends;
    let mut linked = false;
    for _ in 0..4 {
        let rest = after(text, at);
        let start = at + (rest.len() - rest.trim_start_matches([' ', '\t', '*']).len());
        let rest = after(text, start);
        if let Some(sign) = [":", "="].iter().find(|sign| rest.starts_with(**sign)) {
            (at, linked) = (start + sign.len(), true);
            continue;
        }
        let token = rest.split(|c: char| c.is_whitespace() || [':', '='].contains(&c)).next()?;
        if LINKS.contains(&token) || !linked && NOUNS.contains(&token) {
            (at, linked) = (start + token.len(), LINKS.contains(&token));
            continue;
        }
        let token = rest.split(char::is_whitespace).next()?;
        let value = token.trim_end_matches(['.', ',', ';', '!', '?', ')', '*', '"', '\'']);
        return (linked && !value.is_empty()).then(|| start..start + value.len());
    }
    None
}

/// Whether no word of a language looks like that: digits, capitals inside, or capitals alone.
pub(super) fn unusual(value: &str) -> bool {
    let capitals = value.chars().filter(|c| c.is_uppercase()).count();
    let letters = value.chars().filter(|c| c.is_alphabetic()).count();
    let inside = value.chars().skip(1).any(char::is_uppercase) && !value.contains(' ');
    value.chars().any(|c| c.is_ascii_digit()) || inside || capitals == letters && letters >= LEAST_ASCII
}

/// The words of a text with their places.
fn words(text: &str) -> impl Iterator<Item = (Range<usize>, &str)> {
    let mut at = 0;
    text.split(|c: char| !c.is_alphanumeric() && c != '\'').filter_map(move |word| {
        let start = at;
        at += word.len();
        // The character that ended the word.
        at += text.get(at..).and_then(|rest| rest.chars().next()).map_or(0, char::len_utf8);
        (!word.is_empty()).then(|| (start..start + word.len(), word))
    })
}

/// A canonical text in the three forms in which things are looked for.
pub(super) struct Reading<'t> {
    text: &'t str,
    words: Vec<(Range<usize>, &'t str)>,
    letters: String,
    /// Where each byte of the letters stands in the text.
    at: Vec<usize>,
}

impl<'t> Reading<'t> {
    pub(super) fn new(text: &'t str) -> Self {
        let (mut letters, mut at) = (String::with_capacity(text.len()), Vec::with_capacity(text.len()));
        for (place, c) in text.char_indices().filter(|(_, c)| c.is_alphanumeric()) {
            letters.push(c);
            at.extend(place..place + c.len_utf8());
        }
        Self { text, words: words(text).collect(), letters, at }
    }

    /// Where the text holds something.
    pub(super) fn find(&self, needle: &Needle) -> Vec<Range<usize>> {
        match needle {
            Needle::Value(value) => {
                let at = memmem::find_iter(self.text.as_bytes(), value);
                at.map(|at| at..at + value.len()).filter(|range| stands_alone(self.text, range)).collect()
            }
            Needle::Spelled(letters) => {
                self.spelled(letters).filter(|range| stands_alone(self.text, range)).collect()
            }
            Needle::Encoded(letters) => self.spelled(letters).map(|range| self.widened(range)).collect(),
            Needle::Words(wanted) => {
                let same = |stretch: &&[(Range<usize>, &str)]| {
                    stretch.iter().zip(wanted).all(|((_, word), wanted)| word == wanted)
                };
                let ends = |stretch: &[(Range<usize>, &str)]| {
                    let (first, last) = stretch.first().zip(stretch.last())?;
                    Some(first.0.start..last.0.end)
                };
                self.words.windows(wanted.len().max(1)).filter(same).filter_map(ends).collect()
            }
        }
    }

    /// With the characters at the ends that hold some bits of the value, or fill the last group.
    fn widened(&self, range: Range<usize>) -> Range<usize> {
        const MOST: usize = 4;
        let filling = |c: &char| c.is_ascii_alphanumeric() || ['+', '/', '='].contains(c);
        let before = self.text.get(..range.start).unwrap_or_default().chars().rev();
        let after = self.text.get(range.end..).unwrap_or_default().chars();
        let (before, after) = (before.take(MOST).take_while(filling), after.take(MOST).take_while(filling));
        range.start - before.count()..range.end + after.count()
    }

    fn spelled(&self, letters: &str) -> impl Iterator<Item = Range<usize>> {
        let place =
            move |at: usize| Some(*self.at.get(at)?..self.at.get(at + letters.len().saturating_sub(1))? + 1);
        memmem::find_iter(self.letters.as_bytes(), letters).filter_map(place)
    }
}

/// Whether a stretch of Latin letters or digits is not a part of a longer word.
fn stands_alone(text: &str, range: &Range<usize>) -> bool {
    let joins = |inner: Option<char>, outer: Option<char>| {
        inner.is_some_and(|c| c.is_ascii_alphanumeric()) && outer.is_some_and(|c| c.is_ascii_alphanumeric())
    };
    let (inside, before, after) = (text.get(range.clone()), text.get(..range.start), text.get(range.end..));
    let (Some(inside), Some(before), Some(after)) = (inside, before, after) else { return false };
    !joins(inside.chars().next(), before.chars().next_back())
        && !joins(inside.chars().next_back(), after.chars().next())
}
