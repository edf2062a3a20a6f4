//! One calibrated risk from what a session has shown.

use super::trajectory::Features;

/// What the logistic regression reads, in this order: see [`RiskFeatures::of`].
const MEASURES: usize = 4;
/// Fitted by `training/session/fit.py` (PLACEHOLDER).
const WEIGHTS: [f32; MEASURES] = [2.0, 6.0, 1.0, 1.0];
const BIAS: f32 = -5.0;

/// What the session risk is computed from: none of it ever lowers the risk.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct RiskFeatures(pub [f32; MEASURES]);

impl RiskFeatures {
    /// In this order: evidence of a raised level (ln(1 + nats)), scores gathered (ln(1 + sum)), pressing after refusals, and
    /// repetitions beyond the first: once, everybody says it again who was not understood.
    #[must_use]
    pub fn of(features: &Features) -> Self {
        let Features { cusum, accumulated, pressed, repeated, .. } = *features;
        Self([cusum.ln_1p(), accumulated.ln_1p(), pressed, (repeated - 1.0).max(0.0)])
    }
}

/// What weighs most in a session's risk.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Cause {
    /// The level of the scores has risen or stays high.
    Rising,
    /// The user says again what the model has refused.
    Pressing,
    /// The user sends nearly the same suspicious text again and again.
    Repeating,
}

impl Cause {
    /// The stable name.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Rising => "rising",
            Self::Pressing => "pressing",
            Self::Repeating => "repeating",
        }
    }

    /// What weighs most; `None` where the risk is 0.
    #[must_use]
    pub fn of(features: &Features) -> Option<Self> {
        if features.suspicious < 2 {
            return None;
        }
        let [cusum, accumulated, pressed, repeated] = weighed(features);
        let parts =
            [(Self::Rising, cusum + accumulated), (Self::Pressing, pressed), (Self::Repeating, repeated)];
        parts.into_iter().max_by(|a, b| a.1.total_cmp(&b.1)).map(|(cause, _)| cause)
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
    let logit = BIAS + weighed(features).iter().sum::<f32>();
    1.0 / (1.0 + (-logit).exp())
}

fn weighed(features: &Features) -> [f32; MEASURES] {
    let mut measures = RiskFeatures::of(features).0;
    measures.iter_mut().zip(WEIGHTS).for_each(|(measure, weight)| *measure *= weight);
    measures
}
