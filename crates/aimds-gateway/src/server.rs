//! The gateway from its configuration to its sockets. The frame around every request is in `frame`.

mod bind_error;
mod frame;
mod patient;
mod places;
mod tcp;

use std::future::Future;
use std::net::SocketAddr;
use std::sync::atomic::Ordering;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use aimds_engine::Engine;
use aimds_store::AuditLog;
use axum::Router;
use axum::body::Body;
use axum::http::{HeaderValue, Request};
use axum::routing::{MethodFilter, MethodRouter, on};
use hyper_util::server::graceful::GracefulShutdown;
use tokio::net::TcpListener;
use tokio::sync::{Semaphore, watch};

use crate::address::Peer;
use crate::app::{App, now_ms};
use crate::audit::Recorder;
use crate::auth::{Callers, Tokens};
use crate::config::{Config, QuicConfig};
use crate::error::Failure;
use crate::learning::Learning;
use crate::memory::Memory;
use crate::metrics::Metrics;
use crate::mitigation::{Mitigations, record_waivers};
use crate::quic::Listener;
use crate::rate_limits::RateLimits;
use crate::reload::{Current, Reloads, Setup, Source};
use crate::review::{self, Reviews};
use crate::router::Desk;
use crate::routes::{ROUTES, Route};
use crate::sessions::Remembered;
use crate::siem::Siem;
use crate::stream::hold_back::Window;
use crate::telemetry::Telemetry;
use crate::tls::{Certificates, Tls};
use crate::upstream::Upstream;
use crate::vault::Vaults;
use tcp::Connection;

pub use bind_error::BindError;
pub(crate) use frame::{REQUEST_ID, turned_away};
pub(crate) use places::{Place, Places};

use frame::answer;

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
    current: Arc<Current>,
    places: Arc<Places>,
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
            trusted_proxies,
            rate_limits,
            admin_networks,
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
            review,
            sessions,
            graph,
            learn,
            notify,
            siem,
            shadow_policy,
            telemetry,
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
        let recorder = Recorder::new(audit.clone(), Siem::start(siem, now_ms())?);
        record_waivers(engine.policy().waived(), &recorder);
        let mitigations = Mitigations::open(mitigation, notify, recorder.clone(), now_ms())?;
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
            shadow: shadow_policy,
            callers: Callers::new(keys, certificates, Arc::new(Tokens::open(issuers)?), roles, require_auth),
            public_metrics,
            rate_limits: Arc::new(RateLimits::new(rate_limits)),
            trusted_proxies,
            admin_networks,
            limits,
            block,
            recorder,
            on_full,
            upstream: Upstream::new(upstream),
            router: router.map(Arc::new),
            vaults: vault.map(Vaults::start).transpose()?,
            window: Window { hold: stream.hold, step: stream.step, overlap: stream.overlap },
            hold_calls: stream.hold_calls,
            metrics: Arc::new(Metrics::new(routes.iter().map(|route| route.path))),
            mitigations: Arc::new(mitigations),
            reviews: review.map(Reviews::open).transpose()?.map(Arc::new),
            sessions: Arc::new(Remembered::new(sessions)),
            memory: memory.map(Arc::new),
            learning: learning.map(Arc::new),
            in_flight: Arc::new(Semaphore::new(limits.max_in_flight)),
            // A short queue for each core: who waits longer than that would miss the deadline anyway.
            deep: Arc::new(Semaphore::new(4 * std::thread::available_parallelism().map_or(1, usize::from))),
            telemetry: Telemetry::start(telemetry, tls.tcp().is_some()),
            routes,
            openapi: OnceLock::new(),
        };
        app.rate_limits.start();
        let proxies = app.trusted_proxies.clone();
        let places = Places::new(limits.max_connections, limits.connections_per_address, proxies);
        let current = Arc::new(Current::from_pointee(app));
        if current.load().reviews.is_some() {
            tokio::spawn(review::sweep(Arc::downgrade(&current)));
        }
        Ok(BoundGateway { listener, local_addr, quic, tls, current, places })
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

    /// Configuration and policy, which can be exchanged while the gateway serves. `setup` is what it was bound with, `source`
    /// where the next ones come from.
    #[must_use]
    pub fn reloads(&self, setup: &Setup, source: impl Source) -> Reloads {
        Reloads::new(Arc::clone(&self.current), setup, Box::new(source))
    }

    /// Answers requests until `shutdown` is ready, then lets those in progress finish within `limits.drain_timeout_ms`.
    pub async fn serve(self, shutdown: impl Future<Output = ()>) {
        let Self { listener, quic, tls, current, places, .. } = self;
        // What belongs to the listeners does not change while they are open.
        let app = current.load_full();
        let limits = app.limits;
        let router = router(&current);
        let builder = Arc::new(tcp::connection_builder(&limits));
        let (stop, stopped) = watch::channel(false);
        let quic = quic.map(|(quic, _)| {
            tokio::spawn(quic.serve(Arc::clone(&current), router.clone(), Arc::clone(&places), stopped))
        });
        let watching = tokio::spawn(Certificates::of(&tls).watch());
        let trusting = tokio::spawn(keep_fresh(Arc::clone(&current)));
        let alarms = tokio::spawn(crate::alarm::watch(Arc::clone(&app)));
        let secure = tls.tcp().is_some();
        let graceful = GracefulShutdown::new();
        let mut shutdown = std::pin::pin!(shutdown);
        loop {
            let accepted = tokio::select! {
                accepted = listener.accept() => accepted,
                () = &mut shutdown => break,
            };
            let (stream, from) = match accepted {
                Ok(accepted) => accepted,
                Err(error) => {
                    tracing::warn!(%error, "accept failed");
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                    continue;
                }
            };
            let Some(place) = places.take(from.ip()) else {
                app.metrics.connections_refused.fetch_add(1, Ordering::Relaxed);
                if !secure {
                    tcp::refuse(&stream);
                }
                continue;
            };
            let _ = stream.set_nodelay(true);
            let connection = Connection {
                app: Arc::clone(&app),
                router: router.clone(),
                peer: Peer(from.ip()),
                tls: tls.tcp(),
                _place: place,
            };
            let builder = Arc::clone(&builder);
            let watcher = graceful.watcher();
            tokio::spawn(async move { connection.run(stream, &builder, watcher, limits).await });
        }
        drop(listener);
        watching.abort();
        trusting.abort();
        alarms.abort();
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
            behind.recorder.siem().close(limits.drain_timeout);
            behind.learning.iter().for_each(|learning| learning.close(limits.drain_timeout));
            behind.memory.iter().for_each(|memory| memory.close(limits.drain_timeout));
        });
        let _ = closed.await;
        app.telemetry.close(limits.drain_timeout).await;
        // Where another configuration has its own.
        current.load_full().telemetry.close(limits.drain_timeout).await;
        if let Some(router) = &app.router {
            router.book.save();
        }
    }
}

/// Keeps the keys of the issuers fresh that are trusted now.
async fn keep_fresh(current: Arc<Current>) {
    loop {
        let tokens = Arc::clone(current.load().callers.tokens());
        tokio::select! {
            () = tokens.watch() => {}
            () = tokens.replaced() => {}
        }
    }
}

fn router(current: &Arc<Current>) -> Router {
    let mut paths: Vec<(&'static str, MethodRouter)> = Vec::new();
    let routes = current.load().routes;
    for (number, route) in routes.iter().enumerate() {
        let Ok(filter) = MethodFilter::try_from(route.method.clone()) else { continue };
        let current = Arc::clone(current);
        // A request ends with what is in force when it begins.
        let handler = move |request: Request<Body>| answer(current.load_full(), number, route, request);
        match paths.iter_mut().find(|(path, _)| *path == route.path) {
            Some((_, methods)) => *methods = std::mem::take(methods).on(filter, handler),
            None => paths.push((route.path, on(filter, handler))),
        }
    }
    let mut router = Router::new();
    for (path, methods) in paths {
        let (wrong, allowed) = (Arc::clone(current), allowed(routes, path));
        let fallback = move |_: Request<Body>| {
            let (app, allowed) = (wrong.load_full(), allowed.clone());
            async move {
                let mut response = turned_away(&app, &Failure::Method);
                response.headers_mut().extend(allowed.map(|allowed| (axum::http::header::ALLOW, allowed)));
                response
            }
        };
        router = router.route(path, methods.fallback(fallback));
    }
    let current = Arc::clone(current);
    router.fallback(move |_: Request<Body>| {
        let app = current.load_full();
        async move { turned_away(&app, &Failure::NotFound) }
    })
}

fn allowed(routes: &[Route], path: &str) -> Option<HeaderValue> {
    let methods: Vec<_> =
        routes.iter().filter(|route| route.path == path).map(|route| route.method.as_str()).collect();
    HeaderValue::try_from(methods.join(", ")).ok()
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
