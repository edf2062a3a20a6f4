//! The surfaces of model providers, one file each. A [`Provider`] says which texts a request, an answer and an event of a
//! stream hold and how a refusal and an error look; everything else (inspection, redaction, forwarding, streaming) is the
//! same code for all of them.
//!
//! [`Provider::fields`] lists what is inspected. `/openapi.json` shows it, and the coverage test sends something forbidden
//! through every row: a provider without rows, or with a row that nothing proves, fails.

mod anthropic;
mod body;
mod chat;
mod embeddings;
mod gemini;
mod names;
mod reminder;
mod responses;
mod texts;

use std::ops::Range;

use axum::http::Uri;
use serde_json::Value as Json;

pub(crate) use body::{Outbound, Reply, replacements};
pub(crate) use names::{is_identifier, is_name};
pub(crate) use texts::{Found, Speaker, Texts};

use crate::error::Failure;
use crate::json::{Document, Kind, Value};
use crate::router::Surface;
use crate::stream::Dialogue;

pub(crate) static CHAT: &dyn Provider = &chat::Chat;
pub(crate) static RESPONSES: &dyn Provider = &responses::Responses;
pub(crate) static EMBEDDINGS: &dyn Provider = &embeddings::Embeddings;
pub(crate) static ANTHROPIC: &dyn Provider = &anthropic::Anthropic;
pub(crate) static GEMINI: &dyn Provider = &gemini::Gemini;

/// Whose servers a surface belongs to: address, key and headers are configured for each.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Service {
    OpenAi,
    Anthropic,
    Gemini,
}

impl Service {
    /// Whose servers have a surface.
    pub(crate) fn of(surface: Surface) -> Self {
        match surface {
            Surface::Chat | Surface::Responses | Surface::Embeddings => Self::OpenAi,
            Surface::Messages => Self::Anthropic,
            Surface::Gemini => Self::Gemini,
        }
    }
}

/// One surface of a model provider.
pub(crate) trait Provider: Sync {
    /// Which one it is.
    fn surface(&self) -> Surface;

    /// Whose servers it is sent to.
    fn service(&self) -> Service {
        Service::of(self.surface())
    }

    /// Every place of a request and of an answer that is inspected, for people and for the coverage test.
    fn fields(&self) -> Fields;

    /// What a request asks for, and its texts. `uri` is what the caller called.
    fn asked<'a>(&self, document: &'a Document, uri: &Uri) -> Result<Asked<'a>, Failure>;

    /// Whether an answer can hold what was said: else nothing is kept in the vault for it.
    fn answers_in_words(&self) -> bool {
        true
    }

    /// Members of which a successful answer must have one.
    fn required(&self) -> &'static [&'static str];

    /// Puts words of the operator's in front of everything that a request says: the bytes that they take the place of, and
    /// themselves. `None` where the API, or the request, has no place for them.
    fn remind(&self, _document: &Document, _words: &str) -> Option<(Range<usize>, String)> {
        None
    }

    /// A refusal in the shape of an answer; `None` where the API has no such shape and a block is always an error.
    fn refusal(&self, refusal: &Refusal) -> Option<Json>;

    /// The other side of a stream; `None` where there are no streams.
    fn dialogue(&self, refusal: Refusal) -> Option<Box<dyn Dialogue + Send>>;
}

/// What is inspected of a surface.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Fields {
    pub(crate) request: &'static [&'static str],
    pub(crate) response: &'static [&'static str],
    pub(crate) streams: bool,
}

/// What a request asks for.
pub(crate) struct Asked<'a> {
    pub(crate) texts: Texts<'a>,
    pub(crate) model: String,
    pub(crate) stream: bool,
    /// Where it goes, below the base address of its service.
    pub(crate) path: String,
    /// The caller wants the usage in the last event (chat completions only).
    pub(crate) usage: bool,
}

/// What a refusal is made of.
#[derive(Clone, Debug)]
pub(crate) struct Refusal {
    pub(crate) id: String,
    pub(crate) model: String,
    pub(crate) text: String,
    /// Seconds since the Unix epoch.
    pub(crate) created: u64,
    /// The caller asked for the usage in the last event (chat completions only).
    pub(crate) usage: bool,
}

fn invalid(what: &str) -> Failure {
    Failure::Invalid(what.to_owned())
}

/// The elements of an array that must be there.
fn array<'a>(root: &'a Value, name: &str) -> Result<&'a [Value], Failure> {
    match root.get(name) {
        Some(value @ Value { kind: Kind::Array(_), .. }) => Ok(value.elements()),
        _ => Err(invalid(&format!("{name} must be an array"))),
    }
}

/// The texts of `messages`, each by its role; how many messages there are.
fn messages(texts: &mut Texts<'_>, document: &Document) -> Result<usize, Failure> {
    let messages = array(&document.root, "messages")?;
    for (index, message) in messages.iter().enumerate() {
        if !matches!(message.kind, Kind::Object(_)) {
            return Err(invalid("every message must be an object"));
        }
        let role = string(document, message, "role")?;
        texts.collect(message, &Speaker::by_role(Some(&role), index), &mut format!("/messages/{index}"))?;
    }
    Ok(messages.len())
}

/// The texts of the members that were not read and are no settings: nobody vouches for them. They are numbered from `begin`.
fn others(
    texts: &mut Texts<'_>,
    document: &Document,
    begin: usize,
    read: &[&str],
    settings: &[&str],
) -> Result<(), Failure> {
    for (offset, member) in document.root.members().iter().enumerate() {
        let key = member.key.as_str();
        if !read.contains(&key) && !settings.contains(&key) {
            texts.member(member, &Speaker::document(begin + offset), &mut String::new())?;
        }
    }
    Ok(())
}

/// A member that is a string, empty where it is none.
fn string(document: &Document, value: &Value, name: &str) -> Result<String, Failure> {
    Ok(value.get(name).map(|value| document.string(value)).transpose()?.flatten().unwrap_or_default())
}

/// A member that is true or false; false where it is missing or null.
fn flag(document: &Document, value: &Value, name: &str) -> Result<bool, Failure> {
    match value.get(name).map(|value| document.text.get(value.span.clone()).unwrap_or_default()) {
        Some("true") => Ok(true),
        None | Some("false" | "null") => Ok(false),
        Some(_) => Err(invalid(&format!("{name} must be true or false"))),
    }
}

/// A member that is a whole number.
fn number(document: &Document, value: &Value, name: &str) -> Option<u64> {
    document.text.get(value.get(name)?.span.clone())?.parse().ok()
}
