//! The gateway's configuration, in two stages: the file as the operator writes it ([`GatewayConfig`]) and the checked
//! form that the rest of the crate uses ([`Config`]). One file here for each table of the file; `default.toml` is the
//! reference, and a test keeps it complete.

mod admin;
mod audit;
mod auth;
mod block;
mod differences;
mod error;
mod graph;
mod issuers;
mod learn;
mod limits;
mod listen;
mod log;
mod mitigation;
mod notify;
mod quic;
mod rate_limits;
mod reload;
mod review;
mod router;
mod scan_cache;
mod sessions;
mod shadow;
mod shared_limits;
mod siem;
mod stream;
mod telemetry;
mod tls;
mod upstream;
mod vault;

use std::net::SocketAddr;
use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use aimds_engine::Policy;
use schemars::JsonSchema;
use serde::Deserialize;

pub use admin::AdminFile;
pub use audit::{AuditConfig, AuditFile, Durability, OnFull};
pub use auth::{AuthFile, CertificateFile, KeyFile, RoleFile};
pub use block::{Block, BlockFile, BlockShape};
pub use error::ConfigError;
pub use graph::{GraphConfig, GraphFile, GraphStore};
pub use issuers::{IssuerConfig, IssuerFile, KeyPlace, TenantOf};
pub use learn::{LearnConfig, LearnFile, LearnMode};
pub use limits::{Limits, LimitsFile};
pub use listen::ListenFile;
pub use log::{LogFile, LogFormat, LogLevel};
pub use mitigation::{MitigationConfig, MitigationFile, WithoutSession};
pub use notify::{NotifyConfig, NotifyFile, Secret};
pub use quic::{QuicConfig, QuicFile};
pub use rate_limits::{NamedRateFile, RateLimitsConfig, RateLimitsFile};
pub use reload::ReloadFile;
pub use review::{OnQueueFull, OnTimeout, ReasonsFor, ReviewConfig, ReviewFile, ReviewMode};
pub use router::{BudgetFile, CacheMode, RouteFile, RouterConfig, RouterFile, TargetFile, TargetPlace};
pub use scan_cache::{ScanCacheConfig, ScanCacheFile};
pub use sessions::SessionsFile;
pub use shadow::ShadowFile;
pub use shared_limits::{SecretPlace, SharedLimitsConfig, SharedLimitsTls};
pub use siem::{SiemConfig, SiemFile, SiemFormat, SyslogAddress};
pub use stream::{StreamConfig, StreamFile};
pub use telemetry::{TelemetryConfig, TelemetryFile};
pub use tls::{ClientAuth, TlsConfig, TlsFile};
pub use upstream::{ServiceConfig, ServiceFile, UpstreamConfig, UpstreamFile};
pub use vault::{
    OnVaultError, Placeholders, VaultConfig, VaultFile, VaultKey, VaultMode, VaultSessions, VaultStore,
};

use crate::address::Network;
use crate::auth::{ApiKey, CertificateCaller, Roles};

/// The reference configuration, every key commented, every value the default.
pub const DEFAULT_CONFIG: &str = include_str!("default.toml");

/// The configuration file.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct GatewayConfig {
    /// Where the gateway listens.
    pub listen: ListenFile,
    /// Certificates of the listeners, and which clients must show one.
    pub tls: TlsFile,
    /// HTTP/3 and `aimds/1` over QUIC.
    pub quic: QuicFile,
    /// What is refused, and how long things may take.
    pub limits: LimitsFile,
    /// Who may use it.
    pub auth: AuthFile,
    /// How often callers may ask.
    pub rate_limits: RateLimitsFile,
    /// Who may reach the routes for those who run the gateway.
    pub admin: AdminFile,
    /// The models behind the in-line proxy: OpenAI or whoever speaks its API, and what holds for all of them.
    pub upstream: UpstreamFile,
    /// Anthropic behind the in-line proxy.
    pub anthropic: ServiceFile,
    /// Gemini behind the in-line proxy.
    pub gemini: ServiceFile,
    /// The model router.
    pub router: RouterFile,
    /// How streamed answers are inspected.
    pub stream: StreamFile,
    /// What a block looks like.
    pub block: BlockFile,
    /// The audit log.
    pub audit: AuditFile,
    /// The vault of personal data.
    pub vault: VaultFile,
    /// The policy.
    pub policy: PolicyPathFile,
    /// What playbooks order beside a decision.
    pub mitigation: MitigationFile,
    /// What a person decides on.
    pub review: ReviewFile,
    /// Scans of texts that were seen before.
    pub scan_cache: ScanCacheFile,
    /// What is remembered of sessions.
    pub sessions: SessionsFile,
    /// The causal memory.
    pub graph: GraphFile,
    /// The learner.
    pub learn: LearnFile,
    /// Who is told when a playbook says so.
    pub notify: NotifyFile,
    /// The program's own log.
    pub log: LogFile,
    /// When configuration and policy are read again.
    pub reload: ReloadFile,
    /// Where detections are sent while they happen.
    pub siem: SiemFile,
    /// A policy that is asked beside the one in force, and changes nothing.
    pub shadow: ShadowFile,
    /// Traces for OpenTelemetry.
    pub telemetry: TelemetryFile,
}

impl GatewayConfig {
    /// Reads a configuration file without looking at what its values mean.
    ///
    /// # Errors
    /// [`ConfigError::Syntax`] or [`ConfigError::UnknownKey`].
    pub fn parse(text: &str) -> Result<Self, ConfigError> {
        toml::from_str(text).map_err(|error| error::explain(text, &error))
    }
}

/// The policy.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct PolicyPathFile {
    /// File of the policy; empty for the one inside the binary.
    pub path: String,
}

const fn at_least_one(value: usize) -> NonZeroUsize {
    match NonZeroUsize::new(value) {
        Some(value) => value,
        None => NonZeroUsize::MIN,
    }
}

/// The configuration, checked and ready for use.
#[derive(Clone, Debug)]
pub struct Config {
    /// Address of the HTTP listener.
    pub http: SocketAddr,
    /// The QUIC listener, if there is one.
    pub quic: Option<QuicConfig>,
    /// Certificates of the listeners; without, HTTP has no TLS and QUIC a certificate of its own making.
    pub tls: Option<TlsConfig>,
    /// Proxies whose word about the address of a client counts.
    pub trusted_proxies: Vec<Network>,
    /// What is refused, and how long things may take.
    pub limits: Limits,
    /// Whether a request needs a key, a client certificate or a token.
    pub require_auth: bool,
    /// Whether /metrics is answered without a key.
    pub public_metrics: bool,
    /// The keys.
    pub keys: Vec<ApiKey>,
    /// Callers that are known by their client certificate.
    pub certificates: Vec<CertificateCaller>,
    /// Issuers of access tokens that are trusted.
    pub issuers: Vec<IssuerConfig>,
    /// Names for sets of scopes.
    pub roles: Roles,
    /// How often callers may ask.
    pub rate_limits: RateLimitsConfig,
    /// Networks from which the routes for those who run the gateway are reached; none: from everywhere.
    pub admin_networks: Vec<Network>,
    /// The models behind the in-line proxy.
    pub upstream: UpstreamConfig,
    /// The model router, if there is one.
    pub router: Option<RouterConfig>,
    /// How streamed answers are inspected.
    pub stream: StreamConfig,
    /// What a block looks like.
    pub block: Block,
    /// The audit log, if there is one.
    pub audit: Option<AuditConfig>,
    /// What happens while the audit spool is full.
    pub on_full: OnFull,
    /// The vault of personal data; `None` where redaction is for good.
    pub vault: Option<VaultConfig>,
    /// File of the policy; `None` for the one inside the binary.
    pub policy: Option<PathBuf>,
    /// What playbooks order beside a decision.
    pub mitigation: MitigationConfig,
    /// What a person decides on; `None` where nobody is asked.
    pub review: Option<ReviewConfig>,
    /// Scans of texts that were seen before, if they are kept.
    pub scan_cache: Option<ScanCacheConfig>,
    /// What is remembered of sessions, if anything is.
    pub sessions: Option<aimds_engine::SessionLimits>,
    /// The causal memory, if there is one.
    pub graph: Option<GraphConfig>,
    /// The learner, if there is one.
    pub learn: Option<LearnConfig>,
    /// Who is told when a playbook says so.
    pub notify: Option<NotifyConfig>,
    /// Least severe level that is logged.
    pub log_level: LogLevel,
    /// Text or JSON.
    pub log_format: LogFormat,
    /// How often configuration and policy are looked at for changes; `None` for never.
    pub watch: Option<Duration>,
    /// Where detections are sent while they happen, if anywhere.
    pub siem: Option<SiemConfig>,
    /// File of a policy that is asked beside the one in force, if there is one.
    pub shadow: Option<PathBuf>,
    /// That policy: whoever reads files puts it here.
    pub shadow_policy: Option<Arc<Policy>>,
    /// Traces for OpenTelemetry, if there are any.
    pub telemetry: Option<TelemetryConfig>,
}

impl Config {
    /// Reads a configuration file.
    ///
    /// ```
    /// use aimds_gateway::Config;
    /// let error = Config::parse("[limits]\nbody_byte = 10\n").unwrap_err();
    /// assert_eq!(
    ///     error.to_string(),
    ///     "invalid configuration: line 2: unknown key `body_byte`; did you mean `body_bytes`?"
    /// );
    /// ```
    ///
    /// # Errors
    /// Anything that [`ConfigError`] names.
    pub fn parse(text: &str) -> Result<Self, ConfigError> {
        Self::from_file(GatewayConfig::parse(text)?)
    }

    /// The configuration that is in force when no file is given.
    ///
    /// # Errors
    /// Never in a released binary: the tests check what is embedded.
    pub fn embedded_default() -> Result<Self, ConfigError> {
        Self::parse(DEFAULT_CONFIG)
    }

    /// Checks a file that was read elsewhere. Reads the environment variables that it names, and those of OpenTelemetry
    /// where traces are on.
    ///
    /// # Errors
    /// Any [`ConfigError::Value`].
    pub fn from_file(file: GatewayConfig) -> Result<Self, ConfigError> {
        let GatewayConfig {
            listen,
            tls,
            quic,
            limits,
            auth,
            rate_limits,
            admin,
            upstream,
            anthropic,
            gemini,
            router,
            stream,
            block,
            audit,
            vault,
            policy,
            mitigation,
            review,
            scan_cache,
            sessions,
            graph,
            learn,
            notify,
            log,
            reload,
            siem,
            shadow,
            telemetry,
        } = file;
        let upstream = upstream::resolve(upstream, &anthropic, &gemini)?;
        let (require_auth, public_metrics) = (auth.require, auth.public_metrics);
        let auth::Named { roles, keys, certificates, issuers } =
            auth::resolve(auth, !tls.client_ca.is_empty())?;
        Ok(Self {
            http: listen::resolve(&listen)?,
            quic: quic::resolve(&listen.quic, &quic)?,
            trusted_proxies: admin::networks("listen.trusted_proxies", &listen.trusted_proxies)?,
            tls: tls::resolve(tls)?,
            limits: limits::resolve(&limits)?,
            require_auth,
            public_metrics,
            keys,
            certificates,
            issuers,
            roles,
            rate_limits: rate_limits::resolve(rate_limits)?,
            admin_networks: admin::resolve(&admin)?,
            router: router::resolve(router, upstream.timeout)?,
            upstream,
            stream: stream::resolve(&stream)?,
            block: block::resolve(block)?,
            on_full: audit.on_full,
            audit: audit::resolve(audit),
            vault: vault::resolve(vault)?,
            policy: (!policy.path.is_empty()).then(|| policy.path.into()),
            mitigation: mitigation::resolve(mitigation),
            review: review::resolve(review)?,
            scan_cache: scan_cache::resolve(&scan_cache),
            sessions: sessions::resolve(&sessions)?,
            graph: graph::resolve(graph)?,
            learn: learn::resolve(learn),
            notify: notify::resolve(&notify)?,
            log_level: log.level,
            log_format: log.format,
            watch: reload::resolve(&reload),
            siem: siem::resolve(siem)?,
            shadow: (!shadow.policy.is_empty()).then(|| shadow.policy.into()),
            shadow_policy: None,
            telemetry: telemetry::resolve(telemetry, |name| std::env::var(name).ok())?,
        })
    }
}

/// The JSON schema of the configuration file.
#[must_use]
pub fn config_schema() -> schemars::Schema {
    schemars::schema_for!(GatewayConfig)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expected: &str) {
        assert_eq!(
            Config::parse(text).unwrap_err().to_string(),
            format!("invalid configuration: {expected}")
        );
    }

    #[test]
    fn the_embedded_default_is_what_an_empty_file_means() {
        let embedded: GatewayConfig = toml::from_str(DEFAULT_CONFIG).unwrap();
        assert_eq!(embedded, GatewayConfig::default());
        Config::embedded_default().unwrap();
    }

    #[test]
    fn the_embedded_default_names_and_explains_every_key() {
        let schema = config_schema();
        for (table, reference) in schema.get("properties").unwrap().as_object().unwrap() {
            let name = reference["$ref"].as_str().unwrap().rsplit('/').next().unwrap();
            let (_, section) = DEFAULT_CONFIG.split_once(&format!("[{table}]\n")).expect(table);
            let section = section.split("\n[").next().unwrap();
            let keys = schema.get("$defs").unwrap()[name]["properties"].as_object().unwrap();
            assert!(!keys.is_empty());
            for key in keys.keys() {
                let lines: Vec<_> = section.lines().collect();
                let at = lines.iter().position(|line| line.starts_with(&format!("{key} = "))).expect(key);
                assert!(at > 0 && lines[at - 1].starts_with("# "), "{table}.{key} has no comment");
            }
        }
    }

    #[test]
    fn an_unknown_key_is_refused_with_its_line_and_the_nearest_key() {
        check(
            "[limits]\nbody_bytes = 5\njson_dept = 3\n",
            "line 3: unknown key `json_dept`; did you mean `json_depth`?",
        );
        check("[limit]\nbody_bytes = 5\n", "line 1: unknown key `limit`; did you mean `limits`?");
        check("[log]\nxyzzyplugh = 5\n", "line 2: unknown key `xyzzyplugh`");
    }

    #[test]
    fn a_wrong_value_is_refused_with_its_place() {
        check("[listen]\nhttp = \"here\"\n", "listen.http: is not an address and port");
        check("[listen]\nquic = \"4433\"\n", "listen.quic: is not an address and port");
        check("[quic]\nidle_timeout_ms = 0\n", "quic.idle_timeout_ms: must be at least 1");
        check("[tls]\nkey = \"k.pem\"\n", "tls.certificate: is missing; there is a tls.key");
        check("[tls]\ncertificate = \"c.pem\"\n", "tls.key: is missing; there is a tls.certificate");
        check("[tls]\nclient_ca = \"ca.pem\"\n", "tls.client_ca: needs tls.certificate and tls.key");
        let network =
            "must be an address or a network such as \"10.0.0.0/8\", with nothing beyond its prefix";
        check("[admin]\nallow = [\"::1\", \"10.1.0.0/8\"]\n", &format!("admin.allow[1]: {network}"));
        check("[listen]\ntrusted_proxies = [\"here\"]\n", &format!("listen.trusted_proxies[0]: {network}"));
        check("[block]\nstatus = 200\n", "block.status: must be between 400 and 499");
        check(
            "[upstream]\nbase_url = \"ftp://x\"\n",
            "upstream.base_url: must be an http:// or https:// address",
        );
        check(
            "[anthropic]\nbase_url = \"http://x/v1?a=b\"\n",
            "anthropic.base_url: must be an http:// or https:// address",
        );
        check("[stream]\nhold_bytes = 8\n", "stream.hold_bytes: must be between 64 and 65536");
        check("[stream]\noverlap_bytes = 70000\n", "stream.overlap_bytes: must be at most 65536");
        check("[limits]\njson_depth = 500\n", "limits.json_depth: must be at most 128");
        check(
            "[[auth.keys]]\nid = \"a\"\nhash = \"sha1:00\"\n",
            "auth.keys[0].hash: must be `blake3:` and 64 hexadecimal digits",
        );
        let error = Config::parse("[limits]\nbody_bytes = \"many\"\n").unwrap_err().to_string();
        assert!(error.starts_with("invalid configuration: line 2, column 14: "), "{error}");
    }
}
