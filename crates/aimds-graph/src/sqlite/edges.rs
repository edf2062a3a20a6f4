//! The edges of a node.

use rusqlite::{CachedStatement, Connection, Row, params};

use super::read::{places, unsigned};
use super::{as_limit, signed};
use crate::error::Error;
use crate::graph::{Hop, Side, Step, Steps};
use crate::limits::Span;
use crate::model::EdgeKind;

/// How many long-lived edges are looked at for each one that may be followed.
const LONG_PER_EDGE: usize = 4;

/// Statements for the edges of one side, with the columns other, kind, first_ms, last_ms, weight.
struct Statements {
    /// Edges that began inside the span, the newest first.
    begun: &'static str,
    /// Edges that were seen more than once and not only before the span, those that ended first first.
    long: &'static str,
}

macro_rules! statements {
    ($table:literal, $node:literal, $columns:literal, $by_time:literal, $long:literal) => {
        Statements {
            begun: concat!(
                "SELECT ",
                $columns,
                ", first_ms, last_ms, weight FROM ",
                $table,
                " INDEXED BY ",
                $by_time,
                " WHERE ",
                $node,
                " = ?1 AND first_ms BETWEEN ?2 AND ?3 ORDER BY first_ms DESC LIMIT ?4"
            ),
            long: concat!(
                "SELECT ",
                $columns,
                ", first_ms, last_ms, weight FROM ",
                $table,
                " INDEXED BY ",
                $long,
                " WHERE ",
                $node,
                " = ?1 AND last_ms > first_ms AND last_ms >= ?2 ORDER BY last_ms LIMIT ?3"
            ),
        }
    };
}

const CAUSES: Statements = statements!("causes", "effect", "cause, kind", "causes_up", "causes_up_long");
const EFFECTS: Statements = statements!("causes", "cause", "effect, kind", "causes_down", "causes_down_long");
// Likeness has no kind: the node's number stands in its place and is not looked at.
const SIMILAR: Statements =
    statements!("likeness", "node", "other, node", "likeness_by_time", "likeness_long");

/// O(fan-out · log of the file) for each node and side, however many edges it has. An edge joins nodes of one tenant, and
/// nodes of another are not found.
pub(super) fn step(
    conn: &Connection,
    tenant: i64,
    from: &[i64],
    step: &Step<'_>,
    known: &dyn Fn(&i64) -> bool,
) -> Result<Steps<i64>, Error> {
    let mut steps = Steps::default();
    for &side in step.sides {
        let mut reader = SideReader::new(conn, side, step)?;
        for (number, &key) in from.iter().enumerate() {
            let left = step.budget.saturating_sub(steps.hops.len());
            // Whether there is still more changes nothing.
            if left == 0 && steps.truncated {
                break;
            }
            steps.truncated |= reader.edges(number, key, left, &mut steps.hops)?;
        }
    }
    let mut keys: Vec<i64> = steps.hops.iter().map(|hop| hop.to).collect();
    keys.sort_unstable();
    keys.dedup();
    keys.retain(|key| !known(key));
    steps.places = places(conn, tenant, &keys)?;
    Ok(steps)
}

struct SideReader<'a> {
    side: Side,
    step: &'a Step<'a>,
    begun: CachedStatement<'a>,
    long: CachedStatement<'a>,
}

impl<'a> SideReader<'a> {
    fn new(conn: &'a Connection, side: Side, step: &'a Step<'a>) -> Result<Self, Error> {
        let Statements { begun, long } = match side {
            Side::Causes => CAUSES,
            Side::Effects => EFFECTS,
            Side::Similar => SIMILAR,
        };
        Ok(Self { side, step, begun: conn.prepare_cached(begun)?, long: conn.prepare_cached(long)? })
    }

    /// Adds the edges of one node, and says whether it has more.
    fn edges(
        &mut self,
        number: usize,
        key: i64,
        left: usize,
        found: &mut Vec<Hop<i64>>,
    ) -> Result<bool, Error> {
        let most = self.step.fan_out.min(left);
        let Span { from_ms, to_ms } = self.step.span;
        let first = found.len();
        let limit = as_limit(most.saturating_add(1));
        let mut rows = self.begun.query([key, signed(from_ms), signed(to_ms), limit])?;
        while let Some(row) = rows.next()? {
            if found.len() - first >= most {
                return Ok(true);
            }
            found.push(hop(self.side, number, row)?);
        }
        drop(rows);
        // What is always inside began inside.
        if from_ms == 0 {
            return Ok(false);
        }
        self.long_edges(number, key, first + most, found)
    }

    /// Adds the edges of one node that began before the span and were still seen in it.
    fn long_edges(
        &mut self,
        number: usize,
        key: i64,
        most: usize,
        found: &mut Vec<Hop<i64>>,
    ) -> Result<bool, Error> {
        let looks = self.step.fan_out.saturating_mul(LONG_PER_EDGE);
        let from_ms = self.step.span.from_ms;
        let mut rows = self.long.query(params![key, signed(from_ms), as_limit(looks)])?;
        let mut looked = 0;
        while let Some(row) = rows.next()? {
            looked += 1;
            let hop = hop(self.side, number, row)?;
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
}

fn hop(side: Side, from: usize, row: &Row<'_>) -> Result<Hop<i64>, Error> {
    let kind = match side {
        Side::Similar => EdgeKind::SimilarTo,
        Side::Causes | Side::Effects => {
            EdgeKind::from_number(row.get(1)?).ok_or(Error::Malformed { what: "edge" })?
        }
    };
    let (first_ms, last_ms) = (unsigned(row, 2)?, unsigned(row, 3)?);
    Ok(Hop { from, to: row.get(0)?, side, kind, first_ms, last_ms, weight: row.get(4)? })
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
                assert_eq!(plan.len(), 1, "{plan:?}");
                assert!(plan[0].ends_with(&format!("USING COVERING INDEX {index}")), "{plan:?}");
            }
        }
    }
}
