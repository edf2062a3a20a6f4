//! Which rows were seen: so that a file that is read twice counts once.

use std::collections::{BTreeSet, VecDeque};

use serde::{Deserialize, Serialize};

const REMEMBERED: usize = 1 << 16;

/// The last identifiers.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Recent {
    order: VecDeque<u64>,
    known: BTreeSet<u64>,
}

impl Recent {
    /// Whether the identifier is new.
    pub(crate) fn admit(&mut self, id: u64) -> bool {
        if !self.known.insert(id) {
            return false;
        }
        self.order.push_back(id);
        if self.order.len() > REMEMBERED
            && let Some(oldest) = self.order.pop_front()
        {
            self.known.remove(&oldest);
        }
        true
    }
}
