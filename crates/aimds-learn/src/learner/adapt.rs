//! A look at what could be better: open proposals go on where there is evidence, new ones are drafted.

use super::Learner;
use super::cases::{Case, Detecting};
use crate::Random;
use crate::error::Error;
use crate::evaluation::{Interval, MIN_VALUES, bootstrap};
use crate::levels::tune;
use crate::patterns::extract;
use crate::proposal::{
    Change, ChangeKind, Evidence, GateConfig, Proposal, Shadow, Stage, Verdict, gate, shadow,
};
use crate::replay::Experience;
use crate::threshold::threshold;

/// Looks of the gate at one proposal: after as many rows as it wants, twice, four and eight times as many. They share
/// the chance of an error.
const LOOKS: u32 = 4;
/// Labels between two drafts of the model of texts.
const LABELS: u64 = 100;
/// Confidence that a proposed threshold keeps the budget.
const BUDGET_CONFIDENCE: f64 = 0.9;
/// What the score may use of the budget where windows alarm too.
const SCORES_SHARE: f64 = 0.5;
/// Templates are learnt from so many words of a text.
const ALIGNED: usize = 256;
/// A threshold that moves by less is not worth a proposal.
const LEAST_MOVE: f64 = 0.02;
/// Tuning looks at the latest of these.
const TUNED_ROWS: usize = 2000;

impl Learner {
    /// Looks now what could be better, and says what came of it.
    ///
    /// # Errors
    /// What stopped it; the state stays usable.
    pub fn adapt(&mut self) -> Result<Vec<String>, Error> {
        self.since_adapted = 0;
        if self.ledger.is_stopped() {
            return Ok(Vec::new());
        }
        self.summary.adaptations += 1;
        let mut notes = Vec::new();
        self.go_on(&mut notes)?;
        self.draft_policy(&mut notes)?;
        self.draft_threshold(&mut notes)?;
        self.draft_text(&mut notes)?;
        self.draft_pattern(&mut notes)?;
        Ok(notes)
    }

    fn go_on(&mut self, notes: &mut Vec<String>) -> Result<(), Error> {
        let open: Vec<(u64, Stage)> = self
            .ledger
            .proposals()
            .iter()
            .filter(|proposal| proposal.stage.is_open())
            .map(|proposal| (proposal.id, proposal.stage))
            .collect();
        for (id, stage) in open {
            let evidence = match stage {
                Stage::Drafted => self.shadowed(id),
                Stage::Shadowed => self.gated(id)?,
                Stage::Gated => self.proven(id)?,
                _ => None,
            };
            if let Some(evidence) = evidence {
                self.attach(id, evidence, notes);
            }
        }
        Ok(())
    }

    fn attach(&mut self, id: u64, evidence: Evidence, notes: &mut Vec<String>) {
        let told = match &evidence {
            Evidence::Gate(verdict) => format!(": {}", verdict.reason),
            _ => String::new(),
        };
        if let Ok(stage) = self.ledger.advance(id, evidence, self.now_ms) {
            notes.push(format!("proposal {id} is {}{told}", stage.as_str()));
        }
        // One canary at a time; the next begins when it is over.
        let gated = |proposal: &&Proposal| proposal.stage == Stage::Gated;
        match self.ledger.proposals().iter().find(gated) {
            Some(proposal) => self.canary.run(proposal.id),
            None => self.canary.end(),
        }
    }

    fn proposal(&self, id: u64) -> Option<&Proposal> {
        self.ledger.proposals().iter().find(|proposal| proposal.id == id)
    }

    fn shadowed(&self, id: u64) -> Option<Evidence> {
        let change = &self.proposal(id)?.change;
        Some(Evidence::Shadow(match change {
            Change::Policy(model) => {
                let rows: Vec<Experience> = self.replay.iter().copied().collect();
                shadow(&rows, self.ledger.live().policy.as_ref(), model)
            }
            _ => {
                let (before, after) = (self.in_force(), self.with(change));
                let mut seen = Shadow { rows: self.cases.len(), same: 0, stricter: 0, weaker: 0 };
                for case in self.cases.all() {
                    let counter = match (before.detects(case), after.detects(case)) {
                        (false, true) => &mut seen.stricter,
                        (true, false) => &mut seen.weaker,
                        _ => &mut seen.same,
                    };
                    *counter += 1;
                }
                seen
            }
        }))
    }

    /// The gate's verdict when there are enough rows for its next look; a look that shows no gain is none unless it is
    /// the last.
    fn gated(&mut self, id: u64) -> Result<Option<Evidence>, Error> {
        let mut random = Random::new(self.random.bits());
        let Some(proposal) = self.proposal(id) else { return Ok(None) };
        let looks = proposal.looks;
        let since = self.drafted.iter().find(|(known, _)| *known == id).map_or(0, |(_, order)| *order);
        let config = self.config.gate;
        let wanted = config.min_rows << looks.min(LOOKS);
        // The looks share the error.
        let confidence = 1.0 - (1.0 - config.confidence) / f64::from(LOOKS);
        let config = GateConfig { confidence, ..config };
        let verdict = match &proposal.change {
            Change::Policy(model) => {
                let rows: Vec<Experience> =
                    self.replay.iter().filter(|row| row.at_ms > since).copied().collect();
                if rows.len() < wanted {
                    return Ok(None);
                }
                gate(&rows, self.ledger.live().policy.as_ref(), model, &config, &mut random)?
            }
            change => {
                let fresh: Vec<&Case> = self.cases.after(since).collect();
                if fresh.len() < wanted {
                    return Ok(None);
                }
                self.detection(change, &fresh, &config, &mut random)?
            }
        };
        self.ledger.looked(id);
        let last = looks + 1 >= LOOKS;
        Ok((verdict.passed || last).then_some(Evidence::Gate(verdict)))
    }

    /// Whether a change of detection finds more attacks without more false alarms than the budget permits or there are
    /// anyway, or fewer false alarms where there are too many.
    fn detection(
        &self,
        change: &Change,
        fresh: &[&Case],
        config: &GateConfig,
        random: &mut Random,
    ) -> Result<Verdict, Error> {
        let (before, after) = (self.in_force(), self.with(change));
        let rows = |attack: bool| {
            let of_kind = fresh.iter().filter(move |case| case.attack == attack);
            let share = |detects: bool| f64::from(u8::from(detects));
            let pairs = of_kind.map(|case| (share(before.detects(case)), share(after.detects(case))));
            pairs.collect::<Vec<(f64, f64)>>()
        };
        let (attacks, benign) = (rows(true), rows(false));
        let gain = |pairs: &[(f64, f64)], random: &mut Random| -> Result<Option<Interval>, Error> {
            let gains: Vec<f64> = pairs.iter().map(|(before, after)| after - before).collect();
            if gains.len() < MIN_VALUES {
                Ok(None)
            } else {
                bootstrap(&gains, config.confidence, random).map(Some)
            }
        };
        let rate = |pairs: &[(f64, f64)], pick: fn(&(f64, f64)) -> f64| {
            pairs.iter().map(pick).sum::<f64>() / pairs.len().max(1) as f64
        };
        let (alarms_before, alarms_after) = (rate(&benign, |pair| pair.0), rate(&benign, |pair| pair.1));
        let found = gain(&attacks, random)?;
        let budget = self.config.false_alarms;
        let within = benign.len() >= MIN_VALUES && alarms_after <= budget.max(alarms_before);
        let more = found.is_some_and(|gain| gain.is_gain());
        // Where the budget is broken, fewer alarms are worth some attacks: the budget is the operator's word.
        let repairs = alarms_before > budget && alarms_after < alarms_before;
        let loosens = attacks.iter().chain(&benign).any(|(before, after)| after < before);
        let passed = within && (more || repairs);
        let reason = format!(
            "finds {:.3} of {} fresh attacks instead of {:.3}, with {:.4} false alarms of {} instead of {:.4} (budget {budget}): {}",
            rate(&attacks, |pair| pair.1),
            attacks.len(),
            rate(&attacks, |pair| pair.0),
            alarms_after,
            benign.len(),
            alarms_before,
            if passed { "better" } else { "no sure gain, or too many false alarms" },
        );
        let rows = fresh.len();
        Ok(Verdict {
            passed,
            gain: found,
            bernstein_low: None,
            robust_mean: None,
            rows,
            verified: rows,
            loosens,
            reason,
        })
    }

    fn proven(&mut self, id: u64) -> Result<Option<Evidence>, Error> {
        let wanted = self.ledger.limits().canary_rows;
        if wanted == 0 {
            return Ok(Some(Evidence::Canary { rows: 0, gain: None }));
        }
        if self.canary.of() != Some(id) || self.canary.rows() < wanted {
            return Ok(None);
        }
        let gain = self.canary.gain(self.config.gate.confidence, &mut self.random)?;
        Ok(gain.map(|gain| Evidence::Canary { rows: self.canary.rows(), gain: Some(gain) }))
    }

    fn in_force(&self) -> Detecting<'_> {
        let live = self.ledger.live();
        Detecting {
            threshold: live.threshold.unwrap_or(self.config.shipped_threshold),
            text: live.text.as_ref(),
            patterns: &live.patterns,
            proposed: None,
        }
    }

    fn with<'a>(&'a self, change: &'a Change) -> Detecting<'a> {
        let now = self.in_force();
        match change {
            Change::Policy(_) => now,
            Change::Threshold(threshold) => Detecting { threshold: *threshold, ..now },
            Change::Text(lane) => Detecting { text: Some(lane), ..now },
            Change::Pattern(template) => Detecting { proposed: Some(template), ..now },
        }
    }

    fn has_open(&self, kind: ChangeKind) -> bool {
        self.ledger
            .proposals()
            .iter()
            .any(|proposal| proposal.stage.is_open() && proposal.change.kind() == kind)
    }

    fn draft(&mut self, change: Change, why: String, notes: &mut Vec<String>) {
        let kind = change.kind().as_str();
        if let Ok(id) = self.ledger.draft(change, why.clone(), self.now_ms) {
            notes.push(format!("proposal {id} ({kind}) is drafted: {why}"));
            let kept = self.ledger.proposals();
            self.drafted.retain(|(known, _)| kept.iter().any(|proposal| proposal.id == *known));
            self.drafted.push((id, self.order));
            if let Some(evidence) = self.shadowed(id) {
                self.attach(id, evidence, notes);
            }
        }
    }

    fn draft_policy(&mut self, notes: &mut Vec<String>) -> Result<(), Error> {
        if self.has_open(ChangeKind::Policy) || self.replay.len() < self.config.gate.min_rows {
            return Ok(());
        }
        let mut rows: Vec<Experience> = self.replay.iter().copied().collect();
        rows.sort_by_key(|row| row.at_ms);
        let latest = rows.get(rows.len().saturating_sub(TUNED_ROWS)..).unwrap_or_default();
        let incumbent = self.ledger.live().policy.as_ref();
        let tuned = tune(latest, &self.config.policy, incumbent, self.config.levels, &mut self.random)?;
        self.levels = tuned.levels;
        if tuned.effective_depth > 0 {
            let why = format!(
                "{} of {} levels brought a sure gain on held-out rows; learnt from {} outcomes",
                tuned.effective_depth,
                self.levels.len(),
                tuned.model.updates(),
            );
            self.draft(Change::Policy(Box::new(tuned.model)), why, notes);
        }
        Ok(())
    }

    fn draft_threshold(&mut self, notes: &mut Vec<String>) -> Result<(), Error> {
        if self.has_open(ChangeKind::Threshold) {
            return Ok(());
        }
        let now = self.in_force();
        // Texts that the model in force has learnt score lower than those to come: only the others tell how many false
        // alarms there will be. Each label that it has not learnt, and the learner has, is one case at the end of the memory.
        let unlearnt = now.text.map_or(usize::MAX, |lane| {
            usize::try_from(self.lane.labels().saturating_sub(lane.labels())).unwrap_or(usize::MAX)
        });
        let benign: Vec<f64> =
            self.cases.latest(unlearnt).filter(|case| !case.attack).map(|case| now.score(case)).collect();
        // Windows take what the score leaves of the budget.
        let windows = now.text.is_some_and(|lane| lane.bar().is_some());
        let budget = self.config.false_alarms * if windows { SCORES_SHARE } else { 1.0 };
        let found = threshold(&benign, budget, BUDGET_CONFIDENCE)?;
        let step = self.ledger.limits().threshold_step;
        let to = found.score.clamp(now.threshold - step, now.threshold + step);
        if !found.score.is_finite() || (to - now.threshold).abs() < LEAST_MOVE {
            return Ok(());
        }
        let why = format!(
            "from {:+.3} to {to:+.3}, on the way to {:+.3}, where {} reviewed benign scores keep {budget} false alarms with {:.0} % confidence",
            now.threshold,
            found.score,
            found.benign,
            100.0 * BUDGET_CONFIDENCE,
        );
        self.draft(Change::Threshold(to), why, notes);
        Ok(())
    }

    fn draft_text(&mut self, notes: &mut Vec<String>) -> Result<(), Error> {
        let labels = self.lane.labels();
        let fresh = labels >= self.labels_at_draft + LABELS;
        if !fresh || self.has_open(ChangeKind::Text) || self.lane.weights() == 0 {
            return Ok(());
        }
        self.labels_at_draft = labels;
        let mut lane = Box::new(self.lane.clone());
        let benign = self.cases.held_back().map(|case| (case.score, case.hashed()));
        let threshold = self.in_force().threshold;
        let benign = lane.calibrate(benign, threshold, self.config.false_alarms, BUDGET_CONFIDENCE)?;
        let windows = match lane.bar() {
            Some(bar) => format!("windows alarm above {bar:+.3}, from {benign} benign texts kept back"),
            None => format!("no window alarms: {benign} benign texts kept back are too few for a threshold"),
        };
        let why = format!("{} n-grams weighed by {labels} reviewed labels; {windows}", lane.weights());
        self.draft(Change::Text(lane), why, notes);
        Ok(())
    }

    fn draft_pattern(&mut self, notes: &mut Vec<String>) -> Result<(), Error> {
        if self.has_open(ChangeKind::Pattern) {
            return Ok(());
        }
        let now = self.in_force();
        // What is detected anyway needs no template.
        let missed = |case: &&Case| case.attack && !case.tokens.is_empty() && !now.detects(case);
        let head = |case: &Case| case.tokens.iter().take(ALIGNED).copied().collect();
        let attacks: Vec<Vec<u32>> = self.cases.all().filter(missed).map(head).collect();
        let benign: Vec<Vec<u32>> = self.cases.all().filter(|case| !case.attack).map(head).collect();
        let known = |pieces: &[Vec<u32>]| {
            self.ledger
                .proposals()
                .iter()
                .any(|proposal| matches!(&proposal.change, Change::Pattern(it) if it.pieces == pieces))
        };
        let found = extract(&attacks, &benign, &self.config.patterns)?;
        let Some(template) = found.into_iter().find(|template| !known(&template.pieces)) else {
            return Ok(());
        };
        let why = format!(
            "{} tokens in {} pieces are common to {} reviewed attacks that nothing detects, and to {} of {} benign texts",
            template.tokens(),
            template.pieces.len(),
            template.support,
            template.benign,
            benign.len(),
        );
        self.draft(Change::Pattern(template), why, notes);
        Ok(())
    }
}
