//! A bounded memory of experiences, from which the surprising ones are drawn more often.
//!
//! Schaul, Quan, Antonoglou and Silver, *Prioritized experience replay*, 2016, with proportional priorities. One ring for
//! each class of cases, so that a flood of one class cannot push out the others, and a draw takes from every class.

mod sum_tree;

use serde::{Deserialize, Serialize};

use crate::context::{Action, Features};
use crate::error::{Error, setting};
use crate::{Random, Trust};
use sum_tree::SumTree;

/// The most classes.
pub const MAX_CLASSES: usize = 16;
/// Added to every priority, so that nothing is drawn never.
const LEAST: f64 = 1e-3;

/// One decision and what became of it. Numbers only: no text, no name, no identifier of a person.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Experience {
    /// What was known of the case.
    pub features: Features,
    /// Nothing weaker was permitted.
    pub floor: Action,
    /// What was done.
    pub action: Action,
    /// With which probability.
    pub propensity: f64,
    /// How good it was, from 0 to 1.
    pub reward: f64,
    /// How much the outcome counts: 1 fully.
    pub weight: f64,
    /// Who said so.
    pub trust: Trust,
    /// The class of the case, below the number of classes.
    pub class: u8,
    /// When, in milliseconds.
    pub at_ms: u64,
}

impl Experience {
    /// Whether the numbers are within their ranges.
    ///
    /// # Errors
    /// [`Error::Propensity`], [`Error::NonFinite`] or [`Error::Setting`].
    pub fn check(&self) -> Result<(), Error> {
        let propensity = self.propensity;
        if !(propensity > 0.0 && propensity <= 1.0) {
            return Err(Error::Propensity(propensity));
        }
        if !self.features.is_sound() {
            return Err(Error::NonFinite { what: "feature", index: 0 });
        }
        setting("reward", self.reward, "from 0 to 1", (0.0..=1.0).contains(&self.reward))?;
        setting("weight", self.weight, "from 0 to 1000", (0.0..=1000.0).contains(&self.weight))?;
        let action = self.action;
        setting("action", f64::from(action.0), "at least the floor", action >= self.floor)
    }
}

/// Settings of [`Replay`].
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct ReplayConfig {
    /// Experiences of each class. Default 8,192.
    pub capacity: usize,
    /// Classes. Default 2.
    pub classes: usize,
    /// 0 draws evenly, 1 in proportion to the priority. Default 0.6.
    pub prioritisation: f64,
    /// How far importance weights undo that: 1 wholly. Default 1.
    pub correction: f64,
}

impl Default for ReplayConfig {
    fn default() -> Self {
        Self { capacity: 8192, classes: 2, prioritisation: 0.6, correction: 1.0 }
    }
}

/// An experience that was drawn.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Drawn {
    /// Its place, for [`Replay::reprioritise`].
    pub place: Place,
    /// The experience.
    pub experience: Experience,
    /// Undoes that it was drawn more often than others; the largest of a draw is 1.
    pub importance: f64,
}

/// Where an experience lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    class: usize,
    slot: usize,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
struct Ring {
    experiences: Vec<Experience>,
    priorities: SumTree,
    next: usize,
}

/// The memory. O(log n) to add, to draw and to change a priority; some 330 bytes an experience.
///
/// ```
/// # use aimds_learn::{Action, Experience, Features, Random, Replay, ReplayConfig, Trust};
/// let mut replay = Replay::new(ReplayConfig::default())?;
/// # let experience = Experience { features: Features::new(&[1.0])?, floor: Action(0), action: Action(1), propensity: 0.5,
/// #     reward: 1.0, weight: 1.0, trust: Trust::Trusted, class: 0, at_ms: 0 };
/// replay.add(experience, 0.3)?;
/// let drawn = replay.draw(4, &mut Random::new(1));
/// assert_eq!(drawn.len(), 4); // with repeats
/// # Ok::<(), aimds_learn::Error>(())
/// ```
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Replay {
    config: ReplayConfig,
    rings: Vec<Ring>,
}

impl Replay {
    /// An empty memory. Space is taken as it fills.
    ///
    /// # Errors
    /// [`Error::Setting`].
    pub fn new(config: ReplayConfig) -> Result<Self, Error> {
        let ReplayConfig { capacity, classes, prioritisation, correction } = config;
        setting("capacity", capacity as f64, "from 1 to 1048576", (1..=1 << 20).contains(&capacity))?;
        setting("classes", classes as f64, "from 1 to 16", (1..=MAX_CLASSES).contains(&classes))?;
        setting("prioritisation", prioritisation, "from 0 to 1", (0.0..=1.0).contains(&prioritisation))?;
        setting("correction", correction, "from 0 to 1", (0.0..=1.0).contains(&correction))?;
        let ring = || Ring { experiences: Vec::new(), priorities: SumTree::new(capacity), next: 0 };
        Ok(Self { config, rings: (0..classes).map(|_| ring()).collect() })
    }

    /// Adds an experience; the oldest of its class makes room. `surprise` is how far the outcome was from what was
    /// expected.
    ///
    /// # Errors
    /// As of [`Experience::check`]; [`Error::NonFinite`] for the surprise; [`Error::Setting`] for the class.
    pub fn add(&mut self, experience: Experience, surprise: f64) -> Result<(), Error> {
        experience.check()?;
        let priority = self.priority(surprise)?;
        let class = usize::from(experience.class);
        let (capacity, classes) = (self.config.capacity, self.config.classes);
        let ring = self.rings.get_mut(class);
        let ring = ring.ok_or(Error::Setting {
            name: "class",
            value: class as f64,
            range: if classes == 1 { "0" } else { "below the number of classes" },
        })?;
        match ring.experiences.get_mut(ring.next) {
            Some(slot) => *slot = experience,
            None => ring.experiences.push(experience),
        }
        ring.priorities.set(ring.next, priority);
        ring.next = (ring.next + 1) % capacity;
        Ok(())
    }

    /// Draws `count` experiences: evenly many from each class that has any, and within a class one from each of as many
    /// stretches of equal total priority. Empty if nothing is remembered. O(count·log n).
    pub fn draw(&self, count: usize, random: &mut Random) -> Vec<Drawn> {
        let filled: Vec<(usize, &Ring)> =
            self.rings.iter().enumerate().filter(|(_, ring)| !ring.experiences.is_empty()).collect();
        let mut drawn = Vec::with_capacity(count);
        for (turn, &(class, ring)) in filled.iter().enumerate() {
            let share = count / filled.len() + usize::from(turn < count % filled.len());
            for stratum in 0..share {
                let at = (stratum as f64 + random.unit()) / share as f64 * ring.priorities.total();
                let slot = ring.priorities.find(at);
                let Some(experience) = ring.experiences.get(slot) else { continue };
                let chance = ring.priorities.get(slot) / ring.priorities.total();
                let even = self.len() as f64 * chance / filled.len() as f64;
                let importance = even.powf(-self.config.correction);
                drawn.push(Drawn { place: Place { class, slot }, experience: *experience, importance });
            }
        }
        let largest = drawn.iter().map(|drawn| drawn.importance).fold(f64::MIN_POSITIVE, f64::max);
        for drawn in &mut drawn {
            drawn.importance /= largest;
        }
        drawn
    }

    /// Sets the surprise of an experience anew.
    ///
    /// # Errors
    /// [`Error::NonFinite`].
    pub fn reprioritise(&mut self, place: Place, surprise: f64) -> Result<(), Error> {
        let priority = self.priority(surprise)?;
        if let Some(ring) = self.rings.get_mut(place.class)
            && place.slot < ring.experiences.len()
        {
            ring.priorities.set(place.slot, priority);
        }
        Ok(())
    }

    /// All experiences, class by class, each from the oldest on.
    pub fn iter(&self) -> impl Iterator<Item = &Experience> {
        self.rings.iter().flat_map(|ring| {
            let full = ring.experiences.len() == self.config.capacity;
            let (newer, older) =
                ring.experiences.split_at_checked(if full { ring.next } else { 0 }).unwrap_or_default();
            older.iter().chain(newer)
        })
    }

    /// How many are remembered.
    #[must_use]
    pub fn len(&self) -> usize {
        self.rings.iter().map(|ring| ring.experiences.len()).sum()
    }

    /// Whether nothing is remembered.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    fn priority(&self, surprise: f64) -> Result<f64, Error> {
        if !surprise.is_finite() {
            return Err(Error::NonFinite { what: "surprise", index: 0 });
        }
        Ok((surprise.abs().min(1.0) + LEAST).powf(self.config.prioritisation))
    }

    pub(crate) fn is_sound(&self) -> bool {
        let capacity = self.config.capacity;
        Self::new(self.config).is_ok()
            && self.rings.len() == self.config.classes
            && self.rings.iter().all(|ring| {
                ring.experiences.len() <= capacity
                    && ring.next < capacity
                    && ring.priorities.is_sound(capacity)
                    && ring.experiences.iter().all(|experience| experience.check().is_ok())
            })
    }
}
