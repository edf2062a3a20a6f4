//! A target at work: its breaker and its counters.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::breaker::{Breaker, BreakerLimits, Fate, Ticket};
use super::clock::Clock;
use super::hedging::{HedgeLimits, Times};
use super::money::Money;
use super::table::Target;
use super::usage::Usage;
use crate::config::TargetPlace;

/// What became of an attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Attempt {
    /// An answer as the API promises.
    Answered,
    /// No answer, garbage, or one that another target may do better.
    Failed,
    /// A stream that broke after its beginning.
    Broke,
    /// Its breaker was open.
    Skipped,
    /// Another target was faster.
    CalledOff,
}

impl Attempt {
    pub(crate) const ALL: [Self; 5] =
        [Self::Answered, Self::Failed, Self::Broke, Self::Skipped, Self::CalledOff];

    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Answered => "answered",
            Self::Failed => "failed",
            Self::Broke => "broke",
            Self::Skipped => "skipped",
            Self::CalledOff => "called_off",
        }
    }
}

/// What was counted of a target.
#[derive(Debug, Default)]
pub(crate) struct Counters {
    attempts: [AtomicU64; Attempt::ALL.len()],
    pub(crate) input: AtomicU64,
    pub(crate) output: AtomicU64,
    pub(crate) estimated: AtomicU64,
    pub(crate) nanos: AtomicU64,
}

impl Counters {
    pub(crate) fn attempts(&self, attempt: Attempt) -> u64 {
        self.attempts.get(attempt as usize).map_or(0, |counter| counter.load(Ordering::Relaxed))
    }

    pub(crate) fn count(&self, attempt: Attempt) {
        if let Some(counter) = self.attempts.get(attempt as usize) {
            counter.fetch_add(1, Ordering::Relaxed);
        }
    }

    pub(crate) fn paid(&self, usage: &Usage, cost: Money) {
        self.input.fetch_add(usage.input, Ordering::Relaxed);
        self.output.fetch_add(usage.output, Ordering::Relaxed);
        self.estimated.fetch_add(u64::from(usage.estimated), Ordering::Relaxed);
        self.nanos.fetch_add(cost.nanos(), Ordering::Relaxed);
    }
}

/// A target at work.
pub(crate) struct Lane {
    pub(crate) target: Target,
    pub(crate) place: TargetPlace,
    pub(crate) counters: Counters,
    breaker: Mutex<Breaker>,
    /// Of whole answers, and of the beginnings of streams.
    times: [Mutex<Times>; 2],
    clock: Clock,
}

impl Lane {
    pub(crate) fn new(target: Target, place: TargetPlace, limits: BreakerLimits, clock: Clock) -> Self {
        let breaker = Mutex::new(Breaker::new(limits));
        Self { target, place, counters: Counters::default(), breaker, times: Default::default(), clock }
    }

    fn breaker(&self) -> MutexGuard<'_, Breaker> {
        self.breaker.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// It took so long to answer, or was called off after that time.
    pub(crate) fn took(&self, stream: bool, time: Duration) {
        let ms = u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
        let [whole, begun] = &self.times;
        let times = if stream { begun } else { whole };
        times.lock().unwrap_or_else(PoisonError::into_inner).note(ms);
    }

    /// How long it is waited for before another target is asked as well.
    pub(crate) fn patience(&self, limits: HedgeLimits, stream: bool) -> Duration {
        let [whole, begun] = &self.times;
        let times = if stream { begun } else { whole };
        Duration::from_millis(limits.wait_ms(&times.lock().unwrap_or_else(PoisonError::into_inner)))
    }

    /// The right to send one request, if the breaker gives it.
    pub(crate) fn admit(self: &Arc<Self>) -> Option<Pass> {
        let ticket = self.breaker().admit(self.clock.now_ms());
        if ticket.is_none() {
            self.counters.count(Attempt::Skipped);
        }
        ticket.map(|ticket| Pass { lane: Arc::clone(self), ticket: Some(ticket) })
    }

    /// A stream broke whose beginning had counted as an answer.
    pub(crate) fn broke(&self) {
        self.counters.count(Attempt::Broke);
        let now_ms = self.clock.now_ms();
        let mut breaker = self.breaker();
        if let Some(ticket) = breaker.admit(now_ms) {
            breaker.settle(ticket, Fate::Failed, now_ms);
        }
    }

    pub(crate) fn is_open(&self) -> bool {
        self.breaker().is_open(self.clock.now_ms())
    }
}

/// A request under way. Dropped without a word, it says nothing about the target: the caller has gone away.
pub(crate) struct Pass {
    lane: Arc<Lane>,
    ticket: Option<Ticket>,
}

impl Pass {
    pub(crate) fn settle(mut self, attempt: Attempt) {
        self.lane.counters.count(attempt);
        let fate = if attempt == Attempt::Answered { Fate::Answered } else { Fate::Failed };
        self.end(fate);
    }

    fn end(&mut self, fate: Fate) {
        if let Some(ticket) = self.ticket.take() {
            self.lane.breaker().settle(ticket, fate, self.lane.clock.now_ms());
        }
    }
}

impl Drop for Pass {
    fn drop(&mut self) {
        self.end(Fate::Abandoned);
    }
}
