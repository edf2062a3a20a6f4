//! What is refused, and how long things may take.

use std::num::NonZeroUsize;
use std::time::Duration;

use schemars::JsonSchema;
use serde::Deserialize;

use super::at_least_one;
use super::error::{ConfigError, value};

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
    /// Time in which a client must take some of the answer that is sent to it, in milliseconds.
    pub answer_timeout_ms: u64,
    /// Connections open at the same time.
    pub max_connections: NonZeroUsize,
    /// Connections of one address open at the same time.
    pub connections_per_address: NonZeroUsize,
    /// Requests in progress at the same time.
    pub max_in_flight: NonZeroUsize,
    /// Time that requests in progress have to finish at shutdown, in milliseconds.
    pub drain_timeout_ms: u64,
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
            answer_timeout_ms: 30_000,
            max_connections: at_least_one(4096),
            connections_per_address: at_least_one(2048),
            max_in_flight: at_least_one(1024),
            drain_timeout_ms: 10_000,
        }
    }
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
    /// Time in which a client must take some of its answer.
    pub answer_timeout: Duration,
    /// Connections open at the same time.
    pub max_connections: usize,
    /// Connections of one address open at the same time.
    pub connections_per_address: usize,
    /// Requests in progress at the same time.
    pub max_in_flight: usize,
    /// Time that requests in progress have to finish at shutdown.
    pub drain_timeout: Duration,
}

pub(super) fn resolve(file: &LimitsFile) -> Result<Limits, ConfigError> {
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
        answer_timeout: positive("limits.answer_timeout_ms", file.answer_timeout_ms)?,
        connections_per_address: file.connections_per_address.get(),
        max_connections: file.max_connections.get().min(tokio::sync::Semaphore::MAX_PERMITS),
        max_in_flight: file.max_in_flight.get().min(tokio::sync::Semaphore::MAX_PERMITS),
        drain_timeout: Duration::from_millis(file.drain_timeout_ms),
    })
}
