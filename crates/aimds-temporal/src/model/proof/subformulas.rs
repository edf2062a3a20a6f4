//! The subformulas of a formula, told apart by their text.

use std::collections::HashMap;

use crate::Formula;
use crate::formula::Binary::{self, Release, Since, Until, WeakUntil};
use crate::formula::Unary::{
    self, Finally, Globally, Historically, Next, Once, WeakNext, WeakYesterday, Yesterday,
};

/// Operands come before operators, the whole formula is the last.
pub(super) struct Subformulas<'a> {
    list: Vec<Subformula<'a>>,
    by_text: HashMap<String, usize>,
}

/// One of them.
#[derive(Debug, Clone, Copy)]
pub(super) struct Subformula<'a> {
    pub(super) formula: &'a Formula,
    /// The numbers of the operands; an operator with one has it twice.
    pub(super) operands: (usize, usize),
}

impl<'a> Subformulas<'a> {
    /// `formula` is parsed, so that its size and depth are bounded.
    pub(super) fn new(formula: &'a Formula) -> Self {
        let mut subformulas = Self { list: Vec::new(), by_text: HashMap::new() };
        subformulas.add(formula);
        subformulas
    }

    fn add(&mut self, formula: &'a Formula) -> usize {
        let operands = match formula {
            Formula::True | Formula::False | Formula::Atom(_) => (0, 0),
            Formula::Unary(_, operand) => {
                let number = self.add(operand);
                (number, number)
            }
            Formula::Binary(_, left, right) => (self.add(left), self.add(right)),
        };
        let next = self.list.len();
        let number = *self.by_text.entry(formula.to_string()).or_insert(next);
        if number == next {
            self.list.push(Subformula { formula, operands });
        }
        number
    }

    pub(super) fn all(&self) -> impl DoubleEndedIterator<Item = Subformula<'a>> + ExactSizeIterator {
        self.list.iter().copied()
    }

    pub(super) fn len(&self) -> usize {
        self.list.len()
    }

    /// The number of the whole formula.
    pub(super) fn whole(&self) -> usize {
        self.list.len().saturating_sub(1)
    }

    pub(super) fn get(&self, number: usize) -> Option<Subformula<'a>> {
        self.list.get(number).copied()
    }

    pub(super) fn by_text(&self, text: &str) -> Option<usize> {
        self.by_text.get(text).copied()
    }
}

/// What kind of operator is outermost.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// An atom, a constant, or a boolean operator.
    Boolean,
    Future,
    Past,
}

pub(super) fn kind(formula: &Formula) -> Kind {
    match formula {
        Formula::True | Formula::False | Formula::Atom(_) => Kind::Boolean,
        Formula::Unary(operator, _) => match operator {
            Unary::Not => Kind::Boolean,
            Next | WeakNext | Finally(_) | Globally(_) => Kind::Future,
            Yesterday | WeakYesterday | Once(_) | Historically(_) => Kind::Past,
        },
        Formula::Binary(operator, ..) => match operator {
            Binary::And | Binary::Or | Binary::Implies | Binary::Iff => Kind::Boolean,
            Until(_) | Release | WeakUntil => Kind::Future,
            Since(_) => Kind::Past,
        },
    }
}

/// The value of a boolean operator or constant, by the values of its operands; for an atom, `left`.
pub(super) fn boolean(formula: &Formula, left: bool, right: bool) -> bool {
    match formula {
        Formula::True => true,
        Formula::False => false,
        Formula::Unary(Unary::Not, _) => !left,
        Formula::Binary(Binary::And, ..) => left && right,
        Formula::Binary(Binary::Or, ..) => left || right,
        Formula::Binary(Binary::Implies, ..) => !left || right,
        Formula::Binary(Binary::Iff, ..) => left == right,
        _ => left,
    }
}
