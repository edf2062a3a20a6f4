//! Operations: health, readiness, metrics and the OpenAPI document.

use std::fmt::Write as _;

use axum::body::Body;
use axum::http::{HeaderValue, Response, StatusCode, header};
use schemars::JsonSchema;
use serde::Serialize;

use crate::app::Call;
use crate::error::json_response;
use crate::router;

/// What the gateway needs to take requests.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct Readiness {
    /// Everything below is as it should be.
    ready: bool,
    /// Rules, models and policy are loaded.
    engine: bool,
    /// The audit log can write; left out where there is none.
    #[serde(skip_serializing_if = "Option::is_none")]
    audit: Option<bool>,
}

pub(crate) fn health() -> Response<Body> {
    plain("ok\n".into())
}

/// The engine is loaded before the listener exists: a gateway that answers has one.
pub(crate) fn ready(call: &Call) -> Response<Body> {
    let audit = call.app.recorder.state().map(|state| state.healthy);
    let readiness = Readiness { ready: audit != Some(false), engine: true, audit };
    let status = if readiness.ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    json_response(status, serde_json::to_vec(&readiness).unwrap_or_default())
}

fn expose_scans((found, missed): (u64, u64), out: &mut String) {
    let _ = writeln!(
        out,
        "# HELP aimds_scan_cache_total Texts by whether their scan was kept; from 0 after a change of the policy.\n\
         # TYPE aimds_scan_cache_total counter\n\
         aimds_scan_cache_total{{result=\"found\"}} {found}\naimds_scan_cache_total{{result=\"missed\"}} {missed}"
    );
}

pub(crate) fn metrics(call: &Call) -> Response<Body> {
    let mut exposed = call.app.metrics.expose(call.app.recorder.state().as_ref());
    if let Some(router) = &call.app.router {
        router::expose(router, &mut exposed);
    }
    if let Some(vaults) = &call.app.vaults {
        vaults.counters.expose(vaults.sessions(), &mut exposed);
    }
    call.app.mitigations.expose(&mut exposed);
    let siem = call.app.recorder.siem();
    if siem.is_on() {
        siem.counters.expose(&mut exposed);
    }
    if let Some(reviews) = &call.app.reviews {
        reviews.expose(&mut exposed);
    }
    if let Some(cache) = call.app.engine.scan_cache() {
        expose_scans(cache.counts(), &mut exposed);
    }
    call.app.rate_limits.expose(&mut exposed);
    call.app.sessions.expose(&mut exposed);
    if let Some(memory) = &call.app.memory {
        memory.expose(&mut exposed);
    }
    if let Some(learning) = &call.app.learning {
        learning.expose(&mut exposed);
    }
    call.app.callers.tokens().expose(&mut exposed);
    call.app.telemetry.expose(&mut exposed);
    let mut response = plain(exposed);
    let exposition = HeaderValue::from_static("text/plain; version=0.0.4; charset=utf-8");
    response.headers_mut().insert(header::CONTENT_TYPE, exposition);
    response
}

pub(crate) fn openapi(call: &Call) -> Response<Body> {
    // Made once: everyone may ask for it, as often as they like.
    let document = call.app.openapi.get_or_init(|| super::describe(call.app.routes).to_string().into());
    json_response(StatusCode::OK, document.clone())
}

fn plain(text: String) -> Response<Body> {
    let mut response = Response::new(Body::from(text));
    response
        .headers_mut()
        .insert(header::CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
    response
}
