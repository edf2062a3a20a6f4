//! The frame around every request: addresses, authentication, admission, isolation of panics, the headers that every
//! answer carries.

use std::net::IpAddr;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::body::Body;
use axum::http::{Extensions, HeaderMap, HeaderName, HeaderValue, Request, Response, header};
use futures_util::FutureExt as _;
use tracing::Instrument as _;

use crate::address;
use crate::alarm::{self, Alarm};
use crate::app::{App, Call, Gauge, now_ms};
use crate::audit::Subject;
use crate::auth::{Denied, Principal};
use crate::error::{Failure, Shape};
use crate::rate_limits::Standing;
use crate::request_id::RequestId;
use crate::routes::{Access, DECISION, Route};
use crate::session_key::SessionKey;
use crate::telemetry::Trace;
use crate::tls::PeerIdentity;

pub(crate) const REQUEST_ID: HeaderName = HeaderName::from_static("x-aimds-request-id");

/// A request that no route takes.
pub(crate) fn turned_away(app: &App, failure: &Failure) -> Response<Body> {
    let id = RequestId::new();
    app.metrics.failed(failure);
    app.metrics.answered(usize::MAX, failure.status().as_u16(), Duration::ZERO);
    stamped(failure.respond(Shape::Native, id.as_str()), &id)
}

/// Adds what every answer carries: its identifier, and what keeps a browser or a cache from making something else of it.
fn stamped(mut response: Response<Body>, id: &RequestId) -> Response<Body> {
    let headers = response.headers_mut();
    if let Ok(value) = HeaderValue::from_str(id.as_str()) {
        headers.insert(REQUEST_ID, value);
    }
    // Verdicts and answers of models are for one caller, at one time.
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(header::REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    // A page says for itself what it loads.
    let nothing = HeaderValue::from_static("default-src 'none'; frame-ancestors 'none'");
    headers.entry(header::CONTENT_SECURITY_POLICY).or_insert(nothing);
    response
}

/// The frame around every handler.
pub(super) async fn answer(
    app: Arc<App>,
    number: usize,
    route: &'static Route,
    request: Request<Body>,
) -> Response<Body> {
    let started = Instant::now();
    let id = RequestId::new();
    let in_flight = Gauge::up(Arc::clone(&app), |metrics| &metrics.in_flight);
    let mut standing = Standing::default();
    let trace = app.telemetry.begin(route, &request, &id);
    // At every level: a line that nobody can find again is of little use.
    let log = tracing::error_span!("request", request_id = id.as_str(), trace_id = tracing::field::Empty);
    if let Some(trace) = trace.id() {
        log.record("trace_id", tracing::field::display(trace));
    }
    let tied = (id, trace.clone());
    let admitted = admitted(Arc::clone(&app), route, tied, (started, in_flight), &mut standing, request);
    let result = admitted.instrument(log.clone()).await;
    let mut failed = None;
    let mut response = result.unwrap_or_else(|failure| {
        failed = Some(failure.code());
        app.metrics.failed(&failure);
        let mut response = failure.respond(route.shape, id.as_str());
        if route.guarded {
            response.headers_mut().insert(DECISION, HeaderValue::from_static(failure.decision()));
        }
        response
    });
    standing.tell(response.headers_mut());
    let took = started.elapsed();
    app.metrics.answered(number, response.status().as_u16(), took);
    let decision = response.headers().get(DECISION).and_then(|decision| decision.to_str().ok());
    trace.answered(response.status(), failed, decision);
    tracing::debug!(
        parent: &log,
        route = route.path,
        status = response.status().as_u16(),
        took_us = crate::audit::micros(took),
        "answered"
    );
    stamped(response, &id)
}

async fn admitted(
    app: Arc<App>,
    route: &'static Route,
    (id, trace): (RequestId, Trace),
    (started, in_flight): (Instant, Gauge),
    standing: &mut Standing,
    request: Request<Body>,
) -> Result<Response<Body>, Failure> {
    check_head(&request, app.limits.header_bytes)?;
    if let Some(address) = check_address(&app, route, &request)? {
        app.rate_limits.take_address(address, standing).await?;
    }
    let principal = authenticate(&app, route, request.headers(), request.extensions()).await?;
    let mut session = None;
    if let Some(principal) = &principal {
        trace.tenant(principal.tenant());
        app.rate_limits.take_caller(principal, standing).await?;
        session = SessionKey::of_headers(principal.tenant(), request.headers())?;
        app.mitigations.admit(principal, session.filter(|_| route.guarded), route.guarded, now_ms()).await?;
    }
    // Operations stay visible while the gateway is busy.
    let place = match route.guarded {
        true => Some(Arc::clone(&app.in_flight).try_acquire_owned().map_err(|_| Failure::Overloaded)?),
        false => None,
    };
    let caller = principal.clone();
    let call = Call {
        app: Arc::clone(&app),
        id,
        principal,
        session,
        route,
        trace,
        log: tracing::Span::current(),
        started,
        _place: place,
        _in_flight: in_flight,
    };
    let answer = AssertUnwindSafe(async { (route.handler)(call, request).await }).catch_unwind().await;
    answer.unwrap_or_else(|_| {
        let tenant = caller.as_ref().map_or("", |principal| principal.tenant());
        let subject = Subject { at_ms: now_ms(), request_id: id.as_str(), tenant };
        alarm::about_request(&app, Alarm::Panic, &subject, serde_json::json!({ "route": route.path }));
        Err(Failure::Internal)
    })
}

fn check_head(request: &Request<Body>, limit: usize) -> Result<(), Failure> {
    let headers = request.headers().iter();
    let lines: usize = headers.map(|(name, value)| name.as_str().len() + value.len() + 4).sum();
    let target = request.uri().path_and_query().map_or(0, |target| target.as_str().len());
    if lines + target > limit { Err(Failure::HeadTooLarge { limit }) } else { Ok(()) }
}

/// Whether the route is open to the address that the request comes from; gives the address if requests from there are
/// counted. It comes before anything else about the caller: addresses that are not wanted learn nothing, and guessing is
/// limited.
fn check_address(app: &App, route: &Route, request: &Request<Body>) -> Result<Option<IpAddr>, Failure> {
    if route.access == Access::Open {
        return Ok(None);
    }
    let address = address::client(request.extensions(), request.headers(), &app.trusted_proxies);
    let wanted = || app.admin_networks.iter().any(|network| address.is_some_and(|at| network.contains(at)));
    if matches!(route.access, Access::Staff(_)) && !app.admin_networks.is_empty() && !wanted() {
        tracing::info!(route = route.path, "an address was turned away");
        return Err(Failure::Address);
    }
    Ok(address)
}

/// Who is calling, if the route asks and lets them.
async fn authenticate(
    app: &App,
    route: &Route,
    headers: &HeaderMap,
    extensions: &Extensions,
) -> Result<Option<Arc<Principal>>, Failure> {
    let Some(scope) = route.access.scope() else { return Ok(None) };
    if route.access == Access::Metrics && app.public_metrics {
        return Ok(None);
    }
    let certificate = extensions.get::<Arc<PeerIdentity>>().map(Arc::as_ref);
    let found = app.callers.authenticate(headers, certificate).await;
    let may = |principal: &Principal| {
        principal.may(scope) || route.access.or().is_some_and(|scope| principal.may(scope))
    };
    match found.and_then(|principal| may(&principal).then_some(principal).ok_or(Denied::Scope)) {
        Ok(principal) => Ok(Some(principal)),
        Err(denied) => {
            tracing::info!(route = route.path, ?denied, "caller turned away");
            Err(Failure::Denied(denied, scope))
        }
    }
}
