//! What became of an action: counted, timed and recorded, whether it succeeded or not.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use serde_json::json;

use crate::app::now_ms;
use crate::audit::{Recorder, Subject, micros};
use crate::metrics::Histogram;

/// Whose action it is. Owned, because it may end after its request.
#[derive(Clone, Debug)]
pub(crate) struct About {
    pub(crate) request_id: String,
    pub(crate) tenant: String,
    pub(crate) route: &'static str,
    /// The playbook; empty where the rest of the policy or a person ordered it.
    pub(crate) by: String,
    /// When it was decided.
    pub(crate) decided: Instant,
}

/// An action that has ended.
#[derive(Clone, Debug)]
pub(crate) struct Done {
    pub(crate) action: &'static str,
    /// What it was done to: `request`, `response`, `session:<id>`, `key:<name>`, `webhook`.
    pub(crate) target: String,
    /// How many things it changed.
    pub(crate) count: usize,
    /// Why it failed, one of a fixed set.
    pub(crate) error: Option<&'static str>,
}

impl Done {
    /// An action that changed something.
    pub(crate) fn ok(action: &'static str, target: impl Into<String>, count: usize) -> Self {
        Self { action, target: target.into(), count, error: None }
    }

    /// An action that changed nothing.
    pub(crate) fn failed(action: &'static str, target: impl Into<String>, error: &'static str) -> Self {
        Self { action, target: target.into(), count: 0, error: Some(error) }
    }
}

/// What became of one kind of action.
#[derive(Default)]
struct Counted {
    ok: u64,
    failed: u64,
    /// From the decision to the end.
    times: Histogram,
}

/// Counts and records actions.
pub(crate) struct Reports {
    recorder: Recorder,
    by_action: Mutex<BTreeMap<&'static str, Counted>>,
    /// Actions that the audit log did not take.
    unrecorded: AtomicU64,
}

impl Reports {
    pub(crate) fn new(recorder: Recorder) -> Self {
        Self { recorder, by_action: Mutex::default(), unrecorded: AtomicU64::new(0) }
    }

    /// Counts and records an action that has ended. What the audit log does not take is counted there.
    pub(crate) fn done(&self, about: &About, done: &Done) {
        let took = about.decided.elapsed();
        let ok = done.error.is_none();
        self.count(done.action, ok, took);
        if !ok {
            tracing::warn!(
                request_id = about.request_id,
                action = done.action,
                error = done.error,
                "an action failed"
            );
        }
        if !self.recorder.is_on() {
            return;
        }
        let body = json!({
            "event": done.action,
            "route": about.route,
            "target": done.target,
            "ok": ok,
            "error": done.error,
            "by": about.by,
            "count": done.count,
            "latency_us": micros(took),
        });
        let subject = Subject { at_ms: now_ms(), request_id: &about.request_id, tenant: &about.tenant };
        if self.recorder.append(&subject, "action", body).is_err() {
            self.unrecorded.fetch_add(1, Ordering::Relaxed);
        }
    }

    fn count(&self, action: &'static str, ok: bool, took: Duration) {
        let mut by_action = self.lock();
        let counted = by_action.entry(action).or_default();
        *if ok { &mut counted.ok } else { &mut counted.failed } += 1;
        counted.times.observe(took);
    }

    /// Adds to what Prometheus reads.
    pub(super) fn expose(&self, out: &mut String) {
        let _ = writeln!(
            out,
            "# HELP aimds_actions_total Actions carried out, by name and result.\n# TYPE aimds_actions_total counter"
        );
        let by_action = self.lock();
        for (action, counted) in by_action.iter() {
            for (result, count) in [("failed", counted.failed), ("ok", counted.ok)] {
                if count > 0 {
                    let _ = writeln!(
                        out,
                        "aimds_actions_total{{action=\"{action}\",result=\"{result}\"}} {count}"
                    );
                }
            }
        }
        let unrecorded = self.unrecorded.load(Ordering::Relaxed);
        if unrecorded > 0 {
            let _ =
                writeln!(out, "aimds_actions_total{{action=\"unrecorded\",result=\"failed\"}} {unrecorded}");
        }
        let name = "aimds_action_seconds";
        let _ = writeln!(
            out,
            "# HELP {name} Time from a decision to the end of an action, by name.\n# TYPE {name} histogram"
        );
        for (action, counted) in by_action.iter() {
            counted.times.rows(out, name, &format!("action=\"{action}\""));
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, BTreeMap<&'static str, Counted>> {
        self.by_action.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
