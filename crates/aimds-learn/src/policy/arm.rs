//! Ridge regression of the reward of one action, with forgetting.
//!
//! After n updates with features x, rewards r and weights w, of which the newest is number n,
//!
//! ```text
//! A = γⁿ·λ·I + Σᵢ γⁿ⁻ⁱ·(wᵢ·xᵢ·xᵢᵀ + (1 − γᵈ)·λ·e·eᵀ)      b = Σᵢ γⁿ⁻ⁱ·wᵢ·rᵢ·xᵢ      θ = A⁻¹·b
//! ```
//!
//! where e is the unit vector of axis i mod d. Russac, Vernade and Cappé, *Weighted linear bandits for non-stationary
//! environments*, 2019, add (1 − γ)·λ·I at each step so that the ridge does not fade; that has rank d. One axis at a
//! time is a rank-one step as well, and keeps the ridge of every axis between γᵈ·λ and λ. Their width uses a second
//! matrix Σ γ²⁽ⁿ⁻ⁱ⁾·x·xᵀ; xᵀ·A⁻¹·x is an upper bound of it, so the policy here explores at least as much.
//!
//! Forgetting costs no pass over the matrices: with s = γᵏ, k updates after the last fresh inverse, `gram`, `inverse` and `moment`
//! hold A/s, s·A⁻¹ and b/s.

use aimds_attractor::{PageHinkley, PageHinkleyConfig, Sides};
use serde::{Deserialize, Serialize};

use super::matrix::{Small, Symmetric, dot, inverse};
use crate::error::Error;

/// Updates before the inverse is computed anew.
const REFACTOR_EVERY: u32 = 1000;
/// Forgetting blows up the rounding errors of the inverse by 1/γ a step; they may grow by this much before it is computed anew.
/// It bounds 1/s as well.
const MAX_GROWTH: f64 = 1e3;

/// How an arm learns.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Learning {
    pub(crate) forgetting: f64,
    pub(crate) ridge: f64,
}

impl Learning {
    fn refactor_every(self) -> u32 {
        let bearable = MAX_GROWTH.ln() / -self.forgetting.ln();
        // Without forgetting that is infinite.
        bearable.clamp(1.0, f64::from(REFACTOR_EVERY)) as u32
    }
}

/// One action.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Arm {
    d: usize,
    learning: Learning,
    scale: f64,
    gram: Symmetric,
    inverse: Symmetric,
    moment: Small,
    theta: Small,
    pub(crate) updates: u64,
    since_factored: u32,
    axis: usize,
    /// Squared errors of the prediction: where they rise, the arm changed.
    surprise: PageHinkley,
    /// Times that rounding had to be undone by beginning anew.
    pub(crate) resets: u64,
}

impl Arm {
    pub(crate) fn new(d: usize, learning: Learning) -> Result<Self, Error> {
        let settings = PageHinkleyConfig {
            min_values: 30,
            delta: SURPRISE_TOLERATED,
            threshold: SURPRISE_ALARM,
            keep: 0.999,
            sides: Sides::Up,
        };
        let surprise = PageHinkley::new(settings).map_err(|_| Error::Snapshot("drift settings"))?;
        Ok(Self {
            d,
            learning,
            scale: 1.0,
            gram: Symmetric::diagonal(d, learning.ridge),
            inverse: Symmetric::diagonal(d, 1.0 / learning.ridge),
            moment: [0.0; _],
            theta: [0.0; _],
            updates: 0,
            since_factored: 0,
            axis: 0,
            surprise,
            resets: 0,
        })
    }

    /// The expected reward, between 0 and 1.
    pub(crate) fn expected(&self, features: &Small) -> f64 {
        dot(&self.theta, features).clamp(0.0, 1.0)
    }

    /// The expected reward and the width of its confidence ellipsoid.
    pub(crate) fn index(&self, features: &Small) -> (f64, f64) {
        let squared = self.inverse.quadratic(features) / self.scale;
        (dot(&self.theta, features), squared.max(0.0).sqrt())
    }

    /// O(d²), without allocation except where the inverse is computed anew: each thousandth update, or sooner where much
    /// is forgotten.
    pub(crate) fn update(&mut self, features: &Small, reward: f64, weight: f64) {
        let Learning { forgetting, ridge } = self.learning;
        self.scale *= forgetting;
        let weight = weight / self.scale;
        for (moment, feature) in self.moment.iter_mut().zip(features) {
            *moment += weight * reward * feature;
        }
        self.gram.add_outer([(weight, features)]);
        // Both steps by the formula of Sherman and Morrison (1950): the outcome, then the ridge of one axis.
        let along = self.inverse.times(features);
        let shrink = weight / (1.0 + weight * dot(&along, features));
        let missed = reward - dot(&self.theta, features);
        add(&mut self.theta, shrink * missed, &along);
        if forgetting < 1.0 {
            let axis = self.axis;
            let restored = (1.0 - forgetting.powi(self.d as i32)) * ridge / self.scale;
            self.gram.add_to_diagonal(axis, restored);
            let of_axis = |vector: &Small| vector.get(axis).copied().unwrap_or(0.0);
            let mut column = self.inverse.column(axis);
            add(&mut column, -shrink * of_axis(&along), &along);
            let pull = restored / (1.0 + restored * of_axis(&column));
            let pulled = of_axis(&self.theta);
            add(&mut self.theta, -pull * pulled, &column);
            self.inverse.add_outer([(-shrink, &along), (-pull, &column)]);
            self.axis = (axis + 1) % self.d.max(1);
        } else {
            self.inverse.add_outer([(-shrink, &along)]);
        }
        self.updates += 1;
        self.since_factored += 1;
        if self.since_factored >= self.learning.refactor_every() {
            self.refactor();
        }
        if !self.theta.iter().all(|value| value.is_finite()) {
            self.reset();
        }
    }

    /// Whether the errors of the prediction rose: the caller decides what to forget. `reward` is the one to come.
    pub(crate) fn surprised(&mut self, features: &Small, reward: f64) -> bool {
        let error = reward - self.expected(features);
        matches!(self.surprise.push(error * error), Ok(Some(_)))
    }

    /// Keeps this share of what was learnt, of both the evidence and its result. O(d³).
    pub(crate) fn forget(&mut self, keep: f64) {
        let fresh = (1.0 - keep) * self.learning.ridge / (keep * self.scale);
        self.scale *= keep;
        for axis in 0..self.d {
            self.gram.add_to_diagonal(axis, fresh);
        }
        self.refactor();
    }

    /// The inverse and the solution anew from A and b. An A that is not positive definite any more has lost its meaning: the arm
    /// begins anew.
    fn refactor(&mut self) {
        self.since_factored = 0;
        self.gram.scale(self.scale);
        self.moment.iter_mut().for_each(|moment| *moment *= self.scale);
        self.scale = 1.0;
        match inverse(&self.gram.full(self.d), self.d) {
            Some(inverse) => {
                self.inverse = Symmetric::from_full(&inverse, self.d);
                self.theta = self.inverse.times(&self.moment);
            }
            None => self.reset(),
        }
    }

    fn reset(&mut self) {
        self.scale = 1.0;
        self.gram = Symmetric::diagonal(self.d, self.learning.ridge);
        self.inverse = Symmetric::diagonal(self.d, 1.0 / self.learning.ridge);
        self.moment.fill(0.0);
        self.theta.fill(0.0);
        self.resets += 1;
    }

    /// Largest difference of the inverse from a fresh one; `None` where A is not positive definite.
    pub(crate) fn drift_of_inverse(&self) -> Option<f64> {
        let fresh = inverse(&self.gram.full(self.d), self.d)?;
        let held = self.inverse.full(self.d);
        Some(held.iter().zip(&fresh).map(|(a, b)| (a - b).abs() / self.scale).fold(0.0, f64::max))
    }

    /// Whether the invariants hold, of an arm that was read from bytes.
    pub(crate) fn is_sound(&self, d: usize) -> bool {
        let row = |cells: &Small| {
            cells.iter().all(|cell| cell.is_finite()) && cells.iter().skip(d).all(|cell| *cell == 0.0)
        };
        self.d == d
            && self.scale > 0.0
            && self.scale <= 1.0
            && self.gram.is_sound(d)
            && self.inverse.is_sound(d)
            && row(&self.moment)
            && row(&self.theta)
            && self.axis < d
            && self.drift_of_inverse().is_some()
    }
}

fn add(vector: &mut Small, factor: f64, other: &Small) {
    for (out, value) in vector.iter_mut().zip(other) {
        *out += factor * value;
    }
}

/// Squared errors above their mean by less than this are no surprise: the reward of an action near a boundary.
const SURPRISE_TOLERATED: f64 = 0.05;
/// Less is quicker, but for rewards of 0 and 1 raises false alarms: at 6 one in ten thousand outcomes, at 9 one in some thirty
/// thousand, in the environments of `aimds bench learn`.
const SURPRISE_ALARM: f64 = 9.0;

#[cfg(test)]
mod tests {
    use super::super::matrix::tests::padded;
    use super::*;
    use crate::Random;

    /// The definition at the head of this file, summed up and solved at once.
    fn batch(rows: &[(Vec<f64>, f64, f64)], d: usize, learning: Learning) -> Vec<f64> {
        let Learning { forgetting, ridge } = learning;
        let mut gram = Symmetric::diagonal(d, ridge * forgetting.powi(rows.len() as i32)).full(d);
        let mut moment = vec![0.0; d];
        for (i, (x, reward, weight)) in rows.iter().enumerate() {
            let age = forgetting.powi((rows.len() - 1 - i) as i32);
            for row in 0..d {
                for column in 0..d {
                    gram[row * d + column] += age * weight * x[row] * x[column];
                }
                moment[row] += age * weight * reward * x[row];
            }
            gram[i % d * (d + 1)] += age * (1.0 - forgetting.powi(d as i32)) * ridge;
        }
        let inverse = inverse(&gram, d).unwrap();
        inverse.chunks_exact(d).map(|row| dot(row, &moment)).collect()
    }

    #[test]
    fn updates_agree_with_a_batch_solution() {
        for (d, forgetting, updates) in
            [(1, 1.0, 50), (4, 1.0, 999), (8, 0.999, 2500), (32, 0.99, 1700), (5, 0.9, 400)]
        {
            let mut random = Random::new(d as u64);
            let learning = Learning { forgetting, ridge: 0.7 };
            let mut arm = Arm::new(d, learning).unwrap();
            let mut rows = Vec::new();
            for _ in 0..updates {
                let x: Vec<f64> = (0..d).map(|_| random.normal()).collect();
                let (reward, weight) = (random.unit(), 0.1 + 5.0 * random.unit());
                arm.update(&padded(&x), reward, weight);
                rows.push((x, reward, weight));
            }
            let expected = batch(&rows, d, learning);
            for (found, expected) in arm.theta.iter().zip(&expected) {
                assert!((found - expected).abs() <= 1e-8, "{d} {forgetting}: {found} {expected}");
            }
            assert!(arm.drift_of_inverse().unwrap() <= 1e-8, "{d} {forgetting}");
            assert_eq!(arm.resets, 0);
        }
    }

    #[test]
    fn a_matrix_that_is_not_positive_definite_begins_anew() {
        let mut arm = Arm::new(2, Learning { forgetting: 1.0, ridge: 1.0 }).unwrap();
        arm.update(&padded(&[1.0, 2.0]), 1.0, 1.0);
        arm.gram.add_to_diagonal(0, -3.0);
        arm.refactor();
        assert_eq!((arm.resets, arm.expected(&padded(&[1.0, 2.0]))), (1, 0.0));
        arm.update(&padded(&[1.0, 2.0]), 1.0, 1.0);
        assert!(arm.expected(&padded(&[1.0, 2.0])) > 0.8);
    }

    #[test]
    fn forgetting_widens_what_was_known() {
        let mut arm = Arm::new(1, Learning { forgetting: 1.0, ridge: 1.0 }).unwrap();
        for _ in 0..100 {
            arm.update(&padded(&[1.0]), 1.0, 1.0);
        }
        let before = arm.index(&padded(&[1.0])).1;
        arm.forget(0.1);
        assert!(arm.index(&padded(&[1.0])).1 > 2.5 * before);
        assert!((arm.expected(&padded(&[1.0])) - 10.0 / 11.0).abs() < 1e-9);
    }
}
