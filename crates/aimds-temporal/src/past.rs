//! Past operators by recursive update (Havelund and Roşu, 2002), with times where there is a bound.

use std::collections::VecDeque;
use std::sync::Arc;

use crate::automaton::Limit;
use crate::formula::Interval;
use crate::program::{CompileError, Id, MAX_ATOMS, Node, Program};

/// The most steps that one bounded operator remembers.
const MAX_REMEMBERED: usize = 4096;

/// Subformulas about the past that are evaluated at each step and are further letters to the rest of the formula.
#[derive(Debug, Clone)]
pub(crate) struct Past {
    program: Arc<Program>,
    outputs: Arc<[Id]>,
    first_letter: u32,
}

/// What they remember.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Memory {
    /// Every subformula at the step before.
    last: Vec<bool>,
    /// For each bounded since the times at which its right side held and its left side has held since.
    times: Vec<VecDeque<u64>>,
}

/// Cuts the outermost past operators that are wanted out of a formula; letters stand in their places.
pub(crate) fn split(
    program: &Program,
    wanted: impl Fn(Node) -> bool,
) -> Result<(Program, Option<Past>), CompileError> {
    let future = program.any(|node| matches!(node, Node::Until(..) | Node::Next(_)));
    let first_letter = program.atoms.len() as u32;
    let mut outputs: Vec<Id> = Vec::new();
    let mut place: Vec<Id> = Vec::with_capacity(program.nodes.len());
    let mut rest = Program { nodes: Vec::new(), atoms: program.atoms.clone() };
    for (id, node) in program.iter() {
        let cut = matches!(node, Node::Yesterday(_) | Node::Since(..)) && wanted(node);
        if cut && future.get(id as usize).copied().unwrap_or(false) {
            return Err(CompileError::Unsupported(
                "a past operator over a future one, where one of the formula's operators has a time bound",
            ));
        }
        let node = if cut {
            outputs.push(id);
            Node::Letter(first_letter + outputs.len() as u32 - 1)
        } else {
            node.map(|id| place.get(id as usize).copied().unwrap_or(0))
        };
        place.push(rest.nodes.len() as Id);
        rest.nodes.push(node);
    }
    let rest = rest.only(program.root());
    let letters = first_letter as usize + outputs.len();
    if letters > MAX_ATOMS {
        return Err(CompileError::TooLarge {
            what: "atoms and past operators",
            size: letters,
            limit: MAX_ATOMS,
        });
    }
    let past = Past { program: Arc::new(program.clone()), outputs: outputs.into(), first_letter };
    let past = (!past.outputs.is_empty()).then_some(past);
    Ok((rest, past))
}

impl Past {
    /// How many letters there are with those that it adds.
    pub(crate) fn letters(&self) -> u32 {
        self.first_letter + self.outputs.len() as u32
    }

    pub(crate) fn memory(&self) -> Memory {
        let bounded = self.program.nodes.iter().filter(|node| matches!(node, Node::Since(Some(_), ..)));
        Memory { last: vec![false; self.program.nodes.len()], times: vec![VecDeque::new(); bounded.count()] }
    }

    /// Takes a step; the answer is the letter with the bits of the past operators.
    pub(crate) fn step(&self, memory: &mut Memory, t_ms: u64, letter: u64) -> Result<u64, Limit> {
        let Memory { last, times } = memory;
        let mut times = times.iter_mut();
        let mut now: Vec<bool> = Vec::with_capacity(last.len());
        for (id, node) in self.program.iter() {
            let at = |id: Id| now.get(id as usize).copied().unwrap_or(false);
            let before = |id: Id| last.get(id as usize).copied().unwrap_or(false);
            let value = match node {
                Node::Const(value) => value,
                Node::Letter(number) => letter >> number & 1 == 1,
                Node::Not(a) => !at(a),
                Node::And(a, b) => at(a) && at(b),
                Node::Or(a, b) => at(a) || at(b),
                Node::Iff(a, b) => at(a) == at(b),
                Node::Yesterday(a) => before(a),
                Node::Since(None, a, b) => at(b) || (at(a) && before(id)),
                Node::Since(Some(bound), a, b) => match times.next() {
                    Some(times) => bounded_since(times, bound, t_ms, at(a), at(b))?,
                    None => false,
                },
                // Cut out only where there are none below; above, nobody asks.
                Node::Next(_) | Node::Until(..) => false,
            };
            now.push(value);
        }
        *last = now;
        let mut extended = letter;
        for (bit, output) in (self.first_letter..).zip(self.outputs.iter()) {
            extended |= u64::from(last.get(*output as usize).copied().unwrap_or(false)) << bit;
        }
        Ok(extended)
    }
}

fn bounded_since(
    times: &mut VecDeque<u64>,
    bound: Interval,
    t_ms: u64,
    a: bool,
    b: bool,
) -> Result<bool, Limit> {
    if !a {
        times.clear();
    }
    if b {
        // If the newest will do, no older one is needed.
        if bound.lo_ms() == 0 {
            times.clear();
        }
        if times.back() != Some(&t_ms) {
            times.push_back(t_ms);
        }
    }
    while times.front().is_some_and(|time| t_ms - time > bound.hi_ms()) {
        times.pop_front();
    }
    if times.len() > MAX_REMEMBERED {
        return Err(Limit);
    }
    Ok(times.front().is_some_and(|time| t_ms - time >= bound.lo_ms()))
}
