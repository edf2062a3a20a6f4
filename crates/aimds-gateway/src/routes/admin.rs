//! What playbooks have ordered, for people: who is held and which keys are revoked, and how that ends.
//!
//! A key of the default tenant (the empty name) manages every tenant; a key of another tenant only its own.

use aimds_engine::Measure;
use axum::body::Body;
use axum::http::{Request, Response, StatusCode};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::app::{Call, now_ms};
use crate::error::{Failure, json_response};
use crate::mitigation::{Done, Full, Hold, Kind, Revoked, by_operator};
use crate::session_key::SessionKey;

/// Holds and revocations that one answer lists.
pub(super) const LISTED: usize = 1000;
const DEFAULT_SECONDS: u32 = 900;
const MAX_SECONDS: u32 = 30 * 24 * 3600;

/// Who is held.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct HeldAnswer {
    /// The first thousand, by identifier.
    held: Vec<Held>,
    /// How many there are.
    total: usize,
}

/// One session or key that is held.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct Held {
    /// A hash of the session's name, or of the key's; what `id` takes.
    id: String,
    /// `quarantine`, `throttle` or `delay`.
    kind: &'static str,
    /// Whose it is.
    tenant: String,
    /// The API key, where everything that it sends is held.
    #[serde(skip_serializing_if = "Option::is_none")]
    key: Option<String>,
    /// Milliseconds since the Unix epoch.
    since_ms: u64,
    /// Milliseconds since the Unix epoch.
    until_ms: u64,
    /// The playbook, or the key of the operator.
    by: String,
}

/// The keys that are revoked.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct RevokedAnswer {
    /// The first thousand, by tenant and name.
    revoked: Vec<RevokedKey>,
    /// How many there are.
    total: usize,
}

/// One revoked key.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct RevokedKey {
    /// Whose key it is.
    tenant: String,
    /// Its name.
    key: String,
    /// Milliseconds since the Unix epoch.
    since_ms: u64,
    /// The playbook, or the key of the operator.
    by: String,
}

/// What is done with a session or key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum HoldAction {
    /// End everything that it is held for.
    Release,
    /// Put it into quarantine.
    Hold,
}

/// Exactly one of `id`, `session` and `key` says whom it is about.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct HoldRequest {
    /// `release` or `hold`.
    action: HoldAction,
    /// The identifier that the list shows; for `release`.
    id: Option<String>,
    /// The name of a session.
    session: Option<String>,
    /// The name of an API key: everything that it sends.
    key: Option<String>,
    /// Whose session or key it is; the caller's tenant where left out.
    tenant: Option<String>,
    /// For how long, in seconds; for `hold`. A quarter of an hour where left out.
    seconds: Option<u32>,
}

/// What is done with a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum RevocationAction {
    /// Refuse it from now on.
    Revoke,
    /// Let it in again.
    Reinstate,
}

/// Which key, and what is done with it.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct RevocationRequest {
    /// `revoke` or `reinstate`.
    action: RevocationAction,
    /// The name of the key.
    key: String,
    /// Whose key it is; the caller's tenant where left out.
    tenant: Option<String>,
}

/// Whether there was something to do.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct Changed {
    /// False where it was so already.
    changed: bool,
}

pub(crate) fn held(call: &Call) -> Result<Response<Body>, Failure> {
    let mut all = call.app.mitigations.held(now_ms());
    all.retain(|(_, hold)| sees(call, &hold.tenant));
    let total = all.len();
    let held = all.into_iter().take(LISTED).map(|(id, hold)| {
        let Hold { kind, tenant, key, since_ms, until_ms, by } = hold;
        Held { id: id.to_string(), kind: kind.as_str(), tenant, key, since_ms, until_ms, by }
    });
    answer(&HeldAnswer { held: held.collect(), total })
}

pub(crate) async fn change_hold(call: Call, request: Request<Body>) -> Result<Response<Body>, Failure> {
    let (parts, body) = request.into_parts();
    let (asked, _): (HoldRequest, _) = call.json(&parts.headers, body).await?;
    let HoldRequest { action, id, session, key, tenant, seconds } = asked;
    let tenant = tenant_of(&call, tenant)?;
    let holder = match (&id, &session, &key) {
        (Some(id), None, None) => {
            SessionKey::parse(id).ok_or_else(|| Failure::Invalid("id must be 32 hexadecimal digits".into()))
        }
        (None, Some(session), None) => SessionKey::of(&tenant, session),
        (None, None, Some(key)) => Ok(SessionKey::of_api_key(&tenant, named(key)?)),
        _ => Err(Failure::Invalid("give exactly one of id, session and key".into())),
    }?;
    let (mitigations, now) = (&call.app.mitigations, now_ms());
    let about = by_operator(call.id.as_str(), &tenant, call.route.path, operator(&call));
    let target = match &key {
        Some(key) => format!("key:{key}"),
        None => format!("session:{holder}"),
    };
    let changed = match action {
        HoldAction::Release => {
            // An identifier says by itself whose it is; whoever sees every tenant may name it alone.
            let only = (!call.tenant().is_empty()).then(|| call.tenant());
            let changed = mitigations.release(holder, only, &about, now);
            call.done(&about, &Done::ok("release", target, usize::from(changed)));
            changed
        }
        HoldAction::Hold if id.is_some() => {
            return Err(Failure::Invalid("name a session or a key to hold it".into()));
        }
        HoldAction::Hold => {
            let seconds = seconds.unwrap_or(DEFAULT_SECONDS);
            if !(1..=MAX_SECONDS).contains(&seconds) {
                return Err(Failure::Invalid(format!("seconds must be between 1 and {MAX_SECONDS}")));
            }
            let until_ms = now.saturating_add(u64::from(seconds) * 1000);
            let by = about.by.clone();
            let hold = Hold { kind: Kind::Quarantine, tenant, key, since_ms: now, until_ms, by };
            let action = Measure::Quarantine.as_str();
            if let Err(Full) = mitigations.hold_for(holder, hold, &about, now) {
                call.done(&about, &Done::failed(action, target, "table_full"));
                return Err(Failure::Overloaded);
            }
            call.done(&about, &Done::ok(action, target, 1));
            true
        }
    };
    answer(&Changed { changed })
}

pub(crate) fn revoked(call: &Call) -> Result<Response<Body>, Failure> {
    let mut all = call.app.mitigations.revoked();
    all.retain(|revoked| sees(call, &revoked.tenant));
    let total = all.len();
    let revoked = all.into_iter().take(LISTED).map(|revoked| {
        let Revoked { tenant, key, since_ms, by } = revoked;
        RevokedKey { tenant, key, since_ms, by }
    });
    answer(&RevokedAnswer { revoked: revoked.collect(), total })
}

pub(crate) async fn change_revocation(call: Call, request: Request<Body>) -> Result<Response<Body>, Failure> {
    let (parts, body) = request.into_parts();
    let (asked, _): (RevocationRequest, _) = call.json(&parts.headers, body).await?;
    let RevocationRequest { action, key, tenant } = asked;
    let tenant = tenant_of(&call, tenant)?;
    named(&key)?;
    let about = by_operator(call.id.as_str(), &tenant, call.route.path, operator(&call));
    let target = format!("key:{key}");
    let changed = match action {
        RevocationAction::Reinstate => {
            let changed = call.app.mitigations.reinstate(&tenant, &key, &about);
            call.done(&about, &Done::ok("reinstate", target, usize::from(changed)));
            changed
        }
        RevocationAction::Revoke if key == operator(&call) && tenant == call.tenant() => {
            return Err(Failure::Invalid("a key cannot revoke itself".into()));
        }
        RevocationAction::Revoke => {
            let by = about.by.clone();
            let action = Measure::RevokeKey.as_str();
            if let Err(Full) =
                call.app.mitigations.revoke(Revoked { tenant, key, since_ms: now_ms(), by }, &about)
            {
                call.done(&about, &Done::failed(action, target, "table_full"));
                return Err(Failure::Overloaded);
            }
            call.done(&about, &Done::ok(action, target, 1));
            true
        }
    };
    answer(&Changed { changed })
}

fn operator(call: &Call) -> &str {
    call.key_id()
}

/// Whether the caller manages what belongs to a tenant.
pub(super) fn sees(call: &Call, tenant: &str) -> bool {
    call.tenant().is_empty() || call.tenant() == tenant
}

pub(super) fn tenant_of(call: &Call, asked: Option<String>) -> Result<String, Failure> {
    let tenant = asked.unwrap_or_else(|| call.tenant().to_owned());
    if sees(call, &tenant) {
        Ok(tenant)
    } else {
        Err(Failure::Invalid("a key of a tenant manages its own sessions and keys".into()))
    }
}

/// The name of a key, which becomes part of a record.
fn named(key: &str) -> Result<&str, Failure> {
    if key.is_empty() || key.len() > 256 || key.chars().any(char::is_control) {
        return Err(Failure::Invalid("key must have 1 to 256 bytes and no control characters".into()));
    }
    Ok(key)
}

pub(super) fn answer<T: Serialize>(body: &T) -> Result<Response<Body>, Failure> {
    let body = serde_json::to_vec(body).map_err(|_| Failure::Internal)?;
    Ok(json_response(StatusCode::OK, body))
}
