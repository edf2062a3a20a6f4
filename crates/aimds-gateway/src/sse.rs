//! A whole, scanned answer as the event stream that a `stream: true` client expects.

use serde_json::{Map, Value, json};

/// The events of a chat completion: role, words, tool calls, finish reason, usage if asked for, `[DONE]`.
pub(crate) fn chat_stream(answer: &Value, include_usage: bool) -> String {
    let mut out = String::new();
    let mut emit = |choices: Value, usage: Value| {
        let mut chunk = Map::new();
        for (key, value) in answer.as_object().into_iter().flatten() {
            if !matches!(key.as_str(), "object" | "choices" | "usage") {
                chunk.insert(key.clone(), value.clone());
            }
        }
        chunk.insert("object".into(), "chat.completion.chunk".into());
        chunk.insert("choices".into(), choices);
        if include_usage {
            chunk.insert("usage".into(), usage);
        }
        out.push_str("data: ");
        out.push_str(&Value::Object(chunk).to_string());
        out.push_str("\n\n");
    };
    for (position, choice) in
        answer.get("choices").and_then(Value::as_array).into_iter().flatten().enumerate()
    {
        let index = choice.get("index").cloned().unwrap_or_else(|| position.into());
        let mut delta = |delta: Value, logprobs: Option<&Value>, finish: Value| {
            let logprobs = logprobs.cloned().unwrap_or(Value::Null);
            emit(
                json!([{ "index": index, "delta": delta, "logprobs": logprobs, "finish_reason": finish }]),
                Value::Null,
            );
        };
        let empty = Map::new();
        let message = choice.get("message").and_then(Value::as_object).unwrap_or(&empty);
        let role = message.get("role").cloned().unwrap_or_else(|| "assistant".into());
        delta(json!({ "role": role, "content": "" }), None, Value::Null);
        for (key, value) in message {
            match key.as_str() {
                "role" | "content" | "tool_calls" => {}
                _ if value.is_null() => {}
                _ => {
                    let other: Map<_, _> = [(key.clone(), value.clone())].into_iter().collect();
                    delta(Value::Object(other), None, Value::Null);
                }
            }
        }
        match message.get("content") {
            None | Some(Value::Null) => {}
            Some(content) => delta(json!({ "content": content }), choice.get("logprobs"), Value::Null),
        }
        if let Some(calls @ Value::Array(_)) = message.get("tool_calls") {
            delta(json!({ "tool_calls": numbered(calls) }), None, Value::Null);
        }
        delta(json!({}), None, choice.get("finish_reason").cloned().unwrap_or_else(|| "stop".into()));
    }
    if include_usage {
        emit(json!([]), answer.get("usage").cloned().unwrap_or(Value::Null));
    }
    out.push_str("data: [DONE]\n\n");
    out
}

/// Tool calls of a stream carry their position.
fn numbered(calls: &Value) -> Value {
    let calls = calls.as_array().into_iter().flatten().enumerate();
    calls
        .map(|(position, call)| {
            let mut call = call.clone();
            if let Some(call) = call.as_object_mut() {
                call.insert("index".into(), position.into());
            }
            call
        })
        .collect()
}
