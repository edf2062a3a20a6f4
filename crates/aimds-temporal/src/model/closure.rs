//! The subformulas of a formula, and what each demands of the present and of the next state.

use std::collections::HashMap;

use super::CheckError;
use crate::formula::{Atom, Binary, Formula, Unary};
use crate::parse::{MAX_DEPTH, MAX_NODES};

/// The most atoms, past operators and eventualities of one formula: one bit each.
const MAX_ATOMS: usize = 64;
const MAX_PAST: usize = 64;
const MAX_EVENTUALITIES: usize = 64;
/// The most operators of the future directly under operators of the past.
const MAX_GUESSED: usize = 12;

/// A subformula that is to hold or to fail (Smullyan's signed formulas): no normal form is needed for the negation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Signed(u16);

impl Signed {
    pub(super) fn new(subformula: usize, holds: bool) -> Self {
        Self((subformula * 2 + usize::from(!holds)) as u16)
    }

    pub(super) fn subformula(self) -> usize {
        usize::from(self.0 / 2)
    }

    pub(super) fn holds(self) -> bool {
        self.0.is_multiple_of(2)
    }

    pub(super) fn negated(self) -> Self {
        Self(self.0 ^ 1)
    }

    pub(super) fn index(self) -> usize {
        usize::from(self.0)
    }
}

/// One way to satisfy a signed formula: what else must be so now, and what at the next state.
#[derive(Debug, Clone, Default)]
pub(super) struct Branch {
    pub(super) now: Vec<Signed>,
    pub(super) next: Option<Signed>,
    /// A bit if this puts off what must come at some time.
    pub(super) postponed: u64,
}

/// How a signed formula is satisfied.
#[derive(Debug, Clone)]
pub(super) enum Rule {
    /// By what is known: the state, the past, and the guesses.
    Known,
    /// In one of these ways.
    Branches(Vec<Branch>),
}

/// An operator over the numbers of its operands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Shape<'a> {
    Constant(bool),
    Atom(&'a Atom),
    Unary(Unary, usize),
    Binary(Binary, usize, usize),
}

/// A subformula once more, with what evaluating it takes.
struct Part<'a> {
    formula: &'a Formula,
    shape: Shape<'a>,
    /// For an atom its bit in a label, for an operator of the past its bit in the memory.
    bit: u64,
    /// Whether the state, the past and the guesses determine its value.
    known: bool,
    guessed: bool,
}

/// All subformulas of a formula, without repetitions, operands before operators.
pub(super) struct Closure<'a> {
    parts: Vec<Part<'a>>,
    atoms: Vec<&'a Atom>,
    guessed: Vec<usize>,
    past: bool,
    rules: Vec<Rule>,
    eventualities: Vec<Signed>,
}

impl<'a> Closure<'a> {
    pub(super) fn new(formula: &'a Formula) -> Result<Self, CheckError> {
        refuse(formula)?;
        let mut closure = Self {
            parts: Vec::new(),
            atoms: Vec::new(),
            guessed: Vec::new(),
            past: false,
            rules: Vec::new(),
            eventualities: Vec::new(),
        };
        closure.number(formula, &mut HashMap::new());
        closure.assign_bits()?;
        closure.find_guessed()?;
        closure.find_known();
        let signed = (0..closure.parts.len()).flat_map(|part| [(part, true), (part, false)]);
        closure.rules = signed.map(|(part, holds)| closure.rule(part, holds)).collect();
        closure.find_eventualities()?;
        Ok(closure)
    }

    /// The whole formula, which is the last, failing.
    pub(super) fn negation(&self) -> Signed {
        Signed::new(self.parts.len().saturating_sub(1), false)
    }

    pub(super) fn atoms(&self) -> &[&'a Atom] {
        &self.atoms
    }

    pub(super) fn formulas(&self) -> impl Iterator<Item = &'a Formula> {
        self.parts.iter().map(|part| part.formula)
    }

    /// The operators of the past whose bit is set in a memory.
    pub(super) fn remembered(&self, memory: u64) -> Vec<u32> {
        let past = (0..).zip(&self.parts).filter(|(_, part)| part.shape.is_past());
        past.filter(|(_, part)| memory & part.bit != 0).map(|(number, _)| number).collect()
    }

    /// Subformulas of the future whose value the past depends on: guessed, and then demanded.
    pub(super) fn guessed(&self) -> &[usize] {
        &self.guessed
    }

    pub(super) fn has_past(&self) -> bool {
        self.past
    }

    /// What must come at some time if it is claimed; number `i` is bit `i` of what a move postpones.
    pub(super) fn eventualities(&self) -> &[Signed] {
        &self.eventualities
    }

    fn rule(&self, part: usize, holds: bool) -> Rule {
        let Some(Part { shape, known, .. }) = self.parts.get(part) else { return Rule::Known };
        if *known {
            return Rule::Known;
        }
        Rule::Branches(branches(*shape, Signed::new(part, holds)))
    }

    pub(super) fn rule_of(&self, signed: Signed) -> &Rule {
        self.rules.get(signed.index()).unwrap_or(&Rule::Known)
    }

    /// The values of the known subformulas, and the memory for the next state. `guesses` has a bit for each of
    /// [`guessed`](Self::guessed).
    pub(super) fn values(&self, label: u64, memory: Option<u64>, guesses: u32) -> (Vec<bool>, u64) {
        let mut values: Vec<bool> = Vec::with_capacity(self.parts.len());
        let mut remembered = 0;
        let mut guess = 1;
        for part in &self.parts {
            let value = |operand: usize| values.get(operand).copied().unwrap_or(false);
            let before = |at_first: bool| memory.map_or(at_first, |memory| memory & part.bit != 0);
            let holds = match part.shape {
                _ if part.guessed => {
                    guess <<= 1;
                    guesses & (guess >> 1) != 0
                }
                Shape::Constant(constant) => constant,
                Shape::Atom(_) => label & part.bit != 0,
                Shape::Unary(operator, operand) => match operator {
                    Unary::Not => !value(operand),
                    Unary::Yesterday => before(false),
                    Unary::WeakYesterday => before(true),
                    Unary::Once(_) => value(operand) || before(false),
                    Unary::Historically(_) => value(operand) && before(true),
                    Unary::Next | Unary::WeakNext | Unary::Finally(_) | Unary::Globally(_) => false,
                },
                Shape::Binary(operator, left, right) => match operator {
                    Binary::And => value(left) && value(right),
                    Binary::Or => value(left) || value(right),
                    Binary::Implies => !value(left) || value(right),
                    Binary::Iff => value(left) == value(right),
                    Binary::Since(_) => value(right) || value(left) && before(false),
                    Binary::Until(_) | Binary::Release | Binary::WeakUntil => false,
                },
            };
            let keep = match part.shape {
                Shape::Unary(Unary::Yesterday | Unary::WeakYesterday, operand) => value(operand),
                _ => holds,
            };
            if part.shape.is_past() && keep {
                remembered |= part.bit;
            }
            values.push(holds);
        }
        (values, remembered)
    }

    /// The number of `formula`, after those of its operands. Recursion as deep as the formula, which is bounded.
    fn number(&mut self, formula: &'a Formula, known: &mut HashMap<Shape<'a>, usize>) -> usize {
        let shape = match formula {
            Formula::True => Shape::Constant(true),
            Formula::False => Shape::Constant(false),
            Formula::Atom(atom) => Shape::Atom(atom),
            Formula::Unary(operator, operand) => Shape::Unary(*operator, self.number(operand, known)),
            Formula::Binary(operator, left, right) => {
                Shape::Binary(*operator, self.number(left, known), self.number(right, known))
            }
        };
        *known.entry(shape).or_insert_with(|| {
            self.parts.push(Part { formula, shape, bit: 0, known: false, guessed: false });
            self.parts.len() - 1
        })
    }

    fn assign_bits(&mut self) -> Result<(), CheckError> {
        let mut past = 0;
        for part in &mut self.parts {
            if let Shape::Atom(atom) = part.shape {
                part.bit = 1_u64.checked_shl(self.atoms.len() as u32).unwrap_or(0);
                self.atoms.push(atom);
            } else if part.shape.is_past() {
                part.bit = 1_u64.checked_shl(past).unwrap_or(0);
                past += 1;
            }
        }
        self.past = past > 0;
        within("atoms", self.atoms.len(), MAX_ATOMS)?;
        within("past operators", past as usize, MAX_PAST)
    }

    /// Marks what is of the future and directly, or through boolean operators, under an operator of the past.
    fn find_guessed(&mut self) -> Result<(), CheckError> {
        let mut open: Vec<usize> = Vec::new();
        let mut seen = vec![false; self.parts.len()];
        for part in self.parts.iter().filter(|part| part.shape.is_past()) {
            open.extend(part.shape.operands());
        }
        while let Some(number) = open.pop() {
            let (Some(part), Some(seen)) = (self.parts.get_mut(number), seen.get_mut(number)) else {
                continue;
            };
            if std::mem::replace(seen, true) {
                continue;
            }
            part.guessed = part.shape.is_future();
            if !part.guessed {
                open.extend(part.shape.operands());
            }
        }
        self.guessed = (0..).zip(&self.parts).filter(|(_, part)| part.guessed).map(|(at, _)| at).collect();
        within("future operators under past operators", self.guessed.len(), MAX_GUESSED)
    }

    fn find_known(&mut self) {
        let mut known: Vec<bool> = Vec::with_capacity(self.parts.len());
        for part in &mut self.parts {
            let operands = || part.shape.operands().all(|at| known.get(at).copied().unwrap_or(false));
            part.known = part.shape.is_past() || !part.shape.is_future() && operands();
            known.push(part.known);
        }
    }

    /// Gives a bit to every eventuality that can be claimed.
    fn find_eventualities(&mut self) -> Result<(), CheckError> {
        let mut claimed = vec![false; self.rules.len()];
        let mut open = vec![self.negation()];
        open.extend(
            self.guessed.iter().flat_map(|&part| [Signed::new(part, true), Signed::new(part, false)]),
        );
        while let Some(signed) = open.pop() {
            let Some(claimed) = claimed.get_mut(signed.index()) else { continue };
            let Some(Rule::Branches(branches)) = self.rules.get_mut(signed.index()) else { continue };
            if std::mem::replace(claimed, true) {
                continue;
            }
            for branch in branches {
                open.extend(branch.now.iter().copied().chain(branch.next));
                if branch.postponed != 0 {
                    branch.postponed = 1_u64.checked_shl(self.eventualities.len() as u32).unwrap_or(0);
                    self.eventualities.push(signed);
                }
            }
        }
        within("eventualities", self.eventualities.len(), MAX_EVENTUALITIES)
    }
}

impl Shape<'_> {
    fn operands(self) -> impl Iterator<Item = usize> + use<> {
        let (left, right) = match self {
            Shape::Constant(_) | Shape::Atom(_) => (None, None),
            Shape::Unary(_, operand) => (Some(operand), None),
            Shape::Binary(_, left, right) => (Some(left), Some(right)),
        };
        left.into_iter().chain(right)
    }

    fn is_past(self) -> bool {
        matches!(
            self,
            Shape::Unary(
                Unary::Yesterday | Unary::WeakYesterday | Unary::Once(_) | Unary::Historically(_),
                _
            ) | Shape::Binary(Binary::Since(_), ..)
        )
    }

    fn is_future(self) -> bool {
        matches!(
            self,
            Shape::Unary(Unary::Next | Unary::WeakNext | Unary::Finally(_) | Unary::Globally(_), _)
                | Shape::Binary(Binary::Until(_) | Binary::Release | Binary::WeakUntil, ..)
        )
    }
}

/// The ways to satisfy `own`, which is of the given shape; those first that put nothing off.
fn branches(shape: Shape<'_>, own: Signed) -> Vec<Branch> {
    let holds = own.holds();
    let yes = |part| Signed::new(part, true);
    let no = |part| Signed::new(part, false);
    let same = |part| Signed::new(part, holds);
    let now = |now: &[Signed]| Branch { now: now.to_vec(), ..Branch::default() };
    let stay = |now: &[Signed]| Branch { now: now.to_vec(), next: Some(own), postponed: 0 };
    // Any bit: `find_eventualities` gives the right one.
    let postpone = |now: &[Signed]| Branch { postponed: 1, ..stay(now) };
    match shape {
        Shape::Constant(_) | Shape::Atom(_) => Vec::new(),
        Shape::Unary(operator, a) => match operator {
            Unary::Not => vec![now(&[same(a).negated()])],
            Unary::Next | Unary::WeakNext => vec![Branch { next: Some(same(a)), ..Branch::default() }],
            Unary::Finally(_) if holds => vec![now(&[yes(a)]), postpone(&[])],
            Unary::Globally(_) if !holds => vec![now(&[no(a)]), postpone(&[])],
            Unary::Finally(_) | Unary::Globally(_) => vec![stay(&[same(a)])],
            Unary::Yesterday | Unary::WeakYesterday | Unary::Once(_) | Unary::Historically(_) => Vec::new(),
        },
        Shape::Binary(operator, a, b) => match (operator, holds) {
            (Binary::And, true) => vec![now(&[yes(a), yes(b)])],
            (Binary::And, false) => vec![now(&[no(a)]), now(&[no(b)])],
            (Binary::Or, true) => vec![now(&[yes(a)]), now(&[yes(b)])],
            (Binary::Or, false) => vec![now(&[no(a), no(b)])],
            (Binary::Implies, true) => vec![now(&[no(a)]), now(&[yes(b)])],
            (Binary::Implies, false) => vec![now(&[yes(a), no(b)])],
            (Binary::Iff, _) => vec![now(&[yes(a), same(b)]), now(&[no(a), same(b).negated()])],
            (Binary::Until(_), true) => vec![now(&[yes(b)]), postpone(&[yes(a)])],
            (Binary::Until(_), false) => vec![now(&[no(a), no(b)]), stay(&[no(b)])],
            (Binary::WeakUntil, true) => vec![now(&[yes(b)]), stay(&[yes(a)])],
            (Binary::WeakUntil, false) => vec![now(&[no(a), no(b)]), postpone(&[no(b)])],
            (Binary::Release, true) => vec![now(&[yes(a), yes(b)]), stay(&[yes(b)])],
            (Binary::Release, false) => vec![now(&[no(b)]), postpone(&[no(a)])],
            (Binary::Since(_), _) => Vec::new(),
        },
    }
}

/// Formulas that a model without time and values cannot satisfy or violate.
fn refuse(formula: &Formula) -> Result<(), CheckError> {
    within("nodes", formula.nodes(), MAX_NODES)?;
    within("levels of nesting", formula.depth(), MAX_DEPTH)?;
    let mut timed = None;
    formula.walk(|part, _| timed = timed.or(part.interval().map(|_| part)));
    if let Some(part) = timed {
        return Err(CheckError::Timed(part.to_string()));
    }
    match formula.variables().first() {
        Some(variable) => Err(CheckError::Parametric((*variable).to_owned())),
        None => Ok(()),
    }
}

fn within(what: &'static str, count: usize, limit: usize) -> Result<(), CheckError> {
    if count > limit { Err(CheckError::TooComplex { what, count, limit }) } else { Ok(()) }
}
