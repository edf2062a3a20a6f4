#!/usr/bin/env python3
"""Runs one installed detector over rows, in a process of its own: `peers.py NAME SECONDS < rows > verdicts`.

Rows are `{"id","text"}` lines, without labels; verdicts are `{"id","verdicts": {variant: bool},"latency_us"}` or
`{"id","error","latency_us"}`. Nothing is tuned: every peer keeps its own defaults and thresholds, and where it names
two grades of suspicion both are reported as variants of one call. After SECONDS no further row is started; run.py says
how many were measured. It starts this file inside its virtual environment.

To add a peer, pin it in requirements.txt (or package.json and peers.mjs) and write a function that returns a scanner.
No peer that has to unpickle a model is run: loading a pickle executes whatever the package's author put into it.
"""

import importlib.util
import json
import logging
import os
import signal
import sys
import time
from dataclasses import dataclass
from typing import Callable

ROW_TIMEOUT_S = 20


@dataclass(frozen=True)
class Peer:
    """What the table says about a detector; `build` makes its scan function (None: peers.mjs does)."""

    package: str
    licence: str
    verdict: str  # what counts as flagged
    build: Callable[[], Callable[[str], dict]] | None = None
    note: str = ""


def promptbadger(classifier=False):
    from promptbadger import Scanner

    scanner = Scanner(classifier=classifier)

    def scan(text):
        verdict = scanner.scan(text).verdict
        return {"malicious": verdict == "malicious", "suspicious or worse": verdict != "benign"}

    return scan


def guardlayer():
    from guardlayer import GuardLayer

    guard = GuardLayer()

    def scan(text):
        verdict = guard.scan_input(text).verdict.value
        return {"block": verdict == "block", "anything but allow": verdict != "allow"}

    return scan


def agentbastion():
    from agentbastion import Firewall

    firewall = Firewall()
    return lambda text: {"": not firewall.check_input(text).allowed}


def inferwall():
    from inferwall import scan_input

    def scan(text):
        decision = scan_input(text).decision
        return {"block": decision == "block", "flag or block": decision != "allow"}

    return scan


def stackone(tier2):
    from stackone_defender import create_prompt_defense

    # It only reports unless block_high_risk is set; require_tier2 keeps it from falling back to tier 1 unnoticed.
    defense = create_prompt_defense(block_high_risk=True, enable_tier2=tier2, require_tier2=tier2)
    defense.warmup_tier2()

    def scan(text):
        result = defense.defend_tool_result({"content": text}, "tool")
        return {"not allowed": not result.allowed, "medium or more": result.risk_level != "low"}

    return scan


def forcefield():
    if importlib.util.find_spec("joblib"):
        raise RuntimeError("joblib is installed: forcefield could fall back to its pickled model")
    from forcefield import Guard, ml

    if not ml.is_available():
        raise RuntimeError("its ONNX model did not load (needs the locale en_US.UTF-8)")
    guard = Guard(telemetry=False)
    return lambda text: {"": guard.scan(text).blocked}


def ai_injection_guard():
    from prompt_shield import PromptScanner
    from prompt_shield.core.exceptions import InjectionRiskError

    scanner = PromptScanner()

    def scan(text):
        try:
            scanner.check(text)
        except InjectionRiskError:
            return {"": True}
        return {"": False}

    return scan


def injectionshield():
    from injectionshield import scan

    return lambda text: {"": not scan(text).safe}


def safepaste():
    from safepaste import scan_prompt

    return lambda text: {"": scan_prompt(text).flagged}


def classifinder():
    from classifinder_engine import scan

    return lambda text: {"": any(finding.provider == "prompt_injection" for finding in scan(text))}


PEERS = {
    "promptbadger": Peer("promptbadger", "MIT", "verdict", promptbadger),
    "promptbadger-ml": Peer(
        "promptbadger", "MIT", "verdict", lambda: promptbadger(True), "with its TF-IDF model (JSON), off by default"
    ),
    "guardlayer": Peer("guardlayer", "MIT", "verdict", guardlayer),
    "agentbastion": Peer(
        "agentbastion", "MIT AND BUSL-1.1", "not allowed", agentbastion, "its own corpus is in ood_dev"
    ),
    "inferwall": Peer("inferwall", "Apache-2.0", "decision", inferwall, "profile `lite`: the others download models"),
    "stackone-t1": Peer(
        "stackone-defender", "Apache-2.0", "risk", lambda: stackone(False), "patterns; made for tool output"
    ),
    "stackone-t2": Peer(
        "stackone-defender", "Apache-2.0", "risk", lambda: stackone(True), "and MiniLM; made for tool output"
    ),
    "forcefield": Peer("forcefield", "Apache-2.0", "blocked", forcefield, "rules and its ONNX model"),
    "ai-injection-guard": Peer("ai-injection-guard", "MIT", "severity MEDIUM or more", ai_injection_guard),
    "injectionshield": Peer("injectionshield", "MIT", "not safe", injectionshield),
    "safepaste": Peer("safepaste", "MIT", "flagged", safepaste),
    "classifinder": Peer("classifinder-engine", "MIT", "any prompt-injection finding", classifinder),
    "vard": Peer("@andersmyrmel/vard", "MIT", "not safe", note="npm; refuses more than 10,000 characters"),
    "aidefence": Peer("@claude-flow/aidefence", "MIT", "not safe", note="npm"),
    "llm_guardrail": Peer("llm_guardrail", "ISC", "not allowed", note="npm; three TF-IDF models in JSON"),
}


class RowTimeout(Exception):
    """One text took longer than ROW_TIMEOUT_S."""


def on_alarm(_signal, _frame):
    raise RowTimeout


def main(name, seconds):
    os.environ["HF_HUB_OFFLINE"] = "1"
    logging.disable(logging.WARNING)
    scan = PEERS[name].build()
    scan("Good morning.")  # The first call is warm-up for everybody.
    signal.signal(signal.SIGALRM, on_alarm)
    # Peers may print: their words go to stderr, ours alone to stdout.
    out, sys.stdout = sys.stdout, sys.stderr
    deadline = time.monotonic() + seconds
    for line in sys.stdin:
        if time.monotonic() > deadline:
            break
        row = json.loads(line)
        answer = {"id": row["id"]}
        signal.alarm(ROW_TIMEOUT_S)
        start = time.perf_counter()
        try:
            answer["verdicts"] = scan(row["text"])
        except RowTimeout:
            answer["error"] = "timeout"
        except Exception as error:  # noqa: BLE001 — a peer may fail in any way; it is counted, not fatal
            answer["error"] = repr(error)[:200]
        answer["latency_us"] = (time.perf_counter() - start) * 1e6
        signal.alarm(0)
        print(json.dumps(answer), file=out, flush=True)


if __name__ == "__main__":
    main(sys.argv[1], float(sys.argv[2]))
