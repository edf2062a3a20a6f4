//! Messages as the guard routes receive them: `content` as a string or as parts, tool calls with their arguments, and whatever
//! else the messages of a provider hold, read as on the provider's own surface.

use std::collections::HashMap;

use aimds_engine::{Conversation, Message, Origin, Role, ToolUse, ToolUseKind};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Map, Value};

use crate::error::Failure;
use crate::json::Document;
use crate::providers::{Found, Speaker, Texts, is_identifier, is_name};

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
    /// What else providers' messages hold (reasoning, refusals, results of tools): every text in it is looked at.
    #[serde(flatten)]
    pub(crate) other: Map<String, Value>,
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
    /// Every text in it is looked at.
    #[serde(flatten)]
    pub(crate) other: Map<String, Value>,
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
    /// Every text in it is looked at.
    #[serde(flatten)]
    pub(crate) other: Map<String, Value>,
}

/// The function of a tool call.
#[derive(Debug, Deserialize, JsonSchema)]
pub(crate) struct Function {
    /// Its name.
    #[serde(default)]
    pub(crate) name: Option<String>,
    /// The arguments, as JSON in a string or as they are.
    #[serde(default)]
    pub(crate) arguments: Option<Value>,
    /// Every text in it is looked at.
    #[serde(flatten)]
    pub(crate) other: Map<String, Value>,
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
    /// Parts with images, sound or files, or without any text. Nobody has looked at what they show.
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
        let WireMessage { role, content, origin, tool_calls, tool_call_id, name, other } = message;
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
        let speaker = Speaker::new(role, origin, index);
        let first = self.conversation.messages.len();
        match content {
            None => {}
            Some(Content::Text(whole)) => self.text(whole, &speaker, place, format_args!("/content")),
            Some(Content::Parts(parts)) => {
                for (number, Part { text, other }) in parts.into_iter().enumerate() {
                    let before = self.conversation.messages.len();
                    if let Some(text) = text {
                        self.text(text, &speaker, place, format_args!("/content/{number}/text"));
                    }
                    let shown = shows_media(&other);
                    self.rest(other, &speaker, place, format_args!("/content/{number}"))?;
                    if shown || self.conversation.messages.len() == before {
                        self.unscanned += 1;
                    }
                }
            }
        }
        self.rest(other, &speaker, place, format_args!(""))?;
        let texts = first..self.conversation.messages.len();
        if let Some(name) = name.as_ref().filter(|name| !is_name(name)) {
            self.text(name.clone(), &speaker, place, format_args!("/name"));
        }
        if let Some(id) = tool_call_id.as_ref().filter(|id| !is_identifier(id)) {
            self.text(id.clone(), &speaker, place, format_args!("/tool_call_id"));
        }
        let tool = name.or_else(|| tool_call_id.and_then(|id| self.called.get(&id).cloned()));
        if let Some(name) = tool.filter(|_| role == Role::Tool && !texts.is_empty()) {
            self.conversation.tools.push(ToolUse { texts, name, kind: ToolUseKind::Result });
        }
        for (number, call) in tool_calls.into_iter().flatten().enumerate() {
            self.call(call, index, place, number)?;
        }
        Ok(())
    }

    /// A call is the model's, whoever sends it.
    pub(crate) fn call(
        &mut self,
        call: ToolCall,
        index: usize,
        place: &str,
        number: usize,
    ) -> Result<(), Failure> {
        let ToolCall { id, approved, function, other } = call;
        let speaker = Speaker::model(index);
        self.rest(other, &speaker, place, format_args!("/tool_calls/{number}"))?;
        if let Some(id) = id.as_ref().filter(|id| !is_identifier(id)) {
            self.text(id.clone(), &speaker, place, format_args!("/tool_calls/{number}/id"));
        }
        let Some(Function { name, arguments, other }) = function else { return Ok(()) };
        self.rest(other, &speaker, place, format_args!("/tool_calls/{number}/function"))?;
        if let Some(name) = name {
            if !is_name(&name) {
                let tail = format_args!("/tool_calls/{number}/function/name");
                self.text(name.clone(), &speaker, place, tail);
            }
            self.called.extend(id.map(|id| (id, name.clone())));
            let (at, approved) = (self.conversation.messages.len(), approved.unwrap_or_default());
            let kind = ToolUseKind::Call { approved };
            self.conversation.tools.push(ToolUse { texts: at..at + 1, name, kind });
        }
        let arguments = match arguments {
            None => String::new(),
            Some(Value::String(arguments)) => arguments,
            Some(arguments) => arguments.to_string(),
        };
        self.text(arguments, &speaker, place, format_args!("/tool_calls/{number}/function/arguments"));
        Ok(())
    }

    /// Whether a call has this identifier.
    pub(crate) fn has_call(&self, id: &str) -> bool {
        self.called.contains_key(id)
    }

    fn text(&mut self, text: String, speaker: &Speaker, place: &str, tail: std::fmt::Arguments<'_>) {
        let pointer = if place.is_empty() { String::new() } else { format!("{place}{tail}") };
        self.conversation.messages.push(speaker.says(text, pointer));
    }

    /// Every text of members that have no place of their own, as on a provider's surface.
    pub(crate) fn rest(
        &mut self,
        other: Map<String, Value>,
        speaker: &Speaker,
        place: &str,
        tail: std::fmt::Arguments<'_>,
    ) -> Result<(), Failure> {
        // What nearly every part has.
        let plain = other.len() == 1 && other.get("type").is_some_and(|kind| kind == "text");
        if other.is_empty() || plain {
            return Ok(());
        }
        let document = Document::parse(&Value::Object(other).to_string())?;
        let mut texts = Texts::request(&document);
        texts.called = std::mem::take(&mut self.called);
        texts.collect(&document.root, speaker, &mut String::new())?;
        self.called = texts.called;
        let Found { conversation: Conversation { messages, tools, .. }, .. } = texts.found;
        let before = self.conversation.messages.len();
        for Message { pointer, text, role, origin, index } in messages {
            let speaker = Speaker::new(role, origin, index);
            self.text(text, &speaker, place, format_args!("{tail}{pointer}"));
        }
        let moved = |ToolUse { texts, name, kind }| {
            let texts = texts.start + before..texts.end + before;
            ToolUse { texts, name, kind }
        };
        self.conversation.tools.extend(tools.into_iter().map(moved));
        Ok(())
    }
}

/// Whether a part says that it is more than text.
fn shows_media(part: &Map<String, Value>) -> bool {
    let kind = part.get("type").and_then(Value::as_str).unwrap_or_default();
    ["image", "audio", "video", "file", "media"].iter().any(|media| kind.contains(media))
}

/// Parses an origin that a caller names.
pub(crate) fn parse_origin(name: &str) -> Result<Origin, Failure> {
    Origin::parse(name)
        .ok_or_else(|| Failure::Invalid("origin must be user, system, tool, document or model".into()))
}
