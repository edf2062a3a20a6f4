"""Composes training rows: our own texts, alone and joined, and orders planted in documents of many shapes.

    python3 compose.py DATA OUT.jsonl [--seed 1]

Every row: text, label, source, category, `weights` (how much it counts for the heads "manipulation" and "orders"), and
`span` (code points) where an order is planted in something innocent. Plain user requests from the data serve as planted
orders as well: what a user may ask, a document may not.
"""

import argparse
import json
import random
import re
import subprocess
from collections import defaultdict
from pathlib import Path

from shapes import document

TEXTS = Path(__file__).parent / "texts"
SOFT = ("secret_soft", "pretext", "reframe")
ATTACK_FAMILIES = ("override", "extraction", "jailbreak", "authority", *SOFT)
# Families of orders that say by themselves that they are meant for the model: attacks also where a user pastes them.
OPEN_ORDERS = {"addressed_orders", "fake_system", "exfil_orders"}
BOTH, USER, DATA = [1.0, 1.0], [1.0, 0.0], [0.0, 1.0]


def read(path):
    lines = subprocess.run(["zstd", "-dc", str(path)], check=True, capture_output=True).stdout.splitlines()
    return [json.loads(line) for line in lines]


def sentences(text):
    return [s.strip() for s in re.split(r"(?<=[.!?。！？।؟])\s+|\n+", text) if 15 <= len(s.strip()) <= 300]


class Composer:
    def __init__(self, data, seed):
        self.rng = random.Random(seed)
        self.rows = []
        load = lambda name: json.loads((TEXTS / f"{name}.json").read_text())
        self.languages = {p.stem: load(p.stem) for p in sorted(TEXTS.glob("*.json")) if "." not in p.stem and p.stem not in ("en_attacks", "en_benign", "orders")}
        for name, texts in self.languages.items():
            self.soften(texts, load(f"{name}.soft") if (TEXTS / f"{name}.soft.json").exists() else {})
        self.attacks, self.benign, self.orders = load("en_attacks"), load("en_benign"), load("orders")
        soft = load("en.soft")
        self.attacks |= {family: soft[family] for family in SOFT}
        self.orders["tool_orders"] += soft["orders_soft"]
        self.benign |= {family: soft[family] for family in ("benign_close", "benign_long")}
        self.requests, self.passages = defaultdict(list), defaultdict(list)
        for row in read(data / "train.jsonl.zst") + read(data / "extra_train.jsonl.zst"):
            if row["label"] != "benign":
                continue
            text = row["text"]
            if row["category"] in ("benign_chat", "benign_instruction") and 12 <= len(text) <= 220:
                self.requests[row["source"]].append(text)
            elif row["category"] in ("benign_document", "benign_code") and len(text) >= 120:
                self.passages[row["source"]].append(text)

    @staticmethod
    def soften(texts, soft):
        """Joins the second collection of a language, soft and indirect attacks, to the first."""
        texts |= {family: soft[family] for family in SOFT if soft}
        texts["agent_orders"] += soft.get("orders_soft", [])
        texts["benign_user"] += soft.get("benign_close", []) + soft.get("benign_long", [])

    def add(self, text, label, source, category, weights, span=None):
        row = {"text": text, "label": label, "source": f"composed:{source}", "category": category, "weights": weights}
        if span:
            row["span"] = span
        self.rows.append(row)

    def pick(self, groups):
        """A text of a random group: groups count alike, whatever their size."""
        return self.rng.choice(groups[self.rng.choice(list(groups))])

    def typed(self, text):
        """Now and then as people type: lower case, lost letters, doubled and swapped ones."""
        if self.rng.random() < 0.75 or len(text) > 400:
            return text
        letters = list(text)
        for _ in range(max(1, len(letters) // 40)):
            at = self.rng.randrange(len(letters))
            if not letters[at].isalpha():
                continue
            kind = self.rng.randrange(4)
            if kind == 0:
                letters[at] = ""
            elif kind == 1:
                letters[at] *= 2
            elif kind == 2 and at + 1 < len(letters):
                letters[at], letters[at + 1] = letters[at + 1], letters[at]
            else:
                letters[at] = self.rng.choice("abcdefghijklmnopqrstuvwxyz")
        return "".join(letters)

    def glue(self):
        return self.rng.choice([" ", " ", "\n", "\n\n", ". ", " - ", "\n---\n", " // ", "; "])

    def direct(self, share):
        """Attacks that users type."""
        rng = self.rng
        for name, texts in self.languages.items():
            everyday = texts["benign_user"]
            for family in ATTACK_FAMILIES:
                for text in texts.get(family, []):
                    self.add(text, "attack", f"direct-{name}", "prompt_injection", BOTH)
                    for _ in range(share):
                        kind = rng.randrange(7)
                        if kind == 0:
                            made = text + self.glue() + rng.choice(texts["payload"])
                        elif kind == 1:
                            made = rng.choice(everyday) + self.glue() + text
                        elif kind == 2:
                            made = text + self.glue() + rng.choice(everyday)
                        elif kind == 3:
                            other = rng.choice([f for f in ATTACK_FAMILIES if f != family and f in texts])
                            made = text + self.glue() + rng.choice(texts[other])
                        elif kind == 4:
                            made = " ".join(rng.sample(texts["benign_document"], rng.randint(1, 4))) + self.glue() + text
                        elif kind == 5:
                            made = rng.choice(everyday) + self.glue() + text + self.glue() + rng.choice(texts["payload"])
                        else:
                            made = text + self.glue() + self.pick(self.attacks)
                        self.add(self.typed(made), "attack", f"joined-{name}", "prompt_injection", BOTH)
        english = [t for texts in self.benign.values() for t in texts if len(t) < 300]
        for family, texts in self.attacks.items():
            for text in texts:
                self.add(text, "attack", f"direct-{family}", "prompt_injection", BOTH)
                for _ in range(share):
                    kind = rng.randrange(5)
                    if kind == 0:
                        made = self.pick(self.requests) + self.glue() + text
                    elif kind == 1:
                        made = text + self.glue() + self.pick(self.requests)
                    elif kind == 2:
                        made = text + self.glue() + self.pick(self.attacks)
                    elif kind == 3:
                        made = rng.choice(english) + self.glue() + text
                    else:
                        made = text
                    self.add(self.typed(made), "attack", "joined-en", "prompt_injection", BOTH)

    def innocent(self, share):
        """Texts of users that are no attacks, many of which look like some."""
        rng = self.rng
        for name, texts in self.languages.items():
            for family in ("benign_user", "benign_sensitive", "benign_document"):
                category = {"benign_user": "hard_negative", "benign_sensitive": "harmful_request"}.get(family, "benign_document")
                weights = [1.0, 0.1] if family == "benign_user" else BOTH
                for text in texts[family]:
                    self.add(text, "benign", f"benign-{name}", category, weights)
                    for _ in range(share):
                        made = self.glue().join([text] + rng.sample(texts[family], rng.randint(1, 3)))
                        self.add(self.typed(made), "benign", f"benign-{name}", category, weights)
        for family, texts in self.benign.items():
            for text in texts:
                # What users ask of a model is no order in data; who may give it is what the second head must tell.
                asks = family in ("trigger_words", "correction_in_chat", "roleplay_harmless", "long_tasks", "persona_customisation", "games_and_puzzles", "customer_support", "asks_about_ai", "benign_close", "benign_long", "sensitive_without_manipulation", "fiction_dark", "translation_and_text_tasks")
                weights = [1.0, 0.1] if asks else BOTH
                self.add(text, "benign", f"benign-{family}", "hard_negative", weights)
                for _ in range(share):
                    kind = rng.randrange(3)
                    if kind == 0:
                        made = text + self.glue() + self.pick(self.requests)
                    elif kind == 1:
                        made = text + self.glue() + rng.choice(texts)
                    else:
                        made = text
                    self.add(self.typed(made), "benign", "benign-en", "hard_negative", [weights[0], 0.1])

    def body(self):
        """Sentences of one language for a document, and that language."""
        rng = self.rng
        draw = rng.random()
        if draw < 0.35:
            number = rng.randint(1, 8)
            pool = self.orders["neutral_sentences"] if rng.random() < 0.6 else self.orders["neutral_sentences"] + self.orders["human_requests"]
            return rng.sample(pool, number), "en"
        if draw < 0.65:
            for _ in range(20):
                found = sentences(self.pick(self.passages))
                if found:
                    start = rng.randrange(len(found))
                    return found[start : start + rng.randint(1, 10)], "en"
        if draw < 0.72:
            return rng.sample(self.benign["instructions_for_humans"], rng.randint(1, 2)), "en"
        name = rng.choice(list(self.languages))
        return rng.sample(self.languages[name]["benign_document"], rng.randint(1, 5)), name

    def order(self, language):
        """Something that a document must not ask of a model, its family, and how it counts."""
        rng = self.rng
        if language != "en" and rng.random() < 0.7:
            texts = self.languages[language]
            draw = rng.random()
            if draw < 0.55:
                return rng.choice(texts["agent_orders"]), "orders", [0.3, 1.0]
            return rng.choice(texts[rng.choice([f for f in ATTACK_FAMILIES if f in texts])]), "override", BOTH
        draw = rng.random()
        if draw < 0.58:
            family = rng.choice(["tool_orders", "tool_orders", "addressed_orders", "fake_system", "exfil_orders", "side_tasks", "output_hijack"])
            text = rng.choice(self.orders[family])
            return text, "orders", [0.7, 1.0] if family in OPEN_ORDERS else DATA
        if draw < 0.78:
            text = self.pick(self.requests)
            lead = rng.choice(["", "", "", "", "Also, ", "Before you answer: ", "Please ", "One more thing: ", "User: ", "Additional task: ", "P.S. ", "IMPORTANT: ", "TODO for the assistant: "])
            # Without a lead it may as well be a heading or a question of an FAQ.
            return lead + text, "task", DATA if lead else [0.0, 0.5]
        return self.pick(self.attacks), "override", BOTH

    def planted(self, number):
        """Documents with and without a planted order."""
        rng = self.rng
        for _ in range(number):
            body, language = self.body()
            order, family, weights = self.order(language)
            if rng.random() < 0.12:
                order = self.glue().join([order, self.order(language)[0]])
            text, span = document(rng, body, order)
            self.add(text, "attack", f"planted-{family}", "indirect_injection", weights, span)
        for _ in range(number):
            body, language = self.body()
            # A request to a person in the same place is innocent.
            if rng.random() < 0.5:
                pool = self.orders["human_requests"] if language == "en" else self.languages[language]["benign_document"]
                body.insert(rng.randrange(len(body) + 1), rng.choice(pool))
            text, _ = document(rng, body, None)
            self.add(text, "benign", "plain-document", "benign_document", BOTH)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--documents", type=int, default=24000)
    parser.add_argument("--share", type=int, default=3, help="joined texts for each text of our own")
    arguments = parser.parse_args()
    composer = Composer(arguments.data, arguments.seed)
    composer.direct(arguments.share)
    composer.innocent(1)
    composer.planted(arguments.documents)
    with arguments.out.open("w") as out:
        for row in composer.rows:
            out.write(json.dumps(row, ensure_ascii=False) + "\n")
    counts = defaultdict(int)
    for row in composer.rows:
        counts[row["source"].split("-")[0], row["label"]] += 1
    print(len(composer.rows), dict(counts))


if __name__ == "__main__":
    main()
