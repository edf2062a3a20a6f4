//! What a route is: who may use it, whose error shape it speaks, what it takes and answers.

use std::future::Future;
use std::pin::Pin;

use axum::body::Body;
use axum::http::{Method, Request, Response};
use schemars::Schema;
use schemars::generate::SchemaGenerator;

use crate::app::Call;
use crate::auth::Scope;
use crate::error::{Failure, Shape};
use crate::providers::Provider;

/// What a route's handler returns.
pub(crate) type Answer = Pin<Box<dyn Future<Output = Result<Response<Body>, Failure>> + Send>>;

/// Who may use a route.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Access {
    /// Everyone.
    Open,
    /// Callers who have the scope.
    Key(Scope),
    /// As `Key`, for those who run the gateway: what is about it and not about texts.
    Staff(Scope),
    /// Callers who may send requests, by either scope: they see what is theirs.
    Known,
    /// As `Staff(Scope::Metrics)`, unless the operator opens /metrics.
    Metrics,
}

impl Access {
    /// The scope that a caller needs; `None` where everyone may come.
    pub(crate) fn scope(self) -> Option<Scope> {
        match self {
            Self::Open => None,
            Self::Key(scope) | Self::Staff(scope) => Some(scope),
            Self::Metrics => Some(Scope::Metrics),
            Self::Known => Some(Scope::Guard),
        }
    }

    /// Another scope that will do instead.
    pub(crate) fn or(self) -> Option<Scope> {
        (self == Self::Known).then_some(Scope::Proxy)
    }
}

/// One route.
pub(crate) struct Route {
    pub(crate) method: Method,
    pub(crate) path: &'static str,
    pub(crate) access: Access,
    /// Whose error shape it speaks.
    pub(crate) shape: Shape,
    /// Whether its answers carry `x-aimds-decision`.
    pub(crate) guarded: bool,
    pub(crate) summary: &'static str,
    pub(crate) request: Option<fn(&mut SchemaGenerator) -> Schema>,
    pub(crate) answer: (&'static str, fn(&mut SchemaGenerator) -> Schema),
    /// The model provider whose surface it is.
    pub(crate) provider: Option<&'static dyn Provider>,
    pub(crate) handler: fn(Call, Request<Body>) -> Answer,
}

impl Route {
    /// Whether it may be answered from early data, which whoever recorded it can send again (RFC 8446 §8, RFC 8470): it
    /// tells everyone the same, changes nothing and records nothing. A verdict does: it is counted and recorded.
    pub(crate) fn may_be_early(&self) -> bool {
        self.access == Access::Open && self.method == Method::GET
    }
}
