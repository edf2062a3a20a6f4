//! What every request shares ([`App`]) and what belongs to one ([`Call`]): reading its body, asking the engine,
//! recording the answer.

use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use aimds_engine::vault::Met;
use aimds_engine::{
    Action, Asked, Conversation, Degraded, Engine, Kept, Outcome, Policy, Session, Timestamp, Verdict,
};
use axum::body::{Body, Bytes};
use axum::http::header;
use http_body_util::{BodyExt as _, LengthLimitError, Limited};
use serde::de::DeserializeOwned;
use tokio::runtime::{Handle, RuntimeFlavor};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::address::Network;
use crate::alarm::{self, Alarm};
use crate::audit::{self, Recorder, Subject};
use crate::auth::{Callers, Principal};
use crate::config::{Block, Limits, OnFull};
use crate::error::{Failure, explain};
use crate::json;
use crate::learning::{Considered, Learning};
use crate::memory::Memory;
use crate::metrics::{Direction, Metrics};
use crate::mitigation::{Concerned, Mitigations};
use crate::rate_limits::RateLimits;
use crate::request_id::RequestId;
use crate::review::Reviews;
use crate::router::{Desk, Journey};
use crate::routes::Route;
use crate::session_key::SessionKey;
use crate::sessions::{Of, Remembered};
use crate::stream::hold_back::Window;
use crate::telemetry::{Guarded, Telemetry, Trace};
use crate::upstream::Upstream;
use crate::vault::{Use, Vaults};

/// Texts together larger than this are scanned where they do not hold up other requests.
const INLINE_BYTES: usize = 16 << 10;

/// Texts of one conversation. More is refused: each costs memory beyond its bytes.
pub(crate) const MAX_TEXTS: usize = 4096;

/// How long and how much of a refused body is still read, so that the caller sees the answer and not a reset.
const DISCARD_TIME: Duration = Duration::from_secs(1);
const DISCARD_TIMES_LIMIT: usize = 4;

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

/// One request that has been let in.
pub(crate) struct Call {
    pub(crate) app: Arc<App>,
    pub(crate) id: RequestId,
    /// Who is calling; `None` where the route asks nobody.
    pub(crate) principal: Option<Arc<Principal>>,
    /// The session that the caller names.
    pub(crate) session: Option<SessionKey>,
    pub(crate) route: &'static Route,
    /// What is told of it to those who watch.
    pub(crate) trace: Trace,
    /// What its lines in the log carry.
    pub(crate) log: tracing::Span,
    pub(crate) started: Instant,
    /// Its place among the requests in progress, kept until its answer has ended.
    pub(crate) _place: Option<OwnedSemaphorePermit>,
    pub(crate) _in_flight: Gauge,
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

/// What the engine says about one conversation.
pub(crate) struct Inspection {
    pub(crate) outcome: Outcome,
    pub(crate) verdict: Verdict,
    /// When it was known.
    pub(crate) decided: Instant,
    /// What the policy would have done that is asked beside the one in force.
    shadow: Option<Action>,
    /// What it made of the session.
    session: Session,
    /// What the learner made of it.
    considered: Option<Considered>,
    /// Keyed hash of the texts, for the trace.
    hash: Option<String>,
    took: Duration,
}

impl Call {
    /// The name of the caller, empty where nobody is asked.
    pub(crate) fn key_id(&self) -> &str {
        self.principal.as_ref().map_or("", |principal| principal.id())
    }

    /// Whose request it is.
    pub(crate) fn tenant(&self) -> &str {
        self.principal.as_ref().map_or("", |principal| principal.tenant())
    }

    /// The session that it belongs to, if its caller names one.
    fn session(&self) -> Option<Of<'_>> {
        self.session.map(|session| Of { tenant: self.tenant(), api_key: self.key_id(), session })
    }

    /// Takes the session from the body of a request, where its shape has a place for it, and asks whether it is held.
    pub(crate) async fn name_session(&mut self, session: &str) -> Result<(), Failure> {
        let session = Some(SessionKey::of(self.tenant(), session)?);
        self.session = session;
        if let Some(principal) = &self.principal {
            self.app.mitigations.admit(principal, session, self.route.guarded, now_ms()).await?;
        }
        Ok(())
    }

    /// Reads the body, within the limits on size and time.
    pub(crate) async fn body(&self, headers: &axum::http::HeaderMap, body: Body) -> Result<Bytes, Failure> {
        let limits = &self.app.limits;
        let too_large = Failure::TooLarge { limit: limits.body_bytes };
        let announced = headers
            .get(header::CONTENT_LENGTH)
            .and_then(|length| length.to_str().ok())
            .and_then(|length| length.parse::<u64>().ok());
        if announced.is_some_and(|length| length > limits.body_bytes as u64) {
            if !headers.contains_key(header::EXPECT) {
                discard(body, limits.body_bytes).await;
            }
            return Err(too_large);
        }
        let collect = Limited::new(body, limits.body_bytes).collect();
        match tokio::time::timeout(limits.request_timeout, collect).await {
            Ok(Ok(whole)) => Ok(whole.to_bytes()),
            Ok(Err(error)) if error.is::<LengthLimitError>() => Err(too_large),
            Ok(Err(_)) => Err(Failure::BodyBroken),
            Err(_) => Err(Failure::BodyTimeout),
        }
    }

    /// Reads a JSON body of a known shape. Members that the shape does not know are ignored.
    pub(crate) async fn json<T: DeserializeOwned>(
        &self,
        headers: &axum::http::HeaderMap,
        body: Body,
    ) -> Result<(T, Bytes), Failure> {
        let bytes = self.body(headers, body).await?;
        let text = json::check(&bytes, self.app.limits.json_depth)?;
        let value = serde_json::from_str(text).map_err(|error| explain(&error))?;
        json::refuse_twice(text)?;
        Ok((value, bytes))
    }

    /// Asks the engine and records what it says. An error means that the answer must not be used.
    pub(crate) fn inspect(
        &self,
        direction: Direction,
        conversation: &Conversation,
    ) -> Result<Inspection, Failure> {
        let mut inspection = self.look(conversation)?;
        if direction == Direction::Request {
            self.consider(conversation, &mut inspection);
        }
        self.settle(direction, &inspection)?;
        Ok(inspection)
    }

    /// Asks the learner, which can only make the decision stricter.
    fn consider(&self, conversation: &Conversation, inspection: &mut Inspection) {
        let Some(learning) = &self.app.learning else { return };
        let Inspection { outcome, verdict, considered, took, .. } = inspection;
        let before = outcome.decision.would();
        *considered = Some(learning.consider(&outcome.assessment, &mut outcome.decision));
        if outcome.decision.would() != before {
            *verdict = Verdict::new(outcome, conversation, Some(audit::micros(*took)));
        }
    }

    /// Asks the engine about an answer and records what it says.
    pub(crate) fn inspect_answer(
        &self,
        asked: &Asked<'_>,
        answer: &Conversation,
    ) -> Result<Inspection, Failure> {
        let inspection = self.look_after(Some(asked), answer)?;
        self.settle(Direction::Response, &inspection)?;
        Ok(inspection)
    }

    /// Asks the engine. What it says about a part of an answer is not yet a decision.
    pub(crate) fn look(&self, conversation: &Conversation) -> Result<Inspection, Failure> {
        self.look_after(None, conversation)
    }

    /// The same about a part of the answer to what was `asked`.
    pub(crate) fn look_at_answer(
        &self,
        asked: &Asked<'_>,
        part: &Conversation,
    ) -> Result<Inspection, Failure> {
        self.look_after(Some(asked), part)
    }

    fn look_after(
        &self,
        asked: Option<&Asked<'_>>,
        conversation: &Conversation,
    ) -> Result<Inspection, Failure> {
        if conversation.messages.len() > MAX_TEXTS {
            return Err(Failure::Invalid(format!("the request holds more than {MAX_TEXTS} texts")));
        }
        let app = &self.app;
        let started = Instant::now();
        let now = Timestamp(now_ms());
        let opened = app.sessions.open(self.session(), self.tenant(), now);
        // Each pass begins with the session as it was opened: none may see the request twice.
        let inspect = |expired: &dyn Fn() -> bool| {
            let mut session = opened.clone();
            let outcome = match asked {
                None => app.engine.inspect_until(conversation, &mut session, now, expired),
                Some(asked) => app.engine.inspect_answer(asked, conversation, &mut session, now, expired),
            };
            (outcome, session)
        };
        // Time is up at once: whether the deep path is wanted shows without holding up this thread for it.
        let fast = || inspect(&|| true);
        let bytes: usize = conversation.messages.iter().map(|message| message.text.len()).sum();
        let (mut outcome, mut session) = if bytes > INLINE_BYTES { beside(fast) } else { fast() };
        if outcome.assessment.degraded() == Some(Degraded::Late)
            && let Ok(_place) = app.deep.try_acquire()
        {
            (outcome, session) = beside(|| inspect(&|| started.elapsed() > app.limits.deep_deadline));
        }
        let took = started.elapsed();
        let shadow = app.shadow.as_ref().map(|policy| match asked {
            None => policy.decide(conversation, &outcome.assessment, self.tenant()).action(),
            Some(asked) => {
                policy.decide_answer(asked, conversation, &outcome.assessment, self.tenant()).action()
            }
        });
        let verdict = Verdict::new(&outcome, conversation, Some(audit::micros(took)));
        let decided = Instant::now();
        let hash = self.trace.hash(conversation);
        Ok(Inspection { outcome, verdict, decided, shadow, session, considered: None, hash, took })
    }

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

/// Milliseconds since the Unix epoch.
pub(crate) fn now_ms() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

/// Does long work where it does not hold up other requests, if the runtime can replace a thread that is busy.
pub(crate) fn beside<T>(work: impl FnOnce() -> T) -> T {
    let may_block =
        Handle::try_current().is_ok_and(|handle| handle.runtime_flavor() == RuntimeFlavor::MultiThread);
    if may_block { tokio::task::block_in_place(work) } else { work() }
}

async fn discard(mut body: Body, limit: usize) {
    let mut left = limit.saturating_mul(DISCARD_TIMES_LIMIT);
    let read = async {
        while let Some(Ok(frame)) = body.frame().await {
            left = left.saturating_sub(frame.data_ref().map_or(0, Bytes::len));
            if left == 0 {
                break;
            }
        }
    };
    let _ = tokio::time::timeout(DISCARD_TIME, read).await;
}
