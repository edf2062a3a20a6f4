//! Which session a request belongs to. One function derives the key, for everything that keeps something for a session.

use axum::http::{HeaderMap, HeaderName};

use crate::error::Failure;

/// The header in which a caller names the session of a request.
pub(crate) const HEADER: HeaderName = HeaderName::from_static("x-aimds-session");

/// Longest name of a session, in bytes.
const MAX_BYTES: usize = 256;

/// The key of one session of one tenant: a hash of its name (BLAKE3, keyed by a context), so that its size is bounded and
/// the name, which is the caller's, is nowhere stored.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct SessionKey([u8; 16]);

impl SessionKey {
    /// The session that a caller of a tenant names.
    ///
    /// # Errors
    /// An empty name, or one that is too long.
    pub(crate) fn of(tenant: &str, session: &str) -> Result<Self, Failure> {
        if session.is_empty() || session.len() > MAX_BYTES {
            return Err(Failure::Invalid(format!("the session must have 1 to {MAX_BYTES} bytes")));
        }
        Ok(Self::derived("aimds 2026-11 session of a tenant", tenant, session))
    }

    /// The session that the headers of a request name, if they do.
    ///
    /// # Errors
    /// As [`SessionKey::of`]; a name with other characters than visible ASCII.
    pub(crate) fn of_headers(tenant: &str, headers: &HeaderMap) -> Result<Option<Self>, Failure> {
        let Some(value) = headers.get(HEADER).filter(|value| !value.is_empty()) else { return Ok(None) };
        let name = value.to_str().map_err(|_| Failure::Invalid(format!("{HEADER} must be visible ASCII")))?;
        Self::of(tenant, name).map(Some)
    }

    /// A key for everything that one API key sends: where there is no session, or all of them are meant.
    pub(crate) fn of_api_key(tenant: &str, id: &str) -> Self {
        Self::derived("aimds 2026-11 api key of a tenant", tenant, id)
    }

    fn derived(context: &str, tenant: &str, name: &str) -> Self {
        let mut hasher = blake3::Hasher::new_derive_key(context);
        // The length keeps ("ab", "c") and ("a", "bc") apart.
        hasher.update(&(tenant.len() as u64).to_le_bytes());
        hasher.update(tenant.as_bytes());
        hasher.update(name.as_bytes());
        let [a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p, ..] = *hasher.finalize().as_bytes();
        Self([a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p])
    }

    /// Reads the 32 hexadecimal digits that [`Display`](std::fmt::Display) writes.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let bits = u128::from_str_radix(text, 16).ok().filter(|_| text.len() == 32)?;
        Some(Self(bits.to_be_bytes()))
    }

    /// A number below `count`, the same for the same key.
    pub(crate) fn slot(self, count: usize) -> usize {
        let [first, second, ..] = self.0;
        (usize::from(first) << 8 | usize::from(second)).checked_rem(count).unwrap_or(0)
    }
}

impl std::fmt::Display for SessionKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:032x}", u128::from_be_bytes(self.0))
    }
}

impl std::fmt::Debug for SessionKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "SessionKey({self})")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_tell_tenants_sessions_and_api_keys_apart_and_read_back() {
        let keys = [
            SessionKey::of("ab", "c").unwrap(),
            SessionKey::of("a", "bc").unwrap(),
            SessionKey::of("", "abc").unwrap(),
            SessionKey::of_api_key("ab", "c"),
        ];
        let unique: std::collections::HashSet<_> = keys.iter().collect();
        assert_eq!(unique.len(), keys.len());
        for key in keys {
            assert_eq!(SessionKey::parse(&key.to_string()), Some(key));
            assert!(key.slot(7) < 7);
        }
        assert_eq!(keys[0], SessionKey::of("ab", "c").unwrap());
        for bad in ["", "0", "zz", &"0".repeat(33)] {
            assert_eq!(SessionKey::parse(bad), None, "{bad}");
        }
    }

    #[test]
    fn a_name_that_is_no_name_is_refused() {
        assert!(SessionKey::of("", "").is_err() && SessionKey::of("", &"x".repeat(257)).is_err());
        let mut headers = HeaderMap::new();
        assert_eq!(SessionKey::of_headers("t", &headers), Ok(None));
        headers.insert(HEADER, "".parse().unwrap());
        assert_eq!(SessionKey::of_headers("t", &headers), Ok(None));
        headers.insert(HEADER, "s 1".parse().unwrap());
        assert_eq!(SessionKey::of_headers("t", &headers), SessionKey::of("t", "s 1").map(Some));
        headers.insert(HEADER, axum::http::HeaderValue::from_bytes(b"\xff").unwrap());
        assert!(SessionKey::of_headers("t", &headers).is_err());
    }
}
