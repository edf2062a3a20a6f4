//! The in-line proxy, the same for every provider. Request and answer are inspected; what goes on is made from what the
//! policy has cleared, and from nothing else.

use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use aimds_engine::vault::Restoration;
use aimds_engine::{Action, Cleared, Conversation, Measure, Order, Said};
use axum::body::{Body, Bytes};
use axum::http::{HeaderMap, Request, Response, StatusCode, Uri};

use super::attempts;
use super::decided;
use super::relay;
use super::release;
use super::review;
use crate::app::{Call, Inspection, now_ms};
use crate::config::BlockShape;
use crate::error::{Failure, json_response};
use crate::json::{self, Document, Kind};
use crate::metrics::Direction;
use crate::mitigation::{Done, Ordered, Prepared, Refused};
use crate::providers::{self, Found, Outbound, Provider, Refusal};
use crate::review::{Answer as Reviewed, Escalated, Standing, permit};
use crate::router::{Desk, Journey, Question, Signs, Surface};
use crate::telemetry::{Calling, Trace};
use crate::upstream::{Answer, Server, Upstream};
use crate::vault::Use;

/// What a caller asked for, as far as the answer depends on it.
pub(super) struct Wanted {
    pub(super) provider: &'static dyn Provider,
    pub(super) refusal: Refusal,
    pub(super) stream: bool,
    /// What the policy said about the request.
    pub(super) asked: Action,
    /// What the answer gets back.
    pub(super) restoration: Option<Arc<Restoration>>,
}

pub(crate) async fn answer(
    provider: &'static dyn Provider,
    call: Call,
    request: Request<Body>,
) -> Result<Response<Body>, Failure> {
    let app = Arc::clone(&call.app);
    let way = match &app.router {
        None => Way::Straight(app.upstream.service(provider.service())?),
        Some(router) => Way::Routed(router, router.standing(call.tenant(), call.key_id())?),
    };
    let (parts, body) = request.into_parts();
    let original = call.body(&parts.headers, body).await?;
    let mut read = Read::parse(&call, provider, &parts.uri, original)?;
    let mut inspection = call.inspect(Direction::Request, &read.conversation)?;
    let (mut granted, mut standing) = (None, None);
    match call.reviewed(&parts.uri, &read, &inspection).await? {
        Reviewed::NobodyAsked => {}
        Reviewed::Stands(stands) => standing = Some(stands),
        Reviewed::Approved(approved) => {
            if !approved.edits.is_empty() {
                let body = review::edited(&read.document, &read.spans, &approved.edits)?;
                read = Read::parse(&call, provider, &parts.uri, body.into())?;
                inspection = call.inspect(Direction::Request, &read.conversation)?;
            }
            granted = call.granted(approved, Direction::Request, &parts.uri, &read.original);
        }
    }
    let Read { original, document, conversation, spans, model, stream, path, usage } = read;
    let (decided_at, orders) = (inspection.decided, inspection.outcome.decision.orders().to_vec());
    let (id, text) = (call.id.as_str().to_owned(), call.app.block.text.clone());
    let refusal = Refusal { id, model, text, created: now_ms() / 1000, usage };
    let mut asked = inspection.outcome.decision.action();
    let mut wanted = Wanted { provider, refusal, stream, asked, restoration: None };
    let Some(permit) = permit(inspection.outcome.decision, granted.as_ref()) else {
        return turned_down(&call, &wanted, asked, (&orders, decided_at), standing.as_ref());
    };
    if asked == Action::Escalate {
        asked = permit.action();
        wanted.asked = asked;
    }
    let assessment = inspection.outcome.assessment;
    let signs = matches!(way, Way::Routed(..))
        .then(|| Signs::of(&conversation, &document, &assessment, &parts.headers));
    let ordered = Ordered::by(&permit, &orders, decided_at, granted.as_ref());
    let (cleared, used) = match app.vaults.as_ref().filter(|_| provider.answers_in_words()) {
        None => (Cleared::new(permit, conversation), Use::default()),
        Some(vaults) => {
            let whose = (call.tenant(), call.id.as_str());
            vaults.clear(whose, (&parts.headers, &document), permit, conversation).await?
        }
    };
    let Some(Prepared { cleared, reminder }) = call.prepare(provider, &document, &ordered, cleared)? else {
        return turned_down(&call, &wanted, Action::Block, (&orders, decided_at), None);
    };
    wanted.restoration.clone_from(&used.restoration);
    let headers = &parts.headers;
    let forward = Forward {
        provider,
        cleared: &cleared,
        spans: &spans,
        document: &document,
        reminder,
        original,
        path,
        stream,
        headers,
        model: &wanted.refusal.model,
        trace: call.trace.clone(),
    };

    let mut exchange = Exchange::new(call, used);
    let model = &wanted.refusal.model;
    let mut reply = match exchange.reply(way, signs, model, &forward).await {
        Ok(reply) => reply,
        Err(failure) => {
            exchange.end(failure.code(), None);
            return Err(failure);
        }
    };
    exchange.call.trace.answered_by(reply.span.take());
    let status = reply.head.status;
    let own_key = exchange.own_key;
    let said = Said { conversation: cleared.into_conversation(), assessment };
    let released = match reply.stream {
        Some(events) => return relay::answer(exchange, wanted, said, reply.head, events).await,
        None => {
            let answer = (&reply.head, reply.body.clone());
            release::release(&exchange.call, &wanted, &said, &parts.uri, answer, own_key).await
        }
    };
    let result = match &released {
        Ok(_) => "answered",
        Err(failure) => failure.code(),
    };
    if let (Ok((_, answered)), true) = (&released, status.is_success()) {
        exchange.keep(*answered, reply.body);
    }
    exchange.end(result, Some(status.as_u16()));
    let (mut response, answered) = released?;
    exchange.stamp(response.headers_mut());
    Ok(decided(response, asked.max(answered)))
}

/// A request, as its provider reads it.
struct Read {
    original: Bytes,
    document: Document,
    conversation: Conversation,
    spans: Vec<Range<usize>>,
    model: String,
    stream: bool,
    path: String,
    usage: bool,
}

impl Read {
    fn parse(call: &Call, provider: &dyn Provider, uri: &Uri, original: Bytes) -> Result<Self, Failure> {
        let document = Document::parse(json::check(&original, call.app.limits.json_depth)?)?;
        if !matches!(document.root.kind, Kind::Object(_)) {
            return Err(Failure::Invalid("the body must be an object".to_owned()));
        }
        let providers::Asked { texts, model, stream, path, usage } = provider.asked(&document, uri)?;
        let Found { conversation, spans, .. } = texts.found;
        Ok(Self { original, document, conversation, spans, model, stream, path, usage })
    }
}

impl Call {
    /// Whether somebody has approved what the policy escalates.
    async fn reviewed(&self, uri: &Uri, read: &Read, inspection: &Inspection) -> Result<Reviewed, Failure> {
        let escalated = Escalated {
            direction: Direction::Request,
            uri,
            body: &read.original,
            editable: true,
            conversation: &read.conversation,
            inspection,
        };
        self.ask_for_review(&escalated).await
    }
}

/// Where a request goes.
enum Way<'a> {
    /// To the one upstream of its provider.
    Straight(Server<'a>),
    /// Where the router says; with the share of a budget that is near its end.
    Routed(&'a Arc<Desk>, Option<u64>),
}

/// A cleared request, to be sent to any server.
pub(super) struct Forward<'a> {
    pub(super) provider: &'static dyn Provider,
    cleared: &'a Cleared,
    spans: &'a [Range<usize>],
    document: &'a Document,
    /// What tells the model which texts are marked, and its place.
    reminder: Option<(Range<usize>, String)>,
    original: Bytes,
    path: String,
    pub(super) stream: bool,
    pub(super) headers: &'a HeaderMap,
    /// The model that the caller named.
    model: &'a str,
    trace: Trace,
}

impl Forward<'_> {
    /// Who calls which model, for the trace: the one that the caller named unless it is another.
    pub(super) fn calling<'a>(&'a self, model: Option<&'a str>) -> Calling<'a> {
        let (trace, surface) = (&self.trace, self.provider.surface());
        Calling { trace, surface, model: model.unwrap_or(self.model), stream: self.stream }
    }

    /// What is sent, to another model than the caller named where there is one.
    pub(super) fn outbound(&self, model: Option<&str>) -> Result<Outbound, Failure> {
        let (in_body, path) = match model {
            Some(model) if self.provider.surface() == Surface::Gemini => (None, renamed(&self.path, model)),
            model => (model, self.path.clone()),
        };
        let outbound = Outbound::new(
            self.cleared,
            self.spans,
            self.document,
            self.original.clone(),
            in_body,
            self.reminder.clone(),
        )?;
        Ok(outbound.to(path, self.stream))
    }
}

/// Gemini's address with another model: `/v1/models/{model}:generateContent`.
fn renamed(path: &str, model: &str) -> String {
    match (path.rfind("/models/"), path.rfind(':')) {
        (Some(start), Some(end)) => {
            let before = path.get(..start).unwrap_or_default();
            format!("{before}/models/{model}{}", path.get(end..).unwrap_or_default())
        }
        _ => path.to_owned(),
    }
}

/// Answers a request that does not go on.
fn turned_down(
    call: &Call,
    wanted: &Wanted,
    action: Action,
    (orders, decided_at): (&[Order], Instant),
    standing: Option<&Standing>,
) -> Result<Response<Body>, Failure> {
    let throttle = orders.iter().find(|order| order.measure == Measure::Throttle);
    if let (Action::Throttle, Some(order)) = (action, throttle) {
        return Err(Refused::Throttled { left_ms: u64::from(order.seconds) * 1000 }.into());
    }
    call.done(&call.about("", decided_at), &Done::ok("refuse", "request", 1));
    let mut response = blocked(call, wanted);
    if let Some(standing) = standing {
        review::stamp(response.headers_mut(), standing);
    }
    Ok(decided(response, action))
}

/// A block, in the shape that the operator chose.
pub(super) fn blocked(call: &Call, wanted: &Wanted) -> Response<Body> {
    let shaped = match call.app.block.shape {
        BlockShape::Error => None,
        BlockShape::Refusal if wanted.stream => wanted
            .provider
            .dialogue(wanted.refusal.clone())
            .map(|dialogue| relay::event_stream(Body::from(dialogue.refuse(false)))),
        BlockShape::Refusal => wanted
            .provider
            .refusal(&wanted.refusal)
            .map(|refusal| json_response(StatusCode::OK, refusal.to_string())),
    };
    shaped.unwrap_or_else(|| block_error(call).respond(call.route.shape, call.id.as_str()))
}

/// A block as an error.
pub(super) fn block_error(call: &Call) -> Failure {
    let block = &call.app.block;
    Failure::Blocked { status: block.status, text: block.text.clone() }
}

/// A request that is with the upstream. If it is dropped before its end, the caller has gone away.
pub(super) struct Exchange {
    pub(super) call: Call,
    /// Which way the router sent it, where there is one.
    pub(super) journey: Option<Journey>,
    /// It is not the caller's key with the upstream.
    own_key: bool,
    used: Use,
    open: bool,
}

impl Exchange {
    fn new(call: Call, used: Use) -> Self {
        Self { call, journey: None, own_key: true, used, open: true }
    }

    /// What comes back.
    async fn reply(
        &mut self,
        way: Way<'_>,
        signs: Option<Signs>,
        model: &str,
        forward: &Forward<'_>,
    ) -> Result<Answer, Failure> {
        let upstream = &self.call.app.upstream;
        let (desk, near, signs) = match (way, signs) {
            (Way::Routed(desk, near), Some(signs)) => (desk, near, signs),
            (Way::Straight(server), _) => {
                self.own_key = server.has_key();
                let credentials = server.credentials(forward.headers, &self.call.app.callers);
                let sent = Upstream::request(&server, forward.outbound(None)?, forward.headers, credentials)?;
                return upstream.send(sent, &forward.calling(None), upstream.timeout()).await;
            }
            (Way::Routed(..), None) => return Err(Failure::Internal),
        };
        let question = Question {
            surface: forward.provider.surface(),
            model,
            tenant: self.call.tenant(),
            key: self.call.key_id(),
            signs,
            document: forward.document,
            path: &forward.path,
            headers: forward.headers,
        };
        let journey = self.journey.insert(Journey::begin(desk, &question, near)?);
        attempts::obtain(journey, upstream, forward).await
    }

    /// Keeps an answer that went to the caller as it came.
    pub(super) fn keep(&self, answered: Action, body: Bytes) {
        let whole = answered <= Action::Flag;
        if let Some(journey) = self.journey.as_ref().filter(|journey| whole && body.len() <= journey.keeps())
        {
            journey.keep(body);
        }
    }

    /// Tells the caller which way it went.
    pub(super) fn stamp(&self, headers: &mut HeaderMap) {
        if let Some(journey) = &self.journey {
            journey.stamp(headers);
        }
    }

    /// Time between two pieces of a stream.
    pub(super) fn pause(&self) -> Duration {
        let routed = self.journey.as_ref().and_then(Journey::pause);
        routed.unwrap_or_else(|| self.call.app.upstream.timeout())
    }

    pub(super) fn end(&mut self, result: &str, status: Option<u16>) {
        self.open = false;
        self.call.trace.answer_ended();
        self.call.record_vault(&self.used);
        self.call.record_outcome(result, status, self.journey.as_ref());
    }
}

impl Drop for Exchange {
    fn drop(&mut self) {
        if self.open {
            self.call.app.metrics.cancelled.fetch_add(1, Ordering::Relaxed);
            self.call.record_vault(&self.used);
            self.call.record_outcome("client_disconnected", None, self.journey.as_ref());
        }
    }
}
