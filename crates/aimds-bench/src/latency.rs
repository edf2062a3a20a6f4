//! Latency of `Engine::inspect`, which is everything between receive and respond.

use std::time::Instant;

use aimds_engine::{Conversation, Engine, Session, Timestamp};
use serde::Serialize;

use crate::Workload;

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
    let mut run = |calls: usize| -> Vec<u64> {
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
                u64::try_from(start.elapsed().as_nanos()).unwrap_or(u64::MAX)
            })
            .collect()
    };
    run((calls / 10).max(1));
    let mut nanos = run(calls.max(1));
    nanos.sort_unstable();
    let quantile = |share: f64| {
        let at = ((nanos.len() as f64 * share).ceil() as usize).clamp(1, nanos.len()) - 1;
        nanos.get(at).map_or(0.0, |&nanos| nanos as f64 / 1000.0)
    };
    Latency {
        workload: workload.name,
        bytes: workload.texts.iter().map(String::len).max().unwrap_or(0),
        calls: nanos.len(),
        p50_us: quantile(0.5),
        p99_us: quantile(0.99),
        max_us: quantile(1.0),
    }
}
