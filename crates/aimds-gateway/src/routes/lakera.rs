//! `POST /v2/guard`: drop-in for Lakera Guard, as LiteLLM, Kong, Portkey, APISIX and AISIX call it.
//!
//! `flagged` means that the policy does not let the request pass as it is: it blocks, escalates or redacts. Secrets are
//! reported under `pii/`, because LiteLLM masks a request only if everything found starts with that.

use aimds_engine::{Action, Category, Conversation, ReasonCode};
use axum::body::Body;
use axum::http::{Request, Response};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{effective, verdict};
use crate::app::{Call, Inspection};
use crate::error::Failure;
use crate::messages::{Collector, UnknownRole, WireMessage};
use crate::metrics::Direction;

/// Lakera's request. `project_id` and `metadata` are accepted and not used.
#[derive(Debug, Deserialize, JsonSchema)]
pub(crate) struct LakeraRequest {
    /// The chat.
    messages: Vec<WireMessage>,
    /// Asks for the places found, with their text.
    #[serde(default)]
    payload: bool,
    /// Asks for the result of each detector.
    #[serde(default)]
    breakdown: bool,
    /// Asks for the version of the guard.
    #[serde(default)]
    dev_info: bool,
}

/// Lakera's answer.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct LakeraAnswer {
    /// The request must not pass as it is.
    flagged: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    payload: Option<Vec<PayloadItem>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    breakdown: Option<Vec<BreakdownItem>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    dev_info: Option<DevInfo>,
    metadata: Metadata,
}

/// One place found.
#[derive(Debug, Serialize, JsonSchema)]
struct PayloadItem {
    /// First code point.
    start: usize,
    /// One past the last code point.
    end: usize,
    text: String,
    detector_type: String,
    labels: Vec<String>,
    message_id: usize,
}

/// The result of one detector for one message.
#[derive(Debug, PartialEq, Serialize, JsonSchema)]
struct BreakdownItem {
    project_id: &'static str,
    policy_id: &'static str,
    detector_id: String,
    detector_type: String,
    detected: bool,
    message_id: usize,
}

/// Which guard answered.
#[derive(Debug, Serialize, JsonSchema)]
struct DevInfo {
    git_revision: &'static str,
    git_timestamp: &'static str,
    model_version: &'static str,
    version: &'static str,
}

/// Which request it was.
#[derive(Debug, Serialize, JsonSchema)]
struct Metadata {
    request_uuid: String,
}

pub(crate) async fn answer(call: Call, request: Request<Body>) -> Result<Response<Body>, Failure> {
    let (parts, body) = request.into_parts();
    let (asked, _): (LakeraRequest, _) = call.json(&parts.headers, body).await?;
    let mut collector = Collector::default();
    for (index, message) in asked.messages.into_iter().enumerate() {
        collector.push(index, message, UnknownRole::Distrust, "")?;
    }
    let conversation = collector.conversation;
    let inspection = call.inspect(Direction::Request, &conversation)?;
    let action = inspection.outcome.decision.action();
    let version = env!("CARGO_PKG_VERSION");
    let answer = LakeraAnswer {
        flagged: action >= Action::Redact,
        payload: asked.payload.then(|| payload(&conversation, &inspection)),
        breakdown: asked.breakdown.then(|| breakdown(&conversation, &inspection)),
        dev_info: asked.dev_info.then_some(DevInfo {
            git_revision: "",
            git_timestamp: "",
            model_version: version,
            version,
        }),
        metadata: Metadata { request_uuid: call.id.as_str().to_owned() },
    };
    verdict(action, &answer)
}

fn payload(conversation: &Conversation, inspection: &Inspection) -> Vec<PayloadItem> {
    let findings = inspection.outcome.assessment.findings.iter();
    findings
        .filter_map(|finding| {
            let message = conversation.messages.get(finding.message)?;
            let text = message.text.get(finding.span.clone())?;
            let start = message.text.get(..finding.span.start)?.chars().count();
            Some(PayloadItem {
                start,
                end: start + text.chars().count(),
                text: text.to_owned(),
                detector_type: detector_type(finding.category),
                labels: Vec::new(),
                message_id: message.index,
            })
        })
        .collect()
}

/// `prompt_attack` for every message, and whatever else has a reason.
fn breakdown(conversation: &Conversation, inspection: &Inspection) -> Vec<BreakdownItem> {
    let decision = &inspection.outcome.decision;
    let mut items: Vec<BreakdownItem> = Vec::new();
    let mut add = |message: usize, detector_type: String, detected: bool| {
        let message_id = conversation.messages.get(message).map_or(0, |message| message.index);
        match items
            .iter_mut()
            .find(|item| item.message_id == message_id && item.detector_type == detector_type)
        {
            Some(item) => item.detected |= detected,
            None => items.push(BreakdownItem {
                project_id: "project-aimds",
                policy_id: "policy-aimds",
                detector_id: format!("detector-aimds-{}", detector_type.replace('/', "-")),
                detector_type,
                detected,
                message_id,
            }),
        }
    };
    for message in 0..conversation.messages.len() {
        add(message, PROMPT_ATTACK.into(), false);
    }
    for reason in decision.reasons() {
        let detected = effective(reason.action, decision.monitored()) >= Action::Redact;
        let kind = match (reason.code, reason.category) {
            (ReasonCode::Finding, Some(category)) => detector_type(category),
            (ReasonCode::Risk | ReasonCode::Budget, _) => PROMPT_ATTACK.into(),
            _ => continue,
        };
        add(reason.message.unwrap_or(0), kind, detected);
    }
    items
}

const PROMPT_ATTACK: &str = "prompt_attack";

/// Lakera's name for a category.
fn detector_type(category: Category) -> String {
    match category.as_str() {
        "pii.phone" => "pii/phone_number".into(),
        "pii.iban" => "pii/iban_code".into(),
        "pii.ip" => "pii/ip_address".into(),
        "pii.ssn" => "pii/us_social_security_number".into(),
        "pii.person" => "pii/name".into(),
        name => match name.split_once('.') {
            Some(("pii", kind)) => format!("pii/{kind}"),
            Some((family, kind)) => format!("pii/{family}_{kind}"),
            None => PROMPT_ATTACK.into(),
        },
    }
}
