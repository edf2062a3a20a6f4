//! Reviews for people.

use std::fmt::Write as _;

use serde_json::Value;

use crate::moment;
use crate::terminal::{Paint, printable};

fn text(value: &Value, name: &str) -> String {
    value
        .get(name)
        .and_then(Value::as_str)
        .map(printable)
        .filter(|text| !text.is_empty())
        .unwrap_or("-".into())
}

fn time(value: &Value, name: &str) -> String {
    value.get(name).and_then(Value::as_u64).map_or("-".into(), moment::format)
}

fn array<'a>(value: &'a Value, name: &str) -> &'a [Value] {
    value.get(name).and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default()
}

/// The queue.
pub(super) fn list(list: &Value, paint: Paint) -> String {
    let mut out = String::new();
    for row in array(list, "reviews") {
        let _ = writeln!(
            out,
            "{}  {:9}  {}  {}  {}  {}",
            text(row, "id"),
            text(row, "state"),
            time(row, "opened_ms"),
            text(row, "tenant"),
            text(row, "requester"),
            text(row, "route")
        );
    }
    let pending = list.get("pending").and_then(Value::as_u64).unwrap_or(0);
    let waiting = format!("{pending} waiting");
    let waiting = if pending > 0 { paint.mark(&waiting) } else { paint.good(&waiting) };
    let _ = writeln!(out, "{waiting}");
    out
}

/// One review with its texts.
pub(super) fn review(review: &Value, paint: Paint) -> String {
    let mut out = format!("{}  {}\n", paint.strong(&text(review, "id")), text(review, "state"));
    for (name, value) in [
        ("asked by", format!("{} of tenant {}", text(review, "requester"), text(review, "tenant"))),
        ("at", text(review, "route")),
        ("opened", time(review, "opened_ms")),
        ("until", time(review, "ends_ms")),
        ("decided", format!("{} by {}", time(review, "decided_ms"), text(review, "by"))),
        ("used", time(review, "used_ms")),
        ("reason", text(review, "reason")),
        ("label", text(review, "label")),
    ] {
        let _ = writeln!(out, "{:9} {value}", paint.faint(name));
    }
    let verdict = review.get("verdict").unwrap_or(&Value::Null);
    for reason in array(verdict, "reasons").iter().filter_map(Value::as_str) {
        let _ = writeln!(out, "{:9} {}", paint.faint("because"), printable(reason));
    }
    let decisive = review.get("decisive").and_then(Value::as_u64);
    for shown in array(review, "texts") {
        let at = shown.get("at").and_then(Value::as_u64);
        let mark = if at.is_some() && at == decisive { paint.mark(">") } else { " ".into() };
        let (at, role, origin) = (at.unwrap_or(0), text(shown, "role"), text(shown, "origin"));
        let _ = writeln!(out, "{mark} [{at}] {}", paint.faint(&format!("{role}, from {origin}")));
        let content = shown.get("text").and_then(Value::as_str).unwrap_or_default();
        content.lines().for_each(|line| _ = writeln!(out, "    {}", printable(line)));
    }
    out
}

/// What came of a decision.
pub(super) fn decided(row: &Value, paint: Paint) -> String {
    let state = text(row, "state");
    let state = if state == "approved" { paint.good(&state) } else { paint.mark(&state) };
    format!("{state}  {} by {}, until {}\n", text(row, "id"), text(row, "by"), time(row, "ends_ms"))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn texts_cannot_drive_the_terminal() {
        let shown = json!({ "id": "a", "state": "pending", "decisive": 0,
            "texts": [{ "at": 0, "role": "user", "origin": "user", "text": "one\n\u{1b}[31mtwo" }] });
        let page = review(&shown, Paint::plain());
        assert!(page.ends_with("> [0] user, from user\n    one\n    <U+001B>[31mtwo\n"), "{page}");
        assert_eq!(list(&json!({ "reviews": [], "pending": 2 }), Paint::plain()), "2 waiting\n");
    }
}
