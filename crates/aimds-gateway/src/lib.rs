//! The gateway: HTTP in, verdicts and forwarded requests out. The only crate that knows sockets and HTTP.
//!
//! One engine stands behind every route: the native guard API, the drop-in shapes of other guards, and the in-line
//! proxy. Each route is one entry of one table (`routes`), from which the router, the check of scopes, the metrics and
//! `/openapi.json` come.
//!
//! ```no_run
//! # async fn serve() -> Result<(), Box<dyn std::error::Error>> {
//! use std::sync::Arc;
//! use aimds_engine::Engine;
//! use aimds_gateway::{ApiKey, Config, Gateway, Scope, generate_key};
//!
//! let mut config = Config::embedded_default()?;
//! let key = generate_key()?;
//! config.keys.push(ApiKey::new("local", key.hash, "", &Scope::ALL));
//! let bound = Gateway::bind(config, Arc::new(Engine::embedded()?), None).await?;
//! println!("{} {}", bound.local_addr(), key.secret);
//! bound.serve(async { let _ = tokio::signal::ctrl_c().await; }).await;
//! # Ok(())
//! # }
//! ```
//!
//! # Invariants
//!
//! * Nothing reaches the upstream or comes back from it without a permit of the policy: the types see to it.
//! * Every route needs a caller with the scope that the table names, unless it says that the route is open.
//! * No text of a request or an answer is ever logged, counted or recorded, and no failure quotes one.
#![cfg_attr(
    not(test),
    deny(
        clippy::unwrap_used,
        clippy::expect_used,
        clippy::panic,
        clippy::indexing_slicing,
        clippy::unreachable
    )
)]
#![forbid(unsafe_code)]

mod address;
mod alarm;
mod app;
mod audit;
mod auth;
mod client;
mod config;
mod error;
mod json;
mod learning;
mod memory;
mod messages;
mod metrics;
mod mitigation;
mod providers;
mod quic;
mod rate_limits;
mod reload;
mod request_id;
mod review;
pub mod router;
mod routes;
mod server;
mod session_key;
mod sessions;
mod siem;
mod stream;
mod telemetry;
mod tls;
mod upstream;
mod vault;

pub use address::Network;
pub use auth::{
    Algorithm, ApiKey, CertificateCaller, CertificateName, Claims, Credential, KeyHash, KeySetError,
    KeysUnavailable, NewKey, NoRandom, Principal, Roles, Scope, Scopes, SigningKey, SigningKeyError,
    generate_key,
};
pub use client::{AdminClient, ClientError};
pub use config::{
    AdminFile, AuditConfig, AuditFile, AuthFile, Block, BlockFile, BlockShape, BudgetFile, CacheMode,
    CertificateFile, ClientAuth, Config, ConfigError, DEFAULT_CONFIG, Durability, GatewayConfig, GraphConfig,
    GraphFile, GraphStore, IssuerConfig, IssuerFile, KeyFile, KeyPlace, LearnConfig, LearnFile, LearnMode,
    Limits, LimitsFile, ListenFile, LogFile, LogFormat, LogLevel, MitigationConfig, MitigationFile,
    NamedRateFile, NotifyConfig, NotifyFile, OnFull, OnQueueFull, OnTimeout, OnVaultError, Placeholders,
    PolicyPathFile, QuicConfig, QuicFile, RateLimitsConfig, RateLimitsFile, ReasonsFor, ReloadFile,
    ReviewConfig, ReviewFile, ReviewMode, RoleFile, RouteFile, RouterConfig, RouterFile, Secret, SecretPlace,
    ServiceConfig, ServiceFile, SessionsFile, ShadowFile, SharedLimitsConfig, SharedLimitsTls, SiemConfig,
    SiemFile, SiemFormat, StreamConfig, StreamFile, SyslogAddress, TargetFile, TargetPlace, TelemetryConfig,
    TelemetryFile, TenantOf, TlsConfig, TlsFile, UpstreamConfig, UpstreamFile, VaultConfig, VaultFile,
    VaultKey, VaultMode, VaultSessions, VaultStore, WithoutSession, config_schema,
};
pub use learning::{LearnState, LearnStateError, RESPONSES, Untold, parse_row, source_number};
pub use mitigation::{MitigationError, StateError};
pub use rate_limits::Rate;
pub use reload::{Cause, Digest, Reloads, Setup, Source};
pub use review::{ArchiveError, ReviewArchive, ReviewOpenError};
pub use routes::openapi;
pub use server::{BindError, BoundGateway, Gateway, install_panic_hook};
pub use siem::SiemError;
pub use tls::{Certificates, PeerIdentity, TlsError};
pub use vault::VaultOpenError;
