"""Fits how the logits of both tiers become one probability (`models/encoder.toml`), and measures leave-one-source-out.

    python3 join.py ARRAYS.npz LEXICAL.jsonl OUT FINAL FOLD...

LEXICAL is what `aimds-training lexical --logits` wrote, OUT the folder of `train.py`, FINAL the run that ships, each FOLD the
letter of a run that left out the families of that fold of `../families.json` (A is the first). The fit sees dev, whose
sources are known, and with little weight the rows of sources that neither tier had seen.
"""

import json
import sys
from collections import Counter
from pathlib import Path

import numpy as np
from sklearn.linear_model import LogisticRegression

from train import FAMILIES, STRIDE, WINDOW

FOREIGN = 0.08
# Benign rows of these sources are role prompts and oddities that nobody verified: not "clean text".
UNVERIFIED = ("neuralchemy_prompt_injection", "jailbreakhub_verazuo")
FOLDS = json.loads((Path(__file__).parent.parent / "families.json").read_text())["folds"]


def windows(tokens):
    return np.maximum(1, -(-(tokens - WINDOW) // STRIDE) + 1)


def joined(arrays, name, rows, logits, fast):
    """One line for each text (highest of its readings): row, evidence for both heads."""
    length = np.diff(arrays[f"{name}.offsets"].astype(int))
    texts = {}
    for row, logit in zip(rows, logits.astype(float)):
        identifier = arrays[f"{name}.id"][row]
        if identifier in fast:
            best = texts.setdefault(identifier, [row, logit, length[row]])
            best[1], best[2] = np.maximum(best[1], logit), max(best[2], length[row])
    rows = np.array([row for row, _, _ in texts.values()])
    evidence = [
        np.array([[fast[i][head], logit[head], np.log(windows(number))] for i, (_, logit, number) in texts.items()])
        for head in (0, 1)
    ]
    return rows, evidence


def main():
    arrays, lexical, out, final, *letters = sys.argv[1:]
    arrays, out = dict(np.load(arrays)), Path(out)
    fast = {"dev": {}, "foreign": {}}
    for line in open(lexical):
        row = json.loads(line)
        fast[row["set"]][row["id"]] = row["logits"]
    attack = {name: arrays[f"{name}.attack"] for name in ("dev", "train")}
    source = {name: arrays[f"{name}.source"] for name in ("dev", "train")}
    everything = np.arange(len(attack["dev"]))
    dev, dev_evidence = joined(arrays, "dev", everything, np.load(out / f"{final}.npz")["dev"], fast["dev"])
    runs = {letter: np.load(out / f"{letter}.npz") for letter in letters}
    held = {letter: joined(arrays, "train", run["held"], run["held.logits"], fast["foreign"]) for letter, run in runs.items()}
    for head, name in enumerate(("user", "data")):
        inputs, labels = [dev_evidence[head]], [attack["dev"][dev]]
        weights = [np.full(len(dev), 1 / len(dev))]
        for rows, evidence in held.values():
            inputs.append(evidence[head])
            labels.append(attack["train"][rows])
            sizes = Counter(zip(source["train"][rows], attack["train"][rows]))
            weight = np.array([sizes[source["train"][row], attack["train"][row]] ** -0.5 for row in rows])
            weight *= arrays["train.weights"][rows, head]
            weights.append(FOREIGN * weight / weight.sum())
        fit = LogisticRegression(C=10).fit(np.concatenate(inputs), np.concatenate(labels), np.concatenate(weights) * len(dev))
        numbers = dict(zip(("bias", "fast", "deep", "windows"), [float(fit.intercept_[0]), *map(float, fit.coef_[0])]))
        print(f"[{name}]", *(f"{key} = {number:.3f}" for key, number in numbers.items()), sep="\n")
        for title, weight in {"both tiers": fit.coef_[0], "tier 1": np.array([1, 0, 0]), "tier 2": np.array([0, 1, 0])}.items():
            rates = {}
            for letter in letters:
                rows, evidence = joined(arrays, "dev", everything, runs[letter]["dev"], fast["dev"])
                clean = ~attack["dev"][rows] & ~np.isin(source["dev"][rows], UNVERIFIED)
                threshold = np.quantile(evidence[head][clean] @ weight, 0.99)
                rows, evidence = held[letter]
                scores = evidence[head] @ weight
                for family in FOLDS["ABCD".index(letter)]:
                    starts = tuple(start for start in FAMILIES[family] if start != "composed_indirect")
                    own = attack["train"][rows] & np.array([s.startswith(starts) for s in source["train"][rows]])
                    if own.sum() >= 20:
                        rates[family] = float((scores[own] >= threshold).mean())
            print(f"# {title}, leave-one-source-out at 1 % of clean dev: macro {np.mean(list(rates.values())):.3f}", {k: round(v, 2) for k, v in rates.items()})


if __name__ == "__main__":
    main()
