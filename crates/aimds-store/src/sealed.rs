//! A file of sealed rows: what a vault keeps of its sessions across restarts. Nothing in it can be read without the key,
//! which never comes here.

use std::path::{Path, PathBuf};

use rusqlite::{Connection, OptionalExtension as _, params};

/// "AIMV".
const KIND: Kind = Kind { application: 0x4149_4d56, format: 1, schema: SCHEMA };

const SCHEMA: &str = "CREATE TABLE proof (id INTEGER PRIMARY KEY CHECK (id = 0), sealed BLOB NOT NULL) STRICT;
CREATE TABLE sessions (id BLOB PRIMARY KEY, expires_ms INTEGER NOT NULL) STRICT, WITHOUT ROWID;
CREATE INDEX by_expiry ON sessions (expires_ms);
CREATE TABLE rows (session BLOB NOT NULL REFERENCES sessions (id) ON DELETE CASCADE, number INTEGER NOT NULL, \
sealed BLOB NOT NULL, PRIMARY KEY (session, number)) STRICT, WITHOUT ROWID;";

/// Why the file cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SealedError {
    /// The file cannot be made for its owner alone.
    #[error("cannot create {}", path.display())]
    Create {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The file is something else, or of a later version.
    #[error("{} is not a file of this kind, or of a version that this program does not know", path.display())]
    Foreign {
        /// The file.
        path: PathBuf,
    },
    /// SQLite failed: no space, no permission, locked by another process, or damaged.
    #[error("the database failed")]
    Database(#[from] rusqlite::Error),
}

impl SealedError {
    pub(crate) fn foreign(path: &Path) -> Self {
        Self::Foreign { path: path.to_owned() }
    }
}

/// What tells files of one kind from others.
pub(crate) struct Kind {
    /// `application_id`.
    pub(crate) application: i64,
    /// `user_version`.
    pub(crate) format: i64,
    pub(crate) schema: &'static str,
}

impl Kind {
    pub(crate) fn is_of(&self, connection: &Connection) -> Result<bool, rusqlite::Error> {
        Ok(marks(connection)? == (self.application, self.format))
    }
}

fn marks(connection: &Connection) -> Result<(i64, i64), rusqlite::Error> {
    let number = |name: &str| connection.pragma_query_value(None, name, |row| row.get::<_, i64>(0));
    Ok((number("application_id")?, number("user_version")?))
}

/// Opens or creates a file of a kind, readable for its owner only.
pub(crate) fn open(path: &Path, kind: &Kind, settings: &str) -> Result<Connection, SealedError> {
    create(path).map_err(|source| SealedError::Create { path: path.to_owned(), source })?;
    let connection = Connection::open(path)?;
    connection.execute_batch(settings)?;
    if marks(&connection)? == (0, 0) {
        let tables: i64 = connection.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0))?;
        if tables == 0 {
            let Kind { application, format, schema } = kind;
            let marks = format!("PRAGMA application_id = {application}; PRAGMA user_version = {format};");
            connection.execute_batch(&format!("BEGIN IMMEDIATE; {schema} {marks} COMMIT;"))?;
        }
    }
    if kind.is_of(&connection)? { Ok(connection) } else { Err(SealedError::foreign(path)) }
}

/// The row by which a key is recognised.
pub(crate) fn proof(connection: &Connection) -> Result<Option<Vec<u8>>, SealedError> {
    let query = "SELECT sealed FROM proof WHERE id = 0";
    Ok(connection.query_row(query, [], |row| row.get(0)).optional()?)
}

/// Sets it, once.
pub(crate) fn set_proof(connection: &Connection, sealed: &[u8]) -> Result<(), SealedError> {
    connection.execute("INSERT INTO proof (id, sealed) VALUES (0, ?1)", params![sealed])?;
    Ok(())
}

/// What changes in one transaction.
#[derive(Debug)]
pub enum Change {
    /// Rows of a session from a number on. With number 0 they replace what was there.
    Store {
        /// The session.
        session: [u8; 32],
        /// Number of the first row.
        first: usize,
        /// The rows.
        rows: Vec<Vec<u8>>,
        /// When the session ends, in milliseconds since the Unix epoch.
        expires_ms: u64,
    },
    /// A session goes on.
    Touch {
        /// The session.
        session: [u8; 32],
        /// When it ends now.
        expires_ms: u64,
    },
    /// Everything goes that ended before a moment, and its bytes are overwritten.
    Expire {
        /// The moment, in milliseconds since the Unix epoch.
        now_ms: u64,
    },
}

/// An open file. It is locked for this process alone: two would not know of each other's placeholders.
#[derive(Debug)]
pub struct SealedFile {
    connection: Connection,
}

impl SealedFile {
    /// Opens or creates the file, readable for its owner only.
    ///
    /// # Errors
    /// Anything that [`SealedError`] names.
    pub fn open(path: &Path) -> Result<Self, SealedError> {
        let settings = "PRAGMA locking_mode = EXCLUSIVE; PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL; \
            PRAGMA secure_delete = ON; PRAGMA foreign_keys = ON;";
        Ok(Self { connection: open(path, &KIND, settings)? })
    }

    /// The row by which a key is recognised.
    ///
    /// # Errors
    /// [`SealedError::Database`].
    pub fn proof(&self) -> Result<Option<Vec<u8>>, SealedError> {
        proof(&self.connection)
    }

    /// Sets the row by which a key is recognised, once.
    ///
    /// # Errors
    /// [`SealedError::Database`], also where there is one already.
    pub fn set_proof(&self, sealed: &[u8]) -> Result<(), SealedError> {
        set_proof(&self.connection, sealed)
    }

    /// The rows of a session that has not ended, in the order of their numbers.
    ///
    /// # Errors
    /// [`SealedError::Database`].
    pub fn load(&self, session: &[u8; 32], now_ms: u64) -> Result<Vec<Vec<u8>>, SealedError> {
        let mut statement = self.connection.prepare_cached(
            "SELECT sealed FROM rows JOIN sessions ON sessions.id = rows.session \
             WHERE session = ?1 AND expires_ms > ?2 ORDER BY number",
        )?;
        let rows = statement.query_map(params![session, signed(now_ms)], |row| row.get(0))?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    /// Carries changes out, all or none. Gives the number of sessions that ended.
    ///
    /// # Errors
    /// [`SealedError::Database`].
    pub fn apply(&mut self, changes: &[Change]) -> Result<usize, SealedError> {
        let transaction = self.connection.transaction()?;
        let mut ended = 0;
        for change in changes {
            match change {
                Change::Store { session, first, rows, expires_ms } => {
                    if *first == 0 {
                        transaction.execute("DELETE FROM sessions WHERE id = ?1", params![session])?;
                    }
                    transaction.execute(
                        "INSERT INTO sessions (id, expires_ms) VALUES (?1, ?2) \
                         ON CONFLICT (id) DO UPDATE SET expires_ms = excluded.expires_ms",
                        params![session, signed(*expires_ms)],
                    )?;
                    let mut insert = transaction.prepare_cached(
                        "INSERT OR REPLACE INTO rows (session, number, sealed) VALUES (?1, ?2, ?3)",
                    )?;
                    for (number, row) in rows.iter().enumerate() {
                        let number = i64::try_from(first.saturating_add(number)).unwrap_or(i64::MAX);
                        insert.execute(params![session, number, row])?;
                    }
                }
                Change::Touch { session, expires_ms } => {
                    transaction.execute(
                        "UPDATE sessions SET expires_ms = ?2 WHERE id = ?1",
                        params![session, signed(*expires_ms)],
                    )?;
                }
                Change::Expire { now_ms } => {
                    let expired = "DELETE FROM sessions WHERE expires_ms <= ?1";
                    ended += transaction.execute(expired, params![signed(*now_ms)])?;
                }
            }
        }
        transaction.commit()?;
        if ended > 0 {
            // What was deleted is overwritten in the file; the journal still has it.
            self.connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()))?;
        }
        Ok(ended)
    }
}

pub(crate) fn signed(ms: u64) -> i64 {
    i64::try_from(ms).unwrap_or(i64::MAX)
}

fn create(path: &Path) -> std::io::Result<()> {
    let mut options = std::fs::OpenOptions::new();
    options.create(true).append(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path).map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;

    const ONE: [u8; 32] = [1; 32];
    const TWO: [u8; 32] = [2; 32];

    fn store(session: [u8; 32], first: usize, rows: &[&str], expires_ms: u64) -> Change {
        let rows = rows.iter().map(|row| row.as_bytes().to_vec()).collect();
        Change::Store { session, first, rows, expires_ms }
    }

    fn loaded(file: &SealedFile, session: [u8; 32], now_ms: u64) -> Vec<String> {
        let rows = file.load(&session, now_ms).unwrap();
        rows.into_iter().map(|row| String::from_utf8(row).unwrap()).collect()
    }

    #[test]
    fn rows_belong_to_their_session_and_survive() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("vault.db");
        let mut file = SealedFile::open(&path).unwrap();
        assert_eq!(file.proof().unwrap(), None);
        file.set_proof(b"proof").unwrap();
        assert!(file.set_proof(b"other").is_err());
        file.apply(&[store(ONE, 0, &["a"], 10), store(TWO, 0, &["b"], 10), store(ONE, 1, &["c", "d"], 20)])
            .unwrap();
        drop(file);
        let mut file = SealedFile::open(&path).unwrap();
        assert_eq!(file.proof().unwrap().unwrap(), b"proof");
        assert_eq!(loaded(&file, ONE, 15), ["a", "c", "d"]);
        assert_eq!(loaded(&file, TWO, 10), [""; 0], "it has ended");
        file.apply(&[Change::Touch { session: TWO, expires_ms: 30 }]).unwrap();
        assert_eq!(loaded(&file, TWO, 10), ["b"]);
        file.apply(&[store(ONE, 0, &["e"], 20)]).unwrap();
        assert_eq!(loaded(&file, ONE, 15), ["e"]);
    }

    #[test]
    fn what_has_ended_is_erased_from_the_disk() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("vault.db");
        let mut file = SealedFile::open(&path).unwrap();
        file.apply(&[store(ONE, 0, &["needle in the file"], 10), store(TWO, 0, &["b"], 20)]).unwrap();
        let on_disk = || {
            let files = std::fs::read_dir(directory.path()).unwrap();
            let bytes: Vec<u8> =
                files.flat_map(|entry| std::fs::read(entry.unwrap().path()).unwrap()).collect();
            bytes.windows(6).any(|window| window == b"needle")
        };
        assert!(on_disk());
        assert_eq!(file.apply(&[Change::Expire { now_ms: 10 }]).unwrap(), 1);
        assert!(!on_disk());
        assert_eq!(loaded(&file, TWO, 10), ["b"]);
    }

    #[test]
    fn changes_are_carried_out_all_or_none() {
        let directory = tempfile::tempdir().unwrap();
        let mut file = SealedFile::open(&directory.path().join("vault.db")).unwrap();
        file.apply(&[store(ONE, 0, &["a"], 10)]).unwrap();
        let refuses = "CREATE TRIGGER refuse BEFORE INSERT ON rows WHEN NEW.sealed = CAST('bad' AS BLOB) \
             BEGIN SELECT RAISE(ABORT, 'refused'); END";
        file.connection.execute_batch(refuses).unwrap();
        assert!(file.apply(&[store(TWO, 0, &["b"], 10), store(ONE, 0, &["c", "bad"], 10)]).is_err());
        assert_eq!((loaded(&file, ONE, 5), loaded(&file, TWO, 5)), (vec!["a".to_owned()], vec![]));
    }

    #[test]
    fn another_file_and_a_second_process_are_refused() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("other.db");
        Connection::open(&path).unwrap().execute_batch("CREATE TABLE t (a)").unwrap();
        assert!(matches!(SealedFile::open(&path), Err(SealedError::Foreign { .. })));
        std::fs::write(directory.path().join("text"), "no database, but long enough to look at").unwrap();
        assert!(matches!(SealedFile::open(&directory.path().join("text")), Err(SealedError::Database(_))));
        assert!(matches!(
            SealedFile::open(&directory.path().join("none/x")),
            Err(SealedError::Create { .. })
        ));
        let path = directory.path().join("vault.db");
        let first = SealedFile::open(&path).unwrap();
        assert!(SealedFile::open(&path).is_err());
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt as _;
            assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        }
        drop(first);
        SealedFile::open(&path).unwrap();
    }
}
