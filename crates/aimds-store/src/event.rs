//! What of a record other systems are told: the same few fields, whatever the format.
//!
//! Only fields named here leave the log, so that a caller who put more into a body than it should does not have it
//! copied into every system that collects logs.

use std::borrow::Cow;

use serde_json::{Map, Value, json};

use crate::read::Entry;
use crate::record::Record;

/// The most findings of one record that are told one by one.
const MAX_FINDINGS: usize = 64;
/// The same for violated policies, and for the steps and events of each.
const MAX_VIOLATIONS: usize = 16;

/// How bad it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Severity {
    Informational,
    Low,
    Medium,
    High,
    Critical,
}

/// What was done with a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Action {
    Allow,
    Flag,
    Redact,
    Sandwich,
    Throttle,
    Escalate,
    Block,
}

impl Action {
    fn parse(name: &str) -> Option<Self> {
        Some(match name {
            "allow" => Self::Allow,
            "flag" => Self::Flag,
            "redact" => Self::Redact,
            "sandwich" => Self::Sandwich,
            "throttle" => Self::Throttle,
            "escalate" => Self::Escalate,
            "block" => Self::Block,
            _ => return None,
        })
    }

    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Allow => "allow",
            Self::Flag => "flag",
            Self::Redact => "redact",
            Self::Sandwich => "sandwich",
            Self::Throttle => "throttle",
            Self::Escalate => "escalate",
            Self::Block => "block",
        }
    }
}

/// A record and the parts of its body that are told.
pub(crate) struct Event<'a> {
    pub(crate) at_ms: u64,
    pub(crate) request_id: &'a str,
    pub(crate) tenant: &'a str,
    pub(crate) kind: &'a str,
    /// What no other event has.
    pub(crate) uid: Cow<'a, str>,
    pub(crate) number: u64,
    /// Its place in the log, for what was read from one.
    pub(crate) logged: Option<&'a Entry>,
    body: Cow<'a, Value>,
}

impl<'a> Event<'a> {
    /// What was read from a log. A body that is not a JSON object (nobody here wrote it) tells nothing.
    pub(crate) fn new(entry: &'a Entry) -> Self {
        Self {
            at_ms: entry.at_ms,
            request_id: &entry.request_id,
            tenant: &entry.tenant,
            kind: &entry.kind,
            uid: entry.hash.to_string().into(),
            number: entry.seq,
            logged: Some(entry),
            body: Cow::Owned(serde_json::from_str(&entry.body).unwrap_or_default()),
        }
    }

    /// What has just happened.
    pub(crate) fn live(record: &'a Record, uid: &'a str, number: u64) -> Self {
        Self {
            at_ms: record.at_ms,
            request_id: &record.request_id,
            tenant: &record.tenant,
            kind: &record.kind,
            uid: uid.into(),
            number,
            logged: None,
            body: Cow::Borrowed(&record.body),
        }
    }

    /// What was decided; `None` for records that are no decision.
    pub(crate) fn action(&self) -> Option<Action> {
        self.text("decision").or_else(|| self.text("action")).and_then(Action::parse)
    }

    pub(crate) fn is_alarm(&self) -> bool {
        self.kind == "alarm"
    }

    /// Whether something was detected, as opposed to merely done.
    pub(crate) fn is_detection(&self) -> bool {
        let acted = self.action().is_some_and(|action| action != Action::Allow);
        self.is_alarm() || acted || self.findings().next().is_some()
    }

    pub(crate) fn severity(&self) -> Severity {
        match self.action() {
            _ if self.is_alarm() => Severity::Critical,
            Some(Action::Block | Action::Escalate) => Severity::High,
            Some(Action::Redact | Action::Sandwich | Action::Throttle) => Severity::Medium,
            Some(Action::Flag) => Severity::Low,
            Some(Action::Allow) | None => Severity::Informational,
        }
    }

    /// `decision block`, `outcome answered`, `alarm segment_opened`, `config`.
    pub(crate) fn title(&self) -> String {
        let what =
            self.action().map(Action::as_str).or_else(|| self.text("result")).or_else(|| self.text("event"));
        match what {
            Some(what) => format!("{} {what}", self.kind),
            None => self.kind.to_owned(),
        }
    }

    pub(crate) fn text(&self, key: &str) -> Option<&str> {
        self.body.get(key)?.as_str().filter(|text| !text.is_empty())
    }

    /// A number, as the JSON has it.
    pub(crate) fn number(&self, key: &str) -> Option<&Value> {
        self.body.get(key).filter(|value| value.is_number())
    }

    pub(crate) fn categories(&self) -> Vec<&str> {
        self.body
            .get("categories")
            .and_then(Value::as_array)
            .into_iter()
            .flatten()
            .filter_map(Value::as_str)
            .collect()
    }

    /// The rules of the findings, each once, in order.
    pub(crate) fn rules(&self) -> Vec<String> {
        let mut rules = Vec::new();
        for finding in self.findings() {
            if let Some(rule) = finding.get("rule").and_then(Value::as_str)
                && !rules.iter().any(|known| known == rule)
            {
                rules.push(rule.to_owned());
            }
        }
        rules
    }

    /// The temporal policies that do not hold, each with the steps that prove it.
    pub(crate) fn violations(&self) -> Vec<Value> {
        let violations = self.body.get("violations").and_then(Value::as_array);
        violations.into_iter().flatten().take(MAX_VIOLATIONS).filter_map(violated).collect()
    }

    /// The same in a line: `no sending@1+4`.
    pub(crate) fn violations_in_short(&self) -> String {
        let short = |violation: Value| {
            let steps = violation.get("witness").and_then(Value::as_array).into_iter().flatten();
            let steps: Vec<String> =
                steps.filter_map(|step| step.get("step")).map(ToString::to_string).collect();
            format!(
                "{}@{}",
                violation.get("policy").and_then(Value::as_str).unwrap_or_default(),
                steps.join("+")
            )
        };
        self.violations().into_iter().map(short).collect::<Vec<_>>().join(",")
    }

    /// What was found: where and why, never the text.
    pub(crate) fn findings(&self) -> impl Iterator<Item = Map<String, Value>> {
        let findings = self.body.get("findings").and_then(Value::as_array);
        findings.into_iter().flatten().filter_map(Value::as_object).take(MAX_FINDINGS).map(told)
    }
}

/// Of a violation its policy, and of its steps numbers and events.
fn violated(violation: &Value) -> Option<Value> {
    let text = |value: &Value, key: &str| Some(value.get(key)?.as_str()?.to_owned());
    let steps = violation.get("witness").and_then(Value::as_array).into_iter().flatten();
    let step = |step: &Value| {
        let events = step.get("events").and_then(Value::as_array).into_iter().flatten();
        let events: Vec<&str> = events.filter_map(Value::as_str).take(MAX_VIOLATIONS).collect();
        let number = |key: &str| step.get(key).and_then(Value::as_u64);
        Some(
            json!({ "step": number("step")?, "part": text(step, "part")?, "message": number("message")?, "events": events }),
        )
    };
    let witness: Vec<Value> = steps.take(MAX_VIOLATIONS).filter_map(step).collect();
    let policy = text(violation, "policy")?;
    Some(json!({ "policy": policy, "verdict": text(violation, "verdict")?, "witness": witness }))
}

/// Of a finding, labels that are texts and places that are numbers.
fn told(finding: &Map<String, Value>) -> Map<String, Value> {
    let wanted = |(key, value): (&String, &Value)| match key.as_str() {
        "category" | "detector" | "rule" => value.is_string(),
        "confidence" | "message" | "start" | "end" => value.is_number(),
        _ => false,
    };
    finding.iter().filter(|field| wanted(*field)).map(|(key, value)| (key.clone(), value.clone())).collect()
}
