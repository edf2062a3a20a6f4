//! The in-line proxy, the same for every provider. Request and answer are inspected; what goes on is made from what the
//! policy has cleared, and from nothing else.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Instant;

use aimds_engine::{Action, Asked, Cleared, Measure, Order};
use axum::body::Body;
use axum::http::{Request, Response, StatusCode};

use super::decided;
use super::relay;
use crate::app::{Call, now_ms};
use crate::config::BlockShape;
use crate::error::{Failure, json_response};
use crate::json::{self, Document, Kind};
use crate::metrics::Direction;
use crate::mitigation::{Done, Prepared, Refused};
use crate::providers::{self, Found, Outbound, Provider, Refusal, Reply};
use crate::upstream::{Answer, Upstream};

/// What a caller asked for, as far as the answer depends on it.
pub(super) struct Wanted {
    pub(super) provider: &'static dyn Provider,
    pub(super) refusal: Refusal,
    pub(super) stream: bool,
    /// What the policy said about the request.
    pub(super) asked: Action,
}

pub(crate) async fn answer(
    provider: &'static dyn Provider,
    call: Call,
    request: Request<Body>,
) -> Result<Response<Body>, Failure> {
    let app = Arc::clone(&call.app);
    let service = app.upstream.service(provider.service())?;
    let (parts, body) = request.into_parts();
    let original = call.body(&parts.headers, body).await?;
    let document = Document::parse(json::check(&original, call.app.limits.json_depth)?)?;
    if !matches!(document.root.kind, Kind::Object(_)) {
        return Err(Failure::Invalid("the body must be an object".to_owned()));
    }
    let providers::Asked { texts, model, stream, path, usage } = provider.asked(&document, &parts.uri)?;
    let Found { conversation, spans, .. } = texts.found;

    let inspection = call.inspect(Direction::Request, &conversation)?;
    let (decided_at, orders) = (inspection.decided, inspection.outcome.decision.orders().to_vec());
    let (id, text) = (call.id.as_str().to_owned(), call.app.block.text.clone());
    let refusal = Refusal { id, model, text, created: now_ms() / 1000, usage };
    let asked = inspection.outcome.decision.action();
    let wanted = Wanted { provider, refusal, stream, asked };
    let Some(permit) = inspection.outcome.decision.into_permit() else {
        return turned_down(&call, &wanted, asked, (&orders, decided_at));
    };
    let assessment = inspection.outcome.assessment;
    let prepared = call.prepare(provider, &document, (permit, &orders), conversation, decided_at)?;
    let Some(Prepared { cleared, reminder }) = prepared else {
        return turned_down(&call, &wanted, Action::Block, (&orders, decided_at));
    };
    let outbound = Outbound::new(&cleared, &spans, &document, original, reminder)?.to(path, stream);

    let credentials = service.credentials(&parts.headers, &call.app.keys);
    let sent = Upstream::request(&service, outbound, &parts.headers, credentials)?;
    let own_key = service.has_key();
    let exchange = Exchange::new(call);
    let reply = match exchange.call.app.upstream.send(sent, stream).await {
        Ok(reply) => reply,
        Err(failure) => {
            exchange.ended(failure.code(), None);
            return Err(failure);
        }
    };
    let status = reply.head.status;
    let released = match reply.stream {
        Some(events) => return relay::answer(exchange, wanted, reply.head, events).await,
        None => {
            let asked = Asked { conversation: cleared.conversation(), assessment: &assessment };
            release(&exchange.call, &wanted, &asked, &reply, own_key)
        }
    };
    let result = match &released {
        Ok(_) => "answered",
        Err(failure) => failure.code(),
    };
    exchange.ended(result, Some(status.as_u16()));
    let (response, answered) = released?;
    Ok(decided(response, asked.max(answered)))
}

/// Inspects what came back and shapes it for the caller.
fn release(
    call: &Call,
    wanted: &Wanted,
    asked: &Asked<'_>,
    reply: &Answer,
    own_key: bool,
) -> Result<(Response<Body>, Action), Failure> {
    let status = reply.head.status;
    let required = match status.as_u16() {
        // An answer that was to come in events came without them.
        200..=299 if wanted.stream => return Err(Failure::UpstreamGarbage),
        200..=299 => wanted.provider.required(),
        // The gateway's own key is not the caller's business.
        401 | 403 if own_key => return Err(Failure::UpstreamFailed),
        400..=499 => &["error"],
        504 => return Err(Failure::UpstreamSlow),
        500..=599 => return Err(Failure::UpstreamFailed),
        _ => return Err(Failure::UpstreamGarbage),
    };
    let parsed = Reply::parse(&reply.body, required)?;
    let Found { conversation, spans, repetitions } = parsed.texts()?;
    let inspection = match call.inspect_answer(asked, &conversation) {
        Err(Failure::Invalid(_)) => return Err(Failure::UpstreamGarbage),
        other => other?,
    };
    let action = inspection.outcome.decision.action();
    let about = call.about("", inspection.decided);
    let Some(permit) = inspection.outcome.decision.into_permit() else {
        call.done(&about, &Done::ok("refuse", "response", 1));
        return Ok((blocked(call, wanted), action));
    };
    let cleared = Cleared::new(permit, conversation);
    if !cleared.edits().is_empty() {
        call.done(&about, &Done::ok("redact", "response", cleared.edits().len()));
    }
    let body = parsed.release(&cleared, &spans, &repetitions, reply.body.clone())?;
    let mut response = json_response(status, body);
    response.headers_mut().extend(reply.head.headers.clone());
    Ok((response, action))
}

/// Answers a request that does not go on.
fn turned_down(
    call: &Call,
    wanted: &Wanted,
    action: Action,
    (orders, decided_at): (&[Order], Instant),
) -> Result<Response<Body>, Failure> {
    let throttle = orders.iter().find(|order| order.measure == Measure::Throttle);
    if let (Action::Throttle, Some(order)) = (action, throttle) {
        return Err(Refused::Throttled { left_ms: u64::from(order.seconds) * 1000 }.into());
    }
    call.done(&call.about("", decided_at), &Done::ok("refuse", "request", 1));
    Ok(decided(blocked(call, wanted), action))
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
    open: bool,
}

impl Exchange {
    fn new(call: Call) -> Self {
        Self { call, open: true }
    }

    fn ended(mut self, result: &str, status: Option<u16>) {
        self.end(result, status);
    }

    pub(super) fn end(&mut self, result: &str, status: Option<u16>) {
        self.open = false;
        self.call.record_outcome(result, status);
    }
}

impl Drop for Exchange {
    fn drop(&mut self) {
        if self.open {
            self.call.app.metrics.cancelled.fetch_add(1, Ordering::Relaxed);
            self.call.record_outcome("client_disconnected", None);
        }
    }
}
