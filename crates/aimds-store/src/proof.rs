//! Proofs that stand by themselves: a document holds all that is needed to check it, and checking reads no
//! file.
//!
//! A document is one line of JSON in exactly one spelling, so that a changed byte is always a changed proof.

use ed25519_dalek::SIGNATURE_LENGTH;
use serde::{Deserialize, Serialize};

use crate::chain::{Claim, Fields, Hash, Head, Statement, hexadecimal, record_hash, statement_bytes};
use crate::key::PublicKey;
use crate::merkle::{leaf_hash, verify_consistency, verify_inclusion};
use crate::trust::Introduction;

/// A document that proves something about a log to somebody who does not have it.
///
/// ```
/// # use std::time::Duration;
/// use aimds_store::{AuditLog, Options, Proof, Record, prove_inclusion};
///
/// # let directory = tempfile::tempdir()?;
/// # let path = directory.path().join("audit.db");
/// # let log = AuditLog::open(&path, Options::default())?;
/// # let body = serde_json::json!({ "action": "block" });
/// # let (request_id, tenant, kind) = ("req-1".to_owned(), "acme".to_owned(), "decision".to_owned());
/// # drop(log.append(Record { at_ms: 1_764_000_000_000, request_id, tenant, kind, body })?);
/// let public_key = log.public_key(); // given to the auditor once
/// # log.close(Duration::from_secs(5))?;
/// let document = prove_inclusion(&path, 1)?.to_json();
///
/// // Elsewhere, without the log:
/// let proof = Proof::from_json(&document)?;
/// let proven = proof.verify(&[public_key], None)?;
/// assert_eq!(proven.head.seq, 1);
/// assert!(Proof::from_json(&document.replace("block", "allow"))?.verify(&[public_key], None).is_err());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "proof")]
#[non_exhaustive]
pub enum Proof {
    /// That a record is in the log.
    #[serde(rename = "aimds audit v2 inclusion")]
    Inclusion(InclusionProof),
    /// That the log at one time is the beginning of the log at a later one.
    #[serde(rename = "aimds audit v2 consistency")]
    Consistency(ConsistencyProof),
}

/// That a record is in the log whose head was signed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct InclusionProof {
    /// Which log: the random number in its table `log`.
    #[serde(with = "hexadecimal")]
    pub log_id: [u8; 16],
    /// The whole record.
    pub record: ProvenRecord,
    /// The hashes beside the way from the record's leaf to the root.
    pub path: Vec<Hash>,
    /// A signed statement about the tree that holds it.
    pub head: SignedHead,
    /// The keys before the one that signed, each introducing the next; empty when it is the first.
    pub keys: Vec<Introduction>,
}

/// That what an earlier statement spoke of is the beginning of what a later one speaks of: nothing was changed
/// or removed between them, only added.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ConsistencyProof {
    /// Which log: the random number in its table `log`.
    #[serde(with = "hexadecimal")]
    pub log_id: [u8; 16],
    /// The hashes that lead to both roots.
    pub path: Vec<Hash>,
    /// The earlier statement.
    pub from: SignedHead,
    /// The later one.
    pub to: SignedHead,
    /// The keys before the one that signed `to`, each introducing the next.
    pub keys: Vec<Introduction>,
}

/// The fields of a record that its hash is made of. See [`crate::Record`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProvenRecord {
    /// Its segment.
    pub segment: u64,
    /// Its number.
    pub seq: u64,
    /// When it happened, by the clock of whoever appended it; milliseconds since the Unix epoch.
    pub at_ms: i64,
    /// The request it belongs to.
    pub request_id: String,
    /// The tenant it belongs to.
    pub tenant: String,
    /// What sort of thing happened.
    pub kind: String,
    /// The particulars: canonical JSON, as hashed.
    pub body: String,
    /// The hash of the record before, which in turn fixes everything before it.
    pub prev_hash: Hash,
}

impl ProvenRecord {
    /// The record's hash.
    #[must_use]
    pub fn hash(&self) -> Hash {
        let fields = Fields {
            at_ms: self.at_ms,
            request_id: self.request_id.as_bytes(),
            tenant: self.tenant.as_bytes(),
            kind: self.kind.as_bytes(),
            body: self.body.as_bytes(),
        };
        record_hash(self.segment, self.seq, &self.prev_hash, fields)
    }
}

/// A signed statement of format 2: where the log was, and the tree over its records.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SignedHead {
    /// A checkpoint, or the head of its time.
    pub statement: Statement,
    /// The segment of the last record.
    pub segment: u64,
    /// The number of the last record.
    pub seq: u64,
    /// The hash of the last record.
    pub hash: Hash,
    /// The time of the last record.
    pub at_ms: i64,
    /// The record that is the tree's first leaf.
    pub first: u64,
    /// The tree's root.
    pub root: Hash,
    /// The record of the checkpoint before; 0 for the first.
    pub previous: u64,
    /// Who signed.
    pub public_key: PublicKey,
    /// Ed25519, over all of the above and the log's identity.
    #[serde(with = "hexadecimal")]
    pub signature: [u8; SIGNATURE_LENGTH],
}

impl SignedHead {
    /// The last record it speaks of.
    #[must_use]
    pub fn head(&self) -> Head {
        Head { segment: self.segment, seq: self.seq, hash: self.hash }
    }

    fn claim(&self) -> Claim {
        Claim { first: self.first, root: self.root, previous: self.previous }
    }

    /// Leaves of its tree; `None` when its numbers contradict each other.
    pub(crate) fn size(&self) -> Option<u64> {
        self.claim().size(self.seq)
    }

    fn is_signed(&self, log_id: &[u8; 16]) -> bool {
        let message = statement_bytes(self.statement, log_id, &self.head(), self.at_ms, Some(&self.claim()));
        self.public_key.verifies(&message, &self.signature)
    }
}

/// What a proof proves.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Proven {
    /// The signed head by which it is proved; for a consistency proof the later one.
    pub head: Head,
    /// The key it is signed with. Without a key to compare with, this is the signer's own word.
    pub public_key: PublicKey,
}

/// Why a document proves nothing.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ProofError {
    /// It is not a proof.
    #[error("not a proof: {0}")]
    Parse(String),
    /// It has other spaces, spelling or order than a proof is written with.
    #[error("not spelled as a proof is written")]
    Spelling,
    /// A statement's numbers contradict each other, or the record is not one that it speaks of.
    #[error("the numbers contradict each other")]
    Numbers,
    /// The path does not lead to the signed root.
    #[error("the path does not lead to the signed root")]
    Path,
    /// A signature is not that of the key it names over the statement.
    #[error("a signature is wrong")]
    Signature,
    /// The keys do not introduce each other up to the one that signed.
    #[error("the keys do not lead to the one that signed")]
    Keys,
    /// Neither the signer nor any key before it is one of those that are trusted.
    #[error("signed by {0}, which is not a trusted key")]
    UnknownKey(PublicKey),
    /// It is about another head than the one that is known.
    #[error("not about the head that was asked for")]
    OtherHead,
}

impl Proof {
    /// Reads a document as [`Self::to_json`] writes it, with or without a newline at the end. Its content is
    /// not checked yet.
    ///
    /// # Errors
    /// [`ProofError::Parse`], and [`ProofError::Spelling`] for any other way to write the same.
    pub fn from_json(text: &str) -> Result<Self, ProofError> {
        let text = text.strip_suffix('\n').unwrap_or(text);
        let proof: Self = serde_json::from_str(text).map_err(|e| ProofError::Parse(e.to_string()))?;
        if proof.to_json() == text { Ok(proof) } else { Err(ProofError::Spelling) }
    }

    /// The document, on one line.
    #[must_use]
    pub fn to_json(&self) -> String {
        // Strings, numbers and lists of them: nothing that JSON could not hold.
        serde_json::to_string(self).unwrap_or_default()
    }

    /// Checks the document; needs nothing but it.
    ///
    /// With `trusted` keys, one of them must be the signer or have introduced it through the keys in the
    /// document; with none, only the document's agreement with itself is checked. With a `known` head, which
    /// somebody noted earlier, that must be what the proof builds on: the earlier head of a consistency proof,
    /// the head of an inclusion proof.
    ///
    /// # Errors
    /// The first reason why nothing is proved.
    pub fn verify(&self, trusted: &[PublicKey], known: Option<&Head>) -> Result<Proven, ProofError> {
        let (log_id, keys, base, head) = match self {
            Self::Inclusion(proof) => (&proof.log_id, &proof.keys, &proof.head, &proof.head),
            Self::Consistency(proof) => (&proof.log_id, &proof.keys, &proof.from, &proof.to),
        };
        match self {
            Self::Inclusion(proof) => proof.leads_to_root()?,
            Self::Consistency(proof) => proof.leads_to_roots()?,
        }
        if !base.is_signed(log_id) || !head.is_signed(log_id) {
            return Err(ProofError::Signature);
        }
        let signers = signers(log_id, keys, head.public_key)?;
        if !signers.contains(&base.public_key) {
            return Err(ProofError::Keys);
        }
        // Only a key from the trusted one on: what came before it, it did not introduce.
        let trusts = |from: usize| signers.iter().skip(from).any(|key| *key == base.public_key);
        let start = signers.iter().position(|key| trusted.contains(key));
        if !trusted.is_empty() && !start.is_some_and(trusts) {
            return Err(ProofError::UnknownKey(base.public_key));
        }
        if known.is_some_and(|known| *known != base.head()) {
            return Err(ProofError::OtherHead);
        }
        Ok(Proven { head: head.head(), public_key: head.public_key })
    }
}

/// The keys in order of their introduction, the signer last.
fn signers(
    log_id: &[u8; 16],
    introductions: &[Introduction],
    signer: PublicKey,
) -> Result<Vec<PublicKey>, ProofError> {
    let mut keys: Vec<_> = introductions.iter().map(|introduction| introduction.previous).collect();
    keys.push(signer);
    let follow = introductions.iter().zip(keys.iter().skip(1)).all(|(i, next)| i.public_key == *next);
    if !follow || !introductions.iter().all(|introduction| introduction.holds(log_id)) {
        return Err(ProofError::Keys);
    }
    Ok(keys)
}

impl InclusionProof {
    fn leads_to_root(&self) -> Result<(), ProofError> {
        let (seq, hash) = (self.record.seq, self.record.hash());
        let index = seq.checked_sub(self.head.first).ok_or(ProofError::Numbers)?;
        let size = self.head.size().filter(|size| index < *size).ok_or(ProofError::Numbers)?;
        if seq == self.head.seq && (self.record.segment, hash) != (self.head.segment, self.head.hash) {
            return Err(ProofError::Numbers);
        }
        let leads = verify_inclusion(index, size, leaf_hash(&hash), &self.path, &self.head.root);
        leads.then_some(()).ok_or(ProofError::Path)
    }
}

impl ConsistencyProof {
    fn leads_to_roots(&self) -> Result<(), ProofError> {
        let (from, to) = (&self.from, &self.to);
        let sizes = from.size().zip(to.size()).filter(|(old, new)| 0 < *old && old <= new);
        let (old, new) = sizes.filter(|_| from.first == to.first).ok_or(ProofError::Numbers)?;
        let leads = verify_consistency((old, &from.root), (new, &to.root), &self.path);
        leads.then_some(()).ok_or(ProofError::Path)
    }
}
