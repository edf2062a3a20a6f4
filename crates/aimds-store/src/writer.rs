//! The writer thread: takes what is waiting, chains it, commits it in one transaction, and does not let go of
//! it until that has succeeded.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use rusqlite::{Connection, OptionalExtension};

use crate::chain::{Hash, Head, LogTree, genesis};
use crate::database::{
    Database, DatabaseError, FORMAT, Identity, Tail, begin, last_checkpoint, read_head, read_tail, signed,
};
use crate::error::OpenError;
use crate::key::{Keys, beside, sync_parent};
use crate::log::{Durability, Health, OpenCheck, Opened, Options, Shared, Taken};
use crate::report::{Bad, What};
use crate::session::{Chain, Opening, Session};
use crate::trust::Trust;
use crate::verify::check_tail;

/// The most records in one transaction: bounds how long a ticket waits behind a long queue.
const MAX_BATCH: usize = 4096;
/// How long one attempt waits for somebody else's lock; the back-off does the rest.
const BUSY: Duration = Duration::from_millis(50);
/// Numbers that a log can honestly reach, and that JSON can carry. Beyond it somebody has written to the
/// file.
const MAX_SEQ: i64 = 1 << 53;

/// A log that is open for writing.
pub(crate) struct Open {
    pub(crate) database: Database,
    pub(crate) chain: Chain,
    pub(crate) opening: Option<Opening>,
}

/// What a commit would leave behind.
struct Outcome {
    chain: Chain,
    heads: Vec<Head>,
}

pub(crate) struct Writer {
    path: PathBuf,
    shared: Arc<Shared>,
    keys: Keys,
    /// Absent after the file went away, until it can be opened again.
    database: Option<Database>,
    chain: Chain,
    opening: Option<Opening>,
    /// What the last failed attempt would have left behind, had it succeeded: SQLite may report an error for
    /// a transaction that is in the file all the same.
    attempted: Option<Outcome>,
}

#[derive(Debug, thiserror::Error)]
enum CommitError {
    #[error("{0}")]
    Database(#[from] DatabaseError),
    #[error("{0}")]
    Open(#[from] OpenError),
    /// The transaction was committed, but into a file that is no longer there.
    #[error("{0}")]
    Gone(io::Error),
}

impl From<rusqlite::Error> for CommitError {
    fn from(error: rusqlite::Error) -> Self {
        Self::Database(error.into())
    }
}

impl Open {
    pub(crate) fn head(&self) -> Head {
        self.chain.head
    }

    pub(crate) fn opened(&self) -> Opened {
        match &self.opening {
            Some(Opening::Broken(bad)) => Opened::NewSegment { bad: bad.clone() },
            Some(Opening::Replaced { moved_to, reason }) => {
                Opened::Replaced { moved_to: moved_to.clone(), reason: reason.clone() }
            }
            Some(Opening::Rotated) | None if self.database.created => Opened::Created,
            Some(Opening::Rotated) | None => Opened::Continued,
        }
    }
}

/// Opens the log, or moves an unusable file aside and opens a new one.
///
/// A file is moved only if its signing key was there before: proof that it was an audit log, and that a wrong
/// path in the configuration does not make this rename somebody's other file.
pub(crate) fn open_or_replace(
    path: &Path,
    options: &Options,
    keys: &Keys,
    create: bool,
) -> Result<Open, OpenError> {
    let reason = match open(path, options, keys, create) {
        Ok(open) => return Ok(open),
        Err(DatabaseError::Unusable(reason)) if !keys.created => reason,
        Err(error @ DatabaseError::Foreign) if !keys.created => error.to_string(),
        Err(error) => return Err(open_error(error)),
    };
    let moved_to = move_aside(path)
        .map_err(|source| OpenError::Io { what: "the unusable log could not be moved aside", source })?;
    let mut open = open(path, options, keys, true).map_err(open_error)?;
    open.opening = Some(Opening::Replaced { moved_to, reason });
    Ok(open)
}

pub(crate) fn open_error(error: DatabaseError) -> OpenError {
    match error {
        DatabaseError::Foreign | DatabaseError::Unusable(_) => OpenError::NotAnAuditLog,
        DatabaseError::NewerFormat(found) => OpenError::NewerFormat { found, known: FORMAT },
        DatabaseError::RetiredKey(seq) => OpenError::RetiredKey { seq },
        DatabaseError::Io(source) => OpenError::Io { what: "the database file could not be opened", source },
        DatabaseError::Sqlite(error) => error.into(),
    }
}

pub(crate) fn open(path: &Path, options: &Options, keys: &Keys, create: bool) -> Result<Open, DatabaseError> {
    let full_sync = options.durability != Durability::Normal;
    let database = Database::open(path, full_sync, create, keys)?;
    let (conn, identity) = (&database.conn, database.identity);
    let mut trust = Trust::new(identity.log_id, &keys.trusted);
    let bad = match check_tail(conn, identity, &mut trust, options.check == OpenCheck::Full)? {
        Some(Bad { what: What::Unreadable { detail }, .. }) => return Err(DatabaseError::Unusable(detail)),
        None if keys.created && !database.created => {
            let tail = read_tail(conn)?.map_or(0, |t| t.seq);
            Some(Bad { segment: 1, seq: tail.unsigned_abs(), what: What::KeyReplaced })
        }
        other => other,
    };
    if let Some(seq) = trust.retired_by(keys.public) {
        return Err(DatabaseError::RetiredKey(seq));
    }
    let chain = read_chain(conn, identity)?;
    conn.busy_timeout(BUSY)?;
    Ok(Open { database, chain, opening: bad.map(Opening::Broken) })
}

/// The end of the chain as stored. Where that is malformed the chain is broken, and the segment that is
/// opened in consequence replaces what is made up here.
fn read_chain(conn: &Connection, identity: Identity) -> Result<Chain, DatabaseError> {
    highest_seq(conn, identity)?;
    let last_checkpoint = last_checkpoint(conn)?.unsigned_abs();
    let (head, at_ms, since_checkpoint, segment_len) = match read_tail(conn)? {
        None => (Head { segment: 1, seq: 0, hash: genesis(&identity.log_id, 1) }, 0, 0, 0),
        Some(tail) => {
            let head = Head {
                segment: tail.segment.unsigned_abs(),
                seq: tail.seq.unsigned_abs(),
                hash: tail.hash.unwrap_or(Hash([0; 32])),
            };
            let at_ms =
                conn.query_row("SELECT at_ms FROM records WHERE seq = ?1", [tail.seq], |row| row.get(0))?;
            let (since_checkpoint, segment_len) = distances(conn, &head)?;
            (head, at_ms, since_checkpoint, segment_len)
        }
    };
    // Of a log of format 1 that was just upgraded the head speaks of no tree: it begins with the next record.
    let stored = read_head(conn, identity)?.flatten().filter(|signed| signed.head == head);
    let tree = stored
        .and_then(|signed| signed.tree())
        .unwrap_or_else(|| LogTree::beginning_at(head.seq.saturating_add(1)));
    Ok(Chain { head, at_ms, since_checkpoint, segment_len, tree, last_checkpoint })
}

/// How many records the segment of `head` has since its last checkpoint, and since its beginning.
fn distances(conn: &Connection, head: &Head) -> rusqlite::Result<(u64, u64)> {
    let checkpoint = |which: &str| -> rusqlite::Result<Option<u64>> {
        let sql = format!("SELECT {which}(seq) FROM checkpoints WHERE segment = ?1");
        let seq: Option<i64> =
            conn.query_row(&sql, [signed(head.segment)], |row| row.get(0)).optional()?.flatten();
        Ok(seq.and_then(|s| u64::try_from(s).ok()))
    };
    // Every segment but the first begins with a checkpoint, so nothing has to be counted.
    let first = if head.segment == 1 { 1 } else { checkpoint("min")?.unwrap_or(head.seq) };
    let checked = checkpoint("max")?.unwrap_or(first.saturating_sub(1));
    Ok((head.seq.saturating_sub(checked), (head.seq + 1).saturating_sub(first)))
}

/// The highest number that any table speaks of. A segment that follows a break begins behind it: numbers are
/// never given twice, and what a truncation took away stays visible as a gap.
fn highest_seq(conn: &Connection, identity: Identity) -> Result<u64, DatabaseError> {
    let sane = |n: i64, what: &str| {
        let range = DatabaseError::Unusable(format!("{what} {n} cannot have been written by this program"));
        if (0..MAX_SEQ).contains(&n) { Ok(n.unsigned_abs()) } else { Err(range) }
    };
    let tail = read_tail(conn)?;
    sane(tail.map_or(1, |t| t.segment), "segment")?;
    let record = sane(tail.map_or(0, |t| t.seq), "record")?;
    let checkpoint = sane(last_checkpoint(conn)?, "checkpoint")?;
    // The head row is about to be replaced, so an impossible one is merely not believed.
    let head =
        read_head(conn, identity)?.flatten().map(|signed| signed.head.seq).filter(|n| signed(*n) < MAX_SEQ);
    Ok(record.max(checkpoint).max(head.unwrap_or(0)))
}

/// `audit.db` to `audit.db.broken-1`, together with its write-ahead log, so that what can be saved is not
/// lost.
fn move_aside(path: &Path) -> io::Result<PathBuf> {
    let free = (1..=u32::MAX).map(|n| beside(path, &format!(".broken-{n}")));
    for target in free {
        if target.try_exists()? {
            continue;
        }
        for suffix in ["-wal", "-shm"] {
            match fs::rename(beside(path, suffix), beside(&target, suffix)) {
                Err(e) if e.kind() != io::ErrorKind::NotFound => return Err(e),
                _ => {}
            }
        }
        fs::rename(path, &target)?;
        sync_parent(path)?;
        return Ok(target);
    }
    Err(io::Error::from(io::ErrorKind::AlreadyExists))
}

impl Writer {
    pub(crate) fn new(path: PathBuf, shared: Arc<Shared>, mut keys: Keys, open: Open) -> Self {
        // It is not new any more when the file has to be opened again.
        keys.created = false;
        let Open { database, chain, opening } = open;
        Self { path, shared, keys, database: Some(database), chain, opening, attempted: None }
    }

    /// Until the log is closed and everything is written, or the closer's patience is at an end.
    pub(crate) fn run(&mut self) {
        // The alarm of a broken chain does not wait for traffic.
        let mut result =
            if self.opening.is_some() { self.commit_patiently(Vec::new(), false) } else { Ok(()) };
        let mut last_commit = None;
        while result.is_ok() {
            let batch = self.shared.take_batch(MAX_BATCH, last_commit);
            last_commit = Some(Instant::now());
            if batch.is_empty() {
                result = self.commit_patiently(Vec::new(), true);
                break;
            }
            result = self.commit_patiently(batch, false);
        }
        // Before `finish`: whoever waits for the close may open the log again at once.
        self.database = None;
        self.shared.finish(result);
    }

    /// Commits a batch however often that takes; gives it back to the queue only when closing has taken too
    /// long.
    fn commit_patiently(&mut self, batch: Vec<Taken>, closing: bool) -> Result<(), String> {
        let mut pause = self.shared.options.retry_min;
        loop {
            let error = match self.commit(&batch, closing) {
                Ok(heads) => {
                    self.succeeded(batch, heads);
                    return Ok(());
                }
                Err(error) => error,
            };
            let reason = error.to_string();
            let give_up = self.failed(&error, &reason);
            if give_up {
                self.shared.put_back(batch);
                return Err(reason);
            }
            self.shared.pause(pause);
            pause = (pause * 2).min(self.shared.options.retry_max);
        }
    }

    fn succeeded(&mut self, batch: Vec<Taken>, heads: Vec<Head>) {
        let mut state = self.shared.lock();
        state.counters.transactions += 1;
        state.counters.committed += batch.len() as u64;
        state.counters.spool_len = state.counters.spool_len.saturating_sub(batch.len());
        let bytes: usize = batch.iter().map(|taken| taken.bytes).sum();
        state.counters.spool_bytes = state.counters.spool_bytes.saturating_sub(bytes);
        state.health = Health::Healthy;
        state.head = self.chain.head;
        drop(state);
        for (taken, head) in batch.into_iter().zip(heads) {
            taken.promise.resolve(Ok(head));
        }
        self.shared.announce();
    }

    /// Notes a failure; `true` when there is to be no further attempt.
    fn failed(&mut self, error: &CommitError, reason: &str) -> bool {
        if matches!(error, CommitError::Gone(_) | CommitError::Database(DatabaseError::Unusable(_)))
            && let Some(database) = self.database.take()
        {
            database.abandon();
        }
        let mut state = self.shared.lock();
        state.counters.retried += 1;
        let since_attempts = match state.health {
            Health::Healthy => 1,
            Health::Degraded { since_attempts, .. } => since_attempts.saturating_add(1),
        };
        state.health = Health::Degraded { since_attempts, reason: reason.to_owned() };
        state.give_up_at.is_some_and(|at| Instant::now() >= at)
    }

    /// One attempt at one transaction: the batch, whatever has to be written around it, and the new signed
    /// head.
    fn commit(&mut self, batch: &[Taken], closing: bool) -> Result<Vec<Head>, CommitError> {
        self.reopen_if_gone()?;
        let Some(database) = &mut self.database else {
            return Err(CommitError::Gone(io::ErrorKind::NotFound.into()));
        };
        let transaction = begin(&database.conn)?;
        let identity = database.identity;
        let stored = stored_end(&transaction, identity)?;
        if let Some(attempted) = self.attempted.take_if(|a| stored == Some(a.chain.head)) {
            // The last attempt is in the file after all. Its transaction is complete; what is left is to be
            // sure that the file is still the one with the log's name.
            drop(transaction);
            if let Err(error) = database.still_in_place() {
                self.attempted = Some(attempted);
                return Err(CommitError::Gone(error));
            }
            self.advance(attempted.chain);
            return Ok(attempted.heads);
        }
        if self.opening.is_none() && stored != Some(self.chain.head) {
            let bad = Bad {
                segment: self.chain.head.segment,
                seq: self.chain.head.seq,
                what: What::ChangedWhileOpen,
            };
            self.opening = Some(Opening::Broken(bad));
        }
        let mut session = Session {
            conn: &transaction,
            log_id: &identity.log_id,
            keys: &self.keys,
            options: &self.shared.options,
            chain: self.chain.clone(),
        };
        if let Some(opening) = &self.opening {
            let opened_at = signed(self.shared.options.opened_at_ms).max(self.chain.at_ms);
            let at_ms = batch.first().map_or(opened_at, |taken| taken.record.at_ms);
            let after =
                if matches!(opening, Opening::Broken(_)) { highest_seq(&transaction, identity)? } else { 0 };
            session.open_segment(opening, read_tail(&transaction)?, after, at_ms)?;
        }
        let mut heads = Vec::with_capacity(batch.len());
        for taken in batch {
            session.append(&taken.record)?;
            heads.push(session.chain.head);
        }
        if closing && session.chain.since_checkpoint > 0 {
            session.checkpoint()?;
        }
        if session.chain == self.chain {
            // A close with nothing to say.
            return Ok(heads);
        }
        let chain = session.sign_head()?;
        // From here on the transaction may be in the file whatever is reported.
        self.attempted = Some(Outcome { chain: chain.clone(), heads: heads.clone() });
        transaction.commit()?;
        database.still_in_place().map_err(CommitError::Gone)?;
        self.attempted = None;
        self.advance(chain);
        Ok(heads)
    }

    /// After a commit: this is the end of the chain now.
    fn advance(&mut self, chain: Chain) {
        self.chain = chain;
        if self.opening.take().is_some() {
            self.shared.lock().counters.breaks += 1;
        }
    }

    /// After the file was removed or replaced: opens what is there now, if anything is. Never creates a file
    /// where there is none: the log may be about to be put back, and two half logs help nobody.
    fn reopen_if_gone(&mut self) -> Result<(), CommitError> {
        if self.database.is_some() {
            return Ok(());
        }
        let open = open_or_replace(&self.path, &self.shared.options, &self.keys, false)?;
        if let Some(opening) = open.opening {
            self.chain = open.chain;
            self.opening = Some(opening);
            self.attempted = None;
        }
        self.database = Some(open.database);
        Ok(())
    }
}

/// Where the file says that the log ends: the last record and the head row, if they agree.
fn stored_end(conn: &Connection, identity: Identity) -> rusqlite::Result<Option<Head>> {
    let head = read_head(conn, identity)?.flatten().map(|signed| signed.head);
    let end = match read_tail(conn)? {
        None => Some(Head { segment: 1, seq: 0, hash: genesis(&identity.log_id, 1) }),
        Some(Tail { segment, seq, hash }) => match (u64::try_from(segment), u64::try_from(seq), hash) {
            (Ok(segment), Ok(seq), Some(hash)) => Some(Head { segment, seq, hash }),
            _ => None,
        },
    };
    Ok(head.filter(|head| Some(*head) == end))
}
