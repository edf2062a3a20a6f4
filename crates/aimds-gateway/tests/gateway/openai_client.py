"""What the official OpenAI client makes of the gateway's answers. Run by clients.rs: ADDRESS KEY CARD."""

import sys

import openai
from openai.types import ModerationCreateResponse
from openai.types.chat import ChatCompletion

address, key, card = sys.argv[1:4]  # the address of a mailbox follows; it is not needed here
base = f"http://{address}/v1"
client = openai.OpenAI(base_url=base, api_key=key, max_retries=0)

moderation = client.moderations.create(model="omni-moderation-latest", input=["hello", card])
assert [result.flagged for result in moderation.results] == [False, True]
for result in moderation.results:
    assert result.categories.harassment is False and result.categories.self_harm_intent is False
    assert result.category_scores.violence_graphic == 0.0
    assert result.category_applied_input_types.violence == ["text"]
raw = client.moderations.with_raw_response.create(input="hello").text
ModerationCreateResponse.model_validate_json(raw, strict=True)


def ask(content, **options):
    return client.chat.completions.create(model="m-1", messages=[{"role": "user", "content": content}], **options)


assert ask("hello").choices[0].message.content == "Hello there."
refusal = ask(card)
ChatCompletion.model_validate_json(refusal.model_dump_json(by_alias=True), strict=True)
assert refusal.choices[0].finish_reason == "content_filter" and refusal.choices[0].message.content

for content, finish in [("hello", "stop"), (card, "content_filter")]:
    # The upstream of this test sends no usage; a refusal of the gateway does.
    chunks = list(ask(content, stream=True, stream_options={"include_usage": True}))
    words = "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices)
    assert words and chunks[0].choices[0].delta.role == "assistant"
    assert [chunk.choices[0].finish_reason for chunk in chunks if chunk.choices][-1] == finish
    assert content == "hello" or chunks[-1].usage is not None and not chunks[-1].choices

try:
    openai.OpenAI(base_url=base, api_key="aimds_wrong", max_retries=0).moderations.create(input="hello")
    raise SystemExit("a wrong key was let in")
except openai.AuthenticationError as error:
    assert error.code == "invalid_api_key"
