//! Verdicts over finite traces that are complete: LTL on finite traces with past (De Giacomo and Vardi, IJCAI 2013;
//! Lichtenstein, Pnueli and Zuck, 1985), by dynamic programming.

use crate::formula::Formula;
use crate::instances::{self, Binding};
use crate::program::{CompileError, Id, Node, Program};
use crate::trace::Trace;

/// The verdict over a complete trace, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Closed {
    /// Whether the formula holds at the first step, for every value of its variables.
    pub holds: bool,
    /// Steps that explain the verdict, in order: see [`evaluate`].
    pub witness: Vec<usize>,
    /// The first values, in alphabetical order, for which the formula does not hold, as pairs of variable and value.
    /// `None` as value stands for any value that does not occur in the trace.
    pub binding: Vec<(String, Option<String>)>,
}

/// Evaluates a formula at the first step of a trace that is complete.
///
/// On a trace without steps there is no step at which anything could happen: atoms, `F`, `U`, `X`, `Y`, `O` and `S` are
/// false; `G`, `R`, `W`, `WX`, `Z` and `H` are true. Time bounds include both ends.
///
/// A formula with variables holds if it holds for every value: those that occur in the trace where the variable stands,
/// and one that does not occur anywhere.
///
/// The witness: an atom is explained by its step; of a conjunction that fails and a disjunction that holds only the first
/// operand that decides is explained; a temporal operator by the first step (for past operators the last one) that decides
/// it; what is decided by the absence of any such step (`F q` that fails, `G q` that holds) adds nothing. So the witness
/// of a violated `G(p -> F q)` is the first `p` that no `q` follows.
///
/// Time O(|φ|·n), times the number of values; memory O(|φ|·n) bytes. No allocation is larger than that.
///
/// # Errors
///
/// If the formula exceeds the limits of parsed ones or has too many atoms, or its variables have too many values.
///
/// ```
/// use aimds_temporal::{Formula, Trace, evaluate};
///
/// let trace = Trace::from_steps([(0, vec!["p"]), (4, vec!["q"]), (9, vec!["p"]), (30, vec!["q"])])?;
/// let verdict = evaluate(&Formula::parse("G(p -> F[0,10ms] q)")?, &trace)?;
/// assert_eq!((verdict.holds, verdict.witness), (false, vec![2]));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn evaluate(formula: &Formula, trace: &Trace) -> Result<Closed, CompileError> {
    let program = Program::new(formula)?;
    let variables: Vec<&str> = formula.variables().into_iter().collect();
    let bindings = instances::bindings(&program.atoms, &variables, trace)?;
    let mut first = None;
    for binding in &bindings {
        let table = Table::fill(&program, trace, &variables, binding);
        let holds = table.at(program.root(), 0);
        if !holds || first.is_none() {
            let named = variables.iter().map(|name| (*name).to_owned()).zip(binding.iter().cloned());
            let binding = if holds { Vec::new() } else { named.collect() };
            first = Some(Closed { holds, witness: table.explain(), binding });
        }
        if !holds {
            break;
        }
    }
    Ok(first.unwrap_or(Closed { holds: true, witness: Vec::new(), binding: Vec::new() }))
}

/// The truth of every subformula at every step, and after the last one.
struct Table<'a> {
    program: &'a Program,
    times: &'a [u64],
    rows: Vec<Vec<bool>>,
}

impl<'a> Table<'a> {
    fn fill(program: &'a Program, trace: &'a Trace, variables: &[&str], binding: &Binding) -> Self {
        let letters = letters(program, trace, variables, binding);
        let mut table = Self { program, times: trace.times(), rows: Vec::with_capacity(program.nodes.len()) };
        for (_, node) in program.iter() {
            let row = match node {
                Node::Const(value) => vec![value; trace.len() + 1],
                Node::Letter(number) => {
                    letters.iter().map(|letter| letter >> number & 1 == 1).chain([false]).collect()
                }
                Node::Not(a) => table.row(a).iter().map(|value| !value).collect(),
                Node::And(a, b) => table.join(a, b, |a, b| a && b),
                Node::Or(a, b) => table.join(a, b, |a, b| a || b),
                Node::Iff(a, b) => table.join(a, b, |a, b| a == b),
                Node::Next(a) => table.shifted(a),
                Node::Until(None, a, b) => table.until(a, b),
                Node::Yesterday(a) => table.yesterday(a),
                Node::Since(None, a, b) => table.since(a, b),
                Node::Until(Some(bound), a, b) => table.bounded_until(bound.lo_ms(), bound.hi_ms(), a, b),
                Node::Since(Some(bound), a, b) => table.bounded_since(bound.lo_ms(), bound.hi_ms(), a, b),
            };
            table.rows.push(row);
        }
        table
    }

    fn row(&self, id: Id) -> &[bool] {
        self.rows.get(id as usize).map(Vec::as_slice).unwrap_or_default()
    }

    fn at(&self, id: Id, step: usize) -> bool {
        self.row(id).get(step).copied().unwrap_or(false)
    }

    fn len(&self) -> usize {
        self.times.len()
    }

    fn time(&self, step: usize) -> u64 {
        self.times.get(step).copied().unwrap_or(u64::MAX)
    }

    fn join(&self, a: Id, b: Id, join: impl Fn(bool, bool) -> bool) -> Vec<bool> {
        self.row(a).iter().zip(self.row(b)).map(|(a, b)| join(*a, *b)).collect()
    }

    fn shifted(&self, a: Id) -> Vec<bool> {
        let steps = self.len();
        let inner = self.row(a).get(1..steps).unwrap_or_default();
        let mut row = inner.to_vec();
        row.resize(steps + 1, false);
        row
    }

    fn until(&self, a: Id, b: Id) -> Vec<bool> {
        let mut later = false;
        let steps = self.row(a).iter().zip(self.row(b)).take(self.len());
        let mut row: Vec<bool> = steps
            .rev()
            .map(|(a, b)| {
                later = *b || (*a && later);
                later
            })
            .collect();
        row.reverse();
        row.push(false);
        row
    }

    fn yesterday(&self, a: Id) -> Vec<bool> {
        let mut row = vec![false];
        row.extend(self.row(a).iter().take(self.len()));
        // After the last step there is no step, so no previous one either: an empty trace has neither.
        if let Some(end) = row.get_mut(self.len()) {
            *end = false;
        }
        row
    }

    fn since(&self, a: Id, b: Id) -> Vec<bool> {
        let mut earlier = false;
        let steps = self.row(a).iter().zip(self.row(b)).take(self.len());
        let row = steps.map(|(a, b)| {
            earlier = *b || (*a && earlier);
            earlier
        });
        row.chain([false]).collect()
    }

    /// Two pointers: the window's begin only moves on, and the first `b` after each step is known.
    fn bounded_until(&self, lo: u64, hi: u64, a: Id, b: Id) -> Vec<bool> {
        let steps = self.len();
        let next_b = self.first_from(|step| self.at(b, step));
        let next_not_a = self.first_from(|step| !self.at(a, step));
        let mut begin = 0;
        let mut row = Vec::with_capacity(steps + 1);
        for (step, time) in self.times.iter().enumerate() {
            begin = begin.max(step);
            while begin < steps && self.time(begin) - time < lo {
                begin += 1;
            }
            let found = next_b.get(begin).copied().unwrap_or(steps);
            let kept = next_not_a.get(step).copied().unwrap_or(steps);
            row.push(found < steps && found <= kept && self.time(found) - time <= hi);
        }
        row.push(false);
        row
    }

    /// For every step, and after the last one, the first step from there that is wanted.
    fn first_from(&self, wanted: impl Fn(usize) -> bool) -> Vec<usize> {
        let mut next = self.len();
        let mut row: Vec<usize> = (0..self.len())
            .rev()
            .map(|step| {
                if wanted(step) {
                    next = step;
                }
                next
            })
            .collect();
        row.reverse();
        row.push(self.len());
        row
    }

    fn bounded_since(&self, lo: u64, hi: u64, a: Id, b: Id) -> Vec<bool> {
        let steps = self.len();
        let mut last_b: Option<usize> = None;
        let mut last_not_a: Option<usize> = None;
        // The last step that is old enough, and the last `b` up to it.
        let mut end = 0;
        let mut row = Vec::with_capacity(steps + 1);
        for (step, time) in self.times.iter().enumerate() {
            while end <= step && time - self.time(end) >= lo {
                if self.at(b, end) {
                    last_b = Some(end);
                }
                end += 1;
            }
            if !self.at(a, step) {
                last_not_a = Some(step);
            }
            row.push(last_b.is_some_and(|found| {
                time - self.time(found) <= hi && last_not_a.is_none_or(|broken| broken <= found)
            }));
        }
        row.push(false);
        row
    }

    /// Each subformula is visited at most once for each time it occurs, at the one step that decides.
    fn explain(&self) -> Vec<usize> {
        let mut steps = Vec::new();
        let mut open = vec![(self.program.root(), 0)];
        let mut budget = 8 * crate::parse::MAX_NODES;
        while let Some((id, step)) = open.pop() {
            budget -= 1;
            if budget == 0 {
                break;
            }
            let value = self.at(id, step);
            match self.program.node(id) {
                Node::Const(_) => {}
                Node::Letter(_) => steps.extend((step < self.len()).then_some(step)),
                Node::Not(a) => open.push((a, step)),
                Node::And(a, b) | Node::Or(a, b) => {
                    let one_decides = value == matches!(self.program.node(id), Node::Or(..));
                    if one_decides {
                        open.push((if self.at(a, step) == value { a } else { b }, step));
                    } else {
                        open.extend([(a, step), (b, step)]);
                    }
                }
                Node::Iff(a, b) => open.extend([(a, step), (b, step)]),
                Node::Next(a) if step + 1 < self.len() => open.push((a, step + 1)),
                Node::Yesterday(a) => open.extend(step.checked_sub(1).map(|before| (a, before))),
                Node::Next(_) => {}
                Node::Until(bound, a, b) => {
                    let reach = (step..self.len()).map(|at| (at, self.time(at) - self.time(step)));
                    self.explain_until(reach, bound, (a, b), value, &mut open);
                }
                Node::Since(bound, a, b) => {
                    let last = if step < self.len() { step + 1 } else { 0 };
                    let reach = (0..last).rev().map(|at| (at, self.time(step) - self.time(at)));
                    self.explain_until(reach, bound, (a, b), value, &mut open);
                }
            }
        }
        steps.sort_unstable();
        steps.dedup();
        steps
    }

    /// The step that decides an until, or with steps in the other order a since.
    fn explain_until(
        &self,
        reach: impl Iterator<Item = (usize, u64)>,
        bound: Option<crate::formula::Interval>,
        (a, b): (Id, Id),
        holds: bool,
        open: &mut Vec<(Id, usize)>,
    ) {
        for (at, distance) in reach {
            let inside = bound.is_none_or(|bound| bound.contains(distance));
            if holds && inside && self.at(b, at) {
                return open.push((b, at));
            }
            if !holds && !self.at(a, at) {
                open.push((a, at));
                return if inside {
                    open.push((b, at))
                };
            }
        }
    }
}

/// For every step which atoms happen, as bits.
fn letters(program: &Program, trace: &Trace, variables: &[&str], binding: &Binding) -> Vec<u64> {
    let masks: Vec<u64> = trace
        .distinct_events()
        .iter()
        .map(|event| instances::letter(&program.atoms, variables, binding, event))
        .collect();
    (0..trace.len())
        .map(|step| {
            let masks = trace.events_at(step).iter().filter_map(|id| masks.get(*id as usize));
            masks.fold(0, |all, mask| all | mask)
        })
        .collect()
}
