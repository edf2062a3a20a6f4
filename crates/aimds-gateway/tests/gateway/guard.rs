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

/// Members of a message beside `content` as a string, with an address in each, and whose text it is.
fn places() -> Vec<(&'static str, Value)> {
    let assistant =
        |member: &str, value: Value| json!({ "role": "assistant", "content": null, member: value });
    let part =
        |part: Value| json!({ "role": "user", "content": [{ "type": "text", "text": "hello" }, part] });
    vec![
        ("model", assistant("reasoning_content", EMAIL.into())),
        ("model", assistant("refusal", EMAIL.into())),
        ("model", assistant("function_call", json!({ "name": "f", "arguments": EMAIL }))),
        (
            "model",
            assistant("tool_calls", json!([{ "function": { "name": "f", "arguments": { "to": EMAIL } } }])),
        ),
        ("model", assistant("tool_calls", json!([{ "function": { "name": EMAIL, "arguments": "{}" } }]))),
        (
            "model",
            assistant("tool_calls", json!([{ "type": "custom", "custom": { "name": "f", "input": EMAIL } }])),
        ),
        (
            "model",
            assistant(
                "tool_calls",
                json!([{ "function": { "name": "f", "arguments": "{}", "why": EMAIL } }]),
            ),
        ),
        ("user", json!({ "role": "user", "contents": EMAIL })),
        ("user", json!({ "role": "user", "name": EMAIL, "content": "hello" })),
        ("user", part(json!({ "type": "input_text", "input_text": EMAIL }))),
        ("user", part(json!({ "type": "image_url", "image_url": { "url": EMAIL } }))),
        ("tool", part(json!({ "type": "tool_result", "tool_use_id": "t", "content": EMAIL }))),
        ("tool", part(json!({ "type": "tool_result", "content": [{ "type": "text", "text": EMAIL }] }))),
        ("document", part(json!({ "type": "document", "source": { "type": "text", "data": EMAIL } }))),
        ("user", json!({ "role": "tool", "origin": "user", "tool_call_id": EMAIL, "content": "hello" })),
    ]
}

#[tokio::test]
async fn every_text_of_a_message_is_looked_at() {
    for origin in ["user", "tool", "document", "model"] {
        let policy = format!("version = 1\n[findings.{origin}]\n\"pii.email\" = \"block\"\n");
        let gate = gate_with("", &policy, None).await;
        for (whose, message) in places() {
            let expected = if whose == origin { "block" } else { "allow" };
            let reply = gate.post("/v1/guard", &json!({ "messages": [message] })).await;
            assert_eq!(reply.decision(), expected, "{origin} {message}");
            if whose == origin {
                assert_eq!(reply.json()["findings"][0]["message"].as_u64().unwrap_or_default(), 0);
                let texts = json!({ "texts": ["hello"], "structured_messages": [message] });
                let reply = gate.post("/beta/litellm_basic_guardrail_api", &texts).await.json();
                // LiteLLM is not asked whose text it is.
                assert!(reply["action"] == "BLOCKED" || message["origin"] == "user", "{message} {reply}");
                let reply = gate.post("/v2/guard", &json!({ "messages": [message] })).await.json();
                assert_eq!(reply["flagged"], true, "{message}");
            }
        }
    }
}

#[tokio::test]
async fn what_stands_beside_the_messages_is_looked_at() {
    let gate = gate("").await;
    let hello = json!([{ "role": "user", "content": "hello" }]);
    let tools =
        json!([{ "type": "function", "function": { "name": "f", "parameters": { "default": CARD } } }]);
    for (member, value) in [("tools", tools), ("system", json!([{ "type": "text", "text": CARD }]))] {
        let body = json!({ "messages": hello, member: value });
        assert_eq!(gate.post("/v1/guard", &body).await.decision(), "block", "{member}");
    }
    // A text that cannot be handed back is not handed back unchanged.
    let redact = json!({ "messages": hello, "system": EMAIL, "redact": true });
    let reply = gate.post("/v1/guard", &redact).await;
    assert_eq!((reply.decision(), &reply.json()["redacted"]), ("block", &Value::Null));
}

#[tokio::test]
async fn calls_in_parts_are_calls_and_texts_in_them_are_replaced_in_place() {
    let policy = "version = 1\n[[temporal]]\nname = \"pay once\"\nformula = 'at most 1 call(\"pay\")'\n";
    let gate = gate_with("", policy, None).await;
    let pay = json!({ "type": "tool_use", "id": "a", "name": "pay", "input": { "to": "Bob" } });
    for (calls, decision) in [(vec![pay.clone()], "allow"), (vec![pay.clone(), pay], "block")] {
        let body = json!({ "messages": [{ "role": "assistant", "content": calls }] });
        assert_eq!(gate.post("/v1/guard", &body).await.decision(), decision);
    }
    let gate = crate::support::gate("").await;
    let messages = |address: &str| {
        let call = json!({ "function": { "name": "f", "arguments": { "to": address, "n": 1 } } });
        let result = json!({ "type": "tool_result", "content": format!("to {address}"), "n": 1.50 });
        json!([{ "role": "assistant", "tool_calls": [call] }, { "role": "user", "content": [result] }])
    };
    let reply = gate.post("/v1/guard", &json!({ "messages": messages(EMAIL), "redact": true })).await;
    assert_eq!(reply.json()["redacted"], messages(PLACEHOLDER));
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

#[tokio::test]
async fn a_member_that_stands_twice_is_refused() {
    let gate = gate("").await;
    let check = |message: &str| format!(r#"{{"messages":[{{"role":"user","content":"a",{message}}}]}}"#);
    for message in [r#""reason":"a","reason":"b""#, r#""x":{"y":1,"y":2}"#, r#""x":1,"\u0078":2"#] {
        let reply = gate.post_bytes("/v1/guard", check(message)).await;
        assert_eq!(
            (reply.status.as_u16(), &reply.json()["error"]["code"]),
            (400, &json!("duplicate_member")),
            "{message}"
        );
    }
}
