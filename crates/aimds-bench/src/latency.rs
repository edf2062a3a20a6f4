//! Latency of `Engine::inspect`, which is everything between receive and respond.

use std::time::Instant;

use aimds_engine::{Conversation, Engine, Session, Timestamp};
use serde::Serialize;

use crate::Workload;
use crate::samples::{Samples, nanos};

/// Quantiles of one workload, in microseconds.
#[derive(Clone, Debug, Serialize)]
pub struct Latency {
    /// The workload.
    pub workload: &'static str,
    /// Bytes of the longest text.
    pub bytes: usize,
    /// Number of calls.
    pub calls: usize,
    /// Median.
    pub p50_us: f64,
    /// 99th percentile.
    pub p99_us: f64,
    /// Slowest call.
    pub max_us: f64,
}

/// Calls the engine `calls` times on one core, after a tenth as many calls to warm up.
#[must_use]
pub fn measure(engine: &Engine, workload: &Workload, calls: usize) -> Latency {
    let conversations: Vec<_> =
        workload.texts.iter().map(|text| Conversation::single(workload.origin, text.as_str())).collect();
    let mut session = Session::new("");
    let mut run = |calls: usize| -> Vec<f64> {
        conversations
            .iter()
            .cycle()
            .take(calls)
            .map(|conversation| {
                let start = Instant::now();
                std::hint::black_box(engine.inspect(
                    std::hint::black_box(conversation),
                    &mut session,
                    Timestamp(0),
                ));
                nanos(start.elapsed()) / 1000.0
            })
            .collect()
    };
    run((calls / 10).max(1));
    let micros = Samples::new(run(calls.max(1)));
    Latency {
        workload: workload.name,
        bytes: workload.texts.iter().map(String::len).max().unwrap_or(0),
        calls: micros.len(),
        p50_us: micros.quantile(0.5),
        p99_us: micros.quantile(0.99),
        max_us: micros.quantile(1.0),
    }
}
