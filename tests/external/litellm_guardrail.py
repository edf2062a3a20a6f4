"""LiteLLM's own guardrail hooks against the drop-in routes: its generic guardrail API, Lakera v2 and Azure Prompt Shield."""

import asyncio
import os

from checks import Checks, arguments, equal, raises
from gateway import ATTACK, BENIGN, CARD, WITH_CARD, Gateway

# Before the import: the list of models comes with the package, and nothing is to be asked for elsewhere.
os.environ["LITELLM_LOCAL_MODEL_COST_MAP"] = "True"
os.environ["LITELLM_LOG"] = "CRITICAL"

ARGUMENTS = arguments(__doc__)

import litellm  # noqa: E402
from fastapi import HTTPException  # noqa: E402
from litellm.caching.caching import DualCache  # noqa: E402
from litellm.exceptions import GuardrailRaisedException  # noqa: E402
from litellm.proxy._types import UserAPIKeyAuth  # noqa: E402
from litellm.proxy.guardrails.guardrail_hooks.azure.prompt_shield import (  # noqa: E402
    AzureContentSafetyPromptShieldGuardrail,
)
from litellm.proxy.guardrails.guardrail_hooks.generic_guardrail_api.generic_guardrail_api import (  # noqa: E402
    GenericGuardrailAPI,
)
from litellm.proxy.guardrails.guardrail_hooks.lakera_ai_v2 import LakeraAIGuardrail  # noqa: E402

litellm.telemetry = False


async def generic(checks, gateway):
    def hook(key=gateway.key):
        return GenericGuardrailAPI(
            api_base=gateway.address, api_key=key, guardrail_name="aimds", event_hook="pre_call", default_on=True
        )

    async def apply(texts, input_type="request", guardrail=None, **more):
        inputs = {"texts": texts, **more}
        return await (guardrail or hook()).apply_guardrail(inputs=inputs, request_data={}, input_type=input_type)

    with checks.check("generic guardrail API: a question passes unchanged"):
        equal((await apply([BENIGN]))["texts"], [BENIGN], "texts")
    with checks.check("generic guardrail API: an attack raises"), raises(GuardrailRaisedException, "blocked"):
        await apply([ATTACK])
    with checks.check("generic guardrail API: an attack among other texts raises"), raises(GuardrailRaisedException):
        await apply([BENIGN, ATTACK, BENIGN])
    with checks.check("generic guardrail API: a card number comes back masked, number and order of texts kept"):
        texts = (await apply([BENIGN, WITH_CARD]))["texts"]
        equal(len(texts), 2, "number of texts")
        equal(texts[0], BENIGN, "first text")
        assert CARD not in texts[1] and texts[1].startswith("Please charge my card "), texts[1]
    with checks.check("generic guardrail API: an attack in a tool's message raises"), raises(GuardrailRaisedException):
        rows = [{"role": "user", "content": "Summarise."}, {"role": "tool", "tool_call_id": "c", "content": ATTACK}]
        await apply(["Summarise.", ATTACK], structured_messages=rows)
    with checks.check("generic guardrail API: an attack in a tool's description raises"):
        function = {"name": "look_up", "description": ATTACK, "parameters": {"type": "object", "properties": {}}}
        with raises(GuardrailRaisedException):
            await apply([BENIGN], tools=[{"type": "function", "function": function}])
    with checks.check("generic guardrail API: the model's answer passes and is masked"):
        texts = (await apply(["The card is " + CARD + "."], input_type="response"))["texts"]
        assert CARD not in texts[0] and texts[0].startswith("The card is "), texts[0]
    with checks.check("generic guardrail API: a wrong key fails closed"), raises(Exception):
        await apply([BENIGN], guardrail=hook("aimds_wrong"))


async def lakera(checks, gateway):
    async def call(text, on_flagged="block"):
        guardrail = LakeraAIGuardrail(
            api_base=gateway.address,
            api_key=gateway.key,
            on_flagged=on_flagged,
            guardrail_name="aimds",
            event_hook="pre_call",
            default_on=True,
        )
        data = {"messages": [{"role": "user", "content": text}], "model": "m", "metadata": {}}
        answer = await guardrail.async_pre_call_hook(UserAPIKeyAuth(), DualCache(), data, "completion")
        return (answer or data)["messages"][0]["content"]

    with checks.check("Lakera v2: a question passes unchanged"):
        equal(await call(BENIGN), BENIGN, "content")
    with checks.check("Lakera v2: an attack is a 400"):
        with raises(HTTPException) as caught:
            await call(ATTACK)
        equal(caught.error.status_code, 400, "status")
    with checks.check("Lakera v2: an attack is a 400 also where personal data is masked"), raises(HTTPException):
        await call(ATTACK, "mask")
    with checks.check("Lakera v2: a card number is masked in place"):
        content = await call(WITH_CARD, "mask")
        assert CARD not in content, content
        assert content.startswith("Please charge my card ") and content.endswith(" for the order."), content
    with checks.check("Lakera v2: places are code points, not bytes"):
        content = await call(f"Überweisung für 日本 🦀: card {CARD} bitte", "mask")
        assert CARD not in content, content
        assert content.startswith("Überweisung für 日本 🦀: card ") and content.endswith(" bitte"), content


async def azure(checks, gateway):
    async def call(text):
        guardrail = AzureContentSafetyPromptShieldGuardrail(
            api_base=gateway.address,
            api_key=gateway.key,
            guardrail_name="aimds",
            event_hook="pre_call",
            default_on=True,
        )
        data = {"messages": [{"role": "user", "content": text}], "model": "m", "metadata": {}}
        await guardrail.async_pre_call_hook(UserAPIKeyAuth(), DualCache(), data, "completion")

    with checks.check("Azure Prompt Shield: a question passes"):
        await call(BENIGN)
    with checks.check("Azure Prompt Shield: an attack is a 400"), raises(HTTPException, "attack"):
        await call(ATTACK)
    with checks.check("Azure Prompt Shield: personal data is not an attack"):
        await call(WITH_CARD)
    with checks.check("Azure Prompt Shield: a long text is sent in pieces, and the attack at its end is found"):
        with raises(HTTPException, "attack"):
            await call("The committee met on Tuesday. " * 400 + ATTACK)


async def run(checks, gateway):
    for suite in (generic, lakera, azure):
        await asyncio.wait_for(suite(checks, gateway), 120)


def main():
    checks = Checks()
    with Gateway(ARGUMENTS.aimds) as gateway:
        asyncio.run(run(checks, gateway))
    checks.finish()


if __name__ == "__main__":
    main()
