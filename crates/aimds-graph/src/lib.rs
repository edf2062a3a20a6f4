//! The causal memory: which attack came from where, how it was recognised, what was decided, done and came of it, and
//! which other attacks hang together with it.
//!
//! A property graph of small nodes ([`NodeKind`]) and edges ([`EdgeKind`]), by tenant, never with content: names, rules,
//! categories, scores and times. [`Graph`] is what it can do; [`SqliteGraph`] keeps it in a file, [`Neo4jGraph`] (feature
//! `neo4j`) in a graph database. [`Linker`] makes it from records of the audit log.
//!
//! # Invariants
//!
//! * Every question names a tenant; nothing of another tenant is found, counted or removed by it.
//! * Every question is bounded in hops, time, edges of one node, and nodes; an answer that could be longer says so
//!   (`truncated`). Both stores answer through the same walks and pass the same tests.
//! * Texts in nodes are single words ([`Property::Label`]): content does not fit in.
//! * Writing a batch again changes nothing, so that a batch may be delivered more than once.
#![cfg_attr(
    not(test),
    deny(
        clippy::unwrap_used,
        clippy::expect_used,
        clippy::panic,
        clippy::indexing_slicing,
        clippy::unreachable
    )
)]
#![forbid(unsafe_code)]

mod answer;
mod error;
mod graph;
mod limits;
mod link;
mod model;
#[cfg(feature = "neo4j")]
mod neo4j;
mod picture;
mod sentence;
mod sqlite;
mod walk;

pub use aimds_store::Record;
pub use answer::{
    Blast, Campaign, Campaigns, Chain, Counts, Reached, Receipt, Related, Root, Stats, Subgraph,
};
pub use error::{Error, Invalid};
pub use graph::{Graph, Hop, Place, Portion, Side, Step, Steps, Store, Ties};
pub use limits::{CampaignLimits, Limits, Span};
pub use link::Linker;
pub use model::{
    Batch, Edge, EdgeKind, MAX_BATCH, MAX_ID, MAX_LABEL, MAX_PROPERTIES, Node, NodeId, NodeKind, Properties,
    Property,
};
#[cfg(feature = "neo4j")]
pub use neo4j::{Health, Neo4jGraph, Neo4jOptions, Password};
pub use picture::{mermaid, svg};
pub use sqlite::SqliteGraph;
