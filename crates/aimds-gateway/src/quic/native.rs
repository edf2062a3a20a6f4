//! `aimds/1`: one bidirectional stream for each request, the request in JSON until its end, then the answer. The
//! `envelope` module says what they hold, and the crate's README tells it to those who write clients.
//!
//! Every failure is an answer like any other, with the error in the body; only a connection that breaks the protocol is
//! closed. A client cancels with STOP_SENDING or RESET_STREAM, in numbers that HTTP/3 has for the same.

use std::sync::Arc;

use axum::body::Body;
use axum::http::{Request, Response};
use futures_util::future::{Either, select};
use http_body_util::BodyExt as _;
use quinn::{ReadToEndError, RecvStream, SendStream, VarInt};
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinSet;

use super::streams::stopped;
use super::turns::{Priority, Shed, Turn};
use super::{NO_ERROR, Peer, envelope, told};
use crate::error::Failure;
use crate::routes::Route;
use crate::server;

/// What a request may be longer than its body: route, key and headers.
const ENVELOPE: usize = 16 << 10;
/// Requests of one connection that are read at the same time: each may be as long as a body, and who sends them shows
/// only in what they hold. The others wait in the windows of QUIC.
const READING: usize = 8;
/// What is given to the connection at once.
const PIECE: usize = 64 << 10;
/// H3_REQUEST_CANCELLED.
const CANCELLED: VarInt = VarInt::from_u32(0x10c);

/// Answers the requests of a connection until it ends, or until `stop` and those in progress are finished.
pub(super) async fn serve(connection: quinn::Connection, peer: Peer, mut stop: watch::Receiver<bool>) {
    connection.set_max_concurrent_uni_streams(VarInt::from_u32(0));
    // Dropped with this future: whoever is gone takes the requests that are in progress for it along.
    let mut requests = JoinSet::new();
    let reading = Arc::new(Semaphore::new(READING));
    loop {
        tokio::select! {
            accepted = connection.accept_bi() => match accepted {
                Ok((send, receive)) => {
                    let send = Answering { stream: send, ended: false };
                    requests.spawn(request(send, receive, peer.clone(), Arc::clone(&reading)));
                }
                Err(error) => return tracing::debug!(%error, "aimds/1 connection ended"),
            },
            Some(_) = requests.join_next(), if !requests.is_empty() => {}
            () = told(&mut stop) => break,
        }
    }
    let gone = connection.closed();
    let finish = async { while requests.join_next().await.is_some() {} };
    select(std::pin::pin!(finish), std::pin::pin!(gone)).await;
    connection.close(NO_ERROR, b"shutting down");
}

/// The half of a stream that carries the answer.
struct Answering {
    stream: SendStream,
    ended: bool,
}

impl Drop for Answering {
    /// An answer that is given up half-way must not look whole: quinn would end its stream as if it were.
    fn drop(&mut self) {
        if !self.ended {
            let _ = self.stream.reset(CANCELLED);
        }
    }
}

/// One request, from its first byte to the confirmation that its answer has arrived.
async fn request(mut send: Answering, mut receive: RecvStream, peer: Peer, reading: Arc<Semaphore>) {
    let early = receive.is_0rtt();
    let mut stopped = stopped(&send.stream);
    let work = Box::pin(async {
        let read = read(&mut receive, &reading, &peer).await;
        let answer = match read {
            Ok(request) => respond(request, early, &send, &peer).await,
            Err(failure) => Some(server::turned_away(&peer.shared.app, &failure)),
        };
        match answer {
            Some(answer) => write(answer, &mut send, &peer).await,
            None => false,
        }
    });
    match select(work, &mut stopped).await {
        // Wait until the client has it: closing the connection earlier would throw away what is on its way.
        Either::Left((true, _)) => stopped.await,
        Either::Left((false, _)) => {}
        Either::Right(((), _)) => tracing::debug!("aimds/1 request was cancelled by the client"),
    }
}

async fn read(
    receive: &mut RecvStream,
    reading: &Semaphore,
    peer: &Peer,
) -> Result<(Priority, Request<Body>), Failure> {
    let limits = peer.shared.current.load().limits;
    let whole = async {
        // Closed never: whoever waits gets a place or runs out of time.
        let _place = reading.acquire().await;
        receive.read_to_end(limits.body_bytes.saturating_add(ENVELOPE)).await
    };
    match tokio::time::timeout(limits.request_timeout, whole).await {
        Ok(Ok(bytes)) => envelope::read(&bytes, limits.json_depth),
        Ok(Err(ReadToEndError::TooLong)) => {
            // The answer is complete without the rest of the request.
            let _ = receive.stop(NO_ERROR);
            Err(Failure::TooLarge { limit: limits.body_bytes })
        }
        Ok(Err(ReadToEndError::Read(_))) => Err(Failure::BodyBroken),
        Err(_) => Err(Failure::BodyTimeout),
    }
}

/// Asks the router when it is the request's turn. `None`: nobody waits for an answer any more.
async fn respond(
    (priority, request): (Priority, Request<Body>),
    early: bool,
    send: &Answering,
    peer: &Peer,
) -> Option<Response<Body>> {
    let _ = send.stream.set_priority(priority.of_stream());
    let route = peer.route(&request);
    if !peer.may_go_on(early, route).await {
        return None;
    }
    let _turn = match turn(priority, route, peer).await {
        Ok(turn) => turn,
        Err(Shed) => return Some(server::turned_away(&peer.shared.app, &Failure::Overloaded)),
    };
    Some(peer.ask(request).await)
}

/// Requests that this machine works on wait for their turn; the proxy waits for the upstream, and operations stay
/// visible while the gateway is busy.
async fn turn(priority: Priority, route: Option<&Route>, peer: &Peer) -> Result<Option<Turn>, Shed> {
    let shared = &peer.shared;
    if !route.is_some_and(|route| route.guarded && route.provider.is_none()) {
        return Ok(None);
    }
    let limit = shared.current.load().limits.request_timeout;
    let turn = tokio::time::timeout(limit, shared.turns.wait(priority));
    turn.await.unwrap_or(Err(Shed)).map(Some)
}

/// Sends an answer. False if it could not be sent whole, which the client sees.
async fn write(response: Response<Body>, send: &mut Answering, peer: &Peer) -> bool {
    let patience = peer.shared.config.idle_timeout;
    let (head, body) = response.into_parts();
    let Ok(body) = body.collect().await else { return false };
    let answer = envelope::write(&Response::from_parts(head, ()), &body.to_bytes());
    for piece in answer.chunks(PIECE) {
        // Who does not read, but keeps the connection alive, would keep the answer here for ever.
        if !matches!(tokio::time::timeout(patience, send.stream.write_all(piece)).await, Ok(Ok(()))) {
            return false;
        }
    }
    send.ended = send.stream.finish().is_ok();
    send.ended
}
