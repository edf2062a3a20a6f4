//! The specification patterns of Dwyer, Avrunin and Corbett (ICSE 1999) as formulas.

use crate::formula::{Binary, Formula, Unary};

/// The most occurrences that a bounded existence counts.
pub const MAX_OCCURRENCES: usize = 32;

/// What shall hold. Written `@absence(p)`, `@existence(p)`, `@bounded_existence(p, 2)`, `@universality(p)`,
/// `@precedence(s, p)`, `@response(p, s)`, and a [`Scope`] after it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Pattern {
    /// P never holds.
    Absence(Formula),
    /// P holds at some step.
    Existence(Formula),
    /// P holds during at most so many separate stretches of steps (0 is absence).
    BoundedExistence(Formula, usize),
    /// P holds at every step.
    Universality(Formula),
    /// The first one, S, holds before the second one, P, or at the same step: S enables P.
    Precedence(Formula, Formula),
    /// Whenever the first one, P, holds, the second one, S, holds then or later.
    Response(Formula, Formula),
}

/// Which steps the pattern speaks of. Written after it: `globally` (or nothing), `before r`, `after q`,
/// `between q and r`, `after q until r`. A scope begins with the step at which `q` holds and ends before the one at which
/// `r` holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Scope {
    /// All.
    Globally,
    /// Those before the first R; if there is no R, the pattern holds.
    Before(Formula),
    /// Those from the first Q.
    After(Formula),
    /// Those from a Q to the next R; a Q that no R follows begins none.
    Between(Formula, Formula),
    /// As between, but a Q that no R follows begins one that lasts to the end.
    AfterUntil(Formula, Formula),
}

fn always(a: Formula) -> Formula {
    Formula::unary(Unary::Globally(None), a)
}

fn finally(a: Formula) -> Formula {
    Formula::unary(Unary::Finally(None), a)
}

fn implies(a: Formula, b: Formula) -> Formula {
    Formula::binary(Binary::Implies, a, b)
}

fn until(a: Formula, b: Formula) -> Formula {
    Formula::binary(Binary::Until(None), a, b)
}

fn weak(a: Formula, b: Formula) -> Formula {
    Formula::binary(Binary::WeakUntil, a, b)
}

impl Pattern {
    /// The formula.
    ///
    /// ```
    /// use aimds_temporal::{Formula, Pattern, Scope};
    ///
    /// let (p, s) = (Formula::atom("question"), Formula::atom("answer"));
    /// let formula = Pattern::Response(p, s).within(&Scope::Before(Formula::atom("end")));
    /// assert_eq!(formula.to_string(), "F end -> (question -> !end U (answer & !end)) U end");
    /// assert_eq!(Formula::parse("@response(question, answer) before end")?, formula);
    /// # Ok::<(), aimds_temporal::ParseError>(())
    /// ```
    pub fn within(&self, scope: &Scope) -> Formula {
        match scope {
            Scope::Globally => self.globally(),
            Scope::Before(r) => implies(finally(r.clone()), self.up_to(r, until)),
            Scope::After(q) => self.after(q),
            Scope::Between(q, r) => {
                always(implies(q.clone() & !r.clone() & finally(r.clone()), self.up_to(r, until)))
            }
            Scope::AfterUntil(q, r) => always(implies(q.clone() & !r.clone(), self.up_to(r, weak))),
        }
    }

    fn globally(&self) -> Formula {
        match self.clone() {
            Pattern::Absence(p) => always(!p),
            Pattern::Existence(p) => finally(p),
            Pattern::BoundedExistence(p, times) => {
                let none_left = always(!p.clone());
                (0..times).fold(none_left, |rest, _| weak(!p.clone(), weak(p.clone(), rest)))
            }
            Pattern::Universality(p) => always(p),
            Pattern::Precedence(s, p) => weak(!p, s),
            Pattern::Response(p, s) => always(implies(p, finally(s))),
        }
    }

    fn after(&self, q: &Formula) -> Formula {
        match self {
            // What holds at every step may begin anew with each Q.
            Pattern::Absence(_) | Pattern::Universality(_) | Pattern::Response(..) => {
                always(implies(q.clone(), self.globally()))
            }
            _ => weak(!q.clone(), q.clone() & self.globally()),
        }
    }

    /// At the steps from now to before the first R. `ends` says whether there must be an R: `U`, or `W`.
    fn up_to(&self, r: &Formula, ends: fn(Formula, Formula) -> Formula) -> Formula {
        let before = |p: Formula| p & !r.clone();
        match self.clone() {
            Pattern::Absence(p) => ends(!p, r.clone()),
            Pattern::Existence(p) => until(!r.clone(), before(p)),
            Pattern::BoundedExistence(p, times) => {
                let none_left = ends(!p.clone(), r.clone());
                (0..times).fold(none_left, |rest, _| {
                    let during = ends(before(p.clone()), r.clone() | rest);
                    ends(before(!p.clone()), r.clone() | during)
                })
            }
            Pattern::Universality(p) => ends(p, r.clone()),
            Pattern::Precedence(s, p) => ends(!p, s | r.clone()),
            Pattern::Response(p, s) => ends(implies(p, until(!r.clone(), before(s))), r.clone()),
        }
    }
}
