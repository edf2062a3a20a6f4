use serde_json::{Value, json};

use crate::support::{CARD, EMAIL, PLACEHOLDER, gate, gate_with};

/// The answer without what differs from run to run.
fn stable(mut answer: Value) -> Value {
    let fields = answer.as_object_mut().unwrap();
    assert_eq!(fields.remove("request_id").unwrap().as_str().unwrap().len(), 36);
    assert!(fields.remove("latency_us").unwrap().is_u64());
    for field in ["degraded", "reasons", "score", "path"] {
        fields.remove(field);
    }
    for finding in answer["findings"].as_array_mut().unwrap() {
        let finding = finding.as_object_mut().unwrap();
        assert!(finding.remove("explanation").unwrap().is_string());
        assert!(finding.remove("confidence").unwrap().is_number());
    }
    answer
}

#[tokio::test]
async fn a_text_is_judged_and_its_findings_have_code_point_offsets() {
    let gate = gate("").await;
    let reply = gate.post("/v1/guard", &json!({ "id": "a-1", "text": format!("é {EMAIL}") })).await;
    assert_eq!((reply.status.as_u16(), reply.decision()), (200, "redact"));
    assert_eq!(reply.header("x-aimds-request-id"), reply.json()["request_id"]);
    assert_eq!(
        stable(reply.json()),
        json!({
            "id": "a-1",
            "decision": "redact",
            "categories": ["pii.email"],
            "findings": [{ "category": "pii.email", "detector": "validator", "start": 2, "end": 2 + EMAIL.len() }],
        })
    );
}

#[tokio::test]
async fn messages_and_turns_are_judged_with_parts_and_tool_calls() {
    let gate = gate("").await;
    let messages = json!([
        { "role": "user", "content": [
            { "type": "text", "text": "hello" },
            { "type": "text", "text": EMAIL },
            { "type": "image_url", "image_url": { "url": "https://x/y.png" } },
        ]},
        { "role": "assistant", "content": null, "tool_calls": [
            { "id": "c", "type": "function", "function": { "name": "f", "arguments": format!("{{\"to\":\"{EMAIL}\"}}") } },
        ]},
    ]);
    for name in ["messages", "turns"] {
        let reply = gate.post("/v1/guard", &json!({ name: messages })).await.json();
        assert_eq!(reply["unscanned_parts"], 1);
        let places: Vec<_> =
            reply["findings"].as_array().unwrap().iter().map(|f| (&f["message"], &f["start"])).collect();
        assert_eq!(places, [(&json!(0), &json!(0)), (&json!(1), &json!(7))]);
    }
}

#[tokio::test]
async fn redact_hands_back_the_same_shape_without_the_values() {
    let gate = gate("").await;
    let reply = gate.post("/v1/guard", &json!({ "text": format!("to {EMAIL}"), "redact": true })).await;
    assert_eq!(reply.json()["redacted"], format!("to {PLACEHOLDER}"));
    let messages = json!([
        { "role": "user", "content": [{ "type": "text", "text": EMAIL }, { "type": "image_url", "x": 1.50 }] },
        { "role": "tool", "content": "clean" },
    ]);
    let reply = gate.post("/v1/guard", &json!({ "messages": messages, "redact": true })).await;
    let mut expected = messages;
    expected[0]["content"][0]["text"] = PLACEHOLDER.into();
    assert_eq!(reply.json()["redacted"], expected);
}

#[tokio::test]
async fn the_bare_verdict_is_one_word() {
    let gate = gate("").await;
    for (text, word) in [("hello", "pass"), (EMAIL, "pass"), (CARD, "block")] {
        let reply = gate.post("/v1/guard?format=verdict", &json!({ "text": text })).await;
        assert_eq!((reply.text(), reply.header("content-type")), (word, "text/plain; charset=utf-8"));
    }
}

#[tokio::test]
async fn the_origin_chooses_the_rules() {
    let policy = "version = 1\n[findings.tool]\n\"pii.email\" = \"block\"\n";
    let gate = gate_with("", policy, None).await;
    for (body, decision) in [
        (json!({ "text": EMAIL }), "allow"),
        (json!({ "text": EMAIL, "origin": "tool" }), "block"),
        (json!({ "messages": [{ "role": "tool", "content": EMAIL }] }), "block"),
        (json!({ "messages": [{ "role": "user", "origin": "tool", "content": EMAIL }] }), "block"),
        (json!({ "messages": [{ "role": "assistant", "content": EMAIL }] }), "allow"),
    ] {
        assert_eq!(gate.post("/v1/guard", &body).await.decision(), decision, "{body}");
    }
}

#[tokio::test]
async fn monitor_mode_says_what_it_would_do() {
    let gate = gate_with("", &format!("mode = \"monitor\"\n{}", crate::support::POLICY), None).await;
    let reply = gate.post("/v1/guard", &json!({ "text": CARD })).await;
    assert_eq!((reply.decision(), &reply.json()["would"]), ("flag", &json!("block")));
}

#[tokio::test]
async fn what_is_not_a_guard_request_is_refused_with_the_reason() {
    let gate = gate("").await;
    for (body, message) in [
        (json!({}), "give exactly one of text, messages and turns"),
        (json!({ "text": "a", "turns": [] }), "give exactly one of text, messages and turns"),
        (json!({ "text": "a", "origin": "mars" }), "origin must be user, system, tool, document or model"),
        (
            json!({ "messages": [{ "role": "wizard", "content": "a" }] }),
            "messages[0].role must be system, developer, user, assistant or tool",
        ),
    ] {
        let reply = gate.post("/v1/guard", &body).await;
        assert_eq!((reply.status.as_u16(), reply.decision()), (400, "error"));
        assert_eq!(reply.json()["error"], json!({ "code": "invalid_request", "message": message }));
    }
}
