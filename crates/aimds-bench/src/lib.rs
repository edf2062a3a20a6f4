//! Measures AIMDS in process: fixed workloads and wall-clock quantiles, with rivals beside them. A program, never a test.
//!
//! The engine's latency is [`measure`]. The other engines are measured case by case ([`Case`]): what they take and
//! say, what is promised, and what others take and say for the same: in process where they are light, from files
//! ([`RivalResult`]) where they are not.
#![cfg_attr(
    not(test),
    deny(
        clippy::unwrap_used,
        clippy::expect_used,
        clippy::panic,
        clippy::indexing_slicing,
        clippy::unreachable
    )
)]

mod attractor;
mod bench;
mod case;
mod disguise;
mod graph;
mod latency;
mod learn;
mod rivals;
mod samples;
mod scheduler;
mod sequence;
mod temporal;
mod workload;

pub use attractor::{export_attractor, measure_attractor};
pub use bench::{Bench, Report};
pub use case::{Answer, Case, Measured, Of, Rival, Target, Truth, Unit};
pub use disguise::{DISGUISES, Disguise};
pub use graph::{GraphLoad, GraphReport, measure_graph};
pub use latency::{Latency, measure};
pub use learn::{Point, Regret, STEPS, export, latencies, regret_cases, regrets};
pub use rivals::{RivalResult, put_beside};
pub use scheduler::{SchedulerLoad, export_scheduler, measure_scheduler};
pub use sequence::{SequenceLoad, export_sequence, measure_sequence};
pub use temporal::{TemporalLoad, export_temporal, measure_temporal};
pub use workload::{Workload, workloads};
