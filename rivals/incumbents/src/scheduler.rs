//! `midstreamer-scheduler`: it runs nothing by itself, so that only putting in can be compared.

use std::time::Instant;

use midstreamer_scheduler::{Deadline, Priority, RealtimeScheduler, SchedulerConfig};
use serde::Deserialize;

use crate::{Failed, Row, VERSION};

/// More batches say nothing new.
const BATCHES: usize = 2000;
const WARM_UP: usize = 10;

#[derive(Deserialize)]
struct Case {
    case: String,
    batch: u64,
    batches: usize,
}

pub(crate) fn row(line: &str) -> Result<Option<Row>, Failed> {
    let Case { case, batch, batches } = serde_json::from_str(line)?;
    let scheduler = RealtimeScheduler::new(SchedulerConfig::default());
    let mut samples = Vec::new();
    for nth in 0..WARM_UP + batches.min(BATCHES) {
        let start = Instant::now();
        for payload in 0..batch {
            scheduler.schedule(payload, Deadline::from_millis(10), Priority::Critical)?;
        }
        let each = start.elapsed().as_secs_f64() * 1e9 / batch as f64;
        while scheduler.next_task().is_some() {}
        if nth >= WARM_UP {
            samples.push(each);
        }
    }
    Ok(Some(Row { name: "midstreamer-scheduler", version: VERSION, case, unit: "ns", samples, answer: None }))
}
