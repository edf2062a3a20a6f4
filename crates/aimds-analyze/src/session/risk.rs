//! One calibrated risk from what a session has shown.

use super::trajectory::Features;

/// What the logistic regression reads, in this order: see [`RiskFeatures::of`].
const MEASURES: usize = 3;
/// Fitted by `training/session/fit.py`, bias and slope so that the session adds a tenth to the false alarms of single messages.
/// Pressing after refusals was offered too and got no weight: people who ask for harm press as well.
const WEIGHTS: [f32; MEASURES] = [4.339, 10.847, 5.221];
const BIAS: f32 = -16.646;

/// What the session risk is computed from: none of it ever lowers the risk.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct RiskFeatures(pub [f32; MEASURES]);

impl RiskFeatures {
    /// In this order: evidence of a raised level (ln(1 + nats)), scores gathered (ln(1 + sum)), and repetitions beyond the first:
    /// once, everybody says it again who was not understood.
    #[must_use]
    pub fn of(features: &Features) -> Self {
        let Features { cusum, accumulated, repeated, .. } = *features;
        Self([cusum.ln_1p(), accumulated.ln_1p(), (repeated - 1.0).max(0.0)])
    }

    /// What each of them adds to the log-odds of the risk, in the same order.
    #[must_use]
    pub fn log_odds(mut self) -> [f32; MEASURES] {
        self.0.iter_mut().zip(WEIGHTS).for_each(|(measure, weight)| *measure *= weight);
        self.0
    }
}

/// What weighs most in a session's risk.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Cause {
    /// The level of the scores has risen or stays high.
    Rising,
    /// The user sends nearly the same suspicious text again and again.
    Repeating,
}

impl Cause {
    /// The stable name.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Rising => "rising",
            Self::Repeating => "repeating",
        }
    }

    /// What weighs most; `None` where the risk is 0.
    #[must_use]
    pub fn of(features: &Features) -> Option<Self> {
        if features.suspicious < 2 {
            return None;
        }
        let [cusum, accumulated, repeated] = RiskFeatures::of(features).log_odds();
        Some(if repeated > cusum + accumulated { Self::Repeating } else { Self::Rising })
    }
}

/// Calibrated risk in \[0, 1\] that a session's messages together manipulate the model.
///
/// 0 as long as fewer than two of them are suspicious: what one message does, its own score says.
#[must_use]
pub fn session_risk(features: &Features) -> f32 {
    if features.suspicious < 2 {
        return 0.0;
    }
    let logit = BIAS + RiskFeatures::of(features).log_odds().iter().sum::<f32>();
    1.0 / (1.0 + (-logit).exp())
}
