//! Traces for OpenTelemetry.

use std::num::NonZeroUsize;
use std::time::Duration;

use axum::http::{HeaderMap, HeaderName, HeaderValue, Uri};
use percent_encoding::percent_decode_str;
use schemars::JsonSchema;
use serde::Deserialize;

use super::at_least_one;
use super::error::{ConfigError, value};

/// Where a collector on the same machine listens (OTLP/HTTP).
const COLLECTOR: &str = "http://localhost:4318";
const MILLION: u32 = 1_000_000;

/// Traces for OpenTelemetry.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct TelemetryFile {
    /// Whether requests are traced.
    pub enabled: bool,
    /// Base address of the collector.
    pub endpoint: String,
    /// Name of this service in traces.
    pub service_name: String,
    /// Of a million traces that begin here, how many are exported.
    pub sample_per_million: u32,
    /// Whether traces of callers are gone on with.
    pub from_callers: bool,
    /// Whether the model's servers are told the trace.
    pub to_upstream: bool,
    /// What names of attributes about guardrails begin with.
    pub namespace: String,
    /// Environment variable with the key that texts are hashed with; empty: a key of this run.
    pub hash_key_env: String,
    /// Spans that wait. More are dropped, and counted.
    pub queue: NonZeroUsize,
    /// Most spans of one export.
    pub batch: NonZeroUsize,
    /// How long spans wait for others, in milliseconds.
    pub interval_ms: u64,
    /// Time for one export, in milliseconds.
    pub timeout_ms: u64,
}

impl Default for TelemetryFile {
    fn default() -> Self {
        Self {
            enabled: false,
            endpoint: String::new(),
            service_name: String::new(),
            sample_per_million: MILLION,
            from_callers: true,
            to_upstream: true,
            namespace: "microsoft".into(),
            hash_key_env: String::new(),
            queue: at_least_one(8192),
            batch: at_least_one(512),
            interval_ms: 5_000,
            timeout_ms: 10_000,
        }
    }
}

/// Traces for OpenTelemetry.
#[derive(Clone)]
pub struct TelemetryConfig {
    /// Where spans are sent, with the path.
    pub endpoint: Uri,
    /// Headers of each export, marked as sensitive.
    pub headers: HeaderMap,
    /// What describes this service.
    pub resource: Vec<(String, String)>,
    /// Share of the traces that begin here which is exported, in \[0, 1\].
    pub sample: f64,
    /// Whether traces of callers are gone on with.
    pub from_callers: bool,
    /// Whether the model's servers are told the trace.
    pub to_upstream: bool,
    /// What names of attributes about guardrails begin with.
    pub namespace: String,
    /// The key that texts are hashed with; `None` for one of this run.
    pub hash_key: Option<[u8; 32]>,
    /// Spans that wait.
    pub queue: usize,
    /// Most spans of one export.
    pub batch: usize,
    /// How long spans wait for others.
    pub interval: Duration,
    /// Time for one export.
    pub timeout: Duration,
}

impl std::fmt::Debug for TelemetryConfig {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("TelemetryConfig").field("endpoint", &self.endpoint).finish_non_exhaustive()
    }
}

/// What the file leaves open comes from the variables that OpenTelemetry names for all programs.
pub(super) fn resolve(
    file: TelemetryFile,
    variable: impl Fn(&str) -> Option<String>,
) -> Result<Option<TelemetryConfig>, ConfigError> {
    let wrong = |key: &str, message: &str| value(&format!("telemetry.{key}"), message);
    if file.sample_per_million > MILLION {
        return Err(wrong("sample_per_million", "must be at most 1000000"));
    }
    if file.queue.get() > 1 << 20 {
        return Err(wrong("queue", "must be at most 1048576"));
    }
    if file.batch > file.queue {
        return Err(wrong("batch", "must be at most telemetry.queue"));
    }
    if file.interval_ms == 0 || file.timeout_ms == 0 {
        return Err(value("telemetry", "times must be at least 1 millisecond"));
    }
    let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || matches!(byte, b'_' | b'.');
    if !(1..=64).contains(&file.namespace.len()) || !file.namespace.bytes().all(plain) {
        return Err(wrong("namespace", "must have 1 to 64 lower-case letters, digits, `_` and `.`"));
    }
    if !file.enabled {
        return Ok(None);
    }
    let variable = |name: &str| variable(name).filter(|text| !text.trim().is_empty());
    let protocol = ["OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "OTEL_EXPORTER_OTLP_PROTOCOL"];
    if protocol.iter().find_map(|name| variable(name)).is_some_and(|protocol| protocol != "http/protobuf") {
        return Err(value(
            "telemetry",
            "OTEL_EXPORTER_OTLP_PROTOCOL must be http/protobuf: no other is spoken",
        ));
    }
    let names = ["OTEL_EXPORTER_OTLP_TRACES_HEADERS", "OTEL_EXPORTER_OTLP_HEADERS"];
    let headers = names.into_iter().find_map(|name| Some((name, variable(name)?)));
    let hash_key = match file.hash_key_env.as_str() {
        "" => None,
        name => {
            let key = variable(name).and_then(|key| blake3::Hash::from_hex(key.trim()).ok());
            let key = key.ok_or_else(|| {
                wrong("hash_key_env", "the environment variable does not hold 64 hexadecimal digits")
            })?;
            Some(*key.as_bytes())
        }
    };
    Ok(Some(TelemetryConfig {
        endpoint: endpoint(&file.endpoint, &variable)?,
        headers: headers.map(|(name, text)| header_map(name, &text)).transpose()?.unwrap_or_default(),
        resource: resource(&file.service_name, &variable)?,
        sample: f64::from(file.sample_per_million) / f64::from(MILLION),
        from_callers: file.from_callers,
        to_upstream: file.to_upstream,
        namespace: file.namespace,
        hash_key,
        queue: file.queue.get(),
        batch: file.batch.get(),
        interval: Duration::from_millis(file.interval_ms),
        timeout: Duration::from_millis(file.timeout_ms),
    }))
}

fn endpoint(own: &str, variable: &impl Fn(&str) -> Option<String>) -> Result<Uri, ConfigError> {
    let (from, text, whole) = match own {
        "" => match (variable("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT"), variable("OTEL_EXPORTER_OTLP_ENDPOINT"))
        {
            (Some(whole), _) => ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", whole, true),
            (None, Some(base)) => ("OTEL_EXPORTER_OTLP_ENDPOINT", base, false),
            (None, None) => ("endpoint", COLLECTOR.to_owned(), false),
        },
        own => ("endpoint", own.to_owned(), false),
    };
    let address = match whole {
        true => text.trim().to_owned(),
        false => format!("{}/v1/traces", text.trim().trim_end_matches('/')),
    };
    let uri = address.parse::<Uri>().ok().filter(|uri| {
        matches!(uri.scheme_str(), Some("http" | "https")) && uri.host().is_some() && uri.query().is_none()
    });
    uri.ok_or_else(|| value(&format!("telemetry.{from}"), "must be an http:// or https:// address"))
}

/// `name=value,name=value`, the values percent-encoded (W3C Baggage). What is wrong is not quoted: it may be a secret.
fn pairs(name: &str, text: &str) -> Result<Vec<(String, String)>, ConfigError> {
    let refused = || value("telemetry", &format!("{name} is not of the form name=value,name=value"));
    let pair = |pair: &str| {
        let (name, text) = pair.split_once('=')?;
        let text = percent_decode_str(text.trim()).decode_utf8().ok()?;
        (!name.trim().is_empty()).then(|| (name.trim().to_owned(), text.into_owned()))
    };
    let parts = text.split(',').filter(|part| !part.trim().is_empty());
    parts.map(|part| pair(part).ok_or_else(refused)).collect()
}

fn header_map(variable: &str, text: &str) -> Result<HeaderMap, ConfigError> {
    let refused = || value("telemetry", &format!("{variable} holds something that is no header"));
    let mut headers = HeaderMap::new();
    for (name, text) in pairs(variable, text)? {
        let name = HeaderName::try_from(name).map_err(|_| refused())?;
        let mut text = HeaderValue::try_from(text).map_err(|_| refused())?;
        text.set_sensitive(true);
        headers.insert(name, text);
    }
    Ok(headers)
}

fn resource(
    service_name: &str,
    variable: &impl Fn(&str) -> Option<String>,
) -> Result<Vec<(String, String)>, ConfigError> {
    let name = "OTEL_RESOURCE_ATTRIBUTES";
    let mut resource = variable(name).map(|text| pairs(name, &text)).transpose()?.unwrap_or_default();
    let own = Some(service_name.to_owned()).filter(|own| !own.is_empty());
    let named = own.or_else(|| variable("OTEL_SERVICE_NAME"));
    let has_name = resource.iter().any(|(name, _)| name == "service.name");
    if let Some(named) = named.or_else(|| (!has_name).then(|| "aimds".to_owned())) {
        resource.retain(|(name, _)| name != "service.name");
        resource.push(("service.name".to_owned(), named));
    }
    if !resource.iter().any(|(name, _)| name == "service.version") {
        resource.push(("service.version".to_owned(), env!("CARGO_PKG_VERSION").to_owned()));
    }
    Ok(resource)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn resolved(
        file: &TelemetryFile,
        variables: &[(&str, &str)],
    ) -> Result<Option<TelemetryConfig>, ConfigError> {
        let variable = |name: &str| {
            variables.iter().find(|(known, _)| *known == name).map(|(_, text)| (*text).to_owned())
        };
        resolve(file.clone(), variable)
    }

    fn on() -> TelemetryFile {
        TelemetryFile { enabled: true, ..TelemetryFile::default() }
    }

    #[test]
    fn traces_are_off_unless_they_are_switched_on() {
        let set = [("OTEL_EXPORTER_OTLP_ENDPOINT", "http://collector:4318")];
        assert!(resolved(&TelemetryFile::default(), &set).unwrap().is_none());
    }

    #[test]
    fn the_address_comes_from_the_file_then_from_the_variables() {
        let check = |own: &str, variables: &[(&str, &str)], expected: &str| {
            let file = TelemetryFile { endpoint: own.into(), ..on() };
            assert_eq!(resolved(&file, variables).unwrap().unwrap().endpoint, expected);
        };
        let base = ("OTEL_EXPORTER_OTLP_ENDPOINT", "https://c.example:4318/otlp/");
        let traces = ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "http://t.example/in");
        check("", &[], "http://localhost:4318/v1/traces");
        check("", &[base], "https://c.example:4318/otlp/v1/traces");
        check("", &[base, traces], "http://t.example/in");
        check("", &[("OTEL_EXPORTER_OTLP_ENDPOINT", " ")], "http://localhost:4318/v1/traces");
        check("http://own.example", &[base, traces], "http://own.example/v1/traces");
    }

    #[test]
    fn headers_and_what_describes_the_service_come_from_the_variables() {
        let variables = [
            ("OTEL_EXPORTER_OTLP_HEADERS", "Authorization=Basic%20c2VjcmV0, x-team = a=b"),
            ("OTEL_RESOURCE_ATTRIBUTES", "service.name=other,deployment.environment.name=test%20bed,"),
            ("OTEL_SERVICE_NAME", "edge"),
        ];
        let config = resolved(&on(), &variables).unwrap().unwrap();
        assert_eq!(config.headers["authorization"], "Basic c2VjcmV0");
        assert_eq!(config.headers["x-team"], "a=b");
        assert!(
            !format!("{config:?}").contains("c2VjcmV0") && config.headers["authorization"].is_sensitive()
        );
        let told: Vec<_> =
            config.resource.iter().map(|(name, text)| (name.as_str(), text.as_str())).collect();
        let version = ("service.version", env!("CARGO_PKG_VERSION"));
        assert_eq!(told, [("deployment.environment.name", "test bed"), ("service.name", "edge"), version]);
        let name = |file: &TelemetryFile, variables: &[(&str, &str)]| {
            let resource = resolved(file, variables).unwrap().unwrap().resource;
            resource.into_iter().find(|(name, _)| name == "service.name").unwrap().1
        };
        assert_eq!(name(&on(), &variables[1..2]), "other");
        assert_eq!(name(&on(), &[]), "aimds");
        assert_eq!(name(&TelemetryFile { service_name: "own".into(), ..on() }, &variables), "own");
    }

    #[test]
    fn what_cannot_be_is_refused_without_a_secret_in_the_message() {
        let check = |file: TelemetryFile, variables: &[(&str, &str)], expected: &str| {
            let error = resolved(&file, variables).unwrap_err().to_string();
            assert_eq!(error, format!("invalid configuration: telemetry{expected}"));
        };
        let address = "must be an http:// or https:// address";
        check(TelemetryFile { endpoint: "c:4317".into(), ..on() }, &[], &format!(".endpoint: {address}"));
        let grpc = [("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc")];
        check(on(), &grpc, ": OTEL_EXPORTER_OTLP_PROTOCOL must be http/protobuf: no other is spoken");
        let secret = [("OTEL_EXPORTER_OTLP_HEADERS", "s3cret")];
        check(on(), &secret, ": OTEL_EXPORTER_OTLP_HEADERS is not of the form name=value,name=value");
        let secret = [("OTEL_EXPORTER_OTLP_HEADERS", "a=s3cret%0a")];
        check(on(), &secret, ": OTEL_EXPORTER_OTLP_HEADERS holds something that is no header");
        let ratio = TelemetryFile { sample_per_million: 1_000_001, ..on() };
        check(ratio, &[], ".sample_per_million: must be at most 1000000");
        let batch = TelemetryFile { queue: at_least_one(5), ..on() };
        check(batch, &[], ".batch: must be at most telemetry.queue");
        let key = TelemetryFile { hash_key_env: "KEY".into(), ..on() };
        let short = ".hash_key_env: the environment variable does not hold 64 hexadecimal digits";
        check(key, &[("KEY", "ab")], short);
        let name = TelemetryFile { namespace: "Micro soft".into(), ..on() };
        check(name, &[], ".namespace: must have 1 to 64 lower-case letters, digits, `_` and `.`");
    }
}
