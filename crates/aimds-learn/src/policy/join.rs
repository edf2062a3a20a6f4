//! Decisions that wait for their outcome: a ring of fixed size, in which a decision's number says where it lies.

use serde::{Deserialize, Serialize};

use crate::context::{Action, Features};

/// What was decided, until its outcome comes.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Waiting {
    pub(crate) id: u64,
    pub(crate) features: Features,
    pub(crate) floor: Action,
    pub(crate) action: Action,
    pub(crate) propensity: f64,
    pub(crate) explored: bool,
    pub(crate) at_ms: u64,
    answered: bool,
    verified: bool,
}

/// Why an outcome finds no decision.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Missing {
    Unknown,
    Expired,
    Answered,
}

/// The last decisions, by number from 1. O(1); the oldest makes room for the newest.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct JoinTable {
    ring: Vec<Option<Waiting>>,
    ttl_ms: u64,
    last: u64,
}

impl JoinTable {
    pub(crate) fn new(capacity: usize, ttl_ms: u64) -> Self {
        Self { ring: vec![None; capacity], ttl_ms, last: 0 }
    }

    /// Remembers a decision and gives it its number.
    pub(crate) fn insert(
        &mut self,
        context: &crate::Context,
        floor: Action,
        (action, propensity, explored): (Action, f64, bool),
    ) -> u64 {
        self.last += 1;
        let id = self.last;
        let place = self.place(id);
        if let Some(slot) = self.ring.get_mut(place) {
            *slot = Some(Waiting {
                id,
                features: context.features,
                floor,
                action,
                propensity,
                explored,
                at_ms: context.at_ms,
                answered: false,
                verified: false,
            });
        }
        id
    }

    /// The decision, marked as answered. An outcome that is verified may follow one that is not, nothing else follows.
    pub(crate) fn answer(&mut self, id: u64, verified: bool, at_ms: u64) -> Result<Waiting, Missing> {
        let waiting = self.slot(id, at_ms)?;
        if waiting.verified || (waiting.answered && !verified) {
            return Err(Missing::Answered);
        }
        waiting.answered = true;
        waiting.verified = verified;
        Ok(*waiting)
    }

    /// The decision, left as it is.
    pub(crate) fn look(&mut self, id: u64, at_ms: u64) -> Result<Waiting, Missing> {
        self.slot(id, at_ms).copied()
    }

    fn slot(&mut self, id: u64, at_ms: u64) -> Result<&mut Waiting, Missing> {
        if id == 0 || id > self.last {
            return Err(Missing::Unknown);
        }
        let (place, ttl_ms) = (self.place(id), self.ttl_ms);
        let slot = self.ring.get_mut(place).and_then(Option::as_mut);
        let waiting = slot.filter(|waiting| waiting.id == id).ok_or(Missing::Expired)?;
        if at_ms.saturating_sub(waiting.at_ms) > ttl_ms { Err(Missing::Expired) } else { Ok(waiting) }
    }

    /// Decisions whose outcome is outstanding and may still come.
    pub(crate) fn waiting(&self, at_ms: u64) -> usize {
        let open =
            |waiting: &&Waiting| !waiting.answered && at_ms.saturating_sub(waiting.at_ms) <= self.ttl_ms;
        self.ring.iter().flatten().filter(open).count()
    }

    fn place(&self, id: u64) -> usize {
        (id % self.ring.len().max(1) as u64) as usize
    }

    pub(crate) fn is_sound(&self, d: usize, actions: usize) -> bool {
        let fits = |(place, waiting): (usize, &Waiting)| {
            self.place(waiting.id) == place
                && waiting.id <= self.last
                && waiting.features.is_sound()
                && waiting.features.len() == d
                && waiting.action.index() < actions
        };
        let slots = self.ring.iter().enumerate();
        !self.ring.is_empty() && slots.filter_map(|(at, slot)| Some((at, slot.as_ref()?))).all(fits)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use proptest::prelude::*;

    use super::*;
    use crate::Context;

    #[derive(Debug, Clone)]
    enum Step {
        Decide,
        Answer { back: u64, verified: bool },
        Wait(u64),
    }

    fn step() -> impl Strategy<Value = Step> {
        prop_oneof![
            Just(Step::Decide),
            (0..12_u64, any::<bool>()).prop_map(|(back, verified)| Step::Answer { back, verified }),
            (0..40_u64).prop_map(Step::Wait),
        ]
    }

    proptest! {
        /// Against a map that forgets nothing.
        #[test]
        fn the_ring_answers_as_a_map_would(steps in prop::collection::vec(step(), 0..200), capacity in 1..9_usize) {
            let ttl = 60;
            let mut table = JoinTable::new(capacity, ttl);
            let mut all: HashMap<u64, (u64, bool, bool)> = HashMap::new();
            let (mut now, mut last) = (0_u64, 0_u64);
            for step in steps {
                match step {
                    Step::Wait(ms) => now += ms,
                    Step::Decide => {
                        let context = Context { features: Features::new(&[1.0]).unwrap(), explore: true, at_ms: now };
                        last = table.insert(&context, Action(0), (Action(0), 1.0, false));
                        all.insert(last, (now, false, false));
                    }
                    Step::Answer { back, verified } => {
                        let id = (last + 1).saturating_sub(back);
                        let found = table.answer(id, verified, now).map(|waiting| waiting.id);
                        let expected = match all.get_mut(&id) {
                            None => Err(Missing::Unknown),
                            Some((at, ..)) if last - id >= capacity as u64 || now - *at > ttl => Err(Missing::Expired),
                            Some((_, answered, was)) if *was || (*answered && !verified) => Err(Missing::Answered),
                            Some((_, answered, was)) => {
                                (*answered, *was) = (true, verified);
                                Ok(id)
                            }
                        };
                        prop_assert_eq!(found, expected);
                    }
                }
                let kept = all.iter().filter(|&(&id, _)| last - id < capacity as u64);
                let open = kept.filter(|(_, (at, answered, _))| !answered && now - at <= ttl).count();
                prop_assert_eq!(table.waiting(now), open);
                prop_assert!(table.is_sound(1, 1));
            }
        }
    }
}
