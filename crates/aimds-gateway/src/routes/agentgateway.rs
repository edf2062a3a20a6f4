//! `POST /request` and `POST /response`: agentgateway's guardrail webhook.
//!
//! Its client tells the actions apart by what they hold: a body with messages or choices masks, a body of text with a status
//! rejects, anything else passes. As many messages come back as came in, in the same order. Texts that cannot be handed back
//! do not exist here: every text is a message's.

use aimds_engine::{Conversation, Message, Origin, Role};
use axum::body::Body;
use axum::http::{Request, Response};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{clear, verdict};
use crate::app::Call;
use crate::error::Failure;
use crate::metrics::Direction;

/// What a client is about to send to a model.
#[derive(Debug, Deserialize, JsonSchema)]
pub(crate) struct PromptRequest {
    /// The request.
    body: Prompt,
}

/// The messages of a request.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
struct Prompt {
    messages: Vec<Said>,
}

/// What a model has answered.
#[derive(Debug, Deserialize, JsonSchema)]
pub(crate) struct AnswerRequest {
    /// The answer.
    body: Choices,
}

/// The choices of an answer.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
struct Choices {
    choices: Vec<Choice>,
}

/// One of them.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
struct Choice {
    message: Said,
}

/// One message.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
struct Said {
    /// `system`, `developer`, `user`, `assistant` or `tool`; any other counts as a document that the user brings.
    role: String,
    /// The text.
    content: String,
}

/// What to do with a request.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct PromptAnswer {
    action: Act<Prompt>,
}

/// What to do with an answer.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct ChoicesAnswer {
    action: Act<Choices>,
}

/// What to do.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(untagged)]
enum Act<B> {
    /// Send this on in its place.
    Mask { body: B, reason: String },
    /// Send nothing on; answer with this text and status.
    Reject { body: String, status_code: u16, reason: String },
    /// Send it on as it is.
    Pass { reason: String },
}

pub(crate) async fn request(call: Call, request: Request<Body>) -> Result<Response<Body>, Failure> {
    let (parts, body) = request.into_parts();
    let (asked, _): (PromptRequest, _) = call.json(&parts.headers, body).await?;
    let body = asked.body;
    let mut conversation = Conversation::default();
    for said in &body.messages {
        let role = Role::parse(&said.role.to_ascii_lowercase());
        let (role, origin) =
            role.map_or((Role::User, Origin::Document), |role| (role, role.default_origin()));
        conversation.push(role, origin, said.content.as_str());
    }
    let (action, act) = decide(&call, Direction::Request, conversation, body, |body, texts| {
        body.messages.iter_mut().zip(texts).for_each(|(said, text)| said.content = text.text);
    })?;
    verdict(action, &PromptAnswer { action: act })
}

pub(crate) async fn response(call: Call, request: Request<Body>) -> Result<Response<Body>, Failure> {
    let (parts, body) = request.into_parts();
    let (asked, _): (AnswerRequest, _) = call.json(&parts.headers, body).await?;
    let body = asked.body;
    let mut conversation = Conversation::default();
    for choice in &body.choices {
        conversation.push(Role::Assistant, Origin::Model, choice.message.content.as_str());
    }
    let (action, act) = decide(&call, Direction::Response, conversation, body, |body, texts| {
        body.choices.iter_mut().zip(texts).for_each(|(choice, text)| choice.message.content = text.text);
    })?;
    verdict(action, &ChoicesAnswer { action: act })
}

/// Has the engine decide on texts that stand in `body` in the same order; `put` puts others into their places.
fn decide<B>(
    call: &Call,
    direction: Direction,
    conversation: Conversation,
    mut body: B,
    put: impl FnOnce(&mut B, Vec<Message>),
) -> Result<(aimds_engine::Action, Act<B>), Failure> {
    let inspection = call.inspect(direction, &conversation)?;
    let decision = inspection.outcome.decision;
    let action = decision.action();
    let categories = inspection.verdict.categories.join(", ");
    let reject = |action| {
        let block = &call.app.block;
        let reason = format!("blocked by policy: {categories}");
        let reject = Act::Reject { body: block.text.clone(), status_code: block.status.as_u16(), reason };
        Ok((action, reject))
    };
    let Some(permit) = decision.into_permit() else { return reject(action) };
    let Some(cleared) = clear(call, permit, conversation)? else {
        return reject(aimds_engine::Action::Block);
    };
    if cleared.changed().is_empty() {
        return Ok((action, Act::Pass { reason: action.as_str().to_owned() }));
    }
    put(&mut body, cleared.into_conversation().messages);
    Ok((action, Act::Mask { body, reason: format!("changed by policy: {categories}") }))
}
