//! Finding nodes, and the edges of a node.

use std::collections::BTreeMap;

use rusqlite::{Connection, OptionalExtension as _, Row, params};

use super::{as_limit, signed};
use crate::answer::{Counts, Stats};
use crate::error::Error;
use crate::graph::{Hop, Place, Portion, Side, Step};
use crate::limits::Span;
use crate::model::{EdgeKind, NodeId, NodeKind, Properties};

/// How many long-lived edges are looked at for each one that may be followed.
const LONG_PER_EDGE: usize = 4;

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

/// Statements for the edges of one side. `e` has the columns other, kind, first_ms, last_ms, weight.
struct Statements {
    /// Edges that began inside the span, the newest first.
    begun: &'static str,
    /// Edges that were seen more than once and not only before the span, those that ended first first.
    long: &'static str,
}

macro_rules! statements {
    ($table:literal, $node:literal, $other:literal, $kind:literal, $by_time:literal, $long:literal) => {
        Statements {
            begun: concat!(
                "SELECT n.key, n.id, n.first_ms, n.last_ms, e.",
                $kind,
                ", e.first_ms, e.last_ms, e.weight FROM ",
                $table,
                " e INDEXED BY ",
                $by_time,
                " CROSS JOIN nodes n ON n.key = e.",
                $other,
                " AND n.tenant = ?2 WHERE e.",
                $node,
                " = ?1 AND e.first_ms BETWEEN ?3 AND ?4 ORDER BY e.first_ms DESC LIMIT ?5"
            ),
            long: concat!(
                "SELECT n.key, n.id, n.first_ms, n.last_ms, e.",
                $kind,
                ", e.first_ms, e.last_ms, e.weight FROM ",
                $table,
                " e INDEXED BY ",
                $long,
                " CROSS JOIN nodes n ON n.key = e.",
                $other,
                " AND n.tenant = ?2 WHERE e.",
                $node,
                " = ?1 AND e.last_ms > e.first_ms AND e.last_ms >= ?3 ORDER BY e.last_ms LIMIT ?4"
            ),
        }
    };
}

const CAUSES: Statements = statements!("causes", "effect", "cause", "kind", "causes_up", "causes_up_long");
const EFFECTS: Statements =
    statements!("causes", "cause", "effect", "kind", "causes_down", "causes_down_long");
// Likeness has no kind: the node's number stands in its place and is not looked at.
const SIMILAR: Statements =
    statements!("likeness", "node", "other", "node", "likeness_by_time", "likeness_long");

/// O(fan-out · log of the file) for each node and side, however many edges it has.
pub(super) fn step(
    conn: &Connection,
    tenant: i64,
    from: &[Place<i64>],
    step: &Step<'_>,
) -> Result<Portion<Hop<i64>>, Error> {
    let mut portion = Portion { found: Vec::new(), truncated: false };
    for &side in step.sides {
        let reader = SideReader { conn, tenant, side, step };
        for (number, place) in from.iter().enumerate() {
            let left = step.budget.saturating_sub(portion.found.len());
            portion.truncated |= reader.edges(number, place.key, left, &mut portion.found)?;
        }
    }
    Ok(portion)
}

struct SideReader<'a> {
    conn: &'a Connection,
    tenant: i64,
    side: Side,
    step: &'a Step<'a>,
}

impl SideReader<'_> {
    /// Adds the edges of one node, and says whether it has more.
    fn edges(&self, number: usize, key: i64, left: usize, found: &mut Vec<Hop<i64>>) -> Result<bool, Error> {
        let most = self.step.fan_out.min(left);
        let Statements { begun, long } = match self.side {
            Side::Causes => CAUSES,
            Side::Effects => EFFECTS,
            Side::Similar => SIMILAR,
        };
        let Span { from_ms, to_ms } = self.step.span;
        let first = found.len();
        let mut statement = self.conn.prepare_cached(begun)?;
        let mut rows = statement.query(params![
            key,
            self.tenant,
            signed(from_ms),
            signed(to_ms),
            as_limit(most.saturating_add(1))
        ])?;
        while let Some(row) = rows.next()? {
            if found.len() - first >= most {
                return Ok(true);
            }
            found.push(self.hop(number, row)?);
        }
        // What is always inside began inside.
        if from_ms == 0 {
            return Ok(false);
        }
        self.long_edges(long, number, key, first + most, found)
    }

    /// Adds the edges of one node that began before the span and were still seen in it.
    fn long_edges(
        &self,
        long: &str,
        number: usize,
        key: i64,
        most: usize,
        found: &mut Vec<Hop<i64>>,
    ) -> Result<bool, Error> {
        let looks = self.step.fan_out.saturating_mul(LONG_PER_EDGE);
        let mut statement = self.conn.prepare_cached(long)?;
        let from_ms = self.step.span.from_ms;
        let mut rows = statement.query(params![key, self.tenant, signed(from_ms), as_limit(looks)])?;
        let mut looked = 0;
        while let Some(row) = rows.next()? {
            looked += 1;
            let hop = self.hop(number, row)?;
            if hop.first_ms >= from_ms {
                continue;
            }
            if found.len() >= most {
                return Ok(true);
            }
            found.push(hop);
        }
        Ok(looked == looks)
    }

    fn hop(&self, number: usize, row: &Row<'_>) -> Result<Hop<i64>, Error> {
        let kind = match self.side {
            Side::Similar => EdgeKind::SimilarTo,
            Side::Causes | Side::Effects => {
                EdgeKind::from_number(row.get(4)?).ok_or(Error::Malformed { what: "edge" })?
            }
        };
        Ok(Hop {
            from: number,
            to: place(row)?,
            side: self.side,
            kind,
            first_ms: unsigned(row, 5)?,
            last_ms: unsigned(row, 6)?,
            weight: row.get(7)?,
        })
    }
}

/// Of the columns key, id, first_ms, last_ms.
fn place(row: &Row<'_>) -> Result<Place<i64>, Error> {
    let id = row.get_ref(1)?.as_str().map_err(|_| Error::Malformed { what: "node" })?;
    let id = id.parse().map_err(|_| Error::Malformed { what: "node" })?;
    Ok(Place { key: row.get(0)?, id, first_ms: unsigned(row, 2)?, last_ms: unsigned(row, 3)? })
}

fn unsigned(row: &Row<'_>, column: usize) -> rusqlite::Result<u64> {
    Ok(row.get::<_, i64>(column)?.unsigned_abs())
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

pub(super) fn attacks(
    conn: &Connection,
    tenant: i64,
    span: Span,
    limit: usize,
) -> Result<Portion<Place<i64>>, Error> {
    let mut statement = conn.prepare_cached(
        "SELECT key, id, first_ms, last_ms FROM nodes WHERE tenant = ?1 AND kind = ?2 AND first_ms BETWEEN ?3 AND ?4 \
         ORDER BY first_ms DESC, id LIMIT ?5",
    )?;
    let mut rows = statement.query(params![
        tenant,
        NodeKind::Attack.number(),
        signed(span.from_ms),
        signed(span.to_ms),
        as_limit(limit.saturating_add(1))
    ])?;
    let mut found = Vec::new();
    while let Some(row) = rows.next()? {
        if found.len() == limit {
            return Ok(Portion { found, truncated: true });
        }
        found.push(place(row)?);
    }
    Ok(Portion { found, truncated: false })
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

#[cfg(test)]
mod tests {
    use super::*;

    /// What makes the size of a hub not matter: a search of a covering index, and nothing sorted.
    #[test]
    fn steps_search_covering_indices_and_sort_nothing() {
        let conn = Connection::open_in_memory().unwrap();
        super::super::schema::prepare(&conn).unwrap();
        for (statements, begun, long) in [
            (
                CAUSES,
                "causes_up (effect=? AND first_ms>? AND first_ms<?)",
                "causes_up_long (effect=? AND last_ms>?)",
            ),
            (
                EFFECTS,
                "causes_down (cause=? AND first_ms>? AND first_ms<?)",
                "causes_down_long (cause=? AND last_ms>?)",
            ),
            (
                SIMILAR,
                "likeness_by_time (node=? AND first_ms>? AND first_ms<?)",
                "likeness_long (node=? AND last_ms>?)",
            ),
        ] {
            for (sql, index) in [(statements.begun, begun), (statements.long, long)] {
                let mut statement = conn.prepare(&format!("EXPLAIN QUERY PLAN {sql}")).unwrap();
                let values = vec![1_i64; statement.parameter_count()];
                let lines =
                    statement.query_map(rusqlite::params_from_iter(values), |row| row.get(3)).unwrap();
                let plan: Vec<String> = lines.map(Result::unwrap).collect();
                assert!(plan[0].ends_with(&format!("USING COVERING INDEX {index}")), "{plan:?}");
                assert_eq!(plan.len(), 2, "{plan:?}");
                assert!(plan[1].starts_with("SEARCH n USING INTEGER PRIMARY KEY"), "{plan:?}");
            }
        }
    }
}
