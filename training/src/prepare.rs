//! From rows to n-grams and rule hits: the same normalisation, features and rules as at run time.

use aimds_detect::Origin;
use aimds_detect::lexical::{Family, HEADS, RuleEvidence, TABLE_BITS, features};
use aimds_detect::rules::{RuleFile, RuleMask, RuleSet, Severity, Status};
use aimds_text::{Limits, Transform, normalise, sentences};
use rayon::prelude::*;

use crate::data::Row;

/// Table indices of the n-grams of one stretch of text: words, then characters.
#[derive(Clone, Debug, Default)]
pub struct Grams(pub [Vec<u32>; 2]);

impl Grams {
    fn of(text: &str) -> Self {
        let mut grams = Self::default();
        features(text, |family, hash| {
            let index = hash >> (32 - TABLE_BITS);
            match (family, &mut grams.0) {
                (Family::Words, [words, _]) => words.push(index),
                (Family::Characters, [_, characters]) => characters.push(index),
            }
        });
        grams
    }
}

/// One reading of a row, by sentence.
#[derive(Clone, Debug)]
pub struct Reading {
    /// What was decoded.
    pub transforms: Vec<Transform>,
    /// N-grams of each sentence.
    pub sentences: Vec<Grams>,
}

/// A row with its n-grams.
#[derive(Clone, Debug)]
pub struct Prepared {
    /// The row; its text is cut to what a report shows.
    pub row: Row,
    /// Every view.
    pub readings: Vec<Reading>,
    /// The rules that match, for each head: those for text by users, and those for tool output.
    pub rules: [RuleEvidence; HEADS],
}

/// Longer texts are cut for training (not for evaluation): a few very long documents would outweigh everything.
pub const TRAINING_CROP: usize = 6000;

/// The rules with their severities.
pub struct Rules {
    set: RuleSet,
    counts: Vec<Option<Severity>>,
}

impl Rules {
    /// Compiles rules; previews do not count.
    ///
    /// # Errors
    /// If a rule does not compile.
    pub fn new(files: &[RuleFile]) -> anyhow::Result<Self> {
        let counts =
            files.iter().map(|file| (file.status == Status::Stable).then_some(file.severity)).collect();
        Ok(Self { set: RuleSet::compile(files)?, counts })
    }

    fn evidence(&self, canonical: &[String], origin: Origin) -> RuleEvidence {
        let mut hits: Vec<usize> = canonical
            .iter()
            .flat_map(|text| self.set.find(text, origin, &RuleMask::default()))
            .map(|hit| hit.rule)
            .collect();
        hits.sort_unstable();
        hits.dedup();
        let mut evidence = RuleEvidence::default();
        for hit in hits {
            match self.counts[hit] {
                Some(Severity::High) => evidence.high += 1,
                Some(Severity::Medium) => evidence.medium += 1,
                Some(Severity::Low) => evidence.low += 1,
                None => {}
            }
        }
        evidence
    }
}

/// Prepares rows on all cores.
#[must_use]
pub fn prepare(rows: Vec<Row>, rules: &Rules, crop: usize) -> Vec<Prepared> {
    rows.into_par_iter()
        .map(|mut row| {
            let text = std::mem::take(&mut row.text);
            let text = &text[..text.floor_char_boundary(crop.min(text.len()))];
            let views = normalise(text, &Limits::default()).views;
            let canonical: Vec<String> = views.iter().map(|view| view.canonical.text.clone()).collect();
            let rules = [Origin::User, Origin::Tool].map(|origin| rules.evidence(&canonical, origin));
            let readings = views
                .into_iter()
                .map(|view| {
                    let text = &view.remainder.as_ref().unwrap_or(&view.canonical).text;
                    let sentences = sentences(text).map(|range| Grams::of(&text[range])).collect();
                    Reading { sentences, transforms: view.transforms }
                })
                .collect();
            row.text = text[..text.floor_char_boundary(200)].to_owned();
            Prepared { row, readings, rules }
        })
        .collect()
}
