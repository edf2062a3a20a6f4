//! HTTP/3 and `aimds/1` over QUIC.

use std::net::SocketAddr;
use std::num::NonZeroU32;
use std::time::Duration;

use schemars::JsonSchema;
use serde::Deserialize;

use super::error::{ConfigError, value};

/// HTTP/3 and `aimds/1` over QUIC.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct QuicFile {
    /// Requests open at the same time on one connection.
    pub max_streams: NonZeroU32,
    /// Silence after which a connection is closed, in milliseconds.
    pub idle_timeout_ms: u32,
    /// Handshakes under way from which on a client must first prove its address.
    pub retry_above: usize,
    /// Whether clients that come back may send requests that change nothing with their first packet.
    pub early_data: bool,
}

impl Default for QuicFile {
    fn default() -> Self {
        Self {
            max_streams: NonZeroU32::MIN.saturating_add(127),
            idle_timeout_ms: 30_000,
            retry_above: 64,
            early_data: true,
        }
    }
}

/// HTTP/3 and `aimds/1` over QUIC.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct QuicConfig {
    /// Address of the listener.
    pub address: SocketAddr,
    /// Requests open at the same time on one connection.
    pub max_streams: u32,
    /// Silence after which a connection is closed.
    pub idle_timeout: Duration,
    /// Handshakes under way from which on a client must first prove its address.
    pub retry_above: usize,
    /// Whether early data is taken.
    pub early_data: bool,
}

impl QuicConfig {
    /// Whether it listens where it does when nobody says otherwise.
    pub(crate) fn is_default_address(&self) -> bool {
        self.address.to_string() == super::ListenFile::default().quic
    }
}

pub(super) fn resolve(listen: &str, file: &QuicFile) -> Result<Option<QuicConfig>, ConfigError> {
    if file.idle_timeout_ms == 0 {
        return Err(value("quic.idle_timeout_ms", "must be at least 1"));
    }
    if listen.is_empty() {
        return Ok(None);
    }
    Ok(Some(QuicConfig {
        address: listen.parse().map_err(|_| value("listen.quic", "is not an address and port"))?,
        max_streams: file.max_streams.get(),
        idle_timeout: Duration::from_millis(file.idle_timeout_ms.into()),
        retry_above: file.retry_above,
        early_data: file.early_data,
    }))
}
