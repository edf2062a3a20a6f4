//! The review queue on disk: what waits for a person, what they decided, and whether the permit was used.
//!
//! What is known of an item without a key: whose it is, where it came in, when, its state and a keyed hash of the request.
//! The texts, and what the reviewer said of them, are sealed by the caller; the key never comes here. Every change is one
//! transaction that is on disk when it returns, so that a permit is used once also if the machine loses power.

mod item;

use std::path::Path;

use rusqlite::{Connection, OpenFlags, OptionalExtension as _, Row, TransactionBehavior, params};

use crate::sealed::{self, Kind, SealedError, signed};

pub use item::{
    Added, Decided, NewReview, ReviewCounts, ReviewFilter, ReviewItem, ReviewLimits, ReviewState,
};

/// "AIMR".
const KIND: Kind = Kind { application: 0x4149_4d52, format: 1, schema: SCHEMA };

const SCHEMA: &str = "CREATE TABLE proof (id INTEGER PRIMARY KEY CHECK (id = 0), sealed BLOB NOT NULL) STRICT;
CREATE TABLE reviews (id TEXT PRIMARY KEY, tenant TEXT NOT NULL, requester TEXT NOT NULL, route TEXT NOT NULL, \
digest BLOB NOT NULL, state INTEGER NOT NULL, opened_ms INTEGER NOT NULL, ends_ms INTEGER NOT NULL, \
erase_ms INTEGER NOT NULL, decided_ms INTEGER, decided_by TEXT, used_ms INTEGER, sealed BLOB, said BLOB) STRICT;
CREATE INDEX by_digest ON reviews (digest, opened_ms);
CREATE INDEX by_state ON reviews (state, opened_ms);
CREATE INDEX by_erasure ON reviews (erase_ms);";

const META: &str =
    "id, tenant, requester, route, digest, state, opened_ms, ends_ms, decided_ms, decided_by, used_ms";
/// Nothing is erased before it is decided on.
const NEVER: i64 = i64::MAX;
/// Longest list.
const LISTED: usize = 1000;

/// An open queue. Other processes may have it open too.
#[derive(Debug)]
pub struct ReviewFile {
    connection: Connection,
}

impl ReviewFile {
    /// Opens or creates the file, readable for its owner only.
    ///
    /// # Errors
    /// Anything that [`SealedError`] names.
    pub fn open(path: &Path) -> Result<Self, SealedError> {
        let settings = "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA secure_delete = ON; \
            PRAGMA busy_timeout = 5000;";
        Ok(Self { connection: sealed::open(path, &KIND, settings)? })
    }

    /// Opens a file that is there to be read, also while a gateway writes to it.
    ///
    /// # Errors
    /// Anything that [`SealedError`] names.
    pub fn read(path: &Path) -> Result<Self, SealedError> {
        let connection = Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_ONLY)?;
        connection.execute_batch("PRAGMA busy_timeout = 5000;")?;
        if KIND.is_of(&connection)? { Ok(Self { connection }) } else { Err(SealedError::foreign(path)) }
    }

    /// The row by which a key is recognised.
    ///
    /// # Errors
    /// [`SealedError::Database`].
    pub fn proof(&self) -> Result<Option<Vec<u8>>, SealedError> {
        sealed::proof(&self.connection)
    }

    /// Sets the row by which a key is recognised, once.
    ///
    /// # Errors
    /// [`SealedError::Database`], also where there is one already.
    pub fn set_proof(&self, sealed: &[u8]) -> Result<(), SealedError> {
        sealed::set_proof(&self.connection, sealed)
    }

    /// Adds an item that waits. Where the bytes are used up, what was decided on longest ago goes first; where there is still
    /// no place, `make_room` ends what has waited longest.
    ///
    /// # Errors
    /// [`SealedError::Database`], also where there is an item with this id.
    pub fn add(
        &mut self,
        new: &NewReview<'_>,
        limits: ReviewLimits,
        make_room: bool,
    ) -> Result<Added, SealedError> {
        let transaction = self.connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        let waiting = "SELECT COUNT(*) FROM reviews WHERE state = ?1 AND tenant = ?2";
        let waiting =
            transaction.query_row(waiting, params![ReviewState::Pending.number(), new.tenant], |row| {
                row.get::<_, i64>(0)
            })?;
        if usize::try_from(waiting).unwrap_or(usize::MAX) >= limits.tenant {
            return Ok(Added::TenantFull);
        }
        let mut ended = Vec::new();
        loop {
            let counts = counts(&transaction)?;
            let bytes = counts.bytes.saturating_add(new.sealed.len() as u64);
            let (room, place) = (bytes <= limits.bytes, counts.pending < limits.pending);
            if room && place {
                break;
            }
            let decided = "DELETE FROM reviews WHERE id = (SELECT id FROM reviews WHERE state <> ?1 AND \
                (sealed IS NOT NULL OR said IS NOT NULL) ORDER BY decided_ms, rowid LIMIT 1)";
            if !room && transaction.execute(decided, params![ReviewState::Pending.number()])? > 0 {
                continue;
            }
            if !make_room || counts.pending == 0 {
                return Ok(Added::Full);
            }
            let oldest = format!(
                "SELECT {META}, NULL, NULL FROM reviews WHERE state = ?1 ORDER BY opened_ms, rowid LIMIT 1"
            );
            let oldest = transaction.query_row(&oldest, params![ReviewState::Pending.number()], item)?;
            end(&transaction, &oldest.id, ReviewState::Expired, new.opened_ms, new.ends_ms)?;
            ended.push(ReviewItem { state: ReviewState::Expired, ..oldest });
        }
        transaction.execute(
            "INSERT INTO reviews (id, tenant, requester, route, digest, state, opened_ms, ends_ms, erase_ms, sealed) \
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)",
            params![
                new.id,
                new.tenant,
                new.requester,
                new.route,
                new.digest,
                ReviewState::Pending.number(),
                signed(new.opened_ms),
                signed(new.ends_ms),
                NEVER,
                new.sealed
            ],
        )?;
        transaction.commit()?;
        Ok(Added::Waits { ended })
    }

    /// The newest item about a request that still counts: it waits, or a decision stands that was not used.
    ///
    /// # Errors
    /// [`SealedError::Database`].
    pub fn standing(&self, digest: &[u8; 32], now_ms: u64) -> Result<Option<ReviewItem>, SealedError> {
        let query = format!(
            "SELECT {META}, NULL, said FROM reviews WHERE digest = ?1 AND state IN (?2, ?3, ?4) AND used_ms IS NULL \
             AND ends_ms > ?5 ORDER BY opened_ms DESC, rowid DESC LIMIT 1"
        );
        let [pending, approved, denied] =
            [ReviewState::Pending, ReviewState::Approved, ReviewState::Denied].map(ReviewState::number);
        let found = params![digest, pending, approved, denied, signed(now_ms)];
        Ok(self.connection.query_row(&query, found, item).optional()?)
    }

    /// An item with everything that is kept of it.
    ///
    /// # Errors
    /// [`SealedError::Database`].
    pub fn get(&self, id: &str) -> Result<Option<ReviewItem>, SealedError> {
        let query = format!("SELECT {META}, sealed, said FROM reviews WHERE id = ?1");
        Ok(self.connection.query_row(&query, params![id], item).optional()?)
    }

    /// Items without what is sealed, newest first.
    ///
    /// # Errors
    /// [`SealedError::Database`].
    pub fn list(&self, filter: &ReviewFilter<'_>) -> Result<Vec<ReviewItem>, SealedError> {
        let query = format!(
            "SELECT {META}, NULL, NULL FROM reviews WHERE (?1 IS NULL OR state = ?1) AND (?2 IS NULL OR tenant = ?2) \
             ORDER BY opened_ms DESC, rowid DESC LIMIT ?3"
        );
        let mut statement = self.connection.prepare_cached(&query)?;
        let limit = i64::try_from(filter.limit.min(LISTED)).unwrap_or(i64::MAX);
        let rows = statement
            .query_map(params![filter.state.map(ReviewState::number), filter.tenant, limit], item)?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    /// Writes down what a person has decided. False where the item does not wait any more.
    ///
    /// # Errors
    /// [`SealedError::Database`].
    pub fn decide(&mut self, id: &str, decided: &Decided<'_>) -> Result<bool, SealedError> {
        let state = if decided.approved { ReviewState::Approved } else { ReviewState::Denied };
        let changed = self.connection.execute(
            "UPDATE reviews SET state = ?2, decided_by = ?3, decided_ms = ?4, ends_ms = ?5, erase_ms = ?6, said = ?7 \
             WHERE id = ?1 AND state = ?8 AND ends_ms > ?4",
            params![
                id,
                state.number(),
                decided.by,
                signed(decided.at_ms),
                signed(decided.ends_ms),
                signed(decided.erase_ms),
                decided.said,
                ReviewState::Pending.number()
            ],
        )?;
        Ok(changed > 0)
    }

    /// Uses an approval up. False where there is none, where it was used, or where it has ended: of several callers one
    /// gets true.
    ///
    /// # Errors
    /// [`SealedError::Database`].
    pub fn take(&mut self, id: &str, now_ms: u64) -> Result<bool, SealedError> {
        let changed = self.connection.execute(
            "UPDATE reviews SET used_ms = ?2 WHERE id = ?1 AND state = ?3 AND used_ms IS NULL AND ends_ms > ?2",
            params![id, signed(now_ms), ReviewState::Approved.number()],
        )?;
        Ok(changed > 0)
    }

    /// Ends an item that waits for nobody any more, and erases its texts. False where it does not wait.
    ///
    /// # Errors
    /// [`SealedError::Database`].
    pub fn withdraw(&mut self, id: &str, now_ms: u64, erase_ms: u64) -> Result<bool, SealedError> {
        end(&self.connection, id, ReviewState::Withdrawn, now_ms, erase_ms)
    }

    /// Ends what has waited too long, and erases its texts; with `approve_until` the default is yes, and holds so long.
    /// Gives what has ended.
    ///
    /// # Errors
    /// [`SealedError::Database`].
    pub fn expire(
        &mut self,
        now_ms: u64,
        approve_until: Option<u64>,
        erase_ms: u64,
    ) -> Result<Vec<ReviewItem>, SealedError> {
        let transaction = self.connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        let query = format!(
            "SELECT {META}, NULL, NULL FROM reviews WHERE state = ?1 AND ends_ms <= ?2 ORDER BY opened_ms LIMIT {LISTED}"
        );
        let mut ended = transaction
            .prepare_cached(&query)?
            .query_map(params![ReviewState::Pending.number(), signed(now_ms)], item)?
            .collect::<Result<Vec<_>, _>>()?;
        let state = if approve_until.is_some() { ReviewState::Approved } else { ReviewState::Expired };
        for item in &mut ended {
            end(&transaction, &item.id, state, now_ms, erase_ms)?;
            if let Some(until) = approve_until {
                let query = "UPDATE reviews SET ends_ms = ?2 WHERE id = ?1";
                transaction.execute(query, params![item.id, signed(until)])?;
            }
            item.state = state;
        }
        transaction.commit()?;
        Ok(ended)
    }

    /// Erases what has been kept long enough; gives how many items.
    ///
    /// # Errors
    /// [`SealedError::Database`].
    pub fn erase(&mut self, now_ms: u64) -> Result<usize, SealedError> {
        let erased =
            self.connection.execute("DELETE FROM reviews WHERE erase_ms <= ?1", params![signed(now_ms)])?;
        Ok(erased)
    }

    /// Overwrites what was erased in the journal too, unless somebody reads it just now.
    ///
    /// # Errors
    /// [`SealedError::Database`].
    pub fn settle(&self) -> Result<(), SealedError> {
        Ok(self.connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()))?)
    }

    /// How many items wait, and the bytes of everything that is sealed.
    ///
    /// # Errors
    /// [`SealedError::Database`].
    pub fn counts(&self) -> Result<ReviewCounts, SealedError> {
        counts(&self.connection)
    }
}

fn counts(connection: &Connection) -> Result<ReviewCounts, SealedError> {
    let query = "SELECT count(*) FILTER (WHERE state = ?1), \
        coalesce(sum(coalesce(length(sealed), 0) + coalesce(length(said), 0)), 0) FROM reviews";
    let counts = connection.query_row(query, params![ReviewState::Pending.number()], |row| {
        Ok(ReviewCounts { pending: unsigned(row.get(0)?) as usize, bytes: unsigned(row.get(1)?) })
    })?;
    Ok(counts)
}

/// Ends an item that waits without a decision of a person.
fn end(
    connection: &Connection,
    id: &str,
    state: ReviewState,
    now_ms: u64,
    erase_ms: u64,
) -> Result<bool, SealedError> {
    let changed = connection.execute(
        "UPDATE reviews SET state = ?2, decided_ms = ?3, erase_ms = ?4, sealed = NULL WHERE id = ?1 AND state = ?5",
        params![id, state.number(), signed(now_ms), signed(erase_ms), ReviewState::Pending.number()],
    )?;
    Ok(changed > 0)
}

fn item(row: &Row<'_>) -> rusqlite::Result<ReviewItem> {
    let time = |at| Ok::<_, rusqlite::Error>(row.get::<_, Option<i64>>(at)?.map(unsigned));
    Ok(ReviewItem {
        id: row.get(0)?,
        tenant: row.get(1)?,
        requester: row.get(2)?,
        route: row.get(3)?,
        digest: row.get(4)?,
        state: ReviewState::of(row.get(5)?),
        opened_ms: unsigned(row.get(6)?),
        ends_ms: unsigned(row.get(7)?),
        decided_ms: time(8)?,
        decided_by: row.get(9)?,
        used_ms: time(10)?,
        sealed: row.get(11)?,
        said: row.get(12)?,
    })
}

fn unsigned(value: i64) -> u64 {
    u64::try_from(value).unwrap_or(0)
}
