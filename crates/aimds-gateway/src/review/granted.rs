//! From an approval to a permit.

use aimds_engine::{Action, Approval, Decision, Permit};
use axum::http::Uri;

use super::content::EditedText;
use super::{Answer, Escalated};
use crate::app::Call;
use crate::error::Failure;

/// An approval that was used up just now.
pub(crate) struct Approved {
    pub(crate) id: String,
    pub(crate) edits: Vec<EditedText>,
    pub(super) approval: Approval,
}

/// An approval, and the hash of what is to go on by it.
pub(crate) struct Granted {
    approval: Approval,
    of: [u8; 32],
}

impl Call {
    /// Asks for a person where the policy escalates a request and there is a queue.
    ///
    /// # Errors
    /// As [`Reviews::ask`](super::Reviews::ask).
    pub(crate) async fn ask_for_review(&self, request: &Escalated<'_>) -> Result<Answer, Failure> {
        match &self.app.reviews {
            Some(reviews) if request.inspection.outcome.decision.action() == Action::Escalate => {
                reviews.ask(self, request).await
            }
            _ => Ok(Answer::NobodyAsked),
        }
    }

    /// The approval that was used up, for the bytes that are to go on.
    pub(crate) fn granted(&self, approved: Approved, uri: &Uri, body: &[u8]) -> Option<Granted> {
        let of = self.app.reviews.as_ref()?.digest(self.tenant(), self.key_id(), uri, body);
        Some(Granted { approval: approved.approval, of })
    }
}

/// The permit to go on: of the policy, or by an approval.
pub(crate) fn permit(decision: Decision, granted: Option<&Granted>) -> Option<Permit> {
    match decision.action() {
        Action::Escalate => {
            let Granted { approval, of } = granted?;
            decision.into_escalation()?.approved(approval, of).ok()
        }
        _ => decision.into_permit(),
    }
}
