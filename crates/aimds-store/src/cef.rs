//! Records in the Common Event Format, version 0: one line of `CEF:0|…|extension` each, without a syslog header.

use std::borrow::Cow;
use std::io::{self, Write};

use crate::event::{Action, Event, Severity};

/// Writes the record as one line.
pub(crate) fn write(event: &Event<'_>, out: &mut impl Write) -> io::Result<()> {
    let kind = event.kind;
    let id = event.action().map_or_else(|| kind.to_owned(), |a| format!("{kind}:{}", a.as_str()));
    write!(
        out,
        "CEF:0|AIMDS|AIMDS|{}|{}|{}|{}|",
        env!("CARGO_PKG_VERSION"),
        header(&id),
        header(&event.title()),
        severity(event.severity()),
    )?;
    let mut gap = "";
    for (key, value) in extension(event) {
        if !value.is_empty() {
            write!(out, "{gap}{key}={}", escaped(&value))?;
            gap = " ";
        }
    }
    writeln!(out)
}

/// The extension's keys, all of them from the format's dictionary, and values; empty where there is none.
fn extension<'a>(event: &'a Event<'_>) -> Vec<(&'static str, Cow<'a, str>)> {
    let text = |key| event.text(key).unwrap_or_default().into();
    let number = |key| event.number(key).map(ToString::to_string).unwrap_or_default().into();
    let action = event.action().map_or("", Action::as_str).into();
    let mut fields: Vec<(_, Cow<'_, str>)> = vec![
        ("rt", event.at_ms.to_string().into()),
        ("externalId", event.request_id.into()),
        ("act", action),
        ("outcome", text("result")),
        ("request", text("route")),
        ("suser", text("key")),
        ("reason", text("reason")),
    ];
    let uid = if event.logged.is_some() { "recordHash" } else { "uid" };
    let segment = event.logged.map(|entry| entry.segment.to_string()).unwrap_or_default();
    let labelled: [(_, _, &str, Cow<'_, str>); 10] = [
        ("cs1Label", "cs1", "tenant", event.tenant.into()),
        ("cs2Label", "cs2", "categories", event.categories().join(",").into()),
        ("cs3Label", "cs3", "rules", event.rules().join(",").into()),
        ("cs4Label", "cs4", uid, event.uid.as_ref().into()),
        ("cs5Label", "cs5", "direction", text("direction")),
        ("cs6Label", "cs6", "violations", event.violations_in_short().into()),
        ("cn1Label", "cn1", "record", event.number.to_string().into()),
        ("cn2Label", "cn2", "segment", segment.into()),
        ("cn3Label", "cn3", "findings", number("findings_total")),
        ("cfp1Label", "cfp1", "score", number("score")),
    ];
    for (label_key, key, label, value) in labelled {
        // A label says nothing where there is no value.
        if !value.is_empty() {
            fields.push((label_key, label.into()));
            fields.push((key, value));
        }
    }
    fields
}

fn severity(severity: Severity) -> u8 {
    match severity {
        Severity::Informational => 1,
        Severity::Low => 3,
        Severity::Medium => 5,
        Severity::High => 8,
        Severity::Critical => 10,
    }
}

/// In the header `\` and `|` are escaped; it has no way to hold a line break.
fn header(text: &str) -> String {
    escape(text, |c| match c {
        '\\' => Some("\\\\"),
        '|' => Some("\\|"),
        c if c.is_control() => Some(" "),
        _ => None,
    })
}

/// In a value `\`, `=` and line breaks are escaped.
fn escaped(text: &str) -> String {
    escape(text, |c| match c {
        '\\' => Some("\\\\"),
        '=' => Some("\\="),
        '\n' => Some("\\n"),
        '\r' => Some("\\r"),
        c if c.is_control() => Some(" "),
        _ => None,
    })
}

fn escape(text: &str, replacement: impl Fn(char) -> Option<&'static str>) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match replacement(c) {
            Some(replacement) => out.push_str(replacement),
            None => out.push(c),
        }
    }
    out
}
