//! One error type per family of operations, so that no caller has to handle what cannot happen to it.

use std::io;
use std::time::Duration;

use crate::record::Record;

/// Why a log could not be opened. None of these is a broken chain: that is answered with a new segment.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OpenError {
    /// Another process, or another [`crate::AuditLog`] of this one, is writing to the file.
    #[error("another writer has this audit log open")]
    AlreadyOpen,
    /// The file is something else, and no signing key beside it says that it ever was an audit log.
    #[error("the file is not an audit log")]
    NotAnAuditLog,
    /// The file was written by a later version of this crate.
    #[error("the file has format {found}, this program knows formats up to {known}")]
    NewerFormat {
        /// The `user_version` in the file.
        found: i64,
        /// The latest that this crate reads and writes.
        known: i64,
    },
    /// The private key beside the log is one that [`crate::rotate_key`] has replaced: restored from a backup,
    /// or kept by somebody.
    #[error("the signing key was retired by record {seq}")]
    RetiredKey {
        /// The record that introduced its successor.
        seq: u64,
    },
    /// The file system refused.
    #[error("{what}")]
    Io {
        /// What was being done.
        what: &'static str,
        /// The refusal.
        source: io::Error,
    },
    /// SQLite refused.
    #[error("sqlite: {0}")]
    Sqlite(#[from] rusqlite::Error),
}

/// Why a record was not taken. Nothing was queued; whether the request may go on is the caller's decision.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum AppendError {
    /// The queue is at its limit of records or bytes: the store has been failing, or is slower than the
    /// traffic.
    #[error("the audit spool is full")]
    SpoolFull,
    /// The record alone is larger than [`crate::Options::max_record_bytes`].
    #[error("a record of {bytes} bytes is over the limit of {limit}")]
    RecordTooLarge {
        /// Its size.
        bytes: usize,
        /// The limit.
        limit: usize,
    },
    /// The body is nested too deeply.
    #[error("the record's body is nested deeper than {limit} levels")]
    BodyTooDeep {
        /// The limit.
        limit: usize,
    },
    /// `at_ms` does not fit SQLite's signed integers.
    #[error("the record's time is out of range")]
    TimeOutOfRange,
    /// The log was closed.
    #[error("the audit log is closed")]
    Closed,
}

/// The writer gave up before this ticket's record was committed: the log was closed while the store was
/// failing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the audit log was closed before the record could be written")]
pub struct Abandoned;

/// Not everything was on its way to disk when the caller's patience ended. Nothing is lost: the writer goes
/// on trying.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{waiting} records still wait for the store after {patience:?}")]
pub struct FlushError {
    /// Records that were still waiting, those appended meanwhile included.
    pub waiting: usize,
    /// How long was waited.
    pub patience: Duration,
}

/// The log closed without having written everything.
#[derive(Debug, thiserror::Error)]
#[error("{} records could not be written: {reason}", unwritten.len())]
pub struct CloseError {
    /// The last thing that went wrong.
    pub reason: String,
    /// The records that were never committed, in order, for the caller to put elsewhere. Empty when only the
    /// closing checkpoint failed.
    pub unwritten: Vec<Record>,
}

/// Why a log could not be read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ReadError {
    /// The file is something else.
    #[error("the file is not an audit log")]
    NotAnAuditLog,
    /// The file was written by a later version of this crate.
    #[error("the file has format {found}, this program knows formats up to {known}")]
    NewerFormat {
        /// The `user_version` in the file.
        found: i64,
        /// The latest that this crate reads.
        known: i64,
    },
    /// A column holds what this crate never writes there; [`crate::verify`] tells more.
    #[error("record {seq}: column {column} is malformed")]
    Malformed {
        /// The record.
        seq: i64,
        /// The column.
        column: &'static str,
    },
    /// No public key was given and none could be read beside the database.
    #[error("no public key to verify signatures with")]
    PublicKey(#[source] io::Error),
    /// Writing the export failed.
    #[error("the export could not be written")]
    Output(#[source] io::Error),
    /// SQLite refused.
    #[error("sqlite: {0}")]
    Sqlite(#[from] rusqlite::Error),
}
