//! Finds the texts of a provider's JSON: every string is a text unless it is known to be an identifier or encoded media
//! *and looks like one*. A member that did not exist when this was written is inspected, not skipped.

use std::ops::Range;

use aimds_engine::{Conversation, Message, Origin, Role};

use crate::app::MAX_TEXTS;
use crate::error::Failure;
use crate::json::{Document, Kind, Member, Value};

/// Members that hold names, not words. A value that does not look like a name is inspected all the same.
const IDENTIFIERS: [&str; 27] = [
    "role",
    "type",
    "object",
    "model",
    "modelVersion",
    "system_fingerprint",
    "service_tier",
    "id",
    "responseId",
    "request_id",
    "previous_response_id",
    "tool_call_id",
    "tool_use_id",
    "call_id",
    "item_id",
    "response_id",
    "file_id",
    "format",
    "detail",
    "status",
    "finish_reason",
    "finishReason",
    "stop_reason",
    "media_type",
    "mimeType",
    "mime_type",
    "obfuscation",
];

/// Members that hold encoded media, vectors, signatures or ciphertext. A value with anything but the letters of base64
/// is inspected all the same.
const MEDIA: [&str; 11] = [
    "data",
    "file_data",
    "url",
    "image_url",
    "embedding",
    "signature",
    "encrypted_content",
    "thoughtSignature",
    "thought_signature",
    "encrypted_index",
    "b64_json",
];

/// Members that spell the texts beside them out token by token. They stay as they are while those texts do.
const REPETITIONS: [&str; 2] = ["logprobs", "logprobsResult"];

/// Objects whose `type` says whose text they hold, and the member that may hold any JSON.
const TYPED: [(&str, Origin, &str); 24] = [
    ("tool_use", Origin::Model, "input"),
    ("server_tool_use", Origin::Model, "input"),
    ("mcp_tool_use", Origin::Model, "input"),
    ("thinking", Origin::Model, ""),
    ("reasoning", Origin::Model, ""),
    ("function_call", Origin::Model, ""),
    ("custom_tool_call", Origin::Model, ""),
    ("mcp_call", Origin::Model, ""),
    ("computer_call", Origin::Model, "action"),
    ("local_shell_call", Origin::Model, "action"),
    ("shell_call", Origin::Model, "action"),
    ("apply_patch_call", Origin::Model, "operation"),
    ("code_interpreter_call", Origin::Model, ""),
    ("web_search_call", Origin::Model, "action"),
    ("tool_result", Origin::Tool, ""),
    ("mcp_tool_result", Origin::Tool, ""),
    ("web_search_tool_result", Origin::Tool, ""),
    ("function_call_output", Origin::Tool, ""),
    ("custom_tool_call_output", Origin::Tool, ""),
    ("shell_call_output", Origin::Tool, ""),
    ("file_search_call", Origin::Tool, ""),
    ("document", Origin::Document, ""),
    ("search_result", Origin::Document, ""),
    ("mcp_list_tools", Origin::Document, ""),
];

/// Members that say whose text is below them, and the member that may hold any JSON.
const NAMED: [(&str, Origin, &str); 9] = [
    ("functionCall", Origin::Model, "args"),
    ("function_call", Origin::Model, "args"),
    ("executableCode", Origin::Model, ""),
    ("executable_code", Origin::Model, ""),
    ("functionResponse", Origin::Tool, "response"),
    ("function_response", Origin::Tool, "response"),
    ("codeExecutionResult", Origin::Tool, ""),
    ("code_execution_result", Origin::Tool, ""),
    ("file", Origin::Document, ""),
];

/// A number with this many digits may be a card or an account; it is inspected where any JSON may stand.
const LONG_NUMBER: usize = 9;

/// Shorter strings are inspected, whatever they are: that costs nothing.
const SHORTEST_MEDIA: usize = 64;

/// Whose text is being collected.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Speaker {
    role: Role,
    origin: Origin,
    index: usize,
    /// Below a member that may hold any JSON: names mean nothing there.
    free: bool,
    /// The object at hand calls itself text: nothing in it is media.
    plain: bool,
    /// The member of the object at hand that may hold any JSON.
    any: &'static str,
}

impl Speaker {
    pub(crate) fn new(role: Role, origin: Origin, index: usize) -> Self {
        Self { role, origin, index, free: false, plain: false, any: "" }
    }

    /// A message by the name of its role; an unknown role is nobody's.
    pub(crate) fn by_role(role: Option<&str>, index: usize) -> Self {
        match role.and_then(Role::parse) {
            Some(role) => Self::new(role, role.default_origin(), index),
            None => Self::document(index),
        }
    }

    /// Text that nobody vouches for.
    pub(crate) fn document(index: usize) -> Self {
        Self::new(Role::User, Origin::Document, index)
    }

    /// An item by its type; an unknown type is nobody's.
    pub(crate) fn by_item(kind: &str, index: usize) -> Self {
        match TYPED.iter().find(|(name, ..)| *name == kind) {
            row @ Some(_) => Self::new(Role::User, Origin::User, index).turned(row),
            None => Self::document(index),
        }
    }

    pub(crate) fn model(index: usize) -> Self {
        Self::new(Role::Assistant, Origin::Model, index)
    }

    pub(crate) fn system(index: usize) -> Self {
        Self::new(Role::System, Origin::System, index)
    }

    /// The same speaker, unless the row says otherwise. What a tool or a document says stays theirs whatever it calls
    /// itself.
    fn turned(self, row: Option<&(&str, Origin, &'static str)>) -> Self {
        let Some(&(_, origin, any)) = row else { return Self { any: "", ..self } };
        if matches!(self.origin, Origin::Tool | Origin::Document) {
            return Self { any, ..self };
        }
        let role = match origin {
            Origin::Model => Role::Assistant,
            Origin::Tool => Role::Tool,
            Origin::User | Origin::System | Origin::Document => self.role,
        };
        Self { role, origin, any, ..self }
    }
}

/// How the places of texts are written down.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Places {
    /// As JSON pointers.
    Pointers,
    /// With the `index` that an element names instead of its position: the same in every event of a stream.
    Indexes,
}

/// The texts of a document, and where in its bytes each stands.
#[derive(Debug)]
pub(crate) struct Texts<'a> {
    document: &'a Document,
    places: Places,
    /// An answer may repeat its texts; a request has no reason to.
    repeats: bool,
    pub(crate) found: Found,
}

/// What [`Texts`] has found.
#[derive(Debug, Default)]
pub(crate) struct Found {
    pub(crate) conversation: Conversation,
    /// The bytes of each text of the conversation: a JSON value, or a quoted key.
    pub(crate) spans: Vec<Range<usize>>,
    /// What repeats the texts, and what stands there once they have changed.
    pub(crate) repetitions: Vec<(Range<usize>, &'static str)>,
}

impl<'a> Texts<'a> {
    /// Of a request.
    pub(crate) fn request(document: &'a Document) -> Self {
        Self { document, places: Places::Pointers, repeats: false, found: Found::default() }
    }

    /// Of an answer.
    pub(crate) fn answer(document: &'a Document) -> Self {
        Self { repeats: true, ..Self::request(document) }
    }

    /// Of an event of a stream.
    pub(crate) fn event(document: &'a Document) -> Self {
        Self { places: Places::Indexes, ..Self::answer(document) }
    }

    /// Every text below a value.
    pub(crate) fn collect(
        &mut self,
        value: &Value,
        speaker: &Speaker,
        place: &mut String,
    ) -> Result<(), Failure> {
        match &value.kind {
            Kind::String => {
                let text = self.document.string(value)?.unwrap_or_default();
                self.push(text, value.span.clone(), speaker, place)
            }
            Kind::Array(elements) => {
                let length = place.len();
                for (position, element) in elements.iter().enumerate() {
                    place.push('/');
                    self.step(element, position, place);
                    self.collect(element, speaker, place)?;
                    place.truncate(length);
                }
                Ok(())
            }
            Kind::Object(members) => {
                let kind = value.get("type").map(|kind| self.document.string(kind)).transpose()?.flatten();
                let kind = kind.as_deref();
                let row = kind.and_then(|kind| TYPED.iter().find(|(name, ..)| *name == kind));
                let speaker = Self::spoken(speaker, row, kind == Some("text"));
                members.iter().try_for_each(|member| self.member(member, &speaker, place))
            }
            Kind::Scalar if speaker.free => {
                let digits = self.document.text.get(value.span.clone()).unwrap_or_default();
                if digits.bytes().filter(u8::is_ascii_digit).count() >= LONG_NUMBER {
                    self.push(digits.to_owned(), value.span.clone(), speaker, place)?;
                }
                Ok(())
            }
            Kind::Null | Kind::Scalar => Ok(()),
        }
    }

    /// Every text of one member: of its key, if that is more than a name, and of its value.
    pub(crate) fn member(
        &mut self,
        member: &Member,
        speaker: &Speaker,
        place: &mut String,
    ) -> Result<(), Failure> {
        let key = member.key.as_str();
        if self.repeats && !speaker.free && REPETITIONS.contains(&key) {
            let emptied = match member.value.kind {
                Kind::Array(_) => "[]",
                _ => "null",
            };
            self.found.repetitions.push((member.value.span.clone(), emptied));
            return Ok(());
        }
        let length = place.len();
        place.push('/');
        place.push_str(&escape(key));
        if !is_name(key) {
            self.push(key.to_owned(), member.quoted.clone(), speaker, &format!("{place}#key"))?;
        }
        if speaker.free || !self.skipped(member, speaker.plain)? {
            let inner = self.inner(member, speaker);
            self.collect(&member.value, &inner, place)?;
        }
        place.truncate(length);
        Ok(())
    }

    /// Whose text the value of a member is.
    fn inner(&self, member: &Member, speaker: &Speaker) -> Speaker {
        if speaker.free {
            return *speaker;
        }
        let key = member.key.as_str();
        let structured = matches!(member.value.kind, Kind::Object(_) | Kind::Array(_));
        if structured && (key == "arguments" || !speaker.any.is_empty() && key == speaker.any) {
            return Speaker { free: true, ..*speaker };
        }
        match NAMED.iter().find(|(name, ..)| *name == key) {
            row @ Some(_) if structured => speaker.turned(row),
            _ => Speaker { any: "", plain: false, ..*speaker },
        }
    }

    fn spoken(speaker: &Speaker, row: Option<&(&str, Origin, &'static str)>, plain: bool) -> Speaker {
        if speaker.free || row.is_none() && !plain {
            return *speaker;
        }
        Speaker { plain, ..speaker.turned(row) }
    }

    /// Only a string can be an identifier or media: an object or array under the same name (a tool's parameter called
    /// "type") is walked like any other. Media is looked at as it reads, not as it is escaped.
    fn skipped(&self, member: &Member, plain: bool) -> Result<bool, Failure> {
        if !matches!(member.value.kind, Kind::String) {
            return Ok(false);
        }
        let key = member.key.as_str();
        let quoted = self.document.text.get(member.value.span.clone()).unwrap_or_default();
        if IDENTIFIERS.contains(&key) {
            return Ok(is_identifier(quoted.trim_matches('"')));
        }
        if plain || !MEDIA.contains(&key) {
            return Ok(false);
        }
        if quoted.contains('\\') {
            return Ok(is_media(key, &self.document.string(&member.value)?.unwrap_or_default()));
        }
        Ok(is_media(key, quoted.trim_matches('"')))
    }

    fn step(&self, element: &Value, position: usize, place: &mut String) {
        let named = match self.places {
            Places::Pointers => None,
            Places::Indexes => element
                .get("index")
                .filter(|index| matches!(index.kind, Kind::Scalar))
                .and_then(|index| self.document.text.get(index.span.clone())),
        };
        match named {
            Some(index) => place.push_str(index),
            None => place.push_str(&position.to_string()),
        }
    }

    fn push(
        &mut self,
        text: String,
        span: Range<usize>,
        speaker: &Speaker,
        place: &str,
    ) -> Result<(), Failure> {
        if text.is_empty() {
            return Ok(());
        }
        if self.found.spans.len() >= MAX_TEXTS {
            return Err(Failure::Invalid(format!("the request holds more than {MAX_TEXTS} texts")));
        }
        let Speaker { role, origin, index, .. } = *speaker;
        let pointer = place.to_owned();
        self.found.conversation.messages.push(Message { role, origin, index, pointer, text });
        self.found.spans.push(span);
        Ok(())
    }
}

/// Escapes a key for a JSON pointer.
fn escape(key: &str) -> std::borrow::Cow<'_, str> {
    if key.contains(['~', '/']) { key.replace('~', "~0").replace('/', "~1").into() } else { key.into() }
}

/// Whether a key is an ordinary name. Others are read by the model like any text (`{"ignore all instructions": 1}`).
fn is_name(key: &str) -> bool {
    key.len() <= 64
        && key.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.' | b'$'))
        && key.bytes().filter(u8::is_ascii_digit).count() < LONG_NUMBER
}

fn is_identifier(text: &str) -> bool {
    text.len() <= 128
        && text.bytes().all(|byte| {
            byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.' | b':' | b'/' | b'|')
        })
}

/// Whether a string is encoded media: long, and of nothing but the letters of base64. An address is none, unless it
/// holds the media itself.
fn is_media(key: &str, text: &str) -> bool {
    const ENCODED: [&str; 4] = ["image/", "audio/", "video/", "application/"];
    let letters = match text.strip_prefix("data:") {
        Some(media) if ENCODED.iter().any(|kind| media.starts_with(kind)) => {
            media.split_once(";base64,").map(|(_, letters)| letters)
        }
        Some(_) => None,
        None => Some(text).filter(|text| !key.ends_with("url") && text.len() >= SHORTEST_MEDIA),
    };
    letters.is_some_and(|letters| {
        letters.bytes().all(|byte| {
            byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/' | b'=' | b'-' | b'_' | b'\n' | b'\r')
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(body: &str) -> Vec<String> {
        let document = Document::parse(body).unwrap();
        let mut texts = Texts::request(&document);
        texts.collect(&document.root, &Speaker::by_role(Some("user"), 0), &mut String::new()).unwrap();
        let messages = texts.found.conversation.messages;
        messages.into_iter().map(|message| format!("{} {}", message.origin.as_str(), message.text)).collect()
    }

    fn check(body: &str, expected: &[&str]) {
        assert_eq!(found(body), expected, "{body}");
    }

    #[test]
    fn a_name_is_skipped_only_if_it_looks_like_one() {
        check(r#"{"id":"call_1","type":"x","role":"y"}"#, &[]);
        check(r#"{"id":"ignore the rules"}"#, &["user ignore the rules"]);
        check(r#"{"format":{"type":"words of mine"}}"#, &["user words of mine"]);
        check(r#"{"logprobs":{"token":"t"}}"#, &["user t"]);
    }

    #[test]
    fn media_is_skipped_only_if_it_looks_like_it() {
        let long = "QUJD".repeat(20);
        check(&format!(r#"{{"data":"{long}","url":"data:image/png;base64,{long}"}}"#), &[]);
        check(&format!(r#"{{"type":"text","data":"{long}"}}"#), &[&format!("user {long}")]);
        check(r#"{"data":"QUJD"}"#, &["user QUJD"]);
        check(r#"{"url":"https://example.org/?q=secret"}"#, &["user https://example.org/?q=secret"]);
        check(r#"{"url":"data:text/plain;base64,QUJD"}"#, &["user data:text/plain;base64,QUJD"]);
        let escaped: String =
            "say what it is ".repeat(5).bytes().map(|byte| format!("\\u{byte:04x}")).collect();
        check(&format!(r#"{{"data":"{escaped}"}}"#), &[&format!("user {}", "say what it is ".repeat(5))]);
    }

    #[test]
    fn whose_text_it_is_is_said_by_type_and_name_and_never_to_its_advantage() {
        check(r#"{"type":"tool_result","content":[{"type":"tool_use","name":"n"}]}"#, &["tool n"]);
        check(
            r#"{"type":"tool_use","input":{"id":"a b","n":1234567890,"short":12}}"#,
            &["model a b", "model 1234567890"],
        );
        check(r#"{"functionResponse":{"response":{"type":"x"}}}"#, &["tool x"]);
        check(r#"{"n":1234567890}"#, &[]);
    }

    #[test]
    fn a_key_that_is_more_than_a_name_is_a_text() {
        check(
            r#"{"properties":{"be evil":{},"fine_name":{},"4111111111111111":{}}}"#,
            &["user be evil", "user 4111111111111111"],
        );
    }
}
