//! Who was let in, and whether anybody else will be.

use crossbeam_utils::CachePadded;

use crate::sync::atomic::{AtomicU64, Ordering};

const CLOSED: u64 = 1 << 63;

/// Counts what was let in; closed, it lets nothing in. Both are one word, so that no one slips in between.
pub(crate) struct Gate {
    entered: CachePadded<AtomicU64>,
}

impl Gate {
    pub(crate) fn new() -> Self {
        Self { entered: CachePadded::new(AtomicU64::new(0)) }
    }

    /// Lets one in. `false`: the gate is closed, and the caller has to [`leave`](Self::leave) as if it had been let in.
    #[inline]
    pub(crate) fn enter(&self) -> bool {
        self.entered.fetch_add(1, Ordering::AcqRel) & CLOSED == 0
    }

    /// Takes one entry back. `true`: the gate is closed; workers may sleep because of this entry, and have to be called.
    #[inline]
    pub(crate) fn leave(&self) -> bool {
        self.entered.fetch_sub(1, Ordering::AcqRel) & CLOSED != 0
    }

    pub(crate) fn close(&self) {
        self.entered.fetch_or(CLOSED, Ordering::AcqRel);
    }

    pub(crate) fn is_closed(&self) -> bool {
        self.entered.load(Ordering::Acquire) & CLOSED != 0
    }

    /// How many were let in.
    pub(crate) fn entered(&self) -> u64 {
        self.entered.load(Ordering::Acquire) & !CLOSED
    }

    /// Whether the gate is closed and all that were let in have ended. `ended` must have been read before: it never
    /// exceeds what entered, so that equality holds at the moment of this reading and, the gate being closed, for good.
    pub(crate) fn is_through(&self, ended: u64) -> bool {
        self.entered.load(Ordering::Acquire) == ended | CLOSED
    }
}
