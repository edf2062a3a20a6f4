//! What is known of a trace that may go on.

/// The verdict over a trace that may go on: RV-LTL (Bauer, Leucker and Schallhart, 2010).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Verdict {
    /// Every continuation satisfies the formula.
    True,
    /// Every continuation violates it.
    False,
    /// Undecided; it would hold if the trace ended here.
    PresumablyTrue,
    /// Undecided; it would not hold if the trace ended here.
    PresumablyFalse,
    /// The monitor has reached its limit of memory and knows no more. Treat it as [`False`](Self::False).
    LimitReached,
}

impl Verdict {
    /// Whether no continuation can change it.
    pub fn is_definite(self) -> bool {
        matches!(self, Verdict::True | Verdict::False)
    }

    /// The verdict over a conjunction of formulas, from their verdicts.
    pub(crate) fn and(self, other: Self) -> Self {
        let rank = |verdict| match verdict {
            Verdict::False => 4,
            Verdict::LimitReached => 3,
            Verdict::PresumablyFalse => 2,
            Verdict::PresumablyTrue => 1,
            Verdict::True => 0,
        };
        if rank(self) >= rank(other) { self } else { other }
    }
}
