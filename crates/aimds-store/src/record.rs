//! What a caller appends, and the canonical text of its body.

use serde_json::Value;

use crate::canonical::{Extent, MAX_DEPTH, canonical};
use crate::chain::Fields;
use crate::error::AppendError;
use crate::event::Event;

/// One thing that happened.
///
/// **The content of messages never belongs in it.** An audit log is kept long, copied to other places and read by
/// people who may not see the traffic; it names requests, tenants, rules, categories, scores, lengths,
/// offsets and hashes, and leaves text to whoever is allowed to hold it. Nothing here can check that: the
/// caller fills the fields.
#[derive(Clone, Debug, PartialEq)]
pub struct Record {
    /// When it happened, in milliseconds since the Unix epoch, by the caller's clock: this crate reads none
    /// for records. Not required to be monotonic; the order of the log is the order of appending.
    pub at_ms: u64,
    /// The request it belongs to; empty when there is none.
    pub request_id: String,
    /// The tenant it belongs to; empty when there is none.
    pub tenant: String,
    /// `decision`, `config`, `review`, `alarm`, … The log itself writes `segment` and `alarm` at the start of
    /// a segment.
    pub kind: String,
    /// The particulars. Stored as canonical JSON: keys sorted by their UTF-8 bytes, no white space.
    pub body: Value,
}

impl Record {
    /// Whether something was detected, as opposed to merely done: an alarm, a decision other than to allow, or findings.
    #[must_use]
    pub fn is_detection(&self) -> bool {
        Event::live(self, "", 0).is_detection()
    }
}

/// A record that can be stored, not encoded yet: that costs more than all else that an append does, and so it is
/// left to the writer where it can be.
#[derive(Debug, PartialEq)]
pub(crate) struct Plain {
    record: Record,
    at_ms: i64,
    extent: Extent,
}

/// A record as it will be stored.
#[derive(Debug, PartialEq)]
pub(crate) struct Encoded {
    pub(crate) at_ms: i64,
    pub(crate) request_id: String,
    pub(crate) tenant: String,
    pub(crate) kind: String,
    pub(crate) body: String,
}

/// A record on its way to the writer.
#[derive(Debug, PartialEq)]
pub(crate) enum Waiting {
    Plain(Plain),
    Encoded(Encoded),
}

impl Plain {
    /// The most memory behind one that waits for the writer. A larger one is encoded by whoever appends it.
    const MOST: usize = 8 << 10;

    pub(crate) fn new(record: Record) -> Result<Self, AppendError> {
        // SQLite integers are signed; a time past the year 292 million is a caller's unit error.
        let at_ms = i64::try_from(record.at_ms).map_err(|_| AppendError::TimeOutOfRange)?;
        let extent = Extent::of(&record.body).ok_or(AppendError::BodyTooDeep { limit: MAX_DEPTH })?;
        Ok(Self { record, at_ms, extent })
    }

    /// Whether it can wait as it is: it is small, and its text will surely not be more than so many bytes.
    pub(crate) fn may_wait(&self, most_text: usize) -> bool {
        self.extent.memory <= Self::MOST && self.fixed() + self.extent.text <= most_text
    }

    pub(crate) fn encode(self) -> Encoded {
        let Record { request_id, tenant, kind, body, .. } = self.record;
        Encoded { at_ms: self.at_ms, request_id, tenant, kind, body: canonical(&body) }
    }

    /// As [`Encoded::size`].
    pub(crate) fn size(&self) -> usize {
        self.fixed() + self.extent.memory
    }

    fn fixed(&self) -> usize {
        let Record { request_id, tenant, kind, .. } = &self.record;
        size_of::<Self>() + request_id.len() + tenant.len() + kind.len()
    }
}

impl Waiting {
    pub(crate) fn encode(self) -> Encoded {
        match self {
            Self::Plain(record) => record.encode(),
            Self::Encoded(record) => record,
        }
    }

    /// The record, for handing back what could not be written.
    pub(crate) fn into_record(self) -> Record {
        match self {
            Self::Plain(plain) => plain.record,
            Self::Encoded(record) => record.into_record(),
        }
    }
}

impl Encoded {
    pub(crate) fn new(record: Record) -> Result<Self, AppendError> {
        Ok(Plain::new(record)?.encode())
    }

    /// Bytes held in memory for it, by which the spool is bounded.
    pub(crate) fn size(&self) -> usize {
        size_of::<Self>() + self.request_id.len() + self.tenant.len() + self.kind.len() + self.body.len()
    }

    pub(crate) fn fields(&self) -> Fields<'_> {
        Fields {
            at_ms: self.at_ms,
            request_id: self.request_id.as_bytes(),
            tenant: self.tenant.as_bytes(),
            kind: self.kind.as_bytes(),
            body: self.body.as_bytes(),
        }
    }

    /// The record it was made from.
    fn into_record(self) -> Record {
        let body = serde_json::from_str(&self.body).unwrap_or(Value::String(self.body));
        Record {
            at_ms: self.at_ms.unsigned_abs(),
            request_id: self.request_id,
            tenant: self.tenant,
            kind: self.kind,
            body,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn depth_is_bounded() {
        let nested = |depth: usize| (0..depth).fold(json!(1), |inner, _| json!([inner]));
        let record = |body| Record {
            at_ms: 0,
            request_id: String::new(),
            tenant: String::new(),
            kind: String::new(),
            body,
        };
        assert!(Encoded::new(record(nested(MAX_DEPTH))).is_ok());
        assert_eq!(
            Encoded::new(record(nested(MAX_DEPTH + 1))),
            Err(AppendError::BodyTooDeep { limit: MAX_DEPTH })
        );
    }

    #[test]
    fn a_time_that_sqlite_cannot_hold_is_refused() {
        let record = Record {
            at_ms: u64::MAX,
            request_id: String::new(),
            tenant: String::new(),
            kind: String::new(),
            body: json!(0),
        };
        assert_eq!(Encoded::new(record), Err(AppendError::TimeOutOfRange));
    }
}
