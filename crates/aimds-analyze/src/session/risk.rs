//! One calibrated risk from what a session has shown.

use super::trajectory::Features;

/// What the logistic regression reads, in this order: see [`RiskFeatures::of`].
const MEASURES: usize = 3;
/// Fitted by `training/session/fit.py`, bias and slope so that the session adds a tenth to the false alarms of single messages.
const WEIGHTS: [f32; MEASURES] = [1.449, 4.347, 10.142];
const BIAS: f32 = -14.811;

/// What the session risk is computed from: none of it ever lowers the risk.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct RiskFeatures(pub [f32; MEASURES]);

impl RiskFeatures {
    /// In this order: evidence of a raised level (nats), scores gathered (ln(1 + sum)), and repetitions beyond the first:
    /// once, everybody says it again who was not understood.
    #[must_use]
    pub fn of(features: &Features) -> Self {
        let Features { cusum, accumulated, repeated, .. } = *features;
        Self([cusum, accumulated.ln_1p(), repeated.saturating_sub(1) as f32])
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
    /// The user asks the same again and again, in other words or though it was refused.
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
        if !is_more_than_one_message(features) {
            return None;
        }
        let [cusum, accumulated, repeated] = RiskFeatures::of(features).log_odds();
        Some(if repeated > cusum + accumulated { Self::Repeating } else { Self::Rising })
    }
}

/// Calibrated risk in \[0, 1\] that a session's messages together manipulate the model.
///
/// 0 as long as fewer than two of them are suspicious and nothing was asked again twice: what one message does, its own score
/// says.
#[must_use]
pub fn session_risk(features: &Features) -> f32 {
    if !is_more_than_one_message(features) {
        return 0.0;
    }
    let logit = BIAS + RiskFeatures::of(features).log_odds().iter().sum::<f32>();
    1.0 / (1.0 + (-logit).exp())
}

fn is_more_than_one_message(features: &Features) -> bool {
    features.suspicious > 1 || features.repeated > 1
}
