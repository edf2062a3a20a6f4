//! Response: carries a decision out on the texts of a request.
//!
//! ```
//! use aimds_respond::Cleared;
//! // A `Cleared` conversation comes from a permit only:
//! fn forward(cleared: &Cleared) -> usize { cleared.conversation().messages.len() }
//! ```
#![cfg_attr(
    not(test),
    deny(
        clippy::unwrap_used,
        clippy::expect_used,
        clippy::panic,
        clippy::indexing_slicing,
        clippy::unreachable
    )
)]

mod kept;
mod neutralise;
mod redact;
mod spotlight;
pub mod vault;

use aimds_detect::{Conversation, Message};
use aimds_policy::{Permit, Spotlight};

pub use kept::Kept;
pub use neutralise::{neutralise, quoted, removed};
pub use redact::{Edit, placeholder, redact};
pub use spotlight::{Marked, spotlight};

/// A conversation that policy has cleared, with its redactions carried out: the only thing that may be forwarded.
#[derive(Debug)]
pub struct Cleared {
    conversation: Conversation,
    changed: Vec<usize>,
    edits: Vec<Edit>,
    /// Texts that are still to be marked as untrusted.
    marks: Option<Spotlight>,
}

impl Cleared {
    /// Spends the permit and carries out its redactions.
    #[must_use]
    pub fn new(permit: Permit, mut conversation: Conversation) -> Self {
        let edits = redact(&mut conversation, permit.redactions());
        Self::of(&permit, conversation, edits)
    }

    /// Carries out what a permit wants beside its redactions, which `edits` says have been carried out.
    fn of(permit: &Permit, mut conversation: Conversation, edits: Vec<Edit>) -> Self {
        let edits = neutralise(&mut conversation, permit.removals(), edits);
        let mut changed: Vec<usize> = edits.iter().map(|edit| edit.message).collect();
        changed.dedup();
        Self { conversation, changed, edits, marks: permit.spotlight().cloned() }
    }

    /// Spends another permit, for the texts as they are now: what was taken out may have hidden more of its kind. Places of
    /// its [`edits`](Self::edits) are those in these texts.
    #[must_use]
    pub fn again(self, permit: Permit) -> Self {
        let Self { conversation, changed, edits, marks } = self;
        let mut next = Self::new(permit, conversation);
        next.changed.extend(changed);
        next.changed.sort_unstable();
        next.changed.dedup();
        drop(next.edits.splice(0..0, edits));
        // What was to be marked stays so, however harmless it looks by now.
        next.marks = match (marks, next.marks) {
            (Some(mut first), Some(later)) => {
                first.mode = first.mode.max(later.mode);
                first.messages.extend(later.messages);
                first.messages.sort_unstable();
                first.messages.dedup();
                Some(first)
            }
            (first, later) => first.or(later),
        };
        next
    }

    /// Marks the texts that the permit wants marked, once: see [`spotlight`](fn@spotlight). What was marked; `None` where
    /// nothing is to be marked, or nothing may be.
    pub fn spotlight(&mut self, seed: [u8; 16], may: impl Fn(&Message) -> bool) -> Option<Marked> {
        let plan = self.marks.take()?;
        let before: Vec<_> = plan
            .messages
            .iter()
            .copied()
            .filter(|&at| self.conversation.messages.get(at).is_some_and(&may))
            .collect();
        let marked = spotlight(&mut self.conversation, &plan, seed, may)?;
        self.changed.extend(before);
        self.changed.sort_unstable();
        self.changed.dedup();
        Some(marked)
    }

    /// Whether texts are still to be marked before they are forwarded to a model.
    #[must_use]
    pub fn wants_marks(&self) -> bool {
        self.marks.is_some()
    }

    /// What may be forwarded.
    #[must_use]
    pub fn conversation(&self) -> &Conversation {
        &self.conversation
    }

    /// The texts by themselves, for whoever wants to know what was said.
    #[must_use]
    pub fn into_conversation(self) -> Conversation {
        self.conversation
    }

    /// Positions of the messages whose text was changed, in order.
    #[must_use]
    pub fn changed(&self) -> &[usize] {
        &self.changed
    }

    /// What was replaced, by message and position: for a caller that has to carry it out again on pieces of the text. Marks
    /// are not among them: they stand around a whole text.
    #[must_use]
    pub fn edits(&self) -> &[Edit] {
        &self.edits
    }
}
