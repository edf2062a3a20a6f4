//! One text that arrives in pieces: how much of it may go on, and in which form.
//!
//! What is certain about the rest is said at the end: when the text is complete it is inspected as a whole, exactly as an
//! answer without a stream is. Until then the text is inspected window by window, and its last bytes are held back, so
//! that whatever begins in what goes on has been seen to its end:
//!
//! * a cut lies [`Window::hold`] bytes or more before the end of what has arrived, between two words, and outside of
//!   everything that is replaced;
//! * what makes a window unacceptable may look different with the next words, so it is looked at once more when
//!   [`Window::hold`] more bytes are there;
//! * what the inspection of the whole finds in a part that has gone on already ends the stream.

use std::ops::Range;

use aimds_engine::Cleared;
use aimds_engine::vault::{Found, Restorer};

/// How text is held back and inspected while it arrives, in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Window {
    /// The end of the text that is never sent on before more of it has arrived.
    pub(crate) hold: usize,
    /// As much as is inspected at once where no sentence ends before.
    pub(crate) step: usize,
    /// As much of what has gone on as is inspected again together with what comes next.
    pub(crate) overlap: usize,
}

/// A part of the text that is replaced.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Edit {
    pub(crate) span: Range<usize>,
    pub(crate) text: String,
}

/// What the policy says about a text that it was shown.
pub(crate) enum Judgement {
    Cleared(Cleared),
    Blocked,
}

/// Why a text goes no further.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stop {
    /// The policy blocks it.
    Blocked,
    /// The whole shows what its windows did not, in a part that has gone on.
    Late,
}

/// What has to be inspected.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Look {
    pub(crate) range: Range<usize>,
    cut: usize,
}

/// A text that arrives in pieces.
#[derive(Debug, Default)]
pub(crate) struct HoldBack {
    text: String,
    /// Bytes that may go on.
    released: usize,
    edits: Vec<Edit>,
    /// Length of the text at which it is inspected again.
    due: usize,
    /// The last window was blocked.
    suspect: bool,
    /// Nothing more goes on before the text is complete.
    waits: bool,
    complete: bool,
    /// Puts the caller's own values back into what goes on.
    restorer: Option<Restorer>,
}

impl HoldBack {
    /// A text of which nothing goes on before it is complete.
    pub(crate) fn until_complete() -> Self {
        Self { waits: true, ..Self::default() }
    }

    /// The same with the caller's own values put back.
    pub(crate) fn restoring(self, restorer: Option<Restorer>) -> Self {
        Self { restorer, ..self }
    }

    /// Adds a piece and says where in the text it lies.
    pub(crate) fn push(&mut self, piece: &str) -> Range<usize> {
        let start = self.text.len();
        self.text.push_str(piece);
        start..self.text.len()
    }

    pub(crate) fn text(&self) -> &str {
        &self.text
    }

    pub(crate) fn is_complete(&self) -> bool {
        self.complete
    }

    /// Whether a part of the text may go on.
    pub(crate) fn has_released(&self, range: &Range<usize>) -> bool {
        range.end <= self.released
    }

    /// The window that is to be inspected now, if there is one.
    pub(crate) fn look(&mut self, window: &Window) -> Option<Look> {
        if self.waits || self.complete || self.text.len() < self.due {
            return None;
        }
        let limit = self.text.len().checked_sub(window.hold).filter(|&limit| limit > self.released)?;
        let Some(cut) = last_gap(&self.text, self.released, limit) else {
            self.back_off(window);
            return None;
        };
        let worth = cut - self.released >= window.step || has_end(&self.text, self.released, cut);
        worth.then(|| {
            let from = self.text.floor_char_boundary(self.released.saturating_sub(window.overlap));
            let floor = from.saturating_sub(window.overlap);
            let start = last_gap(&self.text, floor, from).unwrap_or(self.text.floor_char_boundary(floor));
            // A second look is at everything, so that it is not the edge of the window that looks forbidden.
            Look { range: if self.suspect { 0 } else { start }..self.text.len(), cut }
        })
    }

    /// Takes the judgement on a window.
    pub(crate) fn judge(&mut self, look: &Look, judgement: &Judgement, window: &Window) -> Result<(), Stop> {
        let Judgement::Cleared(cleared) = judgement else {
            if self.suspect {
                return Err(Stop::Blocked);
            }
            self.suspect = true;
            self.due = self.text.len().saturating_add(window.hold.max(1));
            return Ok(());
        };
        self.suspect = false;
        let mut cut = look.cut;
        let mut edits = Vec::new();
        for edit in self.edits_of(cleared, 0, look.range.clone()) {
            let known = self.edits.iter().any(|old| covers(&old.span, &edit.span));
            if edit.span.start < self.released && !known {
                // Only the whole can tell whether this is so.
                self.waits = true;
                return Ok(());
            }
            if edit.span.start < cut && edit.span.end > cut {
                cut = edit.span.start.max(self.released);
            }
            if !known {
                edits.push(edit);
            }
        }
        cut = self.restore(cut, &mut edits, false);
        if edits.iter().any(|edit| edit.span.start < cut && edit.span.end > cut) {
            // A placeholder and something forbidden go across each other at the cut.
            self.waits = true;
            return Ok(());
        }
        edits.retain(|edit| edit.span.end <= cut);
        if cut > self.released {
            self.edits.append(&mut edits);
            self.released = cut;
        } else {
            self.back_off(window);
        }
        Ok(())
    }

    /// What the policy replaces in a part of the text, without what only touches placeholders of the caller. `message` is the
    /// place of the part among the texts that were cleared.
    fn edits_of(&self, cleared: &Cleared, message: usize, part: Range<usize>) -> Vec<Edit> {
        let edits = cleared.edits().iter().filter(|edit| edit.message == message);
        let mut edits: Vec<_> = edits.cloned().collect();
        if let Some(restorer) = &self.restorer {
            restorer.of().spare(self.text.get(part.clone()).unwrap_or_default(), &mut edits);
        }
        let (offset, edits) = (part.start, edits.into_iter());
        edits
            .map(|edit| Edit {
                span: edit.span.start + offset..edit.span.end + offset,
                text: edit.replacement,
            })
            .collect()
    }

    /// Adds the values that are put back before `to`, and says up to where all of them are known.
    fn restore(&mut self, to: usize, edits: &mut Vec<Edit>, complete: bool) -> usize {
        let Some(restorer) = &mut self.restorer else { return to };
        let (settled, found) = restorer.advance(&self.text, to, complete);
        for Found { span, value } in found {
            let free = !edits.iter().any(|edit| edit.span.start < span.end && span.start < edit.span.end);
            if let Some(value) = value.filter(|_| free) {
                edits.push(Edit { span, text: value.to_string() });
            }
        }
        edits.sort_by_key(|edit| edit.span.start);
        settled
    }

    /// Looks again when the text has grown by a part of what waits, so that the cost stays linear.
    fn back_off(&mut self, window: &Window) {
        let waiting = self.text.len().saturating_sub(self.released);
        self.due = self.text.len().saturating_add(window.step.max(waiting / 2).max(1));
    }

    /// Takes the judgement on the whole text, which was the one in place `message` of those that were judged together.
    pub(crate) fn complete(&mut self, judgement: &Judgement, message: usize) -> Result<(), Stop> {
        let Judgement::Cleared(cleared) = judgement else { return Err(Stop::Blocked) };
        let whole = self.edits_of(cleared, message, 0..self.text.len());
        for edit in whole.iter().filter(|edit| edit.span.start < self.released) {
            if !self.edits.iter().any(|known| covers(&known.span, &edit.span)) {
                return Err(Stop::Late);
            }
        }
        let mut rest: Vec<_> = whole.into_iter().filter(|edit| edit.span.start >= self.released).collect();
        self.restore(self.text.len(), &mut rest, true);
        self.edits.append(&mut rest);
        self.released = self.text.len();
        self.complete = true;
        Ok(())
    }

    /// The text can go on growing although it was complete: from here on nothing goes on before it is complete again.
    pub(crate) fn reopen(&mut self) {
        self.complete = false;
        self.waits = true;
    }

    /// A part of the text as it may be sent; `None` where nothing in it is replaced. What is replaced goes to the part in
    /// which it begins.
    pub(crate) fn part(&self, range: &Range<usize>) -> Option<String> {
        let mut edits = self
            .edits
            .iter()
            .filter(|edit| edit.span.start < range.end && edit.span.end > range.start)
            .peekable();
        edits.peek()?;
        let mut out = String::new();
        let mut from = range.start;
        for Edit { span, text } in edits {
            out.push_str(self.text.get(from..span.start.max(from)).unwrap_or_default());
            if span.start >= range.start {
                out.push_str(text);
            }
            from = span.end.min(range.end).max(from);
        }
        out.push_str(self.text.get(from..range.end).unwrap_or_default());
        Some(out)
    }
}

fn covers(outer: &Range<usize>, inner: &Range<usize>) -> bool {
    outer.start <= inner.start && inner.end <= outer.end
}

/// The last place in `from < place <= to` that no word of ASCII letters, digits and signs goes across: an address, a
/// token or a key is never cut, however long it is.
fn last_gap(text: &str, from: usize, to: usize) -> Option<usize> {
    let bytes = text.as_bytes();
    let graphic = |at: usize| bytes.get(at).is_some_and(u8::is_ascii_graphic);
    (from + 1..=to).rev().find(|&at| text.is_char_boundary(at) && !(graphic(at - 1) && graphic(at)))
}

/// Whether a sentence or a line ends in a part.
fn has_end(text: &str, from: usize, to: usize) -> bool {
    let part = text.get(from..to).unwrap_or_default();
    part.contains(['\n', '。', '！', '？', '।', '؟', '۔'])
        || [". ", "! ", "? ", "; "].iter().any(|end| part.contains(end))
}
