"""HTTP/3 and `aimds/1` with other people's QUIC: aioquic as client, and Caddy in front with HTTP/3 on both of its sides."""

import asyncio
import json
import os
import pathlib
import socket
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request

from checks import Checks, arguments, equal
from gateway import BENIGN, CARD, WITH_CARD, Gateway
from http3_client import NATIVE_ALPN, connected
from upstream import Upstream, scripted

ARGUMENTS = arguments(__doc__)
POLICY = 'version = 1\n[findings.any]\n"pii.credit_card" = "block"\n'
CADDY_SECONDS = 20


def guard(text):
    return json.dumps({"messages": [{"role": "user", "content": text}]}).encode()


async def http3(checks, gateway):
    key = {"authorization": f"Bearer {gateway.key}", "content-type": "application/json"}
    async with connected(gateway.quic) as client:
        with checks.check("aioquic: GET /healthz"):
            answer = await client.ask("GET", "/healthz")
            equal((answer.status, answer.body), (200, b"ok\n"))
        with checks.check("aioquic: POST /v1/guard, blocked and allowed"):
            for text, decision in [(WITH_CARD, "block"), (BENIGN, "allow")]:
                answer = await client.ask("POST", "/v1/guard", key, guard(text))
                equal((answer.status, answer.json()["decision"]), (200, decision))
                equal(answer.headers["x-aimds-decision"], decision)
        with checks.check("aioquic: without a key"):
            equal((await client.ask("POST", "/v1/guard", (), guard(BENIGN))).status, 401)
        with checks.check("aioquic: a body of 900 kB, with what is looked for at its end"):
            answer = await client.ask("POST", "/v1/guard", key, guard("word " * 180_000 + WITH_CARD))
            equal((answer.status, answer.json()["decision"]), (200, "block"))
        with checks.check("aioquic: a body over the limit is answered with 413"):
            equal((await client.ask("POST", "/v1/guard", key, guard("word " * 400_000))).status, 413)
        with checks.check("aioquic: a head over the limit is answered with 431"):
            equal((await client.ask("GET", "/healthz", {"x-long": "x" * 40_000})).status, 431)
        with checks.check("aioquic: 100 requests at once on one connection"):
            texts = [WITH_CARD if number % 2 else BENIGN for number in range(100)]
            answers = await asyncio.gather(*(client.ask("POST", "/v1/guard", key, guard(text)) for text in texts))
            for text, answer in zip(texts, answers):
                equal(answer.json()["decision"], "block" if text == WITH_CARD else "allow")


async def cancelled(checks, gateway, released):
    key = {"authorization": f"Bearer {gateway.key}", "content-type": "application/json"}
    chat = {"model": "m", "messages": [{"role": "user", "content": BENIGN}]}
    async with connected(gateway.quic) as client:
        with checks.check("aioquic: cancelled streams leave nothing in progress and the connection open"):
            streams = [client.begin("POST", "/v1/chat/completions", key, json.dumps(chat).encode()) for _ in range(10)]
            await until(lambda: metric(gateway, "aimds_requests_in_flight") == 11, "the requests are in progress")
            for stream in streams:
                client.cancel(stream)
            await until(lambda: metric(gateway, "aimds_requests_in_flight") == 1, "they are not any more")
            equal((await client.ask("GET", "/healthz")).status, 200)
    released.set()


async def early(checks, gateway):
    key = {"authorization": f"Bearer {gateway.key}"}
    tickets = []
    async with connected(gateway.quic, tickets=tickets) as client:
        await client.ask("GET", "/healthz")
        await until(lambda: tickets, "there is a ticket")
    with checks.check("aioquic: 0-RTT is accepted, and a safe route is answered from it"):
        used = tickets[-1]
        async with connected(gateway.quic, tickets=tickets, early=True) as client:
            answer = await client.ask("GET", "/healthz")
            equal(answer.status, 200)
            assert client.early_data_accepted, "the gateway did not take early data"
    with checks.check("aioquic: a ticket is good for one connection"):
        async with connected(gateway.quic, tickets=[used], early=True) as client:
            equal((await client.ask("GET", "/healthz")).status, 200)
            assert not client.early_data_accepted, "early data was taken with a ticket that had been used"
    fresh = []
    async with connected(gateway.quic, tickets=fresh) as client:
        await client.ask("GET", "/healthz")
        await until(lambda: fresh, "there is a ticket")
    with checks.check("aioquic: a verdict in 0-RTT comes after the handshake"):
        async with connected(gateway.quic, tickets=fresh, early=True) as client:
            answer = await client.ask("POST", "/v1/guard", key, guard(WITH_CARD))
            equal(answer.json()["decision"], "block")
            assert client.early_data_accepted, "the gateway did not take early data"


async def native(checks, gateway):
    async with connected(gateway.quic, NATIVE_ALPN) as client:
        with checks.check("aioquic: aimds/1, an answer and an error"):
            request = {"route": "/v1/guard", "key": gateway.key, "priority": "high", "body": {"text": WITH_CARD}}
            answer = (await client.answer(client.begin_native(request))).json()
            equal((answer["status"], answer["decision"], answer["body"]["decision"]), (200, "block", "block"))
            answer = (await client.answer(client.begin_native({"route": "/v1/guard", "body": {"text": "a"}}))).json()
            equal((answer["status"], answer["body"]["error"]["code"]), (401, "invalid_api_key"))
            assert CARD not in json.dumps(answer)


def metric(gateway, name):
    request = urllib.request.Request(gateway.address + "/metrics", headers={"x-api-key": gateway.key})
    with urllib.request.urlopen(request, timeout=30) as answer:
        lines = answer.read().decode().splitlines()
    return float(next(line.split()[-1] for line in lines if line.startswith(name + " ")))


async def until(holds, what):
    for _ in range(400):
        if await asyncio.to_thread(holds):
            return
        await asyncio.sleep(0.025)
    raise AssertionError(f"never: {what}")


def free_port():
    with socket.socket() as tcp:
        tcp.bind(("127.0.0.1", 0))
        return tcp.getsockname()[1]


class Caddy:
    """Caddy on loopback: plain HTTP and HTTP/3 towards clients, HTTP/3 towards the gateway."""

    def __init__(self, gateway):
        self.directory = tempfile.TemporaryDirectory(prefix="aimds-caddy-")
        self.plain, self.secure = free_port(), free_port()
        proxy = f"""reverse_proxy https://{gateway.quic} {{
            transport http {{
                versions 3
                tls_insecure_skip_verify
                tls_server_name localhost
            }}
        }}"""
        folder = pathlib.Path(self.directory.name)
        (folder / "Caddyfile").write_text(
            "{\n admin off\n skip_install_trust\n auto_https disable_redirects\n persist_config off\n}\n"
            f"http://127.0.0.1:{self.plain} {{\n{proxy}\n}}\n"
            f"https://localhost:{self.secure} {{\n bind 127.0.0.1\n tls internal\n{proxy}\n}}\n"
        )
        environment = {**os.environ, "HOME": str(folder), "XDG_DATA_HOME": str(folder), "XDG_CONFIG_HOME": str(folder)}
        caddy = pathlib.Path(sys.executable).with_name("caddy")
        self.log = (folder / "log.txt").open("w+")
        self.process = subprocess.Popen(
            [str(caddy), "run", "--config", str(folder / "Caddyfile"), "--adapter", "caddyfile"],
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=self.log,
            stderr=self.log,
        )

    def __enter__(self):
        until_ = time.monotonic() + CADDY_SECONDS
        while time.monotonic() < until_:
            try:
                socket.create_connection(("127.0.0.1", self.plain), 1).close()
                return self
            except OSError:
                time.sleep(0.05)
        self.log.seek(0)
        said = self.log.read()[-1000:]
        self.__exit__()
        raise RuntimeError(f"Caddy did not start: {said}")

    def __exit__(self, *_):
        self.process.terminate()
        try:
            self.process.wait(15)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self.log.close()
        self.directory.cleanup()


def through_caddy(checks, gateway, caddy):
    def post(body, key=gateway.key):
        headers = {"content-type": "application/json", "authorization": f"Bearer {key}"}
        request = urllib.request.Request(f"http://127.0.0.1:{caddy.plain}/v1/guard", body, headers)
        try:
            with urllib.request.urlopen(request, timeout=30) as answer:
                return answer.status, answer.headers, json.loads(answer.read())
        except urllib.error.HTTPError as error:
            return error.code, error.headers, json.loads(error.read())

    with checks.check("Caddy: HTTP/1.1 in front, HTTP/3 behind"):
        status, headers, verdict = post(guard(WITH_CARD))
        equal((status, verdict["decision"], headers["x-aimds-decision"]), (200, "block", "block"))
        status, _, verdict = post(guard(BENIGN))
        equal((status, verdict["decision"]), (200, "allow"))
        equal(post(guard(BENIGN), "aimds_wrong")[0], 401)
    with checks.check("Caddy: a body of 900 kB"):
        equal(post(guard("word " * 180_000 + WITH_CARD))[2]["decision"], "block")
    with checks.check("Caddy: a body over the limit"):
        equal(post(guard("word " * 400_000))[0], 413)


async def http3_through_caddy(checks, gateway, caddy):
    key = {"authorization": f"Bearer {gateway.key}", "content-type": "application/json"}
    with checks.check("Caddy: HTTP/3 in front, from aioquic, and HTTP/3 behind"):
        async with connected(f"127.0.0.1:{caddy.secure}") as client:
            for text, decision in [(WITH_CARD, "block"), (BENIGN, "allow")]:
                answer = await client.ask("POST", "/v1/guard", key, guard(text))
                equal((answer.status, answer.json()["decision"]), (200, decision))


def main():
    checks = Checks()
    with Gateway(ARGUMENTS.aimds, policy=POLICY) as gateway:
        asyncio.run(http3(checks, gateway))
        asyncio.run(early(checks, gateway))
        asyncio.run(native(checks, gateway))
        with Caddy(gateway) as caddy:
            through_caddy(checks, gateway, caddy)
            asyncio.run(http3_through_caddy(checks, gateway, caddy))
    released = threading.Event()
    answer = scripted("late")

    def slow(body):
        released.wait(60)
        return answer(body)

    with Upstream(slow) as upstream:
        with Gateway(ARGUMENTS.aimds, f'[upstream]\nbase_url = "{upstream.base_url}"\n', POLICY) as gateway:
            asyncio.run(cancelled(checks, gateway, released))
    checks.finish()


main()
