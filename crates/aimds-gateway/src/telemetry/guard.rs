//! The span of one inspection, `apply_guardrail`.

use std::time::{Duration, SystemTime};

use aimds_engine::{Action, Assessment, Origin, Outcome, Policy, Verdict, VerdictFinding};
use opentelemetry::trace::{Event, Span as _, SpanBuilder, SpanKind};
use opentelemetry::{Array, KeyValue, StringValue, Value};

use super::Exporter;
use crate::metrics::Direction;

/// Findings of one inspection that are told one by one. What is beyond is counted.
const MAX_FINDINGS: usize = 32;

/// What was inspected and what came of it.
pub(crate) struct Guarded<'a> {
    pub(crate) direction: Direction,
    pub(crate) policy: &'a Policy,
    pub(crate) tenant: &'a str,
    pub(crate) outcome: &'a Outcome,
    pub(crate) verdict: &'a Verdict,
    /// Keyed hash of the texts.
    pub(crate) hash: Option<&'a str>,
    /// How long ago it was known, and how long it took to know it.
    pub(crate) ago: Duration,
    pub(crate) took: Duration,
}

impl Guarded<'_> {
    /// Makes the span, which is over already.
    pub(super) fn tell(&self, exporter: &Exporter, parent: &opentelemetry::Context) {
        let Self { direction, verdict, .. } = self;
        let target = match direction {
            Direction::Request => "llm_input",
            Direction::Response => "llm_output",
        };
        let ended = SystemTime::now().checked_sub(self.ago).unwrap_or_else(SystemTime::now);
        let started = ended.checked_sub(self.took).unwrap_or(ended);
        let mut strongest: Vec<_> = verdict.findings.iter().collect();
        strongest.sort_by(|one, other| other.confidence.total_cmp(&one.confidence));
        strongest.truncate(MAX_FINDINGS);
        let names = &exporter.names;
        let event = |finding: &VerdictFinding| {
            let mut attributes = vec![
                KeyValue::new(names.risk_category.clone(), finding.category),
                KeyValue::new(names.risk_score.clone(), f64::from(finding.confidence)),
                KeyValue::new("aimds.detector", finding.detector),
            ];
            attributes.extend(finding.rule.clone().map(|rule| KeyValue::new("aimds.rule", rule)));
            Event::new(names.finding.clone(), ended, attributes, 0)
        };
        let builder = SpanBuilder::from_name(format!("apply_guardrail aimds {target}"))
            .with_kind(SpanKind::Internal)
            .with_start_time(started)
            .with_attributes(self.attributes(exporter, target))
            .with_events(strongest.into_iter().map(event).collect());
        builder.start_with_context(&exporter.tracer, parent).end_with_timestamp(ended);
    }

    fn attributes(&self, exporter: &Exporter, target: &'static str) -> Vec<KeyValue> {
        let Self { verdict, outcome, .. } = self;
        let names = &exporter.names;
        let (action, would) = (outcome.decision.action(), outcome.decision.would());
        let mut policies: Vec<_> =
            verdict.violations.iter().map(|violation| violation.policy.as_str()).collect();
        policies.extend(outcome.decision.orders().iter().map(|order| &*order.playbook));
        let mut rules: Vec<_> =
            verdict.findings.iter().filter_map(|finding| finding.rule.as_deref()).collect();
        for names in [&mut policies, &mut rules] {
            names.sort_unstable();
            names.dedup();
        }
        let mut attributes = vec![
            KeyValue::new("gen_ai.operation.name", "apply_guardrail"),
            KeyValue::new(names.guardian.clone(), "aimds"),
            KeyValue::new(names.guardian_provider.clone(), "aimds"),
            KeyValue::new(names.guardian_version.clone(), env!("CARGO_PKG_VERSION")),
            KeyValue::new(names.target.clone(), target),
            KeyValue::new(names.decision.clone(), kind(action, would)),
            KeyValue::new(names.decision_code.clone(), action.as_str()),
            KeyValue::new(names.modified.clone(), action.changes_texts()),
            KeyValue::new("aimds.risk.score", f64::from(verdict.score)),
            KeyValue::new("aimds.risk.band", band(self.policy, self.tenant, &outcome.assessment)),
            KeyValue::new("aimds.path", verdict.path),
            KeyValue::new("aimds.findings", i64::try_from(verdict.findings.len()).unwrap_or(i64::MAX)),
        ];
        let texts = [
            ("aimds.would", (would != action).then(|| would.as_str())),
            ("aimds.degraded", verdict.degraded),
            ("aimds.exhausted", verdict.exhausted),
        ];
        attributes.extend(texts.into_iter().filter_map(|(name, text)| Some(KeyValue::new(name, text?))));
        attributes.extend(self.hash.map(|hash| KeyValue::new(names.input_hash.clone(), hash.to_owned())));
        attributes
            .extend(policies.first().map(|name| KeyValue::new(names.policy.clone(), (*name).to_owned())));
        let lists = [
            ("aimds.categories", &verdict.categories),
            ("aimds.rules", &rules),
            ("aimds.policies", &policies),
        ];
        let lists = lists.into_iter().filter(|(_, list)| !list.is_empty());
        attributes.extend(lists.map(|(name, list)| KeyValue::new(name, strings(list))));
        attributes
    }
}

fn strings(list: &[&str]) -> Value {
    Value::Array(Array::String(list.iter().map(|text| StringValue::from((*text).to_owned())).collect()))
}

/// The decision in the words of the convention. What only would be done is `audit`.
fn kind(action: Action, would: Action) -> &'static str {
    match action {
        _ if would > action => "audit",
        Action::Allow => "allow",
        Action::Flag => "warn",
        Action::Redact | Action::Sandwich => "modify",
        Action::Throttle | Action::Escalate | Action::Block => "deny",
    }
}

/// The highest threshold of the policy that the risk of a text, or of the session, reaches.
fn band(policy: &Policy, tenant: &str, assessment: &Assessment) -> &'static str {
    let texts = assessment.messages.iter().map(|risk| (risk.origin, risk.score));
    let mut highest = "none";
    for (origin, score) in texts.chain([(Origin::User, assessment.session.score)]) {
        let thresholds = policy.risk_band(tenant, origin);
        if thresholds.block.is_some_and(|threshold| score >= threshold) {
            return "block";
        }
        if thresholds.flag.is_some_and(|threshold| score >= threshold) {
            highest = "flag";
        }
    }
    highest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_action_has_a_word_of_the_convention() {
        let words = Action::ALL.map(|action| kind(action, action));
        assert_eq!(words, ["allow", "warn", "modify", "modify", "deny", "deny", "deny"]);
        assert_eq!(kind(Action::Allow, Action::Block), "audit");
    }
}
