//! The model router: targets, routes, budgets, the cache of answers.

use std::path::PathBuf;
use std::time::Duration;

use schemars::JsonSchema;
use serde::Deserialize;

use super::error::{ConfigError, value};
use super::upstream::resolve_target;
use super::{ServiceConfig, ServiceFile};
use crate::providers::Service;
use crate::router::{
    BreakerLimits, Budget, CacheLimits, Glob, HedgeLimits, Holder, Money, Order, Period, Price, RetryLimits,
    Route, Surface, Table, Target,
};

/// The model router.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct RouterFile {
    /// The models that requests may go to; none: there is no router.
    pub targets: Vec<TargetFile>,
    /// Which requests go where.
    pub routes: Vec<RouteFile>,
    /// Requests in which personal data or secrets are found go to local targets only.
    pub pii_stays_local: bool,
    /// Targets that one request is sent to at most.
    pub max_attempts: u8,
    /// Failures in a row after which a target is left alone.
    pub breaker_failures: u32,
    /// For how long, in milliseconds.
    pub breaker_open_ms: u64,
    /// Further attempts for each hundred requests.
    pub retry_percent: u8,
    /// Further attempts that are saved up at most.
    pub retry_burst: u32,
    /// Time after which a second target is asked beside a first that is slow, in milliseconds; 0: never.
    pub hedge_after_ms: u64,
    /// In place of it, the time in which so many in a hundred of the first target's latest answers came; 0: not.
    pub hedge_percentile: u8,
    /// What tenants and keys may spend.
    pub budgets: Vec<BudgetFile>,
    /// Share of a budget from which on answers carry a warning, in hundredths.
    pub budget_warn_percent: u8,
    /// File of what was spent; empty: forgotten at the end of the process.
    pub ledger: String,
    /// Which answers are kept and given again.
    pub cache: CacheMode,
    /// Bytes of all answers that are kept.
    pub cache_bytes: usize,
    /// Time that an answer may be given again, in milliseconds.
    pub cache_ttl_ms: u64,
    /// Also answers to private requests and to those with personal data or secrets.
    pub cache_private: bool,
}

impl Default for RouterFile {
    fn default() -> Self {
        Self {
            targets: Vec::new(),
            routes: Vec::new(),
            pii_stays_local: true,
            max_attempts: 3,
            breaker_failures: 5,
            breaker_open_ms: 30_000,
            retry_percent: 20,
            retry_burst: 10,
            hedge_after_ms: 0,
            hedge_percentile: 0,
            budgets: Vec::new(),
            budget_warn_percent: 80,
            ledger: String::new(),
            cache: CacheMode::Off,
            cache_bytes: 64 << 20,
            cache_ttl_ms: 300_000,
            cache_private: false,
        }
    }
}

/// A model that requests may go to.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct TargetFile {
    /// Its name in headers, records and metrics: letters, digits, `.`, `-`, `_`.
    pub name: String,
    /// What it understands; all of one provider.
    pub surfaces: Vec<Surface>,
    /// Base address.
    pub base_url: String,
    /// Name of the environment variable with its API key; left out where it needs none.
    #[serde(default)]
    pub api_key_env: String,
    /// The model that it is asked for; left out: the one that the caller names.
    #[serde(default)]
    pub model: String,
    /// Dollars for a million tokens of input, as a decimal number in quotes.
    pub input_price: String,
    /// Dollars for a million tokens of output.
    pub output_price: String,
    /// It is the operator's own: private requests may go there.
    #[serde(default)]
    pub local: bool,
    /// Time for its answer, in milliseconds; left out: `upstream.timeout_ms`.
    pub timeout_ms: Option<u64>,
}

/// Which requests go where.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RouteFile {
    /// Its name in headers, records and metrics.
    pub name: String,
    /// Models that the caller names; `*` stands for any letters.
    #[serde(default)]
    pub models: Vec<String>,
    /// Tenants.
    #[serde(default)]
    pub tenants: Vec<String>,
    /// Identifiers of API keys.
    #[serde(default)]
    pub keys: Vec<String>,
    /// Only requests that are, or are not, marked as private (header `x-aimds-private`).
    pub private: Option<bool>,
    /// Only requests in which personal data or secrets are, or are not, found.
    pub pii: Option<bool>,
    /// Points of complexity that a request has at least, from 0.
    #[serde(default)]
    pub min_score: u8,
    /// Points that it has at most, to 100.
    #[serde(default = "hundred")]
    pub max_score: u8,
    /// Names of targets, in the order in which they are tried.
    pub targets: Vec<String>,
    /// Whether the listed or the cheapest comes first.
    #[serde(default)]
    pub order: Order,
}

const fn hundred() -> u8 {
    100
}

/// What a tenant or a key may spend.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct BudgetFile {
    /// The tenant; or `key`.
    pub tenant: Option<String>,
    /// The identifier of the API key; or `tenant`.
    pub key: Option<String>,
    /// A day or a month of UTC.
    pub period: Period,
    /// Dollars, as a decimal number in quotes.
    pub dollars: String,
}

/// Which answers are kept and given again to the same request of the same tenant.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum CacheMode {
    /// None.
    Off,
    /// Embeddings, and answers to requests with temperature 0.
    Deterministic,
    /// All.
    Always,
}

/// The model router, checked.
#[derive(Clone, Debug)]
pub struct RouterConfig {
    /// Targets and routes.
    pub table: Table,
    /// Where the targets are, in the order of the table.
    pub places: Vec<TargetPlace>,
    /// Targets that one request is sent to at most.
    pub max_attempts: u8,
    /// When a target is left alone.
    pub breaker: BreakerLimits,
    /// How many further attempts there are.
    pub retries: RetryLimits,
    /// When a second target is asked beside a slow one.
    pub hedging: Option<HedgeLimits>,
    /// What tenants and keys may spend.
    pub budgets: Vec<Budget>,
    /// Share of a budget from which on answers carry a warning, in hundredths.
    pub budget_warn_percent: u8,
    /// File of what was spent.
    pub ledger: Option<PathBuf>,
    /// Which answers are kept.
    pub cache: CacheMode,
    /// How many for how long.
    pub cache_limits: CacheLimits,
    /// Also those to private requests and to those with personal data or secrets.
    pub cache_private: bool,
}

/// Where a target is.
#[derive(Clone, Debug)]
pub struct TargetPlace {
    pub(crate) service: Service,
    pub(crate) server: ServiceConfig,
    /// Time for its answer; for a stream, between two pieces of it.
    pub(crate) timeout: Duration,
}

impl RouterFile {
    /// Targets and routes, without what is needed to reach them: reads no environment.
    ///
    /// # Errors
    /// A [`ConfigError::Value`] that names the key.
    pub fn table(&self) -> Result<Table, ConfigError> {
        let mut table = Table { pii_stays_local: self.pii_stays_local, ..Table::default() };
        for (number, file) in self.targets.iter().enumerate() {
            table.targets.push(target(number, file)?);
        }
        unique("targets", self.targets.iter().map(|target| target.name.as_str()))?;
        for (number, file) in self.routes.iter().enumerate() {
            table.routes.push(route(number, file, &table.targets)?);
        }
        unique("routes", self.routes.iter().map(|route| route.name.as_str()))?;
        Ok(table)
    }

    /// How many answers are kept for how long.
    #[must_use]
    pub fn cache_limits(&self) -> CacheLimits {
        CacheLimits { bytes: self.cache_bytes, ttl_ms: self.cache_ttl_ms }
    }
}

pub(super) fn resolve(file: RouterFile, timeout: Duration) -> Result<Option<RouterConfig>, ConfigError> {
    let table = file.table()?;
    if file.targets.is_empty() {
        let alone = !file.routes.is_empty() || !file.budgets.is_empty() || file.cache != CacheMode::Off;
        return match alone {
            true => Err(value("router.targets", "routes, budgets and cache need targets")),
            false => Ok(None),
        };
    }
    if file.routes.is_empty() {
        return Err(value("router.routes", "without a route no target is ever used"));
    }
    if file.max_attempts == 0 || file.breaker_failures == 0 {
        return Err(value("router", "max_attempts and breaker_failures must be at least 1"));
    }
    if file.retry_percent > 100 || file.budget_warn_percent > 100 {
        return Err(value("router", "retry_percent and budget_warn_percent must be at most 100"));
    }
    if file.hedge_percentile > 99 {
        return Err(value("router.hedge_percentile", "must be at most 99"));
    }
    if file.hedge_percentile > 0 && file.hedge_after_ms == 0 {
        return Err(value(
            "router.hedge_after_ms",
            "must be the time that counts until enough answers are known",
        ));
    }
    if !file.budgets.is_empty() && file.ledger.is_empty() {
        return Err(value("router.ledger", "budgets need a file, else a restart would renew them"));
    }
    let place = |(number, file): (usize, &TargetFile)| place(number, file, timeout);
    Ok(Some(RouterConfig {
        table,
        places: file.targets.iter().enumerate().map(place).collect::<Result<_, _>>()?,
        max_attempts: file.max_attempts,
        breaker: BreakerLimits { failures: file.breaker_failures, open_ms: file.breaker_open_ms },
        retries: RetryLimits { percent: file.retry_percent, burst: file.retry_burst },
        hedging: (file.hedge_after_ms > 0)
            .then_some(HedgeLimits { after_ms: file.hedge_after_ms, percentile: file.hedge_percentile }),
        budgets: file.budgets.iter().enumerate().map(budget).collect::<Result<_, _>>()?,
        budget_warn_percent: file.budget_warn_percent,
        cache: file.cache,
        cache_limits: file.cache_limits(),
        cache_private: file.cache_private,
        ledger: (!file.ledger.is_empty()).then(|| file.ledger.into()),
    }))
}

fn target(number: usize, file: &TargetFile) -> Result<Target, ConfigError> {
    let at = |key: &str| format!("router.targets[{number}].{key}");
    check_name(&at("name"), &file.name)?;
    let Some(service) = file.surfaces.first().map(|&surface| Service::of(surface)) else {
        return Err(value(&at("surfaces"), "must name at least one"));
    };
    if file.surfaces.iter().any(|&surface| Service::of(surface) != service) {
        return Err(value(&at("surfaces"), "must be surfaces of one provider"));
    }
    // Gemini's API has it in the address.
    let in_address = service == Service::Gemini && file.model.contains(['/', ':', '?', '#', '%']);
    let plain = file.model.bytes().all(|byte| byte.is_ascii_graphic());
    if !plain || in_address || file.model.contains("..") {
        return Err(value(&at("model"), "is not the name of a model"));
    }
    let price = Price::parse(&file.input_price, &file.output_price).ok_or_else(|| {
        let prices = format!("router.targets[{number}]");
        value(&prices, "prices must be dollars for a million tokens with at most six places, as \"0.15\"")
    })?;
    Ok(Target {
        name: file.name.clone(),
        surfaces: file.surfaces.clone(),
        model: (!file.model.is_empty()).then(|| file.model.clone()),
        price,
        local: file.local,
    })
}

fn route(number: usize, file: &RouteFile, targets: &[Target]) -> Result<Route, ConfigError> {
    let at = |key: &str| format!("router.routes[{number}].{key}");
    check_name(&at("name"), &file.name)?;
    if file.min_score > file.max_score || file.max_score > 100 {
        return Err(value(&at("max_score"), "must be between min_score and 100"));
    }
    let find = |name: &String| {
        let position = targets.iter().position(|target| target.name == *name);
        position.ok_or_else(|| value(&at("targets"), &format!("there is no target `{name}`")))
    };
    if file.targets.is_empty() {
        return Err(value(&at("targets"), "must name at least one"));
    }
    Ok(Route {
        name: file.name.clone(),
        models: file.models.iter().map(|model| Glob::new(model)).collect(),
        tenants: file.tenants.clone(),
        keys: file.keys.clone(),
        private: file.private,
        pii: file.pii,
        min_score: file.min_score,
        max_score: file.max_score,
        targets: file.targets.iter().map(find).collect::<Result<_, _>>()?,
        order: file.order,
    })
}

fn place(number: usize, file: &TargetFile, timeout: Duration) -> Result<TargetPlace, ConfigError> {
    let table = format!("router.targets[{number}]");
    if file.timeout_ms == Some(0) {
        return Err(value(&format!("{table}.timeout_ms"), "must be at least 1 millisecond"));
    }
    let service = file.surfaces.first().map_or(Service::OpenAi, |&surface| Service::of(surface));
    let address = ServiceFile { base_url: file.base_url.clone(), api_key_env: file.api_key_env.clone() };
    let server = resolve_target(&table, &address, service)?;
    Ok(TargetPlace { service, server, timeout: file.timeout_ms.map_or(timeout, Duration::from_millis) })
}

fn budget((number, file): (usize, &BudgetFile)) -> Result<Budget, ConfigError> {
    let at = format!("router.budgets[{number}]");
    let holder = match (&file.tenant, &file.key) {
        (Some(tenant), None) => Holder::Tenant(tenant.clone()),
        (None, Some(key)) => Holder::Key(key.clone()),
        _ => return Err(value(&at, "must name either a tenant or a key")),
    };
    let amount = Money::parse(&file.dollars)
        .ok_or_else(|| value(&format!("{at}.dollars"), "must be an amount of dollars, as \"12.50\""))?;
    Ok(Budget { holder, period: file.period, amount })
}

fn check_name(key: &str, name: &str) -> Result<(), ConfigError> {
    let good = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'_');
    match (1..=64).contains(&name.len()) && name.bytes().all(good) {
        true => Ok(()),
        false => Err(value(key, "must be 1 to 64 letters, digits, `.`, `-` or `_`")),
    }
}

fn unique<'a>(list: &str, names: impl Iterator<Item = &'a str>) -> Result<(), ConfigError> {
    let mut seen = std::collections::BTreeSet::new();
    for (number, name) in names.enumerate() {
        if !seen.insert(name) {
            return Err(value(&format!("router.{list}[{number}].name"), "another one has the same name"));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests;
