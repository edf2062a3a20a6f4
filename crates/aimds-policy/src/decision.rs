//! What policy answers.

use std::ops::Range;

use aimds_detect::Category;
use schemars::JsonSchema;
use serde::Deserialize;

use crate::playbook::{Order, Plan, Removal, Spotlight};

/// What is done with a request, weakest first. Of several reasons the strongest decides: the order is total, so that what
/// a playbook adds can only make a decision stronger.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Action {
    /// Forward unchanged.
    Allow,
    /// Forward unchanged and mark.
    Flag,
    /// Forward with the matched places replaced.
    Redact,
    /// Forward with untrusted content marked as such, and a reminder to the model of what the marks mean.
    Sandwich,
    /// Do not forward now; the caller may try again later.
    Throttle,
    /// Do not forward; a person must look at it.
    Escalate,
    /// Do not forward.
    Block,
}

impl Action {
    /// Every action, weakest first.
    pub const ALL: [Self; 7] =
        [Self::Allow, Self::Flag, Self::Redact, Self::Sandwich, Self::Throttle, Self::Escalate, Self::Block];

    /// The stable name.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Allow => "allow",
            Self::Flag => "flag",
            Self::Redact => "redact",
            Self::Sandwich => "sandwich",
            Self::Throttle => "throttle",
            Self::Escalate => "escalate",
            Self::Block => "block",
        }
    }

    /// Whether the request may go on.
    #[must_use]
    pub fn forwards(self) -> bool {
        matches!(self, Self::Allow | Self::Flag | Self::Redact | Self::Sandwich)
    }

    /// Whether the request goes on with its texts changed.
    #[must_use]
    pub fn changes_texts(self) -> bool {
        matches!(self, Self::Redact | Self::Sandwich)
    }
}

/// Why something was decided; one of a fixed set, so that it can be counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ReasonCode {
    /// The risk of a message reached a threshold.
    Risk,
    /// The policy names an action for the category of a finding.
    Finding,
    /// A budget ran out before everything was looked at.
    Budget,
    /// Part of the analysis was not available.
    Degraded,
    /// The messages of a session together, though none of them alone.
    Session,
    /// A temporal policy does not hold.
    Temporal,
    /// An allow-list entry applied.
    AllowList,
    /// A playbook applies.
    Playbook,
    /// A learnt policy that a person has promoted.
    Learnt,
}

impl ReasonCode {
    /// The stable name.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Risk => "risk",
            Self::Finding => "finding",
            Self::Budget => "budget",
            Self::Degraded => "degraded",
            Self::Session => "session",
            Self::Temporal => "temporal",
            Self::AllowList => "allow_list",
            Self::Playbook => "playbook",
            Self::Learnt => "learnt",
        }
    }
}

/// One reason for a decision.
#[derive(Clone, Debug, PartialEq)]
pub struct Reason {
    /// Which kind of reason.
    pub code: ReasonCode,
    /// What it led to.
    pub action: Action,
    /// The category, where a finding is the reason.
    pub category: Option<Category>,
    /// Position in `Conversation::messages`, where one message is the reason.
    pub message: Option<usize>,
    /// In words, without text of the request.
    pub text: String,
    /// The temporal policy and its witness, where one is the reason.
    pub violation: Option<Violation>,
}

/// A temporal policy that a conversation violates, and the evidence. Holds names of the policy file only, never text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Violation {
    /// Its name in the policy file.
    pub policy: String,
    /// False where a limit ended it, which counts as a violation.
    pub followed: bool,
    /// The steps that explain it, in order: where what was violated began, if that is a step of its own, and where it was
    /// violated.
    pub witness: Vec<WitnessStep>,
}

/// One step of a witness.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WitnessStep {
    /// Number of the text, from 0: those of the request, then those of its answer.
    pub step: usize,
    /// Whether the text is one of the answer, or of the part of it that is decided on: what has left before counts as asked.
    pub answer: bool,
    /// Index of the provider message that the text is of.
    pub message: usize,
    /// Which events of the formula happen there, as the formula writes them.
    pub events: Vec<String>,
}

/// One place that must be replaced before the text goes on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Redaction {
    /// Position in `Conversation::messages`.
    pub message: usize,
    /// Byte range in the original text.
    pub span: Range<usize>,
    /// What is there.
    pub category: Category,
}

/// The right to forward one request, and what must be redacted first. Cannot be constructed outside this crate.
///
/// ```compile_fail
/// let permit = aimds_policy::Permit { redactions: vec![] };
/// ```
#[derive(Debug)]
#[must_use = "a permit that is dropped means that the request is not forwarded"]
pub struct Permit {
    redactions: Vec<Redaction>,
    removals: Vec<Removal>,
    spotlight: Option<Spotlight>,
}

impl Permit {
    /// What must be replaced, by message and position, without overlaps.
    #[must_use]
    pub fn redactions(&self) -> &[Redaction] {
        &self.redactions
    }

    /// Which instructions must be removed or quoted, by message and position, without overlaps, also with
    /// [`redactions`](Self::redactions).
    #[must_use]
    pub fn removals(&self) -> &[Removal] {
        &self.removals
    }

    /// What going on with this permit amounts to.
    #[must_use]
    pub fn action(&self) -> Action {
        match (self.spotlight.is_some(), self.redactions.is_empty() && self.removals.is_empty()) {
            (true, _) => Action::Sandwich,
            (false, false) => Action::Redact,
            (false, true) => Action::Flag,
        }
    }

    /// Which texts must be marked as untrusted.
    #[must_use]
    pub fn spotlight(&self) -> Option<&Spotlight> {
        self.spotlight.as_ref()
    }
}

/// What policy decided for one request.
#[derive(Debug)]
pub struct Decision {
    would: Action,
    monitored: bool,
    reasons: Vec<Reason>,
    redactions: Vec<Redaction>,
    plan: Plan,
}

impl Decision {
    pub(crate) fn new(
        would: Action,
        monitored: bool,
        reasons: Vec<Reason>,
        redactions: Vec<Redaction>,
        plan: Plan,
    ) -> Self {
        Self { would, monitored, reasons, redactions, plan }
    }

    /// Makes it at least as strong as `action` and says why, and for which message; nothing where it is that already. There is no
    /// way back.
    pub fn strengthen(&mut self, action: Action, message: Option<usize>, why: String) {
        if action <= self.would {
            return;
        }
        self.would = action;
        let code = ReasonCode::Learnt;
        self.reasons.insert(0, Reason { code, action, category: None, message, text: why, violation: None });
    }

    /// What is done. In monitor mode never stronger than `Flag`.
    #[must_use]
    pub fn action(&self) -> Action {
        if self.monitored { self.would.min(Action::Flag) } else { self.would }
    }

    /// What would have been done if the policy were enforced.
    #[must_use]
    pub fn would(&self) -> Action {
        self.would
    }

    /// Whether the policy only watches.
    #[must_use]
    pub fn monitored(&self) -> bool {
        self.monitored
    }

    /// Why, strongest first.
    #[must_use]
    pub fn reasons(&self) -> &[Reason] {
        &self.reasons
    }

    /// What is redacted if the request goes on.
    #[must_use]
    pub fn redactions(&self) -> &[Redaction] {
        &self.redactions
    }

    /// What playbooks order beside the decision, for whoever carries it out. Nothing in monitor mode.
    #[must_use]
    pub fn orders(&self) -> &[Order] {
        if self.monitored { &[] } else { &self.plan.orders }
    }

    /// Which instructions are removed or quoted if the request goes on.
    #[must_use]
    pub fn removals(&self) -> &[Removal] {
        &self.plan.removals
    }

    /// Which texts are marked as untrusted if the request goes on.
    #[must_use]
    pub fn spotlight(&self) -> Option<&Spotlight> {
        self.plan.spotlight.as_ref()
    }

    /// Whether the request may go on although nobody carries out what playbooks want changed in its texts: for callers that
    /// are told yes or no.
    #[must_use]
    pub fn passes(&self) -> bool {
        let changes = !self.monitored && (!self.plan.removals.is_empty() || self.plan.spotlight.is_some());
        self.action().forwards() && !changes
    }

    /// The permit, if the request may go on.
    #[must_use]
    pub fn into_permit(self) -> Option<Permit> {
        let action = self.action();
        let unchanged = || Permit { redactions: Vec::new(), removals: Vec::new(), spotlight: None };
        action.forwards().then(|| if action.changes_texts() { self.into_changed() } else { unchanged() })
    }

    /// The permit with everything changed that the policy wants changed.
    pub(crate) fn into_changed(self) -> Permit {
        let Self { redactions, plan: Plan { removals, spotlight, .. }, .. } = self;
        Permit { redactions, removals, spotlight }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_decision_can_be_made_stronger_and_never_weaker() {
        for (is, monitored) in Action::ALL.into_iter().flat_map(|is| [(is, false), (is, true)]) {
            for to in Action::ALL {
                let mut decision = Decision::new(is, monitored, Vec::new(), Vec::new(), Plan::default());
                decision.strengthen(to, Some(3), "because".into());
                assert_eq!((decision.would(), decision.monitored()), (is.max(to), monitored));
                let expected: Vec<_> =
                    (to > is).then_some((ReasonCode::Learnt, to, Some(3))).into_iter().collect();
                let reasons = decision.reasons().iter();
                assert_eq!(reasons.map(|it| (it.code, it.action, it.message)).collect::<Vec<_>>(), expected);
                let forwards = decision.action().forwards();
                assert_eq!(decision.into_permit().is_some(), forwards);
            }
        }
    }
}
