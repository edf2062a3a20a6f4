//! Reading the chain back and saying where it stops being true.
//!
//! One pass in order of `seq`, with the checkpoints read alongside: memory does not grow with the log.

use std::fmt;
use std::path::Path;

use rusqlite::{Connection, Row, Statement as SqlStatement};
use serde::Serialize;
use serde_json::Value;

use crate::chain::{Fields, Hash, Head, Statement, genesis, record_hash, statement_bytes};
use crate::database::{
    DatabaseError, FORMAT, SIGNED_COLUMNS, Signed, Tail, check_schema, is_corruption, open_reader, read_head,
    read_signed, signed,
};
use crate::error::ReadError;
use crate::key::{PublicKey, read_public_keys};

/// The columns of a record, in the order [`Stored::decode`] takes them.
pub(crate) const RECORD_COLUMNS: &str =
    "seq, segment, at_ms, request_id, tenant, kind, body, prev_hash, hash";

/// How [`verify`] verifies.
#[derive(Clone, Debug, Default)]
pub struct VerifyOptions {
    /// Keys whose signatures count. Empty: those listed in `<database>.pub`, which is only as trustworthy as
    /// the machine it lies on. Keep a copy elsewhere and pass it here.
    pub public_keys: Vec<PublicKey>,
    /// A head noted earlier, outside the machine: the log must contain it. Detects even a rollback to an
    /// older state of the whole file.
    pub expected_head: Option<Head>,
    /// Begin after this record, which is taken as true if the log still contains it: to skip what was
    /// verified before, or a break that is known. `None`: begin at the beginning.
    pub since: Option<Head>,
}

/// What [`verify`] found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Report {
    /// Records read.
    pub records: u64,
    /// Segments they belong to.
    pub segments: u64,
    /// Segments in which something was bad.
    pub broken_segments: u64,
    /// Checkpoints whose signature was checked.
    pub checkpoints: u64,
    /// The first thing that is wrong, in order of the log; `None`: the log is intact.
    pub first_bad: Option<Bad>,
    /// The last record: note it elsewhere, and pass it as [`VerifyOptions::expected_head`] next time. `None`
    /// when its hash is not one.
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
    let log_id = match check_schema(&conn) {
        Ok(log_id) => log_id,
        Err(DatabaseError::Foreign) => return Err(ReadError::NotAnAuditLog),
        Err(DatabaseError::NewerFormat(found)) => {
            return Err(ReadError::NewerFormat { found, known: FORMAT });
        }
        Err(DatabaseError::Unusable(detail)) => return Ok(unreadable(What::Schema { detail })),
        Err(DatabaseError::Io(e)) => return Err(ReadError::PublicKey(e)),
        Err(DatabaseError::Sqlite(e)) => return Err(e.into()),
    };
    Ok(walk(Walker::new(log_id, trusted, options.expected_head), &conn, options.since)?)
}

/// What opening needs to know: whether everything since the last checkpoint (or since the beginning) is
/// intact.
pub(crate) fn check_tail(
    conn: &Connection,
    log_id: [u8; 16],
    trusted: &[PublicKey],
    from_the_beginning: bool,
) -> rusqlite::Result<Option<Bad>> {
    let since = if from_the_beginning {
        None
    } else {
        let mut statement =
            conn.prepare(&format!("SELECT {SIGNED_COLUMNS} FROM checkpoints ORDER BY seq DESC LIMIT 1"))?;
        let mut rows = statement.query([])?;
        match rows.next()?.map(|row| (row.get::<_, i64>(0).unwrap_or(0), read_signed(row))) {
            None => None,
            Some((seq, checkpoint)) => {
                let (segment, what) = match &checkpoint {
                    None => (0, Some(What::Malformed { column: "checkpoints" })),
                    Some(c) => (c.head.segment, signature_fault(Statement::Checkpoint, c, &log_id, trusted)),
                };
                if let Some(what) = what {
                    return Ok(Some(Bad { segment, seq: seq.unsigned_abs(), what }));
                }
                checkpoint.map(|c| c.head)
            }
        }
    };
    // A break that has been answered with a new segment must not be answered with one more at every opening.
    let walker = Walker { forgive_recorded: true, ..Walker::new(log_id, trusted, None) };
    Ok(walk(walker, conn, since)?.first_bad)
}

/// The report on a file in which nothing can be read.
fn unreadable(what: What) -> Report {
    let first_bad = Some(Bad { segment: 1, seq: 1, what });
    Report { records: 0, segments: 0, broken_segments: 1, checkpoints: 0, first_bad, head: None }
}

fn walk(mut walker: Walker<'_>, conn: &Connection, since: Option<Head>) -> rusqlite::Result<Report> {
    match walker.run(conn, since) {
        Err(e) if is_corruption(&e) => {
            walker.bad(walker.segment(), walker.next, What::Unreadable { detail: e.to_string() });
        }
        other => other?,
    }
    Ok(walker.report)
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

struct Walker<'a> {
    log_id: [u8; 16],
    trusted: &'a [PublicKey],
    /// A head that is still to be met.
    expected: Option<Head>,
    /// The number that the next record must have.
    next: u64,
    /// The record before, as stored.
    last: Option<Tail>,
    last_broken: Option<u64>,
    /// Breaks that the log recorded itself are settled: what came before them is not held against it.
    forgive_recorded: bool,
    report: Report,
}

impl<'a> Walker<'a> {
    fn new(log_id: [u8; 16], trusted: &'a [PublicKey], expected: Option<Head>) -> Self {
        let report = Report {
            records: 0,
            segments: 0,
            broken_segments: 0,
            checkpoints: 0,
            first_bad: None,
            head: None,
        };
        Self {
            log_id,
            trusted,
            expected,
            next: 1,
            last: None,
            last_broken: None,
            forgive_recorded: false,
            report,
        }
    }

    fn run(&mut self, conn: &Connection, since: Option<Head>) -> rusqlite::Result<()> {
        let empty = Head { segment: 1, seq: 0, hash: genesis(&self.log_id, 1) };
        self.meet(&empty);
        if let Some(head) = since.filter(|head| head.seq > 0) {
            self.begin_after(conn, &head)?;
        }
        let after = signed(self.next).saturating_sub(1);
        // From the beginning, rows with numbers below 1 are looked at too: nobody honest wrote them.
        let after = if after == 0 { i64::MIN } else { after };
        let mut checkpoints =
            conn.prepare(&format!("SELECT {SIGNED_COLUMNS} FROM checkpoints WHERE seq > ?1 ORDER BY seq"))?;
        let mut checkpoints = Checkpoints::new(&mut checkpoints, after)?;
        let mut statement =
            conn.prepare(&format!("SELECT {RECORD_COLUMNS} FROM records WHERE seq > ?1 ORDER BY seq"))?;
        let mut rows = statement.query([after])?;
        while let Some(row) = rows.next()? {
            self.report.records += 1;
            let seq: i64 = row.get(0).unwrap_or(0);
            self.gap(seq);
            // Checkpoints of records that are not there come before the next record that is.
            while let Some((at, checkpoint)) = checkpoints.up_to(seq.saturating_sub(1))? {
                self.checkpoint(at, checkpoint.as_ref());
            }
            match Stored::decode(row) {
                Ok(stored) => self.record(&stored),
                Err(column) => self.malformed(row, column),
            }
            while let Some((at, checkpoint)) = checkpoints.up_to(seq)? {
                self.checkpoint(at, checkpoint.as_ref());
            }
        }
        if let Some((seq, checkpoint)) = checkpoints.up_to(i64::MAX)? {
            match checkpoint.map(|c| (signature_fault_of(self, &c), c)) {
                Some((None, c)) => {
                    self.bad(c.head.segment, self.next, What::Truncated { reached: c.head.seq })
                }
                Some((Some(what), c)) => self.bad(c.head.segment, c.head.seq, what),
                None => {
                    self.bad(self.segment(), seq.unsigned_abs(), What::Malformed { column: "checkpoints" })
                }
            }
        }
        self.head(conn, &empty)?;
        if let Some(expected) = self.expected {
            self.bad(expected.segment, expected.seq, What::ExpectedHead);
        }
        Ok(())
    }

    /// Takes a record as true if the log contains it under the given hash.
    fn begin_after(&mut self, conn: &Connection, head: &Head) -> rusqlite::Result<()> {
        let mut statement = conn.prepare(&format!("SELECT {RECORD_COLUMNS} FROM records WHERE seq = ?1"))?;
        let mut rows = statement.query([signed(head.seq)])?;
        let found = match rows.next()? {
            Some(row) => Stored::decode(row).ok().is_some_and(|stored| {
                let hash = record_hash(head.segment, head.seq, &stored.prev_hash, stored.fields);
                stored.segment == head.segment && stored.hash == head.hash && hash == head.hash
            }),
            None => false,
        };
        if !found {
            self.bad(head.segment, head.seq, What::ExpectedHead);
        }
        self.meet(head);
        self.next = head.seq.saturating_add(1);
        self.last =
            Some(Tail { segment: signed(head.segment), seq: signed(head.seq), hash: Some(head.hash) });
        self.report.head = Some(*head);
        Ok(())
    }

    fn gap(&mut self, seq: i64) {
        if let Ok(seq) = u64::try_from(seq)
            && seq > self.next
        {
            self.bad(self.segment(), self.next, What::Missing { up_to: seq - 1 });
        }
    }

    fn record(&mut self, stored: &Stored<'_>) {
        let Ok(seq) = u64::try_from(stored.seq) else {
            return self.bad(stored.segment, 0, What::OutOfOrder { stored: stored.seq });
        };
        if seq < self.next {
            return self.bad(stored.segment, seq, What::OutOfOrder { stored: stored.seq });
        }
        let gap = seq > self.next;
        let segment = stored.segment;
        let last_segment = self.last.map_or(0, |t| t.segment);
        let same = signed(segment) == last_segment;
        if !same {
            self.report.segments += 1;
        } else if self.report.segments == 0 {
            self.report.segments = 1;
        }
        let expected_prev = if same {
            // After a gap there is nothing to compare with, and the gap has been reported.
            self.last.and_then(|t| t.hash).filter(|_| !gap)
        } else {
            if signed(segment) != last_segment.saturating_add(1) {
                self.bad(segment, seq, What::Segment);
            } else {
                self.opening(segment, seq, stored.fields.body, gap);
            }
            Some(genesis(&self.log_id, segment))
        };
        if expected_prev.is_some_and(|hash| hash != stored.prev_hash) {
            self.bad(segment, seq, What::PrevHash);
        }
        if record_hash(segment, seq, &stored.prev_hash, stored.fields) != stored.hash {
            self.bad(segment, seq, What::Hash);
        }
        let head = Head { segment, seq, hash: stored.hash };
        self.meet(&head);
        self.report.head = Some(head);
        self.last = Some(Tail { segment: signed(segment), seq: stored.seq, hash: Some(stored.hash) });
        self.next = seq.saturating_add(1);
    }

    /// A segment after the first begins with a record that names the last one before it: a whole segment
    /// cannot be taken out unseen. If it was begun because the chain was found broken, it says where; that
    /// stays a fault of the log for ever, though the evidence (the old head row) may have been replaced
    /// since.
    fn opening(&mut self, segment: u64, seq: u64, body: &[u8], gap: bool) {
        let body: Value = serde_json::from_slice(body).unwrap_or_default();
        if self.last.is_some() && !gap && body.get("previous") != Some(&previous_json(self.last)) {
            return self.bad(segment, seq, What::Opening);
        }
        let text = |key: &str| body.get(key).and_then(Value::as_str);
        match (text("event"), text("reason")) {
            (Some("segment_opened"), Some("chain_broken")) if self.forgive_recorded => {
                self.report.first_bad = None;
            }
            (Some("segment_opened"), Some("chain_broken")) => {
                let number = |key: &str| body.pointer(&format!("/first_bad/{key}")).and_then(Value::as_u64);
                let (segment, seq) = (number("segment").unwrap_or(0), number("seq").unwrap_or(0));
                self.bad(segment, seq, What::Recorded);
            }
            (Some("log_replaced"), _) if self.last.is_none() && !self.forgive_recorded => {
                self.bad(segment, seq, What::Replaced);
            }
            _ => {}
        }
    }

    fn malformed(&mut self, row: &Row<'_>, column: &'static str) {
        let seq = row.get::<_, i64>(0).unwrap_or(0);
        let segment = row.get::<_, i64>(1).unwrap_or(0);
        self.bad(
            u64::try_from(segment).unwrap_or(0),
            u64::try_from(seq).unwrap_or(0),
            What::Malformed { column },
        );
        self.last = Some(Tail { segment, seq, hash: row.get(8).ok().map(Hash) });
        self.report.head = None;
        self.next = u64::try_from(seq).unwrap_or(0).max(self.next).saturating_add(1);
    }

    fn checkpoint(&mut self, seq: i64, checkpoint: Option<&Signed>) {
        let at = u64::try_from(seq).unwrap_or(0);
        let Some(checkpoint) = checkpoint else {
            return self.bad(self.segment(), at, What::Malformed { column: "checkpoints" });
        };
        self.report.checkpoints += 1;
        let matches = self.last.is_some_and(|t| {
            t.seq == seq
                && t.segment == signed(checkpoint.head.segment)
                && t.hash == Some(checkpoint.head.hash)
        });
        match signature_fault_of(self, checkpoint) {
            Some(what) => self.bad(self.segment(), at, what),
            None if !matches => self.bad(checkpoint.head.segment, at, What::Checkpoint),
            None => {}
        }
    }

    fn head(&mut self, conn: &Connection, empty: &Head) -> rusqlite::Result<()> {
        let last_seq = self.next.saturating_sub(1);
        let head = match read_head(conn)? {
            Some(Some(head)) => head,
            absent_or_malformed => {
                let malformed = What::Malformed { column: "head" };
                let what = absent_or_malformed.map_or(What::HeadMissing, |_| malformed);
                self.bad(self.segment(), last_seq, what);
                return Ok(());
            }
        };
        if let Some(what) = signature_fault(Statement::Head, &head, &self.log_id, self.trusted) {
            self.bad(self.segment(), last_seq, what);
            return Ok(());
        }
        let head = head.head;
        if head.seq > last_seq {
            self.bad(head.segment, self.next, What::Truncated { reached: head.seq });
        } else if head.seq < last_seq {
            self.bad(self.segment(), head.seq + 1, What::BehindHead);
        } else if self.last.is_none() {
            if head != *empty {
                self.bad(1, 0, What::HeadMismatch);
            }
            self.report.head = Some(*empty);
        } else if self.report.head != Some(head) {
            self.bad(self.segment(), last_seq, What::HeadMismatch);
        }
        Ok(())
    }

    fn meet(&mut self, head: &Head) {
        if self.expected.as_ref() == Some(head) {
            self.expected = None;
        }
    }

    fn segment(&self) -> u64 {
        self.last.map_or(1, |t| u64::try_from(t.segment).unwrap_or(0))
    }

    fn bad(&mut self, segment: u64, seq: u64, what: What) {
        if self.last_broken != Some(segment) {
            self.last_broken = Some(segment);
            self.report.broken_segments += 1;
        }
        // A checkpoint or the head may be looked at after the record it concerns, but never before: the first
        // fault found is the first in the log.
        self.report.first_bad.get_or_insert(Bad { segment, seq, what });
    }
}

/// How the opening record of a segment names the record before it, as stored, broken or not.
pub(crate) fn previous_json(tail: Option<Tail>) -> Value {
    tail.map_or(Value::Null, |t| {
        serde_json::json!({ "segment": t.segment, "seq": t.seq, "hash": t.hash.map(|hash| hash.to_string()) })
    })
}

fn signature_fault_of(walker: &Walker<'_>, checkpoint: &Signed) -> Option<What> {
    signature_fault(Statement::Checkpoint, checkpoint, &walker.log_id, walker.trusted)
}

fn signature_fault(what: Statement, row: &Signed, log_id: &[u8; 16], trusted: &[PublicKey]) -> Option<What> {
    let key = PublicKey(row.public_key);
    if !trusted.contains(&key) {
        return Some(What::UnknownKey);
    }
    let message = statement_bytes(what, log_id, &row.head, row.at_ms);
    (!key.verifies(&message, &row.signature)).then_some(What::Signature)
}

/// The checkpoints in order, one read ahead.
struct Checkpoints<'s> {
    rows: rusqlite::Rows<'s>,
    ahead: Option<(i64, Option<Signed>)>,
}

impl<'s> Checkpoints<'s> {
    fn new(statement: &'s mut SqlStatement<'_>, after: i64) -> rusqlite::Result<Self> {
        let mut this = Self { rows: statement.query([after])?, ahead: None };
        this.advance()?;
        Ok(this)
    }

    fn advance(&mut self) -> rusqlite::Result<()> {
        self.ahead = self.rows.next()?.map(|row| (row.get(0).unwrap_or(0), read_signed(row)));
        Ok(())
    }

    fn up_to(&mut self, seq: i64) -> rusqlite::Result<Option<(i64, Option<Signed>)>> {
        if self.ahead.as_ref().is_none_or(|(at, _)| *at > seq) {
            return Ok(None);
        }
        let taken = self.ahead.take();
        self.advance()?;
        Ok(taken)
    }
}
