//! What became of a decision, and what the policy made of it.

use serde::{Deserialize, Serialize};

use super::join::{Missing, Waiting};
use crate::context::{Action, Features};

/// Who says what became of a decision.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Trust {
    /// Anybody, an attacker included: can only make the policy stricter.
    Untrusted,
    /// A system of the operator: counts as far as its quota, the operator's trust and its credibility go.
    Trusted,
    /// A reviewer: outweighs several others and is the yardstick of their credibility.
    Verified,
}

/// What became of a decision.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Outcome {
    /// How good it was: 0 worst, 1 best. Values outside are clipped.
    pub reward: f64,
    /// Who says so: a hash of the name.
    pub source: u64,
    /// How far they are trusted.
    pub trust: Trust,
    /// When, in milliseconds of the caller's clock.
    pub at_ms: u64,
}

/// The decision that an outcome belongs to, and what was learnt.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Effect {
    /// The weight of the outcome; 0: nothing is to be learnt from it.
    pub weight: f64,
    /// Whether it made the policy believe that the environment changed.
    pub drift: bool,
    /// The decision.
    pub decided: Decided,
}

/// A decision as it was remembered.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Decided {
    /// What was known of the case.
    pub features: Features,
    /// Nothing weaker was permitted.
    pub floor: Action,
    /// What was chosen.
    pub action: Action,
    /// With which probability.
    pub propensity: f64,
    /// When.
    pub at_ms: u64,
}

impl From<Waiting> for Decided {
    fn from(waiting: Waiting) -> Self {
        let Waiting { features, floor, action, propensity, at_ms, .. } = waiting;
        Self { features, floor, action, propensity, at_ms }
    }
}

/// Why nothing was learnt from an outcome.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Refused {
    /// There never was such a decision.
    #[error("no such decision")]
    Unknown,
    /// The decision is too old, or too many came after it.
    #[error("the decision is not remembered any more")]
    Expired,
    /// It already has its outcome.
    #[error("the decision already has its outcome")]
    Duplicate,
    /// The source has used up what it may say in this window.
    #[error("the source has used up its quota")]
    Quota,
    /// The reward is NaN or infinite.
    #[error("the reward is not a finite number")]
    NotANumber,
    /// The kill switch is on.
    #[error("learning is stopped")]
    Stopped,
}

impl From<Missing> for Refused {
    fn from(missing: Missing) -> Self {
        match missing {
            Missing::Unknown => Self::Unknown,
            Missing::Expired => Self::Expired,
            Missing::Answered => Self::Duplicate,
        }
    }
}

/// What happened so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counts {
    /// Choices made.
    pub decisions: u64,
    /// Of these, others than the best.
    pub explored: u64,
    /// Outcomes that were learnt from.
    pub learnt: u64,
    /// Outcomes without weight: of untrusted parties, or of sources without credit.
    pub weightless: u64,
    /// Outcomes for no decision that is remembered.
    pub unmatched: u64,
    /// Second outcomes for a decision.
    pub duplicates: u64,
    /// Outcomes beyond a quota.
    pub over_quota: u64,
    /// Outcomes that are no numbers, or came while the kill switch was on.
    pub discarded: u64,
    /// Times that the environment seemed to have changed.
    pub drifts: u64,
}

impl Counts {
    pub(crate) fn note(&mut self, effect: &Result<Effect, Refused>) {
        let counter = match effect {
            Ok(Effect { weight, drift, .. }) => {
                self.drifts += u64::from(*drift);
                if *weight > 0.0 { &mut self.learnt } else { &mut self.weightless }
            }
            Err(Refused::Unknown | Refused::Expired) => &mut self.unmatched,
            Err(Refused::Duplicate) => &mut self.duplicates,
            Err(Refused::Quota) => &mut self.over_quota,
            Err(Refused::NotANumber | Refused::Stopped) => &mut self.discarded,
        };
        *counter += 1;
    }
}
