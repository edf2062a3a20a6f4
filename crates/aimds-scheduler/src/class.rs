//! How a class is set up.

use std::time::Duration;

use crate::clock::nanos;

/// In which order the tasks of a class start.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Order {
    /// First come, first served, in a lock-free ring. All tasks have the class's deadline counted from when they come,
    /// and with one deadline for all, this order *is* earliest deadline first.
    Fifo,
    /// Earliest deadline first (Liu and Layland, 1973), in a heap behind a short lock, for tasks that bring deadlines of
    /// their own. Of equal deadlines the first come is the first served.
    EarliestDeadline,
}

/// What happens to a class that is full.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shed {
    /// The new task is refused.
    Reject,
    /// The task that would start next makes room: in a [`Fifo`](Order::Fifo) class the one that has waited longest.
    DropOldest,
    /// Tasks past their deadline make room, and are not started any more either; where there are none, the new task is
    /// refused.
    DropPastDue,
}

/// The settings of a class.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Class {
    pub(crate) capacity: u32,
    pub(crate) deadline: Duration,
    pub(crate) order: Order,
    pub(crate) shed: Shed,
    pub(crate) ageing: Option<Duration>,
}

impl Class {
    /// A [`Fifo`](Order::Fifo) class that holds up to `capacity` waiting tasks, each to be done `deadline` after it came,
    /// that rejects when full and does not age. Memory for all of them is reserved at once.
    pub fn new(capacity: u32, deadline: Duration) -> Self {
        Self { capacity, deadline, order: Order::Fifo, shed: Shed::Reject, ageing: None }
    }

    /// Sets the order.
    #[must_use]
    pub fn order(self, order: Order) -> Self {
        Self { order, ..self }
    }

    /// Sets what happens when the class is full.
    #[must_use]
    pub fn shed(self, shed: Shed) -> Self {
        Self { shed, ..self }
    }

    /// Bounds starvation: when the class has had something waiting and nothing started for `after`, the next free worker
    /// takes one task of it, whatever waits in higher classes.
    ///
    /// So one task starts at latest `after` after the one before it, plus one run of a task per ageing class until a
    /// worker is free; and higher classes lose no more than one run per `after`. Has no meaning for the highest class.
    #[must_use]
    pub fn ageing(self, after: Duration) -> Self {
        Self { ageing: Some(after), ..self }
    }

    pub(crate) fn fault(&self) -> Option<&'static str> {
        if self.capacity == 0 {
            return Some("has no capacity");
        }
        if nanos(self.deadline) == 0 {
            return Some("has a deadline of zero");
        }
        (self.ageing == Some(Duration::ZERO)).then_some("ages after zero time")
    }
}
