//! Cuts text into sentences.

use std::ops::Range;

/// Longest sentence in bytes; longer ones are cut at the next character boundary, so that every piece is bounded.
pub const MAX_SENTENCE: usize = 480;

/// Shortest sentence in bytes; shorter ones go on into the next, so that a text of full stops is not a million of them.
pub const MIN_SENTENCE: usize = 24;

/// The sentences of a canonical text, in order, without gaps between them, empty ones left out.
///
/// A sentence of [`MIN_SENTENCE`] bytes or more ends after `.`, `!`, `?` or `;` before white space, after the full stops of CJK, Devanagari and Arabic
/// script, at a line end, and after [`MAX_SENTENCE`] bytes.
///
/// ```
/// let text = "this is the first sentence. the second one is a line\nno. third";
/// let found: Vec<_> = aimds_text::sentences(text).map(|range| text[range].trim()).collect();
/// assert_eq!(found, ["this is the first sentence.", "the second one is a line", "no. third"]);
/// ```
pub fn sentences(text: &str) -> impl Iterator<Item = Range<usize>> {
    let mut start = 0;
    std::iter::from_fn(move || {
        while start < text.len() {
            let end = sentence_end(text, start);
            let range = start..end;
            start = end;
            if text.get(range.clone()).is_some_and(|piece| !piece.trim().is_empty()) {
                return Some(range);
            }
        }
        None
    })
}

fn sentence_end(text: &str, start: usize) -> usize {
    let bytes = text.as_bytes();
    let limit = text.floor_char_boundary(start.saturating_add(MAX_SENTENCE));
    let mut at = text.ceil_char_boundary(start.saturating_add(MIN_SENTENCE - 1));
    while at < limit {
        let Some(&byte) = bytes.get(at) else { break };
        match byte {
            b'\n' => return at + 1,
            b'.' | b'!' | b'?' | b';' if matches!(bytes.get(at + 1), Some(b' ' | b'\n')) => return at + 2,
            // 。！？ । ۔ ؟ in UTF-8
            0xe3 if bytes.get(at..at + 3) == Some("。".as_bytes()) => return at + 3,
            0xe0 if bytes.get(at..at + 3) == Some("।".as_bytes()) => return at + 3,
            0xd8 if bytes.get(at..at + 2) == Some("؟".as_bytes()) => return at + 2,
            0xdb if bytes.get(at..at + 2) == Some("۔".as_bytes()) => return at + 2,
            _ => at += 1,
        }
    }
    if limit >= text.len() { text.len() } else { limit.max(start + 1) }
}
