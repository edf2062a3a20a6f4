//! Sends a cleared request to one target after the other, until one answers.

use std::sync::Arc;

use axum::body::Body;
use futures_util::StreamExt as _;
use http_body_util::BodyExt as _;

use super::proxy::Forward;
use crate::error::Failure;
use crate::providers::Reply;
use crate::router::{Attempt, Journey, Lane, Meter};
use crate::upstream::{Answer, Head, Upstream};

/// An attempt that another target may do better: what it came to.
struct Miss(Result<Answer, Failure>);

impl From<Failure> for Miss {
    fn from(failure: Failure) -> Self {
        Self(Err(failure))
    }
}

/// The answer to a request: one that was kept, that of the first target that gives one, or what the last attempt came to.
///
/// # Errors
/// The last attempt's, or that no target was tried because all breakers are open.
pub(super) async fn obtain(
    journey: &mut Journey,
    upstream: &Upstream,
    forward: &Forward<'_>,
) -> Result<Answer, Failure> {
    if let Some(body) = journey.recall() {
        return Ok(kept(body, forward.stream));
    }
    let desk = Arc::clone(journey.desk());
    let mut last = Err(Failure::UpstreamDown);
    let mut made = 0;
    for (number, lane) in journey.lanes() {
        if made >= desk.max_attempts {
            break;
        }
        let Some(pass) = lane.admit() else {
            journey.tried(&lane, Attempt::Skipped);
            continue;
        };
        if !desk.may_attempt(made == 0) {
            break;
        }
        made += 1;
        let mut meter = journey.meter(forward.provider.surface());
        match attempt(&lane, upstream, forward, &mut meter).await {
            Ok(answer) => {
                pass.settle(Attempt::Answered);
                journey.tried(&lane, Attempt::Answered);
                journey.answered_by(number, &lane);
                // What a stream costs shows at its end.
                if answer.head.status.is_success() && answer.stream.is_none() {
                    journey.pay(&meter, true);
                }
                return Ok(answer);
            }
            Err(Miss(what)) => {
                pass.settle(Attempt::Failed);
                journey.tried(&lane, Attempt::Failed);
                last = what;
            }
        }
    }
    last
}

async fn attempt(
    lane: &Lane,
    upstream: &Upstream,
    forward: &Forward<'_>,
    meter: &mut Meter,
) -> Result<Answer, Miss> {
    let server = Upstream::server(lane.place.service, &lane.place.server);
    let outbound = forward.outbound(lane.target.model.as_deref())?;
    let request = Upstream::request(&server, outbound, forward.headers, server.own_credentials())?;
    let timeout = lane.place.timeout;
    let calling = forward.calling(lane.target.model.as_deref());
    let mut answer = upstream.send(request, &calling, timeout).await?;
    match answer.head.status.as_u16() {
        200..=299 => {}
        // The operator's mistake, or a limit of this target.
        401 | 403 | 408 | 429 | 500..=599 => return Err(Miss(Ok(answer))),
        404 if lane.target.model.is_some() => return Err(Miss(Ok(answer))),
        // The caller's mistake: another target would say the same.
        400..=499 => return Ok(answer),
        _ => return Err(Failure::UpstreamGarbage.into()),
    }
    match answer.stream.take() {
        Some(events) => {
            let begun = tokio::time::timeout(timeout, begun(events)).await;
            answer.stream = Some(begun.map_err(|_| Failure::UpstreamSlow)??);
        }
        None if forward.stream => return Err(Failure::UpstreamGarbage.into()),
        None => {
            let reply = Reply::parse(&answer.body, forward.provider.required())?;
            meter.read(reply.document());
            if meter.usage(true).estimated {
                for message in &reply.texts()?.conversation.messages {
                    meter.text(&message.text);
                }
            }
        }
    }
    Ok(answer)
}

/// Waits for the first bytes of a stream: until then, another target can take over.
async fn begun(mut events: Body) -> Result<Body, Failure> {
    let first = match events.frame().await {
        Some(Ok(frame)) => frame.into_data().map_err(|_| Failure::UpstreamDown)?,
        Some(Err(_)) | None => return Err(Failure::UpstreamDown),
    };
    let first = futures_util::stream::iter([Ok(first)]);
    Ok(Body::from_stream(first.chain(events.into_data_stream())))
}

/// An answer that was kept, as if it had just come.
fn kept(body: axum::body::Bytes, stream: bool) -> Answer {
    let head = Head::default();
    match stream {
        true => Answer { head, body: axum::body::Bytes::new(), stream: Some(Body::from(body)), span: None },
        false => Answer { head, body, stream: None, span: None },
    }
}
