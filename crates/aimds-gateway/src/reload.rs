//! Configuration and policy, exchanged while the gateway runs.
//!
//! Both are read and checked as a whole before anything changes. What is refused changes nothing: the last good pair stays
//! in force, with an alarm until the files are in order again. Requests in progress end with what they began with; sessions,
//! counters and holds belong to the process and survive.

use std::path::PathBuf;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use aimds_engine::{EngineError, Policy};
use arc_swap::ArcSwap;
use serde_json::{Value, json};

use crate::app::{App, now_ms};
use crate::audit::Subject;
use crate::auth::{Callers, KeysUnavailable, Tokens};
use crate::config::{Config, GatewayConfig, Limits};
use crate::mitigation::record_waivers;
use crate::rate_limits::RateLimits;
use crate::siem::SiemError;
use crate::stream::hold_back::Window;
use crate::tls::Chain;
use crate::upstream::Upstream;

/// Files are still being written while they change within this time.
const SETTLE: Duration = Duration::from_millis(200);
/// Looks at files that change all the time.
const PATIENCE: usize = 25;

/// A configuration and a policy that were read and found valid.
#[derive(Clone, Debug)]
pub struct Setup {
    /// The file as its author wrote it.
    pub file: GatewayConfig,
    /// The same, checked, with what the program itself adds to it.
    pub config: Config,
    /// The policy that it names.
    pub policy: Policy,
    /// Digest of the configuration file.
    pub config_digest: Digest,
    /// Digest of the policy.
    pub policy_digest: Digest,
    /// Digest of the policy that is asked beside it, if there is one.
    pub shadow_digest: Option<Digest>,
}

/// Digest of a text (BLAKE3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Digest(blake3::Hash);

impl Digest {
    /// Of a text.
    #[must_use]
    pub fn of(text: &str) -> Self {
        Self(blake3::hash(text.as_bytes()))
    }
}

impl std::fmt::Display for Digest {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "blake3:{}", self.0)
    }
}

/// Where configuration and policy come from.
pub trait Source: Send + Sync + 'static {
    /// The files that are looked at for changes: those that [`Source::read`] reads now.
    fn files(&self) -> Vec<PathBuf>;

    /// Reads and checks all of them.
    ///
    /// # Errors
    /// What is wrong, for the log: no part of a secret.
    fn read(&self) -> Result<Setup, Box<dyn std::error::Error + Send + Sync>>;
}

/// Why something is read again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cause {
    /// A file has changed.
    Watch,
    /// The operator said so.
    Signal,
}

impl Cause {
    fn as_str(self) -> &'static str {
        match self {
            Self::Watch => "watch",
            Self::Signal => "signal",
        }
    }
}

/// What is in force.
pub(crate) type Current = ArcSwap<App>;

/// Configuration and policy of a running gateway, to be exchanged without a restart.
#[derive(Clone)]
pub struct Reloads(Arc<Inner>);

struct Inner {
    current: Arc<Current>,
    source: Box<dyn Source>,
    /// As it was at the start: what needs a restart is compared with it.
    started: GatewayConfig,
    state: Mutex<State>,
}

/// One exchange at a time.
struct State {
    file: GatewayConfig,
    config: Digest,
    policy: Digest,
    shadow: Option<Digest>,
    /// The files as they were when they were last read.
    seen: blake3::Hash,
}

/// Why files that could be read are not taken.
#[derive(Debug, thiserror::Error)]
enum Refused {
    #[error("nobody could use the gateway: a key is asked for and there is none")]
    NoKeys,
    #[error(transparent)]
    Engine(#[from] EngineError),
    #[error(transparent)]
    Tokens(#[from] KeysUnavailable),
    #[error(transparent)]
    Siem(#[from] SiemError),
}

impl Reloads {
    pub(crate) fn new(current: Arc<Current>, setup: &Setup, source: Box<dyn Source>) -> Self {
        let state = State {
            file: setup.file.clone(),
            config: setup.config_digest,
            policy: setup.policy_digest,
            shadow: setup.shadow_digest,
            seen: digest(&source.files()),
        };
        Self(Arc::new(Inner { current, source, started: setup.file.clone(), state: Mutex::new(state) }))
    }

    /// Reads everything again and puts it into force if it is in order; says in log, metrics and audit log what came of it.
    /// True unless it was refused. Blocks while it reads and compiles.
    pub fn reload(&self, cause: Cause) -> bool {
        let mut state = self.state();
        // Before it is read: what changes from now on is seen the next time.
        state.seen = digest(&self.0.source.files());
        let read = self.0.source.read();
        let app = self.0.current.load_full();
        let result = match read {
            Ok(setup) => self.apply(&mut state, &app, setup, cause).map_err(Into::into),
            Err(error) => Err(error),
        };
        let metrics = &app.metrics;
        metrics.reload_refused.store(i64::from(result.is_err()), Ordering::Relaxed);
        match result {
            Ok(()) => true,
            Err(error) => {
                metrics.reloads_refused.fetch_add(1, Ordering::Relaxed);
                tracing::error!(error = %Chain(&*error), "configuration and policy stay as they were");
                let seen = state.seen.to_hex().to_string();
                let body = json!({
                    "event": "reload_refused",
                    "cause": cause.as_str(),
                    "files": format!("blake3:{seen}"),
                    "config": state.config.to_string(),
                    "policy": state.policy.to_string(),
                });
                record(&app, body);
                false
            }
        }
    }

    /// [`Self::reload`] off the thread.
    pub async fn reload_beside(&self, cause: Cause) {
        let again = self.clone();
        if tokio::task::spawn_blocking(move || again.reload(cause)).await.is_err() {
            tracing::error!("reading the configuration again panicked; it stays as it was");
        }
    }

    /// Looks at the files again and again, for as long as it is polled.
    pub async fn watch(self, every: Duration) {
        loop {
            tokio::time::sleep(every).await;
            let again = self.clone();
            let changed = tokio::task::spawn_blocking(move || again.has_settled_change()).await;
            if changed.unwrap_or(false) {
                self.reload_beside(Cause::Watch).await;
            }
        }
    }

    /// Whether the files differ from what was read last, once nobody writes them any more.
    fn has_settled_change(&self) -> bool {
        let seen = self.state().seen;
        let mut now = digest(&self.0.source.files());
        for _ in 0..PATIENCE {
            if now == seen {
                return false;
            }
            std::thread::sleep(SETTLE);
            let then = std::mem::replace(&mut now, digest(&self.0.source.files()));
            if now == then {
                return true;
            }
        }
        true
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn apply(&self, state: &mut State, app: &Arc<App>, setup: Setup, cause: Cause) -> Result<(), Refused> {
        let Setup { file, config, policy, config_digest, policy_digest, shadow_digest } = setup;
        if (config_digest, policy_digest, shadow_digest) == (state.config, state.policy, state.shadow) {
            return Ok(());
        }
        let nobody = config.keys.is_empty() && config.certificates.is_empty() && config.issuers.is_empty();
        if config.require_auth && nobody {
            return Err(Refused::NoKeys);
        }
        let engine = match policy_digest == state.policy {
            true => Arc::clone(&app.engine),
            false => Arc::new(app.engine.with_other_policy(policy)?),
        };
        let mut changed: Vec<&str> = Vec::new();
        changed.extend(state.file.differences(&file).iter().map(|found| found.section));
        if policy_digest != state.policy && !changed.contains(&"policy") {
            changed.push("policy");
        }
        if shadow_digest != state.shadow && !changed.contains(&"shadow") {
            changed.push("shadow");
        }
        let waiting = self.0.started.differences(&file);
        let waiting: Vec<_> = waiting.iter().filter(|found| !found.live).map(|found| found.section).collect();
        let before = app.callers.tokens();
        let tokens = match changed.contains(&"auth") {
            true => Arc::new(before.with(config.issuers.clone())?),
            false => Arc::clone(before),
        };
        // The last that can fail, since it takes effect at once.
        if changed.contains(&"siem") {
            app.recorder.siem().change(config.siem.clone())?;
        }
        record_waivers(engine.policy().waived(), &app.recorder);
        let telemetry = config.telemetry.clone();
        let mut next = app.with(config, engine, tokens);
        // Else what is queued would go on in two places.
        if changed.contains(&"telemetry") {
            next.telemetry = app.telemetry.with(telemetry);
        }
        if !changed.contains(&"rate_limits") {
            next.rate_limits = Arc::clone(&app.rate_limits);
        }
        self.0.current.store(Arc::new(next));
        before.replace();
        app.metrics.reloads_applied.fetch_add(1, Ordering::Relaxed);
        tracing::info!(?changed, cause = cause.as_str(), "new configuration and policy are in force");
        if !waiting.is_empty() {
            tracing::warn!(sections = ?waiting, "these changes take effect with the next start");
        }
        let body = json!({
            "event": "reloaded",
            "cause": cause.as_str(),
            "config_before": state.config.to_string(),
            "config": config_digest.to_string(),
            "policy_before": state.policy.to_string(),
            "policy": policy_digest.to_string(),
            "changed": changed,
            "needs_restart": waiting,
        });
        record(app, body);
        *state = State {
            file,
            config: config_digest,
            policy: policy_digest,
            shadow: shadow_digest,
            seen: state.seen,
        };
        Ok(())
    }
}

impl App {
    /// The same process with another configuration and engine. Sections that need a restart stay as they are.
    fn with(&self, config: Config, engine: Arc<aimds_engine::Engine>, tokens: Arc<Tokens>) -> Self {
        let Config {
            require_auth,
            public_metrics,
            rate_limits,
            admin_networks,
            keys,
            certificates,
            roles,
            upstream,
            stream,
            block,
            limits,
            shadow_policy,
            ..
        } = config;
        Self {
            engine,
            shadow: shadow_policy,
            callers: Callers::new(keys, certificates, tokens, roles, require_auth),
            public_metrics,
            rate_limits: Arc::new(RateLimits::new(rate_limits)),
            trusted_proxies: self.trusted_proxies.clone(),
            admin_networks,
            limits: Limits {
                header_bytes: self.limits.header_bytes,
                answer_timeout: self.limits.answer_timeout,
                header_read_timeout: self.limits.header_read_timeout,
                max_connections: self.limits.max_connections,
                connections_per_address: self.limits.connections_per_address,
                max_in_flight: self.limits.max_in_flight,
                drain_timeout: self.limits.drain_timeout,
                ..limits
            },
            block,
            upstream: Upstream::new(upstream),
            window: Window { hold: stream.hold, step: stream.step, overlap: stream.overlap },
            hold_calls: stream.hold_calls,
            recorder: self.recorder.clone(),
            on_full: self.on_full,
            router: self.router.clone(),
            vaults: self.vaults.clone(),
            metrics: Arc::clone(&self.metrics),
            mitigations: Arc::clone(&self.mitigations),
            reviews: self.reviews.clone(),
            sessions: Arc::clone(&self.sessions),
            memory: self.memory.clone(),
            learning: self.learning.clone(),
            in_flight: Arc::clone(&self.in_flight),
            deep: Arc::clone(&self.deep),
            telemetry: self.telemetry.clone(),
            routes: self.routes,
            openapi: self.openapi.clone(),
        }
    }
}

fn record(app: &App, body: Value) {
    let subject = Subject { at_ms: now_ms(), request_id: "", tenant: "" };
    if app.recorder.append(&subject, "config", body).is_err() {
        app.metrics.unrecorded.fetch_add(1, Ordering::Relaxed);
    }
}

/// Of the content of files; a file that cannot be read is one content more.
fn digest(files: &[PathBuf]) -> blake3::Hash {
    let mut hasher = blake3::Hasher::new();
    for file in files {
        match std::fs::read(file) {
            Ok(content) => hasher.update(&(content.len() as u64).to_le_bytes()).update(&content),
            Err(_) => hasher.update(&u64::MAX.to_le_bytes()),
        };
    }
    hasher.finalize()
}
