//! Formulas in the form that the engines work on: few operators, every subformula once, operands before operators.

use std::collections::HashMap;

use crate::formula::{Atom, Binary, Formula, Interval, Unary};
use crate::parse::{MAX_DEPTH, MAX_NODES};

/// The most distinct atoms of a formula.
pub const MAX_ATOMS: usize = 64;

/// Why a formula cannot be evaluated.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CompileError {
    /// It is larger or deeper than a parsed one can be.
    #[error("{size} {what} where {limit} are allowed")]
    TooLarge {
        /// Nodes, levels or atoms.
        what: &'static str,
        /// How many it has.
        size: usize,
        /// How many it may have.
        limit: usize,
    },
    /// A monitor would have to remember without bound.
    #[error("{0} is not supported by monitors")]
    Unsupported(&'static str),
}

/// The number of a subformula.
pub(crate) type Id = u32;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Node {
    Const(bool),
    /// The atom of this number.
    Letter(u32),
    Not(Id),
    And(Id, Id),
    Or(Id, Id),
    Iff(Id, Id),
    Next(Id),
    Until(Option<Interval>, Id, Id),
    Yesterday(Id),
    Since(Option<Interval>, Id, Id),
}

impl Node {
    pub(crate) fn operands(self) -> impl Iterator<Item = Id> {
        let (first, second) = match self {
            Node::Const(_) | Node::Letter(_) => (None, None),
            Node::Not(a) | Node::Next(a) | Node::Yesterday(a) => (Some(a), None),
            Node::And(a, b) | Node::Or(a, b) | Node::Iff(a, b) => (Some(a), Some(b)),
            Node::Until(_, a, b) | Node::Since(_, a, b) => (Some(a), Some(b)),
        };
        first.into_iter().chain(second)
    }
}

/// A formula; the root is the last node.
#[derive(Debug, Clone, Default)]
pub(crate) struct Program {
    pub(crate) nodes: Vec<Node>,
    pub(crate) atoms: Vec<Atom>,
}

impl Program {
    pub(crate) fn new(formula: &Formula) -> Result<Self, CompileError> {
        let check = |what, size: usize, limit| {
            if size > limit { Err(CompileError::TooLarge { what, size, limit }) } else { Ok(()) }
        };
        check("levels", formula.depth(), MAX_DEPTH)?;
        check("nodes", formula.nodes(), MAX_NODES)?;
        let mut builder = Builder { program: Program::default(), known: HashMap::new() };
        let root = builder.add(formula);
        check("atoms", builder.program.atoms.len(), MAX_ATOMS)?;
        // Simplification may have left nodes that nothing needs, and a root that is not the last one.
        Ok(builder.program.only(root))
    }

    pub(crate) fn root(&self) -> Id {
        (self.nodes.len() as Id).saturating_sub(1)
    }

    pub(crate) fn node(&self, id: Id) -> Node {
        self.nodes.get(id as usize).copied().unwrap_or(Node::Const(false))
    }

    /// The nodes with their numbers, operands first.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (Id, Node)> + '_ {
        (0..).zip(self.nodes.iter().copied())
    }

    /// For every node whether it or a node below it is wanted.
    pub(crate) fn any(&self, wanted: impl Fn(Node) -> bool) -> Vec<bool> {
        let mut found: Vec<bool> = Vec::with_capacity(self.nodes.len());
        for node in &self.nodes {
            let below = node.operands().any(|id| found.get(id as usize).copied().unwrap_or(false));
            found.push(below || wanted(*node));
        }
        found
    }

    /// The part below a node, renumbered so that the node is the last.
    pub(crate) fn only(self, root: Id) -> Self {
        let mut needed = vec![false; self.nodes.len()];
        let mut open = vec![root];
        while let Some(id) = open.pop() {
            if let Some(flag) = needed.get_mut(id as usize).filter(|flag| !**flag) {
                *flag = true;
                open.extend(self.node(id).operands());
            }
        }
        let mut place = vec![0; self.nodes.len()];
        let mut nodes = Vec::new();
        for (id, node) in self.iter() {
            if !needed.get(id as usize).copied().unwrap_or(false) {
                continue;
            }
            if let Some(place) = place.get_mut(id as usize) {
                *place = nodes.len() as Id;
            }
            let moved = |id: Id| place.get(id as usize).copied().unwrap_or(0);
            nodes.push(node.map(moved));
        }
        Self { nodes, atoms: self.atoms }
    }
}

impl Node {
    pub(crate) fn map(self, moved: impl Fn(Id) -> Id) -> Self {
        match self {
            Node::Const(_) | Node::Letter(_) => self,
            Node::Not(a) => Node::Not(moved(a)),
            Node::And(a, b) => Node::And(moved(a), moved(b)),
            Node::Or(a, b) => Node::Or(moved(a), moved(b)),
            Node::Iff(a, b) => Node::Iff(moved(a), moved(b)),
            Node::Next(a) => Node::Next(moved(a)),
            Node::Until(bound, a, b) => Node::Until(bound, moved(a), moved(b)),
            Node::Yesterday(a) => Node::Yesterday(moved(a)),
            Node::Since(bound, a, b) => Node::Since(bound, moved(a), moved(b)),
        }
    }
}

struct Builder {
    program: Program,
    known: HashMap<Node, Id>,
}

impl Builder {
    fn node(&mut self, node: Node) -> Id {
        if let Node::Not(a) = node {
            match self.program.node(a) {
                Node::Not(inner) => return inner,
                Node::Const(value) => return self.node(Node::Const(!value)),
                _ => {}
            }
        }
        let next = self.program.nodes.len() as Id;
        *self.known.entry(node).or_insert_with(|| {
            self.program.nodes.push(node);
            next
        })
    }

    fn not(&mut self, a: Id) -> Id {
        self.node(Node::Not(a))
    }

    fn constant(&mut self, value: bool) -> Id {
        self.node(Node::Const(value))
    }

    /// Recursive; the depth has been checked.
    fn add(&mut self, formula: &Formula) -> Id {
        match formula {
            Formula::True => self.constant(true),
            Formula::False => self.constant(false),
            Formula::Atom(atom) => {
                let number = self.program.atoms.iter().position(|known| known == atom).unwrap_or_else(|| {
                    self.program.atoms.push(atom.clone());
                    self.program.atoms.len() - 1
                });
                self.node(Node::Letter(number as u32))
            }
            Formula::Unary(operator, operand) => {
                let a = self.add(operand);
                self.unary(*operator, a)
            }
            Formula::Binary(operator, left, right) => {
                let (a, b) = (self.add(left), self.add(right));
                self.binary(*operator, a, b)
            }
        }
    }

    fn unary(&mut self, operator: Unary, a: Id) -> Id {
        match operator {
            Unary::Not => self.not(a),
            Unary::Next => self.node(Node::Next(a)),
            Unary::Yesterday => self.node(Node::Yesterday(a)),
            Unary::Finally(bound) => {
                let all = self.constant(true);
                self.node(Node::Until(bound, all, a))
            }
            Unary::Once(bound) => {
                let all = self.constant(true);
                self.node(Node::Since(bound, all, a))
            }
            Unary::WeakNext => self.dual(Unary::Next, a),
            Unary::WeakYesterday => self.dual(Unary::Yesterday, a),
            Unary::Globally(bound) => self.dual(Unary::Finally(bound), a),
            Unary::Historically(bound) => self.dual(Unary::Once(bound), a),
        }
    }

    fn dual(&mut self, operator: Unary, a: Id) -> Id {
        let negated = self.not(a);
        let inner = self.unary(operator, negated);
        self.not(inner)
    }

    fn binary(&mut self, operator: Binary, a: Id, b: Id) -> Id {
        match operator {
            Binary::And => self.node(Node::And(a, b)),
            Binary::Or => self.node(Node::Or(a, b)),
            Binary::Implies => {
                let negated = self.not(a);
                self.node(Node::Or(negated, b))
            }
            Binary::Iff => self.node(Node::Iff(a, b)),
            Binary::Until(bound) => self.node(Node::Until(bound, a, b)),
            Binary::Since(bound) => self.node(Node::Since(bound, a, b)),
            Binary::Release => {
                let (a, b) = (self.not(a), self.not(b));
                let inner = self.node(Node::Until(None, a, b));
                self.not(inner)
            }
            Binary::WeakUntil => {
                let either = self.node(Node::Or(a, b));
                self.binary(Binary::Release, b, either)
            }
        }
    }
}
