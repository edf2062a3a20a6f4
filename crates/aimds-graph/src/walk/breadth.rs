//! The bounded breadth-first walk under every question.

use std::collections::HashMap;
use std::hash::Hash;

use crate::answer::Subgraph;
use crate::error::Error;
use crate::graph::{Hop, Place, Side, Step, Store};
use crate::limits::{Limits, Span};
use crate::model::{Edge, EdgeKind, Node, NodeId};

/// A node that was reached.
pub(super) struct Found<K> {
    pub(super) place: Place<K>,
    /// Edges on the shortest way.
    pub(super) hops: u8,
    /// The node before it on the way, by its number.
    before: Option<usize>,
}

/// An edge that was seen, by the numbers of its ends.
struct Link {
    found_at: usize,
    other: usize,
    side: Side,
    kind: EdgeKind,
    first_ms: u64,
    last_ms: u64,
    weight: f64,
}

/// A walk: what was reached in the order of its distance, and every edge that was seen on the way.
pub(super) struct Walk<K> {
    pub(super) found: Vec<Found<K>>,
    numbers: HashMap<K, usize>,
    links: Vec<Link>,
    pub(super) truncated: bool,
}

impl<K: Clone + Eq + Hash> Walk<K> {
    /// Walks from one node in the given directions. Of several shortest ways to a node the one from the node with the smallest
    /// name is kept, so that the answer does not depend on the store. O(nodes · fan-out).
    pub(super) fn from<S: Store<Key = K> + ?Sized>(
        store: &S,
        tenant: &str,
        start: Place<K>,
        sides: &[Side],
        span: Span,
        limits: &Limits,
    ) -> Result<Self, Error> {
        let mut walk = Self {
            numbers: HashMap::from([(start.key.clone(), 0)]),
            found: vec![Found { place: start, hops: 0, before: None }],
            links: Vec::new(),
            truncated: false,
        };
        let mut budget = limits.edges();
        let mut frontier = 0..1;
        for hops in 1..=limits.hops {
            let from = walk.found.get(frontier.clone()).unwrap_or_default();
            let from: Vec<K> = from.iter().map(|found| found.place.key.clone()).collect();
            if from.is_empty() || (budget == 0 && walk.truncated) {
                break;
            }
            let step = Step { sides, span, fan_out: limits.fan_out, budget };
            let steps = store.step(tenant, &from, &step, &|key| walk.numbers.contains_key(key))?;
            walk.truncated |= steps.truncated;
            budget = budget.saturating_sub(steps.hops.len());
            let next = walk.found.len();
            walk.reach(steps.places, hops, limits.nodes);
            walk.link(&steps.hops, frontier.start, next);
            frontier = next..walk.found.len();
        }
        Ok(walk)
    }

    /// Takes in the nodes that one step found: in the order of their names, so that numbers of one distance are in it, too.
    fn reach(&mut self, mut places: Vec<Place<K>>, hops: u8, nodes: usize) {
        places.sort_unstable_by(|a, b| a.id.cmp(&b.id));
        let room = nodes.saturating_add(1).saturating_sub(self.found.len());
        self.truncated |= places.len() > room;
        for place in places.into_iter().take(room) {
            self.numbers.insert(place.key.clone(), self.found.len());
            self.found.push(Found { place, hops, before: None });
        }
    }

    /// Takes in the edges that one step from the node numbered `first` and those after it found; those that are new begin at `next`.
    fn link(&mut self, hops: &[Hop<K>], first: usize, next: usize) {
        self.links.reserve(hops.len());
        for hop in hops {
            let Some(&other) = self.numbers.get(&hop.to) else { continue };
            let found_at = first + hop.from;
            if other >= next
                && let Some(found) = self.found.get_mut(other)
            {
                found.before = Some(found.before.map_or(found_at, |before| before.min(found_at)));
            }
            let Hop { side, kind, first_ms, last_ms, weight, .. } = *hop;
            self.links.push(Link { found_at, other, side, kind, first_ms, last_ms, weight });
        }
    }

    /// The shortest way from the start to a node, both ends included.
    pub(super) fn path(&self, number: usize) -> Vec<usize> {
        let mut path = vec![number];
        let mut at = number;
        // A way has as many nodes as there are hops.
        while let Some(before) = self.found.get(at).and_then(|found| found.before) {
            path.push(before);
            at = before;
        }
        path.reverse();
        path
    }

    /// The same by names.
    pub(super) fn names(&self, path: &[usize]) -> Vec<NodeId> {
        path.iter().filter_map(|&number| Some(self.found.get(number)?.place.id.clone())).collect()
    }

    /// The part of the walk that rests on the wanted nodes.
    pub(super) fn part(&self, wanted: impl Fn(usize) -> bool) -> Part<'_, K> {
        let wanted = (0..self.found.len()).map(wanted).collect();
        Part { walk: self, wanted }
    }
}

/// Nodes of a walk, and the edges between them.
pub(super) struct Part<'a, K> {
    walk: &'a Walk<K>,
    /// Of each node, whether it belongs to the part.
    wanted: Vec<bool>,
}

impl<K: Eq + Hash> Part<'_, K> {
    fn places(&self) -> impl Iterator<Item = &Place<K>> {
        let found = self.walk.found.iter().zip(&self.wanted);
        found.filter(|(_, wanted)| **wanted).map(|(found, _)| &found.place)
    }

    /// Adds the edges by the ranks of their ends.
    fn edges(&self, ranks: &HashMap<&K, usize>, edges: &mut Vec<Ranked>) {
        let ranked = self.walk.found.iter().zip(&self.wanted);
        let ranked: Vec<Option<usize>> = ranked
            .map(|(found, wanted)| if *wanted { ranks.get(&found.place.key).copied() } else { None })
            .collect();
        let rank = |number: usize| ranked.get(number).copied().flatten();
        for link in &self.walk.links {
            if let (Some(found_at), Some(other)) = (rank(link.found_at), rank(link.other)) {
                edges.push(Ranked::new(found_at, other, link));
            }
        }
    }
}

/// An edge as it is written, whichever end it was found at, by the ranks of its ends.
struct Ranked {
    from: usize,
    to: usize,
    kind: EdgeKind,
    first_ms: u64,
    last_ms: u64,
    weight: f64,
}

impl Ranked {
    fn new(found_at: usize, other: usize, link: &Link) -> Self {
        let (cause, effect) = match link.side {
            Side::Effects => (found_at, other),
            Side::Causes => (other, found_at),
            Side::Similar => (found_at.min(other), found_at.max(other)),
        };
        let (from, to) = if link.kind.points_back() { (effect, cause) } else { (cause, effect) };
        let Link { kind, first_ms, last_ms, weight, .. } = *link;
        Self { from, to, kind, first_ms, last_ms, weight }
    }
}

/// The nodes of some walks with their properties, and the edges among them, each once.
pub(super) fn subgraph<S: Store + ?Sized>(
    store: &S,
    tenant: &str,
    parts: &[Part<'_, S::Key>],
) -> Result<Subgraph, Error> {
    let mut places: Vec<&Place<S::Key>> = parts.iter().flat_map(Part::places).collect();
    places.sort_unstable_by(|a, b| a.id.cmp(&b.id));
    places.dedup_by(|a, b| a.id == b.id);
    let ranks = places.iter().enumerate().map(|(rank, place)| (&place.key, rank)).collect();
    let mut edges = Vec::new();
    for part in parts {
        part.edges(&ranks, &mut edges);
    }
    let name = |edge: &Ranked| (edge.from, edge.to, edge.kind);
    edges.sort_unstable_by_key(name);
    edges.dedup_by_key(|edge| name(edge));
    let id = |rank: usize| places.get(rank).map(|place| place.id.clone());
    let edge = |edge: Ranked| {
        let Ranked { kind, first_ms, last_ms, weight, .. } = edge;
        Some(Edge { from: id(edge.from)?, to: id(edge.to)?, kind, first_ms, last_ms, weight })
    };
    let edges = edges.into_iter().filter_map(edge).collect();
    let keys: Vec<S::Key> = places.iter().map(|place| place.key.clone()).collect();
    let properties = store.properties(tenant, &keys)?;
    let nodes = places.into_iter().zip(properties).map(|(place, properties)| Node {
        id: place.id.clone(),
        first_ms: place.first_ms,
        last_ms: place.last_ms,
        properties,
    });
    Ok(Subgraph { nodes: nodes.collect(), edges })
}
