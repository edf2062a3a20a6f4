//! Verification of a file: of all of it for whoever asks, and of its end when it is opened for writing.

use std::path::Path;

use rusqlite::{Connection, Row};

use crate::chain::{Fields, Hash, Head, Statement};
use crate::database::{
    DatabaseError, FORMAT, Identity, check_schema, is_corruption, open_reader, read_signed,
};
use crate::error::ReadError;
use crate::key::{PublicKey, read_public_keys};
use crate::report::{Bad, Report, What};
use crate::trust::Trust;
use crate::walker::{Walker, walk};

/// The columns of a record, in the order [`Stored::decode`] takes them.
pub(crate) const RECORD_COLUMNS: &str =
    "seq, segment, at_ms, request_id, tenant, kind, body, prev_hash, hash";

/// How [`verify`] verifies.
#[derive(Clone, Debug, Default)]
pub struct VerifyOptions {
    /// Keys whose signatures count, and with them every key that one of them has introduced. Empty: those
    /// listed in `<database>.pub`, which is only as trustworthy as the machine it lies on. Keep a copy of the
    /// first key elsewhere and pass it here.
    pub public_keys: Vec<PublicKey>,
    /// A head noted earlier, outside the machine: the log must contain it. Detects even a rollback to an
    /// older state of the whole file.
    pub expected_head: Option<Head>,
    /// Begin after this record, which is taken as true if the log still contains it: to skip what was
    /// verified before, or a break that is known. `None`: begin at the beginning.
    pub since: Option<Head>,
}

/// Verifies a log, also while another process writes to it.
///
/// Whatever is wrong *with the log* is in the [`Report`]; an error means that it could not be looked at.
pub fn verify(path: impl AsRef<Path>, options: &VerifyOptions) -> Result<Report, ReadError> {
    let path = path.as_ref();
    let listed;
    let trusted = if options.public_keys.is_empty() {
        listed = read_public_keys(path).map_err(ReadError::PublicKey)?;
        &listed
    } else {
        &options.public_keys
    };
    let conn = match open_reader(path) {
        Err(e) if is_corruption(&e) => return Ok(unreadable(What::Unreadable { detail: e.to_string() })),
        other => other?,
    };
    // One read transaction: the head, the checkpoints and the records are of the same moment.
    let _snapshot = conn.unchecked_transaction()?;
    let identity = match check_schema(&conn) {
        Ok(identity) => identity,
        Err(DatabaseError::Foreign) => return Err(ReadError::NotAnAuditLog),
        Err(DatabaseError::NewerFormat(found)) => {
            return Err(ReadError::NewerFormat { found, known: FORMAT });
        }
        Err(DatabaseError::Unusable(detail)) => return Ok(unreadable(What::Schema { detail })),
        Err(DatabaseError::Io(e)) => return Err(ReadError::PublicKey(e)),
        Err(DatabaseError::Sqlite(e)) => return Err(e.into()),
        // Only ever the answer to opening for writing.
        Err(DatabaseError::RetiredKey(_)) => return Err(ReadError::NotAnAuditLog),
    };
    let trust = Trust::new(identity.log_id, trusted);
    Ok(walk(Walker::new(identity, trust, options.expected_head), &conn, options.since)?)
}

/// What opening needs to know: whether everything since the last checkpoint (or since the beginning) is
/// intact. `trust` follows the keys up to there.
pub(crate) fn check_tail(
    conn: &Connection,
    identity: Identity,
    trust: &mut Trust,
    from_the_beginning: bool,
) -> rusqlite::Result<Option<Bad>> {
    let columns = identity.signed_columns();
    let mut statement =
        conn.prepare(&format!("SELECT {columns} FROM checkpoints ORDER BY seq DESC LIMIT 1"))?;
    let mut rows = statement.query([])?;
    let last = rows.next()?.map(|row| (row.get::<_, i64>(0).unwrap_or(0).unsigned_abs(), read_signed(row)));
    let start = trust.clone();
    trust.follow_up_to(conn, last.as_ref().map_or(0, |(seq, _)| *seq))?;
    let since = match last.filter(|_| !from_the_beginning) {
        None => None,
        Some((seq, None)) => {
            return Ok(Some(Bad { segment: 0, seq, what: What::Malformed { column: "checkpoints" } }));
        }
        Some((seq, Some(checkpoint))) => {
            if let Some(what) = trust.fault(Statement::Checkpoint, &checkpoint) {
                return Ok(Some(Bad { segment: checkpoint.head.segment, seq, what }));
            }
            Some(checkpoint.head)
        }
    };
    // A break that has been answered with a new segment must not be answered with one more at every opening.
    Ok(walk(Walker::new(identity, start, None).forgiving(), conn, since)?.first_bad)
}

/// The report on a file in which nothing can be read.
fn unreadable(what: What) -> Report {
    let first_bad = Some(Bad { segment: 1, seq: 1, what });
    Report { broken_segments: 1, first_bad, ..Report::default() }
}

/// A record's row, borrowed from SQLite.
pub(crate) struct Stored<'r> {
    pub(crate) seq: i64,
    pub(crate) segment: u64,
    pub(crate) fields: Fields<'r>,
    pub(crate) prev_hash: Hash,
    pub(crate) hash: Hash,
}

impl<'r> Stored<'r> {
    /// Reads a row of [`RECORD_COLUMNS`], or names the column that no writer of ours filled. Text is taken as
    /// bytes: that it is still UTF-8 is not needed to say whether it is what was hashed.
    pub(crate) fn decode(row: &'r Row<'_>) -> Result<Self, &'static str> {
        let integer = |i, name| row.get::<usize, i64>(i).map_err(|_| name);
        let text = |i, name| row.get_ref(i).ok().and_then(|v| v.as_bytes().ok()).ok_or(name);
        let hash = |i, name| row.get::<usize, [u8; 32]>(i).map(Hash).map_err(|_| name);
        Ok(Self {
            seq: integer(0, "seq")?,
            segment: u64::try_from(integer(1, "segment")?).map_err(|_| "segment")?,
            fields: Fields {
                at_ms: integer(2, "at_ms")?,
                request_id: text(3, "request_id")?,
                tenant: text(4, "tenant")?,
                kind: text(5, "kind")?,
                body: text(6, "body")?,
            },
            prev_hash: hash(7, "prev_hash")?,
            hash: hash(8, "hash")?,
        })
    }
}
