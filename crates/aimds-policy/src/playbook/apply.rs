//! Which playbooks apply to a conversation, and what they add to its decision.

use aimds_analyze::{Assessment, MessageRisk};
use aimds_detect::{Detector, Finding};

use super::plan::{Neutral, Order, Plan, Removal};
use super::{Measure, Playbook, Playbooks};
use crate::Action;
use crate::decision::{Reason, ReasonCode};

/// What a decision is about.
pub(crate) struct Situation<'a> {
    pub(crate) assessment: &'a Assessment,
    pub(crate) tenant: &'a str,
    /// It is about an answer, which no model reads any more.
    pub(crate) answer: bool,
    /// What the rest of the policy decides.
    pub(crate) decided: Action,
    /// Whether the allow-list lets a message pass.
    pub(crate) allowed: &'a dyn Fn(usize) -> bool,
    /// Whether a finding counts: sure enough, and not of a category on the allow-list.
    pub(crate) counts: &'a dyn Fn(&Finding) -> bool,
}

impl Playbooks {
    pub(crate) fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// The thresholds that playbooks draw on the risk of a message.
    pub(crate) fn cuts(&self) -> impl Iterator<Item = f32> {
        self.entries.iter().filter_map(|playbook| playbook.risk).flat_map(|(from, to)| [from, to])
    }

    /// The names of the playbooks, and the tenants that they name.
    pub(crate) fn names(&self) -> impl Iterator<Item = (&str, &[String])> {
        self.entries.iter().map(|playbook| {
            let tenants: &[String] = playbook.tenants.as_deref().unwrap_or_default();
            (&*playbook.name, tenants)
        })
    }

    /// Reasons and plan of the playbooks that apply. O(playbooks · (messages + findings)).
    pub(crate) fn apply(&self, situation: &Situation<'_>) -> (Vec<Reason>, Plan) {
        let mut plan = Plan::default();
        let mut reasons = Vec::new();
        for playbook in self.entries.iter().filter(|playbook| playbook.is_for(situation)) {
            let messages = playbook.messages(situation);
            if messages.is_empty() && playbook.is_about_messages() {
                continue;
            }
            reasons.push(playbook.reason(situation, &messages));
            reasons.extend(playbook.change_texts(situation, &messages, &mut plan));
            for &measure in playbook.measures.iter() {
                plan.order(Order {
                    measure,
                    playbook: playbook.name.clone(),
                    seconds: if measure.lasts() { playbook.seconds } else { 0 },
                    delay_ms: if measure == Measure::Delay { playbook.delay_ms } else { 0 },
                });
            }
        }
        (reasons, plan)
    }
}

impl Playbook {
    fn is_for(&self, situation: &Situation<'_>) -> bool {
        let tenant =
            self.tenants.as_ref().is_none_or(|tenants| tenants.iter().any(|t| t == situation.tenant));
        tenant && (self.decisions.is_empty() || self.decisions.contains(&situation.decided))
    }

    fn is_about_messages(&self) -> bool {
        !self.categories.is_empty() || !self.origins.is_empty() || self.risk.is_some()
    }

    /// The messages that it applies to.
    fn messages<'a>(&self, situation: &Situation<'a>) -> Vec<&'a MessageRisk> {
        if !self.is_about_messages() {
            return Vec::new();
        }
        let holds = |risk: &&MessageRisk| {
            (self.origins.is_empty() || self.origins.contains(&risk.origin))
                && self.risk.is_none_or(|(from, to)| risk.score >= from && (risk.score < to || to >= 1.0))
                && !(situation.allowed)(risk.message)
                && (self.categories.is_empty() || self.findings(situation, risk.message).next().is_some())
        };
        situation.assessment.messages.iter().filter(holds).collect()
    }

    /// The findings of a message that it names; all where it names none.
    fn findings<'a>(
        &'a self,
        situation: &Situation<'a>,
        message: usize,
    ) -> impl Iterator<Item = &'a Finding> {
        // Findings are sorted by message.
        let all = &situation.assessment.findings;
        let from = all.partition_point(|finding| finding.message < message);
        let counts = situation.counts;
        all.get(from..)
            .unwrap_or_default()
            .iter()
            .take_while(move |finding| finding.message == message)
            .filter(move |finding| counts(finding) && self.names(finding))
    }

    fn names(&self, finding: &Finding) -> bool {
        let name = finding.category.as_str();
        let matches = |pattern: &String| match pattern.strip_suffix('*') {
            Some(family) => finding.in_groups() && name.starts_with(family),
            None => name == pattern,
        };
        self.categories.is_empty() && finding.in_groups() || self.categories.iter().any(matches)
    }

    fn reason(&self, situation: &Situation<'_>, messages: &[&MessageRisk]) -> Reason {
        let measures: Vec<_> = self.measures.iter().map(|measure| measure.as_str()).collect();
        // What an answer says is not read by a model before it is asked again.
        let only_marks = situation.answer && self.action == Action::Sandwich;
        Reason {
            code: ReasonCode::Playbook,
            action: if only_marks { Action::Flag } else { self.action },
            category: messages
                .iter()
                .find_map(|risk| self.findings(situation, risk.message).next())
                .map(|finding| finding.category),
            message: messages.first().map(|risk| risk.message),
            text: format!("the playbook \"{}\" applies: {}", self.name, measures.join(", ")),
            violation: None,
        }
    }

    /// Plans what happens to the texts, and says why a message cannot go on where that is not enough.
    fn change_texts(
        &self,
        situation: &Situation<'_>,
        messages: &[&MessageRisk],
        plan: &mut Plan,
    ) -> Vec<Reason> {
        let has = |measure| self.measures.contains(&measure);
        if has(Measure::Sandwich) && !situation.answer {
            messages.iter().for_each(|risk| plan.mark(self.spotlight, risk.message));
        }
        let how = match (has(Measure::Strip), has(Measure::Quote)) {
            (true, _) => Neutral::Remove,
            (_, true) => Neutral::Quote,
            _ => return Vec::new(),
        };
        let mut missing = Vec::new();
        for risk in messages {
            let before = plan.removals.len();
            let found: Vec<&Finding> = self
                .findings(situation, risk.message)
                .filter(|finding| !finding.category.is_data() && !finding.span.is_empty())
                .collect();
            // A model names whole sentences and their neighbours: where a rule knows the words, these go first, and what is
            // left is looked at again.
            let named = |window: &Finding| {
                found.iter().any(|rule| {
                    rule.detector == Detector::Rule
                        && window.span.start <= rule.span.start
                        && rule.span.end <= window.span.end
                })
            };
            let is_model = |finding: &Finding| {
                matches!(finding.detector, Detector::Lexical | Detector::Encoder | Detector::Orders)
            };
            let instructions = found
                .iter()
                .filter(|finding| how != Neutral::Remove || !is_model(finding) || !named(finding));
            plan.removals.extend(instructions.map(|finding| {
                let Finding { message, category, .. } = **finding;
                Removal { message, span: finding.span.clone(), category, how }
            }));
            if plan.removals.len() == before {
                missing.push(Reason {
                    code: ReasonCode::Playbook,
                    action: Action::Block,
                    category: None,
                    message: Some(risk.message),
                    text: format!("the playbook \"{}\" finds no instruction to take out", self.name),
                    violation: None,
                });
            }
        }
        missing
    }
}
