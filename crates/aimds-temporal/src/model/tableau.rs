//! The automaton of the negated formula, built as far as it is asked for.
//!
//! A state is a set of signed subformulas that must be so from here on, with what the operators of the past remember. It is
//! expanded for a label (what holds in a state of the model) into moves: what must be so next, and which eventualities
//! are put off. That is the construction of Gerth, Peled, Vardi & Wolper (1995) with the acceptance on the moves of
//! Couvreur (1999). The past is computed, not demanded: its operators look at the memory, as in the monitors of Havelund &
//! Roşu (2002). Where a past operator depends on the future, the value of that is guessed, and the guess demanded.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::hash::BuildHasherDefault;

use super::closure::{Branch, Closure, Rule, Signed};
use super::product::Spread;
use super::{Exhausted, Limits, Resource};

/// What must be so at a place of a run, and what was before.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Obligations {
    /// Sorted.
    pub(super) signed: Vec<Signed>,
    /// A bit for each operator of the past; `None` at the first place of a run if there are any.
    pub(super) memory: Option<u64>,
}

/// A step of the automaton.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Move {
    /// The number of the obligations at the next place.
    pub(super) to: u32,
    /// A bit for each eventuality that is put off.
    pub(super) postponed: u64,
}

pub(super) struct Tableau<'a> {
    closure: &'a Closure<'a>,
    limits: &'a Limits,
    states: Vec<Obligations>,
    numbers: HashMap<Obligations, u32>,
    expansions: Vec<Vec<Move>>,
    /// By state and label, in one number.
    expanded: HashMap<u64, u32, BuildHasherDefault<Spread>>,
    /// A bit for each atom, by number.
    labels: Vec<u64>,
    steps: u64,
}

impl<'a> Tableau<'a> {
    pub(super) fn new(closure: &'a Closure<'a>, labels: Vec<u64>, limits: &'a Limits) -> Self {
        Self {
            closure,
            limits,
            states: Vec::new(),
            numbers: HashMap::new(),
            expansions: Vec::new(),
            expanded: HashMap::default(),
            labels,
            steps: 0,
        }
    }

    /// Where every run begins.
    pub(super) fn start(&mut self) -> Result<u32, Exhausted> {
        let memory = if self.closure.has_past() { None } else { Some(0) };
        self.number(Obligations { signed: vec![self.closure.negation()], memory })
    }

    pub(super) fn states(&self) -> &[Obligations] {
        &self.states
    }

    /// The moves that were found under this number.
    pub(super) fn moves(&self, expansion: u32) -> &[Move] {
        self.expansions.get(expansion as usize).map_or(&[], Vec::as_slice)
    }

    /// Under which number the moves of a state for the label of a number are.
    pub(super) fn expand(&mut self, state: u32, label: u32) -> Result<u32, Exhausted> {
        let key = u64::from(state) << 32 | u64::from(label);
        if let Some(&known) = self.expanded.get(&key) {
            return Ok(known);
        }
        let label = self.labels.get(label as usize).copied().unwrap_or_default();
        let Some(obligations) = self.states.get(state as usize).cloned() else { return Ok(u32::MAX) };
        let mut moves = Vec::new();
        for guesses in 0..1_u32 << self.closure.guessed().len() {
            let (values, memory) = self.closure.values(label, obligations.memory, guesses);
            let covers = self.covers(&obligations.signed, guesses, &values)?;
            for Cover { next, postponed } in covers {
                let to = self.number(Obligations { signed: next, memory: Some(memory) })?;
                if !moves.contains(&Move { to, postponed }) {
                    moves.push(Move { to, postponed });
                }
            }
        }
        let number = self.expansions.len() as u32;
        self.expansions.push(moves);
        self.expanded.insert(key, number);
        Ok(number)
    }

    pub(super) fn renew(&mut self) {
        self.steps = 0;
    }

    /// Counts work of this search, here and in the product.
    pub(super) fn spend(&mut self, steps: u64) -> Result<(), Exhausted> {
        self.steps += steps;
        if self.steps > self.limits.steps {
            return Err(Exhausted { what: Resource::Steps, limit: self.limits.steps });
        }
        Ok(())
    }

    fn number(&mut self, obligations: Obligations) -> Result<u32, Exhausted> {
        let count = self.states.len();
        match self.numbers.entry(obligations) {
            Entry::Occupied(known) => Ok(*known.get()),
            Entry::Vacant(_) if count >= self.limits.tableau_states => {
                Err(Exhausted { what: Resource::TableauStates, limit: self.limits.tableau_states as u64 })
            }
            Entry::Vacant(new) => {
                self.states.push(new.key().clone());
                Ok(*new.insert(count as u32))
            }
        }
    }

    /// The ways to satisfy all of `signed` and the guesses, without those that only demand more than another.
    fn covers(&mut self, signed: &[Signed], guesses: u32, values: &[bool]) -> Result<Vec<Cover>, Exhausted> {
        let guessed = (0..).zip(self.closure.guessed());
        let guessed = guessed.map(|(bit, &part)| Signed::new(part, guesses & (1 << bit) != 0));
        let mut covers: Vec<Cover> = Vec::new();
        let mut open = vec![Partial::new(signed.iter().copied().chain(guessed).collect())];
        while let Some(partial) = open.pop() {
            self.spend(1 + partial.done.len() as u64)?;
            let Some(mut partial) = partial.settle(self.closure, values) else { continue };
            let Some(choice) = partial.choices.pop() else {
                self.spend(1 + covers.len() as u64)?;
                partial.cover().into_iter().for_each(|cover| keep_least(&mut covers, cover));
                continue;
            };
            let Rule::Branches(branches) = self.closure.rule_of(choice) else { continue };
            // The last is taken up first; the first, which puts nothing off, is to be.
            open.extend(branches.iter().rev().map(|branch| partial.with(branch)));
        }
        Ok(covers)
    }
}

/// One way to satisfy obligations.
#[derive(Debug)]
struct Cover {
    next: Vec<Signed>,
    postponed: u64,
}

impl Cover {
    fn demands_no_more_than(&self, other: &Cover) -> bool {
        self.postponed & !other.postponed == 0 && is_subset(&self.next, &other.next)
    }
}

/// Adds a cover unless one is there that demands no more, and removes those that demand more.
fn keep_least(covers: &mut Vec<Cover>, new: Cover) {
    if !covers.iter().any(|old| old.demands_no_more_than(&new)) {
        covers.retain(|old| !new.demands_no_more_than(old));
        covers.push(new);
    }
}

/// Both sorted.
fn is_subset(part: &[Signed], whole: &[Signed]) -> bool {
    let mut rest = whole.iter();
    part.iter().all(|wanted| rest.any(|found| found == wanted))
}

/// A cover that is not complete.
#[derive(Clone)]
struct Partial {
    open: Vec<Signed>,
    done: Vec<Signed>,
    choices: Vec<Signed>,
    next: Vec<Signed>,
    postponed: u64,
}

impl Partial {
    fn new(open: Vec<Signed>) -> Self {
        Self { open, done: Vec::new(), choices: Vec::new(), next: Vec::new(), postponed: 0 }
    }

    fn with(&self, branch: &Branch) -> Self {
        let mut more = self.clone();
        more.take(branch);
        more
    }

    fn take(&mut self, branch: &Branch) {
        self.open.extend(&branch.now);
        self.next.extend(branch.next);
        self.postponed |= branch.postponed;
    }

    /// Satisfies everything that can be satisfied in one way only; `None` if something cannot be.
    fn settle(mut self, closure: &Closure<'_>, values: &[bool]) -> Option<Self> {
        while let Some(signed) = self.open.pop() {
            if self.done.contains(&signed) {
                continue;
            }
            if self.done.contains(&signed.negated()) {
                return None;
            }
            self.done.push(signed);
            match closure.rule_of(signed) {
                Rule::Known => {
                    let value = values.get(signed.subformula()).copied()?;
                    (value == signed.holds()).then_some(())?;
                }
                Rule::Branches(branches) => match branches.as_slice() {
                    [only] => self.take(only),
                    _ => self.choices.push(signed),
                },
            }
        }
        let done = std::mem::take(&mut self.done);
        let so = |part: &Signed| {
            let known = matches!(closure.rule_of(*part), Rule::Known);
            done.contains(part) || known && values.get(part.subformula()) == Some(&part.holds())
        };
        let free =
            |branch: &Branch| branch.next.is_none() && branch.postponed == 0 && branch.now.iter().all(so);
        let satisfied = |choice: &Signed| match closure.rule_of(*choice) {
            Rule::Known => true,
            Rule::Branches(branches) => branches.iter().any(free),
        };
        self.choices.retain(|choice| !satisfied(choice));
        self.done = done;
        Some(self)
    }

    /// What the next state must satisfy; `None` if it cannot.
    fn cover(mut self) -> Option<Cover> {
        self.next.sort_unstable();
        self.next.dedup();
        let contradicts = self.next.array_windows().any(|[one, other]| one.negated() == *other);
        (!contradicts).then_some(Cover { next: self.next, postponed: self.postponed })
    }
}
