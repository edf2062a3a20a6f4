//! What the model is told about a token: itself, what it looks like, its neighbours, and the lists they are on. Training and
//! inference call the same function; the hash is part of the model.

use super::tokens::{Shape, Token, word_hash};

/// Facts about one token.
pub const FEATURES: usize = 22;
/// Facts that name words or parts of them: left out now and then in training, so that shapes and lists have to do as well.
pub const LEXICAL: std::ops::Range<usize> = 0..6;
/// Facts that come from the lists.
pub const LISTS: std::ops::Range<usize> = 6..11;
/// Slots of the table of weights.
pub const SLOTS: usize = 1 << 17;

/// The facts about token `at`, as slots of the table. `text` is what the tokens were cut from.
#[must_use]
pub fn features(text: &str, tokens: &[Token], at: usize) -> [u32; FEATURES] {
    let look = |offset: isize| at.checked_add_signed(offset).and_then(|at| tokens.get(at));
    let word = |offset: isize| look(offset).map_or(offset as u32, |token| token.word);
    let shape = |offset: isize| look(offset).map_or(15, class);
    let lists = |offset: isize| look(offset).map_or(0, |token| u32::from(token.lists));
    let (own, one, two, before, earlier) = (word(0), word(1), word(2), word(-1), word(-2));
    let shapes = [shape(-2), shape(-1), shape(0), shape(1), shape(2)];
    let [s_2, s_1, s0, s1, s2] = shapes;
    let near = lists(-1) << 8 | lists(0) << 4 | lists(1);
    let this = look(0);
    let first = this.is_some_and(|token| token.first);
    let joined = this.is_some_and(|token| token.joined);
    let ends = this.map_or([0; 4], |token| affixes(text.get(token.range()).unwrap_or_default()));
    let gap = |left: Option<&Token>, right: Option<&Token>| match (left, right) {
        (Some(left), Some(right)) => u32::from(left.end == right.start),
        _ => 2,
    };
    let gaps = gap(look(-1), this) * 3 + gap(this, look(1));
    let facts: [(u32, u32); FEATURES] = [
        (own, 0),
        (ends[0], s0),
        (ends[1], s0),
        (ends[2], s0),
        (own, before),
        (own, one),
        // lists
        (lists(0), s0),
        (near, 0),
        (near, s_1 << 8 | s0 << 4 | s1),
        (lists(0), before),
        (lists(0), one),
        // neighbours
        (before, s0),
        (one, s0),
        (earlier, s0),
        (before, earlier),
        (one, two),
        // looks
        (s0, u32::from(first) << 1 | u32::from(joined)),
        (s_1 << 8 | s0 << 4 | s1, gaps),
        (s_2 << 8 | s_1 << 4 | s0, 1),
        (s0 << 8 | s1 << 4 | s2, 2),
        (s_2 << 16 | s_1 << 12 | s0 << 8 | s1 << 4 | s2, 3),
        (ends[3], s_1 << 4 | s1),
    ];
    let mut slots = [0; FEATURES];
    for (kind, (slot, (one, other))) in slots.iter_mut().zip(facts).enumerate() {
        let mixed = (u64::from(one) << 32 | u64::from(other) ^ (kind as u64) << 27)
            .wrapping_mul(0x9e37_79b9_7f4a_7c15);
        *slot = ((mixed ^ mixed >> 29).wrapping_mul(0xbf58_476d_1ce4_e5b9) >> (64 - SLOTS.trailing_zeros()))
            as u32;
    }
    slots
}

/// A number below 15 for what a token looks like: numbers by their length, marks by what they separate.
fn class(token: &Token) -> u32 {
    let length = token.end - token.start;
    match token.shape {
        Shape::Lower if length <= 3 => 0,
        Shape::Lower => 1,
        Shape::Title => 2,
        Shape::Upper if length == 2 => 3,
        Shape::Upper => 4,
        Shape::Initial => 5,
        Shape::Mixed => 6,
        Shape::Uncased => 7,
        Shape::Number if length <= 3 => 8,
        Shape::Number if length <= 6 => 9,
        Shape::Number => 10,
        Shape::Alphanumeric => 11,
        Shape::Break => 12,
        Shape::Mark => 13,
    }
}

/// Hashes of the first three characters, the last two, the last three and the last five.
fn affixes(word: &str) -> [u32; 4] {
    let head = word.char_indices().nth(3).map_or(word.len(), |(at, _)| at);
    let mut ends = word.char_indices().rev().map(|(at, _)| at);
    let two = ends.nth(1).unwrap_or(0);
    let three = ends.next().unwrap_or(0);
    let five = ends.nth(1).unwrap_or(0);
    [0..head, two..word.len(), three..word.len(), five..word.len()]
        .map(|range| word_hash(word.get(range).unwrap_or_default()))
}
