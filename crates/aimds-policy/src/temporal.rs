//! Temporal policies: what must hold over the whole of a conversation, not for one text of it.
//!
//! Each text is one step of a trace, and what is known of it are the events of that step. The formulas of the policy file
//! speak of these events; a conversation that can no longer satisfy one is stopped before the permit is given.

use std::collections::BTreeMap;

use aimds_analyze::{Assessment, MessageRisk, Obeyed, PlantedOrder, Taint};
use aimds_detect::{Category, Conversation, Finding, Origin, Role, ToolUse, ToolUseKind};
use aimds_temporal::{Atom, Event, Formula, Term, Verdict};

use crate::decision::{Action, Reason, ReasonCode, Violation, WitnessStep};
use crate::error::PolicyError;
use crate::file::TemporalEntry;
use crate::resolve::not_for_playbooks;

/// Events without arguments, apart from the names of groups of tools.
const EVENTS: [&str; 15] = [
    "system",
    "user",
    "assistant",
    "untrusted",
    "suspicious",
    "attack",
    "pii",
    "secret",
    "call",
    "result",
    "tainted",
    "obeys_suspicious",
    "orders",
    "obeys_order",
    "approved",
];
/// Events with one argument.
const NAMED_EVENTS: [&str; 5] = ["call", "result", "found", "orders", "obeys_order"];

/// What an answer is an answer to.
#[derive(Clone, Copy, Debug)]
pub struct Asked<'a> {
    /// The texts of the request.
    pub conversation: &'a Conversation,
    /// What was said about them.
    pub assessment: &'a Assessment,
}

/// What has been said so far: a request, and as much of its answer as is complete.
#[derive(Clone, Debug)]
pub struct Said {
    /// The texts.
    pub conversation: Conversation,
    /// What was said about them.
    pub assessment: Assessment,
}

impl Said {
    /// What the next part of the answer comes after.
    #[must_use]
    pub fn asked(&self) -> Asked<'_> {
        Asked { conversation: &self.conversation, assessment: &self.assessment }
    }

    /// Appends a part of the answer. `assessed` is what was said about it when it was decided on as the answer to
    /// [`Said::asked`]. Linear in the part.
    pub fn append(&mut self, part: &Conversation, assessed: &Assessment) {
        let (texts, tools) = (self.conversation.messages.len(), self.conversation.tools.len());
        self.conversation.messages.extend(part.messages.iter().cloned());
        self.conversation.tools.extend(
            part.tools.iter().map(|tool| ToolUse {
                texts: tool.texts.start + texts..tool.texts.end + texts,
                ..tool.clone()
            }),
        );
        let assessment = &mut self.assessment;
        let risks = assessed.messages.iter().cloned();
        assessment.messages.extend(risks.map(|risk| MessageRisk { message: risk.message + texts, ..risk }));
        let findings = assessed.findings.iter().cloned();
        assessment
            .findings
            .extend(findings.map(|finding| Finding { message: finding.message + texts, ..finding }));
        let orders = assessed.orders.iter().cloned();
        assessment
            .orders
            .extend(orders.map(|order| PlantedOrder { message: order.message + texts, ..order }));
        // Their sources are numbered over both already.
        let taints = assessed.taints.iter().cloned();
        assessment.taints.extend(taints.map(|taint| Taint { call: taint.call + tools, ..taint }));
        let obeyed = assessed.obeyed.iter().cloned();
        assessment.obeyed.extend(obeyed.map(|obeyed| Obeyed { call: obeyed.call + tools, ..obeyed }));
    }
}

/// The temporal policies of a file, ready for use.
#[derive(Clone, Debug, Default)]
pub(crate) struct TemporalPolicies {
    entries: Vec<Entry>,
    groups: Vec<Group>,
}

#[derive(Clone, Debug)]
struct Entry {
    name: String,
    policy: aimds_temporal::Policy,
    action: Action,
    /// It cannot be violated where no tool is used.
    only_tools: bool,
}

/// Tools of one kind.
#[derive(Clone, Debug)]
struct Group {
    name: String,
    patterns: Vec<String>,
}

impl Group {
    fn holds(&self, tool: &str) -> bool {
        self.patterns.iter().any(|pattern| matches(pattern, tool))
    }
}

/// A name with a `*` at either end, for anything.
fn matches(pattern: &str, name: &str) -> bool {
    match (pattern.strip_prefix('*'), pattern.strip_suffix('*')) {
        _ if pattern == "*" => true,
        (Some(_), Some(_)) => pattern.get(1..pattern.len() - 1).is_some_and(|inner| name.contains(inner)),
        (Some(end), None) => name.ends_with(end),
        (None, Some(begin)) => name.starts_with(begin),
        (None, None) => name == pattern,
    }
}

/// What a decision is about.
pub(crate) struct Look<'a> {
    pub(crate) conversation: &'a Conversation,
    pub(crate) assessment: &'a Assessment,
    /// What the risk of a text alone leads to.
    pub(crate) reached: &'a dyn Fn(&MessageRisk) -> Option<Action>,
    pub(crate) min_confidence: f32,
}

impl TemporalPolicies {
    /// Checks and compiles. A file is taken whole or not at all.
    pub(crate) fn resolve(
        tools: BTreeMap<String, Vec<String>>,
        entries: Vec<TemporalEntry>,
    ) -> Result<Self, PolicyError> {
        let groups: Vec<Group> = tools.into_iter().map(|(name, patterns)| Group { name, patterns }).collect();
        if let Some(group) = groups.iter().find(|group| EVENTS.contains(&group.name.as_str())) {
            let problem = format!("\"{}\" is the name of an event", group.name);
            return Err(PolicyError::Temporal { place: "tools".into(), problem });
        }
        let entry = |(at, entry): (usize, TemporalEntry)| {
            let error = |problem: String| PolicyError::Temporal {
                place: format!("temporal[{at}] ({})", entry.name),
                problem,
            };
            let formula = Formula::parse(&entry.formula).map_err(|problem| error(problem.to_string()))?;
            if formula.is_timed() {
                return Err(error(
                    "the texts of a conversation have no times; leave the time bound out".into(),
                ));
            }
            for atom in formula.atoms() {
                check_event(atom, &groups).map_err(error)?;
            }
            let policy =
                aimds_temporal::Policy::compile(&formula).map_err(|problem| error(problem.to_string()))?;
            let only_tools = cannot_fail_without_tools(&formula, &groups);
            let action = entry.action.unwrap_or(Action::Block);
            not_for_playbooks(&format!("temporal[{at}] ({})", entry.name), action)?;
            if action == Action::Redact {
                return Err(error("a conversation as a whole cannot be redacted".into()));
            }
            Ok(Entry { name: entry.name, policy, action, only_tools })
        };
        let entries = entries.into_iter().enumerate().map(entry).collect::<Result<_, _>>()?;
        Ok(Self { entries, groups })
    }

    /// Whether there are none.
    pub(crate) fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// A reason for each policy that the conversation violates. Linear in texts, findings and policies.
    pub(crate) fn violations(&self, look: &Look<'_>) -> Vec<Reason> {
        self.violations_after(None, look)
    }

    /// The same for an answer to a conversation that was decided on before.
    pub(crate) fn violations_of_answer(&self, asked: &Asked<'_>, answer: &Look<'_>) -> Vec<Reason> {
        self.violations_after(Some(asked), answer)
    }

    fn violations_after(&self, asked: Option<&Asked<'_>>, look: &Look<'_>) -> Vec<Reason> {
        if self.concerned(look.conversation).next().is_none() {
            return Vec::new();
        }
        let mut steps = Steps::default();
        if let Some(&Asked { conversation, assessment }) = asked {
            self.follow(&mut steps, &Look { conversation, assessment, ..*look });
        }
        let before = steps.events.len();
        self.follow(&mut steps, look);
        let index = |step: usize| {
            let message = match step.checked_sub(before) {
                Some(own) => look.conversation.messages.get(own),
                None => asked.and_then(|asked| asked.conversation.messages.get(step)),
            };
            message.map_or(0, |message| message.index)
        };
        let violation = |entry: &Entry| {
            let mut reason = entry.violation(&steps.events)?;
            // What was violated before the answer was decided on with what violated it.
            reason.message = Some(reason.message?.checked_sub(before)?);
            for step in reason.violation.iter_mut().flat_map(|violation| &mut violation.witness) {
                step.message = index(step.step);
                step.answer = asked.is_some() && step.step >= before;
            }
            Some(reason)
        };
        self.concerned(look.conversation).filter_map(violation).collect()
    }

    /// The policies that the texts can violate.
    fn concerned(&self, conversation: &Conversation) -> impl Iterator<Item = &Entry> {
        let without_tools = conversation.tools.is_empty();
        self.entries.iter().filter(move |entry| !(entry.only_tools && without_tools))
    }

    /// Appends the events of each text.
    fn follow(&self, steps: &mut Steps, look: &Look<'_>) {
        let before = steps.events.len();
        steps.events.extend(look.conversation.messages.iter().map(events_of_message));
        steps.suspicious.resize(steps.events.len(), false);
        for risk in &look.assessment.messages {
            let Some(action) = (look.reached)(risk) else { continue };
            let at = risk.message + before;
            steps.suspicious.get_mut(at).into_iter().for_each(|suspicious| *suspicious = true);
            steps.add(at, Event::new("suspicious"));
            if action == Action::Block {
                steps.add(at, Event::new("attack"));
            }
        }
        for finding in look.assessment.findings.iter().filter(|f| f.confidence >= look.min_confidence) {
            let at = finding.message + before;
            steps.add(at, Event::new("found").arg(finding.category.as_str()));
            match finding.category {
                Category::Pii(_) if finding.in_groups() => steps.add(at, Event::new("pii")),
                Category::Secret(_) => steps.add(at, Event::new("secret")),
                _ => {}
            }
        }
        for tool in &look.conversation.tools {
            let kind = match tool.kind {
                ToolUseKind::Result => "result",
                ToolUseKind::Call { .. } => "call",
            };
            let at = tool.last() + before;
            steps.add(at, Event::new(kind));
            steps.add(at, Event::new(kind).arg(tool.name.as_str()));
            if let ToolUseKind::Call { approved } = tool.kind {
                for group in self.groups.iter().filter(|group| group.holds(&tool.name)) {
                    steps.add(at, Event::new(group.name.as_str()));
                }
                if approved {
                    steps.add(at, Event::new("approved"));
                }
            }
        }
        for taint in &look.assessment.taints {
            let Some(tool) = look.conversation.tools.get(taint.call) else { continue };
            let at = tool.last() + before;
            steps.add(at, Event::new("tainted"));
            if !taint.wished && steps.suspicious.get(taint.source) == Some(&true) {
                steps.add(at, Event::new("obeys_suspicious"));
            }
        }
        for obeyed in &look.assessment.obeyed {
            let Some(tool) = look.conversation.tools.get(obeyed.call) else { continue };
            // The text that is obeyed has the same name in both events, so that a formula joins them and its witness tells it.
            let text = obeyed.source.to_string();
            for (at, name) in [(obeyed.source, "orders"), (tool.last() + before, "obeys_order")] {
                steps.add(at, Event::new(name));
                steps.add(at, Event::new(name).arg(text.as_str()));
            }
        }
    }
}

/// The events of texts, and which of them are suspicious.
#[derive(Default)]
struct Steps {
    events: Vec<Vec<Event>>,
    suspicious: Vec<bool>,
}

impl Steps {
    fn add(&mut self, at: usize, event: Event) {
        if let Some(events) = self.events.get_mut(at).filter(|events| !events.contains(&event)) {
            events.push(event);
        }
    }
}

impl Entry {
    fn violation(&self, steps: &[Vec<Event>]) -> Option<Reason> {
        let mut monitor = self.policy.monitor();
        for (at, events) in steps.iter().enumerate() {
            // Every step is at the same time, so time cannot go back.
            let verdict = monitor.step(0, events).unwrap_or(Verdict::LimitReached);
            let text = match verdict {
                Verdict::False => format!("the policy \"{}\" is violated", self.name),
                Verdict::LimitReached => {
                    format!("the policy \"{}\" cannot be followed any further", self.name)
                }
                Verdict::True => return None,
                Verdict::PresumablyTrue | Verdict::PresumablyFalse => continue,
            };
            let happened = |&step: &usize| self.witnessed(step, steps);
            return Some(Reason {
                code: ReasonCode::Temporal,
                action: self.action,
                category: Some(Category::PolicyViolation),
                message: Some(at),
                text,
                violation: Some(Violation {
                    policy: self.name.clone(),
                    followed: verdict == Verdict::False,
                    witness: monitor.witness().iter().map(happened).collect(),
                }),
            });
        }
        None
    }

    /// A step, and what of the formula happens there; whose text it is, the caller knows.
    fn witnessed(&self, step: usize, steps: &[Vec<Event>]) -> WitnessStep {
        let happened = steps.get(step).map(Vec::as_slice).unwrap_or_default();
        let atoms = self.policy.formula().atoms();
        let happens = |atom: &&Atom| happened.iter().any(|event| is_of(event, atom));
        let events = atoms.into_iter().filter(happens).map(ToString::to_string).collect();
        WitnessStep { step, answer: false, message: 0, events }
    }
}

/// Whether an event is what an atom of a formula speaks of, for any values of its variables.
fn is_of(event: &Event, atom: &Atom) -> bool {
    let same = |(term, value): (&Term, &String)| match term {
        Term::Constant(constant) => constant == value,
        Term::Variable(_) => true,
    };
    event.name == atom.name
        && event.args.len() == atom.args.len()
        && atom.args.iter().zip(&event.args).all(same)
}

fn events_of_message(message: &aimds_detect::Message) -> Vec<Event> {
    let role = match message.role {
        Role::System | Role::Developer => Some("system"),
        Role::User => Some("user"),
        Role::Assistant => Some("assistant"),
        Role::Tool => None,
    };
    let untrusted = matches!(message.origin, Origin::Tool | Origin::Document).then_some("untrusted");
    role.into_iter().chain(untrusted).map(Event::new).collect()
}

/// A typing error must not become an event that never happens.
fn check_event(atom: &Atom, groups: &[Group]) -> Result<(), String> {
    let names: Vec<&str> = match atom.args.len() {
        0 => EVENTS.into_iter().chain(groups.iter().map(|group| group.name.as_str())).collect(),
        1 => NAMED_EVENTS.to_vec(),
        _ => Vec::new(),
    };
    if names.contains(&atom.name.as_str()) {
        return Ok(());
    }
    let known = names.join(", ");
    Err(format!("there is no event {atom}; those with {} arguments are: {known}", atom.args.len()))
}

/// Whether the formula holds of every conversation in which no tool is used.
fn cannot_fail_without_tools(formula: &Formula, groups: &[Group]) -> bool {
    let of_tools = |atom: &Atom| {
        matches!(
            atom.name.as_str(),
            "call" | "result" | "tainted" | "obeys_suspicious" | "orders" | "obeys_order" | "approved"
        ) || groups.iter().any(|group| group.name == atom.name)
    };
    aimds_temporal::Policy::compile(&without(formula, &of_tools))
        .is_ok_and(|policy| policy.monitor().verdict() == Verdict::True)
}

/// The formula where some events never happen. The parser bounds the depth.
fn without(formula: &Formula, never: &impl Fn(&Atom) -> bool) -> Formula {
    match formula {
        Formula::Atom(atom) if never(atom) => Formula::False,
        Formula::True | Formula::False | Formula::Atom(_) => formula.clone(),
        Formula::Unary(operator, operand) => Formula::unary(*operator, without(operand, never)),
        Formula::Binary(operator, left, right) => {
            Formula::binary(*operator, without(left, never), without(right, never))
        }
    }
}

#[cfg(test)]
mod tests;
