//! Explicit-state model checking: does a formula hold on every run of a model?
//!
//! A model is a [`KripkeStructure`]: for example a response playbook, or which tool an agent may call after which. A formula
//! without time bounds and variables is checked on all of its infinite runs; [`check`] answers with evidence either way, a
//! [`Lasso`] that violates the formula or a [`Certificate`] that no run does, and a [`Proof`] holds everything that
//! somebody else needs to check that answer without trusting the search.
//!
//! ```
//! use aimds_temporal::Formula;
//! use aimds_temporal::model::{KripkeStructure, Limits, Outcome, check};
//!
//! let model = KripkeStructure::from_json(
//!     r#"{"initial": ["idle"], "states": {
//!         "idle": {"next": ["idle", "threat"]},
//!         "threat": {"props": ["threat"], "next": ["blocked", "idle"]},
//!         "blocked": {"props": ["blocked"], "next": ["idle"]}}}"#,
//! )?;
//! let formula = Formula::parse("G (threat -> F blocked)")?;
//! let Outcome::Violated(lasso) = check(&model, &formula, &Limits::default())? else { unreachable!() };
//! assert_eq!(lasso.to_text(&model), "for ever:\n1. idle: nothing\n2. threat: threat\n");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! The method is that of Vardi & Wolper (1986): the runs of the model that an automaton for the negated formula accepts are
//! searched for, in the product of both, which is built as far as the search goes. The time is linear in the model's
//! transitions and, at worst, exponential in the length of the formula; [`Limits`] bound time and memory.

mod certificate;
mod closure;
mod kripke;
mod lasso;
mod product;
pub mod proof;
mod render;
mod search;
mod shorten;
mod tableau;

pub use certificate::{Certificate, CertifiedPlace, Claim, Obligation};
pub use kripke::{KripkeBuilder, KripkeError, KripkeStructure, MAX_STATES, MAX_TRANSITIONS, StateId};
pub use lasso::Lasso;
pub use proof::{Evidence, Proof, ProofError};

use closure::Closure;
use kripke::Suggestion;
use product::Product;
use search::Found;

use crate::Formula;

/// How much a check may take. A check that found a violation may take as much again to find a short lasso.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Pairs of a state with obligations, about 50 bytes each.
    pub product_states: usize,
    /// Sets of obligations.
    pub tableau_states: usize,
    /// Steps of the work, a few dozen nanoseconds each.
    pub steps: u64,
}

impl Default for Limits {
    /// Some 250 MB and half a minute.
    fn default() -> Self {
        Self { product_states: 5_000_000, tableau_states: 100_000, steps: 500_000_000 }
    }
}

/// What ran out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Resource {
    /// [`Limits::product_states`]
    #[error("pairs of a state with obligations")]
    ProductStates,
    /// [`Limits::tableau_states`]
    #[error("sets of obligations")]
    TableauStates,
    /// [`Limits::steps`]
    #[error("steps")]
    Steps,
}

/// A limit was reached before there was an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("more than {limit} {what}")]
pub struct Exhausted {
    /// What there was too much of.
    pub what: Resource,
    /// How much was allowed.
    pub limit: u64,
}

/// The answer of [`check`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// The formula holds on every run.
    Holds(Certificate),
    /// The formula fails on this run.
    Violated(Lasso),
    /// Not known: too large.
    ResourceLimit(Exhausted),
}

/// Why a formula cannot be checked on a model.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CheckError {
    /// A model has steps, and no time between them.
    #[error("`{0}` has a time bound, and a model has no time; use a monitor, or leave the bound out")]
    Timed(String),
    /// A model has propositions, not values.
    #[error("the variable `{0}` stands for every value, and a model has no values; write the value itself")]
    Parametric(String),
    /// No state has it, and the model does not list it.
    #[error(
        "no state of the model has the proposition `{atom}`, and it is not listed in `props`{}",
        Suggestion(nearest)
    )]
    UnknownAtom {
        /// The atom.
        atom: String,
        /// A proposition of the model that differs little.
        nearest: Option<String>,
    },
    /// The formula is larger than the tables are made for.
    #[error("the formula has {count} {what}, more than {limit}")]
    TooComplex {
        /// What there is too much of.
        what: &'static str,
        /// How much.
        count: usize,
        /// How much is allowed.
        limit: usize,
    },
}

/// Whether `formula` holds on every run of `model` that begins in an initial state.
///
/// Runs are infinite: `X` and `WX` are the same. Operators of the past see the run from its first state on, and are false
/// (`Y`) or true (`Z`) of what was before. An atom holds where the state has the proposition that it prints as, for example
/// `tool("send_email")`.
///
/// The same model and formula give the same answer, with the same lasso or certificate.
///
/// Time: linear in the transitions of the model, exponential in the formula at worst; a response property doubles or trebles
/// the model. Memory: per state of the product, some 50 bytes.
pub fn check(model: &KripkeStructure, formula: &Formula, limits: &Limits) -> Result<Outcome, CheckError> {
    let closure = Closure::new(formula)?;
    known_atoms(model, &closure)?;
    let mut product = Product::new(model, &closure, limits);
    Ok(match outcome(&closure, &mut product) {
        Ok(Outcome::Violated(lasso)) => Outcome::Violated(shorten::shorten(model, formula, lasso)),
        Ok(outcome) => outcome,
        Err(exhausted) => Outcome::ResourceLimit(exhausted),
    })
}

fn outcome(closure: &Closure<'_>, product: &mut Product<'_>) -> Result<Outcome, Exhausted> {
    match search::search(product)? {
        Found::Empty(components) => {
            Ok(Outcome::Holds(certificate::certificate(closure, product, &components)))
        }
        Found::Accepting(members) => {
            product.renew();
            lasso::lasso(product, &members).map(Outcome::Violated)
        }
    }
}

fn known_atoms(model: &KripkeStructure, closure: &Closure<'_>) -> Result<(), CheckError> {
    let vocabulary = model.vocabulary();
    let mut names = closure.atoms().iter().map(ToString::to_string);
    match names.find(|name| vocabulary.binary_search(name).is_err()) {
        Some(atom) => {
            let nearest = kripke::nearest(&atom, vocabulary.iter().map(String::as_str));
            Err(CheckError::UnknownAtom { atom, nearest })
        }
        None => Ok(()),
    }
}
