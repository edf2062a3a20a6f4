//! What came of something.

use std::collections::BTreeMap;

use super::breadth::{Walk, subgraph};
use crate::answer::Blast;
use crate::error::Error;
use crate::graph::{Side, Store};
use crate::limits::Limits;
use crate::model::NodeId;

pub(crate) fn blast<S: Store + ?Sized>(
    store: &S,
    tenant: &str,
    id: &NodeId,
    limits: Limits,
) -> Result<Blast, Error> {
    let start = super::start(store, tenant, id)?;
    let span = limits.span(start.first_ms, start.last_ms);
    let walk = Walk::from(store, tenant, start, &[Side::Effects], span, &limits)?;
    let mut reached = BTreeMap::new();
    for found in walk.found.iter().skip(1) {
        *reached.entry(found.place.id.kind()).or_default() += 1;
    }
    let seen = || walk.found.iter().skip(1).map(|found| &found.place);
    let first_ms = seen().map(|place| place.first_ms).min();
    let last_ms = seen().map(|place| place.last_ms).max();
    let subgraph = subgraph(store, tenant, &[walk.part(|_| true)])?;
    Ok(Blast { start: id.clone(), reached, first_ms, last_ms, truncated: walk.truncated, subgraph })
}
