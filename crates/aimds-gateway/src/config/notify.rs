//! Who is told when a playbook says so.

use std::time::Duration;

use axum::http::Uri;
use schemars::JsonSchema;
use serde::Deserialize;

use super::error::{ConfigError, value};

/// Shorter secrets can be guessed from one message.
const SHORTEST_SECRET: usize = 16;

/// Who is told when a playbook says so.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct NotifyFile {
    /// Address of the webhook; empty where nobody is told.
    pub url: String,
    /// Name of the environment variable that holds the secret that messages are signed with.
    pub secret_env: String,
    /// Time for one attempt, in milliseconds.
    pub timeout_ms: u64,
    /// How often a message is tried.
    pub attempts: u32,
}

impl Default for NotifyFile {
    fn default() -> Self {
        Self { url: String::new(), secret_env: String::new(), timeout_ms: 5_000, attempts: 5 }
    }
}

/// A secret that shows itself to nobody.
#[derive(Clone)]
pub struct Secret(String);

impl Secret {
    pub(crate) fn as_bytes(&self) -> &[u8] {
        self.0.as_bytes()
    }
}

impl From<String> for Secret {
    fn from(secret: String) -> Self {
        Self(secret)
    }
}

impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Secret")
    }
}

/// The webhook.
#[derive(Clone, Debug)]
pub struct NotifyConfig {
    /// Where messages are sent to.
    pub url: Uri,
    /// What they are signed with.
    pub secret: Secret,
    /// Time for one attempt.
    pub timeout: Duration,
    /// How often a message is tried.
    pub attempts: u32,
}

pub(super) fn resolve(file: &NotifyFile) -> Result<Option<NotifyConfig>, ConfigError> {
    if file.timeout_ms == 0 {
        return Err(value("notify.timeout_ms", "must be at least 1"));
    }
    if !(1..=20).contains(&file.attempts) {
        return Err(value("notify.attempts", "must be between 1 and 20"));
    }
    if file.url.is_empty() {
        return Ok(None);
    }
    let url = file
        .url
        .parse::<Uri>()
        .ok()
        .filter(|url| matches!(url.scheme_str(), Some("http" | "https")) && url.host().is_some());
    let url = url.ok_or_else(|| value("notify.url", "must be an http:// or https:// address"))?;
    if file.secret_env.is_empty() {
        return Err(value(
            "notify.secret_env",
            "must name the variable with the secret: messages are signed",
        ));
    }
    let secret = std::env::var(&file.secret_env)
        .map_err(|_| value("notify.secret_env", "the environment variable is not set"))?;
    if secret.len() < SHORTEST_SECRET {
        return Err(value("notify.secret_env", "the secret must have 16 bytes or more"));
    }
    Ok(Some(NotifyConfig {
        url,
        secret: Secret(secret),
        timeout: Duration::from_millis(file.timeout_ms),
        attempts: file.attempts,
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(change: impl FnOnce(&mut NotifyFile), expected: &str) {
        let mut file = NotifyFile { url: "https://example.org/hook".into(), ..NotifyFile::default() };
        change(&mut file);
        let error = resolve(&file).unwrap_err().to_string();
        assert_eq!(error, format!("invalid configuration: notify.{expected}"));
    }

    #[test]
    fn a_webhook_needs_an_address_a_secret_and_limits() {
        assert!(resolve(&NotifyFile::default()).unwrap().is_none());
        check(|_| (), "secret_env: must name the variable with the secret: messages are signed");
        check(|file| file.url = "example".into(), "url: must be an http:// or https:// address");
        check(|file| file.attempts = 0, "attempts: must be between 1 and 20");
        check(|file| file.timeout_ms = 0, "timeout_ms: must be at least 1");
        check(
            |file| file.secret_env = "AIMDS_NO_SUCH_VARIABLE".into(),
            "secret_env: the environment variable is not set",
        );
        check(
            |file| file.secret_env = "CARGO_PKG_VERSION_MAJOR".into(),
            "secret_env: the secret must have 16 bytes or more",
        );
        let named = NotifyFile {
            url: "https://example.org/hook".into(),
            secret_env: "CARGO_MANIFEST_DIR".into(),
            ..NotifyFile::default()
        };
        let config = resolve(&named).unwrap().unwrap();
        assert_eq!(format!("{:?}", config.secret), "Secret");
    }
}
