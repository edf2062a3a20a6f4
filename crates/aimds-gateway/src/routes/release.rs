//! What became of an answer in one piece: inspected, held for a person where the policy wants one, shaped for the caller.

use aimds_engine::{Action, Cleared, Said};
use axum::body::{Body, Bytes};
use axum::http::{HeaderMap, Response, Uri};

use super::proxy::{Wanted, blocked};
use super::review;
use crate::app::Call;
use crate::error::{Failure, json_response};
use crate::metrics::Direction;
use crate::mitigation::Done;
use crate::providers::{Found, Reply};
use crate::review::{Answer as Reviewed, Escalated, permit};
use crate::upstream::Head;

/// Inspects what came back and shapes it for the caller.
pub(super) async fn release(
    call: &Call,
    wanted: &Wanted,
    said: &Said,
    uri: &Uri,
    (head, body): (&Head, Bytes),
    own_key: bool,
) -> Result<(Response<Body>, Action), Failure> {
    let required = match head.status.as_u16() {
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
    let parsed = Reply::parse(&body, required)?;
    call.trace.read(parsed.document());
    let Found { conversation, spans, repetitions } = parsed.texts()?;
    let inspection = match call.inspect_answer(&said.asked(), &conversation) {
        Err(Failure::Invalid(_)) => return Err(Failure::UpstreamGarbage),
        other => other?,
    };
    let escalated = Escalated {
        direction: Direction::Response,
        uri,
        body: &body,
        editable: false,
        conversation: &conversation,
        inspection: &inspection,
    };
    let (mut granted, mut standing) = (None, None);
    match call.ask_for_review(&escalated).await? {
        Reviewed::NobodyAsked => {}
        Reviewed::Stands(stands) => standing = Some(stands),
        Reviewed::Approved(approved) => granted = call.granted(approved, Direction::Response, uri, &body),
    }
    let action = inspection.outcome.decision.action();
    let about = call.about("", inspection.decided);
    let Some(permit) = permit(inspection.outcome.decision, granted.as_ref()) else {
        call.done(&about, &Done::ok("refuse", "response", 1));
        let mut response = blocked(call, wanted);
        if let Some(standing) = &standing {
            review::stamp(response.headers_mut(), standing);
        }
        return Ok((response, action));
    };
    let action = if action == Action::Escalate { permit.action() } else { action };
    let cleared = Cleared::new(permit, conversation);
    if !cleared.edits().is_empty() {
        call.done(&about, &Done::ok("redact", "response", cleared.edits().len()));
    }
    let body = parsed.release(&cleared, &spans, &repetitions, wanted.restoration.as_ref(), body)?;
    let mut response = json_response(head.status, body);
    let headers: HeaderMap = head.headers.clone();
    response.headers_mut().extend(headers);
    Ok((response, action))
}
