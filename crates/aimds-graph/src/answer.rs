//! What the graph answers.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::model::{Edge, Node, NodeId, NodeKind};

/// Part of the graph: what an answer rests on, and what its picture shows.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Subgraph {
    /// In the order of their names.
    pub nodes: Vec<Node>,
    /// In the order of their ends.
    pub edges: Vec<Edge>,
}

/// Attacks near an attack.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Related {
    /// What was asked about.
    pub start: NodeId,
    /// The others: the nearest first, then by name.
    pub attacks: Vec<Reached>,
    /// Whether there is more than the limits let through.
    pub truncated: bool,
    /// The ways to them.
    #[serde(flatten)]
    pub subgraph: Subgraph,
}

/// One of them.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Reached {
    /// Which.
    pub id: NodeId,
    /// Edges on the shortest way.
    pub hops: u8,
    /// When it was first seen.
    pub first_ms: u64,
    /// The shortest way, both ends included.
    pub path: Vec<NodeId>,
}

/// Where something came from.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Root {
    /// What was asked about.
    pub start: NodeId,
    /// Its earliest cause; itself, if it has none.
    pub root: NodeId,
    /// The shortest way from there, both ends included.
    pub path: Vec<NodeId>,
    /// Whether there is more than the limits let through: an earlier cause may exist.
    pub truncated: bool,
    /// The way.
    #[serde(flatten)]
    pub subgraph: Subgraph,
}

/// What came of something.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Blast {
    /// What was asked about.
    pub start: NodeId,
    /// How many of each kind it reached.
    pub reached: BTreeMap<NodeKind, u64>,
    /// When the first was seen.
    pub first_ms: Option<u64>,
    /// When the last was seen.
    pub last_ms: Option<u64>,
    /// Whether there is more than the limits let through: the counts are lower bounds.
    pub truncated: bool,
    /// What was reached, and how.
    #[serde(flatten)]
    pub subgraph: Subgraph,
}

/// One attack from its first cause to its last effect.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Chain {
    /// What was asked about.
    pub start: NodeId,
    /// Its earliest cause.
    pub root: NodeId,
    /// From the root through the attack to the effect that is furthest from it.
    pub path: Vec<NodeId>,
    /// Whether there is more than the limits let through.
    pub truncated: bool,
    /// All causes, all effects, and the edges between them.
    #[serde(flatten)]
    pub subgraph: Subgraph,
}

/// Attacks that belong together.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Campaign {
    /// Its first attack, which names it.
    pub first: NodeId,
    /// When it began.
    pub first_ms: u64,
    /// When its last attack was seen.
    pub last_ms: u64,
    /// Its attacks, by name.
    pub attacks: Vec<NodeId>,
    /// Where they came from, by name.
    pub sources: Vec<NodeId>,
    /// What they are instances of, by name.
    pub patterns: Vec<NodeId>,
}

/// All campaigns of a time.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Campaigns {
    /// The largest first.
    pub campaigns: Vec<Campaign>,
    /// How many attacks were looked at.
    pub attacks: u64,
    /// Whether there are more than the limits let through.
    pub truncated: bool,
}

/// How much there is, or was.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Counts {
    /// Nodes by kind.
    pub nodes: BTreeMap<NodeKind, u64>,
    /// Edges.
    pub edges: u64,
}

impl Counts {
    /// Nodes in all.
    #[must_use]
    pub fn nodes_total(&self) -> u64 {
        self.nodes.values().sum()
    }

    pub(crate) fn add(&mut self, more: &Self) {
        self.edges += more.edges;
        for (&kind, &nodes) in &more.nodes {
            *self.nodes.entry(kind).or_default() += nodes;
        }
    }
}

/// Proof for a person that their data were erased.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Receipt {
    /// Whose graph.
    pub tenant: String,
    /// What was erased, with all that came of it.
    pub subject: NodeId,
    /// When, by the caller's clock.
    pub at_ms: u64,
    /// How much was erased.
    pub erased: Counts,
}

/// What the store holds.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Stats {
    /// How much.
    #[serde(flatten)]
    pub counts: Counts,
    /// When the first node was seen.
    pub first_ms: Option<u64>,
    /// When the last node was seen.
    pub last_ms: Option<u64>,
    /// Bytes on disk, where the store can tell.
    pub bytes: Option<u64>,
    /// Batches that wait for the graph database.
    pub waiting: u64,
    /// Batches that the graph database refused; they are kept in the spool.
    pub refused: u64,
}
