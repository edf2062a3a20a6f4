//! `POST /contentsafety/text:shieldPrompt`: drop-in for Azure Prompt Shields, which PyRIT and LiteLLM call.
//!
//! `attackDetected` is about manipulation: personal data in a document does not make it an attack.

use aimds_engine::{Action, Conversation, Origin, ReasonCode, Role};
use axum::body::Body;
use axum::http::{Request, Response};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{effective, verdict};
use crate::app::{Call, Inspection};
use crate::error::Failure;
use crate::metrics::Direction;

/// Azure's request: a prompt, documents, or both.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ShieldRequest {
    /// What the user typed.
    #[serde(default)]
    user_prompt: Option<String>,
    /// Texts that the model is to work on.
    #[serde(default)]
    documents: Option<Vec<String>>,
}

/// Azure's answer.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ShieldAnswer {
    #[serde(skip_serializing_if = "Option::is_none")]
    user_prompt_analysis: Option<Analysis>,
    documents_analysis: Vec<Analysis>,
}

/// The result for one text.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
struct Analysis {
    attack_detected: bool,
}

pub(crate) async fn answer(call: Call, request: Request<Body>) -> Result<Response<Body>, Failure> {
    let (parts, body) = request.into_parts();
    let (asked, _): (ShieldRequest, _) = call.json(&parts.headers, body).await?;
    if asked.user_prompt.is_none() && asked.documents.is_none() {
        return Err(Failure::Invalid("give userPrompt, documents or both".into()));
    }
    let mut conversation = Conversation::default();
    let prompts = usize::from(asked.user_prompt.is_some());
    if let Some(prompt) = asked.user_prompt {
        conversation.push(Role::User, Origin::User, prompt);
    }
    for document in asked.documents.into_iter().flatten() {
        conversation.push(Role::User, Origin::Document, document);
    }
    let inspection = call.inspect(Direction::Request, &conversation)?;
    let analysis = |position| Analysis { attack_detected: is_attack(&inspection, position) };
    let answer = ShieldAnswer {
        user_prompt_analysis: (prompts > 0).then(|| analysis(0)),
        documents_analysis: (prompts..conversation.messages.len()).map(analysis).collect(),
    };
    verdict(inspection.outcome.decision.action(), &answer)
}

fn is_attack(inspection: &Inspection, position: usize) -> bool {
    let decision = &inspection.outcome.decision;
    decision.reasons().iter().any(|reason| {
        let manipulation = match reason.code {
            ReasonCode::Risk
            | ReasonCode::Budget
            | ReasonCode::Session
            | ReasonCode::Temporal
            | ReasonCode::Learnt => true,
            ReasonCode::Finding | ReasonCode::Playbook => {
                reason.category.is_none_or(|category| !category.is_data())
            }
            ReasonCode::Degraded | ReasonCode::AllowList => false,
        };
        // This shape has no place for a changed text: what only passes changed does not pass.
        let least = if reason.code == ReasonCode::Playbook { Action::Redact } else { Action::Throttle };
        let acts = effective(reason.action, decision.monitored()) >= least;
        reason.message == Some(position) && manipulation && acts
    })
}
