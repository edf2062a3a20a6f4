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

mod display;
mod formula;
pub mod model;
mod parse;
mod patterns;

pub use formula::{Atom, Binary, Formula, Interval, Term, Unary};
pub use parse::{MAX_DEPTH, MAX_NODES, MAX_TEXT, ParseError};
pub use patterns::{MAX_OCCURRENCES, Pattern, Scope};
