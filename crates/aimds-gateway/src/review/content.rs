//! What of an item is sealed: the texts for the reviewer, and what the reviewer said.

use aimds_engine::{Conversation, Verdict};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// Everything that a reviewer sees.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Content {
    /// Path and query.
    pub(crate) uri: String,
    /// The body, where its texts can be edited.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub(crate) body: Option<String>,
    /// The texts, in the order of the conversation.
    pub(crate) texts: Vec<ReviewText>,
    /// Which of them is the reason for the decision.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub(crate) decisive: Option<usize>,
    /// The verdict, as `/v1/guard` tells it.
    pub(crate) verdict: Value,
}

/// One text of a request that waits.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub(crate) struct ReviewText {
    /// Its place, which an edit names.
    pub(crate) at: usize,
    /// Who says it.
    pub(crate) role: String,
    /// Where it came from.
    pub(crate) origin: String,
    /// The text.
    pub(crate) text: String,
}

impl Content {
    pub(crate) fn new(
        uri: &str,
        body: Option<&str>,
        conversation: &Conversation,
        verdict: &Verdict,
        decisive: Option<usize>,
    ) -> Self {
        let text = |(at, message): (usize, &aimds_engine::Message)| ReviewText {
            at,
            role: message.role.as_str().to_owned(),
            origin: message.origin.as_str().to_owned(),
            text: message.text.clone(),
        };
        Self {
            uri: uri.to_owned(),
            body: body.map(str::to_owned),
            texts: conversation.messages.iter().enumerate().map(text).collect(),
            decisive,
            verdict: serde_json::to_value(verdict).unwrap_or_default(),
        }
    }
}

/// What a reviewer said.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(crate) struct Said {
    /// The tenant of whoever decided.
    pub(crate) tenant: String,
    /// Why.
    pub(crate) reason: String,
    /// What the texts are.
    pub(crate) label: Option<Label>,
    /// What stands in place of texts.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub(crate) edits: Vec<EditedText>,
    /// The hash of the request with these texts.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub(crate) edited: Option<[u8; 32]>,
}

/// What stands in place of a text.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct EditedText {
    /// The place of the text, as the item shows it.
    pub(crate) at: usize,
    /// What stands there.
    pub(crate) text: String,
}

/// What a reviewer says that the texts are: feedback for the learner.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Label {
    /// An attack.
    Attack,
    /// Harmless.
    Benign,
}
