//! The canonical view: one spelling for everything that reads the same. Lower case, one space, plain quotes, look-alike
//! letters folded.

use crate::Mapped;
use crate::confusables;
use crate::exact::exact;
use crate::lexicon::LEXICON;

/// Makes the canonical view of an exact text. Linear; making it twice changes nothing.
pub(crate) fn canonical(exact_text: &str) -> Mapped {
    let mut view = fold(exact_text);
    if view.text.is_ascii() {
        return view;
    }
    // Lower-casing and look-alikes can make sequences that compose again, so repeat until nothing changes.
    for _ in 0..4 {
        let (composed, _) = exact(&view.text);
        let folded = fold(&composed.text).through(&composed.map);
        let alike = look_alikes(&folded.text);
        let next = match alike {
            Some(alike) => alike.through(&folded.map),
            None => folded,
        };
        if next.text == view.text {
            break;
        }
        view = next.through(&view.map);
    }
    view
}

/// Lower case, white space and quotes.
fn fold(text: &str) -> Mapped {
    let mut out = Mapped::with_capacity(text.len());
    let bytes = text.as_bytes();
    let mut at = 0;
    while let Some(&byte) = bytes.get(at) {
        if is_plain(byte) || byte.is_ascii_uppercase() {
            let run = bytes.get(at..).unwrap_or_default();
            let len = run.iter().take_while(|&&b| is_plain(b) || b.is_ascii_uppercase()).count();
            let copied = text.get(at..at + len).unwrap_or_default();
            let start = out.text.len();
            out.copy(copied, at);
            if let Some(added) = out.text.get_mut(start..) {
                added.make_ascii_lowercase();
            }
            at += len;
            continue;
        }
        let Some(c) = text.get(at..).and_then(|rest| rest.chars().next()) else { break };
        if c.is_whitespace() {
            let rest = text.get(at..).unwrap_or_default();
            let len = rest.len() - rest.trim_start().len();
            let run = rest.get(..len).unwrap_or_default();
            let gap = if run.contains(['\n', '\r', '\u{b}', '\u{c}', '\u{85}', '\u{2028}', '\u{2029}']) { "\n" } else { " " };
            if run == gap {
                out.copy(gap, at);
            } else {
                out.whole(gap, at..at + len);
            }
            at += len;
            continue;
        }
        let source = at..at + c.len_utf8();
        let plain = match c {
            '‘' | '’' | '‚' | '‛' | '′' | '`' | '´' | 'ʼ' => Some('\''),
            '“' | '”' | '„' | '‟' | '″' | '«' | '»' => Some('"'),
            '‐' | '‑' | '‒' | '–' | '—' | '―' | '−' => Some('-'),
            'ς' => Some('σ'),
            _ => confusables::symbol(c),
        };
        if let Some(plain) = plain {
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
        let alike = word.chars().all(|c| c.is_ascii() || confusables::latin(c).is_some());
        let folds = if mixed {
            word.chars().any(|c| !c.is_ascii() && confusables::latin(c).is_some())
        } else {
            alike && {
                let folded: Vec<u8> = word.chars().filter_map(confusables::latin).map(|c| c as u8).collect();
                folded.len() >= 3 && LEXICON.knows(&folded)
            }
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

/// Maximal runs of letters, with their byte offset.
pub(crate) fn words(text: &str) -> impl Iterator<Item = (usize, &str)> {
    let mut rest = 0;
    std::iter::from_fn(move || {
        let tail = text.get(rest..)?;
        let start = rest + tail.find(|c: char| c.is_alphabetic() || confusables::latin(c).is_some())?;
        let tail = text.get(start..)?;
        let len = tail.find(|c: char| !(c.is_alphabetic() || confusables::latin(c).is_some())).unwrap_or(tail.len());
        rest = start + len;
        Some((start, tail.get(..len)?))
    })
}
