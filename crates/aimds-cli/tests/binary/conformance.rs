use aimds_engine::{Conversation, Engine, Origin, Session, Timestamp, Verdict};
use serde_json::{Value, json};

use crate::command::{Folder, run_with};
use crate::serve::{Running, key_in};

const CASES: &str = include_str!("../../../../conformance/cases.jsonl");

fn cases() -> Vec<Value> {
    CASES.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn input(case: &Value) -> Value {
    let mut input = json!({"id": case["id"], "text": case["text"]});
    if let Some(origin) = case.get("origin") {
        input["origin"] = origin.clone();
    }
    input
}

/// What every surface must agree on.
fn comparable(verdict: &Value) -> Value {
    json!([
        verdict["decision"],
        verdict["score"],
        verdict["categories"],
        verdict["findings"],
        verdict["path"]
    ])
}

fn by_library(case: &Value) -> Value {
    let engine = Engine::embedded().unwrap();
    let origin =
        case.get("origin").map_or(Origin::User, |name| Origin::parse(name.as_str().unwrap()).unwrap());
    let conversation = Conversation::single(origin, case["text"].as_str().unwrap());
    let outcome = engine.inspect(&conversation, &mut Session::new(""), Timestamp(0));
    // Through text, as the other surfaces: a float has its shortest form there.
    let line = serde_json::to_string(&Verdict::new(&outcome, &conversation, None)).unwrap();
    serde_json::from_str(&line).unwrap()
}

#[test]
fn the_library_answers_every_case() {
    for case in cases() {
        let verdict = by_library(&case);
        assert_eq!(verdict["decision"], case["decision"], "{case}: {verdict}");
        let found = verdict["categories"].as_array().unwrap();
        for category in case["categories"].as_array().unwrap() {
            assert!(found.contains(category), "{case}: {verdict}");
        }
    }
}

#[test]
fn scan_answers_as_the_library() {
    let lines: String = cases().iter().map(|case| input(case).to_string() + "\n").collect();
    let ran =
        run_with(&["scan", "--input", "jsonl", "--format", "jsonl", "--exit-zero", "-"], lines.as_bytes());
    assert_eq!(ran.status, 0, "{}", ran.stderr);
    let verdicts = ran.lines();
    assert_eq!(verdicts.len(), cases().len());
    for (case, verdict) in cases().iter().zip(&verdicts) {
        assert_eq!(verdict["id"], case["id"]);
        assert_eq!(comparable(verdict), comparable(&by_library(case)), "{case}");
    }
}

#[cfg(unix)]
#[test]
fn the_gateway_answers_as_the_library() {
    let folder = Folder::new();
    let first = Running::start(&folder, &[]);
    let key = key_in(&first.stop());
    let gateway = Running::start(&folder, &[]);
    for case in cases() {
        let (status, verdict) = gateway.post(&key, &input(&case));
        assert_eq!(status, 200, "{case}: {verdict}");
        assert_eq!(comparable(&verdict), comparable(&by_library(&case)), "{case}");
    }
    gateway.stop();
}
