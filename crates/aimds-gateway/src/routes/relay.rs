//! Carries a stream from the upstream to the caller through the [`Relay`], which decides what goes on and when.

use std::convert::Infallible;
use std::panic::AssertUnwindSafe;
use std::sync::atomic::Ordering;
use std::time::Duration;

use aimds_engine::{Action, Cleared, Conversation, Said};
use axum::body::{Body, Bytes};
use axum::http::{HeaderValue, Response, header};
use futures_util::StreamExt as _;
use http_body_util::BodyExt as _;
use tracing::Instrument as _;

use super::decided;
use super::proxy::{Exchange, Wanted, block_error, blocked};
use crate::app::Inspection;
use crate::config::BlockShape;
use crate::error::Failure;
use crate::metrics::Direction;
use crate::mitigation::Done;
use crate::router::{Journey, Meter};
use crate::stream::hold_back::Judgement;
use crate::stream::{Around, Ended, Extent, Relay};
use crate::upstream::Head;

/// How long the head of the answer waits for the first words, so that it can tell what became of a short answer.
const HEAD_WAIT: Duration = Duration::from_secs(2);

/// A stream on its way.
struct Running {
    exchange: Exchange,
    upstream: Body,
    relay: Relay,
    around: Around,
    status: u16,
    action: Action,
    /// The head of the answer is with the caller.
    answered: bool,
    /// A window that the policy would not let pass and that has not been recorded.
    unsettled: Option<Inspection>,
    ended: Option<Ended>,
    /// What arrived, as long as the router may keep it.
    copy: Option<Vec<u8>>,
}

/// Answers with the stream, or with what it came to before its first word.
pub(super) async fn answer(
    mut exchange: Exchange,
    wanted: Wanted,
    asked: Said,
    head: Head,
    upstream: Body,
) -> Result<Response<Body>, Failure> {
    let app = &exchange.call.app;
    let Some(dialogue) = wanted.provider.dialogue(wanted.refusal.clone()) else {
        exchange.end(Failure::UpstreamGarbage.code(), Some(head.status.as_u16()));
        return Err(Failure::UpstreamGarbage);
    };
    let paid = exchange.journey.as_ref().map(|journey| journey.meter(wanted.provider.surface()));
    let meter = paid.or_else(|| exchange.call.trace.is_recording().then(Meter::default));
    let relay = Relay::new(dialogue, app.window, app.upstream.response_bytes())
        .holding_calls(app.hold_calls)
        .metered(meter)
        .restoring(wanted.restoration.clone());
    let keeps = exchange.journey.as_ref().map_or(0, Journey::keeps);
    let status = head.status.as_u16();
    let action = wanted.asked;
    let around = Around::new(asked, app.engine.policy().follows());
    let mut running = Running {
        exchange,
        upstream,
        relay,
        around,
        status,
        action,
        answered: false,
        unsettled: None,
        ended: None,
        copy: (keeps > 0).then(Vec::new),
    };
    let mut first = Vec::new();
    let begin = async {
        while !running.relay.has_said() {
            let Some(bytes) = running.next().await else { break };
            first.push(bytes);
        }
    };
    // Late is not wrong: the head then tells less.
    let _ = tokio::time::timeout(HEAD_WAIT, begin).await;
    if !running.relay.has_said() {
        match &running.ended {
            Some(Ended::Failed(failure)) => return Err(failure.clone()),
            Some(Ended::Blocked | Ended::Late) => {
                let mut response = blocked(&running.exchange.call, &wanted);
                running.exchange.stamp(response.headers_mut());
                return Ok(decided(response, running.action));
            }
            _ => {}
        }
    }
    let action = running.action;
    running.answered = true;
    let mut headers = head.headers;
    running.exchange.stamp(&mut headers);
    let rest = futures_util::stream::unfold(running, async |mut running| {
        let log = running.exchange.call.log.clone();
        let bytes = running.next().instrument(log).await?;
        Some((bytes, running))
    });
    let stream = futures_util::stream::iter(first).chain(rest).map(Ok::<_, Infallible>);
    let mut response = event_stream(Body::from_stream(stream));
    response.headers_mut().extend(headers);
    Ok(decided(response, action))
}

/// An answer in events.
pub(super) fn event_stream(body: Body) -> Response<Body> {
    let mut response = Response::new(body);
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/event-stream; charset=utf-8"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    response
}

impl Running {
    /// The next bytes for the caller; `None` at the end. Nothing is lost if the future is dropped while it waits.
    async fn next(&mut self) -> Option<Bytes> {
        while self.ended.is_none() {
            let pause = self.exchange.pause();
            let arrived = tokio::time::timeout(pause, self.upstream.frame()).await;
            let mut out = Vec::new();
            let taken = match arrived {
                Ok(Some(Ok(frame))) => match frame.data_ref() {
                    Some(bytes) => {
                        self.copy(bytes);
                        self.feed(Some(bytes), &mut out)
                    }
                    None => Ok(()),
                },
                Ok(None) => self.feed(None, &mut out),
                Ok(Some(Err(_))) => self.broken(Failure::UpstreamDown, &mut out),
                Err(_) => self.broken(Failure::UpstreamSlow, &mut out),
            };
            if let Err(ended) = taken {
                out.extend(self.end(ended).into_bytes());
            }
            if !out.is_empty() {
                return Some(out.into());
            }
        }
        None
    }

    /// Copies what arrives, for the cache, while it is small enough.
    fn copy(&mut self, bytes: &Bytes) {
        let most = self.exchange.journey.as_ref().map_or(0, Journey::keeps);
        match &mut self.copy {
            Some(copy) if copy.len() + bytes.len() <= most => copy.extend_from_slice(bytes),
            _ => self.copy = None,
        }
    }

    /// Pays for what has arrived, and keeps what may be given again.
    fn settle(&mut self, ended: Option<&Ended>) {
        let Self { exchange, relay, action, copy, .. } = self;
        if let Some(meter) = relay.meter() {
            exchange.call.trace.used(meter);
        }
        if let (Some(journey), Some(meter)) = (&mut exchange.journey, relay.meter()) {
            journey.pay(meter, ended == Some(&Ended::Complete));
            let broke = match ended {
                Some(Ended::Failed(failure)) => matches!(failure.status().as_u16(), 502 | 504),
                Some(Ended::Reported) => true,
                _ => false,
            };
            if broke {
                journey.broke();
            }
        }
        if let (Some(Ended::Complete), Some(copy)) = (ended, copy.take()) {
            exchange.keep(*action, copy.into());
        }
    }

    /// The connection to the upstream is of no more use: what has arrived goes on if it may.
    fn broken(&mut self, failure: Failure, out: &mut Vec<u8>) -> Result<(), Ended> {
        match self.feed(None, out) {
            Err(Ended::Failed(_)) => Err(failure.into()),
            other => other,
        }
    }

    /// Gives the relay bytes, or tells it that there are no more.
    fn feed(&mut self, bytes: Option<&Bytes>, out: &mut Vec<u8>) -> Result<(), Ended> {
        let Self { exchange, relay, around, action, unsettled, .. } = self;
        let mut judge = |extent, conversation| {
            let (judgement, took) = judge(exchange, around, extent, conversation, unsettled)?;
            *action = took.max(*action);
            Ok(judgement)
        };
        // A panic here would otherwise take the connection down without a word.
        let fed = std::panic::catch_unwind(AssertUnwindSafe(|| match bytes {
            Some(bytes) => relay.push(bytes, &mut judge, out),
            None => relay.finish(&mut judge, out),
        }));
        fed.unwrap_or(Err(Ended::Failed(Failure::Internal)))
    }

    /// Records how the stream ended and says what the caller is still sent.
    fn end(&mut self, ended: Ended) -> String {
        self.settle(Some(&ended));
        let call = &self.exchange.call;
        if let (Ended::Blocked, Some(inspection)) = (&ended, self.unsettled.take()) {
            self.action = inspection.outcome.decision.action().max(self.action);
            let _ = call.settle(Direction::Response, &inspection);
            call.done(&call.about("", inspection.decided), &Done::ok("refuse", "response", 1));
        }
        let result = match &ended {
            Ended::Complete => "answered",
            Ended::Reported => "upstream_reported_error",
            Ended::Blocked => "blocked",
            Ended::Late => {
                self.action = Action::Block;
                call.app.metrics.late.fetch_add(1, Ordering::Relaxed);
                "blocked_late"
            }
            Ended::Failed(failure) => {
                // Else the frame around the handler counts it.
                if self.answered || self.relay.has_said() {
                    call.app.metrics.failed(failure);
                }
                failure.code()
            }
        };
        let last = match (&ended, call.app.block.shape) {
            (Ended::Blocked | Ended::Late, BlockShape::Error) => {
                self.relay.close(&Ended::Failed(block_error(call)))
            }
            _ => self.relay.close(&ended),
        };
        self.exchange.end(result, Some(self.status));
        self.ended = Some(ended);
        last
    }
}

impl Drop for Running {
    /// The caller has gone away: what came until then is paid.
    fn drop(&mut self) {
        if self.ended.is_none() {
            self.settle(None);
        }
    }
}

/// Asks the policy about a text of the stream. Windows are looked at again as parts of the whole, which is what is
/// recorded.
fn judge(
    exchange: &Exchange,
    around: &mut Around,
    extent: Extent,
    conversation: Conversation,
    unsettled: &mut Option<Inspection>,
) -> Result<(Judgement, Action), Failure> {
    let call = &exchange.call;
    let looked = call.look_at_answer(&around.asked(extent), &conversation);
    let inspection = looked.map_err(|failure| match failure {
        Failure::Invalid(_) => Failure::UpstreamGarbage,
        failure => failure,
    })?;
    let action = inspection.outcome.decision.action();
    if extent == Extent::Window && !action.forwards() {
        *unsettled = Some(inspection);
        return Ok((Judgement::Blocked, Action::Allow));
    }
    around.keep(extent, &conversation, &inspection.outcome.assessment)?;
    if extent == Extent::Whole || extent != Extent::Window && action > Action::Allow {
        *unsettled = None;
        call.settle(Direction::Response, &inspection)?;
    }
    let (settled, decided_at) = (extent != Extent::Window, inspection.decided);
    let done = |done: Done| call.done(&call.about("", decided_at), &done);
    Ok(match inspection.outcome.decision.into_permit() {
        Some(permit) => {
            let cleared = Cleared::new(permit, conversation);
            if settled && !cleared.edits().is_empty() {
                done(Done::ok("redact", "response", cleared.edits().len()));
            }
            (Judgement::Cleared(cleared), action)
        }
        None => {
            if settled {
                done(Done::ok("refuse", "response", 1));
            }
            (Judgement::Blocked, action)
        }
    })
}
