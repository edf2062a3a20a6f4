//! An answer as the caller gets it: with the policy's redactions carried out and the caller's values put back.

use std::ops::Range;
use std::sync::Arc;

use aimds_engine::vault::Restoration;
use aimds_engine::{Cleared, Edit};
use serde_json::Value as Json;

use crate::error::Failure;
use crate::json::Document;
use crate::providers::replacements;

/// Members on the way to what the model says to the user, in every provider's answers and events. Whatever else holds a
/// text may be acted on by a program, so that values are put back there only where the operator says so.
const PROSE: [&str; 21] = [
    "audio",
    "candidates",
    "choices",
    "content",
    "content_block",
    "delta",
    "item",
    "message",
    "output",
    "part",
    "parts",
    "reasoning",
    "reasoning_content",
    "refusal",
    "response",
    "summary",
    "text",
    "thinking",
    "thought",
    "transcript",
    "error",
];

/// What the type of an event says that brings a call, wherever in it the words stand.
const CALLS: [&str; 4] = ["_arguments", "_input", "_code", "_call"];

fn is_of_call(document: &Document) -> bool {
    let kind = document.root.get("type").and_then(|kind| document.string(kind).ok().flatten());
    kind.is_some_and(|kind| CALLS.iter().any(|part| kind.contains(part)))
}

/// Whether a place holds what the model says to the user. `place` is a JSON pointer.
pub(crate) fn is_prose(place: &str) -> bool {
    let mut steps = place.split('/').skip(1);
    steps.all(|step| PROSE.contains(&step) || step.bytes().all(|byte| byte.is_ascii_digit()))
}

/// The bytes of a document that change, and what stands there then: what the policy redacts, and without a redaction what
/// the caller gets back.
pub(crate) fn edits(
    document: &Document,
    cleared: &Cleared,
    spans: &[Range<usize>],
    restoration: Option<&Arc<Restoration>>,
) -> Result<Vec<(Range<usize>, String)>, Failure> {
    let Some(restoration) = restoration else { return replacements(cleared, spans) };
    let of_call = is_of_call(document);
    let mut edits = cleared.edits().iter().peekable();
    let mut changes = Vec::new();
    for (position, (message, span)) in cleared.conversation().messages.iter().zip(spans).enumerate() {
        let mut own: Vec<Edit> = Vec::new();
        while let Some(edit) = edits.next_if(|edit| edit.message == position) {
            own.push(edit.clone());
        }
        let written = document.text.get(span.clone()).ok_or(Failure::Internal)?;
        let quoted = written.starts_with('"');
        let text = if quoted {
            serde_json::from_str(written).map_err(|_| Failure::Internal)?
        } else {
            written.to_owned()
        };
        if let Some(whole) = restoration.whole(&text, own, of_call || !is_prose(&message.pointer)) {
            changes.push((span.clone(), written_as(quoted, &whole)));
        }
    }
    Ok(changes)
}

/// A text as JSON; a number that is still one stays one.
fn written_as(quoted: bool, text: &str) -> String {
    let number = !quoted && serde_json::from_str::<serde_json::Number>(text).is_ok();
    if number { text.to_owned() } else { Json::from(text).to_string() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prose_is_told_from_what_a_program_acts_on() {
        for place in [
            "/choices/0/message/content",
            "/choices/0/delta/reasoning_content",
            "/content/0/text",
            "/delta/text",
            "/candidates/0/content/parts/2/text",
            "/output/1/content/0/text",
            "/response/output/0/summary/0/text",
            "/delta",
        ] {
            assert!(is_prose(place), "{place}");
        }
        for place in [
            "/choices/0/message/tool_calls/0/function/arguments",
            "/choices/0/delta/function_call/arguments",
            "/content/0/input/text",
            "/content/0/input/text#key",
            "/delta/partial_json",
            "/candidates/0/content/parts/0/functionCall/args/text",
            "/candidates/0/content/parts/0/executableCode/code",
            "/output/0/action/text",
            "/output/0/arguments",
            "/item/input",
            "/output/0/something new/text",
        ] {
            assert!(!is_prose(place), "{place}");
        }
    }

    #[test]
    fn a_number_stays_a_number_where_it_can() {
        assert_eq!(written_as(false, "4111111111111111"), "4111111111111111");
        assert_eq!(written_as(false, "4111 1111"), "\"4111 1111\"");
        assert_eq!(written_as(true, "4111"), "\"4111\"");
    }
}
