//! Evidence from the log: what a proposal would have changed, and whether it would have been better.

use serde::{Deserialize, Serialize};

use crate::Random;
use crate::error::Error;
use crate::evaluation::{Comparison, Interval, bernstein_low, bootstrap, loosens};
use crate::levels::probabilities;
use crate::policy::{Model, Trust};
use crate::replay::Experience;
use crate::robust::median_of_means;

/// Blocks of rows whose means are compared: five of them may hold wrong rows.
const BLOCKS: usize = 11;

/// What a proposed policy would have done differently.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Shadow {
    /// Cases looked at.
    pub rows: usize,
    /// Cases in which both would mostly do the same.
    pub same: usize,
    /// Cases in which it would be stricter.
    pub stricter: usize,
    /// Cases in which it would be weaker.
    pub weaker: usize,
}

/// Runs a policy in the shadow of the one in force, over logged cases. O(n·K·d²).
#[must_use]
pub fn shadow(rows: &[Experience], incumbent: Option<&Model>, candidate: &Model) -> Shadow {
    let likeliest = |policy: Option<&Model>, row: &Experience| {
        let wanted = probabilities(policy, row);
        wanted.iter().enumerate().max_by(|a, b| a.1.total_cmp(b.1)).map_or(0, |(action, _)| action)
    };
    let mut seen = Shadow { rows: rows.len(), same: 0, stricter: 0, weaker: 0 };
    for row in rows {
        let counter = match likeliest(Some(candidate), row).cmp(&likeliest(incumbent, row)) {
            std::cmp::Ordering::Equal => &mut seen.same,
            std::cmp::Ordering::Greater => &mut seen.stricter,
            std::cmp::Ordering::Less => &mut seen.weaker,
        };
        *counter += 1;
    }
    seen
}

/// What the gate wants to see.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct GateConfig {
    /// Rows at least. Default 200.
    pub min_rows: usize,
    /// Reviewed rows at least, for what would be weaker anywhere. Default 50.
    pub min_verified: usize,
    /// Confidence of the interval; the gain must be above 0 with all of it. Default 0.95.
    pub confidence: f64,
    /// Outcomes of less weight than this do not count. Default 0.5.
    pub min_weight: f64,
}

impl Default for GateConfig {
    fn default() -> Self {
        Self { min_rows: 200, min_verified: 50, confidence: 0.95, min_weight: 0.5 }
    }
}

/// What the gate found.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Verdict {
    /// Whether it may go on.
    pub passed: bool,
    /// Gain over what is in force, with its interval.
    pub gain: Option<Interval>,
    /// A lower bound that needs no large sample; for reading, it does not decide.
    pub bernstein_low: Option<f64>,
    /// The median of the means of blocks of rows: a few rows of great weight, wrong or lucky, do not make a gain. It must
    /// be above 0 as well.
    pub robust_mean: Option<f64>,
    /// Rows it rests on.
    pub rows: usize,
    /// Of these, reviewed ones.
    pub verified: usize,
    /// Whether something would become weaker.
    pub loosens: bool,
    /// In words.
    pub reason: String,
}

/// Whether a policy is better than the one in force, by rows that it has not learnt from: doubly robust, row by row.
///
/// What would be weaker in any case is judged by reviewed rows alone, as anything else might be an attacker's word;
/// those are to be a random sample, or at least chosen without looking at the outcome. What untrusted parties say never counts.
///
/// # Errors
/// What [`Experience::check`] says of a row. Too few rows are no error but a verdict.
pub fn gate(
    rows: &[Experience],
    incumbent: Option<&Model>,
    candidate: &Model,
    config: &GateConfig,
    random: &mut Random,
) -> Result<Verdict, Error> {
    let both = |row: &Experience| [probabilities(incumbent, row), probabilities(Some(candidate), row)];
    let credible: Vec<Experience> = rows
        .iter()
        .filter(|row| {
            row.trust == Trust::Verified || row.trust == Trust::Trusted && row.weight >= config.min_weight
        })
        .copied()
        .collect();
    let verified: Vec<Experience> =
        credible.iter().filter(|row| row.trust == Trust::Verified).copied().collect();
    let mut verdict = Verdict {
        passed: false,
        gain: None,
        bernstein_low: None,
        robust_mean: None,
        rows: credible.len(),
        verified: verified.len(),
        loosens: false,
        reason: String::new(),
    };
    // Weaker in any case, whoever reported its outcome: the question is about cases, not about outcomes.
    verdict.loosens = rows.is_empty() || rows.iter().any(|row| loosens(&both(row)));
    let (counted, needed, kind) = if verdict.loosens {
        (
            &verified,
            config.min_verified.max(crate::MIN_VALUES),
            "reviewed rows (it would be weaker in some cases)",
        )
    } else {
        (&credible, config.min_rows.max(crate::MIN_VALUES), "rows")
    };
    verdict.rows = counted.len();
    let comparison = match Comparison::new(counted, both) {
        Ok(comparison) if comparison.len() >= needed => comparison,
        Ok(comparison) => return Ok(too_few(verdict, comparison.len(), needed, kind)),
        Err(Error::TooFew { found, .. }) => return Ok(too_few(verdict, found, needed, kind)),
        Err(error) => return Err(error),
    };
    let gains = comparison.gains()?;
    let gain = bootstrap(&gains, config.confidence, random)?;
    verdict.rows = comparison.len();
    verdict.bernstein_low = Some(bernstein_low(&gains, comparison.range(), config.confidence)?);
    verdict.robust_mean = median_of_means(&gains, BLOCKS, random);
    verdict.gain = Some(gain);
    verdict.passed = gain.is_gain() && verdict.robust_mean.is_some_and(|mean| mean > 0.0);
    verdict.reason = format!(
        "reward {:+.4} a case, {:.0} % interval {:+.4} to {:+.4}, from {} {kind}, {} left out: {}",
        gain.mean,
        100.0 * gain.confidence,
        gain.low,
        gain.high,
        comparison.len(),
        comparison.excluded,
        if verdict.passed { "a sure gain" } else { "no sure gain" },
    );
    Ok(verdict)
}

fn too_few(mut verdict: Verdict, found: usize, needed: usize, kind: &str) -> Verdict {
    verdict.reason = format!("{found} usable {kind}, {needed} are needed");
    verdict
}
