//! HTTP/3: requests and answers of the router on streams of h3.

use axum::body::{Body, Bytes};
use axum::http::{HeaderMap, HeaderName, Request, Response, header};
use futures_util::future::{Either, select};
use h3::error::Code;
use h3::server::{RequestResolver, RequestStream};
use http_body_util::BodyExt as _;
use hyper::body::{Body as _, Buf as _};
use tokio::sync::watch;
use tokio::task::JoinSet;

use super::streams::{Arrived, Budget, Connection, Last, Receiving, Sending};
use super::{Peer, told};
use crate::error::Failure;
use crate::routes::Route;
use crate::server;

type Resolver = RequestResolver<Connection, Bytes>;
type Send = RequestStream<Sending, Bytes>;
type Receive = RequestStream<Receiving, Bytes>;

/// Beyond the limit on a head, so that the answer to one that is a little over it is ours. The stream of one that is
/// larger is reset.
const HEAD_SLACK: usize = 64 << 10;

/// Requests of one connection that h3 could not read before it is closed: h3 remembers each.
const UNREADABLE: usize = 100;

/// Set by an intermediary on a request that it has forwarded from early data (RFC 8470 §5.1).
const EARLY_DATA: HeaderName = HeaderName::from_static("early-data");

/// Answers the requests of a connection until it ends, or until `stop` and those in progress are finished.
pub(super) async fn serve(connection: quinn::Connection, peer: Peer, mut stop: watch::Receiver<bool>) {
    let last = Last::default();
    let head = peer.shared.app.limits.header_bytes.saturating_add(HEAD_SLACK);
    let mut builder = h3::server::builder();
    builder.max_field_section_size(u64::try_from(head).unwrap_or(u64::MAX)).send_grease(false);
    let mut h3 = match builder.build(Connection::new(connection, last.clone(), head)).await {
        Ok(h3) => h3,
        Err(error) => return tracing::debug!(%error, "HTTP/3 did not begin"),
    };
    // Dropped with this future: whoever is gone takes the requests that are in progress for it along.
    let mut requests = JoinSet::new();
    let (mut stopping, mut unreadable) = (false, 0);
    while unreadable < UNREADABLE && !(stopping && requests.is_empty()) {
        let accepted = tokio::select! {
            accepted = h3.accept() => accepted,
            Some(ended) = requests.join_next(), if !requests.is_empty() => {
                unreadable += usize::from(ended.is_ok_and(|read: bool| !read));
                continue;
            }
            () = told(&mut stop), if !stopping => {
                stopping = true;
                // GOAWAY: the client may send again elsewhere what is not answered here (RFC 9114 §5.2).
                if h3.shutdown(0).await.is_err() { return }
                continue;
            }
        };
        match accepted {
            Ok(Some(resolver)) => {
                if let Some(arrived) = last.take() {
                    requests.spawn(request(resolver, arrived, peer.clone()));
                }
            }
            Ok(None) => {
                // The client asks for no more; what it has asked for is still answered.
                while requests.join_next().await.is_some() {}
                return;
            }
            Err(error) => return tracing::debug!(%error, "HTTP/3 connection ended"),
        }
    }
}

/// One request, from its head to the confirmation that its answer has arrived. False if it could not be read.
async fn request(resolver: Resolver, arrived: Arrived, peer: Peer) -> bool {
    let Arrived { early, mut stopped, budget } = arrived;
    let limits = peer.shared.app.limits;
    let resolved = tokio::time::timeout(limits.header_read_timeout, resolver.resolve_request()).await;
    let (head, stream) = match resolved {
        Ok(Ok(resolved)) => resolved,
        Ok(Err(error)) => {
            tracing::debug!(%error, "HTTP/3 request could not be read");
            return false;
        }
        Err(_) => {
            tracing::debug!("HTTP/3 request head took too long");
            return false;
        }
    };
    budget.renew();
    let route = peer.route(&head);
    if !peer.may_go_on(early, route).await {
        return true;
    }
    let (mut send, receive) = stream.split();
    let work = Box::pin(async {
        let response = match relayed_early(route, &head) {
            true => server::turned_away(&peer.shared.app, &Failure::TooEarly),
            false => peer.ask(with_body(head, receive, budget)).await,
        };
        answer(&mut send, response, &peer).await
    });
    match select(work, &mut stopped).await {
        // Wait until the client has it: closing the connection earlier would throw away what is on its way.
        Either::Left((true, _)) => stopped.await,
        Either::Left((false, _)) => {}
        // Dropping the work cancels it, also at the upstream.
        Either::Right(((), _)) => tracing::debug!("HTTP/3 request was cancelled by the client"),
    }
    true
}

/// Whether an intermediary took the request from early data, and its route changes something (RFC 8470 §5.2).
fn relayed_early(route: Option<&Route>, head: &Request<()>) -> bool {
    head.headers().contains_key(EARLY_DATA) && !route.is_some_and(Route::may_be_early)
}

fn with_body(head: Request<()>, receive: Receive, budget: Budget) -> Request<Body> {
    let length = head.headers().get(header::CONTENT_LENGTH);
    let announced = length.and_then(|length| length.to_str().ok()).and_then(|length| length.parse().ok());
    let pieces =
        futures_util::stream::try_unfold(Incoming { receive, announced, read: 0, budget }, Incoming::next);
    head.map(|()| Body::from_stream(pieces))
}

/// The body of a request as it arrives.
struct Incoming {
    receive: Receive,
    announced: Option<u64>,
    read: u64,
    budget: Budget,
}

impl Incoming {
    /// A body that is not as long as was announced is malformed (RFC 9114 §4.1.2).
    async fn next(mut self) -> Result<Option<(Bytes, Self)>, std::io::Error> {
        let piece = self.receive.recv_data().await.map_err(std::io::Error::other)?;
        let piece = piece.map(|mut piece| piece.copy_to_bytes(piece.remaining()));
        self.budget.renew();
        self.read += piece.as_ref().map_or(0, |piece| piece.len() as u64);
        let wrong = self.announced.is_some_and(|length| match &piece {
            Some(_) => self.read > length,
            None => self.read != length,
        });
        if wrong {
            return Err(std::io::Error::other("the length of the body is not as announced"));
        }
        Ok(piece.map(|piece| (piece, self)))
    }
}

/// Sends an answer. False if it could not be sent whole, which the client sees.
async fn answer(send: &mut Send, response: Response<Body>, peer: &Peer) -> bool {
    let patience = peer.shared.config.idle_timeout;
    let (mut head, mut body) = response.into_parts();
    strip(&mut head.headers);
    if let Some(length) = body.size_hint().exact() {
        head.headers.entry(header::CONTENT_LENGTH).or_insert_with(|| length.into());
    }
    if send.send_response(Response::from_parts(head, ())).await.is_err() {
        return false;
    }
    while let Some(frame) = body.frame().await {
        let Ok(frame) = frame else {
            // Not an end: the client must not take what it has for the whole.
            send.stop_stream(Code::H3_INTERNAL_ERROR);
            return false;
        };
        let Ok(data) = frame.into_data() else { continue };
        // Who does not read, but keeps the connection alive, would keep the answer here for ever.
        if !matches!(tokio::time::timeout(patience, send.send_data(data)).await, Ok(Ok(()))) {
            send.stop_stream(Code::H3_REQUEST_CANCELLED);
            return false;
        }
    }
    send.finish().await.is_ok()
}

/// Headers that speak of one connection of HTTP/1.1 are malformed here (RFC 9114 §4.2).
fn strip(headers: &mut HeaderMap) {
    for name in [header::CONNECTION, header::TRANSFER_ENCODING, header::UPGRADE] {
        headers.remove(name);
    }
    headers.remove("keep-alive");
    headers.remove("proxy-connection");
}
