//! Progression in constant time for the formulas that most timed policies are.
//!
//! Where all windows are open (their lower bound is 0, or has been reached), what a letter does to a residual does not depend
//! on when they end, only on the order in which they end, and the order of the windows of one operator is that in which they
//! began. So a residual is a *shape*, whose windows are numbers, and the windows in slots; and what a letter does to a shape
//! is worked out once.

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};

use crate::automaton::Limit;
use crate::program::Program;
use crate::progression::{Missed, Progression, Residual, START, Window};
use crate::verdict::Verdict;

/// The most windows of a shape.
const MAX_SLOTS: usize = 4;
/// Remembered transitions.
const MAX_MOVES: usize = 1 << 14;

/// What remains of a formula.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Remains {
    /// A shape if there are slots, otherwise a residual.
    pub(crate) residual: Residual,
    slots: [Window; MAX_SLOTS],
    used: u8,
}

impl Remains {
    pub(crate) fn start() -> Self {
        Self::plain(START)
    }

    /// Without slots.
    pub(crate) fn plain(residual: Residual) -> Self {
        Self { residual, slots: [Window::default(); MAX_SLOTS], used: 0 }
    }

    fn slots(&self) -> &[Window] {
        self.slots.get(..self.used as usize).unwrap_or_default()
    }

    fn are_open(&self, t_ms: u64) -> bool {
        self.slots().iter().all(|window| t_ms <= window.to)
    }

    /// The first window, if there is one.
    pub(crate) fn window(&self) -> Option<Window> {
        self.slots().first().copied()
    }

    /// The same with another end and begin of the window, if there is one.
    pub(crate) fn with_window(&self, to: u64, origin: u64) -> Self {
        let mut remains = *self;
        if let ([window, ..], 1..) = (&mut remains.slots, remains.used) {
            *window = Window { to, origin, ..*window };
        }
        remains
    }
}

/// What becomes of the one window of a shape, or of none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fate {
    /// There is none afterwards.
    Gone,
    Kept,
    /// The one afterwards begins with the step.
    New,
    /// The same, unless it ends with the one that is open: then that one stays.
    Joined,
}

/// Where a window of the next shape comes from.
#[derive(Debug, Clone, Copy)]
enum Source {
    Slot(u8),
    /// It begins with the step.
    New(Window),
}

/// What a letter makes of a shape.
#[derive(Debug, Clone)]
struct Move {
    next: Residual,
    sources: Box<[Source]>,
    /// Nothing changes.
    same: bool,
}

/// Hashes two numbers by multiplication. Keys that collide, even if somebody made them collide, cost at most a search
/// through [`MAX_MOVES`] entries.
#[derive(Debug, Clone, Default)]
struct Multiply(u64);

impl Hasher for Multiply {
    fn finish(&self) -> u64 {
        self.0 ^ self.0 >> 32
    }

    fn write(&mut self, bytes: &[u8]) {
        bytes.iter().for_each(|byte| self.write_u64(u64::from(*byte)));
    }

    fn write_u32(&mut self, number: u32) {
        self.write_u64(u64::from(number));
    }

    fn write_u64(&mut self, number: u64) {
        self.0 = (self.0.rotate_left(23) ^ number).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    }
}

/// The engine for formulas with future time bounds.
#[derive(Debug, Clone)]
pub(crate) struct Shapes {
    progression: Progression,
    moves: HashMap<(Residual, u64), Move, BuildHasherDefault<Multiply>>,
}

impl Shapes {
    pub(crate) fn new(program: &Program) -> Self {
        Self { progression: Progression::new(program), moves: HashMap::default() }
    }

    pub(crate) fn verdict(&self, remains: &Remains) -> Verdict {
        self.progression.verdict(remains.residual)
    }

    /// The end of the window that ends first.
    pub(crate) fn deadline(&self, remains: &Remains) -> Option<u64> {
        if remains.used == 0 {
            return self.progression.deadline(remains.residual);
        }
        remains.slots().iter().map(|window| window.to).min().filter(|to| *to != u64::MAX)
    }

    /// The first step whose window is still open.
    pub(crate) fn origin(&self, remains: &Remains) -> Option<u64> {
        if remains.used == 0 {
            return self.progression.origin(remains.residual);
        }
        remains.slots().iter().map(|window| window.origin).min()
    }

    /// Takes a step, if what it does is known.
    #[inline]
    pub(crate) fn known_step(&self, remains: &mut Remains, t_ms: u64, letter: u64, index: u64) -> bool {
        if !remains.are_open(t_ms) {
            return false;
        }
        let Some(known) = self.moves.get(&(remains.residual, letter)) else { return false };
        if !known.same {
            *remains = self.follow(remains, known, t_ms, index);
        }
        true
    }

    /// Takes a step. If a window was missed, the answer says which.
    pub(crate) fn step(
        &mut self,
        remains: &mut Remains,
        t_ms: u64,
        letter: u64,
        index: u64,
    ) -> Result<Option<Missed>, Limit> {
        if self.known_step(remains, t_ms, letter, index) {
            return Ok(None);
        }
        let open = remains.are_open(t_ms);
        let residual = self.progression.filled(remains.residual, remains.slots());
        let progressed = self.progression.step(residual, t_ms, letter, index)?;
        let next = self.shape(progressed.residual);
        let plain = remains.used == 0 && self.progression.deadline(remains.residual).is_some();
        if open && !plain && progressed.missed.is_none() {
            self.remember(remains, letter, &next, t_ms, index);
        }
        *remains = next;
        Ok(progressed.missed)
    }

    /// Whether it is a shape in which time has no part.
    pub(crate) fn is_timeless(&self, remains: &Remains) -> bool {
        remains.used == 0 && self.progression.deadline(remains.residual).is_none()
    }

    /// What a step at `t_ms` makes of a shape whose window, if it has one, began at 0: another such shape, and what becomes of
    /// the window. `None` if there is more to it.
    pub(crate) fn explore(&mut self, from: &Remains, letter: u64, t_ms: u64) -> Option<(Remains, Fate)> {
        let mut next = *from;
        self.step(&mut next, t_ms, letter, 1).ok()?;
        let fate = match next.slots() {
            [] => self.is_timeless(&next).then_some(Fate::Gone),
            [window] if from.slots() == [*window] => Some(Fate::Kept),
            [window] => (*window == self.progression.begun(*window, t_ms, 1)).then_some(Fate::New),
            _ => None,
        };
        let start = next.window().map_or(next, |window| {
            let Window { to, origin, .. } = self.progression.begun(window, 0, 0);
            next.with_window(to, origin)
        });
        fate.map(|fate| (start, fate))
    }

    /// Forgets what was worked out for points in time, keeps what was worked out for shapes.
    pub(crate) fn forget_times(&mut self) {
        self.progression.forget_answers();
    }

    fn follow(&self, remains: &Remains, known: &Move, t_ms: u64, index: u64) -> Remains {
        let mut next = Remains::plain(known.next);
        for (place, source) in next.slots.iter_mut().zip(&known.sources) {
            *place = match source {
                Source::Slot(slot) => remains.slots().get(*slot as usize).copied().unwrap_or_default(),
                Source::New(window) => self.progression.begun(*window, t_ms, index),
            };
        }
        next.used = known.sources.len() as u8;
        next
    }

    fn remember(&mut self, from: &Remains, letter: u64, next: &Remains, t_ms: u64, index: u64) {
        if next.used == 0 && self.progression.deadline(next.residual).is_some() {
            return;
        }
        // Windows that end together might have been taken for one another.
        let twins = |a: &Window, b: &Window| (a.node, a.holds, a.to) == (b.node, b.holds, b.to);
        let slots = from.slots();
        let new = |window: &Window| self.progression.begun(*window, t_ms, index);
        let ambiguous = (0..).zip(slots).any(|(place, window)| {
            twins(window, &new(window)) || slots.iter().skip(place + 1).any(|other| twins(window, other))
        });
        if ambiguous {
            return;
        }
        let source = |window: &Window| {
            let slot = slots.iter().position(|slot| slot == window).map(|slot| Source::Slot(slot as u8));
            slot.or((*window == new(window)).then_some(Source::New(*window)))
        };
        let Some(sources) = next.slots().iter().map(source).collect::<Option<Box<[Source]>>>() else {
            return;
        };
        if self.moves.len() >= MAX_MOVES {
            self.moves.clear();
        }
        let same = next == from;
        self.moves.insert((from.residual, letter), Move { next: next.residual, sources, same });
    }

    /// A residual as a shape, if its windows are few and open.
    fn shape(&mut self, residual: Residual) -> Remains {
        let mut windows = Vec::new();
        if !self.progression.open_windows(residual, MAX_SLOTS, &mut windows) || windows.is_empty() {
            return Remains::plain(residual);
        }
        windows.sort_unstable_by_key(|window| (window.node, window.holds, window.to, window.origin));
        let shape = self.progression.emptied(residual, &windows);
        let mut remains = Remains::plain(shape);
        remains.slots.iter_mut().zip(&windows).for_each(|(slot, window)| *slot = *window);
        remains.used = windows.len() as u8;
        remains
    }

    /// Whether it changes nothing that time comes to `now_ms`.
    pub(crate) fn is_steady(&self, remains: &Remains, now_ms: u64) -> bool {
        if remains.used > 0 { remains.are_open(now_ms) } else { self.is_timeless(remains) }
    }

    /// Time has come to `now_ms`, and nothing has happened.
    pub(crate) fn advance(&mut self, remains: &mut Remains, now_ms: u64) -> Option<Missed> {
        if self.is_steady(remains, now_ms) {
            return None;
        }
        let residual = self.progression.filled(remains.residual, remains.slots());
        let progressed = self.progression.advance(residual, now_ms);
        *remains = self.shape(progressed.residual);
        progressed.missed
    }

    /// Whether [`compact`](Self::compact) should be called.
    pub(crate) fn is_crowded(&self) -> bool {
        self.progression.is_crowded()
    }

    /// Throws away what is not needed, and gives the residuals their new numbers.
    pub(crate) fn compact<'a>(&mut self, residuals: impl Iterator<Item = &'a mut Residual>) {
        self.moves.clear();
        self.progression.compact(residuals);
    }

    #[cfg(test)]
    pub(crate) fn size(&self) -> usize {
        self.progression.size()
    }
}
