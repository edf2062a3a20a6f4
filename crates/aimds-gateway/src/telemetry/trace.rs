//! The trace of one request.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use aimds_engine::Conversation;
use axum::body::Body;
use axum::http::{Request, StatusCode, Version};
use opentelemetry::trace::{
    Link, Span as _, SpanBuilder, SpanContext, SpanKind, Status, TraceContextExt as _, TraceId,
};
use opentelemetry::{Context, KeyValue};
use opentelemetry_sdk::trace::Span;

use super::{Exporter, Guarded, Telemetry, UpstreamSpan, context};
use crate::json::Document;
use crate::quic::OverQuic;
use crate::request_id::RequestId;
use crate::router::Meter;
use crate::routes::{Access, Route};

/// The trace of one request; nothing where there are no traces. The span ends when the last copy is dropped.
#[derive(Clone, Default)]
pub(crate) struct Trace(Option<Arc<Inner>>);

struct Inner {
    /// The call of the model whose answer it is. Before the span of the request, so that it ends first.
    upstream: Mutex<Option<UpstreamSpan>>,
    span: Mutex<Span>,
    own: SpanContext,
    recording: bool,
    exporter: Arc<Exporter>,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Telemetry {
    /// Begins the trace of a request, or goes on with its caller's. Requests of those who look whether the gateway lives
    /// have none, as those have none that no route takes.
    pub(crate) fn begin(&self, route: &Route, request: &Request<Body>, id: &RequestId) -> Trace {
        let Some(exporter) = self.exporter.as_ref().filter(|_| is_traced(route)) else {
            return Trace::default();
        };
        let caller = context::read(request.headers());
        let (parent, link) = if exporter.from_callers { (caller, None) } else { (None, caller) };
        let mut attributes = vec![
            KeyValue::new("http.request.method", route.method.as_str().to_owned()),
            KeyValue::new("http.route", route.path),
            KeyValue::new("aimds.request_id", id.as_str().to_owned()),
        ];
        let quic = request.extensions().get::<OverQuic>().is_some();
        let secure = self.https || quic;
        attributes.push(KeyValue::new("url.scheme", if secure { "https" } else { "http" }));
        // A path with a place for names holds what the caller has written there.
        if !route.path.contains('{') {
            attributes.push(KeyValue::new("url.path", route.path));
        }
        let (protocol, version) = match request.version() {
            Version::HTTP_3 => ("http", "3"),
            // Not HTTP, but made into a request of it.
            _ if quic => ("aimds", "1"),
            Version::HTTP_2 => ("http", "2"),
            Version::HTTP_10 => ("http", "1.0"),
            _ => ("http", "1.1"),
        };
        attributes.push(KeyValue::new("network.protocol.name", protocol));
        attributes.push(KeyValue::new("network.protocol.version", version));
        let builder = SpanBuilder::from_name(format!("{} {}", route.method, route.path))
            .with_kind(SpanKind::Server)
            .with_attributes(attributes)
            .with_links(link.into_iter().map(Link::with_context).collect());
        let parent =
            parent.map_or_else(Context::new, |parent| Context::new().with_remote_span_context(parent));
        let span = builder.start_with_context(&exporter.tracer, &parent);
        Trace(Some(Arc::new(Inner {
            upstream: Mutex::new(None),
            own: span.span_context().clone(),
            recording: span.is_recording(),
            span: Mutex::new(span),
            exporter: Arc::clone(exporter),
        })))
    }
}

fn is_traced(route: &Route) -> bool {
    !matches!(route.access, Access::Open | Access::Metrics)
}

impl Trace {
    /// Its identifier, also where it is not exported.
    pub(crate) fn id(&self) -> Option<TraceId> {
        self.0.as_ref().map(|inner| inner.own.trace_id())
    }

    /// Whether anything that is told is exported.
    pub(crate) fn is_recording(&self) -> bool {
        self.recording().is_some()
    }

    fn recording(&self) -> Option<&Inner> {
        self.0.as_deref().filter(|inner| inner.recording)
    }

    /// Whose request it is.
    pub(crate) fn tenant(&self, tenant: &str) {
        if let Some(inner) = self.recording().filter(|_| !tenant.is_empty()) {
            lock(&inner.span).set_attribute(KeyValue::new("aimds.tenant", tenant.to_owned()));
        }
    }

    /// How it was answered: the code of the failure where it failed, and the decision where there was one.
    pub(crate) fn answered(&self, status: StatusCode, failure: Option<&'static str>, decision: Option<&str>) {
        let Some(inner) = self.recording() else { return };
        let mut span = lock(&inner.span);
        span.set_attribute(KeyValue::new("http.response.status_code", i64::from(status.as_u16())));
        if let Some(decision) = decision {
            span.set_attribute(KeyValue::new("aimds.decision", decision.to_owned()));
        }
        if let Some(failure) = failure {
            span.set_attribute(KeyValue::new("error.type", failure));
        }
        // The caller's mistakes are no errors of the server.
        if status.is_server_error() {
            span.set_status(Status::error(""));
        }
    }

    /// Keyed hash of texts, by which equal ones are known again; `None` where nobody would see it.
    pub(crate) fn hash(&self, conversation: &Conversation) -> Option<String> {
        let mut hasher = blake3::Hasher::new_keyed(&self.recording()?.exporter.hash_key?);
        for message in &conversation.messages {
            hasher.update(&(message.text.len() as u64).to_le_bytes()).update(message.text.as_bytes());
        }
        Some(format!("blake3:{}", hasher.finalize()))
    }

    /// Tells of an inspection.
    pub(crate) fn guarded(&self, guarded: &Guarded<'_>) {
        if let Some(inner) = self.recording() {
            guarded.tell(&inner.exporter, &inner.context());
        }
    }

    /// Makes the span of a call of a model.
    pub(super) fn call(&self, builder: impl FnOnce() -> SpanBuilder) -> Option<UpstreamSpan> {
        let inner = self.0.as_deref()?;
        let builder = if inner.recording { builder() } else { SpanBuilder::default() };
        let span = builder.start_with_context(&inner.exporter.tracer, &inner.context());
        Some(UpstreamSpan::new(span, inner.exporter.to_upstream))
    }

    /// The answer to the request is that of this call.
    pub(crate) fn answered_by(&self, call: Option<UpstreamSpan>) {
        if let Some(inner) = &self.0 {
            *lock(&inner.upstream) = call;
        }
    }

    /// Looks for the tokens that a whole answer names.
    pub(crate) fn read(&self, answer: &Document) {
        if self.is_recording() {
            let mut meter = Meter::default();
            meter.read(answer);
            self.used(&meter);
        }
    }

    /// What the model's server has said that it used.
    pub(crate) fn used(&self, meter: &Meter) {
        if let Some(inner) = self.recording()
            && let Some(call) = lock(&inner.upstream).as_mut()
        {
            call.used(meter);
        }
    }

    /// The answer has ended.
    pub(crate) fn answer_ended(&self) {
        self.answered_by(None);
    }
}

impl Inner {
    /// What is told belongs to the request.
    fn context(&self) -> Context {
        Context::new().with_remote_span_context(self.own.clone())
    }
}
