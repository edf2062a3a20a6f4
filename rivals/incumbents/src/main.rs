//! What the crates `midstreamer-*` do with the workloads of `aimds bench`: reads what `--export` wrote on standard
//! input, and prints results for `--rivals`.
//!
//!     aimds-incumbents temporal|scheduler|attractor|sequence < cases.jsonl > results.json

mod attractor;
mod scheduler;
mod sequence;
mod temporal;

use std::error::Error;
use std::hint::black_box;
use std::time::Instant;

use serde::Serialize;
use serde_json::Value;

/// All have the same.
const VERSION: &str = "0.2.1";
/// No case is measured for longer, in seconds, once it has three runs.
const BUDGET_S: f64 = 10.0;
const RUNS: usize = 21;

type Failed = Box<dyn Error>;

/// One line of the output.
#[derive(Serialize)]
struct Row {
    name: &'static str,
    version: &'static str,
    case: String,
    unit: &'static str,
    samples: Vec<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    answer: Option<Value>,
}

fn main() -> Result<(), Failed> {
    let rows: fn(&str) -> Result<Option<Row>, Failed> = match std::env::args().nth(1).as_deref() {
        Some("temporal") => temporal::row,
        Some("scheduler") => scheduler::row,
        Some("attractor") => attractor::row,
        Some("sequence") => sequence::row,
        _ => return Err("aimds-incumbents temporal|scheduler|attractor|sequence < cases.jsonl".into()),
    };
    let mut all = Vec::new();
    for line in std::io::stdin().lines() {
        all.extend(rows(&line?)?);
    }
    println!("{}", serde_json::to_string(&all)?);
    Ok(())
}

/// The seconds of each run, after one to warm up.
fn times<T>(mut operation: impl FnMut() -> T) -> Vec<f64> {
    let mut once = || {
        let start = Instant::now();
        let _ = black_box(operation());
        start.elapsed().as_secs_f64()
    };
    let runs = RUNS.min(((BUDGET_S / once().max(1e-9)) as usize).max(3));
    (0..runs).map(|_| once()).collect()
}

fn scaled(seconds: Vec<f64>, per_second: f64) -> Vec<f64> {
    seconds.into_iter().map(|time| time * per_second).collect()
}
