//! What was learnt of the rewards of all actions, apart from who learnt it: this is what is proposed, judged and promoted.

use serde::{Deserialize, Serialize};

use super::arm::Arm;
use super::caution::Caution;
use super::config::PolicyConfig;
use crate::Experience;
use crate::context::{Action, Features, MAX_ACTIONS, MAX_FEATURES};
use crate::error::Error;
use crate::evaluation::Probabilities;
use crate::policy::Trust;

/// One regression an action, with the settings they follow.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Model {
    pub(crate) config: PolicyConfig,
    pub(crate) arms: Vec<Arm>,
    /// Bit i: feature i is used.
    mask: u32,
}

impl Model {
    /// A model that knows nothing, of the features whose bit is set.
    ///
    /// # Errors
    /// [`Error::Setting`] with the name of the setting.
    pub fn new(config: PolicyConfig, mask: u32) -> Result<Self, Error> {
        config.check()?;
        let arms: Result<Vec<Arm>, Error> =
            (0..config.actions).map(|_| Arm::new(config.features, config.learning())).collect();
        Ok(Self { arms: arms?, config, mask })
    }

    /// Learns from one experience; what untrusted parties say is left out. O(d²).
    ///
    /// # Errors
    /// [`Error::Features`] and [`Error::Action`] where it does not fit, and what [`Experience::check`] says.
    pub fn learn(&mut self, experience: &Experience) -> Result<(), Error> {
        experience.check()?;
        self.permitted(&experience.features, experience.action)?;
        let weight = match experience.trust {
            Trust::Untrusted => return Ok(()),
            Trust::Trusted => experience.weight,
            Trust::Verified => experience.weight * self.config.verified_weight,
        };
        if weight > 0.0 {
            self.update(experience.action, &experience.features, experience.reward, weight);
        }
        Ok(())
    }

    /// The probability of each action, weakest first, where exploration is permitted or not.
    ///
    /// # Errors
    /// [`Error::Features`] and [`Error::Action`].
    pub fn probabilities(
        &self,
        features: &Features,
        floor: Action,
        explore: bool,
    ) -> Result<Probabilities, Error> {
        let floor = self.permitted(features, floor)?;
        let best = self.greedy(features, floor, &Caution::default());
        Ok(self.spread(best, floor, explore))
    }

    /// The expected reward of an action, between 0 and 1.
    ///
    /// # Errors
    /// [`Error::Features`] and [`Error::Action`].
    pub fn expected(&self, features: &Features, action: Action) -> Result<f64, Error> {
        self.permitted(features, action)?;
        Ok(self.arms.get(action.index()).map_or(0.0, |arm| arm.expected(&self.masked(features))))
    }

    /// The settings.
    #[must_use]
    pub fn config(&self) -> &PolicyConfig {
        &self.config
    }

    /// The floor that applies, once the case fits.
    pub(super) fn permitted(&self, features: &Features, floor: Action) -> Result<Action, Error> {
        let PolicyConfig { features: expected, actions, .. } = self.config;
        if features.len() != expected {
            return Err(Error::Features { expected, found: features.len() });
        }
        if floor.index() >= actions {
            return Err(Error::Action { action: floor.index(), actions });
        }
        Ok(floor.max(self.config.floor))
    }

    /// The best penalised upper bound at or above the floor. Of equals the strongest wins.
    pub(super) fn greedy(&self, features: &Features, floor: Action, caution: &Caution) -> Action {
        let features = self.masked(features);
        let mut best = (floor, f64::NEG_INFINITY);
        for (action, arm) in self.arms.iter().enumerate().skip(floor.index()) {
            let (expected, width) = arm.index(&features);
            let index = expected + self.config.alpha * width - caution.of(action);
            if index >= best.1 {
                best = (Action(action as u8), index);
            }
        }
        best.0
    }

    /// The best action, and an even share of the exploration for every permitted one.
    pub(super) fn spread(&self, best: Action, floor: Action, explore: bool) -> Probabilities {
        let drawn = if explore { self.config.exploration } else { 0.0 };
        let each = drawn / (self.config.actions.saturating_sub(floor.index())).max(1) as f64;
        let mut probabilities = [0.0; MAX_ACTIONS];
        for (action, probability) in
            probabilities.iter_mut().enumerate().take(self.config.actions).skip(floor.index())
        {
            *probability = each + if action == best.index() { 1.0 - drawn } else { 0.0 };
        }
        probabilities
    }

    pub(super) fn update(&mut self, action: Action, features: &Features, reward: f64, weight: f64) {
        let features = self.masked(features);
        if let Some(arm) = self.arms.get_mut(action.index()) {
            arm.update(&features, reward, weight);
        }
    }

    /// Whether the outcome shows that the action changed; then all evidence is forgotten but for the configured share.
    pub(super) fn notice(&mut self, action: Action, features: &Features, reward: f64) -> bool {
        let features = self.masked(features);
        let changed = self.arms.get_mut(action.index()).is_some_and(|arm| arm.surprised(&features, reward));
        if changed && self.config.keep_on_drift < 1.0 {
            for arm in &mut self.arms {
                arm.forget(self.config.keep_on_drift);
            }
        }
        changed
    }

    /// Largest error of the inverses against fresh ones.
    pub(super) fn numerical_error(&self) -> f64 {
        self.arms.iter().map(|arm| arm.drift_of_inverse().unwrap_or(f64::INFINITY)).fold(0.0, f64::max)
    }

    pub(crate) fn updates(&self) -> u64 {
        self.arms.iter().map(|arm| arm.updates).sum()
    }

    pub(crate) fn is_sound(&self) -> bool {
        let d = self.config.features;
        self.config.check().is_ok()
            && self.arms.len() == self.config.actions
            && self.arms.iter().all(|arm| arm.is_sound(d))
    }

    /// The features that are used; the others are 0.
    fn masked(&self, features: &Features) -> [f64; MAX_FEATURES] {
        let mut masked = *features.padded();
        if self.mask != u32::MAX {
            for (at, value) in masked.iter_mut().enumerate() {
                *value = if self.mask >> at & 1 == 1 { *value } else { 0.0 };
            }
        }
        masked
    }
}
