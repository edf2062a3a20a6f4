//! The levels of the response policy: the policy itself, then how it forgets, smooths, trusts, trims, sees, rehearses; then
//! ever finer rounds over all numbers at once.

use serde::{Deserialize, Serialize};

use super::{Level, LevelsConfig, Problem, optimise};
use crate::context::Action;
use crate::error::{Error, setting};
use crate::evaluation::{Comparison, Probabilities};
use crate::policy::{Model, PolicyConfig};
use crate::replay::{Experience, Replay, ReplayConfig};
use crate::robust::magnitude_at;
use crate::{Random, context::MAX_ACTIONS};

/// Share of the rows, in order of time, that levels are searched on; the rest is held out.
const SEARCHED: f64 = 0.6;
/// Share of those that a model is fitted on; the rest says how fit it is.
const FITTED: f64 = 0.7;
/// Fewer rows are not worth a search.
const MIN_ROWS: usize = 100;

/// What the levels set.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Tuning {
    /// Whether the policy is fitted anew; otherwise it is the one in force.
    pub refit: bool,
    /// As in [`PolicyConfig`].
    pub forgetting: f64,
    /// As in [`PolicyConfig`].
    pub ridge: f64,
    /// As in [`PolicyConfig`].
    pub verified_weight: f64,
    /// Share of the outcomes that are left out because they contradict a first fit most; reviewers' never are.
    pub trimmed: f64,
    /// Bit i: feature i is used.
    pub mask: u32,
    /// Experiences rehearsed by priority after the first pass, as a share of all.
    pub rehearsed: f64,
}

/// A tuned policy and how it came about.
#[derive(Clone, Debug)]
pub struct Tuned {
    /// Fitted on all rows with the settings found.
    pub model: Model,
    /// The settings.
    pub tuning: Tuning,
    /// The levels.
    pub levels: Vec<Level>,
    /// How many were kept.
    pub effective_depth: usize,
}

/// Tunes a policy on logged experiences, level by level. `incumbent` is the policy in force; without one, what the floors
/// say. The rows are put in order of time. O(levels · variants · n·d²).
///
/// # Errors
/// [`Error::TooFew`] below 100 rows; what [`Model::learn`] says of a row.
pub fn tune(
    rows: &[Experience],
    base: &PolicyConfig,
    incumbent: Option<&Model>,
    levels: LevelsConfig,
    random: &mut Random,
) -> Result<Tuned, Error> {
    if rows.len() < MIN_ROWS {
        return Err(Error::TooFew { needed: MIN_ROWS, found: rows.len() });
    }
    let mut ordered = rows.to_vec();
    ordered.sort_by_key(|row| row.at_ms);
    let (searched, held_out) = split(&ordered, SEARCHED);
    let (fitted, judged) = split(searched, FITTED);
    let seed = random.bits();
    let mut problem = PolicyTuning { fitted, judged, searched, held_out, base, incumbent, seed };
    let start = Tuning {
        refit: false,
        forgetting: base.forgetting,
        ridge: base.ridge,
        verified_weight: base.verified_weight,
        trimmed: 0.0,
        mask: u32::MAX,
        rehearsed: 0.0,
    };
    let found = optimise(&mut problem, start, levels, random)?;
    let effective_depth = found.effective_depth();
    let tuning = *found.best().unwrap_or(&start);
    let model = match (tuning.refit, incumbent) {
        (false, Some(incumbent)) => incumbent.clone(),
        _ => fit(&ordered, base, &tuning, seed)?,
    };
    Ok(Tuned { model, tuning, levels: found.levels, effective_depth })
}

fn split(rows: &[Experience], share: f64) -> (&[Experience], &[Experience]) {
    rows.split_at_checked((share * rows.len() as f64) as usize).unwrap_or((rows, &[]))
}

struct PolicyTuning<'a> {
    fitted: &'a [Experience],
    judged: &'a [Experience],
    searched: &'a [Experience],
    held_out: &'a [Experience],
    base: &'a PolicyConfig,
    incumbent: Option<&'a Model>,
    seed: u64,
}

impl PolicyTuning<'_> {
    /// The policy of these settings; `None` is what the floors say.
    fn policy(&self, rows: &[Experience], tuning: &Tuning) -> Result<Option<Model>, Error> {
        if tuning.refit {
            fit(rows, self.base, tuning, self.seed).map(Some)
        } else {
            Ok(self.incumbent.cloned())
        }
    }
}

/// What a policy would do in a row; without one, what the floor says.
pub(crate) fn probabilities(policy: Option<&Model>, row: &Experience) -> Probabilities {
    let explored = row.propensity < 1.0;
    let wanted = policy.and_then(|policy| policy.probabilities(&row.features, row.floor, explored).ok());
    wanted.unwrap_or_else(|| certain(row.floor))
}

fn certain(action: Action) -> Probabilities {
    let mut probabilities = [0.0; MAX_ACTIONS];
    if let Some(probability) = probabilities.get_mut(action.index()) {
        *probability = 1.0;
    }
    probabilities
}

impl Problem for PolicyTuning<'_> {
    type Settings = Tuning;

    fn objective(&self, level: usize) -> String {
        let named = [
            "response policy",
            "forgetting",
            "ridge",
            "weight of reviewers",
            "trimming",
            "features",
            "rehearsal",
        ];
        named
            .get(level)
            .map_or_else(|| format!("refinement {}", level - named.len() + 1), ToString::to_string)
    }

    fn variants(&self, level: usize, from: &Tuning) -> Vec<Tuning> {
        let from = Tuning { refit: true, ..*from };
        match level {
            0 => vec![from],
            1 => [0.99, 0.997, 0.999, 1.0].map(|forgetting| Tuning { forgetting, ..from }).to_vec(),
            2 => [0.1, 1.0, 10.0, 100.0].map(|ridge| Tuning { ridge, ..from }).to_vec(),
            3 => [1.0, 5.0, 20.0].map(|verified_weight| Tuning { verified_weight, ..from }).to_vec(),
            4 => [0.01, 0.02, 0.05, 0.1].map(|trimmed| Tuning { trimmed, ..from }).to_vec(),
            5 => (0..self.base.features)
                .map(|feature| Tuning { mask: from.mask & !(1 << feature), ..from })
                .collect(),
            6 => [0.25, 0.5, 1.0].map(|rehearsed| Tuning { rehearsed, ..from }).to_vec(),
            _ => {
                // Steps shrink from level to level.
                let step = 2.0_f64.powf(1.0 / (level - 6) as f64);
                let fade = 1.0 - from.forgetting;
                vec![
                    Tuning { ridge: (from.ridge * step).min(1e6), ..from },
                    Tuning { ridge: (from.ridge / step).max(1e-6), ..from },
                    Tuning { forgetting: 1.0 - (fade * step).min(0.5), ..from },
                    Tuning { forgetting: 1.0 - fade / step, ..from },
                    Tuning { verified_weight: (from.verified_weight * step).min(1000.0), ..from },
                    Tuning { verified_weight: (from.verified_weight / step).max(1.0), ..from },
                ]
            }
        }
    }

    fn fitness(&mut self, tuning: &Tuning) -> Result<f64, Error> {
        let policy = self.policy(self.fitted, tuning)?;
        let both = |row: &Experience| [probabilities(policy.as_ref(), row); 2];
        let rows = Comparison::new(self.judged, both)?.doubly_robust(0)?;
        Ok(rows.iter().sum::<f64>() / rows.len().max(1) as f64)
    }

    fn held_out(&mut self, from: &Tuning, to: &Tuning) -> Result<Vec<f64>, Error> {
        let (before, after) = (self.policy(self.searched, from)?, self.policy(self.searched, to)?);
        let both =
            |row: &Experience| [probabilities(before.as_ref(), row), probabilities(after.as_ref(), row)];
        Comparison::new(self.held_out, both)?.gains()
    }
}

/// A model of the rows, in the order given.
pub(crate) fn fit(
    rows: &[Experience],
    base: &PolicyConfig,
    tuning: &Tuning,
    seed: u64,
) -> Result<Model, Error> {
    let Tuning { forgetting, ridge, verified_weight, trimmed, mask, rehearsed, .. } = *tuning;
    setting("trimmed", trimmed, "from 0 to 0.5", (0.0..=0.5).contains(&trimmed))?;
    let config = PolicyConfig { forgetting, ridge, verified_weight, ..base.clone() };
    let mut model = pass(rows, &config, mask)?;
    if trimmed > 0.0 {
        let kept = trim(rows, &model, trimmed)?;
        model = pass(&kept, &config, mask)?;
    }
    if rehearsed > 0.0 {
        rehearse(&mut model, rows, rehearsed, seed)?;
    }
    Ok(model)
}

fn pass(rows: &[Experience], config: &PolicyConfig, mask: u32) -> Result<Model, Error> {
    let mut model = Model::new(config.clone(), mask)?;
    for row in rows {
        model.learn(row)?;
    }
    Ok(model)
}

fn surprise(model: &Model, row: &Experience) -> Result<f64, Error> {
    Ok(row.reward - model.expected(&row.features, row.action)?)
}

/// The rows without those that contradict the model most.
fn trim(rows: &[Experience], model: &Model, trimmed: f64) -> Result<Vec<Experience>, Error> {
    let surprises: Vec<f64> = rows.iter().map(|row| surprise(model, row)).collect::<Result<_, _>>()?;
    let limit = magnitude_at(&surprises, 1.0 - trimmed);
    let kept = rows
        .iter()
        .zip(&surprises)
        .filter(|(row, surprise)| row.trust == crate::Trust::Verified || surprise.abs() <= limit);
    Ok(kept.map(|(row, _)| *row).collect())
}

/// Goes once more over what surprised the model most.
fn rehearse(model: &mut Model, rows: &[Experience], share: f64, seed: u64) -> Result<(), Error> {
    let config =
        ReplayConfig { capacity: rows.len().max(1), classes: crate::MAX_CLASSES, ..ReplayConfig::default() };
    let mut replay = Replay::new(config)?;
    for row in rows {
        replay.add(*row, surprise(model, row)?)?;
    }
    let drawn = replay.draw((share * rows.len() as f64) as usize, &mut Random::new(seed));
    for drawn in drawn {
        let weight = drawn.experience.weight * drawn.importance;
        model.learn(&Experience { weight, ..drawn.experience })?;
    }
    Ok(())
}
