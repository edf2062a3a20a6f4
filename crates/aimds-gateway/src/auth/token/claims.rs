//! What the claims of a verified token say: whether it is meant for us and in force (RFC 7519 §4.1), whose its bearer
//! is, and what the bearer may do.

use serde_json::Value;

use super::Refusal;
use crate::auth::{Credential, Principal, Roles, Scopes};
use crate::config::{IssuerConfig, TenantOf};

/// Largest name of a bearer in records: what the name of a revoked key may have.
const NAME_BYTES: usize = 256;
/// Roles of one token that are looked at.
const ROLES: usize = 256;

/// Reads the claims of a token whose signature has been verified. `now` is in seconds since the Unix epoch.
pub(super) fn bearer(
    claims: &Value,
    issuer: &IssuerConfig,
    roles: &Roles,
    now: f64,
) -> Result<Principal, Refusal> {
    if !audiences(claims).any(|audience| issuer.audiences.iter().any(|ours| ours == audience)) {
        return Err(Refusal::Audience);
    }
    let leeway = issuer.leeway.as_secs_f64();
    if now >= time(claims, "exp")?.ok_or(Refusal::Claim("exp"))? + leeway {
        return Err(Refusal::Expired);
    }
    // Issued in the future: one of the clocks is wrong, or it is made up.
    let begins = [time(claims, "nbf")?, time(claims, "iat")?];
    if begins.into_iter().flatten().any(|from| now < from - leeway) {
        return Err(Refusal::Early);
    }
    let tenant = match &issuer.tenant {
        TenantOf::Fixed(tenant) => tenant.clone(),
        TenantOf::Claim(pointer) => {
            name(claims.pointer(pointer)).ok_or(Refusal::Claim("the tenant"))?.to_owned()
        }
    };
    let subject = name(claims.get("sub")).ok_or(Refusal::Claim("sub"))?;
    let id = format!("token:{}:{subject}", issuer.name);
    if id.len() > NAME_BYTES || tenant.len() > NAME_BYTES {
        return Err(Refusal::Claim("sub or the tenant"));
    }
    let claimed = issuer.roles_claim.as_deref().and_then(|pointer| claims.pointer(pointer));
    // A name that is no role of the configuration allows nothing.
    let scopes = claimed
        .map(named_roles)
        .unwrap_or_default()
        .into_iter()
        .filter_map(|name| roles.get(name))
        .fold(issuer.scopes, Scopes::union);
    Ok(Principal::new(id, tenant, scopes.iter(), Credential::Token))
}

/// One audience, or a list of them.
fn audiences(claims: &Value) -> impl Iterator<Item = &str> {
    let (one, many) = match claims.get("aud") {
        Some(Value::String(one)) => (Some(one.as_str()), &[][..]),
        Some(Value::Array(many)) => (None, many.as_slice()),
        _ => (None, &[][..]),
    };
    one.into_iter().chain(many.iter().filter_map(Value::as_str))
}

/// A time, if the token has one; anything but a number is no time.
fn time(claims: &Value, claim: &'static str) -> Result<Option<f64>, Refusal> {
    match claims.get(claim) {
        None => Ok(None),
        Some(value) => value.as_f64().map(Some).ok_or(Refusal::Claim(claim)),
    }
}

/// A name that may stand in a record.
fn name(claim: Option<&Value>) -> Option<&str> {
    claim?.as_str().filter(|name| !name.is_empty() && !name.chars().any(char::is_control))
}

/// Names with spaces between them, as `scope` has them (RFC 6749 §3.3), or a list.
fn named_roles(claim: &Value) -> Vec<&str> {
    match claim {
        Value::String(names) => names.split_ascii_whitespace().take(ROLES).collect(),
        Value::Array(names) => names.iter().filter_map(Value::as_str).take(ROLES).collect(),
        _ => Vec::new(),
    }
}
