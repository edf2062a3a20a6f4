//! Gemini's `generateContent` and `streamGenerateContent`. Members may be spelt `systemInstruction` or
//! `system_instruction`.

use std::ops::Range;

use axum::http::Uri;
use serde_json::{Value as Json, json};

use super::{Asked, Fields, Provider, Refusal, Speaker, Texts, array, invalid, others, reminder, string};
use crate::error::{Failure, Shape};
use crate::json::{Document, Kind};
use crate::router::Surface;
use crate::stream::{Channel, Dialogue, End, Event, sse};

/// Where the surface starts on both sides: Google's client speaks the first, and spoke the second for long.
const MODELS: [&str; 2] = ["/v1/models/", "/v1beta/models/"];

/// Members of a request that the model does not read.
const SETTINGS: [&str; 8] = [
    "model",
    "safetySettings",
    "safety_settings",
    "toolConfig",
    "tool_config",
    "cachedContent",
    "cached_content",
    "labels",
];

pub(super) struct Gemini;

impl Provider for Gemini {
    fn surface(&self) -> Surface {
        Surface::Gemini
    }

    fn fields(&self) -> Fields {
        Fields {
            request: &[
                "system instruction",
                "system_instruction",
                "user",
                "model",
                "thought",
                "function call name",
                "function call argument",
                "function call argument name",
                "function call argument number",
                "function response",
                "executable code",
                "code execution result",
                "tool description",
                "tool parameter",
                "response schema",
                "unknown role",
                "unknown part",
                "unknown member",
            ],
            response: &[
                "text",
                "thought",
                "function call name",
                "function call argument",
                "function call argument name",
                "executable code",
                "grounding",
                "second candidate",
                "unknown part",
                "unknown member",
            ],
            streams: true,
        }
    }

    fn asked<'a>(&self, document: &'a Document, uri: &Uri) -> Result<Asked<'a>, Failure> {
        let (model, method) = MODELS
            .iter()
            .find_map(|models| uri.path().strip_prefix(models))
            .and_then(|call| call.rsplit_once(':'))
            .filter(|(model, _)| is_model(model))
            .ok_or(Failure::NotFound)?;
        let events = uri.query().is_some_and(|query| query.split('&').any(|part| part == "alt=sse"));
        let stream = match method {
            "generateContent" => false,
            "streamGenerateContent" if events => true,
            "streamGenerateContent" => {
                return Err(invalid("a stream needs ?alt=sse: it is inspected event by event"));
            }
            _ => return Err(Failure::NotFound),
        };
        let root = &document.root;
        let contents = array(root, "contents")?;
        let mut texts = Texts::request(document);
        for name in ["systemInstruction", "system_instruction"] {
            if let Some(system) = root.get(name) {
                texts.collect(system, &Speaker::system(0), &mut format!("/{name}"))?;
            }
        }
        for (index, content) in contents.iter().enumerate() {
            if !matches!(content.kind, Kind::Object(_)) {
                return Err(invalid("every content must be an object"));
            }
            let role = match content.get("role") {
                None => "user".to_owned(),
                Some(_) => string(document, content, "role")?,
            };
            texts.collect(
                content,
                &Speaker::by_role(Some(&role), index),
                &mut format!("/contents/{index}"),
            )?;
        }
        let read = ["contents", "systemInstruction", "system_instruction"];
        others(&mut texts, document, contents.len(), &read, &SETTINGS)?;
        let query = if stream { "?alt=sse" } else { "" };
        let path = format!("{}{query}", uri.path());
        Ok(Asked { texts, model: model.to_owned(), stream, path, usage: false })
    }

    fn remind(&self, document: &Document, words: &str) -> Option<(Range<usize>, String)> {
        reminder::gemini(document, words)
    }

    fn required(&self) -> &'static [&'static str] {
        &["candidates", "promptFeedback"]
    }

    fn refusal(&self, refusal: &Refusal) -> Option<Json> {
        Some(answer(refusal, &json!([{ "text": refusal.text }])))
    }

    fn dialogue(&self, refusal: Refusal) -> Option<Box<dyn Dialogue + Send>> {
        Some(Box::new(Answers { refusal }))
    }
}

/// Whether it is a name and nothing that means something in an address.
fn is_model(name: &str) -> bool {
    !name.is_empty()
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.' | b'@'))
        && !name.contains("..")
}

fn answer(refusal: &Refusal, parts: &Json) -> Json {
    json!({
        "candidates": [{
            "content": { "role": "model", "parts": parts },
            "finishReason": "SAFETY",
            "index": 0,
        }],
        "usageMetadata": { "promptTokenCount": 0, "candidatesTokenCount": 0, "totalTokenCount": 0 },
        "modelVersion": refusal.model,
        "responseId": refusal.id,
    })
}

/// A stream of answers, each with the next piece.
struct Answers {
    refusal: Refusal,
}

impl Dialogue for Answers {
    fn event(&self, _: &str, document: &Document) -> Event {
        let root = &document.root;
        let candidates = root.get("candidates").map(|candidates| candidates.elements()).unwrap_or_default();
        let closes: Vec<_> = candidates
            .iter()
            .filter(|candidate| candidate.get("finishReason").is_some())
            .map(|candidate| {
                let index = candidate.get("index").and_then(|index| document.text.get(index.span.clone()));
                format!("/candidates/{}/", index.unwrap_or("0"))
            })
            .collect();
        let blocked =
            root.get("promptFeedback").is_some_and(|feedback| feedback.get("blockReason").is_some());
        let end = match (root.get("error").is_some(), closes.is_empty() && !blocked) {
            (true, _) => End::Error,
            (_, false) => End::Possible,
            _ => End::No,
        };
        Event { closes, end, ..Event::delta("") }
    }

    /// The texts of a candidate are one text in pieces, and so are its thoughts; everything else comes whole.
    fn channel(&self, _: &Event, place: &str) -> Option<Channel> {
        let (candidate, rest) = place.strip_prefix("/candidates/")?.split_once('/')?;
        let (part, member) = rest.strip_prefix("content/parts/")?.split_once('/')?;
        let kind = match (part, member) {
            ("thought", "text") => "thought",
            (_, "text") => "text",
            _ => return None,
        };
        let group = format!("/candidates/{candidate}/");
        Some(Channel::prose(&format!("{group}{kind}"), &group, kind))
    }

    fn told(&mut self, _: &Document) {}

    fn refuse(&self, said: bool) -> String {
        let parts = if said { json!([]) } else { json!([{ "text": self.refusal.text }]) };
        sse::event(None, &answer(&self.refusal, &parts))
    }

    fn fail(&self, failure: &Failure) -> String {
        sse::event(None, &failure.body(Shape::Google, &self.refusal.id))
    }
}
