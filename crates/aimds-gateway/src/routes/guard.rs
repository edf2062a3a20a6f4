//! `POST /v1/guard`: the native guard API. A conversation in, the verdict out.

use aimds_engine::{Action, Conversation, Message, Origin, Verdict};
use aimds_store::ReviewState;
use axum::body::Body;
use axum::http::{HeaderValue, Request, Response, header};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::decided;
use crate::app::{Call, Inspection};
use crate::error::Failure;
use crate::messages::{Collector, UnknownRole, WireMessage, parse_origin};
use crate::metrics::Direction;
use crate::providers::Speaker;
use crate::review::{self, Answer as Reviewed, Escalated};

/// Exactly one of `text`, `messages` and `turns`.
#[derive(Debug, Deserialize, JsonSchema)]
pub(crate) struct GuardRequest {
    /// Comes back in the answer.
    #[serde(default)]
    id: Option<Value>,
    /// One text.
    #[serde(default)]
    text: Option<String>,
    /// Where `text` came from: `user` (where left out), `system`, `tool`, `document` or `model`.
    #[serde(default)]
    origin: Option<String>,
    /// A chat, oldest message first.
    #[serde(default)]
    messages: Option<Vec<WireMessage>>,
    /// Another name for `messages`.
    #[serde(default)]
    turns: Option<Vec<WireMessage>>,
    /// Asks for `redacted` in the answer: the text or the messages with everything replaced that the policy redacts, without
    /// the instructions that it takes out, and with the marks that it wants around untrusted content.
    #[serde(default)]
    redact: bool,
    /// The session that it belongs to, as the header x-aimds-session says it; goes before the header.
    #[serde(default, alias = "session_id")]
    session: Option<String>,
    /// What the operator tells the model beside the messages: text or parts.
    #[serde(default)]
    system: Option<Value>,
    /// Definitions of tools: their texts are looked at as documents.
    #[serde(default)]
    tools: Option<Value>,
}

#[derive(Debug, Serialize)]
struct GuardAnswer<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<Value>,
    request_id: &'a str,
    #[serde(flatten)]
    verdict: &'a Verdict,
    #[serde(skip_serializing_if = "Option::is_none")]
    redacted: Option<Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reminder: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    unscanned_parts: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    review: Option<GuardReview>,
}

/// A person was asked.
#[derive(Debug, Serialize, JsonSchema)]
struct GuardReview {
    /// The name of the review: `GET /v1/reviews/{id}` tells where it stands. Empty where there was no place for one.
    id: String,
    /// `pending`, `approved`, `denied`, `expired` or `withdrawn`; `full` and `tenant_full` where nobody is asked. Approved: the decision is what is left to do, once.
    state: &'static str,
}

/// The verdict, as documented. A test keeps it equal to what is sent.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "GuardAnswer")]
pub(crate) struct GuardAnswerSchema {
    /// The `id` of the request.
    id: Option<Value>,
    /// The identifier of the request in the audit log.
    request_id: String,
    /// `allow`, `flag`, `redact`, `sandwich`, `throttle`, `escalate` or `block`.
    decision: String,
    /// What would be done if the policy were enforced; only in monitor mode, and only where it differs.
    would: Option<String>,
    /// Calibrated manipulation risk in \[0, 1\].
    score: f32,
    /// Index of the first message that asks for the decision.
    turn: Option<usize>,
    /// Categories found, each once, sorted.
    categories: Vec<String>,
    /// Everything found, by message and position.
    findings: Vec<FindingSchema>,
    /// Why, strongest first, without text of the request.
    reasons: Vec<String>,
    /// The temporal policies that do not hold, with what proves it; left out where there are none.
    violations: Option<Vec<ViolationSchema>>,
    /// `fast` or `deep`.
    path: String,
    /// Why the verdict rests on less than the full analysis.
    degraded: Option<String>,
    /// The scan budget that ran out.
    exhausted: Option<String>,
    /// Time in the engine, in microseconds.
    latency_us: u64,
    /// The text or the messages without what the policy redacts, where `redact` asked for it.
    redacted: Option<Value>,
    /// What the model must be told about the marks in `redacted`, in front of everything else.
    reminder: Option<String>,
    /// How many parts without text (images, sound, files) nobody has looked at; left out where there are none.
    unscanned_parts: Option<usize>,
    /// The review of an escalated request, where somebody was asked.
    review: Option<GuardReview>,
}

/// A temporal policy that does not hold.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "Violation")]
struct ViolationSchema {
    /// Its name in the policy file.
    policy: String,
    /// `violated`, or `limit_reached` where it could not be followed any further, which counts as a violation.
    verdict: String,
    /// The steps that explain it, in order.
    witness: Vec<StepSchema>,
}

/// One step of a witness.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "WitnessStep")]
struct StepSchema {
    /// Number of the text, from 0: those of the request, then those of its answer.
    step: usize,
    /// `request` or `response`.
    part: String,
    /// Index of the message in that part.
    message: usize,
    /// Which events of the formula happen there, as the formula writes them.
    events: Vec<String>,
}

/// One finding.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "Finding")]
struct FindingSchema {
    /// Stable identifier of the category.
    category: String,
    /// `rule`, `lexical`, `encoder`, `validator`, `tagger` or `invisible`.
    detector: String,
    /// The rule, where the detector is one.
    rule: Option<String>,
    /// Probability in \[0, 1\] that the finding is right, taken alone.
    confidence: f32,
    /// Index of the message; left out where there is only one text.
    message: Option<usize>,
    /// First code point.
    start: usize,
    /// One past the last code point.
    end: usize,
    /// Why, in words.
    explanation: String,
}

pub(crate) async fn answer(mut call: Call, request: Request<Body>) -> Result<Response<Body>, Failure> {
    let bare =
        request.uri().query().is_some_and(|query| query.split('&').any(|pair| pair == "format=verdict"));
    let (parts, body) = request.into_parts();
    let (guard, bytes): (GuardRequest, _) = call.json(&parts.headers, body).await?;
    let GuardRequest { id, text, origin, messages, turns, redact: wants_redacted, session, system, tools } =
        guard;
    if let Some(session) = session {
        call.name_session(&session).await?;
    }
    let member = match (&text, &messages, &turns) {
        (Some(_), None, None) => "text",
        (None, Some(_), None) => "messages",
        (None, None, Some(_)) => "turns",
        _ => return Err(Failure::Invalid("give exactly one of text, messages and turns".into())),
    };
    let mut collector = Collector::default();
    let origin = origin.as_deref().map(parse_origin).transpose()?;
    if let Some(text) = text {
        let mut conversation = Conversation::single(origin.unwrap_or(Origin::User), text);
        if let Some(Message { pointer, .. }) = conversation.messages.first_mut() {
            pointer.push_str("/text");
        }
        collector.conversation = conversation;
    }
    for (index, mut message) in messages.or(turns).into_iter().flatten().enumerate() {
        if message.origin.is_none() && message.role.is_none() {
            message.origin = origin.map(|origin| origin.as_str().to_owned());
        }
        let place = if wants_redacted { format!("/{member}/{index}") } else { String::new() };
        collector.push(index, message, UnknownRole::Refuse, &place)?;
    }
    let beside = [("system", system, Speaker::system(0)), ("tools", tools, Speaker::document(0))];
    for (member, value, speaker) in beside {
        let value = value.map(|value| (member.to_owned(), value));
        collector.rest(value.into_iter().collect(), &speaker, BESIDE, format_args!(""))?;
    }
    let Collector { conversation, unscanned, .. } = collector;
    let inspection = call.inspect(Direction::Request, &conversation)?;
    let escalated = Escalated {
        direction: Direction::Request,
        uri: &parts.uri,
        body: &bytes,
        editable: false,
        conversation: &conversation,
        inspection: &inspection,
    };
    let (mut asked, mut granted) = (None, None);
    match call.ask_for_review(&escalated).await? {
        Reviewed::NobodyAsked => {}
        Reviewed::Stands(standing) => {
            asked = Some(GuardReview { id: standing.id, state: standing.state });
        }
        Reviewed::Approved(approved) => {
            asked = Some(GuardReview { id: approved.id.clone(), state: ReviewState::Approved.as_str() });
            granted = call.granted(approved, Direction::Request, &parts.uri, &bytes);
        }
    }
    let Inspection { outcome, mut verdict, decided: decided_at, .. } = inspection;
    let decision = outcome.decision;
    let mut action = decision.action();
    let mut passes = decision.passes();
    let (decision, permit) = match &granted {
        Some(_) => (None, review::permit(decision, granted.as_ref())),
        None => (Some(decision), None),
    };
    if let Some(permit) = &permit {
        action = permit.action();
        passes = action == Action::Flag;
        verdict.decision = action.as_str();
    }
    if bare {
        let mut response = Response::new(Body::from(if passes { "pass" } else { "block" }));
        response
            .headers_mut()
            .insert(header::CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
        return Ok(decided(response, action));
    }
    let (mut redacted, mut reminder) = (None, None);
    if wants_redacted {
        let changed = match (decision, permit) {
            (Some(decision), _) => call.change(decision, conversation, decided_at)?,
            (None, Some(permit)) => call.carry_out(permit, conversation, decided_at, granted.as_ref())?,
            (None, None) => None,
        };
        if let Some(changed) = changed {
            redacted = rewritten(&bytes, member, &changed.conversation, &changed.positions)?;
            reminder = changed.reminder;
        }
        // What is left when the instructions are taken out is no better, or stands where it cannot be handed back.
        if redacted.is_none() {
            action = Action::Block;
            verdict.decision = action.as_str();
        }
    }
    let answer = GuardAnswer {
        id,
        request_id: call.id.as_str(),
        verdict: &verdict,
        redacted,
        reminder,
        unscanned_parts: (unscanned > 0).then_some(unscanned),
        review: asked,
    };
    super::verdict(action, &answer)
}

/// The place of texts that are no part of what is handed back.
const BESIDE: &str = "#beside";

/// The caller's own text or messages with the changed texts in place; `None` where one of them is a name or stands elsewhere.
fn rewritten(
    bytes: &[u8],
    member: &str,
    redacted: &Conversation,
    changed: &[usize],
) -> Result<Option<Value>, Failure> {
    let mut body: Value = serde_json::from_slice(bytes).map_err(|_| Failure::Internal)?;
    for &position in changed {
        let message = redacted.messages.get(position).ok_or(Failure::Internal)?;
        let Some(place) = body.pointer_mut(&message.pointer) else { return Ok(None) };
        let structured = || serde_json::from_str(&message.text).ok();
        *place = match place {
            Value::String(_) => message.text.as_str().into(),
            _ => structured().unwrap_or_else(|| message.text.as_str().into()),
        };
    }
    Ok(body.get_mut(member).map(Value::take))
}

#[cfg(test)]
mod tests {
    use super::*;
    use aimds_engine::{VerdictFinding, VerdictStep, VerdictViolation};
    use std::collections::BTreeSet;

    fn keys(value: &Value) -> BTreeSet<String> {
        value.as_object().unwrap().keys().cloned().collect()
    }

    #[test]
    fn the_documented_answer_is_the_answer() {
        let finding = VerdictFinding {
            category: "pii.email",
            detector: "validator",
            rule: Some("r".into()),
            confidence: 1.0,
            message: Some(0),
            start: 0,
            end: 1,
            explanation: String::new(),
        };
        let step = VerdictStep { step: 0, part: "request", message: 0, events: vec![] };
        let violation = VerdictViolation { policy: "p".into(), verdict: "violated", witness: vec![step] };
        let verdict = Verdict {
            decision: "allow",
            would: Some("block"),
            score: 0.5,
            turn: Some(0),
            categories: vec![],
            findings: vec![finding],
            reasons: vec![],
            violations: vec![violation],
            path: "fast",
            degraded: Some("no_model"),
            exhausted: Some("bytes"),
            latency_us: Some(1),
        };
        let answer = GuardAnswer {
            id: Some(1.into()),
            request_id: "r",
            verdict: &verdict,
            redacted: Some("x".into()),
            reminder: Some("x".into()),
            unscanned_parts: Some(1),
            review: Some(GuardReview { id: "r".into(), state: "pending" }),
        };
        let sent = serde_json::to_value(&answer).unwrap();
        let document = crate::routes::openapi();
        let schemas = &document["components"]["schemas"];
        assert_eq!(keys(&sent), keys(&schemas["GuardAnswer"]["properties"]));
        assert_eq!(keys(&sent["findings"][0]), keys(&schemas["Finding"]["properties"]));
        assert_eq!(keys(&sent["violations"][0]), keys(&schemas["Violation"]["properties"]));
        let step = &sent["violations"][0]["witness"][0];
        assert_eq!(keys(step), keys(&schemas["WitnessStep"]["properties"]));
    }
}
