//! Settings of the response policy.

use serde::{Deserialize, Serialize};

use super::arm::Learning;
use super::sources::SourceLimits;
use crate::context::{Action, MAX_ACTIONS, MAX_FEATURES};
use crate::error::{Error, setting};

/// Settings of [`ResponsePolicy`](super::ResponsePolicy).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PolicyConfig {
    /// Features of a context, at most [`MAX_FEATURES`].
    pub features: usize,
    /// Responses, at most [`MAX_ACTIONS`], weakest first.
    pub actions: usize,
    /// Nothing weaker is ever chosen, whatever the floor of a case. Default the weakest.
    pub floor: Action,
    /// Width of the confidence interval in the index of an action. Default 0.2.
    pub alpha: f64,
    /// Share of decisions that are drawn evenly from all permitted actions. Default 0.01.
    pub exploration: f64,
    /// What is kept of the evidence for an action from one of its outcomes to the next. Default 0.999.
    pub forgetting: f64,
    /// What is kept of all evidence when the errors of an action rise; 1 never forgets at once. Default 0.15.
    pub keep_on_drift: f64,
    /// Ridge of the regressions. Default 1.
    pub ridge: f64,
    /// How many trusted outcomes a reviewer's outweighs. Default 5.
    pub verified_weight: f64,
    /// The most that complaints of untrusted parties take off the index of an action. Default 0.1.
    pub max_caution: f64,
    /// Decisions that can wait for their outcome. Default 4,096.
    pub waiting: usize,
    /// How long they wait, in milliseconds. Default one week.
    pub ttl_ms: u64,
    /// Bounds on single sources.
    pub sources: SourceLimits,
}

impl PolicyConfig {
    /// The defaults for so many features and actions.
    #[must_use]
    pub fn new(features: usize, actions: usize) -> Self {
        Self {
            features,
            actions,
            floor: Action::WEAKEST,
            alpha: 0.2,
            exploration: 0.01,
            forgetting: 0.999,
            keep_on_drift: 0.15,
            ridge: 1.0,
            verified_weight: 5.0,
            max_caution: 0.1,
            waiting: 4096,
            ttl_ms: 7 * 24 * 3_600_000,
            sources: SourceLimits::default(),
        }
    }

    pub(crate) fn check(&self) -> Result<(), Error> {
        let whole = |name, value: usize, most: usize, range| {
            setting(name, value as f64, range, (1..=most).contains(&value))
        };
        whole("features", self.features, MAX_FEATURES, "from 1 to 32")?;
        whole("actions", self.actions, MAX_ACTIONS, "from 1 to 8")?;
        whole("waiting", self.waiting, 1 << 20, "from 1 to 1048576")?;
        setting(
            "floor",
            f64::from(self.floor.0),
            "less than the number of actions",
            self.floor.index() < self.actions,
        )?;
        let share = |value: f64| (0.0..=1.0).contains(&value);
        setting("alpha", self.alpha, "from 0 to 100", (0.0..=100.0).contains(&self.alpha))?;
        setting("exploration", self.exploration, "from 0 to 1", share(self.exploration))?;
        let kept = (0.5..=1.0).contains(&self.forgetting);
        setting("forgetting", self.forgetting, "from 0.5 to 1", kept)?;
        let kept = self.keep_on_drift > 0.0 && self.keep_on_drift <= 1.0;
        setting("keep_on_drift", self.keep_on_drift, "above 0 and at most 1", kept)?;
        let sound = (1e-6..=1e6).contains(&self.ridge);
        setting("ridge", self.ridge, "from 0.000001 to 1000000", sound)?;
        let sound = (1.0..=1000.0).contains(&self.verified_weight);
        setting("verified_weight", self.verified_weight, "from 1 to 1000", sound)?;
        setting("max_caution", self.max_caution, "from 0 to 1", share(self.max_caution))?;
        self.sources.check()
    }

    pub(crate) fn learning(&self) -> Learning {
        Learning { forgetting: self.forgetting, ridge: self.ridge }
    }
}
