//! Finds the texts of a provider's JSON: every string is a text unless it is known to be an identifier or encoded media
//! *and looks like one*. A member that did not exist when this was written is inspected, not skipped.

use std::collections::HashMap;
use std::ops::Range;

use aimds_engine::{Conversation, Message, Origin, Role, ToolUse, ToolUseKind};

use super::names::{
    CALLED, IDENTIFIERS, LONG_NUMBER, MEDIA, NAMED, Owner, REPETITIONS, TYPED, is_identifier, is_media,
    is_name,
};
use crate::app::MAX_TEXTS;
use crate::error::Failure;
use crate::json::{Document, Kind, Member, Value};

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
            Some(&(_, Origin::Model, _)) => Self::model(index),
            Some(&(_, origin, _)) => Self::new(Role::Tool, origin, index),
            None => Self::document(index),
        }
    }

    pub(crate) fn model(index: usize) -> Self {
        Self::new(Role::Assistant, Origin::Model, index)
    }

    pub(crate) fn system(index: usize) -> Self {
        Self::new(Role::System, Origin::System, index)
    }

    /// A text of this speaker.
    pub(crate) fn says(&self, text: String, pointer: String) -> Message {
        let Self { role, origin, index, .. } = *self;
        Message { role, origin, index, pointer, text }
    }

    /// The speaker of what `owner` stands for. It can only lose trust: what a tool or a document says stays theirs, and
    /// a user does not become the model, whatever they call themselves.
    fn turned(self, owner: Option<&Owner>) -> Self {
        let Some(&(_, origin, any)) = owner else { return Self { any: "", ..self } };
        let role = match (self.origin, origin) {
            (Origin::Tool | Origin::Document, _) | (Origin::User, Origin::Model) => {
                return Self { any, ..self };
            }
            (_, Origin::Model) => Role::Assistant,
            (_, Origin::Tool) => Role::Tool,
            (_, Origin::User | Origin::System | Origin::Document) => self.role,
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
    /// Which tool was called under an identifier.
    pub(crate) called: HashMap<String, String>,
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
        Self {
            document,
            places: Places::Pointers,
            repeats: false,
            called: HashMap::new(),
            found: Found::default(),
        }
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
                let owner = kind.and_then(|kind| TYPED.iter().find(|(name, ..)| *name == kind));
                let speaker = Self::spoken(speaker, owner, kind == Some("text"));
                let first = self.found.spans.len();
                members.iter().try_for_each(|member| self.member(member, &speaker, place))?;
                self.note_use(value, first, &speaker)
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

    /// Notes that an object is the call of a tool, or what one returned. Nobody but the model calls.
    fn note_use(&mut self, value: &Value, first: usize, speaker: &Speaker) -> Result<(), Failure> {
        let texts = first..self.found.spans.len();
        if speaker.free || texts.is_empty() {
            return Ok(());
        }
        let string = |value: &Value, name: &str| match value.get(name) {
            Some(value) if matches!(value.kind, Kind::String) => self.document.string(value),
            _ => Ok(None),
        };
        let around = value.get("function").unwrap_or(value);
        let name = string(around, "name")?;
        // A call without arguments may leave them out where the object itself says that it is a call.
        let called = !speaker.any.is_empty() || CALLED.iter().any(|member| around.get(member).is_some());
        if let Some(name) = name.clone().filter(|_| speaker.origin == Origin::Model && called) {
            for identifier in ["id", "call_id"] {
                if let Some(identifier) = string(value, identifier)? {
                    self.called.insert(identifier, name.clone());
                }
            }
            let kind = ToolUseKind::Call { approved: false };
            // The object around a function holds its texts and no others that matter.
            if std::ptr::eq(around, value) {
                self.found.conversation.tools.push(ToolUse { texts, name, kind });
            }
            return Ok(());
        }
        let mut answered = name.filter(|_| speaker.role == Role::Tool);
        for identifier in ["tool_call_id", "tool_use_id", "call_id"] {
            if answered.is_none()
                && let Some(identifier) = string(value, identifier)?
            {
                answered = self.called.get(&identifier).cloned();
            }
        }
        if let Some(name) = answered {
            self.found.conversation.tools.push(ToolUse { texts, name, kind: ToolUseKind::Result });
        }
        Ok(())
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
            owner @ Some(_) if structured => speaker.turned(owner),
            _ => Speaker { any: "", plain: false, ..*speaker },
        }
    }

    fn spoken(speaker: &Speaker, owner: Option<&Owner>, plain: bool) -> Speaker {
        if speaker.free || owner.is_none() && !plain {
            return *speaker;
        }
        Speaker { plain, ..speaker.turned(owner) }
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
        self.found.conversation.messages.push(speaker.says(text, place.to_owned()));
        self.found.spans.push(span);
        Ok(())
    }
}

/// Escapes a key for a JSON pointer.
fn escape(key: &str) -> std::borrow::Cow<'_, str> {
    if key.contains(['~', '/']) { key.replace('~', "~0").replace('/', "~1").into() } else { key.into() }
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
            &["user a b", "user 1234567890"],
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
