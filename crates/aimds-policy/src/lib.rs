//! Policy: an assessment and the operator's file in, a [`Decision`] out.
//!
//! Only this crate can construct a [`Permit`], and nothing is forwarded without one.
//!
//! ```
//! use aimds_analyze::{MessageRisk, Session, Timestamp, assess};
//! use aimds_detect::{Conversation, Origin};
//! use aimds_policy::{Action, Policy};
//!
//! let policy = Policy::parse("version = 1\n[risk.user]\nflag = 0.3\nblock = 0.7\n").unwrap();
//! let conversation = Conversation::single(Origin::User, "hello");
//! let risk = MessageRisk { message: 0, origin: Origin::User, score: 0.8, exhausted: None, degraded: None };
//! let assessment = assess(vec![risk], vec![], vec![], &mut Session::new(""), Timestamp(0));
//! let decision = policy.decide(&conversation, &assessment, "");
//! assert_eq!(decision.action(), Action::Block);
//! assert!(decision.into_permit().is_none());
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

mod approval;
mod decide;
mod decision;
mod error;
mod file;
mod playbook;
mod promise;
mod resolve;
mod temporal;

pub use approval::{Approval, ApprovalError, Escalation, Party};
pub use decision::{Action, Decision, Permit, Reason, ReasonCode, Redaction, Violation, WitnessStep};
pub use error::PolicyError;
pub use file::{
    AllowEntry, DeepBand, DeepFile, DeepMode, FindingActions, Mode, OnBudget, PlaybookEntry, PolicyFile,
    PromiseEntry, RiskBand, RiskBands, RiskRange, TemporalEntry, TenantFile,
};
pub use playbook::{Measure, Neutral, Order, Removal, Spotlight, SpotlightMode};
pub use promise::Checked;
pub use resolve::Policy;
pub use temporal::{Asked, Said};
