//! Attacks that belong together: connected components by union-find.

use std::collections::BTreeMap;

use crate::answer::{Campaign, Campaigns};
use crate::error::Error;
use crate::graph::{Place, Store, Ties};
use crate::limits::CampaignLimits;
use crate::model::{NodeId, NodeKind};

pub(crate) fn campaigns<S: Store + ?Sized>(
    store: &S,
    tenant: &str,
    limits: &CampaignLimits,
) -> Result<Campaigns, Error> {
    let (attacks, fan_out) = (limits.attacks.clamp(1, 1_000_000), limits.fan_out.clamp(1, 100_000));
    let ties = store.ties(tenant, limits.span, attacks, fan_out)?;
    let mut components = Components::of(ties.attacks.len());
    for &(one, other, weight) in &ties.alike {
        if weight >= limits.min_weight && are_near(&ties.attacks, one, other, limits.gap_ms) {
            components.join(one, other);
        }
    }
    for numbers in by_source(&ties) {
        join_neighbours(&mut components, &ties.attacks, &numbers, limits.gap_ms);
    }
    let mut campaigns = gather(&mut components, &ties);
    campaigns.retain(|campaign| campaign.attacks.len() >= limits.min_size.max(1));
    campaigns.sort_by(|a, b| {
        b.attacks
            .len()
            .cmp(&a.attacks.len())
            .then(a.first_ms.cmp(&b.first_ms))
            .then_with(|| a.first.cmp(&b.first))
    });
    Ok(Campaigns { campaigns, attacks: ties.attacks.len() as u64, truncated: ties.truncated })
}

/// The attacks of each source, in the order of their times.
fn by_source<K>(ties: &Ties<K>) -> Vec<Vec<usize>> {
    let mut attacks = vec![Vec::new(); ties.causes.len()];
    for &(attack, cause) in &ties.caused {
        if is_of(ties, cause, NodeKind::Source)
            && let Some(attacks) = attacks.get_mut(cause)
        {
            attacks.push(attack);
        }
    }
    for attacks in &mut attacks {
        attacks.sort_unstable();
    }
    attacks
}

fn is_of<K>(ties: &Ties<K>, cause: usize, kind: NodeKind) -> bool {
    ties.causes.get(cause).is_some_and(|cause| cause.id.kind() == kind)
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

fn are_near<K>(attacks: &[Place<K>], one: usize, other: usize, gap_ms: u64) -> bool {
    match (attacks.get(one), attacks.get(other)) {
        (Some(one), Some(other)) => one.first_ms.abs_diff(other.first_ms) <= gap_ms,
        _ => false,
    }
}

fn gather<K>(components: &mut Components, ties: &Ties<K>) -> Vec<Campaign> {
    let mut members: BTreeMap<usize, Vec<&Place<K>>> = BTreeMap::new();
    for (number, attack) in ties.attacks.iter().enumerate() {
        members.entry(components.root(number)).or_default().push(attack);
    }
    let of_root = |&(attack, cause): &(usize, usize)| (components.root(attack), cause);
    let mut causes: Vec<(usize, usize)> = ties.caused.iter().map(of_root).collect();
    causes.sort_unstable();
    causes.dedup();
    let campaign = |(root, members): (usize, Vec<&Place<K>>)| {
        let first = members.first()?;
        let begin = causes.partition_point(|&(of, _)| of < root);
        let of_root = causes.get(begin..).unwrap_or_default().iter().take_while(|(of, _)| *of == root);
        let of = |kind| {
            let causes = of_root.clone().filter(|(_, cause)| is_of(ties, *cause, kind));
            names(causes.filter_map(|&(_, cause)| ties.causes.get(cause)))
        };
        Some(Campaign {
            first: first.id.clone(),
            first_ms: first.first_ms,
            last_ms: members.iter().map(|attack| attack.last_ms).max().unwrap_or(first.last_ms),
            attacks: names(members.iter().copied()),
            sources: of(NodeKind::Source),
            patterns: of(NodeKind::Pattern),
        })
    };
    members.into_iter().filter_map(campaign).collect()
}

fn names<'a, K: 'a>(places: impl Iterator<Item = &'a Place<K>>) -> Vec<NodeId> {
    let mut names: Vec<NodeId> = places.map(|place| place.id.clone()).collect();
    names.sort_unstable();
    names
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
