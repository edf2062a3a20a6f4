//! Temporal logic over traces of events.
//!
//! ```
//! use aimds_temporal::Formula;
//!
//! let formula = Formula::parse("G(threat(id) -> F[0,10ms] mitigated(id))")?;
//! assert_eq!(formula.to_string(), "G(threat(id) -> F[0,10ms] mitigated(id))");
//! # Ok::<(), aimds_temporal::ParseError>(())
//! ```
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

mod automaton;
mod bdd;
mod closed;
mod display;
mod formula;
mod instances;
mod monitor;
mod parse;
mod past;
mod patterns;
mod policy;
mod program;
mod progression;
mod set;
mod trace;
mod verdict;

pub use closed::{Closed, evaluate};
pub use formula::{Atom, Binary, Formula, Interval, Term, Unary};
pub use monitor::{MAX_INSTANCES, Monitor, Open, evaluate_open};
pub use parse::{MAX_DEPTH, MAX_NODES, MAX_TEXT, ParseError};
pub use patterns::{MAX_OCCURRENCES, Pattern, Scope};
pub use policy::{Policy, PolicyError};
pub use program::{CompileError, MAX_ATOMS};
pub use set::{EventId, MAX_KNOWN_EVENTS, MonitorSet};
pub use trace::{Event, TimeGoesBack, Trace};
pub use verdict::Verdict;
