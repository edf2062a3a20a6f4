//! Connections over TCP: HTTP/1.1 and HTTP/2, with TLS or without.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::http::Request;
use hyper::body::Incoming;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use hyper_util::server::graceful::Watcher;
use hyper_util::service::TowerToHyperService;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;

use super::patient::Patient;
use super::places::Place;
use crate::address::Peer;
use crate::app::{App, Gauge};
use crate::config::Limits;
use crate::tls::{self, PeerIdentity};

/// How often an HTTP/2 connection without traffic is asked whether it still lives.
const H2_PING: Duration = Duration::from_secs(30);

/// What hyper buffers beyond the limit on a head, so that the answer to one over the limit is ours. hyper closes the
/// connection on anything larger.
const HEAD_SLACK: usize = 64 << 10;

/// One connection that has been let in.
pub(super) struct Connection {
    pub(super) app: Arc<App>,
    pub(super) router: Router,
    pub(super) peer: Peer,
    /// With TLS, what it is greeted with.
    pub(super) tls: Option<Arc<rustls::ServerConfig>>,
    pub(super) _place: Place,
}

impl Connection {
    pub(super) async fn run(
        mut self,
        stream: TcpStream,
        builder: &auto::Builder<TokioExecutor>,
        watcher: Watcher,
        limits: Limits,
    ) {
        let Some(tls) = self.tls.take() else {
            return self.speak(stream, None, builder, watcher, limits).await;
        };
        match Box::pin(tls::shake_hands(tls, stream, limits.header_read_timeout)).await {
            Ok((stream, peer)) => self.speak(stream, peer, builder, watcher, limits).await,
            Err(error) => tracing::debug!(%error, "TLS handshake failed"),
        }
    }

    async fn speak(
        self,
        stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
        peer: Option<Arc<PeerIdentity>>,
        builder: &auto::Builder<TokioExecutor>,
        watcher: Watcher,
        limits: Limits,
    ) {
        let _open = Gauge::up(Arc::clone(&self.app), |metrics| &metrics.connections);
        let begun = Arc::new(AtomicBool::new(false));
        let service = {
            let begun = Arc::clone(&begun);
            let (from, router) = (self.peer, TowerToHyperService::new(self.router));
            hyper::service::service_fn(move |request: Request<Incoming>| {
                begun.store(true, Ordering::Relaxed);
                let mut request = request.map(Body::new);
                request.extensions_mut().insert(from);
                if let Some(peer) = &peer {
                    request.extensions_mut().insert(Arc::clone(peer));
                }
                hyper::service::Service::call(&router, request)
            })
        };
        let stream = Patient::new(stream, limits.answer_timeout);
        let connection = builder.serve_connection(TokioIo::new(stream), service).into_owned();
        let connection = std::pin::pin!(watcher.watch(connection));
        // hyper's own timer starts with the first bytes of a head; before them, it waits for the protocol without end.
        let silence = std::pin::pin!(tokio::time::sleep(limits.header_read_timeout));
        match futures_util::future::select(connection, silence).await {
            futures_util::future::Either::Left((ended, _)) => log_end(ended),
            futures_util::future::Either::Right(((), connection)) => {
                if begun.load(Ordering::Relaxed) {
                    log_end(connection.await);
                }
            }
        }
    }
}

fn log_end<E: std::fmt::Display>(ended: Result<(), E>) {
    if let Err(error) = ended {
        tracing::debug!(%error, "connection ended");
    }
}

pub(super) fn connection_builder(limits: &Limits) -> auto::Builder<TokioExecutor> {
    let mut builder = auto::Builder::new(TokioExecutor::new());
    builder
        .http1()
        .timer(TokioTimer::new())
        .header_read_timeout(limits.header_read_timeout)
        // Not pipeline_flush: it gathers answers without bound for as long as requests come.
        .max_buf_size(limits.header_bytes.saturating_add(HEAD_SLACK));
    builder
        .http2()
        .timer(TokioTimer::new())
        .keep_alive_interval(H2_PING)
        .keep_alive_timeout(limits.header_read_timeout)
        .max_header_list_size(
            u32::try_from(limits.header_bytes.saturating_add(HEAD_SLACK)).unwrap_or(u32::MAX),
        )
        .max_concurrent_streams(u32::try_from(limits.max_in_flight).unwrap_or(u32::MAX));
    builder
}

/// Tells a connection over the limit so, if its socket takes the few bytes at once.
pub(super) fn refuse(stream: &TcpStream) {
    const ANSWER: &[u8] =
        b"HTTP/1.1 503 Service Unavailable\r\nretry-after: 1\r\nconnection: close\r\ncontent-length: 0\r\n\r\n";
    let _ = stream.try_write(ANSWER);
}
