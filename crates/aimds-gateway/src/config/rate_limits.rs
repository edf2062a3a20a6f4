//! How often callers may ask.

use std::collections::HashMap;

use schemars::JsonSchema;
use serde::Deserialize;

use super::error::{ConfigError, value};
use super::shared_limits::{self, SharedLimitsConfig};
use crate::rate_limits::Rate;

/// How often callers may ask. A rate is `<requests>/<window>`, the window in seconds, minutes or hours: `600/1m`.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct RateLimitsFile {
    /// Requests of one address (of IPv6: of its first 64 bits); empty for no limit.
    pub per_ip: String,
    /// Requests of one caller, however it shows who it is; empty for no limit.
    pub per_key: String,
    /// Requests of all callers of one tenant together; empty for no limit.
    pub per_tenant: String,
    /// Other rates for some callers.
    pub keys: Vec<NamedRateFile>,
    /// Other rates for some tenants.
    pub tenants: Vec<NamedRateFile>,
    /// Address of a Redis or Valkey server where gateways count together; empty: each by itself.
    pub redis_url: String,
    /// Name of the environment variable with its password.
    pub redis_password_env: String,
    /// File with its password.
    pub redis_password_file: String,
    /// PEM file with the authorities of its certificate; empty: those that browsers trust.
    pub redis_ca: String,
    /// Time for its answer, in milliseconds.
    pub redis_timeout_ms: u64,
    /// What its keys begin with.
    pub redis_prefix: String,
}

impl Default for RateLimitsFile {
    fn default() -> Self {
        Self {
            per_ip: String::new(),
            per_key: String::new(),
            per_tenant: String::new(),
            keys: Vec::new(),
            tenants: Vec::new(),
            redis_url: String::new(),
            redis_password_env: String::new(),
            redis_password_file: String::new(),
            redis_ca: String::new(),
            redis_timeout_ms: 5,
            redis_prefix: "aimds".to_owned(),
        }
    }
}

/// The rate of one caller or tenant.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct NamedRateFile {
    /// Its name.
    pub name: String,
    /// Its rate.
    pub rate: String,
}

/// How often callers may ask; `None` is no limit.
#[derive(Clone, Debug, Default)]
pub struct RateLimitsConfig {
    /// Requests of one address.
    pub per_ip: Option<Rate>,
    /// Requests of one caller.
    pub per_key: Option<Rate>,
    /// Requests of one tenant.
    pub per_tenant: Option<Rate>,
    /// Other rates for some callers.
    pub keys: HashMap<String, Rate>,
    /// Other rates for some tenants.
    pub tenants: HashMap<String, Rate>,
    /// Where gateways count together; `None`: each by itself.
    pub shared: Option<SharedLimitsConfig>,
}

pub(super) fn resolve(file: RateLimitsFile) -> Result<RateLimitsConfig, ConfigError> {
    let shared = shared_limits::resolve(&file)?;
    let RateLimitsFile { per_ip, per_key, per_tenant, keys, tenants, .. } = file;
    Ok(RateLimitsConfig {
        per_ip: optional("per_ip", &per_ip)?,
        per_key: optional("per_key", &per_key)?,
        per_tenant: optional("per_tenant", &per_tenant)?,
        keys: named("keys", keys)?,
        tenants: named("tenants", tenants)?,
        shared,
    })
}

fn optional(key: &str, text: &str) -> Result<Option<Rate>, ConfigError> {
    if text.is_empty() { Ok(None) } else { rate(key, text).map(Some) }
}

fn named(key: &str, files: Vec<NamedRateFile>) -> Result<HashMap<String, Rate>, ConfigError> {
    let mut rates = HashMap::new();
    for (index, NamedRateFile { name, rate: text }) in files.into_iter().enumerate() {
        let rate = rate(&format!("{key}[{index}].rate"), &text)?;
        if rates.insert(name, rate).is_some() {
            return Err(value(&format!("rate_limits.{key}[{index}].name"), "is there twice"));
        }
    }
    Ok(rates)
}

fn rate(key: &str, text: &str) -> Result<Rate, ConfigError> {
    let wrong = "must be requests and a window of at most 24h, such as \"600/1m\"";
    Rate::parse(text).ok_or_else(|| value(&format!("rate_limits.{key}"), wrong))
}

#[cfg(test)]
mod tests {
    use super::super::Config;

    #[test]
    fn rates_are_read_or_refused_with_their_place() {
        let config =
            Config::parse("[rate_limits]\nper_ip = \"100/1s\"\nkeys = [{ name = \"ci\", rate = \"5/m\" }]\n");
        let limits = config.unwrap().rate_limits;
        assert_eq!((limits.per_ip.unwrap().quota(), limits.per_key), (100, None));
        assert_eq!(limits.keys["ci"].window().as_secs(), 60);
        let check = |text: &str, expected: &str| {
            let error = Config::parse(&format!("[rate_limits]\n{text}\n")).unwrap_err().to_string();
            assert_eq!(error, format!("invalid configuration: rate_limits.{expected}"));
        };
        let wrong = "must be requests and a window of at most 24h, such as \"600/1m\"";
        check("per_ip = \"many\"", &format!("per_ip: {wrong}"));
        check("tenants = [{ name = \"a\", rate = \"0/s\" }]", &format!("tenants[0].rate: {wrong}"));
        let twice = "{ name = \"a\", rate = \"1/s\" }";
        check(&format!("keys = [{twice}, {twice}]"), "keys[1].name: is there twice");
    }
}
