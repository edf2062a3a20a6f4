//! The value of a formula on one ultimately periodic run, by definition of the operators.

use super::subformulas::{Kind, Subformula, Subformulas, boolean, kind};
use crate::formula::{Binary, Formula, Unary};
use crate::model::{KripkeStructure, StateId};

/// The most truth values, positions times subformulas.
const MAX_VALUES: usize = 50_000_000;

/// Whether the formula holds at the first state of the run that goes through `states` and then from number `back` on for
/// ever; `None` if that takes too long.
///
/// Unlike what is to come, what has been is not the same each time round the cycle. It is from some round on: the end of a
/// round depends on the end of the one before by the same monotone function of one truth value each time, so that it stays
/// the same from the second application on; with operators of the past inside of each other, one round more for each. The
/// cycle is therefore written out once more per level of nesting, and the run taken to return to its last copy.
pub(super) fn holds(
    model: &KripkeStructure,
    subformulas: &Subformulas<'_>,
    states: &[StateId],
    back: usize,
) -> Option<bool> {
    let cycle = states.get(back..)?;
    let rounds = past_depth(subformulas);
    let length = cycle.len().checked_mul(rounds)?.checked_add(states.len())?;
    length.checked_mul(subformulas.len()).filter(|&values| values <= MAX_VALUES)?;
    let mut run = states.to_vec();
    (0..rounds).for_each(|_| run.extend(cycle));
    let back = run.len() - cycle.len();

    let mut values: Vec<Vec<bool>> = Vec::with_capacity(subformulas.len());
    for Subformula { formula, operands } in subformulas.all() {
        let column = match formula {
            Formula::Atom(atom) => {
                let name = atom.to_string();
                run.iter().map(|&state| model.holds(state, &name)).collect()
            }
            Formula::True | Formula::False => vec![*formula == Formula::True; run.len()],
            _ => {
                let (left, right) = (values.get(operands.0)?, values.get(operands.1)?);
                let pairs: Vec<(bool, bool)> = left.iter().copied().zip(right.iter().copied()).collect();
                column(formula, &pairs, back)
            }
        };
        values.push(column);
    }
    values.last()?.first().copied()
}

fn past_depth(subformulas: &Subformulas<'_>) -> usize {
    let mut depths: Vec<usize> = Vec::with_capacity(subformulas.len());
    for Subformula { formula, operands } in subformulas.all() {
        let depth = |operand: usize| depths.get(operand).copied().unwrap_or(0);
        let inside = depth(operands.0).max(depth(operands.1));
        depths.push(inside + usize::from(kind(formula) == Kind::Past));
    }
    depths.last().copied().unwrap_or(0)
}

/// The values of an operator at every position, by those of its operands.
fn column(formula: &Formula, operands: &[(bool, bool)], back: usize) -> Vec<bool> {
    match kind(formula) {
        Kind::Boolean => operands.iter().map(|&(left, right)| boolean(formula, left, right)).collect(),
        Kind::Past => forward(formula, operands),
        Kind::Future => backward(formula, operands, back),
    }
}

/// `before` is what the position before hands on.
fn forward(formula: &Formula, operands: &[(bool, bool)]) -> Vec<bool> {
    use Unary::{Historically, Once, WeakYesterday, Yesterday};
    let mut before = matches!(formula, Formula::Unary(WeakYesterday | Historically(_), _));
    let step = |&(left, right): &(bool, bool)| {
        let (now, hand_on) = match formula {
            Formula::Unary(Yesterday | WeakYesterday, _) => (before, left),
            Formula::Unary(Once(_), _) => (left || before, left || before),
            Formula::Unary(Historically(_), _) => (left && before, left && before),
            _ => (right || left && before, right || left && before),
        };
        before = hand_on;
        now
    };
    operands.iter().map(step).collect()
}

/// `after` is the value at the position after; at the last one, that of position `back`. What must come at some time is the
/// least solution of its equation, what may go on for ever the greatest; once round the cycle finds either.
fn backward(formula: &Formula, operands: &[(bool, bool)], back: usize) -> Vec<bool> {
    use Unary::{Finally, Globally};
    let step = |(left, right): (bool, bool), after: bool| match formula {
        Formula::Unary(Finally(_), _) => left || after,
        Formula::Unary(Globally(_), _) => left && after,
        Formula::Binary(Binary::Release, ..) => right && (left || after),
        _ => right || left && after,
    };
    if matches!(formula, Formula::Unary(Unary::Next | Unary::WeakNext, _)) {
        let later = operands.iter().skip(1).chain(operands.get(back));
        return later.map(|&(left, _)| left).collect();
    }
    let for_ever = matches!(
        formula,
        Formula::Unary(Globally(_), _) | Formula::Binary(Binary::Release | Binary::WeakUntil, ..)
    );
    let round = operands.iter().skip(back).rev();
    let mut after = round.fold(for_ever, |after, &pair| step(pair, after));
    let mut values: Vec<bool> = Vec::with_capacity(operands.len());
    for &pair in operands.iter().rev() {
        after = step(pair, after);
        values.push(after);
    }
    values.reverse();
    values
}
