//! The bounded breadth-first walk under every question.

use std::collections::HashMap;

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

/// A walk: what was reached in the order of its distance, and every edge that was seen on the way.
pub(super) struct Walk<K> {
    pub(super) found: Vec<Found<K>>,
    numbers: HashMap<K, usize>,
    edges: Vec<Edge>,
    pub(super) truncated: bool,
}

impl<K: Clone + Eq + std::hash::Hash> Walk<K> {
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
            edges: Vec::new(),
            truncated: false,
        };
        let mut budget = limits.edges();
        let mut frontier = 0..1;
        for hops in 1..=limits.hops {
            let from: Vec<Place<K>> = walk
                .found
                .get(frontier.clone())
                .unwrap_or_default()
                .iter()
                .map(|f| f.place.clone())
                .collect();
            if from.is_empty() || (budget == 0 && walk.truncated) {
                break;
            }
            let step = Step { sides, span, fan_out: limits.fan_out, budget };
            let portion = store.step(tenant, &from, &step)?;
            walk.truncated |= portion.truncated;
            budget = budget.saturating_sub(portion.found.len());
            let next = walk.found.len();
            walk.take(portion.found, frontier.start, hops, limits.nodes);
            frontier = next..walk.found.len();
        }
        Ok(walk)
    }

    /// Takes in what one step found.
    fn take(&mut self, mut hops: Vec<Hop<K>>, first: usize, distance: u8, nodes: usize) {
        let from = |hop: &Hop<K>| self.found.get(first + hop.from).map(|found| &found.place.id);
        hops.sort_by(|a, b| a.to.id.cmp(&b.to.id).then_with(|| from(a).cmp(&from(b))));
        for hop in hops {
            let Some(from) = self.found.get(first + hop.from) else { continue };
            let edge = written(&from.place.id, &hop);
            if !self.numbers.contains_key(&hop.to.key) {
                if self.found.len() > nodes {
                    self.truncated = true;
                    continue;
                }
                self.numbers.insert(hop.to.key.clone(), self.found.len());
                self.found.push(Found { place: hop.to, hops: distance, before: Some(first + hop.from) });
            }
            self.edges.push(edge);
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

    /// The nodes of a walk that are wanted.
    pub(super) fn places(&self, wanted: impl Fn(usize) -> bool) -> Vec<Place<K>> {
        let numbered = self.found.iter().enumerate();
        numbered.filter(|(number, _)| wanted(*number)).map(|(_, found)| found.place.clone()).collect()
    }

    /// Every edge that was seen.
    pub(super) fn into_edges(self) -> Vec<Edge> {
        self.edges
    }
}

/// The edge as it is written, whichever end it was found at.
fn written<K>(found_at: &NodeId, hop: &Hop<K>) -> Edge {
    let other = &hop.to.id;
    let (cause, effect) = match hop.side {
        Side::Effects => (found_at, other),
        Side::Causes => (other, found_at),
        Side::Similar => (found_at.min(other), found_at.max(other)),
    };
    let (from, to) = if hop.kind.points_back() { (effect, cause) } else { (cause, effect) };
    let Hop { kind, first_ms, last_ms, weight, .. } = *hop;
    Edge { from: from.clone(), to: to.clone(), kind, first_ms, last_ms, weight }
}

/// The nodes with their properties, and the edges among them, each once.
pub(super) fn subgraph<S: Store + ?Sized>(
    store: &S,
    tenant: &str,
    mut places: Vec<Place<S::Key>>,
    mut edges: Vec<Edge>,
) -> Result<Subgraph, Error> {
    places.sort_by(|a, b| a.id.cmp(&b.id));
    places.dedup_by(|a, b| a.id == b.id);
    let known = |id: &NodeId| places.binary_search_by(|place| place.id.cmp(id)).is_ok();
    edges.retain(|edge| known(&edge.from) && known(&edge.to));
    let order =
        |edge: &Edge| -> (NodeId, NodeId, EdgeKind) { (edge.from.clone(), edge.to.clone(), edge.kind) };
    edges.sort_by_cached_key(order);
    edges.dedup_by(|a, b| a.kind == b.kind && a.from == b.from && a.to == b.to);
    let keys: Vec<S::Key> = places.iter().map(|place| place.key.clone()).collect();
    let properties = store.properties(tenant, &keys)?;
    let nodes = places.into_iter().zip(properties).map(|(place, properties)| Node {
        id: place.id,
        first_ms: place.first_ms,
        last_ms: place.last_ms,
        properties,
    });
    Ok(Subgraph { nodes: nodes.collect(), edges })
}
