//! Learning from outcomes without becoming the hole: which response to choose, which threshold to use, what a new family
//! of attacks looks like; each change proposed with evidence, judged off-policy, promoted by a person, and undone.
//!
//! - **Choosing**: [`ResponsePolicy`], discounted LinUCB behind a shield, with propensities for the log.
//! - **Remembering**: [`Replay`], bounded and prioritised; numbers only.
//! - **Judging**: [`evaluate`] (IPS, SNIPS, doubly robust with an interval), [`gate`].
//! - **Detecting**: [`threshold()`] under a budget of false alarms, [`TextLane`] for new families,
//!   [`extract`] for templates, [`DriftMonitor`].
//! - **Changing**: [`Ledger`] takes a [`Proposal`] from shadow through gate and canary to promotion and back;
//!   [`optimise`] keeps a level of tuning only where a held-out gain is sure. [`Learner`] joins all of it.
//! - **Trying out**: [`Environment`], synthetic cases whose best answer is known.
//!
//! No clock, no files, no global randomness; times are the caller's milliseconds, randomness is seeded. It knows nothing of language models: texts
//! arrive as hashes, responses as numbers of rising strength.
//!
//! # Invariants
//!
//! - Nothing that is learnt goes below a floor, and nothing that an untrusted party sends makes a response weaker.
//! - Nothing edits the live set by itself: [`Ledger::promote`] wants a name and a reason, and evidence of every stage.
//! - Memory is bounded, whatever arrives.
//! - The same seed and inputs give the same bytes.
//!
//! ```
//! use aimds_learn::{Action, Context, Features, Outcome, PolicyConfig, ResponsePolicy, Trust};
//!
//! let mut policy = ResponsePolicy::new(PolicyConfig::new(3, 5), 1)?;
//! let context = Context { features: Features::new(&[1.0, 0.7, 0.1])?, explore: true, at_ms: 0 };
//! let choice = policy.select(&context, Action(3))?;
//! assert!(choice.action >= Action(3) && choice.propensity > 0.0);
//! policy.feedback(choice.id, &Outcome { reward: 0.8, source: 1, trust: Trust::Trusted, at_ms: 5_000 })?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
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

mod context;
mod drift;
mod error;
mod evaluation;
mod ftrl;
mod learner;
mod levels;
mod patterns;
mod policy;
mod proposal;
mod random;
mod replay;
mod robust;
mod simulation;
mod snapshot;
mod text;
mod threshold;
mod windows;

pub use context::{Action, Context, Features, MAX_ACTIONS, MAX_FEATURES};
pub use drift::{Alarm, Detector, DriftMonitor};
pub use error::Error;
pub use evaluation::{Evaluation, Interval, MIN_VALUES, Probabilities, bernstein_low, bootstrap, evaluate};
pub use learner::{Case, Learner, LearnerConfig, Row, Summary};
pub use levels::{Level, Levels, LevelsConfig, MAX_LEVELS, Problem, Tuned, Tuning, optimise, tune};
pub use patterns::{MAX_SEQUENCES, MAX_TOKENS, PatternConfig, Template, extract};
pub use policy::{
    Choice, Counts, Decided, Effect, MAX_SOURCES, Model, Outcome, PolicyConfig, Refused, ResponsePolicy,
    Source, SourceLimits, Trust,
};
pub use proposal::{
    Change, ChangeKind, Evidence, GateConfig, Ledger, LedgerLimits, Live, NotNow, Proposal, Shadow, Stage,
    Step, Verdict, gate, shadow,
};
pub use random::Random;
pub use replay::{Drawn, Experience, MAX_CLASSES, Place, Replay, ReplayConfig};
pub use robust::median_of_means;
pub use simulation::{Change as Scenario, Environment, Feedback};
pub use text::{Hashed, MAX_INDICES, TextConfig, TextLane};
pub use threshold::{Threshold, threshold};
