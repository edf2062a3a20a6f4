//! The evidence that no run violates a formula.

use serde::{Deserialize, Serialize};

use super::closure::{Closure, Signed};
use super::product::Product;
use super::search::Components;
use super::tableau::Obligations;

/// Evidence that a formula holds on every run of a model, such that each of its statements can be checked by itself; how,
/// and why that is enough, is said at [`proof`](super::proof). Subformulas, obligations, places and components are numbered
/// by their position, states by their position in the model.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Certificate {
    /// The subformulas that are spoken of, as text.
    pub subformulas: Vec<String>,
    /// What must be so of the rest of a run.
    pub obligations: Vec<Obligation>,
    /// Every combination of a state with obligations that a run which violates the formula could be in.
    pub places: Vec<CertifiedPlace>,
    /// For each component of places, the eventuality that every step inside of it puts off; `None` if no step stays inside.
    pub components: Vec<Option<Claim>>,
}

/// A subformula by number, with whether it holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Claim(pub u32, pub bool);

/// What must be so of the rest of a run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Obligation {
    /// From here on.
    pub claims: Vec<Claim>,
    /// The subformulas of the past that are remembered as true: for `Y φ` and `Z φ` that φ was so at the step before, for the
    /// others that they themselves were. `None` at the first step if the formula speaks of the past.
    pub memory: Option<Vec<u32>>,
}

/// A state with obligations: `[state, obligation, component]` in JSON. Steps lead to the same component or a smaller one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "(u32, u32, u32)", into = "(u32, u32, u32)")]
pub struct CertifiedPlace {
    /// The state of the model.
    pub state: u32,
    /// The obligation.
    pub obligation: u32,
    /// The component.
    pub component: u32,
}

impl From<(u32, u32, u32)> for CertifiedPlace {
    fn from((state, obligation, component): (u32, u32, u32)) -> Self {
        Self { state, obligation, component }
    }
}

impl From<CertifiedPlace> for (u32, u32, u32) {
    fn from(place: CertifiedPlace) -> Self {
        (place.state, place.obligation, place.component)
    }
}

/// Writes down what a search without result has seen.
pub(super) fn certificate(
    closure: &Closure<'_>,
    product: &Product<'_>,
    components: &Components,
) -> Certificate {
    let claim = |signed: Signed| Claim(signed.subformula() as u32, signed.holds());
    let obligation = |obligations: &Obligations| Obligation {
        claims: obligations.signed.iter().copied().map(claim).collect(),
        memory: obligations.memory.map(|memory| closure.remembered(memory)),
    };
    let put_off = |bit: &Option<u32>| bit.and_then(|bit| closure.eventualities().get(bit as usize)).copied();
    Certificate {
        subformulas: closure.formulas().map(ToString::to_string).collect(),
        obligations: product.tableau().states().iter().map(obligation).collect(),
        places: product
            .places()
            .iter()
            .zip(&components.of)
            .map(|(place, &component)| CertifiedPlace {
                state: place.state.0,
                obligation: place.tableau,
                component,
            })
            .collect(),
        components: components.put_off.iter().map(|bit| put_off(bit).map(claim)).collect(),
    }
}
