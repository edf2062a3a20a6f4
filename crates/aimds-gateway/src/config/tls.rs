//! Certificates of the listeners, and which clients must show one.

use std::path::{Path, PathBuf};
use std::time::Duration;

use schemars::JsonSchema;
use serde::Deserialize;

use super::error::{ConfigError, value};

/// Certificates of the listeners, and which clients must show one.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct TlsFile {
    /// PEM file with the certificate chain, the gateway's own first. Empty: no TLS on the HTTP listener.
    pub certificate: String,
    /// PEM file with the private key of the first certificate.
    pub key: String,
    /// PEM file with the authorities whose client certificates are taken. Empty: clients show none.
    pub client_ca: String,
    /// Whether a client may come without a certificate.
    pub client_auth: ClientAuth,
    /// How often the files are looked at for changes, in seconds; 0 for never.
    pub watch_seconds: u64,
}

impl Default for TlsFile {
    fn default() -> Self {
        Self {
            certificate: String::new(),
            key: String::new(),
            client_ca: String::new(),
            client_auth: ClientAuth::Required,
            watch_seconds: 30,
        }
    }
}

/// Whether a client may come without a certificate.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum ClientAuth {
    /// Every connection must show a certificate of `client_ca`.
    Required,
    /// A certificate that is shown must be one of `client_ca`; none is needed.
    Optional,
}

/// Certificates of the listeners.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TlsConfig {
    /// PEM file with the certificate chain.
    pub certificate: PathBuf,
    /// PEM file with the private key.
    pub key: PathBuf,
    /// PEM file with the authorities of clients, and whether a client must show a certificate.
    pub clients: Option<(PathBuf, ClientAuth)>,
    /// How often the files are looked at; `None` for never.
    pub watch: Option<Duration>,
}

impl TlsConfig {
    /// Lets relative paths start from a directory.
    pub fn start_from(&mut self, directory: &Path) {
        let paths = [&mut self.certificate, &mut self.key];
        for path in paths.into_iter().chain(self.clients.as_mut().map(|(path, _)| path)) {
            *path = directory.join(&path);
        }
    }
}

pub(super) fn resolve(file: TlsFile) -> Result<Option<TlsConfig>, ConfigError> {
    match (file.certificate.is_empty(), file.key.is_empty()) {
        (true, true) if file.client_ca.is_empty() => return Ok(None),
        (true, true) => return Err(value("tls.client_ca", "needs tls.certificate and tls.key")),
        (true, false) => return Err(value("tls.certificate", "is missing; there is a tls.key")),
        (false, true) => return Err(value("tls.key", "is missing; there is a tls.certificate")),
        (false, false) => {}
    }
    Ok(Some(TlsConfig {
        certificate: file.certificate.into(),
        key: file.key.into(),
        clients: (!file.client_ca.is_empty()).then(|| (file.client_ca.into(), file.client_auth)),
        watch: (file.watch_seconds > 0).then(|| Duration::from_secs(file.watch_seconds)),
    }))
}
