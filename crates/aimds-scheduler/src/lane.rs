//! A class at work: who is let in, where they wait, in which order they are taken.

use crate::class::{Class, Order, Shed};
use crate::clock::nanos;
use crate::gate::Gate;
use crate::queue::{Entry, Front, Queue};
use crate::slots::{Slot, Slots};
use crate::stats::Counters;
use crate::sync::atomic::{AtomicU64, Ordering};
use crate::task::{Discard, Reason, Task};

pub(crate) struct Lane<T> {
    order: Order,
    shed: Shed,
    deadline: u64,
    ageing: Option<u64>,
    pub(crate) gate: Gate,
    slots: Slots,
    queue: Queue<T>,
    /// Since when nothing of this class has been started although something waited.
    unserved_since: AtomicU64,
    /// Nanoseconds of the hinted costs of all that waits.
    backlog: AtomicU64,
    /// Cancelled tasks that still have their place.
    cancelled: AtomicU64,
    pub(crate) counters: Counters,
}

/// What was found at the head of a lane.
pub(crate) enum Head<T> {
    /// To be run.
    Live(Entry<T>),
    /// Ended, for this reason.
    Dead(T, Discard),
}

/// What came of the wish for room.
pub(crate) enum Room<T> {
    Made(T, Discard),
    /// Another task stays the first; the lane has to be announced again.
    Kept,
    None,
}

impl<T> Lane<T> {
    pub(crate) fn new(class: &Class) -> Self {
        Self {
            order: class.order,
            shed: class.shed,
            deadline: nanos(class.deadline),
            ageing: class.ageing.map(nanos),
            gate: Gate::new(),
            slots: Slots::new(class.capacity),
            queue: Queue::new(class.order, class.capacity),
            unserved_since: AtomicU64::new(0),
            backlog: AtomicU64::new(0),
            cancelled: AtomicU64::new(0),
            counters: Counters::new(),
        }
    }

    /// The deadline of a task that comes now.
    pub(crate) fn deadline_of(&self, task: &Task<T>, now: u64) -> Result<u64, Reason> {
        match (task.deadline, self.order) {
            (None, _) => Ok(now.saturating_add(self.deadline)),
            (Some(deadline), Order::EarliestDeadline) => Ok(deadline),
            (Some(_), Order::Fifo) => Err(Reason::DeadlineFixed),
        }
    }

    /// Nanoseconds of work that waits before a new task of this class: none in a class where the new one may be first.
    pub(crate) fn ahead_of_new(&self) -> u64 {
        match self.order {
            Order::Fifo => self.backlog(),
            Order::EarliestDeadline => 0,
        }
    }

    pub(crate) fn backlog(&self) -> u64 {
        self.backlog.load(Ordering::Relaxed)
    }

    pub(crate) fn free_slot(&self) -> Option<Slot> {
        self.slots.acquire()
    }

    pub(crate) fn push(&self, entry: Entry<T>) -> Result<(), Entry<T>> {
        let cost = entry.cost;
        if cost > 0 {
            self.backlog.fetch_add(cost, Ordering::Relaxed);
        }
        self.queue.push(entry).inspect_err(|entry| {
            self.forget(entry);
            self.slots.claim(entry.slot);
        })
    }

    /// Takes the first; `abandon` makes every task one that was shed.
    pub(crate) fn pop(&self, now: u64, abandon: bool) -> Option<Head<T>> {
        let entry = self.queue.pop()?;
        let past = self.shed == Shed::DropPastDue && entry.deadline < now;
        let why_not = if abandon { Some(Discard::Shed) } else { past.then_some(Discard::Expired) };
        Some(match why_not {
            None if self.claim(&entry) => Head::Live(entry),
            None => Head::Dead(entry.payload, Discard::Cancelled),
            Some(why) => {
                let why = self.end_as(&entry, why);
                Head::Dead(entry.payload, why)
            }
        })
    }

    /// Drops one waiting task for a new one, if there is one that may be dropped.
    pub(crate) fn make_room(&self, now: u64) -> Room<T> {
        if self.shed == Shed::Reject && self.cancelled.load(Ordering::Relaxed) == 0 {
            return Room::None;
        }
        let front = self.queue.pop_if(|first| {
            self.slots.is_cancelled(first.slot)
                || match self.shed {
                    Shed::Reject => false,
                    Shed::DropOldest => true,
                    Shed::DropPastDue => first.deadline < now,
                }
        });
        match front {
            Front::Taken(entry) => {
                let why = if entry.deadline < now && self.shed == Shed::DropPastDue {
                    Discard::Expired
                } else {
                    Discard::Shed
                };
                let why = self.end_as(&entry, why);
                Room::Made(entry.payload, why)
            }
            Front::Kept => Room::Kept,
            Front::Empty => Room::None,
        }
    }

    pub(crate) fn cancel(&self, slot: Slot) -> bool {
        let cancelled = self.slots.cancel(slot);
        if cancelled {
            self.cancelled.fetch_add(1, Ordering::Relaxed);
        }
        cancelled
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.queue.is_empty()
    }

    /// Waiting tasks, with those that were cancelled and still have their place.
    pub(crate) fn len(&self) -> usize {
        self.queue.len()
    }

    /// Whether nothing is under way and nothing can come.
    pub(crate) fn is_through(&self) -> bool {
        let ended = self.counters.ended();
        self.gate.is_through(ended)
    }

    /// The class was empty: its waiting begins now.
    pub(crate) fn waits_from(&self, now: u64) {
        self.unserved_since.fetch_max(now, Ordering::AcqRel);
    }

    pub(crate) fn served_at(&self, now: u64) {
        self.unserved_since.store(now, Ordering::Release);
    }

    /// Since when the class waits, and when it may be served out of turn.
    pub(crate) fn due(&self) -> Option<(u64, u64)> {
        let since = self.unserved_since.load(Ordering::Acquire);
        self.ageing.map(|after| (since, since.saturating_add(after)))
    }

    /// Takes the right to one start out of turn, or says that another has taken it.
    pub(crate) fn take_turn(&self, since: u64, now: u64) -> bool {
        self.unserved_since.compare_exchange(since, now, Ordering::AcqRel, Ordering::Relaxed).is_ok()
    }

    /// Gives it back unused.
    pub(crate) fn give_turn_back(&self, since: u64, now: u64) {
        let _ = self.unserved_since.compare_exchange(now, since, Ordering::AcqRel, Ordering::Relaxed);
    }

    fn end_as(&self, entry: &Entry<T>, why: Discard) -> Discard {
        if self.claim(entry) { why } else { Discard::Cancelled }
    }

    /// Ends the waiting of an entry that was taken out. `false`: it was cancelled.
    fn claim(&self, entry: &Entry<T>) -> bool {
        self.forget(entry);
        let live = self.slots.claim(entry.slot);
        if !live {
            self.cancelled.fetch_sub(1, Ordering::Relaxed);
        }
        live
    }

    fn forget(&self, entry: &Entry<T>) {
        if entry.cost > 0 {
            self.backlog.fetch_sub(entry.cost, Ordering::Relaxed);
        }
    }
}

/// Whether a task of this cost can still be done in time, after `ahead` nanoseconds of work for each worker.
pub(crate) fn is_feasible(now: u64, ahead: u64, cost: u64, deadline: u64) -> bool {
    now.saturating_add(ahead).saturating_add(cost) <= deadline
}
