//! Finding nodes, and the edges of a node.

use std::collections::BTreeMap;

use rusqlite::{Connection, OptionalExtension as _, Row, params};

use crate::answer::{Counts, Stats};
use crate::error::Error;
use crate::graph::Place;
use crate::model::{NodeId, NodeKind, Properties};

pub(super) fn find(conn: &Connection, tenant: i64, id: &NodeId) -> Result<Option<Place<i64>>, Error> {
    let mut statement =
        conn.prepare_cached("SELECT key, first_ms, last_ms FROM nodes WHERE tenant = ?1 AND id = ?2")?;
    let place = statement.query_row(params![tenant, id.as_str()], |row| {
        Ok(Place {
            key: row.get(0)?,
            id: id.clone(),
            first_ms: unsigned(row, 1)?,
            last_ms: unsigned(row, 2)?,
        })
    });
    Ok(place.optional()?)
}

/// Of the columns key, id, first_ms, last_ms.
pub(super) fn place(row: &Row<'_>) -> Result<Place<i64>, Error> {
    let id = row.get_ref(1)?.as_str().map_err(|_| Error::Malformed { what: "node" })?;
    let id = id.parse().map_err(|_| Error::Malformed { what: "node" })?;
    Ok(Place { key: row.get(0)?, id, first_ms: unsigned(row, 2)?, last_ms: unsigned(row, 3)? })
}

pub(super) fn unsigned(row: &Row<'_>, column: usize) -> rusqlite::Result<u64> {
    Ok(row.get::<_, i64>(column)?.unsigned_abs())
}

/// The nodes with these keys, as far as they are of the tenant.
pub(super) fn places(conn: &Connection, tenant: i64, keys: &[i64]) -> Result<Vec<Place<i64>>, Error> {
    let mut statement =
        conn.prepare_cached("SELECT key, id, first_ms, last_ms FROM nodes WHERE key = ?1 AND tenant = ?2")?;
    let mut places = Vec::with_capacity(keys.len());
    for key in keys {
        let mut rows = statement.query([*key, tenant])?;
        if let Some(row) = rows.next()? {
            places.push(place(row)?);
        }
    }
    Ok(places)
}

pub(super) fn properties(conn: &Connection, tenant: i64, keys: &[i64]) -> Result<Vec<Properties>, Error> {
    let mut statement = conn.prepare_cached("SELECT properties FROM nodes WHERE key = ?1 AND tenant = ?2")?;
    let mut all = Vec::with_capacity(keys.len());
    for key in keys {
        let text: Option<Option<String>> =
            statement.query_row(params![key, tenant], |row| row.get(0)).optional()?;
        let properties = match text.flatten() {
            Some(text) => serde_json::from_str(&text).map_err(|_| Error::Malformed { what: "property" })?,
            None => Properties::new(),
        };
        all.push(properties);
    }
    Ok(all)
}

pub(super) fn count(conn: &Connection, tenant: Option<i64>) -> Result<Stats, Error> {
    let mut statement = conn.prepare_cached(
        "SELECT kind, count(*), min(first_ms), max(last_ms) FROM nodes WHERE ?1 IS NULL OR tenant = ?1 GROUP BY kind",
    )?;
    let mut rows = statement.query([tenant])?;
    let mut nodes = BTreeMap::new();
    let (mut first_ms, mut last_ms): (Option<u64>, Option<u64>) = (None, None);
    while let Some(row) = rows.next()? {
        let kind = NodeKind::from_number(row.get(0)?).ok_or(Error::Malformed { what: "node" })?;
        nodes.insert(kind, unsigned(row, 1)?);
        let (first, last) = (unsigned(row, 2)?, unsigned(row, 3)?);
        first_ms = Some(first_ms.map_or(first, |known| known.min(first)));
        last_ms = last_ms.max(Some(last));
    }
    let edges = edges(conn, tenant, "causes", "cause")? + edges(conn, tenant, "likeness", "node")? / 2;
    Ok(Stats { counts: Counts { nodes, edges }, first_ms, last_ms, ..Stats::default() })
}

/// Rows of a table of edges; both arguments are names from this file.
fn edges(conn: &Connection, tenant: Option<i64>, table: &str, end: &str) -> Result<u64, Error> {
    let sql = match tenant {
        None => format!("SELECT count(*) FROM {table} WHERE ?1 IS NULL"),
        Some(_) => {
            format!("SELECT count(*) FROM {table} e JOIN nodes n ON n.key = e.{end} WHERE n.tenant = ?1")
        }
    };
    Ok(conn.prepare_cached(&sql)?.query_row([tenant], |row| unsigned(row, 0))?)
}
