//! One message in, its findings and its risk out.

use crate::validators::{self, Kind};
use crate::{Category, Detector, Finding, Message};

/// What detection says about one message.
#[derive(Clone, Debug, PartialEq)]
pub struct MessageScan {
    /// Calibrated probability in \[0, 1\] that the message manipulates the model.
    pub score: f32,
    /// Everything found.
    pub findings: Vec<Finding>,
}

/// Rules, validators and models, ready for use. Immutable: one instance serves every thread.
#[derive(Debug, Default)]
pub struct Scanner {}

impl Scanner {
    /// Looks at one message; `position` is its place in the conversation.
    #[must_use]
    pub fn scan(&self, position: usize, message: &Message) -> MessageScan {
        let findings = validators::scan(&message.text)
            .into_iter()
            .map(|hit| Finding {
                category: match hit.kind {
                    Kind::Pii(kind) => Category::Pii(kind),
                    Kind::Secret(kind) => Category::Secret(kind),
                },
                detector: Detector::Validator,
                rule: None,
                confidence: hit.confidence,
                message: position,
                span: hit.start..hit.end,
                explanation: hit.explanation.into(),
            })
            .collect();
        MessageScan { score: 0.0, findings }
    }
}
