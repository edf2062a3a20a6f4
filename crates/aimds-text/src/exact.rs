//! The exact view: what a person reads, in its own case. NFKC, without invisible characters and stray marks.

use unicode_normalization::char::canonical_combining_class;
use unicode_normalization::{IsNormalized, UnicodeNormalization, is_nfkc_quick};

use crate::Mapped;
use crate::invisible::{self, Invisible};

/// More marks than this on one letter are dropped before normalising, so that its sort stays cheap.
const MARKS_PER_LETTER: usize = 8;

/// Makes the exact view. Linear; the result maps to `text`.
pub(crate) fn exact(text: &str) -> (Mapped, Invisible) {
    let mut invisible = Invisible::default();
    if text.bytes().all(|byte| matches!(byte, b' '..=b'~' | b'\t' | b'\n' | b'\r')) {
        return (Mapped::identity(text), invisible);
    }
    let mut out = Mapped::with_capacity(text.len());
    let mut cluster = Cluster::default();
    let mut before = None;
    let mut chars = text.char_indices().peekable();
    while let Some((at, c)) = chars.next() {
        if let Some(class) = invisible::class(c) {
            invisible.observe(class, c, at, before, chars.peek().map(|&(_, next)| next));
        } else {
            if starts_cluster(c) {
                cluster.flush(text, &mut out, &mut invisible);
            }
            cluster.push(c, at, &mut invisible);
        }
        before = Some(c);
    }
    cluster.flush(text, &mut out, &mut invisible);
    (out, invisible)
}

fn starts_cluster(c: char) -> bool {
    c.is_ascii() || canonical_combining_class(c) == 0 && is_nfkc_quick(std::iter::once(c)) != IsNormalized::Maybe
}

/// A letter with everything that may combine with it.
#[derive(Default)]
struct Cluster {
    kept: String,
    start: usize,
    end: usize,
    marks: usize,
}

impl Cluster {
    fn push(&mut self, c: char, at: usize, invisible: &mut Invisible) {
        if self.kept.is_empty() {
            self.start = at;
        }
        self.end = at + c.len_utf8();
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
        if self.kept.len() == 1 {
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
    }
}

/// Marks that composition left over: decoration, not spelling, in every script that these blocks serve.
fn is_stray_mark(c: char) -> bool {
    matches!(c, '\u{300}'..='\u{36f}' | '\u{1ab0}'..='\u{1aff}' | '\u{1dc0}'..='\u{1dff}' | '\u{20d0}'..='\u{20ff}' | '\u{fe20}'..='\u{fe2f}')
}
