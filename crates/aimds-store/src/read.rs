//! Looking into a log without writing to it, also while another process does.

use std::io::Write;
use std::path::Path;
use std::time::Duration;

use rusqlite::{Connection, Row, params};
use serde::Serialize;
use serde_json::Value;

use crate::chain::{Hash, Head};
use crate::database::{DatabaseError, FORMAT, check_schema, open_reader, signed};
use crate::error::ReadError;
use crate::event::{Event, Severity};
use crate::record::Record;
use crate::verify::{RECORD_COLUMNS, Stored};
use crate::{cef, ocsf};

/// How many records [`Follow`] fetches at once.
const FOLLOW_BATCH: i64 = 256;

/// One record as read back. Reading does not verify: see [`crate::verify`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Entry {
    /// Its segment.
    pub segment: u64,
    /// Its number.
    pub seq: u64,
    /// When it happened, by the clock of whoever appended it.
    pub at_ms: u64,
    /// The request it belongs to.
    pub request_id: String,
    /// The tenant it belongs to.
    pub tenant: String,
    /// What sort of thing happened.
    pub kind: String,
    /// The particulars: the canonical JSON text that was hashed, byte for byte.
    pub body: String,
    /// The hash of the record before.
    pub prev_hash: Hash,
    /// Its own hash.
    pub hash: Hash,
}

impl Entry {
    /// Its place in the chain.
    #[must_use]
    pub fn head(&self) -> Head {
        Head { segment: self.segment, seq: self.seq, hash: self.hash }
    }

    /// Writes it as one line of JSON, keys in the order of the columns. The body stands in it as it is
    /// stored, so that the hash can be recomputed from the line; a body that is not JSON on one line (nobody
    /// here wrote it) stands in it as the string `body_raw`.
    pub fn write_jsonl(&self, out: &mut impl Write) -> std::io::Result<()> {
        let text = |s: &str| Value::from(s).to_string();
        write!(
            out,
            r#"{{"segment":{},"seq":{},"at_ms":{},"request_id":{},"tenant":{},"kind":{},"#,
            self.segment,
            self.seq,
            self.at_ms,
            text(&self.request_id),
            text(&self.tenant),
            text(&self.kind),
        )?;
        let one_line = !self.body.chars().any(char::is_control);
        if one_line && serde_json::from_str::<serde::de::IgnoredAny>(&self.body).is_ok() {
            write!(out, r#""body":{},"#, self.body)?;
        } else {
            write!(out, r#""body_raw":{},"#, text(&self.body))?;
        }
        writeln!(out, r#""prev_hash":"{}","hash":"{}"}}"#, self.prev_hash, self.hash)
    }

    pub(crate) fn read(row: &Row<'_>) -> Result<Self, ReadError> {
        let at = || row.get(0).unwrap_or(0);
        let stored = Stored::decode(row).map_err(|column| ReadError::Malformed { seq: at(), column })?;
        let number =
            |n: i64, column| u64::try_from(n).map_err(|_| ReadError::Malformed { seq: at(), column });
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        Ok(Self {
            segment: stored.segment,
            seq: number(stored.seq, "seq")?,
            at_ms: number(stored.fields.at_ms, "at_ms")?,
            request_id: text(stored.fields.request_id),
            tenant: text(stored.fields.tenant),
            kind: text(stored.fields.kind),
            body: text(stored.fields.body),
            prev_hash: stored.prev_hash,
            hash: stored.hash,
        })
    }
}

/// Which records to read; everything by default.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Filter {
    /// Not before this time.
    pub from_ms: Option<u64>,
    /// Before this time.
    pub to_ms: Option<u64>,
    /// Of this kind.
    pub kind: Option<String>,
    /// Of this request.
    pub request_id: Option<String>,
    /// Of this tenant.
    pub tenant: Option<String>,
    /// After this record number.
    pub after_seq: u64,
    /// At most this many.
    pub limit: Option<u64>,
}

/// A format of [`export`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum Format {
    /// One JSON object a line: [`Entry::write_jsonl`].
    #[default]
    Jsonl,
    /// One event of the Open Cybersecurity Schema Framework (1.5.0) a line, as JSON: a Detection Finding (class
    /// 2004) where something was detected, else a Base Event. Only named fields; not enough to recompute hashes.
    Ocsf,
    /// One line of the Common Event Format each. Only named fields, as for [`Format::Ocsf`].
    Cef,
}

/// Writes the records that pass `filter` to `out`, in order of the log, one at a time; returns how many.
pub fn export(
    path: impl AsRef<Path>,
    filter: &Filter,
    format: Format,
    out: &mut impl Write,
) -> Result<u64, ReadError> {
    let mut written = 0;
    Reader::open(path)?.read(filter, |entry| {
        written += 1;
        match format {
            Format::Jsonl => entry.write_jsonl(out),
            Format::Ocsf => ocsf::write(&Event::new(&entry), out),
            Format::Cef => cef::write(&Event::new(&entry), out),
        }
        .map_err(ReadError::Output)
    })?;
    out.flush().map_err(ReadError::Output)?;
    Ok(written)
}

/// Writes what has just happened as one line of a format for systems that watch, with the same fields as [`export`] but
/// without its place in a log, and returns the severity of a syslog message about it (RFC 5424 §6.2.1: 2, critical, to 6,
/// informational). `uid` is what no other event has, `number` its place among the events of this writer.
///
/// ```
/// use aimds_store::{Format, Record, write_event};
/// let body = serde_json::json!({ "decision": "block", "categories": ["jailbreak"] });
/// let record = Record { at_ms: 1, request_id: "r".into(), tenant: "".into(), kind: "decision".into(), body };
/// assert!(record.is_detection());
/// let mut line = Vec::new();
/// assert_eq!(write_event(&record, "a-1", 1, Format::Cef, &mut line).unwrap(), 3);
/// assert!(line.starts_with(b"CEF:0|AIMDS|AIMDS|"));
/// ```
///
/// # Errors
/// Those of `out`; `Unsupported` for [`Format::Jsonl`], which is the log itself.
pub fn write_event(
    record: &Record,
    uid: &str,
    number: u64,
    format: Format,
    out: &mut impl Write,
) -> std::io::Result<u8> {
    let event = Event::live(record, uid, number);
    match format {
        Format::Jsonl => return Err(std::io::ErrorKind::Unsupported.into()),
        Format::Ocsf => ocsf::write(&event, out)?,
        Format::Cef => cef::write(&event, out)?,
    }
    Ok(match event.severity() {
        Severity::Critical => 2,
        Severity::High => 3,
        Severity::Medium => 4,
        Severity::Low => 5,
        Severity::Informational => 6,
    })
}

/// A read-only handle. Neither blocks the writer nor is blocked by it.
///
/// SQLite needs to share a small file (`-shm`) with the writer, so the reading user must be able to write to
/// the log's directory; run readers as the writer's user, or work on a copy.
#[derive(Debug)]
pub struct Reader {
    conn: Connection,
}

impl Reader {
    /// Opens an existing log.
    pub fn open(path: impl AsRef<Path>) -> Result<Self, ReadError> {
        let conn = open_reader(path.as_ref())?;
        match check_schema(&conn) {
            Ok(_) => Ok(Self { conn }),
            Err(DatabaseError::NewerFormat(found)) => Err(ReadError::NewerFormat { found, known: FORMAT }),
            Err(DatabaseError::Sqlite(e)) => Err(e.into()),
            Err(_) => Err(ReadError::NotAnAuditLog),
        }
    }

    /// Calls `each` with every record that passes `filter`, in order of the log, until one call fails.
    pub fn read(
        &self,
        filter: &Filter,
        mut each: impl FnMut(Entry) -> Result<(), ReadError>,
    ) -> Result<(), ReadError> {
        let mut statement = self.conn.prepare_cached(&format!(
            "SELECT {RECORD_COLUMNS} FROM records WHERE seq > ?1 AND (?2 IS NULL OR at_ms >= ?2) \
             AND (?3 IS NULL OR at_ms < ?3) AND (?4 IS NULL OR kind = ?4) AND (?5 IS NULL OR request_id = ?5) \
             AND (?6 IS NULL OR tenant = ?6) ORDER BY seq LIMIT ?7"
        ))?;
        let mut rows = statement.query(params![
            signed(filter.after_seq),
            filter.from_ms.map(signed),
            filter.to_ms.map(signed),
            filter.kind,
            filter.request_id,
            filter.tenant,
            filter.limit.map_or(-1, signed),
        ])?;
        while let Some(row) = rows.next()? {
            each(Entry::read(row)?)?;
        }
        Ok(())
    }

    /// The last `n` records, oldest first.
    pub fn tail(&self, n: u64) -> Result<Vec<Entry>, ReadError> {
        let mut statement = self
            .conn
            .prepare_cached(&format!("SELECT {RECORD_COLUMNS} FROM records ORDER BY seq DESC LIMIT ?1"))?;
        let mut rows = statement.query([signed(n)])?;
        let mut entries = Vec::new();
        while let Some(row) = rows.next()? {
            entries.push(Entry::read(row)?);
        }
        entries.reverse();
        Ok(entries)
    }

    /// Everything after a record number, and then whatever is added. `poll` is the pause between two looks
    /// when there is nothing new.
    #[must_use]
    pub fn follow(self, after_seq: u64, poll: Duration) -> Follow {
        Follow { reader: self, after_seq, pause: poll, ready: Vec::new().into_iter() }
    }
}

/// The records of a log as they are committed. As an iterator it never ends and blocks while there is nothing
/// new; use [`Follow::poll`] where blocking is not wanted.
#[derive(Debug)]
pub struct Follow {
    reader: Reader,
    after_seq: u64,
    pause: Duration,
    ready: std::vec::IntoIter<Entry>,
}

impl Follow {
    /// The next record if it is there already.
    pub fn poll(&mut self) -> Result<Option<Entry>, ReadError> {
        if let Some(entry) = self.ready.next() {
            return Ok(Some(entry));
        }
        let mut batch = Vec::new();
        let filter = Filter {
            after_seq: self.after_seq,
            limit: Some(FOLLOW_BATCH.unsigned_abs()),
            ..Filter::default()
        };
        self.reader.read(&filter, |entry| {
            batch.push(entry);
            Ok(())
        })?;
        if let Some(last) = batch.last() {
            self.after_seq = last.seq;
        }
        self.ready = batch.into_iter();
        Ok(self.ready.next())
    }
}

impl Iterator for Follow {
    type Item = Result<Entry, ReadError>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            match self.poll() {
                Ok(Some(entry)) => return Some(Ok(entry)),
                Ok(None) => std::thread::sleep(self.pause),
                Err(error) => return Some(Err(error)),
            }
        }
    }
}
