//! The tables, and how a file is opened.
//!
//! Causal edges are kept from the cause to the effect, whatever way they are written; likeness is kept at both ends. Every
//! index that a step walks begins with the node and goes on with the time, so that a bounded number of a hub's edges is
//! found without looking at the others, and holds all columns that the step needs.

use rusqlite::Connection;

use crate::error::Error;

/// `user_version` of the files written here.
const FORMAT: i64 = 3;
/// `application_id`: "AIMG".
const APPLICATION: i64 = 0x4149_4d47;

const SCHEMA: &str = "
CREATE TABLE tenants (key INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE) STRICT;
CREATE TABLE nodes (
  key INTEGER PRIMARY KEY, tenant INTEGER NOT NULL, kind INTEGER NOT NULL, id TEXT NOT NULL,
  first_ms INTEGER NOT NULL, last_ms INTEGER NOT NULL, properties TEXT, ties BLOB,
  UNIQUE (tenant, id)
) STRICT;
CREATE TABLE causes (
  cause INTEGER NOT NULL, effect INTEGER NOT NULL, kind INTEGER NOT NULL,
  first_ms INTEGER NOT NULL, last_ms INTEGER NOT NULL, weight REAL NOT NULL,
  PRIMARY KEY (cause, effect, kind)
) STRICT, WITHOUT ROWID;
CREATE INDEX causes_down ON causes (cause, first_ms, effect, kind, last_ms, weight);
CREATE INDEX causes_up ON causes (effect, first_ms, cause, kind, last_ms, weight);
CREATE INDEX causes_down_long ON causes (cause, last_ms, first_ms, effect, kind, weight) WHERE last_ms > first_ms;
CREATE INDEX causes_up_long ON causes (effect, last_ms, first_ms, cause, kind, weight) WHERE last_ms > first_ms;
CREATE TABLE likeness (
  node INTEGER NOT NULL, other INTEGER NOT NULL,
  first_ms INTEGER NOT NULL, last_ms INTEGER NOT NULL, weight REAL NOT NULL,
  PRIMARY KEY (node, other)
) STRICT, WITHOUT ROWID;
CREATE INDEX likeness_by_time ON likeness (node, first_ms, other, last_ms, weight);
CREATE INDEX likeness_long ON likeness (node, last_ms, first_ms, other, weight) WHERE last_ms > first_ms;
";

const ATTACKS_BY_TIME: &str =
    "CREATE INDEX attacks_by_time ON nodes (tenant, kind, first_ms, id, last_ms, ties) WHERE kind = 4";

/// Makes the tables in an empty file; refuses a file with others.
pub(super) fn prepare(conn: &Connection) -> Result<(), Error> {
    let pragma = |name: &str| conn.pragma_query_value(None, name, |row| row.get::<_, i64>(0));
    let application = pragma("application_id").map_err(|error| match error.sqlite_error_code() {
        Some(rusqlite::ErrorCode::NotADatabase) => Error::NotAGraph,
        _ => error.into(),
    })?;
    let tables: i64 = conn.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0))?;
    match (application, tables) {
        (APPLICATION, _) => {}
        (0, 0) => {}
        _ => return Err(Error::NotAGraph),
    }
    let found = pragma("user_version")?;
    if found > FORMAT {
        return Err(Error::NewerFormat { found, known: FORMAT });
    }
    conn.pragma_update_and_check(None, "journal_mode", "wal", |_| Ok(()))?;
    conn.pragma_update(None, "synchronous", "normal")?;
    // What is erased is overwritten.
    conn.pragma_update(None, "secure_delete", true)?;
    conn.pragma_update(None, "temp_store", "memory")?;
    // A gateway that writes it all day keeps its memory: 16 MiB, and no mapped file that grows into it.
    conn.pragma_update(None, "cache_size", -16_384)?;
    conn.set_prepared_statement_cache_capacity(32);
    if application == 0 {
        create(conn)?;
    } else if found < FORMAT {
        upgrade(conn)?;
    }
    Ok(())
}

/// From the first format, which had no ties, and from the second, whose index by time was of all nodes and did not hold them.
/// Two processes may do this at once, too.
fn upgrade(conn: &Connection) -> Result<(), Error> {
    conn.execute_batch("BEGIN IMMEDIATE")?;
    let found: i64 = conn.pragma_query_value(None, "user_version", |row| row.get(0))?;
    if found < FORMAT {
        if found < 2 {
            conn.execute_batch("ALTER TABLE nodes ADD COLUMN ties BLOB")?;
            super::ties::renew_all(conn)?;
        }
        conn.execute_batch(&format!("DROP INDEX nodes_by_time; {ATTACKS_BY_TIME}"))?;
        conn.pragma_update(None, "user_version", FORMAT)?;
    }
    Ok(conn.execute_batch("COMMIT")?)
}

/// Two processes may do this at once: the second finds the tables there.
fn create(conn: &Connection) -> Result<(), Error> {
    conn.execute_batch("BEGIN IMMEDIATE")?;
    let tables: i64 = conn.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0))?;
    if tables == 0 {
        conn.execute_batch(SCHEMA)?;
        conn.execute_batch(ATTACKS_BY_TIME)?;
        conn.pragma_update(None, "application_id", APPLICATION)?;
        conn.pragma_update(None, "user_version", FORMAT)?;
    }
    Ok(conn.execute_batch("COMMIT")?)
}
