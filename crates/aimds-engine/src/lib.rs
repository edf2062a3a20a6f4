//! The whole pipeline behind one call: a conversation in, an [`Outcome`] out. No I/O, no clock, no async.
//!
//! ```
//! use aimds_engine::{Action, Conversation, Engine, Origin, Session, Timestamp};
//!
//! let engine = Engine::embedded().unwrap();
//! let mut session = Session::new("");
//! let question = Conversation::single(Origin::User, "What is the capital of France?");
//! let outcome = engine.inspect(&question, &mut session, Timestamp(0));
//! assert_eq!(outcome.decision.action(), Action::Allow);
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

mod embedded;
mod explain;
mod pipeline;
mod scan_cache;
mod verdict;

pub use aimds_analyze::{
    Assessment, Cause, Degraded, Exhausted, Features, Look, MessageRisk, RiskFeatures, Session,
    SessionKey as SessionName, SessionLimits, Sessions, Timestamp,
};
pub use aimds_detect::{
    Category, Conversation, Detector, Finding, Message, Origin, Role, ToolUse, ToolUseKind, Trust, encoder,
    lexical, rules, validators,
};
pub use aimds_policy::{
    Action, Approval, ApprovalError, Asked, Checked, Decision, DeepBand, DeepMode, Escalation, Measure,
    Neutral, Order, Party, Permit, Policy, PolicyError, PolicyFile, Reason, ReasonCode, Redaction, Removal,
    Said, Spotlight, Violation, WitnessStep,
};
pub use aimds_respond::{Cleared, Edit, Kept, Marked, neutralise, placeholder, redact, spotlight, vault};
pub use embedded::{DEFAULT_POLICY, rule_files};
pub use explain::{Influence, Margin, NearAttack, Place, TextExplanation};
pub use pipeline::{Depth, Engine, EngineError, Outcome};
pub use scan_cache::ScanCache;
pub use verdict::{Verdict, VerdictFinding, VerdictStep, VerdictViolation};

#[cfg(doctest)]
#[doc = include_str!("../../../README.md")]
struct Readme;
