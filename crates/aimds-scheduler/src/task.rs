//! What goes in, and what is said about it.

use std::fmt;
use std::time::Duration;

use crate::priority::Priority;
use crate::slots::Slot;

/// So that sums of costs stay far from the end of the numbers.
const MAX_COST: Duration = Duration::from_secs(3600);

/// Something to do: data for the [`Handler`].
#[derive(Debug, Clone)]
pub struct Task<T> {
    pub(crate) priority: Priority,
    pub(crate) payload: T,
    pub(crate) deadline: Option<u64>,
    pub(crate) cost: u64,
}

impl<T> Task<T> {
    /// A task with the deadline of its class and unknown cost.
    pub fn new(priority: Priority, payload: T) -> Self {
        Self { priority, payload, deadline: None, cost: 0 }
    }

    /// Sets a deadline of its own, in nanoseconds of the scheduler's clock. Only classes of
    /// [`Order::EarliestDeadline`](crate::Order::EarliestDeadline) take it.
    #[must_use]
    pub fn deadline_at(self, nanos: u64) -> Self {
        Self { deadline: Some(nanos), ..self }
    }

    /// Says how long it will probably run. Then it is refused if it could not be done in time after all that is ahead of
    /// it, as far as the hints tell. More than an hour counts as an hour.
    #[must_use]
    pub fn cost_hint(self, cost: Duration) -> Self {
        Self { cost: crate::clock::nanos(cost.min(MAX_COST)), ..self }
    }
}

/// Names an accepted task, for [`Scheduler::cancel`](crate::Scheduler::cancel). It names no other task, ever.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Ticket {
    pub(crate) priority: Priority,
    pub(crate) slot: Slot,
}

impl Ticket {
    /// The class of the task.
    pub fn priority(&self) -> Priority {
        self.priority
    }
}

/// Why a task was not accepted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, thiserror::Error)]
#[non_exhaustive]
pub enum Reason {
    /// The class holds as many waiting tasks as it may, and none of them may be dropped for this one.
    #[error("the class is full")]
    QueueFull,
    /// The deadline has passed, or will have when the work ahead and the task itself are done.
    #[error("the deadline cannot be kept")]
    DeadlineInfeasible,
    /// A deadline of its own in a class of [`Order::Fifo`](crate::Order::Fifo), which has one for all.
    #[error("the class has one deadline for all its tasks")]
    DeadlineFixed,
    /// [`Scheduler::drain`](crate::Scheduler::drain) was called.
    #[error("the scheduler is shutting down")]
    ShuttingDown,
}

/// A task that was not accepted: why, and what it was to do.
#[derive(Clone, PartialEq, Eq)]
pub struct Rejected<T> {
    /// Why.
    pub reason: Reason,
    /// The payload, given back.
    pub payload: T,
}

impl<T> fmt::Debug for Rejected<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Rejected").field("reason", &self.reason).finish_non_exhaustive()
    }
}

impl<T> fmt::Display for Rejected<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.reason.fmt(f)
    }
}

impl<T> std::error::Error for Rejected<T> {}

/// Facts about a task that is starting. Times are nanoseconds of the scheduler's clock.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Start {
    /// Which task.
    pub ticket: Ticket,
    /// When it was accepted.
    pub accepted_at: u64,
    /// When it started: now.
    pub started_at: u64,
    /// When it should be done.
    pub deadline: u64,
    /// It was taken before tasks of higher classes, because its class had waited too long.
    pub aged: bool,
}

/// Why an accepted task will not run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Discard {
    /// Cancelled by its ticket.
    Cancelled,
    /// Past its deadline in a class of [`Shed::DropPastDue`](crate::Shed::DropPastDue).
    Expired,
    /// Made room for another, or was left when the time of [`drain`](crate::Scheduler::drain) was up.
    Shed,
}

/// Does the work. A closure `Fn(T, &Start)` is one that just drops what will not run.
pub trait Handler<T>: Send + Sync + 'static {
    /// Runs a task, on a worker. A panic ends this task alone: it is counted and the worker goes on.
    fn run(&self, payload: T, start: &Start);

    /// Gets back what will not run, on whichever thread finds out: a worker, one that schedules into a full class, or one
    /// that drains. Must be quick; a panic is swallowed.
    fn discard(&self, payload: T, why: Discard) {
        let _ = (payload, why);
    }
}

impl<T, F: Fn(T, &Start) + Send + Sync + 'static> Handler<T> for F {
    fn run(&self, payload: T, start: &Start) {
        self(payload, start);
    }
}

/// Work that brings its own code, for schedulers of mixed work.
pub type Job = Box<dyn FnOnce() + Send>;
