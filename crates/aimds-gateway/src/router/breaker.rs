//! Circuit breakers: a target that keeps failing is left alone for a while, then tried with one request (M. Nygard,
//! "Release It!", 2007). No clock: times are passed in.

/// When a breaker opens and for how long.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BreakerLimits {
    /// Failures in a row after which it opens; at least 1.
    pub failures: u32,
    /// Time until it is tried again, in milliseconds.
    pub open_ms: u64,
}

/// What became of a request that a breaker let through.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// The target answered as its API promises.
    Answered,
    /// It did not.
    Failed,
    /// Nobody waited for the answer: it tells nothing about the target.
    Abandoned,
}

/// The right to send one request. Names the state that gave it: a late result says nothing about a later state.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ticket(u64);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Closed { failures: u32 },
    Open { until_ms: u64 },
    HalfOpen { probing: bool },
}

/// One breaker: closed (requests pass), open (none does), half-open (one at a time does, and decides).
///
/// ```
/// use aimds_gateway::router::{Breaker, BreakerLimits, Fate};
/// let mut breaker = Breaker::new(BreakerLimits { failures: 1, open_ms: 1000 });
/// let ticket = breaker.admit(0).unwrap();
/// breaker.settle(ticket, Fate::Failed, 5);
/// assert!(breaker.admit(1004).is_none());
/// let probe = breaker.admit(1005).unwrap();
/// assert!(breaker.admit(1005).is_none());
/// breaker.settle(probe, Fate::Answered, 1010);
/// assert!(breaker.admit(1010).is_some());
/// ```
#[derive(Clone, Debug)]
pub struct Breaker {
    limits: BreakerLimits,
    state: State,
    /// Counts changes of the state.
    epoch: u64,
}

impl Breaker {
    /// A closed breaker.
    #[must_use]
    pub fn new(limits: BreakerLimits) -> Self {
        Self { limits, state: State::Closed { failures: 0 }, epoch: 0 }
    }

    /// Lets a request pass, or not. Constant time.
    pub fn admit(&mut self, now_ms: u64) -> Option<Ticket> {
        match self.state {
            State::Closed { .. } => {}
            State::Open { until_ms } if now_ms >= until_ms => self.enter(State::HalfOpen { probing: true }),
            State::HalfOpen { probing: false } => self.state = State::HalfOpen { probing: true },
            State::Open { .. } | State::HalfOpen { probing: true } => return None,
        }
        Some(Ticket(self.epoch))
    }

    /// Takes note of what became of a request. Constant time.
    pub fn settle(&mut self, ticket: Ticket, fate: Fate, now_ms: u64) {
        if ticket.0 != self.epoch {
            return;
        }
        let open = State::Open { until_ms: now_ms.saturating_add(self.limits.open_ms) };
        match (self.state, fate) {
            (State::Closed { .. }, Fate::Answered) => self.state = State::Closed { failures: 0 },
            (State::Closed { failures }, Fate::Failed) => {
                let failures = failures.saturating_add(1);
                match failures >= self.limits.failures {
                    true => self.enter(open),
                    false => self.state = State::Closed { failures },
                }
            }
            (State::HalfOpen { .. }, Fate::Answered) => self.enter(State::Closed { failures: 0 }),
            (State::HalfOpen { .. }, Fate::Failed) => self.enter(open),
            (State::HalfOpen { .. }, Fate::Abandoned) => self.state = State::HalfOpen { probing: false },
            (State::Closed { .. }, Fate::Abandoned) | (State::Open { .. }, _) => {}
        }
    }

    /// Whether it lets nothing pass at the moment, for metrics.
    #[must_use]
    pub fn is_open(&self, now_ms: u64) -> bool {
        matches!(self.state, State::Open { until_ms } if now_ms < until_ms)
    }

    fn enter(&mut self, state: State) {
        self.state = state;
        self.epoch = self.epoch.wrapping_add(1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// The same told as a story: everything that happened, read from the start at each question.
    #[derive(Default)]
    struct Story(Vec<Happened>);

    #[derive(Clone, Copy)]
    enum Happened {
        Sent(usize),
        Settled(usize, Fate, u64),
    }

    impl Story {
        /// Whether a request would pass now.
        fn passes(&self, limits: BreakerLimits, now: u64) -> bool {
            let (mut open_until, mut row, mut probe) = (None::<u64>, 0, None::<usize>);
            // Requests whose result counts: those sent since the last change.
            let mut live: Vec<usize> = Vec::new();
            for happened in &self.0 {
                match *happened {
                    Happened::Sent(id) => {
                        // While it is not closed, what passes is the probe.
                        probe = open_until.map(|_| id);
                        live.push(id);
                    }
                    Happened::Settled(id, fate, at) => {
                        if !live.contains(&id) {
                            continue;
                        }
                        live.retain(|other| *other != id);
                        let is_probe = probe == Some(id);
                        match fate {
                            Fate::Abandoned if is_probe => probe = None,
                            Fate::Abandoned => {}
                            Fate::Answered if is_probe => {
                                (open_until, probe, row) = (None, None, 0);
                                live.clear();
                            }
                            Fate::Answered => row = 0,
                            Fate::Failed => {
                                row += 1;
                                if is_probe || row >= limits.failures {
                                    (open_until, probe, row) = (Some(at + limits.open_ms), None, 0);
                                    live.clear();
                                }
                            }
                        }
                    }
                }
            }
            match (open_until, probe) {
                (None, _) => true,
                (Some(_), Some(_)) => false,
                (Some(until), None) => now >= until,
            }
        }
    }

    fn fate() -> impl Strategy<Value = Fate> {
        prop_oneof![1 => Just(Fate::Answered), 2 => Just(Fate::Failed), 1 => Just(Fate::Abandoned)]
    }

    proptest! {
        #[test]
        fn a_breaker_does_what_its_history_says(
            failures in 1_u32..4,
            open_ms in 0_u64..50,
            steps in prop::collection::vec((0_u64..30, any::<bool>(), any::<prop::sample::Index>(), fate()), 0..80),
        ) {
            let limits = BreakerLimits { failures, open_ms };
            let (mut breaker, mut story) = (Breaker::new(limits), Story::default());
            let (mut now, mut next, mut under_way) = (0, 0, Vec::new());
            for (pause, send, which, fate) in steps {
                now += pause;
                if send || under_way.is_empty() {
                    let expected = story.passes(limits, now);
                    let ticket = breaker.admit(now);
                    prop_assert_eq!(ticket.is_some(), expected);
                    if let Some(ticket) = ticket {
                        story.0.push(Happened::Sent(next));
                        under_way.push((next, ticket));
                        next += 1;
                    }
                } else {
                    let (id, ticket) = under_way.swap_remove(which.index(under_way.len()));
                    story.0.push(Happened::Settled(id, fate, now));
                    breaker.settle(ticket, fate, now);
                }
            }
        }
    }
}
