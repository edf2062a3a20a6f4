//! OpenAI's chat completions: which texts a body holds, and how a cleared body is put together again.
//!
//! Every string of a message is a text unless it is known to be an identifier or encoded media. A member that did not
//! exist when this was written is scanned, not skipped.

use std::ops::Range;

use aimds_engine::{Cleared, Conversation, Message, Origin, Role};
use axum::body::Bytes;
use serde_json::{Value as Json, json};

use crate::app::MAX_TEXTS;
use crate::error::Failure;
use crate::json::{self, Document, Kind, Value};
use crate::request_id::RequestId;

/// Strings of messages, tools and answers that no model reads as text.
const IDENTIFIERS: [&str; 9] =
    ["role", "type", "id", "tool_call_id", "call_id", "file_id", "format", "detail", "finish_reason"];

/// Strings that hold encoded media.
const MEDIA: [&str; 3] = ["data", "file_data", "url"];

/// Members of a request that the model does not read.
const SETTINGS: [&str; 13] = [
    "model",
    "user",
    "safety_identifier",
    "prompt_cache_key",
    "prompt_cache_retention",
    "service_tier",
    "reasoning_effort",
    "verbosity",
    "tool_choice",
    "modalities",
    "audio",
    "stop",
    "metadata",
];

/// Members of an answer that are not the model's words. `logprobs` repeats them: see [`Reply::release`].
const ENVELOPE: [&str; 6] = ["id", "object", "model", "system_fingerprint", "service_tier", "logprobs"];

/// A parsed request body.
pub(crate) struct ChatRequest {
    pub(crate) conversation: Conversation,
    pub(crate) model: String,
    pub(crate) stream: bool,
    pub(crate) include_usage: bool,
    pub(crate) document: Document,
}

/// A request body that may be sent. Made from a [`Cleared`] conversation only.
pub(crate) struct Outbound {
    body: Bytes,
}

/// A parsed answer of the upstream.
pub(crate) struct Reply {
    pub(crate) conversation: Conversation,
    pub(crate) document: Document,
}

impl ChatRequest {
    pub(crate) fn parse(text: &str) -> Result<Self, Failure> {
        let document = Document::parse(text)?;
        let root = &document.root;
        let invalid = |what: &str| Failure::Invalid(what.to_owned());
        let messages = match root.get("messages") {
            Some(value @ Value { kind: Kind::Array(_), .. }) => value.elements(),
            _ => return Err(invalid("messages must be an array")),
        };
        let mut texts = Texts { document: &document, conversation: Conversation::default() };
        for (index, message) in messages.iter().enumerate() {
            if !matches!(message.kind, Kind::Object(_)) {
                return Err(invalid("every message must be an object"));
            }
            let role = message.get("role").map(|role| document.string(role)).transpose()?.flatten();
            let (role, origin) = match role.as_deref().and_then(Role::parse) {
                Some(role) => (role, role.default_origin()),
                None => (Role::User, Origin::Document),
            };
            let what = Speaker { role, origin, index };
            texts.collect(message, &what, &mut format!("/messages/{index}"))?;
        }
        let mut stream = false;
        let mut include_usage = false;
        for (offset, member) in root.members().iter().enumerate() {
            match member.key.as_str() {
                "messages" => {}
                "stream" => {
                    stream = match document.text.get(member.value.span.clone()) {
                        Some("true") => true,
                        Some("false" | "null") => false,
                        _ => return Err(invalid("stream must be true or false")),
                    };
                }
                "stream_options" => {
                    let usage = member
                        .value
                        .get("include_usage")
                        .and_then(|value| document.text.get(value.span.clone()));
                    include_usage = usage == Some("true");
                }
                key if SETTINGS.contains(&key) => {}
                key => {
                    let what = Speaker {
                        role: Role::User,
                        origin: Origin::Document,
                        index: messages.len() + offset,
                    };
                    texts.collect(&member.value, &what, &mut format!("/{}", escape(key)))?;
                }
            }
        }
        let conversation = texts.conversation;
        let model =
            root.get("model").map(|model| document.string(model)).transpose()?.flatten().unwrap_or_default();
        Ok(Self { conversation, model, stream, include_usage, document })
    }
}

impl Outbound {
    /// Puts the cleared texts back into the body that they came from. The upstream is never asked to stream: its answer
    /// is scanned whole before any of it goes on. Where nothing has to change, the body is the caller's, byte for byte.
    pub(crate) fn new(cleared: &Cleared, document: &Document, original: Bytes) -> Result<Self, Failure> {
        let mut edits = replacements(cleared, document)?;
        let root = &document.root;
        if let Some(stream) = root.get("stream")
            && document.text.get(stream.span.clone()) == Some("true")
        {
            edits.push((stream.span.clone(), "false".into()));
        }
        if let Some(span) = Document::member_span(root, "stream_options") {
            edits.push((span, String::new()));
        }
        let body = if edits.is_empty() { original } else { document.edited(edits).into() };
        Ok(Self { body })
    }

    pub(crate) fn into_body(self) -> Bytes {
        self.body
    }
}

impl Reply {
    /// Parses what the upstream answered: an object with `required`, or garbage.
    pub(crate) fn parse(body: &[u8], required: &str) -> Result<Self, Failure> {
        let garbage = |_| Failure::UpstreamGarbage;
        let text = json::check(body, 128).map_err(garbage)?;
        let document = Document::parse(text).map_err(garbage)?;
        if !matches!(
            document.root.get(required).map(|value| &value.kind),
            Some(Kind::Array(_) | Kind::Object(_) | Kind::String)
        ) {
            return Err(Failure::UpstreamGarbage);
        }
        let mut texts = Texts { document: &document, conversation: Conversation::default() };
        for member in document.root.members() {
            if ENVELOPE.contains(&member.key.as_str()) {
                continue;
            }
            let mut place = format!("/{}", escape(&member.key));
            let choices = if member.key == "choices" { member.value.elements() } else { &[] };
            for (index, choice) in choices.iter().enumerate() {
                let what = Speaker { role: Role::Assistant, origin: Origin::Model, index };
                texts.collect(choice, &what, &mut format!("{place}/{index}")).map_err(garbage)?;
            }
            if choices.is_empty() {
                let what = Speaker { role: Role::Assistant, origin: Origin::Model, index: 0 };
                texts.collect(&member.value, &what, &mut place).map_err(garbage)?;
            }
        }
        let conversation = texts.conversation;
        Ok(Self { conversation, document })
    }

    /// The answer with the cleared texts in place. Where a text changed, the log probabilities go: they spell it out
    /// token by token.
    pub(crate) fn release(cleared: &Cleared, document: &Document, original: Bytes) -> Result<Bytes, Failure> {
        let mut edits = replacements(cleared, document)?;
        if edits.is_empty() {
            return Ok(original);
        }
        for choice in document.root.get("choices").map(Value::elements).unwrap_or_default() {
            if let Some(logprobs) = choice.get("logprobs") {
                edits.push((logprobs.span.clone(), "null".into()));
            }
        }
        if let Some(logprobs) = document.root.get("logprobs") {
            edits.push((logprobs.span.clone(), "null".into()));
        }
        Ok(document.edited(edits).into())
    }
}

fn replacements(cleared: &Cleared, document: &Document) -> Result<Vec<(Range<usize>, String)>, Failure> {
    let changed = cleared.changed().iter();
    changed
        .map(|&position| {
            let message = cleared.conversation().messages.get(position).ok_or(Failure::Internal)?;
            let value = document.root.pointer(&message.pointer).ok_or(Failure::Internal)?;
            Ok((value.span.clone(), Json::from(message.text.as_str()).to_string()))
        })
        .collect()
}

/// Whose text is being collected.
struct Speaker {
    role: Role,
    origin: Origin,
    index: usize,
}

struct Texts<'a> {
    document: &'a Document,
    conversation: Conversation,
}

impl Texts<'_> {
    /// Adds every text below `value`. Only a string can be an identifier or media: an object or array under the same
    /// name (a tool's parameter called "type") is walked like any other.
    fn collect(&mut self, value: &Value, what: &Speaker, place: &mut String) -> Result<(), Failure> {
        let length = place.len();
        match &value.kind {
            Kind::String => {
                let text = self.document.string(value)?.unwrap_or_default();
                if text.is_empty() {
                    return Ok(());
                }
                if self.conversation.messages.len() >= MAX_TEXTS {
                    return Err(Failure::Invalid(format!("the request holds more than {MAX_TEXTS} texts")));
                }
                let Speaker { role, origin, index } = *what;
                self.conversation.messages.push(Message {
                    role,
                    origin,
                    index,
                    pointer: place.clone(),
                    text,
                });
            }
            Kind::Array(elements) => {
                for (number, element) in elements.iter().enumerate() {
                    place.push('/');
                    place.push_str(&number.to_string());
                    self.collect(element, what, place)?;
                    place.truncate(length);
                }
            }
            Kind::Object(members) => {
                for member in members {
                    if self.skipped(&member.key, &member.value) {
                        continue;
                    }
                    place.push('/');
                    place.push_str(&escape(&member.key));
                    self.collect(&member.value, what, place)?;
                    place.truncate(length);
                }
            }
            Kind::Null | Kind::Scalar => {}
        }
        Ok(())
    }

    fn skipped(&self, key: &str, value: &Value) -> bool {
        if key == "logprobs" {
            return true;
        }
        if !matches!(value.kind, Kind::String) {
            return false;
        }
        let quoted = self.document.text.get(value.span.clone()).unwrap_or_default();
        IDENTIFIERS.contains(&key) || MEDIA.contains(&key) && (key != "url" || quoted.starts_with("\"data:"))
    }
}

/// Escapes a key for a JSON pointer.
fn escape(key: &str) -> std::borrow::Cow<'_, str> {
    if key.contains(['~', '/']) { key.replace('~', "~0").replace('/', "~1").into() } else { key.into() }
}

/// A refusal in the shape of an answer.
pub(crate) fn refusal(id: &RequestId, model: &str, text: &str, now_ms: u64) -> Json {
    json!({
        "id": format!("chatcmpl-{}", id.as_str()),
        "object": "chat.completion",
        "created": now_ms / 1000,
        "model": model,
        "choices": [{
            "index": 0,
            "message": { "role": "assistant", "content": text, "refusal": null },
            "logprobs": null,
            "finish_reason": "content_filter",
        }],
        "usage": { "prompt_tokens": 0, "completion_tokens": 0, "total_tokens": 0 },
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_text_of_a_request_is_found_with_its_origin_and_place() {
        let body = json!({
            "model": "m",
            "messages": [
                { "role": "system", "content": "s" },
                { "role": "user", "name": "n", "content": [
                    { "type": "text", "text": "u" },
                    { "type": "image_url", "image_url": { "url": "data:image/png;base64,xx" } },
                    { "type": "novelty", "words": "v" },
                ]},
                { "role": "assistant", "content": null, "reasoning_content": "r",
                  "tool_calls": [{ "id": "c", "type": "function", "function": { "name": "f", "arguments": "{}" } }] },
                { "role": "tool", "tool_call_id": "c", "content": "t" },
                { "role": "alien", "content": "a" },
            ],
            "tools": [{ "type": "function", "function": { "name": "f", "description": "d",
                "parameters": { "type": "object", "properties": { "type": { "description": "p" } } } } }],
            "user": "not a text",
        });
        let request = ChatRequest::parse(&body.to_string()).unwrap();
        let mut found: Vec<_> = request
            .conversation
            .messages
            .iter()
            .map(|message| {
                format!("{} {} {} {}", message.index, message.origin.as_str(), message.pointer, message.text)
            })
            .collect();
        found.sort();
        assert_eq!(
            found,
            [
                "0 system /messages/0/content s",
                "1 user /messages/1/content/0/text u",
                "1 user /messages/1/content/2/words v",
                "1 user /messages/1/name n",
                "2 model /messages/2/reasoning_content r",
                "2 model /messages/2/tool_calls/0/function/arguments {}",
                "2 model /messages/2/tool_calls/0/function/name f",
                "3 tool /messages/3/content t",
                "4 document /messages/4/content a",
                "7 document /tools/0/function/description d",
                "7 document /tools/0/function/name f",
                "7 document /tools/0/function/parameters/properties/type/description p",
            ]
        );
    }

    #[test]
    fn a_request_without_messages_or_with_a_strange_stream_is_refused() {
        for (body, message) in [
            ("{}", "messages must be an array"),
            (r#"{"messages":[1]}"#, "every message must be an object"),
            (r#"{"messages":[],"stream":"true"}"#, "stream must be true or false"),
        ] {
            assert_eq!(ChatRequest::parse(body).err(), Some(Failure::Invalid(message.into())));
        }
    }
}
