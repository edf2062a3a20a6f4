//! A place for each waiting task, which says whether it was cancelled.

use crossbeam_queue::ArrayQueue;

use crate::sync::atomic::{AtomicU64, Ordering};

const FREE: u64 = 0;
const QUEUED: u64 = 1;
const CANCELLED: u64 = 2;
const STATES: u32 = 2;

/// A place and which of its users, one after the other, is meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Slot {
    index: u32,
    generation: u64,
}

impl Slot {
    #[inline]
    fn word(self, state: u64) -> u64 {
        self.generation << STATES | state
    }
}

/// The places of a class. As many as it has capacity: no free place, no room.
pub(crate) struct Slots {
    words: Box<[AtomicU64]>,
    free: ArrayQueue<u32>,
}

impl Slots {
    pub(crate) fn new(capacity: u32) -> Self {
        let free = ArrayQueue::new(capacity.max(1) as usize);
        for index in 0..capacity {
            let _ = free.push(index);
        }
        Self { words: (0..capacity).map(|_| AtomicU64::new(FREE)).collect(), free }
    }

    /// Takes a free place for a task that is about to be queued.
    #[inline]
    pub(crate) fn acquire(&self) -> Option<Slot> {
        let index = self.free.pop()?;
        let word = self.word(index)?;
        let slot = Slot { index, generation: word.load(Ordering::Acquire) >> STATES };
        word.store(slot.word(QUEUED), Ordering::Release);
        Some(slot)
    }

    /// Ends the waiting of a task that was taken out of its queue and frees its place. `false`: it was cancelled.
    pub(crate) fn claim(&self, slot: Slot) -> bool {
        let Some(word) = self.word(slot.index) else { return false };
        let next = Slot { generation: slot.generation + 1, ..slot }.word(FREE);
        let live = word.swap(next, Ordering::AcqRel) == slot.word(QUEUED);
        let _ = self.free.push(slot.index);
        live
    }

    /// Cancels a task that still waits. At most one of this and [`claim`](Self::claim) says yes.
    pub(crate) fn cancel(&self, slot: Slot) -> bool {
        self.word(slot.index).is_some_and(|word| {
            word.compare_exchange(
                slot.word(QUEUED),
                slot.word(CANCELLED),
                Ordering::AcqRel,
                Ordering::Relaxed,
            )
            .is_ok()
        })
    }

    pub(crate) fn is_cancelled(&self, slot: Slot) -> bool {
        self.word(slot.index).is_some_and(|word| word.load(Ordering::Acquire) == slot.word(CANCELLED))
    }

    #[inline]
    fn word(&self, index: u32) -> Option<&AtomicU64> {
        self.words.get(index as usize)
    }
}

#[cfg(test)]
mod tests {
    #[cfg(not(any(loom, shuttle)))]
    #[test]
    fn a_place_is_cancelled_at_most_once_and_only_for_its_own_user() {
        let slots = super::Slots::new(1);
        let first = slots.acquire().unwrap();
        assert!(slots.acquire().is_none(), "one place only");
        assert!(slots.cancel(first) && !slots.cancel(first));
        assert!(slots.is_cancelled(first));
        assert!(!slots.claim(first), "was cancelled");
        let second = slots.acquire().unwrap();
        assert!(!slots.cancel(first), "the place has a new user");
        assert!(slots.claim(second));
        assert!(!slots.cancel(second), "already claimed");
    }

    #[cfg(loom)]
    #[test]
    fn exactly_one_of_cancel_and_claim_wins() {
        loom::model(|| {
            let slots = std::sync::Arc::new(super::Slots::new(1));
            let slot = slots.acquire().unwrap();
            let other = slots.clone();
            let canceller = loom::thread::spawn(move || other.cancel(slot));
            let claimed = slots.claim(slot);
            assert_ne!(claimed, canceller.join().unwrap());
            assert_ne!(slots.acquire(), None, "the place is free again");
        });
    }
}
