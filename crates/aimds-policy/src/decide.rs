//! The decision: what the assessment of a request or an answer reaches of a tenant's thresholds, findings, temporal policies
//! and playbooks, with the reasons.

use aimds_analyze::{Assessment, Cause, Degraded, Exhausted, MessageRisk};
use aimds_detect::validators::PiiKind;
use aimds_detect::{Category, Conversation, Finding, Origin};

use crate::decision::{Action, Decision, Reason, ReasonCode, Redaction};
use crate::file::{Mode, OnBudget};
use crate::playbook::{Plan, Situation};
use crate::resolve::{Policy, TenantPolicy};
use crate::temporal::{Asked, Look};

impl Policy {
    /// Decides what happens with a request. Linear in messages plus findings.
    #[must_use]
    pub fn decide(&self, conversation: &Conversation, assessment: &Assessment, tenant: &str) -> Decision {
        self.decide_after(None, conversation, assessment, tenant)
    }

    /// Whether there are temporal policies: whoever asks for decisions on an answer in parts then has to say what came before
    /// each.
    #[must_use]
    pub fn follows(&self) -> bool {
        !self.temporal.is_empty()
    }

    /// Decides what happens with the answer to a request: temporal policies look at both. The taints of `assessment` are those
    /// of the answer after the request ([`aimds_analyze::taints_after`]).
    #[must_use]
    pub fn decide_answer(
        &self,
        asked: &Asked<'_>,
        answer: &Conversation,
        assessment: &Assessment,
        tenant: &str,
    ) -> Decision {
        self.decide_after(Some(asked), answer, assessment, tenant)
    }

    fn decide_after(
        &self,
        asked: Option<&Asked<'_>>,
        conversation: &Conversation,
        assessment: &Assessment,
        tenant: &str,
    ) -> Decision {
        let policy = self.of(tenant);
        let mut reasons = Vec::new();
        let mut redactions = Vec::new();
        let allowed = |message: usize| {
            !policy.allowed_texts.is_empty()
                && conversation
                    .messages
                    .get(message)
                    .is_some_and(|message| policy.allowed_texts.contains(message.text.trim()))
        };
        for risk in &assessment.messages {
            if allowed(risk.message) {
                reasons.push(Reason {
                    code: ReasonCode::AllowList,
                    action: Action::Allow,
                    category: None,
                    message: Some(risk.message),
                    text: "the text is on the allow-list".into(),
                    violation: None,
                });
                continue;
            }
            if let Some(exhausted) = risk.exhausted.filter(|exhausted| policy.counts(*exhausted, risk.origin))
            {
                let action = match policy.on_budget {
                    OnBudget::Escalate => Action::Escalate,
                    OnBudget::Block => Action::Block,
                };
                reasons.push(Reason {
                    code: ReasonCode::Budget,
                    action,
                    category: None,
                    message: Some(risk.message),
                    text: format!("the scan budget for {} ran out", exhausted.as_str()),
                    violation: None,
                });
            }
            if let Some(degraded) = risk.degraded {
                reasons.push(policy.degraded(risk, degraded));
            }
            if let Some((action, threshold)) = policy.reached(risk.origin, risk.score) {
                reasons.push(Reason {
                    code: ReasonCode::Risk,
                    action,
                    category: strongest_manipulation(&assessment.findings, risk.message),
                    message: Some(risk.message),
                    text: format!(
                        "manipulation risk {:.3} of {} text reaches the {} threshold {threshold:.3}",
                        risk.score,
                        risk.origin.as_str(),
                        action.as_str()
                    ),
                    violation: None,
                });
            }
        }
        reasons.extend(policy.session(assessment));
        for finding in &assessment.findings {
            let Some(message) = conversation.messages.get(finding.message) else { continue };
            if finding.confidence < policy.min_confidence || allowed(finding.message) {
                continue;
            }
            let action = policy.action_for(finding.category, message.origin, finding.in_groups());
            if action == Action::Allow {
                continue;
            }
            if action == Action::Redact {
                redactions.push(Redaction {
                    message: finding.message,
                    span: finding.span.clone(),
                    category: finding.category,
                });
            }
            reasons.push(Reason {
                code: ReasonCode::Finding,
                action,
                category: Some(finding.category),
                message: Some(finding.message),
                text: format!("{} in {} text", finding.category, message.origin.as_str()),
                violation: None,
            });
        }
        let look = Look {
            conversation,
            assessment,
            reached: &|risk| policy.reached(risk.origin, risk.score).map(|(action, _)| action),
            min_confidence: policy.min_confidence,
        };
        reasons.extend(match asked {
            None => self.temporal.violations(&look),
            Some(asked) => self.temporal.violations_of_answer(asked, &look),
        });
        let strongest =
            |reasons: &[Reason]| reasons.iter().map(|reason| reason.action).max().unwrap_or(Action::Allow);
        let mut redactions = without_overlaps(redactions);
        let mut plan = Plan::default();
        if !self.playbooks().is_empty() {
            let (added, planned) = self.playbooks().apply(&Situation {
                assessment,
                tenant,
                answer: asked.is_some(),
                decided: strongest(&reasons),
                allowed: &allowed,
                counts: &|finding| {
                    finding.confidence >= policy.min_confidence && !policy.is_allowed(finding.category)
                },
            });
            reasons.extend(added);
            plan = planned;
            plan.settle(&mut redactions);
        }
        reasons.sort_by_key(|reason| std::cmp::Reverse(reason.action));
        Decision::new(strongest(&reasons), policy.mode == Mode::Monitor, reasons, redactions, plan)
    }
}

impl TenantPolicy {
    /// Whether a budget that ran out has kept something from being decided on.
    fn counts(&self, exhausted: Exhausted, origin: Origin) -> bool {
        let acts = |kind| self.action_for(Category::Pii(kind), origin, false) != Action::Allow;
        exhausted != Exhausted::Names || acts(PiiKind::Person) || acts(PiiKind::Address)
    }

    /// What a text deserves that was not analysed as far as it should have been.
    fn degraded(&self, risk: &MessageRisk, degraded: Degraded) -> Reason {
        let (text, unsure) = match degraded {
            Degraded::NoModel => ("no lexical model is loaded", false),
            Degraded::NoEncoder => ("the deep path was wanted and no encoder is loaded", true),
            Degraded::Late => ("the deep path did not look at everything in time", true),
            Degraded::Failed => ("the deep path failed", true),
        };
        let middle = self.deep_band(risk.origin).map_or(0.5, |band| (band.from + band.to) / 2.0);
        let action = if unsure && risk.score >= middle { self.on_degraded } else { Action::Flag };
        Reason {
            code: ReasonCode::Degraded,
            action,
            category: None,
            message: Some(risk.message),
            text: text.into(),
            violation: None,
        }
    }

    /// What the messages together deserve: a session is the user's, and so is the threshold. Its risk is calibrated where it
    /// blocks; below, single messages say more.
    fn session(&self, assessment: &Assessment) -> Option<Reason> {
        let session = &assessment.session;
        let threshold = self.band(Origin::User).block.filter(|&block| session.score >= block)?;
        let cause = session.cause.map_or("suspicious", Cause::as_str);
        let step = session.steps.iter().find(|(_, score)| *score >= threshold);
        Some(Reason {
            code: ReasonCode::Session,
            action: Action::Block,
            category: None,
            message: step.map(|(message, _)| *message),
            text: format!(
                "risk {:.3} of the session ({cause}) reaches the block threshold {threshold:.3}",
                session.score
            ),
            violation: None,
        })
    }
}

fn strongest_manipulation(findings: &[Finding], message: usize) -> Option<Category> {
    findings
        .iter()
        .filter(|finding| finding.message == message && !finding.category.is_data())
        .max_by(|a, b| a.confidence.total_cmp(&b.confidence))
        .map(|finding| finding.category)
}

/// Joins redactions that overlap; the longer one names the category, but a secret is never called anything else: what is
/// personal data may be given back to whoever sent it.
fn without_overlaps(mut redactions: Vec<Redaction>) -> Vec<Redaction> {
    redactions.sort_by_key(|redaction| (redaction.message, redaction.span.start));
    let mut joined: Vec<Redaction> = Vec::with_capacity(redactions.len());
    for redaction in redactions {
        match joined.last_mut() {
            Some(last) if last.message == redaction.message && redaction.span.start < last.span.end => {
                let rank = |redaction: &Redaction| {
                    (matches!(redaction.category, Category::Secret(_)), redaction.span.len())
                };
                if rank(&redaction) > rank(last) {
                    last.category = redaction.category;
                }
                last.span.end = last.span.end.max(redaction.span.end);
            }
            _ => joined.push(redaction),
        }
    }
    joined
}

#[cfg(test)]
mod tests;
