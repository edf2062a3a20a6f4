//! What follows from what the engine said: it is counted and recorded, and what playbooks order is carried out.

use std::sync::atomic::Ordering;

use aimds_engine::vault::Met;
use aimds_engine::{Kept, Timestamp, Verdict};

use super::{Call, Inspection, now_ms};
use crate::alarm::{self, Alarm};
use crate::audit::{self, Subject};
use crate::config::OnFull;
use crate::error::Failure;
use crate::metrics::Direction;
use crate::mitigation::Concerned;
use crate::router::Journey;
use crate::telemetry::Guarded;
use crate::vault::Use;

impl Call {
    /// Counts and records what the engine said. An error means that the answer must not be used.
    pub(crate) fn settle(&self, direction: Direction, inspection: &Inspection) -> Result<(), Failure> {
        let Inspection { outcome, took, .. } = inspection;
        self.trace.guarded(&Guarded {
            direction,
            policy: self.app.engine.policy(),
            tenant: self.tenant(),
            outcome,
            verdict: &inspection.verdict,
            hash: inspection.hash.as_deref(),
            ago: inspection.decided.elapsed(),
            took: *took,
        });
        let metrics = &self.app.metrics;
        metrics.decided(direction, outcome.decision.action(), &outcome.assessment.findings, *took);
        if let Some(shadow) = inspection.shadow {
            metrics.shadowed(direction, outcome.decision.action(), shadow);
        }
        if let Some(session) = self.session() {
            self.app.sessions.store(session, inspection.session.clone(), Timestamp(now_ms()));
        }
        let recorded = self.record_decision(direction, inspection);
        if let (Some(learning), Some(considered)) = (&self.app.learning, &inspection.considered) {
            learning.remember(self.id.as_str(), self.tenant(), now_ms(), considered);
        }
        self.mitigate(inspection);
        self.alarm(&inspection.verdict);
        recorded
    }

    /// Says where a temporal policy could not be followed any further.
    fn alarm(&self, verdict: &Verdict) {
        for violation in verdict.violations.iter().filter(|violation| violation.verdict == "limit_reached") {
            let subject = Subject { at_ms: now_ms(), request_id: self.id.as_str(), tenant: self.tenant() };
            let details = serde_json::json!({ "route": self.route.path, "policy": violation.policy });
            alarm::about_request(&self.app, Alarm::MonitorLimit, &subject, details);
        }
    }

    /// Carries out what playbooks order beside the decision.
    fn mitigate(&self, inspection: &Inspection) {
        let orders = inspection.outcome.decision.orders();
        if orders.is_empty() {
            return;
        }
        let Inspection { verdict, decided, .. } = inspection;
        let concerned =
            Concerned { key: self.principal.as_deref(), session: self.session, verdict, now_ms: now_ms() };
        let about = |order: &aimds_engine::Order| self.about(&order.playbook, *decided);
        self.app.mitigations.carry_out(orders, about, &concerned);
    }

    fn record_decision(&self, direction: Direction, inspection: &Inspection) -> Result<(), Failure> {
        if !self.app.recorder.is_on() {
            return Ok(());
        }
        let session = self.session.map(|session| session.to_string());
        let Inspection { verdict, took, .. } = inspection;
        let mut body = audit::decision(self.route.path, self.key_id(), session, direction, verdict, *took);
        if let (Some(considered), Some(body)) = (&inspection.considered, body.as_object_mut()) {
            body.insert("learn".to_owned(), considered.record());
        }
        if let (Some(shadow), Some(body)) = (inspection.shadow, body.as_object_mut()) {
            body.insert("shadow".into(), shadow.as_str().into());
        }
        match (self.append("decision", body), self.app.on_full) {
            (Err(_), OnFull::Closed) => Err(Failure::Unrecorded),
            _ => Ok(()),
        }
    }

    /// Records what became of a forwarded request, and which way it went.
    pub(crate) fn record_outcome(
        &self,
        result: &str,
        upstream_status: Option<u16>,
        journey: Option<&Journey>,
    ) {
        if self.app.recorder.is_on() {
            let routing = journey.map(Journey::record);
            let body =
                audit::outcome(self.route.path, result, upstream_status, self.started.elapsed(), routing);
            let _ = self.append("outcome", body);
        }
    }

    /// Records what became of another request's decision, and waits until that is on the disk.
    pub(crate) async fn record_experience(
        &self,
        request_id: &str,
        body: serde_json::Value,
    ) -> Result<(), audit::NotTaken> {
        let subject = Subject { at_ms: now_ms(), request_id, tenant: self.tenant() };
        let kept = self.app.recorder.keep(&subject, "experience", body).await;
        kept.inspect_err(|_| {
            self.app.metrics.unrecorded.fetch_add(1, Ordering::Relaxed);
        })
    }

    /// Counts and records what the vault did in an exchange: numbers, never values.
    pub(crate) fn record_vault(&self, used: &Use) {
        let Some(vaults) = &self.app.vaults else { return };
        let met = used.restoration.as_ref().map(|restoration| restoration.met()).unwrap_or_default();
        vaults.counters.met(met);
        let silent = used.kept == Kept::default() && met == Met::default();
        if self.app.recorder.is_on() && !silent {
            let _ = self.append("vault", audit::vault(self.route.path, used, met));
        }
    }

    fn append(&self, kind: &str, body: serde_json::Value) -> Result<(), audit::NotTaken> {
        let subject = Subject { at_ms: now_ms(), request_id: self.id.as_str(), tenant: self.tenant() };
        self.app.recorder.append(&subject, kind, body).inspect_err(|_| {
            self.app.metrics.unrecorded.fetch_add(1, Ordering::Relaxed);
        })
    }
}
