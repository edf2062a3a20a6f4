//! Limits that several gateways enforce together, counted in Redis or Valkey.
//!
//! The script `gcra.lua` decides in one step, by the clock of the server: clocks of gateways do not matter. It is asked only
//! about requests that the limits of this process let in, and what it answers is remembered there, so that a flood does not
//! reach it. A server that is slow or away holds up a request for no longer than the time limit and refuses none: the limits
//! of the process hold by themselves until it is back.

use std::fmt::Write as _;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use arc_swap::ArcSwapOption;
use tokio::task::AbortHandle;

use super::gcra::{Rate, nanoseconds};
use super::link::{Link, Lost, keep};
use super::{Limit, Source};
use crate::config::SharedLimitsConfig;
use crate::metrics::Histogram;

/// Time limits that ran out one after the other until the server is left alone: one may be chance.
const SLOW: u32 = 3;

/// What the server says about one limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Answer {
    /// Let in: so many nanoseconds of the window are used.
    Granted(u64),
    /// The time until there is room.
    Refused(Duration),
}

/// The store of shared limits.
#[derive(Debug)]
pub(super) struct Shared {
    state: Arc<State>,
    keeper: OnceLock<AbortHandle>,
}

/// What requests and the keeper of the connection share.
#[derive(Debug)]
pub(super) struct State {
    pub(super) config: SharedLimitsConfig,
    /// The connection; `None` while the server is away.
    pub(super) link: ArcSwapOption<Link>,
    granted: AtomicU64,
    refused: AtomicU64,
    slow: AtomicU64,
    failed: AtomicU64,
    away: AtomicU64,
    took: Histogram,
}

impl Shared {
    pub(super) fn new(config: SharedLimitsConfig) -> Self {
        let state = State {
            config,
            link: ArcSwapOption::empty(),
            granted: AtomicU64::new(0),
            refused: AtomicU64::new(0),
            slow: AtomicU64::new(0),
            failed: AtomicU64::new(0),
            away: AtomicU64::new(0),
            took: Histogram::default(),
        };
        Self { state: Arc::new(state), keeper: OnceLock::new() }
    }

    /// Begins to connect, on the runtime that it is called from; later calls do nothing.
    pub(super) fn start(&self) {
        self.keeper.get_or_init(|| tokio::spawn(keep(Arc::clone(&self.state))).abort_handle());
    }

    /// The key and the rate of one limit.
    pub(super) fn about(&self, limit: &Limit, source: &Source<'_>, rate: Rate) -> (String, Rate) {
        (format!("{}:{}:{}", self.state.config.prefix, limit.name, source.digest()), rate)
    }

    /// Asks for one request of everyone in the list, up to the first that is refused. `None`: the server cannot say, and the
    /// limits of this process hold alone.
    pub(super) async fn ask(&self, asked: &[(String, Rate)]) -> Option<Vec<Answer>> {
        self.start();
        let state = &self.state;
        let count = |counter: &AtomicU64| {
            counter.fetch_add(1, Ordering::Relaxed);
        };
        let Some(link) = state.link.load_full() else {
            count(&state.away);
            return None;
        };
        let begun = Instant::now();
        let answered = tokio::time::timeout(state.config.timeout, link.evaluate(asked)).await;
        state.took.observe(begun.elapsed());
        match answered {
            Err(_) => {
                count(&state.slow);
                if link.was_slow() >= SLOW {
                    link.lose(Lost::Slow);
                }
                None
            }
            Ok(Err(lost)) => {
                count(&state.failed);
                link.lose(lost);
                None
            }
            Ok(Ok(numbers)) => {
                let answers: Vec<_> = numbers.into_iter().map(answer).collect();
                let refused = answers.iter().any(|answer| matches!(answer, Answer::Refused(_)));
                count(if refused { &state.refused } else { &state.granted });
                Some(answers)
            }
        }
    }

    /// Adds to what Prometheus reads.
    pub(super) fn expose(&self, out: &mut String) {
        let state = &self.state;
        let up = u8::from(state.link.load().is_some());
        let _ = writeln!(
            out,
            "# HELP aimds_rate_limit_store_up Whether rate limits are counted together with other gateways.\n\
             # TYPE aimds_rate_limit_store_up gauge\naimds_rate_limit_store_up {up}\n\
             # HELP aimds_rate_limit_store_answers_total Requests that the shared limits were to be asked about; after slow, \
             failed and away the limits of this process held alone.\n\
             # TYPE aimds_rate_limit_store_answers_total counter"
        );
        for (result, counter) in [
            ("granted", &state.granted),
            ("refused", &state.refused),
            ("slow", &state.slow),
            ("failed", &state.failed),
            ("away", &state.away),
        ] {
            let count = counter.load(Ordering::Relaxed);
            let _ = writeln!(out, "aimds_rate_limit_store_answers_total{{result=\"{result}\"}} {count}");
        }
        state.took.write(out, "aimds_rate_limit_store_seconds", "Time for an answer of the shared limits.");
    }
}

impl Drop for Shared {
    fn drop(&mut self) {
        if let Some(keeper) = self.keeper.get() {
            keeper.abort();
        }
    }
}

/// The arguments of the script about one limit.
pub(super) fn arguments(rate: Rate) -> [u64; 2] {
    [nanoseconds(rate.window()), rate.share()]
}

fn answer(number: i64) -> Answer {
    match number {
        0.. => Answer::Granted(number.unsigned_abs()),
        _ => Answer::Refused(Duration::from_nanos(number.unsigned_abs())),
    }
}
