//! Issuers of access tokens that are trusted.

use std::path::PathBuf;
use std::time::Duration;

use axum::http::Uri;
use schemars::JsonSchema;
use serde::Deserialize;

use super::auth::allowed;
use super::error::{ConfigError, value};
use crate::auth::{Algorithm, Roles, Scopes};

const DEFAULT_LEEWAY: u64 = 60;
const MAX_LEEWAY: u64 = 300;
const DEFAULT_REFRESH: u64 = 300;

/// An issuer of access tokens (JSON Web Tokens) that is trusted.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct IssuerFile {
    /// Its name in logs, metrics and records.
    pub name: String,
    /// What its tokens name as their issuer (`iss`), letter by letter.
    pub issuer: String,
    /// One of these must be among the audiences of a token (`aud`).
    pub audiences: Vec<String>,
    /// Its public keys (JWKS): a file, or an `https://` or `http://` address.
    pub jwks: String,
    /// Algorithms that are taken; all where left out.
    pub algorithms: Option<Vec<Algorithm>>,
    /// Whose all bearers are; the empty name is the default tenant. This or `tenant_claim`.
    pub tenant: Option<String>,
    /// JSON pointer of the claim that says whose the bearer is.
    pub tenant_claim: Option<String>,
    /// Names of roles that every bearer has.
    #[serde(default)]
    pub roles: Vec<String>,
    /// JSON pointer of the claim with names of roles of the bearer.
    pub roles_claim: Option<String>,
    /// How much clocks may differ, in seconds (at most 300).
    pub leeway_seconds: Option<u64>,
    /// How often the keys are read again, in seconds.
    pub refresh_seconds: Option<u64>,
}

/// Where the keys of an issuer are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum KeyPlace {
    /// A file.
    File(PathBuf),
    /// An address.
    Web(Uri),
}

impl std::fmt::Display for KeyPlace {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::File(path) => path.display().fmt(f),
            Self::Web(uri) => uri.fmt(f),
        }
    }
}

/// Whose the bearers of an issuer's tokens are.
#[derive(Clone, Debug)]
pub enum TenantOf {
    /// All the same one's.
    Fixed(String),
    /// What the claim at this JSON pointer says. Never the default tenant, which sees all others.
    Claim(String),
}

/// An issuer of access tokens that is trusted.
#[derive(Clone, Debug)]
pub struct IssuerConfig {
    /// Its name in logs, metrics and records.
    pub name: String,
    /// What its tokens name as their issuer.
    pub issuer: String,
    /// One of these must be among the audiences of a token.
    pub audiences: Vec<String>,
    /// Where its public keys are.
    pub keys: KeyPlace,
    /// Algorithms that are taken.
    pub algorithms: Vec<Algorithm>,
    /// Whose its bearers are.
    pub tenant: TenantOf,
    /// What every bearer may do.
    pub scopes: Scopes,
    /// JSON pointer of the claim with names of roles.
    pub roles_claim: Option<String>,
    /// How much clocks may differ.
    pub leeway: Duration,
    /// How often the keys are read again.
    pub refresh: Duration,
}

pub(super) fn resolve(files: Vec<IssuerFile>, roles: &Roles) -> Result<Vec<IssuerConfig>, ConfigError> {
    let mut issuers: Vec<IssuerConfig> = Vec::new();
    for (index, file) in files.into_iter().enumerate() {
        let place = format!("auth.issuers[{index}]");
        let issuer = resolve_issuer(&place, file, roles)?;
        if issuers.iter().any(|known| known.name == issuer.name || known.issuer == issuer.issuer) {
            return Err(value(&place, "another issuer has the same name or issuer"));
        }
        issuers.push(issuer);
    }
    Ok(issuers)
}

fn resolve_issuer(place: &str, file: IssuerFile, roles: &Roles) -> Result<IssuerConfig, ConfigError> {
    let wrong = |key: &str, message: &str| value(&format!("{place}.{key}"), message);
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
    if !(1..=64).contains(&file.name.len()) || !file.name.bytes().all(plain) {
        return Err(wrong("name", "must have 1 to 64 letters, digits, `-`, `_` and `.`"));
    }
    if file.issuer.is_empty() {
        return Err(wrong("issuer", "is empty"));
    }
    if file.audiences.is_empty() || file.audiences.iter().any(String::is_empty) {
        return Err(wrong(
            "audiences",
            "needs at least one, and no empty one: a token for others is not for us",
        ));
    }
    let algorithms = file.algorithms.unwrap_or_else(|| Algorithm::ALL.into());
    if algorithms.is_empty() {
        return Err(wrong("algorithms", "is empty"));
    }
    for (key, pointer) in [("tenant_claim", &file.tenant_claim), ("roles_claim", &file.roles_claim)] {
        if pointer.as_ref().is_some_and(|pointer| !pointer.starts_with('/')) {
            return Err(wrong(key, "must be a JSON pointer, such as \"/groups\""));
        }
    }
    let tenant = match (file.tenant, file.tenant_claim) {
        (Some(tenant), None) => TenantOf::Fixed(tenant),
        (None, Some(pointer)) => TenantOf::Claim(pointer),
        _ => return Err(value(place, "needs exactly one of tenant and tenant_claim")),
    };
    let leeway = file.leeway_seconds.unwrap_or(DEFAULT_LEEWAY);
    if leeway > MAX_LEEWAY {
        return Err(wrong("leeway_seconds", "must be at most 300"));
    }
    let refresh = file.refresh_seconds.unwrap_or(DEFAULT_REFRESH);
    if refresh == 0 {
        return Err(wrong("refresh_seconds", "must be at least 1"));
    }
    Ok(IssuerConfig {
        keys: key_place(&file.jwks)
            .ok_or_else(|| wrong("jwks", "must be a file, or an https:// or http:// address with a host"))?,
        scopes: allowed(place, &[], &file.roles, roles)?,
        name: file.name,
        issuer: file.issuer,
        audiences: file.audiences,
        algorithms,
        tenant,
        roles_claim: file.roles_claim,
        leeway: Duration::from_secs(leeway),
        refresh: Duration::from_secs(refresh),
    })
}

fn key_place(text: &str) -> Option<KeyPlace> {
    if text.is_empty() {
        return None;
    }
    if !text.contains("://") {
        return Some(KeyPlace::File(text.into()));
    }
    let uri = text.parse::<Uri>().ok()?;
    let web = matches!(uri.scheme_str(), Some("https" | "http")) && uri.host().is_some();
    web.then_some(KeyPlace::Web(uri))
}
