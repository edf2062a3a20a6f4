//! The arithmetic of the chain: what is hashed, what is signed, and in which bytes. Pure; README.md restates
//! it for auditors, and `tests/chain.rs` recomputes it from that text alone.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::merkle::{Frontier, leaf_hash};

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
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Statement {
    /// That the log contained this record.
    Checkpoint,
    /// That this was its last record.
    Head,
}

/// What a signed statement says beside the record's place and hash, since format 2.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Claim {
    /// The record that is the tree's first leaf.
    pub(crate) first: u64,
    /// The root over it and all up to the statement's record.
    pub(crate) root: Hash,
    /// The record of the checkpoint before; 0 for the first.
    pub(crate) previous: u64,
}

/// The tree over the records from `first` on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct LogTree {
    pub(crate) first: u64,
    pub(crate) frontier: Frontier,
}

impl LogTree {
    /// An empty one, whose first leaf will be the record with the number `first`.
    pub(crate) fn beginning_at(first: u64) -> Self {
        Self { first, frontier: Frontier::default() }
    }

    pub(crate) fn push(&mut self, record: &Hash) {
        self.frontier.push(leaf_hash(record));
    }

    /// What a statement about it says.
    pub(crate) fn claim(&self, previous: u64) -> Claim {
        Claim { first: self.first, root: self.frontier.root(), previous }
    }
}

impl Claim {
    /// How many leaves the tree has when the statement is about record `seq`; `None` when that cannot be.
    pub(crate) fn size(&self, seq: u64) -> Option<u64> {
        seq.checked_add(1)?.checked_sub(self.first).filter(|_| self.first > 0)
    }
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

/// The bytes that are signed for a checkpoint or the head: of format 2 with a claim, of format 1 without.
pub(crate) fn statement_bytes(
    what: Statement,
    log_id: &[u8; 16],
    head: &Head,
    at_ms: i64,
    claim: Option<&Claim>,
) -> Vec<u8> {
    let name: &[u8] = match (what, claim) {
        (Statement::Checkpoint, None) => b"aimds audit v1 checkpoint",
        (Statement::Head, None) => b"aimds audit v1 head",
        (Statement::Checkpoint, Some(_)) => b"aimds audit v2 checkpoint",
        (Statement::Head, Some(_)) => b"aimds audit v2 head",
    };
    let mut bytes = named(name);
    bytes.extend_from_slice(log_id);
    bytes.extend_from_slice(&head.segment.to_le_bytes());
    bytes.extend_from_slice(&head.seq.to_le_bytes());
    bytes.extend_from_slice(&head.hash.0);
    bytes.extend_from_slice(&at_ms.to_le_bytes());
    if let Some(Claim { first, root, previous }) = claim {
        bytes.extend_from_slice(&first.to_le_bytes());
        bytes.extend_from_slice(&root.0);
        bytes.extend_from_slice(&previous.to_le_bytes());
    }
    bytes
}

/// The bytes with which one key introduces the next.
pub(crate) fn introduction_bytes(log_id: &[u8; 16], previous: &[u8; 32], next: &[u8; 32]) -> Vec<u8> {
    let mut bytes = named(b"aimds audit v2 key");
    bytes.extend_from_slice(log_id);
    bytes.extend_from_slice(previous);
    bytes.extend_from_slice(next);
    bytes
}

/// What a signed message begins with, so that none can be taken for another.
fn named(name: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(192);
    bytes.extend_from_slice(&(name.len() as u64).to_le_bytes());
    bytes.extend_from_slice(name);
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

/// Exactly 2 N hexadecimal digits to N bytes.
pub(crate) fn unhex<const N: usize>(text: &str) -> Option<[u8; N]> {
    let mut bytes = [0; N];
    if text.len() != 2 * N {
        return None;
    }
    for (byte, pair) in bytes.iter_mut().zip(text.as_bytes().chunks_exact(2)) {
        let digit = |d: &u8| char::from(*d).to_digit(16);
        let [high, low] = pair else { return None };
        *byte = u8::try_from(digit(high)? * 16 + digit(low)?).ok()?;
    }
    Some(bytes)
}

/// Bytes as a string of hexadecimal digits, for `#[serde(with)]`.
pub(crate) mod hexadecimal {
    use serde::{Deserialize, Deserializer, Serializer};

    pub(crate) fn serialize<S: Serializer, const N: usize>(
        bytes: &[u8; N],
        to: S,
    ) -> Result<S::Ok, S::Error> {
        to.serialize_str(&super::hex(bytes))
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>, const N: usize>(
        from: D,
    ) -> Result<[u8; N], D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(from)?;
        super::unhex(&text)
            .ok_or_else(|| serde::de::Error::custom(format!("expected {} hexadecimal digits", 2 * N)))
    }
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
