//! The thread that brings what waits to the database, in order, with growing pauses while it is away.

use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use super::bolt::Bolt;
use super::spool::{Spool, Waiting};
use super::{Health, Neo4jOptions};
use crate::error::Error;

/// Batches of one transaction, at most.
const AT_ONCE: usize = 32;
/// How often an idle thread looks, whatever it was told.
const LOOK_EVERY: Duration = Duration::from_secs(5);

struct Shared {
    spool: Arc<Spool>,
    bolt: Arc<Bolt>,
    state: Mutex<State>,
    changed: Condvar,
    /// Held while something is delivered: who holds it knows that nothing is.
    delivering: Mutex<()>,
    first_pause: Duration,
    longest_pause: Duration,
}

struct State {
    health: Health,
    /// There may be something to deliver.
    woken: bool,
    stop: bool,
}

/// The thread. Ends when it is dropped, after the delivery that is under way.
pub(super) struct Delivery {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

impl Delivery {
    pub(super) fn start(spool: Arc<Spool>, bolt: Arc<Bolt>, options: &Neo4jOptions) -> Result<Self, Error> {
        let shared = Arc::new(Shared {
            spool,
            bolt,
            state: Mutex::new(State { health: Health::Unknown, woken: true, stop: false }),
            changed: Condvar::new(),
            delivering: Mutex::new(()),
            first_pause: options.first_pause,
            longest_pause: options.longest_pause,
        });
        let its = shared.clone();
        let thread = std::thread::Builder::new().name("aimds-graph".to_owned()).spawn(move || its.run());
        let thread =
            thread.map_err(|source| Error::Io { what: "cannot start the graph's thread", source })?;
        Ok(Self { shared, thread: Some(thread) })
    }

    pub(super) fn wake(&self) {
        self.shared.state().woken = true;
        self.shared.changed.notify_all();
    }

    pub(super) fn health(&self) -> Health {
        self.shared.state().health.clone()
    }

    /// Nothing is delivered as long as this is held.
    pub(super) fn pause(&self) -> MutexGuard<'_, ()> {
        lock(&self.shared.delivering)
    }

    /// Waits until nothing waits.
    pub(super) fn settle(&self, patience: Duration) -> Result<(), Error> {
        let deadline = Instant::now() + patience;
        self.wake();
        loop {
            let (waiting, _) = self.shared.spool.counts()?;
            if waiting == 0 {
                return Ok(());
            }
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Err(Error::Away(format!("{waiting} batches wait in the spool; {}", self.reason())));
            }
            let state = self.shared.state();
            // Short, because the count may have changed before this began to wait.
            let _ = self.shared.changed.wait_timeout(state, left.min(Duration::from_millis(20)));
        }
    }

    fn reason(&self) -> String {
        match self.health() {
            Health::Away(why) => why,
            Health::Healthy | Health::Unknown => "they are on their way".to_owned(),
        }
    }
}

impl Drop for Delivery {
    fn drop(&mut self) {
        self.shared.state().stop = true;
        self.shared.changed.notify_all();
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        lock(&self.state)
    }

    fn run(&self) {
        let (mut pause, mut at_once) = (self.first_pause, AT_ONCE);
        loop {
            match self.deliver(at_once) {
                Ok(true) => {
                    pause = self.first_pause;
                    at_once = (at_once * 2).min(AT_ONCE);
                }
                Ok(false) => {
                    if self.idle(LOOK_EVERY, true) {
                        return;
                    }
                }
                Err(error) => {
                    self.tell(Health::Away(error.to_string()));
                    if self.idle(pause, false) {
                        return;
                    }
                    pause = (pause * 2).min(self.longest_pause);
                    // It may have been too much for the time that an answer may take.
                    at_once = 1;
                }
            }
            if self.state().stop {
                return;
            }
        }
    }

    /// Delivers the oldest; `false` when there is nothing.
    fn deliver(&self, at_once: usize) -> Result<bool, Error> {
        let _delivering = lock(&self.delivering);
        let waiting = self.spool.next(at_once)?;
        let Some(last) = waiting.last() else { return Ok(false) };
        match self.bolt.write(waiting.iter().map(|waiting| &waiting.batch)) {
            Ok(()) => self.spool.delivered(last.seq)?,
            Err(Error::Refused(_)) => self.deliver_singly(&waiting)?,
            Err(error) => return Err(error),
        }
        self.tell(Health::Healthy);
        Ok(true)
    }

    /// One of them is refused: finds which, and sets it aside.
    fn deliver_singly(&self, waiting: &[Waiting]) -> Result<(), Error> {
        for Waiting { seq, batch } in waiting {
            match self.bolt.write(std::iter::once(batch)) {
                Ok(()) => self.spool.delivered(*seq)?,
                Err(Error::Refused(reason)) => self.spool.refuse(*seq, &reason)?,
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    fn tell(&self, health: Health) {
        self.state().health = health;
        self.changed.notify_all();
    }

    /// Waits for something to do; `true` when the thread is to end. A pause after a failure is kept whatever comes in.
    fn idle(&self, pause: Duration, until_woken: bool) -> bool {
        let deadline = Instant::now() + pause;
        let mut state = self.state();
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            if state.stop || left.is_zero() || (until_woken && state.woken) {
                state.woken = false;
                return state.stop;
            }
            let waited = self.changed.wait_timeout(state, left);
            state = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
    }
}
