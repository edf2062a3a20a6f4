//! Why the gateway does not start.

use std::net::SocketAddr;

use crate::auth::KeysUnavailable;
use crate::mitigation::MitigationError;
use crate::review::ReviewOpenError;
use crate::siem::SiemError;
use crate::tls::TlsError;
use crate::vault::VaultOpenError;

/// Why the gateway does not start.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BindError {
    /// Every request would be turned away.
    #[error("auth.require is true, but nobody is named in auth.keys, auth.certificates or auth.issuers")]
    NoKeys,
    /// The keys of an issuer of tokens cannot be read.
    #[error(transparent)]
    Tokens(#[from] KeysUnavailable),
    /// What was spent cannot be read or kept.
    #[error("cannot open router.ledger")]
    Ledger {
        /// Why.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The address cannot be listened on.
    #[error("cannot listen on {address}")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// Why.
        source: std::io::Error,
    },
    /// The QUIC listener cannot be had. Its port counts apart from TCP's.
    #[error("cannot listen on {address} for QUIC (listen.quic; \"\" turns it off)")]
    Quic {
        /// The address.
        address: SocketAddr,
        /// Why.
        source: std::io::Error,
    },
    /// The certificates cannot be used.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// The vault does not open.
    #[error("the vault does not open")]
    Vault(#[from] VaultOpenError),
    /// The review queue does not open.
    #[error("the review queue does not open")]
    Review(#[from] ReviewOpenError),
    /// Detections cannot be written.
    #[error(transparent)]
    Siem(#[from] SiemError),
    /// What is made from the audit log needs one.
    #[error("[{what}] needs the audit log: set audit.path")]
    NoLog {
        /// The part of the configuration.
        what: &'static str,
    },
    /// The system gives no thread.
    #[error("no thread for what follows the audit log")]
    Thread {
        /// Why.
        source: std::io::Error,
    },
    /// Mitigations cannot be carried out, or what was kept of them cannot be read.
    #[error(transparent)]
    Mitigation(#[from] MitigationError),
}
