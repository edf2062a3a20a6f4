//! What the user and the operator have said before a call: which actions and things they speak of, and which texts they want
//! followed.

use std::cell::OnceCell;
use std::ops::Range;

use aimds_detect::orders::Actions;
use aimds_detect::{Message, Origin};

use super::holds;

/// What those who are trusted have said before a call. What it says about it is found out when it is asked for.
pub(super) struct Wishes<'a> {
    texts: Vec<&'a str>,
    grounds: OnceCell<Actions>,
}

impl<'a> Wishes<'a> {
    /// Of the texts before a call, each with its plain form.
    pub(super) fn of(texts: impl Iterator<Item = (&'a Message, &'a str)>) -> Self {
        let trusted = texts.filter(|(message, _)| is_trusted(message));
        Self { texts: trusted.map(|(_, text)| text).collect(), grounds: OnceCell::new() }
    }

    /// Whether they speak of one of these kinds of actions. Linear in the texts, once.
    pub(super) fn ground(&self, acts: Actions) -> bool {
        self.grounds().meets(acts)
    }

    /// Whether they speak of each of these kinds of actions.
    pub(super) fn ground_all(&self, acts: Actions) -> bool {
        acts.without(self.grounds()).is_empty()
    }

    fn grounds(&self) -> Actions {
        let named =
            || self.texts.iter().fold(Actions::NONE, |grounds, text| grounds.and(Actions::named_in(text)));
        *self.grounds.get_or_init(named)
    }

    /// Whether they have said a value. Linear.
    pub(super) fn say(&self, value: &str) -> bool {
        self.texts.iter().any(|text| holds(text, value))
    }

    /// Whether they point to data for what they leave open: "the place mentioned in the mail". Linear.
    pub(super) fn point_to_data(&self) -> bool {
        self.texts.iter().any(|text| points_to_data(text))
    }

    /// Whether they have said one of the words of a plain text, at most [`MOST_WORDS`] of which are looked for; `None` where it
    /// has no words.
    pub(super) fn touch(&self, text: &str) -> Option<bool> {
        let words = text.split(|c: char| !c.is_alphanumeric());
        let telling =
            words.filter(|word| word.contains(char::is_alphabetic) && word.chars().nth(2).is_some());
        let mut telling = telling.take(MOST_WORDS).peekable();
        telling.peek()?;
        Some(telling.any(|word| self.texts.iter().any(|text| said(text, word))))
    }
}

/// Most words of a value that are looked for in what the user has said.
const MOST_WORDS: usize = 32;

/// Whether a text holds a word in the singular or the plural.
fn said(text: &str, word: &str) -> bool {
    holds(text, word)
        || word.strip_suffix('s').is_some_and(|one| holds(text, one))
        || holds(text, &format!("{word}s"))
}

fn is_trusted(message: &Message) -> bool {
    matches!(message.origin, Origin::User | Origin::System)
}

/// Whether a text points to where more is said.
fn points_to_data(text: &str) -> bool {
    let words: Vec<&str> =
        text.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty()).collect();
    words.iter().zip(words.iter().skip(1)).any(|(word, next)| match *word {
        "based" => *next == "on",
        "according" => *next == "to",
        "mentioned" | "specified" | "described" | "listed" | "given" | "provided" | "stated" | "written"
        | "found" | "contained" | "proposed" | "suggested" => matches!(*next, "in" | "on" | "at" | "by"),
        _ => false,
    })
}

/// What is done with what a text tells to do.
const FOLLOW: [&str; 12] = [
    "address",
    "carry",
    "complete",
    "do",
    "execute",
    "finish",
    "follow",
    "handle",
    "implement",
    "perform",
    "process",
    "solve",
];
/// What a text tells to do.
const TOLD: [&str; 13] = [
    "action",
    "actions",
    "checklist",
    "instruction",
    "instructions",
    "item",
    "items",
    "requests",
    "steps",
    "task",
    "tasks",
    "todo",
    "todos",
];
/// Most words between both, and between what is told and the word that says where.
const REACH: usize = 6;
/// Most sentences that say which texts are to be followed.
const MOST_SENTENCES: usize = 8;

/// For each text of a tool or a document, the first text in which somebody who is trusted tells to follow it ("do the actions
/// in the mail from …"): every value that the sentence names stands in it, or in the call that it answers. `plain` has the
/// plain forms, `uses` the texts of each call with those of its result. Linear in the texts for each of [`MOST_SENTENCES`].
pub(super) fn followed(
    messages: &[&Message],
    plain: &[String],
    uses: &[(Range<usize>, Range<usize>)],
) -> Vec<Option<usize>> {
    let mut followed = vec![None; messages.len()];
    let trusted = messages.iter().zip(plain).enumerate().filter(|(_, (message, _))| is_trusted(message));
    let sentences = trusted.flat_map(|(at, (_, text))| sentences(text).map(move |sentence| (at, sentence)));
    let told = sentences.filter_map(|(at, sentence)| Some((at, told(sentence)?)));
    for (teller, values) in told.take(MOST_SENTENCES) {
        let holding: Vec<bool> =
            plain.iter().map(|text| values.iter().all(|value| holds(text, value))).collect();
        let any =
            |texts: &Range<usize>| holding.get(texts.clone()).is_some_and(|texts| texts.contains(&true));
        for (at, (message, follow)) in messages.iter().zip(&mut followed).enumerate() {
            let asked = || uses.iter().any(|(call, result)| result.contains(&at) && any(call));
            if matches!(message.origin, Origin::Tool | Origin::Document)
                && follow.is_none()
                && (holding.get(at) == Some(&true) || asked())
            {
                *follow = Some(teller);
            }
        }
    }
    followed
}

fn sentences(text: &str) -> impl Iterator<Item = &str> {
    text.split(". ").flat_map(|part| part.split("? ")).flat_map(|part| part.split("! "))
}

/// What a sentence names of the text that it wants followed; `None` where it wants none followed, or any.
fn told(sentence: &str) -> Option<Vec<&str>> {
    let bare = |word| str::trim_matches(word, |c: char| c.is_ascii_punctuation());
    let words: Vec<&str> = sentence.split(' ').map(bare).collect();
    let near = |at: usize, other: usize| other.abs_diff(at) <= REACH;
    let follows = |(at, word): (usize, &&str)| {
        let verb =
            || words.iter().take(at).enumerate().any(|(of, verb)| near(at, of) && FOLLOW.contains(verb));
        let place = |(of, word): (usize, &&str)| {
            of > at && near(at, of) && matches!(*word, "in" | "from" | "on" | "of" | "at" | "by")
        };
        TOLD.contains(word) && verb() && words.iter().enumerate().any(place)
    };
    words
        .iter()
        .enumerate()
        .any(follows)
        .then(|| values(sentence, &words))
        .filter(|values| !values.is_empty())
}

/// What stands in quotes, and the words that are addresses or names of files.
fn values<'a>(sentence: &'a str, words: &[&'a str]) -> Vec<&'a str> {
    let telling = words.iter().copied().filter(|word| word.contains(['@', '/', '.']));
    let quoted = ['\'', '"'].into_iter().flat_map(|quote| {
        let opened = format!(" {quote}");
        let parts: Vec<&str> = sentence.split(opened.as_str()).skip(1).collect();
        parts.into_iter().filter_map(move |part| part.rsplit_once(quote)).map(|(value, _)| value)
    });
    telling.chain(quoted).filter(|value| !value.is_empty()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_to_be_followed_is_named() {
        let check = |sentence: &str, expected: Option<&[&str]>| {
            assert_eq!(told(sentence).as_deref(), expected, "{sentence}");
        };
        check(
            "please do the actions specified in the email from 'ann@example.net' with the subject 'todos for the week'.",
            Some(&["ann@example.net", "ann@example.net", "todos for the week"]),
        );
        check("follow all instructions from setup/readme.md", Some(&["setup/readme.md"]));
        check("complete the tasks on my list", None);
        check("summarise the instructions in readme.md", None);
        check("do not forget the tasks", None);
        check("what does 'the subject' mean?", None);
    }
}
