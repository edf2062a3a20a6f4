//! `POST /v1/feedback`: what became of a decision.
//!
//! The caller needs the scope `feedback`; what one says who has the scope `admin` too counts as a reviewer's. A caller who
//! passes on what an end user says states so, and is then not believed: it can change no response.

use aimds_learn::Trust;
use axum::body::Body;
use axum::http::{Request, Response};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::admin::answer;
use crate::app::{Call, now_ms};
use crate::auth::Scope;
use crate::error::Failure;
use crate::learning::{Heard, Missing};

const NO_LEARNER: &str = "learner: learn.state is not configured";

/// What became of a decision: exactly one of `label` and `reward`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct FeedbackRequest {
    /// The request that was decided on: its x-aimds-request-id.
    request_id: String,
    /// What the request was.
    label: Option<Label>,
    /// How good what was done turned out, from 0 (it should never have been done) to 1 (it was just right).
    reward: Option<f64>,
    /// The caller passes on what an end user says.
    #[serde(default)]
    end_user: bool,
}

/// What a request was.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Label {
    /// It tried to manipulate the model.
    Attack,
    /// It was harmless.
    Benign,
}

/// Whether it counts.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct FeedbackAnswer {
    /// False where the decision had its outcome already.
    taken: bool,
    /// As what it counts: `untrusted`, `trusted` or `verified`.
    trust: &'static str,
}

pub(crate) async fn hear(call: Call, request: Request<Body>) -> Result<Response<Body>, Failure> {
    if call.app.learning.is_none() {
        return Err(Failure::NotThere(NO_LEARNER));
    }
    let (parts, body) = request.into_parts();
    let (feedback, _): (FeedbackRequest, _) = call.json(&parts.headers, body).await?;
    let heard = match (feedback.label, feedback.reward) {
        (Some(label), None) => Heard::Label { attack: label == Label::Attack },
        (None, Some(reward)) if (0.0..=1.0).contains(&reward) => Heard::Reward(reward),
        (None, Some(_)) => return Err(Failure::Invalid("reward must be between 0 and 1".into())),
        _ => return Err(Failure::Invalid("give exactly one of label and reward".into())),
    };
    let reviewer = call.principal.as_ref().is_some_and(|principal| principal.may(Scope::Admin));
    let (trust, told) = match (feedback.end_user, reviewer) {
        (true, _) => (Trust::Untrusted, "untrusted"),
        (false, true) => (Trust::Verified, "verified"),
        (false, false) => (Trust::Trusted, "trusted"),
    };
    let taken = take(&call, &feedback.request_id, trust, heard).await?;
    answer(&FeedbackAnswer { taken, trust: told })
}

/// Makes an experience of what the caller says and waits until the log has it; false where the decision had its outcome.
pub(super) async fn take(call: &Call, request_id: &str, trust: Trust, heard: Heard) -> Result<bool, Failure> {
    let learning = call.app.learning.as_ref().ok_or(Failure::NotThere(NO_LEARNER))?;
    // A caller of the default tenant speaks for every tenant's requests.
    let tenant = Some(call.tenant()).filter(|tenant| !tenant.is_empty());
    let source = format!("{}/{}", call.tenant(), call.key_id());
    let experience = match learning.hear(request_id, tenant, &source, trust, heard, now_ms()) {
        Ok(experience) => experience,
        Err(Missing::Answered) => return Ok(false),
        Err(Missing::Unknown) => return Err(Failure::NotThere("decision that is remembered")),
    };
    if call.record_experience(request_id, experience).await.is_err() {
        learning.unheard(request_id, trust);
        return Err(Failure::Unrecorded);
    }
    Ok(true)
}
