//! Erasing a subject, and dropping what is old. Joins are crossed where the small table must be the outer one.

use std::collections::BTreeMap;

use rusqlite::{Connection, Transaction, params};

use super::ties;
use crate::answer::Counts;
use crate::error::Error;
use crate::model::NodeKind;

/// The keys that go; of this connection only.
const DOOMED: &str = "CREATE TEMP TABLE IF NOT EXISTS doomed (key INTEGER PRIMARY KEY); DELETE FROM doomed; \
     CREATE TEMP TABLE IF NOT EXISTS carriers (key INTEGER PRIMARY KEY); DELETE FROM carriers; \
     CREATE TEMP TABLE IF NOT EXISTS untied (key INTEGER PRIMARY KEY); DELETE FROM untied";

/// What loses a cause or a likeness with the doomed.
const UNTIED: &str = "INSERT OR IGNORE INTO untied SELECT c.effect FROM doomed d CROSS JOIN causes c ON c.cause = d.key \
     UNION ALL SELECT l.other FROM doomed d CROSS JOIN likeness l ON l.node = d.key";

/// A node, and everything that came of it, however far. The union ends also where effects lead back to their causes.
const ALL_OF: &str = "INSERT INTO doomed WITH RECURSIVE reached (key) AS (SELECT ?1 UNION SELECT e.effect FROM causes e \
     JOIN reached r ON e.cause = r.key) SELECT key FROM reached";

/// Sessions and documents that carried the doomed.
const CARRIERS: &str = "INSERT OR IGNORE INTO carriers SELECT n.key FROM doomed d \
     CROSS JOIN causes c ON c.effect = d.key CROSS JOIN nodes n ON n.key = c.cause WHERE n.kind IN (?1, ?2)";

/// Those of them that hang together with nothing any more.
const ALONE: &str = "INSERT INTO doomed SELECT n.key FROM carriers k CROSS JOIN nodes n ON n.key = k.key \
     WHERE NOT EXISTS (SELECT 1 FROM causes c WHERE c.cause = n.key) \
     AND NOT EXISTS (SELECT 1 FROM causes c WHERE c.effect = n.key) \
     AND NOT EXISTS (SELECT 1 FROM likeness l WHERE l.node = n.key)";

const OTHER_ENDS: &str = "DELETE FROM likeness WHERE (node, other) IN (SELECT other, node FROM likeness \
     WHERE node IN (SELECT key FROM doomed))";

const OLD: &str =
    "INSERT INTO doomed SELECT key FROM nodes WHERE last_ms < ?1 AND (?2 IS NULL OR tenant = ?2)";

/// O(what is removed · log of the file).
pub(super) fn all_of(transaction: &Transaction<'_>, key: i64) -> Result<Counts, Error> {
    transaction.execute_batch(DOOMED)?;
    transaction.prepare_cached(ALL_OF)?.execute([key])?;
    let carriers = params![NodeKind::Session.number(), NodeKind::Document.number()];
    transaction.prepare_cached(CARRIERS)?.execute(carriers)?;
    let mut counts = remove_doomed(transaction)?;
    transaction.prepare_cached(ALONE)?.execute([])?;
    counts.add(&remove_doomed(transaction)?);
    renew_untied(transaction)?;
    Ok(counts)
}

/// One look at every node and edge.
pub(super) fn before(
    transaction: &Transaction<'_>,
    tenant: Option<i64>,
    before_ms: i64,
) -> Result<Counts, Error> {
    transaction.execute_batch(DOOMED)?;
    transaction.prepare_cached(OLD)?.execute(params![before_ms, tenant])?;
    let mut counts = remove_doomed(transaction)?;
    let remove = |table: &str, one: &str, other: &str| {
        let old = format!(
            "FROM {table} WHERE last_ms < ?1 AND (?2 IS NULL OR {one} IN (SELECT key FROM nodes WHERE tenant = ?2))"
        );
        let untied = format!("INSERT OR IGNORE INTO untied SELECT {other} {old}");
        transaction.execute(&untied, params![before_ms, tenant])?;
        transaction.execute(&format!("DELETE {old}"), params![before_ms, tenant])
    };
    let causes = remove("causes", "cause", "effect")?;
    let likeness = remove("likeness", "node", "other")?;
    renew_untied(transaction)?;
    counts.edges += (causes + likeness / 2) as u64;
    Ok(counts)
}

fn remove_doomed(transaction: &Transaction<'_>) -> Result<Counts, Error> {
    let mut nodes = BTreeMap::new();
    let mut statement = transaction.prepare_cached(
        "SELECT n.kind, count(*) FROM doomed d CROSS JOIN nodes n ON n.key = d.key GROUP BY n.kind",
    )?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        let kind = NodeKind::from_number(row.get(0)?).ok_or(Error::Malformed { what: "node" })?;
        nodes.insert(kind, row.get::<_, i64>(1)?.unsigned_abs());
    }
    transaction.prepare_cached(UNTIED)?.execute([])?;
    let delete = |from: &str| transaction.prepare_cached(from)?.execute([]);
    let down = delete("DELETE FROM causes WHERE cause IN (SELECT key FROM doomed)")?;
    let up = delete("DELETE FROM causes WHERE effect IN (SELECT key FROM doomed)")?;
    // Each likeness stands in two rows, of which one may be that of a node that stays.
    let likeness =
        delete(OTHER_ENDS)? + delete("DELETE FROM likeness WHERE node IN (SELECT key FROM doomed)")?;
    delete("DELETE FROM nodes WHERE key IN (SELECT key FROM doomed)")?;
    transaction.execute_batch("DELETE FROM doomed")?;
    Ok(Counts { nodes, edges: (down + up + likeness / 2) as u64 })
}

/// Of what lost an edge, the attacks that are still there.
fn renew_untied(transaction: &Transaction<'_>) -> Result<(), Error> {
    let mut statement = transaction
        .prepare_cached("SELECT u.key FROM untied u CROSS JOIN nodes n ON n.key = u.key WHERE n.kind = ?1")?;
    let keys = statement.query_map([NodeKind::Attack.number()], |row| row.get(0))?;
    ties::renew(transaction, keys.collect::<rusqlite::Result<Vec<i64>>>()?)
}

/// Takes what was removed out of the log beside the file, too. A reader that holds it up does so for its own time only: the
/// next checkpoint takes it.
pub(super) fn forget(conn: &Connection) -> Result<(), Error> {
    Ok(conn.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()))?)
}
