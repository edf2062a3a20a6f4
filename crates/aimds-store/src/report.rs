//! What verification says: how much it read, and the first place that is not what was written.

use std::fmt;

use serde::Serialize;

use crate::chain::Head;

/// What [`crate::verify`] found.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Report {
    /// Records read.
    pub records: u64,
    /// Segments they belong to.
    pub segments: u64,
    /// Segments in which something was bad.
    pub broken_segments: u64,
    /// Checkpoints whose signature was checked.
    pub checkpoints: u64,
    /// The last record before the first fault that a signed statement proves, with everything before it. What
    /// is wrong was done behind it: somebody who recomputes hashes can blur the place up to here, no further.
    pub proven: u64,
    /// The first thing that is wrong, in order of the log; `None`: the log is intact.
    pub first_bad: Option<Bad>,
    /// The last record: note it elsewhere, and pass it as
    /// [`crate::VerifyOptions::expected_head`] next time. `None` when its hash is not one.
    pub head: Option<Head>,
}

impl Report {
    /// Nothing was found wrong.
    #[must_use]
    pub fn is_intact(&self) -> bool {
        self.first_bad.is_none()
    }
}

/// A place where the log is not what was written.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Bad {
    /// The segment as stored.
    pub segment: u64,
    /// The record; for something missing, the first number that is not there.
    pub seq: u64,
    /// What is wrong with it.
    pub what: What,
}

/// Ways in which a log can be wrong.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum What {
    /// A column holds a type or length that is never written there.
    Malformed {
        /// The column.
        column: &'static str,
    },
    /// Records are missing from here up to the given one.
    Missing {
        /// The last missing number.
        up_to: u64,
    },
    /// The record's number is below the one that had to come.
    OutOfOrder {
        /// The number as stored.
        stored: i64,
    },
    /// The segment is neither that of the record before nor the next one.
    Segment,
    /// The first record of a segment does not name the record before it.
    Opening,
    /// `prev_hash` is not the hash of the record before (or the genesis hash, at the start of a segment).
    PrevHash,
    /// `hash` is not the hash of the record's fields.
    Hash,
    /// A checkpoint speaks of another hash than the record has.
    Checkpoint,
    /// A signature does not fit what it is under.
    Signature,
    /// A signature by a key that is not trusted.
    UnknownKey,
    /// A signature by a key that was replaced before.
    RetiredKey,
    /// A signed statement speaks of another tree than that of the records.
    Tree,
    /// The statement after this place speaks of a checkpoint here that is not there, or does not know the one
    /// that is.
    CheckpointMissing,
    /// The head row is missing.
    HeadMissing,
    /// The head row speaks of another record than the last.
    HeadMismatch,
    /// A signed checkpoint or head proves that the log went on to the given number.
    Truncated {
        /// The number it reached.
        reached: u64,
    },
    /// The record lies behind the signed head: nobody with the key wrote it.
    BehindHead,
    /// The head that the caller kept, or asked to begin after, is not in the log.
    ExpectedHead,
    /// The tables are not as this crate creates them.
    Schema {
        /// What differs.
        detail: String,
    },
    /// SQLite cannot read the file from here on.
    Unreadable {
        /// Its message.
        detail: String,
    },
    /// The writer found the chain broken here and said so in the first record of the next segment, which
    /// tells more.
    Recorded,
    /// The file before this one could not be used and was moved aside; the first record of this one says
    /// where to.
    Replaced,
    /// The log is signed with a key that was lost; a new one was made. Only ever reported by opening.
    KeyReplaced,
    /// The end of the log changed while it was open for writing. Only ever reported in an alarm record.
    ChangedWhileOpen,
}

impl fmt::Display for Bad {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "segment {} record {}: {}", self.segment, self.seq, self.what)
    }
}

impl fmt::Display for What {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Malformed { column } => write!(f, "column {column} is malformed"),
            Self::Missing { up_to } => write!(f, "missing, up to {up_to}"),
            Self::OutOfOrder { stored } => write!(f, "number {stored} is out of order"),
            Self::Segment => f.write_str("the segment number does not follow"),
            Self::Opening => f.write_str("the segment's first record does not name the one before it"),
            Self::PrevHash => f.write_str("the previous hash is not that of the record before"),
            Self::Hash => f.write_str("the content does not fit its hash"),
            Self::Checkpoint => f.write_str("a signed checkpoint has another hash for it"),
            Self::Signature => f.write_str("a signature is wrong"),
            Self::UnknownKey => f.write_str("a signature is by an unknown key"),
            Self::RetiredKey => f.write_str("a signature is by a key that was replaced before"),
            Self::Tree => f.write_str("a signed statement speaks of another tree"),
            Self::CheckpointMissing => f.write_str("the signed checkpoint here was removed"),
            Self::HeadMissing => f.write_str("the signed head is missing"),
            Self::HeadMismatch => f.write_str("the signed head has another hash for the last record"),
            Self::Truncated { reached } => write!(f, "cut off: the log is known to have reached {reached}"),
            Self::BehindHead => f.write_str("not covered by the signed head"),
            Self::ExpectedHead => f.write_str("the expected head is not in the log"),
            Self::Schema { detail } => f.write_str(detail),
            Self::Unreadable { detail } => write!(f, "unreadable: {detail}"),
            Self::Recorded => {
                f.write_str("found broken when the next segment was begun, whose first record says how")
            }
            Self::Replaced => f.write_str("begun in place of an unusable log, which its first record names"),
            Self::KeyReplaced => f.write_str("the signing key was lost and replaced"),
            Self::ChangedWhileOpen => f.write_str("the end of the log was changed while it was open"),
        }
    }
}
