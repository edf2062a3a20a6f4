//! Attacks near an attack.

use std::collections::BTreeSet;

use super::breadth::{Walk, subgraph};
use crate::answer::{Reached, Related};
use crate::error::Error;
use crate::graph::{Side, Store};
use crate::limits::Limits;
use crate::model::{NodeId, NodeKind};

pub(crate) fn related<S: Store + ?Sized>(
    store: &S,
    tenant: &str,
    id: &NodeId,
    limits: Limits,
) -> Result<Related, Error> {
    let start = super::start(store, tenant, id)?;
    let span = limits.span(start.first_ms, start.last_ms);
    let sides = [Side::Causes, Side::Effects, Side::Similar];
    let walk = Walk::from(store, tenant, start, &sides, span, &limits)?;
    let mut attacks = Vec::new();
    let mut on_a_way = BTreeSet::from([0]);
    for (number, found) in walk.found.iter().enumerate().skip(1) {
        let place = &found.place;
        if place.id.kind() != NodeKind::Attack || !span.overlaps(place.first_ms, place.last_ms) {
            continue;
        }
        let path = walk.path(number);
        on_a_way.extend(&path);
        attacks.push(Reached {
            id: place.id.clone(),
            hops: found.hops,
            first_ms: place.first_ms,
            path: walk.names(&path),
        });
    }
    attacks.sort_by(|a, b| (a.hops, &a.id).cmp(&(b.hops, &b.id)));
    let truncated = walk.truncated;
    let subgraph = subgraph(store, tenant, &[walk.part(|number| on_a_way.contains(&number))])?;
    Ok(Related { start: id.clone(), attacks, truncated, subgraph })
}
