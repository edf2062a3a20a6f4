//! What goes into statements, and how answers are read.

use std::collections::BTreeMap;

use neo4rs::{BoltMap, BoltType, Query, Row};
use serde::de::DeserializeOwned;

use super::cypher;
use crate::answer::Counts;
use crate::error::Error;
use crate::graph::{Hop, Place, Side};
use crate::model::{Batch, Edge, EdgeKind, Node, NodeKind, Property};

/// One statement for each kind of node and edge in the batch.
pub(super) fn statements(batch: &Batch) -> Vec<Query> {
    let mut statements = Vec::new();
    for &kind in NodeKind::ALL {
        let nodes = batch.nodes.iter().filter(|node| node.id.kind() == kind);
        put(&mut statements, cypher::put_nodes(kind), &batch.tenant, nodes.map(node_row).collect());
    }
    for &kind in EdgeKind::ALL {
        let edges = batch.edges.iter().filter(|edge| edge.kind == kind);
        put(&mut statements, cypher::put_edges(kind), &batch.tenant, edges.map(edge_row).collect());
    }
    statements
}

fn put(statements: &mut Vec<Query>, text: String, tenant: &str, rows: Vec<BoltType>) {
    if !rows.is_empty() {
        statements.push(Query::new(text).param("tenant", tenant).param("rows", rows));
    }
}

fn map(fields: impl IntoIterator<Item = (String, BoltType)>) -> BoltType {
    let mut map = BoltMap::default();
    for (name, value) in fields {
        map.put(name.as_str().into(), value);
    }
    BoltType::Map(map)
}

fn node_row(node: &Node) -> BoltType {
    let properties = node.properties.iter().map(|(name, value)| {
        let value: BoltType = match value {
            Property::Flag(flag) => (*flag).into(),
            Property::Count(count) => (*count).into(),
            Property::Score(score) => (*score).into(),
            Property::Label(text) => text.as_str().into(),
        };
        (name.clone(), value)
    });
    map([
        ("id".to_owned(), node.id.as_str().into()),
        ("first_ms".to_owned(), signed(node.first_ms).into()),
        ("last_ms".to_owned(), signed(node.last_ms).into()),
        ("properties".to_owned(), map(properties)),
    ])
}

fn edge_row(edge: &Edge) -> BoltType {
    // Likeness has no direction, so it has one.
    let (from, to) = match edge.kind {
        EdgeKind::SimilarTo => ((&edge.from).min(&edge.to), (&edge.from).max(&edge.to)),
        _ => (&edge.from, &edge.to),
    };
    map([
        ("from".to_owned(), from.as_str().into()),
        ("to".to_owned(), to.as_str().into()),
        ("first_ms".to_owned(), signed(edge.first_ms).into()),
        ("last_ms".to_owned(), signed(edge.last_ms).into()),
        ("weight".to_owned(), edge.weight.into()),
    ])
}

pub(super) fn signed(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

pub(super) fn count(number: usize) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

pub(super) fn get<T: DeserializeOwned>(row: &Row, column: &str) -> Result<T, Error> {
    row.get(column).map_err(|_| Error::Malformed { what: "answer" })
}

pub(super) fn time(row: &Row, column: &str) -> Result<u64, Error> {
    get::<i64>(row, column).map(i64::unsigned_abs)
}

pub(super) fn kind(name: &str) -> Result<NodeKind, Error> {
    name.parse().map_err(|_| Error::Malformed { what: "node" })
}

/// A node: its number, its name, when it was first and last seen.
pub(super) type Stored = (i64, String, i64, i64);

pub(super) fn place((key, id, first_ms, last_ms): Stored) -> Result<Place<i64>, Error> {
    let id = id.parse().map_err(|_| Error::Malformed { what: "node" })?;
    Ok(Place { key, id, first_ms: first_ms.unsigned_abs(), last_ms: last_ms.unsigned_abs() })
}

/// An edge: which of the nodes it was found at, the node to which it leads as in [`Stored`], its kind, when it was first and
/// last seen, its weight.
pub(super) type Found = (usize, i64, String, i64, i64, String, i64, i64, f64);

/// An edge of the node numbered `first` or of one after it.
pub(super) fn hop(found: Found, side: Side, first: usize) -> Result<(Hop<i64>, Place<i64>), Error> {
    let (from, key, id, node_first, node_last, kind, first_ms, last_ms, weight) = found;
    let hop = Hop {
        from: first + from,
        to: key,
        side,
        kind: cypher::kind_of(&kind).ok_or(Error::Malformed { what: "edge" })?,
        first_ms: first_ms.unsigned_abs(),
        last_ms: last_ms.unsigned_abs(),
        weight,
    };
    Ok((hop, place((key, id, node_first, node_last))?))
}

pub(super) fn counts(kinds: Vec<(String, i64)>, edges: i64) -> Result<Counts, Error> {
    let mut counts = Counts { nodes: BTreeMap::new(), edges: edges.unsigned_abs() };
    for (name, nodes) in kinds {
        *counts.nodes.entry(kind(&name)?).or_default() += nodes.unsigned_abs();
    }
    Ok(counts)
}
