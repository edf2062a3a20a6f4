//! The canonical view: one spelling for everything that reads the same. Lower case, one space, plain quotes, look-alike
//! letters folded.

use std::sync::LazyLock;

use crate::Mapped;
use crate::confusables;
use crate::exact::{bitmap, exact, in_bitmap, is_exact};
use crate::lexicon::{LEXICON, LONGEST};

/// Makes the canonical view of an exact text. Linear; making it twice changes nothing.
pub(crate) fn canonical(exact_text: &str) -> Mapped {
    let mut view = fold(exact_text);
    // Lower-casing and look-alikes can make sequences that compose again, so repeat until nothing changes. What is
    // ASCII after a fold stays as it is.
    for _ in 0..4 {
        if view.text.is_ascii() {
            break;
        }
        let composed = (!is_exact(&view.text)).then(|| exact(&view.text).0);
        let folded = match composed {
            Some(composed) => Some(fold(&composed.text).through(&composed.map)),
            None => (!is_folded(&view.text)).then(|| fold(&view.text)),
        };
        let alike = look_alikes(folded.as_ref().map_or(&view.text, |folded| &folded.text));
        let next = match (folded, alike) {
            (None, None) => break,
            (Some(next), None) | (None, Some(next)) => next,
            (Some(folded), Some(alike)) => alike.through(&folded.map),
        };
        if next.text == view.text {
            break;
        }
        view = next.through(&view.map);
    }
    view
}

/// One bit for each character of the basic plane that folding leaves alone, white space apart.
static FOLDED: LazyLock<Vec<u64>> = LazyLock::new(|| {
    bitmap(|c| {
        let mut lower = c.to_lowercase();
        let same = lower.next() == Some(c) && lower.next().is_none();
        same && plain(c).is_none() && !c.is_whitespace() && (!c.is_ascii() || is_plain(c as u8))
    })
});

/// How many bytes `text` begins with that folding leaves alone or, where they are ASCII, only lower-cases.
fn folded_prefix(text: &str, folded: &[u64]) -> usize {
    let bytes = text.as_bytes();
    let mut at = 0;
    while let Some(&byte) = bytes.get(at) {
        if is_plain(byte) || byte.is_ascii_uppercase() {
            at += 1;
        } else if matches!(byte, b' ' | b'\n') && at > 0 && !text.get(at + 1..).is_none_or(starts_with_space)
        {
            // A single gap between words; what stands before it is no white space.
            at += 1;
        } else if let Some(c) = text.get(at..).and_then(|rest| rest.chars().next())
            && !c.is_ascii()
            && in_bitmap(folded, c) == Some(true)
        {
            at += c.len_utf8();
        } else {
            break;
        }
    }
    at
}

/// Whether `text` starts with white space, or is empty.
fn starts_with_space(text: &str) -> bool {
    match text.as_bytes().first() {
        Some(byte) if byte.is_ascii() => !byte.is_ascii_graphic(),
        _ => text.chars().next().is_none_or(char::is_whitespace),
    }
}

/// Whether folding leaves `text` alone. May be false although it does.
fn is_folded(text: &str) -> bool {
    folded_prefix(text, &FOLDED) == text.len() && !text.bytes().any(|byte| byte.is_ascii_uppercase())
}

/// The plain spelling of quotes, dashes and letter-like symbols.
fn plain(c: char) -> Option<char> {
    match c {
        '‘' | '’' | '‚' | '‛' | '′' | '`' | '´' | 'ʼ' => Some('\''),
        '“' | '”' | '„' | '‟' | '″' | '«' | '»' => Some('"'),
        '‐' | '‑' | '‒' | '–' | '—' | '―' | '−' => Some('-'),
        'ς' => Some('σ'),
        _ => confusables::symbol(c),
    }
}

/// Lower case, white space and quotes.
fn fold(text: &str) -> Mapped {
    let folded: &[u64] = &FOLDED;
    let mut out = Mapped::with_capacity(text.len());
    let mut at = 0;
    while let Some(rest) = text.get(at..).filter(|rest| !rest.is_empty()) {
        let len = folded_prefix(rest, folded);
        if len > 0 {
            let start = out.text.len();
            out.copy(rest.get(..len).unwrap_or_default(), at);
            if let Some(added) = out.text.get_mut(start..) {
                added.make_ascii_lowercase();
            }
            at += len;
            continue;
        }
        let Some(c) = rest.chars().next() else { break };
        if c.is_whitespace() {
            let len = rest.len() - rest.trim_start().len();
            let run = rest.get(..len).unwrap_or_default();
            let gap = if run.contains(['\n', '\r', '\u{b}', '\u{c}', '\u{85}', '\u{2028}', '\u{2029}']) {
                "\n"
            } else {
                " "
            };
            if run == gap {
                out.copy(gap, at);
            } else {
                out.whole(gap, at..at + len);
            }
            at += len;
            continue;
        }
        let source = at..at + c.len_utf8();
        if let Some(plain) = plain(c) {
            out.whole_char(plain, source.clone());
        } else {
            let start = out.text.len();
            out.text.extend(c.to_lowercase());
            let added = out.text.len() - start;
            if text.get(source.clone()) == out.text.get(start..) {
                out.map.push_copy(added, at);
            } else {
                out.map.push_whole(added, source.clone());
            }
        }
        at = source.end;
    }
    out
}

/// ASCII that needs no change except, for letters, its case.
fn is_plain(byte: u8) -> bool {
    matches!(byte, b'!'..=b'@' | b'['..=b'_' | b'a'..=b'~')
}

/// Folds look-alike letters in words that mix scripts, and in words of look-alikes alone that spell an English word.
/// `None` if there is nothing to fold.
fn look_alikes(text: &str) -> Option<Mapped> {
    let mut out: Option<Mapped> = None;
    let mut done = 0;
    for (start, word) in words(text) {
        if word.is_ascii() {
            continue;
        }
        let mixed = word.bytes().any(|byte| byte.is_ascii_lowercase());
        let folds = if mixed {
            word.chars().any(|c| !c.is_ascii() && confusables::latin(c).is_some())
        } else {
            spells_a_word(word)
        };
        if !folds {
            continue;
        }
        let out = out.get_or_insert_with(|| Mapped::with_capacity(text.len()));
        out.copy(text.get(done..start).unwrap_or_default(), done);
        for (offset, c) in word.char_indices() {
            let source = start + offset..start + offset + c.len_utf8();
            match confusables::latin(c) {
                Some(plain) if !c.is_ascii() => out.whole_char(plain, source),
                _ => out.copy(c.encode_utf8(&mut [0; 4]), source.start),
            }
        }
        done = start + word.len();
    }
    out.map(|mut out| {
        out.copy(text.get(done..).unwrap_or_default(), done);
        out
    })
}

/// Whether a word of look-alikes alone spells a known word of three letters or more.
fn spells_a_word(word: &str) -> bool {
    let mut folded = [0; LONGEST];
    let mut count = 0;
    for c in word.chars() {
        let (Some(slot), Some(plain)) = (folded.get_mut(count), confusables::latin(c)) else { return false };
        *slot = plain as u8;
        count += 1;
    }
    count >= 3 && folded.get(..count).is_some_and(|folded| LEXICON.knows(folded))
}

/// Maximal runs of letters, with their byte offset.
pub(crate) fn words(text: &str) -> impl Iterator<Item = (usize, &str)> {
    let bytes = text.as_bytes();
    let mut at = 0;
    std::iter::from_fn(move || {
        let mut start = None;
        while let Some(&byte) = bytes.get(at) {
            let (letter, len) = if byte.is_ascii() {
                (byte.is_ascii_alphabetic(), 1)
            } else {
                let c = text.get(at..)?.chars().next()?;
                (confusables::latin(c).is_some() || c.is_alphabetic(), c.len_utf8())
            };
            match start {
                None if letter => start = Some(at),
                Some(_) if !letter => break,
                _ => {}
            }
            at += len;
        }
        Some((start?, text.get(start?..at)?))
    })
}
