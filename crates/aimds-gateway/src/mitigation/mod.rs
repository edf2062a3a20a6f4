//! Mitigations: what playbooks order beside the decision, carried out.
//!
//! What must hold for the very next request (throttle, delay, quarantine, a revoked key) is applied in line, in memory. What
//! may come a moment later (keeping it on the disk, telling people) runs on the scheduler. Each action says in the audit
//! log and in the metrics whether it succeeded, what it changed and how long after the decision.

mod courier;
mod holds;
mod keeper;
mod notify;
mod report;
mod revocations;
mod saved;
mod texts;
mod work;

use std::fmt::Write as _;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use aimds_engine::{Checked, Measure, Order, Verdict};
use serde_json::json;
use tokio::sync::Semaphore;

pub(crate) use holds::{Full, Hold, Kind};
pub(crate) use report::{About, Done, Reports};
pub(crate) use revocations::Revoked;
pub use saved::StateError;
pub(crate) use texts::{Ordered, Prepared, seed, takes_out};

use crate::audit::{Recorder, Subject};
use crate::auth::Principal;
use crate::config::{MitigationConfig, NotifyConfig, WithoutSession};
use crate::error::Failure;
use crate::session_key::SessionKey;
use holds::Holds;
use keeper::{Change, Keeper};
use notify::Webhook;
use revocations::Revocations;
use saved::{Journal, Saved};
use work::Desk;

/// Requests that are held up at the same time. More are turned away: each keeps a connection.
const DELAYED: usize = 1024;

/// Why a request is not taken, whatever is in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Refused {
    /// Its key is revoked.
    Revoked,
    /// Its session, or everything of its key, is in quarantine.
    Quarantined,
    /// Not for so many milliseconds.
    Throttled { left_ms: u64 },
}

/// Why the gateway cannot carry mitigations out.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum MitigationError {
    /// The file with revocations and quarantines.
    #[error("{}", path.display())]
    State {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        source: StateError,
    },
    /// The scheduler.
    #[error("no threads for actions")]
    Threads(#[from] aimds_scheduler::BuildError),
    /// The thread that sends notifications.
    #[error("no thread for notifications")]
    Courier(#[from] std::io::Error),
}

/// Holds, revocations, and the desk for what is done beside requests.
pub(crate) struct Mitigations {
    holds: Arc<Holds>,
    revocations: Arc<Revocations>,
    pub(crate) reports: Arc<Reports>,
    desk: Desk,
    without_session: WithoutSession,
    delayed: Semaphore,
    webhook: bool,
}

/// The request that a mitigation is about.
pub(crate) struct Concerned<'a> {
    pub(crate) key: Option<&'a Principal>,
    pub(crate) session: Option<SessionKey>,
    pub(crate) verdict: &'a Verdict,
    pub(crate) now_ms: u64,
}

impl Mitigations {
    /// Reads what was kept, and starts the threads.
    ///
    /// # Errors
    /// A file that cannot be used: nobody who is refused may come in because of it.
    pub(crate) fn open(
        config: MitigationConfig,
        notify: Option<NotifyConfig>,
        recorder: Recorder,
        now_ms: u64,
    ) -> Result<Self, MitigationError> {
        let (holds, revocations) = (Arc::new(Holds::new(config.max_held)), Arc::new(Revocations::default()));
        if let Some(path) = &config.state {
            let state = |source| MitigationError::State { path: path.clone(), source };
            if let Some(saved) = Saved::load(path).map_err(state)? {
                restore(saved, &holds, &revocations, now_ms).map_err(state)?;
            }
        }
        let reports = Arc::new(Reports::new(recorder));
        let journal = config.state.map(Journal::new);
        let keeper = Arc::new(Keeper::new(Arc::clone(&holds), Arc::clone(&revocations), journal));
        let webhook = notify.map(Webhook::new);
        let told = webhook.is_some();
        let desk = Desk::open(keeper, Arc::clone(&reports), webhook)?;
        let without_session = config.without_session;
        let delayed = Semaphore::new(DELAYED);
        Ok(Self { holds, revocations, reports, desk, without_session, delayed, webhook: told })
    }

    /// Whether a request may come in, after as long as its session or key is held up. Where nobody is held, two loads.
    ///
    /// # Errors
    /// [`Refused`].
    pub(crate) async fn admit(
        &self,
        key: &Principal,
        session: Option<SessionKey>,
        guarded: bool,
        now_ms: u64,
    ) -> Result<(), Refused> {
        if self.revocations.holds(key.tenant(), key.id()) {
            return Err(Refused::Revoked);
        }
        // Operations stay open: who is held is released there.
        if !guarded || self.holds.len() == 0 {
            return Ok(());
        }
        let of_key = Some(SessionKey::of_api_key(key.tenant(), key.id()));
        let mut wait = 0;
        for holder in [session, of_key].into_iter().flatten() {
            match self.holds.check(holder, now_ms) {
                None => {}
                Some((Kind::Quarantine, _)) => return Err(Refused::Quarantined),
                Some((Kind::Throttle, left_ms)) => return Err(Refused::Throttled { left_ms }),
                Some((Kind::Delay { ms }, _)) => wait = wait.max(ms),
            }
        }
        if wait > 0 {
            let left_ms = u64::from(wait);
            let place = self.delayed.try_acquire().map_err(|_| Refused::Throttled { left_ms });
            let _place = place?;
            tokio::time::sleep(Duration::from_millis(left_ms)).await;
        }
        Ok(())
    }

    /// Carries out what playbooks ordered for a request, apart from what changes its texts.
    pub(crate) fn carry_out(
        &self,
        orders: &[Order],
        about: impl Fn(&Order) -> About,
        concerned: &Concerned<'_>,
    ) {
        for order in orders {
            let about = about(order);
            match order.measure {
                Measure::Throttle => self.hold(order, Kind::Throttle, about, concerned),
                Measure::Delay => self.hold(order, Kind::Delay { ms: order.delay_ms }, about, concerned),
                Measure::Quarantine => self.hold(order, Kind::Quarantine, about, concerned),
                Measure::RevokeKey => self.revoke_ordered(about, concerned),
                Measure::Notify => self.notify(order, about, concerned),
                // Decisions, and what changes texts, are carried out where the request goes on or does not.
                Measure::Flag
                | Measure::Quote
                | Measure::Strip
                | Measure::Sandwich
                | Measure::Escalate
                | Measure::Block => {}
            }
        }
    }

    fn hold(&self, order: &Order, kind: Kind, about: About, concerned: &Concerned<'_>) {
        let action = order.measure.as_str();
        let by_key = || {
            let key = concerned.key.filter(|_| self.without_session == WithoutSession::Key)?;
            Some((SessionKey::of_api_key(key.tenant(), key.id()), Some(key.id().to_owned())))
        };
        let Some((holder, key)) = concerned.session.map(|session| (session, None)).or_else(by_key) else {
            return self.reports.done(&about, &Done::failed(action, "request", "no_session"));
        };
        let target = match &key {
            Some(key) => format!("key:{key}"),
            None => format!("session:{holder}"),
        };
        let now_ms = concerned.now_ms;
        let hold = Hold {
            kind,
            tenant: about.tenant.clone(),
            key,
            since_ms: now_ms,
            until_ms: now_ms.saturating_add(u64::from(order.seconds) * 1000),
            by: about.by.clone(),
        };
        match self.hold_for(holder, hold, &about, now_ms) {
            Ok(()) => self.reports.done(&about, &Done::ok(action, target, 1)),
            Err(Full) => self.reports.done(&about, &Done::failed(action, target, "table_full")),
        }
    }

    /// Holds a session or key, and has it kept on the disk.
    pub(crate) fn hold_for(
        &self,
        holder: SessionKey,
        hold: Hold,
        about: &About,
        now_ms: u64,
    ) -> Result<(), Full> {
        let lasts = hold.kind == Kind::Quarantine;
        self.holds.hold(holder, hold, now_ms)?;
        if lasts {
            self.desk.keep(about.clone(), Change::Held(holder));
        }
        Ok(())
    }

    fn revoke_ordered(&self, about: About, concerned: &Concerned<'_>) {
        let action = Measure::RevokeKey.as_str();
        let Some(key) = concerned.key.filter(|key| !key.is_anonymous()) else {
            return self.reports.done(&about, &Done::failed(action, "request", "no_key"));
        };
        let (tenant, id) = (key.tenant().to_owned(), key.id().to_owned());
        let target = format!("key:{id}");
        let revoked = Revoked { tenant, key: id, since_ms: concerned.now_ms, by: about.by.clone() };
        match self.revoke(revoked, &about) {
            Ok(()) => self.reports.done(&about, &Done::ok(action, target, 1)),
            Err(Full) => self.reports.done(&about, &Done::failed(action, target, "table_full")),
        }
    }

    /// Refuses a key from now on, and has it kept on the disk.
    pub(crate) fn revoke(&self, revoked: Revoked, about: &About) -> Result<(), Full> {
        let change = Change::Key { tenant: revoked.tenant.clone(), key: revoked.key.clone() };
        self.revocations.revoke(revoked)?;
        self.desk.keep(about.clone(), change);
        Ok(())
    }

    /// Lets a key in again, and has it kept on the disk. Says whether it was revoked.
    pub(crate) fn reinstate(&self, tenant: &str, key: &str, about: &About) -> bool {
        let found = self.revocations.reinstate(tenant, key);
        if found {
            self.desk.keep(about.clone(), Change::Key { tenant: tenant.to_owned(), key: key.to_owned() });
        }
        found
    }

    /// Ends every hold on a session or key of a tenant (`None`: of any), and has it kept on the disk.
    pub(crate) fn release(
        &self,
        holder: SessionKey,
        tenant: Option<&str>,
        about: &About,
        now_ms: u64,
    ) -> bool {
        let found = self.holds.release(holder, tenant, now_ms);
        if found {
            self.desk.keep(about.clone(), Change::Held(holder));
        }
        found
    }

    /// Who is held, and which keys are revoked.
    pub(crate) fn held(&self, now_ms: u64) -> Vec<(SessionKey, Hold)> {
        self.holds.list(now_ms)
    }

    /// The revoked keys.
    pub(crate) fn revoked(&self) -> Vec<Revoked> {
        self.revocations.list()
    }

    fn notify(&self, order: &Order, about: About, concerned: &Concerned<'_>) {
        let verdict = concerned.verdict;
        let message = json!({
            "event": "playbook",
            "playbook": &*order.playbook,
            "at_ms": concerned.now_ms,
            "request_id": about.request_id,
            "tenant": about.tenant,
            "route": about.route,
            "key": concerned.key.map(|key| key.id()),
            "session": concerned.session.map(|session| session.to_string()),
            "decision": verdict.decision,
            "score": verdict.score,
            "categories": verdict.categories,
            "reasons": verdict.reasons,
        });
        self.desk.tell(about, message);
    }

    /// Whether anybody can be told.
    pub(crate) fn has_webhook(&self) -> bool {
        self.webhook
    }

    /// Tells the webhook something; reported as `notify`.
    pub(crate) fn tell(&self, about: About, message: serde_json::Value) {
        self.desk.tell(about, message);
    }

    /// Waits until what was handed in has ended.
    pub(crate) async fn close(&self, patience: Duration) {
        self.desk.close(patience).await;
    }

    /// Adds to what Prometheus reads.
    pub(crate) fn expose(&self, out: &mut String) {
        self.reports.expose(out);
        for (name, help, value) in [
            ("aimds_held", "Sessions and keys in the table of holds.", self.holds.len()),
            ("aimds_revoked_keys", "API keys that are revoked.", self.revocations.len()),
        ] {
            let _ = writeln!(out, "# HELP {name} {help}\n# TYPE {name} gauge\n{name} {value}");
        }
        let name = "aimds_scheduler_tasks_total";
        let _ = writeln!(out, "# HELP {name} Work beside requests, by class and end.\n# TYPE {name} counter");
        for (class, stats) in self.desk.stats().iter() {
            let rows = [
                ("accepted", stats.accepted),
                ("completed", stats.completed),
                ("panicked", stats.panicked),
                ("shed", stats.shed + stats.expired + stats.cancelled),
                ("rejected", stats.rejected()),
                ("late", stats.missed_at_finish),
            ];
            for (end, count) in rows {
                let _ = writeln!(out, "{name}{{class=\"{}\",end=\"{end}\"}} {count}", class.name());
            }
        }
    }
}

/// Takes up what was kept. What has ended meanwhile stays out.
fn restore(saved: Saved, holds: &Holds, revocations: &Revocations, now_ms: u64) -> Result<(), StateError> {
    let full = |Full| StateError::Content("it holds more than mitigation.max_held".into());
    for revoked in saved.revoked.into_values() {
        revocations.revoke(revoked).map_err(full)?;
    }
    for (key, of_key) in saved.held {
        for hold in of_key.into_iter().filter(|hold| hold.until_ms > now_ms) {
            holds.hold(key, hold, now_ms).map_err(full)?;
        }
    }
    Ok(())
}

impl From<Refused> for Failure {
    fn from(refused: Refused) -> Self {
        Self::Held(refused)
    }
}

/// Records which promises of the policy its author has waived: the policy is used although it breaks them.
pub(crate) fn record_waivers(waived: &[Checked], recorder: &Recorder) {
    for promise in waived {
        let Checked { name, formula, waived, .. } = promise;
        tracing::warn!(promise = name, "the policy breaks a promise that is waived");
        let body = json!({ "event": "promise_waived", "promise": name, "formula": formula, "why": waived });
        let subject = Subject { at_ms: crate::app::now_ms(), request_id: "", tenant: "" };
        if recorder.append(&subject, "policy", body).is_err() {
            tracing::error!(promise = name, "the audit log did not take a waiver");
        }
    }
}

/// An action of an operator, for its record.
pub(crate) fn by_operator(request_id: &str, tenant: &str, route: &'static str, key: &str) -> About {
    About {
        request_id: request_id.to_owned(),
        tenant: tenant.to_owned(),
        route,
        by: format!("key:{key}"),
        decided: Instant::now(),
    }
}
