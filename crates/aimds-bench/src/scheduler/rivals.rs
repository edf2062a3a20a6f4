//! What one would build without a scheduler.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

use aimds_scheduler::Priority;
use crossbeam_channel::{Receiver, Select, Sender, TryRecvError, bounded};

use super::load::{Due, Record, Runner};

/// A bounded channel for each class; a worker tries them from the highest, and selects over all when they are empty.
pub(super) struct Channels<T> {
    ends: [(Sender<T>, Receiver<T>); 4],
}

impl<T> Channels<T> {
    pub(super) fn new(capacity: usize) -> Self {
        Self { ends: Priority::ALL.map(|_| bounded(capacity)) }
    }

    pub(super) fn send(&self, priority: Priority, item: T) {
        let _ = self.ends.get(priority as usize).map(|(sender, _)| sender.try_send(item));
    }

    pub(super) fn try_receive(&self) -> Option<T> {
        self.ends.iter().find_map(|(_, receiver)| receiver.try_recv().ok())
    }
}

/// Gives up when the senders are gone.
fn receive<T>(receivers: &[Receiver<T>; 4]) -> Option<T> {
    loop {
        let mut gone = 0;
        for receiver in receivers {
            match receiver.try_recv() {
                Ok(item) => return Some(item),
                Err(TryRecvError::Disconnected) => gone += 1,
                Err(TryRecvError::Empty) => {}
            }
        }
        if gone == receivers.len() {
            return None;
        }
        let mut select = Select::new();
        for receiver in receivers {
            select.recv(receiver);
        }
        select.ready();
    }
}

/// [`Channels`] with a worker.
pub(super) fn channels(record: Arc<Record>) -> impl Runner {
    let ends = Priority::ALL.map(|_| bounded::<Due>(4096));
    let receivers = ends.each_ref().map(|(_, receiver)| receiver.clone());
    std::thread::spawn(move || {
        while let Some(due) = receive(&receivers) {
            record.work(&due);
        }
    });
    let senders = ends.map(|(sender, _)| sender);
    move |due: Due| {
        if let Some(sender) = senders.get(due.priority as usize) {
            let _ = sender.try_send(due);
        }
    }
}

/// The least class and deadline first.
type Item<T> = Reverse<(Priority, u64, T)>;

/// A heap by class and deadline behind a lock, with a condition to wait on. Bounded like the others together.
pub(super) struct LockedHeap<T> {
    heap: Mutex<BinaryHeap<Item<T>>>,
    filled: Condvar,
}

impl<T: Ord> Default for LockedHeap<T> {
    fn default() -> Self {
        Self { heap: Mutex::new(BinaryHeap::new()), filled: Condvar::new() }
    }
}

const HEAP_CAPACITY: usize = 4 * 4096;

impl<T: Ord> LockedHeap<T> {
    fn heap(&self) -> MutexGuard<'_, BinaryHeap<Item<T>>> {
        self.heap.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Nothing where there is no room.
    pub(super) fn offer(&self, priority: Priority, deadline: u64, item: T) {
        let mut heap = self.heap();
        if heap.len() < HEAP_CAPACITY {
            heap.push(Reverse((priority, deadline, item)));
            drop(heap);
            self.filled.notify_one();
        }
    }

    pub(super) fn try_pop(&self) -> Option<T> {
        self.heap().pop().map(|Reverse((_, _, item))| item)
    }

    fn pop(&self) -> (Priority, u64, T) {
        let mut heap = self.heap();
        loop {
            match heap.pop() {
                Some(Reverse(item)) => return item,
                None => heap = self.filled.wait(heap).unwrap_or_else(PoisonError::into_inner),
            }
        }
    }
}

/// [`LockedHeap`] with a worker.
pub(super) fn locked_heap(record: Arc<Record>) -> impl Runner {
    let heap = Arc::new(LockedHeap::<bool>::default());
    let theirs = heap.clone();
    // Ends when it is told to by its last item, `true`.
    std::thread::spawn(move || {
        loop {
            let (priority, at, last) = theirs.pop();
            if last {
                return;
            }
            record.work(&Due { priority, at: std::time::Duration::from_nanos(at) });
        }
    });
    let until = Ending(heap);
    move |due: Due| until.0.offer(due.priority, due.at.as_nanos() as u64, false)
}

/// Tells the worker to end.
struct Ending(Arc<LockedHeap<bool>>);

impl Drop for Ending {
    fn drop(&mut self) {
        self.0.heap().push(Reverse((Priority::Critical, 0, true)));
        self.0.filled.notify_one();
    }
}
