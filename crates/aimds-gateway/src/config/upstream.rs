//! The models behind the in-line proxy.

use std::num::NonZeroUsize;
use std::time::Duration;

use axum::http::{HeaderValue, Uri};
use schemars::JsonSchema;
use serde::Deserialize;

use super::at_least_one;
use super::error::{ConfigError, value};
use crate::providers::Service;

/// The model behind the in-line proxy.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct UpstreamFile {
    /// Base address (`https://api.openai.com/v1`); empty where there is none.
    pub base_url: String,
    /// Name of the environment variable with the upstream's API key; empty where there is none.
    pub api_key_env: String,
    /// Time for the whole answer, in milliseconds.
    pub timeout_ms: u64,
    /// Time to connect, in milliseconds.
    pub connect_timeout_ms: u64,
    /// Largest answer, in bytes.
    pub response_bytes: NonZeroUsize,
}

/// One more provider behind the in-line proxy.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct ServiceFile {
    /// Base address; empty where there is none.
    pub base_url: String,
    /// Name of the environment variable with the provider's API key; empty where there is none.
    pub api_key_env: String,
}

impl Default for UpstreamFile {
    fn default() -> Self {
        Self {
            base_url: String::new(),
            api_key_env: String::new(),
            timeout_ms: 120_000,
            connect_timeout_ms: 5_000,
            response_bytes: at_least_one(8 << 20),
        }
    }
}

/// The models behind the in-line proxy.
#[derive(Clone, Debug)]
pub struct UpstreamConfig {
    /// OpenAI or whoever speaks its API.
    pub openai: Option<ServiceConfig>,
    /// Anthropic.
    pub anthropic: Option<ServiceConfig>,
    /// Gemini.
    pub gemini: Option<ServiceConfig>,
    /// Time for the whole answer; for a stream, between two pieces of it.
    pub timeout: Duration,
    /// Time to connect.
    pub connect_timeout: Duration,
    /// Largest answer, in bytes.
    pub response_bytes: usize,
}

/// One provider.
#[derive(Clone)]
pub struct ServiceConfig {
    /// Base address, without a slash at its end.
    pub base: String,
    /// The value of the header with the provider's API key, marked as sensitive.
    pub key: Option<HeaderValue>,
}

impl std::fmt::Debug for ServiceConfig {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ServiceConfig")
            .field("base", &self.base)
            .field("has_key", &self.key.is_some())
            .finish()
    }
}

pub(super) fn resolve(
    file: UpstreamFile,
    anthropic: &ServiceFile,
    gemini: &ServiceFile,
) -> Result<UpstreamConfig, ConfigError> {
    if file.timeout_ms == 0 || file.connect_timeout_ms == 0 {
        return Err(value("upstream", "timeouts must be at least 1 millisecond"));
    }
    let openai = ServiceFile { base_url: file.base_url, api_key_env: file.api_key_env };
    Ok(UpstreamConfig {
        openai: resolve_service("upstream", &openai, "Bearer ")?,
        anthropic: resolve_service("anthropic", anthropic, "")?,
        gemini: resolve_service("gemini", gemini, "")?,
        timeout: Duration::from_millis(file.timeout_ms),
        connect_timeout: Duration::from_millis(file.connect_timeout_ms),
        response_bytes: file.response_bytes.get(),
    })
}

/// A target of the router: as a provider, and with an address.
pub(super) fn resolve_target(
    table: &str,
    file: &ServiceFile,
    service: Service,
) -> Result<ServiceConfig, ConfigError> {
    let scheme = if service == Service::OpenAi { "Bearer " } else { "" };
    resolve_service(table, file, scheme)?.ok_or_else(|| no_address(table))
}

fn no_address(table: &str) -> ConfigError {
    value(&format!("{table}.base_url"), "must be an http:// or https:// address")
}

fn resolve_service(
    table: &str,
    file: &ServiceFile,
    scheme: &str,
) -> Result<Option<ServiceConfig>, ConfigError> {
    if file.base_url.is_empty() {
        return Ok(None);
    }
    let base = file.base_url.trim_end_matches('/');
    let uri = base.parse::<Uri>().ok().filter(|uri| {
        matches!(uri.scheme_str(), Some("http" | "https")) && uri.host().is_some() && uri.query().is_none()
    });
    if uri.is_none() {
        return Err(no_address(table));
    }
    let key = match file.api_key_env.as_str() {
        "" => None,
        name => Some(resolve_secret(&format!("{table}.api_key_env"), name, scheme)?),
    };
    Ok(Some(ServiceConfig { base: base.to_owned(), key }))
}

/// The value of a header that holds the key from an environment variable.
fn resolve_secret(place: &str, name: &str, scheme: &str) -> Result<HeaderValue, ConfigError> {
    let key = std::env::var(name).map_err(|_| value(place, "the environment variable is not set"))?;
    let mut header = HeaderValue::try_from(format!("{scheme}{}", key.trim()))
        .map_err(|_| value(place, "the environment variable does not hold a usable key"))?;
    header.set_sensitive(true);
    Ok(header)
}
