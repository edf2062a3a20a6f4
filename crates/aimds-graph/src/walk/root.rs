//! The earliest cause.

use std::cmp::Reverse;

use super::breadth::{Walk, subgraph};
use crate::answer::Root;
use crate::error::Error;
use crate::graph::{Side, Store};
use crate::limits::Limits;
use crate::model::{NodeId, NodeKind};

pub(crate) fn root<S: Store + ?Sized>(
    store: &S,
    tenant: &str,
    id: &NodeId,
    limits: Limits,
) -> Result<Root, Error> {
    let start = super::start(store, tenant, id)?;
    let span = limits.span(start.first_ms, start.last_ms);
    let walk = Walk::from(store, tenant, start, &[Side::Causes], span, &limits)?;
    let mut path = walk.path(earliest(&walk));
    path.reverse();
    let names = walk.names(&path);
    let truncated = walk.truncated;
    let subgraph = subgraph(store, tenant, &[walk.part(|number| path.contains(&number))])?;
    let root = names.first().unwrap_or(id).clone();
    Ok(Root { start: id.clone(), root, path: names, truncated, subgraph })
}

/// The number of the node first seen first; of several the furthest, then by kind and name. A pattern, by which an attack was
/// recognised, is not where it began.
pub(super) fn earliest<K>(walk: &Walk<K>) -> usize {
    let numbered = walk.found.iter().enumerate();
    let numbered =
        numbered.filter(|(number, found)| *number == 0 || found.place.id.kind() != NodeKind::Pattern);
    let first = numbered.min_by_key(|(_, found)| {
        (found.place.first_ms, Reverse(found.hops), found.place.id.kind(), &found.place.id)
    });
    first.map_or(0, |(number, _)| number)
}
