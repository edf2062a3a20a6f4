//! Who has something to do, and who sleeps: one word that producers and workers change by compare-and-swap.
//!
//! The low bits say which classes may have tasks waiting (*ready*), the others which workers sleep or are about to
//! (*idle*). Because both are in one word, every change is ordered with every other, and the two ways to lose a wake-up
//! are closed without a fence:
//!
//! - A worker marks itself idle only while no class is ready; a producer that marks a class ready takes one idle mark
//!   away in the same step and unparks its owner. Whichever comes second sees the first.
//! - A worker that finds a class empty takes its ready mark away and then looks once more. A task that was put in before
//!   is seen by that look; one that is put in later brings the mark back.
//!
//! `models/signal.rs` checks this with loom for all interleavings of a few threads.

use std::sync::OnceLock;
use std::time::{Duration, Instant};

use crossbeam_utils::CachePadded;

use crate::priority::Priority;
use crate::sync::atomic::{AtomicU64, Ordering};
use crate::sync::thread::{self, Thread};

const READY: u64 = 0b1111;

/// Worker marks fill the rest of the word.
pub(crate) const MAX_WORKERS: usize = 60;

/// Which classes may have tasks waiting.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Ready(u64);

impl Ready {
    #[inline]
    pub(crate) fn contains(self, priority: Priority) -> bool {
        self.0 & ready_mark(priority) != 0
    }

    pub(crate) fn highest(self) -> Option<Priority> {
        Priority::ALL.into_iter().find(|&priority| self.contains(priority))
    }
}

#[inline]
fn ready_mark(priority: Priority) -> u64 {
    match priority {
        Priority::Critical => 1,
        Priority::High => 2,
        Priority::Medium => 4,
        Priority::Low => 8,
    }
}

fn idle_mark(worker: usize) -> u64 {
    1 << (READY.count_ones() as usize + worker)
}

pub(crate) struct Signal {
    word: CachePadded<AtomicU64>,
    /// The workers' threads; each puts itself in before it is ever idle.
    threads: Box<[OnceLock<Thread>]>,
    /// How long an idle worker looks for work before it parks.
    spin: Duration,
}

impl Signal {
    /// For at most [`MAX_WORKERS`] workers.
    pub(crate) fn new(workers: usize, spin: Duration) -> Self {
        let threads = (0..workers.min(MAX_WORKERS)).map(|_| OnceLock::new()).collect();
        Self { word: CachePadded::new(AtomicU64::new(0)), threads, spin }
    }

    #[inline]
    pub(crate) fn ready(&self) -> Ready {
        Ready(self.word.load(Ordering::Acquire) & READY)
    }

    /// To be called after a task was put into a class: marks the class ready and calls one idle worker.
    #[inline]
    pub(crate) fn announce(&self, priority: Priority) {
        let mut word = self.word.load(Ordering::Relaxed);
        loop {
            let idle = word & !READY;
            let called = idle & idle.wrapping_neg();
            let next = (word | ready_mark(priority)) & !called;
            // Always a write, also where nothing changes: it is what a worker that clears the mark reads from.
            match self.word.compare_exchange_weak(word, next, Ordering::AcqRel, Ordering::Relaxed) {
                Ok(_) if called == 0 => return,
                Ok(_) => return self.unpark(called),
                Err(seen) => word = seen,
            }
        }
    }

    /// To be called when a class was found empty: takes its mark away, unless `is_empty` then says otherwise.
    pub(crate) fn retire(&self, priority: Priority, is_empty: impl FnOnce() -> bool) {
        self.word.fetch_and(!ready_mark(priority), Ordering::AcqRel);
        if !is_empty() {
            self.announce(priority);
        }
    }

    /// Calls every idle worker.
    pub(crate) fn call_all(&self) {
        let word = self.word.fetch_and(READY, Ordering::AcqRel);
        self.unpark(word & !READY);
    }

    /// The life of a worker: `run_one` as long as it says that it did something, sleep when it did not, until
    /// `finished` says that nothing can come any more. It must be asked after whoever changed its answer called
    /// [`call_all`](Self::call_all).
    pub(crate) fn work(&self, worker: usize, mut run_one: impl FnMut() -> bool, finished: impl Fn() -> bool) {
        if let Some(seat) = self.threads.get(worker) {
            let _ = seat.set(thread::current());
        }
        loop {
            if run_one() {
                continue;
            }
            if finished() {
                self.call_all();
                return;
            }
            self.sleep(worker, &finished);
        }
    }

    /// Returns when a class is ready, when called, or when `finished`.
    fn sleep(&self, worker: usize, finished: &impl Fn() -> bool) {
        let mark = idle_mark(worker);
        if !self.lie_down(mark) {
            return;
        }
        // Only now: whoever made it finish before this worker was marked idle did not call it.
        if finished() {
            self.word.fetch_and(!mark, Ordering::AcqRel);
            return;
        }
        let called = || self.word.load(Ordering::Acquire) & mark == 0;
        if !self.spin.is_zero() {
            let start = Instant::now();
            while start.elapsed() < self.spin {
                if called() {
                    return;
                }
                std::hint::spin_loop();
            }
        }
        while !called() {
            thread::park();
        }
    }

    /// Marks a worker idle, unless a class is ready.
    fn lie_down(&self, mark: u64) -> bool {
        let mut word = self.word.load(Ordering::Relaxed);
        while word & READY == 0 {
            match self.word.compare_exchange_weak(word, word | mark, Ordering::AcqRel, Ordering::Relaxed) {
                Ok(_) => return true,
                Err(seen) => word = seen,
            }
        }
        false
    }

    #[cold]
    fn unpark(&self, called: u64) {
        for (worker, seat) in self.threads.iter().enumerate() {
            if called & idle_mark(worker) != 0
                && let Some(thread) = seat.get()
            {
                thread.unpark();
            }
        }
    }
}

#[cfg(all(test, loom))]
#[path = "models/signal.rs"]
mod model;
