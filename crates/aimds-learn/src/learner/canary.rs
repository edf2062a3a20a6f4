//! Rewards of a canary beside those of the rest of the traffic.

use serde::{Deserialize, Serialize};

use crate::error::Error;
use crate::evaluation::{Interval, bootstrap};
use crate::{Random, evaluation::MIN_VALUES};

const KEPT: usize = 10_000;

/// The rewards since a canary began.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Canary {
    proposal: Option<u64>,
    inside: Vec<f64>,
    outside: Vec<f64>,
}

impl Canary {
    /// Begins for a proposal, unless it runs already.
    pub(crate) fn run(&mut self, proposal: u64) {
        if self.proposal != Some(proposal) {
            *self = Self { proposal: Some(proposal), ..Self::default() };
        }
    }

    /// For which proposal.
    pub(crate) fn of(&self) -> Option<u64> {
        self.proposal
    }

    pub(crate) fn end(&mut self) {
        *self = Self::default();
    }

    pub(crate) fn note(&mut self, decided_by: Option<u64>, reward: f64) {
        let Some(running) = self.proposal else { return };
        let rewards = match decided_by {
            Some(proposal) if proposal == running => &mut self.inside,
            Some(_) => return,
            None => &mut self.outside,
        };
        if rewards.len() < KEPT {
            rewards.push(reward);
        }
    }

    pub(crate) fn rows(&self) -> usize {
        self.inside.len()
    }

    /// The difference of the rewards; `None` while either side is too short. Both are in order of arrival and
    /// independent, so that the differences of the n-th on either side are a sample of the difference.
    pub(crate) fn gain(&self, confidence: f64, random: &mut Random) -> Result<Option<Interval>, Error> {
        let differences: Vec<f64> =
            self.inside.iter().zip(&self.outside).map(|(inside, outside)| inside - outside).collect();
        if differences.len() < MIN_VALUES {
            Ok(None)
        } else {
            bootstrap(&differences, confidence, random).map(Some)
        }
    }
}
