//! Reviews: where one stands, for whoever asked; the queue, for those who decide.
//!
//! A key of the default tenant (the empty name) decides for every tenant; a key of another tenant only for its own. Nobody
//! decides on a request of their own.

use std::ops::Range;
use std::time::Instant;

use aimds_engine::{Action, Party, Session, Timestamp};
use aimds_learn::Trust;
use aimds_store::{ReviewItem, ReviewState};
use axum::body::Body;
use axum::http::{HeaderMap, HeaderName, HeaderValue, Request, Response, StatusCode, Uri};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{ROUTES, admin, feedback};
use crate::app::{Call, beside, now_ms};
use crate::error::{Failure, json_response};
use crate::json::{self, Document};
use crate::learning::Heard;
use crate::metrics::Direction;
use crate::review::{
    Content, EditedText, Label, Refusal, ReviewDetail, ReviewRow, Reviews, Said, Standing, Verdicted,
    request_of,
};

const REVIEW: HeaderName = HeaderName::from_static("x-aimds-review");
const STATE: HeaderName = HeaderName::from_static("x-aimds-review-state");
/// Items that one answer lists unless told otherwise.
const LISTED: usize = 100;
/// Longest reason, in bytes.
const LONGEST_REASON: usize = 4096;

/// Where a review stands.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct ReviewStatus {
    /// Its name.
    id: String,
    /// `pending`, `approved`, `denied`, `expired` or `withdrawn`.
    state: &'static str,
    /// Until when it waits, or its decision stands; milliseconds since the Unix epoch.
    ends_ms: u64,
    /// Whether its approval was used.
    used: bool,
}

/// The queue.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct ReviewList {
    /// Newest first.
    reviews: Vec<ReviewRow>,
    /// How many of those that the caller sees wait, up to 1000.
    pending: usize,
}

/// What is decided.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum ReviewAction {
    /// It may go on, once.
    Approve,
    /// It may not.
    Deny,
    /// It may go on once with other texts, which the policy must not block.
    Edit,
}

/// What a reviewer says that the texts are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum LabelChoice {
    /// An attack: what `deny` means where nothing is said.
    Attack,
    /// Harmless: what `approve` means where nothing is said.
    Benign,
    /// Neither; what `edit` means where nothing is said.
    None,
}

/// A decision.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ReviewRequest {
    /// `approve`, `deny` or `edit`.
    action: ReviewAction,
    /// Why; for reviewers, at most 4096 bytes.
    #[serde(default)]
    reason: String,
    /// What the texts are: feedback for `aimds learn`.
    label: Option<LabelChoice>,
    /// For `edit`: what stands in place of texts.
    #[serde(default)]
    texts: Vec<EditedText>,
}

/// Tells a refused caller which review it may ask for, or that there was no place for one.
pub(super) fn stamp(headers: &mut HeaderMap, standing: &Standing) {
    if let Some(id) = HeaderValue::from_str(&standing.id).ok().filter(|id| !id.is_empty()) {
        headers.insert(REVIEW, id);
    }
    headers.insert(STATE, HeaderValue::from_static(standing.state));
}

pub(crate) async fn status(call: Call, request: Request<Body>) -> Result<Response<Body>, Failure> {
    let (item, ..) = found(&call, request.uri()).await?;
    // Whoever has the scope sees the queue; here everybody sees their own.
    if (item.tenant.as_str(), item.requester.as_str()) != (call.tenant(), call.key_id()) {
        return Err(Refusal::Unknown.into());
    }
    let used = item.used_ms.is_some();
    answer(&ReviewStatus { id: item.id, state: item.state.as_str(), ends_ms: item.ends_ms, used })
}

pub(crate) async fn list(call: Call, request: Request<Body>) -> Result<Response<Body>, Failure> {
    let reviews = reviews(&call)?;
    let (mut state, mut limit) = (None, LISTED);
    for pair in request.uri().query().into_iter().flat_map(|query| query.split('&')) {
        let wrong = || Failure::Invalid("the query takes state and limit".into());
        match pair.split_once('=').ok_or_else(wrong)? {
            ("state", name) => state = Some(ReviewState::parse(name).ok_or_else(wrong)?),
            ("limit", number) => limit = number.parse().map_err(|_| wrong())?,
            _ => return Err(wrong()),
        }
    }
    let tenant = Some(call.tenant()).filter(|tenant| !tenant.is_empty());
    let items = reviews.list(state, tenant, limit).await.map_err(|_| Refusal::Unavailable)?;
    let waiting = reviews.list(Some(ReviewState::Pending), tenant, usize::MAX).await;
    let pending = waiting.map_err(|_| Refusal::Unavailable)?.len();
    answer(&ReviewList { reviews: items.into_iter().map(ReviewRow::from).collect(), pending })
}

pub(crate) async fn show(call: Call, request: Request<Body>) -> Result<Response<Body>, Failure> {
    let (item, content, said) = for_reviewer(&call, request.uri()).await?;
    answer(&ReviewDetail::new(item, content, said))
}

pub(crate) async fn decide(call: Call, request: Request<Body>) -> Result<Response<Body>, Failure> {
    let (item, content, _) = for_reviewer(&call, request.uri()).await?;
    let (parts, body) = request.into_parts();
    let (asked, _): (ReviewRequest, _) = call.json(&parts.headers, body).await?;
    let ReviewRequest { action, reason, label, texts } = asked;
    if reason.len() > LONGEST_REASON {
        return Err(Failure::Invalid(format!("reason is longer than {LONGEST_REASON} bytes")));
    }
    if texts.is_empty() == (action == ReviewAction::Edit) {
        return Err(Failure::Invalid("edit needs texts, and nothing else has any".into()));
    }
    if item.state != ReviewState::Pending {
        return Err(Refusal::Decided.into());
    }
    let approved = action != ReviewAction::Deny;
    let edited = match action {
        ReviewAction::Edit => Some(inspected(&call, &item, &content.ok_or(Refusal::NotEditable)?, &texts)?),
        ReviewAction::Approve | ReviewAction::Deny => None,
    };
    let label = match (label, action) {
        (Some(LabelChoice::Attack), _) | (None, ReviewAction::Deny) => Some(Label::Attack),
        (Some(LabelChoice::Benign), _) | (None, ReviewAction::Approve) => Some(Label::Benign),
        (Some(LabelChoice::None), _) | (None, ReviewAction::Edit) => None,
    };
    let said = Said { tenant: call.tenant().to_owned(), reason, label, edits: texts, edited };
    let by = Party { tenant: call.tenant(), name: call.key_id() };
    let request_id = item.id.clone();
    let decided = reviews(&call)?.decide(&call.app, item, Verdicted { by, approved, said }).await?;
    // What is said of an answer is no outcome of the request.
    let (request_id, of_request) = request_of(&request_id);
    if let Some(label) = label.filter(|_| of_request && call.app.learning.is_some()) {
        let heard = Heard::Label { attack: label == Label::Attack };
        // The decision stands, whether or not it can be learnt from.
        let _ = feedback::take(&call, request_id, Trust::Verified, heard).await;
    }
    answer(&ReviewRow::from(decided))
}

/// The hash of a request with other texts, which the policy lets pass or wait for a person: nobody approves what it
/// blocks, whoever wrote it.
fn inspected(
    call: &Call,
    item: &ReviewItem,
    content: &Content,
    edits: &[EditedText],
) -> Result<[u8; 32], Failure> {
    let provider = ROUTES.iter().find(|route| route.path == item.route).and_then(|route| route.provider);
    let (Some(body), Some(provider)) = (&content.body, provider) else {
        return Err(Refusal::NotEditable.into());
    };
    let uri: Uri = content.uri.parse().map_err(|_| Refusal::NotEditable)?;
    let depth = call.app.limits.json_depth;
    let document = Document::parse(json::check(body.as_bytes(), depth)?)?;
    let body = edited(&document, &provider.asked(&document, &uri)?.texts.found.spans, edits)?;
    let document = Document::parse(json::check(body.as_bytes(), depth)?)?;
    let conversation = provider.asked(&document, &uri)?.texts.found.conversation;
    let started = Instant::now();
    let expired = || started.elapsed() > call.app.limits.deep_deadline;
    let mut session = Session::new(item.tenant.as_str());
    let outcome =
        beside(|| call.app.engine.inspect_until(&conversation, &mut session, Timestamp(now_ms()), &expired));
    match outcome.decision.action() {
        action if action.forwards() || action == Action::Escalate => {
            let party = Party { tenant: &item.tenant, name: &item.requester };
            Ok(reviews(call)?.digest(party, Direction::Request, &uri, body.as_bytes()))
        }
        _ => Err(Refusal::EditBlocked.into()),
    }
}

/// A body with other texts.
pub(super) fn edited(
    document: &Document,
    spans: &[Range<usize>],
    edits: &[EditedText],
) -> Result<String, Failure> {
    let unknown = || Failure::Invalid("texts names a text that does not exist, or one twice".into());
    let mut places: Vec<usize> = edits.iter().map(|edit| edit.at).collect();
    places.sort_unstable();
    places.dedup();
    if places.len() < edits.len() {
        return Err(unknown());
    }
    let replaced = edits.iter().map(|edit| {
        let span = spans.get(edit.at).ok_or_else(unknown)?;
        Ok((span.clone(), serde_json::Value::from(edit.text.as_str()).to_string()))
    });
    Ok(document.edited(replaced.collect::<Result<_, Failure>>()?))
}

/// The item that the path names, where the caller may decide on it.
async fn for_reviewer(
    call: &Call,
    uri: &Uri,
) -> Result<(ReviewItem, Option<Content>, Option<Said>), Failure> {
    let found = found(call, uri).await?;
    if admin::sees(call, &found.0.tenant) { Ok(found) } else { Err(Refusal::Unknown.into()) }
}

async fn found(call: &Call, uri: &Uri) -> Result<(ReviewItem, Option<Content>, Option<Said>), Failure> {
    let id = uri.path().rsplit('/').next().unwrap_or_default();
    let found = reviews(call)?.detail(id).await.map_err(|_| Refusal::Unavailable)?;
    Ok(found.ok_or(Refusal::Unknown)?)
}

/// Where no queue is configured there is no item either.
fn reviews(call: &Call) -> Result<&Reviews, Failure> {
    Ok(call.app.reviews.as_ref().ok_or(Refusal::Unknown)?)
}

fn answer<T: Serialize>(body: &T) -> Result<Response<Body>, Failure> {
    let body = serde_json::to_vec(body).map_err(|_| Failure::Internal)?;
    Ok(json_response(StatusCode::OK, body))
}
