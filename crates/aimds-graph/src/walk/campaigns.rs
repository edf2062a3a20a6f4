//! Attacks that belong together: connected components by union-find.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use crate::answer::{Campaign, Campaigns};
use crate::error::Error;
use crate::graph::{Hop, Place, Side, Step, Store};
use crate::limits::{CampaignLimits, Span};
use crate::model::{NodeId, NodeKind};

/// Edges of one attack in one direction that the budget reckons with.
const TYPICAL_EDGES: usize = 64;

pub(crate) fn campaigns<S: Store + ?Sized>(
    store: &S,
    tenant: &str,
    limits: &CampaignLimits,
) -> Result<Campaigns, Error> {
    let limit = limits.attacks.clamp(1, 1_000_000);
    let mut attacks = store.attacks(tenant, limits.span, limit)?;
    attacks.found.sort_by(|a, b| (a.first_ms, &a.id).cmp(&(b.first_ms, &b.id)));
    let step = Step {
        sides: &[Side::Causes, Side::Similar],
        span: Span::ALL,
        fan_out: limits.fan_out.clamp(1, 100_000),
        budget: limit.saturating_mul(TYPICAL_EDGES),
    };
    let edges = store.step(tenant, &attacks.found, &step)?;
    let mut components = Components::of(attacks.found.len());
    join_similar(&mut components, &attacks.found, &edges.found, limits);
    let sources = by_source(&edges.found);
    for numbers in sources.values() {
        join_neighbours(&mut components, &attacks.found, numbers, limits.gap_ms);
    }
    let mut campaigns = gather(&mut components, &attacks.found, &edges.found);
    campaigns.retain(|campaign| campaign.attacks.len() >= limits.min_size.max(1));
    campaigns.sort_by(|a, b| {
        b.attacks
            .len()
            .cmp(&a.attacks.len())
            .then(a.first_ms.cmp(&b.first_ms))
            .then_with(|| a.first.cmp(&b.first))
    });
    Ok(Campaigns {
        campaigns,
        attacks: attacks.found.len() as u64,
        truncated: attacks.truncated || edges.truncated,
    })
}

/// The attacks of each source, in the order of their times.
fn by_source<K>(hops: &[Hop<K>]) -> BTreeMap<&NodeId, Vec<usize>> {
    let mut sources: BTreeMap<&NodeId, Vec<usize>> = BTreeMap::new();
    for hop in hops.iter().filter(|hop| hop.side == Side::Causes && hop.to.id.kind() == NodeKind::Source) {
        sources.entry(&hop.to.id).or_default().push(hop.from);
    }
    for numbers in sources.values_mut() {
        numbers.sort_unstable();
        numbers.dedup();
    }
    sources
}

/// Joins attacks of one source that follow each other closely. They are numbered by their times.
fn join_neighbours<K>(components: &mut Components, attacks: &[Place<K>], numbers: &[usize], gap_ms: u64) {
    for pair in numbers.windows(2) {
        let &[one, other] = pair else { continue };
        if are_near(attacks, one, other, gap_ms) {
            components.join(one, other);
        }
    }
}

fn join_similar<K: Eq + std::hash::Hash>(
    components: &mut Components,
    attacks: &[Place<K>],
    hops: &[Hop<K>],
    limits: &CampaignLimits,
) {
    let numbers: HashMap<&K, usize> =
        attacks.iter().enumerate().map(|(number, attack)| (&attack.key, number)).collect();
    for hop in hops.iter().filter(|hop| hop.side == Side::Similar && hop.weight >= limits.min_weight) {
        if let Some(&other) = numbers.get(&hop.to.key)
            && are_near(attacks, hop.from, other, limits.gap_ms)
        {
            components.join(hop.from, other);
        }
    }
}

fn are_near<K>(attacks: &[Place<K>], one: usize, other: usize, gap_ms: u64) -> bool {
    match (attacks.get(one), attacks.get(other)) {
        (Some(one), Some(other)) => one.first_ms.abs_diff(other.first_ms) <= gap_ms,
        _ => false,
    }
}

fn gather<K>(components: &mut Components, attacks: &[Place<K>], hops: &[Hop<K>]) -> Vec<Campaign> {
    let mut members: BTreeMap<usize, Vec<&Place<K>>> = BTreeMap::new();
    for (number, attack) in attacks.iter().enumerate() {
        members.entry(components.root(number)).or_default().push(attack);
    }
    let mut causes: BTreeMap<usize, BTreeSet<&NodeId>> = BTreeMap::new();
    for hop in hops.iter().filter(|hop| hop.side == Side::Causes) {
        causes.entry(components.root(hop.from)).or_default().insert(&hop.to.id);
    }
    let campaign = |(root, members): (usize, Vec<&Place<K>>)| {
        let first = members.first()?;
        let of = |kind| -> Vec<NodeId> {
            let causes = causes.get(&root).into_iter().flatten();
            causes.filter(|id| id.kind() == kind).map(|&id| id.clone()).collect()
        };
        let mut attacks: Vec<NodeId> = members.iter().map(|attack| attack.id.clone()).collect();
        attacks.sort();
        Some(Campaign {
            first: first.id.clone(),
            first_ms: first.first_ms,
            last_ms: members.iter().map(|attack| attack.last_ms).max().unwrap_or(first.last_ms),
            attacks,
            sources: of(NodeKind::Source),
            patterns: of(NodeKind::Pattern),
        })
    };
    members.into_iter().filter_map(campaign).collect()
}

/// A forest of disjoint sets; roots are the smallest numbers, so that the order of joining does not matter.
struct Components {
    parents: Vec<usize>,
}

impl Components {
    fn of(count: usize) -> Self {
        Self { parents: (0..count).collect() }
    }

    fn parent(&self, of: usize) -> usize {
        self.parents.get(of).copied().unwrap_or(of)
    }

    /// With halving of the way, so that ways stay short.
    fn root(&mut self, mut of: usize) -> usize {
        while self.parent(of) != of {
            let above = self.parent(self.parent(of));
            if let Some(parent) = self.parents.get_mut(of) {
                *parent = above;
            }
            of = above;
        }
        of
    }

    fn join(&mut self, one: usize, other: usize) {
        let (one, other) = (self.root(one), self.root(other));
        if let Some(parent) = self.parents.get_mut(one.max(other)) {
            *parent = one.min(other);
        }
    }
}
