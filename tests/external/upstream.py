"""A model API on loopback that remembers what reached it: scripted, or in front of a real model."""

import http.server
import json
import re
import threading
import urllib.request


class Upstream:
    """Answers `POST .../chat/completions`. `bodies` holds every request as text, in order."""

    def __init__(self, answer):
        """`answer` takes the bytes of a request and gives the type and the bytes of the answer."""
        self.bodies = []
        outer = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self):
                body = self.rfile.read(int(self.headers.get("content-length", 0)))
                outer.bodies.append(body.decode())
                kind, reply = answer(body)
                self.send_response(200)
                self.send_header("content-type", kind)
                self.send_header("content-length", str(len(reply)))
                self.end_headers()
                self.wfile.write(reply)

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True

    def __enter__(self):
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        host, port = self.server.server_address
        self.base_url = f"http://{host}:{port}/v1"
        return self

    def __exit__(self, *_):
        self.server.shutdown()
        self.server.server_close()


def scripted(content):
    """Always the same words, in the shape of OpenAI's chat completions: whole, or word by word as a stream."""
    beside = {"id": "chatcmpl-1", "created": 1, "model": "scripted"}
    usage = {"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2}

    def whole():
        message = {"role": "assistant", "content": content}
        choices = [{"index": 0, "message": message, "finish_reason": "stop"}]
        return json.dumps({**beside, "object": "chat.completion", "choices": choices, "usage": usage}).encode()

    def events(with_usage):
        deltas = [{"role": "assistant", "content": ""}]
        deltas += [{"content": word} for word in re.findall(r"\s*\S+", content)]
        choices = [[{"index": 0, "delta": delta, "finish_reason": None}] for delta in deltas]
        choices.append([{"index": 0, "delta": {}, "finish_reason": "stop"}])
        chunks = [{**beside, "object": "chat.completion.chunk", "choices": choice} for choice in choices]
        if with_usage:
            chunks.append({**beside, "object": "chat.completion.chunk", "choices": [], "usage": usage})
        return "".join(f"data: {data}\n\n" for data in [*map(json.dumps, chunks), "[DONE]"]).encode()

    def answer(body):
        asked = json.loads(body)
        if not asked.get("stream"):
            return "application/json", whole()
        return "text/event-stream", events(asked.get("stream_options", {}).get("include_usage", False))

    return answer


def forwarded(address, seconds):
    """Passes the request on to a real model API."""

    def answer(body):
        request = urllib.request.Request(
            f"{address}/v1/chat/completions", body, {"content-type": "application/json"}
        )
        with urllib.request.urlopen(request, timeout=seconds) as reply:
            return reply.headers.get("content-type", ""), reply.read()

    return answer
