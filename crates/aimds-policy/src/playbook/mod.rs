//! Playbooks: what is done beside the decision, and with which texts.
//!
//! A playbook names conditions on a message (origin, category, risk) and on what the rest of the policy has decided, and
//! measures for where all of them hold. It only adds: each measure stands for an [`Action`] that the decision has at
//! least, so that no playbook makes a decision weaker.

mod apply;
mod plan;
mod resolve;

use std::sync::Arc;

use schemars::JsonSchema;
use serde::Deserialize;

use crate::Action;
pub(crate) use apply::Situation;
pub use plan::{Neutral, Order, Plan, Removal, Spotlight};

/// One thing that a playbook does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Measure {
    /// Tell whoever is configured to be told. Changes nothing for the request.
    Notify,
    /// Forward and mark.
    Flag,
    /// Forward, and hold further requests of the session up for a moment each.
    Delay,
    /// Forward with the instructions that were found in untrusted content quoted, so that they read as data.
    Quote,
    /// Forward without the instructions that were found in untrusted content.
    Strip,
    /// Forward with untrusted content marked (spotlighting).
    Sandwich,
    /// Do not forward, and turn further requests of the session away for a while.
    Throttle,
    /// Do not forward; a person must look at it.
    Escalate,
    /// Do not forward.
    Block,
    /// Do not forward, and refuse the session from now on until it is released or the time is up.
    Quarantine,
    /// Do not forward, and refuse the API key from now on until it is reinstated.
    RevokeKey,
}

impl Measure {
    /// Every measure.
    pub const ALL: [Self; 11] = [
        Self::Notify,
        Self::Flag,
        Self::Delay,
        Self::Quote,
        Self::Strip,
        Self::Sandwich,
        Self::Throttle,
        Self::Escalate,
        Self::Block,
        Self::Quarantine,
        Self::RevokeKey,
    ];

    /// The stable name.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Notify => "notify",
            Self::Flag => "flag",
            Self::Delay => "delay",
            Self::Quote => "quote",
            Self::Strip => "strip",
            Self::Sandwich => "sandwich",
            Self::Throttle => "throttle",
            Self::Escalate => "escalate",
            Self::Block => "block",
            Self::Quarantine => "quarantine",
            Self::RevokeKey => "revoke_key",
        }
    }

    /// What the decision is at least where the measure is taken.
    ///
    /// ```
    /// use aimds_policy::{Action, Measure};
    /// assert_eq!(Measure::Quarantine.action(), Action::Block);
    /// assert_eq!(Measure::Notify.action(), Action::Allow);
    /// ```
    #[must_use]
    pub fn action(self) -> Action {
        match self {
            Self::Notify => Action::Allow,
            Self::Flag | Self::Delay => Action::Flag,
            Self::Quote | Self::Strip => Action::Redact,
            Self::Sandwich => Action::Sandwich,
            Self::Throttle => Action::Throttle,
            Self::Escalate => Action::Escalate,
            Self::Block | Self::Quarantine | Self::RevokeKey => Action::Block,
        }
    }

    /// Whether it changes texts of the request.
    fn changes_texts(self) -> bool {
        matches!(self, Self::Quote | Self::Strip | Self::Sandwich)
    }

    /// Whether it holds for a time.
    fn lasts(self) -> bool {
        matches!(self, Self::Throttle | Self::Delay | Self::Quarantine)
    }
}

/// How untrusted content is marked for the model, weakest first (Hines et al., "Defending Against Indirect Prompt
/// Injection Attacks With Spotlighting", 2024).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum SpotlightMode {
    /// Between two marks that are drawn anew for each request.
    #[default]
    Delimit,
    /// The same, and a character that is drawn anew stands between all words.
    Datamark,
    /// The same marks around the base64 of the text. Only capable models read it.
    Encode,
}

impl SpotlightMode {
    /// The stable name.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Delimit => "delimit",
            Self::Datamark => "datamark",
            Self::Encode => "encode",
        }
    }
}

/// The playbooks of a file, ready for use.
#[derive(Clone, Debug, Default)]
pub(crate) struct Playbooks {
    entries: Vec<Playbook>,
}

#[derive(Clone, Debug)]
struct Playbook {
    name: Arc<str>,
    measures: Vec<Measure>,
    /// The strongest action of the measures.
    action: Action,
    decisions: Vec<Action>,
    categories: Vec<String>,
    origins: Vec<aimds_detect::Origin>,
    risk: Option<(f32, f32)>,
    tenants: Option<Vec<String>>,
    spotlight: SpotlightMode,
    seconds: u32,
    delay_ms: u32,
}

#[cfg(test)]
mod tests;
