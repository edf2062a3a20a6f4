//! Words, numbers and marks of a text, and which of them are worth a look: most of an ordinary text is neither a name nor a
//! part of an address, and what is not near a candidate costs one pass over its bytes.

use std::ops::Range;

use super::gazetteer::{GIVEN, Gazetteer, LISTED, ORDINARY};

/// What a token looks like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Shape {
    /// A word in lower case.
    Lower,
    /// A word with a capital first letter only.
    Title,
    /// A word of two or more capital letters.
    Upper,
    /// One capital letter.
    Initial,
    /// Any other mixture of cases.
    Mixed,
    /// A word of a script without cases.
    Uncased,
    /// Digits.
    Number,
    /// Digits and letters.
    Alphanumeric,
    /// A line break.
    Break,
    /// Any other character.
    Mark,
}

impl Shape {
    /// Whether a name may be written like this.
    pub fn is_proper(self) -> bool {
        matches!(self, Self::Title | Self::Upper | Self::Mixed | Self::Uncased)
    }

    /// Whether there is a digit in it.
    pub fn has_digits(self) -> bool {
        matches!(self, Self::Number | Self::Alphanumeric)
    }
}

/// A word, a number, a mark or a line break.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Token {
    /// First byte.
    pub start: u32,
    /// One past the last byte.
    pub end: u32,
    /// Hash of its letters in lower case.
    pub word: u32,
    /// What it looks like.
    pub shape: Shape,
    /// The lists that it is on.
    pub lists: u8,
    /// Whether a sentence, a line or a quotation may begin with it.
    pub first: bool,
    /// Whether it is joined to its neighbours as parts of addresses and identifiers are: `a@b`, `a_b`, `a.b(`.
    pub joined: bool,
}

impl Token {
    /// Its place in the text.
    pub fn range(&self) -> Range<usize> {
        self.start as usize..self.end as usize
    }
}

const FNV: u32 = 0x811c_9dc5;

/// Hash of a word, as [`Token::word`] has it.
#[must_use]
pub fn word_hash(word: &str) -> u32 {
    word.chars().fold(FNV, |hash, char| match char {
        'A'..='Z' => step(hash, char as u32 | 0x20),
        ..'\u{80}' => step(hash, char as u32),
        _ => char.to_lowercase().fold(hash, |hash, char| step(hash, char as u32)),
    })
}

fn step(hash: u32, unit: u32) -> u32 {
    (hash ^ unit).wrapping_mul(0x0100_0193)
}

/// What the characters of a word were like.
#[derive(Default)]
struct Seen {
    first_upper: bool,
    upper: u32,
    lower: u32,
    uncased: u32,
    digits: u32,
}

impl Seen {
    fn shape(&self) -> Shape {
        let letters = self.upper + self.lower + self.uncased;
        match () {
            () if letters == 0 => Shape::Number,
            () if self.digits > 0 => Shape::Alphanumeric,
            () if self.uncased > 0 => Shape::Uncased,
            () if self.upper == 0 => Shape::Lower,
            () if self.upper == 1 && self.lower == 0 => Shape::Initial,
            () if self.upper == 1 && self.first_upper => Shape::Title,
            () if self.lower == 0 => Shape::Upper,
            () => Shape::Mixed,
        }
    }
}

/// Cuts `text` into tokens. Linear; a text has at most as many tokens as characters.
pub(super) fn tokenise(text: &str, gazetteer: &Gazetteer, tokens: &mut Vec<Token>) {
    tokens.clear();
    let bytes = text.as_bytes();
    let mut at = 0;
    let mut first = true;
    while let Some(&byte) = bytes.get(at) {
        if byte == b' ' || byte == b'\t' || byte == b'\r' {
            at += 1;
            continue;
        }
        let start = at;
        let (word, seen) = if byte.is_ascii_alphanumeric() || byte >= 0x80 {
            let (end, word, seen) = word(text, start);
            at = end;
            (word, seen)
        } else {
            (0, None)
        };
        let Some(seen) = seen else {
            // a mark: one character
            let char = text.get(start..).and_then(|rest| rest.chars().next()).unwrap_or(' ');
            at = start + char.len_utf8();
            let shape = if char == '\n' { Shape::Break } else { Shape::Mark };
            if !char.is_whitespace() || shape == Shape::Break {
                let word = step(FNV, char as u32);
                tokens.push(token(start, at, word, shape, false));
                first |= !matches!(char, ',' | '&' | '/' | '@' | '_' | '%' | '$');
            }
            continue;
        };
        let shape = seen.shape();
        let mut token = token(start, at, word, shape, first);
        if shape.is_proper() || shape == Shape::Lower && at - start >= SHORTEST_LOWER {
            token.lists = gazetteer.lists(word);
        }
        token.joined = joined(bytes, start, at);
        tokens.push(token);
        first = false;
    }
}

fn token(start: usize, end: usize, word: u32, shape: Shape, first: bool) -> Token {
    Token { start: start as u32, end: end as u32, word, shape, lists: 0, first, joined: false }
}

/// The word at `start`: its end, its hash, and what it is made of; nothing of the kind where a mark stands.
fn word(text: &str, start: usize) -> (usize, u32, Option<Seen>) {
    let bytes = text.as_bytes();
    let (mut at, mut hash, mut seen) = (start, FNV, Seen::default());
    while let Some(&byte) = bytes.get(at) {
        match byte {
            b'a'..=b'z' => {
                seen.lower += 1;
                hash = step(hash, u32::from(byte));
                at += 1;
            }
            b'A'..=b'Z' => {
                seen.first_upper |= at == start;
                seen.upper += 1;
                hash = step(hash, u32::from(byte | 0x20));
                at += 1;
            }
            b'0'..=b'9' => {
                seen.digits += 1;
                hash = step(hash, u32::from(byte));
                at += 1;
            }
            // O'Neil, Smith-Jones; not Kenneth's
            b'\'' | b'-' if at > start && seen.digits == 0 && goes_on(bytes, at) => {
                hash = step(hash, u32::from(byte));
                // a second part begins anew: Smith-Jones is one capitalised word
                seen.upper = seen.upper.min(1);
                if seen.upper == 1 && bytes.get(at + 1).is_some_and(u8::is_ascii_uppercase) {
                    seen.upper = 0;
                }
                at += 1;
            }
            0x80.. => {
                let Some(char) = text.get(at..).and_then(|rest| rest.chars().next()) else { break };
                let mark = !char.is_alphanumeric() && !is_sign(char);
                if mark {
                    break;
                }
                if char.is_lowercase() {
                    hash = step(hash, char as u32);
                } else {
                    hash = char.to_lowercase().fold(hash, |hash, lower| step(hash, lower as u32));
                }
                if char.is_uppercase() {
                    seen.first_upper |= at == start;
                    seen.upper += 1;
                } else if char.is_lowercase() {
                    seen.lower += 1;
                } else {
                    seen.uncased += 1;
                }
                at += char.len_utf8();
            }
            _ => break,
        }
    }
    (at, hash, (at > start).then_some(seen))
}

/// Vowel signs and marks of Indic and other scripts, which belong to the letter before.
fn is_sign(char: char) -> bool {
    matches!(char, '\u{300}'..='\u{36f}' | '\u{900}'..='\u{d7f}' | '\u{e30}'..='\u{e4e}' | '\u{591}'..='\u{5c7}' | '\u{64b}'..='\u{65f}' | '\u{30fb}' | '\u{30fc}')
}

/// Whether a word goes on behind the hyphen or apostrophe at `at`.
fn goes_on(bytes: &[u8], at: usize) -> bool {
    let next = bytes.get(at + 1).copied().unwrap_or(0);
    let after = bytes.get(at + 2).copied().unwrap_or(0);
    let letter = |byte: u8| byte.is_ascii_alphabetic() || byte >= 0xc3;
    letter(next) && (letter(after) || next.is_ascii_uppercase())
}

fn joined(bytes: &[u8], start: usize, end: usize) -> bool {
    let before = start.checked_sub(1).and_then(|at| bytes.get(at)).copied().unwrap_or(b' ');
    let (next, after) =
        (bytes.get(end).copied().unwrap_or(b' '), bytes.get(end + 1).copied().unwrap_or(b' '));
    matches!(before, b'@' | b'_' | b'/' | b'\\' | b'#' | b'$' | b'<' | b'=')
        || before == b'.'
            && start.checked_sub(2).and_then(|at| bytes.get(at)).is_some_and(u8::is_ascii_lowercase)
        || matches!(next, b'@' | b'_' | b'(' | b'\\' | b'=' | b'[')
        || matches!(next, b'.' | b'/' | b':') && (after.is_ascii_lowercase() || after == b'/')
}

/// Bytes of a word in lower case that is looked up at least.
const SHORTEST_LOWER: usize = 4;
/// Tokens between two candidates that are still read with them.
const GAP: usize = 4;
/// Tokens before the first candidate and after the last one that are read with them.
const MARGIN: (usize, usize) = (2, 1);
/// How near a number belongs to what is read already.
const NUMBER_GAP: usize = 3;
/// Most tokens that are labelled together.
const LONGEST_SEGMENT: usize = 128;

/// The parts of `tokens` that hold candidates.
pub(super) fn segments(tokens: &[Token], segments: &mut Vec<Range<usize>>) {
    segments.clear();
    let mut open: Option<Range<usize>> = None;
    let mut before: Option<&Token> = None;
    for (index, token) in tokens.iter().enumerate() {
        if is_candidate(token, before) {
            match &mut open {
                Some(range) if index - range.end <= GAP && index - range.start < LONGEST_SEGMENT => {
                    range.end = index + 1;
                }
                _ => {
                    let reached = close(open.take(), index, segments);
                    open = Some(index.saturating_sub(MARGIN.0).max(reached)..index + 1);
                }
            }
        } else if let Some(range) = &mut open
            && token.shape.has_digits()
            && index - range.end <= NUMBER_GAP
            && index - range.start < LONGEST_SEGMENT
        {
            // numbers of an address go on: "Main Street 12, 10-115"
            range.end = index + 1;
        }
        before = Some(token);
    }
    close(open, tokens.len(), segments);
}

/// Ends a part with its margin, before the token `next`. Returns where the last part ends.
fn close(open: Option<Range<usize>>, next: usize, segments: &mut Vec<Range<usize>>) -> usize {
    if let Some(range) = open {
        segments.push(range.start..(range.end + MARGIN.1).min(next));
    }
    segments.last().map_or(0, |last| last.end)
}

fn is_candidate(token: &Token, before: Option<&Token>) -> bool {
    if token.joined {
        return false;
    }
    let listed = token.lists & LISTED != 0;
    match token.shape {
        Shape::Title | Shape::Mixed => {
            token.lists & ORDINARY == 0
                || listed && !token.first
                || before.is_some_and(|before| before.shape.has_digits())
        }
        Shape::Upper => listed,
        Shape::Lower => token.lists & (GIVEN | ORDINARY) == GIVEN,
        Shape::Uncased => listed || token.end - token.start <= 12,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shapes(text: &str) -> Vec<(String, Shape)> {
        let mut tokens = Vec::new();
        tokenise(text, &Gazetteer::new(), &mut tokens);
        tokens.iter().map(|token| (text[token.range()].to_owned(), token.shape)).collect()
    }

    #[track_caller]
    fn check(text: &str, expected: &[(&str, Shape)]) {
        let expected: Vec<_> = expected.iter().map(|&(text, shape)| (text.to_owned(), shape)).collect();
        assert_eq!(shapes(text), expected, "{text}");
    }

    #[test]
    fn words_are_cut_and_shaped() {
        use Shape::*;
        check("Mr. O'Neil-Jones", &[("Mr", Title), (".", Mark), ("O'Neil-Jones", Title)]);
        check("Kenneth's dog", &[("Kenneth", Title), ("'", Mark), ("s", Lower), ("dog", Lower)]);
        check(
            "NASA iPhone J 26a 12",
            &[("NASA", Upper), ("iPhone", Mixed), ("J", Initial), ("26a", Alphanumeric), ("12", Number)],
        );
        check(
            "Łódź, Übach\nдом 王小明",
            &[
                ("Łódź", Title),
                (",", Mark),
                ("Übach", Title),
                ("\n", Break),
                ("дом", Lower),
                ("王小明", Uncased),
            ],
        );
        check("दीप्ति", &[("दीप्ति", Uncased)]);
        check("“Hi”", &[("“", Mark), ("Hi", Title), ("”", Mark)]);
    }

    #[test]
    fn hashes_ignore_case() {
        assert_eq!(word_hash("ÉMILE"), word_hash("émile"));
        let mut tokens = Vec::new();
        tokenise("Émile", &Gazetteer::new(), &mut tokens);
        assert_eq!(tokens[0].word, word_hash("émile"));
    }
}
