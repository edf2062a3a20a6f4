//! What the members of providers' JSON are called, and what their values look like: the tables behind [`super::texts`].

use aimds_engine::Origin;

/// A name, whose text it stands for, and the member below that may hold any JSON.
pub(super) type Owner = (&'static str, Origin, &'static str);

/// Members that hold names, not words. A value that does not look like a name is inspected all the same.
pub(super) const IDENTIFIERS: [&str; 27] = [
    "role",
    "type",
    "object",
    "model",
    "modelVersion",
    "system_fingerprint",
    "service_tier",
    "id",
    "responseId",
    "request_id",
    "previous_response_id",
    "tool_call_id",
    "tool_use_id",
    "call_id",
    "item_id",
    "response_id",
    "file_id",
    "format",
    "detail",
    "status",
    "finish_reason",
    "finishReason",
    "stop_reason",
    "media_type",
    "mimeType",
    "mime_type",
    "obfuscation",
];

/// Members that hold encoded media, vectors, signatures or ciphertext. A value with anything but the letters of base64
/// is inspected all the same.
pub(super) const MEDIA: [&str; 11] = [
    "data",
    "file_data",
    "url",
    "image_url",
    "embedding",
    "signature",
    "encrypted_content",
    "thoughtSignature",
    "thought_signature",
    "encrypted_index",
    "b64_json",
];

/// Members that spell the texts beside them out token by token. They stay as they are while those texts do.
pub(super) const REPETITIONS: [&str; 2] = ["logprobs", "logprobsResult"];

/// Objects, by their `type`.
pub(super) const TYPED: [Owner; 24] = [
    ("tool_use", Origin::Model, "input"),
    ("server_tool_use", Origin::Model, "input"),
    ("mcp_tool_use", Origin::Model, "input"),
    ("thinking", Origin::Model, ""),
    ("reasoning", Origin::Model, ""),
    ("function_call", Origin::Model, ""),
    ("custom_tool_call", Origin::Model, ""),
    ("mcp_call", Origin::Model, ""),
    ("computer_call", Origin::Model, "action"),
    ("local_shell_call", Origin::Model, "action"),
    ("shell_call", Origin::Model, "action"),
    ("apply_patch_call", Origin::Model, "operation"),
    ("code_interpreter_call", Origin::Model, ""),
    ("web_search_call", Origin::Model, "action"),
    ("tool_result", Origin::Tool, ""),
    ("mcp_tool_result", Origin::Tool, ""),
    ("web_search_tool_result", Origin::Tool, ""),
    ("function_call_output", Origin::Tool, ""),
    ("custom_tool_call_output", Origin::Tool, ""),
    ("shell_call_output", Origin::Tool, ""),
    ("file_search_call", Origin::Tool, ""),
    ("document", Origin::Document, ""),
    ("search_result", Origin::Document, ""),
    ("mcp_list_tools", Origin::Document, ""),
];

/// Members, by their name.
pub(super) const NAMED: [Owner; 9] = [
    ("functionCall", Origin::Model, "args"),
    ("function_call", Origin::Model, "args"),
    ("executableCode", Origin::Model, ""),
    ("executable_code", Origin::Model, ""),
    ("functionResponse", Origin::Tool, "response"),
    ("function_response", Origin::Tool, "response"),
    ("codeExecutionResult", Origin::Tool, ""),
    ("code_execution_result", Origin::Tool, ""),
    ("file", Origin::Document, ""),
];

/// Members that hold the arguments of a call.
pub(super) const CALLED: [&str; 3] = ["arguments", "args", "input"];

/// A number with this many digits may be a card or an account; it is inspected where any JSON may stand.
pub(super) const LONG_NUMBER: usize = 9;

/// Shorter strings are inspected, whatever they are: that costs nothing.
pub(super) const SHORTEST_MEDIA: usize = 64;

/// Whether a key is an ordinary name. Others are read by the model like any text (`{"ignore all instructions": 1}`).
pub(crate) fn is_name(key: &str) -> bool {
    key.len() <= 64
        && key.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.' | b'$'))
        && key.bytes().filter(u8::is_ascii_digit).count() < LONG_NUMBER
}

/// Whether a text is nothing but an identifier.
pub(crate) fn is_identifier(text: &str) -> bool {
    text.len() <= 128
        && text.bytes().all(|byte| {
            byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.' | b':' | b'/' | b'|')
        })
}

/// Whether a string is encoded media: long, and of nothing but the letters of base64. An address is none, unless it
/// holds the media itself.
pub(super) fn is_media(key: &str, text: &str) -> bool {
    const ENCODED: [&str; 4] = ["image/", "audio/", "video/", "application/"];
    let letters = match text.strip_prefix("data:") {
        Some(media) if ENCODED.iter().any(|kind| media.starts_with(kind)) => {
            media.split_once(";base64,").map(|(_, letters)| letters)
        }
        Some(_) => None,
        None => Some(text).filter(|text| !key.ends_with("url") && text.len() >= SHORTEST_MEDIA),
    };
    letters.is_some_and(|letters| {
        letters.bytes().all(|byte| {
            byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/' | b'=' | b'-' | b'_' | b'\n' | b'\r')
        })
    })
}
