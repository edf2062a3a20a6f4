"""What the official clients of three providers make of the gateway. Run by clients.rs: ADDRESS KEY CARD EMAIL.

The upstream says what it is asked for: "leak" an address, "number" a card number after some harmless words, "call" a
call of a tool, else "Hello there.".
"""

import sys

import anthropic
import openai
from google import genai
from google.genai import errors, types

address, key, card, email = sys.argv[1:5]
PLACEHOLDER = "[REDACTED:pii.email]"


def check(what, holds):
    assert holds, what


def check_text(what, asked, text, ended_by_policy):
    if asked == "number" or asked == card:
        check(f"{what}: {asked}: {text}", card not in text and ended_by_policy)
    elif asked == "leak":
        check(f"{what}: {asked}: {text}", PLACEHOLDER in text and email not in text and not ended_by_policy)
    else:
        check(f"{what}: {asked}: {text}", text == "Hello there." and not ended_by_policy)


ASKED = ["hello", "leak", "number", card]

# OpenAI: responses and embeddings (chat completions have a script of their own).
client = openai.OpenAI(base_url=f"http://{address}/v1", api_key=key, max_retries=0)
for asked in ASKED:
    answer = client.responses.create(model="m", input=asked)
    if asked == card:
        openai.types.responses.Response.model_validate(answer.model_dump())
    check_text("responses", asked, answer.output_text, answer.status == "incomplete")
    events = list(client.responses.create(model="m", input=asked, stream=True))
    text = "".join(event.delta for event in events if event.type == "response.output_text.delta")
    last = events[-1]
    check_text("responses stream", asked, text, last.type == "response.incomplete")
    check(last.type, last.type in ("response.completed", "response.incomplete") and last.response.id)
    numbers = [event.sequence_number for event in events]
    check(f"{numbers}", numbers == sorted(set(numbers)))
events = list(client.responses.create(model="m", input="call", stream=True))
done = [event for event in events if event.type == "response.output_item.done"]
check("a call", done[0].item.type == "function_call" and "Hello there." in done[0].item.arguments)
check("vectors", len(client.embeddings.create(model="e", input="hello").data) == 1)
try:
    client.embeddings.create(model="e", input=card)
    raise SystemExit("a card number was embedded")
except openai.BadRequestError as error:
    check("embeddings error", error.code == "content_filter")

# Anthropic.
client = anthropic.Anthropic(base_url=f"http://{address}", api_key=key, max_retries=0)
for asked in ASKED:
    options = dict(model="m", max_tokens=64, messages=[{"role": "user", "content": asked}])
    answer = client.messages.create(**options)
    if asked == card:
        anthropic.types.Message.model_validate(answer.model_dump())
    check_text("messages", asked, answer.content[0].text, answer.stop_reason == "refusal")
    with client.messages.stream(**options) as stream:
        deltas = "".join(stream.text_stream)
        final = stream.get_final_message()
    text = "".join(block.text for block in final.content)
    check_text("messages stream", asked, text, final.stop_reason == "refusal")
    # The first piece of a block may come with its start.
    check("the pieces are the message", text.endswith(deltas))
with client.messages.stream(model="m", max_tokens=64, messages=[{"role": "user", "content": "call"}]) as stream:
    final = stream.get_final_message()
check(f"{final.content}", final.content[0].type == "tool_use" and "Hello there." in str(final.content[0].input))
try:
    anthropic.Anthropic(base_url=f"http://{address}", api_key="aimds_wrong", max_retries=0).messages.create(**options)
    raise SystemExit("a wrong key was let in")
except anthropic.AuthenticationError as error:
    check("messages error", error.body["error"]["type"] == "authentication_error")

# Gemini.
def gemini(secret):
    return genai.Client(api_key=secret, http_options=types.HttpOptions(base_url=f"http://{address}"))


client = gemini(key)
for asked in ASKED:
    answer = client.models.generate_content(model="gemini-x", contents=asked)
    stopped = answer.candidates[0].finish_reason == types.FinishReason.SAFETY
    check_text("generateContent", asked, answer.text, stopped)
    pieces = list(client.models.generate_content_stream(model="gemini-x", contents=asked))
    stopped = pieces[-1].candidates[0].finish_reason == types.FinishReason.SAFETY
    check_text("streamGenerateContent", asked, "".join(piece.text or "" for piece in pieces), stopped)
pieces = list(client.models.generate_content_stream(model="gemini-x", contents="call"))
calls = [call for piece in pieces for call in piece.function_calls or []]
check(f"{calls}", calls[0].name == "f" and "Hello there." in str(calls[0].args))
stranger = gemini("aimds_wrong")
try:
    stranger.models.generate_content(model="gemini-x", contents="hello")
    raise SystemExit("a wrong key was let in")
except errors.ClientError as error:
    check("gemini error", error.code == 401 and error.status == "UNAUTHENTICATED")
