//! The gateway's configuration, in two stages: the file as the operator writes it ([`GatewayConfig`]) and the checked
//! form that the rest of the crate uses ([`Config`]). `default.toml` is the reference; a test keeps it complete.

use std::net::SocketAddr;
use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::time::Duration;

use axum::http::{HeaderValue, StatusCode, Uri};
use schemars::JsonSchema;
use serde::Deserialize;

use crate::auth::{ApiKey, KeyHash, Scope};

/// The reference configuration, every key commented, every value the default.
pub const DEFAULT_CONFIG: &str = include_str!("default.toml");

/// The configuration file.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct GatewayConfig {
    /// Where the gateway listens.
    pub listen: ListenFile,
    /// What is refused, and how long things may take.
    pub limits: LimitsFile,
    /// Who may use it.
    pub auth: AuthFile,
    /// The models behind the in-line proxy: OpenAI or whoever speaks its API, and what holds for all of them.
    pub upstream: UpstreamFile,
    /// Anthropic behind the in-line proxy.
    pub anthropic: ServiceFile,
    /// Gemini behind the in-line proxy.
    pub gemini: ServiceFile,
    /// How streamed answers are inspected.
    pub stream: StreamFile,
    /// What a block looks like.
    pub block: BlockFile,
    /// The audit log.
    pub audit: AuditFile,
    /// The policy.
    pub policy: PolicyPathFile,
    /// The program's own log.
    pub log: LogFile,
}

/// Where the gateway listens.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct ListenFile {
    /// Address and port of the HTTP listener.
    pub http: String,
}

/// What is refused, and how long things may take.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct LimitsFile {
    /// Largest request body, in bytes.
    pub body_bytes: NonZeroUsize,
    /// Largest request head, in bytes (at least 8192).
    pub header_bytes: NonZeroUsize,
    /// Deepest nesting of arrays and objects in a request body (at most 128).
    pub json_depth: NonZeroUsize,
    /// Time in which a request body must arrive, in milliseconds.
    pub request_timeout_ms: u64,
    /// Time that the deep path has for one request, in milliseconds. Later: the verdict of the fast path, `degraded`.
    pub deep_deadline_ms: u64,
    /// Time in which a request head must arrive, in milliseconds.
    pub header_read_timeout_ms: u64,
    /// Connections open at the same time.
    pub max_connections: NonZeroUsize,
    /// Requests in progress at the same time.
    pub max_in_flight: NonZeroUsize,
    /// Time that requests in progress have to finish at shutdown, in milliseconds.
    pub drain_timeout_ms: u64,
}

/// Who may use the gateway.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct AuthFile {
    /// Whether a request needs a key.
    pub require: bool,
    /// Whether /metrics is answered without a key.
    pub public_metrics: bool,
    /// The keys.
    pub keys: Vec<KeyFile>,
}

/// One API key. The key itself is never in the file.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct KeyFile {
    /// Name of the key in logs and records.
    pub id: String,
    /// `blake3:` and the BLAKE3 hash of the key in 64 hexadecimal digits.
    pub hash: String,
    /// Whose key it is. The empty name is the default tenant.
    #[serde(default)]
    pub tenant: String,
    /// What the key may do; everything where left out.
    pub scopes: Option<Vec<Scope>>,
}

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

/// How streamed answers are inspected.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct StreamFile {
    /// Last bytes of a growing text that are held back (64 to 65536).
    pub hold_bytes: usize,
    /// Bytes that are inspected at once where no sentence ends before.
    pub step_bytes: NonZeroUsize,
    /// Bytes already sent on that are inspected again with what follows.
    pub overlap_bytes: usize,
}

/// What a block looks like.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct BlockFile {
    /// Refusal or error.
    pub shape: BlockShape,
    /// The words of a refusal or an error.
    pub refusal_text: String,
    /// Status of an error: 400 to 499.
    pub status: u16,
}

/// How the in-line proxy answers when it blocks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum BlockShape {
    /// 200 in the provider's shape, `finish_reason` `content_filter`.
    Refusal,
    /// 4xx in the provider's error shape, code `content_filter`.
    Error,
}

/// The audit log.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct AuditFile {
    /// File of the log; empty where nothing is recorded.
    pub path: String,
    /// When a record counts as stored.
    pub durability: Durability,
    /// Records kept in memory while the disk is slow or away.
    pub spool: NonZeroUsize,
    /// What happens while the spool is full.
    pub on_full: OnFull,
}

/// When a record counts as stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Durability {
    /// Survives a crash of the process.
    Normal,
    /// Survives a loss of power.
    Full,
}

/// What happens with guarded requests while the audit spool is full.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum OnFull {
    /// 503.
    Closed,
    /// They go on unrecorded; counted.
    Open,
}

/// The policy.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct PolicyPathFile {
    /// File of the policy; empty for the one inside the binary.
    pub path: String,
}

/// The program's own log.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct LogFile {
    /// Least severe level that is logged.
    pub level: LogLevel,
    /// Text or JSON.
    pub format: LogFormat,
}

/// Severity of a log line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum LogLevel {
    /// Something failed.
    Error,
    /// Something needs attention.
    Warn,
    /// Start, stop, reload.
    Info,
    /// Each request.
    Debug,
    /// Everything.
    Trace,
}

impl LogLevel {
    /// The name, as a filter of `tracing-subscriber` takes it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Error => "error",
            Self::Warn => "warn",
            Self::Info => "info",
            Self::Debug => "debug",
            Self::Trace => "trace",
        }
    }
}

/// How log lines look.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// For people.
    Text,
    /// One JSON object a line.
    Json,
}

impl Default for ListenFile {
    fn default() -> Self {
        Self { http: "127.0.0.1:8080".into() }
    }
}

const fn at_least_one(value: usize) -> NonZeroUsize {
    match NonZeroUsize::new(value) {
        Some(value) => value,
        None => NonZeroUsize::MIN,
    }
}

impl Default for LimitsFile {
    fn default() -> Self {
        Self {
            body_bytes: at_least_one(1 << 20),
            header_bytes: at_least_one(32 << 10),
            json_depth: at_least_one(64),
            request_timeout_ms: 15_000,
            deep_deadline_ms: 250,
            header_read_timeout_ms: 10_000,
            max_connections: at_least_one(4096),
            max_in_flight: at_least_one(1024),
            drain_timeout_ms: 10_000,
        }
    }
}

impl Default for AuthFile {
    fn default() -> Self {
        Self { require: true, public_metrics: false, keys: Vec::new() }
    }
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

impl Default for StreamFile {
    fn default() -> Self {
        Self { hold_bytes: 128, step_bytes: at_least_one(64), overlap_bytes: 512 }
    }
}

impl Default for BlockFile {
    fn default() -> Self {
        Self {
            shape: BlockShape::Refusal,
            refusal_text: "I can't help with that: the request was blocked by a security policy.".into(),
            status: 400,
        }
    }
}

impl Default for AuditFile {
    fn default() -> Self {
        Self {
            path: String::new(),
            durability: Durability::Normal,
            spool: at_least_one(65_536),
            on_full: OnFull::Closed,
        }
    }
}

impl Default for LogFile {
    fn default() -> Self {
        Self { level: LogLevel::Info, format: LogFormat::Text }
    }
}

/// Why a configuration is refused. A file is taken whole or not at all.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ConfigError {
    /// Not TOML, or a value of the wrong type.
    #[error("invalid configuration: line {line}, column {column}: {message}")]
    Syntax {
        /// Line, from 1.
        line: usize,
        /// Column, from 1.
        column: usize,
        /// What is wrong.
        message: String,
    },
    /// A key that does not exist.
    #[error("invalid configuration: line {line}: unknown key `{key}`{}", did_you_mean(.nearest.as_deref()))]
    UnknownKey {
        /// Line, from 1.
        line: usize,
        /// The key as written.
        key: String,
        /// The known key that looks most like it.
        nearest: Option<String>,
    },
    /// A value that is not possible.
    #[error("invalid configuration: {key}: {message}")]
    Value {
        /// Where in the file.
        key: String,
        /// What is wrong with the value.
        message: String,
    },
}

fn did_you_mean(nearest: Option<&str>) -> String {
    nearest.map(|key| format!("; did you mean `{key}`?")).unwrap_or_default()
}

/// The configuration, checked and ready for use.
#[derive(Clone, Debug)]
pub struct Config {
    /// Address of the HTTP listener.
    pub http: SocketAddr,
    /// What is refused, and how long things may take.
    pub limits: Limits,
    /// Whether a request needs a key.
    pub require_auth: bool,
    /// Whether /metrics is answered without a key.
    pub public_metrics: bool,
    /// The keys.
    pub keys: Vec<ApiKey>,
    /// The models behind the in-line proxy.
    pub upstream: UpstreamConfig,
    /// How streamed answers are inspected.
    pub stream: StreamConfig,
    /// What a block looks like.
    pub block: Block,
    /// The audit log, if there is one.
    pub audit: Option<AuditConfig>,
    /// What happens while the audit spool is full.
    pub on_full: OnFull,
    /// File of the policy; `None` for the one inside the binary.
    pub policy: Option<PathBuf>,
    /// Least severe level that is logged.
    pub log_level: LogLevel,
    /// Text or JSON.
    pub log_format: LogFormat,
}

/// What is refused, and how long things may take.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Largest request body, in bytes.
    pub body_bytes: usize,
    /// Largest request head, in bytes.
    pub header_bytes: usize,
    /// Deepest nesting in a request body.
    pub json_depth: usize,
    /// Time in which a request body must arrive.
    pub request_timeout: Duration,
    /// Time that the deep path has for one request.
    pub deep_deadline: Duration,
    /// Time in which a request head must arrive.
    pub header_read_timeout: Duration,
    /// Connections open at the same time.
    pub max_connections: usize,
    /// Requests in progress at the same time.
    pub max_in_flight: usize,
    /// Time that requests in progress have to finish at shutdown.
    pub drain_timeout: Duration,
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

/// How streamed answers are inspected, in bytes.
#[derive(Clone, Copy, Debug)]
pub struct StreamConfig {
    /// Last bytes of a growing text that are held back.
    pub hold: usize,
    /// Bytes that are inspected at once where no sentence ends before.
    pub step: usize,
    /// Bytes already sent on that are inspected again with what follows.
    pub overlap: usize,
}

/// What a block looks like.
#[derive(Clone, Debug)]
pub struct Block {
    /// Refusal or error.
    pub shape: BlockShape,
    /// The words of a refusal or an error.
    pub text: String,
    /// Status of an error.
    pub status: StatusCode,
}

/// The audit log: what the program that opens it needs to know.
#[derive(Clone, Debug)]
pub struct AuditConfig {
    /// File of the log.
    pub path: PathBuf,
    /// When a record counts as stored.
    pub durability: Durability,
    /// Records kept in memory while the disk is slow or away.
    pub spool: usize,
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
        Self::from_file(toml::from_str(text).map_err(|error| explain(text, &error))?)
    }

    /// The configuration that is in force when no file is given.
    ///
    /// # Errors
    /// Never in a released binary: the tests check what is embedded.
    pub fn embedded_default() -> Result<Self, ConfigError> {
        Self::parse(DEFAULT_CONFIG)
    }

    /// Checks a file that was read elsewhere. Reads the environment variable that `upstream.api_key_env` names.
    ///
    /// # Errors
    /// Any [`ConfigError::Value`].
    pub fn from_file(file: GatewayConfig) -> Result<Self, ConfigError> {
        let GatewayConfig {
            listen,
            limits,
            auth,
            upstream,
            anthropic,
            gemini,
            stream,
            block,
            audit,
            policy,
            log,
        } = file;
        let keys = auth
            .keys
            .into_iter()
            .enumerate()
            .map(|(index, key)| resolve_key(index, key))
            .collect::<Result<Vec<_>, _>>()?;
        for (index, key) in keys.iter().enumerate() {
            if keys.iter().take(index).any(|earlier| earlier.id() == key.id()) {
                return Err(value(&format!("auth.keys[{index}].id"), "another key has the same id"));
            }
        }
        let status = StatusCode::from_u16(block.status)
            .ok()
            .filter(StatusCode::is_client_error)
            .ok_or_else(|| value("block.status", "must be between 400 and 499"))?;
        Ok(Self {
            http: listen.http.parse().map_err(|_| value("listen.http", "is not an address and port"))?,
            limits: resolve_limits(&limits)?,
            require_auth: auth.require,
            public_metrics: auth.public_metrics,
            keys,
            upstream: resolve_upstream(upstream, &anthropic, &gemini)?,
            stream: resolve_stream(&stream)?,
            block: Block { shape: block.shape, text: block.refusal_text, status },
            audit: (!audit.path.is_empty()).then(|| AuditConfig {
                path: audit.path.into(),
                durability: audit.durability,
                spool: audit.spool.get(),
            }),
            on_full: audit.on_full,
            policy: (!policy.path.is_empty()).then(|| policy.path.into()),
            log_level: log.level,
            log_format: log.format,
        })
    }
}

/// The JSON schema of the configuration file.
#[must_use]
pub fn config_schema() -> schemars::Schema {
    schemars::schema_for!(GatewayConfig)
}

fn value(key: &str, message: &str) -> ConfigError {
    ConfigError::Value { key: key.to_owned(), message: message.to_owned() }
}

fn resolve_limits(file: &LimitsFile) -> Result<Limits, ConfigError> {
    if file.json_depth.get() > 128 {
        return Err(value("limits.json_depth", "must be at most 128"));
    }
    if file.header_bytes.get() < 8192 {
        return Err(value("limits.header_bytes", "must be at least 8192"));
    }
    let positive = |key: &str, milliseconds: u64| match milliseconds {
        0 => Err(value(key, "must be at least 1")),
        _ => Ok(Duration::from_millis(milliseconds)),
    };
    Ok(Limits {
        body_bytes: file.body_bytes.get(),
        header_bytes: file.header_bytes.get(),
        json_depth: file.json_depth.get(),
        request_timeout: positive("limits.request_timeout_ms", file.request_timeout_ms)?,
        deep_deadline: positive("limits.deep_deadline_ms", file.deep_deadline_ms)?,
        header_read_timeout: positive("limits.header_read_timeout_ms", file.header_read_timeout_ms)?,
        max_connections: file.max_connections.get().min(tokio::sync::Semaphore::MAX_PERMITS),
        max_in_flight: file.max_in_flight.get().min(tokio::sync::Semaphore::MAX_PERMITS),
        drain_timeout: Duration::from_millis(file.drain_timeout_ms),
    })
}

fn resolve_key(index: usize, file: KeyFile) -> Result<ApiKey, ConfigError> {
    let hash = KeyHash::parse(&file.hash).ok_or_else(|| {
        value(&format!("auth.keys[{index}].hash"), "must be `blake3:` and 64 hexadecimal digits")
    })?;
    Ok(ApiKey::new(file.id, hash, file.tenant, file.scopes.as_deref().unwrap_or(&Scope::ALL)))
}

fn resolve_upstream(
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
        return Err(value(&format!("{table}.base_url"), "must be an http:// or https:// address"));
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

/// The bounds of what is held back: shorter than an account number it would let one through in two halves, longer than
/// an answer it would be no stream.
const HOLD: std::ops::RangeInclusive<usize> = 64..=65_536;

fn resolve_stream(file: &StreamFile) -> Result<StreamConfig, ConfigError> {
    if !HOLD.contains(&file.hold_bytes) {
        return Err(value("stream.hold_bytes", "must be between 64 and 65536"));
    }
    if file.overlap_bytes > *HOLD.end() {
        return Err(value("stream.overlap_bytes", "must be at most 65536"));
    }
    Ok(StreamConfig { hold: file.hold_bytes, step: file.step_bytes.get(), overlap: file.overlap_bytes })
}

/// Turns the parser's message into ours: line and column, and for an unknown key the known one that looks most like it.
fn explain(text: &str, error: &toml::de::Error) -> ConfigError {
    let before = error.span().and_then(|span| text.get(..span.start)).unwrap_or_default();
    let line = before.matches('\n').count() + 1;
    let column = before.rsplit('\n').next().unwrap_or_default().chars().count() + 1;
    let mut quoted = error.message().split('`').skip(1).step_by(2);
    if error.message().starts_with("unknown field")
        && let Some(key) = quoted.next()
    {
        let nearest = quoted
            .map(|known| (strsim::damerau_levenshtein(key, known), known))
            .filter(|(distance, known)| *distance <= known.len().max(key.len()) / 2)
            .min()
            .map(|(_, known)| known.to_owned());
        return ConfigError::UnknownKey { line, key: key.to_owned(), nearest };
    }
    ConfigError::Syntax { line, column, message: error.message().to_owned() }
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
