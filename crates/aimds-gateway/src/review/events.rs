//! What happens in the queue, for metrics, the audit log, the program's log and the webhook. Never a text, and no reason of
//! a reviewer, which may quote one.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use aimds_engine::Verdict;
use aimds_store::{ReviewCounts, ReviewItem};
use serde_json::{Value, json};

use super::{Reviews, request_of};
use crate::app::{App, now_ms};
use crate::audit::Subject;
use crate::config::OnFull;
use crate::error::Failure;
use crate::metrics::Histogram;
use crate::mitigation::About;

/// Something that happened to an item.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Event {
    Opened,
    Approved,
    /// Approved with other texts.
    Edited,
    /// Approved because nobody decided in time.
    ApprovedInTime,
    Denied,
    Used,
    Expired,
    Withdrawn,
}

impl Event {
    fn as_str(self) -> &'static str {
        match self {
            Self::Opened => "opened",
            Self::Approved => "approved",
            Self::Edited => "approved_edited",
            Self::ApprovedInTime => "approved_by_timeout",
            Self::Denied => "denied",
            Self::Used => "used",
            Self::Expired => "expired",
            Self::Withdrawn => "withdrawn",
        }
    }
}

/// Counters of the queue.
pub(super) struct Events {
    counts: Mutex<BTreeMap<&'static str, u64>>,
    holds: Mutex<ReviewCounts>,
    /// From the opening to the decision of a person.
    times: Histogram,
}

impl Events {
    pub(super) fn new(holds: ReviewCounts) -> Self {
        Self { counts: Mutex::default(), holds: Mutex::new(holds), times: Histogram::default() }
    }

    fn count(&self, event: &'static str) {
        *self.counts.lock().unwrap_or_else(PoisonError::into_inner).entry(event).or_default() += 1;
    }

    pub(super) fn counted(&self, counts: ReviewCounts) {
        *self.holds.lock().unwrap_or_else(PoisonError::into_inner) = counts;
    }

    pub(super) fn counts(&self) -> ReviewCounts {
        *self.holds.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// There was no place, in the queue or for the tenant.
    pub(super) fn full(&self, which: &'static str) {
        self.count(which);
    }

    pub(super) fn failed(&self) {
        self.count("failed");
    }

    pub(super) fn decided_after(&self, ms: u64) {
        self.times.observe(Duration::from_millis(ms));
    }

    /// Adds to what Prometheus reads.
    pub(super) fn expose(&self, out: &mut String) {
        let name = "aimds_reviews_total";
        let _ = writeln!(out, "# HELP {name} What happened to reviews.\n# TYPE {name} counter");
        for (event, count) in self.counts.lock().unwrap_or_else(PoisonError::into_inner).iter() {
            let _ = writeln!(out, "{name}{{event=\"{event}\"}} {count}");
        }
        let ReviewCounts { pending, bytes } = self.counts();
        for (name, help, value) in [
            ("aimds_reviews_pending", "Reviews that wait for a person.", pending as u64),
            ("aimds_reviews_bytes", "Sealed bytes in the review queue.", bytes),
        ] {
            let _ = writeln!(out, "# HELP {name} {help}\n# TYPE {name} gauge\n{name} {value}");
        }
        self.times.write(
            out,
            "aimds_review_seconds",
            "Time from the opening of a review to a person's decision.",
        );
    }
}

impl Reviews {
    /// The same for a new item, whose verdict tells why.
    pub(super) fn tell_opened(&self, app: &App, item: &ReviewItem, verdict: &Verdict) -> Result<(), Failure> {
        let why =
            json!({ "score": verdict.score, "categories": verdict.categories, "reasons": verdict.reasons });
        self.told(app, Event::Opened, item, &why, "")
    }

    /// Counts, records and tells what happened to an item; `used_by` is the request that used its approval.
    ///
    /// # Errors
    /// [`Failure::Unrecorded`] where the audit log does not take it and the operator wants nothing unrecorded.
    pub(super) fn tell(
        &self,
        app: &App,
        event: Event,
        item: &ReviewItem,
        used_by: &str,
    ) -> Result<(), Failure> {
        self.told(app, event, item, &Value::Null, used_by)
    }

    fn told(
        &self,
        app: &App,
        event: Event,
        item: &ReviewItem,
        why: &Value,
        used_by: &str,
    ) -> Result<(), Failure> {
        let name = event.as_str();
        self.events.count(name);
        tracing::info!(review = item.id, event = name, tenant = item.tenant, route = item.route, "review");
        let mut body = json!({
            "event": name,
            "review": item.id,
            "route": item.route,
            "key": item.requester,
            "by": item.decided_by,
            "state": item.state.as_str(),
        });
        if let (Some(body), false) = (body.as_object_mut(), used_by.is_empty()) {
            body.insert("used_by".into(), used_by.into());
        }
        if self.config.notify && event != Event::Used && app.mitigations.has_webhook() {
            app.mitigations.tell(about(item), message(name, item, why));
        }
        let subject = Subject { at_ms: now_ms(), request_id: request_of(&item.id).0, tenant: &item.tenant };
        match (app.recorder.append(&subject, "review", body), app.on_full) {
            (Err(_), on_full) => {
                app.metrics.unrecorded.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
                if on_full == OnFull::Closed { Err(Failure::Unrecorded) } else { Ok(()) }
            }
            (Ok(()), _) => Ok(()),
        }
    }
}

/// What the webhook is told.
fn message(event: &str, item: &ReviewItem, why: &Value) -> Value {
    let mut message = json!({
        "event": format!("review_{event}"),
        "review": item.id,
        "at_ms": now_ms(),
        "request_id": request_of(&item.id).0,
        "tenant": item.tenant,
        "route": item.route,
        "key": item.requester,
        "state": item.state.as_str(),
        "opened_ms": item.opened_ms,
        "ends_ms": item.ends_ms,
        "by": item.decided_by,
    });
    if let (Some(message), Value::Object(why)) = (message.as_object_mut(), why) {
        message.extend(why.clone());
    }
    message
}

fn about(item: &ReviewItem) -> About {
    let route = crate::routes::ROUTES.iter().find(|route| route.path == item.route);
    About {
        request_id: request_of(&item.id).0.to_owned(),
        tenant: item.tenant.clone(),
        route: route.map_or("", |route| route.path),
        by: "review".to_owned(),
        decided: Instant::now(),
    }
}
