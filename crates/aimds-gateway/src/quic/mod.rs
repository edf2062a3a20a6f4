//! The QUIC listener: HTTP/3 (RFC 9114) and `aimds/1` on one socket, told apart by ALPN.
//!
//! Requests go through the same router as those of HTTP/1.1 and HTTP/2, so routes, keys, limits, headers and metrics
//! are the same. What is QUIC's own is here: who is let in, what may be answered before the handshake is complete, and
//! how a connection ends.

mod envelope;
mod http3;
mod native;
mod streams;
mod turns;

use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::http::{Request, Response};
use hyper_util::service::TowerToHyperService;
use quinn::{Incoming, TransportConfig, VarInt, ZeroRttAccepted};
use rustls::pki_types::CertificateDer;
use tokio::sync::watch;
use tokio::task::JoinSet;

use crate::address;
use crate::app::{App, Gauge};
use crate::config::QuicConfig;
use crate::reload::Current;
use crate::routes::Route;
use crate::server::{Place, Places};
use crate::tls::{NATIVE, PeerIdentity, Tls, identify};
use turns::Turns;

/// Bytes of one request and of all requests of a connection that may be on their way to us unread.
const STREAM_WINDOW: u32 = 256 << 10;
const CONNECTION_WINDOW: u32 = 2 << 20;
/// Bytes of all answers of a connection that may be on their way unconfirmed.
const SEND_WINDOW: u64 = 2 << 20;
/// HTTP/3 has three streams that carry no request (RFC 9114 §6.2); a client may open unknown ones beside them.
const CONTROL_STREAMS: u32 = 8;
/// What is kept of connections that nobody has looked at yet: how many, and how much of each and of all.
const UNSEEN: usize = 1024;
const UNSEEN_BYTES: u64 = 64 << 10;
const UNSEEN_BYTES_TOTAL: u64 = 8 << 20;
/// How long the last packets may take to leave at shutdown.
const FAREWELL: Duration = Duration::from_secs(1);
/// H3_NO_ERROR; `aimds/1` uses the same numbers.
const NO_ERROR: VarInt = VarInt::from_u32(0x100);
/// H3_REQUEST_REJECTED
const REJECTED: VarInt = VarInt::from_u32(0x10b);

/// A socket that is bound and not answered yet.
pub(crate) struct Listener {
    endpoint: quinn::Endpoint,
    base: quinn::ServerConfig,
    config: QuicConfig,
    tls: Arc<Tls>,
}

/// What all connections share.
struct Shared {
    /// As it was at the start: what belongs to connections and does not change.
    app: Arc<App>,
    /// As it is.
    current: Arc<Current>,
    service: TowerToHyperService<Router>,
    turns: Arc<Turns>,
    config: QuicConfig,
    /// Handshakes under way.
    greeting: AtomicUsize,
}

impl Listener {
    /// Binds the socket. `tls` must have certificates for QUIC.
    pub(crate) fn bind(config: QuicConfig, tls: Arc<Tls>) -> io::Result<Self> {
        let crypto = tls.quic().ok_or_else(|| io::Error::other("there is no certificate for QUIC"))?;
        let mut base = quinn::ServerConfig::with_crypto(crypto);
        base.transport_config(Arc::new(transport(&config)))
            .migration(true)
            .max_incoming(UNSEEN)
            .incoming_buffer_size(UNSEEN_BYTES)
            .incoming_buffer_size_total(UNSEEN_BYTES_TOTAL);
        let endpoint = quinn::Endpoint::server(base.clone(), config.address)?;
        Ok(Self { endpoint, base, config, tls })
    }

    /// The address with the port that was chosen.
    pub(crate) fn local_addr(&self) -> io::Result<SocketAddr> {
        self.endpoint.local_addr()
    }

    /// Answers until `stop` holds true; then lets what is in progress finish within the drain time.
    pub(crate) async fn serve(
        self,
        current: Arc<Current>,
        router: Router,
        places: Arc<Places>,
        mut stop: watch::Receiver<bool>,
    ) {
        let app = current.load_full();
        let drain = app.limits.drain_timeout;
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        let shared = Arc::new(Shared {
            turns: Turns::new(2 * cores, app.limits.max_in_flight),
            app,
            current,
            service: TowerToHyperService::new(router),
            config: self.config,
            greeting: AtomicUsize::new(0),
        });
        let mut connections = JoinSet::new();
        loop {
            let incoming = tokio::select! {
                incoming = self.endpoint.accept() => incoming,
                Some(_) = connections.join_next(), if !connections.is_empty() => continue,
                () = told(&mut stop) => None,
            };
            let Some(incoming) = incoming else { break };
            if let Some((incoming, place)) = admit(incoming, &shared, &places) {
                let mut config = self.base.clone();
                if let Some(crypto) = self.tls.quic() {
                    config.crypto = crypto;
                }
                let early = self.config.early_data && !self.tls.asks_clients();
                let shared = Arc::clone(&shared);
                connections.spawn(greet(incoming, place, Arc::new(config), early, shared, stop.clone()));
            }
        }
        let finish = async {
            loop {
                tokio::select! {
                    joined = connections.join_next() => if joined.is_none() { break },
                    Some(late) = self.endpoint.accept() => late.refuse(),
                }
            }
        };
        if tokio::time::timeout(drain, finish).await.is_err() {
            tracing::warn!("QUIC requests in progress were cut off at the end of the drain time");
        }
        self.endpoint.close(NO_ERROR, b"shutting down");
        let _ = tokio::time::timeout(FAREWELL, self.endpoint.wait_idle()).await;
    }
}

fn transport(config: &QuicConfig) -> TransportConfig {
    let mut transport = TransportConfig::default();
    transport
        .max_concurrent_bidi_streams(config.max_streams.into())
        .max_concurrent_uni_streams(CONTROL_STREAMS.into())
        .stream_receive_window(STREAM_WINDOW.into())
        .receive_window(CONNECTION_WINDOW.into())
        .send_window(SEND_WINDOW)
        .datagram_receive_buffer_size(None)
        .max_idle_timeout(config.idle_timeout.try_into().ok());
    transport
}

/// Ends once the gateway is told to stop.
async fn told(stop: &mut watch::Receiver<bool>) {
    // The sender is dropped only after it has told.
    let _ = stop.wait_for(|stopped| *stopped).await;
}

/// Lets a connection in, or tells it to prove its address first, or refuses it. Costs no memory where it does not let
/// it in: a Retry packet holds what is needed to recognise who comes back (RFC 9000 §8.1.2).
fn admit(incoming: Incoming, shared: &Shared, places: &Arc<Places>) -> Option<(Incoming, Place)> {
    let metrics = &shared.app.metrics;
    let busy = shared.greeting.load(Ordering::Relaxed) >= shared.config.retry_above;
    if busy && !incoming.remote_address_validated() {
        metrics.quic_retries.fetch_add(1, Ordering::Relaxed);
        let _ = incoming.retry();
        return None;
    }
    match places.take(incoming.remote_address().ip()) {
        Some(place) => Some((incoming, place)),
        None => {
            metrics.connections_refused.fetch_add(1, Ordering::Relaxed);
            incoming.refuse();
            None
        }
    }
}

/// A handshake under way.
struct Greeting(Arc<Shared>);

impl Greeting {
    fn begin(shared: &Arc<Shared>) -> Self {
        shared.greeting.fetch_add(1, Ordering::Relaxed);
        Self(Arc::clone(shared))
    }
}

impl Drop for Greeting {
    fn drop(&mut self) {
        self.0.greeting.fetch_sub(1, Ordering::Relaxed);
    }
}

/// One connection that has been let in, as its requests see it.
#[derive(Clone)]
struct Peer {
    shared: Arc<Shared>,
    identity: Option<Arc<PeerIdentity>>,
    /// Where it began; a connection may move later, but stays with whom it began.
    address: address::Peer,
    /// True once the handshake is complete: what comes then comes from who we talk to, and is no replay.
    complete: watch::Receiver<bool>,
}

/// A connection from its first packet to its last.
async fn greet(
    incoming: Incoming,
    _place: Place,
    config: Arc<quinn::ServerConfig>,
    early: bool,
    shared: Arc<Shared>,
    stop: watch::Receiver<bool>,
) {
    let _open = Gauge::up(Arc::clone(&shared.app), |metrics| &metrics.connections);
    let greeting = Greeting::begin(&shared);
    let limit = shared.app.limits.header_read_timeout;
    let shaken = match tokio::time::timeout(limit, shake_hands(incoming, config, early)).await {
        Ok(Ok(shaken)) => shaken,
        Ok(Err(error)) => return tracing::debug!(%error, "QUIC handshake failed"),
        Err(_) => return tracing::debug!("QUIC handshake took too long"),
    };
    let Shaken { connection, native, identity, rest } = shaken;
    let (tell, complete) = watch::channel(rest.is_none());
    let address = address::Peer(connection.remote_address().ip());
    let peer = Peer { shared, identity, address, complete };
    let finish = async {
        let in_time = match rest {
            Some(rest) => tokio::time::timeout(limit, rest).await.is_ok(),
            None => true,
        };
        drop(greeting);
        match in_time && connection.close_reason().is_none() {
            true => drop(tell.send(true)),
            false => connection.close(NO_ERROR, b"the handshake took too long"),
        }
    };
    let serve = async {
        match native {
            true => native::serve(connection.clone(), peer, stop).await,
            false => http3::serve(connection.clone(), peer, stop).await,
        }
    };
    futures_util::future::join(finish, Box::pin(serve)).await;
}

/// A connection that can be used.
struct Shaken {
    connection: quinn::Connection,
    /// It speaks `aimds/1`.
    native: bool,
    identity: Option<Arc<PeerIdentity>>,
    /// What is still missing of the handshake.
    rest: Option<ZeroRttAccepted>,
}

async fn shake_hands(
    incoming: Incoming,
    config: Arc<quinn::ServerConfig>,
    early: bool,
) -> io::Result<Shaken> {
    let mut connecting = incoming.accept_with(config)?;
    let data = connecting.handshake_data().await?;
    let data = data.downcast::<quinn::crypto::rustls::HandshakeData>();
    let native = data.is_ok_and(|data| data.protocol.as_deref() == Some(NATIVE));
    let (connection, rest) = match early {
        true => match connecting.into_0rtt() {
            Ok((connection, rest)) => (connection, Some(rest)),
            Err(connecting) => (connecting.await?, None),
        },
        false => (connecting.await?, None),
    };
    let shown =
        connection.peer_identity().and_then(|any| any.downcast::<Vec<CertificateDer<'static>>>().ok());
    let identity = shown.map(|chain| identify(&chain)).transpose().inspect_err(|error| {
        connection.close(REJECTED, error.to_string().as_bytes());
    });
    let identity = identity.map_err(io::Error::other)?.map(Arc::new);
    Ok(Shaken { connection, native, identity, rest })
}

/// Mark of a request that came over QUIC, and so with TLS.
#[derive(Clone, Copy)]
pub(crate) struct OverQuic;

impl Peer {
    /// The route that a request names, where it names one without parameters.
    fn route(&self, request: &Request<impl Sized>) -> Option<&'static Route> {
        let named = |route: &&Route| route.path == request.uri().path() && route.method == *request.method();
        self.shared.app.routes.iter().find(named)
    }

    /// Waits with a request that came in early data until the handshake is complete, unless its route may be asked
    /// again by anyone. False: the handshake failed, and nobody waits for an answer.
    async fn may_go_on(&self, early: bool, route: Option<&Route>) -> bool {
        let metrics = &self.shared.app.metrics;
        if !early {
            return true;
        }
        metrics.early_requests.fetch_add(1, Ordering::Relaxed);
        if *self.complete.borrow() || route.is_some_and(Route::may_be_early) {
            return true;
        }
        metrics.early_held.fetch_add(1, Ordering::Relaxed);
        self.complete.clone().wait_for(|complete| *complete).await.is_ok()
    }

    /// Asks the router.
    fn ask(&self, mut request: Request<Body>) -> impl Future<Output = Response<Body>> + Send + use<> {
        request.extensions_mut().insert(self.address);
        request.extensions_mut().insert(OverQuic);
        if let Some(identity) = &self.identity {
            request.extensions_mut().insert(Arc::clone(identity));
        }
        let asked = hyper::service::Service::call(&self.shared.service, request);
        async move { asked.await.unwrap_or_else(|never| match never {}) }
    }
}
