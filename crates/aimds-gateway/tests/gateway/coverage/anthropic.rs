use serde_json::{Value, json};

use super::{Surface, in_pieces, no_row, thirds};

pub(super) const SURFACE: Surface = Surface {
    route: "/v1/messages",
    paths: ["/v1/messages"; 2],
    request,
    response,
    events,
    says: ["text", "tool use input"],
    finish: "message_stop",
    own: &[
        "system",
        "system block",
        "assistant",
        "thinking",
        "tool use name",
        "tool use input",
        "tool use input name",
        "tool use input number",
    ],
    numbers: &["tool use input number"],
};

fn request(field: &str, text: &str) -> Value {
    let one = |role: &str, content: Value| json!({ "model": "m", "max_tokens": 9, "messages": [{ "role": role, "content": content }] });
    let asked = |block: Value| one("user", json!([block]));
    let called = |name: &str, input: Value| {
        one("assistant", json!([{ "type": "tool_use", "id": "t", "name": name, "input": input }]))
    };
    let with = |name: &str, value: Value| {
        let mut request = one("user", "hi".into());
        request[name] = value;
        request
    };
    match field {
        "system" => with("system", text.into()),
        "system block" => with("system", json!([{ "type": "text", "text": text }])),
        "user" => one("user", text.into()),
        "user block" => asked(json!({ "type": "text", "text": text })),
        "document text" => asked(json!({ "type": "document",
            "source": { "type": "text", "media_type": "text/plain", "data": text } })),
        "document title" => asked(json!({ "type": "document", "title": text,
            "source": { "type": "base64", "media_type": "application/pdf", "data": "JVBERi0x".repeat(9) } })),
        "search result" => asked(json!({ "type": "search_result", "source": "s", "title": "t",
            "content": [{ "type": "text", "text": text }] })),
        "assistant" => one("assistant", text.into()),
        "thinking" => one(
            "assistant",
            json!([{ "type": "thinking", "thinking": text, "signature": "c2ln".repeat(20) }]),
        ),
        "tool use name" => called(text, json!({})),
        "tool use input" => called("f", json!({ "type": text })),
        "tool use input name" => called("f", json!({ text: 1 })),
        "tool use input number" => called("f", json!({ "n": 4111111111111111_u64 })),
        "tool result" => asked(json!({ "type": "tool_result", "tool_use_id": "t", "content": text })),
        "tool result block" => asked(json!({ "type": "tool_result", "tool_use_id": "t",
            "content": [{ "type": "text", "text": text }] })),
        "tool description" => {
            with("tools", json!([{ "name": "f", "description": text, "input_schema": {} }]))
        }
        "tool parameter" => with(
            "tools",
            json!([{ "name": "f",
            "input_schema": { "properties": { "id": { "description": text } } } }]),
        ),
        "unknown block" => asked(json!({ "type": "new", "body": { "words": text } })),
        "unknown member" => with("new", json!([text])),
        _ => no_row(field),
    }
}

fn block(field: &str, text: &str) -> Value {
    match field {
        "text" => json!({ "type": "text", "text": text }),
        "thinking" => json!({ "type": "thinking", "thinking": text, "signature": "c2ln".repeat(20) }),
        "tool use name" => json!({ "type": "tool_use", "id": "t", "name": text, "input": {} }),
        "tool use input" => json!({ "type": "tool_use", "id": "t", "name": "f", "input": { "id": text } }),
        "tool use input name" => json!({ "type": "tool_use", "id": "t", "name": "f", "input": { text: 1 } }),
        "web search result" => json!({ "type": "web_search_tool_result", "tool_use_id": "t",
            "content": [{ "type": "web_search_result", "title": text, "url": "https://example.org/" }] }),
        "citation" => json!({ "type": "text", "text": "a",
            "citations": [{ "type": "char_location", "cited_text": text, "document_index": 0 }] }),
        "unknown block" => json!({ "type": "new", "body": { "words": text } }),
        _ => no_row(field),
    }
}

fn message(content: &Value) -> Value {
    json!({ "id": "msg_1", "type": "message", "role": "assistant", "model": "m", "content": content,
        "stop_reason": null, "stop_sequence": null, "usage": { "input_tokens": 1, "output_tokens": 1 } })
}

fn response(field: &str, text: &str) -> Value {
    let mut message = message(&json!([block(field, text)]));
    message["stop_reason"] = "end_turn".into();
    message
}

fn event(data: &Value) -> String {
    format!("event: {}\ndata: {data}\n\n", data["type"].as_str().unwrap())
}

fn events(field: &str, text: &str) -> Vec<String> {
    let whole = block(field, text);
    let delta = |delta: Value| event(&json!({ "type": "content_block_delta", "index": 0, "delta": delta }));
    let (start, deltas): (Value, Vec<String>) = match field {
        // The first piece comes with the start of the block.
        "text" => {
            let [first, second, third] = thirds(text);
            let more = [second, third].map(|text| delta(json!({ "type": "text_delta", "text": text })));
            (block(field, first), more.into())
        }
        "thinking" => {
            let mut deltas: Vec<_> =
                thirds(text).map(|text| delta(json!({ "type": "thinking_delta", "thinking": text }))).into();
            deltas.push(delta(json!({ "type": "signature_delta", "signature": "c2ln".repeat(20) })));
            (json!({ "type": "thinking", "thinking": "", "signature": "" }), deltas)
        }
        "tool use input" | "tool use input name" => {
            let json = whole["input"].to_string();
            let deltas = in_pieces(&json!(json), text)
                .map(|piece| delta(json!({ "type": "input_json_delta", "partial_json": piece })));
            (json!({ "type": "tool_use", "id": "t", "name": "f", "input": {} }), deltas.into())
        }
        "citation" => {
            let citation = json!({ "type": "citations_delta", "citation": whole["citations"][0] });
            (json!({ "type": "text", "text": "" }), vec![delta(citation)])
        }
        _ => (whole, Vec::new()),
    };
    let mut out = vec![
        event(&json!({ "type": "message_start", "message": message(&json!([])) })),
        event(&json!({ "type": "content_block_start", "index": 0, "content_block": start })),
        event(&json!({ "type": "ping" })),
    ];
    out.extend(deltas);
    out.push(event(&json!({ "type": "content_block_stop", "index": 0 })));
    let delta = json!({ "stop_reason": "end_turn", "stop_sequence": null });
    out.push(event(&json!({ "type": "message_delta", "delta": delta, "usage": { "output_tokens": 5 } })));
    out.push(event(&json!({ "type": "message_stop" })));
    out
}
