//! The SQLite file: its schema, how it is opened, and the few statements that touch it.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::config::DbConfig;
use rusqlite::types::ValueRef;
use rusqlite::{
    Connection, ErrorCode, OpenFlags, OptionalExtension, Transaction, TransactionBehavior, params,
};

use crate::chain::{Claim, Fields, Hash, Head, LogTree, Statement, genesis, statement_bytes};
use crate::key::{Keys, beside, create_new, sync_parent};
use crate::merkle::Frontier;

/// `user_version` of the files written here.
pub(crate) const FORMAT: i64 = 2;
/// `application_id`: "AIMD".
const APPLICATION: i64 = 0x4149_4d44;

/// Tables by name, in the order of their names, with the statements that made them.
type Schema = [(&'static str, &'static str); 4];

const LOG: &str = "CREATE TABLE log (id INTEGER PRIMARY KEY CHECK (id = 0), log_id BLOB NOT NULL) STRICT";
const RECORDS: &str = "CREATE TABLE records (seq INTEGER PRIMARY KEY, segment INTEGER NOT NULL, at_ms INTEGER NOT NULL, \
     request_id TEXT NOT NULL, tenant TEXT NOT NULL, kind TEXT NOT NULL, body TEXT NOT NULL, \
     prev_hash BLOB NOT NULL, hash BLOB NOT NULL) STRICT";

/// Exactly what `sqlite_schema` must hold: a trigger, a view or a changed column would let somebody rewrite
/// what is inserted or read, so anything else in it counts as tampering. `STRICT` lets no column hold another
/// type.
const SCHEMA: Schema = [
    (
        "checkpoints",
        "CREATE TABLE checkpoints (seq INTEGER PRIMARY KEY, segment INTEGER NOT NULL, hash BLOB NOT NULL, \
         at_ms INTEGER NOT NULL, public_key BLOB NOT NULL, signature BLOB NOT NULL, first INTEGER NOT NULL, \
         root BLOB NOT NULL, peaks BLOB NOT NULL, previous INTEGER NOT NULL) STRICT",
    ),
    (
        "head",
        "CREATE TABLE head (id INTEGER PRIMARY KEY CHECK (id = 0), seq INTEGER NOT NULL, segment INTEGER NOT NULL, \
         hash BLOB NOT NULL, at_ms INTEGER NOT NULL, public_key BLOB NOT NULL, signature BLOB NOT NULL, \
         first INTEGER NOT NULL, root BLOB NOT NULL, peaks BLOB NOT NULL, previous INTEGER NOT NULL) STRICT",
    ),
    ("log", LOG),
    ("records", RECORDS),
];

/// The same of format 1, which had no tree.
const SCHEMA_1: Schema = [
    (
        "checkpoints",
        "CREATE TABLE checkpoints (seq INTEGER PRIMARY KEY, segment INTEGER NOT NULL, hash BLOB NOT NULL, \
         at_ms INTEGER NOT NULL, public_key BLOB NOT NULL, signature BLOB NOT NULL) STRICT",
    ),
    (
        "head",
        "CREATE TABLE head (id INTEGER PRIMARY KEY CHECK (id = 0), seq INTEGER NOT NULL, segment INTEGER NOT NULL, \
         hash BLOB NOT NULL, at_ms INTEGER NOT NULL, public_key BLOB NOT NULL, signature BLOB NOT NULL) STRICT",
    ),
    ("log", LOG),
    ("records", RECORDS),
];

/// What a file says it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Identity {
    pub(crate) log_id: [u8; 16],
    pub(crate) format: i64,
}

impl Identity {
    /// The columns of a signed row, in the order [`read_signed`] takes them.
    pub(crate) fn signed_columns(self) -> &'static str {
        match self.format {
            1 => "seq, segment, hash, at_ms, public_key, signature, 0, x'', x'', 0",
            _ => "seq, segment, hash, at_ms, public_key, signature, first, root, peaks, previous",
        }
    }
}

/// Why a file cannot be used as an audit log.
#[derive(Debug, thiserror::Error)]
pub(crate) enum DatabaseError {
    #[error("the file is not an audit log")]
    Foreign,
    #[error("the file has format {0}")]
    NewerFormat(i64),
    /// It may well have been one, but SQLite cannot read it or its schema was changed.
    #[error("{0}")]
    Unusable(String),
    /// The private key beside it is not the one that the log is signed with any more.
    #[error("the signing key was retired by record {0}")]
    RetiredKey(u64),
    #[error("{0}")]
    Io(#[from] io::Error),
    #[error("sqlite: {0}")]
    Sqlite(rusqlite::Error),
}

impl From<rusqlite::Error> for DatabaseError {
    fn from(error: rusqlite::Error) -> Self {
        if is_corruption(&error) { Self::Unusable(error.to_string()) } else { Self::Sqlite(error) }
    }
}

/// Whether SQLite says that the file itself is damaged, as opposed to busy, full or out of reach.
pub(crate) fn is_corruption(error: &rusqlite::Error) -> bool {
    matches!(error.sqlite_error_code(), Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase))
}

/// A signed row of `checkpoints` or `head`, as stored.
#[derive(Clone, Debug)]
pub(crate) struct Signed {
    pub(crate) head: Head,
    pub(crate) at_ms: i64,
    pub(crate) public_key: [u8; 32],
    pub(crate) signature: [u8; 64],
    /// Absent in statements of format 1.
    pub(crate) claim: Option<Claim>,
    /// The tree's complete subtrees: not signed, but the signed root follows from them.
    peaks: Vec<Hash>,
}

impl Signed {
    /// What was signed.
    pub(crate) fn message(&self, what: Statement, log_id: &[u8; 16]) -> Vec<u8> {
        statement_bytes(what, log_id, &self.head, self.at_ms, self.claim.as_ref())
    }

    /// The tree it speaks of; `None` when it speaks of none, or when its parts do not fit together.
    pub(crate) fn tree(&self) -> Option<LogTree> {
        let claim = self.claim?;
        let frontier = Frontier::from_peaks(claim.size(self.head.seq)?, self.peaks.clone())?;
        (frontier.root() == claim.root).then_some(LogTree { first: claim.first, frontier })
    }
}

/// The last row of `records`, as stored: it may have been tampered with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Tail {
    pub(crate) segment: i64,
    pub(crate) seq: i64,
    pub(crate) hash: Option<Hash>,
}

/// The writer's connection and the identity of the files behind it.
pub(crate) struct Database {
    pub(crate) conn: Connection,
    pub(crate) identity: Identity,
    /// The file held no log before this opening.
    pub(crate) created: bool,
    path: PathBuf,
    file: FileId,
    wal: Option<FileId>,
}

impl Database {
    /// Opens the log for writing; `create` makes one where there is none.
    pub(crate) fn open(
        path: &Path,
        full_sync: bool,
        create: bool,
        keys: &Keys,
    ) -> Result<Self, DatabaseError> {
        if create && !path.try_exists()? {
            // Made here rather than by SQLite, which would leave it readable by everyone.
            drop(create_new(path, 0o600)?);
            sync_parent(path)?;
        }
        let file = FileId::of(path)?;
        let conn = connect(path, OpenFlags::SQLITE_OPEN_READ_WRITE)?;
        // At start there is no traffic to hold up: wait for a lock as long as a person would.
        conn.busy_timeout(Duration::from_secs(5))?;
        let created = is_empty(&conn)?;
        if created {
            conn.pragma_update_and_check(None, "journal_mode", "wal", |_| Ok(()))?;
            create_schema(&conn, keys)?;
        }
        let mut identity = check_schema(&conn)?;
        if identity.format == 1 {
            upgrade(&conn)?;
            identity.format = FORMAT;
        }
        let mode: String = conn.pragma_update_and_check(None, "journal_mode", "wal", |row| row.get(0))?;
        if mode != "wal" {
            // Some network file systems cannot: readers would block the writer and FULL would not mean what
            // it says.
            return Err(io::Error::other(format!("journal mode is {mode}, not wal")).into());
        }
        conn.pragma_update(None, "synchronous", if full_sync { "FULL" } else { "NORMAL" })?;
        // On macOS a plain fsync does not reach the platter; elsewhere these change nothing.
        conn.pragma_update(None, "fullfsync", true)?;
        conn.pragma_update(None, "checkpoint_fullfsync", true)?;
        conn.pragma_update_and_check(None, "journal_size_limit", 64 << 20, |_| Ok(()))?;
        Ok(Self { conn, identity, created, path: path.to_owned(), file, wal: None })
    }

    /// Fails when the files that were just written to are no longer the ones under the log's name: SQLite
    /// would go on writing into a deleted file and report success.
    pub(crate) fn still_in_place(&mut self) -> io::Result<()> {
        let gone =
            |what: &str| io::Error::new(io::ErrorKind::NotFound, format!("{what} was removed or replaced"));
        if FileId::of(&self.path).ok() != Some(self.file) {
            return Err(gone("the audit log's file"));
        }
        let wal = FileId::of(&beside(&self.path, "-wal")).map_err(|_| gone("the write-ahead log"))?;
        if *self.wal.get_or_insert(wal) != wal {
            return Err(gone("the write-ahead log"));
        }
        Ok(())
    }

    /// Gives up the connection after [`Self::still_in_place`] failed, without touching whatever now has its
    /// name.
    pub(crate) fn abandon(self) {
        if FileId::of(&self.path).ok() == Some(self.file) {
            // Only the write-ahead log is gone; its content is still ours through the open handle.
            let _ = self.conn.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()));
        }
        let _ = self.conn.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true);
    }
}

/// Opens an existing log for reading, with everything switched off that a prepared file could abuse.
pub(crate) fn open_reader(path: &Path) -> rusqlite::Result<Connection> {
    let conn = connect(path, OpenFlags::SQLITE_OPEN_READ_ONLY)?;
    conn.busy_timeout(Duration::from_secs(5))?;
    Ok(conn)
}

/// Checks that the file is an unaltered log of a format known here.
pub(crate) fn check_schema(conn: &Connection) -> Result<Identity, DatabaseError> {
    let (application, format) = versions(conn)?;
    if application != APPLICATION {
        return Err(DatabaseError::Foreign);
    }
    if format > FORMAT {
        return Err(DatabaseError::NewerFormat(format));
    }
    let changed = |what: String| DatabaseError::Unusable(format!("the schema was changed: {what}"));
    let schema = match format {
        FORMAT => SCHEMA,
        1 => SCHEMA_1,
        _ => return Err(changed(format!("format {format}"))),
    };
    let mut statement = conn.prepare("SELECT name, sql FROM sqlite_schema ORDER BY name")?;
    let mut rows = statement.query([])?;
    let mut expected = schema.iter();
    while let Some(row) = rows.next()? {
        let name = row.get_ref(0)?.as_bytes().unwrap_or_default();
        let sql = row.get_ref(1)?.as_bytes().unwrap_or_default();
        if expected.next().is_none_or(|(n, s)| n.as_bytes() != name || s.as_bytes() != sql) {
            return Err(changed(String::from_utf8_lossy(name).into_owned()));
        }
    }
    if let Some((name, _)) = expected.next() {
        return Err(changed(format!("{name} is missing")));
    }
    let log_id = conn
        .query_row("SELECT log_id FROM log WHERE id = 0", [], |row| row.get::<_, [u8; 16]>(0))
        .map_err(|e| if is_transient(&e) { e.into() } else { changed("log_id".to_owned()) })?;
    Ok(Identity { log_id, format })
}

pub(crate) fn begin(conn: &Connection) -> rusqlite::Result<Transaction<'_>> {
    Transaction::new_unchecked(conn, TransactionBehavior::Immediate)
}

pub(crate) fn insert_record(
    conn: &Connection,
    at: &Head,
    previous: &Hash,
    fields: Fields<'_>,
) -> rusqlite::Result<()> {
    let text = |bytes| ValueRef::Text(bytes);
    conn.prepare_cached("INSERT INTO records VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)")?.execute(
        params![
            signed(at.seq),
            signed(at.segment),
            fields.at_ms,
            rusqlite::types::ToSqlOutput::Borrowed(text(fields.request_id)),
            rusqlite::types::ToSqlOutput::Borrowed(text(fields.tenant)),
            rusqlite::types::ToSqlOutput::Borrowed(text(fields.kind)),
            rusqlite::types::ToSqlOutput::Borrowed(text(fields.body)),
            previous.0,
            at.hash.0,
        ],
    )?;
    Ok(())
}

/// What is stored with a signature: a place in the log, and what is claimed of the tree there.
pub(crate) struct ToSign<'a> {
    pub(crate) head: &'a Head,
    pub(crate) at_ms: i64,
    pub(crate) tree: &'a LogTree,
    /// The record of the checkpoint before.
    pub(crate) previous: u64,
}

/// Signs and stores a checkpoint, or replaces the head.
pub(crate) fn put_signed(
    conn: &Connection,
    what: Statement,
    log_id: &[u8; 16],
    ToSign { head, at_ms, tree, previous }: ToSign<'_>,
    keys: &Keys,
) -> rusqlite::Result<()> {
    let claim = tree.claim(previous);
    let signature = keys.sign(&statement_bytes(what, log_id, head, at_ms, Some(&claim)));
    let peaks: Vec<u8> = tree.frontier.peaks().iter().flat_map(|peak| peak.0).collect();
    let sql = match what {
        Statement::Checkpoint => "INSERT INTO checkpoints VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)",
        Statement::Head => "INSERT OR REPLACE INTO head VALUES (0, ?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)",
    };
    conn.prepare_cached(sql)?.execute(params![
        signed(head.seq),
        signed(head.segment),
        head.hash.0,
        at_ms,
        keys.public.0,
        signature,
        signed(claim.first),
        claim.root.0,
        peaks,
        signed(claim.previous),
    ])?;
    Ok(())
}

/// A row of [`Identity::signed_columns`], or `None` when a column has a length or value that is never
/// written.
pub(crate) fn read_signed(row: &rusqlite::Row<'_>) -> Option<Signed> {
    let number = |i| u64::try_from(row.get::<usize, i64>(i).ok()?).ok();
    let blob = |i| row.get_ref(i).ok()?.as_blob().ok();
    let (first, root, peaks, previous) = (number(6)?, blob(7)?, blob(8)?, number(9)?);
    let claim = match <[u8; 32]>::try_from(root) {
        Ok(root) => Some(Claim { first, root: Hash(root), previous }),
        // What the upgrade from format 1 fills in.
        Err(_) if first == 0 && root.is_empty() && peaks.is_empty() && previous == 0 => None,
        Err(_) => return None,
    };
    let (peaks, rest) = peaks.as_chunks::<32>();
    Some(Signed {
        head: Head { seq: number(0)?, segment: number(1)?, hash: Hash(row.get(2).ok()?) },
        at_ms: row.get(3).ok()?,
        public_key: row.get(4).ok()?,
        signature: row.get(5).ok()?,
        claim,
        peaks: rest.is_empty().then(|| peaks.iter().copied().map(Hash).collect())?,
    })
}

/// The head row: absent, or present and perhaps malformed.
pub(crate) fn read_head(conn: &Connection, identity: Identity) -> rusqlite::Result<Option<Option<Signed>>> {
    conn.prepare_cached(&format!("SELECT {} FROM head WHERE id = 0", identity.signed_columns()))?
        .query_row([], |row| Ok(read_signed(row)))
        .optional()
}

/// The highest record that a checkpoint speaks of; 0 for none.
pub(crate) fn last_checkpoint(conn: &Connection) -> rusqlite::Result<i64> {
    conn.prepare_cached("SELECT ifnull(max(seq), 0) FROM checkpoints")?.query_row([], |row| row.get(0))
}

/// The last record as stored, if there is any.
pub(crate) fn read_tail(conn: &Connection) -> rusqlite::Result<Option<Tail>> {
    conn.prepare_cached("SELECT segment, seq, hash FROM records ORDER BY seq DESC LIMIT 1")?
        .query_row([], |row| {
            Ok(Tail { segment: row.get(0)?, seq: row.get(1)?, hash: row.get(2).ok().map(Hash) })
        })
        .optional()
}

/// SQLite's integers are signed; what is written here never gets near the border (see `MAX_SEQ` in
/// `writer.rs`).
pub(crate) fn signed(n: u64) -> i64 {
    i64::try_from(n).unwrap_or(i64::MAX)
}

fn connect(path: &Path, mode: OpenFlags) -> rusqlite::Result<Connection> {
    let conn = Connection::open_with_flags(path, mode | OpenFlags::SQLITE_OPEN_NO_MUTEX)?;
    conn.set_db_config(DbConfig::SQLITE_DBCONFIG_DEFENSIVE, true)?;
    conn.set_db_config(DbConfig::SQLITE_DBCONFIG_TRUSTED_SCHEMA, false)?;
    conn.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_TRIGGER, false)?;
    conn.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_VIEW, false)?;
    conn.pragma_update(None, "cell_size_check", true)?;
    Ok(conn)
}

fn versions(conn: &Connection) -> rusqlite::Result<(i64, i64)> {
    let get = |name| conn.pragma_query_value(None, name, |row| row.get::<_, i64>(0));
    Ok((get("application_id")?, get("user_version")?))
}

fn is_empty(conn: &Connection) -> rusqlite::Result<bool> {
    let objects: i64 = conn.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0))?;
    Ok(objects == 0 && versions(conn)? == (0, 0))
}

fn create_schema(conn: &Connection, keys: &Keys) -> Result<(), DatabaseError> {
    let mut log_id = [0; 16];
    getrandom::fill(&mut log_id).map_err(io::Error::other)?;
    // One transaction: a crash leaves an empty file, which is created again, and never half a log.
    let transaction = begin(conn)?;
    for (_, sql) in SCHEMA {
        transaction.execute(sql, [])?;
    }
    transaction.execute("INSERT INTO log VALUES (0, ?1)", [log_id])?;
    let head = Head { segment: 1, seq: 0, hash: genesis(&log_id, 1) };
    let tree = LogTree::beginning_at(1);
    let signed = ToSign { head: &head, at_ms: 0, tree: &tree, previous: 0 };
    put_signed(&transaction, Statement::Head, &log_id, signed, keys)?;
    transaction.pragma_update(None, "application_id", APPLICATION)?;
    transaction.pragma_update(None, "user_version", FORMAT)?;
    transaction.commit()?;
    Ok(())
}

/// From format 1 to 2: what was signed stays as it is, and what is signed from now on also speaks of the tree,
/// whose first leaf is the next record.
fn upgrade(conn: &Connection) -> Result<(), DatabaseError> {
    let transaction = begin(conn)?;
    for (name, sql) in SCHEMA {
        if sql == LOG || sql == RECORDS {
            continue;
        }
        transaction.execute_batch(&format!(
            "ALTER TABLE {name} RENAME TO of_format_1; {sql}; \
             INSERT INTO {name} SELECT *, 0, x'', x'', 0 FROM of_format_1; DROP TABLE of_format_1;"
        ))?;
    }
    transaction.pragma_update(None, "user_version", FORMAT)?;
    transaction.commit()?;
    Ok(())
}

/// Whether trying again may help.
fn is_transient(error: &rusqlite::Error) -> bool {
    matches!(
        error.sqlite_error_code(),
        Some(
            ErrorCode::DatabaseBusy
                | ErrorCode::DatabaseLocked
                | ErrorCode::SystemIoFailure
                | ErrorCode::OutOfMemory
                | ErrorCode::CannotOpen
        )
    )
}

/// Which file a name stands for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct FileId(u64, u64);

impl FileId {
    #[cfg(unix)]
    fn of(path: &Path) -> io::Result<Self> {
        use std::os::unix::fs::MetadataExt;
        let metadata = fs::metadata(path)?;
        Ok(Self(metadata.dev(), metadata.ino()))
    }

    /// Elsewhere an open database cannot be removed or replaced; that it exists is enough.
    #[cfg(not(unix))]
    fn of(path: &Path) -> io::Result<Self> {
        fs::metadata(path).map(|_| Self(0, 0))
    }
}
