//! All proposals and what is in force: the one place that changes the live set.

use serde::{Deserialize, Serialize};

use super::{Change, ChangeKind, Evidence, NotNow, Proposal, Stage, Step};
use crate::error::{Error, setting};
use crate::patterns::Template;
use crate::policy::Model;
use crate::text::TextLane;

/// Proposals that are kept; the oldest that are closed make room.
const MAX_PROPOSALS: usize = 64;
/// Templates in force at most.
const MAX_TEMPLATES: usize = 1024;
/// Longest name or reason, in bytes.
const MAX_WORDS: usize = 500;

/// How fast the live set may change.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct LedgerLimits {
    /// Promotions in any hour. Default 2.
    pub promotions_an_hour: usize,
    /// The most that one promotion moves the threshold, in the unit of the score. Default 1, which suits log-odds.
    pub threshold_step: f64,
    /// Cases of a canary; 0 asks for none. Default 100.
    pub canary_rows: usize,
}

impl Default for LedgerLimits {
    fn default() -> Self {
        Self { promotions_an_hour: 2, threshold_step: 1.0, canary_rows: 100 }
    }
}

impl LedgerLimits {
    pub(crate) fn check(&self) -> Result<(), Error> {
        let Self { promotions_an_hour, threshold_step, canary_rows } = *self;
        setting(
            "promotions_an_hour",
            promotions_an_hour as f64,
            "from 1 to 1000",
            (1..=1000).contains(&promotions_an_hour),
        )?;
        setting(
            "threshold_step",
            threshold_step,
            "above 0",
            threshold_step > 0.0 && threshold_step.is_finite(),
        )?;
        let fits = canary_rows == 0 || (20..=100_000).contains(&canary_rows);
        setting("canary_rows", canary_rows as f64, "0 or from 20 to 100000", fits)
    }
}

/// What is in force. `None` means: as shipped.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Live {
    /// The response policy.
    pub policy: Option<Model>,
    /// The threshold.
    pub threshold: Option<f64>,
    /// The model of texts.
    pub text: Option<TextLane>,
    /// Templates of attacks.
    pub patterns: Vec<Template>,
    /// How often it was changed.
    pub version: u64,
}

/// Proposals, what is in force, and the kill switch.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Ledger {
    limits: LedgerLimits,
    proposals: Vec<Proposal>,
    last: u64,
    live: Live,
    stopped: bool,
    /// Times of the last promotions.
    promoted: Vec<u64>,
}

const HOUR_MS: u64 = 3_600_000;

impl Ledger {
    /// Nothing proposed, everything as shipped.
    ///
    /// # Errors
    /// [`Error::Setting`].
    pub fn new(limits: LedgerLimits) -> Result<Self, Error> {
        limits.check()?;
        let live = Live::default();
        Ok(Self { limits, proposals: Vec::new(), last: 0, live, stopped: false, promoted: Vec::new() })
    }

    /// Drafts a proposal and returns its number.
    ///
    /// # Errors
    /// [`NotNow::Stopped`]; [`NotNow::Full`] while 64 proposals are open or in force.
    pub fn draft(&mut self, change: Change, why: String, at_ms: u64) -> Result<u64, NotNow> {
        self.running()?;
        if self.proposals.len() >= MAX_PROPOSALS {
            let closed = |proposal: &Proposal| matches!(proposal.stage, Stage::Rejected | Stage::RolledBack);
            let oldest = self.proposals.iter().position(closed);
            let oldest = oldest.ok_or(NotNow::Full { what: "proposals", limit: MAX_PROPOSALS })?;
            self.proposals.remove(oldest);
        }
        self.last += 1;
        let (id, stage) = (self.last, Stage::Drafted);
        let proposal = Proposal {
            id,
            at_ms,
            change: self.bounded(change),
            why,
            stage,
            steps: Vec::new(),
            looks: 0,
            before: None,
            promoted_as: 0,
        };
        self.proposals.push(proposal);
        Ok(id)
    }

    /// Attaches evidence and goes on to where it leads: a failed gate and a losing canary reject.
    ///
    /// # Errors
    /// [`NotNow`] for evidence that belongs to another stage, and for what a person decides, which has functions of its
    /// own.
    pub fn advance(&mut self, id: u64, evidence: Evidence, at_ms: u64) -> Result<Stage, NotNow> {
        self.running()?;
        let canary_rows = self.limits.canary_rows;
        let proposal = self.find(id)?;
        let (needed, next) = match &evidence {
            Evidence::Shadow(_) => (Stage::Drafted, Stage::Shadowed),
            Evidence::Gate(verdict) if verdict.passed => (Stage::Shadowed, Stage::Gated),
            Evidence::Gate(_) => (Stage::Shadowed, Stage::Rejected),
            Evidence::Canary { gain: Some(gain), .. } if gain.is_loss() => (Stage::Gated, Stage::Rejected),
            Evidence::Canary { rows, gain }
                if *rows >= canary_rows && (gain.is_some() || canary_rows == 0) =>
            {
                (Stage::Gated, Stage::Proven)
            }
            _ => return Err(wrong(proposal, "evidence of the next stage")),
        };
        if proposal.stage != needed {
            return Err(wrong(proposal, needed.as_str()));
        }
        proposal.stage = next;
        proposal.steps.push(Step { at_ms, evidence });
        Ok(next)
    }

    /// Puts a proven proposal into force.
    ///
    /// # Errors
    /// [`NotNow`]: stopped, not proven, unsigned, or too fast.
    pub fn promote(&mut self, id: u64, by: &str, reason: &str, at_ms: u64) -> Result<&Proposal, NotNow> {
        self.running()?;
        signed(by, reason)?;
        self.not_too_fast(at_ms)?;
        let proposal = self.find(id)?;
        if proposal.stage != Stage::Proven {
            return Err(wrong(proposal, Stage::Proven.as_str()));
        }
        let change = proposal.change.clone();
        let before = self.put(change)?;
        self.promoted.push(at_ms);
        let evidence = Evidence::Promoted { by: by.to_owned(), reason: reason.to_owned() };
        let version = self.live.version;
        let proposal = self.find(id)?;
        proposal.before = before;
        proposal.promoted_as = version;
        proposal.stage = Stage::Live;
        proposal.steps.push(Step { at_ms, evidence });
        Ok(proposal)
    }

    /// Puts back what was in force before. Also while stopped, and at any rate: it is the way out.
    ///
    /// # Errors
    /// [`NotNow`]: not live, unsigned, or covered by a later promotion of the same part.
    pub fn roll_back(&mut self, id: u64, by: &str, reason: &str, at_ms: u64) -> Result<&Proposal, NotNow> {
        signed(by, reason)?;
        let proposal = self.find(id)?;
        let (kind, promoted_as) = (proposal.change.kind(), proposal.promoted_as);
        let covers = |later: &&Proposal| {
            kind != ChangeKind::Pattern
                && later.stage == Stage::Live
                && later.change.kind() == kind
                && later.promoted_as > promoted_as
        };
        if let Some(later) = self.proposals.iter().find(covers) {
            return Err(NotNow::Covered { later: later.id });
        }
        let proposal = self.find(id)?;
        if proposal.stage != Stage::Live {
            return Err(wrong(proposal, Stage::Live.as_str()));
        }
        proposal.stage = Stage::RolledBack;
        let evidence = Evidence::RolledBack { by: by.to_owned(), reason: reason.to_owned() };
        proposal.steps.push(Step { at_ms, evidence });
        let (change, before) = (proposal.change.clone(), proposal.before.take());
        self.take_back(&change, before);
        self.find(id).map(|proposal| &*proposal)
    }

    /// Closes an open proposal. Also while stopped.
    ///
    /// # Errors
    /// [`NotNow`]: not open, or unsigned.
    pub fn reject(&mut self, id: u64, by: &str, reason: &str, at_ms: u64) -> Result<&Proposal, NotNow> {
        signed(by, reason)?;
        let proposal = self.find(id)?;
        if !proposal.stage.is_open() {
            return Err(wrong(proposal, "an open proposal"));
        }
        proposal.stage = Stage::Rejected;
        let evidence = Evidence::Rejected { by: by.to_owned(), reason: reason.to_owned() };
        proposal.steps.push(Step { at_ms, evidence });
        Ok(proposal)
    }

    /// Turns the kill switch on or off: while it is on nothing is drafted, advanced or promoted.
    pub fn stop(&mut self, stopped: bool) {
        self.stopped = stopped;
    }

    /// Whether the kill switch is on.
    #[must_use]
    pub fn is_stopped(&self) -> bool {
        self.stopped
    }

    /// What is in force.
    #[must_use]
    pub fn live(&self) -> &Live {
        &self.live
    }

    /// All proposals that are kept, oldest first.
    #[must_use]
    pub fn proposals(&self) -> &[Proposal] {
        &self.proposals
    }

    /// The limits.
    #[must_use]
    pub fn limits(&self) -> &LedgerLimits {
        &self.limits
    }

    /// Sets the limits: those of the operator.
    ///
    /// # Errors
    /// [`Error::Setting`].
    pub fn set_limits(&mut self, limits: LedgerLimits) -> Result<(), Error> {
        limits.check()?;
        self.limits = limits;
        Ok(())
    }

    pub(crate) fn looked(&mut self, id: u64) {
        if let Ok(proposal) = self.find(id) {
            proposal.looks += 1;
        }
    }

    /// A threshold that goes further than one step goes one step.
    fn bounded(&self, change: Change) -> Change {
        match (change, self.live.threshold) {
            (Change::Threshold(to), Some(from)) => {
                let step = self.limits.threshold_step;
                Change::Threshold(to.clamp(from - step, from + step))
            }
            (change, _) => change,
        }
    }

    fn put(&mut self, change: Change) -> Result<Option<Change>, NotNow> {
        let full = NotNow::Full { what: "templates", limit: MAX_TEMPLATES };
        if matches!(change, Change::Pattern(_)) && self.live.patterns.len() >= MAX_TEMPLATES {
            return Err(full);
        }
        self.live.version += 1;
        Ok(match change {
            Change::Policy(model) => self.live.policy.replace(*model).map(Box::new).map(Change::Policy),
            Change::Threshold(score) => self.live.threshold.replace(score).map(Change::Threshold),
            Change::Text(lane) => self.live.text.replace(*lane).map(Box::new).map(Change::Text),
            Change::Pattern(template) => {
                self.live.patterns.push(template);
                None
            }
        })
    }

    fn take_back(&mut self, change: &Change, before: Option<Change>) {
        self.live.version += 1;
        match (change, before) {
            (Change::Policy(_), before) => {
                self.live.policy =
                    before.and_then(|it| if let Change::Policy(it) = it { Some(*it) } else { None });
            }
            (Change::Threshold(_), before) => {
                self.live.threshold =
                    before.and_then(|it| if let Change::Threshold(it) = it { Some(it) } else { None });
            }
            (Change::Text(_), before) => {
                self.live.text =
                    before.and_then(|it| if let Change::Text(it) = it { Some(*it) } else { None });
            }
            (Change::Pattern(template), _) => {
                if let Some(at) = self.live.patterns.iter().position(|live| live == template) {
                    self.live.patterns.remove(at);
                }
            }
        }
    }

    fn running(&self) -> Result<(), NotNow> {
        if self.stopped { Err(NotNow::Stopped) } else { Ok(()) }
    }

    fn not_too_fast(&mut self, at_ms: u64) -> Result<(), NotNow> {
        // A clock that was set back does not open room: what lies in the future counts as just now.
        self.promoted.retain(|before| at_ms < before.saturating_add(HOUR_MS));
        let limit = self.limits.promotions_an_hour;
        if self.promoted.len() < limit {
            return Ok(());
        }
        let again_ms = self.promoted.iter().min().map_or(at_ms, |first| first.saturating_add(HOUR_MS));
        Err(NotNow::TooFast { limit, again_ms })
    }

    fn find(&mut self, id: u64) -> Result<&mut Proposal, NotNow> {
        self.proposals.iter_mut().find(|proposal| proposal.id == id).ok_or(NotNow::Unknown(id))
    }

    pub(crate) fn is_sound(&self) -> bool {
        let live = &self.live;
        self.limits.check().is_ok()
            && self.proposals.len() <= MAX_PROPOSALS
            && self.proposals.iter().all(|proposal| proposal.id <= self.last && sound(&proposal.change))
            && live.policy.as_ref().is_none_or(Model::is_sound)
            && live.text.as_ref().is_none_or(TextLane::is_sound)
            && live.threshold.is_none_or(f64::is_finite)
            && live.patterns.len() <= MAX_TEMPLATES
    }
}

fn sound(change: &Change) -> bool {
    match change {
        Change::Policy(model) => model.is_sound(),
        Change::Threshold(score) => score.is_finite(),
        Change::Text(lane) => lane.is_sound(),
        Change::Pattern(_) => true,
    }
}

fn wrong(proposal: &Proposal, needed: &'static str) -> NotNow {
    NotNow::Stage { id: proposal.id, stage: proposal.stage.as_str(), needed }
}

fn signed(by: &str, reason: &str) -> Result<(), NotNow> {
    let said = |words: &str| !words.trim().is_empty() && words.len() <= MAX_WORDS;
    if said(by) && said(reason) { Ok(()) } else { Err(NotNow::Unsigned) }
}
