//! What the policy escalates, and the people who decide on it.
//!
//! An escalated request opens an item in a file that survives restarts. Somebody else decides; an approval is a permit for
//! the same bytes of the same caller, once. The types of the policy see to it that nothing else becomes a permit
//! ([`aimds_engine::Approval`]); that it is used once is a transaction of the file.

mod archive;
mod content;
mod events;
mod granted;
mod refusal;
mod shelf;
mod waiting;

use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use aimds_engine::{Action, Approval, Conversation, Party};
use aimds_store::{Added, Decided, NewReview, ReviewFilter, ReviewItem, ReviewLimits, ReviewState};
use axum::http::Uri;
use tokio::sync::{Notify, Semaphore};

pub use archive::{ArchiveError, ReviewArchive};
pub(crate) use archive::{ReviewDetail, ReviewRow};
pub(crate) use content::{Content, EditedText, Label, Said};
pub(crate) use granted::{Approved, Granted, permit};
pub(crate) use refusal::Refusal;
pub use shelf::ReviewOpenError;

use crate::app::{App, Call, Inspection, now_ms};
use crate::config::ReviewConfig;
use crate::error::Failure;
use crate::metrics::Direction;
use crate::reload::Current;
use events::{Event, Events};
use shelf::{ReviewKey, Shelf, ShelfError, about_content, about_said};
use waiting::Waiters;

/// How often what has ended is looked for.
const SWEEP: Duration = Duration::from_secs(30);
/// Whose approval it is that nobody gave in time, where the operator wants it so.
const NOBODY: Party<'static> = Party { tenant: "", name: "(nobody in time)" };

/// The queue.
pub(crate) struct Reviews {
    shelf: Arc<Mutex<Shelf>>,
    key: ReviewKey,
    config: ReviewConfig,
    events: Events,
    /// Something was decided or has ended.
    changed: Notify,
    waiters: Waiters,
    places: Semaphore,
}

/// A request that the policy has escalated.
pub(crate) struct Escalated<'a> {
    /// Which half of the exchange it is.
    pub(crate) direction: Direction,
    pub(crate) uri: &'a Uri,
    pub(crate) body: &'a [u8],
    /// Whether its texts stand in the body so that they can be edited.
    pub(crate) editable: bool,
    pub(crate) conversation: &'a Conversation,
    pub(crate) inspection: &'a Inspection,
}

/// What became of it.
pub(crate) enum Answer {
    /// Nobody is asked.
    NobodyAsked,
    /// It does not go on now.
    Stands(Standing),
    /// It goes on, once.
    Approved(Approved),
}

/// Where the review of a refused request stands.
pub(crate) struct Standing {
    /// Empty where nobody is asked.
    pub(crate) id: String,
    pub(crate) state: &'static str,
}

/// Who decides on what, and how.
pub(crate) struct Verdicted<'a> {
    pub(crate) by: Party<'a>,
    pub(crate) approved: bool,
    pub(crate) said: Said,
}

impl Reviews {
    /// Opens the queue.
    pub(crate) fn open(config: ReviewConfig) -> Result<Self, ReviewOpenError> {
        let shelf = Shelf::open(&config.path, config.key.as_ref())?;
        let failed = |source| ReviewOpenError::File { path: config.path.clone(), source };
        let counts = shelf.file.counts().map_err(failed)?;
        let places = Semaphore::new(config.max_waiting);
        Ok(Self {
            key: shelf.key.clone(),
            shelf: Arc::new(Mutex::new(shelf)),
            events: Events::new(counts),
            changed: Notify::new(),
            waiters: Waiters::default(),
            places,
            config,
        })
    }

    /// Adds to what Prometheus reads.
    pub(crate) fn expose(&self, out: &mut String) {
        self.events.expose(out);
    }

    /// Works on the file where it holds up nobody.
    async fn shelf<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut Shelf) -> Result<T, ShelfError> + Send + 'static,
    ) -> Result<T, ShelfError> {
        let shelf = Arc::clone(&self.shelf);
        let worked = tokio::task::spawn_blocking(move || {
            let mut shelf = shelf.lock().unwrap_or_else(PoisonError::into_inner);
            let done = work(&mut shelf)?;
            Ok::<_, ShelfError>((done, shelf.file.counts()?))
        });
        let result = match worked.await {
            Ok(result) => result,
            Err(_) => return Err(ShelfError::Sealed),
        };
        match result {
            Ok((done, counts)) => {
                self.events.counted(counts);
                Ok(done)
            }
            Err(error) => {
                self.events.failed();
                tracing::error!(%error, "the review queue failed");
                Err(error)
            }
        }
    }

    /// Asks whether somebody has approved a request, or asks for somebody to. A queue that fails asks nobody: the request
    /// does not go on then.
    ///
    /// # Errors
    /// [`Failure::Unrecorded`] where the use of an approval cannot be recorded.
    pub(crate) async fn ask(&self, call: &Call, request: &Escalated<'_>) -> Result<Answer, Failure> {
        let id = named(call.id.as_str(), request.direction);
        let (tenant, requester) = (call.tenant().to_owned(), call.key_id().to_owned());
        let (part, uri, body) = (request.direction, asked(request.uri).to_owned(), request.body.to_vec());
        let text = std::str::from_utf8(request.body).ok().filter(|_| request.editable);
        let Inspection { outcome, verdict, .. } = request.inspection;
        let reasons = outcome.decision.reasons().iter();
        let decisive =
            reasons.filter(|reason| reason.action == Action::Escalate).find_map(|reason| reason.message);
        let content = Content::new(part, &uri, text, request.conversation, verdict, decisive);
        let now = now_ms();
        let ends_ms = now.saturating_add(millis(self.config.timeout));
        let ReviewConfig {
            max_pending: pending,
            max_pending_per_tenant: tenant_pending,
            max_bytes: bytes,
            ..
        } = self.config;
        let limits = ReviewLimits { pending, tenant: tenant_pending, bytes };
        let (make_room, route) = (self.config.make_room, call.route.path);
        let found = self.shelf(move |shelf| {
            let digest = shelf.key.digest(&[&tenant, &requester, part.as_str(), &uri], &body);
            if let Some(item) = shelf.file.standing(&digest, now)? {
                return Ok(Ok((item, None)));
            }
            let sealed = shelf.seal(&about_content(&id), &content)?;
            let new = NewReview {
                id: &id,
                tenant: &tenant,
                requester: &requester,
                route,
                digest,
                opened_ms: now,
                ends_ms,
                sealed: &sealed,
            };
            let ended = match shelf.file.add(&new, limits, make_room)? {
                Added::Waits { ended } => ended,
                Added::Full => return Ok(Err("full")),
                Added::TenantFull => return Ok(Err("tenant_full")),
            };
            Ok(shelf.file.get(&id)?.map(|item| (item, Some(ended))).ok_or("full"))
        });
        let item = match found.await {
            Err(_) => return Ok(Answer::NobodyAsked),
            Ok(Err(full)) => {
                self.events.full(full);
                tracing::warn!(request_id = call.id.as_str(), full, "the review queue has no place");
                return Ok(Answer::Stands(Standing { id: String::new(), state: full }));
            }
            Ok(Ok((item, opened))) => {
                if let Some(ended) = opened {
                    for ended in &ended {
                        let _ = self.tell(&call.app, Event::Expired, ended, "");
                    }
                    if self.tell_opened(&call.app, &item, verdict).is_err() {
                        return Ok(Answer::NobodyAsked);
                    }
                }
                item
            }
        };
        let item = match self.config.waits && item.state == ReviewState::Pending {
            true => self.wait(&call.app, item).await,
            false => item,
        };
        match item.state {
            ReviewState::Approved => self.take(call, item).await,
            state => Ok(Answer::Stands(Standing { id: item.id, state: state.as_str() })),
        }
    }

    /// Uses an approval up.
    async fn take(&self, call: &Call, item: ReviewItem) -> Result<Answer, Failure> {
        let id = item.id.clone();
        let taken = self.shelf(move |shelf| {
            if !shelf.file.take(&id, now_ms())? {
                return Ok(None);
            }
            Ok(Some(shelf.said(&item)?.map_or((item.clone(), None), |said| (item.clone(), Some(said)))))
        });
        let (item, said) = match taken.await {
            Err(_) => return Ok(Answer::NobodyAsked),
            // Somebody else was faster, or it has ended just now.
            Ok(None) => return Ok(Answer::NobodyAsked),
            Ok(Some(taken)) => taken,
        };
        self.tell(&call.app, Event::Used, &item, call.id.as_str())?;
        let said = said.unwrap_or_default();
        let approver = match &item.decided_by {
            Some(name) => Party { tenant: &said.tenant, name },
            None => NOBODY,
        };
        let requester = Party { tenant: &item.tenant, name: &item.requester };
        match Approval::new(requester, approver, said.edited.unwrap_or(item.digest)) {
            Ok(approval) => Ok(Answer::Approved(Approved { id: item.id, edits: said.edits, approval })),
            Err(_) => Ok(Answer::NobodyAsked),
        }
    }

    /// The hash of a request of a caller, or of the answer to it.
    pub(crate) fn digest(&self, party: Party<'_>, part: Direction, uri: &Uri, body: &[u8]) -> [u8; 32] {
        self.key.digest(&[party.tenant, party.name, part.as_str(), asked(uri)], body)
    }

    /// Whether a person is asked about this half of an exchange. An answer that is refused cannot be asked for again byte by
    /// byte, so that only one that is held is worth a person's time.
    fn is_for(&self, part: Direction) -> bool {
        part == Direction::Request || self.config.waits
    }

    /// An item with what is sealed of it.
    pub(crate) async fn detail(
        &self,
        id: &str,
    ) -> Result<Option<(ReviewItem, Option<Content>, Option<Said>)>, ShelfError> {
        let id = id.to_owned();
        self.shelf(move |shelf| {
            let Some(item) = shelf.file.get(&id)? else { return Ok(None) };
            let (content, said) = (shelf.content(&item)?, shelf.said(&item)?);
            Ok(Some((item, content, said)))
        })
        .await
    }

    /// Items, newest first.
    pub(crate) async fn list(
        &self,
        state: Option<ReviewState>,
        tenant: Option<&str>,
        limit: usize,
    ) -> Result<Vec<ReviewItem>, ShelfError> {
        let tenant = tenant.map(str::to_owned);
        self.shelf(move |shelf| {
            Ok(shelf.file.list(&ReviewFilter { state, tenant: tenant.as_deref(), limit })?)
        })
        .await
    }

    /// Writes a decision down and tells whoever waits for it.
    ///
    /// # Errors
    /// [`Refusal`]: nothing has changed then; [`Failure::Unrecorded`] where it stands, and the audit log did not take it.
    pub(crate) async fn decide(
        &self,
        app: &App,
        item: ReviewItem,
        verdicted: Verdicted<'_>,
    ) -> Result<ReviewItem, Failure> {
        let Verdicted { by, approved, said } = verdicted;
        let requester = Party { tenant: &item.tenant, name: &item.requester };
        Approval::new(requester, by, item.digest).map_err(|_| Refusal::Own)?;
        if self.config.reasons.need(approved) && said.reason.trim().is_empty() {
            return Err(Refusal::NoReason.into());
        }
        let now = now_ms();
        let (decision, keep) = (millis(self.config.decision), millis(self.config.keep));
        let (id, by) = (item.id.clone(), by.name.to_owned());
        let edited = !said.edits.is_empty();
        let decided = self.shelf(move |shelf| {
            let sealed = shelf.seal(&about_said(&id), &said)?;
            let ends_ms = now.saturating_add(decision);
            let erase_ms = ends_ms.saturating_add(keep);
            let decided = Decided { approved, by: &by, at_ms: now, ends_ms, erase_ms, said: &sealed };
            if shelf.file.decide(&id, &decided)? { Ok(shelf.file.get(&id)?) } else { Ok(None) }
        });
        let item = decided.await.map_err(|_| Refusal::Unavailable)?.ok_or(Refusal::Decided)?;
        self.changed.notify_waiters();
        self.events.decided_after(now.saturating_sub(item.opened_ms));
        let event = match (approved, edited) {
            (true, true) => Event::Edited,
            (true, false) => Event::Approved,
            (false, _) => Event::Denied,
        };
        self.tell(app, event, &item, "")?;
        Ok(item)
    }

    /// Ends what has waited too long.
    async fn expire(&self, app: &App) {
        let now = now_ms();
        let until = now.saturating_add(millis(self.config.decision));
        let erase_ms = until.saturating_add(millis(self.config.keep));
        let approve_until = self.config.approve_on_timeout.then_some(until);
        let ended = self.shelf(move |shelf| Ok(shelf.file.expire(now, approve_until, erase_ms)?)).await;
        let ended = ended.unwrap_or_default();
        if !ended.is_empty() {
            self.changed.notify_waiters();
        }
        for item in &ended {
            let event =
                if item.state == ReviewState::Approved { Event::ApprovedInTime } else { Event::Expired };
            let _ = self.tell(app, event, item, "");
        }
    }

    async fn erase(&self) {
        let _ = self
            .shelf(|shelf| {
                shelf.file.erase(now_ms())?;
                Ok(shelf.file.settle()?)
            })
            .await;
    }
}

/// What the review of an answer is called after its request: both may need a person.
const ANSWER: &str = "-answer";

/// The name of the review of one half of an exchange.
fn named(request_id: &str, part: Direction) -> String {
    match part {
        Direction::Request => request_id.to_owned(),
        Direction::Response => format!("{request_id}{ANSWER}"),
    }
}

/// The request that a review is about, and whether it is about the request itself.
pub(crate) fn request_of(id: &str) -> (&str, bool) {
    id.strip_suffix(ANSWER).map_or((id, true), |request_id| (request_id, false))
}

/// What was called, as far as it tells one request from another.
fn asked(uri: &Uri) -> &str {
    uri.path_and_query().map_or("", |asked| asked.as_str())
}

/// Ends and erases what is due, for as long as there is a gateway.
pub(crate) async fn sweep(current: Weak<Current>) {
    loop {
        let pause = {
            let Some(current) = current.upgrade() else { return };
            let app = current.load_full();
            let Some(reviews) = &app.reviews else { return };
            reviews.expire(&app).await;
            reviews.erase().await;
            SWEEP.min(reviews.config.timeout / 4).max(Duration::from_millis(10))
        };
        tokio::time::sleep(pause).await;
    }
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}
