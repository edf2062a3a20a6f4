//! The exact view: what a person reads, in its own case. NFKC, without invisible characters and stray marks.

use std::sync::LazyLock;

use unicode_normalization::char::canonical_combining_class;
use unicode_normalization::{IsNormalized, UnicodeNormalization, is_nfkc_quick};

use crate::Mapped;
use crate::invisible::{self, Invisible};

/// More marks than this on one letter are dropped before normalising, so that its sort stays cheap.
const MARKS_PER_LETTER: usize = 8;

/// One bit for each character of the basic plane that stays what it is, whatever follows or stands before it: it is
/// drawn, begins a letter, and NFKC leaves it alone.
static INERT: LazyLock<Vec<u64>> = LazyLock::new(|| bitmap(is_inert));

/// The bit map of a property of the basic plane.
pub(crate) fn bitmap(property: impl Fn(char) -> bool) -> Vec<u64> {
    let word = |block: u32| {
        (0..64).fold(0, |bits, bit| {
            bits | u64::from(char::from_u32(block * 64 + bit).is_some_and(&property)) << bit
        })
    };
    (0..0x1_0000 / 64).map(word).collect()
}

/// Looks a character up in a [`bitmap`].
pub(crate) fn in_bitmap(bitmap: &[u64], c: char) -> Option<bool> {
    let c = u32::from(c) as usize;
    bitmap.get(c / 64).map(|bits| bits >> (c % 64) & 1 == 1)
}

fn is_inert(c: char) -> bool {
    if c.is_ascii() {
        return is_plain_ascii(c as u8);
    }
    invisible::class(c).is_none()
        && !is_stray_mark(c)
        && canonical_combining_class(c) == 0
        && is_nfkc_quick(std::iter::once(c)) == IsNormalized::Yes
}

fn is_plain_ascii(byte: u8) -> bool {
    matches!(byte, b' '..=b'~' | b'\t' | b'\n' | b'\r')
}

/// How many bytes of inert characters `text` begins with, and where the last of them starts.
fn inert_prefix(text: &str, inert: &[u64]) -> (usize, usize) {
    let (mut at, mut last) = (0, 0);
    let bytes = text.as_bytes();
    while let Some(&byte) = bytes.get(at) {
        if is_plain_ascii(byte) {
            last = at;
            at += 1;
            continue;
        }
        let Some(c) = text.get(at..).and_then(|rest| rest.chars().next()) else { break };
        if !in_bitmap(inert, c).unwrap_or_else(|| is_inert(c)) {
            break;
        }
        last = at;
        at += c.len_utf8();
    }
    (at, last)
}

/// Whether the exact view of `text` is `text`. May be false although it is.
pub(crate) fn is_exact(text: &str) -> bool {
    text.bytes().all(is_plain_ascii) || inert_prefix(text, &INERT).0 == text.len()
}

/// Makes the exact view. Linear; the result maps to `text`.
pub(crate) fn exact(text: &str) -> (Mapped, Invisible) {
    let mut invisible = Invisible::default();
    if is_exact(text) {
        return (Mapped::identity(text), invisible);
    }
    let inert: &[u64] = &INERT;
    let mut out = Mapped::with_capacity(text.len());
    let mut cluster = Cluster::default();
    let mut before = None;
    let mut at = 0;
    while let Some(rest) = text.get(at..) {
        let (run, last) = inert_prefix(rest, inert);
        if run > 0 {
            // Only the last character of the run may combine with what follows.
            cluster.flush(text, &mut out, &mut invisible);
            out.copy(rest.get(..last).unwrap_or_default(), at);
            cluster.begin(rest.get(last..run).unwrap_or_default(), at + last);
            before = rest.get(last..).and_then(|rest| rest.chars().next());
            at += run;
        }
        let mut chars = text.get(at..).unwrap_or_default().chars();
        let Some(c) = chars.next() else { break };
        if let Some(class) = invisible::class(c) {
            invisible.observe(class, c, at, before, chars.next());
        } else {
            if starts_cluster(c) {
                cluster.flush(text, &mut out, &mut invisible);
            }
            cluster.push(c, at, &mut invisible);
        }
        before = Some(c);
        at += c.len_utf8();
    }
    cluster.flush(text, &mut out, &mut invisible);
    (out, invisible)
}

fn starts_cluster(c: char) -> bool {
    c.is_ascii()
        || canonical_combining_class(c) == 0 && is_nfkc_quick(std::iter::once(c)) != IsNormalized::Maybe
}

/// A letter with everything that may combine with it.
#[derive(Default)]
struct Cluster {
    kept: String,
    start: usize,
    end: usize,
    marks: usize,
    /// One inert character and nothing else.
    inert: bool,
}

impl Cluster {
    /// Starts with one inert character; the cluster is empty.
    fn begin(&mut self, inert: &str, at: usize) {
        self.kept.push_str(inert);
        (self.start, self.end, self.inert) = (at, at + inert.len(), true);
    }

    fn push(&mut self, c: char, at: usize, invisible: &mut Invisible) {
        if self.kept.is_empty() {
            self.start = at;
        }
        self.end = at + c.len_utf8();
        self.inert = false;
        if canonical_combining_class(c) != 0 {
            self.marks += 1;
            if self.marks > MARKS_PER_LETTER {
                invisible.marks += 1;
                return;
            }
        }
        self.kept.push(c);
    }

    fn flush(&mut self, text: &str, out: &mut Mapped, invisible: &mut Invisible) {
        if self.kept.is_empty() {
            return;
        }
        let source = self.start..self.end;
        if self.inert {
            out.copy(&self.kept, self.start);
        } else {
            let at = out.text.len();
            for c in self.kept.nfkc() {
                if is_stray_mark(c) {
                    invisible.marks += 1;
                } else if invisible::class(c).is_none() {
                    out.text.push(c);
                }
            }
            let added = out.text.get(at..).unwrap_or_default();
            if text.get(source.clone()) == Some(added) {
                out.map.push_copy(added.len(), self.start);
            } else {
                out.map.push_whole(added.len(), source);
            }
        }
        self.kept.clear();
        self.marks = 0;
        self.inert = false;
    }
}

/// Marks that composition left over: decoration, not spelling, in every script that these blocks serve.
fn is_stray_mark(c: char) -> bool {
    matches!(c, '\u{300}'..='\u{36f}' | '\u{1ab0}'..='\u{1aff}' | '\u{1dc0}'..='\u{1dff}' | '\u{20d0}'..='\u{20ff}' | '\u{fe20}'..='\u{fe2f}')
}
