//! The caller's end of one append.

use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use crate::chain::Head;
use crate::error::Abandoned;

/// Resolves to the record's place in the log once the transaction that holds it is committed.
///
/// What "committed" promises is the log's [`crate::Durability`]. Wait with [`Ticket::wait`] on a thread or
/// `.await` in any async runtime; dropping it unread costs nothing and changes nothing.
#[derive(Debug)]
#[must_use = "drop it explicitly if nobody needs to know when the record is on disk"]
pub struct Ticket {
    slot: Arc<Slot>,
}

/// The writer's end.
#[derive(Debug)]
pub(crate) struct Promise {
    slot: Arc<Slot>,
}

#[derive(Debug, Default)]
struct Slot {
    state: Mutex<State>,
    resolved: Condvar,
}

#[derive(Debug, Default)]
struct State {
    outcome: Option<Result<Head, Abandoned>>,
    waker: Option<Waker>,
    /// A thread is blocked; waking a condition variable nobody waits on would cost a system call per record.
    blocked: bool,
}

pub(crate) fn ticket() -> (Promise, Ticket) {
    let slot = Arc::new(Slot::default());
    (Promise { slot: slot.clone() }, Ticket { slot })
}

impl Ticket {
    /// Blocks until the record is committed. A store that stays down blocks until the log is closed.
    pub fn wait(&self) -> Result<Head, Abandoned> {
        let mut state = self.slot.lock();
        loop {
            if let Some(outcome) = state.outcome {
                return outcome;
            }
            state.blocked = true;
            state = self.slot.resolved.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// Like [`Self::wait`], for at most `patience`; `None` when that was not enough.
    #[must_use]
    pub fn wait_timeout(&self, patience: Duration) -> Option<Result<Head, Abandoned>> {
        let mut state = self.slot.lock();
        state.blocked = true;
        let pending = |state: &mut State| state.outcome.is_none();
        let (state, _) = self
            .slot
            .resolved
            .wait_timeout_while(state, patience, pending)
            .unwrap_or_else(PoisonError::into_inner);
        state.outcome
    }

    /// The outcome, if there is one by now.
    #[must_use]
    pub fn outcome(&self) -> Option<Result<Head, Abandoned>> {
        self.slot.lock().outcome
    }
}

impl Future for Ticket {
    type Output = Result<Head, Abandoned>;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let mut state = self.slot.lock();
        match state.outcome {
            Some(outcome) => Poll::Ready(outcome),
            None => {
                state.waker = Some(context.waker().clone());
                Poll::Pending
            }
        }
    }
}

impl Promise {
    pub(crate) fn resolve(self, outcome: Result<Head, Abandoned>) {
        let mut state = self.slot.lock();
        state.outcome = Some(outcome);
        if state.blocked {
            self.slot.resolved.notify_all();
        }
        let waker = state.waker.take();
        drop(state);
        // Outside the lock: a waker may run the task on the spot, which asks for the outcome.
        if let Some(waker) = waker {
            waker.wake();
        }
    }
}

impl Slot {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
