use aimds_graph::{Batch, Graph, Invalid, Limits, Linker, NodeKind, Record};
use serde_json::{Value, json};

use crate::words::{Home, id, names};

fn record(at_ms: u64, request: &str, kind: &str, body: Value) -> Record {
    Record { at_ms, request_id: request.into(), tenant: "acme".into(), kind: kind.into(), body }
}

fn finding(rule: &str, category: &str) -> Value {
    json!({ "category": category, "detector": "rule", "rule": rule, "confidence": 0.9, "message": 0, "start": 1, "end": 5 })
}

/// What the gateway records of a decision.
fn decision(at_ms: u64, request: &str, decision: &str, findings: &[Value]) -> Record {
    let categories: Vec<&Value> = findings.iter().map(|finding| &finding["category"]).collect();
    let body = json!({
        "route": "/v1/chat/completions", "key": "key_1", "direction": "request", "decision": decision, "would": null,
        "score": 0.5, "categories": categories, "findings": findings, "findings_total": findings.len(), "path": "fast",
        "degraded": null, "exhausted": null, "engine_us": 61,
    });
    record(at_ms, request, "decision", body)
}

fn edges(batch: &Batch) -> Vec<String> {
    let edges = batch.edges.iter();
    edges.map(|edge| format!("{} {} {}", edge.from, edge.kind.as_str(), edge.to)).collect()
}

#[test]
fn an_attack_becomes_a_chain_to_its_outcome() {
    let mut linker = Linker::default();
    let findings = [finding("override.x", "prompt_injection"), finding("email", "pii.email")];
    let mut attack = decision(10, "r1", "flag", &findings);
    attack.body["session"] = "s1".into();
    attack.body["documents"] = json!(["d1", "d2"]);
    let batch = linker.link(&attack).unwrap();
    assert_eq!(
        edges(&batch),
        [
            "source:key_1 triggered session:s1",
            "source:key_1 triggered attack:r1",
            "attack:r1 carried_by session:s1",
            "attack:r1 carried_by document:d1",
            "attack:r1 carried_by document:d2",
            "attack:r1 caused finding:r1/request/0",
            "finding:r1/request/0 derived_from pattern:override.x",
            "attack:r1 derived_from pattern:override.x",
            "attack:r1 caused finding:r1/request/1",
            "finding:r1/request/1 derived_from pattern:email",
            "finding:r1/request/0 decided decision:r1/request",
            "finding:r1/request/1 decided decision:r1/request",
            "decision:r1/request acted action:r1/request",
        ]
    );
    let outcome = json!({ "route": "/v1/chat/completions", "result": "answered", "upstream_status": 200, "duration_us": 9 });
    let end = linker.link(&record(12, "r1", "outcome", outcome)).unwrap();
    assert_eq!(edges(&end), ["action:r1/request resulted_in outcome:r1"]);
    let mut home = Home::new();
    home.graph.upsert(&batch).unwrap();
    home.graph.upsert(&end).unwrap();
    let chain = home.graph.chain("acme", &id("attack:r1"), &Limits::chain()).unwrap();
    assert_eq!(
        chain.sentence(),
        "attack:r1 came from source key_1 in session s1, carried by document d1 and d2; it was recognised by override.x; \
         decided: flag; done: flag; outcome: answered."
    );
    let node = home.graph.node("acme", &id("attack:r1")).unwrap();
    assert_eq!(node.properties["category"], "prompt_injection".into());
}

#[test]
fn what_is_no_detection_leaves_no_trace() {
    let mut linker = Linker::default();
    for record in [
        decision(1, "r1", "allow", &[]),
        record(2, "r1", "outcome", json!({ "result": "answered" })),
        record(3, "", "config", json!({ "event": "started" })),
        record(4, "r2", "decision", json!("nonsense")),
        record(5, "r3", "decision", json!({ "decision": 7, "findings": "none", "categories": [1] })),
    ] {
        assert!(linker.link(&record).unwrap().is_empty(), "{record:?}");
    }
}

#[test]
fn personal_data_alone_are_no_attack() {
    let batch =
        Linker::default().link(&decision(1, "r1", "redact", &[finding("email", "pii.email")])).unwrap();
    assert!(batch.nodes.iter().all(|node| node.id.kind() != NodeKind::Attack));
    assert_eq!(edges(&batch)[0], "source:key_1 caused finding:r1/request/0");
    // Monitor mode: nothing was done, something would have been.
    let mut watched = decision(2, "r2", "allow", &[]);
    watched.body["would"] = "block".into();
    let batch = Linker::default().link(&watched).unwrap();
    assert_eq!(edges(&batch), ["source:key_1 triggered attack:r2", "attack:r2 decided decision:r2/request"]);
}

#[test]
fn attacks_by_much_the_same_rules_are_alike() {
    let mut linker = Linker::default();
    let attack = |request: &str, rules: &[&str]| {
        let findings: Vec<Value> = rules.iter().map(|rule| finding(rule, "jailbreak")).collect();
        decision(request.len() as u64, request, "block", &findings)
    };
    let alike = |batch: &Batch| -> Vec<(String, f64)> {
        let edges = batch.edges.iter().filter(|edge| !edge.kind.is_causal());
        edges.map(|edge| (edge.from.name().to_owned() + edge.to.name(), edge.weight)).collect()
    };
    assert_eq!(alike(&linker.link(&attack("a", &["x", "y"])).unwrap()), []);
    assert_eq!(alike(&linker.link(&attack("b", &["z"])).unwrap()), []);
    assert_eq!(alike(&linker.link(&attack("c", &["y", "x"])).unwrap()), [("ac".to_owned(), 1.0)]);
    // The newest of those with the same rules stands for them.
    assert_eq!(alike(&linker.link(&attack("d", &["x"])).unwrap()), [("cd".to_owned(), 0.5)]);
    let other = Record { tenant: "other".into(), ..attack("e", &["x"]) };
    assert_eq!(alike(&linker.link(&other).unwrap()), []);
    // A second decision on the same request is not like itself.
    assert_eq!(alike(&linker.link(&attack("d", &["x"])).unwrap()), [("cd".to_owned(), 0.5)]);
}

#[test]
fn names_that_are_none_are_refused_and_not_remembered() {
    let mut linker = Linker::default();
    let bad = decision(1, "two words", "block", &[finding("x", "jailbreak")]);
    assert_eq!(linker.link(&bad), Err(Invalid::Id));
    let batch = linker.link(&decision(2, "r1", "block", &[finding("x", "jailbreak")])).unwrap();
    assert!(batch.edges.iter().all(|edge| edge.kind.is_causal()));
    let mut bad = decision(3, "r2", "block", &[]);
    bad.body["route"] = "a route with spaces".into();
    assert_eq!(linker.link(&bad), Err(Invalid::PropertyValue { name: "route".into() }));
}

#[test]
fn memory_is_bounded() {
    let mut linker = Linker::default();
    for i in 0..12_000 {
        linker.link(&decision(i, &format!("r{i}"), "flag", &[])).unwrap();
    }
    let outcome = |linker: &mut Linker, i: u64| {
        linker
            .link(&record(i, &format!("r{i}"), "outcome", json!({ "result": "answered" })))
            .unwrap()
            .edges
            .len()
    };
    assert_eq!((outcome(&mut linker, 0), outcome(&mut linker, 11_999)), (0, 1));
    let many: Vec<Value> = (0..200).map(|i| finding(&format!("rule{i}"), "jailbreak")).collect();
    let batch = linker.link(&decision(1, "many", "block", &many)).unwrap();
    assert_eq!(batch.nodes.iter().filter(|node| node.id.kind() == NodeKind::Finding).count(), 16);
    assert_eq!(names(batch.nodes.iter().take(1).map(|node| &node.id)), ["attack:many"]);
}
