//! Verdicts over finite traces that are complete: LTL on finite traces with past (De Giacomo and Vardi, IJCAI 2013;
//! Lichtenstein, Pnueli and Zuck, 1985), by dynamic programming.

use crate::bits::Bits;
use crate::formula::{Formula, Interval};
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
/// Time O(|φ|·n), times the number of values; memory O(|φ|·n) bits. No allocation is larger than that.
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
    rows: Vec<Bits>,
}

impl<'a> Table<'a> {
    fn fill(program: &'a Program, trace: &'a Trace, variables: &[&str], binding: &Binding) -> Self {
        let steps = trace.len();
        let mut letters = letters(program, trace, variables, binding);
        let mut table = Self { program, times: trace.times(), rows: Vec::with_capacity(program.nodes.len()) };
        for (_, node) in program.iter() {
            let row = match node {
                Node::Const(value) => Some(Bits::all(value, steps)),
                // Every atom is one node.
                Node::Letter(number) => letters.get_mut(number as usize).and_then(Option::take),
                Node::Not(a) => table.row(a).map(Bits::not),
                Node::And(a, b) => table.two(a, b, |a, b| a.join(b, |a, b| a & b)),
                Node::Or(a, b) => table.two(a, b, |a, b| a.join(b, |a, b| a | b)),
                Node::Iff(a, b) => table.two(a, b, |a, b| a.join(b, |a, b| !(a ^ b))),
                Node::Next(a) => table.row(a).map(Bits::next),
                Node::Until(None, a, b) => table.two(a, b, Bits::until),
                Node::Yesterday(a) => table.row(a).map(Bits::yesterday),
                Node::Since(None, a, b) => table.two(a, b, Bits::since),
                Node::Until(Some(bound), a, b) => table.two(a, b, |a, b| table.bounded_until(bound, a, b)),
                Node::Since(Some(bound), a, b) => table.two(a, b, |a, b| table.bounded_since(bound, a, b)),
            };
            table.rows.push(row.unwrap_or_else(|| Bits::all(false, steps)));
        }
        table
    }

    fn row(&self, id: Id) -> Option<&Bits> {
        self.rows.get(id as usize)
    }

    fn two(&self, a: Id, b: Id, of: impl FnOnce(&Bits, &Bits) -> Bits) -> Option<Bits> {
        Some(of(self.row(a)?, self.row(b)?))
    }

    fn at(&self, id: Id, step: usize) -> bool {
        self.row(id).is_some_and(|row| row.at(step))
    }

    fn len(&self) -> usize {
        self.times.len()
    }

    fn time(&self, step: usize) -> u64 {
        self.times.get(step).copied().unwrap_or(u64::MAX)
    }

    /// From the last step to the first, with the begin of the window, the first `b` from there and the first step
    /// without `a`.
    fn bounded_until(&self, bound: Interval, a: &Bits, b: &Bits) -> Bits {
        let (lo, hi) = (bound.lo_ms(), bound.hi_ms());
        let steps = self.len();
        let mut begin = steps;
        let mut found: Option<(usize, u64)> = None;
        let mut broken = steps;
        Bits::backwards(steps, |step| {
            let time = self.time(step);
            if !a.at(step) {
                broken = step;
            }
            while let Some(earlier) = begin.checked_sub(1).filter(|earlier| *earlier >= step) {
                let begins = self.time(earlier);
                if begins - time < lo {
                    break;
                }
                begin = earlier;
                if b.at(begin) {
                    found = Some((begin, begins));
                }
            }
            found.is_some_and(|(found, at)| found <= broken && at - time <= hi)
        })
    }

    fn bounded_since(&self, bound: Interval, a: &Bits, b: &Bits) -> Bits {
        let (lo, hi) = (bound.lo_ms(), bound.hi_ms());
        let mut last_b: Option<usize> = None;
        let mut last_not_a: Option<usize> = None;
        // The last step that is old enough, and the last `b` up to it.
        let mut end = 0;
        Bits::forwards(self.len(), |step| {
            let time = self.time(step);
            while end <= step && time - self.time(end) >= lo {
                if b.at(end) {
                    last_b = Some(end);
                }
                end += 1;
            }
            if !a.at(step) {
                last_not_a = Some(step);
            }
            last_b.is_some_and(|found| {
                time - self.time(found) <= hi && last_not_a.is_none_or(|broken| broken <= found)
            })
        })
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
                Node::Until(bound, _, b) if value => open.extend(self.fulfilled(bound, b, step)),
                Node::Since(bound, _, b) if value => open.extend(self.was_fulfilled(bound, b, step)),
                // Until the last step: after it there is none.
                Node::Until(bound, a, b) => {
                    let broken = self.row(a).and_then(|row| row.first(false, step));
                    let distance = broken.map(|at| self.time(at) - self.time(step));
                    self.explain_broken(broken.zip(distance), bound, (a, b), &mut open);
                }
                Node::Since(bound, a, b) => {
                    let inside = step < self.len();
                    let broken = self.row(a).filter(|_| inside).and_then(|row| row.last(false, step));
                    let distance = broken.map(|at| self.time(step) - self.time(at));
                    self.explain_broken(broken.zip(distance), bound, (a, b), &mut open);
                }
            }
        }
        steps.sort_unstable();
        steps.dedup();
        steps
    }

    /// The step that fulfils an until: the first `b` inside the window.
    fn fulfilled(&self, bound: Option<Interval>, b: Id, step: usize) -> Option<(Id, usize)> {
        let row = self.row(b)?;
        let steps = std::iter::successors(row.first(true, step), |at| row.first(true, at + 1));
        let inside = |at: &usize| contains(bound, self.time(*at) - self.time(step));
        steps.into_iter().find(inside).map(|at| (b, at))
    }

    /// The step that fulfils a since: the last `b` inside the window.
    fn was_fulfilled(&self, bound: Option<Interval>, b: Id, step: usize) -> Option<(Id, usize)> {
        let row = self.row(b).filter(|_| step < self.len())?;
        let steps = std::iter::successors(row.last(true, step), |at| row.last(true, at.checked_sub(1)?));
        let inside = |at: &usize| contains(bound, self.time(step) - self.time(*at));
        steps.into_iter().find(inside).map(|at| (b, at))
    }

    /// The step that ends an until or since which does not hold: the nearest one without `a`, and without `b` either if it is
    /// inside the window.
    fn explain_broken(
        &self,
        broken: Option<(usize, u64)>,
        bound: Option<Interval>,
        (a, b): (Id, Id),
        open: &mut Vec<(Id, usize)>,
    ) {
        let Some((at, distance)) = broken else { return };
        open.push((a, at));
        if contains(bound, distance) {
            open.push((b, at));
        }
    }
}

fn contains(bound: Option<Interval>, distance: u64) -> bool {
    bound.is_none_or(|bound| bound.contains(distance))
}

/// For every atom the steps at which it happens.
fn letters(program: &Program, trace: &Trace, variables: &[&str], binding: &Binding) -> Vec<Option<Bits>> {
    let masks: Vec<u64> = trace
        .distinct_events()
        .iter()
        .map(|event| instances::letter(&program.atoms, variables, binding, event))
        .collect();
    let happens = trace.steps().map(|ids| {
        let masks = ids.iter().filter_map(|id| masks.get(*id as usize));
        masks.fold(0, |all, mask| all | mask)
    });
    Bits::letters(happens, program.atoms.len(), trace.len()).into_iter().map(Some).collect()
}
