//! One attack from its first cause to its last effect.

use std::cmp::Reverse;

use super::breadth::{Walk, subgraph};
use super::root::earliest;
use crate::answer::Chain;
use crate::error::Error;
use crate::graph::{Side, Store};
use crate::limits::Limits;
use crate::model::NodeId;

pub(crate) fn chain<S: Store + ?Sized>(
    store: &S,
    tenant: &str,
    id: &NodeId,
    limits: Limits,
) -> Result<Chain, Error> {
    let start = super::start(store, tenant, id)?;
    let span = limits.span(start.first_ms, start.last_ms);
    let causes = Walk::from(store, tenant, start.clone(), &[Side::Causes], span, &limits)?;
    let effects = Walk::from(store, tenant, start, &[Side::Effects], span, &limits)?;
    let mut path = causes.names(&causes.path(earliest(&causes)));
    path.reverse();
    path.extend(effects.names(&effects.path(furthest(&effects))).into_iter().skip(1));
    let truncated = causes.truncated || effects.truncated;
    let subgraph = subgraph(store, tenant, &[causes.part(|_| true), effects.part(|_| true)])?;
    let root = path.first().unwrap_or(id).clone();
    Ok(Chain { start: id.clone(), root, path, truncated, subgraph })
}

/// The number of the node furthest from the start; of several the first by name.
fn furthest<K>(walk: &Walk<K>) -> usize {
    let numbered = walk.found.iter().enumerate();
    let last = numbered.min_by_key(|(_, found)| (Reverse(found.hops), &found.place.id));
    last.map_or(0, |(number, _)| number)
}
