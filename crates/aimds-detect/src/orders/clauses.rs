//! Finds where a clause begins with the verb of an order.

use std::ops::Range;

use super::actions::Actions;

/// A clause that begins like an order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Clause {
    /// Where its sentence begins.
    pub(super) sentence: usize,
    /// Where the clause begins, with what leads to the verb: "please", "you must".
    pub(super) start: usize,
    /// The verb.
    pub(super) verb: Range<usize>,
    /// Where the sentence ends.
    pub(super) end: usize,
    /// What the verb asks for.
    pub(super) actions: Actions,
}

/// Longest sentence that is looked at, from the verb on.
const LONGEST: usize = 480;
/// A line that is at least this long may be wrapped, so that the sentence goes on in the next.
const WRAPPED: usize = 50;
/// Most words between the begin of a clause and its verb.
const MOST_LEADING: usize = 12;

/// The clauses of a text that begin like orders, in order.
pub(super) fn clauses(text: &str) -> impl Iterator<Item = Clause> + '_ {
    let bytes = text.as_bytes();
    let (mut at, mut sentence, mut ordered) = (0, 0, 0);
    std::iter::from_fn(move || {
        while at < bytes.len() {
            let byte = *bytes.get(at)?;
            if !byte.is_ascii_alphabetic() {
                let end = if ends_sentence(bytes, at) { 1 } else { escaped_line_end(bytes, at) };
                if end > 0 {
                    sentence = at + end;
                }
                at += end.max(1);
                continue;
            }
            let word = word_at(text, at);
            let goes_on = at < ordered && follows_conjunction(bytes, at);
            if !goes_on && !begins_clause(bytes, at) {
                at = word.end;
                continue;
            }
            let (start, found) = (at, verb_after(text, at));
            at = found.as_ref().map_or(word.end, |(verb, _)| verb.end);
            if let Some((verb, actions)) = found {
                let end = sentence_end(text, verb.end);
                ordered = end;
                return Some(Clause { sentence, start, verb, end, actions });
            }
        }
        None
    })
}

/// The word that begins at `at`: letters, digits, underscores, and what else UTF-8 has.
pub(super) fn word_at(text: &str, at: usize) -> Range<usize> {
    let rest = text.as_bytes().get(at..).unwrap_or_default();
    let length = rest.iter().position(|&byte| !is_word(byte)).unwrap_or(rest.len());
    at..at + length.max(1)
}

fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_' || byte >= 0x80
}

/// Whether a sentence ends with this byte.
fn ends_sentence(bytes: &[u8], at: usize) -> bool {
    match bytes.get(at) {
        Some(b'\n') => true,
        Some(b'.' | b'!' | b'?' | b';') => {
            bytes.get(at + 1).is_none_or(|&next| !is_word(next) && next != b'/')
        }
        _ => false,
    }
}

/// Length of a line end that is written with escapes, as strings in JSON and YAML have it; 0 if there is none.
fn escaped_line_end(bytes: &[u8], at: usize) -> usize {
    if matches!(bytes.get(at..), Some([b'\\', b'n' | b'r', ..])) { 2 } else { 0 }
}

/// Whether a clause may begin with the word at `at`: after punctuation.
fn begins_clause(bytes: &[u8], at: usize) -> bool {
    let before = bytes.get(..at).unwrap_or_default();
    let gap = before.iter().rev().take_while(|&&byte| byte == b' ').count();
    let Some((&last, head)) = before.get(..at - gap).and_then(<[u8]>::split_last) else { return true };
    match last {
        b'n' | b'r' => head.last() == Some(&b'\\'),
        b'\n' | b'!' | b'?' | b';' | b':' | b'(' | b'[' | b'{' | b'>' | b'*' | b'#' | b'|' | b'"' | b'`'
        | b')' | b']' | b'}' => true,
        b'.' => gap > 0 || !head.last().is_some_and(u8::is_ascii_alphanumeric),
        b'\'' | b'-' | b',' => last == b',' && gap > 0 || !head.last().is_some_and(|&byte| is_word(byte)),
        b'/' => head.last() == Some(&b'/') && gap > 0,
        0x80.. => last_char_ends(before.get(..at - gap).unwrap_or_default()),
        _ => false,
    }
}

/// Whether the word at `at` goes on with an order of the same sentence: "and then".
fn follows_conjunction(bytes: &[u8], at: usize) -> bool {
    let before = bytes.get(..at.saturating_sub(1)).unwrap_or_default();
    bytes.get(at.saturating_sub(1)) == Some(&b' ')
        && (ends_with_word(before, "and") || ends_with_word(before, "then"))
}

/// Whether the text ends with an ideographic full stop, a dash or a bullet.
fn last_char_ends(before: &[u8]) -> bool {
    ["。", "—", "–", "•", "…"].iter().any(|mark| before.ends_with(mark.as_bytes()))
}

fn ends_with_word(text: &[u8], word: &str) -> bool {
    text.strip_suffix(word.as_bytes()).is_some_and(|head| head.last().is_none_or(|&byte| !is_word(byte)))
}

/// Words that lead to the verb of an order and mean nothing else.
const LEADING: [&str; 85] = [
    "a",
    "again",
    "agent",
    "ahead",
    "ai",
    "already",
    "also",
    "always",
    "and",
    "any",
    "are",
    "as",
    "assistant",
    "attention",
    "be",
    "bot",
    "but",
    "can",
    "carefully",
    "chatbot",
    "could",
    "d",
    "dear",
    "directly",
    "do",
    "don",
    "everyone",
    "finally",
    "first",
    "forget",
    "go",
    "has",
    "have",
    "hello",
    "help",
    "hey",
    "hi",
    "i",
    "immediately",
    "important",
    "instead",
    "is",
    "just",
    "kindly",
    "lastly",
    "like",
    "llm",
    "make",
    "may",
    "me",
    "model",
    "must",
    "need",
    "needs",
    "next",
    "note",
    "now",
    "ok",
    "please",
    "pls",
    "quickly",
    "really",
    "remember",
    "second",
    "secretly",
    "shall",
    "should",
    "silently",
    "simply",
    "so",
    "supposed",
    "sure",
    "t",
    "task",
    "that",
    "the",
    "then",
    "to",
    "todo",
    "try",
    "want",
    "will",
    "would",
    "you",
    "your",
];

/// The verb that a clause begins with, after the words that may lead to it.
fn verb_after(text: &str, start: usize) -> Option<(Range<usize>, Actions)> {
    let bytes = text.as_bytes();
    let mut at = start;
    let (mut determined, mut done) = (false, false);
    for _ in 0..MOST_LEADING {
        let word = word_at(text, at);
        let spelling = text.get(word.clone())?;
        let actions = Actions::ordered_by(spelling);
        // "The transfer", "a post": a noun.
        if !actions.is_empty() && !determined && is_followed_like_a_verb(text, word.end) {
            return Some((word, actions));
        }
        // "To unsubscribe, …" says what for; "do you …" asks.
        if !leads(spelling) || done || word.start == start && spelling == "to" {
            return None;
        }
        determined = matches!(spelling, "the" | "a" | "your" | "any" | "me" | "i");
        done = spelling == "do";
        at = next_word(bytes, word.end)?;
    }
    None
}

fn leads(word: &str) -> bool {
    LEADING.binary_search(&word).is_ok()
}

/// Whether what stands behind a word lets it be a verb with an object.
fn is_followed_like_a_verb(text: &str, end: usize) -> bool {
    let bytes = text.as_bytes();
    match bytes.get(end) {
        Some(b' ') => match bytes.get(end + 1) {
            None | Some(b'=' | b'|' | b')' | b'-' | b',' | b'.' | b':') => false,
            Some(_) => {
                let next = word_at(text, end + 1);
                // "Email: ", "post title: ": a label.
                let label = bytes.get(next.end) == Some(&b':') && bytes.get(next.end + 1) != Some(&b'/');
                !label && !text.get(next).is_some_and(|next| NOT_OBJECTS.contains(&next))
            }
        },
        Some(b'\n' | b',' | b'(') => true,
        _ => false,
    }
}

/// What stands behind a noun, not behind the verb of an order.
const NOT_OBJECTS: [&str; 14] =
    ["is", "are", "was", "were", "has", "have", "had", "of", "can", "will", "may", "must", "should", "or"];

/// Where the next word of the same clause begins: behind white space, an apostrophe or a comma.
fn next_word(bytes: &[u8], from: usize) -> Option<usize> {
    let rest = bytes.get(from..)?;
    let gap = rest.iter().position(|byte| !matches!(byte, b' ' | b',' | b'\'' | b':' | b'*'))?;
    rest.get(gap).filter(|byte| byte.is_ascii_alphabetic()).map(|_| from + gap)
}

/// Where the sentence that goes on at `from` ends. A line may be wrapped.
fn sentence_end(text: &str, from: usize) -> usize {
    let bytes = text.as_bytes();
    let limit = text.floor_char_boundary(from.saturating_add(LONGEST));
    let mut line = bytes
        .get(..from)
        .unwrap_or_default()
        .iter()
        .rev()
        .position(|&byte| byte == b'\n')
        .map_or(0, |back| from - back);
    let mut at = from;
    while at < limit {
        match bytes.get(at) {
            Some(b'\n') => {
                let next = bytes.get(at + 1..).unwrap_or_default().iter().find(|byte| **byte != b' ');
                // What a colon announces on lines of its own is data: the account of a bill.
                let announces = bytes.get(..at).is_some_and(|line| line.trim_ascii_end().ends_with(b":"));
                if announces
                    || at - line < WRAPPED
                    || next.is_none_or(|byte| !byte.is_ascii_alphanumeric() && !matches!(byte, b'\'' | b'"'))
                {
                    return at;
                }
                line = at + 1;
            }
            // A comma behind it: an abbreviation, "e.g., ".
            Some(b'.' | b'!' | b'?')
                if ends_sentence(bytes, at)
                    && bytes.get(at + 1) != Some(&b',')
                    && !ends_quotation(text, at + 1) =>
            {
                return at + 1;
            }
            Some(b'\\') if escaped_line_end(bytes, at) > 0 => return at,
            _ => {}
        }
        at += 1;
    }
    limit
}

/// Words that go on with the sentence around a quotation.
const AROUND: [&str; 12] =
    ["and", "as", "at", "by", "for", "from", "in", "on", "to", "under", "using", "with"];

/// Whether a sentence that ends before `at` is only quoted: "send 'how are you?' to …".
fn ends_quotation(text: &str, at: usize) -> bool {
    let rest = text.get(at..).unwrap_or_default();
    let behind = rest.trim_start_matches(['\'', '"', '”', '’', '»']);
    let next = behind.strip_prefix([' ', '\n']).unwrap_or_default().trim_start_matches(' ');
    behind.len() < rest.len() && next.get(word_at(next, 0)).is_some_and(|word| AROUND.contains(&word))
}
