//! OpenAI's responses.
//!
//! What the provider keeps (`previous_response_id`, `conversation`, `prompt`) passed through here when it was made, or
//! not at all: it is not inspected again.

use std::ops::Range;

use axum::http::Uri;
use serde_json::{Value as Json, json};

use super::{Asked, Fields, Provider, Refusal, Speaker, Texts, flag, invalid, number, reminder, string};
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
    "reasoning",
    "tool_choice",
    "truncation",
    "include",
    "metadata",
    "previous_response_id",
    "conversation",
];

pub(super) struct Responses;

impl Provider for Responses {
    fn surface(&self) -> Surface {
        Surface::Responses
    }

    fn fields(&self) -> Fields {
        Fields {
            request: &[
                "instructions",
                "input",
                "system",
                "developer",
                "user",
                "user part",
                "assistant part",
                "reasoning summary",
                "function call name",
                "function call arguments",
                "function call output",
                "function call output part",
                "custom tool input",
                "custom tool output",
                "file name",
                "tool description",
                "tool parameter",
                "prompt variable",
                "text format",
                "unknown item",
                "unknown member",
            ],
            response: &[
                "output text",
                "refusal",
                "reasoning summary",
                "reasoning text",
                "function call name",
                "function call arguments",
                "custom tool input",
                "mcp call output",
                "annotation",
                "unknown item",
                "unknown member",
            ],
            streams: true,
        }
    }

    fn asked<'a>(&self, document: &'a Document, _: &Uri) -> Result<Asked<'a>, Failure> {
        let root = &document.root;
        let mut texts = Texts::request(document);
        for (index, member) in root.members().iter().enumerate() {
            let mut place = format!("/{}", member.key);
            match member.key.as_str() {
                "instructions" => texts.collect(&member.value, &Speaker::system(0), &mut place)?,
                "input" => input(&mut texts, document, member)?,
                key if SETTINGS.contains(&key) => {}
                _ => texts.member(member, &Speaker::document(index), &mut String::new())?,
            }
        }
        Ok(Asked {
            texts,
            model: string(document, root, "model")?,
            stream: flag(document, root, "stream")?,
            path: "/responses".into(),
            usage: false,
        })
    }

    fn remind(&self, document: &Document, words: &str) -> Option<(Range<usize>, String)> {
        reminder::in_front_of_text(document, "instructions", words)
    }

    fn required(&self) -> &'static [&'static str] {
        &["output"]
    }

    fn refusal(&self, refusal: &Refusal) -> Option<Json> {
        let message = message(refusal, "completed", &json!([text_part(&refusal.text)]));
        Some(response(&ids(refusal), &refusal.model, refusal.created, &json!([message])))
    }

    fn dialogue(&self, refusal: Refusal) -> Option<Box<dyn Dialogue + Send>> {
        let (id, model, created) = (ids(&refusal), refusal.model.clone(), refusal.created);
        Some(Box::new(Items { refusal, id, model, created, started: false, items: 0, sequence: 0 }))
    }
}

/// The input: one text of the user, or items of which each says whose it is.
fn input(texts: &mut Texts<'_>, document: &Document, member: &crate::json::Member) -> Result<(), Failure> {
    match &member.value.kind {
        Kind::String => {
            texts.collect(&member.value, &Speaker::by_role(Some("user"), 0), &mut "/input".into())
        }
        Kind::Array(items) => {
            for (index, item) in items.iter().enumerate() {
                let role = item.get("role").map(|role| document.string(role)).transpose()?.flatten();
                let kind = string(document, item, "type")?;
                let speaker = match role {
                    Some(role) => Speaker::by_role(Some(&role), index),
                    None => Speaker::by_item(&kind, index),
                };
                texts.collect(item, &speaker, &mut format!("/input/{index}"))?;
            }
            Ok(())
        }
        _ => Err(invalid("input must be a text or an array")),
    }
}

fn ids(refusal: &Refusal) -> String {
    format!("resp_{}", refusal.id)
}

fn text_part(text: &str) -> Json {
    json!({ "type": "output_text", "text": text, "annotations": [], "logprobs": [] })
}

fn message(refusal: &Refusal, status: &str, content: &Json) -> Json {
    let id = format!("msg_{}", refusal.id);
    json!({ "id": id, "type": "message", "status": status, "role": "assistant", "content": content })
}

fn response(id: &str, model: &str, created: u64, output: &Json) -> Json {
    json!({
        "id": id,
        "object": "response",
        "created_at": created,
        "status": "incomplete",
        "incomplete_details": { "reason": "content_filter" },
        "error": null,
        "instructions": null,
        "metadata": {},
        "model": model,
        "output": output,
        "parallel_tool_calls": false,
        "temperature": null,
        "tool_choice": "auto",
        "tools": [],
        "top_p": null,
        "usage": null,
    })
}

/// A stream of items.
struct Items {
    refusal: Refusal,
    id: String,
    model: String,
    created: u64,
    started: bool,
    /// Items that the caller knows of.
    items: u64,
    /// The number of the next event.
    sequence: u64,
}

impl Dialogue for Items {
    fn event(&self, _: &str, document: &Document) -> Event {
        let root = &document.root;
        let kind = string(document, root, "type").unwrap_or_default();
        let at = |name: &str| number(document, root, name).map(|number| format!("{number}/"));
        let item = at("output_index").unwrap_or_default();
        let part = at("content_index").or_else(|| at("summary_index")).unwrap_or_default();
        let stem = kind.rsplit_once('.').map_or(kind.as_str(), |(stem, _)| stem);
        match kind.as_str() {
            "response.completed" | "response.incomplete" | "response.failed" => {
                Event { end: End::Last, closes: vec![String::new()], ..Event::again("") }
            }
            "error" => Event { end: End::Error, ..Event::whole() },
            "response.created" | "response.in_progress" | "response.queued" => Event::again(""),
            _ if kind.ends_with(".done") => {
                Event { closes: vec![format!("/{item}{part}")], ..Event::again(&format!("/{item}{part}")) }
            }
            _ if kind.ends_with(".added") => Event::opening(&format!("/{item}{part}")),
            // What is not known may come in pieces as well.
            _ => Event::delta(&format!("/{item}{part}{stem}")),
        }
    }

    fn channel(&self, event: &Event, place: &str) -> Option<Channel> {
        let scope = &event.scope;
        let key = format!("{scope}{place}");
        let part = scope.rsplit_once('/').map_or("", |(part, _)| part);
        let call = ["_arguments", "_input", "_code", "_call"].iter().any(|end| scope.contains(end));
        Some(if call { Channel::call(&key, "/", part) } else { Channel::prose(&key, "/", part) })
    }

    fn told(&mut self, document: &Document) {
        let root = &document.root;
        if let Some(response) = root.get("response") {
            self.started = true;
            for (name, slot) in [("id", &mut self.id), ("model", &mut self.model)] {
                match string(document, response, name) {
                    Ok(value) if !value.is_empty() => *slot = value,
                    _ => {}
                }
            }
            self.created = number(document, response, "created_at").unwrap_or(self.created);
        }
        if let Some(item) = number(document, root, "output_index") {
            self.items = self.items.max(item.saturating_add(1));
        }
        if let Some(sequence) = number(document, root, "sequence_number") {
            self.sequence = sequence.saturating_add(1);
        }
    }

    fn refuse(&self, said: bool) -> String {
        let mut out = String::new();
        let mut sequence = self.sequence;
        let mut emit = |kind: &str, mut event: Json| {
            if let Some(event) = event.as_object_mut() {
                event.insert("type".into(), kind.into());
                event.insert("sequence_number".into(), sequence.into());
            }
            sequence += 1;
            out += &sse::event(Some(kind), &event);
        };
        let response = |output: &Json| response(&self.id, &self.model, self.created, output);
        let text = &self.refusal.text;
        if !self.started {
            let mut created = response(&json!([]));
            if let Some(created) = created.as_object_mut() {
                created.insert("status".into(), "in_progress".into());
                created.insert("incomplete_details".into(), Json::Null);
            }
            emit("response.created", json!({ "response": created }));
        }
        let whole = message(&self.refusal, "completed", &json!([text_part(text)]));
        if !said {
            let (index, id) = (self.items, whole.get("id").cloned().unwrap_or_default());
            let place = |event: Json| {
                let mut event = event;
                if let Some(event) = event.as_object_mut() {
                    event.insert("item_id".into(), id.clone());
                    event.insert("output_index".into(), index.into());
                    event.insert("content_index".into(), 0.into());
                }
                event
            };
            let begun = message(&self.refusal, "in_progress", &json!([]));
            emit("response.output_item.added", json!({ "output_index": index, "item": begun }));
            emit("response.content_part.added", place(json!({ "part": text_part("") })));
            emit("response.output_text.delta", place(json!({ "delta": text, "logprobs": [] })));
            emit("response.output_text.done", place(json!({ "text": text, "logprobs": [] })));
            emit("response.content_part.done", place(json!({ "part": text_part(text) })));
            emit("response.output_item.done", json!({ "output_index": index, "item": whole }));
        }
        let output = if said { json!([]) } else { json!([whole]) };
        emit("response.incomplete", json!({ "response": response(&output) }));
        out
    }

    fn fail(&self, failure: &Failure) -> String {
        let body = failure.body(Shape::OpenAi, &self.refusal.id);
        let part =
            |name: &str| body.get("error").and_then(|error| error.get(name)).cloned().unwrap_or_default();
        let (code, message) = (part("code"), part("message"));
        let sequence = self.sequence;
        let event = json!({ "type": "error", "code": code, "message": message, "param": null, "sequence_number": sequence });
        sse::event(Some("error"), &event)
    }
}
