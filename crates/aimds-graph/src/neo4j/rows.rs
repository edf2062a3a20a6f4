//! What goes into statements, and how answers are read.

use std::collections::BTreeMap;

use neo4rs::{BoltMap, BoltType, Query, Row};
use serde::de::DeserializeOwned;

use super::cypher;
use crate::answer::Counts;
use crate::error::Error;
use crate::graph::{Hop, Place, Side};
use crate::model::{Batch, Edge, EdgeKind, Node, NodeId, NodeKind, Property};

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

pub(super) fn ids<'a>(ids: impl Iterator<Item = &'a NodeId>) -> Vec<String> {
    ids.map(|id| id.as_str().to_owned()).collect()
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

pub(super) fn place(row: &Row, first: &str, last: &str) -> Result<Place<NodeId>, Error> {
    let id: NodeId = get::<String>(row, "id")?.parse().map_err(|_| Error::Malformed { what: "node" })?;
    Ok(Place { key: id.clone(), id, first_ms: time(row, first)?, last_ms: time(row, last)? })
}

/// An edge in one of the directions that were asked for, and the node to which it leads.
pub(super) fn hop(row: &Row, sides: &[Side]) -> Result<(Hop<NodeId>, Place<NodeId>), Error> {
    let place = place(row, "node_first", "node_last")?;
    let number =
        |column| usize::try_from(get::<i64>(row, column)?).map_err(|_| Error::Malformed { what: "answer" });
    let side = sides.get(number("side")?).copied().ok_or(Error::Malformed { what: "answer" })?;
    let hop = Hop {
        from: number("i")?,
        to: place.key.clone(),
        side,
        kind: cypher::kind_of(&get::<String>(row, "kind")?).ok_or(Error::Malformed { what: "edge" })?,
        first_ms: time(row, "first_ms")?,
        last_ms: time(row, "last_ms")?,
        weight: get(row, "weight")?,
    };
    Ok((hop, place))
}

pub(super) fn counts(kinds: Vec<(String, i64)>, edges: i64) -> Result<Counts, Error> {
    let mut counts = Counts { nodes: BTreeMap::new(), edges: edges.unsigned_abs() };
    for (name, nodes) in kinds {
        *counts.nodes.entry(kind(&name)?).or_default() += nodes.unsigned_abs();
    }
    Ok(counts)
}
