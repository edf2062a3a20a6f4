//! One request's way: which route and targets were chosen and why, what became of the attempts, what it cost.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use axum::body::Bytes;
use axum::http::{HeaderMap, HeaderName, HeaderValue};
use serde_json::{Value as Json, json};

use super::answers::Kept;
use super::cache::Fingerprint;
use super::complexity::Score;
use super::desk::Desk;
use super::features::Signs;
use super::fingerprint::Hasher;
use super::hedging::{HedgeLimits, is_repeatable};
use super::lane::{Attempt, Lane};
use super::money::Money;
use super::table::{Ask, Plan, Surface, Unroutable};
use super::usage::{Meter, Usage};
use crate::app::now_ms;
use crate::error::Failure;
use crate::json::Document;

/// The header that tells the decision.
const ROUTE: HeaderName = HeaderName::from_static("x-aimds-route");

/// The header that warns of a budget that is near its end.
const BUDGET: HeaderName = HeaderName::from_static("x-aimds-budget");

/// What is asked for, and by whom.
pub(crate) struct Question<'a> {
    pub(crate) surface: Surface,
    pub(crate) model: &'a str,
    pub(crate) tenant: &'a str,
    pub(crate) key: &'a str,
    pub(crate) signs: Signs,
    pub(crate) document: &'a Document,
    /// Where it goes below the base address of a provider.
    pub(crate) path: &'a str,
    /// Headers of the caller that a target sees.
    pub(crate) headers: &'a HeaderMap,
}

/// What of the cache a request has to do with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Cached {
    /// Its answer may not be kept.
    No,
    /// There was none.
    Miss(Fingerprint),
    Hit,
}

/// One request's way.
pub(crate) struct Journey {
    desk: Arc<Desk>,
    tenant: String,
    key: String,
    plan: Plan,
    score: Score,
    signs: Signs,
    /// Hundredths of a budget that is near its end.
    near: Option<u64>,
    cached: Cached,
    attempts: Vec<(Arc<Lane>, Attempt)>,
    /// The target whose answer it is.
    answered: Option<(usize, Arc<Lane>)>,
    paid: Option<(Usage, Money)>,
    /// How a second attempt may be made beside the first, if it may.
    hedging: Option<HedgeLimits>,
    /// What attempts may have cost that were called off.
    called_off: Money,
}

impl Journey {
    /// Decides.
    ///
    /// # Errors
    /// No target may take the request.
    pub(crate) fn begin(
        desk: &Arc<Desk>,
        question: &Question<'_>,
        near: Option<u64>,
    ) -> Result<Self, Failure> {
        let Question { surface, model, tenant, key, signs, .. } = *question;
        let score = Score::of(&signs.features);
        let ask = Ask {
            surface,
            model,
            tenant,
            key,
            private: signs.private,
            pii: signs.pii,
            score: score.total(),
            tokens: signs.features.tokens,
        };
        let plan = desk.table.plan(&ask).map_err(|unroutable| match unroutable {
            Unroutable::NoRoute => Failure::NoRoute,
            Unroutable::NoLocal => {
                desk.confined.fetch_add(1, Ordering::Relaxed);
                Failure::NoLocalTarget
            }
        })?;
        Ok(Self {
            cached: fingerprint(desk, question, &plan)?,
            desk: Arc::clone(desk),
            tenant: tenant.to_owned(),
            key: key.to_owned(),
            plan,
            score,
            signs,
            near,
            attempts: Vec::new(),
            answered: None,
            paid: None,
            // Whoever names a key of idempotency says that it must not be done twice; another target does not know the key.
            hedging: desk.hedging.filter(|_| {
                is_repeatable(question.document, surface) && !question.headers.contains_key("idempotency-key")
            }),
            called_off: Money::from_nanos(0),
        })
    }

    pub(crate) fn desk(&self) -> &Arc<Desk> {
        &self.desk
    }

    /// The targets in the order in which they are tried.
    pub(crate) fn lanes(&self) -> Vec<(usize, Arc<Lane>)> {
        let lane = |&number: &usize| Some((number, Arc::clone(self.desk.lanes.get(number)?)));
        self.plan.targets.iter().filter_map(lane).collect()
    }

    /// A meter for the answer.
    pub(crate) fn meter(&self, surface: Surface) -> Meter {
        Meter::new(self.signs.bytes, surface == Surface::Embeddings)
    }

    /// The answer to the same request that was kept.
    pub(crate) fn recall(&mut self) -> Option<Bytes> {
        let (Some(answers), Cached::Miss(key)) = (&self.desk.answers, self.cached) else { return None };
        let kept = answers.get(&key)?;
        let lane = self.desk.lanes.get(kept.target)?;
        self.answered = Some((kept.target, Arc::clone(lane)));
        self.cached = Cached::Hit;
        Some(kept.body.clone())
    }

    /// How many bytes of the answer may be kept; 0 where it must not.
    pub(crate) fn keeps(&self) -> usize {
        match (&self.desk.answers, self.cached) {
            (Some(answers), Cached::Miss(_)) => answers.largest(),
            _ => 0,
        }
    }

    /// Keeps the answer of the model for the same request.
    pub(crate) fn keep(&self, body: Bytes) {
        if let (Some(answers), Cached::Miss(key), Some((target, _))) =
            (&self.desk.answers, self.cached, &self.answered)
        {
            answers.put(key, Kept { target: *target, body });
        }
    }

    /// Takes note of what became of an attempt.
    pub(crate) fn tried(&mut self, lane: &Arc<Lane>, attempt: Attempt) {
        self.attempts.push((Arc::clone(lane), attempt));
    }

    /// The answer comes from this target.
    pub(crate) fn answered_by(&mut self, number: usize, lane: &Arc<Lane>) {
        self.answered = Some((number, Arc::clone(lane)));
    }

    /// How a second attempt may be made beside the first, if it may.
    pub(crate) fn hedging(&self) -> Option<HedgeLimits> {
        self.hedging
    }

    /// Calls an attempt off that another one has overtaken. Nobody tells what it has cost: it is taken to have read the request.
    pub(crate) fn call_off(&mut self, lane: &Arc<Lane>, surface: Surface) {
        lane.counters.count(Attempt::CalledOff);
        self.tried(lane, Attempt::CalledOff);
        let usage = self.meter(surface).usage(false);
        let cost = lane.target.price.cost(usage.input, usage.output);
        lane.counters.paid(&usage, cost);
        self.desk.book.spend(&self.tenant, &self.key, cost, now_ms());
        self.called_off = self.called_off + cost;
    }

    /// A stream broke after its beginning.
    pub(crate) fn broke(&mut self) {
        if let Some((_, lane)) = self.answered.clone().filter(|_| self.cached != Cached::Hit) {
            lane.broke();
            self.tried(&lane, Attempt::Broke);
        }
    }

    /// Pays for the answer, or for what has come of it, once. What was kept costs nothing.
    pub(crate) fn pay(&mut self, meter: &Meter, complete: bool) {
        if self.paid.is_some() || self.cached == Cached::Hit {
            return;
        }
        let Some((_, lane)) = &self.answered else { return };
        let usage = meter.usage(complete);
        let cost = lane.target.price.cost(usage.input, usage.output);
        lane.counters.paid(&usage, cost);
        self.desk.book.spend(&self.tenant, &self.key, cost, now_ms());
        self.paid = Some((usage, cost));
    }

    /// Time between two pieces of a stream.
    pub(crate) fn pause(&self) -> Option<Duration> {
        self.answered.as_ref().map(|(_, lane)| lane.place.timeout)
    }

    fn route(&self) -> &str {
        self.desk.table.routes.get(self.plan.route).map_or("", |route| route.name.as_str())
    }

    fn cache(&self) -> &'static str {
        match self.cached {
            Cached::No => "off",
            Cached::Miss(_) => "miss",
            Cached::Hit => "hit",
        }
    }

    /// Tells the caller: `route=easy; target=cheap; score=12; attempts=1; cache=miss`.
    pub(crate) fn stamp(&self, headers: &mut HeaderMap) {
        let target = self.answered.as_ref().map_or("", |(_, lane)| lane.target.name.as_str());
        let text = format!(
            "route={}; target={target}; score={}; attempts={}; cache={}{}",
            self.route(),
            self.score.total(),
            self.attempts.len(),
            self.cache(),
            if self.plan.confined { "; confined" } else { "" },
        );
        // Names are letters, digits, points and dashes.
        headers.extend(HeaderValue::try_from(text).ok().map(|value| (ROUTE, value)));
        if let Some(percent) = self.near {
            let text = format!("{percent}% spent");
            headers.extend(HeaderValue::try_from(text).ok().map(|value| (BUDGET, value)));
        }
    }

    /// The part of the audit record.
    pub(crate) fn record(&self) -> Json {
        let name = |number: &usize| self.desk.table.targets.get(*number).map(|target| &target.name);
        let attempt = |(lane, attempt): &(Arc<Lane>, Attempt)| json!({ "target": lane.target.name, "result": attempt.as_str() });
        let Score { length, turns, tools, code, question } = self.score;
        json!({
            "route": self.route(),
            "candidates": self.plan.targets.iter().filter_map(name).collect::<Vec<_>>(),
            "confined": self.plan.confined,
            "private": self.signs.private,
            "pii": self.signs.pii,
            "score": self.score.total(),
            "points": { "length": length, "turns": turns, "tools": tools, "code": code, "question": question },
            "attempts": self.attempts.iter().map(attempt).collect::<Vec<_>>(),
            "target": self.answered.as_ref().map(|(_, lane)| &lane.target.name),
            "cache": self.cache(),
            "input_tokens": self.paid.map(|(usage, _)| usage.input),
            "output_tokens": self.paid.map(|(usage, _)| usage.output),
            "estimated": self.paid.map(|(usage, _)| usage.estimated),
            "cost_nanodollars": self.paid.map(|(_, cost)| cost.nanos()),
            "called_off_nanodollars": self.called_off.nanos(),
        })
    }
}

/// The keyed hash of a request, if its answer may be kept. It covers what the answer depends on: the body as the caller
/// wrote it, the surface, the headers that go to the target, and the targets; and the tenant, so that no answer ever
/// crosses from one to another.
fn fingerprint(desk: &Desk, question: &Question<'_>, plan: &Plan) -> Result<Cached, Failure> {
    let Some(answers) = &desk.answers else { return Ok(Cached::No) };
    let embeds = question.surface == Surface::Embeddings;
    if !answers.takes(question.document, embeds, question.signs.private || question.signs.pii) {
        return Ok(Cached::No);
    }
    let mut hasher = Hasher::new(&answers.secret);
    hasher.part(question.tenant.as_bytes()).part(question.path.as_bytes()).document(question.document)?;
    for name in crate::upstream::FORWARDED {
        // The same request under another key of idempotency is the same request.
        if name != "idempotency-key" {
            hasher.part(question.headers.get(name).map(HeaderValue::as_bytes).unwrap_or_default());
        }
    }
    for number in &plan.targets {
        hasher.part(&(*number as u64).to_le_bytes());
    }
    Ok(Cached::Miss(hasher.finish()))
}
