//! The model router: which of several models answers a request, what happens when one fails, what it costs.
//!
//! ```text
//! request ─ inspected, cleared ─► Score ─► Table::plan ─► [cheap, strong, …] ─► one attempt after the other ─► answer
//!                                             │                 Breaker, RetryBudget                            │
//!                                     private: local only                                  inspected, paid (Ledger), kept (Cache)
//! ```
//!
//! The pure parts have no clock and no input or output, so that [`Simulation`] replays a log through the same decisions:
//! `money`, `complexity`, `table` (with `glob`), `breaker`, `retry_budget`, `hedging`, `ledger`, `cache`, `simulation`. The others put
//! them to work in the gateway: `features`, `fingerprint` and `usage` read requests and answers, `lane` is a target,
//! `book` the ledger with its file, `answers` the cache, `desk` all of it, `journey` one request. Attempts are made in
//! `routes/attempts.rs`, the only part that sends anything.
//!
//! # Invariants
//!
//! * A request that is private, or in which personal data or secrets were found (unless the operator allows it), is never
//!   sent to a target that is not local: the list of targets that are tried is made without them.
//! * What is forwarded and what comes back passes the same inspection as without a router, an answer from the cache too.
//! * Nothing is sent a second time once a byte of an answer went to the caller, and nothing at the same time that might leave more
//!   behind than an answer.
//! * Sums of money are whole numbers.

mod answers;
mod book;
mod breaker;
mod cache;
mod clock;
mod complexity;
mod desk;
mod exposition;
mod features;
mod fingerprint;
mod glob;
mod hedging;
mod journey;
mod lane;
mod ledger;
mod money;
mod retry_budget;
mod simulation;
mod table;
mod usage;

pub use breaker::{Breaker, BreakerLimits, Fate, Ticket};
pub use cache::{Cache, CacheLimits, Fingerprint};
pub use complexity::{Features, Score, estimate_tokens, has_code, reasoning_words};
pub use glob::Glob;
pub use hedging::HedgeLimits;
pub use ledger::{Budget, Holder, Ledger, Period, Row, Standing};
pub use money::{Money, Price};
pub use retry_budget::{RetryBudget, RetryLimits};
pub use simulation::{Record, RecordError, Report, Simulation, TargetReport};
pub use table::{Ask, Order, Plan, Route, Surface, Table, Target, Unroutable};

pub(crate) use desk::Desk;
pub(crate) use exposition::expose;
pub(crate) use features::Signs;
pub(crate) use journey::{Journey, Question};
pub(crate) use lane::{Attempt, Lane, Pass};
pub(crate) use usage::Meter;
