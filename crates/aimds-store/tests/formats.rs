//! OCSF and CEF, line by line.

mod support;

use aimds_store::{Filter, Format, Record, export};
use serde_json::{Value, json};
use support::{Home, PATIENCE, eager, record};

fn lines(records: Vec<Record>, format: Format) -> (Vec<String>, Vec<aimds_store::Entry>) {
    let home = Home::new();
    let log = home.open(eager());
    let n = records.len();
    for record in records {
        drop(log.append(record).unwrap());
    }
    log.close(PATIENCE).unwrap();
    let mut out = Vec::new();
    assert_eq!(export(&home.path, &Filter::default(), format, &mut out).unwrap(), n as u64);
    let text = String::from_utf8(out).unwrap();
    assert!(text.ends_with('\n'));
    let lines: Vec<String> = text.lines().map(str::to_owned).collect();
    assert_eq!(lines.len(), n, "{text}");
    (lines, home.entries())
}

/// What the gateway writes for a request that was blocked; with a field that nobody should have put there.
fn blocked() -> Record {
    let body = json!({
        "route": "/v1/guard", "key": "test", "direction": "request", "decision": "block", "score": 0.93,
        "categories": ["pii.email", "jailbreak"],
        "findings": [
            { "category": "pii.email", "detector": "pii", "rule": "email", "confidence": 0.9, "message": 0,
              "start": 3, "end": 20, "text": "a@example.org" },
            { "category": "jailbreak", "detector": "rules", "rule": "override.ignore-previous", "confidence": 0.8,
              "message": 1, "start": 0, "end": 9 },
            { "category": "jailbreak", "detector": "rules", "rule": "override.ignore-previous", "confidence": 0.7,
              "message": 2, "start": 0, "end": "a@example.org" },
        ],
        "findings_total": 3, "engine_us": 412, "prompt": "a@example.org",
    });
    Record { body, ..record(1) }
}

fn outcome() -> Record {
    let body = json!({ "route": "/v1/chat/completions", "result": "answered", "upstream_status": 200, "duration_us": 8 });
    Record { kind: "outcome".to_owned(), tenant: String::new(), body, ..record(2) }
}

fn alarm() -> Record {
    let body = json!({ "event": "segment_opened", "reason": "chain_broken" });
    Record { kind: "alarm".to_owned(), request_id: String::new(), tenant: String::new(), body, ..record(3) }
}

#[test]
fn ocsf() {
    let (lines, entries) = lines(vec![blocked(), outcome(), alarm(), record(4)], Format::Ocsf);
    assert!(!lines.concat().contains("a@example.org"));
    let events: Vec<Value> = lines.iter().map(|line| serde_json::from_str(line).unwrap()).collect();
    let product = json!({ "name": "AIMDS", "vendor_name": "AIMDS", "version": env!("CARGO_PKG_VERSION") });
    assert_eq!(
        events[0],
        json!({
            "category_uid": 2, "category_name": "Findings", "class_uid": 2004, "class_name": "Detection Finding",
            "activity_id": 1, "activity_name": "Create", "type_uid": 200401, "type_name": "Detection Finding: Create",
            "time": 1001, "severity_id": 4, "severity": "High", "message": "decision block", "is_alert": true,
            "action_id": 2, "action": "Denied", "disposition_id": 2, "disposition": "Blocked",
            "metadata": {
                "version": "1.5.0", "product": product, "log_name": "audit", "sequence": 1, "uid": entries[0].hash,
                "correlation_uid": "req-1", "tenant_uid": "acme", "profiles": ["security_control"],
            },
            "finding_info": {
                "uid": entries[0].hash, "title": "decision block", "created_time": 1001,
                "types": ["pii.email", "jailbreak"],
                "analytic": { "name": "email", "uid": "email", "type_id": 1, "type": "Rule" },
            },
            "evidences": [
                { "data": { "category": "pii.email", "detector": "pii", "rule": "email", "confidence": 0.9,
                            "message": 0, "start": 3, "end": 20 } },
                { "data": { "category": "jailbreak", "detector": "rules", "rule": "override.ignore-previous",
                            "confidence": 0.8, "message": 1, "start": 0, "end": 9 } },
                { "data": { "category": "jailbreak", "detector": "rules", "rule": "override.ignore-previous",
                            "confidence": 0.7, "message": 2, "start": 0 } },
            ],
            "unmapped": {
                "kind": "decision", "segment": 1, "prev_hash": entries[0].prev_hash, "route": "/v1/guard",
                "direction": "request", "key": "test", "score": 0.93, "findings_total": 3, "engine_us": 412,
            },
        })
    );
    assert_eq!(
        events[1],
        json!({
            "category_uid": 0, "category_name": "Uncategorized", "class_uid": 0, "class_name": "Base Event",
            "activity_id": 99, "activity_name": "outcome", "type_uid": 99, "type_name": "Base Event: Other",
            "time": 1002, "severity_id": 1, "severity": "Informational", "message": "outcome answered",
            "metadata": {
                "version": "1.5.0", "product": product, "log_name": "audit", "sequence": 2, "uid": entries[1].hash,
                "correlation_uid": "req-2",
            },
            "unmapped": {
                "kind": "outcome", "segment": 1, "prev_hash": entries[1].prev_hash, "route": "/v1/chat/completions",
                "result": "answered", "upstream_status": 200, "duration_us": 8,
            },
        })
    );
    let facts = |event: &Value| {
        (event["class_uid"].as_u64(), event["severity_id"].as_u64(), event["is_alert"].as_bool())
    };
    assert_eq!(facts(&events[2]), (Some(2004), Some(5), Some(true)));
    // An action that was merely allowed is no finding.
    assert_eq!(facts(&events[3]), (Some(0), Some(1), None));
}

#[test]
fn every_action_has_its_outcome() {
    let cases = [
        ("allow", "decision", None, 1),
        ("flag", "Tagged", Some(1), 3),
        ("redact", "Corrected", Some(1), 5),
        ("escalate", "Quarantined", Some(2), 8),
        ("block", "Blocked", Some(2), 8),
    ];
    for (action, name, action_id, severity) in cases {
        let record = Record { body: json!({ "decision": action }), ..record(1) };
        let event: Value = serde_json::from_str(&lines(vec![record.clone()], Format::Ocsf).0[0]).unwrap();
        let told = event["disposition"].as_str().or(event["activity_name"].as_str());
        assert_eq!((told, event["action_id"].as_u64()), (Some(name), action_id), "{action}");
        let line = &lines(vec![record], Format::Cef).0[0];
        assert!(line.contains(&format!("|decision:{action}|decision {action}|{severity}|")), "{line}");
        assert!(line.contains(&format!(" act={action} ")), "{line}");
    }
}

#[test]
fn violated_policies_are_told_with_their_witness_and_nothing_else() {
    let step = |step: u64, event: &str| json!({ "step": step, "part": "request", "message": 0, "events": [event], "text": "a@example.org" });
    let body = json!({
        "decision": "block",
        "violations": [{ "policy": "no sending", "verdict": "violated", "text": "a@example.org",
            "witness": [step(1, "untrusted"), step(4, "sends")] }],
    });
    let record = || Record { body: body.clone(), ..record(1) };
    let (ocsf, _) = lines(vec![record()], Format::Ocsf);
    let event: Value = serde_json::from_str(&ocsf[0]).unwrap();
    let told = json!([{ "policy": "no sending", "verdict": "violated", "witness": [
        { "step": 1, "part": "request", "message": 0, "events": ["untrusted"] },
        { "step": 4, "part": "request", "message": 0, "events": ["sends"] },
    ] }]);
    assert_eq!(event["unmapped"]["violations"], told);
    let (cef, _) = lines(vec![record()], Format::Cef);
    assert!(cef[0].contains(" cs6Label=violations cs6=no sending@1+4 "), "{}", cef[0]);
    assert!(!format!("{}{}", ocsf[0], cef[0]).contains("a@example.org"));
}

#[test]
fn cef() {
    let (lines, entries) = lines(vec![blocked(), outcome(), alarm()], Format::Cef);
    assert!(!lines.concat().contains("a@example.org"));
    let version = env!("CARGO_PKG_VERSION");
    let hash = |i: usize| entries[i].hash;
    assert_eq!(
        lines,
        [
            format!(
                "CEF:0|AIMDS|AIMDS|{version}|decision:block|decision block|8|rt=1001 externalId=req-1 act=block \
                 request=/v1/guard suser=test cs1Label=tenant cs1=acme cs2Label=categories cs2=pii.email,jailbreak \
                 cs3Label=rules cs3=email,override.ignore-previous cs4Label=recordHash cs4={} cs5Label=direction \
                 cs5=request cn1Label=record cn1=1 cn2Label=segment cn2=1 cn3Label=findings cn3=3 cfp1Label=score \
                 cfp1=0.93",
                hash(0)
            ),
            format!(
                "CEF:0|AIMDS|AIMDS|{version}|outcome|outcome answered|1|rt=1002 externalId=req-2 outcome=answered \
                 request=/v1/chat/completions cs4Label=recordHash cs4={} cn1Label=record cn1=2 cn2Label=segment cn2=1",
                hash(1)
            ),
            format!(
                "CEF:0|AIMDS|AIMDS|{version}|alarm|alarm segment_opened|10|rt=1003 reason=chain_broken \
                 cs4Label=recordHash cs4={} cn1Label=record cn1=3 cn2Label=segment cn2=1",
                hash(2)
            ),
        ]
    );
}

#[test]
fn cef_escapes() {
    let odd = Record {
        kind: "a|b\\c\nd=e".to_owned(),
        request_id: "x=1|y\\z\r\n\u{1b}[31m".to_owned(),
        tenant: "t cs1Label=forged".to_owned(),
        body: json!("not an object"),
        ..record(1)
    };
    let (lines, entries) = lines(vec![odd], Format::Cef);
    assert_eq!(
        lines[0],
        format!(
            "CEF:0|AIMDS|AIMDS|{}|a\\|b\\\\c d=e|a\\|b\\\\c d=e|1|rt=1001 externalId=x\\=1|y\\\\z\\r\\n [31m \
             cs1Label=tenant cs1=t cs1Label\\=forged cs4Label=recordHash cs4={} cn1Label=record cn1=1 \
             cn2Label=segment cn2=1",
            env!("CARGO_PKG_VERSION"),
            entries[0].hash
        )
    );
}
