//! Where the gateway listens.

use std::net::SocketAddr;

use schemars::JsonSchema;
use serde::Deserialize;

use super::error::{ConfigError, value};

/// Where the gateway listens.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct ListenFile {
    /// Address and port of the HTTP listener.
    pub http: String,
    /// Address and port of the QUIC listener; empty for none.
    pub quic: String,
    /// Networks of proxies whose `X-Forwarded-For` counts.
    pub trusted_proxies: Vec<String>,
}

impl Default for ListenFile {
    fn default() -> Self {
        Self { http: "127.0.0.1:8080".into(), quic: "127.0.0.1:4433".into(), trusted_proxies: Vec::new() }
    }
}

pub(super) fn resolve(file: &ListenFile) -> Result<SocketAddr, ConfigError> {
    file.http.parse().map_err(|_| value("listen.http", "is not an address and port"))
}
