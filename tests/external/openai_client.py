"""OpenAI's own Python client against the moderations route and the in-line proxy."""

import openai

from checks import Checks, arguments, equal, raises
from gateway import ATTACK, BENIGN, CARD, WITH_CARD, Gateway
from upstream import Upstream, scripted

REPLY = "Paris is the capital of France."


def client(gateway):
    return openai.OpenAI(base_url=f"{gateway.address}/v1", api_key=gateway.key, timeout=30, max_retries=0)


def user(text):
    return [{"role": "user", "content": text}]


def moderations(checks, api):
    with checks.check("moderations.create flags an attack"):
        answer = api.moderations.create(input=ATTACK)
        equal(len(answer.results), 1, "number of results")
        assert answer.results[0].flagged
    with checks.check("moderations.create does not flag a question"):
        assert not api.moderations.create(input=BENIGN).results[0].flagged
    with checks.check("moderations.create answers a list in its order"):
        answer = api.moderations.create(model="omni-moderation-latest", input=[BENIGN, ATTACK, BENIGN])
        equal([result.flagged for result in answer.results], [False, True, False], "flagged")
    with checks.check("moderations.create parses every category that the client knows"):
        result = api.moderations.create(input=ATTACK).results[0]
        known = type(result.categories).model_fields
        missing = [name for name in known if getattr(result.categories, name, None) is None]
        equal(missing, [], "categories without a value")
        missing = [name for name in known if getattr(result.category_scores, name, None) is None]
        equal(missing, [], "scores without a value")


def refusals(checks, api, upstream):
    with checks.check("chat.completions.create brings the upstream's answer"):
        answer = api.chat.completions.create(model="m", messages=user(BENIGN))
        equal(answer.choices[0].message.content, REPLY, "content")
        equal(answer.choices[0].finish_reason, "stop", "finish_reason")
        equal(len(upstream.bodies), 1, "number of upstream requests")
    with checks.check("stream=True brings the same answer in chunks"):
        chunks = list(api.chat.completions.create(model="m", messages=user(BENIGN), stream=True))
        text = "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices)
        equal(text, REPLY, "content")
        equal(chunks[-1].choices[0].finish_reason, "stop", "finish_reason")
    with checks.check("stream_options.include_usage ends the stream with the usage"):
        options = {"include_usage": True}
        chunks = list(
            api.chat.completions.create(model="m", messages=user(BENIGN), stream=True, stream_options=options)
        )
        equal(chunks[-1].choices, [], "choices of the last chunk")
        equal(chunks[-1].usage.total_tokens, 2, "total_tokens")
    before = len(upstream.bodies)
    with checks.check("an attack is refused with finish_reason content_filter"):
        raw = api.chat.completions.with_raw_response.create(model="m", messages=user(ATTACK))
        answer = raw.parse()
        equal(answer.choices[0].finish_reason, "content_filter", "finish_reason")
        assert "blocked" in answer.choices[0].message.content, answer.choices[0].message.content
        equal(raw.headers["x-aimds-decision"], "block", "x-aimds-decision")
        assert raw.headers["x-aimds-request-id"]
    with checks.check("an attack is refused in a stream as well"):
        chunks = list(api.chat.completions.create(model="m", messages=user(ATTACK), stream=True))
        equal(chunks[-1].choices[0].finish_reason, "content_filter", "finish_reason")
        assert all(REPLY not in (chunk.choices[0].delta.content or "") for chunk in chunks if chunk.choices)
    with checks.check("an attack inside a tool result is refused"):
        call = {"id": "c1", "type": "function", "function": {"name": "fetch", "arguments": "{}"}}
        messages = [
            *user("Summarise the page."),
            {"role": "assistant", "content": None, "tool_calls": [call]},
            {"role": "tool", "tool_call_id": "c1", "content": ATTACK},
        ]
        answer = api.chat.completions.create(model="m", messages=messages)
        equal(answer.choices[0].finish_reason, "content_filter", "finish_reason")
    with checks.check("no attack reached the upstream"):
        equal(len(upstream.bodies), before, "number of upstream requests")
    with checks.check("a card number is redacted before the upstream sees it"):
        answer = api.chat.completions.create(model="m", messages=user(WITH_CARD))
        equal(answer.choices[0].message.content, REPLY, "content")
        assert CARD not in upstream.bodies[-1] and "for the order" in upstream.bodies[-1], upstream.bodies[-1]
    with checks.check("a wrong key is an AuthenticationError"), raises(openai.AuthenticationError):
        api.with_options(api_key="aimds_wrong").chat.completions.create(model="m", messages=user(BENIGN))
    with checks.check("a broken request is a BadRequestError"), raises(openai.BadRequestError):
        api.chat.completions.create(model="m", messages="not a list")


def errors(checks, api, upstream):
    with checks.check("block.shape = error: an attack is a BadRequestError with code content_filter"):
        with raises(openai.BadRequestError) as caught:
            api.chat.completions.create(model="m", messages=user(ATTACK))
        equal(caught.error.code, "content_filter", "code")
    with checks.check("block.shape = error: also with stream=True"), raises(openai.BadRequestError):
        list(api.chat.completions.create(model="m", messages=user(ATTACK), stream=True))
    with checks.check("block.shape = error: the upstream saw none of it"):
        equal(len(upstream.bodies), 0, "number of upstream requests")
    with checks.check("block.shape = error: a question passes"):
        equal(api.chat.completions.create(model="m", messages=user(BENIGN)).choices[0].message.content, REPLY)


def answers(checks, api):
    with checks.check("policy: a card number in the model's answer is redacted"):
        content = api.chat.completions.create(model="m", messages=user(BENIGN)).choices[0].message.content
        assert CARD not in content and "The card is" in content, content
    with checks.check("policy: a card number in a streamed answer is redacted"):
        chunks = api.chat.completions.create(model="m", messages=user(BENIGN), stream=True)
        content = "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices)
        assert CARD not in content and "The card is" in content, content


def main():
    arguments_ = arguments(__doc__)
    checks = Checks()

    def upstream_of(upstream):
        return f'[upstream]\nbase_url = "{upstream.base_url}"\n'

    with Upstream(scripted(REPLY)) as upstream:
        with Gateway(arguments_.aimds, upstream_of(upstream)) as gateway:
            moderations(checks, client(gateway))
            refusals(checks, client(gateway), upstream)
    with Upstream(scripted(REPLY)) as upstream:
        with Gateway(arguments_.aimds, upstream_of(upstream) + '[block]\nshape = "error"\n') as gateway:
            errors(checks, client(gateway), upstream)
    with Upstream(scripted(f"The card is {CARD}.")) as upstream:
        with Gateway(arguments_.aimds, upstream_of(upstream)) as gateway:
            answers(checks, client(gateway))
    checks.finish()


if __name__ == "__main__":
    main()
