//! Who is calling: API keys, their tenants and what they may do.
//!
//! Keys are 256 random bits and stored as their BLAKE3 hash. A fast hash without a salt is right for them: nobody can
//! enumerate 2^256 keys, whatever the speed, and equal keys do not exist.

use std::collections::HashMap;
use std::sync::Arc;

use axum::http::{HeaderMap, header};
use schemars::JsonSchema;
use serde::Deserialize;
use subtle::ConstantTimeEq;

/// What a key may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Scope {
    /// Ask for verdicts: the native guard API and the drop-in shapes.
    Guard,
    /// Use the in-line proxy, which spends the upstream's money.
    Proxy,
    /// Read /metrics.
    Metrics,
    /// Release sessions from quarantine, revoke and reinstate keys. No key has it that does not name it.
    Admin,
    /// See the texts of escalated requests and decide on them. No key has it that does not name it.
    Review,
}

impl Scope {
    /// Every scope.
    pub const ALL: [Self; 5] = [Self::Guard, Self::Proxy, Self::Metrics, Self::Admin, Self::Review];

    /// The scopes of a key that names none.
    pub const DEFAULT: [Self; 3] = [Self::Guard, Self::Proxy, Self::Metrics];

    /// The name in the configuration.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Guard => "guard",
            Self::Proxy => "proxy",
            Self::Metrics => "metrics",
            Self::Admin => "admin",
            Self::Review => "review",
        }
    }

    fn bit(self) -> u8 {
        match self {
            Self::Guard => 1,
            Self::Proxy => 2,
            Self::Metrics => 4,
            Self::Admin => 8,
            Self::Review => 16,
        }
    }
}

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
    id: String,
    hash: KeyHash,
    tenant: String,
    scopes: u8,
}

impl ApiKey {
    /// A key of a tenant. The empty tenant is the default tenant.
    #[must_use]
    pub fn new(id: impl Into<String>, hash: KeyHash, tenant: impl Into<String>, scopes: &[Scope]) -> Self {
        let scopes = scopes.iter().fold(0, |bits, scope| bits | scope.bit());
        Self { id: id.into(), hash, tenant: tenant.into(), scopes }
    }

    /// Its name in logs and records.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.id
    }

    /// Whose key it is.
    #[must_use]
    pub fn tenant(&self) -> &str {
        &self.tenant
    }

    /// Whether it stands for everyone, where no key is asked for.
    pub(crate) fn is_anonymous(&self) -> bool {
        self.hash == KeyHash([0; 32])
    }

    /// Whether it may do something.
    #[must_use]
    pub fn may(&self, scope: Scope) -> bool {
        self.scopes & scope.bit() != 0
    }
}

/// Why a caller is turned away. The caller learns no more than this.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Denied {
    /// No key, or one that is not known.
    Unknown,
    /// A known key that may not do this.
    Scope,
}

/// The keys, ready for look-up.
#[derive(Debug)]
pub(crate) struct Keys {
    by_hash: HashMap<[u8; 8], Vec<Arc<ApiKey>>>,
    anonymous: Option<Arc<ApiKey>>,
}

impl Keys {
    /// `require` false lets everyone in as the default tenant.
    pub(crate) fn new(keys: Vec<ApiKey>, require: bool) -> Self {
        let mut by_hash: HashMap<_, Vec<_>> = HashMap::new();
        for key in keys {
            by_hash.entry(key.hash.bucket()).or_default().push(Arc::new(key));
        }
        let anonymous =
            (!require).then(|| Arc::new(ApiKey::new("anonymous", KeyHash([0; 32]), "", &Scope::DEFAULT)));
        Self { by_hash, anonymous }
    }

    /// Finds the caller's key and checks that it may do what the route needs.
    pub(crate) fn check(&self, headers: &HeaderMap, scope: Scope) -> Result<&Arc<ApiKey>, Denied> {
        let known = presented(headers).find_map(|key| self.find(key));
        let key = known.or(self.anonymous.as_ref()).ok_or(Denied::Unknown)?;
        if key.may(scope) { Ok(key) } else { Err(Denied::Scope) }
    }

    /// Whether a header value holds a key of this gateway, which must not leave it.
    pub(crate) fn is_own(&self, bearer: &str) -> bool {
        bearer.starts_with("aimds_") || self.find(bearer).is_some()
    }

    fn find(&self, key: &str) -> Option<&Arc<ApiKey>> {
        let hash = KeyHash::of(key);
        self.by_hash.get(&hash.bucket())?.iter().find(|known| known.hash.0.ct_eq(&hash.0).into())
    }
}

/// The bearer token of an `Authorization` header.
pub(crate) fn bearer(headers: &HeaderMap) -> Option<&str> {
    let value = headers.get(header::AUTHORIZATION)?.to_str().ok()?;
    let (scheme, token) = value.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}

/// The keys that a request presents, in every header that a client of a drop-in shape may use.
fn presented(headers: &HeaderMap) -> impl Iterator<Item = &str> {
    let named = ["x-api-key", "x-goog-api-key", "ocp-apim-subscription-key", "api-key"];
    bearer(headers).into_iter().chain(
        named
            .into_iter()
            .filter_map(|name| headers.get(name).and_then(|value| value.to_str().ok()).map(str::trim)),
    )
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

    #[test]
    fn a_key_is_found_in_every_header_and_only_there() {
        let new = generate_key().unwrap();
        let keys = Keys::new(vec![ApiKey::new("k", new.hash, "acme", &[Scope::Guard])], true);
        for (name, value) in [
            ("authorization", format!("Bearer {}", new.secret)),
            ("authorization", format!("bearer  {}", new.secret)),
            ("x-api-key", new.secret.clone()),
            ("Ocp-Apim-Subscription-Key", new.secret.clone()),
            ("api-key", new.secret.clone()),
            ("x-goog-api-key", new.secret.clone()),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert(header::HeaderName::try_from(name).unwrap(), value.parse().unwrap());
            assert_eq!(keys.check(&headers, Scope::Guard).unwrap().tenant(), "acme", "{name}");
            assert_eq!(keys.check(&headers, Scope::Proxy).unwrap_err(), Denied::Scope);
        }
        let mut headers = HeaderMap::new();
        headers.insert("authorization", format!("Basic {}", new.secret).parse().unwrap());
        headers.insert("x-api-key", "aimds_wrong".parse().unwrap());
        assert_eq!(keys.check(&headers, Scope::Guard).unwrap_err(), Denied::Unknown);
    }
}
