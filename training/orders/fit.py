#!/usr/bin/env python3
"""Fits the weights of orders in data and writes them into `crates/aimds-detect/src/orders/weights.rs`.

    python training/orders/fit.py --rows DATA > rows.jsonl
    cargo run --release -p aimds-detect --example orders_dump < rows.jsonl > signs.jsonl
    python training/orders/fit.py rows.jsonl signs.jsonl

Needs numpy. DATA holds train.jsonl, extra_train.jsonl and dev.jsonl, unpacked. Rows are orders and requests to people planted
into shapes of data, and benign rows, at most 400 of a source:

- orders in English: `training/encoder/texts/orders.json`, `texts.json` and sentences made by `grammar.json`;
- in other languages: `agent_orders` and `orders_soft` of `training/encoder/texts`, with their benign documents.

Of the planted texts one in three (of the grammar one template in three) is left out for validation. A text counts as its
likeliest clause or sentence (multiple-instance learning; at first as the mean of all). The regression is ridged with 1. The
numbers are rounded to a tenth; both biases are then moved alike so that at most one in 100 of the benign documents and code of
dev is flagged, and one in 20 of its hard negatives, most of which are prompts for a model. The same rows give the same numbers.
"""

import argparse
import json
import random
import re
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
WEIGHTS = HERE.parent.parent / "crates/aimds-detect/src/orders/weights.rs"
PLANTED = {
    "tool_orders": 1,
    "exfil_orders": 1,
    "addressed_orders": 1,
    "fake_system": 1,
    "output_hijack": 1,
    "own_orders": 1,
    "human_requests": 0,
    "people_requests": 0,
}
COPIES = {"own_orders": 4, "people_requests": 4}
OF_LANGUAGES = {"agent_orders": 1, "orders_soft": 1, "benign_document": 0, "benign_close": 0}
BENIGN = ("benign_document", "benign_code", "hard_negative")
MOST_OF_A_SOURCE = 400
FILLED = 8
FLAGGED = 0.4
# Of the benign rows of dev in these categories, how many may be flagged.
MOST_FALSE = {("benign_document", "benign_code"): 1 / 100, ("hard_negative",): 1 / 20}
# Requests to people are few, and what orders are most like.
HEAVY = ("human_requests", "people_requests", "grammar_people")
# The name of a weight in the tables.
NAMED = r'"([^"]+)",?\s*\)'
TURNS = 6
STEPS = 8


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


def filled(template, slots, chance):
    """A sentence of the grammar."""
    text = re.sub(r"\{(\w+)\}", lambda slot: chance.choice(slots[slot[1]]), template)
    text = text[0].upper() + text[1:]
    return chance.choice(slots["place"]).replace("{}", text) if template in slots["hidden"] else text


def read(path):
    return json.loads(path.read_text(encoding="utf-8"))


def composed(chance):
    """Rows made of texts of our own: set, source, label, text."""
    texts = read(HERE.parent / "encoder/texts/orders.json")
    texts.update(read(HERE / "texts.json"))
    neutral = texts["neutral_sentences"]
    for name, label in PLANTED.items():
        for number, text in enumerate(texts[name]):
            held = "valid" if number % 3 == 2 else "fit"
            for copy in range(COPIES.get(name, 2)):
                shape = number + copy * 7 + chance.randrange(6)
                yield held, name, label, planted(text, shape, neutral, chance)
    grammar = read(HERE / "grammar.json")
    slots = {**grammar["slots"], "hidden": set(grammar["orders"])}
    for name, label in (("orders", 1), ("people", 0)):
        for number, template in enumerate(grammar[name]):
            held = "valid" if number % 3 == 2 else "fit"
            for copy in range(FILLED):
                text = filled(template, slots, chance)
                yield held, f"grammar_{name}", label, planted(text, number + copy, neutral, chance)
    languages = {path.stem for path in (WEIGHTS.parent / "languages").glob("*.txt")}
    for path in sorted((HERE.parent / "encoder/texts").glob("*.json")):
        language = path.name.split(".")[0]
        if language.lower() not in languages:
            continue
        of_language = read(path)
        plain = path.with_name(f"{language}.json")
        documents = read(plain)["benign_document"] if plain.exists() else neutral
        for name in [name for name in OF_LANGUAGES if name in of_language]:
            label = OF_LANGUAGES[name]
            for number, text in enumerate(of_language[name]):
                held = "valid" if number % 3 == 2 else "fit"
                yield held, f"{name}:{language}", label, planted(text, number, documents, chance)


def rows(data):
    """The rows of the fit."""
    chance = random.Random(7)
    for number, (held, source, label, text) in enumerate(composed(chance)):
        yield {"id": f"{source}-{number}", "set": held, "text": text, "label": label, "source": source}
    for name in ("train", "extra_train", "dev"):
        by_source = {}
        with open(Path(data) / f"{name}.jsonl", encoding="utf-8") as opened:
            for row in map(json.loads, opened):
                if row["label"] == "benign" and row["category"] in BENIGN:
                    by_source.setdefault(row["source"], []).append(row)
        for source, of_source in by_source.items():
            chance.shuffle(of_source)
            for row in of_source[: None if name == "dev" else MOST_OF_A_SOURCE]:
                made = {"id": row["id"], "text": row["text"], "label": 0, "source": f"{name}:{source}"}
                yield made | ({"set": "dev", "category": row["category"]} if name == "dev" else {"set": "fit"})


def fit(inputs, spans, labels, importance, free):
    """The weights. `inputs` has a row for each clause and sentence, `spans` says which rows are whose; `free` are not ridged."""
    import numpy as np

    weights = np.zeros(inputs.shape[1])
    ridge = np.ones(len(weights))
    ridge[free] = 1e-3
    for turn in range(TURNS):
        if turn == 0:
            seen = np.array([inputs[start:end].mean(0) for start, end in spans], float)
        else:
            scores = inputs @ weights.astype(np.float32)
            seen = inputs[[start + scores[start:end].argmax() for start, end in spans]].astype(float)
        for _ in range(STEPS):
            odds = 1 / (1 + np.exp(-np.clip(seen @ weights, -30, 30)))
            slope = seen.T @ (importance * (odds - labels)) + ridge * weights
            bend = (seen * (importance * odds * (1 - odds))[:, None]).T @ seen + np.diag(ridge)
            step = np.linalg.solve(bend, slope)
            weights = weights - step * min(1.0, 2.0 / max(1e-9, np.abs(step).max()))
    return weights


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", metavar="DATA", help="write the rows made from this folder to standard output")
    parser.add_argument("--dry", action="store_true", help="leave the file of the weights as it is")
    parser.add_argument("files", nargs="*", help="the rows, and the signs that were found in them")
    options = parser.parse_args()
    if options.rows:
        for row in rows(options.rows):
            print(json.dumps(row, ensure_ascii=False))
        return
    if len(options.files) != 2:
        sys.exit("error: two files are needed: the rows, and their signs")
    learn(*options.files, options.dry)


def learn(rows_file, signs_file, dry):
    """Fits, reports and writes."""
    import numpy as np

    source = WEIGHTS.read_text(encoding="utf-8")
    tables = {"clauses": source[: source.index("const SPOKEN")], "sentences": source[source.index("const SPOKEN") :]}
    names = [(kind, "bias") for kind in tables]
    for kind, text in tables.items():
        names += [(kind, name) for name in re.findall(NAMED, text)]
    place = {name: at for at, name in enumerate(names)}
    texts, spans, listed = [], [], []
    with open(rows_file, encoding="utf-8") as opened, open(signs_file, encoding="utf-8") as found_in:
        for row, signs in zip(map(json.loads, opened), map(json.loads, found_in), strict=True):
            if signs["id"] != row["id"]:
                sys.exit(f"error: the signs of {signs['id']} stand beside the row {row['id']}")
            distinct = sorted({(kind, *found) for kind in tables for found in signs[kind]})
            texts.append(row)
            spans.append((len(listed), len(listed) + len(distinct)))
            listed += [[place[kind, "bias"], *(place[kind, name] for name in found)] for kind, *found in distinct]
    inputs = np.zeros((len(listed), len(names)), np.float32)
    for at, present in enumerate(listed):
        inputs[at, present] = 1
    used = [at for at, row in enumerate(texts) if row["set"] == "fit" and spans[at][0] < spans[at][1]]
    labels = np.array([texts[at]["label"] for at in used], float)
    importance = np.array([1.5 if texts[at]["source"] in HEAVY else 1.0 for at in used])
    biases = [place[kind, "bias"] for kind in tables]
    weights = np.round(fit(inputs, [spans[at] for at in used], labels, importance, biases), 1)
    scores = inputs @ weights
    highest = [(row, scores[start:end].max() if start < end else -99.0) for row, (start, end) in zip(texts, spans, strict=True)]
    limit = np.log(FLAGGED / (1 - FLAGGED))
    lower = -np.inf
    for categories, most in MOST_FALSE.items():
        benign = sorted((score for row, score in highest if row.get("category") in categories), reverse=True)
        lower = max(lower, np.ceil((benign[int(len(benign) * most)] - limit) * 10 + 0.5) / 10)
    weights[biases] -= lower
    groups = {}
    for row, score in highest:
        groups.setdefault((row["set"], row["label"], row["source"]), []).append(score - lower >= limit)
    for (held, label, name), flagged in sorted(groups.items()):
        if held != "fit" or label:
            print(f"{held:6} {label} {name:45} {sum(flagged):5} of {len(flagged):5} {sum(flagged) / len(flagged):.3f}")
    false = [score - lower >= limit for row, score in highest if row["set"] == "fit" and not row["label"]]
    print(f"benign rows of the fit: {sum(false)} of {len(false)}; lowered by {lower:.1f}")
    for kind, text in tables.items():
        for name in re.findall(NAMED, text):
            new = f"{weights[place[kind, name]]:.1f}"
            text = re.sub(r'-?[\d.]+(?=,\s*"' + re.escape(name) + '")', new, text)
        bias = f"bias: {weights[place[kind, 'bias']]:.1f}"
        tables[kind] = re.sub(r"bias: -?[\d.]+", bias, text)
    if not dry:
        WEIGHTS.write_text("".join(tables.values()).replace("-0.0,", "0.0,"), encoding="utf-8")


if __name__ == "__main__":
    main()
