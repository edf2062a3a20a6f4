//! `POST /v1/chat/completions`: the in-line proxy. Request and answer are each inspected whole; what goes on is made
//! from what the policy has cleared, and from nothing else.

use std::sync::atomic::Ordering;

use aimds_engine::{Action, Cleared};
use axum::body::{Body, Bytes};
use axum::http::{HeaderMap, HeaderValue, Request, Response, StatusCode, header};
use serde_json::Value;

use super::decided;
use crate::app::{Call, now_ms};
use crate::auth::bearer;
use crate::config::BlockShape;
use crate::error::{Failure, json_response};
use crate::json;
use crate::metrics::Direction;
use crate::openai::{ChatRequest, Outbound, Reply, refusal};
use crate::sse;
use crate::upstream;

/// How the caller wants its answer.
struct Wanted {
    model: String,
    stream: bool,
    include_usage: bool,
}

pub(crate) async fn answer(call: Call, request: Request<Body>) -> Result<Response<Body>, Failure> {
    let upstream = call.app.upstream.as_ref().ok_or(Failure::NoUpstream)?;
    let (parts, body) = request.into_parts();
    let original = call.body(&parts.headers, body).await?;
    let text = json::check(&original, call.app.limits.json_depth)?;
    let ChatRequest { conversation, model, stream, include_usage, document } = ChatRequest::parse(text)?;
    let wanted = Wanted { model, stream, include_usage };

    let inspection = call.inspect(Direction::Request, &conversation)?;
    let asked = inspection.outcome.decision.action();
    let Some(permit) = inspection.outcome.decision.into_permit() else {
        return Ok(decided(blocked(&call, &wanted), asked));
    };
    let cleared = Cleared::new(permit, conversation);
    let outbound = Outbound::new(&cleared, &document, original)?;

    let authorization = if upstream.has_key() { None } else { passed_on(&call, &parts.headers) };
    let forwarded = Forwarded::new(&call);
    let reply = match upstream.send(outbound, &parts.headers, authorization).await {
        Ok(reply) => reply,
        Err(failure) => {
            forwarded.ended(failure.code(), None);
            return Err(failure);
        }
    };
    let status = reply.status;
    let released = release(&call, &wanted, reply, upstream.has_key());
    let result = match &released {
        Ok(_) => "answered",
        Err(failure) => failure.code(),
    };
    forwarded.ended(result, Some(status.as_u16()));
    let (response, answered) = released?;
    Ok(decided(response, asked.max(answered)))
}

/// Inspects what came back and shapes it for the caller.
fn release(
    call: &Call,
    wanted: &Wanted,
    reply: upstream::Answer,
    own_key: bool,
) -> Result<(Response<Body>, Action), Failure> {
    let upstream::Answer { status, headers, body } = reply;
    let required = match status.as_u16() {
        200..=299 => "choices",
        // The gateway's own key is not the caller's business.
        401 | 403 if own_key => return Err(Failure::UpstreamFailed),
        400..=499 => "error",
        504 => return Err(Failure::UpstreamSlow),
        500..=599 => return Err(Failure::UpstreamFailed),
        _ => return Err(Failure::UpstreamGarbage),
    };
    let Reply { conversation, document } = Reply::parse(&body, required)?;
    let inspection = match call.inspect(Direction::Response, &conversation) {
        Err(Failure::Invalid(_)) => return Err(Failure::UpstreamGarbage),
        other => other?,
    };
    let action = inspection.outcome.decision.action();
    let Some(permit) = inspection.outcome.decision.into_permit() else {
        return Ok((blocked(call, wanted), action));
    };
    let cleared = Cleared::new(permit, conversation);
    let body = Reply::release(&cleared, &document, body)?;
    let mut response = if wanted.stream && status.is_success() {
        streamed(&body, wanted)?
    } else {
        json_response(status, body)
    };
    for (name, value) in &headers {
        response.headers_mut().insert(name, value.clone());
    }
    Ok((response, action))
}

fn streamed(body: &Bytes, wanted: &Wanted) -> Result<Response<Body>, Failure> {
    let answer: Value = serde_json::from_slice(body).map_err(|_| Failure::UpstreamGarbage)?;
    Ok(event_stream(&answer, wanted))
}

fn event_stream(answer: &Value, wanted: &Wanted) -> Response<Body> {
    let mut response = Response::new(Body::from(sse::chat_stream(answer, wanted.include_usage)));
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/event-stream; charset=utf-8"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    response
}

/// A block, in the shape that the operator chose.
fn blocked(call: &Call, wanted: &Wanted) -> Response<Body> {
    let block = &call.app.block;
    match block.shape {
        BlockShape::Error => {
            let failure = Failure::Blocked { status: block.status, text: block.text.clone() };
            failure.respond(call.route.shape, call.id.as_str())
        }
        BlockShape::Refusal => {
            let answer = refusal(&call.id, &wanted.model, &block.text, now_ms());
            match wanted.stream {
                true => event_stream(&answer, wanted),
                false => json_response(StatusCode::OK, answer.to_string()),
            }
        }
    }
}

/// The caller's `Authorization` header, unless it is what let the caller in here.
fn passed_on<'a>(call: &Call, headers: &'a HeaderMap) -> Option<&'a HeaderValue> {
    let own = bearer(headers).is_some_and(|token| call.app.keys.is_own(token));
    headers.get(header::AUTHORIZATION).filter(|_| !own)
}

/// A request that is with the upstream. If it is dropped before its end, the caller has gone away.
struct Forwarded<'a> {
    call: &'a Call,
    open: bool,
}

impl<'a> Forwarded<'a> {
    fn new(call: &'a Call) -> Self {
        Self { call, open: true }
    }

    fn ended(mut self, result: &str, status: Option<u16>) {
        self.open = false;
        self.call.record_outcome(result, status);
    }
}

impl Drop for Forwarded<'_> {
    fn drop(&mut self) {
        if self.open {
            self.call.app.metrics.cancelled.fetch_add(1, Ordering::Relaxed);
            self.call.record_outcome("client_disconnected", None);
        }
    }
}
