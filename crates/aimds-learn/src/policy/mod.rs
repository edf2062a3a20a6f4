//! Which response to choose for a case: discounted LinUCB behind a shield, with propensities that can be logged.
//!
//! Li, Chu, Langford and Schapire, *A contextual-bandit approach to personalized news article recommendation*, 2010
//! (LinUCB with one regression an action); Russac, Vernade and Cappé, *Weighted linear bandits for non-stationary
//! environments*, 2019 (forgetting). LinUCB alone is deterministic, and its log could not judge another policy; here a
//! fixed share of the decisions is drawn evenly, so that every permitted action has a known probability above 0.

mod arm;
mod caution;
mod config;
mod join;
mod matrix;
mod model;
mod outcome;
pub(crate) mod sources;

pub use config::PolicyConfig;
pub use model::Model;
pub use outcome::{Counts, Decided, Effect, Outcome, Refused, Trust};
pub use sources::{MAX_SOURCES, Source, SourceLimits};

use serde::{Deserialize, Serialize};

pub(crate) use arm::{Arm, Learning};
use caution::Caution;
use join::JoinTable;
use sources::Sources;

use crate::Random;
use crate::context::{Action, Context, Features};
use crate::error::Error;
use crate::evaluation::Probabilities;
use crate::snapshot;

const KIND: [u8; 4] = *b"plcy";

/// What was chosen, and all that a log must hold to judge other policies by it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Choice {
    /// Its number, for the outcome.
    pub id: u64,
    /// The response.
    pub action: Action,
    /// The probability with which it was chosen.
    pub propensity: f64,
    /// How many outcomes the policy had learnt from.
    pub version: u64,
    /// Whether it is another than the one held for the best.
    pub explored: bool,
}

/// A contextual policy over responses of rising strength that learns from delayed outcomes.
///
/// `select` and `feedback` take O(K·d²) and O(d²) for d features and K actions and do not allocate (every thousandth
/// outcome of an action, and a change of the environment, compute an inverse anew). The same seed and calls give the same answers.
///
/// - No action below the floor of the case or of the configuration is ever chosen, whatever was learnt.
/// - Outcomes of untrusted parties can only make it stricter.
/// - With the kill switch on, the floor is the answer and nothing is learnt.
///
/// ```
/// use aimds_learn::{Action, Context, Features, Outcome, PolicyConfig, ResponsePolicy, Trust};
///
/// let mut policy = ResponsePolicy::new(PolicyConfig::new(2, 3), 42)?;
/// for minute in 0..500 {
///     let context = Context { features: Features::new(&[1.0, 0.2])?, explore: true, at_ms: minute * 60_000 };
///     let choice = policy.select(&context, Action(1))?;
///     let reward = if choice.action == Action(2) { 0.9 } else { 0.4 };
///     let outcome = Outcome { reward, source: 7, trust: Trust::Verified, at_ms: context.at_ms };
///     policy.feedback(choice.id, &outcome)?;
/// }
/// assert_eq!(policy.best(&Features::new(&[1.0, 0.2])?, Action(1))?, Action(2));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct ResponsePolicy {
    model: Model,
    join: JoinTable,
    sources: Sources,
    caution: Caution,
    random: Random,
    version: u64,
    stopped: bool,
    frozen: bool,
    counts: Counts,
}

impl ResponsePolicy {
    /// A policy that knows nothing yet.
    ///
    /// # Errors
    /// [`Error::Setting`] with the name of the setting.
    pub fn new(config: PolicyConfig, seed: u64) -> Result<Self, Error> {
        config.check()?;
        Ok(Self {
            join: JoinTable::new(config.waiting, config.ttl_ms),
            sources: Sources::new(config.sources),
            model: Model::new(config, u32::MAX)?,
            caution: Caution::default(),
            random: Random::new(seed),
            version: 0,
            stopped: false,
            frozen: false,
            counts: Counts::default(),
        })
    }

    /// Chooses a response that is at least as strong as `floor`, and remembers the decision for its outcome.
    ///
    /// # Errors
    /// [`Error::Features`] and [`Error::Action`] for a context or floor that does not fit. The caller then does what the
    /// floor says.
    pub fn select(&mut self, context: &Context, floor: Action) -> Result<Choice, Error> {
        let floor = self.model.permitted(&context.features, floor)?;
        let (action, propensity, explored) =
            if self.stopped { (floor, 1.0, false) } else { self.draw(context, floor) };
        self.caution.fade();
        self.counts.decisions += 1;
        self.counts.explored += u64::from(explored);
        let id = self.join.insert(context, floor, (action, propensity, explored));
        Ok(Choice { id, action, propensity, version: self.version, explored })
    }

    /// Learns from what became of a decision. Delayed, in any order; once for each decision, and once more if the second
    /// time it is verified.
    ///
    /// # Errors
    /// [`Refused`] says why nothing was learnt; it is no reason to stop.
    pub fn feedback(&mut self, id: u64, outcome: &Outcome) -> Result<Effect, Refused> {
        let effect = self.learn(id, outcome);
        self.counts.note(&effect);
        effect
    }

    /// The response that is held for the best, without drawing or remembering.
    ///
    /// # Errors
    /// As of [`ResponsePolicy::select`].
    pub fn best(&self, features: &Features, floor: Action) -> Result<Action, Error> {
        let floor = self.model.permitted(features, floor)?;
        Ok(if self.stopped { floor } else { self.model.greedy(features, floor, &self.caution) })
    }

    /// The probability of each response, weakest first, were the case to be decided now.
    ///
    /// # Errors
    /// As of [`ResponsePolicy::select`].
    pub fn probabilities(&self, context: &Context, floor: Action) -> Result<Probabilities, Error> {
        let floor = self.model.permitted(&context.features, floor)?;
        let best =
            if self.stopped { floor } else { self.model.greedy(&context.features, floor, &self.caution) };
        Ok(self.model.spread(best, floor, context.explore && !self.stopped))
    }

    /// The expected reward of a response, between 0 and 1.
    ///
    /// # Errors
    /// As of [`ResponsePolicy::select`].
    pub fn expected(&self, features: &Features, action: Action) -> Result<f64, Error> {
        self.model.expected(features, action)
    }

    /// Turns the kill switch on or off.
    pub fn stop(&mut self, stopped: bool) {
        self.stopped = stopped;
    }

    /// Whether the kill switch is on.
    #[must_use]
    pub fn is_stopped(&self) -> bool {
        self.stopped
    }

    /// Says how far a source is trusted, from 0 to 1.
    ///
    /// # Errors
    /// [`Error::Setting`], or [`Error::Full`] beyond [`MAX_SOURCES`] named sources.
    pub fn set_trust(&mut self, source: u64, trust: f64) -> Result<(), Error> {
        self.sources.set_trust(source, trust)
    }

    /// The settings.
    #[must_use]
    pub fn config(&self) -> &PolicyConfig {
        &self.model.config
    }

    /// What was learnt.
    #[must_use]
    pub fn model(&self) -> &Model {
        &self.model
    }

    /// Decides by another model from now on: one that was promoted.
    ///
    /// # Errors
    /// [`Error::Features`] or [`Error::Action`] for a model of other features or actions.
    pub fn install(&mut self, model: Model) -> Result<(), Error> {
        let PolicyConfig { features, actions, .. } = self.model.config;
        if model.config.features != features {
            return Err(Error::Features { expected: features, found: model.config.features });
        }
        if model.config.actions != actions {
            return Err(Error::Action { action: model.config.actions, actions });
        }
        // The operator's floor is not the model's to move.
        let floor = self.model.config.floor.max(model.config.floor);
        self.model = model;
        self.model.config.floor = floor;
        self.version += 1;
        Ok(())
    }

    /// A frozen policy joins outcomes with decisions and weighs them, but learns nothing: its model changes by
    /// [`ResponsePolicy::install`] alone.
    pub fn freeze(&mut self, frozen: bool) {
        self.frozen = frozen;
    }

    /// How many outcomes were learnt from.
    #[must_use]
    pub fn version(&self) -> u64 {
        self.version
    }

    /// What happened so far.
    #[must_use]
    pub fn counts(&self) -> &Counts {
        &self.counts
    }

    /// What is known of the sources.
    #[must_use]
    pub fn sources(&self) -> &[Source] {
        self.sources.known()
    }

    /// Decisions whose outcome may still come.
    #[must_use]
    pub fn waiting(&self, at_ms: u64) -> usize {
        self.join.waiting(at_ms)
    }

    /// Largest error of the inverses against fresh ones, over all actions; for monitoring. O(K·d³).
    #[must_use]
    pub fn numerical_error(&self) -> f64 {
        self.model.numerical_error()
    }

    /// The whole state as bytes, with version and checksum.
    ///
    /// # Errors
    /// [`Error::Snapshot`] if memory is short.
    pub fn snapshot(&self) -> Result<Vec<u8>, Error> {
        snapshot::seal(KIND, self)
    }

    /// The state that [`ResponsePolicy::snapshot`] wrote; it goes on exactly as the one that was written would have.
    ///
    /// # Errors
    /// [`Error::Snapshot`] or [`Error::Version`] for anything else.
    pub fn restore(bytes: &[u8]) -> Result<Self, Error> {
        let policy: Self = snapshot::unseal(KIND, bytes)?;
        policy.check()?;
        Ok(policy)
    }

    fn check(&self) -> Result<(), Error> {
        let PolicyConfig { features, actions, .. } = self.model.config;
        let sound = self.model.is_sound()
            && self.join.is_sound(features, actions)
            && self.sources.is_sound()
            && self.caution.is_sound();
        if sound { Ok(()) } else { Err(Error::Snapshot("the parts of the policy contradict each other")) }
    }

    /// Draws evenly with the probability of exploration, the best included, so that a stricter best can only make the
    /// action that is drawn stricter.
    fn draw(&mut self, context: &Context, floor: Action) -> (Action, f64, bool) {
        let best = self.model.greedy(&context.features, floor, &self.caution);
        let exploration = self.model.config.exploration;
        if !context.explore || exploration == 0.0 {
            return (best, 1.0, false);
        }
        let permitted = self.model.config.actions - floor.index();
        let (coin, drawn) = (self.random.unit(), self.random.below(permitted));
        let each = exploration / permitted as f64;
        let action = if coin < exploration { Action(floor.0 + drawn as u8) } else { best };
        let explored = action != best;
        let propensity = if explored { each } else { 1.0 - exploration + each };
        (action, propensity, explored)
    }

    fn learn(&mut self, id: u64, outcome: &Outcome) -> Result<Effect, Refused> {
        if self.stopped {
            return Err(Refused::Stopped);
        }
        if !outcome.reward.is_finite() {
            return Err(Refused::NotANumber);
        }
        let reward = outcome.reward.clamp(0.0, 1.0);
        let verified = outcome.trust == Trust::Verified;
        let within = match outcome.trust {
            Trust::Untrusted => self.sources.spend_untrusted(outcome.at_ms),
            Trust::Trusted => self.sources.spend(outcome.source, outcome.at_ms),
            Trust::Verified => true,
        };
        if !within {
            return Err(Refused::Quota);
        }
        if outcome.trust == Trust::Untrusted {
            return self.heed(id, reward, outcome.at_ms);
        }
        let waiting = self.join.answer(id, verified, outcome.at_ms)?;
        let (action, features) = (waiting.action, &waiting.features);
        let expected = self.model.expected(features, action).map_err(|_| Refused::Unknown)?;
        let residual = reward - expected;
        let weight = if verified {
            self.sources.reviewed(residual);
            self.model.config.verified_weight
        } else {
            self.sources.weigh(outcome.source, residual)
        };
        if weight <= 0.0 || self.frozen {
            return Ok(Effect { weight, drift: false, decided: waiting.into() });
        }
        // Only an outcome of full weight may make the policy forget.
        let drift = weight >= 1.0 && self.model.notice(action, features, reward);
        self.model.update(action, features, reward, weight);
        self.version += 1;
        Ok(Effect { weight, drift, decided: waiting.into() })
    }

    /// What an untrusted party says of a decision. It does not use up the decision's one outcome.
    fn heed(&mut self, id: u64, reward: f64, at_ms: u64) -> Result<Effect, Refused> {
        let waiting = self.join.look(id, at_ms)?;
        let strongest = Action(self.model.config.actions.saturating_sub(1) as u8);
        self.caution.hear(waiting.action, strongest, reward, self.model.config.max_caution);
        Ok(Effect { weight: 0.0, drift: false, decided: waiting.into() })
    }
}
