//! Making proofs from a log. Every proof reads the hashes of all records of its tree once: time grows with the log,
//! memory does not.

use std::path::Path;

use rusqlite::{Connection, OptionalExtension, params};

use crate::chain::{Hash, Statement};
use crate::database::{
    DatabaseError, FORMAT, Identity, Signed, check_schema, open_reader, read_head, read_signed, signed,
};
use crate::error::ReadError;
use crate::key::PublicKey;
use crate::merkle::{RangeRoots, consistency_ranges, inclusion_ranges, leaf_hash};
use crate::proof::{ConsistencyProof, InclusionProof, Proof, ProofError, ProvenRecord, SignedHead};
use crate::read::Entry;
use crate::trust::{Introduction, KEY_KIND};
use crate::verify::RECORD_COLUMNS;

/// Why there is no proof.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ProveError {
    /// The log cannot be read.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// There is no such record.
    #[error("there is no record {seq}")]
    NoRecord {
        /// Its number.
        seq: u64,
    },
    /// No signed statement speaks of a tree that holds the record: it was written in format 1, or its
    /// statements are gone.
    #[error("record {seq} is in no signed tree")]
    NoTree {
        /// Its number.
        seq: u64,
    },
    /// Nothing was signed at this record.
    #[error("no signed statement ends with record {seq}; the one before ends with {before}")]
    NoStatement {
        /// Its number.
        seq: u64,
        /// The nearest before it that has one; 0 for none.
        before: u64,
    },
    /// The chain was found broken between the two, and the tree begun anew.
    #[error("records {from} and {to} are in different trees: the log was broken between them")]
    DifferentTrees {
        /// The earlier.
        from: u64,
        /// The later.
        to: u64,
    },
    /// What is in the log does not prove it: [`crate::verify`] tells where it is broken.
    #[error("the log is not intact here: {0}")]
    Broken(#[from] ProofError),
}

impl From<rusqlite::Error> for ProveError {
    fn from(error: rusqlite::Error) -> Self {
        Self::Read(error.into())
    }
}

/// Proves that record `seq` is in the log: by the signed head, or by the last checkpoint of the record's tree where
/// the log was broken since.
///
/// # Errors
/// No such record, none that can be proved, or a log that does not bear it out.
pub fn prove_inclusion(path: impl AsRef<Path>, seq: u64) -> Result<Proof, ProveError> {
    let log = Log::open(path.as_ref())?;
    let _snapshot = log.conn.unchecked_transaction()?;
    let record = log.record(seq)?.ok_or(ProveError::NoRecord { seq })?;
    let head = log.statement_over(seq)?.ok_or(ProveError::NoTree { seq })?;
    let size = head.size().unwrap_or(0);
    let path = log.roots(&head, inclusion_ranges(seq.saturating_sub(head.first), size))?;
    let keys = log.introductions(&head)?;
    finish(Proof::Inclusion(InclusionProof { log_id: log.identity.log_id, record, path, head, keys }))
}

/// Proves that the log as of the statement about record `from` is the beginning of the log as of the statement
/// about record `to`, or as of its head.
///
/// # Errors
/// No such statements, statements of different trees, or a log that does not bear it out.
pub fn prove_consistency(path: impl AsRef<Path>, from: u64, to: Option<u64>) -> Result<Proof, ProveError> {
    let log = Log::open(path.as_ref())?;
    let _snapshot = log.conn.unchecked_transaction()?;
    let to = match to {
        Some(to) => log.statement_at(to)?,
        None => log.head()?.ok_or(ProveError::NoStatement { seq: from, before: 0 })?,
    };
    let from = log.statement_at(from)?;
    if from.first != to.first {
        return Err(ProveError::DifferentTrees { from: from.seq, to: to.seq });
    }
    let sizes = (from.size().unwrap_or(0), to.size().unwrap_or(0));
    let path = log.roots(&to, consistency_ranges(sizes.0, sizes.1))?;
    let keys = log.introductions(&to)?;
    finish(Proof::Consistency(ConsistencyProof { log_id: log.identity.log_id, path, from, to, keys }))
}

/// No document leaves that would not be believed.
fn finish(proof: Proof) -> Result<Proof, ProveError> {
    proof.verify(&[], None)?;
    Ok(proof)
}

struct Log {
    conn: Connection,
    identity: Identity,
}

impl Log {
    fn open(path: &Path) -> Result<Self, ProveError> {
        let conn = open_reader(path)?;
        match check_schema(&conn) {
            Ok(identity) => Ok(Self { conn, identity }),
            Err(DatabaseError::NewerFormat(found)) => {
                Err(ReadError::NewerFormat { found, known: FORMAT }.into())
            }
            Err(DatabaseError::Sqlite(error)) => Err(error.into()),
            Err(_) => Err(ReadError::NotAnAuditLog.into()),
        }
    }

    fn record(&self, seq: u64) -> Result<Option<ProvenRecord>, ProveError> {
        let mut statement =
            self.conn.prepare(&format!("SELECT {RECORD_COLUMNS} FROM records WHERE seq = ?1"))?;
        let mut rows = statement.query([signed(seq)])?;
        let Some(row) = rows.next()? else { return Ok(None) };
        let Entry { segment, seq, at_ms, request_id, tenant, kind, body, prev_hash, .. } = Entry::read(row)?;
        let at_ms = signed(at_ms);
        Ok(Some(ProvenRecord { segment, seq, at_ms, request_id, tenant, kind, body, prev_hash }))
    }

    fn head(&self) -> Result<Option<SignedHead>, ProveError> {
        let head = read_head(&self.conn, self.identity)?.flatten();
        Ok(head.and_then(|row| signed_head(Statement::Head, row)))
    }

    /// The latest statement about a tree that holds record `seq`.
    fn statement_over(&self, seq: u64) -> Result<Option<SignedHead>, ProveError> {
        if let Some(head) = self.head()?.filter(|head| (head.first..=head.seq).contains(&seq)) {
            return Ok(Some(head));
        }
        self.checkpoint("first > 0 AND first <= ?1 AND seq >= ?1", seq)
    }

    fn statement_at(&self, seq: u64) -> Result<SignedHead, ProveError> {
        if let Some(checkpoint) = self.checkpoint("first > 0 AND seq = ?1", seq)? {
            return Ok(checkpoint);
        }
        if let Some(head) = self.head()?.filter(|head| head.seq == seq) {
            return Ok(head);
        }
        let before = self.checkpoint("first > 0 AND seq < ?1", seq)?.map_or(0, |checkpoint| checkpoint.seq);
        Err(ProveError::NoStatement { seq, before })
    }

    /// The last checkpoint for which `condition` holds.
    fn checkpoint(&self, condition: &str, seq: u64) -> Result<Option<SignedHead>, ProveError> {
        if self.identity.format == 1 {
            return Ok(None);
        }
        let columns = self.identity.signed_columns();
        let sql = format!("SELECT {columns} FROM checkpoints WHERE {condition} ORDER BY seq DESC LIMIT 1");
        let row = self.conn.query_row(&sql, [signed(seq)], |row| Ok(read_signed(row))).optional()?;
        Ok(row.flatten().and_then(|row| signed_head(Statement::Checkpoint, row)))
    }

    /// The roots of ranges of leaves of the statement's tree, from the records' hashes as stored.
    fn roots(&self, head: &SignedHead, ranges: Vec<std::ops::Range<u64>>) -> Result<Vec<Hash>, ProveError> {
        let mut roots = RangeRoots::new(ranges);
        let mut statement =
            self.conn.prepare("SELECT seq, hash FROM records WHERE seq BETWEEN ?1 AND ?2 ORDER BY seq")?;
        let mut rows = statement.query(params![signed(head.first), signed(head.seq)])?;
        while let Some(row) = rows.next()? {
            let seq: i64 = row.get(0)?;
            let hash = row.get(1).map_err(|_| ReadError::Malformed { seq, column: "hash" })?;
            roots.push(leaf_hash(&Hash(hash)));
        }
        Ok(roots.finish())
    }

    /// How the key that signed came to be trusted: back from it, as far as keys introduce each other.
    fn introductions(&self, head: &SignedHead) -> Result<Vec<Introduction>, ProveError> {
        let mut statement =
            self.conn.prepare("SELECT body FROM records WHERE kind = ?1 AND seq < ?2 ORDER BY seq DESC")?;
        let mut rows = statement.query(params![KEY_KIND, signed(head.seq)])?;
        let mut chain: Vec<Introduction> = Vec::new();
        let mut wanted: PublicKey = head.public_key;
        while let Some(row) = rows.next()? {
            let body = row.get_ref(0)?.as_bytes().unwrap_or_default();
            let introduction = Introduction::from_body(body)
                .filter(|i| i.public_key == wanted && i.holds(&self.identity.log_id));
            if let Some(introduction) = introduction {
                wanted = introduction.previous;
                chain.push(introduction);
            }
        }
        chain.reverse();
        Ok(chain)
    }
}

fn signed_head(statement: Statement, row: Signed) -> Option<SignedHead> {
    let claim = row.claim?;
    Some(SignedHead {
        statement,
        segment: row.head.segment,
        seq: row.head.seq,
        hash: row.head.hash,
        at_ms: row.at_ms,
        first: claim.first,
        root: claim.root,
        previous: claim.previous,
        public_key: PublicKey(row.public_key),
        signature: row.signature,
    })
}
