//! The rows of one transaction: records, the segments they are in, and what is signed of them.

use std::path::PathBuf;

use rusqlite::Connection;
use serde_json::{Value, json};

use crate::chain::{Head, LogTree, Statement, genesis, record_hash};
use crate::database::{Tail, ToSign, insert_record, last_checkpoint, put_signed, signed};
use crate::key::Keys;
use crate::log::Options;
use crate::record::Encoded;
use crate::report::Bad;
use crate::walker::previous_json;

/// The end of the chain, the tree over its records, and how far it is from the next checkpoint and segment.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Chain {
    pub(crate) head: Head,
    pub(crate) at_ms: i64,
    pub(crate) since_checkpoint: u64,
    pub(crate) segment_len: u64,
    pub(crate) tree: LogTree,
    /// The record of the last checkpoint.
    pub(crate) last_checkpoint: u64,
}

/// Why the next record must open a segment.
#[derive(Clone, Debug)]
pub(crate) enum Opening {
    Rotated,
    Broken(Bad),
    Replaced { moved_to: PathBuf, reason: String },
}

/// The rows of one transaction being written.
pub(crate) struct Session<'a> {
    pub(crate) conn: &'a Connection,
    pub(crate) log_id: &'a [u8; 16],
    pub(crate) keys: &'a Keys,
    pub(crate) options: &'a Options,
    pub(crate) chain: Chain,
}

impl Session<'_> {
    pub(crate) fn append(&mut self, record: &Encoded) -> rusqlite::Result<()> {
        let limit = self.options.segment_records;
        if limit > 0 && self.chain.segment_len >= limit {
            if self.chain.since_checkpoint > 0 {
                self.checkpoint()?;
            }
            let Head { segment, seq, hash } = self.chain.head;
            let tail = Tail { segment: signed(segment), seq: signed(seq), hash: Some(hash) };
            self.open_segment(&Opening::Rotated, Some(tail), seq, record.at_ms)?;
        }
        self.insert(record)?;
        if self.chain.since_checkpoint >= self.options.checkpoint_every.max(1) {
            self.checkpoint()?;
        }
        Ok(())
    }

    /// Begins the segment after that of `tail`, the last record as stored, with a record that says why. Its
    /// number is the one after `seq`.
    pub(crate) fn open_segment(
        &mut self,
        opening: &Opening,
        tail: Option<Tail>,
        seq: u64,
        at_ms: i64,
    ) -> rusqlite::Result<()> {
        let previous = previous_json(tail);
        let segment = match opening {
            Opening::Replaced { .. } => 1,
            Opening::Rotated | Opening::Broken(_) => {
                // With every record gone there is nothing to come after.
                tail.map_or(0, |t| t.segment.unsigned_abs()) + 1
            }
        };
        let (kind, body) = match opening {
            Opening::Rotated => {
                ("segment", json!({ "event": "segment_opened", "reason": "rotated", "previous": previous }))
            }
            Opening::Broken(bad) => (
                "alarm",
                json!({
                    "event": "segment_opened",
                    "reason": "chain_broken",
                    "previous": previous,
                    "first_bad": {
                        "segment": bad.segment,
                        "seq": bad.seq,
                        "what": serde_json::to_value(&bad.what).unwrap_or(Value::Null),
                    },
                }),
            ),
            Opening::Replaced { moved_to, reason } => (
                "alarm",
                json!({ "event": "log_replaced", "reason": reason, "moved_to": moved_to.to_string_lossy() }),
            ),
        };
        let head = Head { segment, seq, hash: genesis(self.log_id, segment) };
        // Whether the records before a break are those of the tree so far is not known any more.
        let (tree, last_checkpoint) = match opening {
            Opening::Rotated => (self.chain.tree.clone(), self.chain.last_checkpoint),
            Opening::Broken(_) | Opening::Replaced { .. } => {
                (LogTree::beginning_at(seq.saturating_add(1)), last_checkpoint(self.conn)?.unsigned_abs())
            }
        };
        self.chain = Chain { head, at_ms, since_checkpoint: 0, segment_len: 0, tree, last_checkpoint };
        let (request_id, tenant) = (String::new(), String::new());
        let record =
            crate::Record { at_ms: at_ms.unsigned_abs(), request_id, tenant, kind: kind.to_owned(), body };
        // The body is flat and the time came from a record: encoding it cannot fail.
        if let Ok(record) = Encoded::new(record) {
            self.insert(&record)?;
        }
        // At once, so that the next opening begins to check here and does not meet the same break again.
        self.checkpoint()
    }

    fn insert(&mut self, record: &Encoded) -> rusqlite::Result<()> {
        let Head { segment, seq, hash: previous } = self.chain.head;
        let seq = seq + 1;
        let hash = record_hash(segment, seq, &previous, record.fields());
        let head = Head { segment, seq, hash };
        insert_record(self.conn, &head, &previous, record.fields())?;
        self.chain.tree.push(&hash);
        self.chain.head = head;
        self.chain.at_ms = record.at_ms;
        self.chain.since_checkpoint += 1;
        self.chain.segment_len += 1;
        Ok(())
    }

    pub(crate) fn checkpoint(&mut self) -> rusqlite::Result<()> {
        self.sign(Statement::Checkpoint)?;
        self.chain.since_checkpoint = 0;
        self.chain.last_checkpoint = self.chain.head.seq;
        Ok(())
    }

    /// The last thing that is written in a transaction.
    pub(crate) fn sign_head(self) -> rusqlite::Result<Chain> {
        self.sign(Statement::Head)?;
        Ok(self.chain)
    }

    fn sign(&self, what: Statement) -> rusqlite::Result<()> {
        let Chain { head, at_ms, tree, last_checkpoint, .. } = &self.chain;
        let to_sign = ToSign { head, at_ms: *at_ms, tree, previous: *last_checkpoint };
        put_signed(self.conn, what, self.log_id, to_sign, self.keys)
    }
}
