//! Names of attributes about guardrails. OpenTelemetry has not settled them; what is proposed
//! (open-telemetry/semantic-conventions pull request 3233) and what products send differ by their first part alone.

use opentelemetry::Key;

/// The names below one namespace.
pub(super) struct Names {
    pub(super) guardian: Key,
    pub(super) guardian_provider: Key,
    pub(super) guardian_version: Key,
    pub(super) target: Key,
    pub(super) decision: Key,
    pub(super) decision_code: Key,
    pub(super) policy: Key,
    pub(super) input_hash: Key,
    pub(super) modified: Key,
    /// Name of the event for one finding.
    pub(super) finding: String,
    pub(super) risk_category: Key,
    pub(super) risk_score: Key,
}

impl Names {
    pub(super) fn new(namespace: &str) -> Self {
        let key = |name: &str| Key::from(format!("{namespace}.{name}"));
        Self {
            guardian: key("guardian.name"),
            guardian_provider: key("guardian.provider.name"),
            guardian_version: key("guardian.version"),
            target: key("security.target.type"),
            decision: key("security.decision.type"),
            decision_code: key("security.decision.code"),
            policy: key("security.policy.id"),
            input_hash: key("security.content.input.hash"),
            modified: key("security.content.modified"),
            finding: format!("{namespace}.security.finding"),
            risk_category: key("security.risk.category"),
            risk_score: key("security.risk.score"),
        }
    }
}
