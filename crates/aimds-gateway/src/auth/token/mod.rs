//! Access tokens: JSON Web Tokens of issuers that the configuration trusts (RFC 7519, RFC 8725, RFC 9068).
//!
//! The signatures are `ring`'s; what is here is the frame around them, which is where such libraries were broken: which
//! key, which algorithm, and which claims. A key has one algorithm, whatever the token says.

mod claims;
mod jws;
mod key_set;
mod signing;
mod source;

use std::fmt::Write as _;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{SystemTime, UNIX_EPOCH};

use tokio::sync::Notify;

pub use jws::Algorithm;
pub use key_set::KeySetError;
pub use signing::{Claims, SigningKey, SigningKeyError};
pub use source::KeysUnavailable;

use super::{Principal, Roles};
use crate::config::IssuerConfig;
use jws::Unverified;
use source::Source;

/// Why a token is refused. For the log alone: the caller learns no more than that it is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Refusal {
    #[error("it is too long")]
    TooLong,
    #[error("it is no signed token of three parts")]
    Shape,
    #[error("its header asks for something else than an access token")]
    Header,
    #[error("its algorithm is not allowed")]
    Algorithm,
    #[error("no key of the issuer fits")]
    UnknownKey,
    #[error("its signature is wrong")]
    Signature,
    #[error("it is meant for another audience")]
    Audience,
    #[error("it has expired")]
    Expired,
    #[error("it is not in force yet")]
    Early,
    #[error("the claim {0} is missing or cannot be used")]
    Claim(&'static str),
}

/// One issuer that is trusted.
struct Issuer {
    config: IssuerConfig,
    source: Arc<Source>,
}

impl Issuer {
    async fn bearer(&self, token: &Unverified<'_>, roles: &Roles) -> Result<Arc<Principal>, Refusal> {
        let (key, algorithm) = token.algorithm()?;
        if !self.config.algorithms.contains(&algorithm) {
            return Err(Refusal::Algorithm);
        }
        self.source.verify(key, algorithm, token).await?;
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs_f64();
        claims::bearer(&token.claims, &self.config, roles, now).map(Arc::new)
    }
}

/// The issuers that are trusted.
#[derive(Default)]
pub(crate) struct Tokens {
    issuers: Vec<Issuer>,
    /// Told when others take their place.
    replaced: Arc<Notify>,
}

impl std::fmt::Debug for Tokens {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_list().entries(self.issuers.iter().map(|issuer| &issuer.config.name)).finish()
    }
}

impl Tokens {
    /// Reads the key sets that are files.
    ///
    /// # Errors
    /// A file that cannot be used.
    pub(crate) fn open(issuers: Vec<IssuerConfig>) -> Result<Self, KeysUnavailable> {
        Self::default().with(issuers)
    }

    /// Other issuers. Those whose keys come from the same place keep them; of the others, the key sets that are files are
    /// read.
    ///
    /// # Errors
    /// A file that cannot be used.
    pub(crate) fn with(&self, issuers: Vec<IssuerConfig>) -> Result<Self, KeysUnavailable> {
        let issuers = issuers.into_iter().map(|config| {
            let known = self.issuers.iter().find(|known| {
                let ours = &known.config;
                ours.issuer == config.issuer && ours.keys == config.keys && ours.refresh == config.refresh
            });
            if let Some(known) = known {
                return Ok(Issuer { config, source: Arc::clone(&known.source) });
            }
            let source = Source::new(config.keys.clone(), config.refresh);
            source.open()?;
            Ok(Issuer { config, source: Arc::new(source) })
        });
        let issuers = issuers.collect::<Result<_, _>>()?;
        Ok(Self { issuers, replaced: Arc::clone(&self.replaced) })
    }

    /// Keeps the key sets fresh, for as long as it is polled.
    pub(crate) async fn watch(&self) {
        let watched = self.issuers.iter().map(|issuer| issuer.source.watch(&issuer.config.name));
        futures_util::future::join_all(watched).await;
        // There are none.
        std::future::pending().await
    }

    /// Says that others have taken their place.
    pub(crate) fn replace(&self) {
        self.replaced.notify_one();
    }

    /// Returns when others have taken their place.
    pub(crate) async fn replaced(&self) {
        self.replaced.notified().await;
    }

    /// Whether a secret is a token of a trusted issuer, good or not: it must not leave the gateway.
    pub(crate) fn is_own(&self, secret: &str) -> bool {
        !self.issuers.is_empty() && Unverified::read(secret).is_ok_and(|token| self.issuer(&token).is_some())
    }

    /// Who the bearer of a token is. `None`: it is no token of a trusted issuer. One that is must be good.
    pub(crate) async fn check(&self, secret: &str, roles: &Roles) -> Option<Result<Arc<Principal>, Refusal>> {
        if self.issuers.is_empty() {
            return None;
        }
        let token = match Unverified::read(secret) {
            Ok(token) => token,
            // Secrets of other shapes are somebody's keys. One that is too long for a token is nobody's.
            Err(Refusal::TooLong) => return Some(Err(Refusal::TooLong)),
            Err(_) => return None,
        };
        let issuer = self.issuer(&token)?;
        Some(issuer.bearer(&token, roles).await.inspect_err(|refusal| {
            tracing::info!(issuer = issuer.config.name, %refusal, "token refused");
        }))
    }

    fn issuer(&self, token: &Unverified<'_>) -> Option<&Issuer> {
        let named = token.issuer()?;
        self.issuers.iter().find(|issuer| issuer.config.issuer == named)
    }

    /// Adds to what Prometheus reads.
    pub(crate) fn expose(&self, out: &mut String) {
        if self.issuers.is_empty() {
            return;
        }
        let name = "aimds_issuer_keys";
        let _ = writeln!(out, "# HELP {name} Keys of an issuer that are in force.\n# TYPE {name} gauge");
        for Issuer { config, source } in &self.issuers {
            let _ = writeln!(out, "{name}{{issuer=\"{}\"}} {}", config.name, source.len());
        }
        let name = "aimds_issuer_keys_read_total";
        let help = "How often the keys of an issuer were read, by result.";
        let _ = writeln!(out, "# HELP {name} {help}\n# TYPE {name} counter");
        for Issuer { config, source } in &self.issuers {
            for (result, count) in [("ok", &source.good), ("failed", &source.bad)] {
                let count = count.load(Ordering::Relaxed);
                let _ = writeln!(out, "{name}{{issuer=\"{}\",result=\"{result}\"}} {count}", config.name);
            }
        }
    }
}

#[cfg(test)]
mod tests;
