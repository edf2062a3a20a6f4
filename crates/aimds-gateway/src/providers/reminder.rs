//! Where words of the operator's go in a request, so that the model reads them before anything else. What is there already
//! stays: the words are put in front of it.

use std::ops::Range;

use serde_json::{Value as Json, json};

use crate::json::{Document, Kind, Value};

/// Bytes of a body, and what stands there then.
pub(super) type Edit = (Range<usize>, String);

/// A new first element of an array.
pub(super) fn first_element(array: &Value, element: &Json) -> Option<Edit> {
    let Kind::Array(elements) = &array.kind else { return None };
    Some(inserted(array, element.to_string(), elements.is_empty()))
}

/// A new first member of the request.
pub(super) fn first_member(document: &Document, name: &str, value: &Json) -> Option<Edit> {
    let Kind::Object(members) = &document.root.kind else { return None };
    Some(inserted(&document.root, format!("{}:{value}", Json::from(name)), members.is_empty()))
}

/// A member that is a text, with words in front of it; set where it is missing or null.
pub(super) fn in_front_of_text(document: &Document, name: &str, words: &str) -> Option<Edit> {
    let Some(value) = document.root.get(name) else {
        return first_member(document, name, &words.into());
    };
    match value.kind {
        Kind::Null => Some((value.span.clone(), Json::from(words).to_string())),
        Kind::String => {
            let quoted = Json::from(format!("{words}\n\n")).to_string();
            let inside = quoted.get(1..quoted.len().saturating_sub(1)).unwrap_or_default();
            let at = value.span.start + 1;
            Some((at..at, inside.to_owned()))
        }
        _ => None,
    }
}

/// Behind the bracket that opens a value.
fn inserted(value: &Value, what: String, alone: bool) -> Edit {
    let at = value.span.start + 1;
    (at..at, if alone { what } else { what + "," })
}

/// Anthropic's `system`: a text, or blocks of text.
pub(super) fn anthropic(document: &Document, words: &str) -> Option<Edit> {
    match document.root.get("system") {
        Some(blocks @ Value { kind: Kind::Array(_), .. }) => {
            first_element(blocks, &json!({ "type": "text", "text": words }))
        }
        _ => in_front_of_text(document, "system", words),
    }
}

/// Gemini's `systemInstruction`, in either spelling: parts of text.
pub(super) fn gemini(document: &Document, words: &str) -> Option<Edit> {
    let known = ["systemInstruction", "system_instruction"];
    let part = json!({ "text": words });
    match known.iter().find_map(|name| document.root.get(name)) {
        None => first_member(document, "systemInstruction", &json!({ "parts": [part] })),
        Some(Value { span, kind: Kind::Null }) => {
            Some((span.clone(), json!({ "parts": [part] }).to_string()))
        }
        Some(content) => first_element(content.get("parts")?, &part),
    }
}

/// Adds the words to edits that were made elsewhere: where one of them replaces the text that the words go into, they go
/// into the replacement.
pub(super) fn joined(mut edits: Vec<Edit>, reminder: Edit) -> Vec<Edit> {
    let (place, words) = reminder;
    let around = edits.iter_mut().find(|(span, _)| span.start < place.start && place.end < span.end);
    match around {
        Some((span, replacement)) => {
            let offset = (place.start - span.start).min(replacement.len());
            replacement.insert_str(replacement.floor_char_boundary(offset), &words);
        }
        None => {
            // A replacement of the same bytes (of a null) makes way: the words are the newer one.
            edits.retain(|(span, _)| *span != place || place.is_empty());
            edits.push((place, words));
        }
    }
    edits
}

#[cfg(test)]
mod tests {
    use super::*;

    type Remind = fn(&Document, &str) -> Option<Edit>;

    fn check(remind: Remind, body: &str, expected: Option<Json>) {
        let document = Document::parse(body).unwrap();
        let edited = remind(&document, "w\"1").map(|edit| document.edited(joined(vec![], edit)));
        let parsed = edited.map(|edited| serde_json::from_str::<Json>(&edited).expect(&edited));
        assert_eq!(parsed, expected, "{body}");
    }

    #[test]
    fn the_words_come_first_and_the_rest_stays() {
        let blocks = json!([{ "type": "text", "text": "w\"1" }, { "type": "text", "text": "s" }]);
        check(anthropic, r#"{"a":1}"#, Some(json!({ "system": "w\"1", "a": 1 })));
        check(anthropic, r#"{"system":"s\n"}"#, Some(json!({ "system": "w\"1\n\ns\n" })));
        check(anthropic, r#"{"system":null}"#, Some(json!({ "system": "w\"1" })));
        check(anthropic, r#"{"system":[{"type":"text","text":"s"}]}"#, Some(json!({ "system": blocks })));
        check(anthropic, r#"{"system":[]}"#, Some(json!({ "system": [{ "type": "text", "text": "w\"1" }] })));
        check(anthropic, r#"{"system":7}"#, None);
        let parts = json!({ "parts": [{ "text": "w\"1" }] });
        check(gemini, r#"{"contents":[]}"#, Some(json!({ "systemInstruction": parts, "contents": [] })));
        check(gemini, r#"{"system_instruction":{"parts":[]}}"#, Some(json!({ "system_instruction": parts })));
        check(gemini, r#"{"systemInstruction":null}"#, Some(json!({ "systemInstruction": parts })));
        check(gemini, r#"{"systemInstruction":{"parts":{}}}"#, None);
    }

    #[test]
    fn the_words_go_into_a_text_that_is_replaced() {
        let document = Document::parse(r#"{"system":"my key"}"#).unwrap();
        let span = document.root.get("system").unwrap().span.clone();
        let edits = joined(vec![(span, r#""my [K]""#.into())], anthropic(&document, "w").unwrap());
        assert_eq!(document.edited(edits), r#"{"system":"w\n\nmy [K]"}"#);
    }
}
