//! The scheduler as its users see it.

use std::io;
use std::sync::{Arc, PoisonError};
use std::time::{Duration, Instant};

use crate::class::Class;
use crate::clock::{Clock, MonotonicClock};
use crate::core::Core;
use crate::lane::Lane;
use crate::priority::{PerClass, Priority};
use crate::signal::{MAX_WORKERS, Signal};
use crate::stats::Stats;
use crate::sync::atomic::AtomicBool;
use crate::sync::{Condvar, Mutex, thread};
use crate::task::{Handler, Rejected, Task, Ticket};

/// Runs tasks by class and deadline on threads of its own. Share it behind an `Arc`.
///
/// Dropped, it lets nothing in any more, drops what waits ([`Discard::Shed`](crate::Discard::Shed)) and does not wait for
/// what runs: [`drain`](Self::drain) first to end in order.
///
/// ```
/// use std::{sync::mpsc, time::Duration};
/// use aimds_scheduler::{Class, Priority, Scheduler, Start, Task};
///
/// let (sender, receiver) = mpsc::channel();
/// let scheduler = Scheduler::builder()
///     .workers(1)
///     .class(Priority::Critical, Class::new(1024, Duration::from_millis(10)))
///     .build(move |name: &'static str, _: &Start| sender.send(name).unwrap_or(()))?;
/// scheduler.schedule(Task::new(Priority::Critical, "block"))?;
/// assert_eq!(receiver.recv()?, "block");
/// assert!(scheduler.drain(Duration::from_secs(5)).complete);
/// assert_eq!(scheduler.stats().class(Priority::Critical).completed, 1);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct Scheduler<T: 'static, C: Clock = MonotonicClock> {
    core: Arc<Core<T, C>>,
}

impl Scheduler<()> {
    /// Begins to set one up: one worker, the machine's clock, and classes that hold 1024 tasks each with deadlines of
    /// 10 ms, 100 ms, 1 s and 10 s.
    pub fn builder() -> Builder<MonotonicClock> {
        let class = |priority| {
            let millis = match priority {
                Priority::Critical => 10,
                Priority::High => 100,
                Priority::Medium => 1_000,
                Priority::Low => 10_000,
            };
            Class::new(1024, Duration::from_millis(millis))
        };
        Builder {
            workers: 1,
            spin: Duration::ZERO,
            name: "scheduler".to_owned(),
            classes: PerClass::new(class),
            clock: MonotonicClock::default(),
        }
    }
}

impl<T: Send + 'static, C: Clock> Scheduler<T, C> {
    /// Lets a task in, or gives it back with the reason. Does not wait for anything: constant time in a
    /// [`Fifo`](crate::Order::Fifo) class, logarithmic in the number of waiting tasks in one of
    /// [`EarliestDeadline`](crate::Order::EarliestDeadline). It runs foreign code only where a full class drops a task.
    pub fn schedule(&self, task: Task<T>) -> Result<Ticket, Rejected<T>> {
        self.core.schedule(task)
    }

    /// Keeps a waiting task from running. `false`: it has started, ended, or was cancelled before.
    ///
    /// It ends when it reaches the head of its class: then it is counted, its payload is handed to
    /// [`Handler::discard`], and its place becomes free.
    pub fn cancel(&self, ticket: Ticket) -> bool {
        self.core.cancel(ticket)
    }

    /// Runs the task whose turn it is on the calling thread; `false` when there is none. With no workers this is how
    /// anything runs: a program that lends a thread, a simulation.
    pub fn run_one(&self) -> bool {
        self.core.run_one()
    }

    /// Lets nothing in any more and waits until all that was let in has ended, for at most `timeout` of real time. What
    /// still waits then is dropped. Without workers, it runs what waits on the calling thread. May be called again, to wait
    /// for what is left.
    ///
    /// From inside of a task it would wait for itself; give it no time there.
    pub fn drain(&self, timeout: Duration) -> Drained {
        self.core.close();
        let complete = self.core.wait(Instant::now().checked_add(timeout));
        let shed = if complete { 0 } else { self.core.abandon() };
        let pending = || self.stats().iter().map(|(_, class)| class.pending()).sum();
        Drained { complete, shed, running: if complete { 0 } else { pending() } }
    }

    /// The numbers so far. Reads some thousand counters and locks nothing: for monitoring, not for every task.
    pub fn stats(&self) -> Stats {
        self.core.stats()
    }

    /// How many tasks of a class wait, with cancelled ones that still have their place.
    pub fn waiting(&self, priority: Priority) -> usize {
        self.core.lanes.get(priority).len()
    }
}

impl<T: 'static, C: Clock> Drop for Scheduler<T, C> {
    fn drop(&mut self) {
        self.core.close();
        self.core.abandon();
    }
}

/// What a [`Scheduler::drain`] achieved.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Drained {
    /// All that was let in has ended.
    pub complete: bool,
    /// So many waiting tasks were dropped because the time was up.
    pub shed: u64,
    /// So many were still running.
    pub running: u64,
}

/// Why a scheduler could not be set up.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BuildError {
    /// More workers than there is room for.
    #[error("{0} workers are more than {MAX_WORKERS}")]
    TooManyWorkers(usize),
    /// A setting of a class makes no sense.
    #[error("class {} {fault}", .priority.name())]
    Class {
        /// Which class.
        priority: Priority,
        /// What is wrong with it.
        fault: &'static str,
    },
    /// The system gave no thread.
    #[error("no thread for a worker")]
    Thread(#[source] io::Error),
}

/// Sets up a [`Scheduler`].
pub struct Builder<C> {
    workers: usize,
    spin: Duration,
    name: String,
    classes: PerClass<Class>,
    clock: C,
}

impl<C: Clock> Builder<C> {
    /// How many threads run tasks: 0 to 60. With 0 only [`Scheduler::run_one`] and [`Scheduler::drain`] do.
    #[must_use]
    pub fn workers(self, workers: usize) -> Self {
        Self { workers, ..self }
    }

    /// How long a worker without work looks for some before it sleeps. Spinning burns its core for so long and saves the
    /// microseconds that waking takes; it pays where tasks follow each other faster than that. Default: not at all.
    #[must_use]
    pub fn spin(self, spin: Duration) -> Self {
        Self { spin, ..self }
    }

    /// Name of the worker threads, which a number is added to. Must not contain NUL.
    #[must_use]
    pub fn name(self, name: impl Into<String>) -> Self {
        Self { name: name.into(), ..self }
    }

    /// Settings of a class.
    #[must_use]
    pub fn class(mut self, priority: Priority, class: Class) -> Self {
        *self.classes.get_mut(priority) = class;
        self
    }

    /// Another clock.
    #[must_use]
    pub fn clock<D: Clock>(self, clock: D) -> Builder<D> {
        let Self { workers, spin, name, classes, clock: _ } = self;
        Builder { workers, spin, name, classes, clock }
    }

    /// Starts the workers, which hand every task to `handler`.
    pub fn build<T: Send + 'static>(self, handler: impl Handler<T>) -> Result<Scheduler<T, C>, BuildError> {
        if self.workers > MAX_WORKERS {
            return Err(BuildError::TooManyWorkers(self.workers));
        }
        for (priority, class) in self.classes.iter() {
            if let Some(fault) = class.fault() {
                return Err(BuildError::Class { priority, fault });
            }
        }
        let core = Arc::new(Core {
            lanes: PerClass::new(|priority| Lane::new(self.classes.get(priority))),
            signal: Signal::new(self.workers, self.spin),
            clock: self.clock,
            handler: Box::new(handler),
            workers: self.workers,
            abandon: AtomicBool::new(false),
            alive: Mutex::new(0),
            one_left: Condvar::new(),
        });
        // From here on, an error ends the workers that live already.
        let scheduler = Scheduler { core };
        for worker in 0..self.workers {
            spawn(&scheduler.core, worker, format!("{}-{worker}", self.name)).map_err(BuildError::Thread)?;
        }
        Ok(scheduler)
    }
}

fn spawn<T: Send + 'static, C: Clock>(core: &Arc<Core<T, C>>, worker: usize, name: String) -> io::Result<()> {
    if name.contains('\0') {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "the name of a thread contains NUL"));
    }
    *core.alive.lock().unwrap_or_else(PoisonError::into_inner) += 1;
    let alive = Alive(core.clone());
    thread::Builder::new().name(name).spawn(move || alive.0.work(worker)).map(drop)
}

/// Counts a worker as alive until it is dropped, on whatever way.
struct Alive<T, C>(Arc<Core<T, C>>);

impl<T, C> Drop for Alive<T, C> {
    fn drop(&mut self) {
        *self.0.alive.lock().unwrap_or_else(PoisonError::into_inner) -= 1;
        self.0.one_left.notify_all();
    }
}
