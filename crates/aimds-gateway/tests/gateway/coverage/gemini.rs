use serde_json::{Value, json};

use super::{Surface, in_pieces, no_row};

pub(super) const SURFACE: Surface = Surface {
    route: "/v1beta/models/{call}",
    paths: [
        "/v1beta/models/gemini-x:generateContent",
        "/v1beta/models/gemini-x:streamGenerateContent?alt=sse",
    ],
    request,
    response,
    events,
    says: ["text", "function call argument"],
    finish: "\"finishReason\":\"STOP\"",
    own: &[
        "system instruction",
        "system_instruction",
        "model",
        "thought",
        "function call name",
        "function call argument",
        "function call argument name",
        "function call argument number",
        "executable code",
    ],
    numbers: &["function call argument number"],
};

/// The same under the newer path.
pub(super) const V1: Surface = Surface {
    route: "/v1/models/{call}",
    paths: ["/v1/models/gemini-x:generateContent", "/v1/models/gemini-x:streamGenerateContent?alt=sse"],
    ..SURFACE
};

fn request(field: &str, text: &str) -> Value {
    let one = |role: &str, part: Value| json!({ "contents": [{ "role": role, "parts": [part] }] });
    let call =
        |name: &str, args: Value| one("model", json!({ "functionCall": { "name": name, "args": args } }));
    let with = |name: &str, value: Value| {
        let mut request = one("user", json!({ "text": "hi" }));
        request[name] = value;
        request
    };
    let tool = |declaration: Value| with("tools", json!([{ "functionDeclarations": [declaration] }]));
    match field {
        "system instruction" => with("systemInstruction", json!({ "parts": [{ "text": text }] })),
        "system_instruction" => with(field, json!({ "parts": [{ "text": text }] })),
        "user" => {
            json!({ "contents": [{ "parts": [{ "text": text }, { "inlineData": { "mimeType": "image/png", "data": "AAAA".repeat(20) } }] }] })
        }
        "model" => one("model", json!({ "text": text })),
        "thought" => {
            one("model", json!({ "text": text, "thought": true, "thoughtSignature": "c2ln".repeat(20) }))
        }
        "function call name" => call(text, json!({})),
        "function call argument" => call("f", json!({ "id": [text] })),
        "function call argument name" => call("f", json!({ text: 1 })),
        "function call argument number" => call("f", json!({ "n": 4111111111111111_u64 })),
        "function response" => {
            one("user", json!({ "functionResponse": { "name": "f", "response": { "data": text } } }))
        }
        "executable code" => {
            one("model", json!({ "executableCode": { "language": "PYTHON", "code": text } }))
        }
        "code execution result" => {
            one("user", json!({ "codeExecutionResult": { "outcome": "OUTCOME_OK", "output": text } }))
        }
        "tool description" => tool(json!({ "name": "f", "description": text })),
        "tool parameter" => tool(
            json!({ "name": "f", "parameters": { "properties": { "format": { "description": text } } } }),
        ),
        "response schema" => with("generationConfig", json!({ "responseSchema": { "description": text } })),
        "unknown role" => one("someone new", json!({ "text": text })),
        "unknown part" => one("user", json!({ "new": { "words": text } })),
        "unknown member" => with("new", json!([text])),
        _ => no_row(field),
    }
}

fn part(field: &str, text: &str) -> Value {
    match field {
        "text" | "second candidate" => json!({ "text": text }),
        "thought" => json!({ "text": text, "thought": true }),
        "function call name" => json!({ "functionCall": { "name": text, "args": {} } }),
        "function call argument" => json!({ "functionCall": { "name": "f", "args": { "status": text } } }),
        "function call argument name" => json!({ "functionCall": { "name": "f", "args": { text: 1 } } }),
        "executable code" => json!({ "executableCode": { "language": "PYTHON", "code": text } }),
        "unknown part" => json!({ "new": { "words": text } }),
        "grounding" | "unknown member" => json!({ "text": "a" }),
        _ => no_row(field),
    }
}

fn answer(field: &str, text: &str, part: &Value, finish: bool) -> Value {
    let index = usize::from(field == "second candidate");
    let mut candidate = json!({ "content": { "role": "model", "parts": [part] }, "index": index });
    if finish {
        candidate["finishReason"] = "STOP".into();
        if field == "grounding" {
            candidate["groundingMetadata"] = json!({ "groundingChunks": [{ "web": { "title": text } }] });
        }
    }
    let mut answer = json!({ "candidates": [candidate], "modelVersion": "gemini-x" });
    if field == "unknown member" {
        answer["new"] = json!([text]);
    }
    answer
}

fn response(field: &str, text: &str) -> Value {
    answer(field, text, &part(field, text), true)
}

fn events(field: &str, text: &str) -> Vec<String> {
    let parts = match field {
        "text" | "thought" | "second candidate" => in_pieces(&part(field, text), text).into(),
        _ => vec![part(field, text)],
    };
    let last = parts.len() - 1;
    let answers = parts.iter().enumerate().map(|(number, part)| answer(field, text, part, number == last));
    answers.map(|answer| format!("data: {answer}\r\n\r\n")).collect()
}
