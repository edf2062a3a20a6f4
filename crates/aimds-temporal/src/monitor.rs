//! Monitors: one step after the other, in bounded time and memory.

use std::collections::HashMap;
use std::sync::Arc;

use crate::automaton::Limit;
use crate::closed::Closed;
use crate::instances::{Binding, MAX_INSTANCES, Needs};
use crate::past::Memory;
use crate::policy::{Compiled, Engine, Policy};
use crate::progression::Missed;
use crate::shapes::Remains;
use crate::trace::{Event, TimeGoesBack};
use crate::verdict::Verdict;

/// Watches a trace while it happens.
///
/// A step costs the same however long the trace is, times the number of combinations of values that are being followed.
/// A value is forgotten as soon as what remains of the formula for it is what remains for a value that never occurred,
/// so `G(threat(id) -> F[0,10ms] mitigated(id))` follows only threats that are not mitigated yet. If more than
/// [`MAX_INSTANCES`] must be followed, or one operator must remember too much, the verdict is
/// [`Verdict::LimitReached`] for good.
///
/// The verdict over all values is that of a conjunction, taken value by value: a contradiction between the formulas of two
/// values is not noticed.
///
/// ```
/// use aimds_temporal::{Event, Policy, Verdict};
///
/// let policy = Policy::parse("G(threat(id) -> F[0,10ms] mitigated(id))")?;
/// let mut monitor = policy.monitor();
/// assert_eq!(monitor.step(5, &[Event::new("threat").arg("a")])?, Verdict::PresumablyFalse);
/// assert_eq!(monitor.step(9, &[Event::new("threat").arg("b")])?, Verdict::PresumablyFalse);
/// assert_eq!(monitor.step(15, &[Event::new("mitigated").arg("a")])?, Verdict::PresumablyFalse);
/// assert_eq!(monitor.next_deadline(), Some(20));
/// assert_eq!(monitor.advance(20)?, Verdict::False);
/// assert_eq!(monitor.witness(), [1]);
/// assert_eq!(monitor.binding(), [("id".to_owned(), Some("b".to_owned()))]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone)]
pub struct Monitor {
    policy: Policy,
    engine: Engine,
    /// What remains for values that have not occurred; the only one if there are no variables.
    fresh: State,
    followed: HashMap<Binding, State>,
    /// Look for values to forget when so many are followed.
    crowded: usize,
    /// What remains after a step at which nothing happened: where a violation begins is where it was last left.
    quiet: u32,
    now_ms: u64,
    steps: u64,
    verdict: Verdict,
    witness: Vec<usize>,
    binding: Vec<(String, Option<String>)>,
}

/// What remains for one combination of values.
#[derive(Debug, Clone)]
struct State {
    /// A state of the automaton without slots, or what progression has left.
    remains: Remains,
    past: Option<Box<Memory>>,
    /// The step at which `quiet` was left.
    left: Option<u64>,
    missed: Option<Missed>,
}

impl State {
    fn same(&self, other: &Self) -> bool {
        self.remains == other.remains && self.past == other.past
    }
}

const CROWDED: usize = 64;

impl Monitor {
    pub(crate) fn new(policy: Policy) -> Self {
        let compiled = &policy.compiled;
        let (engine, quiet) = (compiled.engine.clone(), compiled.quiet);
        let past = compiled.past.as_ref().map(|past| Box::new(past.memory()));
        let fresh = State { remains: engine.start(), past, left: None, missed: None };
        let verdict = engine.verdict(&fresh.remains);
        Self {
            engine,
            fresh,
            followed: HashMap::new(),
            crowded: CROWDED,
            quiet,
            now_ms: 0,
            steps: 0,
            verdict,
            witness: Vec::new(),
            binding: Vec::new(),
            policy,
        }
    }

    /// The policy.
    pub fn policy(&self) -> &Policy {
        &self.policy
    }

    /// What is known so far. Definite verdicts and [`Verdict::LimitReached`] stay.
    pub fn verdict(&self) -> Verdict {
        self.verdict
    }

    /// The steps that explain a definite verdict, counted from 0: the one at which what was violated (or fulfilled) began, if
    /// that is not the first step's beginning, and the one that decided. A window that passed without the event is explained by
    /// the step at which it began alone. Empty while the verdict is not definite.
    pub fn witness(&self) -> &[usize] {
        &self.witness
    }

    /// For which values the formula does not hold, as pairs of variable and value (`None` is one that has not occurred).
    /// Empty unless the verdict is `False`.
    pub fn binding(&self) -> &[(String, Option<String>)] {
        &self.binding
    }

    /// How many combinations of values are followed.
    pub fn instances(&self) -> usize {
        self.followed.len()
    }

    /// How many steps have been taken.
    pub fn steps(&self) -> u64 {
        self.steps
    }

    /// The events of the next step.
    ///
    /// # Errors
    ///
    /// If its time lies before the last one; the step is not taken.
    pub fn step(&mut self, t_ms: u64, events: &[Event]) -> Result<Verdict, TimeGoesBack> {
        let compiled = Arc::clone(&self.policy.compiled);
        if compiled.variables.is_empty() {
            let letter = events.iter().fold(0, |letter, event| letter | compiled.letter(event));
            return self.step_letter(t_ms, letter);
        }
        let matches: Vec<_> = events.iter().flat_map(|event| compiled.matches(event)).collect();
        self.step_matches(t_ms, &matches)
    }

    /// Time has come to `now_ms`, and nothing has happened since the last step: what had to happen before is violated.
    ///
    /// # Errors
    ///
    /// If time would go back.
    pub fn advance(&mut self, now_ms: u64) -> Result<Verdict, TimeGoesBack> {
        self.set_time(now_ms)?;
        if self.is_final() {
            return Ok(self.verdict);
        }
        let Engine::Progression(engine) = &mut self.engine else { return Ok(self.verdict) };
        for state in std::iter::once(&mut self.fresh).chain(self.followed.values_mut()) {
            state.missed = if engine.is_steady(&state.remains, now_ms) {
                None
            } else {
                Arc::make_mut(engine).advance(&mut state.remains, now_ms)
            };
        }
        self.conclude();
        self.tidy();
        Ok(self.verdict)
    }

    /// The earliest time at which [`advance`](Self::advance) may change the verdict.
    pub fn next_deadline(&self) -> Option<u64> {
        let Engine::Progression(engine) = &self.engine else { return None };
        if self.is_final() {
            return None;
        }
        let states = std::iter::once(&self.fresh).chain(self.followed.values());
        states.filter_map(|state| engine.deadline(&state.remains)).min().and_then(|to| to.checked_add(1))
    }

    /// The verdict if the trace is complete with the steps so far.
    pub fn close(&self) -> Closed {
        let holds = matches!(self.verdict, Verdict::True | Verdict::PresumablyTrue);
        if holds || !matches!(self.verdict, Verdict::PresumablyFalse) {
            return Closed { holds, witness: self.witness.clone(), binding: self.binding.clone() };
        }
        let open = self.states().filter(|(_, state)| self.state_verdict(state) == Verdict::PresumablyFalse);
        let first = open.min_by(|(a, _), (b, _)| order(a, b));
        let Some((binding, state)) = first else {
            return Closed { holds, witness: Vec::new(), binding: Vec::new() };
        };
        let window = match &self.engine {
            Engine::Progression(engine) => engine.origin(&state.remains),
            Engine::Automaton(_) => None,
        };
        let witness = window.or(state.left).map(|step| step as usize).into_iter().collect();
        Closed { holds, witness, binding: self.named(binding) }
    }

    /// So many steps have been taken, and so much remains; `left` is the step that began what is under way.
    pub(crate) fn catch_up(&mut self, steps: u64, remains: Remains, left: Option<u64>) {
        self.steps = steps;
        self.fresh.remains = remains;
        self.fresh.left = left;
        self.verdict = self.engine.verdict(&remains);
    }

    pub(crate) fn is_final(&self) -> bool {
        self.verdict.is_definite() || self.verdict == Verdict::LimitReached
    }

    fn set_time(&mut self, t_ms: u64) -> Result<(), TimeGoesBack> {
        if t_ms < self.now_ms {
            return Err(TimeGoesBack { index: self.steps as usize, t_ms, last_ms: self.now_ms });
        }
        self.now_ms = t_ms;
        Ok(())
    }

    /// A step of a policy without variables.
    pub(crate) fn step_letter(&mut self, t_ms: u64, letter: u64) -> Result<Verdict, TimeGoesBack> {
        self.set_time(t_ms)?;
        let index = self.steps;
        self.steps += 1;
        if self.is_final() {
            return Ok(self.verdict);
        }
        let compiled = &self.policy.compiled;
        let before = self.fresh.remains.residual;
        match step_state(compiled, &mut self.engine, &mut self.fresh, self.quiet, (t_ms, index), letter) {
            // The usual case: nothing has changed.
            Ok(()) if before == self.fresh.remains.residual => {}
            Ok(()) => self.conclude(),
            Err(Limit) => self.give_up(),
        }
        self.tidy();
        Ok(self.verdict)
    }

    /// A step of any policy.
    pub(crate) fn step_matches(
        &mut self,
        t_ms: u64,
        matches: &[(u64, Needs<'_>)],
    ) -> Result<Verdict, TimeGoesBack> {
        self.set_time(t_ms)?;
        let index = self.steps;
        self.steps += 1;
        if self.is_final() {
            return Ok(self.verdict);
        }
        if self.follow(matches).is_err() || self.step_all(t_ms, index, matches).is_err() {
            self.give_up();
            return Ok(self.verdict);
        }
        self.conclude();
        self.tidy();
        Ok(self.verdict)
    }

    fn step_all(&mut self, t_ms: u64, index: u64, matches: &[(u64, Needs<'_>)]) -> Result<(), Limit> {
        let compiled = &self.policy.compiled;
        let at = (t_ms, index);
        let none: Binding = vec![None; compiled.variables.len()];
        let letter = letter_of(matches, &none);
        step_state(compiled, &mut self.engine, &mut self.fresh, self.quiet, at, letter)?;
        for (binding, state) in &mut self.followed {
            let letter = letter_of(matches, binding);
            step_state(compiled, &mut self.engine, state, self.quiet, at, letter)?;
        }
        self.forget_discharged(matches);
        Ok(())
    }

    /// The usual end of a value's life: this step has brought what was owed for it. (With several variables a value is part
    /// of many combinations, and is only looked for when there are many.)
    fn forget_discharged(&mut self, matches: &[(u64, Needs<'_>)]) {
        if self.policy.compiled.variables.len() != 1 {
            return;
        }
        for (_, value) in matches.iter().flat_map(|(_, needs)| needs) {
            let binding = vec![Some((*value).to_owned())];
            if self.followed.get(&binding).is_some_and(|state| state.same(&self.fresh)) {
                self.followed.remove(&binding);
            }
        }
    }

    /// Begins to follow the values that occur for the first time: so far they were like any that had not occurred.
    fn follow(&mut self, matches: &[(u64, Needs<'_>)]) -> Result<(), Limit> {
        for (variable, value) in matches.iter().flat_map(|(_, needs)| needs) {
            let known = |binding: &Binding| {
                binding.get(*variable).and_then(Option::as_deref).is_some_and(|known| known == *value)
            };
            // With one variable the binding is the value.
            let one = self.policy.compiled.variables.len() == 1;
            let followed = if one {
                self.followed.contains_key(&vec![Some((*value).to_owned())])
            } else {
                self.followed.keys().any(known)
            };
            if followed {
                continue;
            }
            let none = vec![None; self.policy.compiled.variables.len()];
            let unbound = self
                .followed
                .iter()
                .filter(|(binding, _)| binding.get(*variable).is_some_and(Option::is_none));
            let new: Vec<(Binding, State)> = unbound
                .chain([(&none, &self.fresh)])
                .map(|(binding, state)| {
                    let mut binding = binding.clone();
                    if let Some(place) = binding.get_mut(*variable) {
                        *place = Some((*value).to_owned());
                    }
                    (binding, state.clone())
                })
                .collect();
            self.followed.extend(new);
            if self.followed.len() > self.crowded {
                self.forget(matches);
                self.crowded = (2 * self.followed.len()).max(CROWDED);
            }
            if self.followed.len() > MAX_INSTANCES {
                return Err(Limit);
            }
        }
        Ok(())
    }

    /// Forgets the values for which everything is as if they had not occurred, except those of this step.
    fn forget(&mut self, matches: &[(u64, Needs<'_>)]) {
        let mut different: Vec<std::collections::HashSet<String>> =
            vec![Default::default(); self.policy.compiled.variables.len()];
        for (variable, value) in matches.iter().flat_map(|(_, needs)| needs) {
            if let Some(values) = different.get_mut(*variable) {
                values.insert((*value).to_owned());
            }
        }
        for (binding, state) in &self.followed {
            for (variable, value) in binding.iter().enumerate() {
                let Some(value) = value else { continue };
                let mut without = binding.clone();
                if let Some(place) = without.get_mut(variable) {
                    *place = None;
                }
                let unbound = self.followed.get(&without).unwrap_or(&self.fresh);
                if !state.same(unbound)
                    && let Some(values) = different.get_mut(variable)
                {
                    values.insert(value.clone());
                }
            }
        }
        self.followed.retain(|binding, _| {
            binding
                .iter()
                .zip(&different)
                .all(|(value, different)| value.as_ref().is_none_or(|value| different.contains(value)))
        });
    }

    fn states(&self) -> impl Iterator<Item = (&Binding, &State)> {
        static NONE: Binding = Vec::new();
        self.followed.iter().chain([(&NONE, &self.fresh)])
    }

    fn state_verdict(&self, state: &State) -> Verdict {
        self.engine.verdict(&state.remains)
    }

    /// The verdict over all values, and its explanation if it is definite.
    fn conclude(&mut self) {
        let mut verdict = self.engine.verdict(&self.fresh.remains);
        for state in self.followed.values() {
            verdict = verdict.and(self.engine.verdict(&state.remains));
        }
        self.verdict = verdict;
        if verdict.is_definite() {
            self.explain();
        }
    }

    /// Also steps that change nothing make terms, which must not pile up.
    fn tidy(&mut self) {
        if let Engine::Progression(engine) = &mut self.engine
            && engine.is_crowded()
        {
            let states = std::iter::once(&mut self.fresh).chain(self.followed.values_mut());
            Arc::make_mut(engine)
                .compact(states.map(|state| &mut state.remains.residual).chain([&mut self.quiet]));
        }
    }

    fn explain(&mut self) {
        let decided = self.states().filter(|(_, state)| self.state_verdict(state) == self.verdict);
        let Some((binding, state)) = decided.min_by(|(a, _), (b, _)| order(a, b)) else { return };
        let last = self.steps.saturating_sub(1);
        let steps = match state.missed {
            Some(Missed { origin, by_event: false }) => [Some(origin), None],
            Some(Missed { origin, by_event: true }) => [Some(origin), Some(last)],
            None => [state.left, (self.steps > 0).then_some(last)],
        };
        let mut witness: Vec<usize> = steps.into_iter().flatten().map(|step| step as usize).collect();
        witness.dedup();
        let binding = if self.verdict == Verdict::False { self.named(binding) } else { Vec::new() };
        self.witness = witness;
        self.binding = binding;
    }

    fn named(&self, binding: &Binding) -> Vec<(String, Option<String>)> {
        let values = binding.iter().cloned().chain(std::iter::repeat(None));
        self.policy.compiled.variables.iter().cloned().zip(values).collect()
    }

    fn give_up(&mut self) {
        self.verdict = Verdict::LimitReached;
        self.witness = vec![(self.steps as usize).saturating_sub(1)];
        self.followed = HashMap::new();
    }
}

/// Values in alphabetical order, what has not occurred last.
fn order(a: &Binding, b: &Binding) -> std::cmp::Ordering {
    let key = |binding: &Binding| -> Vec<(bool, Option<String>)> {
        binding.iter().map(|value| (value.is_none(), value.clone())).collect()
    };
    (a.is_empty(), key(a)).cmp(&(b.is_empty(), key(b)))
}

fn letter_of(matches: &[(u64, Needs<'_>)], binding: &Binding) -> u64 {
    let bound = |needs: &Needs<'_>| {
        needs.iter().all(|(variable, value)| {
            binding.get(*variable).and_then(Option::as_deref).is_some_and(|bound| bound == *value)
        })
    };
    matches.iter().filter(|(_, needs)| bound(needs)).fold(0, |letter, (bit, _)| letter | bit)
}

#[inline]
fn step_state(
    compiled: &Compiled,
    engine: &mut Engine,
    state: &mut State,
    quiet: u32,
    (t_ms, index): (u64, u64),
    letter: u64,
) -> Result<(), Limit> {
    let letter = match (&compiled.past, &mut state.past) {
        (Some(past), Some(memory)) => past.step(memory, t_ms, letter)?,
        _ => letter,
    };
    let before = state.remains.residual;
    state.missed = engine.step(&mut state.remains, t_ms, letter, index)?;
    if state.remains.residual != before {
        state.left = if state.remains.residual == quiet { None } else { state.left.or(Some(index)) };
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn terms_do_not_pile_up() {
        let mut monitor = Policy::parse("G(p -> F[0,1h] q) & G(r -> F[1s,2s] q)").unwrap().monitor();
        let (p, r, q) = (["p".into()], ["r".into()], ["q".into()]);
        for time in 0..60_000 {
            let events = if time % 1000 == 999 {
                &q
            } else if time % 50 == 7 {
                &r
            } else {
                &p
            };
            assert!(!monitor.step(time, events).unwrap().is_definite(), "{time}");
            let Engine::Progression(engine) = &monitor.engine else { panic!("a bound") };
            assert!(engine.size() < 20_000, "{}", engine.size());
        }
    }
}
