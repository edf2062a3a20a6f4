use serde_json::{Value, json};

use super::{Surface, in_pieces, no_row};

pub(super) const SURFACE: Surface = Surface {
    route: "/v1/chat/completions",
    paths: ["/v1/chat/completions"; 2],
    request,
    response,
    events,
    says: ["content", "tool call arguments"],
    finish: "[DONE]",
    own: &[
        "system",
        "developer",
        "assistant",
        "assistant refusal",
        "reasoning",
        "tool call name",
        "tool call arguments",
        "function call arguments",
    ],
    numbers: &[],
};

fn request(field: &str, text: &str) -> Value {
    let one = |message: Value| json!({ "model": "m", "messages": [message] });
    let call = |name: &str, arguments: &str| {
        let call =
            json!({ "id": "c", "type": "function", "function": { "name": name, "arguments": arguments } });
        one(json!({ "role": "assistant", "content": null, "tool_calls": [call] }))
    };
    let tool = |function: Value| json!({ "model": "m", "messages": [], "tools": [{ "type": "function", "function": function }] });
    match field {
        "system" | "developer" | "user" | "assistant" => one(json!({ "role": field, "content": text })),
        "user part" => one(json!({ "role": "user", "content": [{ "type": "text", "text": text }] })),
        "user name" => one(json!({ "role": "user", "name": text, "content": "hi" })),
        "assistant refusal" => one(json!({ "role": "assistant", "content": null, "refusal": text })),
        "reasoning" => one(json!({ "role": "assistant", "content": "a", "reasoning_content": text })),
        "tool call name" => call(text, "{}"),
        "tool call arguments" => call("f", &format!("{{\"a\":\"{text}\"}}")),
        "function call arguments" => {
            one(json!({ "role": "assistant", "function_call": { "name": "f", "arguments": text } }))
        }
        "tool result" => one(json!({ "role": "tool", "tool_call_id": "c", "content": text })),
        "tool result part" => {
            one(json!({ "role": "tool", "tool_call_id": "c", "content": [{ "type": "text", "text": text }] }))
        }
        "function result" => one(json!({ "role": "function", "name": "f", "content": text })),
        "file name" => {
            one(json!({ "role": "user", "content": [{ "type": "file", "file": { "filename": text } }] }))
        }
        "tool description" => tool(json!({ "name": "f", "description": text })),
        "tool parameter" => tool(json!({ "name": "f", "parameters": { "type": "object",
            "properties": { "type": { "type": "string", "description": text } } } })),
        "tool parameter name" => {
            tool(json!({ "name": "f", "parameters": { "type": "object", "properties": { text: {} } } }))
        }
        "response format" => json!({ "model": "m", "messages": [],
            "response_format": { "type": "json_schema", "json_schema": { "name": "n", "description": text } } }),
        "prediction" => {
            json!({ "model": "m", "messages": [], "prediction": { "type": "content", "content": text } })
        }
        "unknown role" => one(json!({ "role": "someone new", "content": text })),
        "unknown part" => {
            one(json!({ "role": "user", "content": [{ "type": "new", "body": { "words": text } }] }))
        }
        "unknown member" => json!({ "model": "m", "messages": [], "new": [text] }),
        _ => no_row(field),
    }
}

/// The message of an answer, without its role.
fn message(field: &str, text: &str) -> Value {
    let call = |call: Value| json!({ "content": null, "tool_calls": [call] });
    match field {
        "content" | "second choice" => json!({ "content": text }),
        "refusal" => json!({ "content": null, "refusal": text }),
        "reasoning_content" | "reasoning" => json!({ "content": null, field: text }),
        "tool call name" => {
            call(json!({ "id": "c", "type": "function", "function": { "name": text, "arguments": "{}" } }))
        }
        "tool call arguments" => call(json!({ "id": "c", "type": "function",
            "function": { "name": "f", "arguments": format!("{{\"a\":\"{text}\"}}") } })),
        "custom tool input" => {
            call(json!({ "id": "c", "type": "custom", "custom": { "name": "f", "input": text } }))
        }
        "function call arguments" => {
            json!({ "content": null, "function_call": { "name": "f", "arguments": text } })
        }
        "audio transcript" => json!({ "content": null, "audio": { "id": "a", "transcript": text } }),
        "annotation" => json!({ "content": "a", "annotations": [{ "type": "url_citation",
            "url_citation": { "url": "https://example.org/", "title": text } }] }),
        "unknown member" => json!({ "content": null, "new": [{ "words": text }] }),
        _ => no_row(field),
    }
}

fn choices(field: &str, choice: &Value) -> Value {
    match field {
        "second choice" => {
            let mut second = choice.clone();
            second["index"] = 1.into();
            json!([second])
        }
        _ => json!([choice]),
    }
}

fn response(field: &str, text: &str) -> Value {
    let mut message = message(field, text);
    message["role"] = "assistant".into();
    let choice = json!({ "index": 0, "message": message, "finish_reason": "stop" });
    json!({ "id": "chatcmpl-1", "object": "chat.completion", "created": 1700000000, "model": "m",
        "choices": choices(field, &choice), "usage": { "total_tokens": 5 } })
}

fn events(field: &str, text: &str) -> Vec<String> {
    let chunk = |delta: &Value, finish: Value| {
        let choice = json!({ "index": 0, "delta": delta, "finish_reason": finish });
        let chunk = json!({ "id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 1700000000,
            "model": "m", "choices": choices(field, &choice) });
        format!("data: {chunk}\n\n")
    };
    let mut out = vec![chunk(&json!({ "role": "assistant", "content": "" }), Value::Null)];
    for mut delta in in_pieces(&message(field, text), text) {
        for call in delta["tool_calls"].as_array_mut().into_iter().flatten() {
            call["index"] = 0.into();
        }
        if delta["tool_calls"].is_null() {
            delta.as_object_mut().unwrap().remove("tool_calls");
        }
        out.push(chunk(&delta, Value::Null));
    }
    out.push(chunk(&json!({}), "stop".into()));
    out.push("data: [DONE]\n\n".into());
    out
}
