//! What reward to expect of each action, for the doubly robust estimate: ridge regressions, cross-fitted.

use crate::context::MAX_ACTIONS;
use crate::error::Error;
use crate::policy::{Arm, Learning};
use crate::replay::Experience;

/// Two sets of regressions. A row is judged by the one that has not seen it, so that no row vouches for itself
/// (Chernozhukov and others, *Double/debiased machine learning*, 2018).
pub(crate) struct RewardModel {
    folds: [Vec<Arm>; 2],
}

impl RewardModel {
    pub(crate) fn fit(rows: &[Experience], features: usize) -> Result<Self, Error> {
        let learning = Learning { forgetting: 1.0, ridge: 1.0 };
        let arms = || (0..MAX_ACTIONS).map(|_| Arm::new(features, learning)).collect::<Result<Vec<_>, _>>();
        let mut folds = [arms()?, arms()?];
        for (at, row) in rows.iter().enumerate() {
            let fold = folds.get_mut((at + 1) % 2).and_then(|fold| fold.get_mut(row.action.index()));
            if let Some(arm) = fold {
                arm.update(row.features.padded(), row.reward, 1.0);
            }
        }
        Ok(Self { folds })
    }

    /// The expected reward of an action in the case of row number `at`.
    pub(crate) fn expected(&self, at: usize, row: &Experience, action: usize) -> f64 {
        let arm = self.folds.get(at % 2).and_then(|fold| fold.get(action));
        arm.map_or(0.0, |arm| arm.expected(row.features.padded()))
    }
}
