//! The product of a model and the automaton of the negated formula, built as far as it is asked for.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::hash::{BuildHasherDefault, Hasher};

use super::closure::Closure;
use super::kripke::{KripkeStructure, StateId};
use super::tableau::Tableau;
use super::{Exhausted, Limits, Resource};

/// A state of the model with obligations that are to be met from there.
#[derive(Debug, Clone, Copy)]
pub(super) struct Place {
    pub(super) state: StateId,
    pub(super) tableau: u32,
    /// Under which number the moves are, once they were asked for.
    expansion: u32,
}

const NOT_EXPANDED: u32 = u32::MAX;

/// A step of the product.
#[derive(Debug, Clone, Copy)]
pub(super) struct Edge {
    pub(super) to: u32,
    /// A bit for each eventuality that is not put off.
    pub(super) fulfilled: u64,
}

/// Which edge of a place comes next.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Cursor {
    mov: u32,
    successor: u32,
}

pub(super) struct Product<'a> {
    model: &'a KripkeStructure,
    tableau: Tableau<'a>,
    /// What holds in each state of the model, by number: states that agree on the atoms of the formula have the same.
    labels: Vec<u32>,
    places: Vec<Place>,
    numbers: HashMap<u64, u32, BuildHasherDefault<Spread>>,
    limit: usize,
    /// A bit for each eventuality.
    all: u64,
}

impl<'a> Product<'a> {
    pub(super) fn new(model: &'a KripkeStructure, closure: &'a Closure<'a>, limits: &'a Limits) -> Self {
        let eventualities = closure.eventualities().len() as u32;
        let (labels, values) = labels(model, closure);
        let expected = model.state_count().min(limits.product_states);
        Self {
            model,
            tableau: Tableau::new(closure, values, limits),
            labels,
            places: Vec::with_capacity(expected),
            numbers: HashMap::with_capacity_and_hasher(expected, BuildHasherDefault::default()),
            limit: limits.product_states.min(NOT_EXPANDED as usize - 1),
            all: 1_u64.checked_shl(eventualities).map_or(u64::MAX, |bit| bit - 1),
        }
    }

    /// Allows as much again as was allowed.
    pub(super) fn renew(&mut self) {
        self.limit = self.limit.saturating_mul(2).min(NOT_EXPANDED as usize - 1);
        self.tableau.renew();
    }

    pub(super) fn all(&self) -> u64 {
        self.all
    }

    pub(super) fn tableau(&self) -> &Tableau<'a> {
        &self.tableau
    }

    pub(super) fn places(&self) -> &[Place] {
        &self.places
    }

    pub(super) fn state(&self, place: u32) -> Option<StateId> {
        self.places.get(place as usize).map(|place| place.state)
    }

    /// The places where runs begin.
    pub(super) fn initial(&mut self) -> Result<Vec<u32>, Exhausted> {
        let start = self.tableau.start()?;
        let model = self.model;
        model.initial().iter().map(|&state| self.number(state, start)).collect()
    }

    /// The edge of `place` at `cursor`, which moves on; `None` after the last.
    pub(super) fn edge(&mut self, place: u32, cursor: &mut Cursor) -> Result<Option<Edge>, Exhausted> {
        let Some(&Place { state, tableau, expansion }) = self.places.get(place as usize) else {
            return Ok(None);
        };
        let expansion = match expansion {
            NOT_EXPANDED => self.expand(place, state, tableau)?,
            expansion => expansion,
        };
        let successors = self.model.next(state);
        if cursor.successor as usize >= successors.len() {
            *cursor = Cursor { mov: cursor.mov + 1, successor: 0 };
        }
        let Some(&step) = self.tableau.moves(expansion).get(cursor.mov as usize) else { return Ok(None) };
        let Some(&next) = successors.get(cursor.successor as usize) else { return Ok(None) };
        cursor.successor += 1;
        self.tableau.spend(1)?;
        Ok(Some(Edge { to: self.number(next, step.to)?, fulfilled: self.all & !step.postponed }))
    }

    fn expand(&mut self, number: u32, state: StateId, tableau: u32) -> Result<u32, Exhausted> {
        let label = self.labels.get(state.index()).copied().unwrap_or_default();
        let expansion = self.tableau.expand(tableau, label)?;
        if let Some(place) = self.places.get_mut(number as usize) {
            place.expansion = expansion;
        }
        Ok(expansion)
    }

    fn number(&mut self, state: StateId, tableau: u32) -> Result<u32, Exhausted> {
        let count = self.places.len();
        match self.numbers.entry(u64::from(tableau) << 32 | u64::from(state.0)) {
            Entry::Occupied(known) => Ok(*known.get()),
            Entry::Vacant(_) if count >= self.limit => {
                Err(Exhausted { what: Resource::ProductStates, limit: self.limit as u64 })
            }
            Entry::Vacant(new) => {
                self.places.push(Place { state, tableau, expansion: NOT_EXPANDED });
                Ok(*new.insert(count as u32))
            }
        }
    }
}

/// The number of each state's label, and the labels: a bit for each atom.
fn labels(model: &KripkeStructure, closure: &Closure<'_>) -> (Vec<u32>, Vec<u64>) {
    let mut labels = vec![0; model.state_count()];
    for (atom, bit) in closure.atoms().iter().zip((0..64).map(|bit| 1_u64 << bit)) {
        for (label, holds) in labels.iter_mut().zip(model.where_holds(&atom.to_string())) {
            if holds {
                *label |= bit;
            }
        }
    }
    let mut values = labels.clone();
    values.sort_unstable();
    values.dedup();
    let number = |label: u64| values.binary_search(&label).unwrap_or_default() as u32;
    (labels.into_iter().map(number).collect(), values)
}

/// Spreads numbers over a table such that sixteen states in a row stay together, for the cache. The numbers are this
/// program's own, so that nobody can choose ones that collide, and the order of the table is never looked at.
#[derive(Default)]
pub(super) struct Spread(u64);

impl Hasher for Spread {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for &byte in bytes {
            self.write_u64(self.0 ^ u64::from(byte));
        }
    }

    fn write_u32(&mut self, number: u32) {
        self.write_u64(u64::from(number));
    }

    fn write_u64(&mut self, number: u64) {
        // The fraction of the golden ratio.
        const FACTOR: u64 = 0x9e37_79b9_7f4a_7c15;
        const LOW: u64 = (1 << 40) - 1;
        // The table takes the place from the low bits, and tells entries apart by the high ones.
        let place = (number >> 4).wrapping_mul(FACTOR) >> 28 << 4 | number & 15;
        self.0 = place & LOW | number.wrapping_mul(FACTOR) & !LOW;
    }
}
