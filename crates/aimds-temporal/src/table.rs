//! Policies whose steps are look-ups: no variables, no past beside the automaton, and with time bounds at most one window
//! at a time.
//!
//! What a letter does to a shape does not depend on when its window ends ([`crate::shapes`]), so a shape is a state like that
//! of an automaton, beside which the end of its window is kept.

use std::sync::Arc;

use crate::automaton::Automaton;
use crate::progression::Window;
use crate::shapes::{Fate, Remains, Shapes};
use crate::verdict::Verdict;

/// The most cells of a table with a time bound, each of which costs some microseconds when the policy is compiled.
const MAX_CELLS: usize = 1 << 8;

/// Where a letter leads, and what it does to the window.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Cell(u32);

impl Cell {
    const DEFINITE: u32 = 1 << 31;
    const RESTLESS: u32 = 1 << 30;
    const OPENS: u32 = 1 << 29;
    const KEEPS: u32 = 1 << 28;
    const JOINS: u32 = 1 << 27;
    const FLAGS: u32 = Self::DEFINITE | Self::RESTLESS | Self::OPENS | Self::KEEPS | Self::JOINS;

    /// The row of the next state.
    #[inline]
    pub(crate) fn row(self) -> u32 {
        self.0 & !Self::FLAGS
    }

    /// Whether the verdict becomes definite.
    #[inline]
    pub(crate) fn is_definite(self) -> bool {
        self.0 & Self::DEFINITE != 0
    }

    /// Whether in the next state even a step changes something at which none of the atoms happens.
    #[inline]
    pub(crate) fn is_restless(self) -> bool {
        self.0 & Self::RESTLESS != 0
    }

    /// Whether a window begins with the step.
    #[inline]
    pub(crate) fn opens(self) -> bool {
        self.0 & Self::OPENS != 0
    }

    /// Whether a window that begins is the open one where both end together: two steps at one time.
    #[inline]
    pub(crate) fn joins(self) -> bool {
        self.0 & Self::JOINS != 0
    }

    /// Whether the window stays as it is.
    #[inline]
    pub(crate) fn keeps(self) -> bool {
        self.0 & Self::KEEPS != 0
    }
}

/// The states of a policy in rows of a cell for each letter. Monitors of one policy share it.
#[derive(Debug, Clone)]
pub(crate) struct Table {
    atoms: u32,
    pub(crate) cells: Arc<[Cell]>,
    /// For each state where time leads that has passed the window's end.
    expired: Box<[Cell]>,
    verdicts: Box<[Verdict]>,
    /// For each state what remains, with a window that begins at 0 if there is one.
    remains: Box<[Remains]>,
    /// How long windows are.
    pub(crate) span_ms: u64,
}

impl Table {
    /// Of a complete automaton.
    pub(crate) fn of_automaton(automaton: &Automaton) -> Option<Self> {
        let (cells, atoms) = automaton.complete_table()?;
        let states =
            (0..(cells.len() >> atoms) as u32).map(|state| (Remains::plain(state), automaton.verdict(state)));
        let (remains, verdicts): (Vec<_>, Vec<_>) = states.unzip();
        let steps = cells.iter().map(|next| (*next as usize, Fate::Gone)).collect();
        Self::new(atoms, steps, &[], verdicts, remains, 0)
    }

    /// Of a formula with time bounds, by trying every letter in every shape.
    pub(crate) fn of_shapes(shapes: &mut Shapes, atoms: u32) -> Option<Self> {
        let letters = 1_u64.checked_shl(atoms).filter(|letters| *letters <= MAX_CELLS as u64)?;
        let mut states = vec![Remains::start()];
        let (mut steps, mut expired) = (Vec::new(), Vec::new());
        let mut window: Option<Window> = None;
        let mut done = 0;
        while let Some(state) = states.get(done).copied() {
            if (done + 1) << atoms > MAX_CELLS {
                return None;
            }
            if shapes.verdict(&state).is_definite() {
                steps.extend((0..letters).map(|_| (done, Fate::Gone)));
                expired.push((done, Fate::Gone));
                done += 1;
                continue;
            }
            let over = match state.window() {
                Some(open) => {
                    // All windows must be of one operator, and last longer than a step.
                    let same =
                        window.is_none_or(|known| (known.node, known.holds) == (open.node, open.holds));
                    if !same || open.to == 0 || open.to >= u64::MAX - 1 {
                        return None;
                    }
                    window = Some(open);
                    let mut over = state;
                    shapes.advance(&mut over, open.to + 1);
                    if !shapes.is_timeless(&over) {
                        return None;
                    }
                    over
                }
                None => state,
            };
            expired.push((place(&mut states, over), Fate::Gone));
            for letter in 0..letters {
                let (next, mut fate) = shapes.explore(&state, letter, 1)?;
                if let Some(open) = state.window() {
                    // A step at the time at which the window began leads to the same.
                    let (at_once, its_fate) = shapes.explore(&state, letter, 0)?;
                    match (fate, its_fate) {
                        (Fate::New, Fate::Kept) => fate = Fate::Joined,
                        (fate, its_fate) if fate != its_fate => return None,
                        _ => {}
                    }
                    if at_once != next {
                        return None;
                    }
                    // To find a window passed at a step must be the same as to find it passed before the step.
                    let late = shapes.explore(&state, letter, open.to + 1)?;
                    let after = match shapes.verdict(&over).is_definite() {
                        true => (over, Fate::Gone),
                        false => shapes.explore(&over, letter, 1)?,
                    };
                    if late != after {
                        return None;
                    }
                }
                steps.push((place(&mut states, next), fate));
            }
            done += 1;
        }
        let verdicts = states.iter().map(|state| shapes.verdict(state)).collect();
        Self::new(atoms, steps, &expired, verdicts, states, window.map_or(0, |window| window.to))
    }

    fn new(
        atoms: u32,
        steps: Vec<(usize, Fate)>,
        expired: &[(usize, Fate)],
        verdicts: Vec<Verdict>,
        remains: Vec<Remains>,
        span_ms: u64,
    ) -> Option<Self> {
        let resting = |state: usize| {
            let fate = if remains.get(state).is_some_and(|remains| remains.window().is_some()) {
                Fate::Kept
            } else {
                Fate::Gone
            };
            steps.get(state << atoms) == Some(&(state, fate))
        };
        let cell = |(next, fate): &(usize, Fate)| {
            let row = u32::try_from(next << atoms).ok().filter(|row| row & Cell::FLAGS == 0)?;
            let definite = verdicts.get(*next).is_some_and(|verdict| verdict.is_definite());
            let window = match fate {
                Fate::Gone => 0,
                Fate::Kept => Cell::KEEPS,
                Fate::New => Cell::OPENS,
                Fate::Joined => Cell::OPENS | Cell::JOINS,
            };
            let flag = |flag, set: bool| if set { flag } else { 0 };
            Some(Cell(row | window | flag(Cell::DEFINITE, definite) | flag(Cell::RESTLESS, !resting(*next))))
        };
        let cells: Vec<Cell> = steps.iter().map(cell).collect::<Option<_>>()?;
        let expired = expired.iter().map(cell).collect::<Option<_>>()?;
        Some(Self {
            atoms,
            cells: cells.into(),
            expired,
            verdicts: verdicts.into(),
            remains: remains.into(),
            span_ms,
        })
    }

    fn state(&self, row: u32) -> usize {
        (row >> self.atoms) as usize
    }

    /// What the state of a row says.
    pub(crate) fn verdict(&self, row: u32) -> Option<Verdict> {
        self.verdicts.get(self.state(row)).copied()
    }

    /// Where time leads that has passed the window's end.
    pub(crate) fn expired(&self, row: u32) -> Option<Cell> {
        self.expired.get(self.state(row)).copied()
    }

    /// The row of the state of which so much remains.
    pub(crate) fn row(&self, residual: u32) -> Option<u32> {
        let state = self.remains.iter().position(|remains| remains.residual == residual)?;
        Some((state as u32) << self.atoms)
    }

    /// Whether a step without any of the atoms changes something in the first state.
    pub(crate) fn starts_restless(&self) -> bool {
        self.cells.first().is_none_or(|cell| cell.row() != 0 || cell.opens() || cell.is_definite())
    }

    /// What remains in the state of a row if its window ends then and began at that step.
    pub(crate) fn remains(&self, row: u32, to: u64, origin: u64) -> Option<Remains> {
        self.remains.get(self.state(row)).map(|remains| remains.with_window(to, origin))
    }
}

fn place(states: &mut Vec<Remains>, wanted: Remains) -> usize {
    states.iter().position(|known| *known == wanted).unwrap_or_else(|| {
        states.push(wanted);
        states.len() - 1
    })
}

#[cfg(test)]
mod tests {
    use crate::policy::Policy;

    #[test]
    fn which_policies_are_tables() {
        let states = |text: &str| {
            let compiled = Policy::parse(text).unwrap().compiled;
            compiled.table.as_ref().map(|table| table.remains.len())
        };
        for (text, expected) in [
            ("G(p -> F q)", Some(3)),
            ("G(p -> F[0,3ms] q)", Some(4)),
            ("G(p -> F[0,7ms] (q | r))", Some(4)),
            ("G(p -> G[0,2ms] !q)", Some(4)),
            ("G(p -> !q U[0,5ms] r)", Some(4)),
            ("F[0,4ms] (p & q)", Some(4)),
            ("G(q -> X F[0,2ms] p)", Some(6)),
            // A window that opens later, two windows, an instant, a past operator outside the automaton, a variable.
            ("G(p -> F[1,3ms] q)", None),
            ("G(p -> F[0,3ms] q) & G(r -> F[0,5ms] q)", None),
            ("G(p -> F[0,0ms] q)", None),
            ("G(q -> O[0,3ms] p)", None),
            ("G(p(x) -> F[0,3ms] q(x))", None),
        ] {
            assert_eq!(states(text), expected, "{text}");
        }
    }
}
