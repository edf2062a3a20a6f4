//! The words of sentences that speak to an assistant, in many languages.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::LazyLock;

use super::actions::Actions;
use super::signs::Signs;
use crate::rules::Literals;

/// A language's words: lines of a key, a colon and words or phrases with commas between them, in the spelling of the canonical
/// view; `*` stands for any ending.
const LANGUAGES: [&str; 16] = [
    include_str!("languages/ar.txt"),
    include_str!("languages/de.txt"),
    include_str!("languages/en.txt"),
    include_str!("languages/es.txt"),
    include_str!("languages/fr.txt"),
    include_str!("languages/hi.txt"),
    include_str!("languages/hi-latn.txt"),
    include_str!("languages/it.txt"),
    include_str!("languages/ja.txt"),
    include_str!("languages/ko.txt"),
    include_str!("languages/nl.txt"),
    include_str!("languages/pl.txt"),
    include_str!("languages/pt.txt"),
    include_str!("languages/ru.txt"),
    include_str!("languages/tr.txt"),
    include_str!("languages/zh.txt"),
];

/// How many languages there are.
pub(super) const SPOKEN: usize = LANGUAGES.len();

/// What a word of one language says.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Meaning {
    pub(super) signs: Signs,
    pub(super) actions: Actions,
}

/// What a key of the files stands for.
fn meaning(key: &str) -> Option<Meaning> {
    let acts = |actions| Meaning { signs: Signs::ACTS, actions };
    let says = |signs| Meaning { signs, actions: Actions::NONE };
    Some(match key {
        "send" => acts(Actions::SEND),
        "pay" => acts(Actions::PAY),
        "grant" => acts(Actions::GRANT),
        "change" => acts(Actions::CHANGE),
        "remove" => acts(Actions::REMOVE),
        "book" => acts(Actions::BOOK),
        "create" => acts(Actions::CREATE),
        "read" => acts(Actions::READ),
        "run" => acts(Actions::RUN),
        "reader" => says(Signs::READER),
        "helper" => says(Signs::HELPER),
        "say" => says(Signs::SAYS),
        "hide" => says(Signs::SECRET),
        "user" => says(Signs::USERS),
        "mine" => says(Signs::MINE),
        "when" => says(Signs::WORK),
        "duty" => says(Signs::MODAL),
        "earlier" => says(Signs::EARLIER),
        "now" => says(Signs::NOW),
        "tool" => says(Signs::TOOLS),
        _ => return None,
    })
}

/// How a word must stand in a text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stands {
    /// By itself.
    Alone,
    /// At the begin of a word.
    Begins,
    /// Anywhere: the script writes no spaces, or puts endings and prefixes around.
    Within,
}

struct Entry {
    language: usize,
    stands: Stands,
    /// Bytes of the word; the literal that is searched for may have one more.
    length: usize,
    meaning: Meaning,
}

/// Finds the words of all languages at once.
pub(super) struct Lexicon {
    literals: Literals,
    entries: Vec<Vec<Entry>>,
}

/// Built once: about four thousand words.
pub(super) static LEXICON: LazyLock<Lexicon> = LazyLock::new(Lexicon::new);

/// What may stand behind a word of two bytes, so that it is long enough to be searched for: the last ones begin letters of
/// scripts that are written without spaces.
const BEHIND: &[u8] = b" ,:.-')\n\xd8\xd9\xe0\xe3\xe4\xe5\xe6\xe7\xe8\xe9\xea\xeb\xec\xed";

/// A line of a file: its key and its words.
fn lines(language: &str) -> impl Iterator<Item = (&str, impl Iterator<Item = &str>)> {
    language.lines().filter_map(|line| {
        let (key, words) = line.split_once(':')?;
        Some((key, words.split(',').map(str::trim).filter(|word| !word.is_empty())))
    })
}

impl Lexicon {
    fn new() -> Self {
        let mut found: BTreeMap<Vec<u8>, Vec<Entry>> = BTreeMap::new();
        for (language, text) in LANGUAGES.iter().enumerate() {
            for (key, words) in lines(text) {
                let Some(meaning) = meaning(key) else { continue };
                for word in words {
                    let (word, stands) = match word.strip_suffix('*') {
                        _ if word.chars().next().is_some_and(writes_without_spaces) => {
                            (word.trim_end_matches('*'), Stands::Within)
                        }
                        Some(stem) => (stem, Stands::Begins),
                        None => (word, Stands::Alone),
                    };
                    let mut add = |literal: Vec<u8>| {
                        let length = word.len();
                        found.entry(literal).or_default().push(Entry { language, stands, length, meaning });
                    };
                    if word.len() < 3 {
                        BEHIND.iter().for_each(|&behind| add([word.as_bytes(), &[behind]].concat()));
                    } else {
                        add(word.as_bytes().to_vec());
                    }
                }
            }
        }
        let (literals, entries): (Vec<_>, Vec<_>) = found.into_iter().unzip();
        Self { literals: Literals::new(&literals), entries }
    }

    /// Calls `found` with each word of each language, in the order of their places. Linear.
    pub(super) fn find(&self, text: &str, mut found: impl FnMut(usize, Range<usize>, Meaning)) {
        self.literals.find(text.as_bytes(), |literal, range| {
            let starts = || !text.get(..range.start).is_some_and(|head| head.ends_with(joins));
            let mut starts_word = None;
            for entry in self.entries.get(literal).into_iter().flatten() {
                let end = range.start + entry.length;
                let ends = || !text.get(end..).is_some_and(|rest| rest.starts_with(joins));
                let stands = match entry.stands {
                    Stands::Within => true,
                    Stands::Begins => *starts_word.get_or_insert_with(starts),
                    Stands::Alone => *starts_word.get_or_insert_with(starts) && ends(),
                };
                if stands {
                    found(entry.language, range.start..end, entry.meaning);
                }
            }
        });
    }
}

/// Whether a character makes one word with the letters beside it.
fn joins(c: char) -> bool {
    c.is_alphanumeric() && !writes_without_spaces(c)
}

/// Chinese, Japanese, Korean, Arabic and the scripts of India, where what belongs to a word is written together with it, or
/// words with each other.
fn writes_without_spaces(c: char) -> bool {
    matches!(c, '\u{600}'..='\u{6ff}' | '\u{900}'..='\u{dff}' | '\u{1100}'..='\u{11ff}' | '\u{2e80}'..='\u{9fff}' | '\u{ac00}'..='\u{d7af}')
}

#[cfg(test)]
mod tests {
    use aimds_text::{Limits, normalise};

    use super::*;

    #[test]
    fn every_word_is_in_the_spelling_of_the_canonical_view_and_every_key_known() {
        for language in LANGUAGES {
            for (key, words) in lines(language) {
                assert!(meaning(key).is_some(), "unknown key {key:?}");
                for word in words {
                    let view = &normalise(word, &Limits::default()).views[0];
                    assert_eq!(view.canonical.text.trim(), word);
                    assert!(!word.trim_end_matches('*').contains('*'), "{word}: the star stands at the end");
                }
            }
        }
    }

    #[test]
    fn words_stand_as_their_language_writes_them() {
        let check = |text: &str, key: &str, expected: bool| {
            let mut seen = false;
            LEXICON.find(text, |_, _, found| seen |= Some(found) == meaning(key));
            assert_eq!(seen, expected, "{key} in {text:?}");
        };
        check("the ai: note", "reader", true);
        check("said: note", "reader", false);
        check("bitte weiterleiten", "send", true);
        check("die zahlung", "pay", true);
        check("请转发邮件", "send", true);
        check("وأرسل الرسالة", "send", true);
        check("botany", "reader", false);
        check("请ai助手转发", "reader", true);
    }
}
