#!/usr/bin/env python3
"""Fits and measures the session risk of aimds-analyze.

    cargo build --release && cargo build --release -p aimds-analyze --example measures
    python3 training/session/fit.py DATA --aimds target/release/aimds \
        --measures target/release/examples/measures --cache scores.json

DATA is the folder with the labelled texts. Weights are chosen on conversations composed of `dev` and a sample of `train`, and
on `extra_multiturn`; `multiturn` and conversations composed of `test_public` are only reported on. Scores of the texts come from the
binary and are cached. Needs numpy. Prints the weights for `session/risk.rs`, then the table.
"""
import argparse
import collections
import itertools
import json
import math
import random
import subprocess

import numpy

from compose import Composer, read

BLOCK = {"user": 0.94, "tool": 0.90}
# At most this share of ordinary conversations may reach the threshold by the session alone: a tenth of the false alarms that single
# messages make in `multiturn`.
BUDGET = 0.00016
# The same of kinds that are less common: an ordinary request is refused and the user asks again with probability 0.4 each time;
# long sessions of texts of one kind, whose scores may lie above those of other texts.
RARE = {"insisting": 0.005, "alike": 0.01}
MEASURES = 3
# Weights that are tried for gathered scores and repetitions, that of a nat of evidence being 1.
GATHERED = (0.0, 1.0, 2.0, 3.0, 4.5, 6.0, 9.0)
REPEATED = (3.0, 4.0, 5.0, 6.0, 7.0, 8.0, 10.0)


class Scores:
    """Scores and categories by origin and text, from the binary, kept in a file."""

    def __init__(self, binary, path):
        self.binary, self.path = binary, path
        try:
            with open(path) as file:
                self.known = json.load(file)
        except FileNotFoundError:
            self.known = {}

    def ask(self, wanted):
        wanted = [key for key in dict.fromkeys(wanted) if "\t".join(key) not in self.known]
        if not wanted:
            return
        lines = "".join(
            json.dumps({"id": str(i), "text": text, "origin": origin}) + "\n"
            for i, (origin, text) in enumerate(wanted)
        )
        command = [self.binary, "scan", "--input", "jsonl", "--format", "jsonl", "--exit-zero", "-q", "-"]
        answer = subprocess.run(command, input=lines, capture_output=True, text=True, check=True)
        for key, line in zip(wanted, answer.stdout.split("\n")):
            verdict = json.loads(line)
            self.known["\t".join(key)] = [verdict["score"], verdict["categories"]]
        with open(self.path, "w") as file:
            json.dump(self.known, file)

    def of(self, origin, text):
        return self.known[f"{origin}\t{text}"]


def origin(turn):
    return {"user": "user", "tool": "tool"}.get(turn["role"])


def measure(conversations, scores, binary):
    """What the crate measures, with the scores of joined texts looked up in a second run."""
    scores.ask([(origin(t), t["content"]) for c in conversations for t in c["turns"] if origin(t)])
    rows = []
    for conversation in conversations:
        turns = []
        for turn in conversation["turns"]:
            score, categories = scores.of(origin(turn), turn["content"]) if origin(turn) else (0, [])
            turns.append({**turn, "score": score, "categories": categories})
        rows.append({"turns": turns})
    alone = run(binary, rows)
    scores.ask([("user", text) for row in alone for text in row["joined"]])
    for row, measured in zip(rows, alone):
        row["joined"] = [scores.of("user", text)[0] for text in measured["joined"]]
    together = run(binary, rows)
    result = []
    for conversation, row, before, after in zip(conversations, rows, alone, together):
        decided = any(origin(t) and t["score"] >= BLOCK[origin(t)] for t in row["turns"])
        result.append({
            **conversation,
            "alone": decided,
            "peak": before["peak"],
            "joined_peak": after["peak"],
            "joined": decided or any(score >= BLOCK["user"] for score in row["joined"]),
            "steps": after["steps"],
        })
    return result


def run(binary, rows):
    lines = "".join(json.dumps(row) + "\n" for row in rows)
    answer = subprocess.run([binary], input=lines, capture_output=True, text=True, check=True)
    return [json.loads(line) for line in answer.stdout.split("\n") if line]


def highest(rows):
    """A function from weights to each row's highest weighted sum of measures; 0 where no step has a risk."""
    steps = [[step[4] for step in row["steps"] if step[1]] or [[0.0] * MEASURES] for row in rows]
    starts = numpy.cumsum([0] + [len(row) for row in steps[:-1]])
    measures = numpy.array([step for row in steps for step in row])
    return lambda weights: numpy.maximum.reduceat(measures @ numpy.array(weights), starts)


def fit(rows):
    """The proportions of the weights that find most attacks, each kind counting the same, where BUDGET of the ordinary conversations
    and no more than its share of each kind of RARE are above the threshold. None is negative: more evidence never lowers the risk.

    A search, because it is the rarest ordinary conversations that set the threshold: a regression follows the many."""
    undecided = [row for row in rows if not row["joined"]]
    kinds = collections.defaultdict(list)
    for row in undecided:
        kinds[row["group"] if row["group"] in RARE or row["label"] == "attack" else "ordinary"].append(row)
    sums = {kind: highest(members) for kind, members in kinds.items() if len(members) >= 50}
    most = {kind: share * sum(row["group"] == kind for row in rows) for kind, share in RARE.items()}
    best = (0.0, None)
    for weights in itertools.product([1.0], GATHERED, REPEATED):
        found = {kind: of(weights) for kind, of in sums.items()}
        common = numpy.sort(found.pop("ordinary"))[::-1]
        threshold = common[int(len(common) * BUDGET)]
        alarms = {kind: (found.pop(kind) > threshold).sum() for kind in RARE}
        if any(alarms[kind] > most[kind] for kind in RARE):
            continue
        recall = float(numpy.mean([(values > threshold).mean() for values in found.values()]))
        best = max(best, (recall, weights))
    if best[1] is None:
        raise SystemExit("no weights keep to RARE: the measures say too much about ordinary conversations")
    print(f"# of the attacks that no message decides {best[0]:.3f}, kinds: {', '.join(sums)}")
    return numpy.array(best[1])


def risk(row, weights, bias):
    """The highest of the conversation."""
    logits = [float(numpy.dot(step[4], weights)) + bias for step in row["steps"] if step[1]]
    return 1 / (1 + math.exp(-max(logits))) if logits else 0.0


def ordinary(rows):
    """The benign conversations of the common kinds that no joined text decides."""
    return [row for row in rows if row["label"] == "benign" and row["group"] not in RARE and not row["joined"]]


def calibrate(rows, weights):
    """Slope and bias with which BUDGET of the ordinary conversations that no message decides reach the threshold to block by the
    session, and ten times as many one half."""
    sums = numpy.sort(highest(ordinary(rows))(weights))[::-1]
    block, half = sums[int(len(sums) * BUDGET)], sums[int(len(sums) * BUDGET * 10)]
    slope = max(1.0, logit(BLOCK["user"]) / (block - half))
    return weights * slope, logit(BLOCK["user"]) - block * slope - 1e-2


def logit(p):
    return math.log(p / (1 - p)) if 0 < p < 1 else math.copysign(40, p - 0.5)


def wilson(k, n):
    if n == 0:
        return "-"
    p, z = k / n, 1.96
    middle, half = p + z * z / 2 / n, z * math.sqrt(p * (1 - p) / n + z * z / 4 / n / n)
    return f"{k}/{n} {p:.4f} [{(middle - half) / (1 + z * z / n):.4f}, {(middle + half) / (1 + z * z / n):.4f}]"


def cusum_threshold(rows):
    """For CUSUM alone, within the same budget."""
    sums = sorted((max((s[2] for s in row["steps"]), default=0) for row in ordinary(rows)), reverse=True)
    return sums[int(len(sums) * BUDGET)]


def report(name, rows, weights, bias, threshold):
    groups = collections.defaultdict(list)
    for row in rows:
        groups[row["group"]].append(row)
    for group, members in groups.items():
        n = len(members)
        cusum = sum(row["alone"] or max((s[2] for s in row["steps"]), default=0) > threshold for row in members)
        session = [risk(row, weights, bias) >= BLOCK["user"] for row in members]
        print(f"{name} | {group} | peak {wilson(sum(r['alone'] for r in members), n)}"
              f" | peak + CUSUM {wilson(cusum, n)}"
              f" | peak + joined {wilson(sum(r['joined'] for r in members), n)}"
              f" | all {wilson(sum(r['joined'] or s for r, s in zip(members, session)), n)}")


def at_rate(rows, weights, bias, rate):
    """Recall where the threshold is set so that this share of the ordinary conversations alarms."""
    def recall(value):
        benign = sorted((value(row) for row in rows if row["label"] == "benign"), reverse=True)
        limit = benign[int(len(benign) * rate)]
        return wilson(sum(value(row) > limit for row in rows if row["label"] == "attack"),
                      sum(row["label"] == "attack" for row in rows))
    peak = recall(lambda row: row["peak"])
    both = recall(lambda row: max(row["joined_peak"], risk(row, weights, bias)))
    print(f"multiturn at {rate:.2%} false alarms | peak {peak} | all {both}")


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("data")
    parser.add_argument("--aimds", required=True)
    parser.add_argument("--measures", required=True)
    parser.add_argument("--cache", default="scores.json")
    parser.add_argument("--weights", help="three weights and the bias: measure these instead of searching")
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    scores = Scores(options.aimds, options.cache)
    random.seed(options.seed)
    sample = read(options.data, "train")
    attacks = [row for row in sample if row["label"] == "attack"]
    calm = [row for row in sample if row["label"] == "benign"]
    sample = random.sample(attacks, 3000) + random.sample(calm, 4000)
    harmful = random.sample(read(options.data, "extra_harmful_requests"), 600)

    # Ordinary texts that the models were not trained on, so that their scores are those of strangers.
    strangers = Composer(read(options.data, "dev"), harmful, scores, options.seed)
    strangers.levels()
    composer = Composer(read(options.data, "dev") + sample, harmful, scores, options.seed)
    fitting = composer.attacks(250) + strangers.ordinary(6000) + strangers.insisting(2000) + strangers.alike(2000)
    native = read(options.data, "extra_multiturn")
    fitting += [{"turns": r["turns"], "label": r["label"], "group": f"extra_multiturn {r['label']}"} for r in native]
    fitting = measure(fitting, scores, options.measures)
    if options.weights:
        *weights, bias = map(float, options.weights.split(","))
    else:
        weights, bias = calibrate(fitting, fit(fitting))
    print("WEIGHTS", [round(float(w), 3) for w in weights], "BIAS", round(bias, 3))
    weights, bias = numpy.array([round(float(w), 3) for w in weights]), round(bias, 3)
    threshold = cusum_threshold(fitting)
    report("fitted", fitting, weights, bias, threshold)

    composer = Composer(read(options.data, "test_public"), harmful, scores, options.seed + 1)
    benign = composer.ordinary(3000) + composer.insisting(1000) + composer.alike(1000)
    fresh = measure(composer.attacks(300) + benign, scores, options.measures)
    report("fresh", fresh, weights, bias, threshold)
    spliced = [
        {"turns": r["turns"], "label": r["label"],
         "group": r["label"] + (" harmful" if "harmful" in r["category"] else "")}
        for r in read(options.data, "multiturn")
    ]
    spliced = measure(spliced, scores, options.measures)
    report("multiturn", spliced, weights, bias, threshold)
    for rate in (0.0016, 0.012):
        at_rate(spliced, weights, bias, rate)


if __name__ == "__main__":
    main()
