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
mod redact;
pub mod vault;

use aimds_detect::Conversation;
use aimds_policy::Permit;

pub use kept::Kept;
pub use redact::{Edit, placeholder, redact};

/// A conversation that policy has cleared, with its redactions carried out: the only thing that may be forwarded.
#[derive(Debug)]
pub struct Cleared {
    conversation: Conversation,
    changed: Vec<usize>,
    edits: Vec<Edit>,
}

impl Cleared {
    /// Spends the permit and carries out its redactions.
    #[must_use]
    pub fn new(permit: Permit, mut conversation: Conversation) -> Self {
        let edits = redact(&mut conversation, permit.redactions());
        Self::of(conversation, edits)
    }

    fn of(conversation: Conversation, edits: Vec<Edit>) -> Self {
        let mut changed: Vec<usize> = edits.iter().map(|edit| edit.message).collect();
        changed.dedup();
        Self { conversation, changed, edits }
    }

    /// What may be forwarded.
    #[must_use]
    pub fn conversation(&self) -> &Conversation {
        &self.conversation
    }

    /// Positions of the messages whose text was changed, in order.
    #[must_use]
    pub fn changed(&self) -> &[usize] {
        &self.changed
    }

    /// What was replaced, by message and position: for a caller that has to carry it out again on pieces of the text.
    #[must_use]
    pub fn edits(&self) -> &[Edit] {
        &self.edits
    }
}
