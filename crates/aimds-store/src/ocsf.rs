//! Records as events of the Open Cybersecurity Schema Framework, version 1.5.0.
//!
//! What was detected is a Detection Finding (class 2004) with the Security Control profile; everything else is a
//! Base Event (class 0).

use std::io::{self, Write};

use serde_json::{Value, json};

use crate::event::{Action, Event, Severity};

/// The version of the schema.
const VERSION: &str = "1.5.0";

/// Writes the record as one line.
pub(crate) fn write(told: &Event<'_>, out: &mut impl Write) -> io::Result<()> {
    writeln!(out, "{}", event(told))
}

fn event(event: &Event<'_>) -> Value {
    let mut value = common(event);
    let more = if event.is_detection() { detection(event) } else { base(event) };
    if let (Some(fields), Value::Object(more)) = (value.as_object_mut(), more) {
        fields.extend(more);
    }
    value
}

fn common(event: &Event<'_>) -> Value {
    let (severity_id, severity) = severity(event.severity());
    let mut metadata = json!({
        "version": VERSION,
        "product": { "name": "AIMDS", "vendor_name": "AIMDS", "version": env!("CARGO_PKG_VERSION") },
        "log_name": if event.logged.is_some() { "audit" } else { "detections" },
        "sequence": event.number,
        "uid": event.uid,
    });
    for (key, text) in [("correlation_uid", event.request_id), ("tenant_uid", event.tenant)] {
        if !text.is_empty() {
            set(&mut metadata, key, text.into());
        }
    }
    if event.action().is_some() && event.is_detection() {
        set(&mut metadata, "profiles", json!(["security_control"]));
    }
    json!({
        "time": event.at_ms,
        "severity_id": severity_id,
        "severity": severity,
        "message": event.title(),
        "metadata": metadata,
        "unmapped": unmapped(event),
    })
}

/// What the schema has no place for, under the names it has in the log.
fn unmapped(event: &Event<'_>) -> Value {
    let mut value = json!({ "kind": event.kind });
    if let Some(entry) = event.logged {
        set(&mut value, "segment", entry.segment.into());
        set(&mut value, "prev_hash", entry.prev_hash.to_string().into());
    }
    for key in ["route", "direction", "key", "path", "result", "event", "reason"] {
        if let Some(text) = event.text(key) {
            set(&mut value, key, text.into());
        }
    }
    let violations = event.violations();
    if !violations.is_empty() {
        set(&mut value, "violations", violations.into());
    }
    for key in ["score", "findings_total", "engine_us", "upstream_status", "duration_us"] {
        if let Some(number) = event.number(key) {
            set(&mut value, key, number.clone());
        }
    }
    value
}

fn base(event: &Event<'_>) -> Value {
    json!({
        "category_uid": 0, "category_name": "Uncategorized",
        "class_uid": 0, "class_name": "Base Event",
        "activity_id": 99, "activity_name": event.kind,
        "type_uid": 99, "type_name": "Base Event: Other",
    })
}

fn detection(event: &Event<'_>) -> Value {
    let mut finding_info = json!({
        "uid": event.uid, "title": event.title(), "created_time": event.at_ms, "types": event.categories(),
    });
    if let Some(rule) = event.rules().first() {
        // Type 1: a rule.
        set(
            &mut finding_info,
            "analytic",
            json!({ "name": rule, "uid": rule, "type_id": 1, "type": "Rule" }),
        );
    }
    let mut value = json!({
        "category_uid": 2, "category_name": "Findings",
        "class_uid": 2004, "class_name": "Detection Finding",
        "activity_id": 1, "activity_name": "Create",
        "type_uid": 200_401, "type_name": "Detection Finding: Create",
        "is_alert": event.severity() >= Severity::High,
        "finding_info": finding_info,
    });
    let evidences: Vec<_> = event.findings().map(|finding| json!({ "data": finding })).collect();
    if !evidences.is_empty() {
        set(&mut value, "evidences", evidences.into());
    }
    if let Some(action) = event.action() {
        let ((action_id, action), (disposition_id, disposition)) = outcome(action);
        set(&mut value, "action_id", action_id.into());
        set(&mut value, "action", action.into());
        set(&mut value, "disposition_id", disposition_id.into());
        set(&mut value, "disposition", disposition.into());
    }
    value
}

/// Adds a field to an object.
fn set(object: &mut Value, key: &str, value: Value) {
    if let Some(fields) = object.as_object_mut() {
        fields.insert(key.to_owned(), value);
    }
}

fn severity(severity: Severity) -> (u8, &'static str) {
    match severity {
        Severity::Informational => (1, "Informational"),
        Severity::Low => (2, "Low"),
        Severity::Medium => (3, "Medium"),
        Severity::High => (4, "High"),
        Severity::Critical => (5, "Critical"),
    }
}

/// `action_id` and `disposition_id` of the Security Control profile, with their captions.
fn outcome(action: Action) -> ((u8, &'static str), (u8, &'static str)) {
    const ALLOWED: (u8, &str) = (1, "Allowed");
    const DENIED: (u8, &str) = (2, "Denied");
    match action {
        Action::Allow => (ALLOWED, (1, "Allowed")),
        Action::Flag => (ALLOWED, (18, "Tagged")),
        Action::Redact | Action::Sandwich => (ALLOWED, (11, "Corrected")),
        Action::Throttle => (DENIED, (14, "Delayed")),
        // It waits for a person and does not go on.
        Action::Escalate => (DENIED, (3, "Quarantined")),
        Action::Block => (DENIED, (2, "Blocked")),
    }
}
