//! Proofs: an answer of the model checker together with all that is needed to check it.
//!
//! This module is the part that has to be trusted, besides the parser of formulas and the reader of models. It shares no code
//! with the search: it has its own list of subformulas (`subformulas`), its own evaluation on runs (`word`) and its own
//! rules for what a step demands (`coverage`). Where the rules look like those of the search, that is on purpose: were they
//! shared, a mistake in them would pass unseen.
//!
//! # A violation
//!
//! The lasso begins in an initial state, every step is a transition of the model, and the formula, evaluated directly on this
//! one run, is false at its first state. That is the definition; nothing else needs to be believed.
//!
//! # A formula that holds
//!
//! A *place* is a state of the model with *claims*, subformulas that hold or fail from here on. The checker verifies:
//!
//! 1. *Start.* For every initial state there is a place whose one claim is that the formula fails.
//! 2. *Steps.* For every place, the checker lists by the local rules of the operators the ways to make the claims true. Each
//!    way leaves claims for the next step, and puts off some eventualities (`φ U ψ` that waits for its `ψ`). For each way and
//!    each successor of the state there is a place with this successor and these claims.
//! 3. *Ranks.* Places have numbers, those of their component. The step just named leads to a smaller number, or to the same
//!    number and puts off the one eventuality that is written down for the component.
//!
//! Why this is enough: suppose that a run violated the formula. Begin at the place of its first state from 1; its claims are
//! true of the run. From a place whose claims are true of the rest of the run, take the way that is true of the run and puts
//! off no eventuality that is fulfilled now. The claims that it leaves are true one step later, so that the argument goes on
//! from the place that 2 promises, for ever. Numbers cannot become smaller for ever, so from some step on they stay the same,
//! and by 3 one eventuality is put off at every step. The way taken puts an eventuality off only while it is claimed,
//! therefore true, and not yet fulfilled; but a true eventuality is fulfilled after finitely many steps, and at that step it
//! is not put off. Contradiction.
//!
//! Three details of 2 are part of the argument. A way that claims a subformula both to hold and to fail is dropped: it is never
//! true of a run. A way that leaves all that another way leaves and puts off all that it puts off is dropped: if it is the
//! one to take, the other can be taken in its place. Operators of the past are not claimed but computed, from the state and
//! what is remembered of the step before; a subformula of the future that they depend on is tried both ways, each with the
//! claim that it is so, and one of the two is true of the run.

mod coverage;
mod subformulas;
mod word;

use serde::{Deserialize, Serialize};

use self::subformulas::Subformulas;
use super::certificate::Certificate;
use super::kripke::{KripkeStructure, StateId};
use super::{Lasso, Outcome};
use crate::Formula;

/// The version of the format.
const FORMAT: &str = "aimds-model-proof/1";

/// A formula to be evaluated on single runs.
pub(super) struct Evaluation<'a>(Subformulas<'a>);

impl<'a> Evaluation<'a> {
    /// The formula has no more nodes, and is no deeper, than what is parsed.
    pub(super) fn new(formula: &'a Formula) -> Self {
        Self(Subformulas::new(formula))
    }

    /// Whether the formula holds on the run through `states` and then from number `back` on for ever; `None` if that takes
    /// too long.
    pub(super) fn holds(&self, model: &KripkeStructure, states: &[StateId], back: usize) -> Option<bool> {
        word::holds(model, &self.0, states, back)
    }
}

/// A model, a formula, and evidence that the formula holds on all of the model's runs or fails on one.
///
/// ```
/// use aimds_temporal::Formula;
/// use aimds_temporal::model::{KripkeStructure, Limits, Proof, check};
///
/// let model = KripkeStructure::builder()
///     .state("open", ["request"], ["done"])
///     .state("done", ["answer"], ["done"])
///     .initial("open")
///     .build()?;
/// let formula = Formula::parse("G (request -> F answer)")?;
/// let outcome = check(&model, &formula, &Limits::default())?;
/// let proof = Proof::new(&model, &formula, outcome).ok_or("no answer within the limits")?;
/// let received = Proof::from_json(&proof.to_json())?;
/// received.verify()?;
/// assert!(received.holds());
/// assert_eq!((received.model(), received.formula()), (&model, "G(request -> F answer)"));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Proof {
    format: String,
    model: KripkeStructure,
    formula: String,
    evidence: Evidence,
}

/// What a proof rests on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Evidence {
    /// No run violates the formula.
    Holds(Certificate),
    /// The run that goes through `prefix` and then `cycle` for ever violates the formula.
    Violated {
        /// Names of states; may be empty.
        prefix: Vec<String>,
        /// Names of states; not empty.
        cycle: Vec<String>,
    },
}

/// The first thing in a proof that is not as it must be.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{at}: {why}")]
pub struct ProofError {
    /// Where in the document, for example `evidence.holds.places[3]`.
    pub at: String,
    /// What is wrong there.
    pub why: String,
}

impl ProofError {
    fn new(at: impl Into<String>, why: impl Into<String>) -> Self {
        Self { at: at.into(), why: why.into() }
    }
}

impl Proof {
    /// Puts an answer down as a document; `None` if there was no answer.
    pub fn new(model: &KripkeStructure, formula: &Formula, outcome: Outcome) -> Option<Self> {
        let evidence = match outcome {
            Outcome::Holds(certificate) => Evidence::Holds(certificate),
            Outcome::Violated(Lasso { prefix, cycle }) => {
                let names =
                    |states: &[StateId]| states.iter().map(|&state| model.name(state).to_owned()).collect();
                Evidence::Violated { prefix: names(&prefix), cycle: names(&cycle) }
            }
            Outcome::ResourceLimit(_) => return None,
        };
        Some(Self { format: FORMAT.to_owned(), model: model.clone(), formula: formula.to_string(), evidence })
    }

    /// Reads what [`to_json`](Self::to_json) writes. A proof that can be read need not be right.
    pub fn from_json(text: &str) -> Result<Self, ProofError> {
        serde_json::from_str(text).map_err(|error| ProofError::new("document", error.to_string()))
    }

    /// The document: `{"format": …, "model": …, "formula": …, "evidence": {"holds": …}}` or `{"violated": …}`.
    pub fn to_json(&self) -> String {
        serde_json::to_string(self).unwrap_or_default()
    }

    /// The model that the proof is about: compare it with the one that you mean.
    pub fn model(&self) -> &KripkeStructure {
        &self.model
    }

    /// The text of the formula that the proof is about: compare it with the one that you mean.
    pub fn formula(&self) -> &str {
        &self.formula
    }

    /// Whether it claims that the formula holds.
    pub fn holds(&self) -> bool {
        matches!(self.evidence, Evidence::Holds(_))
    }

    /// What the claim rests on.
    pub fn evidence(&self) -> &Evidence {
        &self.evidence
    }

    /// Checks the claim. It is true if this answers `Ok`; if not, it may be true or false. Linear in the lasso, or in the
    /// steps of the certificate.
    pub fn verify(&self) -> Result<(), ProofError> {
        if self.format != FORMAT {
            return Err(ProofError::new("format", format!("`{}` is not `{FORMAT}`", self.format)));
        }
        let formula =
            Formula::parse(&self.formula).map_err(|error| ProofError::new("formula", error.to_string()))?;
        if formula.is_timed() || !formula.variables().is_empty() {
            return Err(ProofError::new("formula", "has time bounds or variables"));
        }
        let subformulas = Subformulas::new(&formula);
        match &self.evidence {
            Evidence::Holds(certificate) => coverage::verify(&self.model, &subformulas, certificate),
            Evidence::Violated { prefix, cycle } => self.verify_lasso(&subformulas, prefix, cycle),
        }
    }

    fn verify_lasso(
        &self,
        subformulas: &Subformulas<'_>,
        prefix: &[String],
        cycle: &[String],
    ) -> Result<(), ProofError> {
        let at = "evidence.violated";
        let find = |name: &String| {
            let unknown = || ProofError::new(at, format!("`{name}` is no state of the model"));
            self.model.state(name).ok_or_else(unknown)
        };
        let run: Vec<StateId> = prefix.iter().chain(cycle).map(find).collect::<Result<_, _>>()?;
        let back = run.get(prefix.len()).ok_or_else(|| ProofError::new(at, "the cycle is empty"))?;
        let first = run.first().filter(|first| self.model.initial().contains(first));
        first.ok_or_else(|| ProofError::new(at, "does not begin in an initial state"))?;
        for (from, to) in run.iter().zip(run.iter().skip(1).chain([back])) {
            if !self.model.next(*from).contains(to) {
                let (from, to) = (self.model.name(*from), self.model.name(*to));
                return Err(ProofError::new(at, format!("the model has no step from `{from}` to `{to}`")));
            }
        }
        match word::holds(&self.model, subformulas, &run, prefix.len()) {
            Some(false) => Ok(()),
            Some(true) => Err(ProofError::new(at, "the formula holds on this run")),
            None => Err(ProofError::new(at, "too long to evaluate")),
        }
    }
}
