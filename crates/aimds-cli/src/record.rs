//! One JSON line: `{"id","text","origin"?}` or `{"id","turns":[{"role","content","origin"?}]}`, and what labelled data
//! adds to it. Turns may use tools as in OpenAI's chats: `tool_calls`, and `name` or `tool_call_id` of what comes back;
//! `"approved": true` beside a call says that a person has agreed to it. Keys that nobody here reads are left alone.

use std::borrow::Cow;
use std::collections::HashMap;

use aimds_engine::{Conversation, Message, Origin, Role, ToolUse, ToolUseKind};
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;

use crate::chunks::{LONGEST_LINE, Line};
use crate::suggestion::{did_you_mean, quoted};

/// The keys of a line that somebody here reads, not looked into yet, so that an error can still name the `id`.
#[derive(Debug, Default, Deserialize)]
pub(crate) struct Record<'a> {
    #[serde(default, borrow, deserialize_with = "given")]
    pub(crate) id: Option<&'a RawValue>,
    #[serde(default, borrow, deserialize_with = "given")]
    text: Option<&'a RawValue>,
    #[serde(default, borrow, deserialize_with = "given")]
    turns: Option<&'a RawValue>,
    #[serde(default, borrow, deserialize_with = "given")]
    origin: Option<&'a RawValue>,
    #[serde(default, borrow, deserialize_with = "given")]
    label: Option<&'a RawValue>,
    #[serde(default, borrow, deserialize_with = "given")]
    category: Option<&'a RawValue>,
    #[serde(default, borrow, deserialize_with = "given")]
    source: Option<&'a RawValue>,
    #[serde(default, borrow, deserialize_with = "given")]
    spans: Option<&'a RawValue>,
}

/// `null` is a value that was given; only an absent key is `None`.
fn given<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<&'de RawValue>, D::Error> {
    <&RawValue>::deserialize(deserializer).map(Some)
}

/// What a row of labelled data claims to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Label {
    Attack,
    Benign,
}

impl Label {
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Attack => "attack",
            Self::Benign => "benign",
        }
    }
}

/// A place that holds personal data, in code points.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub(crate) struct Span {
    pub(crate) start: usize,
    pub(crate) end: usize,
    #[serde(rename = "type")]
    pub(crate) kind: String,
}

#[derive(Deserialize)]
struct Turn<'a> {
    #[serde(borrow)]
    role: Cow<'a, str>,
    #[serde(default, borrow, deserialize_with = "given")]
    content: Option<&'a RawValue>,
    #[serde(default, borrow)]
    origin: Option<Cow<'a, str>>,
    #[serde(default)]
    tool_calls: Option<Vec<ToolCall>>,
    #[serde(default)]
    tool_call_id: Option<String>,
    #[serde(default)]
    name: Option<String>,
}

#[derive(Deserialize)]
struct ToolCall {
    #[serde(default)]
    id: Option<String>,
    function: Function,
    #[serde(default)]
    approved: bool,
}

#[derive(Deserialize)]
struct Function {
    name: String,
    #[serde(default)]
    arguments: String,
}

#[derive(Deserialize)]
struct Part<'a> {
    #[serde(rename = "type", borrow)]
    kind: Cow<'a, str>,
    #[serde(borrow)]
    text: Option<Cow<'a, str>>,
}

impl<'a> Record<'a> {
    /// Reads the outer shape of a line.
    pub(crate) fn parse(line: &Line<'a>) -> Result<Self, String> {
        let bytes = match line {
            Line::Bytes(bytes) => *bytes,
            Line::TooLong => return Err(format!("the line is longer than {} MiB", LONGEST_LINE >> 20)),
        };
        let text = std::str::from_utf8(bytes)
            .map_err(|error| format!("not UTF-8: byte {} of the line", error.valid_up_to() + 1))?;
        if !text.starts_with('{') {
            return Err("not a JSON object".into());
        }
        serde_json::from_str(text).map_err(|error| malformed(&error))
    }

    /// What is to be looked at.
    pub(crate) fn conversation(&self, default_origin: Origin) -> Result<Conversation, String> {
        let origin = match self.origin {
            None => default_origin,
            Some(raw) => origin(&string("origin", raw)?)?,
        };
        match (self.text, self.turns) {
            (Some(raw), None) => Ok(Conversation::single(origin, string("text", raw)?)),
            (None, Some(raw)) => conversation_of_turns(raw),
            (None, None) => Err("neither \"text\" nor \"turns\"".into()),
            (Some(_), Some(_)) => Err("both \"text\" and \"turns\"".into()),
        }
    }

    /// Whether the row has one text and not turns.
    pub(crate) fn is_single(&self) -> bool {
        self.text.is_some()
    }

    /// Attack, benign, or not labelled.
    pub(crate) fn label(&self) -> Result<Option<Label>, String> {
        let Some(raw) = self.label else { return Ok(None) };
        match &*string("label", raw)? {
            "attack" => Ok(Some(Label::Attack)),
            "benign" => Ok(Some(Label::Benign)),
            other => {
                let near = did_you_mean(other, ["attack", "benign"]);
                Err(format!("unknown label {}{near}: attack or benign", quoted(other)))
            }
        }
    }

    /// The category that the data set gives.
    pub(crate) fn category(&self) -> Result<Option<String>, String> {
        self.category.map(|raw| string("category", raw).map(Cow::into_owned)).transpose()
    }

    /// Where the data set has the row from.
    pub(crate) fn source(&self) -> Result<Option<String>, String> {
        self.source.map(|raw| string("source", raw).map(Cow::into_owned)).transpose()
    }

    /// The places that hold personal data; `None` where the row says nothing about them.
    pub(crate) fn spans(&self) -> Result<Option<Vec<Span>>, String> {
        let Some(raw) = self.spans else { return Ok(None) };
        let spans: Vec<Span> = serde_json::from_str(raw.get())
            .map_err(|error| format!("\"spans\": {}", without_place(&error)))?;
        match spans.iter().find(|span| span.start >= span.end) {
            Some(span) => Err(format!("\"spans\": {}..{} is empty", span.start, span.end)),
            None => Ok(Some(spans)),
        }
    }
}

fn conversation_of_turns(raw: &RawValue) -> Result<Conversation, String> {
    let turns: Vec<Turn<'_>> =
        serde_json::from_str(raw.get()).map_err(|error| format!("\"turns\": {}", without_place(&error)))?;
    if turns.is_empty() {
        return Err("\"turns\" is empty".into());
    }
    let mut conversation = Conversation::default();
    let mut called: HashMap<String, String> = HashMap::new();
    for (index, turn) in turns.into_iter().enumerate() {
        let place = |problem: String| format!("\"turns\"[{index}]: {problem}");
        let role = Role::parse(&turn.role).ok_or_else(|| {
            let near = did_you_mean(&turn.role, ["system", "developer", "user", "assistant", "tool"]);
            place(format!("unknown role {}{near}", quoted(&turn.role)))
        })?;
        let origin = match turn.origin {
            None => role.default_origin(),
            Some(name) => origin(&name).map_err(place)?,
        };
        let calls = turn.tool_calls.unwrap_or_default();
        let texts = match turn.content {
            Some(content) if content.get() == "null" && !calls.is_empty() => Vec::new(),
            Some(content) => texts(content).map_err(place)?,
            None if !calls.is_empty() => Vec::new(),
            None => return Err(place("neither \"content\" nor \"tool_calls\"".into())),
        };
        let tool = turn.name.or_else(|| turn.tool_call_id.and_then(|id| called.get(&id).cloned()));
        let tool = tool.filter(|_| role == Role::Tool);
        for text in texts {
            if let Some(name) = tool.clone() {
                let at = conversation.messages.len();
                conversation.tools.push(ToolUse { texts: at..at + 1, name, kind: ToolUseKind::Result });
            }
            conversation.messages.push(Message { role, origin, index, pointer: String::new(), text });
        }
        for ToolCall { id, function: Function { name, arguments: text }, approved } in calls {
            called.extend(id.map(|id| (id, name.clone())));
            let (at, kind) = (conversation.messages.len(), ToolUseKind::Call { approved });
            conversation.tools.push(ToolUse { texts: at..at + 1, name, kind });
            let (origin, pointer) = (Origin::Model, String::new());
            conversation.messages.push(Message { role, origin, index, pointer, text });
        }
    }
    Ok(conversation)
}

/// A string, or the list of text parts that chat APIs use. Anything else would go by unseen, so it is an error.
fn texts(content: &RawValue) -> Result<Vec<String>, String> {
    if !content.get().starts_with('[') {
        return Ok(vec![string("content", content)?.into_owned()]);
    }
    let parts: Vec<Part<'_>> = serde_json::from_str(content.get())
        .map_err(|error| format!("\"content\": {}", without_place(&error)))?;
    parts
        .into_iter()
        .map(|part| match part.text {
            Some(text) if matches!(&*part.kind, "text" | "input_text" | "output_text") => {
                Ok(text.into_owned())
            }
            _ => Err(format!("\"content\": part of type {} is not text", quoted(&part.kind))),
        })
        .collect()
}

fn string<'a>(key: &str, raw: &'a RawValue) -> Result<Cow<'a, str>, String> {
    let text = raw.get();
    if !text.starts_with('"') {
        let found = match text.as_bytes().first() {
            Some(b'{') => "an object",
            Some(b'[') => "an array",
            Some(b'n') => "null",
            Some(b't' | b'f') => "a boolean",
            _ => "a number",
        };
        return Err(format!("\"{key}\" is {found}, not a string"));
    }
    // Without escapes the text is the literal between the quotation marks.
    if let Ok(borrowed) = serde_json::from_str::<&str>(text) {
        return Ok(Cow::Borrowed(borrowed));
    }
    serde_json::from_str(text)
        .map(Cow::Owned)
        .map_err(|error| format!("\"{key}\": {}", without_place(&error)))
}

/// An origin by name.
///
/// # Errors
/// In words, with the nearest name.
pub(crate) fn origin(name: &str) -> Result<Origin, String> {
    Origin::parse(name).ok_or_else(|| {
        let near = did_you_mean(name, Origin::ALL.map(Origin::as_str));
        format!("unknown origin {}{near}", quoted(name))
    })
}

fn malformed(error: &serde_json::Error) -> String {
    match error.classify() {
        serde_json::error::Category::Data => without_place(error),
        _ => format!("malformed JSON at column {}: {}", error.column(), without_place(error)),
    }
}

/// serde_json counts lines within the line: of no use here.
fn without_place(error: &serde_json::Error) -> String {
    let text = error.to_string();
    text.rfind(" at line ").and_then(|end| text.get(..end)).unwrap_or(&text).to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(line: &str, expected: Result<&[(Role, Origin, &str)], &str>) {
        let read =
            Record::parse(&Line::Bytes(line.as_bytes())).and_then(|record| record.conversation(Origin::User));
        let read = read.map(|conversation| conversation.messages);
        let read = match &read {
            Ok(messages) => {
                Ok(messages.iter().map(|m| (m.role, m.origin, m.text.as_str())).collect::<Vec<_>>())
            }
            Err(error) => Err(error.as_str()),
        };
        assert_eq!(read, expected.map(<[_]>::to_vec), "{line}");
    }

    #[test]
    fn text_and_turns_become_conversations() {
        check(r#"{"text":"a\n\u0041"}"#, Ok(&[(Role::User, Origin::User, "a\nA")]));
        check(r#"{"text":"","origin":"tool","label":"x"}"#, Ok(&[(Role::Tool, Origin::Tool, "")]));
        let turns = r#"{"turns":[{"role":"system","content":"s"},{"role":"user","content":[{"type":"text","text":"u"},{"type":"text","text":"v"}]},{"role":"assistant","content":"m","name":"x"},{"role":"user","content":"d","origin":"document"}]}"#;
        check(
            turns,
            Ok(&[
                (Role::System, Origin::System, "s"),
                (Role::User, Origin::User, "u"),
                (Role::User, Origin::User, "v"),
                (Role::Assistant, Origin::Model, "m"),
                (Role::User, Origin::Document, "d"),
            ]),
        );
    }

    #[test]
    fn what_cannot_be_read_is_named() {
        check("[1]", Err("not a JSON object"));
        check(r#"{"text":"a""#, Err("malformed JSON at column 11: EOF while parsing an object"));
        check(r#"{"text":"a"} x"#, Err("malformed JSON at column 14: trailing characters"));
        check(r#"{"text":"a","text":"b"}"#, Err("duplicate field `text`"));
        check(r#"{"id":1}"#, Err("neither \"text\" nor \"turns\""));
        check(r#"{"text":"a","turns":[]}"#, Err("both \"text\" and \"turns\""));
        check(r#"{"text":null}"#, Err("\"text\" is null, not a string"));
        check(r#"{"text":7}"#, Err("\"text\" is a number, not a string"));
        check(r#"{"text":"\ud800"}"#, Err("\"text\": unexpected end of hex escape"));
        check(r#"{"text":"a","origin":"usr"}"#, Err("unknown origin \"usr\" (did you mean \"user\"?)"));
        check(r#"{"turns":[]}"#, Err("\"turns\" is empty"));
        check(
            r#"{"turns":[{"role":"usr","content":"a"}]}"#,
            Err("\"turns\"[0]: unknown role \"usr\" (did you mean \"user\"?)"),
        );
        check(
            r#"{"turns":[{"role":"user","content":null}]}"#,
            Err("\"turns\"[0]: \"content\" is null, not a string"),
        );
        check(r#"{"turns":[{"role":"user"}]}"#, Err("\"turns\"[0]: neither \"content\" nor \"tool_calls\""));
        check(
            r#"{"turns":[{"role":"user","content":[{"type":"image_url"}]}]}"#,
            Err("\"turns\"[0]: \"content\": part of type \"image_url\" is not text"),
        );
    }

    #[test]
    fn turns_may_use_tools() {
        let line = r#"{"turns":[{"role":"user","content":"u"},
            {"role":"assistant","content":null,"tool_calls":[
                {"id":"1","type":"function","function":{"name":"read","arguments":"{}"}},
                {"id":"2","function":{"name":"send","arguments":"[1]"},"approved":true}]},
            {"role":"tool","tool_call_id":"1","content":"a"},
            {"role":"tool","name":"send","content":"b"}]}"#;
        let record = Record::parse(&Line::Bytes(line.as_bytes())).unwrap();
        let conversation = record.conversation(Origin::User).unwrap();
        let texts: Vec<_> = conversation.messages.iter().map(|message| message.text.as_str()).collect();
        assert_eq!(texts, ["u", "{}", "[1]", "a", "b"]);
        let used: Vec<_> =
            conversation.tools.iter().map(|tool| (tool.last(), tool.name.as_str(), tool.kind)).collect();
        let call = |approved| ToolUseKind::Call { approved };
        let result = ToolUseKind::Result;
        assert_eq!(
            used,
            [(1, "read", call(false)), (2, "send", call(true)), (3, "read", result), (4, "send", result)]
        );
    }

    #[test]
    fn an_identifier_is_kept_as_it_was_written() {
        for id in ["1.50", "12345678901234567890123", "null", r#""a\u0041""#, r#"{"b":[1, 2]}"#] {
            let line = format!(r#"{{"id":{id},"text":7}}"#);
            let record = Record::parse(&Line::Bytes(line.as_bytes())).unwrap();
            assert_eq!(record.id.unwrap().get(), id);
        }
        assert!(Record::parse(&Line::Bytes(br#"{"text":7}"#)).unwrap().id.is_none());
    }
}
