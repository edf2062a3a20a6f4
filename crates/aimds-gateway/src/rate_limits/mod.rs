//! How often callers may ask: limits per address, per caller and per tenant, and the headers that tell what is left
//! (draft-ietf-httpapi-ratelimit-headers).
//!
//! The address is asked before anything about the request is believed, so that guessing at keys is limited too; the
//! caller before its tenant, so that one caller at its limit uses up nothing of the others. Limits count in this process and,
//! where a store is configured, together with those of other gateways: what this process lets in is asked for there too.

mod gcra;
mod link;
mod shared;
mod table;
#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::fmt::Write as _;
use std::net::IpAddr;
use std::time::{Duration, Instant};

use axum::http::{HeaderMap, HeaderName, HeaderValue};

pub use gcra::Rate;

use crate::address::subscriber;
use crate::auth::Principal;
use crate::config::RateLimitsConfig;
use crate::error::Failure;
use gcra::{Left, nanoseconds};
use shared::{Answer, Shared};
use table::Table;

const LIMIT: HeaderName = HeaderName::from_static("ratelimit");
const POLICY: HeaderName = HeaderName::from_static("ratelimit-policy");

/// The limits that are in force, and how much of them is used.
#[derive(Debug)]
pub(crate) struct RateLimits {
    address: Option<Limit>,
    caller: Option<Limit>,
    tenant: Option<Limit>,
    shared: Option<Shared>,
    begun: Instant,
}

/// One limit for everyone of a kind, and other ones for some of them.
#[derive(Debug)]
struct Limit {
    name: &'static str,
    /// `None`: only those who are named are limited.
    everyone: Option<Rate>,
    named: HashMap<String, Rate>,
    table: Table,
}

/// Whose request it is.
#[derive(Clone, Copy, Debug, Hash)]
enum Source<'a> {
    Address(IpAddr),
    Caller { tenant: &'a str, id: &'a str },
    Tenant(&'a str),
}

/// One limit that a request is under.
struct Asked<'a> {
    limit: &'a Limit,
    rate: Rate,
    source: Source<'a>,
}

/// What the limits say about one request.
#[derive(Debug, Default)]
pub(crate) struct Standing(Vec<(&'static str, Rate, Left)>);

impl RateLimits {
    pub(crate) fn new(config: RateLimitsConfig) -> Self {
        let limit = |name, everyone: Option<Rate>, named: HashMap<String, Rate>| {
            let any = everyone.is_some() || !named.is_empty();
            any.then(|| Limit { name, everyone, named, table: Table::new() })
        };
        Self {
            address: limit("ip", config.per_ip, HashMap::new()),
            caller: limit("key", config.per_key, config.keys),
            tenant: limit("tenant", config.per_tenant, config.tenants),
            shared: config.shared.map(Shared::new),
            begun: Instant::now(),
        }
    }

    /// Begins to connect to the store of shared limits, if there is one, on the runtime that it is called from.
    pub(crate) fn start(&self) {
        if let Some(shared) = &self.shared {
            shared.start();
        }
    }

    /// Asks for one request from an address.
    ///
    /// # Errors
    /// [`Failure::RateLimited`].
    pub(crate) async fn take_address(&self, address: IpAddr, standing: &mut Standing) -> Result<(), Failure> {
        let source = Source::Address(subscriber(address));
        let asked = self.address.as_ref().and_then(|limit| limit.ask(limit.everyone, source));
        self.take(&[asked], standing).await
    }

    /// Asks for one request of a caller.
    ///
    /// # Errors
    /// [`Failure::RateLimited`].
    pub(crate) async fn take_caller(
        &self,
        caller: &Principal,
        standing: &mut Standing,
    ) -> Result<(), Failure> {
        let (id, tenant) = (caller.id(), caller.tenant());
        let source = Source::Caller { tenant, id };
        let first = self.caller.as_ref().and_then(|limit| limit.ask(limit.rate_of(id), source));
        let source = Source::Tenant(tenant);
        let second = self.tenant.as_ref().and_then(|limit| limit.ask(limit.rate_of(tenant), source));
        self.take(&[first, second], standing).await
    }

    async fn take(&self, asked: &[Option<Asked<'_>>], standing: &mut Standing) -> Result<(), Failure> {
        let now = self.now();
        for asked in asked.iter().flatten() {
            asked.take(now, standing)?;
        }
        let Some(shared) = self.shared.as_ref().filter(|_| asked.iter().any(Option::is_some)) else {
            return Ok(());
        };
        let limits: Vec<_> = asked
            .iter()
            .flatten()
            .map(|asked| shared.about(asked.limit, &asked.source, asked.rate))
            .collect();
        let Some(answers) = shared.ask(&limits).await else { return Ok(()) };
        let mut result = Ok(());
        for (place, asked) in asked.iter().flatten().enumerate() {
            if let Err(refused) = asked.settle(answers.get(place), now, standing) {
                result = Err(refused);
            }
        }
        result
    }

    /// Adds to what Prometheus reads.
    pub(crate) fn expose(&self, out: &mut String) {
        if let Some(shared) = &self.shared {
            shared.expose(out);
        }
    }

    /// Nanoseconds since a window before the start, so that 0 is long ago.
    fn now(&self) -> u64 {
        nanoseconds(self.begun.elapsed() + Duration::from_secs(86_400))
    }
}

impl Limit {
    fn rate_of(&self, name: &str) -> Option<Rate> {
        self.named.get(name).copied().or(self.everyone)
    }

    fn ask<'a>(&'a self, rate: Option<Rate>, source: Source<'a>) -> Option<Asked<'a>> {
        Some(Asked { limit: self, rate: rate?, source })
    }
}

impl Asked<'_> {
    /// Asks for one request in this process.
    fn take(&self, now: u64, standing: &mut Standing) -> Result<(), Failure> {
        match self.limit.table.take(self.source, self.rate, now) {
            Ok(Some(left)) => standing.0.push((self.limit.name, self.rate, left)),
            Ok(None) => {}
            Err(wait) => return Err(self.refuse(wait, standing)),
        }
        Ok(())
    }

    /// Takes over what the store says of a request that was let in here at `now`; `None`: it was not asked, because an
    /// earlier limit had refused. Between asking and its answer nothing comes back, so that what is remembered is never too
    /// much.
    fn settle(&self, answer: Option<&Answer>, now: u64, standing: &mut Standing) -> Result<(), Failure> {
        let Self { limit, rate, source } = self;
        match answer {
            Some(&Answer::Granted(used)) => {
                limit.table.learn(source, now.saturating_add(used), 0);
                let left = rate.left(used);
                let told = standing.0.iter_mut().find(|(name, ..)| *name == limit.name);
                if let Some((.., told)) = told.filter(|(.., told)| told.full_in < left.full_in) {
                    *told = left;
                }
                Ok(())
            }
            Some(&Answer::Refused(wait)) => {
                let used = (nanoseconds(rate.window()) + nanoseconds(wait)).saturating_sub(rate.share());
                limit.table.learn(source, now.saturating_add(used), rate.share());
                Err(self.refuse(wait, standing))
            }
            None => {
                limit.table.learn(source, 0, rate.share());
                standing.0.retain(|(name, ..)| *name != limit.name);
                Ok(())
            }
        }
    }

    fn refuse(&self, wait: Duration, standing: &mut Standing) -> Failure {
        standing.0.retain(|(name, ..)| *name != self.limit.name);
        standing.0.push((self.limit.name, self.rate, Left { requests: 0, full_in: wait }));
        Failure::RateLimited { wait_s: seconds(wait) }
    }
}

impl Source<'_> {
    /// A name of one length, whatever callers are called.
    fn digest(&self) -> String {
        let mut hasher = blake3::Hasher::new();
        let mut part = |part: &[u8]| {
            hasher.update(&(part.len() as u64).to_le_bytes()).update(part);
        };
        match self {
            Self::Address(IpAddr::V4(address)) => part(&address.octets()),
            Self::Address(IpAddr::V6(address)) => part(&address.octets()),
            Self::Caller { tenant, id } => {
                part(tenant.as_bytes());
                part(id.as_bytes());
            }
            Self::Tenant(tenant) => part(tenant.as_bytes()),
        }
        let mut name = hasher.finalize().to_hex().to_string();
        name.truncate(32);
        name
    }
}

impl Standing {
    /// Tells the caller: which limits there are, how many requests each would still let in, and in how many seconds
    /// there is more.
    pub(crate) fn tell(&self, headers: &mut HeaderMap) {
        if self.0.is_empty() {
            return;
        }
        let (mut policies, mut limits) = (String::new(), String::new());
        for (name, rate, left) in &self.0 {
            let comma = if policies.is_empty() { "" } else { ", " };
            let (quota, window) = (rate.quota(), rate.window().as_secs());
            let _ = write!(policies, "{comma}\"{name}\";q={quota};w={window}");
            let _ = write!(limits, "{comma}\"{name}\";r={};t={}", left.requests, seconds(left.full_in));
        }
        for (name, value) in [(POLICY, policies), (LIMIT, limits)] {
            headers.extend(HeaderValue::try_from(value).ok().map(|value| (name, value)));
        }
    }
}

/// Rounded up: whoever comes back then is let in.
fn seconds(time: Duration) -> u64 {
    time.as_secs() + u64::from(time.subsec_nanos() > 0)
}
