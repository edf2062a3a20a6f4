//! What playbooks add to a decision.

use std::ops::Range;
use std::sync::Arc;

use aimds_detect::Category;

use super::{Measure, SpotlightMode};
use crate::decision::Redaction;

/// What becomes of an instruction in untrusted content.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Neutral {
    /// It stays readable, as a quotation.
    Quote,
    /// It goes.
    Remove,
}

/// One instruction in untrusted content that must not stay as it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Removal {
    /// Position in `Conversation::messages`.
    pub message: usize,
    /// Byte range in the original text.
    pub span: Range<usize>,
    /// What was found there.
    pub category: Category,
    /// What becomes of it.
    pub how: Neutral,
}

/// Texts that must be marked as untrusted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Spotlight {
    /// How.
    pub mode: SpotlightMode,
    /// Positions in `Conversation::messages`, ascending.
    pub messages: Vec<usize>,
}

/// One measure beside the decision, for whoever carries it out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Order {
    /// What is to be done.
    pub measure: Measure,
    /// The playbook that orders it.
    pub playbook: Arc<str>,
    /// For how long, in seconds; 0 where time means nothing to the measure.
    pub seconds: u32,
    /// How long each request is held up by `delay`, in milliseconds.
    pub delay_ms: u32,
}

/// Everything that playbooks add to one decision.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Plan {
    pub(crate) orders: Vec<Order>,
    pub(crate) removals: Vec<Removal>,
    pub(crate) spotlight: Option<Spotlight>,
}

impl Plan {
    /// Adds an order. Of two for the same measure the longer one counts.
    pub(super) fn order(&mut self, order: Order) {
        match self.orders.iter_mut().find(|known| known.measure == order.measure) {
            Some(known) if known.seconds < order.seconds => *known = order,
            Some(_) => {}
            None => self.orders.push(order),
        }
    }

    /// Marks a text; of several ways the strongest.
    pub(super) fn mark(&mut self, mode: SpotlightMode, message: usize) {
        let spotlight = self.spotlight.get_or_insert(Spotlight { mode, messages: Vec::new() });
        spotlight.mode = spotlight.mode.max(mode);
        if let Err(at) = spotlight.messages.binary_search(&message) {
            spotlight.messages.insert(at, message);
        }
    }

    /// Joins removals that overlap, and takes the redactions out that lie in one. A quotation would show what must be
    /// redacted, so that one with a redaction in it becomes a removal.
    pub(crate) fn settle(&mut self, redactions: &mut Vec<Redaction>) {
        self.removals.sort_by_key(|removal| (removal.message, removal.span.start));
        let mut joined: Vec<Removal> = Vec::with_capacity(self.removals.len());
        for removal in self.removals.drain(..) {
            match joined.last_mut() {
                Some(last) if last.message == removal.message && removal.span.start < last.span.end => {
                    last.span.end = last.span.end.max(removal.span.end);
                    last.how = last.how.max(removal.how);
                }
                _ => joined.push(removal),
            }
        }
        redactions.retain(|redaction| !absorbed(&mut joined, redaction));
        self.removals = joined;
    }
}

/// Whether a removal overlaps the redaction; it then covers all of it.
fn absorbed(removals: &mut [Removal], redaction: &Redaction) -> bool {
    let key = (redaction.message, redaction.span.start);
    // Removals do not overlap each other, so that their ends ascend with their starts.
    let from = removals.partition_point(|removal| (removal.message, removal.span.end) <= key);
    let Some(removal) = removals.get_mut(from) else { return false };
    if removal.message != redaction.message || removal.span.start >= redaction.span.end {
        return false;
    }
    removal.span = removal.span.start.min(redaction.span.start)..removal.span.end.max(redaction.span.end);
    removal.how = Neutral::Remove;
    true
}
