//! What a formula is made of.

use std::collections::BTreeSet;

/// A formula of linear temporal logic with past operators and time bounds.
///
/// Made by [`Formula::parse`] or by the constructors below; `Display` prints text that parses to the same formula.
/// A variable in an atom's arguments stands for every value: the whole formula is universally quantified over it.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Formula {
    /// Holds everywhere.
    True,
    /// Holds nowhere.
    False,
    /// Holds at the steps at which the event happens.
    Atom(Atom),
    /// An operator with one operand.
    Unary(Unary, Box<Formula>),
    /// An operator with two operands, left and right.
    Binary(Binary, Box<Formula>, Box<Formula>),
}

/// The operators with one operand φ. An interval bounds the time between the step at which the operator is evaluated
/// and the step of its operand, both ends included; `None` is no bound.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Unary {
    /// `!φ`
    Not,
    /// `X φ`: there is a next step, and φ holds at it.
    Next,
    /// `WX φ`: if there is a next step, φ holds at it.
    WeakNext,
    /// `F φ`: φ holds now or at a later step.
    Finally(Option<Interval>),
    /// `G φ`: φ holds now and at every later step.
    Globally(Option<Interval>),
    /// `Y φ`: there is a previous step, and φ held at it.
    Yesterday,
    /// `Z φ`: if there is a previous step, φ held at it.
    WeakYesterday,
    /// `O φ`: φ holds now or held at an earlier step.
    Once(Option<Interval>),
    /// `H φ`: φ holds now and held at every earlier step.
    Historically(Option<Interval>),
}

/// The operators with two operands φ and ψ.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Binary {
    /// `φ & ψ`
    And,
    /// `φ | ψ`
    Or,
    /// `φ -> ψ`
    Implies,
    /// `φ <-> ψ`
    Iff,
    /// `φ U ψ`: ψ holds now or at a later step, and φ at every step from now until before it.
    Until(Option<Interval>),
    /// `φ R ψ`: ψ holds from now up to and including the first step at which φ holds, or for ever.
    Release,
    /// `φ W ψ`: `φ U ψ`, or φ for ever.
    WeakUntil,
    /// `φ S ψ`: ψ holds now or held at an earlier step, and φ at every step since after it.
    Since(Option<Interval>),
}

/// A span of time in milliseconds, both ends included; `lo_ms <= hi_ms`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Interval {
    lo_ms: u64,
    hi_ms: u64,
}

impl Interval {
    /// The span, or `None` if it is empty.
    pub fn new(lo_ms: u64, hi_ms: u64) -> Option<Self> {
        (lo_ms <= hi_ms).then_some(Self { lo_ms, hi_ms })
    }

    /// The shortest time that lies in it.
    pub fn lo_ms(self) -> u64 {
        self.lo_ms
    }

    /// The longest time that lies in it.
    pub fn hi_ms(self) -> u64 {
        self.hi_ms
    }

    /// Whether a time lies in it.
    pub fn contains(self, ms: u64) -> bool {
        (self.lo_ms..=self.hi_ms).contains(&ms)
    }
}

/// The name of an event and its arguments.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Atom {
    /// Any text; printed in quotes if it is not an identifier.
    pub name: String,
    /// Often empty.
    pub args: Vec<Term>,
}

impl Atom {
    /// An atom without arguments.
    pub fn new(name: impl Into<String>) -> Self {
        Self { name: name.into(), args: Vec::new() }
    }
}

/// An argument of an atom.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Term {
    /// This value.
    Constant(String),
    /// Every value; the same variable is the same value everywhere in the formula.
    Variable(String),
}

impl Formula {
    /// The atom without arguments.
    pub fn atom(name: impl Into<String>) -> Self {
        Self::Atom(Atom::new(name))
    }

    /// An operator with one operand.
    pub fn unary(operator: Unary, operand: Formula) -> Self {
        Self::Unary(operator, Box::new(operand))
    }

    /// An operator with two operands.
    pub fn binary(operator: Binary, left: Formula, right: Formula) -> Self {
        Self::Binary(operator, Box::new(left), Box::new(right))
    }

    /// The number of operators, atoms and constants. Linear, without recursion.
    pub fn nodes(&self) -> usize {
        self.walk(|_, _| ())
    }

    /// The number of nodes on the longest way from the root to a leaf. Linear, without recursion.
    pub fn depth(&self) -> usize {
        let mut deepest = 0;
        self.walk(|_, depth| deepest = deepest.max(depth));
        deepest
    }

    /// The distinct atoms in order.
    pub fn atoms(&self) -> BTreeSet<&Atom> {
        let mut atoms = BTreeSet::new();
        self.walk(|formula, _| {
            if let Formula::Atom(atom) = formula {
                atoms.insert(atom);
            }
        });
        atoms
    }

    /// The names of the variables in order.
    pub fn variables(&self) -> BTreeSet<&str> {
        let mut names = BTreeSet::new();
        for atom in self.atoms() {
            for term in &atom.args {
                if let Term::Variable(name) = term {
                    names.insert(name.as_str());
                }
            }
        }
        names
    }

    /// Whether an operator has a time bound.
    pub fn is_timed(&self) -> bool {
        let mut timed = false;
        self.walk(|formula, _| timed |= formula.interval().is_some());
        timed
    }

    /// The time bound of the outermost operator.
    pub fn interval(&self) -> Option<Interval> {
        match self {
            Formula::Unary(
                Unary::Finally(bound)
                | Unary::Globally(bound)
                | Unary::Once(bound)
                | Unary::Historically(bound),
                _,
            )
            | Formula::Binary(Binary::Until(bound) | Binary::Since(bound), ..) => *bound,
            _ => None,
        }
    }

    /// Calls for every node with its depth (the root's is 1); answers how many there are.
    pub(crate) fn walk<'a>(&'a self, mut visit: impl FnMut(&'a Formula, usize)) -> usize {
        let mut count = 0;
        let mut open = vec![(self, 1)];
        while let Some((formula, depth)) = open.pop() {
            count += 1;
            visit(formula, depth);
            match formula {
                Formula::True | Formula::False | Formula::Atom(_) => {}
                Formula::Unary(_, operand) => open.push((operand, depth + 1)),
                Formula::Binary(_, left, right) => {
                    open.push((right, depth + 1));
                    open.push((left, depth + 1));
                }
            }
        }
        count
    }
}

impl std::ops::Not for Formula {
    type Output = Formula;

    fn not(self) -> Formula {
        Formula::unary(Unary::Not, self)
    }
}

impl std::ops::BitAnd for Formula {
    type Output = Formula;

    fn bitand(self, other: Formula) -> Formula {
        Formula::binary(Binary::And, self, other)
    }
}

impl std::ops::BitOr for Formula {
    type Output = Formula;

    fn bitor(self, other: Formula) -> Formula {
        Formula::binary(Binary::Or, self, other)
    }
}
