//! What is counted. Everything is a relaxed or release addition to an atomic of the class's own; nothing locks.

use crossbeam_utils::CachePadded;

use crate::histogram::{Distribution, Histogram};
use crate::priority::{PerClass, Priority};
use crate::sync::atomic::{AtomicU64, Ordering};
use crate::task::{Discard, Reason};

/// How an accepted task ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum End {
    Completed,
    Panicked,
    Discarded(Discard),
}

/// The counters of a class: what producers write, what workers write, on cache lines of their own.
pub(crate) struct Counters {
    refused: CachePadded<[AtomicU64; 4]>,
    ended: CachePadded<[AtomicU64; 5]>,
    late: CachePadded<Late>,
    pub(crate) wait: Histogram,
    pub(crate) latency: Histogram,
}

struct Late {
    at_start: AtomicU64,
    at_finish: AtomicU64,
    aged: AtomicU64,
}

impl Counters {
    pub(crate) fn new() -> Self {
        let zero = || AtomicU64::new(0);
        Self {
            refused: CachePadded::new([zero(), zero(), zero(), zero()]),
            ended: CachePadded::new([zero(), zero(), zero(), zero(), zero()]),
            late: CachePadded::new(Late { at_start: zero(), at_finish: zero(), aged: zero() }),
            wait: Histogram::new(),
            latency: Histogram::new(),
        }
    }

    pub(crate) fn refuse(&self, reason: Reason) {
        let [full, infeasible, fixed, closed] = &*self.refused;
        let counter = match reason {
            Reason::QueueFull => full,
            Reason::DeadlineInfeasible => infeasible,
            Reason::DeadlineFixed => fixed,
            Reason::ShuttingDown => closed,
        };
        counter.fetch_add(1, Ordering::Relaxed);
    }

    /// The last thing that is done for a task: who sees the count sees all its effects.
    pub(crate) fn end(&self, how: End) {
        let [completed, panicked, cancelled, expired, shed] = &*self.ended;
        let counter = match how {
            End::Completed => completed,
            End::Panicked => panicked,
            End::Discarded(Discard::Cancelled) => cancelled,
            End::Discarded(Discard::Expired) => expired,
            End::Discarded(Discard::Shed) => shed,
        };
        counter.fetch_add(1, Ordering::Release);
    }

    pub(crate) fn ended(&self) -> u64 {
        self.ended.iter().map(|count| count.load(Ordering::Acquire)).sum()
    }

    pub(crate) fn started(&self, wait: u64, late: bool, aged: bool) {
        self.wait.record(wait);
        if late {
            self.late.at_start.fetch_add(1, Ordering::Relaxed);
        }
        if aged {
            self.late.aged.fetch_add(1, Ordering::Relaxed);
        }
    }

    pub(crate) fn finished(&self, latency: u64, late: bool) {
        self.latency.record(latency);
        if late {
            self.late.at_finish.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// `accepted` is read after the endings, so that there are never more of these.
    pub(crate) fn read(&self, accepted: impl FnOnce() -> u64) -> ClassStats {
        let load = |counter: &AtomicU64| counter.load(Ordering::Acquire);
        let [completed, panicked, cancelled, expired, shed] = self.ended.each_ref().map(load);
        let [full, infeasible, fixed, closed] = self.refused.each_ref().map(load);
        ClassStats {
            completed,
            panicked,
            cancelled,
            expired,
            shed,
            accepted: accepted(),
            rejected_full: full,
            rejected_infeasible: infeasible,
            rejected_fixed: fixed,
            rejected_closed: closed,
            missed_at_start: load(&self.late.at_start),
            missed_at_finish: load(&self.late.at_finish),
            aged: load(&self.late.aged),
            wait: self.wait.read(),
            latency: self.latency.read(),
        }
    }
}

/// The numbers of a class. Each is exact; read while work goes on, they may be some tasks apart.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct ClassStats {
    /// Tasks let in. When nothing is under way: the sum of the next five.
    pub accepted: u64,
    /// Ran to their end.
    pub completed: u64,
    /// Ran and panicked.
    pub panicked: u64,
    /// Cancelled before they ran.
    pub cancelled: u64,
    /// Not run because their deadline had passed.
    pub expired: u64,
    /// Dropped for others, or at shutdown.
    pub shed: u64,
    /// Refused: [`Reason::QueueFull`].
    pub rejected_full: u64,
    /// Refused: [`Reason::DeadlineInfeasible`].
    pub rejected_infeasible: u64,
    /// Refused: [`Reason::DeadlineFixed`].
    pub rejected_fixed: u64,
    /// Refused: [`Reason::ShuttingDown`].
    pub rejected_closed: u64,
    /// Of those that ran: started after their deadline.
    pub missed_at_start: u64,
    /// Of those that ran: ended after their deadline; all that started late are among them.
    pub missed_at_finish: u64,
    /// Of those that ran: taken before tasks of higher classes because of [`Class::ageing`](crate::Class::ageing).
    pub aged: u64,
    /// Nanoseconds from accepted to started, of those that ran.
    pub wait: Distribution,
    /// Nanoseconds from accepted to ended, of those that ran.
    pub latency: Distribution,
}

impl ClassStats {
    /// Accepted and not ended: waiting or running.
    pub fn pending(&self) -> u64 {
        self.accepted - (self.completed + self.panicked + self.cancelled + self.expired + self.shed)
    }

    /// All that were refused.
    pub fn rejected(&self) -> u64 {
        self.rejected_full + self.rejected_infeasible + self.rejected_fixed + self.rejected_closed
    }
}

/// The numbers of all classes.
#[derive(Debug, Clone)]
pub struct Stats {
    pub(crate) classes: PerClass<ClassStats>,
}

impl Stats {
    /// Those of one class.
    pub fn class(&self, priority: Priority) -> &ClassStats {
        self.classes.get(priority)
    }

    /// All, the highest class first.
    pub fn iter(&self) -> impl Iterator<Item = (Priority, &ClassStats)> {
        self.classes.iter()
    }
}
