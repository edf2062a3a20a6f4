//! What went wrong, where, and what was probably meant.

use std::ops::Range;

/// Why a text is not a formula.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("expected {expected}, found {found} at byte {}{}", span.start, hint_text(hint.as_ref()))]
pub struct ParseError {
    /// Which bytes of the text.
    pub span: Range<usize>,
    /// What could stand there.
    pub expected: String,
    /// What stands there.
    pub found: String,
    /// What was probably meant.
    pub hint: Option<String>,
}

fn hint_text(hint: Option<&String>) -> String {
    hint.map(|hint| format!(" ({hint})")).unwrap_or_default()
}

/// Words of other languages, and what to write for them.
const WORDS: [(&str, &str); 26] = [
    ("and", "&"),
    ("or", "|"),
    ("not", "!"),
    ("implies", "->"),
    ("iff", "<->"),
    ("until", "U"),
    ("release", "R"),
    ("releases", "R"),
    ("weak_until", "W"),
    ("since", "S"),
    ("next", "X"),
    ("weak_next", "WX"),
    ("N", "WX"),
    ("Xw", "WX"),
    ("always", "G"),
    ("globally", "G"),
    ("eventually", "F"),
    ("finally", "F"),
    ("yesterday", "Y"),
    ("previously", "Y"),
    ("once", "O"),
    ("P", "O"),
    ("historically", "H"),
    ("M", "R and a second U"),
    ("T", "S"),
    ("then", "->"),
];

/// The operator that a word was probably meant to be.
pub(super) fn nearest_operator(word: &str) -> Option<String> {
    let known =
        WORDS.iter().find(|(name, _)| name.eq_ignore_ascii_case(word) && (name.len() > 1 || *name == word));
    if let Some((_, operator)) = known {
        return Some(format!("write {operator} for {word}"));
    }
    if word.len() == 1 && super::lexer::is_operator(&word.to_ascii_uppercase()) {
        return Some(format!("operators are capital letters: {}", word.to_ascii_uppercase()));
    }
    let glued = word.len() > 1
        && word.len() < 8
        && word.chars().next().is_some_and(|first| super::lexer::is_operator(&first.to_string()));
    glued.then(|| {
        let mut rest = word.chars();
        let first = rest.next().map(String::from).unwrap_or_default();
        format!("{word} is one name; an operator needs a gap: {first} {}", rest.as_str())
    })
}
