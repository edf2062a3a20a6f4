//! JSON bodies with the place of every value, so that a redaction changes only the bytes of the text that it replaces:
//! unknown members, number formats and white space reach the other side as they came.
//!
//! It also refuses what two readers may understand differently (a member named twice), because the gateway must scan
//! what the upstream reads.

use std::ops::Range;

use crate::error::{Failure, Place, explain};

/// Checks that a body is UTF-8 and not nested too deep. One pass; the depth is counted outside strings.
pub(crate) fn check(bytes: &[u8], depth_limit: usize) -> Result<&str, Failure> {
    let text = std::str::from_utf8(bytes).map_err(|error| {
        Failure::NotUtf8(Place::after(bytes.get(..error.valid_up_to()).unwrap_or_default()))
    })?;
    let (mut depth, mut in_string, mut escaped) = (0_usize, false, false);
    for (position, &byte) in bytes.iter().enumerate() {
        if in_string {
            match byte {
                _ if escaped => escaped = false,
                b'\\' => escaped = true,
                b'"' => in_string = false,
                _ => {}
            }
            continue;
        }
        match byte {
            b'"' => in_string = true,
            b'{' | b'[' => {
                depth += 1;
                if depth > depth_limit {
                    let place = Place::after(bytes.get(..position).unwrap_or_default());
                    return Err(Failure::TooDeep(place, depth_limit));
                }
            }
            b'}' | b']' => depth = depth.saturating_sub(1),
            _ => {}
        }
    }
    Ok(text)
}

/// Refuses JSON in which a member is named twice: of two values, one would go unseen.
pub(crate) fn refuse_twice(text: &str) -> Result<(), Failure> {
    Reader { text, at: 0 }.value().map(drop)
}

/// A value and where it stands.
#[derive(Debug)]
pub(crate) struct Value {
    pub(crate) span: Range<usize>,
    pub(crate) kind: Kind,
}

/// What a value is.
#[derive(Debug)]
pub(crate) enum Kind {
    Object(Vec<Member>),
    Array(Vec<Value>),
    String,
    Null,
    /// A number or a Boolean.
    Scalar,
}

/// One member of an object.
#[derive(Debug)]
pub(crate) struct Member {
    pub(crate) key: String,
    /// Where the key stands, with its quotes.
    pub(crate) quoted: Range<usize>,
    pub(crate) value: Value,
}

impl Value {
    pub(crate) fn get(&self, key: &str) -> Option<&Self> {
        self.members().iter().find(|member| member.key == key).map(|member| &member.value)
    }

    pub(crate) fn members(&self) -> &[Member] {
        match &self.kind {
            Kind::Object(members) => members,
            _ => &[],
        }
    }

    pub(crate) fn elements(&self) -> &[Self] {
        match &self.kind {
            Kind::Array(elements) => elements,
            _ => &[],
        }
    }
}

/// A JSON text with the place of every value.
#[derive(Debug)]
pub(crate) struct Document {
    pub(crate) text: String,
    pub(crate) root: Value,
}

impl Document {
    /// Parses a body that [`check`] has passed.
    pub(crate) fn parse(text: &str) -> Result<Self, Failure> {
        serde_json::from_str::<serde::de::IgnoredAny>(text).map_err(|error| explain(&error))?;
        let mut reader = Reader { text, at: 0 };
        let root = reader.value()?;
        Ok(Self { text: text.to_owned(), root })
    }

    /// The text of a string value, `None` where the value is no string.
    pub(crate) fn string(&self, value: &Value) -> Result<Option<String>, Failure> {
        match value.kind {
            Kind::String => decode(&self.text, &value.span).map(Some),
            _ => Ok(None),
        }
    }

    /// The value at a JSON pointer (RFC 6901).
    pub(crate) fn pointer(&self, pointer: &str) -> Option<&Value> {
        let mut steps = pointer.split('/').skip(1);
        steps.try_fold(&self.root, |value, step| {
            let key = step.replace("~1", "/").replace("~0", "~");
            value.get(&key).or_else(|| value.elements().get(key.parse::<usize>().ok()?))
        })
    }

    /// The text with parts of it replaced. Edits must not overlap; they may be given in any order.
    pub(crate) fn edited(&self, mut edits: Vec<(Range<usize>, String)>) -> String {
        edits.sort_unstable_by_key(|(span, _)| span.start);
        let mut edited = String::with_capacity(self.text.len() + 64);
        let mut from = 0;
        for (span, replacement) in edits {
            edited.push_str(self.text.get(from..span.start).unwrap_or_default());
            edited.push_str(&replacement);
            from = span.end;
        }
        edited.push_str(self.text.get(from..).unwrap_or_default());
        edited
    }
}

fn decode(text: &str, span: &Range<usize>) -> Result<String, Failure> {
    serde_json::from_str(text.get(span.clone()).unwrap_or_default()).map_err(|_| {
        let before = text.as_bytes().get(..span.start).unwrap_or_default();
        Failure::Malformed(Place::after(before), "the string is not valid Unicode".into())
    })
}

/// Walks a text that serde_json has already found to be valid JSON, so that it only needs to find the borders.
struct Reader<'a> {
    text: &'a str,
    at: usize,
}

impl Reader<'_> {
    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    fn space(&mut self) {
        while matches!(self.peek(), Some(b' ' | b'\t' | b'\n' | b'\r')) {
            self.at += 1;
        }
    }

    fn string(&mut self) -> Range<usize> {
        let start = self.at;
        self.at += 1;
        loop {
            match self.peek() {
                Some(b'\\') => self.at += 2,
                Some(b'"') | None => break,
                Some(_) => self.at += 1,
            }
        }
        self.at += 1;
        start..self.at
    }

    /// Recursion is bounded by the depth that [`check`] allowed.
    fn value(&mut self) -> Result<Value, Failure> {
        self.space();
        let start = self.at;
        let kind = match self.peek() {
            Some(b'{') => self.object()?,
            Some(b'[') => self.array()?,
            Some(b'"') => {
                self.string();
                Kind::String
            }
            first => {
                while !matches!(self.peek(), None | Some(b',' | b']' | b'}' | b' ' | b'\t' | b'\n' | b'\r')) {
                    self.at += 1;
                }
                if first == Some(b'n') { Kind::Null } else { Kind::Scalar }
            }
        };
        Ok(Value { span: start..self.at, kind })
    }

    fn object(&mut self) -> Result<Kind, Failure> {
        let mut members: Vec<Member> = Vec::new();
        let mut seen = std::collections::HashSet::new();
        self.at += 1;
        loop {
            self.space();
            match self.peek() {
                Some(b'"') => {
                    let span = self.string();
                    let key = decode(self.text, &span)?;
                    let repeated = match members.len() {
                        0..16 => members.iter().any(|member| member.key == key),
                        _ => {
                            if seen.is_empty() {
                                seen.extend(members.iter().map(|member| member.key.clone()));
                            }
                            !seen.insert(key.clone())
                        }
                    };
                    if repeated {
                        let before = self.text.as_bytes().get(..span.start).unwrap_or_default();
                        return Err(Failure::DuplicateMember(Place::after(before)));
                    }
                    self.space();
                    self.at += 1; // the colon
                    let value = self.value()?;
                    members.push(Member { key, quoted: span, value });
                }
                Some(b',') => self.at += 1,
                _ => break,
            }
        }
        self.at += 1;
        Ok(Kind::Object(members))
    }

    fn array(&mut self) -> Result<Kind, Failure> {
        let mut elements = Vec::new();
        self.at += 1;
        loop {
            self.space();
            match self.peek() {
                Some(b',') => self.at += 1,
                Some(b']') | None => break,
                Some(_) => elements.push(self.value()?),
            }
        }
        self.at += 1;
        Ok(Kind::Array(elements))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = r#" {"a" : [1.50, {"b/c":"x\"\u00e9"} , null], "stream":true,"z":{}} "#;

    #[test]
    fn edits_leave_the_rest_alone() {
        let document = Document::parse(TEXT).unwrap();
        let members = document.root.get("a").unwrap().elements()[1].members();
        assert_eq!(document.string(&members[0].value).unwrap().unwrap(), "x\"é");
        let edits = vec![
            (members[0].value.span.clone(), "\"y\"".into()),
            (members[0].quoted.clone(), "\"k\"".into()),
        ];
        assert_eq!(document.edited(edits), r#" {"a" : [1.50, {"k":"y"} , null], "stream":true,"z":{}} "#);
    }

    #[test]
    fn a_pointer_finds_members_and_elements() {
        let document = Document::parse(TEXT).unwrap();
        let text = |pointer: &str| document.pointer(pointer).map(|value| &TEXT[value.span.clone()]);
        assert_eq!(text("/a/1/b~1c"), Some(r#""x\"\u00e9""#));
        assert_eq!([text("/stream"), text("/a/2")], [Some("true"), Some("null")]);
        assert_eq!([text("/a/3"), text("/b"), text("/a/-")], [None; 3]);
    }

    #[test]
    fn a_member_named_twice_is_refused_in_every_spelling() {
        for text in [r#"{"a":1,"a":2}"#, r#"{"a":1,"\u0061":2}"#] {
            let place = Place { line: 1, column: 8 };
            assert_eq!(Document::parse(text).unwrap_err(), Failure::DuplicateMember(place));
        }
        let many: Vec<_> = (0..40).map(|n| format!("\"k{n}\":0")).collect();
        Document::parse(&format!("{{{}}}", many.join(","))).unwrap();
        assert!(Document::parse(&format!("{{{},\"k3\":1}}", many.join(","))).is_err());
    }

    #[test]
    fn depth_is_counted_outside_strings_and_its_place_is_named() {
        check(br#"{"a":"[[[[\"[[["}"#, 1).unwrap();
        assert_eq!(check(b"[\n [[]]]", 2).unwrap_err(), Failure::TooDeep(Place { line: 2, column: 3 }, 2));
        assert_eq!(
            check(b"{\"a\":\"\xff\"}", 2).unwrap_err(),
            Failure::NotUtf8(Place { line: 1, column: 7 })
        );
    }

    #[test]
    fn a_lone_surrogate_is_refused() {
        let document = Document::parse(r#"{"a":"\ud800"}"#).unwrap();
        assert!(document.string(document.root.get("a").unwrap()).is_err());
    }
}
