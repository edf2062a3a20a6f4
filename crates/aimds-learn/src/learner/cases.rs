//! Labelled texts as hashes, and what would be detected among them.

use std::collections::VecDeque;

use serde::{Deserialize, Serialize};

use crate::error::{Error, setting};
use crate::patterns::Template;
use crate::text::TextLane;

const KEPT: usize = 2048;
/// Longer lists are cut: enough for a page of text, and at most 10 MiB for all.
const INDICES: usize = 1024;
const TOKENS: usize = 256;

/// A text with its label.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Case {
    /// What the shipped detector says, in log-odds.
    pub score: f64,
    /// Whether it is an attack.
    pub attack: bool,
    /// Hashed n-grams.
    pub indices: Vec<u32>,
    /// Hashed words, in order.
    pub tokens: Vec<u32>,
}

impl Case {
    pub(crate) fn check(&self) -> Result<(), Error> {
        setting("score", self.score, "from -100 to 100", (-100.0..=100.0).contains(&self.score))
    }
}

/// What detects.
#[derive(Clone, Copy)]
pub(crate) struct Detecting<'a> {
    pub(crate) threshold: f64,
    pub(crate) text: Option<&'a TextLane>,
    pub(crate) patterns: &'a [Template],
    /// One that is not in force yet.
    pub(crate) proposed: Option<&'a Template>,
}

impl Detecting<'_> {
    pub(crate) fn score(&self, case: &Case) -> f64 {
        case.score + self.text.map_or(0.0, |lane| lane.adjustment(&case.indices))
    }

    pub(crate) fn detects(&self, case: &Case) -> bool {
        let mut templates = self.patterns.iter().chain(self.proposed);
        self.score(case) > self.threshold || templates.any(|template| template.matches(&case.tokens))
    }
}

/// The last labelled texts.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Cases {
    kept: VecDeque<(u64, Case)>,
}

impl Cases {
    pub(crate) fn add(&mut self, mut case: Case, order: u64) {
        case.indices.truncate(INDICES);
        case.tokens.truncate(TOKENS);
        if self.kept.len() == KEPT {
            self.kept.pop_front();
        }
        self.kept.push_back((order, case));
    }

    pub(crate) fn len(&self) -> usize {
        self.kept.len()
    }

    /// Those after a row.
    pub(crate) fn after(&self, row: u64) -> impl Iterator<Item = &Case> {
        self.kept.iter().filter(move |(order, _)| *order > row).map(|(_, case)| case)
    }

    /// The last so many.
    pub(crate) fn latest(&self, count: usize) -> impl Iterator<Item = &Case> {
        self.kept.iter().rev().take(count).map(|(_, case)| case)
    }

    pub(crate) fn all(&self) -> impl Iterator<Item = &Case> {
        self.kept.iter().map(|(_, case)| case)
    }
}
