//! Who may do what: scopes with their routes, roles, and the callers that the configuration names.

use axum::body::Body;
use axum::http::Response;
use schemars::JsonSchema;
use serde::Serialize;

use super::admin::{LISTED, answer as json, sees};
use crate::app::Call;
use crate::auth::{Principal, Scope};
use crate::error::Failure;

/// Who may do what.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct AccessAnswer {
    /// Every scope with the routes that need it.
    scopes: Vec<ScopeRoutes>,
    /// Routes that ask nobody who they are.
    open: Vec<String>,
    /// The roles of the configuration.
    roles: Vec<Role>,
    /// The first thousand callers that the configuration names, by tenant and name.
    callers: Vec<Caller>,
    /// How many callers there are. Bearers of tokens are not among them: their issuers know them.
    callers_total: usize,
}

/// One scope.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct ScopeRoutes {
    /// Its name.
    scope: &'static str,
    /// What it is for.
    meaning: &'static str,
    /// Method and path of every route that needs it.
    routes: Vec<String>,
}

/// One role.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct Role {
    /// Its name.
    name: String,
    /// What it allows.
    scopes: Vec<&'static str>,
}

/// One caller.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct Caller {
    /// Its name in logs, records and revocations.
    id: String,
    /// Whose it is.
    tenant: String,
    /// How it shows who it is: `key`, `certificate`, or `nothing` where nobody is asked.
    by: &'static str,
    /// What it may do.
    scopes: Vec<&'static str>,
}

pub(crate) fn answer(call: &Call) -> Result<Response<Body>, Failure> {
    let app = &call.app;
    let routes = |needed: Option<Scope>| {
        let needing = app.routes.iter().filter(|route| route.access.scope() == needed);
        needing.map(|route| format!("{} {}", route.method, route.path)).collect()
    };
    let scopes = Scope::ALL.into_iter().map(|scope| ScopeRoutes {
        scope: scope.as_str(),
        meaning: scope.meaning(),
        routes: routes(Some(scope)),
    });
    let roles = app.callers.roles().iter();
    let roles = roles.map(|(name, scopes)| Role { name: name.to_owned(), scopes: scopes.names() });
    let mut callers = app.callers.principals();
    callers.retain(|principal| sees(call, principal.tenant()));
    let callers_total = callers.len();
    let callers = callers.into_iter().take(LISTED).map(described).collect();
    json(&AccessAnswer {
        scopes: scopes.collect(),
        open: routes(None),
        roles: roles.collect(),
        callers,
        callers_total,
    })
}

fn described(principal: &Principal) -> Caller {
    Caller {
        id: principal.id().to_owned(),
        tenant: principal.tenant().to_owned(),
        by: principal.by().as_str(),
        scopes: principal.scopes().names(),
    }
}
