#!/usr/bin/env python3
"""Vowpal Wabbit's contextual bandits on the cases of `aimds bench learn`: regret as JSON on standard output.

    python3 rivals/engines.py learn             # installs it and calls this
    python vowpal.py < cases.jsonl > results.json

Input is what `aimds bench learn --export FILE` writes: for each run a header {"scenario", "seed", "steps"}, then a line
[[features], [expected reward of each action], [reward of each action as it is told], delay] for each case. Nothing is
tuned: squarecb as it comes (its default policy type is mtr), and epsilon-greedy; features are crossed with actions
(-q xa), without which neither could tell cases apart. The propensity with which
an action was chosen is given back to it, as it wants.
"""

import heapq
import json
import random
import sys

import results
import vowpalwabbit

CONTENDERS = {
    "vw squarecb": "--cb_explore_adf --squarecb -q xa",
    "vw epsilon 0.05": "--cb_explore_adf --epsilon 0.05 -q xa",
}


def main():
    runs = {}
    for header, cases in read(sys.stdin):
        for name, options in CONTENDERS.items():
            regret = play(options, header["seed"], cases)
            runs.setdefault((header["scenario"], name), []).append(regret)
        print(f"{header['scenario']} {header['seed']}", file=sys.stderr)
    results.write([
        results.row("vowpalwabbit", f"regret, {scenario}", "regret", regrets, name=name)
        for (scenario, name), regrets in runs.items()
    ])  # fmt: skip


def read(lines):
    """Header and cases of one run after the other."""
    for line in lines:
        header = json.loads(line)
        yield header, [json.loads(next(lines)) for _ in range(header["steps"])]


def play(options, seed, cases):
    """Cumulative regret of one run; what was told with a delay is learnt when it comes."""
    workspace = vowpalwabbit.Workspace(f"{options} --quiet --random_seed {seed + 1}")
    draw = random.Random(seed)
    waiting, total = [], 0.0
    for step, (features, means, told, delay) in enumerate(cases):
        shared = "shared |x " + " ".join(f"f{at}:{value}" for at, value in enumerate(features))
        actions = [f"|a a{action}" for action in range(len(means))]
        chances = workspace.predict([shared, *actions])
        norm = sum(chances)
        action = draw.choices(range(len(means)), weights=chances)[0]
        total += max(means) - means[action]
        heapq.heappush(waiting, (step + delay, step, shared, actions, action, chances[action] / norm, told[action]))
        while waiting and waiting[0][0] <= step:
            _, _, shared, actions, action, chance, reward = heapq.heappop(waiting)
            labelled = list(actions)
            labelled[action] = f"0:{-reward}:{chance} {labelled[action]}"
            workspace.learn([shared, *labelled])
    workspace.finish()
    return total


if __name__ == "__main__":
    main()
