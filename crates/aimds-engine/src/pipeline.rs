//! The life of a request between receive and respond, on one screen.

use aimds_analyze::{Assessment, MessageRisk, Session, Timestamp, assess};
use aimds_detect::{Conversation, Scanner};
use aimds_policy::{Decision, Policy, PolicyError};

use crate::embedded::DEFAULT_POLICY;

/// How deep a request was analysed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Depth {
    /// Tier 1 only.
    Fast,
}

impl Depth {
    /// The stable name.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Fast => "fast",
        }
    }
}

/// What the engine answers.
#[derive(Debug)]
pub struct Outcome {
    /// What happens, why, and the permit if it may go on.
    pub decision: Decision,
    /// The risk and what was found.
    pub assessment: Assessment,
    /// How deep it looked.
    pub path: Depth,
}

/// Why an engine cannot be built.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum EngineError {
    /// The policy is refused.
    #[error(transparent)]
    Policy(#[from] PolicyError),
}

/// Rules, models and policy, ready for use. Immutable: share one instance between threads.
#[derive(Debug)]
pub struct Engine {
    scanner: Scanner,
    policy: Policy,
}

impl Engine {
    /// The engine with the rules, models and policy that ship inside the binary.
    ///
    /// # Errors
    /// Never in a released binary: what is embedded is checked by the tests.
    pub fn embedded() -> Result<Self, EngineError> {
        Self::with_policy(Policy::parse(DEFAULT_POLICY)?)
    }

    /// The embedded rules and models with the operator's policy.
    ///
    /// # Errors
    /// As [`Engine::embedded`].
    pub fn with_policy(policy: Policy) -> Result<Self, EngineError> {
        Ok(Self { scanner: Scanner::default(), policy })
    }

    /// The policy in force.
    #[must_use]
    pub fn policy(&self) -> &Policy {
        &self.policy
    }

    /// normalise → detect → analyse → decide.
    ///
    /// Cost is linear in the text. `session` is changed: it remembers the request.
    #[must_use]
    pub fn inspect(&self, conversation: &Conversation, session: &mut Session, now: Timestamp) -> Outcome {
        let mut risks = Vec::with_capacity(conversation.messages.len());
        let mut findings = Vec::new();
        for (position, message) in conversation.messages.iter().enumerate() {
            let mut scan = self.scanner.scan(position, message);
            findings.append(&mut scan.findings);
            risks.push(MessageRisk { message: position, origin: message.origin, score: scan.score, exhausted: None });
        }
        let assessment = assess(risks, findings, None, session, now);
        let decision = self.policy.decide(conversation, &assessment, session.tenant());
        Outcome { decision, assessment, path: Depth::Fast }
    }
}
