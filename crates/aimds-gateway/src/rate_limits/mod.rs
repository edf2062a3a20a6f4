//! How often callers may ask: limits per address, per caller and per tenant, and the headers that tell what is left
//! (draft-ietf-httpapi-ratelimit-headers).
//!
//! The address is asked before anything about the request is believed, so that guessing at keys is limited too; the
//! caller before its tenant, so that one caller at its limit uses up nothing of the others.

mod gcra;
mod table;

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
use table::Table;

const LIMIT: HeaderName = HeaderName::from_static("ratelimit");
const POLICY: HeaderName = HeaderName::from_static("ratelimit-policy");

/// The limits that are in force, and how much of them is used.
#[derive(Debug)]
pub(crate) struct RateLimits {
    address: Option<Limit>,
    caller: Option<Limit>,
    tenant: Option<Limit>,
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
            begun: Instant::now(),
        }
    }

    /// Asks for one request from an address.
    ///
    /// # Errors
    /// [`Failure::RateLimited`].
    pub(crate) fn take_address(&self, address: IpAddr, standing: &mut Standing) -> Result<(), Failure> {
        let Some(limit) = &self.address else { return Ok(()) };
        limit.take(limit.everyone, subscriber(address), self.now(), standing)
    }

    /// Asks for one request of a caller.
    ///
    /// # Errors
    /// [`Failure::RateLimited`].
    pub(crate) fn take_caller(&self, caller: &Principal, standing: &mut Standing) -> Result<(), Failure> {
        if let Some(limit) = &self.caller {
            let source = (caller.tenant(), caller.id());
            limit.take(limit.rate_of(caller.id()), source, self.now(), standing)?;
        }
        if let Some(limit) = &self.tenant {
            limit.take(limit.rate_of(caller.tenant()), caller.tenant(), self.now(), standing)?;
        }
        Ok(())
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

    fn take(
        &self,
        rate: Option<Rate>,
        source: impl std::hash::Hash,
        now: u64,
        standing: &mut Standing,
    ) -> Result<(), Failure> {
        let Some(rate) = rate else { return Ok(()) };
        match self.table.take(source, rate, now) {
            Ok(Some(left)) => standing.0.push((self.name, rate, left)),
            Ok(None) => {}
            Err(wait) => {
                standing.0.push((self.name, rate, Left { requests: 0, full_in: wait }));
                return Err(Failure::RateLimited { wait_s: seconds(wait) });
            }
        }
        Ok(())
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
