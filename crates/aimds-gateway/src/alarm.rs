//! Alarms: what somebody has to look at now. Each is an error in the program's log, is counted in /metrics
//! (`aimds_alarms_total`), and is told to the SIEM; what belongs to a request is in the audit log too.

use std::sync::Arc;
use std::time::Duration;

use aimds_store::{AuditLog, Health};
use serde_json::{Value, json};

use crate::app::{App, now_ms};
use crate::audit::Subject;

/// How often the audit log is looked at.
const LOOK: Duration = Duration::from_secs(1);

/// What has happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Alarm {
    /// A handler panicked; its request has failed.
    Panic,
    /// A temporal policy could not be followed any further; the request was decided on as if it were violated.
    MonitorLimit,
    /// The audit log cannot write; records wait in memory.
    StoreFailing,
    /// No more records fit into memory; what is guarded is refused or goes on unrecorded, as configured.
    SpoolFull,
    /// Records are not as they were written; the log goes on in a new segment.
    ChainBroken,
}

impl Alarm {
    pub(crate) const ALL: [Self; 5] =
        [Self::Panic, Self::MonitorLimit, Self::StoreFailing, Self::SpoolFull, Self::ChainBroken];

    /// Its name in logs, metrics and records.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Panic => "handler_panicked",
            Self::MonitorLimit => "monitor_limit",
            Self::StoreFailing => "audit_store_failing",
            Self::SpoolFull => "audit_spool_full",
            Self::ChainBroken => "audit_chain_broken",
        }
    }
}

/// Raises an alarm about a request. `details` never hold text of callers.
pub(crate) fn about_request(app: &App, alarm: Alarm, subject: &Subject<'_>, details: Value) {
    tracing::error!(alarm = alarm.as_str(), request_id = subject.request_id, %details, "alarm");
    app.metrics.alarmed(alarm);
    let body = json!({ "event": alarm.as_str(), "details": details });
    if app.recorder.append(subject, "alarm", body).is_err() {
        tracing::error!(alarm = alarm.as_str(), "the audit log did not take an alarm");
    }
}

/// Raises an alarm about the audit log, which is the last that could take it.
fn about_log(app: &App, alarm: Alarm, reason: &str) {
    tracing::error!(alarm = alarm.as_str(), reason, "alarm");
    app.metrics.alarmed(alarm);
    let subject = Subject { at_ms: now_ms(), request_id: "", tenant: "" };
    app.recorder.tell(&subject, "alarm", json!({ "event": alarm.as_str() }));
}

/// What has been told about the audit log.
#[derive(Default)]
struct Told {
    failing: bool,
    refused: u64,
    breaks: u64,
}

/// Looks at the audit log again and again, for as long as it is polled.
pub(crate) async fn watch(app: Arc<App>) {
    let Some(log) = app.recorder.log().cloned() else { return };
    let mut told = Told::default();
    loop {
        told.look(&app, &log);
        tokio::time::sleep(LOOK).await;
    }
}

impl Told {
    fn look(&mut self, app: &App, log: &AuditLog) {
        let counters = log.counters();
        match log.health() {
            Health::Degraded { reason, .. } if !self.failing => {
                self.failing = true;
                about_log(app, Alarm::StoreFailing, &reason);
            }
            Health::Healthy if self.failing => {
                self.failing = false;
                tracing::info!(waiting = counters.spool_len, "the audit log can write again");
            }
            _ => {}
        }
        if counters.refused > self.refused {
            about_log(app, Alarm::SpoolFull, "records were not taken");
        }
        if counters.breaks > self.breaks {
            about_log(
                app,
                Alarm::ChainBroken,
                "records are not as they were written; a new segment was begun",
            );
        }
        (self.refused, self.breaks) = (counters.refused, counters.breaks);
    }
}
