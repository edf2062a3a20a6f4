//! What the score of complexity is given for, as it is found in a request.

use aimds_engine::{Assessment, Category, Conversation, Finding, Origin};
use axum::http::HeaderMap;

use super::complexity::{Features, estimate_tokens, has_code, reasoning_words};
use crate::json::{Document, Value};

/// The header with which a caller marks a request as private.
pub(crate) const PRIVATE: &str = "x-aimds-private";

/// What of a request matters to the router.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Signs {
    pub(crate) features: Features,
    /// Bytes of its texts.
    pub(crate) bytes: u64,
    pub(crate) private: bool,
    pub(crate) pii: bool,
}

impl Signs {
    pub(crate) fn of(
        conversation: &Conversation,
        document: &Document,
        assessment: &Assessment,
        headers: &HeaderMap,
    ) -> Self {
        let messages = &conversation.messages;
        let bytes = messages.iter().map(|message| message.text.len() as u64).sum();
        let users = messages.iter().filter(|message| message.origin == Origin::User);
        let last = users.clone().map(|message| message.index).max();
        let spoken = messages.iter().filter(|message| matches!(message.origin, Origin::User | Origin::Model));
        let mut turns: Vec<usize> = spoken.map(|message| message.index).collect();
        turns.sort_unstable();
        turns.dedup();
        let questions = users.clone().filter(|message| Some(message.index) == last);
        let features = Features {
            tokens: estimate_tokens(bytes),
            turns: turns.len() as u64,
            tools: tools(document),
            code: users.clone().any(|message| has_code(&message.text)),
            reasoning: questions.map(|message| reasoning_words(&message.text)).max().unwrap_or_default(),
        };
        // A name that nothing announces is no reason to stay: it may be an author's or a street's.
        let personal = |finding: &Finding| {
            finding.in_groups() && matches!(finding.category, Category::Pii(_) | Category::Secret(_))
        };
        Self {
            features,
            bytes,
            private: headers.get(PRIVATE).is_some_and(|value| !is_no(value.as_bytes())),
            pii: assessment.findings.iter().any(personal),
        }
    }
}

/// Everything but a clear no is a yes: what is private must not leave for a spelling.
fn is_no(value: &[u8]) -> bool {
    let value = value.trim_ascii();
    ["0", "false", "no"].iter().any(|no| value.eq_ignore_ascii_case(no.as_bytes()))
}

/// Tools that the model may call. Gemini's are several in one element.
fn tools(document: &Document) -> u64 {
    let declared = |tool: &Value| {
        let names = ["functionDeclarations", "function_declarations"];
        let several = names.iter().find_map(|name| tool.get(name)).map(|list| list.elements().len());
        several.unwrap_or(1) as u64
    };
    let lists = ["tools", "functions"].iter().filter_map(|name| document.root.get(name));
    lists.flat_map(Value::elements).map(declared).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_clear_no_is_a_no() {
        for (value, expected) in
            [("0", true), (" False ", true), ("no", true), ("1", false), ("", false), ("off?", false)]
        {
            assert_eq!(is_no(value.as_bytes()), expected, "{value}");
        }
    }

    #[test]
    fn tools_are_counted_for_every_provider() {
        for (body, expected) in [
            (r#"{"tools":[{"type":"function"},{"type":"function"}]}"#, 2),
            (r#"{"functions":[{"name":"f"}]}"#, 1),
            (r#"{"tools":[{"functionDeclarations":[{},{},{}]},{"googleSearch":{}}]}"#, 4),
            (r#"{"tools":null}"#, 0),
        ] {
            assert_eq!(tools(&Document::parse(body).unwrap()), expected, "{body}");
        }
    }
}
