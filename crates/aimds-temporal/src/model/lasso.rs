//! A run that violates the formula: a path and a cycle, as short as breadth-first search makes them.

use std::collections::{HashMap, VecDeque};
use std::hash::BuildHasherDefault;

use serde::{Deserialize, Serialize};

use super::Exhausted;
use super::kripke::StateId;
use super::product::{Cursor, Edge, Product, Spread};

/// A run that goes through `prefix` once and then through `cycle` for ever.
///
/// Of a lasso from [`check`](super::check), this is minimal. The search made it of the shortest path to the first accepting
/// component that it found, and a cycle each part of which is the shortest to an eventuality not yet fulfilled, or back to
/// the start. After that, as long as the run is not too long to try (some 60 states for a formula of 80 nodes): no run that
/// follows the lasso and returns to an earlier step sooner violates the formula, and neither does one that leaves out what
/// lies between two visits of a state. Always: the cycle is no repetition of a shorter one, and the prefix does not end with
/// the state that ends the cycle. A shorter run through other states may exist.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lasso {
    /// May be empty.
    pub prefix: Vec<StateId>,
    /// Never empty in what [`check`](super::check) returns.
    pub cycle: Vec<StateId>,
}

impl Lasso {
    /// The states of the prefix, then those of the cycle once.
    pub fn states(&self) -> impl Iterator<Item = StateId> {
        self.prefix.iter().chain(&self.cycle).copied()
    }

    /// The same run, written as short as it can be.
    pub(super) fn normalised(mut self) -> Self {
        let length = self.cycle.len();
        let repeats = |period: &usize| {
            length.is_multiple_of(*period)
                && self.cycle.iter().skip(*period).eq(self.cycle.iter().take(length - period))
        };
        let period = (1..length).find(repeats).unwrap_or(length);
        self.cycle.truncate(period);
        while let (Some(last), Some(same)) = (self.prefix.last(), self.cycle.last()) {
            if last != same {
                break;
            }
            self.prefix.pop();
            self.cycle.rotate_right(1);
        }
        self
    }
}

/// The lasso into and around `members`, a component of the product that is known to accept.
pub(super) fn lasso(product: &mut Product<'_>, members: &[bool]) -> Result<Lasso, Exhausted> {
    let member = |place: u32| members.get(place as usize) == Some(&true);
    let initial = product.initial()?;
    let (entry, prefix) = match initial.iter().find(|&&place| member(place)) {
        Some(&place) => (place, Vec::new()),
        None => {
            let path = shortest(product, &initial, |_| true, |edge| member(edge.to))?;
            (path.last().map_or(0, |step| step.edge.to), path)
        }
    };
    let cycle = cycle(product, entry, member)?;
    let states = |path: &[Step]| path.iter().filter_map(|step| product.state(step.from)).collect();
    Ok(Lasso { prefix: states(&prefix), cycle: states(&cycle) }.normalised())
}

/// From `entry` back to it over every eventuality, the nearest first.
fn cycle(
    product: &mut Product<'_>,
    entry: u32,
    member: impl Fn(u32) -> bool + Copy,
) -> Result<Vec<Step>, Exhausted> {
    let mut cycle: Vec<Step> = Vec::new();
    let mut missing = product.all();
    let mut at = entry;
    while missing != 0 {
        let part = shortest(product, &[at], member, |edge| edge.fulfilled & missing != 0)?;
        missing = part.iter().fold(missing, |missing, step| missing & !step.edge.fulfilled);
        let Some(last) = part.last() else { break };
        at = last.edge.to;
        cycle.extend(part);
    }
    if at != entry || cycle.is_empty() {
        cycle.extend(shortest(product, &[at], member, |edge| edge.to == entry)?);
    }
    Ok(cycle)
}

/// By which step a place was reached first; `None` for where the search began.
type Reached = HashMap<u32, Option<Step>, BuildHasherDefault<Spread>>;

#[derive(Debug, Clone, Copy)]
struct Step {
    from: u32,
    edge: Edge,
}

/// The shortest path of at least one edge from one of `sources`, over allowed places, to an edge that is wanted; empty if
/// there is none.
fn shortest(
    product: &mut Product<'_>,
    sources: &[u32],
    allowed: impl Fn(u32) -> bool,
    wanted: impl Fn(&Edge) -> bool,
) -> Result<Vec<Step>, Exhausted> {
    let mut reached: Reached = sources.iter().map(|&source| (source, None)).collect();
    let mut queue: VecDeque<u32> = sources.iter().copied().collect();
    while let Some(from) = queue.pop_front() {
        let mut cursor = Cursor::default();
        while let Some(edge) = product.edge(from, &mut cursor)? {
            if !allowed(edge.to) {
                continue;
            }
            let step = Step { from, edge };
            if wanted(&edge) {
                return Ok(trace(&reached, step));
            }
            reached.entry(edge.to).or_insert_with(|| {
                queue.push_back(edge.to);
                Some(step)
            });
        }
    }
    Ok(Vec::new())
}

/// The steps that end with `last`.
fn trace(reached: &Reached, last: Step) -> Vec<Step> {
    let mut path = vec![last];
    let mut at = last.from;
    while let Some(Some(step)) = reached.get(&at) {
        path.push(*step);
        at = step.from;
    }
    path.reverse();
    path
}
