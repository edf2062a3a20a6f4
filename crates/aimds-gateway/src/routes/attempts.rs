//! Sends a cleared request to one target after the other, until one answers; where the operator wants it, to a second one while
//! the first is slow.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use axum::body::Body;
use futures_util::StreamExt as _;
use futures_util::stream::FuturesUnordered;
use http_body_util::BodyExt as _;

use super::proxy::Forward;
use crate::error::Failure;
use crate::providers::Reply;
use crate::router::{Attempt, Desk, Journey, Lane, Meter, Pass};
use crate::upstream::{Answer, Head, Upstream};

/// An attempt that another target may do better: what it came to.
struct Miss(Result<Answer, Failure>);

impl From<Failure> for Miss {
    fn from(failure: Failure) -> Self {
        Self(Err(failure))
    }
}

/// The answer to a request: one that was kept, that of the first target that gives one, or what the last attempt came to. At most
/// two attempts are under way at a time; the one that is overtaken is called off.
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
    let surface = forward.provider.surface();
    let run = |Begun { number, lane, pass }, meter: Meter, hedge: bool| async move {
        let (begun, mut meter) = (Instant::now(), meter);
        let result = attempt(&lane, upstream, forward, &mut meter).await;
        Ended { number, lane, pass, hedge, took: begun.elapsed(), meter, result }
    };
    let mut lanes = Lanes { lanes: journey.lanes(), next: 0, made: 0 };
    let mut hedging = journey.hedging();
    let mut running = FuturesUnordered::new();
    let mut under_way: Vec<(usize, Arc<Lane>, Instant)> = Vec::new();
    let mut hedge_at = None;
    let mut last = Err(Failure::UpstreamDown);
    loop {
        if running.is_empty() {
            let Some(begun) = lanes.begin(journey, &desk) else { return last };
            hedge_at = hedging.map(|limits| Instant::now() + begun.lane.patience(limits, forward.stream));
            under_way.push((begun.number, Arc::clone(&begun.lane), Instant::now()));
            running.push(run(begun, journey.meter(surface), false));
        }
        let slow = async {
            match hedge_at {
                Some(at) => tokio::time::sleep_until(at.into()).await,
                None => std::future::pending().await,
            }
        };
        let ended = tokio::select! {
            ended = running.next() => ended,
            () = slow => {
                (hedge_at, hedging) = (None, None);
                if let Some(begun) = lanes.begin(journey, &desk) {
                    desk.hedges.fetch_add(1, Ordering::Relaxed);
                    under_way.push((begun.number, Arc::clone(&begun.lane), Instant::now()));
                    running.push(run(begun, journey.meter(surface), true));
                }
                continue;
            }
        };
        let Some(Ended { number, lane, pass, hedge, took, meter, result }) = ended else { return last };
        under_way.retain(|(other, ..)| *other != number);
        match result {
            Ok(answer) => {
                pass.settle(Attempt::Answered);
                let success = answer.head.status.is_success();
                if success {
                    lane.took(forward.stream, took);
                }
                journey.tried(&lane, Attempt::Answered);
                journey.answered_by(number, &lane);
                desk.hedges_won.fetch_add(hedge.into(), Ordering::Relaxed);
                // Dropping an attempt closes its connection.
                drop(running);
                for (_, lane, begun) in under_way {
                    lane.took(forward.stream, begun.elapsed());
                    journey.call_off(&lane, surface);
                }
                // What a stream costs shows at its end.
                if success && answer.stream.is_none() {
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
}

/// The targets of a request, and those that it was sent to.
struct Lanes {
    lanes: Vec<(usize, Arc<Lane>)>,
    next: usize,
    made: u8,
}

/// An attempt that may be made.
struct Begun {
    number: usize,
    lane: Arc<Lane>,
    pass: Pass,
}

/// What came of it.
struct Ended {
    number: usize,
    lane: Arc<Lane>,
    pass: Pass,
    /// It was the second one, beside a slow first one.
    hedge: bool,
    took: Duration,
    meter: Meter,
    result: Result<Answer, Miss>,
}

impl Lanes {
    /// The next target that may be tried, if limits, breakers and retry budget let one.
    fn begin(&mut self, journey: &mut Journey, desk: &Desk) -> Option<Begun> {
        while self.made < desk.max_attempts {
            let (number, lane) = self.lanes.get(self.next)?.clone();
            let Some(pass) = lane.admit() else {
                journey.tried(&lane, Attempt::Skipped);
                self.next += 1;
                continue;
            };
            if !desk.may_attempt(self.made == 0) {
                return None;
            }
            self.next += 1;
            self.made += 1;
            return Some(Begun { number, lane, pass });
        }
        None
    }
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
