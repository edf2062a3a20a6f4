//! Finds sentences that speak to an assistant: to an AI by name, about its work, its user or what it is to keep to itself.

use std::ops::Range;

use aimds_text::sentences;

use super::actions::Actions;
use super::lexicon::{LEXICON, SPOKEN};
use super::signs::{Signs, plain_word, value};

/// A sentence that may order something.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Sentence {
    pub(super) range: Range<usize>,
    pub(super) actions: Actions,
    pub(super) signs: Signs,
}

/// How far behind the name of an AI a sentence is still spoken to it, in bytes.
const NEAR: usize = 240;

/// Style that hides an element from people, and what makes one of the colour of its page.
const UNSEEN: [&str; 8] = [
    "display:none",
    "display: none",
    "visibility:hidden",
    "visibility: hidden",
    "font-size:0",
    "font-size: 0",
    "opacity:0",
    "opacity: 0",
];

/// What the words of one language say in a sentence.
#[derive(Clone, Copy, Default)]
struct Said {
    signs: Signs,
    actions: Actions,
    /// Where the last duty ends in the piece, and the last verb or duty.
    duty: usize,
    end: usize,
    /// Where the last name of an AI ends in the text.
    reader: Option<usize>,
}

impl Said {
    /// How much it says.
    fn says(&self) -> u32 {
        self.signs.number() + self.actions.number()
    }
}

/// The sentences of a text that may speak to an assistant, each in the language that says most, in order. Linear.
pub(super) fn spoken(text: &str) -> impl Iterator<Item = Sentence> + '_ {
    let mut said = [Said::default(); SPOKEN];
    let about = is_about_ai(text);
    let mut place = Place::Seen;
    pieces(text).filter_map(move |range| {
        let piece = text.get(range.clone()).unwrap_or_default();
        let here = place.of(piece);
        place = here.behind(piece);
        heard(piece, &range, &mut said);
        let told = Signs::SAYS.and(Signs::OPENS);
        let speaks =
            |said: &&Said| said.signs.meets(ORDERS) && (said.signs.meets(CONTEXT) || said.signs.holds(told));
        let said = said.iter().filter(speaks).max_by_key(|said| said.says())?;
        let mut signs = said.signs.and(Signs::SENTENCE).and(values(piece));
        if about {
            signs = signs.and(Signs::ABOUT);
        }
        if piece.get(said.end..).is_some_and(|rest| rest.chars().filter(|c| c.is_alphanumeric()).count() <= 2)
        {
            signs = signs.and(Signs::CLOSES);
        }
        if here != Place::Seen {
            signs = signs.and(Signs::CONCEALED);
        }
        if said.actions.meets(Actions::RUN) && signs.meets(Signs::TOOLS.and(Signs::TOOL).and(Signs::FUNCTION))
        {
            signs = signs.and(Signs::CALLS);
        }
        Some(Sentence { range, actions: said.actions, signs })
    })
}

/// What is ordered.
const ORDERS: Signs = Signs::ACTS.and(Signs::SAYS).and(Signs::SECRET);
/// What tells that an assistant may be meant.
const CONTEXT: Signs = Signs::READER
    .and(Signs::HELPER)
    .and(Signs::NEAR)
    .and(Signs::SECRET)
    .and(Signs::USERS)
    .and(Signs::MINE)
    .and(Signs::WORK)
    .and(Signs::EARLIER)
    .and(Signs::TOOLS);

/// Puts into `said` what each language hears in a piece of the text.
fn heard(piece: &str, range: &Range<usize>, said: &mut [Said; SPOKEN]) {
    for said in said.iter_mut() {
        let near = said.reader.is_some_and(|end| range.start.saturating_sub(end) <= NEAR);
        let signs = if near { Signs::NEAR } else { Signs::default() };
        *said = Said { signs, reader: said.reader, ..Said::default() };
    }
    LEXICON.find(piece, |language, place, meaning| {
        let Some(said) = said.get_mut(language) else { return };
        said.signs = said.signs.and(meaning.signs);
        said.actions = said.actions.and(meaning.actions);
        if meaning.signs.meets(ORDERS) {
            said.signs = said.signs.and(stand(piece, place.start, said.duty));
        }
        if meaning.signs.meets(ORDERS.and(Signs::MODAL)) {
            said.end = said.end.max(place.end);
        }
        if meaning.signs.meets(Signs::MODAL) {
            said.duty = place.end;
        }
        if meaning.signs.meets(Signs::READER) {
            said.reader = Some(range.start + place.end);
        }
    });
}

/// How a verb stands that begins at `at`: at the begin of a clause, or behind a duty that ends at `duty`.
fn stand(piece: &str, at: usize, duty: usize) -> Signs {
    let before = piece.get(..at).unwrap_or_default().trim_end_matches([' ', '"', '\'']);
    if duty > 0 && before.len() <= duty {
        Signs::BIDDEN
    } else if before.chars().next_back().is_none_or(|c| !c.is_alphanumeric()) {
        Signs::OPENS
    } else {
        Signs::default()
    }
}

/// Sentences that name an AI from which on a text is about AI.
const ABOUT: usize = 6;

/// Whether a text names AI again and again, as texts about it do.
fn is_about_ai(text: &str) -> bool {
    let mut ends = [0; SPOKEN];
    let mut times = [0; SPOKEN];
    LEXICON.find(text, |language, place, meaning| {
        let of_language = ends.get_mut(language).zip(times.get_mut(language));
        let Some((end, times)) = of_language.filter(|_| meaning.signs.meets(NAMED)) else { return };
        if *times == 0 || place.start > *end + APART {
            (*end, *times) = (place.end, *times + 1);
        }
    });
    times.iter().any(|&times| times >= ABOUT)
}

/// Names of AI that are this near to each other are one mention, in bytes.
const APART: usize = 80;
const NAMED: Signs = Signs::READER.and(Signs::HELPER);

/// The values that a piece names, whatever its language.
fn values(piece: &str) -> Signs {
    let mut before = "";
    let mut signs = Signs::default();
    for token in piece.split([' ', '\n', ',', ';']).filter(|token| !token.is_empty()) {
        signs = signs.and(value(token, before));
        before = plain_word(token);
    }
    signs
}

/// Whether people see a piece of the text.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Place {
    Seen,
    /// In a comment of a page.
    Comment,
    /// In an element that is not drawn.
    Unseen,
}

impl Place {
    /// Where a piece stands that begins here.
    fn of(self, piece: &str) -> Self {
        match self {
            _ if piece.starts_with("<!--") => Self::Comment,
            Self::Comment => self,
            _ if !piece.starts_with('<') => self,
            _ if UNSEEN.iter().any(|style| piece.contains(style)) => Self::Unseen,
            _ => Self::Seen,
        }
    }

    /// Where the text goes on behind a piece here.
    fn behind(self, piece: &str) -> Self {
        if self == Self::Comment && piece.ends_with("-->") { Self::Seen } else { self }
    }
}

/// The sentences of a text, cut where an element of a page or a value of a record begins or ends.
fn pieces(text: &str) -> impl Iterator<Item = Range<usize>> + '_ {
    sentences(text).flat_map(move |sentence| {
        let mut start = sentence.start;
        std::iter::from_fn(move || {
            while start < sentence.end {
                let end = cut(text.as_bytes(), start, sentence.end);
                let piece = start..end;
                start = end;
                if text.get(piece.clone()).is_some_and(|piece| piece.contains(char::is_alphanumeric)) {
                    return Some(piece);
                }
            }
            None
        })
    })
}

/// Where the piece that begins at `start` ends: behind a tag, before one, or behind the quote that closes a value.
fn cut(bytes: &[u8], start: usize, limit: usize) -> usize {
    let mut at = start;
    while at < limit {
        let next = bytes.get(at + 1);
        match bytes.get(at) {
            Some(b'<') if at > start => return at,
            Some(b'>') => return at + 1,
            Some(b'"' | b'\'') if matches!(next, Some(b',' | b':' | b'}' | b']')) => return at + 1,
            _ => at += 1,
        }
    }
    limit
}
