//! Makes a violating run shorter: what can be left out and still violates, is left out.

use super::kripke::{KripkeStructure, StateId};
use super::lasso::Lasso;
use super::proof::Evaluation;
use crate::Formula;

/// The most work, in states looked at times nodes of the formula.
const MAX_WORK: usize = 20_000_000;

/// `lasso`, closed as early as it can be and without detours that nothing depends on. The attempts are as many as pairs of
/// steps; of a run for which that is too much, nothing is left out.
pub(super) fn shorten(model: &KripkeStructure, formula: &Formula, mut lasso: Lasso) -> Lasso {
    let nodes = formula.nodes();
    let evaluation = Evaluation::new(formula);
    let violates = |lasso: &Lasso| {
        let states: Vec<StateId> = lasso.states().collect();
        evaluation.holds(model, &states, lasso.prefix.len()) == Some(false)
    };
    loop {
        let shorter = shorter(model, &lasso, nodes).find(violates);
        let Some(shorter) = shorter else { return lasso };
        lasso = shorter.normalised();
    }
}

/// Runs that are shorter than `lasso` and follow it.
fn shorter<'a>(
    model: &'a KripkeStructure,
    lasso: &'a Lasso,
    nodes: usize,
) -> impl Iterator<Item = Lasso> + use<'a> {
    let states: Vec<StateId> = lasso.states().collect();
    let length = states.len();
    let affordable = length.saturating_pow(3).saturating_mul(nodes) <= MAX_WORK;
    let attempts = affordable.then(|| closings(model, states).chain(detours(lasso)));
    attempts.into_iter().flatten().filter(move |shorter| shorter.states().count() < length)
}

/// The runs that return from some step to one before it, the shortest first, for each the shortest cycle first.
fn closings(model: &KripkeStructure, states: Vec<StateId>) -> impl Iterator<Item = Lasso> {
    let ranges = (1..=states.len()).flat_map(|end| (0..end).rev().map(move |back| (back, end)));
    ranges.filter_map(move |(back, end)| {
        let (prefix, cycle) = states.get(..end)?.split_at_checked(back)?;
        let closes = model.next(*cycle.last()?).contains(cycle.first()?);
        closes.then(|| Lasso { prefix: prefix.to_vec(), cycle: cycle.to_vec() })
    })
}

/// The runs without what lies between two visits of the same state, inside of the prefix or of the cycle.
fn detours(lasso: &Lasso) -> impl Iterator<Item = Lasso> {
    let Lasso { prefix, cycle } = lasso;
    let up_to_cycle: Vec<StateId> = prefix.iter().chain(cycle.first()).copied().collect();
    let in_prefix = cuts(&up_to_cycle).into_iter().map(|mut prefix| {
        prefix.pop();
        Lasso { prefix, cycle: cycle.clone() }
    });
    in_prefix.chain(cuts(cycle).into_iter().map(|cycle| Lasso { prefix: prefix.clone(), cycle }))
}

/// `path` without what lies between two visits of a state.
fn cuts(path: &[StateId]) -> Vec<Vec<StateId>> {
    let mut cuts = Vec::new();
    for (first, state) in path.iter().enumerate() {
        let again = path.iter().enumerate().skip(first + 1).filter(|(_, other)| *other == state);
        cuts.extend(
            again.map(|(second, _)| {
                path.iter().take(first).chain(path.iter().skip(second)).copied().collect()
            }),
        );
    }
    cuts
}
