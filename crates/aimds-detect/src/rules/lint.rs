//! What a rule must fulfil before it ships.

use aimds_text::{Limits, normalise};

use super::file::{RuleFile, Severity, Status};
use super::set::{RuleMask, RuleSet, parse, prefixes};

/// One thing that is wrong with a rule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// The rule.
    pub rule: String,
    /// What is wrong and what to do.
    pub what: String,
}

/// Longest match that a pattern may have, in bytes: rules are about wordings, not about documents.
const LONGEST_MATCH: usize = 1200;

/// Checks rules one by one and together. Empty if everything is as it should be.
#[must_use]
pub fn lint(files: &[RuleFile]) -> Vec<Problem> {
    let mut problems = Vec::new();
    let mut seen = std::collections::HashMap::<&str, &str>::new();
    let mut ids = std::collections::HashSet::new();
    for file in files {
        let mut say = |what: String| problems.push(Problem { rule: file.id.clone(), what });
        if !ids.insert(&file.id) {
            say("another rule has the same id".into());
        }
        let shape = |part: &str| {
            !part.is_empty()
                && part.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
        };
        if !file.id.split_once('.').is_some_and(|(family, name)| shape(family) && shape(name)) {
            say("the id must be family.name in lower case".into());
        }
        if file.category().is_none() {
            say(format!("unknown category {:?}", file.category));
        }
        if file.origins().is_none() {
            say("unknown origin".into());
        }
        if file.why.trim().is_empty() || file.title.trim().is_empty() {
            say("title and why must say something".into());
        }
        if file.hits.len() < 3 || file.near_misses.len() < 3 {
            say("at least three hits and three near-misses are needed".into());
        }
        if file.decides && (file.severity != Severity::High || file.status != Status::Stable) {
            say("only a stable rule of high severity may decide".into());
        }
        if file.patterns.is_empty() {
            say("no pattern".into());
        }
        for pattern in &file.patterns {
            if let Some(other) = seen.insert(pattern, &file.id) {
                say(format!("a pattern stands in {other} as well"));
            }
            match parse(pattern) {
                Err(error) => say(format!("invalid pattern: {error}")),
                Ok(hir) => {
                    match hir.properties().maximum_len() {
                        Some(longest) if longest <= LONGEST_MATCH => {}
                        Some(longest) => {
                            say(format!("may match {longest} bytes, at most {LONGEST_MATCH} are allowed"))
                        }
                        None => say("has a repetition without an upper bound".into()),
                    }
                    if let Err(error) = prefixes(&hir) {
                        say(format!("slow: {error}; begin the pattern with literals"));
                    }
                }
            }
        }
        let Ok(alone) = RuleSet::compile(std::slice::from_ref(file)) else {
            say("does not compile".into());
            continue;
        };
        let Some(origin) = file.origins().and_then(|origins| origins.first().copied()) else { continue };
        let matches = |text: &str| {
            normalise(text, &Limits::default())
                .views
                .iter()
                .any(|view| !alone.find(&view.canonical.text, origin, &RuleMask::default()).is_empty())
        };
        for hit in file.hits.iter().filter(|hit| !matches(hit)) {
            say(format!("does not match its hit {hit:?}"));
        }
        for miss in file.near_misses.iter().filter(|miss| matches(miss)) {
            say(format!("matches its near-miss {miss:?}"));
        }
        for gap in file.known_gaps.iter().filter(|gap| matches(gap)) {
            say(format!("matches its known gap {gap:?}: move it to hits"));
        }
    }
    problems
}
