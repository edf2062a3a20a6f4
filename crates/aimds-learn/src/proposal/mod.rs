//! From an idea to the live set and back: what is proposed, the evidence of every step, and who may do what.
//!
//! ```text
//! drafted ──shadow──▶ shadowed ──gate──▶ gated ──canary──▶ proven ──promote──▶ live ──roll back──▶ rolled back
//!     └───────────────────┴──────────────┴────────────────┴──▶ rejected
//! ```
//!
//! There is no other way: every arrow wants its evidence, the last two want a person.

mod gate;
mod ledger;
mod refusal;

pub use gate::{GateConfig, Shadow, Verdict, gate, shadow};
pub use ledger::{Ledger, LedgerLimits, Live};
pub use refusal::NotNow;

use serde::{Deserialize, Serialize};

use crate::evaluation::Interval;
use crate::patterns::Template;
use crate::policy::Model;
use crate::text::TextLane;

/// What would be different.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub enum Change {
    /// Another response policy.
    Policy(Box<Model>),
    /// Another threshold of the score.
    Threshold(f64),
    /// Additions to the score, learnt from labelled texts.
    Text(Box<TextLane>),
    /// A template of attacks.
    Pattern(Template),
}

/// Which part of the live set a change is of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ChangeKind {
    /// The response policy.
    Policy,
    /// The threshold.
    Threshold,
    /// The model of texts.
    Text,
    /// A template.
    Pattern,
}

impl Change {
    /// Which part of the live set it is of.
    #[must_use]
    pub fn kind(&self) -> ChangeKind {
        match self {
            Self::Policy(_) => ChangeKind::Policy,
            Self::Threshold(_) => ChangeKind::Threshold,
            Self::Text(_) => ChangeKind::Text,
            Self::Pattern(_) => ChangeKind::Pattern,
        }
    }
}

impl ChangeKind {
    /// The stable name.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Policy => "policy",
            Self::Threshold => "threshold",
            Self::Text => "text",
            Self::Pattern => "pattern",
        }
    }
}

/// How far a proposal has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Stage {
    /// Made from what was learnt.
    Drafted,
    /// It is known what it would have changed.
    Shadowed,
    /// Rows that it has not learnt from show a gain.
    Gated,
    /// A part of the traffic has shown no loss.
    Proven,
    /// In force.
    Live,
    /// Was in force.
    RolledBack,
    /// Will not be.
    Rejected,
}

impl Stage {
    /// The stable name.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Drafted => "drafted",
            Self::Shadowed => "shadowed",
            Self::Gated => "gated",
            Self::Proven => "proven",
            Self::Live => "live",
            Self::RolledBack => "rolled_back",
            Self::Rejected => "rejected",
        }
    }

    /// Whether it may still become live.
    #[must_use]
    pub fn is_open(self) -> bool {
        matches!(self, Self::Drafted | Self::Shadowed | Self::Gated | Self::Proven)
    }
}

/// What lets a proposal go on.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Evidence {
    /// Drafted → shadowed.
    Shadow(Shadow),
    /// Shadowed → gated, or rejected.
    Gate(Verdict),
    /// Gated → proven, or rejected.
    Canary {
        /// Cases that it decided.
        rows: usize,
        /// Difference of the reward to the other cases; `None` where the operator wants no canary.
        gain: Option<Interval>,
    },
    /// Proven → live.
    Promoted {
        /// Who.
        by: String,
        /// Why.
        reason: String,
    },
    /// Live → rolled back.
    RolledBack {
        /// Who.
        by: String,
        /// Why.
        reason: String,
    },
    /// Open → rejected.
    Rejected {
        /// Who.
        by: String,
        /// Why.
        reason: String,
    },
}

/// Evidence and when it was given.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Step {
    /// In milliseconds of the caller's clock.
    pub at_ms: u64,
    /// What it was.
    pub evidence: Evidence,
}

/// A change on its way.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Proposal {
    /// Its number, from 1.
    pub id: u64,
    /// When it was made.
    pub at_ms: u64,
    /// What would be different.
    pub change: Change,
    /// Why it was made, in words.
    pub why: String,
    /// How far it has come.
    pub stage: Stage,
    /// The evidence so far, in order.
    pub steps: Vec<Step>,
    /// How often the gate looked and asked for more.
    pub looks: u32,
    /// What was in force before it was promoted.
    pub(crate) before: Option<Change>,
    /// The version of the live set that it made.
    pub(crate) promoted_as: u64,
}
