//! Formulas with future time bounds, by progression (Bacchus and Kabanza, 1998).
//!
//! What remains of the formula is a conjunction or disjunction of literals: *promises* (a `U` or `X` without bound holds, or
//! does not hold, at the next step) and *windows* (an `U` is fulfilled, or is not, between two points in time). A window
//! is decided when time has passed its end, even if nothing happens. Of windows of the same operator of which one implies
//! the other only one is kept, so that `G(p -> F[0,10ms] q)` has at most one however many `p` there are.

use std::collections::HashMap;

use crate::automaton::{Limit, holds_nowhere};
use crate::formula::Interval;
use crate::program::{Id, Node, Program};
use crate::verdict::Verdict;

/// The most literals in what remains.
const MAX_LITERALS: usize = 1024;
/// Terms after which those that nobody needs are thrown away.
const MAX_TERMS: usize = 1 << 14;
/// Remembered transitions.
const MAX_ANSWERS: usize = 1 << 14;

/// What remains, by number. Equal terms are equal numbers.
pub(crate) type Residual = u32;
const FALSE: Residual = 0;
const TRUE: Residual = 1;
/// Before the first step.
pub(crate) const START: Residual = 2;

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
enum Term {
    Const(bool),
    Start,
    Promise { node: Id, holds: bool },
    Window(Window),
    And(Box<[Residual]>),
    Or(Box<[Residual]>),
}

/// An `U` with a bound that was met at step `origin`. `from` is 0 once it has been reached.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub(crate) struct Window {
    pub(crate) node: Id,
    pub(crate) holds: bool,
    pub(crate) from: u64,
    pub(crate) to: u64,
    pub(crate) origin: u64,
}

#[derive(Debug, Clone)]
struct Entry {
    term: Term,
    /// Whether it would hold if the trace ended here.
    presumed: bool,
    /// The end of the window that ends first, and the first step that a window began at.
    to: u64,
    origin: u64,
    literals: usize,
}

/// The engine; residuals are numbers in its store.
#[derive(Debug, Clone)]
pub(crate) struct Progression {
    program: Program,
    entries: Vec<Entry>,
    known: HashMap<Term, Residual>,
    /// What a letter made of a residual, and up to which time that is so.
    answers: HashMap<(Residual, u64), (Residual, u64)>,
}

/// One step.
struct Step {
    t_ms: u64,
    letter: u64,
    index: u64,
    /// Up to which time the answer would be the same.
    valid: u64,
    worths: HashMap<(Id, bool), Residual>,
    missed: Option<Missed>,
}

/// Why a window was not kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Missed {
    /// The step at which it began; of several windows the first.
    pub(crate) origin: u64,
    /// Whether an event broke it, rather than time having passed.
    pub(crate) by_event: bool,
}

/// What a step or the passing of time has made of a residual.
pub(crate) struct Progressed {
    pub(crate) residual: Residual,
    pub(crate) missed: Option<Missed>,
}

impl Progression {
    pub(crate) fn new(program: &Program) -> Self {
        let mut engine = Self {
            program: program.clone(),
            entries: Vec::new(),
            known: HashMap::new(),
            answers: HashMap::new(),
        };
        for term in [Term::Const(false), Term::Const(true), Term::Start] {
            engine.intern(term);
        }
        engine
    }

    pub(crate) fn verdict(&self, residual: Residual) -> Verdict {
        match (residual, self.entries.get(residual as usize)) {
            (TRUE, _) => Verdict::True,
            (FALSE, _) => Verdict::False,
            (_, Some(entry)) if entry.presumed => Verdict::PresumablyTrue,
            _ => Verdict::PresumablyFalse,
        }
    }

    /// The end of the window that ends first.
    pub(crate) fn deadline(&self, residual: Residual) -> Option<u64> {
        self.entries.get(residual as usize).map(|entry| entry.to).filter(|to| *to != u64::MAX)
    }

    /// The first step whose window is still open.
    pub(crate) fn origin(&self, residual: Residual) -> Option<u64> {
        self.entries.get(residual as usize).map(|entry| entry.origin).filter(|origin| *origin != u64::MAX)
    }

    /// Takes a step.
    pub(crate) fn step(
        &mut self,
        residual: Residual,
        t_ms: u64,
        letter: u64,
        index: u64,
    ) -> Result<Progressed, Limit> {
        if let Some((next, valid)) = self.answers.get(&(residual, letter))
            && t_ms <= *valid
        {
            return Ok(Progressed { residual: *next, missed: None });
        }
        let mut step = Step { t_ms, letter, index, valid: u64::MAX, worths: HashMap::new(), missed: None };
        let next = self.progress(residual, &mut step);
        self.within_limit(next)?;
        if step.missed.is_none() && step.valid >= t_ms {
            if self.answers.len() >= MAX_ANSWERS {
                self.answers.clear();
            }
            self.answers.insert((residual, letter), (next, step.valid));
        }
        Ok(Progressed { residual: next, missed: step.missed })
    }

    /// Time has come to `now_ms`, and nothing has happened.
    pub(crate) fn advance(&mut self, residual: Residual, now_ms: u64) -> Progressed {
        let mut missed = None;
        let residual = self.pass(residual, now_ms, &mut missed);
        Progressed { residual, missed }
    }

    pub(crate) fn forget_answers(&mut self) {
        self.answers = HashMap::new();
    }

    fn within_limit(&self, residual: Residual) -> Result<(), Limit> {
        let literals = self.entries.get(residual as usize).map_or(0, |entry| entry.literals);
        if literals > MAX_LITERALS { Err(Limit) } else { Ok(()) }
    }

    fn pass(&mut self, residual: Residual, now_ms: u64, missed: &mut Option<Missed>) -> Residual {
        // Where there is no window, time changes nothing.
        let Some(entry) = self.entries.get(residual as usize).filter(|entry| entry.to != u64::MAX) else {
            return residual;
        };
        match entry.term.clone() {
            Term::Window(window) if window.to < now_ms => missing(window, missed),
            Term::Window(window) => self.window(window, now_ms),
            Term::And(parts) => {
                let parts = parts.iter().map(|part| self.pass(*part, now_ms, missed)).collect();
                self.join(parts, true)
            }
            Term::Or(parts) => {
                let parts = parts.iter().map(|part| self.pass(*part, now_ms, missed)).collect();
                self.join(parts, false)
            }
            Term::Const(_) | Term::Start | Term::Promise { .. } => residual,
        }
    }

    fn progress(&mut self, residual: Residual, step: &mut Step) -> Residual {
        let Some(entry) = self.entries.get(residual as usize) else { return residual };
        match entry.term.clone() {
            Term::Const(_) => residual,
            Term::Start => self.worth(self.program.root(), true, step),
            Term::Promise { node, holds } => match self.program.node(node) {
                Node::Next(a) => self.worth(a, holds, step),
                _ => self.worth(node, holds, step),
            },
            Term::Window(window) => self.progress_window(window, step),
            Term::And(parts) => {
                let parts = parts.iter().map(|part| self.progress(*part, step)).collect();
                self.join(parts, true)
            }
            Term::Or(parts) => {
                let parts = parts.iter().map(|part| self.progress(*part, step)).collect();
                self.join(parts, false)
            }
        }
    }

    /// What it takes that a node holds, or does not hold, at this step. Recursion is as deep as the formula.
    fn worth(&mut self, id: Id, holds: bool, step: &mut Step) -> Residual {
        if let Some(worth) = step.worths.get(&(id, holds)) {
            return *worth;
        }
        let worth = match self.program.node(id) {
            Node::Const(value) => Residual::from(value == holds),
            Node::Letter(number) => Residual::from((step.letter >> number & 1 == 1) == holds),
            Node::Not(a) => self.worth(a, !holds, step),
            Node::And(a, b) => self.two(a, b, holds, holds, step),
            Node::Or(a, b) => self.two(a, b, holds, !holds, step),
            Node::Iff(a, b) => {
                let both = self.worth(a, true, step);
                let both = if both == FALSE {
                    FALSE
                } else {
                    let b = self.worth(b, holds, step);
                    self.join(vec![both, b], true)
                };
                let neither = self.worth(a, false, step);
                let neither = if neither == FALSE {
                    FALSE
                } else {
                    let b = self.worth(b, !holds, step);
                    self.join(vec![neither, b], true)
                };
                self.join(vec![both, neither], false)
            }
            Node::Next(_) => self.intern(Term::Promise { node: id, holds }),
            Node::Until(None, a, b) => {
                let promise = self.intern(Term::Promise { node: id, holds });
                self.until(a, b, holds, true, promise, step)
            }
            Node::Until(Some(bound), ..) => {
                // The answer has points in time in it, so it holds for this step only.
                step.valid = 0;
                let window = met(bound, id, holds, step);
                self.progress_window(window, step)
            }
            // Past operators are letters here.
            Node::Yesterday(_) | Node::Since(..) => FALSE,
        };
        step.worths.insert((id, holds), worth);
        worth
    }

    fn two(&mut self, a: Id, b: Id, holds: bool, both: bool, step: &mut Step) -> Residual {
        let first = self.worth(a, holds, step);
        if first == Residual::from(!both) {
            return first;
        }
        let second = self.worth(b, holds, step);
        self.join(vec![first, second], both)
    }

    /// `b`, or `a` and what remains; or the negation of that.
    fn until(
        &mut self,
        a: Id,
        b: Id,
        holds: bool,
        inside: bool,
        remains: Residual,
        step: &mut Step,
    ) -> Residual {
        let fulfilled = if inside { self.worth(b, holds, step) } else { Residual::from(!holds) };
        if fulfilled == Residual::from(holds) {
            return fulfilled;
        }
        let kept = self.worth(a, holds, step);
        let later = self.join(vec![kept, remains], holds);
        self.join(vec![fulfilled, later], !holds)
    }

    fn progress_window(&mut self, window: Window, step: &mut Step) -> Residual {
        if step.t_ms > window.to {
            return missing(window, &mut step.missed);
        }
        let inside = step.t_ms >= window.from;
        step.valid = step.valid.min(if inside { window.to } else { window.from - 1 });
        let Node::Until(_, a, b) = self.program.node(window.node) else { return FALSE };
        let remains = self.window(window, step.t_ms);
        let result = self.until(a, b, window.holds, inside, remains, step);
        if result == FALSE {
            note(&mut step.missed, Missed { origin: window.origin, by_event: true });
        }
        result
    }

    fn window(&mut self, window: Window, now_ms: u64) -> Residual {
        let from = if window.from <= now_ms { 0 } else { window.from };
        self.intern(Term::Window(Window { from, ..window }))
    }

    /// A conjunction, or a disjunction, without what is implied by the rest.
    fn join(&mut self, parts: Vec<Residual>, all: bool) -> Residual {
        let (neutral, decisive) = (Residual::from(all), Residual::from(!all));
        let mut flat: Vec<Residual> = Vec::with_capacity(parts.len());
        let mut windows: Vec<Window> = Vec::new();
        for part in parts {
            match self.entries.get(part as usize).map(|entry| &entry.term) {
                _ if part == decisive => return decisive,
                _ if part == neutral => {}
                Some(Term::And(inner)) if all => self.sort_out(inner, &mut flat, &mut windows),
                Some(Term::Or(inner)) if !all => self.sort_out(inner, &mut flat, &mut windows),
                _ => self.sort_out(&[part], &mut flat, &mut windows),
            }
        }
        for window in strongest(windows, all) {
            flat.push(self.intern(Term::Window(window)));
        }
        flat.sort_unstable();
        flat.dedup();
        if self.contradicts(&flat) {
            return decisive;
        }
        self.absorb(&mut flat, all);
        match flat.as_slice() {
            [] => neutral,
            [one] => *one,
            _ if all => self.intern(Term::And(flat.into())),
            _ => self.intern(Term::Or(flat.into())),
        }
    }

    fn sort_out(&self, parts: &[Residual], flat: &mut Vec<Residual>, windows: &mut Vec<Window>) {
        for part in parts {
            match self.entries.get(*part as usize).map(|entry| &entry.term) {
                Some(Term::Window(window)) => windows.push(*window),
                _ => flat.push(*part),
            }
        }
    }

    /// Whether a promise is among the parts with its opposite.
    fn contradicts(&self, parts: &[Residual]) -> bool {
        parts.iter().any(|part| match self.entries.get(*part as usize).map(|entry| &entry.term) {
            Some(Term::Promise { node, holds }) => {
                let opposite = self.known.get(&Term::Promise { node: *node, holds: !holds });
                opposite.is_some_and(|opposite| parts.binary_search(opposite).is_ok())
            }
            _ => false,
        })
    }

    /// `x & (x | y)` is `x`, `x | (x & y)` too.
    fn absorb(&self, parts: &mut Vec<Residual>, all: bool) {
        let whole = parts.clone();
        parts.retain(|part| match self.entries.get(*part as usize).map(|entry| &entry.term) {
            Some(Term::Or(inner)) if all => !inner.iter().any(|inner| whole.binary_search(inner).is_ok()),
            Some(Term::And(inner)) if !all => !inner.iter().any(|inner| whole.binary_search(inner).is_ok()),
            _ => true,
        });
    }

    fn intern(&mut self, term: Term) -> Residual {
        if let Some(known) = self.known.get(&term) {
            return *known;
        }
        let entry = self.entry(&term);
        let new = self.entries.len() as Residual;
        self.entries.push(entry);
        self.known.insert(term, new);
        new
    }

    fn entry(&self, term: &Term) -> Entry {
        let (presumed, to, origin, literals) = match term {
            Term::Const(value) => (*value, u64::MAX, u64::MAX, 0),
            Term::Start => (holds_nowhere(&self.program), u64::MAX, u64::MAX, 1),
            Term::Promise { holds, .. } => (!holds, u64::MAX, u64::MAX, 1),
            Term::Window(window) => (!window.holds, window.to, window.origin, 1),
            Term::And(parts) | Term::Or(parts) => {
                let parts = || parts.iter().filter_map(|part| self.entries.get(*part as usize));
                let presumed = match term {
                    Term::And(_) => parts().all(|part| part.presumed),
                    _ => parts().any(|part| part.presumed),
                };
                let to = parts().map(|part| part.to).min().unwrap_or(u64::MAX);
                let origin = parts().map(|part| part.origin).min().unwrap_or(u64::MAX);
                // What is shared counts each time, as it will be visited each time.
                let literals = parts().fold(0, |sum: usize, part| sum.saturating_add(part.literals));
                (presumed, to, origin, literals)
            }
        };
        Entry { term: term.clone(), presumed, to, origin, literals }
    }

    /// Whether [`compact`](Self::compact) should be called.
    pub(crate) fn is_crowded(&self) -> bool {
        self.entries.len() > MAX_TERMS
    }

    /// The windows of a residual, each once; false if there are more than `most` or one is not open yet.
    pub(crate) fn open_windows(&self, residual: Residual, most: usize, windows: &mut Vec<Window>) -> bool {
        match self.entries.get(residual as usize) {
            Some(entry) if entry.to == u64::MAX => true,
            Some(Entry { term: Term::Window(window), .. }) => {
                if !windows.contains(window) {
                    windows.push(*window);
                }
                window.from == 0 && windows.len() <= most
            }
            Some(Entry { term: Term::And(parts) | Term::Or(parts), .. }) => {
                parts.iter().all(|part| self.open_windows(*part, most, windows))
            }
            _ => true,
        }
    }

    /// The same with the places of its windows among `windows` instead of them.
    pub(crate) fn emptied(&mut self, residual: Residual, windows: &[Window]) -> Residual {
        let place = |window: &Window| {
            let place = windows.iter().position(|known| known == window).unwrap_or(0) as u64;
            Window { to: place, origin: 0, ..*window }
        };
        self.replaced(residual, &place)
    }

    /// The opposite of [`emptied`](Self::emptied).
    pub(crate) fn filled(&mut self, residual: Residual, windows: &[Window]) -> Residual {
        if windows.is_empty() {
            return residual;
        }
        let window = |place: &Window| windows.get(place.to as usize).copied().unwrap_or(*place);
        self.replaced(residual, &window)
    }

    fn replaced(&mut self, residual: Residual, with: &dyn Fn(&Window) -> Window) -> Residual {
        let Some(entry) = self.entries.get(residual as usize).filter(|entry| entry.to != u64::MAX) else {
            return residual;
        };
        let term = match entry.term.clone() {
            Term::Window(window) => Term::Window(with(&window)),
            Term::And(parts) => Term::And(self.all_replaced(&parts, with)),
            Term::Or(parts) => Term::Or(self.all_replaced(&parts, with)),
            other => other,
        };
        self.intern(term)
    }

    fn all_replaced(&mut self, parts: &[Residual], with: &dyn Fn(&Window) -> Window) -> Box<[Residual]> {
        let mut parts: Vec<Residual> = parts.iter().map(|part| self.replaced(*part, with)).collect();
        parts.sort_unstable();
        parts.into()
    }

    /// The open window of the same operator that begins with a step.
    pub(crate) fn begun(&self, window: Window, t_ms: u64, index: u64) -> Window {
        let hi = match self.program.node(window.node) {
            Node::Until(Some(bound), ..) => bound.hi_ms(),
            _ => u64::MAX,
        };
        Window { from: 0, to: t_ms.saturating_add(hi), origin: index, ..window }
    }

    #[cfg(test)]
    pub(crate) fn size(&self) -> usize {
        self.entries.len()
    }

    /// Throws away what the residuals do not need, and gives them their new numbers.
    pub(crate) fn compact<'a>(&mut self, residuals: impl Iterator<Item = &'a mut Residual>) {
        let old = std::mem::replace(self, Self::new(&self.program));
        let mut moved = HashMap::new();
        for residual in residuals {
            *residual = self.copy(&old, *residual, &mut moved);
        }
    }

    fn copy(&mut self, old: &Self, residual: Residual, moved: &mut HashMap<Residual, Residual>) -> Residual {
        if let Some(new) = moved.get(&residual) {
            return *new;
        }
        let Some(entry) = old.entries.get(residual as usize) else { return FALSE };
        let mut copied = |parts: &[Residual]| {
            let mut parts: Vec<Residual> = parts.iter().map(|part| self.copy(old, *part, moved)).collect();
            parts.sort_unstable();
            parts.into_boxed_slice()
        };
        let term = match &entry.term {
            Term::And(parts) => Term::And(copied(parts)),
            Term::Or(parts) => Term::Or(copied(parts)),
            other => other.clone(),
        };
        let new = self.intern(term);
        moved.insert(residual, new);
        new
    }
}

fn met(bound: Interval, node: Id, holds: bool, step: &Step) -> Window {
    Window {
        node,
        holds,
        from: step.t_ms.saturating_add(bound.lo_ms()),
        to: step.t_ms.saturating_add(bound.hi_ms()),
        origin: step.index,
    }
}

fn note(missed: &mut Option<Missed>, new: Missed) {
    *missed = Some(missed.map_or(new, |first| first.min(new)));
}

/// The window has passed: nothing has fulfilled it.
fn missing(window: Window, missed: &mut Option<Missed>) -> Residual {
    if window.holds {
        note(missed, Missed { origin: window.origin, by_event: false });
    }
    Residual::from(!window.holds)
}

/// Of the windows of one operator those that do not follow from (in a conjunction) or imply (in a disjunction) another.
/// To be fulfilled within a window follows from being fulfilled within a part of it; not to be is the other way round.
fn strongest(mut windows: Vec<Window>, all: bool) -> Vec<Window> {
    if windows.len() < 2 {
        return windows;
    }
    let narrow = |window: &Window| window.holds == all;
    windows.sort_unstable_by(|a, b| {
        let key = |window: &Window| (window.node, window.holds);
        let inner = || a.from.cmp(&b.from).reverse().then(a.to.cmp(&b.to));
        let nested = if narrow(a) { inner() } else { inner().reverse() };
        key(a).cmp(&key(b)).then(nested).then(a.origin.cmp(&b.origin))
    });
    let mut kept: Vec<Window> = Vec::with_capacity(windows.len());
    for window in windows {
        let follows = kept.last().is_some_and(|last| {
            let same = (last.node, last.holds) == (window.node, window.holds);
            same && if narrow(&window) { last.to <= window.to } else { last.to >= window.to }
        });
        if !follows {
            kept.push(window);
        }
    }
    kept
}
