//! The learner in the path of requests: what it would do, what became of what was done, and what a person has promoted.
//!
//! For each decision on a request the learner's policy proposes a response; the record of the decision holds what it saw, what
//! it proposed and what was done. In shadow that is all. Switched on, a policy that a person has promoted acts, and only
//! ever makes a response stricter than the operator's policy has decided. Outcomes and labels that come later become
//! experiences in the audit log; what follows the log learns from them, so that nothing is lost with the process.
//!
//! A label says how good every response would have been. Its experience is therefore that of a response drawn evenly from
//! those that were permitted (Beygelzimer & Langford 2009): what is learnt needs no experiments on people's requests. The
//! draw follows from the request's identifier, so that it is the same whoever computes it and nobody outside can choose it.

mod context;
mod lessons;
mod rows;
mod state_file;
mod waiting;

use std::fmt::Write as _;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use aimds_engine::{Assessment, Decision};
use aimds_learn::{Action as Strength, Model, Trust};
use aimds_store::AuditLog;
use arc_swap::ArcSwapOption;
use serde_json::{Map, Value, json};

pub use context::RESPONSES;
pub use rows::{parse_row, source_number};
pub use state_file::{LearnState, LearnStateError, Untold};
pub(crate) use waiting::{Decided, Missing};

use crate::config::{LearnConfig, LearnMode};
use crate::memory::Follower;
use context::FEATURES;
use lessons::Lessons;
use waiting::Waiting;

/// What the learner has made of the state on disk.
#[derive(Default)]
struct Models {
    /// What a person has promoted.
    in_force: ArcSwapOption<Model>,
    /// What was learnt so far.
    candidate: ArcSwapOption<Model>,
}

#[derive(Default)]
struct Counts {
    considered: AtomicU64,
    stricter: AtomicU64,
    learnt: AtomicU64,
    unusable: AtomicU64,
    untold: AtomicU64,
}

/// The learner beside and in the path of requests.
pub(crate) struct Learning {
    acts: bool,
    models: Arc<Models>,
    waiting: Arc<Mutex<Waiting>>,
    counts: Arc<Counts>,
    follower: Follower,
}

/// What the learner makes of one decision.
#[derive(Clone, Debug)]
pub(crate) struct Considered {
    features: [f32; FEATURES],
    score: f32,
    floor: Strength,
    proposed: Option<Strength>,
    done: Strength,
}

/// What somebody says became of a decision.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Heard {
    /// Whether the request was an attack.
    Label { attack: bool },
    /// How good what was done turned out, from 0 to 1.
    Reward(f64),
}

impl Learning {
    /// Reads the state where it can, and follows the log.
    ///
    /// # Errors
    /// The system gives no thread. A state that cannot be used is no error: it is tried again, and told.
    pub(crate) fn start(config: LearnConfig, log: Arc<AuditLog>) -> std::io::Result<Self> {
        let (models, counts) = (Arc::<Models>::default(), Arc::<Counts>::default());
        let waiting = Arc::new(Mutex::new(Waiting::new(config.waiting)));
        let mut place = config.state.clone().into_os_string();
        place.push(".place");
        let lessons = Lessons {
            path: config.state,
            log: Arc::clone(&log),
            models: Arc::clone(&models),
            waiting: Arc::clone(&waiting),
            counts: Arc::clone(&counts),
            seen: None,
        };
        let follower = Follower::start("learn", log, PathBuf::from(place), lessons)?;
        Ok(Self { acts: config.mode == LearnMode::On, models, waiting, counts, follower })
    }

    /// What the learner proposes for a request, and what is done: a policy in force makes the decision stricter where it
    /// says so, and says why. O(responses · features²), no lock.
    pub(crate) fn consider(&self, assessment: &Assessment, decision: &mut Decision) -> Considered {
        self.counts.considered.fetch_add(1, Ordering::Relaxed);
        let floor = context::strength(decision.action());
        let features = context::features(assessment, floor);
        let model = if self.acts { self.models.in_force.load() } else { self.models.candidate.load() };
        let proposed = model.as_ref().and_then(|model| propose(model, &features, floor));
        if self.acts
            && let Some(stricter) = proposed.map(context::action).filter(|&action| action > decision.action())
        {
            let why =
                format!("a learnt policy that was promoted answers such requests with {}", stricter.as_str());
            decision.strengthen(stricter, riskiest(assessment), why);
            self.counts.stricter.fetch_add(1, Ordering::Relaxed);
        }
        let done = context::strength(decision.action());
        Considered { features, score: assessment.score, floor, proposed, done }
    }

    /// Remembers a decision until its outcome comes.
    pub(crate) fn remember(&self, request_id: &str, tenant: &str, at_ms: u64, considered: &Considered) {
        self.lock().insert(request_id, considered.decided(tenant, at_ms));
    }

    /// The body of the experience that somebody's words are, once for each decision; for the audit log.
    pub(crate) fn hear(
        &self,
        request_id: &str,
        tenant: Option<&str>,
        source: &str,
        trust: Trust,
        heard: Heard,
        now_ms: u64,
    ) -> Result<Value, Missing> {
        let decided = self.lock().answer(request_id, tenant, trust, now_ms)?;
        Ok(experience(request_id, &decided, source, trust, heard))
    }

    /// The experience could not be recorded: it may come again.
    pub(crate) fn unheard(&self, request_id: &str, trust: Trust) {
        self.lock().reopen(request_id, trust);
    }

    /// Learns what is in the log by now. Blocks.
    pub(crate) fn close(&self, patience: std::time::Duration) {
        self.follower.close(patience);
    }

    /// Adds to what Prometheus reads.
    pub(crate) fn expose(&self, out: &mut String) {
        let load = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        let counts = &*self.counts;
        for (name, kind, help, value) in [
            (
                "aimds_learn_considered_total",
                "counter",
                "Decisions that the learner looked at.",
                load(&counts.considered),
            ),
            (
                "aimds_learn_stricter_total",
                "counter",
                "Decisions that a promoted policy made stricter.",
                load(&counts.stricter),
            ),
            (
                "aimds_learn_experiences_total",
                "counter",
                "Experiences that were taken in.",
                load(&counts.learnt),
            ),
            (
                "aimds_learn_unusable_total",
                "counter",
                "Experiences that do not fit the state.",
                load(&counts.unusable),
            ),
            (
                "aimds_learn_untold_total",
                "counter",
                "Times that the audit log did not take what was decided about the state; it is kept for later.",
                load(&counts.untold),
            ),
            (
                "aimds_learn_waiting",
                "gauge",
                "Decisions that can have an outcome.",
                u64::try_from(self.lock().len()).unwrap_or(u64::MAX),
            ),
            (
                "aimds_learn_healthy",
                "gauge",
                "Whether the state could be used last time.",
                u64::from(self.follower.state().is_healthy()),
            ),
        ] {
            // Writing to a String does not fail.
            let _ = writeln!(out, "# HELP {name} {help}\n# TYPE {name} {kind}\n{name} {value}");
        }
    }

    fn lock(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Considered {
    /// The part of the decision's record that tells of it. What is done follows from what is seen, so that its probability is 1.
    pub(crate) fn record(&self) -> Value {
        json!({
            "features": decimals(&self.features),
            "floor": context::name(self.floor),
            "action": context::name(self.done),
            "propensity": 1,
            "proposed": self.proposed.map(context::name),
        })
    }

    fn decided(&self, tenant: &str, at_ms: u64) -> Decided {
        let Self { features, score, floor, done, .. } = *self;
        Decided { tenant: tenant.into(), features, score, floor, done, at_ms }
    }
}

/// The message that weighs most.
fn riskiest(assessment: &Assessment) -> Option<usize> {
    let riskiest = assessment.messages.iter().max_by(|a, b| a.score.total_cmp(&b.score));
    riskiest.map(|risk| risk.message)
}

/// What a model holds for the best, at least as strong as the floor; nothing where it is of another kind of context.
fn propose(model: &Model, features: &[f32; FEATURES], floor: Strength) -> Option<Strength> {
    let features = context::as_features(features)?;
    let chances = model.probabilities(&features, floor, false).ok()?;
    let best = chances.iter().enumerate().max_by(|a, b| a.1.total_cmp(b.1))?.0;
    u8::try_from(best).ok().map(Strength)
}

fn experience(request_id: &str, decided: &Decided, source: &str, trust: Trust, heard: Heard) -> Value {
    let Decided { features, score, floor, done, .. } = decided;
    // Each of them may speak once.
    let speaker = match trust {
        Trust::Untrusted => "#untrusted",
        Trust::Trusted => "",
        Trust::Verified => "#verified",
    };
    let (action, propensity, reward) = match heard {
        Heard::Reward(reward) => (*done, 1.0, reward),
        Heard::Label { attack } => {
            let (drawn, propensity) = draw(request_id, *floor);
            (drawn, propensity, context::reward(attack, drawn))
        }
    };
    let mut body = Map::new();
    let mut say = |name: &str, value: Value| drop(body.insert(name.to_owned(), value));
    say("id", format!("{request_id}{speaker}").into());
    say("source", source.into());
    say("trust", json!(trust));
    say("features", decimals(features).into());
    say("floor", context::name(*floor).into());
    say("action", context::name(action).into());
    say("propensity", propensity.into());
    say("reward", reward.into());
    if let Heard::Label { attack } = heard {
        say("label", if attack { "attack" } else { "benign" }.into());
        say("score", decimal(*score).into());
        say("class", u8::from(attack).into());
    }
    body.into()
}

/// One of the permitted responses, drawn evenly, and its probability.
fn draw(request_id: &str, floor: Strength) -> (Strength, f64) {
    let permitted = RESPONSES.len().saturating_sub(floor.index()).max(1);
    let drawn = source_number(request_id) % permitted as u64;
    (Strength(floor.0.saturating_add(drawn as u8)), 1.0 / permitted as f64)
}

fn decimals(numbers: &[f32]) -> Vec<f64> {
    numbers.iter().copied().map(decimal).collect()
}

fn decimal(number: f32) -> f64 {
    (f64::from(number) * 1e4).round() / 1e4
}

/// What a decision's record says that the learner saw, back from the log.
fn remembered(tenant: &str, at_ms: u64, body: &Value) -> Option<Decided> {
    let learn = body.get("learn")?;
    let named = |key: &str| {
        let name = learn.get(key)?.as_str()?;
        let place = RESPONSES.iter().position(|known| *known == name)?;
        u8::try_from(place).ok().map(Strength)
    };
    let mut features = [0.0; FEATURES];
    let recorded = learn.get("features")?.as_array().filter(|recorded| recorded.len() == FEATURES)?;
    for (number, recorded) in features.iter_mut().zip(recorded) {
        *number = recorded.as_f64()? as f32;
    }
    let score = body.get("score")?.as_f64()? as f32;
    Some(Decided {
        tenant: tenant.into(),
        features,
        score,
        floor: named("floor")?,
        done: named("action")?,
        at_ms,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn considered() -> Considered {
        let mut features = [0.0; FEATURES];
        features[0] = 1.0;
        features[1] = 0.1234;
        Considered {
            features,
            score: 0.1234,
            floor: Strength(1),
            proposed: Some(Strength(4)),
            done: Strength(1),
        }
    }

    #[test]
    fn what_the_record_tells_comes_back_from_the_log() {
        let record = considered().record();
        assert_eq!((&record["features"][1], &record["proposed"]), (&json!(0.1234), &json!("block")));
        let body = json!({ "score": 0.1234, "learn": record });
        assert_eq!(remembered("acme", 7, &body), Some(considered().decided("acme", 7)));
        assert_eq!(remembered("acme", 7, &json!({ "score": 0.1 })), None);
    }

    #[test]
    fn a_label_is_the_experience_of_a_response_drawn_evenly_from_the_permitted() {
        let decided = considered().decided("acme", 7);
        let mut drawn = std::collections::BTreeMap::<String, u32>::new();
        for number in 0..4_000 {
            let id = format!("request-{number}");
            let body = experience(&id, &decided, "soc", Trust::Trusted, Heard::Label { attack: true });
            let line = serde_json::to_vec(&{
                let mut line = body.clone();
                line["at_ms"] = 1.into();
                line
            });
            let row = parse_row(&line.unwrap()).unwrap().unwrap();
            let taken = row.experience.unwrap();
            assert_eq!((taken.propensity, taken.floor, taken.class), (0.25, Strength(1), 1));
            assert_eq!(taken.reward, context::reward(true, taken.action));
            assert!(row.case.is_some_and(|case| case.attack && case.tokens.is_empty()));
            *drawn.entry(body["action"].as_str().unwrap().to_owned()).or_default() += 1;
        }
        assert_eq!(drawn.len(), 4, "{drawn:?}");
        assert!(drawn.values().all(|count| (900..1_100).contains(count)), "{drawn:?}");
        assert!(!drawn.contains_key("allow"), "nothing below the floor");
    }

    #[test]
    fn an_outcome_is_the_experience_of_what_was_done() {
        let body = experience("r", &considered().decided("", 7), "soc", Trust::Verified, Heard::Reward(0.75));
        assert_eq!(
            (&body["action"], &body["propensity"], &body["reward"], &body["id"]),
            (&json!("flag"), &json!(1.0), &json!(0.75), &json!("r#verified"))
        );
        assert!(body.get("label").is_none());
    }
}
