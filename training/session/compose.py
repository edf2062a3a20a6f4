"""Conversations composed from labelled texts, reproducible from a seed."""
import collections
import json
import math
import random
import statistics
import subprocess

REFUSALS = [
    "I'm sorry, but I can't help with that.",
    "I can't share that information.",
    "I'm not able to assist with this request.",
    "Dabei kann ich nicht helfen.",
    "Lo siento, pero no puedo ayudar con eso.",
]
ANSWERS = ["Sure.", "Okay, noted.", "Here is what I found.", "Of course, go on.", "Thanks, what else?"]
OPENINGS = ["Please: ", "Come on, ", "I said: ", "Once more. ", "Just this time, ", "Let me ask differently: "]
DIRECT = {"prompt_injection", "jailbreak", "system_prompt_extraction", "data_exfiltration"}
# A message below this does not decide by itself.
QUIET = 0.9


def read(folder, name):
    lines = subprocess.run(["zstdcat", f"{folder}/{name}.jsonl.zst"], capture_output=True, text=True, check=True)
    return [json.loads(line) for line in lines.stdout.split("\n") if line]


class Composer:
    def __init__(self, rows, harmful, scores, seed):
        self.random = random.Random(seed)
        short = [row for row in rows if 8 <= len(row["text"]) <= 800]
        self.attack_texts = [r["text"] for r in short if r["label"] == "attack" and r["category"] in DIRECT]
        self.calm = [r["text"] for r in short if r["label"] == "benign" and r["category"] != "hard_negative"]
        self.trigger = [r["text"] for r in short if r["category"] == "hard_negative"]
        self.harmful = [row["text"] for row in harmful]
        sources = collections.defaultdict(list)
        for row in short:
            if row["label"] == "benign":
                sources[row["source"]].append(row["text"])
        self.sources = [texts for texts in sources.values() if len(texts) >= 15]
        texts = self.attack_texts + self.calm + self.trigger + self.harmful
        scores.ask([("user", text) for text in texts])
        score = {text: scores.of("user", text)[0] for text in texts}
        self.quiet = sorted((t for t in self.attack_texts if score[t] < QUIET), key=score.get)
        loud = [t for t in self.attack_texts if score[t] >= 0.94]
        self.splittable = [t for t in loud if 6 <= len(t.split()) and len(t) <= 500]
        self.score = score
        print(f"# {len(self.attack_texts)} attacks, {len(self.quiet)} of them quiet; {len(self.calm)} calm texts")

    def levels(self):
        """Mean and deviation of the logits of calm texts and quiet attacks, within the limits of the crate."""
        def logits(texts):
            scores = [min(max(self.score[text], 1e-9), 1 - 1e-9) for text in texts]
            return [min(max(math.log(p / (1 - p)), -5.0), 1.5) for p in scores]
        for name, texts in (("calm", self.calm), ("quiet", self.quiet)):
            values = logits(texts)
            print(f"# logits of {name} texts: {statistics.mean(values):.2f} +- {statistics.pstdev(values):.2f}")

    def attacks(self, number):
        kinds = [self.spike, self.late_onset, self.persistent, self.crescendo, self.probing,
                 self.split_numbered, self.split_named, self.split_unfinished]
        return [self.conversation(kind(), "attack", kind.__name__) for kind in kinds for _ in range(number)]

    def ordinary(self, number):
        kinds = [self.chat] * 4 + [self.refused] * 3 + [self.triggering, self.short_lines]
        picked = [kinds[i % len(kinds)] for i in range(number)]
        return [self.conversation(kind(), "benign", kind.__name__) for kind in picked]

    def insisting(self, number):
        return [self.conversation(self.insists(), "benign", "insisting") for _ in range(number)]

    def alike(self, number):
        """Long sessions of an application whose texts all are of one kind."""
        texts = [self.some(self.random.choice(self.sources), 30, 40) for _ in range(number)]
        return [self.conversation(turns, "benign", "alike") for turns in texts]

    def conversation(self, turns, label, group):
        """Turns are texts of the user, or pairs of such a text and the answer."""
        result = []
        for turn in turns:
            text, answer = turn if isinstance(turn, tuple) else (turn, self.random.choice(ANSWERS))
            result += [{"role": "user", "content": text}, {"role": "assistant", "content": answer}]
        return {"turns": result[:-1], "label": label, "group": group}

    def some(self, texts, low, high):
        return self.random.sample(texts, min(len(texts), self.random.randint(low, high)))

    # Attacks.

    def spike(self):
        turns = self.some(self.calm, 3, 9)
        turns.insert(self.random.randint(0, len(turns)), self.random.choice(self.attack_texts))
        return turns

    def late_onset(self):
        return self.some(self.calm, 8, 20) + self.some(self.quiet, 3, 4)

    def persistent(self):
        return self.some(self.quiet, 4, 8)

    def crescendo(self):
        return self.some(self.calm, 1, 3) + sorted(self.some(self.quiet, 4, 7), key=self.score.get)

    def probing(self):
        text = self.random.choice(self.quiet)
        turns = [(text, self.random.choice(REFUSALS))]
        for _ in range(self.random.randint(2, 4)):
            turns.append((self.rephrased(text), self.random.choice(REFUSALS)))
        return self.some(self.calm, 0, 3) + turns

    def split_numbered(self):
        parts = self.pieces()
        return [f"Part {i} of {len(parts)}: {part}" for i, part in enumerate(parts, 1)]

    def split_named(self):
        parts = [part + " " for part in self.pieces()]
        return [f'{"abcd"[i]} = "{part}"' for i, part in enumerate(parts)]

    def split_unfinished(self):
        return self.pieces()

    # Ordinary conversations.

    def chat(self):
        return self.some(self.calm, 2, 12)

    def triggering(self):
        turns = self.some(self.calm, 1, 6) + self.some(self.trigger, 1, 3)
        self.random.shuffle(turns)
        return turns

    def refused(self):
        """Asks for harm, is refused, and some ask again: not manipulation."""
        turns = []
        for text in self.some(self.harmful, 1, 4):
            turns.append((text, self.random.choice(REFUSALS)))
            if self.random.random() < 0.3:
                turns.append((self.rephrased(text), self.random.choice(REFUSALS)))
        return self.some(self.calm, 0, 3) + turns

    def insists(self):
        """Is refused, perhaps for no good reason, and does not give up at once."""
        text = self.random.choice(self.random.choice([self.harmful, self.calm + self.trigger]))
        turns = [(text, self.random.choice(REFUSALS))]
        while len(turns) < 7 and self.random.random() < 0.4:
            turns.append((self.rephrased(text), self.random.choice(REFUSALS)))
        return self.some(self.calm, 0, 3) + turns

    def short_lines(self):
        """A calm text in pieces: people send sentences in several messages."""
        text = self.random.choice([t for t in self.random.sample(self.calm, 50) if len(t.split()) >= 6] or ["one two"])
        return self.cut(text) + self.some(self.calm, 1, 4)

    # Parts.

    def pieces(self):
        return self.cut(self.random.choice(self.splittable))

    def cut(self, text):
        words = text.split()
        number = min(self.random.randint(2, 4), len(words))
        places = sorted(self.random.sample(range(1, len(words)), number - 1))
        return [" ".join(words[a:b]) for a, b in zip([0] + places, places + [len(words)])]

    def rephrased(self, text):
        words = text.split()
        for _ in range(max(1, len(words) // 8)):
            if len(words) > 3:
                words.pop(self.random.randrange(len(words)))
        return self.random.choice(OPENINGS) + " ".join(words)
