//! The canonical text of a body: JSON with sorted keys and no white space; and how large a body is before it is written.

use std::cell::RefCell;

use serde_json::Value;

/// Deepest nesting of arrays and objects in a body. What `serde_json` will parse back without special
/// settings.
pub(crate) const MAX_DEPTH: usize = 100;

/// Bytes that a thread keeps to write bodies into. A larger body takes more, which is given back.
const KEPT_SCRATCH: usize = 16 << 10;

thread_local! {
    /// A body is written here and then copied, so that it takes up what it is long and is allocated once.
    static SCRATCH: RefCell<String> = const { RefCell::new(String::new()) };
}

/// How large a body is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Extent {
    /// Bytes of memory behind it, about.
    pub(crate) memory: usize,
    /// Bytes of its text, at most.
    pub(crate) text: usize,
}

impl Extent {
    /// `None` when the body is nested deeper than [`MAX_DEPTH`].
    pub(crate) fn of(body: &Value) -> Option<Self> {
        let mut extent = Self::default();
        extent.add(body, MAX_DEPTH).then_some(extent)
    }

    fn add(&mut self, value: &Value, depth: usize) -> bool {
        /// A number of serde_json has at most 24 characters.
        const SCALAR: usize = 32;
        /// A node of a B-tree has room for eleven entries, and most are half full.
        const NODE: usize = 12 * (size_of::<String>() + size_of::<Value>());
        const HALF: usize = 5;
        match value {
            Value::Array(_) | Value::Object(_) if depth == 0 => false,
            Value::Array(items) => {
                self.memory += items.capacity() * size_of::<Value>();
                self.text += items.len() + 2;
                items.iter().all(|item| self.add(item, depth - 1))
            }
            Value::Object(map) => {
                self.memory += NODE * (1 + map.len() / HALF);
                self.text += 2 * map.len() + 2;
                map.iter().all(|(key, item)| {
                    self.add_text(key);
                    self.add(item, depth - 1)
                })
            }
            Value::String(text) => {
                self.add_text(text);
                true
            }
            Value::Null | Value::Bool(_) | Value::Number(_) => {
                self.text += SCALAR;
                true
            }
        }
    }

    fn add_text(&mut self, text: &String) {
        self.memory += text.capacity();
        // If every byte is a control that is written as `\u0000`.
        self.text += 6 * text.len() + 2;
    }
}

/// The text of a body that is not nested deeper than [`MAX_DEPTH`].
pub(crate) fn canonical(body: &Value) -> String {
    SCRATCH.with_borrow_mut(|scratch| {
        scratch.clear();
        write_canonical(body, scratch);
        let text = scratch.clone();
        scratch.shrink_to(KEPT_SCRATCH);
        text
    })
}

/// Writes `value` with sorted keys and no white space.
///
/// Keys are sorted here rather than trusted to be: `serde_json` keeps insertion order as soon as any crate of
/// the build turns on `preserve_order`.
fn write_canonical(value: &Value, out: &mut String) {
    use std::fmt::Write as _;
    match value {
        Value::Array(items) => {
            out.push('[');
            for (i, item) in items.iter().enumerate() {
                if i > 0 {
                    out.push(',');
                }
                write_canonical(item, out);
            }
            out.push(']');
        }
        Value::Object(map) if map.keys().is_sorted() => write_object(map.iter(), out),
        Value::Object(map) => {
            let mut entries: Vec<_> = map.iter().collect();
            entries.sort_unstable_by(|a, b| a.0.as_bytes().cmp(b.0.as_bytes()));
            write_object(entries.into_iter(), out);
        }
        Value::String(text) => write_string(text, out),
        Value::Null => out.push_str("null"),
        Value::Bool(value) => out.push_str(if *value { "true" } else { "false" }),
        Value::Number(number) => match number.as_u64() {
            Some(number) => write_digits(number, out),
            None => _ = write!(out, "{number}"),
        },
    }
}

/// An object of entries that are in order.
fn write_object<'a>(entries: impl Iterator<Item = (&'a String, &'a Value)>, out: &mut String) {
    out.push('{');
    for (i, (key, item)) in entries.enumerate() {
        if i > 0 {
            out.push(',');
        }
        write_string(key, out);
        out.push(':');
        write_canonical(item, out);
    }
    out.push('}');
}

/// A whole number, which the formatting of the standard library writes at five times the cost.
fn write_digits(mut number: u64, out: &mut String) {
    const MOST: usize = u64::MAX.ilog10() as usize + 1;
    let mut digits = [0; MOST];
    let mut from = MOST;
    for digit in digits.iter_mut().rev() {
        *digit = b'0' + (number % 10) as u8;
        number /= 10;
        from -= 1;
        if number == 0 {
            break;
        }
    }
    out.extend(digits.get(from..).unwrap_or_default().iter().map(|digit| char::from(*digit)));
}

/// A JSON string with the shortest escapes: `\"`, `\\`, `\b \f \n \r \t`, `\u00xx` for other controls, all
/// else as is.
fn write_string(text: &str, out: &mut String) {
    use std::fmt::Write as _;
    out.push('"');
    // Nearly all text needs no escapes: it is copied in runs.
    let mut rest = text;
    while let Some(at) = first_to_escape(rest.as_bytes()) {
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

/// The first byte that JSON does not take as it is: a quotation mark, a backslash, or a control. Eight at a time.
fn first_to_escape(bytes: &[u8]) -> Option<usize> {
    const ONES: u64 = u64::MAX / 255;
    const HIGH: u64 = ONES << 7;
    let zeros = |word: u64| word.wrapping_sub(ONES) & !word;
    let marked = |eight: [u8; 8]| {
        let word = u64::from_le_bytes(eight);
        let controls = word.wrapping_sub(ONES * 0x20) & !word;
        let marks = zeros(word ^ (ONES * u64::from(b'"'))) | zeros(word ^ (ONES * u64::from(b'\\')));
        // Above the first marked byte there may be marks that borrows have made.
        let marked = (controls | marks) & HIGH;
        (marked != 0).then(|| marked.trailing_zeros() as usize / 8)
    };
    let (eights, rest) = bytes.as_chunks();
    let found = eights.iter().enumerate().find_map(|(place, eight)| Some(8 * place + marked(*eight)?));
    found.or_else(|| {
        let mut last = [b' '; 8];
        last.iter_mut().zip(rest).for_each(|(byte, from)| *byte = *from);
        Some(8 * eights.len() + marked(last)?)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

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
            assert!(expected.len() <= Extent::of(&value).unwrap().text, "{expected}");
            assert_eq!(serde_json::from_str::<Value>(expected).unwrap(), value);
        }
    }

    #[test]
    fn numbers_are_those_of_serde_json() {
        let small =
            (0..200_u64).chain([u64::MAX, u64::MAX - 1, i64::MAX as u64, 1 << 63, 999, 1_000, 10_000_000]);
        let whole =
            small.flat_map(|number| [json!(number), json!(-(number as i64 >> 1)), json!(number as f64)]);
        for value in whole.chain([json!(i64::MIN), json!(0.9731), json!(1e300), json!(-1e-7)]) {
            assert_eq!(canonical(&value), value.to_string());
            assert!(value.to_string().len() <= Extent::of(&value).unwrap().text);
        }
    }

    #[test]
    fn what_is_escaped_is_found_wherever_it_stands() {
        let escaped = |byte: &u8| *byte < 0x20 || matches!(byte, b'"' | b'\\');
        for length in 0..=18 {
            for byte in 0..=u8::MAX {
                for (at, other) in (0..length).flat_map(|at| [(at, 0), (at, b'!'), (at, 0xff), (at, b'"')]) {
                    let mut bytes = vec![b'a'; length];
                    bytes[at] = byte;
                    if let Some(next) = bytes.get_mut(at + 1) {
                        *next = other;
                    }
                    assert_eq!(
                        first_to_escape(&bytes),
                        bytes.iter().position(|byte| escaped(byte)),
                        "{bytes:?}"
                    );
                }
            }
        }
    }
}
