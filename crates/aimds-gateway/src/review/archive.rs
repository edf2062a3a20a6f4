//! Items as people and programs see them, from the gateway or from the file.

use std::path::Path;

use aimds_store::{ReviewFilter, ReviewItem, ReviewState};
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::Value;

use super::content::{Content, EditedText, Label, ReviewText, Said};
use super::shelf::{ReviewOpenError, Shelf};
use crate::config::VaultKey;

/// One item, without its texts.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct ReviewRow {
    /// Its name: that of the request that opened it.
    id: String,
    /// Whose request it is.
    tenant: String,
    /// The key that asks.
    requester: String,
    /// Where the request came in.
    route: String,
    /// `pending`, `approved`, `denied`, `expired` or `withdrawn`.
    state: &'static str,
    /// Milliseconds since the Unix epoch.
    opened_ms: u64,
    /// Until when it waits, or its decision stands.
    ends_ms: u64,
    /// When it was decided on, or ended.
    #[serde(skip_serializing_if = "Option::is_none")]
    decided_ms: Option<u64>,
    /// Who decided.
    #[serde(skip_serializing_if = "Option::is_none")]
    by: Option<String>,
    /// When its approval was used.
    #[serde(skip_serializing_if = "Option::is_none")]
    used_ms: Option<u64>,
}

impl From<ReviewItem> for ReviewRow {
    fn from(item: ReviewItem) -> Self {
        Self {
            id: item.id,
            tenant: item.tenant,
            requester: item.requester,
            route: item.route,
            state: item.state.as_str(),
            opened_ms: item.opened_ms,
            ends_ms: item.ends_ms,
            decided_ms: item.decided_ms,
            by: item.decided_by,
            used_ms: item.used_ms,
        }
    }
}

/// One item, with everything that a reviewer needs.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct ReviewDetail {
    /// The item.
    #[serde(flatten)]
    row: ReviewRow,
    /// The texts of the request; left out where they are not kept any more.
    #[serde(skip_serializing_if = "Option::is_none")]
    texts: Option<Vec<ReviewText>>,
    /// Which text is the reason for the decision.
    #[serde(skip_serializing_if = "Option::is_none")]
    decisive: Option<usize>,
    /// The verdict, as `/v1/guard` tells it.
    #[serde(skip_serializing_if = "Option::is_none")]
    verdict: Option<Value>,
    /// Whether it can be approved with other texts.
    editable: bool,
    /// What the reviewer said: why.
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
    /// What the texts are, by the reviewer.
    #[serde(skip_serializing_if = "Option::is_none")]
    label: Option<Label>,
    /// What stands in place of texts.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    edits: Vec<EditedText>,
}

impl ReviewDetail {
    pub(crate) fn new(item: ReviewItem, content: Option<Content>, said: Option<Said>) -> Self {
        let (reason, label, edits) =
            said.map_or((None, None, Vec::new()), |said| (Some(said.reason), said.label, said.edits));
        let editable = content.as_ref().is_some_and(|content| content.body.is_some());
        let (texts, decisive, verdict) = match content {
            Some(content) => (Some(content.texts), content.decisive, Some(content.verdict)),
            None => (None, None, None),
        };
        Self { row: item.into(), texts, decisive, verdict, editable, reason, label, edits }
    }
}

/// The file of a queue, to be read beside a gateway that writes to it or without one.
///
/// It cannot decide: decisions go through the gateway, which knows who decides and records it.
pub struct ReviewArchive(Shelf);

impl ReviewArchive {
    /// Opens the file. Without `key`, the key lies beside it.
    ///
    /// # Errors
    /// Anything that [`ReviewOpenError`] names.
    pub fn open(path: &Path, key: Option<&VaultKey>) -> Result<Self, ReviewOpenError> {
        Ok(Self(Shelf::read(path, key)?))
    }

    /// Items in a state (any where it is `None`), newest first, as `GET /admin/reviews` shows them.
    ///
    /// # Errors
    /// The file cannot be read.
    pub fn list(&self, state: Option<ReviewState>, limit: usize) -> Result<Vec<Value>, ArchiveError> {
        let items = self.0.file.list(&ReviewFilter { state, tenant: None, limit }).map_err(failed)?;
        items.into_iter().map(|item| serde_json::to_value(ReviewRow::from(item)).map_err(failed)).collect()
    }

    /// One item as `GET /admin/reviews/{id}` shows it; `None` where there is none.
    ///
    /// # Errors
    /// The file cannot be read, or what is sealed in it was changed.
    pub fn show(&self, id: &str) -> Result<Option<Value>, ArchiveError> {
        let Some(item) = self.0.file.get(id).map_err(failed)? else { return Ok(None) };
        let (content, said) = (self.0.content(&item).map_err(failed)?, self.0.said(&item).map_err(failed)?);
        serde_json::to_value(ReviewDetail::new(item, content, said)).map(Some).map_err(failed)
    }
}

/// The file of a queue cannot be read.
#[derive(Debug, thiserror::Error)]
#[error("cannot read the review queue")]
pub struct ArchiveError(#[source] Box<dyn std::error::Error + Send + Sync>);

fn failed(error: impl std::error::Error + Send + Sync + 'static) -> ArchiveError {
    ArchiveError(Box::new(error))
}
