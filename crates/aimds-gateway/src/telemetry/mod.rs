//! Traces for OpenTelemetry: a span for each request, for each inspection in it and for each call of a model.
//!
//! What goes into a span is a name of the gateway's own, a number, or a name from the operator's files. No text of a
//! request or an answer, no header and no query does; texts are there as a keyed hash.

mod context;
mod export;
mod guard;
mod names;
mod trace;
mod upstream;

use std::fmt::Write as _;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use opentelemetry::trace::TracerProvider as _;
use opentelemetry::{InstrumentationScope, KeyValue};
use opentelemetry_proto::transform::common::tonic::ResourceAttributesWithSchema;
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::resource::TelemetryResourceDetector;
use opentelemetry_sdk::trace::{Sampler, SdkTracer, SdkTracerProvider};
use tokio::runtime::Handle;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;
use tokio::time::Instant;

use crate::config::TelemetryConfig;
use export::{Counters, Queue, Worker};
use names::Names;

pub(crate) use guard::Guarded;
pub(crate) use trace::Trace;
pub(crate) use upstream::{Calling, UpstreamSpan};

/// The semantic conventions that names of spans and attributes follow.
const SCHEMA: &str = "https://opentelemetry.io/schemas/1.37.0";

/// Makes traces, or none.
#[derive(Clone)]
pub(crate) struct Telemetry {
    exporter: Option<Arc<Exporter>>,
    counters: Arc<Counters>,
    /// Whether the TCP listener speaks TLS.
    https: bool,
    /// Where the task that sends runs.
    runtime: Handle,
}

/// Makes spans and has them sent.
struct Exporter {
    tracer: SdkTracer,
    names: Names,
    from_callers: bool,
    to_upstream: bool,
    /// What texts are hashed with; `None` where the system has no random source.
    hash_key: Option<[u8; 32]>,
    stop: watch::Sender<Option<Instant>>,
    worker: Mutex<Option<JoinHandle<()>>>,
}

impl Telemetry {
    /// Starts the task that sends, if there is anything to send; it runs on the runtime that this is called on.
    pub(crate) fn start(config: Option<TelemetryConfig>, https: bool) -> Self {
        let none = Self { exporter: None, counters: Arc::default(), https, runtime: Handle::current() };
        none.with(config)
    }

    /// The same process with another configuration. Requests in progress go on with the old one, whose task ends after
    /// them.
    pub(crate) fn with(&self, config: Option<TelemetryConfig>) -> Self {
        let exporter = config.map(|config| Arc::new(Exporter::start(config, self)));
        Self { exporter, ..self.clone() }
    }

    /// Has what is still queued sent, for at most `patience`.
    pub(crate) async fn close(&self, patience: Duration) {
        let Some(exporter) = &self.exporter else { return };
        let until = Instant::now() + patience;
        exporter.stop.send_replace(Some(until));
        let worker = exporter.worker.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(mut worker) = worker
            && tokio::time::timeout_at(until, &mut worker).await.is_err()
        {
            worker.abort();
            tracing::warn!("spans that were still queued have not been sent");
        }
    }

    /// Appends the counters to an exposition, where there are traces.
    pub(crate) fn expose(&self, out: &mut String) {
        if self.exporter.is_none() {
            return;
        }
        let Counters { exported, overflown, refused, undelivered } = &*self.counters;
        let name = "aimds_telemetry_exported_total";
        let _ = writeln!(out, "# HELP {name} Spans that the collector has taken.\n# TYPE {name} counter");
        let _ = writeln!(out, "{name} {}", exported.load(Ordering::Relaxed));
        let name = "aimds_telemetry_dropped_total";
        let help =
            "Spans that were dropped: the queue was full, the collector refused them, or was not reached.";
        let _ = writeln!(out, "# HELP {name} {help}\n# TYPE {name} counter");
        for (at, counter) in [("queue", overflown), ("collector", refused), ("export", undelivered)] {
            let _ = writeln!(out, "{name}{{at=\"{at}\"}} {}", counter.load(Ordering::Relaxed));
        }
    }
}

impl Exporter {
    fn start(config: TelemetryConfig, telemetry: &Telemetry) -> Self {
        let (spans, queued) = mpsc::channel(config.queue);
        let (stop, stopped) = watch::channel(None);
        let described = config.resource.iter().map(|(name, text)| KeyValue::new(name.clone(), text.clone()));
        let resource = Resource::builder_empty()
            .with_detector(Box::new(TelemetryResourceDetector))
            .with_attributes(described)
            .build();
        let counters = Arc::clone(&telemetry.counters);
        let described = ResourceAttributesWithSchema::from(&resource);
        let worker = Worker::new(&config, described, queued, stopped, Arc::clone(&counters));
        let provider = SdkTracerProvider::builder()
            .with_span_processor(Queue { spans, counters })
            .with_sampler(Sampler::ParentBased(Box::new(Sampler::TraceIdRatioBased(config.sample))))
            .with_resource(resource)
            .build();
        let scope = InstrumentationScope::builder("aimds").with_version(env!("CARGO_PKG_VERSION"));
        let mut key = [0; 32];
        let random = || getrandom::fill(&mut key).is_ok().then_some(key);
        Self {
            tracer: provider.tracer_with_scope(scope.with_schema_url(SCHEMA).build()),
            names: Names::new(&config.namespace),
            from_callers: config.from_callers,
            to_upstream: config.to_upstream,
            hash_key: config.hash_key.or_else(random),
            stop,
            worker: Mutex::new(Some(telemetry.runtime.spawn(worker.run()))),
        }
    }
}
