//! What waits for the database, in a file: nothing is lost or reordered when either process ends.

use std::path::Path;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rusqlite::{Connection, params};

use crate::error::Error;
use crate::model::Batch;

/// `application_id`: "AIMS".
const APPLICATION: i64 = 0x4149_4d53;

const SCHEMA: &str = "CREATE TABLE IF NOT EXISTS waiting (seq INTEGER PRIMARY KEY AUTOINCREMENT, batch TEXT NOT NULL) STRICT;
     CREATE TABLE IF NOT EXISTS refused (seq INTEGER PRIMARY KEY, batch TEXT NOT NULL, reason TEXT NOT NULL) STRICT;";

/// Batches in the order in which they came.
pub(super) struct Spool {
    state: Mutex<State>,
    most_batches: u64,
    most_bytes: u64,
}

struct State {
    conn: Connection,
    batches: u64,
    bytes: u64,
}

/// A batch that waits.
pub(super) struct Waiting {
    pub(super) seq: i64,
    pub(super) batch: Batch,
}

impl Spool {
    pub(super) fn open(path: &Path, most_batches: u64, most_bytes: u64) -> Result<Self, Error> {
        if !path.exists() {
            crate::sqlite::create_private(path)?;
        }
        let conn = Connection::open(path)?;
        conn.busy_timeout(Duration::from_secs(2))?;
        // Two that deliver from one spool would reorder it.
        conn.pragma_update_and_check(None, "locking_mode", "exclusive", |_| Ok(()))?;
        conn.execute_batch("BEGIN EXCLUSIVE; COMMIT").map_err(|error| match error.sqlite_error_code() {
            Some(rusqlite::ErrorCode::DatabaseBusy) => {
                Error::Settings("another process delivers from the spool".to_owned())
            }
            Some(rusqlite::ErrorCode::NotADatabase) => {
                Error::Settings("the spool's file is something else".to_owned())
            }
            _ => error.into(),
        })?;
        let application: i64 = conn.pragma_query_value(None, "application_id", |row| row.get(0))?;
        let tables: i64 = conn.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0))?;
        if application != APPLICATION && (application, tables) != (0, 0) {
            return Err(Error::Settings("the spool's file is something else".to_owned()));
        }
        conn.pragma_update_and_check(None, "journal_mode", "wal", |_| Ok(()))?;
        // What was taken survives a loss of power, too.
        conn.pragma_update(None, "synchronous", "full")?;
        conn.pragma_update(None, "secure_delete", true)?;
        conn.execute_batch(SCHEMA)?;
        conn.pragma_update(None, "application_id", APPLICATION)?;
        let mut state = State { conn, batches: 0, bytes: 0 };
        (state.batches, state.bytes) = state.sizes("WHERE seq <= ?1", i64::MAX)?;
        Ok(Self { state: Mutex::new(state), most_batches, most_bytes })
    }

    /// Every change is one statement, so that what a panic left behind is whole.
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn push(&self, batch: &Batch) -> Result<(), Error> {
        let text = serde_json::to_string(batch).map_err(|_| Error::Malformed { what: "batch" })?;
        let size = text.len() as u64;
        let mut state = self.state();
        if state.batches >= self.most_batches || state.bytes.saturating_add(size) > self.most_bytes {
            return Err(Error::SpoolFull);
        }
        state.conn.prepare_cached("INSERT INTO waiting (batch) VALUES (?1)")?.execute([text])?;
        state.batches += 1;
        state.bytes += size;
        Ok(())
    }

    /// The oldest.
    pub(super) fn next(&self, most: usize) -> Result<Vec<Waiting>, Error> {
        let state = self.state();
        let mut statement =
            state.conn.prepare_cached("SELECT seq, batch FROM waiting ORDER BY seq LIMIT ?1")?;
        let mut rows = statement.query([i64::try_from(most).unwrap_or(i64::MAX)])?;
        let mut waiting = Vec::new();
        while let Some(row) = rows.next()? {
            let text = row.get_ref(1)?.as_str().map_err(|_| Error::Malformed { what: "batch" })?;
            let batch = serde_json::from_str(text).map_err(|_| Error::Malformed { what: "batch" })?;
            waiting.push(Waiting { seq: row.get(0)?, batch });
        }
        Ok(waiting)
    }

    /// Everything up to this one was delivered.
    pub(super) fn delivered(&self, seq: i64) -> Result<(), Error> {
        let mut state = self.state();
        let (batches, bytes) = state.sizes("WHERE seq <= ?1", seq)?;
        state.conn.prepare_cached("DELETE FROM waiting WHERE seq <= ?1")?.execute([seq])?;
        state.is_gone(batches, bytes);
        Ok(())
    }

    /// The database will never take this one.
    pub(super) fn refuse(&self, seq: i64, reason: &str) -> Result<(), Error> {
        let mut state = self.state();
        let (batches, bytes) = state.sizes("WHERE seq = ?1", seq)?;
        let transaction = state.conn.transaction()?;
        transaction.execute(
            "INSERT INTO refused (seq, batch, reason) SELECT seq, batch, ?2 FROM waiting WHERE seq = ?1",
            params![seq, reason],
        )?;
        transaction.execute("DELETE FROM waiting WHERE seq = ?1", [seq])?;
        transaction.commit()?;
        state.is_gone(batches, bytes);
        Ok(())
    }

    /// How many wait, and how many were refused.
    pub(super) fn counts(&self) -> Result<(u64, u64), Error> {
        let state = self.state();
        let mut statement = state.conn.prepare_cached("SELECT count(*) FROM refused")?;
        let refused: i64 = statement.query_row([], |row| row.get(0))?;
        Ok((state.batches, refused.unsigned_abs()))
    }
}

impl State {
    /// How many batches some rows are, and how many bytes.
    fn sizes(&self, which: &str, seq: i64) -> Result<(u64, u64), Error> {
        let counted = format!("SELECT count(*), coalesce(sum(octet_length(batch)), 0) FROM waiting {which}");
        let mut statement = self.conn.prepare_cached(&counted)?;
        let sizes: (i64, i64) = statement.query_row([seq], |row| Ok((row.get(0)?, row.get(1)?)))?;
        Ok((sizes.0.unsigned_abs(), sizes.1.unsigned_abs()))
    }

    fn is_gone(&mut self, batches: u64, bytes: u64) {
        self.batches = self.batches.saturating_sub(batches);
        self.bytes = self.bytes.saturating_sub(bytes);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Node, NodeId, NodeKind};

    fn batch(name: &str) -> Batch {
        let mut batch = Batch::new("acme");
        batch.nodes.push(Node::new(NodeId::new(NodeKind::Attack, name).unwrap(), 1));
        batch
    }

    #[test]
    fn what_waits_is_kept_in_order_over_a_restart_and_within_bounds() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("spool.db");
        let spool = Spool::open(&path, 3, 10_000).unwrap();
        for name in ["a", "b", "c"] {
            spool.push(&batch(name)).unwrap();
        }
        assert!(matches!(spool.push(&batch("d")), Err(Error::SpoolFull)));
        drop(spool);
        let spool = Spool::open(&path, 3, 10_000).unwrap();
        let names = |spool: &Spool| -> Vec<String> {
            spool.next(9).unwrap().iter().map(|w| w.batch.nodes[0].id.name().to_owned()).collect()
        };
        assert_eq!(names(&spool), ["a", "b", "c"]);
        let first = spool.next(1).unwrap()[0].seq;
        spool.delivered(first).unwrap();
        spool.refuse(first + 1, "because").unwrap();
        assert_eq!(names(&spool), ["c"]);
        assert_eq!(spool.counts().unwrap(), (1, 1));
        spool.push(&batch("e")).unwrap();
        assert_eq!(names(&spool), ["c", "e"]);
        let small = Spool::open(&directory.path().join("small.db"), 3, 20).unwrap();
        assert!(matches!(small.push(&batch("a")), Err(Error::SpoolFull)));
        assert!(matches!(Spool::open(&path, 3, 20), Err(Error::Settings(_))), "one process at a time");
        let other = directory.path().join("other.db");
        Connection::open(&other).unwrap().execute_batch("CREATE TABLE t (a)").unwrap();
        assert!(matches!(Spool::open(&other, 3, 20), Err(Error::Settings(_))));
    }
}
