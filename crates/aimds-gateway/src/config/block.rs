//! What a block looks like.

use axum::http::StatusCode;
use schemars::JsonSchema;
use serde::Deserialize;

use super::error::{ConfigError, value};

/// What a block looks like.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct BlockFile {
    /// Refusal or error.
    pub shape: BlockShape,
    /// The words of a refusal or an error.
    pub refusal_text: String,
    /// Status of an error: 400 to 499.
    pub status: u16,
}

/// How the in-line proxy answers when it blocks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum BlockShape {
    /// 200 in the provider's shape, `finish_reason` `content_filter`.
    Refusal,
    /// 4xx in the provider's error shape, code `content_filter`.
    Error,
}

impl Default for BlockFile {
    fn default() -> Self {
        Self {
            shape: BlockShape::Refusal,
            refusal_text: "I can't help with that: the request was blocked by a security policy.".into(),
            status: 400,
        }
    }
}

/// What a block looks like.
#[derive(Clone, Debug)]
pub struct Block {
    /// Refusal or error.
    pub shape: BlockShape,
    /// The words of a refusal or an error.
    pub text: String,
    /// Status of an error.
    pub status: StatusCode,
}

pub(super) fn resolve(file: BlockFile) -> Result<Block, ConfigError> {
    let status = StatusCode::from_u16(file.status)
        .ok()
        .filter(StatusCode::is_client_error)
        .ok_or_else(|| value("block.status", "must be between 400 and 499"))?;
    Ok(Block { shape: file.shape, text: file.refusal_text, status })
}
