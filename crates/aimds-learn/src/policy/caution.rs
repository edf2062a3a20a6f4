//! What untrusted parties may say: that a response was too weak. It can make the policy stricter, never weaker.
//!
//! An outcome that an attacker can send must not teach the policy that letting through pays. Such outcomes therefore
//! never reach the regressions. A bad one adds to a penalty on the action and on all weaker ones; a good one does nothing.
//! As the penalties never rise with strength, the action with the best penalised index is at least as strong as the one
//! with the best index: if a is best without penalties, every weaker b has index(b) − c(b) ≤ index(a) − c(a).

use serde::{Deserialize, Serialize};

use crate::context::{Action, MAX_ACTIONS};

/// Penalties, weakest action first; they never rise.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Caution {
    penalties: [f64; MAX_ACTIONS],
}

/// How much one complaint adds at most.
const STEP: f64 = 0.01;
/// What remains of a penalty from one decision to the next: half after some 700.
const KEEP: f64 = 0.999;
/// Rewards below this are complaints.
const NEUTRAL: f64 = 0.5;

impl Caution {
    /// An untrusted outcome of `action`. The strongest action cannot be too weak.
    pub(crate) fn hear(&mut self, action: Action, strongest: Action, reward: f64, limit: f64) {
        let complaint = STEP * 2.0 * (NEUTRAL - reward);
        if complaint <= 0.0 || action >= strongest {
            return;
        }
        for penalty in self.penalties.iter_mut().take(action.index() + 1) {
            *penalty = (*penalty + complaint).min(limit);
        }
    }

    pub(crate) fn fade(&mut self) {
        for penalty in &mut self.penalties {
            *penalty *= KEEP;
        }
    }

    pub(crate) fn of(&self, action: usize) -> f64 {
        self.penalties.get(action).copied().unwrap_or(0.0)
    }

    pub(crate) fn is_sound(&self) -> bool {
        self.penalties.is_sorted_by(|a, b| a >= b)
            && self.penalties.iter().all(|&it| (0.0..=1.0).contains(&it))
    }
}
