//! `POST /v1/moderations`: drop-in for OpenAI's moderations.
//!
//! OpenAI's categories are about harmful content, which is not what this gateway looks for: they are all present and
//! all false. `flagged` means that the policy does not let the text pass; why stands beside them, in `aimds`, so that
//! clients with closed types for `categories` keep working.

use aimds_engine::{Action, Conversation, Message, Origin, Role};
use axum::body::Body;
use axum::http::{Request, Response};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::verdict;
use crate::app::{Call, MAX_TEXTS};
use crate::error::Failure;
use crate::messages::Part;
use crate::metrics::Direction;

/// OpenAI's request. `model` is accepted and not used.
#[derive(Debug, Deserialize, JsonSchema)]
pub(crate) struct ModerationsRequest {
    /// One text, several texts (one result each), or the parts of one message (one result).
    input: Input,
}

/// What is to be looked at.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(untagged)]
enum Input {
    /// One text.
    Text(String),
    /// Several texts.
    Texts(Vec<String>),
    /// The parts of one message; parts without text are not looked at.
    Parts(Vec<Part>),
}

/// OpenAI's answer.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct ModerationsAnswer {
    id: String,
    model: &'static str,
    results: Vec<Moderation>,
}

/// The result for one text.
#[derive(Debug, Serialize, JsonSchema)]
struct Moderation {
    flagged: bool,
    categories: Categories<bool>,
    category_scores: Categories<f32>,
    category_applied_input_types: Categories<[&'static str; 1]>,
    aimds: Why,
}

/// Why a text is flagged.
#[derive(Debug, Serialize, JsonSchema)]
struct Why {
    /// `allow`, `flag`, `redact`, `escalate` or `block`.
    decision: &'static str,
    /// Calibrated manipulation risk in \[0, 1\].
    score: f32,
    /// Categories found.
    categories: Vec<&'static str>,
}

/// OpenAI's thirteen categories.
#[derive(Clone, Copy, Debug, Serialize, JsonSchema)]
struct Categories<T> {
    harassment: T,
    #[serde(rename = "harassment/threatening")]
    harassment_threatening: T,
    hate: T,
    #[serde(rename = "hate/threatening")]
    hate_threatening: T,
    illicit: T,
    #[serde(rename = "illicit/violent")]
    illicit_violent: T,
    #[serde(rename = "self-harm")]
    self_harm: T,
    #[serde(rename = "self-harm/instructions")]
    self_harm_instructions: T,
    #[serde(rename = "self-harm/intent")]
    self_harm_intent: T,
    sexual: T,
    #[serde(rename = "sexual/minors")]
    sexual_minors: T,
    violence: T,
    #[serde(rename = "violence/graphic")]
    violence_graphic: T,
}

impl<T: Copy> Categories<T> {
    fn all(value: T) -> Self {
        Self {
            harassment: value,
            harassment_threatening: value,
            hate: value,
            hate_threatening: value,
            illicit: value,
            illicit_violent: value,
            self_harm: value,
            self_harm_instructions: value,
            self_harm_intent: value,
            sexual: value,
            sexual_minors: value,
            violence: value,
            violence_graphic: value,
        }
    }
}

pub(crate) async fn answer(call: Call, request: Request<Body>) -> Result<Response<Body>, Failure> {
    let (parts, body) = request.into_parts();
    let (asked, _): (ModerationsRequest, _) = call.json(&parts.headers, body).await?;
    let user = |text: String| Conversation::single(Origin::User, text);
    let conversations = match asked.input {
        Input::Text(text) => vec![user(text)],
        Input::Texts(texts) if texts.len() > MAX_TEXTS => {
            return Err(Failure::Invalid(format!("the request holds more than {MAX_TEXTS} texts")));
        }
        Input::Texts(texts) => texts.into_iter().map(user).collect(),
        Input::Parts(parts) => {
            let texts = parts.into_iter().filter_map(|part| part.text);
            let message = |text| Message {
                role: Role::User,
                origin: Origin::User,
                index: 0,
                pointer: String::new(),
                text,
            };
            vec![Conversation { messages: texts.map(message).collect(), tools: Vec::new() }]
        }
    };
    let mut strongest = Action::Allow;
    let mut results = Vec::with_capacity(conversations.len());
    for conversation in conversations {
        let inspection = call.inspect(Direction::Request, &conversation)?;
        let action = inspection.outcome.decision.action();
        strongest = strongest.max(action);
        results.push(Moderation {
            flagged: !inspection.outcome.decision.passes(),
            categories: Categories::all(false),
            category_scores: Categories::all(0.0),
            category_applied_input_types: Categories::all(["text"]),
            aimds: Why {
                decision: inspection.verdict.decision,
                score: inspection.verdict.score,
                categories: inspection.verdict.categories,
            },
        });
    }
    let answer = ModerationsAnswer {
        id: format!("modr-{}", call.id.as_str()),
        model: concat!("aimds-", env!("CARGO_PKG_VERSION")),
        results,
    };
    verdict(strongest, &answer)
}
