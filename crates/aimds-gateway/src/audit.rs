//! What goes into the audit log: which request, what was decided and why, what then happened. Never text, and no hash
//! of a text either: most prompts are short or known, so that whoever reads the log could guess them from their hash.

use std::sync::Arc;
use std::time::Duration;

use aimds_engine::vault::Met;
use aimds_engine::{Detector, Verdict, VerdictFinding};
use aimds_store::{AppendError, AuditLog, Health, Record, Ticket};
use serde_json::{Value, json};

use crate::metrics::{AuditState, Direction};
use crate::siem::Siem;
use crate::vault::Use;

/// Findings of one decision that are recorded one by one. What is beyond is counted.
const MAX_FINDINGS: usize = 64;

/// How long a caller waits for a record that it is told of.
const PATIENCE: Duration = Duration::from_secs(5);

/// The log, or the operator's choice to have none; and who is told of detections at once.
#[derive(Clone)]
pub(crate) struct Recorder {
    log: Option<Arc<AuditLog>>,
    siem: Arc<Siem>,
}

/// Whose event it is.
pub(crate) struct Subject<'a> {
    pub(crate) at_ms: u64,
    pub(crate) request_id: &'a str,
    pub(crate) tenant: &'a str,
}

impl Subject<'_> {
    fn record(&self, kind: &str, body: Value) -> Record {
        Record {
            at_ms: self.at_ms,
            request_id: self.request_id.to_owned(),
            tenant: self.tenant.to_owned(),
            kind: kind.to_owned(),
            body,
        }
    }
}

/// The log did not take a record.
pub(crate) struct NotTaken;

impl Recorder {
    pub(crate) fn new(log: Option<Arc<AuditLog>>, siem: Siem) -> Self {
        Self { log, siem: Arc::new(siem) }
    }

    pub(crate) fn is_on(&self) -> bool {
        self.log.is_some() || self.siem.is_on()
    }

    /// Who is told of detections.
    pub(crate) fn siem(&self) -> &Siem {
        &self.siem
    }

    /// The log itself, if there is one.
    pub(crate) fn log(&self) -> Option<&Arc<AuditLog>> {
        self.log.as_ref()
    }

    /// Tells whoever is told of detections, and nobody else.
    pub(crate) fn tell(&self, subject: &Subject<'_>, kind: &str, body: Value) {
        self.siem.offer(&subject.record(kind, body));
    }

    /// Queues a record, and tells whoever is told of detections. Touches no file.
    pub(crate) fn append(&self, subject: &Subject<'_>, kind: &str, body: Value) -> Result<(), NotTaken> {
        self.queue(subject, kind, body).map(|_| ())
    }

    /// Queues a record and waits until it is on the disk, for at most five seconds.
    pub(crate) async fn keep(&self, subject: &Subject<'_>, kind: &str, body: Value) -> Result<(), NotTaken> {
        let Some(ticket) = self.queue(subject, kind, body)? else { return Ok(()) };
        let kept = tokio::task::spawn_blocking(move || ticket.wait_timeout(PATIENCE)).await;
        if matches!(kept, Ok(Some(Ok(_)))) { Ok(()) } else { Err(NotTaken) }
    }

    fn queue(&self, subject: &Subject<'_>, kind: &str, body: Value) -> Result<Option<Ticket>, NotTaken> {
        if !self.is_on() {
            return Ok(None);
        }
        let record = subject.record(kind, body);
        self.siem.offer(&record);
        let Some(log) = &self.log else { return Ok(None) };
        match log.append(record) {
            Ok(ticket) => Ok(Some(ticket)),
            Err(AppendError::SpoolFull) => Err(NotTaken),
            Err(error) => {
                tracing::error!(%error, "the audit log refused a record");
                Err(NotTaken)
            }
        }
    }

    /// For /metrics and /readyz; `None` where there is no log.
    pub(crate) fn state(&self) -> Option<AuditState> {
        let log = self.log.as_ref()?;
        Some(AuditState {
            spooled: u64::try_from(log.counters().spool_len).unwrap_or(u64::MAX),
            healthy: log.health() == Health::Healthy,
        })
    }
}

/// The body of a `decision` record.
pub(crate) fn decision(
    route: &str,
    key: &str,
    session: Option<String>,
    direction: Direction,
    verdict: &Verdict,
    took: Duration,
) -> Value {
    // Names come last: there may be many, and they must not leave out what matters more.
    let tagged = |finding: &&VerdictFinding| finding.detector == Detector::Tagger.as_str();
    let others = verdict.findings.iter().filter(|finding| !tagged(finding));
    let findings: Vec<_> = others
        .chain(verdict.findings.iter().filter(tagged))
        .take(MAX_FINDINGS)
        .map(|finding| {
            json!({
                "category": finding.category,
                "detector": finding.detector,
                "rule": finding.rule,
                "confidence": finding.confidence,
                "message": finding.message,
                "start": finding.start,
                "end": finding.end,
            })
        })
        .collect();
    json!({
        "route": route,
        "key": key,
        "session": session,
        "direction": direction.as_str(),
        "decision": verdict.decision,
        "would": verdict.would,
        "score": verdict.score,
        "categories": verdict.categories,
        "findings": findings,
        "findings_total": verdict.findings.len(),
        "violations": verdict.violations,
        "path": verdict.path,
        "degraded": verdict.degraded,
        "exhausted": verdict.exhausted,
        "engine_us": micros(took),
    })
}

/// The body of an `outcome` record: what became of a forwarded request.
/// `routing` is how the router decided, where there is one.
pub(crate) fn outcome(
    route: &str,
    result: &str,
    upstream_status: Option<u16>,
    took: Duration,
    routing: Option<Value>,
) -> Value {
    let mut body = json!({
        "route": route,
        "result": result,
        "upstream_status": upstream_status,
        "duration_us": micros(took),
    });
    if let (Some(routing), Some(body)) = (routing, body.as_object_mut()) {
        body.insert("routing".into(), routing);
    }
    body
}

/// The body of a `vault` record: how many places of personal data were kept or redacted for good on the way to the model, and
/// restored or withheld on the way back.
pub(crate) fn vault(route: &str, used: &Use, met: Met) -> Value {
    json!({
        "route": route,
        "session": used.session,
        "kept": used.kept.kept,
        "gone": used.kept.gone,
        "restored": met.restored,
        "withheld": met.withheld,
    })
}

/// Whole microseconds.
pub(crate) fn micros(took: Duration) -> u64 {
    u64::try_from(took.as_micros()).unwrap_or(u64::MAX)
}
