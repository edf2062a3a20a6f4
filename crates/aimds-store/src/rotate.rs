//! Replacing the signing key without breaking the log: the old key's last act is to introduce the new one.

use std::io;
use std::path::Path;

use rusqlite::OptionalExtension;

use crate::chain::Head;
use crate::database::{DatabaseError, begin, check_schema, is_corruption, open_reader};
use crate::error::{AppendError, OpenError};
use crate::key::{Keys, PublicKey, beside};
use crate::log::{Options, lock};
use crate::record::{Encoded, Record};
use crate::report::Bad;
use crate::session::{Opening, Session};
use crate::trust::{Introduction, KEY_KIND};
use crate::writer::{Open, open, open_error};

/// What [`rotate_key`] did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rotated {
    /// The key that signed until now, and signs no more.
    pub previous: PublicKey,
    /// The key that signs from now on.
    pub public_key: PublicKey,
    /// The record that says so, the last that the old key signed.
    pub head: Head,
}

/// Why a key was not replaced. Nothing was changed, except where [`RotateError::Install`] says otherwise.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RotateError {
    /// The log could not be opened; a gateway that is writing to it must be stopped first.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// There is no log, or no key, that could be replaced.
    #[error("there is no audit log with a signing key here")]
    Missing,
    /// The end of the chain is broken. Opening the log with [`crate::AuditLog::open`] begins a new segment
    /// that says so; then the key can be replaced.
    #[error("the log is broken: {0}")]
    Broken(Bad),
    /// The time does not fit.
    #[error(transparent)]
    Record(#[from] AppendError),
    /// SQLite refused.
    #[error("sqlite: {0}")]
    Sqlite(#[from] rusqlite::Error),
    /// The new key could not be written.
    #[error("the new signing key could not be written")]
    Prepare(#[source] io::Error),
    /// The log names the new key, but it could not be put in its place or listed; the next opening does that.
    #[error("the new signing key could not be put in place of the old one")]
    Install(#[source] io::Error),
}

/// Replaces the signing key of the log at `path`, which nobody may have open for writing.
///
/// A record of kind `key`, signed by the old key, introduces the new one; [`crate::verify`] follows such
/// records from the keys it was given, and refuses whatever the old key signs afterwards. `at_ms` is the time
/// to write on the record, in milliseconds since the Unix epoch.
///
/// Safe to interrupt at any moment: the next opening finishes or undoes it.
pub fn rotate_key(path: impl AsRef<Path>, at_ms: u64) -> Result<Rotated, RotateError> {
    let path = path.as_ref();
    if i64::try_from(at_ms).is_err() {
        return Err(RotateError::Record(AppendError::TimeOutOfRange));
    }
    if !path.is_file() || !beside(path, ".key").is_file() {
        return Err(RotateError::Missing);
    }
    let _lock = lock(&beside(path, ".lock"))?;
    finish_rotation(path)?;
    let keys = Keys::load_or_create(path)
        .map_err(|source| OpenError::Io { what: "the signing key could not be loaded", source })?;
    let options = Options::default();
    let Open { database, chain, opening } = open(path, &options, &keys, false).map_err(open_error)?;
    match opening {
        Some(Opening::Broken(bad)) => return Err(RotateError::Broken(bad)),
        Some(Opening::Rotated | Opening::Replaced { .. }) | None => {}
    }
    let public_key = Keys::prepare_next(path).map_err(RotateError::Prepare)?;
    let log_id = &database.identity.log_id;
    let record = Record {
        at_ms,
        request_id: String::new(),
        tenant: String::new(),
        kind: KEY_KIND.to_owned(),
        body: Introduction::sign(&keys, public_key, log_id).to_body(),
    };
    let transaction = begin(&database.conn)?;
    let mut session = Session { conn: &transaction, log_id, keys: &keys, options: &options, chain };
    session.append(&Encoded::new(record)?)?;
    // Verifiers find introductions by their checkpoints.
    if session.chain.since_checkpoint > 0 {
        session.checkpoint()?;
    }
    let chain = session.sign_head()?;
    transaction.commit()?;
    Keys::install_next(path).map_err(RotateError::Install)?;
    // Adds the new key to the list of public ones.
    Keys::load_or_create(path).map_err(RotateError::Install)?;
    Ok(Rotated { previous: keys.public, public_key, head: chain.head })
}

/// After an interrupted rotation: if the log names the prepared key, it takes its place; if not, it was never
/// used. Only to be called with the lock held.
pub(crate) fn finish_rotation(path: &Path) -> Result<(), OpenError> {
    let io = |source| OpenError::Io { what: "an interrupted key rotation could not be finished", source };
    let Some(prepared) = Keys::prepared(path).map_err(io)? else { return Ok(()) };
    let introduced = path.is_file() && last_introduced(path)? == Some(prepared);
    if introduced { Keys::install_next(path).map_err(io) } else { Keys::discard_next(path).map_err(io) }
}

/// The key that the last record of kind `key` introduces.
fn last_introduced(path: &Path) -> Result<Option<PublicKey>, OpenError> {
    let conn = match open_reader(path) {
        Err(e) if is_corruption(&e) => return Ok(None),
        other => other?,
    };
    match check_schema(&conn) {
        Ok(_) => {}
        // Opening will say what is wrong with it.
        Err(DatabaseError::Foreign | DatabaseError::Unusable(_)) => return Ok(None),
        Err(error) => return Err(open_error(error)),
    }
    let body: Option<Vec<u8>> = conn
        .query_row(
            "SELECT CAST(body AS BLOB) FROM records WHERE kind = ?1 ORDER BY seq DESC LIMIT 1",
            [KEY_KIND],
            |row| row.get(0),
        )
        .optional()?;
    Ok(body.and_then(|body| Introduction::from_body(&body)).map(|introduction| introduction.public_key))
}
