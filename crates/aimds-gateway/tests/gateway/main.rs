//! The gateway over real sockets. The upstream is a small real server that answers as it is told.
//!
//! Decisions come from the policy in `support::POLICY` and from two validators (e-mail: redact, card number: block), so
//! that these tests do not depend on the quality of a model. `attacks` is the exception, and says so.

mod attacks;
mod audit;
mod auth;
mod calls;
mod clients;
mod connections;
mod coverage;
mod drop_in;
mod graph;
mod guard;
mod hostile;
mod learn;
mod limits;
mod load;
mod mitigation;
#[cfg(feature = "neo4j")]
mod neo4j;
#[cfg(feature = "neo4j")]
#[path = "../../../aimds-graph/tests/graph/server.rs"]
mod neo4j_server;
mod operations;
mod proxy;
mod quic;
mod rate_limits;
mod redis_server;
mod review;
mod router;
mod sessions;
mod shared_limits;
mod siem;
mod streaming;
mod support;
mod telemetry;
mod tokens;
mod vault;
