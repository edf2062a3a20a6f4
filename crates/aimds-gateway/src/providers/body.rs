//! What goes to the upstream and what comes back: bodies that only a [`Cleared`] conversation can make, byte for byte as
//! they came wherever nothing had to change.

use std::ops::Range;
use std::sync::Arc;

use aimds_engine::Cleared;
use aimds_engine::vault::Restoration;
use axum::body::Bytes;
use serde_json::Value as Json;

use super::{Found, Speaker, Texts, reminder};
use crate::error::Failure;
use crate::json::{self, Document, Kind};
use crate::vault;

/// Deepest nesting of an answer.
const DEPTH: usize = 128;

/// A request body that may be sent. Made from a [`Cleared`] conversation only.
pub(crate) struct Outbound {
    pub(crate) path: String,
    pub(crate) stream: bool,
    body: Bytes,
}

impl Outbound {
    /// Puts the cleared texts back into the body that they came from, and the name of another model where there is one.
    pub(crate) fn new(
        cleared: &Cleared,
        spans: &[Range<usize>],
        document: &Document,
        original: Bytes,
        model: Option<&str>,
        reminder: Option<(Range<usize>, String)>,
    ) -> Result<Self, Failure> {
        // What the policy wants marked and is not marked must not leave.
        if cleared.wants_marks() {
            return Err(Failure::Internal);
        }
        let mut edits = replacements(cleared, spans)?;
        edits.extend(model.map(|model| renamed(document, model)));
        if let Some(reminder) = reminder {
            edits = reminder::joined(edits, reminder);
        }
        let body = if edits.is_empty() { original } else { document.edited(edits).into() };
        Ok(Self { path: String::new(), stream: false, body })
    }

    /// Where it goes, and whether the answer may come in events.
    pub(crate) fn to(self, path: String, stream: bool) -> Self {
        Self { path, stream, ..self }
    }

    pub(crate) fn into_body(self) -> Bytes {
        self.body
    }
}

/// The edit that makes a body ask for another model.
fn renamed(document: &Document, model: &str) -> (Range<usize>, String) {
    let name = Json::from(model).to_string();
    match document.root.get("model") {
        Some(value) => (value.span.clone(), name),
        None => {
            let inside = document.root.span.start + 1;
            let comma = if document.root.members().is_empty() { "" } else { "," };
            (inside..inside, format!("\"model\":{name}{comma}"))
        }
    }
}

/// A parsed answer of the upstream.
pub(crate) struct Reply {
    document: Document,
}

impl Reply {
    /// Parses what the upstream answered: an object with one of `required`, or garbage.
    pub(crate) fn parse(body: &[u8], required: &[&str]) -> Result<Self, Failure> {
        let garbage = |_| Failure::UpstreamGarbage;
        let document = json::check(body, DEPTH).and_then(Document::parse).map_err(garbage)?;
        let structured = |name: &&str| {
            let kind = document.root.get(name).map(|value| &value.kind);
            matches!(kind, Some(Kind::Array(_) | Kind::Object(_) | Kind::String))
        };
        if required.iter().any(structured) { Ok(Self { document }) } else { Err(Failure::UpstreamGarbage) }
    }

    /// The answer as it was parsed.
    pub(crate) fn document(&self) -> &Document {
        &self.document
    }

    /// The texts of the answer.
    pub(crate) fn texts(&self) -> Result<Found, Failure> {
        answer(&self.document).map_err(|_| Failure::UpstreamGarbage)
    }

    /// The answer with the cleared texts in place, and the caller's own values where they belong. Where a text changed, the log probabilities go: they spell it out
    /// token by token.
    pub(crate) fn release(
        &self,
        cleared: &Cleared,
        spans: &[Range<usize>],
        repetitions: &[(Range<usize>, &'static str)],
        restoration: Option<&Arc<Restoration>>,
        original: Bytes,
    ) -> Result<Bytes, Failure> {
        let mut edits = vault::edits(&self.document, cleared, spans, restoration)?;
        if edits.is_empty() {
            return Ok(original);
        }
        edits.extend(repetitions.iter().map(|(span, emptied)| (span.clone(), (*emptied).to_owned())));
        Ok(self.document.edited(edits).into())
    }
}

/// The texts of an answer. The elements of an array at the top are answers beside each other.
fn answer(document: &Document) -> Result<Found, Failure> {
    let mut texts = Texts::answer(document);
    for member in document.root.members() {
        let elements = member.value.elements();
        let objects = elements.iter().all(|element| matches!(element.kind, Kind::Object(_)));
        if elements.is_empty() || !objects {
            texts.member(member, &Speaker::model(0), &mut String::new())?;
            continue;
        }
        for (index, element) in elements.iter().enumerate() {
            let mut place = format!("/{}/{index}", member.key);
            texts.collect(element, &Speaker::model(index), &mut place)?;
        }
    }
    Ok(texts.found)
}

/// The bytes that change, and what stands there then.
pub(crate) fn replacements(
    cleared: &Cleared,
    spans: &[Range<usize>],
) -> Result<Vec<(Range<usize>, String)>, Failure> {
    let changed = cleared.changed().iter();
    changed
        .map(|&position| {
            let message = cleared.conversation().messages.get(position).ok_or(Failure::Internal)?;
            let span = spans.get(position).ok_or(Failure::Internal)?;
            Ok((span.clone(), Json::from(message.text.as_str()).to_string()))
        })
        .collect()
}
