//! Verdicts over traces that may go on.

use crate::formula::Formula;
use crate::policy::Policy;
use crate::program::CompileError;
use crate::trace::Trace;
use crate::verdict::Verdict;

/// The verdict over a trace that may go on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Open {
    /// What is known.
    pub verdict: Verdict,
    /// Whether a definite verdict comes as early as possible: see [`Policy::is_exact`].
    pub exact: bool,
    /// As [`Monitor::witness`](crate::Monitor::witness).
    pub witness: Vec<usize>,
}

/// Evaluates a formula over a trace that may go on: a [`Monitor`](crate::Monitor) that takes every step. Time O(n) for a given formula.
///
/// # Errors
///
/// If the formula cannot be monitored.
///
/// ```
/// use aimds_temporal::{Formula, Trace, Verdict, evaluate_open};
///
/// let trace = Trace::from_steps([(0, ["p"]), (5, ["q"])])?;
/// let verdict = |text: &str| evaluate_open(&Formula::parse(text).unwrap(), &trace).map(|open| open.verdict);
/// assert_eq!(verdict("F q")?, Verdict::True);
/// assert_eq!(verdict("G !q")?, Verdict::False);
/// assert_eq!(verdict("G(p -> F q)")?, Verdict::PresumablyTrue);
/// assert_eq!(verdict("G F p & F G !p")?, Verdict::False);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn evaluate_open(formula: &Formula, trace: &Trace) -> Result<Open, CompileError> {
    let policy = Policy::compile(formula)?;
    let mut monitor = policy.monitor();
    let mut events = Vec::new();
    for (step, t_ms) in trace.times().iter().enumerate() {
        events.clear();
        let ids = trace.events_at(step).iter();
        events.extend(ids.filter_map(|id| trace.distinct_events().get(*id as usize)).cloned());
        // Times of a trace are in order.
        if monitor.step(*t_ms, &events).is_err() {
            break;
        }
    }
    Ok(Open { verdict: monitor.verdict(), exact: policy.is_exact(), witness: monitor.witness().to_vec() })
}
