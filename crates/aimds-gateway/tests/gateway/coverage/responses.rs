use serde_json::{Value, json};

use super::{Surface, no_row, thirds};

pub(super) const SURFACE: Surface = Surface {
    route: "/v1/responses",
    paths: ["/v1/responses"; 2],
    request,
    response,
    events,
    says: ["output text", "function call arguments"],
    finish: "response.completed",
    own: &[
        "instructions",
        "system",
        "developer",
        "assistant part",
        "reasoning summary",
        "function call name",
        "function call arguments",
        "custom tool input",
    ],
    numbers: &[],
};

fn request(field: &str, text: &str) -> Value {
    let one = |item: Value| json!({ "model": "m", "input": [item] });
    let with = |name: &str, value: Value| {
        let mut request = json!({ "model": "m", "input": "hi" });
        request[name] = value;
        request
    };
    match field {
        "instructions" => with("instructions", text.into()),
        "input" => json!({ "model": "m", "input": text }),
        "system" | "developer" => one(json!({ "role": field, "content": text })),
        "user" => one(json!({ "type": "message", "role": "user", "content": text })),
        "user part" => one(json!({ "role": "user", "content": [{ "type": "input_text", "text": text }] })),
        "assistant part" => one(json!({ "type": "message", "role": "assistant", "id": "m",
            "content": [{ "type": "output_text", "text": text, "annotations": [] }] })),
        "reasoning summary" => {
            one(json!({ "type": "reasoning", "id": "r", "encrypted_content": "c2ln".repeat(20),
            "summary": [{ "type": "summary_text", "text": text }] }))
        }
        "function call name" => {
            one(json!({ "type": "function_call", "call_id": "c", "name": text, "arguments": "{}" }))
        }
        "function call arguments" => one(
            json!({ "type": "function_call", "call_id": "c", "name": "f", "arguments": format!("{{\"a\":\"{text}\"}}") }),
        ),
        "function call output" => {
            one(json!({ "type": "function_call_output", "call_id": "c", "output": text }))
        }
        "function call output part" => one(json!({ "type": "function_call_output", "call_id": "c",
            "output": [{ "type": "input_text", "text": text }] })),
        "custom tool input" => {
            one(json!({ "type": "custom_tool_call", "call_id": "c", "name": "f", "input": text }))
        }
        "custom tool output" => {
            one(json!({ "type": "custom_tool_call_output", "call_id": "c", "output": text }))
        }
        "file name" => one(json!({ "role": "user", "content": [{ "type": "input_file", "filename": text,
            "file_data": format!("data:application/pdf;base64,{}", "JVBERi0x".repeat(9)) }] })),
        "tool description" => {
            with("tools", json!([{ "type": "function", "name": "f", "description": text }]))
        }
        "tool parameter" => with(
            "tools",
            json!([{ "type": "function", "name": "f",
            "parameters": { "properties": { "status": { "description": text } } } }]),
        ),
        "prompt variable" => with("prompt", json!({ "id": "p", "variables": { "name": text } })),
        "text format" => {
            with("text", json!({ "format": { "type": "json_schema", "name": "n", "description": text } }))
        }
        "unknown item" => one(json!({ "type": "new", "body": { "words": text } })),
        "unknown member" => with("new", json!([text])),
        _ => no_row(field),
    }
}

fn item(field: &str, text: &str) -> Value {
    let message = |part: Value| json!({ "id": "i", "type": "message", "status": "completed", "role": "assistant", "content": [part] });
    match field {
        "output text" => message(json!({ "type": "output_text", "text": text, "annotations": [] })),
        "refusal" => message(json!({ "type": "refusal", "refusal": text })),
        "annotation" => message(json!({ "type": "output_text", "text": "a", "annotations": [
            { "type": "url_citation", "url": "https://example.org/", "title": text, "start_index": 0, "end_index": 1 }] })),
        "reasoning summary" => {
            json!({ "id": "i", "type": "reasoning", "summary": [{ "type": "summary_text", "text": text }] })
        }
        "reasoning text" => {
            json!({ "id": "i", "type": "reasoning", "summary": [], "content": [{ "type": "reasoning_text", "text": text }] })
        }
        "function call name" => {
            json!({ "id": "i", "type": "function_call", "call_id": "c", "name": text, "arguments": "{}" })
        }
        "function call arguments" => json!({ "id": "i", "type": "function_call", "call_id": "c", "name": "f",
            "arguments": format!("{{\"a\":\"{text}\"}}") }),
        "custom tool input" => {
            json!({ "id": "i", "type": "custom_tool_call", "call_id": "c", "name": "f", "input": text })
        }
        "mcp call output" => {
            json!({ "id": "i", "type": "mcp_call", "name": "f", "server_label": "s", "arguments": "{}", "output": text })
        }
        "unknown item" => json!({ "id": "i", "type": "new", "body": { "words": text } }),
        "unknown member" => {
            message(json!({ "type": "output_text", "text": "a", "annotations": [], "new": [text] }))
        }
        _ => no_row(field),
    }
}

fn whole(output: &Value, status: &str) -> Value {
    json!({ "id": "resp_1", "object": "response", "created_at": 1700000000, "status": status, "model": "m",
        "output": output, "tools": [], "usage": { "total_tokens": 5 } })
}

fn response(field: &str, text: &str) -> Value {
    whole(&json!([item(field, text)]), "completed")
}

/// The events of the pieces: their name, what they carry beside the piece, and what comes in pieces.
fn pieces(field: &str, text: &str) -> Option<(&'static str, Value, String)> {
    Some(match field {
        "output text" => {
            ("response.output_text", json!({ "content_index": 0, "logprobs": [] }), text.to_owned())
        }
        "refusal" => ("response.refusal", json!({ "content_index": 0 }), text.to_owned()),
        "reasoning summary" => {
            ("response.reasoning_summary_text", json!({ "summary_index": 0 }), text.to_owned())
        }
        "reasoning text" => ("response.reasoning_text", json!({ "content_index": 0 }), text.to_owned()),
        "function call arguments" => {
            ("response.function_call_arguments", json!({}), format!("{{\"a\":\"{text}\"}}"))
        }
        "custom tool input" => ("response.custom_tool_call_input", json!({}), text.to_owned()),
        _ => return None,
    })
}

fn events(field: &str, text: &str) -> Vec<String> {
    let mut sequence = 0;
    let mut out = Vec::new();
    let mut emit = |kind: &str, mut data: Value| {
        data["type"] = kind.into();
        data["sequence_number"] = sequence.into();
        sequence += 1;
        out.push(format!("event: {kind}\ndata: {data}\n\n"));
    };
    let item = item(field, text);
    emit("response.created", json!({ "response": whole(&json!([]), "in_progress") }));
    match pieces(field, text) {
        None => emit("response.output_item.added", json!({ "output_index": 0, "item": item })),
        Some((stem, beside, text)) => {
            let with = |name: &str, value: &str| {
                let mut data = beside.clone();
                data["output_index"] = 0.into();
                data["item_id"] = "i".into();
                data[name] = value.into();
                data
            };
            for piece in thirds(&text) {
                emit(&format!("{stem}.delta"), with("delta", piece));
            }
            emit(&format!("{stem}.done"), with("text", &text));
        }
    }
    emit("response.output_item.done", json!({ "output_index": 0, "item": item }));
    emit("response.completed", json!({ "response": whole(&json!([item]), "completed") }));
    out
}
