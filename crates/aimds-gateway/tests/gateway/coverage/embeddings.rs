use serde_json::{Value, json};

use super::{Surface, no_row};

pub(super) const SURFACE: Surface = Surface {
    route: "/v1/embeddings",
    paths: ["/v1/embeddings"; 2],
    request,
    response,
    events: |field, _| no_row(field),
    says: [""; 2],
    finish: "",
    own: &[],
    numbers: &[],
};

fn request(field: &str, text: &str) -> Value {
    match field {
        "input" | "user" => json!({ "model": "e", "input": text, "encoding_format": "base64" }),
        "input of several" => json!({ "model": "e", "input": ["hello", text] }),
        "unknown member" => json!({ "model": "e", "input": "hello", "new": { "words": text } }),
        _ => no_row(field),
    }
}

/// An answer without a text.
pub(super) fn plain() -> Value {
    let row = json!({ "object": "embedding", "index": 0, "embedding": [0.25, -1.5e-3, 4111111111111111.0] });
    json!({ "object": "list", "data": [row], "model": "e", "usage": { "prompt_tokens": 1, "total_tokens": 1 } })
}

fn response(field: &str, text: &str) -> Value {
    let mut answer = plain();
    match field {
        "unknown member" => answer["new"] = json!([text]),
        _ => no_row(field),
    }
    answer
}
