//! What answers of guarded routes have in common: the decision they rest on, and what a guard hands back to be sent on.

use aimds_engine::{Action, Cleared, Conversation, Permit};
use axum::body::Body;
use axum::http::{HeaderName, HeaderValue, Response, StatusCode};
use serde::Serialize;

use crate::app::Call;
use crate::error::{Failure, json_response};
use crate::mitigation::{seed, takes_out};

/// The name of the header that carries the decision.
pub(crate) const DECISION: HeaderName = HeaderName::from_static("x-aimds-decision");

/// Marks an answer with the decision that it rests on.
pub(crate) fn decided(mut response: Response<Body>, action: Action) -> Response<Body> {
    response.headers_mut().insert(DECISION, HeaderValue::from_static(action.as_str()));
    response
}

/// A 200 answer of a guarded route.
pub(super) fn verdict<T: Serialize>(action: Action, body: &T) -> Result<Response<Body>, Failure> {
    let body = serde_json::to_vec(body).map_err(|_| Failure::Internal)?;
    Ok(decided(json_response(StatusCode::OK, body), action))
}

/// What a guard hands back for its caller to send on, under a permit. There is no place for the reminder of marked texts: what
/// stands behind each mark must do. `None`: what is left of it must not go on.
pub(super) fn clear(
    call: &Call,
    permit: Permit,
    conversation: Conversation,
) -> Result<Option<Cleared>, Failure> {
    let strips = takes_out(permit.removals());
    let mut cleared = Cleared::new(permit, conversation);
    if strips {
        let Some((rest, _)) = call.strip_the_rest(cleared, None)? else { return Ok(None) };
        cleared = rest;
    }
    if cleared.wants_marks() {
        cleared.spotlight(seed()?, |_| true);
    }
    Ok(Some(cleared))
}

/// What a reason leads to: no more than a mark while the policy only watches.
pub(super) fn effective(action: Action, monitored: bool) -> Action {
    if monitored { action.min(Action::Flag) } else { action }
}
