//! What follows the log and learns from the experiences in it, and takes up what a person decides.

use std::error::Error;
use std::fs;
use std::path::PathBuf;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use aimds_learn::{Learner, LearnerConfig, LedgerLimits, Trust};
use aimds_store::{AuditLog, Entry, Record};
use serde_json::{Value, json};

use super::context::{FEATURES, RESPONSES};
use super::rows::row_of;
use super::state_file::{LearnState, LearnStateError, has_untold};
use super::waiting::Waiting;
use super::{Counts, Models, remembered};
use crate::app::now_ms;
use crate::memory::Consumer;

/// The seed of everything random in a state that begins here.
const SEED: u64 = 1;

pub(super) struct Lessons {
    pub(super) path: PathBuf,
    pub(super) log: Arc<AuditLog>,
    pub(super) models: Arc<Models>,
    pub(super) waiting: Arc<Mutex<Waiting>>,
    pub(super) counts: Arc<Counts>,
    /// The state that the models are of.
    pub(super) seen: Option<(SystemTime, u64)>,
}

impl Consumer for Lessons {
    const RECALLED: u64 = 20_000;
    const KIND: Option<&'static str> = Some("experience");
    const AT_ONCE: u64 = 4096;
    /// The state is written as a whole: not more often than this.
    const REST: Duration = Duration::from_secs(1);

    fn recall(&mut self, entry: &Entry) {
        let body = || serde_json::from_str::<Value>(&entry.body).unwrap_or_default();
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        match entry.kind.as_str() {
            "decision" => {
                if let Some(decided) = remembered(&entry.tenant, entry.at_ms, &body()) {
                    waiting.insert(&entry.request_id, decided);
                }
            }
            "experience" => {
                let trust = body().get("trust").cloned().unwrap_or_default();
                if let Ok(trust) = serde_json::from_value::<Trust>(trust) {
                    let _ = waiting.answer(&entry.request_id, None, trust, entry.at_ms);
                }
            }
            _ => {}
        }
    }

    fn take(&mut self, entries: &[Entry]) -> Result<(), Box<dyn Error + Send + Sync>> {
        if entries.is_empty() && self.found() == self.seen && !has_untold(&self.path) {
            return Ok(());
        }
        let mut state = match entries.is_empty() {
            false => LearnState::open_or(&self.path, begin)?,
            true => match LearnState::open(&self.path)? {
                Some(state) => state,
                None => {
                    self.seen = None;
                    return Ok(());
                }
            },
        };
        let mut notes = Vec::new();
        for entry in entries {
            match learn(&mut state.learner, entry) {
                Ok(said) => notes.extend(said),
                Err(reason) => {
                    self.counts.unusable.fetch_add(1, Ordering::Relaxed);
                    tracing::warn!(
                        request_id = entry.request_id,
                        reason,
                        "an experience cannot be learnt from"
                    );
                }
            }
        }
        if !entries.is_empty() {
            state.save()?;
            self.counts.learnt.fetch_add(entries.len() as u64, Ordering::Relaxed);
        }
        for note in notes {
            self.tell(now_ms(), json!({ "event": "noted", "note": note }));
        }
        self.tell_decisions(&state)?;
        self.take_up(&state.learner);
        self.seen = self.found();
        Ok(())
    }
}

impl Lessons {
    fn found(&self) -> Option<(SystemTime, u64)> {
        let found = fs::metadata(&self.path).ok()?;
        Some((found.modified().ok()?, found.len()))
    }

    fn take_up(&self, learner: &Learner) {
        let live = learner.ledger().live().policy.as_ref();
        self.models.in_force.store(live.filter(|_| !learner.ledger().is_stopped()).cloned().map(Arc::new));
        let candidate = (learner.summary().learnt > 0).then(|| Arc::new(learner.candidate().clone()));
        self.models.candidate.store(candidate);
    }

    /// Tells the audit log what people have decided about the state since it was told last.
    fn tell_decisions(&self, state: &LearnState) -> Result<(), LearnStateError> {
        let untold = state.untold()?;
        if untold.is_empty() {
            return Ok(());
        }
        let taken = untold.into_iter().all(|untold| self.tell(untold.at_ms, untold.body));
        // What was taken is on the disk before it is forgotten here; told twice is better than never.
        if taken && self.log.flush(Duration::from_secs(5)).is_ok() {
            return state.told();
        }
        self.counts.untold.fetch_add(1, Ordering::Relaxed);
        Ok(())
    }

    fn tell(&self, at_ms: u64, body: Value) -> bool {
        let (request_id, tenant, kind) = (String::new(), String::new(), "learn".to_owned());
        self.log.append(Record { at_ms, request_id, tenant, kind, body }).is_ok()
    }
}

/// Nothing is tried out on the traffic here, so that there is no canary to wait for.
fn begin() -> Result<Learner, Box<dyn Error + Send + Sync>> {
    let mut config = LearnerConfig::new(FEATURES, RESPONSES.len());
    config.limits = LedgerLimits { canary_rows: 0, ..LedgerLimits::default() };
    Ok(Learner::new(config, SEED)?)
}

fn learn(learner: &mut Learner, entry: &Entry) -> Result<Vec<String>, String> {
    let row = row_of(&entry.request_id, entry.at_ms, &entry.body)?;
    learner.observe(&row).map_err(|error| error.to_string())
}
