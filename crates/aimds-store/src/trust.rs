//! Whose signatures count, and from which record to which: keys that are trusted from the start, and those that
//! a trusted one has introduced.

use ed25519_dalek::SIGNATURE_LENGTH;
use rusqlite::Connection;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::chain::{Statement, hexadecimal, introduction_bytes};
use crate::database::{Signed, signed};
use crate::key::{Keys, PublicKey};
use crate::report::What;

/// The `kind` of the record with which one key introduces the next.
pub(crate) const KEY_KIND: &str = "key";
/// The `event` in its body.
const KEY_EVENT: &str = "key_rotated";

/// One key's word that another takes its place: what the body of a `key` record holds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Introduction {
    /// The key that signs it, and no more after it.
    pub previous: PublicKey,
    /// The key that signs from then on.
    pub public_key: PublicKey,
    /// Of the key before, over both and the log's identity.
    #[serde(with = "hexadecimal")]
    pub signature: [u8; SIGNATURE_LENGTH],
}

impl Introduction {
    /// `keys` introduces `next`.
    pub(crate) fn sign(keys: &Keys, next: PublicKey, log_id: &[u8; 16]) -> Self {
        let previous = keys.public;
        let signature = keys.sign(&introduction_bytes(log_id, &previous.0, &next.0));
        Self { previous, public_key: next, signature }
    }

    /// Whether the key before did sign it, for this log.
    pub(crate) fn holds(&self, log_id: &[u8; 16]) -> bool {
        let message = introduction_bytes(log_id, &self.previous.0, &self.public_key.0);
        self.previous.verifies(&message, &self.signature)
    }

    pub(crate) fn to_body(&self) -> Value {
        let mut body = serde_json::to_value(self).unwrap_or_default();
        if let Some(fields) = body.as_object_mut() {
            fields.insert("event".to_owned(), KEY_EVENT.into());
        }
        body
    }

    /// From the body of a record of [`KEY_KIND`]; `None` when it is something else.
    pub(crate) fn from_body(body: &[u8]) -> Option<Self> {
        let body: Value = serde_json::from_slice(body).ok()?;
        (body.get("event")?.as_str() == Some(KEY_EVENT)).then_some(())?;
        serde_json::from_value(body).ok()
    }
}

/// The keys that count, at one moment of reading a log from its beginning.
#[derive(Clone, Debug)]
pub(crate) struct Trust {
    log_id: [u8; 16],
    keys: Vec<PublicKey>,
    /// Keys that were replaced, and the record that said so: the last that they may sign.
    retired: Vec<(PublicKey, u64)>,
}

impl Trust {
    pub(crate) fn new(log_id: [u8; 16], keys: &[PublicKey]) -> Self {
        Self { log_id, keys: keys.to_vec(), retired: Vec::new() }
    }

    /// Takes note of a `key` record. What is not signed by a key that counts at this point changes nothing.
    pub(crate) fn follow(&mut self, seq: u64, body: &[u8]) {
        let Some(introduction) = Introduction::from_body(body) else { return };
        let known = self.keys.contains(&introduction.previous);
        if known && self.retired_by(introduction.previous).is_none() && introduction.holds(&self.log_id) {
            self.retired.push((introduction.previous, seq));
            self.keys.push(introduction.public_key);
        }
    }

    /// Takes note of the `key` records up to `seq`. They are found by their checkpoints, which every one has,
    /// so that not the whole log is read.
    pub(crate) fn follow_up_to(&mut self, conn: &Connection, seq: u64) -> rusqlite::Result<()> {
        let mut statement = conn.prepare(
            "SELECT records.seq, body FROM checkpoints JOIN records ON records.seq = checkpoints.seq \
             WHERE kind = ?1 AND records.seq <= ?2 ORDER BY records.seq",
        )?;
        let mut rows = statement.query((KEY_KIND, signed(seq)))?;
        while let Some(row) = rows.next()? {
            let seq: i64 = row.get(0)?;
            self.follow(seq.unsigned_abs(), row.get_ref(1)?.as_bytes().unwrap_or_default());
        }
        Ok(())
    }

    /// The record by which the key was replaced, if it was.
    pub(crate) fn retired_by(&self, key: PublicKey) -> Option<u64> {
        self.retired.iter().find(|(retired, _)| *retired == key).map(|(_, seq)| *seq)
    }

    /// What is wrong with a statement's signature.
    pub(crate) fn fault(&self, what: Statement, row: &Signed) -> Option<What> {
        let key = PublicKey(row.public_key);
        if !self.keys.contains(&key) {
            return Some(What::UnknownKey);
        }
        if self.retired_by(key).is_some_and(|last| row.head.seq > last) {
            return Some(What::RetiredKey);
        }
        (!key.verifies(&row.message(what, &self.log_id), &row.signature)).then_some(What::Signature)
    }
}
