"""Turns readings (`aimds-training views`) into the arrays that `train.py` reads, and cuts the vocabulary.

    python3 tokens.py BASE OUT.npz --train FILE... --eval NAME=FILE...

Only pieces that can occur in canonical text (lower case, NFKC) are kept: those that the data uses, and the most frequent
of the rest.
"""

import argparse
import json
import unicodedata
from collections import Counter

import numpy as np
from tokenizers import Tokenizer, models

from base import Base

SPECIAL = 4
# Tokens of a benign row and of an attack that are trained on.
MOST = (500, 1400)


def marked(text):
    """White space as the vocabulary writes it."""
    return "▁" + "▁".join(text.split())


def rows_of(path):
    with open(path) as lines:
        return [json.loads(line) for line in lines]


def encode(tokenizer, rows):
    """-> for each row its token ids and the code points that each token covers."""
    for start in range(0, len(rows), 2000):
        batch = rows[start : start + 2000]
        texts = [marked(row["text"]) for row in batch]
        for row, found in zip(batch, tokenizer.encode_batch(texts, add_special_tokens=False)):
            yield row, found.ids, found.offsets


def token_span(text, span, offsets):
    """The tokens of a stretch of `text`: white space is squeezed before tokens are counted."""
    squeezed = lambda part: len(marked(part)) - 1 if part.strip() else 0
    before, until = squeezed(text[: span[0]]), squeezed(text[: span[1]])
    inside = [i for i, (a, b) in enumerate(offsets) if b > before + 1 and a <= until]
    return (inside[0], inside[-1] + 1) if inside else (0, 0)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("base")
    parser.add_argument("out")
    parser.add_argument("--train", nargs="+", required=True)
    parser.add_argument("--eval", nargs="+", default=[])
    parser.add_argument("--size", type=int, default=100_000, help="pieces kept")
    arguments = parser.parse_args()
    base = Base(arguments.base)
    full = Tokenizer(models.Unigram([(p, float(s)) for p, s in zip(base.pieces, base.scores)], unk_id=base.unk))
    train = [row for path in arguments.train for row in rows_of(path)]
    seen = set()
    unique = []
    for row in train:
        key = (row["text"], row.get("label"))
        if key not in seen:
            seen.add(key)
            unique.append(row)
    train = unique
    used = Counter()
    for _, ids, _ in encode(full, train):
        used.update(ids)
    possible = lambda piece: piece.lower() == piece and unicodedata.normalize("NFKC", piece) == piece
    keep = set(range(SPECIAL)) | {i for i in used if used[i] >= 3}
    for index, piece in enumerate(base.pieces):
        if len(keep) >= arguments.size:
            break
        if possible(piece):
            keep.add(index)
    # Every single character that the base knows stays, so that nothing becomes unknown that was not.
    keep |= {i for i, piece in enumerate(base.pieces) if len(piece) == 1 and possible(piece)}
    keep = sorted(keep)
    print("pieces", len(keep), "of", len(base.pieces), "used", len(used))
    tokenizer = Tokenizer(models.Unigram([(base.pieces[i], float(base.scores[i])) for i in keep], unk_id=base.unk))
    arrays = {"keep": np.array(keep, np.uint32)}
    sets = {"train": train, **{name: rows_of(path) for name, path in (pair.split("=") for pair in arguments.eval)}}
    for name, rows in sets.items():
        flat, offsets, spans = [], [0], []
        for row, ids, places in encode(tokenizer, rows):
            # Long innocent documents say little that their beginning does not.
            ids = ids[: MOST[row["label"] == "attack"]] if name == "train" else ids
            flat.extend(ids)
            offsets.append(len(flat))
            spans.append(token_span(row["text"], row["span"], places[: len(ids)]) if row.get("span") else (0, 0))
        arrays[f"{name}.tokens"] = np.array(flat, np.uint32)
        arrays[f"{name}.offsets"] = np.array(offsets, np.uint32)
        arrays[f"{name}.spans"] = np.array(spans, np.uint16)
        arrays[f"{name}.attack"] = np.array([row.get("label") == "attack" for row in rows])
        arrays[f"{name}.weights"] = np.array([row.get("weights") or weights(row) for row in rows], np.float16)
        arrays[f"{name}.source"] = np.array([row["source"] for row in rows])
        arrays[f"{name}.base"] = np.array([str(row.get("base") or "") for row in rows])
        arrays[f"{name}.id"] = np.array([str(row.get("id") or "") for row in rows])
        arrays[f"{name}.category"] = np.array([row.get("category") or "" for row in rows])
        print(name, len(rows), "tokens", len(flat), "unknown", sum(1 for i in flat if i == base.unk))
    np.savez_compressed(arguments.out, **arrays)


# Planted tasks that a user could as well ask for say nothing about the first head.
ORDINARY = {"piarena_composed", "tasktracker_composed"}


def weights(row):
    """How much a row of the data counts for the heads "manipulation" and "orders"."""
    attack, category = row.get("label") == "attack", row.get("category")
    if attack:
        if row["source"] in ORDINARY:
            return [0.3, 1.0]
        if row["source"].startswith("hivetracered") and str(row.get("sub", "")).startswith("persuasion"):
            return [0.3, 0.1]
        return [1.0, 1.0] if category == "indirect_injection" else [1.0, 0.5]
    return [1.0, 0.1] if category in ("benign_chat", "benign_instruction", "harmful_request") else [1.0, 1.0]


if __name__ == "__main__":
    main()
