//! OpenAI's chat completions, and everybody who speaks them.

use std::collections::BTreeMap;
use std::ops::Range;

use axum::http::Uri;
use serde_json::{Value as Json, json};

use super::{Asked, Fields, Provider, Refusal, Texts, flag, messages, number, others, reminder, string};
use crate::error::{Failure, Shape};
use crate::json::{Document, Kind};
use crate::router::Surface;
use crate::stream::{Channel, Dialogue, End, Event, sse};

/// Members of a request that the model does not read.
const SETTINGS: [&str; 15] = [
    "model",
    "stream",
    "stream_options",
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

pub(super) struct Chat;

impl Provider for Chat {
    fn surface(&self) -> Surface {
        Surface::Chat
    }

    fn fields(&self) -> Fields {
        Fields {
            request: &[
                "system",
                "developer",
                "user",
                "user part",
                "user name",
                "assistant",
                "assistant refusal",
                "reasoning",
                "tool call name",
                "tool call arguments",
                "function call arguments",
                "tool result",
                "tool result part",
                "function result",
                "file name",
                "tool description",
                "tool parameter",
                "tool parameter name",
                "response format",
                "prediction",
                "unknown role",
                "unknown part",
                "unknown member",
            ],
            response: &[
                "content",
                "refusal",
                "reasoning_content",
                "reasoning",
                "tool call name",
                "tool call arguments",
                "custom tool input",
                "function call arguments",
                "audio transcript",
                "annotation",
                "second choice",
                "unknown member",
            ],
            streams: true,
        }
    }

    fn asked<'a>(&self, document: &'a Document, _: &Uri) -> Result<Asked<'a>, Failure> {
        let root = &document.root;
        let mut texts = Texts::request(document);
        let messages = messages(&mut texts, document)?;
        others(&mut texts, document, messages, &["messages"], &SETTINGS)?;
        let usage = root.get("stream_options").map(|options| flag(document, options, "include_usage"));
        Ok(Asked {
            texts,
            model: string(document, root, "model")?,
            stream: flag(document, root, "stream")?,
            path: "/chat/completions".into(),
            usage: usage.transpose()?.unwrap_or_default(),
        })
    }

    fn remind(&self, document: &Document, words: &str) -> Option<(Range<usize>, String)> {
        let message = json!({ "role": "system", "content": words });
        reminder::first_element(document.root.get("messages")?, &message)
    }

    fn required(&self) -> &'static [&'static str] {
        &["choices"]
    }

    fn refusal(&self, refusal: &Refusal) -> Option<Json> {
        Some(json!({
            "id": format!("chatcmpl-{}", refusal.id),
            "object": "chat.completion",
            "created": refusal.created,
            "model": refusal.model,
            "choices": [{
                "index": 0,
                "message": { "role": "assistant", "content": refusal.text, "refusal": null },
                "logprobs": null,
                "finish_reason": "content_filter",
            }],
            "usage": no_usage(),
        }))
    }

    fn dialogue(&self, refusal: Refusal) -> Option<Box<dyn Dialogue + Send>> {
        let id = format!("chatcmpl-{}", refusal.id);
        let (created, model) = (refusal.created, refusal.model.clone());
        Some(Box::new(Chunks { refusal, id, created, model, open: BTreeMap::new() }))
    }
}

fn no_usage() -> Json {
    json!({ "prompt_tokens": 0, "completion_tokens": 0, "total_tokens": 0 })
}

/// A stream of chunks.
struct Chunks {
    refusal: Refusal,
    id: String,
    created: u64,
    model: String,
    /// Choices that the caller knows of, and whether each is still open.
    open: BTreeMap<u64, bool>,
}

impl Chunks {
    fn chunk(&self, choices: &Json, usage: &Json) -> String {
        let mut chunk = json!({
            "id": self.id,
            "object": "chat.completion.chunk",
            "created": self.created,
            "model": self.model,
            "choices": choices,
        });
        if let (true, Some(chunk)) = (self.refusal.usage, chunk.as_object_mut()) {
            chunk.insert("usage".into(), usage.clone());
        }
        sse::event(None, &chunk)
    }

    fn delta(&self, index: u64, delta: &Json, finish: Option<&str>) -> String {
        let choice = json!({ "index": index, "delta": delta, "logprobs": null, "finish_reason": finish });
        self.chunk(&json!([choice]), &Json::Null)
    }
}

impl Dialogue for Chunks {
    fn event(&self, _: &str, document: &Document) -> Event {
        let choices = document.root.get("choices").map(|choices| choices.elements()).unwrap_or_default();
        let finished = choices.iter().enumerate().filter(|(_, choice)| {
            choice.get("finish_reason").is_some_and(|reason| matches!(reason.kind, Kind::String))
        });
        let closes: Vec<_> = finished
            .map(|(position, choice)| {
                let index = number(document, choice, "index").unwrap_or(position as u64);
                format!("/choices/{index}/")
            })
            .collect();
        let end = match (document.root.get("error").is_some(), closes.is_empty()) {
            (true, _) => End::Error,
            (_, false) => End::Possible,
            _ => End::No,
        };
        Event { closes, end, ..Event::delta("") }
    }

    /// `/choices/0/delta/tool_calls/1/function/arguments`: everything of one tool call is one part.
    fn channel(&self, _: &Event, place: &str) -> Option<Channel> {
        let Some(rest) = place.strip_prefix("/choices/") else {
            return Some(Channel::prose(place, "", place));
        };
        let mut steps = rest.split('/');
        let index = steps.next().unwrap_or_default();
        let (_, member, number) = (steps.next(), steps.next().unwrap_or_default(), steps.next());
        let tail = (steps.next(), steps.next(), steps.next());
        let group = format!("/choices/{index}/");
        Some(match (member, number) {
            ("tool_calls", Some(number)) => {
                let part = format!("tool_calls/{number}");
                match tail {
                    (Some("function" | "custom"), Some("name"), None) => Channel::name(place, &group, &part),
                    _ => Channel::call(place, &group, &part),
                }
            }
            ("function_call", Some("name")) if tail.0.is_none() => Channel::name(place, &group, member),
            ("function_call", _) => Channel::call(place, &group, member),
            (member, _) if member.starts_with("reasoning") => Channel::prose(place, &group, "reasoning"),
            (member, _) => Channel::prose(place, &group, member),
        })
    }

    fn told(&mut self, document: &Document) {
        let root = &document.root;
        for (name, slot) in [("id", &mut self.id), ("model", &mut self.model)] {
            match string(document, root, name) {
                Ok(value) if !value.is_empty() => *slot = value,
                _ => {}
            }
        }
        self.created = number(document, root, "created").unwrap_or(self.created);
        for choice in root.get("choices").map(|choices| choices.elements()).unwrap_or_default() {
            let index = number(document, choice, "index").unwrap_or_default();
            let ended = choice.get("finish_reason").is_some_and(|reason| matches!(reason.kind, Kind::String));
            self.open.insert(index, !ended);
        }
    }

    fn refuse(&self, said: bool) -> String {
        let mut out = String::new();
        let text = &self.refusal.text;
        if self.open.is_empty() {
            out += &self.delta(0, &json!({ "role": "assistant", "content": "" }), None);
        }
        let open = self.open.iter().filter(|(_, open)| **open).map(|(index, _)| *index);
        let none = self.open.is_empty().then_some(0);
        for index in open.chain(none) {
            if !said {
                out += &self.delta(index, &json!({ "content": text }), None);
            }
            out += &self.delta(index, &json!({}), Some("content_filter"));
        }
        if self.refusal.usage {
            out += &self.chunk(&json!([]), &no_usage());
        }
        out + "data: [DONE]\n\n"
    }

    fn fail(&self, failure: &Failure) -> String {
        sse::event(None, &failure.body(Shape::OpenAi, &self.refusal.id))
    }
}

#[cfg(test)]
mod tests {
    use super::super::invalid;
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
        let body = body.to_string();
        let document = Document::parse(&body).unwrap();
        let request = Chat.asked(&document, &Uri::default()).unwrap();
        let messages = &request.texts.found.conversation.messages;
        let mut found: Vec<_> = messages
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
            let document = Document::parse(body).unwrap();
            assert_eq!(Chat.asked(&document, &Uri::default()).err(), Some(invalid(message)));
        }
    }
}
