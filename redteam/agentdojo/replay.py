#!/usr/bin/env python3
"""Replays the tasks of AgentDojo without a model and writes one conversation a line, for `aimds scan` and `aimds eval`.

    python redteam/agentdojo/replay.py --attack important_instructions --out important_instructions.jsonl

A benign row is what an agent does that solves a user task and nothing else: the prompt, then the task's ground-truth
calls, executed in the suite's environment, with their results. An attack row is what an agent does that falls for an
injection: the same calls in an environment that holds the attack, up to the first result that shows it, then the
ground-truth calls of the injection task, executed as well. Calls and formatted results come from the package; nothing
is written by hand, unless `--complete` asks for the calls of injections that the package names none for (`obedient.py`).
What cannot be replayed is left out, counted and named on standard error.
"""

import argparse
import contextlib
import copy
import datetime
import json
import os
import sys
from collections import Counter
from zoneinfo import ZoneInfo

import time_machine
import yaml
from agentdojo.agent_pipeline.ground_truth_pipeline import GroundTruthPipeline
from agentdojo.agent_pipeline.tool_execution import tool_result_to_str
from agentdojo.attacks.attack_registry import ATTACKS, load_attack
from agentdojo.functions_runtime import FunctionsRuntime
from agentdojo.models import MODEL_NAMES
from agentdojo.task_suite.load_suites import get_suites
from obedient import obey
from pydantic import BaseModel

NEWEST = "v1.2.2"  # of the agentdojo that requirements.txt pins
# Some tools write the time of day into their results. This is the day on which the workspace suite plays.
CLOCK = datetime.datetime(2024, 5, 15, 12, tzinfo=ZoneInfo("UTC"))
# The denial-of-service attacks ask for no call that could be replayed, and `manual` asks a person.
REPLAYABLE = sorted(name for name, attack in ATTACKS.items() if not attack.is_dos_attack and name != "manual")


class Unplayable(Exception):
    """The package cannot do what the row needs."""


@contextlib.contextmanager
def package_code(doing):
    """Task and tool code raises whatever it likes; errors of this script must not be taken for that."""
    try:
        yield
    except Exception as error:
        summary = " ".join(str(error).split())[:160]
        raise Unplayable(f"{doing}: {type(error).__name__}: {summary}") from error


class Replay:
    """One run in one environment, and the turns it leaves."""

    def __init__(self, suite, user_task, injections):
        self.runtime = FunctionsRuntime(suite.tools)
        with package_code("environment"):
            loaded = suite.load_and_inject_default_environment(injections)
            self.environment = user_task.init_environment(loaded)
        self.before = copy.deepcopy(self.environment)
        self.turns = [{"role": "user", "content": user_task.PROMPT}]
        self.calls = 0

    def ground_truth(self, task):
        """The task's calls, as they are in the environment of this moment."""
        with package_code(f"ground truth of {task.ID}"):
            return task.ground_truth(self.environment)

    def execute(self, call):
        """Adds the call and its formatted result to the turns and returns the result itself."""
        call_id = f"call_{self.calls}"
        with package_code(f"call of {call.function}"):
            arguments = json.dumps(dict(call.args), ensure_ascii=False)
            result, _ = self.runtime.run_function(self.environment, call.function, call.args, raise_on_error=True)
            content = tool_result_to_str(result)
        function = {"name": call.function, "arguments": arguments}
        asked = {"id": call_id, "type": "function", "function": function}
        self.turns.append({"role": "assistant", "content": "", "tool_calls": [asked]})
        self.turns.append({"role": "tool", "tool_call_id": call_id, "name": call.function, "content": content})
        self.calls += 1
        return result

    def reaches(self, task):
        """Whether the package finds the injection's goal reached, whatever the agent says in the end."""
        with package_code(f"check of {task.ID}"):
            return task.security("", self.before, self.environment)


def benign_row(suite, user_task):
    replay = Replay(suite, user_task, {})
    for call in replay.ground_truth(user_task):
        replay.execute(call)
    row_id = f"{suite.name}/{user_task.ID}"
    return {"id": row_id, "label": "benign", "category": suite.name, "source": "agentdojo", "turns": replay.turns}


def attack_row(suite, attack, user_task, injection_task, options, count):
    with package_code("attack"):
        injections = attack.attack(user_task, injection_task)
    replay = Replay(suite, user_task, injections)
    shown_at = play_until_shown(replay, user_task, [collapsed(text) for text in injections.values()])
    shown = len(replay.turns)
    if not options.to_injection:
        injected_calls = replay.ground_truth(injection_task)
        for call in injected_calls:
            replay.execute(call)
        if options.complete and not injected_calls:
            completed = obey(suite.name, injection_task, replay.environment, replay.execute)
            count["completed"] += completed
            count["completed, goal reached"] += completed and replay.reaches(injection_task)
    bad_from = shown if len(replay.turns) > shown else None
    return {
        "id": f"{suite.name}/{user_task.ID}/{injection_task.ID}",
        "label": "attack",
        "category": suite.name,
        "source": "agentdojo",
        "attack": attack.name,
        "untrusted_shown_at": shown_at,
        "bad_calls_from": bad_from,
        "turns": replay.turns,
    }


def play_until_shown(replay, user_task, injected):
    """Executes the user task's calls until a result holds one of the texts; the index of that result's turn."""
    for call in replay.ground_truth(user_task):
        seen = [collapsed(text) for text in texts(replay.execute(call))]
        if any(text in one for text in injected for one in seen):
            return len(replay.turns) - 1
    raise Unplayable("no result shows the whole injection")


def texts(result):
    """Every string in a tool's result."""
    if isinstance(result, BaseModel):
        result = result.model_dump()
    if isinstance(result, str):
        yield result
    elif isinstance(result, dict):
        for key, value in result.items():
            yield from texts(key)
            yield from texts(value)
    elif isinstance(result, (list, tuple, set)):
        for value in result:
            yield from texts(value)


def collapsed(text):
    """The environments are YAML, where a line break within a string may become a space."""
    return " ".join(text.split())


def by_number(tasks):
    return sorted(tasks.values(), key=lambda task: int(task.ID.rpartition("_")[2]))


def suite_rows(suite, attack, options, count, leave_out):
    """The rows of a suite, each user task followed by its pairs."""
    for user_task in by_number(suite.user_tasks):
        try:
            yield benign_row(suite, user_task)
        except Unplayable as reason:
            leave_out(f"{suite.name}/{user_task.ID}", reason)
        for injection_task in by_number(suite.injection_tasks):
            try:
                yield attack_row(suite, attack, user_task, injection_task, options, count)
            except Unplayable as reason:
                leave_out(f"{suite.name}/{user_task.ID}/{injection_task.ID}", reason)


def write(suites, options, out):
    for suite in suites:
        # An attack only asks its pipeline for a name, to address the model by.
        pipeline = GroundTruthPipeline(None)
        pipeline.name = options.model
        attack = load_attack(options.attack, suite, pipeline)
        count = Counter()

        def leave_out(row_id, reason):
            count["left out"] += 1
            print(f"left out: {row_id}: {reason}", file=sys.stderr)

        for row in suite_rows(suite, attack, options, count, leave_out):
            count[row["label"]] += 1
            count["without calls"] += row["label"] == "attack" and row["bad_calls_from"] is None
            out.write(json.dumps(row, ensure_ascii=False) + "\n")
        print(
            f"{suite.name}: {count['benign']} benign of {len(suite.user_tasks)} user tasks, {count['attack']} attacks "
            f"of {len(suite.user_tasks) * len(suite.injection_tasks)} pairs ({count['without calls']} of them without "
            f"injected calls), {count['left out']} left out",
            file=sys.stderr,
        )
        if count["completed"]:
            print(
                f"{suite.name}: {count['completed']} attacks with calls of ours, {count['completed, goal reached']} of them "
                "reach the goal by the package's own check",
                file=sys.stderr,
            )


def parse():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--attack", choices=REPLAYABLE, default="important_instructions", help="the attack's template")
    parser.add_argument(
        "--model",
        choices=sorted(MODEL_NAMES),
        default="gpt-4o-2024-05-13",
        metavar="MODEL",
        help="which of the package's models some templates address by name (default: %(default)s, addressed as GPT-4)",
    )
    parser.add_argument("--benchmark", default=NEWEST, help="version of the tasks (default: %(default)s)")
    parser.add_argument(
        "--to-injection",
        action="store_true",
        help="end attack rows with the result that shows the injection: what is stopped there is stopped before a call",
    )
    parser.add_argument(
        "--complete",
        action="store_true",
        help="let the agent also obey injections for which the package names no calls, as obedient.py says",
    )
    parser.add_argument("--out", help="file to write (default: standard output)")
    return parser.parse_args()


def main():
    options = parse()
    suites = get_suites(options.benchmark)
    if not suites:
        sys.exit(f"error: agentdojo has no benchmark version {options.benchmark}")
    if hasattr(yaml, "CSafeLoader"):
        # The package parses a whole environment for each pair; libyaml does that ten times as fast.
        yaml.safe_load = lambda text: yaml.load(text, Loader=yaml.CSafeLoader)
    opened = open(options.out, "w", encoding="utf-8") if options.out else contextlib.nullcontext(sys.stdout)
    with opened as out, time_machine.travel(CLOCK, tick=False):
        write([suites[name] for name in sorted(suites)], options, out)


if __name__ == "__main__":
    if os.environ.get("PYTHONHASHSEED") != "0":
        # A calendar tool turns a set into a list, in an order that changes from run to run unless this is fixed.
        os.execve(sys.executable, [sys.executable, *sys.argv], {**os.environ, "PYTHONHASHSEED": "0"})
    main()
