//! What attacks hang together by, edge by edge.

use std::collections::HashMap;

use crate::error::Error;
use crate::graph::{Place, Side, Step, Store, Ties};
use crate::limits::Span;
use crate::model::NodeKind;

/// Edges of one attack in one direction that the budget reckons with.
const TYPICAL_EDGES: usize = 64;

pub(crate) fn ties<S: Store + ?Sized>(
    store: &S,
    tenant: &str,
    span: Span,
    limit: usize,
    fan_out: usize,
) -> Result<Ties<S::Key>, Error> {
    let mut attacks = store.attacks(tenant, span, limit)?;
    attacks.found.sort_unstable_by(|a, b| (a.first_ms, &a.id).cmp(&(b.first_ms, &b.id)));
    let keys: Vec<S::Key> = attacks.found.iter().map(|attack| attack.key.clone()).collect();
    let numbers: HashMap<&S::Key, usize> = keys.iter().zip(0..).collect();
    let budget = limit.saturating_mul(TYPICAL_EDGES);
    let step = Step { sides: &[Side::Causes, Side::Similar], span: Span::ALL, fan_out, budget };
    let steps = store.step(tenant, &keys, &step, &|key| numbers.contains_key(key))?;
    let is_cause = |place: &Place<_>| matches!(place.id.kind(), NodeKind::Source | NodeKind::Pattern);
    let causes: Vec<Place<S::Key>> = steps.places.into_iter().filter(is_cause).collect();
    let cause_numbers: HashMap<&S::Key, usize> = causes.iter().map(|cause| &cause.key).zip(0..).collect();
    let (mut caused, mut alike) = (Vec::new(), Vec::new());
    for hop in &steps.hops {
        if hop.side == Side::Causes {
            caused.extend(cause_numbers.get(&hop.to).map(|&cause| (hop.from, cause)));
        } else {
            alike.extend(numbers.get(&hop.to).map(|&other| (hop.from, other, hop.weight)));
        }
    }
    let truncated = attacks.truncated || steps.truncated;
    Ok(Ties { attacks: attacks.found, causes, caused, alike, truncated })
}
