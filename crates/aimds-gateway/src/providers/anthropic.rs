//! Anthropic's messages.

use std::collections::BTreeSet;
use std::ops::Range;

use axum::http::Uri;
use serde_json::{Value as Json, json};

use super::{
    Asked, Fields, Provider, Refusal, Speaker, Texts, flag, messages, number, others, reminder, string,
};
use crate::error::{Failure, Shape};
use crate::json::Document;
use crate::router::Surface;
use crate::stream::{Channel, Dialogue, End, Event, sse};

/// Members of a request that the model does not read.
const SETTINGS: [&str; 9] = [
    "model",
    "stream",
    "metadata",
    "service_tier",
    "stop_sequences",
    "tool_choice",
    "thinking",
    "anthropic_version",
    "inference_geo",
];

pub(super) struct Anthropic;

impl Provider for Anthropic {
    fn surface(&self) -> Surface {
        Surface::Messages
    }

    fn fields(&self) -> Fields {
        Fields {
            request: &[
                "system",
                "system block",
                "user",
                "user block",
                "document text",
                "document title",
                "search result",
                "assistant",
                "thinking",
                "tool use name",
                "tool use input",
                "tool use input name",
                "tool use input number",
                "tool result",
                "tool result block",
                "tool description",
                "tool parameter",
                "unknown block",
                "unknown member",
            ],
            response: &[
                "text",
                "thinking",
                "tool use name",
                "tool use input",
                "tool use input name",
                "web search result",
                "citation",
                "unknown block",
            ],
            streams: true,
        }
    }

    fn asked<'a>(&self, document: &'a Document, _: &Uri) -> Result<Asked<'a>, Failure> {
        let root = &document.root;
        let mut texts = Texts::request(document);
        if let Some(system) = root.get("system") {
            texts.collect(system, &Speaker::system(0), &mut "/system".into())?;
        }
        let messages = messages(&mut texts, document)?;
        others(&mut texts, document, messages, &["messages", "system"], &SETTINGS)?;
        Ok(Asked {
            texts,
            model: string(document, root, "model")?,
            stream: flag(document, root, "stream")?,
            path: "/messages".into(),
            usage: false,
        })
    }

    fn remind(&self, document: &Document, words: &str) -> Option<(Range<usize>, String)> {
        reminder::anthropic(document, words)
    }

    fn required(&self) -> &'static [&'static str] {
        &["content"]
    }

    fn refusal(&self, refusal: &Refusal) -> Option<Json> {
        let mut message = start(refusal);
        if let Some(message) = message.as_object_mut() {
            message.insert("content".into(), json!([{ "type": "text", "text": refusal.text }]));
            message.insert("stop_reason".into(), "refusal".into());
        }
        Some(message)
    }

    fn dialogue(&self, refusal: Refusal) -> Option<Box<dyn Dialogue + Send>> {
        Some(Box::new(Blocks { refusal, started: false, open: BTreeSet::new(), next: 0 }))
    }
}

/// A message without content.
fn start(refusal: &Refusal) -> Json {
    json!({
        "id": format!("msg_{}", refusal.id),
        "type": "message",
        "role": "assistant",
        "model": refusal.model,
        "content": [],
        "stop_reason": null,
        "stop_sequence": null,
        "usage": { "input_tokens": 0, "output_tokens": 0 },
    })
}

/// A stream of content blocks.
struct Blocks {
    refusal: Refusal,
    started: bool,
    /// Blocks that the caller knows of and that have not stopped.
    open: BTreeSet<u64>,
    /// The first block that the caller does not know of.
    next: u64,
}

impl Blocks {
    fn kind(document: &Document) -> String {
        string(document, &document.root, "type").unwrap_or_default()
    }
}

impl Dialogue for Blocks {
    fn event(&self, _: &str, document: &Document) -> Event {
        let index = number(document, &document.root, "index").unwrap_or_default();
        let scope = format!("/{index}/");
        let delta = document.root.get("delta");
        let delta = delta.and_then(|delta| string(document, delta, "type").ok()).unwrap_or_default();
        match Self::kind(document).as_str() {
            "content_block_delta" if delta == "citations_delta" => Event::whole(),
            "content_block_stop" => Event { closes: vec![scope], ..Event::whole() },
            "message_start" | "message_delta" | "ping" => Event::whole(),
            "message_stop" => Event { end: End::Last, ..Event::whole() },
            "error" => Event { end: End::Error, ..Event::whole() },
            // What is not known may come in pieces as well.
            _ => Event::delta(&scope),
        }
    }

    /// A block starts with the first piece of what its deltas bring on: `/content_block/text` is `/delta/text`.
    fn channel(&self, event: &Event, place: &str) -> Option<Channel> {
        let scope = &event.scope;
        let name = place.strip_prefix("/content_block/").or_else(|| place.strip_prefix("/delta/"));
        let key = format!("{scope}{}", name.unwrap_or(place));
        Some(match name {
            Some("name") => Channel::name(&key, "/", scope),
            Some("partial_json" | "input") => Channel::call(&key, "/", scope),
            Some(name) if name.starts_with("input/") => Channel::call(&key, "/", scope),
            _ => Channel::prose(&key, "/", scope),
        })
    }

    fn told(&mut self, document: &Document) {
        let index = number(document, &document.root, "index").unwrap_or_default();
        match Self::kind(document).as_str() {
            "message_start" => self.started = true,
            "content_block_start" => {
                self.open.insert(index);
                self.next = self.next.max(index.saturating_add(1));
            }
            "content_block_stop" => _ = self.open.remove(&index),
            _ => {}
        }
    }

    fn refuse(&self, said: bool) -> String {
        let mut out = String::new();
        let mut emit = |event: Json| {
            let name = event.get("type").and_then(Json::as_str).unwrap_or_default();
            out += &sse::event(Some(name), &event);
        };
        if !self.started {
            emit(json!({ "type": "message_start", "message": start(&self.refusal) }));
        }
        for index in &self.open {
            emit(json!({ "type": "content_block_stop", "index": index }));
        }
        if !said {
            let index = self.next;
            let block = json!({ "type": "text", "text": "" });
            emit(json!({ "type": "content_block_start", "index": index, "content_block": block }));
            let delta = json!({ "type": "text_delta", "text": self.refusal.text });
            emit(json!({ "type": "content_block_delta", "index": index, "delta": delta }));
            emit(json!({ "type": "content_block_stop", "index": index }));
        }
        let delta = json!({ "stop_reason": "refusal", "stop_sequence": null });
        emit(json!({ "type": "message_delta", "delta": delta, "usage": { "output_tokens": 0 } }));
        emit(json!({ "type": "message_stop" }));
        out
    }

    fn fail(&self, failure: &Failure) -> String {
        sse::event(Some("error"), &failure.body(Shape::Anthropic, &self.refusal.id))
    }
}
