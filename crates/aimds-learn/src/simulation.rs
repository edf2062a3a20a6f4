//! Synthetic cases whose best answer is known: a logistic bandit that can change, delay and lie.
//!
//! The reward of action a in case x is 1 with probability σ(θₐ·x), else 0. Environments of one seed differ only in what their
//! name says. The same draw decides about the reward of every action, so that policies can be compared case by case.

use crate::context::{Action, Features};
use crate::error::Error;
use crate::random::Random;

/// Features of a case, the first always 1.
const FEATURES: usize = 8;
const ACTIONS: usize = 6;
/// Standard deviation of the weights: an even choice then loses some 0.35 a case against the best.
const SPREAD: f64 = 0.5;
const SOURCES: usize = 20;
const LONGEST_DELAY: usize = 500;

/// How an environment behaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// Nothing changes.
    Stationary,
    /// Half-way, every action takes the rewards of the next.
    Abrupt,
    /// From beginning to end, the rewards of every action move to those of the next.
    Gradual,
    /// Products of features matter, which no linear model sees.
    Nonlinear,
    /// Outcomes come up to 500 cases later, in any order.
    Delayed,
    /// One of twenty sources always says the opposite; it gives so many per cent of the outcomes.
    Poisoned(u8),
}

impl Change {
    /// All that the benchmark runs.
    pub const ALL: [Self; 7] = [
        Self::Stationary,
        Self::Abrupt,
        Self::Gradual,
        Self::Nonlinear,
        Self::Delayed,
        Self::Poisoned(5),
        Self::Poisoned(15),
    ];

    /// A stable name.
    #[must_use]
    pub fn name(self) -> String {
        match self {
            Self::Stationary => "stationary".into(),
            Self::Abrupt => "abrupt".into(),
            Self::Gradual => "gradual".into(),
            Self::Nonlinear => "nonlinear".into(),
            Self::Delayed => "delayed".into(),
            Self::Poisoned(share) => format!("poisoned_{share}"),
        }
    }
}

/// What a policy is told of one of its decisions.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Feedback {
    /// 0 or 1.
    pub reward: f64,
    /// Who says so.
    pub source: u64,
    /// After how many cases.
    pub delay: usize,
}

/// One run of cases.
///
/// ```
/// use aimds_learn::{Environment, Scenario};
/// let mut environment = Environment::new(Scenario::Stationary, 3, 1000)?;
/// let (features, means) = environment.case()?;
/// assert_eq!((features.len(), means.len()), (8, 6));
/// # Ok::<(), aimds_learn::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct Environment {
    change: Change,
    weights: Vec<Vec<f64>>,
    random: Random,
    steps: usize,
    step: usize,
    means: [f64; ACTIONS],
    /// Decides about the reward, the source and the delay of the case.
    draws: [f64; 3],
}

impl Environment {
    /// An environment of `steps` cases.
    ///
    /// # Errors
    /// [`Error::Setting`] for no steps at all.
    pub fn new(change: Change, seed: u64, steps: usize) -> Result<Self, Error> {
        crate::error::setting("steps", steps as f64, "at least 1", steps >= 1)?;
        let mut random = Random::new(seed.wrapping_mul(0x9e37_79b9).wrapping_add(17));
        let row = |random: &mut Random| (0..FEATURES).map(|_| SPREAD * random.normal()).collect();
        let weights = (0..ACTIONS).map(|_| row(&mut random)).collect();
        Ok(Self { change, weights, random, steps, step: 0, means: [0.0; ACTIONS], draws: [0.0; 3] })
    }

    /// Features of a case.
    #[must_use]
    pub fn features(&self) -> usize {
        FEATURES
    }

    /// Actions.
    #[must_use]
    pub fn actions(&self) -> usize {
        ACTIONS
    }

    /// The next case, and the expected reward of every action.
    ///
    /// # Errors
    /// None with numbers of its own.
    pub fn case(&mut self) -> Result<(Features, [f64; 6]), Error> {
        let mut numbers = [1.0; FEATURES];
        for number in numbers.iter_mut().skip(1) {
            *number = self.random.normal();
        }
        let progress = self.step as f64 / self.steps as f64;
        let mut logits = [0.0; ACTIONS];
        for (logit, weights) in logits.iter_mut().zip(&self.weights) {
            *logit = weights.iter().zip(&numbers).map(|(weight, number)| weight * number).sum();
            if self.change == Change::Nonlinear {
                let products = numbers.windows(2).zip(weights.iter().rev());
                *logit += products.map(|(pair, weight)| weight * pair.iter().product::<f64>()).sum::<f64>();
            }
        }
        let rolled = match self.change {
            Change::Abrupt => f64::from(u8::from(progress >= 0.5)),
            Change::Gradual => progress,
            _ => 0.0,
        };
        let next = logits.iter().cycle().skip(1);
        for ((mean, logit), next) in self.means.iter_mut().zip(&logits).zip(next) {
            *mean = 1.0 / (1.0 + (-((1.0 - rolled) * logit + rolled * next)).exp());
        }
        self.draws = std::array::from_fn(|_| self.random.unit());
        self.step += 1;
        Ok((Features::new(&numbers)?, self.means))
    }

    /// What is said of an action in the case that was drawn last.
    #[must_use]
    pub fn feedback(&self, action: Action) -> Feedback {
        let [reward_draw, source_draw, delay_draw] = self.draws;
        let mean = self.means.get(action.index()).copied().unwrap_or(0.0);
        let honest = f64::from(u8::from(reward_draw < mean));
        let share = if let Change::Poisoned(share) = self.change { f64::from(share) / 100.0 } else { 0.0 };
        let lies = source_draw < share;
        let place = (source_draw - share).max(0.0) / (1.0 - share).max(f64::MIN_POSITIVE);
        let source = if lies { 0 } else { 1 + (place * (SOURCES - 1) as f64) as u64 };
        let delay =
            if self.change == Change::Delayed { (delay_draw * LONGEST_DELAY as f64) as usize } else { 0 };
        Feedback { reward: if lies { 1.0 - honest } else { honest }, source, delay }
    }

    /// The draw that decides about the reward: it is 1 where this is below the expected reward.
    #[must_use]
    pub fn reward_draw(&self) -> f64 {
        self.draws.first().copied().unwrap_or(0.0)
    }
}
