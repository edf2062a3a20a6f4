//! Writing a batch.

use std::collections::{BTreeSet, HashMap};

use rusqlite::{Transaction, params};

use super::{signed, ties};
use crate::error::Error;
use crate::model::{Batch, Edge, Node, NodeId, NodeKind};

const TENANT: &str =
    "INSERT INTO tenants (name) VALUES (?1) ON CONFLICT (name) DO UPDATE SET name = name RETURNING key";

const NODE: &str = "INSERT INTO nodes (tenant, kind, id, first_ms, last_ms, properties) VALUES (?1, ?2, ?3, ?4, ?5, ?6) \
     ON CONFLICT (tenant, id) DO UPDATE SET first_ms = min(first_ms, excluded.first_ms), \
     last_ms = max(last_ms, excluded.last_ms), properties = CASE WHEN excluded.properties IS NULL THEN properties \
     ELSE json_patch(coalesce(properties, '{}'), excluded.properties) END RETURNING key";

const CAUSE: &str = "INSERT INTO causes (cause, effect, kind, first_ms, last_ms, weight) VALUES (?1, ?2, ?3, ?4, ?5, ?6) \
     ON CONFLICT (cause, effect, kind) DO UPDATE SET first_ms = min(first_ms, excluded.first_ms), \
     last_ms = max(last_ms, excluded.last_ms), weight = excluded.weight";

const LIKENESS: &str = "INSERT INTO likeness (node, other, first_ms, last_ms, weight) VALUES (?1, ?2, ?3, ?4, ?5) \
     ON CONFLICT (node, other) DO UPDATE SET first_ms = min(first_ms, excluded.first_ms), \
     last_ms = max(last_ms, excluded.last_ms), weight = excluded.weight";

/// O(rows · log of the file).
pub(super) fn batch(transaction: &Transaction<'_>, batch: &Batch) -> Result<(), Error> {
    let tenant: i64 = transaction.prepare_cached(TENANT)?.query_row([&batch.tenant], |row| row.get(0))?;
    let mut keys = HashMap::with_capacity(batch.nodes.len());
    for node in &batch.nodes {
        keys.insert(&node.id, put_node(transaction, tenant, node)?);
    }
    let key = |id: &NodeId| keys.get(id).copied().ok_or(Error::Malformed { what: "edge" });
    let mut tied = BTreeSet::new();
    for edge in &batch.edges {
        let ends = if edge.kind.is_causal() { vec![edge.effect()] } else { vec![&edge.from, &edge.to] };
        for end in ends.into_iter().filter(|end| end.kind() == NodeKind::Attack) {
            tied.insert(key(end)?);
        }
        if edge.kind.is_causal() {
            put_cause(transaction, key(edge.cause())?, key(edge.effect())?, edge)?;
        } else {
            put_likeness(transaction, key(&edge.from)?, key(&edge.to)?, edge)?;
        }
    }
    ties::renew(transaction, tied)
}

fn put_node(transaction: &Transaction<'_>, tenant: i64, node: &Node) -> Result<i64, Error> {
    let properties = match node.properties.is_empty() {
        true => None,
        false => serde_json::to_string(&node.properties).ok(),
    };
    let Node { id, first_ms, last_ms, .. } = node;
    let row =
        params![tenant, id.kind().number(), id.as_str(), signed(*first_ms), signed(*last_ms), properties];
    Ok(transaction.prepare_cached(NODE)?.query_row(row, |row| row.get(0))?)
}

fn put_cause(transaction: &Transaction<'_>, cause: i64, effect: i64, edge: &Edge) -> Result<(), Error> {
    let (first_ms, last_ms) = (signed(edge.first_ms), signed(edge.last_ms));
    let row = params![cause, effect, edge.kind.number(), first_ms, last_ms, edge.weight];
    transaction.prepare_cached(CAUSE)?.execute(row)?;
    Ok(())
}

fn put_likeness(transaction: &Transaction<'_>, one: i64, other: i64, edge: &Edge) -> Result<(), Error> {
    let (first_ms, last_ms) = (signed(edge.first_ms), signed(edge.last_ms));
    let mut statement = transaction.prepare_cached(LIKENESS)?;
    statement.execute(params![one, other, first_ms, last_ms, edge.weight])?;
    statement.execute(params![other, one, first_ms, last_ms, edge.weight])?;
    Ok(())
}
