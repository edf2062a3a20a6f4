//! The verdict as every surface prints it: CLI lines, `POST /v1/guard`, bindings.

use std::ops::Range;

use aimds_analyze::Assessment;
use aimds_detect::{Conversation, Finding};
use aimds_policy::{Decision, ReasonCode, Violation, WitnessStep};
use serde::Serialize;

use crate::Outcome;
use crate::explain::Place;

/// One verdict on the wire.
///
/// `start` and `end` are offsets in Unicode code points of the message's original text.
///
/// ```
/// use aimds_engine::{Conversation, Engine, Origin, Session, Timestamp, Verdict};
/// let engine = Engine::embedded().unwrap();
/// let text = Conversation::single(Origin::User, "Good morning");
/// let outcome = engine.inspect(&text, &mut Session::new(""), Timestamp(0));
/// let line = serde_json::to_string(&Verdict::new(&outcome, &text, Some(12))).unwrap();
/// assert!(line.starts_with(r#"{"decision":"allow","score":"#));
/// ```
#[derive(Clone, Debug, Serialize)]
pub struct Verdict {
    /// What is done: `allow`, `flag`, `redact`, `sandwich`, `throttle`, `escalate` or `block`.
    pub decision: &'static str,
    /// What would be done if the policy were enforced; only in monitor mode, and only where it differs.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub would: Option<&'static str>,
    /// Calibrated manipulation risk in \[0, 1\].
    pub score: f32,
    /// Index of the first provider message that asks for the decision; left out where the conversation has only one text, and
    /// where nothing was decided.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub turn: Option<usize>,
    /// Identifiers of the categories found, each once, sorted.
    pub categories: Vec<&'static str>,
    /// Everything found, by message and position.
    pub findings: Vec<VerdictFinding>,
    /// Why the decision was taken, strongest first, without text of the request.
    pub reasons: Vec<String>,
    /// The temporal policies that do not hold, with what proves it; left out where there are none.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub violations: Vec<VerdictViolation>,
    /// `fast` or `deep`.
    pub path: &'static str,
    /// Why the verdict rests on less than the full analysis.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub degraded: Option<&'static str>,
    /// The scan budget that ran out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub exhausted: Option<&'static str>,
    /// How long the engine took, in microseconds; measured by the caller, the core has no clock.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub latency_us: Option<u64>,
}

/// A temporal policy that does not hold, on the wire.
#[derive(Clone, Debug, Serialize)]
pub struct VerdictViolation {
    /// Its name in the policy file.
    pub policy: String,
    /// `violated`, or `limit_reached` where it could not be followed any further, which counts as a violation.
    pub verdict: &'static str,
    /// The steps that explain it, in order: where what was violated began, if that is a step of its own, and where it was
    /// violated.
    pub witness: Vec<VerdictStep>,
}

/// One step of a witness on the wire.
#[derive(Clone, Debug, Serialize)]
pub struct VerdictStep {
    /// Number of the text, from 0: those of the request, then those of its answer.
    pub step: usize,
    /// `response` for a text of the answer that is decided on, `request` for what came before: the request, and of a stream
    /// what has left.
    pub part: &'static str,
    /// Index of the provider message in that part.
    pub message: usize,
    /// Which events of the formula happen there, as the formula writes them.
    pub events: Vec<String>,
}

/// One finding on the wire.
#[derive(Clone, Debug, Serialize)]
pub struct VerdictFinding {
    /// Stable identifier of the category.
    pub category: &'static str,
    /// `rule`, `lexical`, `encoder`, `known`, `validator` or `invisible`.
    pub detector: &'static str,
    /// The rule's identifier, where the detector is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rule: Option<String>,
    /// Probability in \[0, 1\] that the finding is right, taken alone.
    pub confidence: f32,
    /// Index of the provider message, left out where the conversation has only one text.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub message: Option<usize>,
    /// First code point.
    pub start: usize,
    /// One past the last code point.
    pub end: usize,
    /// Why, in words.
    pub explanation: String,
}

impl Verdict {
    /// Converts an outcome. Linear in the text and the findings.
    #[must_use]
    pub fn new(outcome: &Outcome, conversation: &Conversation, latency_us: Option<u64>) -> Self {
        let assessment = &outcome.assessment;
        let decision = &outcome.decision;
        let single = conversation.messages.len() == 1;
        Self {
            decision: decision.action().as_str(),
            would: (decision.would() != decision.action()).then(|| decision.would().as_str()),
            score: round(assessment.score),
            turn: outcome.turn.filter(|_| !single),
            categories: categories(assessment, decision),
            findings: wire_findings(&assessment.findings, conversation, single),
            reasons: decision.reasons().iter().map(|reason| reason.text.clone()).collect(),
            violations: violations(decision),
            path: outcome.path.as_str(),
            degraded: assessment.degraded().map(|degraded| degraded.as_str()),
            exhausted: assessment.exhausted().map(|exhausted| exhausted.as_str()),
            latency_us,
        }
    }
}

fn violations(decision: &Decision) -> Vec<VerdictViolation> {
    let step = |step: &WitnessStep| VerdictStep {
        step: step.step,
        part: if step.answer { "response" } else { "request" },
        message: step.message,
        events: step.events.clone(),
    };
    let violation = |violation: &Violation| VerdictViolation {
        policy: violation.policy.clone(),
        verdict: if violation.followed { "violated" } else { "limit_reached" },
        witness: violation.witness.iter().map(step).collect(),
    };
    decision.reasons().iter().filter_map(|reason| reason.violation.as_ref()).map(violation).collect()
}

/// What was found in the texts, and what the conversation as a whole violates.
fn categories(assessment: &Assessment, decision: &Decision) -> Vec<&'static str> {
    let violations = decision.reasons().iter().filter(|reason| reason.code == ReasonCode::Temporal);
    let mut categories: Vec<_> = assessment
        .categories()
        .into_iter()
        .chain(violations.filter_map(|reason| reason.category))
        .map(|category| category.as_str())
        .collect();
    categories.sort_unstable();
    categories.dedup();
    categories
}

/// Findings are sorted by message and start, so that one walk over each text converts every offset.
fn wire_findings(findings: &[Finding], conversation: &Conversation, single: bool) -> Vec<VerdictFinding> {
    let mut cursor = (usize::MAX, 0, 0); // message, byte, code point
    findings
        .iter()
        .filter_map(|finding| {
            let message = conversation.messages.get(finding.message)?;
            let (at, byte, points) = cursor;
            let (byte, points) =
                if at == finding.message && byte <= finding.span.start { (byte, points) } else { (0, 0) };
            let start = points + message.text.get(byte..finding.span.start)?.chars().count();
            let end = start + message.text.get(finding.span.clone())?.chars().count();
            cursor = (finding.message, finding.span.start, start);
            Some(VerdictFinding {
                category: finding.category.as_str(),
                detector: finding.detector.as_str(),
                rule: finding.rule.as_deref().map(str::to_owned),
                confidence: round(finding.confidence),
                message: (!single).then_some(message.index),
                start,
                end,
                explanation: finding.explanation.to_string(),
            })
        })
        .collect()
}

/// A byte range of a text in code points.
pub(crate) fn code_points(text: &str, range: &Range<usize>) -> Place {
    let points = |range: Range<usize>| text.get(range).map_or(0, |part| part.chars().count());
    let start = points(0..range.start);
    Place { start, end: start + points(range.clone()) }
}

/// Four decimals: more would promise a precision that the calibration does not have.
pub(crate) fn round(value: f32) -> f32 {
    (value * 10_000.0).round() / 10_000.0
}
