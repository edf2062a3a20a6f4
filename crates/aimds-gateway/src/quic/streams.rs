//! Streams of quinn for h3, where h3-quinn's own do not do: they hide whether a request came in early data and whether
//! the client has cancelled it while its answer is being made, and they give h3 as much as a client sends, although h3
//! keeps a whole frame of any length in memory.

use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, ready};

use axum::body::Bytes;
use h3::error::Code;
use h3::quic::{self, ConnectionErrorIncoming, StreamErrorIncoming, StreamId, WriteBuf};
use hyper::body::Buf as _;
use quinn::VarInt;

/// Bytes on one control stream in the life of a connection: settings, and a few bytes now and then.
const CONTROL_BYTES: usize = 1 << 20;

/// A future that ends when a client no longer waits for an answer: it cancelled, it has everything, or it is gone.
pub(super) type Stopped = Pin<Box<dyn Future<Output = ()> + Send>>;

/// What h3 does not tell about a stream.
pub(super) struct Arrived {
    /// It came before the handshake was complete.
    pub(super) early: bool,
    pub(super) stopped: Stopped,
    pub(super) budget: Budget,
}

/// How much of a request h3 may take in before it gives something out: a head, trailers or frames that nobody knows.
#[derive(Clone)]
pub(super) struct Budget {
    taken: Arc<AtomicUsize>,
    limit: usize,
}

impl Budget {
    fn of(limit: usize) -> Self {
        Self { taken: Arc::default(), limit }
    }

    /// To be called whenever h3 has given out a head or a piece of a body.
    pub(super) fn renew(&self) {
        self.taken.store(0, Ordering::Relaxed);
    }

    fn take(&self, bytes: usize) -> Result<(), StreamErrorIncoming> {
        let before = self.taken.fetch_add(bytes, Ordering::Relaxed);
        match before.saturating_add(bytes) > self.limit {
            true => {
                Err(StreamErrorIncoming::StreamTerminated { error_code: Code::H3_EXCESSIVE_LOAD.value() })
            }
            false => Ok(()),
        }
    }
}

/// The stream that was accepted last.
#[derive(Clone, Default)]
pub(super) struct Last(Arc<Mutex<Option<Arrived>>>);

impl Last {
    fn put(&self, arrived: Arrived) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(arrived);
    }

    /// To be called after each stream that h3 accepts.
    pub(super) fn take(&self) -> Option<Arrived> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

/// A future that ends when nobody waits for what this stream sends.
pub(super) fn stopped(stream: &quinn::SendStream) -> Stopped {
    let stopped = stream.stopped();
    Box::pin(async move { drop(stopped.await) })
}

type Accepting = Pin<
    Box<
        dyn Future<Output = Result<(quinn::SendStream, quinn::RecvStream), quinn::ConnectionError>>
            + Send
            + Sync,
    >,
>;

/// A connection whose requests come as [`Bidi`].
pub(super) struct Connection {
    quinn: quinn::Connection,
    control: h3_quinn::Connection,
    accepting: Option<Accepting>,
    last: Last,
    head_limit: usize,
}

impl Connection {
    /// `last` tells about each stream that is accepted; `head_limit` is the longest head, in bytes on the wire.
    pub(super) fn new(quinn: quinn::Connection, last: Last, head_limit: usize) -> Self {
        Self { control: h3_quinn::Connection::new(quinn.clone()), quinn, accepting: None, last, head_limit }
    }
}

/// HTTP/3 servers never open such a stream (RFC 9114 §6.1).
fn never<T>() -> Poll<Result<T, StreamErrorIncoming>> {
    Poll::Ready(Err(StreamErrorIncoming::Unknown("a server opens no request stream".into())))
}

impl quic::OpenStreams<Bytes> for Connection {
    type BidiStream = Bidi;
    type SendStream = h3_quinn::SendStream<Bytes>;

    fn poll_open_bidi(&mut self, _: &mut Context<'_>) -> Poll<Result<Bidi, StreamErrorIncoming>> {
        never()
    }

    fn poll_open_send(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<Result<Self::SendStream, StreamErrorIncoming>> {
        quic::OpenStreams::<Bytes>::poll_open_send(&mut self.control, cx)
    }

    fn close(&mut self, code: Code, reason: &[u8]) {
        quic::OpenStreams::<Bytes>::close(&mut self.control, code, reason);
    }
}

impl quic::Connection<Bytes> for Connection {
    type RecvStream = Control;
    type OpenStreams = Opener;

    fn poll_accept_recv(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<Result<Self::RecvStream, ConnectionErrorIncoming>> {
        let accepted = ready!(quic::Connection::<Bytes>::poll_accept_recv(&mut self.control, cx));
        Poll::Ready(accepted.map(|stream| Control { stream, budget: Budget::of(CONTROL_BYTES) }))
    }

    fn poll_accept_bidi(&mut self, cx: &mut Context<'_>) -> Poll<Result<Bidi, ConnectionErrorIncoming>> {
        let accepting = self.accepting.get_or_insert_with(|| {
            let quinn = self.quinn.clone();
            Box::pin(async move { quinn.accept_bi().await })
        });
        let accepted = ready!(accepting.as_mut().poll(cx));
        self.accepting = None;
        let (send, receive) = accepted.map_err(lost)?;
        let id = StreamId::try_from(VarInt::from(send.id()).into_inner());
        let id = id.map_err(|error| ConnectionErrorIncoming::InternalError(error.to_string()))?;
        let budget = Budget::of(self.head_limit);
        self.last.put(Arrived { early: receive.is_0rtt(), stopped: stopped(&send), budget: budget.clone() });
        Poll::Ready(Ok(Bidi {
            send: Sending { stream: send, id, writing: None, ended: false },
            receive: Receiving { stream: receive, id, budget },
        }))
    }

    fn opener(&self) -> Opener {
        Opener(quic::Connection::<Bytes>::opener(&self.control))
    }
}

/// A control stream of the client.
pub(super) struct Control {
    stream: h3_quinn::RecvStream,
    budget: Budget,
}

impl quic::RecvStream for Control {
    type Buf = Bytes;

    fn poll_data(&mut self, cx: &mut Context<'_>) -> Poll<Result<Option<Bytes>, StreamErrorIncoming>> {
        let piece = ready!(self.stream.poll_data(cx))?;
        self.budget.take(piece.as_ref().map_or(0, Bytes::len))?;
        Poll::Ready(Ok(piece))
    }

    fn stop_sending(&mut self, code: u64) {
        self.stream.stop_sending(code);
    }

    fn recv_id(&self) -> StreamId {
        self.stream.recv_id()
    }
}

/// Opens control streams.
pub(super) struct Opener(h3_quinn::OpenStreams);

impl quic::OpenStreams<Bytes> for Opener {
    type BidiStream = Bidi;
    type SendStream = h3_quinn::SendStream<Bytes>;

    fn poll_open_bidi(&mut self, _: &mut Context<'_>) -> Poll<Result<Bidi, StreamErrorIncoming>> {
        never()
    }

    fn poll_open_send(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<Result<Self::SendStream, StreamErrorIncoming>> {
        quic::OpenStreams::<Bytes>::poll_open_send(&mut self.0, cx)
    }

    fn close(&mut self, code: Code, reason: &[u8]) {
        quic::OpenStreams::<Bytes>::close(&mut self.0, code, reason);
    }
}

/// A request stream.
pub(super) struct Bidi {
    send: Sending,
    receive: Receiving,
}

impl quic::BidiStream<Bytes> for Bidi {
    type SendStream = Sending;
    type RecvStream = Receiving;

    fn split(self) -> (Sending, Receiving) {
        (self.send, self.receive)
    }
}

impl quic::RecvStream for Bidi {
    type Buf = Bytes;

    fn poll_data(&mut self, cx: &mut Context<'_>) -> Poll<Result<Option<Bytes>, StreamErrorIncoming>> {
        self.receive.poll_data(cx)
    }

    fn stop_sending(&mut self, code: u64) {
        self.receive.stop_sending(code);
    }

    fn recv_id(&self) -> StreamId {
        self.receive.recv_id()
    }
}

impl quic::SendStream<Bytes> for Bidi {
    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), StreamErrorIncoming>> {
        self.send.poll_ready(cx)
    }

    fn send_data<T: Into<WriteBuf<Bytes>>>(&mut self, data: T) -> Result<(), StreamErrorIncoming> {
        self.send.send_data(data)
    }

    fn poll_finish(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), StreamErrorIncoming>> {
        self.send.poll_finish(cx)
    }

    fn reset(&mut self, code: u64) {
        self.send.reset(code);
    }

    fn send_id(&self) -> StreamId {
        self.send.send_id()
    }
}

/// The half of a request stream that carries the request.
pub(super) struct Receiving {
    stream: quinn::RecvStream,
    id: StreamId,
    budget: Budget,
}

impl quic::RecvStream for Receiving {
    type Buf = Bytes;

    fn poll_data(&mut self, cx: &mut Context<'_>) -> Poll<Result<Option<Bytes>, StreamErrorIncoming>> {
        let reading = std::pin::pin!(self.stream.read_chunk(usize::MAX, true));
        let chunk = ready!(reading.poll(cx)).map_err(|error| match error {
            quinn::ReadError::Reset(code) => {
                StreamErrorIncoming::StreamTerminated { error_code: code.into_inner() }
            }
            quinn::ReadError::ConnectionLost(error) => broken(error),
            error => StreamErrorIncoming::Unknown(error.into()),
        })?;
        let piece = chunk.map(|chunk| chunk.bytes);
        self.budget.take(piece.as_ref().map_or(0, Bytes::len))?;
        Poll::Ready(Ok(piece))
    }

    fn stop_sending(&mut self, code: u64) {
        let _ = self.stream.stop(varint(code));
    }

    fn recv_id(&self) -> StreamId {
        self.id
    }
}

impl Drop for Receiving {
    /// Who is still sending need not go on: the answer is complete without it (RFC 9114 §4.1).
    fn drop(&mut self) {
        let _ = self.stream.stop(varint(Code::H3_NO_ERROR.value()));
    }
}

/// The half of a request stream that carries the answer.
pub(super) struct Sending {
    stream: quinn::SendStream,
    id: StreamId,
    writing: Option<WriteBuf<Bytes>>,
    ended: bool,
}

impl Drop for Sending {
    /// An answer that is given up half-way must not look whole: quinn would end its stream as if it were.
    fn drop(&mut self) {
        if !self.ended {
            let _ = self.stream.reset(varint(Code::H3_REQUEST_CANCELLED.value()));
        }
    }
}

impl quic::SendStream<Bytes> for Sending {
    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), StreamErrorIncoming>> {
        while let Some(data) = self.writing.as_mut().filter(|data| data.has_remaining()) {
            let written = ready!(Pin::new(&mut self.stream).poll_write(cx, data.chunk())).map_err(unsent)?;
            data.advance(written);
        }
        self.writing = None;
        Poll::Ready(Ok(()))
    }

    fn send_data<T: Into<WriteBuf<Bytes>>>(&mut self, data: T) -> Result<(), StreamErrorIncoming> {
        if self.writing.is_some() {
            return Err(StreamErrorIncoming::Unknown("the last piece is still being sent".into()));
        }
        self.writing = Some(data.into());
        Ok(())
    }

    fn poll_finish(&mut self, _: &mut Context<'_>) -> Poll<Result<(), StreamErrorIncoming>> {
        self.ended = true;
        Poll::Ready(self.stream.finish().map_err(|error| StreamErrorIncoming::Unknown(error.into())))
    }

    fn reset(&mut self, code: u64) {
        self.ended = true;
        let _ = self.stream.reset(varint(code));
    }

    fn send_id(&self) -> StreamId {
        self.id
    }
}

fn varint(code: u64) -> VarInt {
    VarInt::from_u64(code).unwrap_or(VarInt::MAX)
}

fn unsent(error: quinn::WriteError) -> StreamErrorIncoming {
    match error {
        quinn::WriteError::Stopped(code) => {
            StreamErrorIncoming::StreamTerminated { error_code: code.into_inner() }
        }
        quinn::WriteError::ConnectionLost(error) => broken(error),
        error => StreamErrorIncoming::Unknown(error.into()),
    }
}

fn broken(error: quinn::ConnectionError) -> StreamErrorIncoming {
    StreamErrorIncoming::ConnectionErrorIncoming { connection_error: lost(error) }
}

fn lost(error: quinn::ConnectionError) -> ConnectionErrorIncoming {
    match error {
        quinn::ConnectionError::ApplicationClosed(closed) => {
            ConnectionErrorIncoming::ApplicationClose { error_code: closed.error_code.into_inner() }
        }
        quinn::ConnectionError::TimedOut => ConnectionErrorIncoming::Timeout,
        error => ConnectionErrorIncoming::Undefined(Arc::new(error)),
    }
}
