//! Key sets (RFC 7517): the public keys of an issuer.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::signature::{self, RsaPublicKeyComponents, UnparsedPublicKey};
use serde::Deserialize;
use serde_json::Value;

use super::Refusal;
use super::jws::{Algorithm, Unverified};

/// Largest key set, in bytes, and the most keys in it.
pub(super) const SET_BYTES: usize = 256 << 10;
const KEYS: usize = 64;
/// Bytes of an RSA modulus: 2048 to 4096 bits. Smaller ones are weak; larger ones are slow to verify.
const MODULUS: std::ops::RangeInclusive<usize> = 256..=512;
/// Bytes of an RSA exponent.
const EXPONENT: std::ops::RangeInclusive<usize> = 1..=4;
/// Bytes of a coordinate of P-256 and of an Ed25519 key.
const POINT: usize = 32;

/// Why a key set is not taken. Says nothing of what is in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KeySetError {
    /// More bytes or more keys than are read.
    #[error("the key set is larger than 256 KiB or 64 keys")]
    TooLarge,
    /// Not JSON of the form `{"keys": [...]}`.
    #[error("it is no key set: not JSON of the form {{\"keys\": [...]}}")]
    Shape,
    /// Nothing in it can verify a token.
    #[error("the key set has no key for RS256 (2048 to 4096 bits), ES256 or EdDSA (Ed25519)")]
    NoKey,
    /// Two keys for one algorithm have the same name.
    #[error("two keys of the key set have the same kid and algorithm")]
    Ambiguous,
}

#[derive(Deserialize)]
struct Set {
    keys: Vec<Value>,
}

#[derive(Deserialize)]
struct Entry {
    kty: String,
    kid: Option<String>,
    #[serde(rename = "use")]
    purpose: Option<String>,
    key_ops: Option<Vec<String>>,
    alg: Option<String>,
    crv: Option<String>,
    n: Option<String>,
    e: Option<String>,
    x: Option<String>,
    y: Option<String>,
}

/// What a key verifies with. The algorithm follows from the kind of the key, never from the token.
#[derive(Debug)]
enum Material {
    Rsa { n: Vec<u8>, e: Vec<u8> },
    P256(Vec<u8>),
    Ed25519(Vec<u8>),
}

#[derive(Debug)]
struct Key {
    id: Option<String>,
    material: Material,
}

/// The keys of an issuer that can verify tokens. Others in its set are passed over, as RFC 7517 §5 wants.
#[derive(Debug)]
pub(super) struct KeySet(Vec<Key>);

impl KeySet {
    pub(super) fn parse(bytes: &[u8]) -> Result<Self, KeySetError> {
        if bytes.len() > SET_BYTES {
            return Err(KeySetError::TooLarge);
        }
        let set: Set = serde_json::from_slice(bytes).map_err(|_| KeySetError::Shape)?;
        if set.keys.len() > KEYS {
            return Err(KeySetError::TooLarge);
        }
        let entries = set.keys.into_iter().filter_map(|key| serde_json::from_value::<Entry>(key).ok());
        let keys: Vec<_> = entries.filter_map(Key::read).collect();
        for (index, key) in keys.iter().enumerate() {
            let same = |other: &Key| other.id == key.id && other.algorithm() == key.algorithm();
            if keys.iter().take(index).any(same) {
                return Err(KeySetError::Ambiguous);
            }
        }
        if keys.is_empty() { Err(KeySetError::NoKey) } else { Ok(Self(keys)) }
    }

    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    /// Verifies the signature of a token with the key that it names; where it names none, with the only one for its
    /// algorithm.
    pub(super) fn verify(
        &self,
        id: Option<&str>,
        algorithm: Algorithm,
        token: &Unverified<'_>,
    ) -> Result<(), Refusal> {
        let mut fitting = self
            .0
            .iter()
            .filter(|key| key.algorithm() == algorithm && id.is_none_or(|id| key.id.as_deref() == Some(id)));
        match (fitting.next(), fitting.next()) {
            (Some(key), None) if key.has_signed(token) => Ok(()),
            (Some(_), None) => Err(Refusal::Signature),
            _ => Err(Refusal::UnknownKey),
        }
    }
}

impl Key {
    fn read(entry: Entry) -> Option<Self> {
        let Entry { kty, kid, purpose, key_ops, alg, crv, n, e, x, y } = entry;
        if purpose.is_some_and(|purpose| purpose != "sig")
            || key_ops.is_some_and(|ops| !ops.iter().any(|op| op == "verify"))
        {
            return None;
        }
        let point = |part: Option<String>| decoded(part).filter(|part| part.len() == POINT);
        let material = match (kty.as_str(), crv.as_deref()) {
            ("RSA", _) => {
                let n = decoded(n).filter(|n| MODULUS.contains(&n.len()) && n.first() != Some(&0))?;
                let e = decoded(e).filter(|e| EXPONENT.contains(&e.len()) && e.first() != Some(&0))?;
                Material::Rsa { n, e }
            }
            ("EC", Some("P-256")) => {
                // Uncompressed (SEC 1 §2.3.3); ring checks that the point is on the curve.
                Material::P256([vec![4], point(x)?, point(y)?].concat())
            }
            ("OKP", Some("Ed25519")) => Material::Ed25519(point(x)?),
            _ => return None,
        };
        let key = Self { id: kid, material };
        alg.is_none_or(|alg| alg == key.algorithm().as_str()).then_some(key)
    }

    fn algorithm(&self) -> Algorithm {
        match self.material {
            Material::Rsa { .. } => Algorithm::Rs256,
            Material::P256(_) => Algorithm::Es256,
            Material::Ed25519(_) => Algorithm::EdDsa,
        }
    }

    fn has_signed(&self, token: &Unverified<'_>) -> bool {
        let (message, claimed) = (token.signed, token.signature.as_slice());
        match &self.material {
            Material::Rsa { n, e } => {
                let key = RsaPublicKeyComponents { n, e };
                key.verify(&signature::RSA_PKCS1_2048_8192_SHA256, message, claimed).is_ok()
            }
            Material::P256(point) => UnparsedPublicKey::new(&signature::ECDSA_P256_SHA256_FIXED, point)
                .verify(message, claimed)
                .is_ok(),
            Material::Ed25519(key) => {
                UnparsedPublicKey::new(&signature::ED25519, key).verify(message, claimed).is_ok()
            }
        }
    }
}

fn decoded(part: Option<String>) -> Option<Vec<u8>> {
    URL_SAFE_NO_PAD.decode(part?).ok()
}
