//! Formulas and traces at random, and their meaning written down as the textbooks do, without any thought of speed.
#![allow(dead_code, reason = "no test uses everything")]

use aimds_temporal::{Binary, Formula, Interval, Trace, Unary};

/// xorshift64*, so that a seed means the same everywhere.
pub struct Random(pub u64);

impl Random {
    pub fn below(&mut self, end: u64) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 33) % end
    }
}

/// What a random formula may have.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Untimed,
    /// Bounds on any operator, but no past operator over a future one.
    Timed,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Operators {
    All,
    Past,
}

pub const PROPOSITIONS: [&str; 3] = ["p", "q", "r"];

pub fn formula(random: &mut Random, kind: Kind, nodes: usize) -> Formula {
    grow(random, kind, Operators::All, nodes)
}

fn grow(random: &mut Random, kind: Kind, operators: Operators, nodes: usize) -> Formula {
    if nodes <= 1 {
        return match random.below(12) {
            0 => Formula::True,
            1 => Formula::False,
            nth => Formula::atom(PROPOSITIONS[nth as usize % 3]),
        };
    }
    let bound = |random: &mut Random| {
        (kind == Kind::Timed && random.below(2) == 0).then(|| {
            let lo = [0, 0, 0, 1, 2, 5][random.below(6) as usize];
            Interval::new(lo, lo + random.below(6)).unwrap()
        })
    };
    let past_inside = |past: bool| {
        if past && kind == Kind::Timed { Operators::Past } else { operators }
    };
    if nodes == 2 || random.below(2) == 0 {
        let past = operators == Operators::Past || random.below(3) == 0;
        let operator = match (past, random.below(6)) {
            (_, 0) => Unary::Not,
            (true, 1) => Unary::Yesterday,
            (true, 2) => Unary::WeakYesterday,
            (true, 3) => Unary::Historically(bound(random)),
            (true, _) => Unary::Once(bound(random)),
            (false, 1) => Unary::Next,
            (false, 2) => Unary::WeakNext,
            (false, 3) => Unary::Globally(bound(random)),
            (false, _) => Unary::Finally(bound(random)),
        };
        return Formula::unary(operator, grow(random, kind, past_inside(past), nodes - 1));
    }
    let future = operators == Operators::All;
    let operator = match random.below(9) {
        0 => Binary::And,
        1 => Binary::Or,
        2 => Binary::Implies,
        3 => Binary::Iff,
        4 if future => Binary::Until(bound(random)),
        5 if future => Binary::Release,
        6 if future => Binary::WeakUntil,
        7 => Binary::Since(bound(random)),
        _ => Binary::And,
    };
    let operators = past_inside(matches!(operator, Binary::Since(_)));
    let left = 1 + random.below(nodes as u64 - 2) as usize;
    Formula::binary(
        operator,
        grow(random, kind, operators, left),
        grow(random, kind, operators, nodes - 1 - left),
    )
}

/// Steps as times and sets of propositions (bits).
pub type Steps = Vec<(u64, u8)>;

pub fn steps(random: &mut Random, most: u64) -> Steps {
    let mut time = random.below(3);
    (0..random.below(most + 1))
        .map(|_| {
            time += [0, 1, 1, 2, 3, 7][random.below(6) as usize];
            (time, random.below(8) as u8)
        })
        .collect()
}

pub fn names(bits: u8) -> Vec<&'static str> {
    (0..3).filter(|bit| bits >> bit & 1 == 1).map(|bit| PROPOSITIONS[bit]).collect()
}

pub fn trace(steps: &[(u64, u8)]) -> Trace {
    Trace::from_steps(steps.iter().map(|(time, bits)| (*time, names(*bits)))).unwrap()
}

fn happens(name: &str, bits: u8) -> bool {
    PROPOSITIONS.iter().position(|known| *known == name).is_some_and(|bit| bits >> bit & 1 == 1)
}

/// Whether the formula holds at step `i` of a complete trace (De Giacomo and Vardi, with past and time bounds). With `i` at
/// the end of the trace there is no such step.
pub fn holds(formula: &Formula, steps: &[(u64, u8)], i: usize) -> bool {
    let n = steps.len();
    let inside = |bound: Option<Interval>, j: usize| {
        bound.is_none_or(|bound| bound.contains(steps[i].0.abs_diff(steps[j].0)))
    };
    let past = || 0..if i < n { i + 1 } else { 0 };
    match formula {
        Formula::True => true,
        Formula::False => false,
        Formula::Atom(atom) => i < n && happens(&atom.name, steps[i].1),
        Formula::Unary(operator, a) => {
            let a = |j: usize| holds(a, steps, j);
            match operator {
                Unary::Not => !a(i),
                Unary::Next => i + 1 < n && a(i + 1),
                Unary::WeakNext => i + 1 >= n || a(i + 1),
                Unary::Finally(bound) => (i..n).any(|j| inside(*bound, j) && a(j)),
                Unary::Globally(bound) => (i..n).all(|j| !inside(*bound, j) || a(j)),
                Unary::Yesterday => i > 0 && a(i - 1),
                Unary::WeakYesterday => i == 0 || a(i - 1),
                Unary::Once(bound) => past().any(|j| inside(*bound, j) && a(j)),
                Unary::Historically(bound) => past().all(|j| !inside(*bound, j) || a(j)),
            }
        }
        Formula::Binary(operator, a, b) => {
            let a = |j: usize| holds(a, steps, j);
            let b = |j: usize| holds(b, steps, j);
            match operator {
                Binary::And => a(i) && b(i),
                Binary::Or => a(i) || b(i),
                Binary::Implies => !a(i) || b(i),
                Binary::Iff => a(i) == b(i),
                Binary::Until(bound) => (i..n).any(|j| inside(*bound, j) && b(j) && (i..j).all(a)),
                Binary::Release => (i..n).all(|j| b(j) || (i..j).any(a)),
                Binary::WeakUntil => (i..n).any(|j| b(j) && (i..j).all(a)) || (i..n).all(a),
                Binary::Since(bound) => past().any(|j| inside(*bound, j) && b(j) && (j + 1..=i).all(a)),
            }
        }
    }
}

fn not(a: Option<bool>) -> Option<bool> {
    a.map(|a| !a)
}

fn any(values: impl Iterator<Item = Option<bool>>) -> Option<bool> {
    let mut result = Some(false);
    for value in values {
        match value {
            Some(true) => return Some(true),
            Some(false) => {}
            None => result = None,
        }
    }
    result
}

fn all(values: impl Iterator<Item = Option<bool>>) -> Option<bool> {
    not(any(values.map(not)))
}

/// What is certain at step `i` of a trace that may go on at or after `now`: in Kleene's logic, where a step that may come
/// is unknown and a window that has passed has none.
pub fn certain(formula: &Formula, steps: &[(u64, u8)], now: u64, i: usize) -> Option<bool> {
    let n = steps.len();
    let at = |f: &Formula, j: usize| certain(f, steps, now, j);
    let inside = |bound: Option<Interval>, j: usize| {
        bound.is_none_or(|bound| bound.contains(steps[i].0.abs_diff(steps[j].0)))
    };
    // A later step inside of the bound may come.
    let more = |bound: Option<Interval>| bound.is_none_or(|bound| steps[i].0 + bound.hi_ms() >= now);
    if i >= n {
        return None;
    }
    let until = |bound: Option<Interval>, a: &Formula, b: &Formula| {
        let seen = (i..n).filter(|j| inside(bound, *j));
        let seen = seen.map(|j| all([at(b, j)].into_iter().chain((i..j).map(|k| at(a, k)))));
        let later = more(bound).then(|| all((i..n).map(|k| at(a, k)).chain([None])));
        any(seen.chain(later))
    };
    let since = |bound: Option<Interval>, a: &Formula, b: &Formula| {
        let seen = (0..=i).filter(|j| inside(bound, *j));
        any(seen.map(|j| all([at(b, j)].into_iter().chain((j + 1..=i).map(|k| at(a, k))))))
    };
    let negated = |f: &Formula| !f.clone();
    match formula {
        Formula::True => Some(true),
        Formula::False => Some(false),
        Formula::Atom(atom) => Some(happens(&atom.name, steps[i].1)),
        Formula::Unary(operator, a) => match operator {
            Unary::Not => not(at(a, i)),
            Unary::Next | Unary::WeakNext => {
                if i + 1 < n {
                    at(a, i + 1)
                } else {
                    at(a, n)
                }
            }
            Unary::Finally(bound) => until(*bound, &Formula::True, a),
            Unary::Globally(bound) => not(until(*bound, &Formula::True, &negated(a))),
            Unary::Yesterday => {
                if i == 0 {
                    Some(false)
                } else {
                    at(a, i - 1)
                }
            }
            Unary::WeakYesterday => {
                if i == 0 {
                    Some(true)
                } else {
                    at(a, i - 1)
                }
            }
            Unary::Once(bound) => since(*bound, &Formula::True, a),
            Unary::Historically(bound) => not(since(*bound, &Formula::True, &negated(a))),
        },
        Formula::Binary(operator, a, b) => match operator {
            Binary::And => all([at(a, i), at(b, i)].into_iter()),
            Binary::Or => any([at(a, i), at(b, i)].into_iter()),
            Binary::Implies => any([not(at(a, i)), at(b, i)].into_iter()),
            Binary::Iff => at(a, i).zip(at(b, i)).map(|(a, b)| a == b),
            Binary::Until(bound) => until(*bound, a, b),
            Binary::Release => not(until(None, &negated(a), &negated(b))),
            Binary::WeakUntil => {
                let either = Formula::clone(a) | Formula::clone(b);
                not(until(None, &negated(b), &negated(&either)))
            }
            Binary::Since(bound) => since(*bound, a, b),
        },
    }
}

/// Whether the formula, which has no time bound, holds at the first step of the infinite trace `stem · cycle^ω`.
///
/// The cycle is written out so often that every past operator has become periodic; then each `U` is a least fixed point.
pub fn holds_forever(formula: &Formula, stem: &[u8], cycle: &[u8]) -> bool {
    let copies = 2 * formula.nodes() + 2;
    let letters: Vec<u8> =
        stem.iter().copied().chain(cycle.iter().copied().cycle().take(copies * cycle.len())).collect();
    values(formula, &letters, letters.len() - cycle.len())[0]
}

/// The truth at every step; after the last one comes `back`.
fn values(formula: &Formula, letters: &[u8], back: usize) -> Vec<bool> {
    let n = letters.len();
    let next = |i: usize| if i + 1 < n { i + 1 } else { back };
    let of = |f: &Formula| values(f, letters, back);
    let until = |a: &[bool], b: &[bool]| {
        let mut row = vec![false; n];
        for _ in 0..=n {
            for i in (0..n).rev() {
                row[i] = b[i] || (a[i] && row[next(i)]);
            }
        }
        row
    };
    let since = |a: &[bool], b: &[bool]| {
        let mut row = vec![false; n];
        for i in 0..n {
            row[i] = b[i] || (a[i] && i > 0 && row[i - 1]);
        }
        row
    };
    let flip = |row: Vec<bool>| -> Vec<bool> { row.into_iter().map(|value| !value).collect() };
    let always = vec![true; n];
    match formula {
        Formula::True => always,
        Formula::False => vec![false; n],
        Formula::Atom(atom) => letters.iter().map(|bits| happens(&atom.name, *bits)).collect(),
        Formula::Unary(operator, a) => {
            let a = of(a);
            match operator {
                Unary::Not => flip(a),
                Unary::Next | Unary::WeakNext => (0..n).map(|i| a[next(i)]).collect(),
                Unary::Finally(_) => until(&always, &a),
                Unary::Globally(_) => flip(until(&always, &flip(a))),
                Unary::Yesterday => (0..n).map(|i| i > 0 && a[i - 1]).collect(),
                Unary::WeakYesterday => (0..n).map(|i| i == 0 || a[i - 1]).collect(),
                Unary::Once(_) => since(&always, &a),
                Unary::Historically(_) => flip(since(&always, &flip(a))),
            }
        }
        Formula::Binary(operator, a, b) => {
            let (a, b) = (of(a), of(b));
            let join = |join: fn(bool, bool) -> bool| a.iter().zip(&b).map(|(a, b)| join(*a, *b)).collect();
            match operator {
                Binary::And => join(|a, b| a && b),
                Binary::Or => join(|a, b| a || b),
                Binary::Implies => join(|a, b| !a || b),
                Binary::Iff => join(|a, b| a == b),
                Binary::Until(_) => until(&a, &b),
                Binary::Release => flip(until(&flip(a), &flip(b))),
                Binary::WeakUntil => {
                    let forever = flip(until(&always, &flip(a.clone())));
                    until(&a, &b).into_iter().zip(forever).map(|(until, forever)| until || forever).collect()
                }
                Binary::Since(_) => since(&a, &b),
            }
        }
    }
}
