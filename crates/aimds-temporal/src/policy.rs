//! Formulas made ready for monitors.

use std::sync::Arc;

use crate::automaton::{Automaton, Limit};
use crate::formula::{Atom, Formula};
use crate::instances::{self, Needs};
use crate::monitor::Monitor;
use crate::parse::ParseError;
use crate::past::{self, Past};
use crate::program::{CompileError, Node, Program};
use crate::progression::Missed;
use crate::shapes::{Remains, Shapes};
use crate::table::Table;
use crate::trace::Event;
use crate::verdict::Verdict;

/// Why a text is not a policy.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PolicyError {
    /// It is not a formula.
    #[error(transparent)]
    Parse(#[from] ParseError),
    /// It cannot be monitored.
    #[error(transparent)]
    Compile(#[from] CompileError),
}

/// A formula made ready for monitors. Cheap to clone; monitors of one policy share what does not change.
#[derive(Debug, Clone)]
pub struct Policy {
    formula: Arc<Formula>,
    pub(crate) compiled: Arc<Compiled>,
}

#[derive(Debug)]
pub(crate) struct Compiled {
    pub(crate) atoms: Vec<Atom>,
    pub(crate) variables: Vec<String>,
    pub(crate) past: Option<Past>,
    pub(crate) engine: Engine,
    /// What remains after a step at which nothing happened; the start itself if that step has opened a window.
    pub(crate) quiet: u32,
    /// If a step is no more than a look-up.
    pub(crate) table: Option<Arc<Table>>,
    exact: bool,
}

/// How what remains of the formula is represented.
#[derive(Debug, Clone)]
pub(crate) enum Engine {
    /// No time bound in the future.
    Automaton(Arc<Automaton>),
    Progression(Arc<Shapes>),
}

impl Engine {
    /// Before the first step.
    pub(crate) fn start(&self) -> Remains {
        match self {
            Engine::Automaton(_) => Remains::plain(0),
            Engine::Progression(_) => Remains::start(),
        }
    }

    pub(crate) fn verdict(&self, remains: &Remains) -> Verdict {
        match self {
            Engine::Automaton(automaton) => automaton.verdict(remains.residual),
            Engine::Progression(shapes) => shapes.verdict(remains),
        }
    }

    /// Takes a step; what many monitors share is copied when a step is new to it.
    #[inline]
    pub(crate) fn step(
        &mut self,
        remains: &mut Remains,
        t_ms: u64,
        letter: u64,
        index: u64,
    ) -> Result<Option<Missed>, Limit> {
        match self {
            Engine::Automaton(automaton) => {
                remains.residual = match automaton.known_step(remains.residual, letter) {
                    Some(next) => next,
                    None => Automaton::step(Arc::make_mut(automaton), remains.residual, letter)?,
                };
                Ok(None)
            }
            Engine::Progression(shapes) if shapes.known_step(remains, t_ms, letter, index) => Ok(None),
            Engine::Progression(shapes) => Arc::make_mut(shapes).step(remains, t_ms, letter, index),
        }
    }

    fn quiet(&mut self) -> u32 {
        let start = self.start();
        let mut next = start;
        let stepped = self.step(&mut next, 0, 0, 0);
        let opened = matches!(self, Engine::Progression(shapes) if shapes.deadline(&next).is_some());
        if stepped.is_err() || opened { start.residual } else { next.residual }
    }

    /// The table of all steps, if there are few.
    fn table(&mut self, atoms: u32) -> Option<Table> {
        match self {
            Engine::Automaton(automaton) => Table::of_automaton(automaton),
            Engine::Progression(shapes) => {
                let mut explored = shapes.as_ref().clone();
                let table = Table::of_shapes(&mut explored, atoms)?;
                explored.forget_times();
                *shapes = Arc::new(explored);
                Some(table)
            }
        }
    }
}

impl Policy {
    /// Parses and compiles.
    ///
    /// # Errors
    ///
    /// If the text is no formula, or monitors do not support it.
    pub fn parse(text: &str) -> Result<Self, PolicyError> {
        Ok(Self::compile(&Formula::parse(text)?)?)
    }

    /// Compiles a formula. For formulas of the usual size some ten to hundred microseconds; in the worst case exponential
    /// in the number of temporal operators, up to a limit on memory: then [`is_exact`](Self::is_exact) is false.
    ///
    /// # Errors
    ///
    /// If the formula exceeds the limits of parsed ones or has too many atoms; or if it has a past operator over a future one
    /// and one of the two a time bound.
    pub fn compile(formula: &Formula) -> Result<Self, CompileError> {
        let program = Program::new(formula)?;
        let future_bound = program.nodes.iter().any(|node| matches!(node, Node::Until(Some(_), ..)));
        let (rest, past) =
            past::split(&program, |node| future_bound || matches!(node, Node::Since(Some(_), ..)))?;
        let (mut engine, exact) = if future_bound {
            (Engine::Progression(Arc::new(Shapes::new(&rest))), false)
        } else {
            let letters = past.as_ref().map_or(program.atoms.len() as u32, Past::letters);
            let automaton = Automaton::new(&rest, letters).map_err(|Limit| too_complex())?;
            let exact = automaton.is_exact() && past.is_none();
            (Engine::Automaton(Arc::new(automaton)), exact)
        };
        let variables: Vec<String> = formula.variables().into_iter().map(str::to_owned).collect();
        let table = if variables.is_empty() && past.is_none() {
            engine.table(program.atoms.len() as u32).map(Arc::new)
        } else {
            None
        };
        let quiet = engine.quiet();
        let compiled = Compiled { atoms: program.atoms, variables, past, engine, quiet, table, exact };
        Ok(Self { formula: Arc::new(formula.clone()), compiled: Arc::new(compiled) })
    }

    /// The formula.
    pub fn formula(&self) -> &Formula {
        &self.formula
    }

    /// Whether verdicts are definite as soon as they can be: `True` exactly if every continuation satisfies the formula,
    /// `False` exactly if every one violates it. So it is for formulas without time bounds and variables, unless working it out
    /// exceeded the limits. Otherwise definite verdicts are right, but may come late or (for tautologies in disguise) never:
    /// with time bounds `True` and `False` come when the bounded operators that decide are themselves decided, at the
    /// latest when time has passed their windows.
    pub fn is_exact(&self) -> bool {
        self.compiled.exact && self.compiled.variables.is_empty()
    }

    /// A monitor at the begin of a trace.
    pub fn monitor(&self) -> Monitor {
        Monitor::new(self.clone())
    }
}

fn too_complex() -> CompileError {
    CompileError::Unsupported("a formula of more than 200,000 distinct Boolean functions")
}

impl Compiled {
    /// Which atoms an event is, as bits, and for which values of variables.
    pub(crate) fn matches<'a>(&self, event: &'a Event) -> Vec<(u64, Needs<'a>)> {
        let variables: Vec<&str> = self.variables.iter().map(String::as_str).collect();
        let mut found: Vec<(u64, Needs<'a>)> = Vec::new();
        for (bit, atom) in self.atoms.iter().enumerate() {
            if let Some(needs) = instances::unify(atom, &variables, event) {
                found.push((1 << bit, needs));
            }
        }
        found
    }

    /// Which atoms an event is, if there are no variables.
    pub(crate) fn letter(&self, event: &Event) -> u64 {
        let same = |atom| instances::unify(atom, &[], event).is_some();
        (0..).zip(&self.atoms).fold(0, |letter, (bit, atom)| letter | u64::from(same(atom)) << bit)
    }
}
