"""A model API on loopback that remembers what reached it: scripted, or in front of a real model."""

import http.server
import json
import threading
import urllib.request


class Upstream:
    """Answers `POST .../chat/completions`. `bodies` holds every request as text, in order."""

    def __init__(self, answer):
        """`answer` takes the bytes of a request and gives the bytes of the answer."""
        self.bodies = []
        outer = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self):
                body = self.rfile.read(int(self.headers.get("content-length", 0)))
                outer.bodies.append(body.decode())
                reply = answer(body)
                self.send_response(200)
                self.send_header("content-type", "application/json")
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
    """Always the same words, in the shape of OpenAI's chat completions."""
    body = {
        "id": "chatcmpl-1",
        "object": "chat.completion",
        "created": 1,
        "model": "scripted",
        "choices": [
            {"index": 0, "message": {"role": "assistant", "content": content}, "finish_reason": "stop"}
        ],
        "usage": {"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2},
    }
    return lambda _: json.dumps(body).encode()


def forwarded(address, seconds):
    """Passes the request on to a real model API."""

    def answer(body):
        request = urllib.request.Request(
            f"{address}/v1/chat/completions", body, {"content-type": "application/json"}
        )
        with urllib.request.urlopen(request, timeout=seconds) as reply:
            return reply.read()

    return answer
