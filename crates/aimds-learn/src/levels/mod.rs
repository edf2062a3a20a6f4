//! Levels of tuning, each kept only with a gain that rows which it has not seen make sure.
//!
//! Level after level searches around what the level before found, on one part of the rows, and must then show its gain on
//! the held-out part. The first level whose interval holds 0 ends the search. Because the search looks at the training
//! part alone, and a level is tested only after all before it were accepted, the tests are a fixed sequence, and the
//! chance that any worthless level is kept is at most that of the first one: 2.5 % at 95 % (Maurer, Hothorn and
//! Lehmacher, *Multiple comparisons in drug clinical trials and preclinical assays*, 1995).

mod tuning;

pub(crate) use tuning::probabilities;
pub use tuning::{Tuned, Tuning, tune};

use serde::{Deserialize, Serialize};

use crate::Random;
use crate::error::{Error, setting};
use crate::evaluation::{Interval, bootstrap};

/// The most levels.
pub const MAX_LEVELS: usize = 25;

/// What can be tuned level by level.
pub trait Problem {
    /// What is tuned.
    type Settings: Clone;

    /// What the level is about, in a few words.
    fn objective(&self, level: usize) -> String;

    /// Settings to try at a level, from those found so far.
    fn variants(&self, level: usize, from: &Self::Settings) -> Vec<Self::Settings>;

    /// How good settings are on the training part: more is better.
    ///
    /// # Errors
    /// What keeps them from being tried; such settings are passed over.
    fn fitness(&mut self, settings: &Self::Settings) -> Result<f64, Error>;

    /// How much better `to` is than `from` in each held-out row.
    ///
    /// # Errors
    /// What keeps the gain from being measured; that ends the search.
    fn held_out(&mut self, from: &Self::Settings, to: &Self::Settings) -> Result<Vec<f64>, Error>;
}

/// Bounds of [`optimise`].
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct LevelsConfig {
    /// Levels at most. Default [`MAX_LEVELS`].
    pub max_depth: usize,
    /// Confidence of the intervals. Default 0.95.
    pub confidence: f64,
}

impl Default for LevelsConfig {
    fn default() -> Self {
        Self { max_depth: MAX_LEVELS, confidence: 0.95 }
    }
}

/// One level.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Level {
    /// From 0.
    pub number: usize,
    /// What it is about.
    pub objective: String,
    /// Settings it tried.
    pub tried: usize,
    /// Its gain on held-out rows; `None` where nothing was better even in training, or too few rows were left.
    pub gain: Option<Interval>,
    /// Whether it was kept.
    pub kept: bool,
}

/// What the levels found.
#[derive(Clone, Debug, PartialEq)]
pub struct Levels<S> {
    /// The settings before level 0, then those after each level that was kept: to roll back, take an earlier one.
    pub settings: Vec<S>,
    /// The levels that were tried: all kept ones, and the one that ended the search.
    pub levels: Vec<Level>,
}

impl<S> Levels<S> {
    /// How many levels were kept.
    #[must_use]
    pub fn effective_depth(&self) -> usize {
        self.settings.len().saturating_sub(1)
    }

    /// The settings found.
    #[must_use]
    pub fn best(&self) -> Option<&S> {
        self.settings.last()
    }
}

/// Tunes level by level until one brings no sure gain.
///
/// # Errors
/// [`Error::Setting`] for a depth outside 1 to [`MAX_LEVELS`].
pub fn optimise<P: Problem>(
    problem: &mut P,
    start: P::Settings,
    config: LevelsConfig,
    random: &mut Random,
) -> Result<Levels<P::Settings>, Error> {
    let depth = config.max_depth;
    setting("max_depth", depth as f64, "from 1 to 25", (1..=MAX_LEVELS).contains(&depth))?;
    let mut found = Levels { settings: vec![start.clone()], levels: Vec::new() };
    let mut current = start;
    for number in 0..depth {
        let (level, settings) = climb(problem, number, &current, config.confidence, random);
        found.levels.push(level);
        match settings {
            Some(settings) => {
                found.settings.push(settings.clone());
                current = settings;
            }
            None => break,
        }
    }
    Ok(found)
}

fn climb<P: Problem>(
    problem: &mut P,
    number: usize,
    from: &P::Settings,
    confidence: f64,
    random: &mut Random,
) -> (Level, Option<P::Settings>) {
    let variants = problem.variants(number, from);
    let objective = problem.objective(number);
    let mut level = Level { number, objective, tried: variants.len(), gain: None, kept: false };
    let mut best = None;
    let mut record = problem.fitness(from).unwrap_or(f64::NEG_INFINITY);
    for variant in variants {
        if let Ok(fitness) = problem.fitness(&variant)
            && fitness > record
        {
            (best, record) = (Some(variant), fitness);
        }
    }
    let Some(best) = best else { return (level, None) };
    let gain = problem.held_out(from, &best).and_then(|rows| bootstrap(&rows, confidence, random));
    level.gain = gain.ok();
    level.kept = level.gain.is_some_and(|gain| gain.is_gain());
    let kept = level.kept.then_some(best);
    (level, kept)
}
