#!/usr/bin/env python3
"""Fits the weights of the signs of orders in data (`crates/aimds-detect/src/orders/signs.rs`).

    cargo run -p aimds-detect --example orders_dump < rows.jsonl > signs.jsonl
    python training/orders/fit.py rows.jsonl signs.jsonl

Needs numpy. `--rows DATA` writes the rows instead: the orders of `training/encoder/texts/orders.json` and of `texts.json`
planted into six shapes of data, requests to people planted likewise, and benign documents, code and hard negatives of
train and extra_train, at most 400 of a source. A text counts as its likeliest clause (multiple-instance learning); the
regression is ridged with 1. Clauses with a probability below 0.02 today are not seen. What it prints is rounded to a tenth; the bias is then lowered until no more than one in 200
of the benign documents of dev is flagged, and weights of signs that the rows do not hold (names before a colon, offers)
are set by hand.

How much likelier an order is meant for an assistant in texts that are judged (`ORDERED_ODDS` of the scanner):

    python training/orders/fit.py --rows DATA --rest > rest.jsonl
    cargo run -p aimds-detect --example orders_dump < rest.jsonl > rest.signs.jsonl
    python training/orders/fit.py --odds rest.signs.jsonl

`--rest` writes benign rows that the fit leaves out, at most 1,500 of a source. `--odds` prints how many of them reach 0.9 by
their likeliest order alone, for odds multiplied by 1 to 10.
"""

import argparse
import json
import random
import sys
from pathlib import Path

PLANTED = {
    "tool_orders": 1,
    "exfil_orders": 1,
    "addressed_orders": 1,
    "fake_system": 1,
    "own_orders": 1,
    "human_requests": 0,
    "people_requests": 0,
}
COPIES = {"own_orders": 4, "people_requests": 4}
BENIGN = ("benign_document", "benign_code", "hard_negative")
MOST_OF_A_SOURCE = 400
MOST_OF_THE_REST = 1500
BLOCKED = 0.9


def planted(text, number, neutral, chance):
    """The text in one of six shapes of data."""
    first, second, third = chance.sample(neutral, 3)
    shape = number % 6
    if shape == 0:
        return f"{first} {second}\n\n{text}\n\n{third}"
    if shape == 1:
        items = [{"id": number, "text": first}, {"id": number + 1, "text": text}]
        return json.dumps({"status": "ok", "items": items}, ensure_ascii=False)
    if shape == 2:
        return f"{first} {text} {second}"
    if shape == 3:
        return str({"subject": first, "body": f"{second} {text}", "sender": "x"})
    if shape == 4:
        return f"- id: {number}\n  description: {first}\n  comment: '{text}'\n- id: {number + 1}\n  description: {second}"
    return f"<p>{first}</p><p>{text}</p><p>{second}</p>"


def rows(data, rest):
    """The rows of the fit, or the benign ones it leaves out; `data` holds train.jsonl and extra_train.jsonl, unpacked."""
    chance = random.Random(7)
    here = Path(__file__).resolve().parent
    texts = json.loads((here.parent / "encoder/texts/orders.json").read_text(encoding="utf-8"))
    texts.update(json.loads((here / "texts.json").read_text(encoding="utf-8")))
    for name, label in PLANTED.items():
        for number, text in enumerate(texts[name]):
            for copy in range(COPIES.get(name, 2)):
                shape = number + copy * 7 + chance.randrange(6)
                whole = planted(text, shape, texts["neutral_sentences"], chance)
                if not rest:
                    yield {"id": f"{name}-{number}-{copy}", "text": whole, "label": label, "source": name}
    for name in ("train", "extra_train"):
        by_source = {}
        with open(Path(data) / f"{name}.jsonl", encoding="utf-8") as opened:
            for row in map(json.loads, opened):
                if row["label"] == "benign" and row["category"] in BENIGN:
                    by_source.setdefault(row["source"], []).append(row)
        for source, of_source in by_source.items():
            chance.shuffle(of_source)
            seen, unseen = of_source[:MOST_OF_A_SOURCE], of_source[MOST_OF_A_SOURCE:][:MOST_OF_THE_REST]
            for row in unseen if rest else seen:
                yield {"id": row["id"], "text": row["text"], "label": 0, "source": source}


def fit(examples, names):
    """Weights by name; each example is its label, its weight and the inputs of its clauses."""
    import numpy as np

    weights = np.zeros(len(names))
    weights[0] = -4.0
    ridge = np.ones(len(names))
    free = np.r_[0.0, np.ones(len(names) - 1)]
    for _ in range(8):
        inputs, labels, importance = [], [], []
        for label, weight, clauses in examples:
            clauses = np.array(clauses)
            inputs.append(clauses[(clauses @ weights).argmax()])
            labels.append(label)
            importance.append(weight)
        inputs, labels, importance = np.array(inputs), np.array(labels, float), np.array(importance)
        for _ in range(25):
            odds = 1 / (1 + np.exp(-np.clip(inputs @ weights, -30, 30)))
            slope = inputs.T @ (importance * (odds - labels)) + free * weights
            bend = (inputs * (importance * odds * (1 - odds))[:, None]).T @ inputs + np.diag(ridge)
            step = np.linalg.solve(bend, slope)
            weights = weights - step * min(1.0, 1.0 / max(1e-9, np.abs(step).max()))
    return dict(zip(names, weights, strict=True))


def odds(path):
    """Prints how many benign rows are blocked for their likeliest order, by what its odds are multiplied with."""
    with open(path, encoding="utf-8") as opened:
        likeliest = [json.loads(line)["confidence"] for line in opened]
    for times in range(1, 11):
        reached = sum(times * odd / (times * odd + 1 - odd) >= BLOCKED for odd in likeliest)
        print(f"{times:2} times the odds: {reached} of {len(likeliest)} reach {BLOCKED}")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", metavar="DATA", help="write the rows made from this folder to standard output")
    parser.add_argument("--rest", action="store_true", help="write the benign rows that the fit leaves out")
    parser.add_argument("--odds", metavar="SIGNS", help="print what multiplied odds do to benign rows, from their signs")
    parser.add_argument("files", nargs="*", help="the rows, and the signs that were found in them")
    options = parser.parse_args()
    if options.rows:
        for row in rows(options.rows, options.rest):
            print(json.dumps(row, ensure_ascii=False))
        return
    if options.odds:
        odds(options.odds)
        return
    if len(options.files) != 2:
        sys.exit("error: two files are needed: the rows, and their signs")
    found = []
    for path in options.files:
        with open(path, encoding="utf-8") as opened:
            found.append([json.loads(line) for line in opened])
    names = ["bias", *sorted({sign for row in found[1] for clause in row["clauses"] for sign in clause})]
    examples = []
    for row, signs in zip(*found, strict=True):
        if signs["id"] != row["id"]:
            sys.exit(f"error: the signs of {signs['id']} stand beside the row {row['id']}")
        clauses = [[1.0, *(float(name in clause) for name in names[1:])] for clause in signs["clauses"]]
        if clauses:
            examples.append((row["label"], 1.5 if row["source"] in ("human_requests", "people_requests") else 1.0, clauses))
    for name, weight in fit(examples, names).items():
        print(f"{weight:6.1f}  {name}")


if __name__ == "__main__":
    main()
