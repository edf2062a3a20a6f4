//! Runs tasks by class and deadline on threads of its own: the higher class first, inside of a class the earlier deadline.
//!
//! - **Admission**: [`Scheduler::schedule`] lets a task in or says at once why not ([`Reason`]): the class is full, its
//!   deadline cannot be kept, the scheduler is shutting down. Memory is bounded by the capacities.
//! - **Order**: four classes ([`Priority`]); in each, first come first served with one deadline for all, which is
//!   earliest deadline first, or tasks with deadlines of their own ([`Order`]). No other promise about deadlines: what is
//!   started late is counted, and what ended late.
//! - **Overload**: a full class refuses, drops the oldest, or drops what is late anyway ([`Shed`]). [`Class::ageing`]
//!   bounds how long higher classes can keep a lower one from working.
//! - **Every accepted task ends exactly once**: completed, panicked, cancelled, expired or shed; [`Stats`] counts each,
//!   and [`Handler::discard`] gets back what will not run.
//! - **A panic ends one task**, never a worker.
//!
//! Workers hold no lock while a task runs. A task that waits for another one of a lower class turns the priorities round:
//! that is for its author to avoid.
//!
//! ```
//! use std::sync::{Arc, Mutex};
//! use std::time::Duration;
//! use aimds_scheduler::{Class, Job, Priority, Scheduler, Shed, Start, Task};
//!
//! let scheduler = Scheduler::builder()
//!     .workers(0) // this thread does the work
//!     .class(Priority::Low, Class::new(100, Duration::from_secs(1)).shed(Shed::DropOldest))
//!     .build(|job: Job, _: &Start| job())?;
//! let order = Arc::new(Mutex::new(Vec::new()));
//! for priority in [Priority::Low, Priority::Critical] {
//!     let order = order.clone();
//!     let job: Job = Box::new(move || order.lock().unwrap().push(priority));
//!     scheduler.schedule(Task::new(priority, job))?;
//! }
//! while scheduler.run_one() {}
//! assert_eq!(*order.lock().unwrap(), [Priority::Critical, Priority::Low]);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
#![cfg_attr(
    not(test),
    deny(
        clippy::unwrap_used,
        clippy::expect_used,
        clippy::panic,
        clippy::indexing_slicing,
        clippy::unreachable
    )
)]

mod class;
mod clock;
mod core;
mod gate;
mod histogram;
mod lane;
mod priority;
mod queue;
mod scheduler;
mod signal;
mod slots;
mod stats;
mod sync;
mod task;

pub use class::{Class, Order, Shed};
pub use clock::{Clock, MonotonicClock, VirtualClock};
pub use histogram::Distribution;
pub use priority::Priority;
pub use scheduler::{BuildError, Builder, Drained, Scheduler};
pub use stats::{ClassStats, Stats};
pub use task::{Discard, Handler, Job, Reason, Rejected, Start, Task, Ticket};
