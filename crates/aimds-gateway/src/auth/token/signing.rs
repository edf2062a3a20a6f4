//! Signing of tokens with Ed25519 (RFC 8037), for the issuer that comes with the gateway.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::rand::{SecureRandom as _, SystemRandom};
use ring::signature::{Ed25519KeyPair, KeyPair as _};
use serde_json::{Value, json};
use zeroize::Zeroizing;

/// Why there is no key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SigningKeyError {
    /// The operating system's random source failed.
    #[error("no random numbers from the operating system")]
    NoRandom,
    /// What was given is no Ed25519 key in PKCS#8.
    #[error("it is no Ed25519 key in PKCS#8 and base64url")]
    NotAKey,
}

/// What a token says.
#[derive(Clone, Debug)]
pub struct Claims {
    /// Who has made it (`iss`).
    pub issuer: String,
    /// Whom it is for (`aud`).
    pub audience: String,
    /// Whose it is (`sub`).
    pub subject: String,
    /// The tenant of the bearer (`tenant`).
    pub tenant: Option<String>,
    /// Names of roles of the bearer (`roles`).
    pub roles: Vec<String>,
    /// When it was made, in seconds since the Unix epoch (`iat`, `nbf`).
    pub issued_s: u64,
    /// From when on it is refused (`exp`).
    pub expires_s: u64,
}

/// A key that signs tokens. Its text is secret and never printed by this type.
///
/// ```
/// use aimds_gateway::SigningKey;
/// let key = SigningKey::generate().unwrap();
/// let again = SigningKey::parse(&key.secret()).unwrap();
/// assert_eq!(key.id(), again.id());
/// assert_eq!(key.jwk()["crv"], "Ed25519");
/// ```
pub struct SigningKey {
    pkcs8: Zeroizing<Vec<u8>>,
    pair: Ed25519KeyPair,
    id: String,
}

impl std::fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SigningKey").field("id", &self.id).finish_non_exhaustive()
    }
}

impl SigningKey {
    /// A new key.
    ///
    /// # Errors
    /// [`SigningKeyError::NoRandom`].
    pub fn generate() -> Result<Self, SigningKeyError> {
        let made = Ed25519KeyPair::generate_pkcs8(&SystemRandom::new());
        let made = made.map_err(|_| SigningKeyError::NoRandom)?;
        Self::from_pkcs8(Zeroizing::new(made.as_ref().to_vec()))
    }

    /// Reads what [`Self::secret`] wrote.
    ///
    /// # Errors
    /// [`SigningKeyError::NotAKey`].
    pub fn parse(secret: &str) -> Result<Self, SigningKeyError> {
        let pkcs8 = URL_SAFE_NO_PAD.decode(secret).map_err(|_| SigningKeyError::NotAKey)?;
        Self::from_pkcs8(Zeroizing::new(pkcs8))
    }

    fn from_pkcs8(pkcs8: Zeroizing<Vec<u8>>) -> Result<Self, SigningKeyError> {
        let pair = Ed25519KeyPair::from_pkcs8(&pkcs8).map_err(|_| SigningKeyError::NotAKey)?;
        let id = thumbprint(&public(&pair));
        Ok(Self { pkcs8, pair, id })
    }

    /// The key as text, for a file that only its owner can read.
    #[must_use]
    pub fn secret(&self) -> Zeroizing<String> {
        Zeroizing::new(URL_SAFE_NO_PAD.encode(self.pkcs8.as_slice()))
    }

    /// The name of the key in tokens and key sets (`kid`): its thumbprint (RFC 7638).
    #[must_use]
    pub fn id(&self) -> &str {
        &self.id
    }

    /// The public key, for a key set.
    #[must_use]
    pub fn jwk(&self) -> Value {
        json!({
            "kty": "OKP", "crv": "Ed25519", "use": "sig", "alg": "EdDSA", "kid": self.id,
            "x": public(&self.pair),
        })
    }

    /// A token with these claims, and a name of its own (`jti`).
    ///
    /// # Errors
    /// [`SigningKeyError::NoRandom`].
    pub fn issue(&self, claims: &Claims) -> Result<String, SigningKeyError> {
        let mut id = [0_u8; 16];
        SystemRandom::new().fill(&mut id).map_err(|_| SigningKeyError::NoRandom)?;
        let header = json!({ "alg": "EdDSA", "typ": "at+jwt", "kid": self.id });
        let mut body = json!({
            "iss": claims.issuer, "aud": claims.audience, "sub": claims.subject, "iat": claims.issued_s,
            "nbf": claims.issued_s, "exp": claims.expires_s, "jti": URL_SAFE_NO_PAD.encode(id), "roles": claims.roles,
        });
        if let (Some(tenant), Some(body)) = (&claims.tenant, body.as_object_mut()) {
            body.insert("tenant".into(), tenant.as_str().into());
        }
        let encode = |part: &Value| URL_SAFE_NO_PAD.encode(part.to_string());
        let signed = format!("{}.{}", encode(&header), encode(&body));
        let signature = URL_SAFE_NO_PAD.encode(self.pair.sign(signed.as_bytes()));
        Ok(format!("{signed}.{signature}"))
    }
}

fn public(pair: &Ed25519KeyPair) -> String {
    URL_SAFE_NO_PAD.encode(pair.public_key())
}

/// SHA-256 over the members that make the key what it is, in the order of their names (RFC 7638 §3, RFC 8037 §2).
fn thumbprint(x: &str) -> String {
    let members = format!("{{\"crv\":\"Ed25519\",\"kty\":\"OKP\",\"x\":\"{x}\"}}");
    URL_SAFE_NO_PAD.encode(ring::digest::digest(&ring::digest::SHA256, members.as_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_thumbprint_is_that_of_the_rfc() {
        // RFC 8037 appendix A.2 and A.3.
        let x = "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo";
        assert_eq!(thumbprint(x), "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k");
    }
}
