//! API keys.
//!
//! Keys are 256 random bits and stored as their BLAKE3 hash. A fast hash without a salt is right for them: nobody can
//! enumerate 2^256 keys, whatever the speed, and equal keys do not exist.

use std::collections::HashMap;
use std::sync::Arc;

use subtle::ConstantTimeEq;

use super::{Credential, Principal, Scope};

/// The BLAKE3 hash of an API key.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct KeyHash([u8; 32]);

impl std::fmt::Debug for KeyHash {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("KeyHash")
    }
}

impl std::fmt::Display for KeyHash {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "blake3:{}", blake3::Hash::from_bytes(self.0))
    }
}

impl KeyHash {
    /// The hash of a key.
    #[must_use]
    pub fn of(key: &str) -> Self {
        Self(*blake3::hash(key.as_bytes()).as_bytes())
    }

    /// Reads `blake3:<64 hexadecimal digits>`.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let hash = blake3::Hash::from_hex(text.strip_prefix("blake3:")?).ok()?;
        Some(Self(*hash.as_bytes()))
    }

    /// The part that the look-up uses. It tells nothing about the key.
    fn bucket(&self) -> [u8; 8] {
        let [a, b, c, d, e, f, g, h, ..] = self.0;
        [a, b, c, d, e, f, g, h]
    }
}

/// A new API key and its hash. Only the hash is ever stored.
///
/// ```
/// let key = aimds_gateway::generate_key().unwrap();
/// assert!(key.secret.starts_with("aimds_") && key.secret.len() == 49);
/// assert_eq!(key.hash, aimds_gateway::KeyHash::of(&key.secret));
/// ```
pub struct NewKey {
    /// The key, to be shown once.
    pub secret: String,
    /// What goes into the configuration.
    pub hash: KeyHash,
}

/// The operating system's random source failed.
#[derive(Debug, thiserror::Error)]
#[error("no random numbers from the operating system")]
pub struct NoRandom;

/// Makes an API key: `aimds_` and 256 bits from the operating system's random source in 43 base64url characters.
///
/// # Errors
/// When the random source fails.
pub fn generate_key() -> Result<NewKey, NoRandom> {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let mut random = [0_u8; 32];
    getrandom::fill(&mut random).map_err(|_| NoRandom)?;
    let mut secret = String::with_capacity(49);
    secret.push_str("aimds_");
    let (mut bits, mut held) = (0_u32, 0_u32);
    for byte in random {
        bits = bits << 8 | u32::from(byte);
        held += 8;
        while held >= 6 {
            held -= 6;
            let digit = usize::try_from(bits >> held & 63).unwrap_or(0);
            secret.extend(ALPHABET.get(digit).map(|&byte| char::from(byte)));
        }
    }
    let last = usize::try_from(bits << (6 - held) & 63).unwrap_or(0);
    secret.extend(ALPHABET.get(last).map(|&byte| char::from(byte)));
    let hash = KeyHash::of(&secret);
    Ok(NewKey { secret, hash })
}

/// One key that the gateway knows.
#[derive(Clone, Debug)]
pub struct ApiKey {
    hash: KeyHash,
    principal: Arc<Principal>,
}

impl ApiKey {
    /// A key of a tenant. The empty tenant is the default tenant.
    #[must_use]
    pub fn new(id: impl Into<String>, hash: KeyHash, tenant: impl Into<String>, scopes: &[Scope]) -> Self {
        let principal = Principal::new(id, tenant, scopes.iter().copied(), Credential::Key);
        Self { hash, principal: Arc::new(principal) }
    }

    /// Whoever shows it.
    #[must_use]
    pub fn principal(&self) -> &Arc<Principal> {
        &self.principal
    }
}

/// The keys, ready for look-up.
#[derive(Debug)]
pub(super) struct Keys(HashMap<[u8; 8], Vec<ApiKey>>);

impl Keys {
    pub(super) fn new(keys: Vec<ApiKey>) -> Self {
        let mut by_hash: HashMap<_, Vec<_>> = HashMap::new();
        for key in keys {
            by_hash.entry(key.hash.bucket()).or_default().push(key);
        }
        Self(by_hash)
    }

    pub(super) fn find(&self, key: &str) -> Option<&Arc<Principal>> {
        let hash = KeyHash::of(key);
        let known = self.0.get(&hash.bucket())?.iter().find(|known| known.hash.0.ct_eq(&hash.0).into());
        known.map(ApiKey::principal)
    }

    pub(super) fn principals(&self) -> impl Iterator<Item = &Arc<Principal>> {
        self.0.values().flatten().map(ApiKey::principal)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn generated_keys_differ_and_have_the_promised_alphabet() {
        let (a, b) = (generate_key().unwrap(), generate_key().unwrap());
        assert_ne!(a.secret, b.secret);
        let body = a.secret.strip_prefix("aimds_").unwrap();
        assert_eq!(body.len(), 43);
        assert!(body.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_'));
        assert_eq!(KeyHash::parse(&a.hash.to_string()), Some(a.hash));
    }
}
