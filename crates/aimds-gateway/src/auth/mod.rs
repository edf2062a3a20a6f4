//! Who is calling ([`Principal`]) and what they may do ([`Scope`]): API keys, client certificates and access tokens lead to
//! principals,
//! roles are names for sets of scopes.

mod api_key;
mod certificate;
mod principal;
mod role;
mod scope;
mod token;

use std::sync::Arc;

use axum::http::{HeaderMap, header};

pub use api_key::{ApiKey, KeyHash, NewKey, NoRandom, generate_key};
pub use certificate::{CertificateCaller, CertificateName};
pub use principal::{Credential, Principal};
pub use role::Roles;
pub use scope::{Scope, Scopes};
pub(crate) use token::Tokens;
pub use token::{Algorithm, Claims, KeySetError, KeysUnavailable, SigningKey, SigningKeyError};

use crate::tls::PeerIdentity;
use api_key::Keys;

/// Why a caller is turned away. The caller learns no more than this.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Denied {
    /// No credentials, or none that are known.
    Unknown,
    /// A known caller that may not do this.
    Scope,
}

/// Everyone who may call, ready for look-up.
#[derive(Debug)]
pub(crate) struct Callers {
    keys: Keys,
    certificates: Vec<CertificateCaller>,
    tokens: Arc<Tokens>,
    /// Whoever shows nothing, where nobody is asked.
    anonymous: Option<Arc<Principal>>,
    roles: Roles,
}

impl Callers {
    /// `require` false lets everyone in as the default tenant.
    pub(crate) fn new(
        keys: Vec<ApiKey>,
        certificates: Vec<CertificateCaller>,
        tokens: Arc<Tokens>,
        roles: Roles,
        require: bool,
    ) -> Self {
        let anonymous = (!require)
            .then(|| Arc::new(Principal::new("anonymous", "", Scope::DEFAULT, Credential::Nothing)));
        Self { keys: Keys::new(keys), certificates, tokens, anonymous, roles }
    }

    /// Finds out who the caller is: by the first header that holds a known key or a token of a trusted issuer, else by
    /// its certificate. Headers with unknown keys are passed over, because they may hold the caller's own key for the
    /// model; a token of a trusted issuer that is bad is refused.
    pub(crate) async fn authenticate(
        &self,
        headers: &HeaderMap,
        certificate: Option<&PeerIdentity>,
    ) -> Result<Arc<Principal>, Denied> {
        for secret in presented(headers) {
            if let Some(known) = self.keys.find(secret) {
                return Ok(Arc::clone(known));
            }
            if let Some(checked) = self.tokens.check(secret, &self.roles).await {
                return checked.map_err(|_| Denied::Unknown);
            }
        }
        let by_certificate = || {
            let identity = certificate?;
            self.certificates.iter().find(|caller| caller.is(identity)).map(|caller| &caller.principal)
        };
        by_certificate().or(self.anonymous.as_ref()).map(Arc::clone).ok_or(Denied::Unknown)
    }

    /// Whether a header value holds a key or token for this gateway, which must not leave it.
    pub(crate) fn is_own(&self, secret: &str) -> bool {
        secret.starts_with("aimds_") || self.keys.find(secret).is_some() || self.tokens.is_own(secret)
    }

    /// The issuers of tokens that are trusted.
    pub(crate) fn tokens(&self) -> &Arc<Tokens> {
        &self.tokens
    }

    /// The roles of the configuration.
    pub(crate) fn roles(&self) -> &Roles {
        &self.roles
    }

    /// Everyone whom the configuration names, by tenant and name.
    pub(crate) fn principals(&self) -> Vec<&Principal> {
        let certificates = self.certificates.iter().map(|caller| &caller.principal);
        let mut all: Vec<_> =
            self.keys.principals().chain(certificates).chain(&self.anonymous).map(Arc::as_ref).collect();
        all.sort_by_key(|principal| (principal.tenant(), principal.id()));
        all
    }
}

/// The bearer token of an `Authorization` header.
pub(crate) fn bearer(headers: &HeaderMap) -> Option<&str> {
    let value = headers.get(header::AUTHORIZATION)?.to_str().ok()?;
    let (scheme, token) = value.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}

/// The keys and tokens that a request presents, in every header that a client of a drop-in shape may use.
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

    #[tokio::test]
    async fn a_key_is_found_in_every_header_and_only_there() {
        let new = generate_key().unwrap();
        let keys = vec![ApiKey::new("k", new.hash, "acme", &[Scope::Guard])];
        let callers = Callers::new(
            keys,
            Vec::new(),
            Arc::new(Tokens::open(Vec::new()).unwrap()),
            Roles::default(),
            true,
        );
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
            let found = callers.authenticate(&headers, None).await.unwrap();
            assert_eq!((found.tenant(), found.by()), ("acme", Credential::Key), "{name}");
            assert!(found.may(Scope::Guard) && !found.may(Scope::Proxy));
        }
        let mut headers = HeaderMap::new();
        headers.insert("authorization", format!("Basic {}", new.secret).parse().unwrap());
        headers.insert("x-api-key", "aimds_wrong".parse().unwrap());
        assert_eq!(callers.authenticate(&headers, None).await.unwrap_err(), Denied::Unknown);
    }
}
