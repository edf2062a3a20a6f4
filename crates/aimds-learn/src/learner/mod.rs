//! All parts together: takes what happened row by row, and every hundred experiences looks what could be better.
//!
//! It proposes; it does not change what is in force. That is [`Ledger::promote`], which wants a person.

mod adapt;
mod canary;
mod cases;
mod recent;

pub use cases::Case;

use serde::{Deserialize, Serialize};

use crate::drift::DriftMonitor;
use crate::error::{Error, setting};
use crate::levels::{Level, LevelsConfig};
use crate::patterns::PatternConfig;
use crate::policy::{Model, PolicyConfig, Refused, Source, Trust, sources::Sources};
use crate::proposal::{GateConfig, Ledger, LedgerLimits};
use crate::replay::{Experience, Replay, ReplayConfig};
use crate::text::{TextConfig, TextLane};
use crate::{Alarm, Random, snapshot};
use canary::Canary;
use cases::Cases;
use recent::Recent;

const KIND: [u8; 4] = *b"lrnr";

/// Settings of [`Learner`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct LearnerConfig {
    /// The response policy.
    pub policy: PolicyConfig,
    /// Experiences between two looks at what could be better. Default 100.
    pub adapt_every: u64,
    /// The levels of tuning.
    pub levels: LevelsConfig,
    /// What the gate wants to see.
    pub gate: GateConfig,
    /// How fast the live set may change.
    pub limits: LedgerLimits,
    /// The memory.
    pub replay: ReplayConfig,
    /// Permitted rate of false alarms. Default 0.01.
    pub false_alarms: f64,
    /// The shipped threshold, in log-odds. Default 0.
    pub shipped_threshold: f64,
    /// The model of texts. Default 2¹⁶ weights for whole texts.
    pub text: TextConfig,
    /// Templates.
    pub patterns: PatternConfig,
}

impl LearnerConfig {
    /// The defaults for so many features and actions.
    #[must_use]
    pub fn new(features: usize, actions: usize) -> Self {
        Self {
            policy: PolicyConfig::new(features, actions),
            adapt_every: 100,
            levels: LevelsConfig::default(),
            gate: GateConfig::default(),
            limits: LedgerLimits::default(),
            replay: ReplayConfig { capacity: 4096, ..ReplayConfig::default() },
            false_alarms: 0.01,
            shipped_threshold: 0.0,
            text: TextConfig { bits: 16, ..TextConfig::default() },
            patterns: PatternConfig::default(),
        }
    }

    fn check(&self) -> Result<(), Error> {
        setting("adapt_every", self.adapt_every as f64, "at least 1", self.adapt_every >= 1)?;
        let budget = self.false_alarms;
        setting("false_alarms", budget, "above 0 and below 1", budget > 0.0 && budget < 1.0)?;
        setting("shipped_threshold", self.shipped_threshold, "finite", self.shipped_threshold.is_finite())
    }
}

/// One thing that happened: a decision with its outcome, a text with its label, or both.
#[derive(Clone, Debug, PartialEq)]
pub struct Row {
    /// A hash of its identifier: the same row counts once.
    pub id: u64,
    /// A hash of the name of who reported it.
    pub source: u64,
    /// How far they are trusted.
    pub trust: Trust,
    /// When, in milliseconds.
    pub at_ms: u64,
    /// The decision. Its weight is set by what is known of the source.
    pub experience: Option<Experience>,
    /// The text, as hashes. Only reviewers' labels are learnt from.
    pub case: Option<Case>,
    /// The proposal that decided it, if it was in a canary.
    pub proposal: Option<u64>,
}

/// What was taken in so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Summary {
    /// Experiences that were learnt from.
    pub learnt: u64,
    /// Those without weight: of untrusted parties, or of sources without credit.
    pub weightless: u64,
    /// Rows that were known already.
    pub duplicates: u64,
    /// Rows beyond a source's quota.
    pub over_quota: u64,
    /// Labels of reviewers.
    pub labels: u64,
    /// Labels of anybody else, which are not learnt from.
    pub unverified_labels: u64,
    /// Looks at what could be better.
    pub adaptations: u64,
}

/// Learns from rows and proposes. See the [crate] for its parts.
///
/// ```
/// use aimds_learn::{Action, Experience, Features, Learner, LearnerConfig, Row, Trust};
///
/// let mut learner = Learner::new(LearnerConfig::new(1, 2), 7)?;
/// for at_ms in 0..1000_u64 {
///     let action = Action((at_ms % 2) as u8);
///     let experience = Experience {
///         features: Features::new(&[1.0])?, floor: Action(0), action, propensity: 0.5,
///         reward: f64::from(action.0), weight: 1.0, trust: Trust::Verified, class: 0, at_ms,
///     };
///     let row = Row { id: at_ms, source: 1, trust: Trust::Verified, at_ms, experience: Some(experience), case: None, proposal: None };
///     learner.observe(&row)?;
/// }
/// let proposal = &learner.ledger().proposals()[0];
/// assert_eq!(proposal.stage.as_str(), "gated");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Learner {
    config: LearnerConfig,
    candidate: Model,
    sources: Sources,
    replay: Replay,
    cases: Cases,
    lane: TextLane,
    drift: DriftMonitor,
    ledger: Ledger,
    canary: Canary,
    recent: Recent,
    random: Random,
    levels: Vec<Level>,
    summary: Summary,
    /// The latest time in any row.
    now_ms: u64,
    /// Rows so far. What is fresher than a proposal is told by this: a wrong clock in one row cannot hide the rows after it.
    order: u64,
    /// Proposals, and the row after which each was drafted.
    drafted: Vec<(u64, u64)>,
    since_adapted: u64,
    labels_at_draft: u64,
}

impl Learner {
    /// A learner that knows nothing.
    ///
    /// # Errors
    /// [`Error::Setting`] with the name of the setting.
    pub fn new(config: LearnerConfig, seed: u64) -> Result<Self, Error> {
        config.check()?;
        Ok(Self {
            candidate: Model::new(config.policy.clone(), u32::MAX)?,
            sources: Sources::new(config.policy.sources),
            replay: Replay::new(config.replay)?,
            cases: Cases::default(),
            lane: TextLane::new(config.text)?,
            drift: DriftMonitor::new()?,
            ledger: Ledger::new(config.limits)?,
            canary: Canary::default(),
            recent: Recent::default(),
            random: Random::new(seed),
            levels: Vec::new(),
            summary: Summary::default(),
            now_ms: 0,
            order: 0,
            drafted: Vec::new(),
            since_adapted: 0,
            labels_at_draft: 0,
            config,
        })
    }

    /// Takes a row in; every `adapt_every` of them looks what could be better and says what came of it, in words.
    ///
    /// # Errors
    /// What does not fit of the row; nothing of it was learnt.
    pub fn observe(&mut self, row: &Row) -> Result<Vec<String>, Error> {
        if self.ledger.is_stopped() {
            return Ok(Vec::new());
        }
        if let Some(experience) = &row.experience {
            experience.check()?;
            self.candidate.expected(&experience.features, experience.action)?;
            self.candidate.expected(&experience.features, experience.floor)?;
            let (class, classes) = (usize::from(experience.class), self.config.replay.classes);
            setting("class", class as f64, "below the number of classes", class < classes)?;
        }
        if let Some(case) = &row.case {
            case.check()?;
        }
        if !self.recent.admit(row.id) {
            self.summary.duplicates += 1;
            return Ok(Vec::new());
        }
        self.now_ms = self.now_ms.max(row.at_ms);
        self.order += 1;
        if let Some(case) = &row.case {
            self.label(row, case)?;
        }
        if let Some(experience) = row.experience {
            self.experience(row, experience)?;
        }
        self.since_adapted += 1;
        if self.since_adapted < self.config.adapt_every {
            return Ok(Vec::new());
        }
        self.adapt()
    }

    fn label(&mut self, row: &Row, case: &Case) -> Result<(), Error> {
        if row.trust != Trust::Verified {
            self.summary.unverified_labels += 1;
            return Ok(());
        }
        self.summary.labels += 1;
        let held_back = self.cases.holds_back(case);
        if !held_back {
            self.lane.learn(case.hashed(), case.score, case.attack, 1.0)?;
            self.lane.rehearse(self.cases.drawn(&mut self.random));
        }
        self.cases.add(case.clone(), self.order, held_back);
        Ok(())
    }

    fn experience(&mut self, row: &Row, experience: Experience) -> Result<(), Error> {
        let weight = match self.weigh(row, &experience) {
            Ok(weight) => weight,
            Err(_) => {
                self.summary.over_quota += 1;
                return Ok(());
            }
        };
        if weight <= 0.0 {
            self.summary.weightless += 1;
            return Ok(());
        }
        let known = Experience { weight, trust: row.trust, at_ms: self.order, ..experience };
        let surprise = known.reward - self.candidate.expected(&known.features, known.action)?;
        self.replay.add(known, surprise)?;
        self.candidate.learn(&known)?;
        self.drift.push(known.reward)?;
        self.canary.note(row.proposal, known.reward);
        self.summary.learnt += 1;
        Ok(())
    }

    /// The weight of an outcome, before the greater weight that reviewers have in every model.
    fn weigh(&mut self, row: &Row, experience: &Experience) -> Result<f64, Refused> {
        let residual = experience.reward
            - self.candidate.expected(&experience.features, experience.action).unwrap_or(experience.reward);
        match row.trust {
            Trust::Verified => {
                self.sources.reviewed(residual);
                Ok(1.0)
            }
            Trust::Trusted if self.sources.spend(row.source, row.at_ms) => {
                Ok(self.sources.weigh(row.source, residual))
            }
            Trust::Untrusted if self.sources.spend_untrusted(row.at_ms) => Ok(0.0),
            Trust::Trusted | Trust::Untrusted => Err(Refused::Quota),
        }
    }

    /// The settings.
    #[must_use]
    pub fn config(&self) -> &LearnerConfig {
        &self.config
    }

    /// What was learnt so far, whether or not it was proposed.
    #[must_use]
    pub fn candidate(&self) -> &Model {
        &self.candidate
    }

    /// Proposals and what is in force.
    #[must_use]
    pub fn ledger(&self) -> &Ledger {
        &self.ledger
    }

    /// The same, for a person's decisions.
    pub fn ledger_mut(&mut self) -> &mut Ledger {
        &mut self.ledger
    }

    /// What was taken in so far.
    #[must_use]
    pub fn summary(&self) -> &Summary {
        &self.summary
    }

    /// The levels of the last tuning.
    #[must_use]
    pub fn levels(&self) -> &[Level] {
        &self.levels
    }

    /// The sources of outcomes.
    #[must_use]
    pub fn sources(&self) -> &[Source] {
        self.sources.known()
    }

    /// Says how far a source is trusted.
    ///
    /// # Errors
    /// As of [`ResponsePolicy::set_trust`](crate::ResponsePolicy::set_trust).
    pub fn set_trust(&mut self, source: u64, trust: f64) -> Result<(), Error> {
        self.sources.set_trust(source, trust)
    }

    /// The last alarm that rewards changed, and how many there were.
    #[must_use]
    pub fn drift(&self) -> (Option<Alarm>, u64) {
        (self.drift.last(), self.drift.alarms())
    }

    /// Experiences and labelled cases in memory.
    #[must_use]
    pub fn remembered(&self) -> (usize, usize) {
        (self.replay.len(), self.cases.len())
    }

    /// The latest time in any row.
    #[must_use]
    pub fn now_ms(&self) -> u64 {
        self.now_ms
    }

    /// The whole state as bytes, with version and checksum.
    ///
    /// # Errors
    /// [`Error::Snapshot`] if memory is short.
    pub fn snapshot(&self) -> Result<Vec<u8>, Error> {
        snapshot::seal(KIND, self)
    }

    /// The state that [`Learner::snapshot`] wrote.
    ///
    /// # Errors
    /// [`Error::Snapshot`] or [`Error::Version`] for anything else.
    pub fn restore(bytes: &[u8]) -> Result<Self, Error> {
        let learner: Self = snapshot::unseal(KIND, bytes)?;
        let sound = learner.config.check().is_ok()
            && learner.candidate.is_sound()
            && learner.candidate.config().features == learner.config.policy.features
            && learner.sources.is_sound()
            && learner.replay.is_sound()
            && learner.cases.is_sound()
            && learner.lane.is_sound()
            && learner.ledger.is_sound();
        if sound {
            Ok(learner)
        } else {
            Err(Error::Snapshot("the parts of the learner contradict each other"))
        }
    }
}
