//! Labelled texts as hashes, and what would be detected among them.

use std::collections::VecDeque;

use serde::{Deserialize, Serialize};

use crate::Random;
use crate::error::{Error, setting};
use crate::patterns::Template;
use crate::text::{Hashed, TextLane};

/// Texts of each kind, and hashes of all of them together: 8 MiB. Where texts are long, fewer are kept, and each of them whole:
/// what stands late in a page is what shadow and gate must see.
const KEPT: usize = 2048;
const HASHES: usize = 1 << 21;
/// Longer lists are cut: more than a text of 16 KiB has.
const INDICES: usize = 1 << 14;
/// One of so many benign texts is never learnt: thresholds rest on it.
const HELD_BACK: u64 = 4;
/// Texts that are drawn for a rehearsal, of which the benign ones count.
const DRAWN: usize = 5;

/// A text with its label.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Case {
    /// What the shipped detector says, in log-odds.
    pub score: f64,
    /// Whether it is an attack.
    pub attack: bool,
    /// Hashed n-grams of all kinds, each once.
    pub indices: Vec<u32>,
    /// Hashed n-grams of words, in order.
    pub words: Vec<u32>,
    /// Hashed words, in order.
    pub tokens: Vec<u32>,
}

impl Case {
    pub(crate) fn check(&self) -> Result<(), Error> {
        setting("score", self.score, "from -100 to 100", (-100.0..=100.0).contains(&self.score))
    }

    pub(crate) fn hashed(&self) -> Hashed<'_> {
        Hashed { indices: &self.indices, words: &self.words }
    }

    fn hashes(&self) -> usize {
        self.indices.len() + self.words.len() + self.tokens.len()
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
        self.score(case) > self.threshold
            || self.text.is_some_and(|lane| lane.alarms(&case.words))
            || templates.any(|template| template.matches(&case.tokens))
    }
}

/// The last labelled texts: those that were learnt, and benign ones that never are.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Cases {
    learnt: Ring,
    held_back: Ring,
    benign: u64,
}

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
struct Ring {
    kept: VecDeque<(u64, Case)>,
    hashes: usize,
}

impl Ring {
    fn add(&mut self, mut case: Case, order: u64) {
        for list in [&mut case.indices, &mut case.words, &mut case.tokens] {
            list.truncate(INDICES);
        }
        self.hashes += case.hashes();
        self.kept.push_back((order, case));
        while self.kept.len() > KEPT || self.hashes > HASHES {
            let Some((_, oldest)) = self.kept.pop_front() else { break };
            self.hashes -= oldest.hashes();
        }
    }
}

impl Cases {
    /// Whether this text is one of those that are never learnt.
    pub(crate) fn holds_back(&mut self, case: &Case) -> bool {
        self.benign += u64::from(!case.attack);
        !case.attack && self.benign.is_multiple_of(HELD_BACK)
    }

    pub(crate) fn add(&mut self, case: Case, order: u64, held_back: bool) {
        let ring = if held_back { &mut self.held_back } else { &mut self.learnt };
        ring.add(case, order);
    }

    pub(crate) fn len(&self) -> usize {
        self.learnt.kept.len() + self.held_back.kept.len()
    }

    /// Those after a row.
    pub(crate) fn after(&self, row: u64) -> impl Iterator<Item = &Case> {
        let rings = self.learnt.kept.iter().chain(&self.held_back.kept);
        rings.filter(move |(order, _)| *order > row).map(|(_, case)| case)
    }

    /// The last so many that were learnt, and all that were not.
    pub(crate) fn latest(&self, count: usize) -> impl Iterator<Item = &Case> {
        self.learnt.kept.iter().rev().take(count).map(|(_, case)| case).chain(self.held_back())
    }

    /// Benign texts that were never learnt.
    pub(crate) fn held_back(&self) -> impl Iterator<Item = &Case> {
        self.held_back.kept.iter().map(|(_, case)| case)
    }

    /// Some that were learnt as benign, for a rehearsal.
    pub(crate) fn drawn<'a>(&'a self, random: &mut Random) -> impl Iterator<Item = &'a [u32]> + use<'a> {
        let places = [(); DRAWN].map(|()| random.below(self.learnt.kept.len()));
        let cases = places.into_iter().filter_map(|place| self.learnt.kept.get(place));
        cases.filter(|(_, case)| !case.attack).map(|(_, case)| case.words.as_slice())
    }

    pub(crate) fn all(&self) -> impl Iterator<Item = &Case> {
        self.after(0)
    }

    pub(crate) fn is_sound(&self) -> bool {
        [&self.learnt, &self.held_back].into_iter().all(|ring| {
            let hashes: usize = ring.kept.iter().map(|(_, case)| case.hashes()).sum();
            ring.kept.len() <= KEPT && ring.hashes == hashes
        })
    }
}
