//! What the measurements of the engines have in common: which cases are wanted, how often each runs, who is told.

use serde::Serialize;

use crate::case::{Case, Unit};

/// What to measure, and how.
pub struct Bench<'a> {
    /// Where what is random in the workloads comes from.
    pub seed: u64,
    /// Runs of each case.
    pub runs: usize,
    /// Only the cases whose name contains this.
    pub only: Option<&'a str>,
    /// Is told of each case before it is measured.
    pub told: &'a mut dyn FnMut(&str),
}

impl Bench<'_> {
    pub(crate) fn wants(&self, case: &str) -> bool {
        self.only.is_none_or(|part| case.contains(part))
    }

    /// Whether the case is wanted; it is about to be measured.
    pub(crate) fn begins(&mut self, case: &str) -> bool {
        let wanted = self.wants(case);
        if wanted {
            (self.told)(case);
        }
        wanted
    }

    /// Measures a case if it is wanted.
    pub(crate) fn time<T>(
        &mut self,
        case: impl Into<String>,
        unit: Unit,
        operation: impl FnMut() -> T,
    ) -> Option<Case> {
        let case = case.into();
        self.begins(&case).then(|| Case::time(case, unit, self.runs, operation))
    }
}

/// What was measured.
#[derive(Clone, Debug, Serialize)]
pub struct Report {
    /// Of what: `temporal`, `scheduler`, `attractor`, `sequence`, `learn`, `graph`.
    pub bench: &'static str,
    /// The version of what was measured.
    pub version: &'static str,
    /// The seed of the workloads.
    pub seed: u64,
    /// By case.
    pub cases: Vec<Case>,
    /// Cases that rivals have results for, but we have not.
    pub unmatched: Vec<String>,
}

impl Report {
    /// A report without rivals from elsewhere.
    #[must_use]
    pub fn new(bench: &'static str, seed: u64, cases: Vec<Case>) -> Self {
        Self { bench, version: env!("CARGO_PKG_VERSION"), seed, cases, unmatched: Vec::new() }
    }
}
