//! What was learnt and proposed, in words and as JSON.

use std::fmt::Write as _;

use aimds_learn::{Change, Evidence, Interval, Learner, Level, Proposal, Stage};
use serde_json::{Value, json};

use crate::moment;
use crate::terminal::{Paint, printable};

/// Everything as one JSON object.
pub(super) fn status(learner: &Learner) -> Value {
    let ledger = learner.ledger();
    let live = ledger.live();
    let (alarm, alarms) = learner.drift();
    let (experiences, cases) = learner.remembered();
    json!({
        "seen": learner.summary(),
        "remembered": { "experiences": experiences, "labelled_texts": cases },
        "stopped": ledger.is_stopped(),
        "limits": ledger.limits(),
        "false_alarm_budget": learner.config().false_alarms,
        "live": {
            "version": live.version,
            "policy": live.policy.is_some(),
            "threshold": live.threshold.map(probability),
            "threshold_shipped": probability(learner.config().shipped_threshold),
            "text_weights": live.text.as_ref().map(aimds_learn::TextLane::weights),
            "patterns": live.patterns.len(),
        },
        "drift": { "alarms": alarms, "last": alarm },
        "levels": { "effective_depth": depth(learner.levels()), "tried": learner.levels() },
        "sources": learner.sources(),
        "proposals": ledger.proposals().iter().map(proposal).collect::<Vec<_>>(),
    })
}

fn depth(levels: &[Level]) -> usize {
    levels.iter().filter(|level| level.kept).count()
}

/// Log-odds as the score of a verdict.
fn probability(log_odds: f64) -> f64 {
    1.0 / (1.0 + (-log_odds).exp())
}

/// One proposal as JSON.
pub(super) fn proposal(proposal: &Proposal) -> Value {
    let change = match &proposal.change {
        Change::Policy(model) => json!({ "settings": model.config() }),
        Change::Threshold(score) => json!({ "threshold": probability(*score) }),
        Change::Text(lane) => json!({ "weights": lane.weights(), "labels": lane.labels() }),
        Change::Pattern(template) => json!(template),
    };
    json!({
        "id": proposal.id,
        "kind": proposal.change.kind(),
        "stage": proposal.stage,
        "at_ms": proposal.at_ms,
        "why": proposal.why,
        "change": change,
        "steps": proposal.steps,
        "looks": proposal.looks,
    })
}

/// The page of `aimds learn status`.
pub(super) fn text(learner: &Learner, paint: Paint) -> String {
    let mut page = String::new();
    let seen = learner.summary();
    let (experiences, cases) = learner.remembered();
    // Writing to a String does not fail.
    if learner.ledger().is_stopped() {
        let _ = writeln!(page, "{}", paint.mark("learning is stopped"));
    }
    let _ = writeln!(
        page,
        "{} outcomes learnt from, {} without weight, {} duplicates, {} over a quota\n{} labels of reviewers, {} of others (not learnt \
from)\n{experiences} experiences and {cases} labelled texts in memory; {} looks at what could be better",
        seen.learnt,
        seen.weightless,
        seen.duplicates,
        seen.over_quota,
        seen.labels,
        seen.unverified_labels,
        seen.adaptations
    );
    drift(learner, &mut page, paint);
    levels(learner.levels(), &mut page);
    live(learner, &mut page);
    page.push('\n');
    page.push_str(&proposals(learner, paint));
    page
}

fn drift(learner: &Learner, page: &mut String, paint: Paint) {
    let (alarm, alarms) = learner.drift();
    if let Some(alarm) = alarm {
        let way = if alarm.rising { "rose" } else { "fell" };
        let _ = writeln!(
            page,
            "{}  rewards {way} at outcome {} ({alarms} alarms so far)",
            paint.mark("drift"),
            alarm.at.saturating_sub(alarm.since)
        );
    }
}

fn levels(levels: &[Level], page: &mut String) {
    if levels.is_empty() {
        return;
    }
    let _ = writeln!(page, "last tuning: effective depth {} of {} levels tried", depth(levels), levels.len());
    for level in levels {
        let gain = level.gain.map_or("nothing better in training, or too few rows".to_owned(), interval);
        let kept = if level.kept { "kept" } else { "not kept, end" };
        let _ = writeln!(page, "  {:>2} {:<20} {gain}: {kept}", level.number, level.objective);
    }
}

fn live(learner: &Learner, page: &mut String) {
    let live = learner.ledger().live();
    let shipped = learner.config().shipped_threshold;
    let threshold = live.threshold.map_or_else(
        || format!("threshold {:.3} (as shipped)", probability(shipped)),
        |threshold| format!("threshold {:.3}", probability(threshold)),
    );
    let policy =
        if live.policy.is_some() { "a promoted response policy" } else { "responses as the rules say" };
    let text =
        live.text.as_ref().map_or(String::new(), |lane| format!(", {} n-gram weights", lane.weights()));
    let _ = writeln!(
        page,
        "in force, version {}: {policy}, {threshold}{text}, {} templates",
        live.version,
        live.patterns.len()
    );
}

/// All proposals.
pub(super) fn proposals(learner: &Learner, paint: Paint) -> String {
    let mut page = String::new();
    if learner.ledger().proposals().is_empty() {
        page.push_str("no proposals\n");
    }
    for proposal in learner.ledger().proposals() {
        let stage = proposal.stage.as_str().replace('_', " ");
        let stage = match proposal.stage {
            Stage::Proven | Stage::Live => paint.good(&stage),
            Stage::Rejected | Stage::RolledBack => paint.faint(&stage),
            _ => paint.strong(&stage),
        };
        let _ = writeln!(page, "proposal {} ({}): {stage}", proposal.id, proposal.change.kind().as_str());
        let _ = writeln!(page, "  {}", proposal.why);
        for step in &proposal.steps {
            let _ = writeln!(page, "  {}  {}", moment::format(step.at_ms), evidence(&step.evidence));
        }
        if let Some(next) = next(proposal.stage, learner) {
            let _ = writeln!(page, "  next: {next}");
        }
    }
    page
}

fn evidence(evidence: &Evidence) -> String {
    match evidence {
        Evidence::Shadow(seen) => format!(
            "shadow: of {} cases {} the same, {} stricter, {} weaker",
            seen.rows, seen.same, seen.stricter, seen.weaker
        ),
        Evidence::Gate(verdict) => format!("gate: {}", verdict.reason),
        Evidence::Canary { rows: 0, .. } => "canary: none wanted".into(),
        Evidence::Canary { rows, gain } => {
            format!("canary: {rows} cases, reward {}", gain.map_or("unknown".into(), interval))
        }
        Evidence::Promoted { by, reason } => format!("promoted by {}: {}", printable(by), printable(reason)),
        Evidence::RolledBack { by, reason } => {
            format!("rolled back by {}: {}", printable(by), printable(reason))
        }
        Evidence::Rejected { by, reason } => format!("rejected by {}: {}", printable(by), printable(reason)),
    }
}

fn interval(interval: Interval) -> String {
    let Interval { mean, low, high, confidence } = interval;
    format!("{mean:+.4} ({:.0} % interval {low:+.4} to {high:+.4})", 100.0 * confidence)
}

fn next(stage: Stage, learner: &Learner) -> Option<String> {
    let gate = learner.config().gate;
    let canary = learner.ledger().limits().canary_rows;
    Some(match stage {
        Stage::Drafted | Stage::RolledBack | Stage::Rejected => return None,
        Stage::Shadowed => format!("the gate wants {} rows that came after it", gate.min_rows),
        Stage::Gated => format!("a canary of {canary} cases: rows that name this proposal"),
        Stage::Proven => "aimds learn promote".into(),
        Stage::Live => "aimds learn rollback, if it proves wrong".into(),
    })
}
