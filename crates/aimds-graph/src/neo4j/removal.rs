//! Taking nodes out, inside of one transaction.

use std::collections::HashSet;

use neo4rs::{Query, Txn};

use super::bolt::rows;
use super::cypher;

/// Nodes that one statement is about.
pub(super) const AT_ONCE: usize = 1000;

/// The `id` of every row of a statement about some nodes.
pub(super) async fn names(
    transaction: &mut Txn,
    statement: &str,
    tenant: &str,
    ids: &[String],
) -> Result<Vec<String>, neo4rs::Error> {
    let mut found = Vec::new();
    for some in ids.chunks(AT_ONCE) {
        for row in rows(transaction, about(statement, tenant, some)).await? {
            found.push(row.get("id")?);
        }
    }
    Ok(found)
}

fn about(statement: &str, tenant: &str, ids: &[String]) -> Query {
    Query::new(statement.to_owned())
        .param("tenant", tenant)
        .param("ids", ids)
        .param("back", cypher::pointing_back())
}

/// A node and everything that came of it.
pub(super) async fn descendants(
    transaction: &mut Txn,
    tenant: &str,
    id: String,
) -> Result<Vec<String>, neo4rs::Error> {
    let mut seen = HashSet::from([id.clone()]);
    let mut all = vec![id];
    let mut done = 0;
    while done < all.len() {
        let frontier = all.split_off(done);
        let effects = names(transaction, cypher::EFFECTS, tenant, &frontier).await?;
        all.extend(frontier);
        done = all.len();
        all.extend(effects.into_iter().filter(|id| seen.insert(id.clone())));
    }
    Ok(all)
}

pub(super) type Removed = (Vec<(String, i64)>, i64);

/// Removes some nodes with their edges, and counts both.
pub(super) async fn remove(
    transaction: &mut Txn,
    tenant: &str,
    ids: &[String],
) -> Result<Removed, neo4rs::Error> {
    let (mut kinds, mut edges) = (Vec::new(), 0_i64);
    for some in ids.chunks(AT_ONCE) {
        for row in rows(transaction, about(cypher::COUNT_NODES_OF, tenant, some)).await? {
            kinds.push((row.get("kind")?, row.get("nodes")?));
        }
        for row in rows(transaction, about(cypher::COUNT_EDGES_OF, tenant, some)).await? {
            edges += row.get::<i64>("edges")?;
        }
        transaction.run(about(cypher::REMOVE, tenant, some)).await?;
    }
    Ok((kinds, edges))
}
