//! Spans on their way to the collector: OTLP over HTTP, in protobuf.
//!
//! Requests only put spans into a bounded queue; one task takes them from there. What finds no place, or cannot be
//! delivered, is dropped and counted: no request waits for the collector.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use axum::body::Bytes;
use axum::http::{HeaderMap, HeaderValue, Method, Request, StatusCode, Uri, header};
use http_body_util::{BodyExt as _, Full, Limited};
use opentelemetry::Context;
use opentelemetry_proto::tonic::collector::trace::v1::{
    ExportTraceServiceRequest, ExportTraceServiceResponse,
};
use opentelemetry_proto::transform::common::tonic::ResourceAttributesWithSchema;
use opentelemetry_proto::transform::trace::tonic::group_spans_by_resource_and_scope;
use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::trace::{Span, SpanData, SpanProcessor};
use prost::Message as _;
use tokio::sync::{mpsc, watch};
use tokio::time::Instant;

use crate::upstream::{HttpsClient, https_client};

/// How often a batch is tried.
const ATTEMPTS: usize = 5;
/// Pause after the first failure. It doubles from there, also over several batches.
const PAUSE: Duration = Duration::from_millis(500);
const LONGEST_PAUSE: Duration = Duration::from_secs(30);
/// Longest pause that a collector may ask for.
const LONGEST_WISH: Duration = Duration::from_secs(60);
/// Largest answer that is read.
const ANSWER_BYTES: usize = 64 << 10;

/// What became of spans.
#[derive(Debug, Default)]
pub(super) struct Counters {
    pub(super) exported: AtomicU64,
    /// Dropped because the queue was full.
    pub(super) overflown: AtomicU64,
    /// Dropped because the collector does not want them.
    pub(super) refused: AtomicU64,
    /// Dropped because they could not be delivered in time.
    pub(super) undelivered: AtomicU64,
}

fn add(counter: &AtomicU64, spans: usize) {
    counter.fetch_add(spans as u64, Ordering::Relaxed);
}

/// The end of the queue that requests see.
#[derive(Debug)]
pub(super) struct Queue {
    pub(super) spans: mpsc::Sender<SpanData>,
    pub(super) counters: Arc<Counters>,
}

impl SpanProcessor for Queue {
    fn on_start(&self, _: &mut Span, _: &Context) {}

    fn on_end(&self, span: SpanData) {
        if self.spans.try_send(span).is_err() {
            add(&self.counters.overflown, 1);
        }
    }

    fn force_flush(&self) -> OTelSdkResult {
        Ok(())
    }

    fn shutdown_with_timeout(&self, _: Duration) -> OTelSdkResult {
        Ok(())
    }
}

/// What an attempt came to.
enum Attempt {
    /// All were taken but so many.
    Taken { but: usize },
    /// They will never be.
    Refused,
    /// Perhaps later, after a pause that the collector asks for.
    Failed(Option<Duration>),
}

/// The task that sends.
pub(super) struct Worker {
    client: HttpsClient,
    endpoint: Uri,
    headers: HeaderMap,
    resource: ResourceAttributesWithSchema,
    most: usize,
    interval: Duration,
    timeout: Duration,
    counters: Arc<Counters>,
    spans: mpsc::Receiver<SpanData>,
    /// When everything must be over, once that is known.
    stop: watch::Receiver<Option<Instant>>,
    /// Failures since the last success.
    failures: u32,
}

impl Worker {
    pub(super) fn new(
        config: &crate::config::TelemetryConfig,
        resource: ResourceAttributesWithSchema,
        spans: mpsc::Receiver<SpanData>,
        stop: watch::Receiver<Option<Instant>>,
        counters: Arc<Counters>,
    ) -> Self {
        Self {
            client: https_client(config.timeout),
            endpoint: config.endpoint.clone(),
            headers: config.headers.clone(),
            resource,
            most: config.batch,
            interval: config.interval,
            timeout: config.timeout,
            counters,
            spans,
            stop,
            failures: 0,
        }
    }

    /// Sends until nobody makes spans any more or it is told to stop; then what is still there, within the time that is
    /// left.
    pub(super) async fn run(mut self) {
        let mut batch = Vec::new();
        let mut unsent = None;
        while unsent.is_none() && self.gather(&mut batch).await {
            let encoded = self.encode(&mut batch);
            unsent = self.deliver(encoded).await;
        }
        self.finish(batch, unsent).await;
    }

    /// Waits for the first span and then for others to go with it. False at the end.
    async fn gather(&mut self, batch: &mut Vec<SpanData>) -> bool {
        let Self { spans, stop, most, interval, .. } = self;
        let mut due = None;
        while batch.len() < *most {
            let room = *most - batch.len();
            let waiting = async {
                match due {
                    Some(due) => tokio::time::sleep_until(due).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                biased;
                () = told(stop) => return false,
                taken = spans.recv_many(batch, room) => if taken == 0 { return false },
                () = waiting => break,
            }
            due.get_or_insert_with(|| Instant::now() + *interval);
        }
        true
    }

    fn encode(&self, batch: &mut Vec<SpanData>) -> (Bytes, usize) {
        let count = batch.len();
        let spans = group_spans_by_resource_and_scope(std::mem::take(batch), &self.resource);
        (ExportTraceServiceRequest { resource_spans: spans }.encode_to_vec().into(), count)
    }

    /// Tries to deliver a batch. Gives it back if it is told to stop before that is done.
    async fn deliver(&mut self, (body, count): (Bytes, usize)) -> Option<(Bytes, usize)> {
        for attempt in 1..=ATTEMPTS {
            let wish = match self.attempt(&body, count).await {
                Attempt::Taken { .. } => return None,
                Attempt::Refused => None,
                Attempt::Failed(wish) => {
                    if attempt == ATTEMPTS {
                        add(&self.counters.undelivered, count);
                    }
                    Some(wish.unwrap_or_default())
                }
            };
            let pause = pause(self.failures).max(wish.unwrap_or_default());
            let stopped = tokio::select! {
                () = tokio::time::sleep(pause) => false,
                () = told(&mut self.stop) => true,
            };
            let over = wish.is_none() || attempt == ATTEMPTS;
            if over || stopped {
                return (stopped && !over).then_some((body, count));
            }
        }
        None
    }

    /// What is left, each batch tried once, until one fails or the time is up.
    async fn finish(mut self, mut batch: Vec<SpanData>, unsent: Option<(Bytes, usize)>) {
        let until = self.stop.borrow().unwrap_or_else(|| Instant::now() + self.timeout);
        self.spans.close();
        let mut next = unsent;
        loop {
            while batch.len() < self.most
                && let Ok(span) = self.spans.try_recv()
            {
                batch.push(span);
            }
            let (body, count) = match next.take() {
                Some(unsent) => unsent,
                None if batch.is_empty() => return,
                None => self.encode(&mut batch),
            };
            let attempt = tokio::time::timeout_at(until, self.attempt(&body, count)).await;
            if !matches!(attempt, Ok(Attempt::Taken { .. } | Attempt::Refused)) {
                add(&self.counters.undelivered, count + batch.len() + self.spans.len());
                return;
            }
        }
    }

    /// One attempt, counted unless it may be made again.
    async fn attempt(&mut self, body: &Bytes, count: usize) -> Attempt {
        let attempt = tokio::time::timeout(self.timeout, self.post(body.clone()));
        let attempt = attempt.await.unwrap_or(Attempt::Failed(None));
        let failed_before = self.failures > 0;
        match &attempt {
            Attempt::Taken { but } => {
                self.failures = 0;
                let but = count.min(*but);
                add(&self.counters.exported, count - but);
                add(&self.counters.refused, but);
                if failed_before {
                    tracing::info!("the collector takes spans again");
                }
            }
            Attempt::Refused | Attempt::Failed(_) => {
                self.failures = self.failures.saturating_add(1);
                if matches!(attempt, Attempt::Refused) {
                    add(&self.counters.refused, count);
                }
                if !failed_before {
                    tracing::warn!(collector = %self.endpoint, "the collector does not take spans");
                }
            }
        }
        attempt
    }

    async fn post(&self, body: Bytes) -> Attempt {
        let mut request = Request::new(Full::new(body));
        *request.method_mut() = Method::POST;
        *request.uri_mut() = self.endpoint.clone();
        request.headers_mut().extend(self.headers.clone());
        let kind = HeaderValue::from_static("application/x-protobuf");
        request.headers_mut().insert(header::CONTENT_TYPE, kind);
        let Ok(answer) = self.client.request(request).await else { return Attempt::Failed(None) };
        let (head, body) = answer.into_parts();
        match head.status {
            status if status.is_success() => {
                let body = Limited::new(body, ANSWER_BYTES).collect().await;
                let answer =
                    body.ok().and_then(|body| ExportTraceServiceResponse::decode(body.to_bytes()).ok());
                let partial = answer.and_then(|answer| answer.partial_success);
                let but = partial.map_or(0, |partial| partial.rejected_spans);
                Attempt::Taken { but: usize::try_from(but).unwrap_or(0) }
            }
            // What the specification of OTLP says may be sent again.
            StatusCode::TOO_MANY_REQUESTS
            | StatusCode::BAD_GATEWAY
            | StatusCode::SERVICE_UNAVAILABLE
            | StatusCode::GATEWAY_TIMEOUT => {
                let wish = head.headers.get(header::RETRY_AFTER).and_then(|wish| wish.to_str().ok());
                let seconds = wish.and_then(|wish| wish.trim().parse().ok());
                Attempt::Failed(seconds.map(|wish| Duration::from_secs(wish).min(LONGEST_WISH)))
            }
            _ => Attempt::Refused,
        }
    }
}

/// Returns when it is time to stop.
async fn told(stop: &mut watch::Receiver<Option<Instant>>) {
    if stop.wait_for(Option::is_some).await.is_err() {
        // Nobody can say so any more; the queue then ends as well.
        std::future::pending().await
    }
}

fn pause(failures: u32) -> Duration {
    match failures {
        0 => Duration::ZERO,
        failures => PAUSE.saturating_mul(1 << (failures - 1).min(16)).min(LONGEST_PAUSE),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_up_to_half_a_minute() {
        let pauses = [0, 1, 2, 3, 7, 8, 60].map(|failures| pause(failures).as_millis());
        assert_eq!(pauses, [0, 500, 1000, 2000, 30_000, 30_000, 30_000]);
    }
}
