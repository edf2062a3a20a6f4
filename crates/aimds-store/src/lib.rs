//! The audit log: what happened, in an order and with a content that cannot be changed afterwards unseen.
//!
//! Records go in through [`AuditLog::append`], which never touches a file: one thread takes what is waiting
//! and commits it to SQLite in one transaction. Every record carries the hash of the one before; the last one
//! is signed with every transaction, and every so often a signed checkpoint stays behind. [`verify`] reads
//! the chain back and names the first place that is not what was written.
//!
//! What is signed also commits to a Merkle tree over the records (RFC 9162), so that a single record, or that
//! the log only grew, can be proved to somebody who does not have it: [`prove_inclusion`],
//! [`prove_consistency`], [`Proof::verify`]. [`rotate_key`] replaces the signing key without a break.
//!
//! ```
//! use std::time::Duration;
//! use aimds_store::{AuditLog, Options, Record, VerifyOptions, verify};
//!
//! # let directory = tempfile::tempdir()?;
//! # let path = directory.path().join("audit.db");
//! let log = AuditLog::open(&path, Options::default())?;
//! let ticket = log.append(Record {
//!     at_ms: 1_764_000_000_000,
//!     request_id: "req-1".to_owned(),
//!     tenant: "acme".to_owned(),
//!     kind: "decision".to_owned(),
//!     body: serde_json::json!({ "action": "block", "categories": ["jailbreak"], "score": 0.93 }),
//! })?;
//! let place = ticket.wait()?; // on disk from here on
//! let head = log.close(Duration::from_secs(5))?;
//! assert_eq!(place, head);
//!
//! // Kept outside the machine, the head proves later that nothing up to it was changed or cut off.
//! let report = verify(&path, &VerifyOptions { expected_head: Some(head), ..VerifyOptions::default() })?;
//! assert!(report.is_intact());
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # Invariants
//!
//! * A record is never dropped, reordered or written twice between a successful append and a close that
//!   reports it as unwritten; a failing store is retried with back-off and shows in [`AuditLog::health`].
//! * Memory is bounded: by [`Options::spool_capacity`] and [`Options::spool_bytes`] when writing, by a
//!   constant when verifying and exporting. A full spool is the caller's decision:
//!   [`AppendError::SpoolFull`].
//! * The clock is not read for what is written: every time in the log came from the caller.
//! * **The content of messages never belongs in a record.** See [`Record`].
//!
//! # What is and is not detected
//!
//! Any change, insertion, removal or reordering of what lies before the signed head, checkpoints included, by
//! whoever lacks the key. Not detected from the file alone: a rollback of the whole file to an earlier state of itself (its
//! signed head included), and anything done by somebody who has the signing key, which lies beside the
//! database. Against both, note [`Report::head`] somewhere else now and then and pass it to [`verify`].
//! README.md describes the format exactly enough to write another verifier.
#![cfg_attr(
    not(test),
    deny(
        clippy::unwrap_used,
        clippy::expect_used,
        clippy::panic,
        clippy::indexing_slicing,
        clippy::unreachable
    )
)]
#![forbid(unsafe_code)]

mod canonical;
mod cef;
mod chain;
mod database;
mod error;
mod event;
mod key;
mod log;
mod merkle;
mod ocsf;
mod proof;
mod prove;
mod read;
mod record;
mod report;
mod review;
mod rotate;
mod sealed;
mod session;
mod ticket;
mod trust;
mod verify;
mod walker;
mod writer;

pub use chain::{Hash, Head, ParseError, Statement};
pub use error::{Abandoned, AppendError, CloseError, FlushError, OpenError, ReadError};
pub use key::PublicKey;
pub use log::{AuditLog, Counters, Durability, Health, OpenCheck, Opened, Options};
pub use proof::{ConsistencyProof, InclusionProof, Proof, ProofError, Proven, ProvenRecord, SignedHead};
pub use prove::{ProveError, prove_consistency, prove_inclusion};
pub use read::{Entry, Filter, Follow, Format, Reader, export, write_event};
pub use record::Record;
pub use report::{Bad, Report, What};
pub use review::{
    Added, Decided, NewReview, ReviewCounts, ReviewFile, ReviewFilter, ReviewItem, ReviewLimits, ReviewState,
};
pub use rotate::{RotateError, Rotated, rotate_key};
pub use sealed::{Change, SealedError, SealedFile};
pub use ticket::Ticket;
pub use trust::Introduction;
pub use verify::{VerifyOptions, verify};
