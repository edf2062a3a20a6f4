//! The waiting tasks of one class, in the order in which they are to start.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::sync::PoisonError;

use crossbeam_queue::ArrayQueue;

use crate::class::Order;
use crate::slots::Slot;
use crate::sync::Mutex;
use crate::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

/// A waiting task.
pub(crate) struct Entry<T> {
    pub(crate) payload: T,
    pub(crate) deadline: u64,
    pub(crate) accepted_at: u64,
    pub(crate) cost: u64,
    pub(crate) slot: Slot,
}

/// What [`Queue::pop_if`] found.
pub(crate) enum Front<T> {
    Taken(Entry<T>),
    /// There is one, and it stays. For a moment it was out of the queue: whoever then found the queue empty has to be
    /// told again.
    Kept,
    Empty,
}

#[expect(clippy::large_enum_variant, reason = "there are four; a box would be a step more for every task")]
pub(crate) enum Queue<T> {
    Fifo(Fifo<T>),
    EarliestDeadline(Heap<T>),
}

impl<T> Queue<T> {
    pub(crate) fn new(order: Order, capacity: u32) -> Self {
        match order {
            Order::Fifo => Self::Fifo(Fifo::new(capacity as usize)),
            Order::EarliestDeadline => Self::EarliestDeadline(Heap::new(capacity as usize)),
        }
    }

    /// Gives the entry back where there is no room.
    pub(crate) fn push(&self, entry: Entry<T>) -> Result<(), Entry<T>> {
        match self {
            Self::Fifo(fifo) => fifo.ring.push(entry),
            Self::EarliestDeadline(heap) => {
                heap.push(entry);
                Ok(())
            }
        }
    }

    pub(crate) fn pop(&self) -> Option<Entry<T>> {
        match self {
            Self::Fifo(fifo) => fifo.pop(),
            Self::EarliestDeadline(heap) => heap.pop(),
        }
    }

    /// Takes the first entry if `wanted`.
    pub(crate) fn pop_if(&self, wanted: impl FnOnce(&Entry<T>) -> bool) -> Front<T> {
        match self {
            Self::Fifo(fifo) => fifo.pop_if(wanted),
            Self::EarliestDeadline(heap) => heap.pop_if(wanted),
        }
    }

    pub(crate) fn len(&self) -> usize {
        match self {
            Self::Fifo(fifo) => fifo.len(),
            Self::EarliestDeadline(heap) => heap.len.load(Ordering::Acquire),
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        match self {
            Self::Fifo(fifo) => fifo.is_empty(),
            Self::EarliestDeadline(heap) => heap.len.load(Ordering::Acquire) == 0,
        }
    }
}

/// A ring, and before it one entry that was taken out, looked at and given back: nobody can look into the ring.
pub(crate) struct Fifo<T> {
    ring: ArrayQueue<Entry<T>>,
    held: Mutex<Option<Entry<T>>>,
    is_held: AtomicBool,
}

impl<T> Fifo<T> {
    fn new(capacity: usize) -> Self {
        Self {
            ring: ArrayQueue::new(capacity.max(1)),
            held: Mutex::new(None),
            is_held: AtomicBool::new(false),
        }
    }

    fn pop(&self) -> Option<Entry<T>> {
        if self.is_held.load(Ordering::Acquire) {
            let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
            self.is_held.store(false, Ordering::Release);
            if let Some(entry) = held.take() {
                return Some(entry);
            }
        }
        self.ring.pop()
    }

    fn pop_if(&self, wanted: impl FnOnce(&Entry<T>) -> bool) -> Front<T> {
        // Locked all the time: two that look at once must not each keep one.
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(entry) = held.take().or_else(|| self.ring.pop()) else { return Front::Empty };
        let taken = wanted(&entry);
        self.is_held.store(!taken, Ordering::Release);
        if taken {
            return Front::Taken(entry);
        }
        *held = Some(entry);
        Front::Kept
    }

    fn len(&self) -> usize {
        self.ring.len() + usize::from(self.is_held.load(Ordering::Acquire))
    }

    fn is_empty(&self) -> bool {
        self.ring.is_empty() && !self.is_held.load(Ordering::Acquire)
    }
}

/// A heap behind a lock that is held for a push or a pop, never while anything of the caller's runs.
pub(crate) struct Heap<T> {
    entries: Mutex<(BinaryHeap<Reverse<Ranked<T>>>, u64)>,
    len: AtomicUsize,
}

impl<T> Heap<T> {
    fn new(capacity: usize) -> Self {
        Self { entries: Mutex::new((BinaryHeap::with_capacity(capacity), 0)), len: AtomicUsize::new(0) }
    }

    fn push(&self, entry: Entry<T>) {
        let mut entries = self.entries.lock().unwrap_or_else(PoisonError::into_inner);
        let (heap, come) = &mut *entries;
        *come += 1;
        heap.push(Reverse(Ranked { rank: (entry.deadline, *come), entry }));
        self.len.store(heap.len(), Ordering::Release);
    }

    fn pop(&self) -> Option<Entry<T>> {
        match self.pop_if(|_| true) {
            Front::Taken(entry) => Some(entry),
            Front::Kept | Front::Empty => None,
        }
    }

    fn pop_if(&self, wanted: impl FnOnce(&Entry<T>) -> bool) -> Front<T> {
        let mut entries = self.entries.lock().unwrap_or_else(PoisonError::into_inner);
        let (heap, _) = &mut *entries;
        match heap.peek() {
            None => return Front::Empty,
            Some(Reverse(first)) if !wanted(&first.entry) => return Front::Kept,
            Some(_) => {}
        }
        let first = heap.pop();
        self.len.store(heap.len(), Ordering::Release);
        first.map_or(Front::Empty, |Reverse(first)| Front::Taken(first.entry))
    }
}

/// Ordered by deadline, then by who came first.
struct Ranked<T> {
    rank: (u64, u64),
    entry: Entry<T>,
}

impl<T> PartialEq for Ranked<T> {
    fn eq(&self, other: &Self) -> bool {
        self.rank == other.rank
    }
}

impl<T> Eq for Ranked<T> {}

impl<T> PartialOrd for Ranked<T> {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl<T> Ord for Ranked<T> {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.rank.cmp(&other.rank)
    }
}
