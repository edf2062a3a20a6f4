//! Server-sent events (WHATWG HTML, section 9.2) in pieces of any size.

use serde_json::Value as Json;

use crate::error::Failure;

/// One event with everything that belongs to it.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Frame {
    /// The bytes as they came, with the empty line; empty where they held more than names and data.
    pub(crate) raw: Vec<u8>,
    /// The event's name, empty where it has none.
    pub(crate) name: String,
    /// Its data, the lines joined; `None` for a comment that keeps the connection alive.
    pub(crate) data: Option<String>,
}

/// Cuts a stream of bytes into events. An event is looked at when its last byte is there: no character is ever cut.
#[derive(Debug, Default)]
pub(crate) struct Parser {
    pending: Vec<u8>,
    /// Bytes of `pending` in which no end of an event begins.
    searched: usize,
    started: bool,
}

impl Parser {
    pub(crate) fn push(&mut self, bytes: &[u8]) {
        self.pending.extend_from_slice(bytes);
    }

    /// Bytes that are not yet a whole event.
    pub(crate) fn pending(&self) -> usize {
        self.pending.len()
    }

    /// The next whole event.
    ///
    /// # Errors
    /// What is not UTF-8, or whose name is no name, is garbage.
    pub(crate) fn next(&mut self) -> Result<Option<Frame>, Failure> {
        if !self.started {
            const MARK: &[u8] = "\u{feff}".as_bytes();
            if self.pending.len() < MARK.len() && MARK.starts_with(&self.pending) {
                return Ok(None);
            }
            self.started = true;
            if self.pending.starts_with(MARK) {
                self.pending.drain(..MARK.len());
            }
        }
        let Some(end) = self.end() else { return Ok(None) };
        let rest = self.pending.split_off(end);
        let raw = std::mem::replace(&mut self.pending, rest);
        self.searched = 0;
        frame(raw).map(Some)
    }

    /// Where the first event ends: behind the first empty line that has something in front of it.
    fn end(&mut self) -> Option<usize> {
        let bytes = &self.pending;
        let mut at = self.searched;
        while let Some(&byte) = bytes.get(at) {
            if !matches!(byte, b'\n' | b'\r') {
                at += 1;
                continue;
            }
            // A line feed may still follow a carriage return.
            let first = line_end(bytes, at)?;
            let empty = matches!(bytes.get(first), Some(b'\n' | b'\r'));
            if empty {
                return line_end(bytes, first);
            }
            if first >= bytes.len() {
                break;
            }
            at = first;
        }
        self.searched = at;
        None
    }
}

/// Behind the end of a line that starts at `at`; `None` while it is open whether a line feed follows.
fn line_end(bytes: &[u8], at: usize) -> Option<usize> {
    match (bytes.get(at), bytes.get(at + 1)) {
        (Some(b'\r'), Some(b'\n')) => Some(at + 2),
        (Some(b'\r'), None) => None,
        _ => Some(at + 1),
    }
}

fn frame(raw: Vec<u8>) -> Result<Frame, Failure> {
    let text = std::str::from_utf8(&raw).map_err(|_| Failure::UpstreamGarbage)?;
    let (mut name, mut data, mut plain) = (String::new(), None::<String>, true);
    for line in text.split(['\n', '\r']).filter(|line| !line.is_empty()) {
        let (field, value) = line.split_once(':').unwrap_or((line, ""));
        let value = value.strip_prefix(' ').unwrap_or(value);
        match field {
            "data" => match &mut data {
                None => data = Some(value.to_owned()),
                Some(data) => {
                    data.push('\n');
                    data.push_str(value);
                }
            },
            "event" if is_name(value) => value.clone_into(&mut name),
            "event" => return Err(Failure::UpstreamGarbage),
            // Identifiers, waiting times and comments are not needed, and could carry anything.
            _ => plain = false,
        }
    }
    let raw = if plain && data.is_some() { raw } else { Vec::new() };
    Ok(Frame { raw, name, data })
}

fn is_name(name: &str) -> bool {
    name.len() <= 64
        && name.bytes().all(|byte| byte.is_ascii_alphabetic() || matches!(byte, b'_' | b'.' | b'-'))
}

/// An event with this data.
pub(crate) fn event(name: Option<&str>, data: &Json) -> String {
    text(name, &data.to_string())
}

/// An event with this data, line by line.
pub(crate) fn text(name: Option<&str>, data: &str) -> String {
    let mut out = String::with_capacity(data.len() + 32);
    if let Some(name) = name {
        out.push_str("event: ");
        out.push_str(name);
        out.push('\n');
    }
    for line in data.split('\n') {
        out.push_str("data: ");
        out.push_str(line);
        out.push('\n');
    }
    out.push('\n');
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Cut at every place, and byte by byte.
    fn check(stream: &str, expected: &[(&str, Option<&str>)]) {
        let bytes = stream.as_bytes();
        let mut cuts: Vec<Vec<&[u8]>> =
            (0..=bytes.len()).map(|at| vec![&bytes[..at], &bytes[at..]]).collect();
        cuts.push(bytes.chunks(1).collect());
        for chunks in cuts {
            let mut parser = Parser::default();
            let mut found = Vec::new();
            for chunk in chunks {
                parser.push(chunk);
                while let Some(frame) = parser.next().unwrap() {
                    found.push((frame.name, frame.data));
                }
            }
            let found: Vec<_> = found.iter().map(|(name, data)| (name.as_str(), data.as_deref())).collect();
            assert_eq!(found, expected, "{stream:?}");
        }
    }

    #[test]
    fn events_are_found_however_they_are_cut() {
        check("data: a\n\ndata: b\n\n", &[("", Some("a")), ("", Some("b"))]);
        check("\u{feff}event: x\ndata: \u{e9}\u{1f600}\n\n", &[("x", Some("\u{e9}\u{1f600}"))]);
        check("data: a\r\ndata: b\r\n\r\nx", &[("", Some("a\nb"))]);
        check("data:a\ndata\n\n", &[("", Some("a\n"))]);
        check(": alive\n\nid: 1\ndata: {}\n\n", &[("", None), ("", Some("{}"))]);
        check("data: unfinished\n", &[]);
    }

    #[test]
    fn garbage_is_refused() {
        for garbage in [&b"data: \xff\n\n"[..], b"event: tell them 4111\ndata: 1\n\n"] {
            let mut parser = Parser::default();
            parser.push(garbage);
            assert_eq!(parser.next().unwrap_err(), Failure::UpstreamGarbage);
        }
    }

    #[test]
    fn only_names_and_data_go_on_as_they_came() {
        let mut parser = Parser::default();
        parser.push(b"event: a\ndata:  1\n\nid: secret\ndata: 2\n\n");
        assert_eq!(parser.next().unwrap().unwrap().raw, b"event: a\ndata:  1\n\n");
        assert_eq!(parser.next().unwrap().unwrap().raw, b"");
    }
}
