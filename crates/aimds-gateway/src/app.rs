//! What every request shares ([`App`]) and what belongs to one ([`Call`]), in the order of a request: `call` takes it in,
//! `inspect` asks the engine, `settle` does what follows from the answer.

mod call;
mod inspect;
mod settle;

use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::{SystemTime, UNIX_EPOCH};

use aimds_engine::{Engine, Policy};
use axum::body::Bytes;
use tokio::sync::Semaphore;

use crate::address::Network;
use crate::audit::Recorder;
use crate::auth::Callers;
use crate::config::{Block, Limits, OnFull};
use crate::learning::Learning;
use crate::memory::Memory;
use crate::metrics::Metrics;
use crate::mitigation::Mitigations;
use crate::rate_limits::RateLimits;
use crate::review::Reviews;
use crate::router::Desk;
use crate::routes::Route;
use crate::sessions::Remembered;
use crate::stream::hold_back::Window;
use crate::telemetry::Telemetry;
use crate::upstream::Upstream;
use crate::vault::Vaults;

pub(crate) use call::Call;
pub(crate) use inspect::{Inspection, MAX_TEXTS, beside};

/// What every request shares. A reload makes another one, with the same counters, sessions, holds and records.
pub(crate) struct App {
    pub(crate) engine: Arc<Engine>,
    /// A policy that is asked beside the one in force, if there is one.
    pub(crate) shadow: Option<Arc<Policy>>,
    pub(crate) callers: Callers,
    pub(crate) public_metrics: bool,
    pub(crate) rate_limits: Arc<RateLimits>,
    /// Proxies whose word about the address of a client counts.
    pub(crate) trusted_proxies: Vec<Network>,
    /// Networks from which the routes for those who run the gateway are reached; none: from everywhere.
    pub(crate) admin_networks: Vec<Network>,
    pub(crate) limits: Limits,
    pub(crate) block: Block,
    pub(crate) recorder: Recorder,
    pub(crate) on_full: OnFull,
    pub(crate) upstream: Upstream,
    /// The model router, if there is one.
    pub(crate) router: Option<Arc<Desk>>,
    /// Where personal data waits for its answer; `None` where redaction is for good.
    pub(crate) vaults: Option<Arc<Vaults>>,
    /// How streams are held back.
    pub(crate) window: Window,
    /// Whether the calls of a streamed answer wait for its end.
    pub(crate) hold_calls: bool,
    pub(crate) metrics: Arc<Metrics>,
    pub(crate) mitigations: Arc<Mitigations>,
    /// Where escalated requests wait for a person; `None` where nobody is asked.
    pub(crate) reviews: Option<Arc<Reviews>>,
    pub(crate) sessions: Arc<Remembered>,
    /// The causal memory, if there is one.
    pub(crate) memory: Option<Arc<Memory>>,
    /// The learner, if there is one.
    pub(crate) learning: Option<Arc<Learning>>,
    pub(crate) in_flight: Arc<Semaphore>,
    /// Places on the deep path; who gets none is answered by the fast path, degraded.
    pub(crate) deep: Arc<Semaphore>,
    /// Makes traces.
    pub(crate) telemetry: Telemetry,
    pub(crate) routes: &'static [Route],
    /// Their description, once somebody has asked for it.
    pub(crate) openapi: OnceLock<Bytes>,
}

/// Counts something for as long as it is there, also if it is dropped half-way.
pub(crate) struct Gauge {
    app: Arc<App>,
    which: fn(&Metrics) -> &AtomicI64,
}

impl Gauge {
    pub(crate) fn up(app: Arc<App>, which: fn(&Metrics) -> &AtomicI64) -> Self {
        which(&app.metrics).fetch_add(1, Ordering::Relaxed);
        Self { app, which }
    }
}

impl Drop for Gauge {
    fn drop(&mut self) {
        (self.which)(&self.app.metrics).fetch_sub(1, Ordering::Relaxed);
    }
}

/// Milliseconds since the Unix epoch.
pub(crate) fn now_ms() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}
