//! From what the operator wrote to what is used. A file is taken whole or not at all.

use std::collections::BTreeSet;

use aimds_detect::Origin;

use super::{Measure, Playbook, Playbooks};
use crate::Action;
use crate::error::PolicyError;
use crate::file::{PlaybookEntry, RiskRange};
use crate::resolve::{check_category, in_unit_range};

/// A quarter of an hour.
const DEFAULT_SECONDS: u32 = 900;
const MAX_SECONDS: u32 = 30 * 24 * 3600;
const DEFAULT_DELAY_MS: u32 = 1_000;
/// A request that is held up keeps its connection.
const MAX_DELAY_MS: u32 = 30_000;

impl Playbooks {
    /// Checks the playbooks of a file.
    pub(crate) fn resolve(entries: Vec<PlaybookEntry>) -> Result<Self, PolicyError> {
        let mut names = BTreeSet::new();
        let resolved = entries.into_iter().enumerate().map(|(at, entry)| {
            let place = format!("playbook[{at}] ({})", entry.name);
            if !names.insert(entry.name.clone()) {
                return Err(problem(&place, "another playbook has the same name"));
            }
            resolve(&place, entry)
        });
        Ok(Self { entries: resolved.collect::<Result<_, _>>()? })
    }
}

fn problem(place: &str, problem: impl Into<String>) -> PolicyError {
    PolicyError::Playbook { place: place.to_owned(), problem: problem.into() }
}

fn resolve(place: &str, entry: PlaybookEntry) -> Result<Playbook, PolicyError> {
    let texts = entry.actions.iter().copied().find(|measure| measure.changes_texts());
    check_measures(place, &entry)?;
    let risk = entry.risk.map(|range| risk(place, range)).transpose()?;
    for name in &entry.category {
        check_category(&format!("{place}.category"), name)?;
    }
    if entry.decision.is_empty() && entry.category.is_empty() && risk.is_none() {
        return Err(problem(place, "name a decision, a category or a risk: it would apply to everything"));
    }
    if let Some(action) = entry.decision.iter().find(|action| **action == Action::Allow) {
        let name = action.as_str();
        return Err(problem(place, format!("the decision \"{name}\" says that there is nothing to do")));
    }
    let mut origins = entry.origin.iter().map(|name| origin(place, name)).collect::<Result<Vec<_>, _>>()?;
    if let Some(measure) = texts {
        let name = measure.as_str();
        if entry.category.is_empty() && risk.is_none() {
            return Err(problem(place, format!("{name} is about messages: name a category or a risk")));
        }
        if origins.iter().any(|origin| !is_content(*origin)) {
            let what = format!("{name} is for untrusted content: origin may be tool and document only");
            return Err(problem(place, what));
        }
        if origins.is_empty() {
            origins = vec![Origin::Tool, Origin::Document];
        }
    }
    Ok(Playbook {
        name: entry.name.into(),
        action: entry.actions.iter().map(|measure| measure.action()).max().unwrap_or(Action::Allow),
        measures: entry.actions,
        decisions: entry.decision,
        categories: entry.category,
        origins,
        risk,
        tenants: entry.tenant,
        spotlight: entry.spotlight.unwrap_or_default(),
        seconds: entry.seconds.unwrap_or(DEFAULT_SECONDS),
        delay_ms: entry.delay_ms.unwrap_or(DEFAULT_DELAY_MS),
    })
}

fn check_measures(place: &str, entry: &PlaybookEntry) -> Result<(), PolicyError> {
    let has = |measure| entry.actions.contains(&measure);
    if entry.name.trim().is_empty() || entry.name.len() > 100 || entry.name.chars().any(char::is_control) {
        return Err(problem(place, "the name must have 1 to 100 bytes and no control characters"));
    }
    if entry.actions.is_empty() {
        return Err(problem(place, "actions is empty: it would do nothing"));
    }
    let once: BTreeSet<_> = entry.actions.iter().collect();
    if once.len() < entry.actions.len() {
        return Err(problem(place, "an action is named twice"));
    }
    if has(Measure::Strip) && has(Measure::Quote) {
        return Err(problem(place, "strip and quote exclude each other"));
    }
    if entry.spotlight.is_some() && !has(Measure::Sandwich) {
        return Err(problem(place, "spotlight is for the action sandwich"));
    }
    if entry.delay_ms.is_some() && !has(Measure::Delay) {
        return Err(problem(place, "delay_ms is for the action delay"));
    }
    if entry.seconds.is_some() && !entry.actions.iter().any(|measure| measure.lasts()) {
        return Err(problem(place, "seconds is for the actions throttle, delay and quarantine"));
    }
    if !(1..=MAX_SECONDS).contains(&entry.seconds.unwrap_or(1)) {
        return Err(problem(place, format!("seconds must be between 1 and {MAX_SECONDS}")));
    }
    if !(1..=MAX_DELAY_MS).contains(&entry.delay_ms.unwrap_or(1)) {
        return Err(problem(place, format!("delay_ms must be between 1 and {MAX_DELAY_MS}")));
    }
    Ok(())
}

fn risk(place: &str, range: RiskRange) -> Result<(f32, f32), PolicyError> {
    let place = format!("{place}.risk");
    let (from, to) = (in_unit_range(&place, range.from)?, in_unit_range(&place, range.to.unwrap_or(1.0))?);
    if from >= to {
        return Err(problem(&place, format!("from ({from}) is not below to ({to})")));
    }
    Ok((from, to))
}

fn origin(place: &str, name: &str) -> Result<Origin, PolicyError> {
    let unknown = || {
        let what = format!("unknown origin \"{name}\"; there are user, system, tool, document and model");
        problem(place, what)
    };
    Origin::parse(name).ok_or_else(unknown)
}

/// Whether text of an origin is content that others wrote.
pub(super) fn is_content(origin: Origin) -> bool {
    matches!(origin, Origin::Tool | Origin::Document)
}
