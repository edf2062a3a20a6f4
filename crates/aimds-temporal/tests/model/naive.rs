//! The value of a formula on a lasso, straight from the definitions: every quantifier is a loop.

use std::collections::HashMap;

use aimds_temporal::model::{KripkeStructure, Lasso, StateId};
use aimds_temporal::{Binary, Formula, Unary};

/// Whether the formula holds at the first state of the run.
pub fn holds(model: &KripkeStructure, formula: &Formula, lasso: &Lasso) -> bool {
    Run { model, lasso, rounds: formula.nodes(), values: HashMap::new() }.value(formula, 0)
}

struct Run<'a> {
    model: &'a KripkeStructure,
    lasso: &'a Lasso,
    /// After so many rounds, each is like the one before for every subformula.
    rounds: usize,
    values: HashMap<(*const Formula, usize), bool>,
}

impl Run<'_> {
    fn value(&mut self, formula: &Formula, at: usize) -> bool {
        let (prefix, cycle) = (self.lasso.prefix.len(), self.lasso.cycle.len());
        let last_round = prefix + cycle * self.rounds;
        let at = if at < last_round { at } else { last_round + (at - last_round) % cycle };
        let key = (std::ptr::from_ref(formula), at);
        if let Some(&known) = self.values.get(&key) {
            return known;
        }
        let value = match formula {
            Formula::True => true,
            Formula::False => false,
            Formula::Atom(atom) => self.model.holds(self.state(at), &atom.to_string()),
            Formula::Unary(operator, a) => self.unary(*operator, a, at),
            Formula::Binary(operator, a, b) => self.binary(*operator, a, b, at),
        };
        self.values.insert(key, value);
        value
    }

    fn state(&self, at: usize) -> StateId {
        let Lasso { prefix, cycle } = self.lasso;
        prefix.get(at).copied().unwrap_or_else(|| cycle[(at - prefix.len()) % cycle.len()])
    }

    /// Positions among which everything that can come after `at` has come.
    fn later(&self, at: usize) -> std::ops::Range<usize> {
        at..at + self.lasso.prefix.len() + self.lasso.cycle.len() * (self.rounds + 2)
    }

    fn unary(&mut self, operator: Unary, a: &Formula, at: usize) -> bool {
        match operator {
            Unary::Not => !self.value(a, at),
            Unary::Next | Unary::WeakNext => self.value(a, at + 1),
            Unary::Finally(_) => self.later(at).any(|then| self.value(a, then)),
            Unary::Globally(_) => self.later(at).all(|then| self.value(a, then)),
            Unary::Yesterday => at > 0 && self.value(a, at - 1),
            Unary::WeakYesterday => at == 0 || self.value(a, at - 1),
            Unary::Once(_) => (0..=at).any(|then| self.value(a, then)),
            Unary::Historically(_) => (0..=at).all(|then| self.value(a, then)),
        }
    }

    fn binary(&mut self, operator: Binary, a: &Formula, b: &Formula, at: usize) -> bool {
        match operator {
            Binary::And => self.value(a, at) && self.value(b, at),
            Binary::Or => self.value(a, at) || self.value(b, at),
            Binary::Implies => !self.value(a, at) || self.value(b, at),
            Binary::Iff => self.value(a, at) == self.value(b, at),
            Binary::Until(_) => self.until(a, b, at),
            Binary::WeakUntil => self.until(a, b, at) || self.later(at).all(|then| self.value(a, then)),
            Binary::Release => self
                .later(at)
                .all(|then| self.value(b, then) || (at..then).any(|before| self.value(a, before))),
            Binary::Since(_) => {
                (0..=at).any(|then| self.value(b, then) && (then + 1..=at).all(|after| self.value(a, after)))
            }
        }
    }

    fn until(&mut self, a: &Formula, b: &Formula, at: usize) -> bool {
        self.later(at).any(|then| self.value(b, then) && (at..then).all(|before| self.value(a, before)))
    }
}

/// Every run of at most `steps` states before it repeats.
pub fn lassos(model: &KripkeStructure, steps: usize) -> Vec<Lasso> {
    let mut found = Vec::new();
    let mut open: Vec<Vec<StateId>> = model.initial().iter().map(|&state| vec![state]).collect();
    while let Some(path) = open.pop() {
        let last = path[path.len() - 1];
        for (back, state) in path.iter().enumerate() {
            if model.next(last).contains(state) {
                found.push(Lasso { prefix: path[..back].to_vec(), cycle: path[back..].to_vec() });
            }
        }
        if path.len() < steps {
            open.extend(model.next(last).iter().map(|&next| [path.clone(), vec![next]].concat()));
        }
    }
    found
}
