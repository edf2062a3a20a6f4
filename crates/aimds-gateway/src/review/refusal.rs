//! Why a review is not seen, or a decision does not count.

use axum::http::StatusCode;

use crate::error::Failure;

/// Why a review is not seen, or a decision does not count.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Refusal {
    /// There is no such review, or not for this caller.
    #[error("no such review")]
    Unknown,
    /// It is the reviewer's own request.
    #[error("nobody decides on a request of their own")]
    Own,
    /// It does not wait any more.
    #[error("the review does not wait for a decision any more")]
    Decided,
    /// The policy blocks the edited texts.
    #[error("the policy blocks the edited texts")]
    EditBlocked,
    /// The texts cannot be edited.
    #[error("the texts of this review cannot be edited")]
    NotEditable,
    /// A reason must be given.
    #[error("a reason must be given for this decision")]
    NoReason,
    /// The queue cannot be read or written.
    #[error("the review queue is not available; try again shortly")]
    Unavailable,
}

impl Refusal {
    pub(crate) fn status(self) -> StatusCode {
        match self {
            Self::Unknown => StatusCode::NOT_FOUND,
            Self::Own => StatusCode::FORBIDDEN,
            Self::Decided | Self::EditBlocked | Self::NotEditable => StatusCode::CONFLICT,
            Self::NoReason => StatusCode::BAD_REQUEST,
            Self::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
        }
    }

    /// The stable code.
    pub(crate) fn code(self) -> &'static str {
        match self {
            Self::Unknown => "no_such_review",
            Self::Own => "own_request",
            Self::Decided => "review_decided",
            Self::EditBlocked => "edit_blocked",
            Self::NotEditable => "not_editable",
            Self::NoReason => "reason_missing",
            Self::Unavailable => "review_unavailable",
        }
    }
}

impl From<Refusal> for Failure {
    fn from(refusal: Refusal) -> Self {
        Self::Review(refusal)
    }
}
