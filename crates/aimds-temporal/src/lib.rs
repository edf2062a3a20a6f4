//! Temporal logic over traces of events: what must hold of what happens when.
//!
//! - [`Formula`]: linear temporal logic with past operators, time bounds and variables, as text and as a tree; the
//!   patterns of Dwyer, Avrunin and Corbett ([`Pattern`]); a few English sentences ([`Formula::parse`]).
//! - [`evaluate`]: the verdict over a trace that is complete, and the steps that explain it.
//! - [`evaluate_open`]: the verdict over a trace that may go on, definite as soon as no continuation can change it.
//! - [`Policy`] and [`Monitor`]: the same while the trace happens, in bounded time and memory; [`MonitorSet`] for many
//!   policies at once.
//! - [`model`]: whether a formula holds on every run of a model, with a counterexample or a proof.
//!
//! ```
//! use aimds_temporal::{Event, Policy, Verdict};
//!
//! let policy = Policy::parse("after untrusted_read, never send_external unless approved")?;
//! assert_eq!(policy.formula().to_string(), "G(untrusted_read -> !send_external W approved)");
//!
//! let mut monitor = policy.monitor();
//! assert_eq!(monitor.step(0, &["send_external".into()])?, Verdict::PresumablyTrue);
//! assert_eq!(monitor.step(7, &["untrusted_read".into()])?, Verdict::PresumablyTrue);
//! assert_eq!(monitor.step(9, &["send_external".into()])?, Verdict::False);
//! assert_eq!(monitor.witness(), [1, 2]);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! Times are milliseconds that the caller passes in; there is no clock. Both ends of a time bound are inside. A time
//! bound that nothing fulfils is violated when time has passed its end, which [`Monitor::advance`] announces where no event
//! does.
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
mod bits;
mod closed;
mod display;
mod formula;
mod instances;
pub mod model;
mod monitor;
mod open;
mod parse;
mod past;
mod patterns;
mod policy;
mod program;
mod progression;
mod set;
mod shapes;
mod table;
mod trace;
mod verdict;

pub use closed::{Closed, evaluate};
pub use formula::{Atom, Binary, Formula, Interval, Term, Unary};
pub use instances::MAX_INSTANCES;
pub use monitor::Monitor;
pub use open::{Open, evaluate_open};
pub use parse::{MAX_DEPTH, MAX_NODES, MAX_TEXT, ParseError};
pub use patterns::{MAX_OCCURRENCES, Pattern, Scope};
pub use policy::{Policy, PolicyError};
pub use program::{CompileError, MAX_ATOMS};
pub use set::{EventId, MAX_KNOWN_EVENTS, MonitorSet};
pub use trace::{Event, TimeGoesBack, Trace};
pub use verdict::Verdict;
