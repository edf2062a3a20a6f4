//! `POST /beta/litellm_basic_guardrail_api`: LiteLLM's generic guardrail API.
//!
//! Only `texts` can be handed back changed. If the policy redacts anywhere else (tool calls, tool definitions), the
//! request is blocked: an answer that claims to have masked what it could not would be a leak.

use std::collections::{HashMap, VecDeque};

use aimds_engine::{Action, Conversation, Origin, Role};
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
    /// Tool definitions; their texts are looked at as documents.
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
    let direction = match input_type {
        InputType::Request => Direction::Request,
        InputType::Response => Direction::Response,
    };
    let tools = tools.map(|tools| Map::from_iter([("tools".to_owned(), Value::Array(tools))]));
    let (conversation, places) =
        collect(input_type, texts.unwrap_or_default(), structured_messages, tool_calls, tools)?;
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
        changed if !changed.iter().all(|position| places.contains(position)) => (Action::Block, blocked),
        _ => {
            let messages = &cleared.conversation().messages;
            let texts =
                places.iter().filter_map(|&place| messages.get(place)).map(|message| message.text.clone());
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

/// The messages in their order, and which of them each of the texts is. A text that stands in no message comes behind them.
fn collect(
    input_type: InputType,
    texts: Vec<String>,
    structured: Option<Vec<WireMessage>>,
    tool_calls: Option<Vec<ToolCall>>,
    tools: Option<Map<String, Value>>,
) -> Result<(Conversation, Vec<usize>), Failure> {
    let mut known = Collector::default();
    known.rest(tools.unwrap_or_default(), &Speaker::document(0), "", format_args!(""))?;
    for (index, mut message) in structured.into_iter().flatten().enumerate() {
        message.origin = None;
        known.push(index, message, UnknownRole::Distrust, "")?;
    }
    // Only what is sent to the model can stand in messages to it.
    let mut standing: HashMap<String, VecDeque<usize>> = HashMap::new();
    let (role, origin) = match input_type {
        InputType::Request => {
            for (place, message) in known.conversation.messages.iter().enumerate() {
                standing.entry(message.text.clone()).or_default().push_back(place);
            }
            (Role::User, Origin::User)
        }
        InputType::Response => (Role::Assistant, Origin::Model),
    };
    let mut places = Vec::with_capacity(texts.len());
    for text in texts {
        let found = match standing.get_mut(&text) {
            Some(several) if several.len() > 1 => several.pop_front(),
            Some(one) => one.front().copied(),
            None => None,
        };
        places.push(found.unwrap_or(known.conversation.messages.len()));
        if found.is_none() {
            known.conversation.push(role, origin, text);
        }
    }
    for (number, call) in tool_calls.into_iter().flatten().enumerate() {
        // A call that a message makes is not made again.
        if !call.id.as_ref().is_some_and(|id| known.has_call(id)) {
            known.call(call, number, "", number)?;
        }
    }
    Ok((known.conversation, places))
}
