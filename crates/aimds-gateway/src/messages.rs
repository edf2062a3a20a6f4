//! Messages as the guard routes receive them: `content` as a string or as parts, tool calls with their arguments.

use std::collections::HashMap;

use aimds_engine::{Conversation, Message, Origin, Role, ToolUse, ToolUseKind};
use schemars::JsonSchema;
use serde::Deserialize;

use crate::error::Failure;

/// One message of a chat.
#[derive(Debug, Deserialize, JsonSchema)]
pub(crate) struct WireMessage {
    /// `system`, `developer`, `user`, `assistant` or `tool`; `user` where left out.
    #[serde(default)]
    pub(crate) role: Option<String>,
    /// Text, or parts of which those with a `text` are looked at.
    #[serde(default)]
    pub(crate) content: Option<Content>,
    /// Where the text came from, if the role does not say: `user`, `system`, `tool`, `document` or `model`.
    #[serde(default)]
    pub(crate) origin: Option<String>,
    /// Tool calls of the assistant; their arguments are looked at.
    #[serde(default)]
    pub(crate) tool_calls: Option<Vec<ToolCall>>,
    /// Which call a message of the role `tool` answers.
    #[serde(default)]
    pub(crate) tool_call_id: Option<String>,
    /// Which tool a message of the role `tool` comes from, if `tool_call_id` does not say.
    #[serde(default)]
    pub(crate) name: Option<String>,
}

/// Text or parts.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(untagged)]
pub(crate) enum Content {
    /// Text.
    Text(String),
    /// Parts.
    Parts(Vec<Part>),
}

/// One part of a message.
#[derive(Debug, Deserialize, JsonSchema)]
pub(crate) struct Part {
    /// The text, in a part that has one.
    #[serde(default)]
    pub(crate) text: Option<String>,
}

/// One tool call.
#[derive(Debug, Deserialize, JsonSchema)]
pub(crate) struct ToolCall {
    /// What the answer to it names as `tool_call_id`.
    #[serde(default)]
    pub(crate) id: Option<String>,
    /// A person has agreed to this call: the caller vouches for it.
    #[serde(default)]
    pub(crate) approved: Option<bool>,
    /// The function that is called.
    #[serde(default)]
    pub(crate) function: Option<Function>,
}

/// The function of a tool call.
#[derive(Debug, Deserialize, JsonSchema)]
pub(crate) struct Function {
    /// Its name.
    #[serde(default)]
    pub(crate) name: Option<String>,
    /// The arguments, as JSON in a string.
    #[serde(default)]
    pub(crate) arguments: Option<String>,
}

/// How a route treats roles that it does not know.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum UnknownRole {
    /// 400.
    Refuse,
    /// The least trusted reading: a document in a user's message.
    Distrust,
}

/// Collects the texts of messages.
#[derive(Debug, Default)]
pub(crate) struct Collector {
    pub(crate) conversation: Conversation,
    /// Parts without text: images, sound, files. Nobody has looked at them.
    pub(crate) unscanned: usize,
    /// Which tool was called under an identifier.
    called: HashMap<String, String>,
}

impl Collector {
    /// Adds one message. `place` is its JSON pointer; an empty one means that nothing is written back.
    pub(crate) fn push(
        &mut self,
        index: usize,
        message: WireMessage,
        unknown: UnknownRole,
        place: &str,
    ) -> Result<(), Failure> {
        let WireMessage { role, content, origin, tool_calls, tool_call_id, name } = message;
        let (role, default_origin) = match role.as_deref().map(Role::parse) {
            None => (Role::User, Origin::User),
            Some(Some(role)) => (role, role.default_origin()),
            Some(None) if unknown == UnknownRole::Distrust => (Role::User, Origin::Document),
            Some(None) => {
                return Err(Failure::Invalid(format!(
                    "messages[{index}].role must be system, developer, user, assistant or tool"
                )));
            }
        };
        let origin = match origin.as_deref() {
            None => default_origin,
            Some(name) => parse_origin(name)?,
        };
        let first = self.conversation.messages.len();
        let mut text = |text: String, tail: std::fmt::Arguments<'_>| {
            let pointer = if place.is_empty() { String::new() } else { format!("{place}{tail}") };
            self.conversation.messages.push(Message { role, origin, index, pointer, text });
        };
        match content {
            None => {}
            Some(Content::Text(whole)) => text(whole, format_args!("/content")),
            Some(Content::Parts(parts)) => {
                for (number, part) in parts.into_iter().enumerate() {
                    match part.text {
                        Some(part) => text(part, format_args!("/content/{number}/text")),
                        None => self.unscanned += 1,
                    }
                }
            }
        }
        let texts = first..self.conversation.messages.len();
        let tool = name.or_else(|| tool_call_id.and_then(|id| self.called.get(&id).cloned()));
        if let Some(name) = tool.filter(|_| role == Role::Tool && !texts.is_empty()) {
            self.conversation.tools.push(ToolUse { texts, name, kind: ToolUseKind::Result });
        }
        for (number, ToolCall { id, approved, function }) in tool_calls.into_iter().flatten().enumerate() {
            let Some(Function { name, arguments }) = function else { continue };
            if let Some(name) = name {
                self.called.extend(id.map(|id| (id, name.clone())));
                let (at, approved) = (self.conversation.messages.len(), approved.unwrap_or_default());
                let kind = ToolUseKind::Call { approved };
                self.conversation.tools.push(ToolUse { texts: at..at + 1, name, kind });
            }
            let pointer = match place {
                "" => String::new(),
                _ => format!("{place}/tool_calls/{number}/function/arguments"),
            };
            let (role, origin, text) = (Role::Assistant, Origin::Model, arguments.unwrap_or_default());
            self.conversation.messages.push(Message { role, origin, index, pointer, text });
        }
        Ok(())
    }
}

/// Parses an origin that a caller names.
pub(crate) fn parse_origin(name: &str) -> Result<Origin, Failure> {
    Origin::parse(name)
        .ok_or_else(|| Failure::Invalid("origin must be user, system, tool, document or model".into()))
}
