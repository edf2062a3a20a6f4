//! `POST /beta/litellm_basic_guardrail_api`: LiteLLM's generic guardrail API.
//!
//! Only `texts` can be handed back changed. If the policy redacts anywhere else (tool calls, tool definitions), the
//! request is blocked: an answer that claims to have masked what it could not would be a leak.

use std::collections::HashMap;

use aimds_engine::{Action, Conversation, Message, Origin, Role};
use axum::body::Body;
use axum::http::{Request, Response};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::{clear, verdict};
use crate::app::Call;
use crate::error::Failure;
use crate::messages::{Collector, ToolCall, UnknownRole, WireMessage};
use crate::metrics::Direction;
use crate::providers::Speaker;

/// LiteLLM's request. What is not listed is accepted and not used.
#[derive(Debug, Deserialize, JsonSchema)]
pub(crate) struct LitellmRequest {
    /// `request` (where left out) or `response`.
    #[serde(default)]
    input_type: InputType,
    /// The texts.
    #[serde(default)]
    texts: Option<Vec<String>>,
    /// The same texts with their roles.
    #[serde(default)]
    structured_messages: Option<Vec<WireMessage>>,
    /// Tool calls of the model; their arguments are looked at.
    #[serde(default)]
    tool_calls: Option<Vec<ToolCall>>,
    /// Tool definitions; their descriptions are looked at.
    #[serde(default)]
    tools: Option<Vec<Value>>,
}

/// Which way the texts go.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
enum InputType {
    /// To the model.
    #[default]
    Request,
    /// From the model.
    Response,
}

/// LiteLLM's answer.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct LitellmAnswer {
    /// `NONE`, `BLOCKED` or `GUARDRAIL_INTERVENED`.
    action: &'static str,
    /// Why, where it is blocked.
    #[serde(skip_serializing_if = "Option::is_none")]
    blocked_reason: Option<String>,
    /// The texts without what the policy redacts: as many, in the same order.
    #[serde(skip_serializing_if = "Option::is_none")]
    texts: Option<Vec<String>>,
}

pub(crate) async fn answer(call: Call, request: Request<Body>) -> Result<Response<Body>, Failure> {
    let (parts, body) = request.into_parts();
    let (asked, _): (LitellmRequest, _) = call.json(&parts.headers, body).await?;
    let LitellmRequest { input_type, texts, structured_messages, tool_calls, tools } = asked;
    let texts = texts.unwrap_or_default();
    let count = texts.len();
    let direction = match input_type {
        InputType::Request => Direction::Request,
        InputType::Response => Direction::Response,
    };
    let tools = tools.map(|tools| Map::from_iter([("tools".to_owned(), Value::Array(tools))]));
    let conversation = collect(input_type, texts, structured_messages, tool_calls, tools)?;
    let inspection = call.inspect(direction, &conversation)?;
    let decision = inspection.outcome.decision;
    let action = decision.action();
    let reason = format!("blocked by policy: {}", inspection.verdict.categories.join(", "));
    let blocked = LitellmAnswer { action: "BLOCKED", blocked_reason: Some(reason), texts: None };
    let Some(permit) = decision.into_permit() else { return verdict(action, &blocked) };
    let Some(cleared) = clear(&call, permit, conversation)? else {
        return verdict(Action::Block, &blocked);
    };
    let (action, answer) = match cleared.changed() {
        [] => (action, LitellmAnswer { action: "NONE", blocked_reason: None, texts: None }),
        changed if changed.iter().any(|&position| position >= count) => (Action::Block, blocked),
        _ => {
            let texts =
                cleared.conversation().messages.iter().take(count).map(|message| message.text.clone());
            let answer = LitellmAnswer {
                action: "GUARDRAIL_INTERVENED",
                blocked_reason: None,
                texts: Some(texts.collect()),
            };
            (action, answer)
        }
    };
    verdict(action, &answer)
}

/// The texts come first, so that position and order are those of the request.
fn collect(
    input_type: InputType,
    texts: Vec<String>,
    structured: Option<Vec<WireMessage>>,
    tool_calls: Option<Vec<ToolCall>>,
    tools: Option<Map<String, Value>>,
) -> Result<Conversation, Failure> {
    let mut known = Collector::default();
    for (index, mut message) in structured.into_iter().flatten().enumerate() {
        message.origin = None;
        known.push(index, message, UnknownRole::Distrust, "")?;
    }
    for (number, call) in tool_calls.into_iter().flatten().enumerate() {
        known.call(call, number, "", number)?;
    }
    known.rest(tools.unwrap_or_default(), &Speaker::document(0), "", format_args!(""))?;
    // A text that stands in several messages is judged as the least trusted of them.
    let mut speakers: HashMap<&str, (Role, Origin)> = HashMap::new();
    for message in &known.conversation.messages {
        let speaker = speakers.entry(&message.text).or_insert((message.role, message.origin));
        if distrust(message.origin) > distrust(speaker.1) {
            *speaker = (message.role, message.origin);
        }
    }
    let default = match input_type {
        InputType::Request => (Role::User, Origin::User),
        InputType::Response => (Role::Assistant, Origin::Model),
    };
    let mut conversation = Conversation::default();
    for text in texts {
        let (role, origin) = match input_type {
            InputType::Request => speakers.get(text.as_str()).copied().unwrap_or(default),
            InputType::Response => default,
        };
        conversation.push(role, origin, text);
    }
    let given: std::collections::HashSet<String> =
        conversation.messages.iter().map(|message| message.text.clone()).collect();
    for Message { role, origin, text, .. } in known.conversation.messages {
        if !given.contains(&text) {
            conversation.push(role, origin, text);
        }
    }
    Ok(conversation)
}

fn distrust(origin: Origin) -> u8 {
    match origin {
        Origin::System => 0,
        Origin::Model => 1,
        Origin::User => 2,
        Origin::Document => 3,
        Origin::Tool => 4,
    }
}
