//! Sockets and the frame around every request: admission, authentication, isolation of panics, the headers that every
//! answer carries.

mod bind_error;
mod tcp;

use std::future::Future;
use std::net::SocketAddr;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use aimds_engine::Engine;
use aimds_store::AuditLog;
use axum::Router;
use axum::body::Body;
use axum::http::{Extensions, HeaderMap, HeaderName, HeaderValue, Request, Response};
use axum::routing::{MethodFilter, MethodRouter, on};
use futures_util::FutureExt as _;
use hyper_util::server::graceful::GracefulShutdown;
use tokio::net::TcpListener;
use tokio::sync::{Semaphore, watch};

use crate::app::{App, Call, Gauge, now_ms};
use crate::audit::Recorder;
use crate::auth::{Callers, Denied, Principal, Tokens};
use crate::config::{Config, QuicConfig};
use crate::error::{Failure, Shape};
use crate::learning::Learning;
use crate::memory::Memory;
use crate::metrics::Metrics;
use crate::mitigation::{Mitigations, record_waivers};
use crate::quic::Listener;
use crate::request_id::RequestId;
use crate::router::Desk;
use crate::routes::{Access, DECISION, ROUTES, Route};
use crate::session_key::SessionKey;
use crate::sessions::Remembered;
use crate::stream::hold_back::Window;
use crate::tls::{Certificates, PeerIdentity, Tls};
use crate::upstream::Upstream;
use crate::vault::Vaults;
use tcp::Connection;

pub use bind_error::BindError;

pub(crate) const REQUEST_ID: HeaderName = HeaderName::from_static("x-aimds-request-id");

/// Pause after a failed accept: it fails for lack of file descriptors, and then fails again at once.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// The gateway, before it listens.
#[derive(Debug)]
pub struct Gateway;

/// A gateway that listens and does not answer yet.
pub struct BoundGateway {
    listener: TcpListener,
    local_addr: SocketAddr,
    quic: Option<(Listener, SocketAddr)>,
    tls: Arc<Tls>,
    app: Arc<App>,
    max_connections: Arc<Semaphore>,
}

impl Gateway {
    /// Binds the listener. Connections wait in its queue until [`BoundGateway::serve`].
    ///
    /// `audit` is the open audit log; `None` records nothing. Whoever opened it closes it, after `serve` has returned.
    ///
    /// # Errors
    /// When nobody could use the gateway, or the address cannot be listened on.
    pub async fn bind(
        config: Config,
        engine: Arc<Engine>,
        audit: Option<Arc<AuditLog>>,
    ) -> Result<BoundGateway, BindError> {
        Self::bind_routes(config, engine, audit, ROUTES).await
    }

    pub(crate) async fn bind_routes(
        config: Config,
        engine: Arc<Engine>,
        audit: Option<Arc<AuditLog>>,
        routes: &'static [Route],
    ) -> Result<BoundGateway, BindError> {
        let Config {
            http: address,
            quic,
            tls,
            limits,
            require_auth,
            public_metrics,
            keys,
            certificates,
            issuers,
            roles,
            upstream,
            router,
            stream,
            block,
            on_full,
            vault,
            mitigation,
            sessions,
            graph,
            learn,
            notify,
            ..
        } = config;
        if require_auth && keys.is_empty() && certificates.is_empty() && issuers.is_empty() {
            return Err(BindError::NoKeys);
        }
        let router = router.map(Desk::open).transpose().map_err(|source| BindError::Ledger { source })?;
        let listen = |source| BindError::Listen { address, source };
        let listener = TcpListener::bind(address).await.map_err(listen)?;
        let local_addr = listener.local_addr().map_err(listen)?;
        let tls = Arc::new(Tls::load(tls, quic.map(|quic| quic.early_data))?);
        let quic = bind_quic(quic, &tls)?;
        record_waivers(engine.policy().waived(), &Recorder::new(audit.clone()));
        let mitigations = Mitigations::open(mitigation, notify, Recorder::new(audit.clone()), now_ms())?;
        let follows = |what| audit.clone().ok_or(BindError::NoLog { what });
        let thread = |source| BindError::Thread { source };
        let memory = match graph {
            Some(graph) => Some(Memory::start(graph, follows("graph")?).map_err(thread)?),
            None => None,
        };
        let learning = match learn {
            Some(learn) => Some(Learning::start(learn, follows("learn")?).map_err(thread)?),
            None => None,
        };
        let app = App {
            engine,
            callers: Callers::new(keys, certificates, Tokens::open(issuers)?, roles, require_auth),
            public_metrics,
            limits,
            block,
            recorder: Recorder::new(audit),
            on_full,
            upstream: Upstream::new(upstream),
            router: router.map(Arc::new),
            vaults: vault.map(Vaults::start).transpose()?,
            window: Window { hold: stream.hold, step: stream.step, overlap: stream.overlap },
            metrics: Metrics::new(routes.iter().map(|route| route.path)),
            mitigations,
            sessions: Remembered::new(sessions),
            memory,
            learning,
            in_flight: Arc::new(Semaphore::new(limits.max_in_flight)),
            // A short queue for each core: who waits longer than that would miss the deadline anyway.
            deep: Semaphore::new(4 * std::thread::available_parallelism().map_or(1, usize::from)),
            routes,
        };
        let max_connections = Arc::new(Semaphore::new(limits.max_connections));
        Ok(BoundGateway { listener, local_addr, quic, tls, app: Arc::new(app), max_connections })
    }
}

/// Binds the QUIC listener. With nothing configured it is a convenience, which another gateway on this machine may have
/// taken already; what the operator asked for must be there.
fn bind_quic(
    config: Option<QuicConfig>,
    tls: &Arc<Tls>,
) -> Result<Option<(Listener, SocketAddr)>, BindError> {
    let Some(config) = config else { return Ok(None) };
    let bound = Listener::bind(config, Arc::clone(tls));
    match bound.and_then(|listener| listener.local_addr().map(|address| (listener, address))) {
        Ok(bound) => Ok(Some(bound)),
        Err(error) if tls.is_development() && config.is_default_address() => {
            tracing::warn!(address = %config.address, %error, "no QUIC: another program has the default port");
            Ok(None)
        }
        Err(source) => Err(BindError::Quic { address: config.address, source }),
    }
}

impl BoundGateway {
    /// The address that it listens on, with the port that was chosen.
    #[must_use]
    pub fn local_addr(&self) -> SocketAddr {
        self.local_addr
    }

    /// The address of the QUIC listener, if there is one.
    #[must_use]
    pub fn quic_addr(&self) -> Option<SocketAddr> {
        self.quic.as_ref().map(|(_, address)| *address)
    }

    /// Whether the HTTP listener speaks TLS.
    #[must_use]
    pub fn is_https(&self) -> bool {
        self.tls.tcp().is_some()
    }

    /// The certificates of both listeners, which can be exchanged while the gateway serves.
    #[must_use]
    pub fn certificates(&self) -> Certificates {
        Certificates::of(&self.tls)
    }

    /// Answers requests until `shutdown` is ready, then lets those in progress finish within `limits.drain_timeout_ms`.
    pub async fn serve(self, shutdown: impl Future<Output = ()>) {
        let Self { listener, quic, tls, app, max_connections, .. } = self;
        let limits = app.limits;
        let router = router(&app);
        let builder = Arc::new(tcp::connection_builder(&limits));
        let (stop, stopped) = watch::channel(false);
        let quic = quic.map(|(quic, _)| {
            tokio::spawn(quic.serve(Arc::clone(&app), router.clone(), Arc::clone(&max_connections), stopped))
        });
        let watching = tokio::spawn(Certificates::of(&tls).watch());
        let issuers = Arc::clone(&app);
        let trusting = tokio::spawn(async move { issuers.callers.tokens().watch().await });
        let secure = tls.tcp().is_some();
        let graceful = GracefulShutdown::new();
        let mut shutdown = std::pin::pin!(shutdown);
        loop {
            let accepted = tokio::select! {
                accepted = listener.accept() => accepted,
                () = &mut shutdown => break,
            };
            let stream = match accepted {
                Ok((stream, _)) => stream,
                Err(error) => {
                    tracing::warn!(%error, "accept failed");
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                    continue;
                }
            };
            let Ok(place) = Arc::clone(&max_connections).try_acquire_owned() else {
                app.metrics.connections_refused.fetch_add(1, Ordering::Relaxed);
                if !secure {
                    tcp::refuse(&stream);
                }
                continue;
            };
            let _ = stream.set_nodelay(true);
            let connection =
                Connection { app: Arc::clone(&app), router: router.clone(), tls: tls.tcp(), _place: place };
            let builder = Arc::clone(&builder);
            let watcher = graceful.watcher();
            tokio::spawn(async move {
                connection.run(stream, &builder, watcher, limits.header_read_timeout).await
            });
        }
        drop(listener);
        watching.abort();
        trusting.abort();
        let _ = stop.send(true);
        if tokio::time::timeout(limits.drain_timeout, graceful.shutdown()).await.is_err() {
            tracing::warn!("requests in progress were cut off at the end of the drain time");
        }
        if let Some(quic) = quic {
            // It began at the same time and keeps the same limit.
            let _ = quic.await;
        }
        app.mitigations.close(limits.drain_timeout).await;
        // After the last record of all.
        let behind = Arc::clone(&app);
        let closed = tokio::task::spawn_blocking(move || {
            behind.learning.iter().for_each(|learning| learning.close(limits.drain_timeout));
            behind.memory.iter().for_each(|memory| memory.close(limits.drain_timeout));
        });
        let _ = closed.await;
        if let Some(router) = &app.router {
            router.book.save();
        }
    }
}

fn router(app: &Arc<App>) -> Router {
    let mut paths: Vec<(&'static str, MethodRouter)> = Vec::new();
    for (number, route) in app.routes.iter().enumerate() {
        let Ok(filter) = MethodFilter::try_from(route.method.clone()) else { continue };
        let app = Arc::clone(app);
        let handler = move |request: Request<Body>| answer(Arc::clone(&app), number, route, request);
        match paths.iter_mut().find(|(path, _)| *path == route.path) {
            Some((_, methods)) => *methods = std::mem::take(methods).on(filter, handler),
            None => paths.push((route.path, on(filter, handler))),
        }
    }
    let mut router = Router::new();
    for (path, methods) in paths {
        let (wrong, allowed) = (Arc::clone(app), allowed(app.routes, path));
        let fallback = move |_: Request<Body>| {
            let (app, allowed) = (Arc::clone(&wrong), allowed.clone());
            async move {
                let mut response = turned_away(&app, &Failure::Method);
                response.headers_mut().extend(allowed.map(|allowed| (axum::http::header::ALLOW, allowed)));
                response
            }
        };
        router = router.route(path, methods.fallback(fallback));
    }
    let app = Arc::clone(app);
    router.fallback(move |_: Request<Body>| {
        let app = Arc::clone(&app);
        async move { turned_away(&app, &Failure::NotFound) }
    })
}

fn allowed(routes: &[Route], path: &str) -> Option<HeaderValue> {
    let methods: Vec<_> =
        routes.iter().filter(|route| route.path == path).map(|route| route.method.as_str()).collect();
    HeaderValue::try_from(methods.join(", ")).ok()
}

/// A request that no route takes.
pub(crate) fn turned_away(app: &App, failure: &Failure) -> Response<Body> {
    let id = RequestId::new();
    app.metrics.failed(failure);
    app.metrics.answered(usize::MAX, failure.status().as_u16(), Duration::ZERO);
    stamped(failure.respond(Shape::Native, id.as_str()), &id)
}

fn stamped(mut response: Response<Body>, id: &RequestId) -> Response<Body> {
    if let Ok(value) = HeaderValue::from_str(id.as_str()) {
        response.headers_mut().insert(REQUEST_ID, value);
    }
    response
}

/// The frame around every handler.
async fn answer(
    app: Arc<App>,
    number: usize,
    route: &'static Route,
    request: Request<Body>,
) -> Response<Body> {
    let started = Instant::now();
    let id = RequestId::new();
    let in_flight = Gauge::up(Arc::clone(&app), |metrics| &metrics.in_flight);
    let result = admitted(Arc::clone(&app), route, id, (started, in_flight), request).await;
    let response = result.unwrap_or_else(|failure| {
        app.metrics.failed(&failure);
        let mut response = failure.respond(route.shape, id.as_str());
        if route.guarded {
            response.headers_mut().insert(DECISION, HeaderValue::from_static(failure.decision()));
        }
        response
    });
    let took = started.elapsed();
    app.metrics.answered(number, response.status().as_u16(), took);
    tracing::debug!(
        request_id = id.as_str(),
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
    id: RequestId,
    (started, in_flight): (Instant, Gauge),
    request: Request<Body>,
) -> Result<Response<Body>, Failure> {
    check_head(&request, app.limits.header_bytes)?;
    let principal = authenticate(&app, route, request.headers(), request.extensions()).await?;
    let mut session = None;
    if let Some(principal) = &principal {
        session = SessionKey::of_headers(principal.tenant(), request.headers())?;
        app.mitigations.admit(principal, session.filter(|_| route.guarded), route.guarded, now_ms()).await?;
    }
    // Operations stay visible while the gateway is busy.
    let place = match route.guarded {
        true => Some(Arc::clone(&app.in_flight).try_acquire_owned().map_err(|_| Failure::Overloaded)?),
        false => None,
    };
    let call = Call {
        app: Arc::clone(&app),
        id,
        principal,
        session,
        route,
        started,
        _place: place,
        _in_flight: in_flight,
    };
    let answer = AssertUnwindSafe(async { (route.handler)(call, request).await }).catch_unwind().await;
    answer.unwrap_or_else(|_| {
        tracing::error!(request_id = id.as_str(), route = route.path, "a handler panicked");
        Err(Failure::Internal)
    })
}

fn check_head(request: &Request<Body>, limit: usize) -> Result<(), Failure> {
    let headers = request.headers().iter();
    let lines: usize = headers.map(|(name, value)| name.as_str().len() + value.len() + 4).sum();
    let target = request.uri().path_and_query().map_or(0, |target| target.as_str().len());
    if lines + target > limit { Err(Failure::HeadTooLarge { limit }) } else { Ok(()) }
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
    match found.and_then(|principal| principal.may(scope).then_some(principal).ok_or(Denied::Scope)) {
        Ok(principal) => Ok(Some(principal)),
        Err(denied) => {
            tracing::info!(route = route.path, ?denied, "caller turned away");
            Err(Failure::Denied(denied, scope))
        }
    }
}

/// Makes panics log their place and nothing else: the message of a panic can quote the text that it failed on. For the
/// binary to call once, before it serves.
pub fn install_panic_hook() {
    std::panic::set_hook(Box::new(|panic| {
        let place = panic.location().map(|location| format!("{}:{}", location.file(), location.line()));
        tracing::error!(place = place.as_deref().unwrap_or("unknown"), "panic");
    }));
}

#[cfg(test)]
mod tests;
