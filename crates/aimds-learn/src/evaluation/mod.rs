//! What a policy would have earned, from the log of another one.
//!
//! Three estimates: inverse propensity scores (Horvitz and Thompson, 1952), self-normalised (Swaminathan and Joachims,
//! 2015), and doubly robust (Dudík, Langford and Li, *Doubly robust policy evaluation and learning*, 2011), which is
//! right if either the propensities or the model of rewards are, and is the one that decides.

mod interval;
mod model;

pub use interval::{Interval, MIN_VALUES, bernstein_low, bootstrap};

use serde::{Deserialize, Serialize};

use crate::Random;
use crate::context::MAX_ACTIONS;
use crate::error::Error;
use crate::replay::Experience;
use model::RewardModel;

/// The probability of each action, weakest first.
pub type Probabilities = [f64; MAX_ACTIONS];

/// What a policy would have earned.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Evaluation {
    /// Rows that could be used.
    pub rows: usize,
    /// Rows that could not: without weight, or decided without a choice where the policy wants another action.
    pub excluded: usize,
    /// How many rows of its own the importance weights leave (Kong, 1992).
    pub effective_rows: f64,
    /// Mean of the inverse propensity scores.
    pub ips: f64,
    /// The same over the sum of the weights.
    pub snips: f64,
    /// Doubly robust, with its interval.
    pub doubly_robust: Interval,
}

/// Judges a policy by rows that another one logged. O(1000·n) for the interval.
///
/// A row that was decided with probability 1 says nothing of other actions: it counts only where the policy would have
/// done the same, so the answer is about the cases in which the log explored. Rows without weight do not count.
///
/// # Errors
/// [`Error::TooFew`] below [`MIN_VALUES`] usable rows; what [`Experience::check`] says of a row.
///
/// ```
/// use aimds_learn::{Action, Experience, Features, Random, Trust, evaluate};
///
/// let mut random = Random::new(5);
/// let rows: Vec<Experience> = (0..2000)
///     .map(|at_ms| {
///         let action = Action(u8::from(random.unit() < 0.3));
///         let propensity = if action == Action(1) { 0.3 } else { 0.7 };
///         let reward = f64::from(u8::from(random.unit() < if action == Action(1) { 0.8 } else { 0.5 }));
///         let features = Features::new(&[1.0]).unwrap();
///         let (floor, trust) = (Action(0), Trust::Trusted);
///         Experience { features, floor, action, propensity, reward, weight: 1.0, trust, class: 0, at_ms }
///     })
///     .collect();
/// let always_one = evaluate(&rows, |_| [0.0, 1.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0], 0.95, &mut random)?;
/// assert!((always_one.doubly_robust.mean - 0.8).abs() < 0.05);
/// # Ok::<(), aimds_learn::Error>(())
/// ```
pub fn evaluate(
    rows: &[Experience],
    policy: impl Fn(&Experience) -> Probabilities,
    confidence: f64,
    random: &mut Random,
) -> Result<Evaluation, Error> {
    let comparison = Comparison::new(rows, |row| [policy(row), policy(row)])?;
    let (mut weights, mut squares, mut earned) = (0.0, 0.0, 0.0);
    for (row, [probabilities, _]) in &comparison.rows {
        let weight = at(probabilities, row) / row.propensity;
        (weights, squares, earned) =
            (weights + weight, squares + weight * weight, earned + weight * row.reward);
    }
    let n = comparison.rows.len();
    Ok(Evaluation {
        rows: n,
        excluded: comparison.excluded,
        effective_rows: if squares > 0.0 { weights * weights / squares } else { 0.0 },
        ips: earned / n as f64,
        snips: if weights > 0.0 { earned / weights } else { 0.0 },
        doubly_robust: bootstrap(&comparison.doubly_robust(0)?, confidence, random)?,
    })
}

/// Rows with what two policies would do in each: differences row by row are much surer than those of two means.
pub(crate) struct Comparison<'a> {
    rows: Vec<(&'a Experience, [Probabilities; 2])>,
    pub(crate) excluded: usize,
}

impl<'a> Comparison<'a> {
    pub(crate) fn new(
        rows: &'a [Experience],
        policies: impl Fn(&Experience) -> [Probabilities; 2],
    ) -> Result<Self, Error> {
        let mut usable = Vec::with_capacity(rows.len());
        for row in rows {
            row.check()?;
            let both = policies(row);
            let same = both.iter().all(|probabilities| at(probabilities, row) > 1.0 - 1e-12);
            if row.weight > 0.0 && (row.propensity < 1.0 || same) {
                usable.push((row, both));
            }
        }
        let excluded = rows.len() - usable.len();
        if usable.len() < MIN_VALUES {
            return Err(Error::TooFew { needed: MIN_VALUES, found: usable.len() });
        }
        Ok(Self { rows: usable, excluded })
    }

    pub(crate) fn len(&self) -> usize {
        self.rows.len()
    }

    /// The doubly robust estimate of every row, for one of the two policies.
    pub(crate) fn doubly_robust(&self, policy: usize) -> Result<Vec<f64>, Error> {
        let owned: Vec<Experience> = self.rows.iter().map(|(row, _)| **row).collect();
        let features = owned.first().map_or(0, |row| row.features.len());
        if let Some(odd) = owned.iter().find(|row| row.features.len() != features) {
            return Err(Error::Features { expected: features, found: odd.features.len() });
        }
        let model = RewardModel::fit(&owned, features)?;
        let estimate = |(number, (row, both)): (usize, &(&Experience, [Probabilities; 2]))| {
            let probabilities = both.get(policy)?;
            let direct: f64 = probabilities
                .iter()
                .enumerate()
                .filter(|(_, probability)| **probability > 0.0)
                .map(|(action, probability)| probability * model.expected(number, row, action))
                .sum();
            let missed = row.reward - model.expected(number, row, row.action.index());
            Some(direct + at(probabilities, row) / row.propensity * missed)
        };
        Ok(self.rows.iter().enumerate().filter_map(estimate).collect())
    }

    /// The difference of the two policies in every row: second minus first.
    pub(crate) fn gains(&self) -> Result<Vec<f64>, Error> {
        let (first, second) = (self.doubly_robust(0)?, self.doubly_robust(1)?);
        Ok(second.iter().zip(&first).map(|(second, first)| second - first).collect())
    }

    /// The largest range that a difference can have: both corrections at their worst.
    pub(crate) fn range(&self) -> f64 {
        let worst = |(row, both): &(&Experience, [Probabilities; 2])| {
            both.iter().map(|probabilities| at(probabilities, row) / row.propensity).sum::<f64>()
        };
        2.0 * (1.0 + self.rows.iter().map(worst).fold(0.0, f64::max))
    }
}

/// Whether the second policy is weaker than the first: some action and all below it together are likelier.
pub(crate) fn loosens([first, second]: &[Probabilities; 2]) -> bool {
    let (mut before, mut after) = (0.0, 0.0);
    first.iter().zip(second).any(|(first, second)| {
        (before, after) = (before + first, after + second);
        after > before + 1e-9
    })
}

fn at(probabilities: &Probabilities, row: &Experience) -> f64 {
    probabilities.get(row.action.index()).copied().unwrap_or(0.0)
}
