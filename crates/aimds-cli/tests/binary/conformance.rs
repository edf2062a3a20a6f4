use aimds_engine::{
    Conversation, Engine, Message, Origin, Role, Session, Timestamp, ToolUse, ToolUseKind, Verdict,
};
use serde_json::{Value, json};

use crate::command::{Folder, run_with};
use crate::serve::{Running, key_in};

const CASES: &str = include_str!("../../../../conformance/cases.jsonl");

fn cases() -> Vec<Value> {
    CASES.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn input(case: &Value) -> Value {
    if let Some(turns) = case.get("turns") {
        return json!({"id": case["id"], "turns": turns});
    }
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
        verdict["path"],
        verdict["turn"]
    ])
}

/// The conversation as a program that uses the library would build it.
fn conversation(case: &Value) -> Conversation {
    let Some(turns) = case.get("turns") else {
        let origin =
            case.get("origin").map_or(Origin::User, |name| Origin::parse(name.as_str().unwrap()).unwrap());
        return Conversation::single(origin, case["text"].as_str().unwrap());
    };
    let mut conversation = Conversation::default();
    let mut called = std::collections::HashMap::new();
    for (index, turn) in turns.as_array().unwrap().iter().enumerate() {
        let role = Role::parse(turn["role"].as_str().unwrap()).unwrap();
        let mut push = |text: &Value, origin| {
            let (pointer, text) = (String::new(), text.as_str().unwrap().to_owned());
            conversation.messages.push(Message { role, origin, index, pointer, text });
            conversation.messages.len() - 1..conversation.messages.len()
        };
        let texts = push(&turn["content"], role.default_origin());
        let mut used = Vec::new();
        if let Some(id) = turn.get("tool_call_id") {
            let name: &String = &called[id.as_str().unwrap()];
            used.push(ToolUse { texts, name: name.clone(), kind: ToolUseKind::Result });
        }
        for call in turn.get("tool_calls").and_then(Value::as_array).into_iter().flatten() {
            let name = call["function"]["name"].as_str().unwrap().to_owned();
            let texts = push(&call["function"]["arguments"], Origin::Model);
            called.insert(call["id"].as_str().unwrap(), name.clone());
            used.push(ToolUse { texts, name, kind: ToolUseKind::Call { approved: false } });
        }
        conversation.tools.extend(used);
    }
    conversation
}

fn by_library(case: &Value) -> Value {
    let engine = Engine::embedded().unwrap();
    let conversation = conversation(case);
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
        assert_eq!(verdict.get("turn"), case.get("turn"), "{case}: {verdict}");
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
