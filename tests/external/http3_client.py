"""HTTP/3 and `aimds/1` with aioquic, which shares no code with the gateway."""

import asyncio
import contextlib
import json
import ssl

from aioquic.asyncio.client import connect
from aioquic.asyncio.protocol import QuicConnectionProtocol
from aioquic.h3.connection import H3_ALPN, H3Connection
from aioquic.h3.events import DataReceived, HeadersReceived
from aioquic.quic.configuration import QuicConfiguration
from aioquic.quic.events import HandshakeCompleted, StreamDataReceived, StreamReset

NATIVE_ALPN = ["aimds/1"]
CANCELLED = 0x10C
ANSWER_SECONDS = 30


class Answer:
    def __init__(self):
        self.headers = {}
        self.body = b""
        self.done = asyncio.get_running_loop().create_future()

    @property
    def status(self):
        return int(self.headers[":status"])

    def json(self):
        return json.loads(self.body)


class Client(QuicConnectionProtocol):
    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self.answers = {}
        self.early_data_accepted = False
        native = self._quic.configuration.alpn_protocols == NATIVE_ALPN
        self.http = None if native else H3Connection(self._quic)

    def begin(self, method, path, headers=(), body=b""):
        """Sends a request; gives the number of its stream."""
        stream = self._quic.get_next_available_stream_id()
        self.answers[stream] = Answer()
        head = {":method": method, ":scheme": "https", ":authority": "localhost", ":path": path, **dict(headers)}
        head = [(name.encode(), value.encode()) for name, value in head.items()]
        self.http.send_headers(stream, head, end_stream=not body)
        if body:
            self.http.send_data(stream, body, end_stream=True)
        self.transmit()
        return stream

    def begin_native(self, request):
        stream = self._quic.get_next_available_stream_id()
        self.answers[stream] = Answer()
        self._quic.send_stream_data(stream, json.dumps(request).encode(), end_stream=True)
        self.transmit()
        return stream

    async def answer(self, stream):
        answer = self.answers[stream]
        await asyncio.wait_for(answer.done, ANSWER_SECONDS)
        return answer

    async def ask(self, method, path, headers=(), body=b""):
        return await self.answer(self.begin(method, path, headers, body))

    def cancel(self, stream):
        self._quic.stop_stream(stream, CANCELLED)
        self.transmit()

    def quic_event_received(self, event):
        if isinstance(event, HandshakeCompleted):
            self.early_data_accepted = event.early_data_accepted
        if isinstance(event, StreamReset) and event.stream_id in self.answers:
            error = RuntimeError(f"stream reset with {event.error_code:#x}")
            self._finish(self.answers[event.stream_id], error)
        if self.http is None:
            if isinstance(event, StreamDataReceived) and event.stream_id in self.answers:
                self._data(event.stream_id, event.data, event.end_stream)
            return
        for happened in self.http.handle_event(event):
            if isinstance(happened, HeadersReceived):
                answer = self.answers[happened.stream_id]
                answer.headers = {name.decode(): value.decode() for name, value in happened.headers}
                if happened.stream_ended:
                    self._finish(answer)
            elif isinstance(happened, DataReceived):
                self._data(happened.stream_id, happened.data, happened.stream_ended)

    def _data(self, stream, data, ended):
        answer = self.answers[stream]
        answer.body += data
        if ended:
            self._finish(answer)

    def _finish(self, answer, error=None):
        if answer.done.done():
            return
        if error is None:
            answer.done.set_result(None)
        else:
            answer.done.set_exception(error)


@contextlib.asynccontextmanager
async def connected(address, alpn=H3_ALPN, tickets=None, early=False):
    """A connection. `tickets` collects what resumes its session; with `early` the last of them is used, and nothing
    waits for the handshake."""
    host, port = address.rsplit(":", 1)
    configuration = QuicConfiguration(is_client=True, alpn_protocols=alpn, server_name="localhost")
    configuration.verify_mode = ssl.CERT_NONE
    if early:
        configuration.session_ticket = tickets[-1]
    keep = (lambda _: None) if tickets is None else tickets.append
    async with connect(
        host,
        int(port),
        configuration=configuration,
        create_protocol=Client,
        session_ticket_handler=keep,
        wait_connected=not early,
    ) as client:
        yield client
