//! What a caller appends, and the canonical text of its body.

use serde_json::Value;

use crate::chain::Fields;
use crate::error::AppendError;
use crate::event::Event;

/// Deepest nesting of arrays and objects in a body. What `serde_json` will parse back without special
/// settings.
const MAX_DEPTH: usize = 100;

/// Bytes to begin a body's text with: most bodies fit.
const TYPICAL_BODY: usize = 512;

/// One thing that happened.
///
/// **The content of messages never belongs in it.** An audit log is kept long, copied to other places and read by
/// people who may not see the traffic; it names requests, tenants, rules, categories, scores, lengths,
/// offsets and hashes, and leaves text to whoever is allowed to hold it. Nothing here can check that: the
/// caller fills the fields.
#[derive(Clone, Debug, PartialEq)]
pub struct Record {
    /// When it happened, in milliseconds since the Unix epoch, by the caller's clock: this crate reads none
    /// for records. Not required to be monotonic; the order of the log is the order of appending.
    pub at_ms: u64,
    /// The request it belongs to; empty when there is none.
    pub request_id: String,
    /// The tenant it belongs to; empty when there is none.
    pub tenant: String,
    /// `decision`, `config`, `review`, `alarm`, … The log itself writes `segment` and `alarm` at the start of
    /// a segment.
    pub kind: String,
    /// The particulars. Stored as canonical JSON: keys sorted by their UTF-8 bytes, no white space.
    pub body: Value,
}

impl Record {
    /// Whether something was detected, as opposed to merely done: an alarm, a decision other than to allow, or findings.
    #[must_use]
    pub fn is_detection(&self) -> bool {
        Event::live(self, "", 0).is_detection()
    }
}

/// A record as it will be stored: encoded once, in the caller's thread, so that its size is known before it
/// is queued.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Encoded {
    pub(crate) at_ms: i64,
    pub(crate) request_id: String,
    pub(crate) tenant: String,
    pub(crate) kind: String,
    pub(crate) body: String,
}

impl Encoded {
    pub(crate) fn new(record: Record) -> Result<Self, AppendError> {
        // SQLite integers are signed; a time past the year 292 million is a caller's unit error.
        let at_ms = i64::try_from(record.at_ms).map_err(|_| AppendError::TimeOutOfRange)?;
        let mut body = String::with_capacity(TYPICAL_BODY);
        if !write_canonical(&record.body, MAX_DEPTH, &mut body) {
            return Err(AppendError::BodyTooDeep { limit: MAX_DEPTH });
        }
        // The spool is bounded by what is used, so no more may be held.
        body.shrink_to_fit();
        let Record { request_id, tenant, kind, .. } = record;
        Ok(Self { at_ms, request_id, tenant, kind, body })
    }

    /// Bytes held in memory for it, by which the spool is bounded.
    pub(crate) fn size(&self) -> usize {
        size_of::<Self>() + self.request_id.len() + self.tenant.len() + self.kind.len() + self.body.len()
    }

    pub(crate) fn fields(&self) -> Fields<'_> {
        Fields {
            at_ms: self.at_ms,
            request_id: self.request_id.as_bytes(),
            tenant: self.tenant.as_bytes(),
            kind: self.kind.as_bytes(),
            body: self.body.as_bytes(),
        }
    }

    /// The record it was made from, for handing back what could not be written.
    pub(crate) fn into_record(self) -> Record {
        let body = serde_json::from_str(&self.body).unwrap_or(Value::String(self.body));
        Record {
            at_ms: self.at_ms.unsigned_abs(),
            request_id: self.request_id,
            tenant: self.tenant,
            kind: self.kind,
            body,
        }
    }
}

/// Writes `value` with sorted keys and no white space; `false` when it is nested deeper than `depth`.
///
/// Keys are sorted here rather than trusted to be: `serde_json` keeps insertion order as soon as any crate of
/// the build turns on `preserve_order`.
fn write_canonical(value: &Value, depth: usize, out: &mut String) -> bool {
    match value {
        Value::Array(_) | Value::Object(_) if depth == 0 => false,
        Value::Array(items) => {
            out.push('[');
            let fits = items.iter().enumerate().all(|(i, item)| {
                if i > 0 {
                    out.push(',');
                }
                write_canonical(item, depth - 1, out)
            });
            out.push(']');
            fits
        }
        Value::Object(map) => {
            if map.keys().is_sorted() {
                return write_object(map.iter(), depth - 1, out);
            }
            let mut entries: Vec<_> = map.iter().collect();
            entries.sort_unstable_by(|a, b| a.0.as_bytes().cmp(b.0.as_bytes()));
            write_object(entries.into_iter(), depth - 1, out)
        }
        Value::String(text) => {
            write_string(text, out);
            true
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => {
            use std::fmt::Write as _;
            let _ = write!(out, "{value}");
            true
        }
    }
}

/// An object of entries that are in order.
fn write_object<'a>(
    entries: impl Iterator<Item = (&'a String, &'a Value)>,
    depth: usize,
    out: &mut String,
) -> bool {
    out.push('{');
    for (i, (key, item)) in entries.enumerate() {
        if i > 0 {
            out.push(',');
        }
        write_string(key, out);
        out.push(':');
        if !write_canonical(item, depth, out) {
            return false;
        }
    }
    out.push('}');
    true
}

/// A JSON string with the shortest escapes: `\"`, `\\`, `\b \f \n \r \t`, `\u00xx` for other controls, all
/// else as is.
fn write_string(text: &str, out: &mut String) {
    use std::fmt::Write as _;
    out.push('"');
    // Nearly all text needs no escapes: it is copied in runs.
    let mut rest = text;
    while let Some(at) = rest.bytes().position(|byte| byte < 0x20 || matches!(byte, b'"' | b'\\')) {
        // An escaped byte is ASCII, so both places are between characters.
        let (run, from) = rest.split_at(at);
        out.push_str(run);
        let mut chars = from.chars();
        match chars.next() {
            Some('"') => out.push_str("\\\""),
            Some('\\') => out.push_str("\\\\"),
            Some('\u{8}') => out.push_str("\\b"),
            Some('\u{c}') => out.push_str("\\f"),
            Some('\n') => out.push_str("\\n"),
            Some('\r') => out.push_str("\\r"),
            Some('\t') => out.push_str("\\t"),
            Some(control) => {
                let _ = write!(out, "\\u{:04x}", u32::from(control));
            }
            None => {}
        }
        rest = chars.as_str();
    }
    out.push_str(rest);
    out.push('"');
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn canonical(value: &Value) -> String {
        let mut out = String::new();
        assert!(write_canonical(value, MAX_DEPTH, &mut out));
        out
    }

    #[test]
    fn canonical_text() {
        let cases = [
            (json!(null), "null"),
            (json!(true), "true"),
            (json!(-7), "-7"),
            (json!(u64::MAX), "18446744073709551615"),
            (json!(0.1), "0.1"),
            (json!(1.0), "1.0"),
            (json!([]), "[]"),
            (json!({}), "{}"),
            (json!({"b": 1, "a": [1, {"z": null, "y": "x"}]}), r#"{"a":[1,{"y":"x","z":null}],"b":1}"#),
            (json!({"é": 1, "z": 2, "Z": 3, "": 4}), r#"{"":4,"Z":3,"z":2,"é":1}"#),
            (json!("\u{0}\u{1f}\u{7f}\"\\\n\u{2028}"), "\"\\u0000\\u001f\u{7f}\\\"\\\\\\n\u{2028}\""),
        ];
        for (value, expected) in cases {
            assert_eq!(canonical(&value), expected);
            assert_eq!(serde_json::from_str::<Value>(expected).unwrap(), value);
        }
    }

    #[test]
    fn depth_is_bounded() {
        let nested = |depth: usize| (0..depth).fold(json!(1), |inner, _| json!([inner]));
        let record = |body| Record {
            at_ms: 0,
            request_id: String::new(),
            tenant: String::new(),
            kind: String::new(),
            body,
        };
        assert!(Encoded::new(record(nested(MAX_DEPTH))).is_ok());
        assert_eq!(
            Encoded::new(record(nested(MAX_DEPTH + 1))),
            Err(AppendError::BodyTooDeep { limit: MAX_DEPTH })
        );
    }

    #[test]
    fn a_time_that_sqlite_cannot_hold_is_refused() {
        let record = Record {
            at_ms: u64::MAX,
            request_id: String::new(),
            tenant: String::new(),
            kind: String::new(),
            body: json!(0),
        };
        assert_eq!(Encoded::new(record), Err(AppendError::TimeOutOfRange));
    }
}
