//! The same questions over plain lists: every definition once more, as simply as it can be said.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};

use aimds_graph::{Edge, EdgeKind, Node, NodeId, NodeKind, Span};

#[derive(Clone, Debug)]
pub struct Naive {
    pub nodes: Vec<Node>,
    pub edges: Vec<Edge>,
}

#[derive(Clone, Copy)]
pub enum Along {
    Causes,
    Effects,
    All,
}

impl Naive {
    pub fn node(&self, id: &NodeId) -> &Node {
        self.nodes.iter().find(|node| node.id == *id).unwrap()
    }

    /// Every node that can be reached, with its distance: as often as there are hops, every edge is tried.
    pub fn distances(&self, start: &NodeId, along: Along, span: Span, hops: u8) -> BTreeMap<NodeId, u8> {
        let mut distances = BTreeMap::from([(start.clone(), 0)]);
        for hop in 1..=hops {
            let before = distances.clone();
            for edge in self.edges.iter().filter(|edge| span.overlaps(edge.first_ms, edge.last_ms)) {
                let ways: &[(&NodeId, &NodeId)] = match along {
                    Along::All => &[(&edge.from, &edge.to), (&edge.to, &edge.from)],
                    Along::Causes if edge.kind.is_causal() => &[(edge.effect(), edge.cause())],
                    Along::Effects if edge.kind.is_causal() => &[(edge.cause(), edge.effect())],
                    Along::Causes | Along::Effects => &[],
                };
                for (from, to) in ways {
                    if before.contains_key(*from) {
                        distances.entry((*to).clone()).or_insert(hop);
                    }
                }
            }
        }
        distances
    }

    pub fn span(&self, start: &NodeId, window_ms: Option<u64>) -> Span {
        let node = self.node(start);
        window_ms.map_or(Span::ALL, |reach| Span::around(node.first_ms, node.last_ms, reach))
    }

    pub fn related(&self, start: &NodeId, window_ms: Option<u64>, hops: u8) -> Vec<(u8, NodeId)> {
        let span = self.span(start, window_ms);
        let mut related: Vec<(u8, NodeId)> = self
            .distances(start, Along::All, span, hops)
            .into_iter()
            .filter(|(id, distance)| *distance > 0 && id.kind() == NodeKind::Attack)
            .filter(|(id, _)| span.overlaps(self.node(id).first_ms, self.node(id).last_ms))
            .map(|(id, distance)| (distance, id))
            .collect();
        related.sort();
        related
    }

    pub fn root(&self, start: &NodeId, window_ms: Option<u64>, hops: u8) -> (NodeId, u8) {
        let causes = self.distances(start, Along::Causes, self.span(start, window_ms), hops);
        let causes = causes.into_iter().filter(|(id, _)| id == start || id.kind() != NodeKind::Pattern);
        causes
            .min_by_key(|(id, hops)| (self.node(id).first_ms, Reverse(*hops), id.kind(), id.clone()))
            .unwrap()
    }

    pub fn blast(&self, start: &NodeId, window_ms: Option<u64>, hops: u8) -> BTreeSet<NodeId> {
        let mut effects = self.distances(start, Along::Effects, self.span(start, window_ms), hops);
        effects.remove(start);
        effects.into_keys().collect()
    }

    /// By colouring: every attack has a colour of its own, and two that belong together get one, until nothing changes.
    pub fn campaigns(&self, span: Span, gap_ms: u64, min_weight: f64) -> BTreeSet<Vec<NodeId>> {
        let attacks = self.nodes.iter().filter(|node| {
            node.id.kind() == NodeKind::Attack && span.from_ms <= node.first_ms && node.first_ms <= span.to_ms
        });
        let attacks: Vec<&Node> = attacks.collect();
        let mut colours: Vec<usize> = (0..attacks.len()).collect();
        loop {
            let before = colours.clone();
            for one in 0..attacks.len() {
                for other in 0..attacks.len() {
                    let near = attacks[one].first_ms.abs_diff(attacks[other].first_ms) <= gap_ms;
                    if near && self.belong_together(&attacks[one].id, &attacks[other].id, min_weight) {
                        let colour = colours[one].min(colours[other]);
                        (colours[one], colours[other]) = (colour, colour);
                    }
                }
            }
            if before == colours {
                break;
            }
        }
        let mut campaigns: BTreeMap<usize, Vec<NodeId>> = BTreeMap::new();
        for (attack, colour) in attacks.iter().zip(colours) {
            campaigns.entry(colour).or_default().push(attack.id.clone());
        }
        campaigns
            .into_values()
            .map(|mut ids| {
                ids.sort();
                ids
            })
            .collect()
    }

    fn belong_together(&self, one: &NodeId, other: &NodeId, min_weight: f64) -> bool {
        let alike = self.edges.iter().any(|edge| {
            edge.kind == EdgeKind::SimilarTo
                && edge.weight >= min_weight
                && [(&edge.from, &edge.to), (&edge.to, &edge.from)].contains(&(one, other))
        });
        alike || self.sources(one).intersection(&self.sources(other)).next().is_some()
    }

    fn sources(&self, attack: &NodeId) -> BTreeSet<&NodeId> {
        let causal = self.edges.iter().filter(|edge| edge.kind.is_causal() && edge.effect() == attack);
        causal.map(Edge::cause).filter(|cause| cause.kind() == NodeKind::Source).collect()
    }

    /// Takes out a node, all that came of it, and the sessions and documents that caused nothing else and came of nothing else.
    pub fn erase(&mut self, subject: &NodeId) -> usize {
        let mut doomed = self.blast(subject, None, 32);
        doomed.insert(subject.clone());
        let carriers: BTreeSet<NodeId> = self
            .edges
            .iter()
            .filter(|edge| edge.kind.is_causal() && doomed.contains(edge.effect()))
            .map(|edge| edge.cause().clone())
            .filter(|id| matches!(id.kind(), NodeKind::Session | NodeKind::Document) && !doomed.contains(id))
            .collect();
        let gone =
            |doomed: &BTreeSet<NodeId>, edge: &Edge| doomed.contains(&edge.from) || doomed.contains(&edge.to);
        self.edges.retain(|edge| !gone(&doomed, edge));
        for carrier in carriers {
            if !self.edges.iter().any(|edge| edge.from == carrier || edge.to == carrier) {
                doomed.insert(carrier);
            }
        }
        self.nodes.retain(|node| !doomed.contains(&node.id));
        doomed.len()
    }
}
