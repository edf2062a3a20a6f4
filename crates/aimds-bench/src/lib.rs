//! Measures the engine in process: fixed workloads, one core, wall-clock quantiles. A program, never a test.

mod disguise;
mod graph;
mod latency;
mod learn;
mod workload;

pub use disguise::{DISGUISES, Disguise};
pub use graph::{GraphLoad, GraphReport, QueryTimes, measure_graph};
pub use latency::{Latency, measure};
pub use learn::{LearnLatency, Point, Regret, STEPS, export, latencies, regrets};
pub use workload::{Workload, workloads};
