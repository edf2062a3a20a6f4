//! Formulas without future time bounds as deterministic automata, built as far as a trace needs them.
//!
//! **States by progression** (Bacchus and Kabanza, 1998), in a normal form. What remains of a formula is a Boolean function
//! of the *promises*: for each `U` and `X` whether it will hold at the next step. For each `Y` and `S` the state holds what it
//! remembers, as such a function too, because a past operator may ask about a promise. Equal functions are equal numbers,
//! so a formula has finitely many states.
//!
//! **Exact verdicts** (Bauer, Leucker and Schallhart, 2011). Whether a state has an infinite continuation that satisfies the
//! formula, and one that violates it, is read from one set: the pairs of promises and memories from which promises can be
//! kept for ever. It is computed once, as a greatest fixed point over decision diagrams (Emerson and Lei, 1986): every step
//! keeps the promises made at the step before, and an `U` that is promised for ever is fulfilled again and again.

use std::collections::HashMap;

use crate::bdd::{Bdd, FALSE, Full, Ref, TRUE};
use crate::program::{Id, Node, Program};
use crate::verdict::Verdict;

/// Distinct functions that a formula may need.
const MAX_FUNCTIONS: usize = 200_000;
/// Work on decision diagrams: to find out what can be kept and again to fill the table, and for one new transition. A unit is some hundred nanoseconds.
const COMPILE_BUDGET: usize = 200_000;
const STEP_BUDGET: usize = 100_000;
/// States after which a monitor gives up.
const MAX_STATES: usize = 20_000;
/// Transitions that are remembered where they are no table.
const MAX_SPARSE: usize = 1 << 16;
/// The most atoms for which transitions are a plain table.
const DENSE_ATOMS: u32 = 8;
/// The most entries of such a table that are filled before the first step.
const EAGER: usize = 1 << 12;

/// What remains of the formula after the steps so far.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Residual {
    formula: Ref,
    /// By number among the past operators.
    memories: Vec<Ref>,
}

#[derive(Debug, Clone)]
pub(crate) struct Automaton {
    program: Program,
    /// For each node its number among the promises (`U`, `X`) or memories (`Y`, `S`).
    number: Vec<u32>,
    promises: Vec<Id>,
    memories: Vec<Id>,
    bdd: Bdd,
    /// Promises and memories from which the promises can be kept; `None` if too costly to find out.
    keepable: Option<Ref>,
    states: Vec<Residual>,
    known: HashMap<Residual, u32>,
    verdicts: Vec<Verdict>,
    letters: u32,
    table: Vec<u32>,
    sparse: HashMap<(u32, u64), u32>,
}

const MISSING: u32 = u32::MAX;

/// The states are too many.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Limit;

impl From<Full> for Limit {
    fn from(_: Full) -> Self {
        Limit
    }
}

impl Automaton {
    /// For letters of so many bits: the atoms, and what the caller evaluates itself.
    pub(crate) fn new(program: &Program, letters: u32) -> Result<Self, Limit> {
        let mut automaton = Self {
            program: program.clone(),
            number: Vec::new(),
            promises: Vec::new(),
            memories: Vec::new(),
            bdd: Bdd::new(MAX_FUNCTIONS),
            keepable: None,
            states: Vec::new(),
            known: HashMap::new(),
            verdicts: Vec::new(),
            letters,
            table: Vec::new(),
            sparse: HashMap::new(),
        };
        for (id, node) in program.iter() {
            let list = match node {
                Node::Until(..) | Node::Next(_) => &mut automaton.promises,
                Node::Yesterday(_) | Node::Since(..) => &mut automaton.memories,
                _ => {
                    automaton.number.push(0);
                    continue;
                }
            };
            automaton.number.push(list.len() as u32);
            list.push(id);
        }
        automaton.bdd.set_budget(COMPILE_BUDGET);
        automaton.keepable = automaton.find_keepable().ok();
        if automaton.keepable.is_none() {
            automaton.bdd = Bdd::new(MAX_FUNCTIONS);
        }
        automaton.bdd.set_budget(COMPILE_BUDGET);
        let first = automaton.bdd.variable(automaton.first_promise())?;
        let memories = vec![FALSE; automaton.memories.len()];
        automaton.state(Residual { formula: first, memories })?;
        automaton.fill();
        automaton.bdd.forget_answers();
        Ok(automaton)
    }

    /// Whether verdicts are exact.
    pub(crate) fn is_exact(&self) -> bool {
        self.keepable.is_some()
    }

    pub(crate) fn verdict(&self, state: u32) -> Verdict {
        self.verdicts.get(state as usize).copied().unwrap_or(Verdict::LimitReached)
    }

    /// The state after a step, if it has been computed before.
    #[inline]
    pub(crate) fn known_step(&self, state: u32, letter: u64) -> Option<u32> {
        let next = if self.letters <= DENSE_ATOMS {
            self.table.get((state as usize) << self.letters | letter as usize).copied()
        } else {
            self.sparse.get(&(state, letter)).copied()
        };
        next.filter(|next| *next != MISSING)
    }

    /// The state after a step.
    pub(crate) fn step(&mut self, state: u32, letter: u64) -> Result<u32, Limit> {
        if let Some(next) = self.known_step(state, letter) {
            return Ok(next);
        }
        self.bdd.set_budget(STEP_BUDGET);
        self.new_step(state, letter)
    }

    fn new_step(&mut self, state: u32, letter: u64) -> Result<u32, Limit> {
        let residual = self.states.get(state as usize).cloned().ok_or(Limit)?;
        let next = self.progress(&residual, letter)?;
        let next = self.state(next)?;
        self.bdd.forget_answers();
        if self.letters > DENSE_ATOMS {
            if self.sparse.len() >= MAX_SPARSE {
                self.sparse.clear();
            }
            self.sparse.insert((state, letter), next);
        } else if let Some(place) = self.table.get_mut((state as usize) << self.letters | letter as usize) {
            *place = next;
        }
        Ok(next)
    }

    /// Small automata are complete before the first step, so that monitors can share them.
    fn fill(&mut self) {
        if self.letters > DENSE_ATOMS {
            return;
        }
        self.bdd.set_budget(COMPILE_BUDGET);
        let mut state = 0;
        while (state as usize) < self.states.len() && self.states.len() << self.letters <= EAGER {
            for letter in 0..1 << self.letters {
                if self.known_step(state, letter).is_none() && self.new_step(state, letter).is_err() {
                    return;
                }
            }
            state += 1;
        }
    }

    /// The transitions as a table `state << atoms | letter`, if it is complete.
    pub(crate) fn complete_table(&self) -> Option<(&[u32], u32)> {
        let complete = self.letters <= DENSE_ATOMS && !self.table.contains(&MISSING);
        complete.then_some((self.table.as_slice(), self.letters))
    }

    fn state(&mut self, residual: Residual) -> Result<u32, Limit> {
        let verdict = self.judge(&residual)?;
        // After a definite verdict nothing is remembered.
        let residual = match verdict {
            Verdict::True => Residual { formula: TRUE, memories: Vec::new() },
            Verdict::False => Residual { formula: FALSE, memories: Vec::new() },
            _ => residual,
        };
        if let Some(known) = self.known.get(&residual) {
            return Ok(*known);
        }
        if self.states.len() >= MAX_STATES {
            return Err(Limit);
        }
        let state = self.states.len() as u32;
        self.known.insert(residual.clone(), state);
        self.states.push(residual);
        self.verdicts.push(verdict);
        if self.letters <= DENSE_ATOMS {
            let next = if matches!(verdict, Verdict::True | Verdict::False) { state } else { MISSING };
            self.table.resize(self.table.len() + (1 << self.letters), next);
        }
        Ok(state)
    }

    // Variables of the decision diagrams: promises at this step and at the next in turn, then memories, then letters.

    fn promise(&self, number: u32) -> u32 {
        2 * number
    }

    fn next_promise(&self, number: u32) -> u32 {
        2 * number + 1
    }

    /// The whole formula at the first step, which is promised before it.
    fn first_promise(&self) -> u32 {
        self.promise(self.promises.len() as u32)
    }

    fn memory(&self, number: u32) -> u32 {
        2 * (self.promises.len() as u32 + 1) + number
    }

    fn letter(&self, number: u32) -> u32 {
        self.memory(self.memories.len() as u32) + number
    }

    fn number_of(&self, id: Id) -> u32 {
        self.number.get(id as usize).copied().unwrap_or(0)
    }

    /// What a node is worth at a step, as a function of the promises `promise(number)` for the next one.
    fn worth(
        &mut self,
        id: Id,
        node: Node,
        worths: &[Ref],
        letter: Ref,
        promise: u32,
        memory: Ref,
    ) -> Result<Ref, Full> {
        let at = |id: Id| worths.get(id as usize).copied().unwrap_or(FALSE);
        debug_assert!(node.operands().all(|operand| operand < id));
        Ok(match node {
            Node::Const(value) => Ref::from(value),
            Node::Letter(_) => letter,
            Node::Not(a) => self.bdd.not(at(a))?,
            Node::And(a, b) => self.bdd.and(at(a), at(b))?,
            Node::Or(a, b) => self.bdd.or(at(a), at(b))?,
            Node::Iff(a, b) => self.bdd.iff(at(a), at(b))?,
            Node::Next(_) => self.bdd.variable(promise)?,
            Node::Yesterday(_) => memory,
            Node::Until(_, a, b) => {
                let promise = self.bdd.variable(promise)?;
                let later = self.bdd.and(at(a), promise)?;
                self.bdd.or(at(b), later)?
            }
            Node::Since(_, a, b) => {
                let earlier = self.bdd.and(at(a), memory)?;
                self.bdd.or(at(b), earlier)?
            }
        })
    }

    /// What keeps a promise: for `X` its operand, for `U` itself.
    fn kept_by(&self, id: Id) -> Id {
        if let Node::Next(a) = self.program.node(id) { a } else { id }
    }

    /// What a memory remembers: for `Y` its operand, for `S` itself.
    fn remembered(&self, id: Id) -> Id {
        if let Node::Yesterday(a) = self.program.node(id) { a } else { id }
    }

    fn progress(&mut self, residual: &Residual, letter: u64) -> Result<Residual, Full> {
        if residual.formula <= TRUE {
            return Ok(residual.clone());
        }
        let mut worths: Vec<Ref> = Vec::with_capacity(self.program.nodes.len());
        for id in 0..self.program.nodes.len() as Id {
            let node = self.program.node(id);
            let number = self.number_of(id);
            let (bit, memory) = match node {
                Node::Letter(number) => (letter >> number & 1 == 1, FALSE),
                Node::Yesterday(_) | Node::Since(..) => {
                    let memory = residual.memories.get(number as usize).copied().unwrap_or(FALSE);
                    // It can only ask about promises below it, which are worked out already.
                    (false, self.keep(memory, &worths)?)
                }
                _ => (false, FALSE),
            };
            let promise = self.promise(number);
            let worth = self.worth(id, node, &worths, Ref::from(bit), promise, memory)?;
            worths.push(worth);
        }
        let formula = self.keep(residual.formula, &worths)?;
        let at = |id: Id| worths.get(id as usize).copied().unwrap_or(FALSE);
        let memories = self.memories.iter().map(|id| at(self.remembered(*id))).collect();
        Ok(Residual { formula, memories })
    }

    /// Puts what the promises have become in their place.
    fn keep(&mut self, function: Ref, worths: &[Ref]) -> Result<Ref, Full> {
        if function <= TRUE {
            return Ok(function);
        }
        let at = |id: Id| worths.get(id as usize).copied();
        let kept: Vec<Option<Ref>> =
            self.promises.iter().map(|id| at(self.kept_by(*id))).chain([at(self.program.root())]).collect();
        let with = |variable: u32| kept.get((variable / 2) as usize).copied().flatten();
        self.bdd.substitute(function, &with, &mut HashMap::new())
    }

    fn judge(&mut self, residual: &Residual) -> Result<Verdict, Full> {
        let formula = residual.formula;
        let presumed = if self.presume(formula) { Verdict::PresumablyTrue } else { Verdict::PresumablyFalse };
        if formula <= TRUE {
            return Ok(if formula == TRUE { Verdict::True } else { Verdict::False });
        }
        let Some(keepable) = self.keepable else { return Ok(presumed) };
        let first = self.memory(0);
        let memories = &residual.memories;
        let with = |variable: u32| {
            variable.checked_sub(first).and_then(|number| memories.get(number as usize)).copied()
        };
        let possible = self.bdd.substitute(keepable, &with, &mut HashMap::new())?;
        if self.bdd.and(possible, formula)? == FALSE {
            return Ok(Verdict::False);
        }
        let violated = self.bdd.not(formula)?;
        let violable = self.bdd.and(possible, violated)? != FALSE;
        Ok(if violable { presumed } else { Verdict::True })
    }

    /// The verdict if the trace ended here: no promise is kept. Before the first step the formula is evaluated where
    /// there is none.
    fn presume(&self, formula: Ref) -> bool {
        let first = self.first_promise();
        self.bdd.value(formula, |variable| variable == first && holds_nowhere(&self.program))
    }

    /// The greatest set of promises and memories from which some step keeps the promises and leads into the set again,
    /// such that every `U` is at some later step fulfilled or not promised.
    fn find_keepable(&mut self) -> Result<Ref, Full> {
        let step = self.symbolic_step()?;
        let mut kept = TRUE;
        loop {
            let mut next = kept;
            for fair in step.fair.clone() {
                next = self.can_reach(&step, fair, kept, next)?;
            }
            if step.fair.is_empty() {
                next = self.before(&step, kept, FALSE, TRUE)?;
            }
            if next == kept {
                return Ok(kept);
            }
            kept = next;
        }
    }

    /// From where a fair step into `kept` is reached, as a subset of `within`.
    fn can_reach(&mut self, step: &Step, fair: Ref, kept: Ref, within: Ref) -> Result<Ref, Full> {
        let mut reached = FALSE;
        loop {
            let next = self.before(step, kept, reached, fair)?;
            if next == reached {
                return self.bdd.and(reached, within);
            }
            reached = next;
        }
    }

    /// From where some step leads into `kept` and is `fair`, or leads into `reached`.
    fn before(&mut self, step: &Step, kept: Ref, reached: Ref, fair: Ref) -> Result<Ref, Full> {
        let (first_memory, first_letter) = (self.memory(0), self.letter(0));
        let memories = &step.memories;
        let mut renamed = Vec::new();
        for number in 0..=self.promises.len() as u32 {
            renamed.push(self.bdd.variable(self.next_promise(number))?);
        }
        let with = |variable: u32| match variable.checked_sub(first_memory) {
            Some(number) => memories.get(number as usize).copied(),
            None => renamed.get((variable / 2) as usize).copied(),
        };
        let kept = self.bdd.substitute(kept, &with, &mut HashMap::new())?;
        let reached = self.bdd.substitute(reached, &with, &mut HashMap::new())?;
        let kept = self.bdd.and(kept, fair)?;
        let into = self.bdd.or(kept, reached)?;
        let steps = self.bdd.and(step.relation, into)?;
        let chosen =
            |variable: u32| variable >= first_letter || (variable < first_memory && variable % 2 == 1);
        self.bdd.exists(steps, &chosen, &mut HashMap::new())
    }

    /// One step with any letter, as functions of promises, next promises, memories and letters.
    fn symbolic_step(&mut self) -> Result<Step, Full> {
        let mut worths: Vec<Ref> = Vec::with_capacity(self.program.nodes.len());
        for id in 0..self.program.nodes.len() as Id {
            let node = self.program.node(id);
            let number = self.number_of(id);
            let letter = match node {
                Node::Letter(number) => self.bdd.variable(self.letter(number))?,
                _ => FALSE,
            };
            let memory = match node {
                Node::Yesterday(_) | Node::Since(..) => self.bdd.variable(self.memory(number))?,
                _ => FALSE,
            };
            let promise = self.next_promise(number);
            let worth = self.worth(id, node, &worths, letter, promise, memory)?;
            worths.push(worth);
        }
        let at = |id: Id| worths.get(id as usize).copied().unwrap_or(FALSE);
        let mut relation = TRUE;
        let mut fair = Vec::new();
        for (number, id) in self.promises.clone().into_iter().enumerate() {
            let promise = self.bdd.variable(self.promise(number as u32))?;
            let kept = self.bdd.iff(promise, at(self.kept_by(id)))?;
            relation = self.bdd.and(relation, kept)?;
            if let Node::Until(_, _, b) = self.program.node(id) {
                let open = self.bdd.not(at(id))?;
                fair.push(self.bdd.or(open, at(b))?);
            }
        }
        let first = self.bdd.variable(self.first_promise())?;
        let kept = self.bdd.iff(first, at(self.program.root()))?;
        relation = self.bdd.and(relation, kept)?;
        let memories = self.memories.iter().map(|id| at(self.remembered(*id))).collect();
        Ok(Step { relation, fair, memories })
    }
}

struct Step {
    /// The promises are what this step makes of them.
    relation: Ref,
    /// For each `U`: it does not hold, or is fulfilled.
    fair: Vec<Ref>,
    /// What the next step remembers.
    memories: Vec<Ref>,
}

/// The value of a formula where there is no step.
pub(crate) fn holds_nowhere(program: &Program) -> bool {
    let mut values: Vec<bool> = Vec::with_capacity(program.nodes.len());
    for node in &program.nodes {
        let at = |id: Id| values.get(id as usize).copied().unwrap_or(false);
        let value = match *node {
            Node::Const(value) => value,
            Node::Not(a) => !at(a),
            Node::And(a, b) => at(a) && at(b),
            Node::Or(a, b) => at(a) || at(b),
            Node::Iff(a, b) => at(a) == at(b),
            Node::Letter(_) | Node::Next(_) | Node::Until(..) | Node::Yesterday(_) | Node::Since(..) => false,
        };
        values.push(value);
    }
    values.last().copied().unwrap_or(false)
}
