//! The arithmetic of the chain: what is hashed, what is signed, and in which bytes. Pure; README.md restates
//! it for auditors, and `tests/chain.rs` recomputes it from that text alone.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// BLAKE3 key-derivation context of record hashes.
const RECORD_CONTEXT: &str = "aimds audit v1";
/// BLAKE3 key-derivation context of the hash that stands before the first record of a segment.
const GENESIS_CONTEXT: &str = "aimds audit v1 genesis";

/// A 32-byte BLAKE3 hash; printed and parsed as 64 lower-case hexadecimal digits.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Hash(pub [u8; 32]);

/// A position in the log and the hash that fixes everything up to it.
///
/// Printed and parsed as `segment/seq/hash`. A copy kept outside the machine turns [`crate::verify`] into a
/// proof that nothing up to it was changed or cut off.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Head {
    /// The segment of the record.
    pub segment: u64,
    /// The record's number; 0 for a log that holds no record yet.
    pub seq: u64,
    /// The record's hash; the genesis hash of segment 1 for a log that holds no record yet.
    pub hash: Hash,
}

/// Text that is not a [`struct@Hash`], a [`Head`] or a [`crate::PublicKey`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("expected {0}")]
pub struct ParseError(pub(crate) &'static str);

/// The hashed fields of a record, as the bytes that are stored.
#[derive(Clone, Copy)]
pub(crate) struct Fields<'a> {
    pub(crate) at_ms: i64,
    pub(crate) request_id: &'a [u8],
    pub(crate) tenant: &'a [u8],
    pub(crate) kind: &'a [u8],
    pub(crate) body: &'a [u8],
}

/// Which of the two signed statements a signature makes. They differ so that a checkpoint can never stand in
/// for the head: otherwise cutting the log back to a checkpoint would go unseen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Statement {
    Checkpoint,
    Head,
}

/// The value that stands for "previous hash" in the first record of a segment.
pub(crate) fn genesis(log_id: &[u8; 16], segment: u64) -> Hash {
    let mut hasher = blake3::Hasher::new_derive_key(GENESIS_CONTEXT);
    hasher.update(log_id);
    hasher.update(&segment.to_le_bytes());
    Hash(*hasher.finalize().as_bytes())
}

/// The hash of one record. Integers have a fixed width and every text is preceded by its length, so no two
/// different records have the same encoding.
pub(crate) fn record_hash(segment: u64, seq: u64, previous: &Hash, fields: Fields<'_>) -> Hash {
    let mut hasher = blake3::Hasher::new_derive_key(RECORD_CONTEXT);
    hasher.update(&segment.to_le_bytes());
    hasher.update(&seq.to_le_bytes());
    hasher.update(&previous.0);
    hasher.update(&fields.at_ms.to_le_bytes());
    for text in [fields.request_id, fields.tenant, fields.kind, fields.body] {
        hasher.update(&(text.len() as u64).to_le_bytes());
        hasher.update(text);
    }
    Hash(*hasher.finalize().as_bytes())
}

/// The bytes that are signed for a checkpoint or the head.
pub(crate) fn statement_bytes(what: Statement, log_id: &[u8; 16], head: &Head, at_ms: i64) -> Vec<u8> {
    let name: &[u8] = match what {
        Statement::Checkpoint => b"aimds audit v1 checkpoint",
        Statement::Head => b"aimds audit v1 head",
    };
    let mut bytes = Vec::with_capacity(8 + name.len() + 16 + 8 + 8 + 32 + 8);
    bytes.extend_from_slice(&(name.len() as u64).to_le_bytes());
    bytes.extend_from_slice(name);
    bytes.extend_from_slice(log_id);
    bytes.extend_from_slice(&head.segment.to_le_bytes());
    bytes.extend_from_slice(&head.seq.to_le_bytes());
    bytes.extend_from_slice(&head.hash.0);
    bytes.extend_from_slice(&at_ms.to_le_bytes());
    bytes
}

/// Lower-case hexadecimal.
pub(crate) fn hex(bytes: &[u8]) -> String {
    use fmt::Write as _;
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// Exactly 64 hexadecimal digits to 32 bytes.
pub(crate) fn unhex(text: &str) -> Option<[u8; 32]> {
    let mut bytes = [0; 32];
    if text.len() != 64 {
        return None;
    }
    for (byte, pair) in bytes.iter_mut().zip(text.as_bytes().chunks_exact(2)) {
        let digit = |d: &u8| char::from(*d).to_digit(16);
        let [high, low] = pair else { return None };
        *byte = u8::try_from(digit(high)? * 16 + digit(low)?).ok()?;
    }
    Some(bytes)
}

impl fmt::Display for Hash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex(&self.0))
    }
}

impl fmt::Debug for Hash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Hash({self})")
    }
}

impl FromStr for Hash {
    type Err = ParseError;

    fn from_str(text: &str) -> Result<Self, ParseError> {
        unhex(text).map(Self).ok_or(ParseError("64 hexadecimal digits"))
    }
}

impl Serialize for Hash {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Hash {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

impl fmt::Display for Head {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}/{}", self.segment, self.seq, self.hash)
    }
}

impl FromStr for Head {
    type Err = ParseError;

    fn from_str(text: &str) -> Result<Self, ParseError> {
        let parse = || {
            let mut parts = text.trim().splitn(3, '/');
            let segment = parts.next()?.parse().ok()?;
            let seq = parts.next()?.parse().ok()?;
            let hash = parts.next()?.parse().ok()?;
            Some(Self { segment, seq, hash })
        };
        parse().ok_or(ParseError("segment/seq/hash"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hash_of(request_id: &str, tenant: &str, kind: &str, body: &str) -> Hash {
        let fields = Fields {
            at_ms: 1,
            request_id: request_id.as_bytes(),
            tenant: tenant.as_bytes(),
            kind: kind.as_bytes(),
            body: body.as_bytes(),
        };
        record_hash(1, 1, &Hash([0; 32]), fields)
    }

    #[test]
    fn moving_a_byte_across_a_field_border_changes_the_hash() {
        let rows =
            [("ab", "c", "k", "{}"), ("a", "bc", "k", "{}"), ("abc", "", "k", "{}"), ("", "abc", "k", "{}")];
        let mut hashes: Vec<_> = rows.iter().map(|(r, t, k, b)| hash_of(r, t, k, b).0).collect();
        hashes.sort_unstable();
        hashes.dedup();
        assert_eq!(hashes.len(), rows.len());
    }

    #[test]
    fn genesis_depends_on_log_and_segment() {
        assert_ne!(genesis(&[0; 16], 1), genesis(&[0; 16], 2));
        assert_ne!(genesis(&[0; 16], 1), genesis(&[1; 16], 1));
    }

    #[test]
    fn heads_print_and_parse() {
        let head = Head { segment: 2, seq: 17, hash: Hash([0xab; 32]) };
        assert_eq!(head.to_string().parse(), Ok(head));
        assert_eq!(serde_json::from_str::<Head>(&serde_json::to_string(&head).unwrap()).unwrap(), head);
        for bad in ["", "1", "1/2", "1/2/zz", "x/2/", &format!("1/2/{}", "é".repeat(32))] {
            assert!(bad.parse::<Head>().is_err(), "{bad}");
        }
    }
}
