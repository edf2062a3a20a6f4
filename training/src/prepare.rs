//! From rows to n-grams: the same normalisation and the same features as at run time.

use aimds_detect::lexical::{Family, TABLE_BITS, features};
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
    /// The row, without its text.
    pub row: Row,
    /// Every view.
    pub readings: Vec<Reading>,
}

/// Longer texts are cut for training (not for evaluation): a few very long documents would outweigh everything.
pub const TRAINING_CROP: usize = 6000;

/// Prepares rows on all cores.
#[must_use]
pub fn prepare(rows: Vec<Row>, crop: usize) -> Vec<Prepared> {
    rows.into_par_iter()
        .map(|mut row| {
            let text = std::mem::take(&mut row.text);
            let text = &text[..text.floor_char_boundary(crop.min(text.len()))];
            let readings = normalise(text, &Limits::default())
                .views
                .into_iter()
                .map(|view| {
                    let text = &view.remainder.as_ref().unwrap_or(&view.canonical).text;
                    Reading { sentences: sentences(text).map(|range| Grams::of(&text[range])).collect(), transforms: view.transforms }
                })
                .collect();
            row.text = text[..text.floor_char_boundary(200)].to_owned();
            Prepared { row, readings }
        })
        .collect()
}
