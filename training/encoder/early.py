"""Teaches the encoder to stop half-way: adds to `encoder.onnx` what its first layers already know of the logits.

    python3 early.py MODELS TRAIN.jsonl DEV.jsonl

TRAIN and DEV are readings (`aimds-training views`). A small network looks at the states after some of the layers (their mean, maximum and
first) and foretells the window logits that the last layer will give. The graph gets two more outputs: `halfway`, the states
themselves, from which the rest can be run, and `early`, [batch, heads]. Prints how many windows of DEV could stop for each
limit, and how many of them the last layer would have seen otherwise.
"""

import hashlib
import json
import random
import struct
import sys
from collections import defaultdict
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
from onnx import TensorProto, helper, numpy_helper
from sklearn.neural_network import MLPRegressor
from tokenizers import Tokenizer, models

from base import BLOCK, dequantise
from tokens import marked, rows_of

LAYERS = 4
WINDOW, STRIDE = 126, 94
# Rows of TRAIN, innocent and attacks, by the root of their source's size; windows of each.
ROWS, WINDOWS = (14_000, 7_000), 3
UNITS = 32
BATCH = 8


class Words:
    """`encoder-words.bin`: cuts texts into pieces and gives their vectors."""

    def __init__(self, path):
        raw = path.read_bytes()
        count, width = struct.unpack_from("<II", raw, 8)
        at, pieces = 16, []
        for _ in range(count):
            pieces.append(raw[at + 1 : at + 1 + raw[at]].decode())
            at += 1 + raw[at]
        scores = np.frombuffer(raw, "<f4", count, at)
        at += scores.nbytes
        self.scales = np.frombuffer(raw, "<f2", count * width // BLOCK, at).reshape(count, -1)
        self.nibbles = np.frombuffer(raw, np.uint8, offset=at + self.scales.nbytes).reshape(count, -1, BLOCK // 2)
        self.tokenizer = Tokenizer(models.Unigram(list(zip(pieces, map(float, scores))), unk_id=3))

    def windows(self, text):
        ids = self.tokenizer.encode(marked(text), add_special_tokens=False).ids
        starts = range(0, max(len(ids) - WINDOW, 0) + STRIDE, STRIDE)
        return [[0, *ids[start : start + WINDOW], 2] for start in starts]

    def vectors(self, windows):
        ids = np.array(windows)
        return dequantise(self.scales[ids.ravel()], self.nibbles[ids.ravel()]).reshape(*ids.shape, -1)


def drawn(rows, rng):
    """Rows of every source, of the larger ones a smaller share."""
    groups = defaultdict(list)
    for row in rows:
        groups[row.get("label") == "attack", row["source"]].append(row)
    for attack, wanted in enumerate(ROWS):
        sources = [rows for key, rows in sorted(groups.items()) if key[0] == attack]
        total = sum(len(rows) ** 0.5 for rows in sources)
        for rows in sources:
            yield from rng.sample(rows, min(len(rows), 1 + int(wanted * len(rows) ** 0.5 / total)))


def summary(states):
    """What the small network sees of [batch, length, width]."""
    return np.concatenate([states.mean(1), states.max(1), states[:, 0]], axis=-1)


def run(session, words, windows):
    """-> what the small network sees, and the logits of the last layer."""
    windows = sorted(windows, key=len)
    seen, logits, start = [], [], 0
    while start < len(windows):
        batch = [w for w in windows[start : start + BATCH] if len(w) == len(windows[start])]
        states, window = session.run(["halfway", "window"], {"words": words.vectors(batch)})
        seen.append(summary(states))
        logits.append(window)
        start += len(batch)
    return np.concatenate(seen), np.concatenate(logits)


def with_halfway(model):
    """Names the states after some of the layers. Each layer ends with the second of its two norms; the first of all is the input's."""
    graph = model.graph
    norms = [node for node in graph.node if node.op_type == "LayerNormalization"]
    name = norms[2 * LAYERS].output[0]
    for node in graph.node:
        for names in (node.input, node.output):
            names[:] = ["halfway" if one == name else one for one in names]
    width = graph.input[0].type.tensor_type.shape.dim[2].dim_value
    graph.output.append(helper.make_tensor_value_info("halfway", TensorProto.FLOAT, ["batch", "length", width]))
    return model


def with_early(model, weights, biases):
    graph = model.graph

    def constant(name, array):
        graph.initializer.append(numpy_helper.from_array(array, f"early.{name}"))
        return f"early.{name}"

    def node(kind, inputs, output, **attributes):
        graph.node.append(helper.make_node(kind, inputs, [output], **attributes))
        return output

    axis, zero, one = (constant(name, np.array([at])) for name, at in (("axis", 1), ("zero", 0), ("one", 1)))
    mean = node("ReduceMean", ["halfway", axis], "early.mean", keepdims=0)
    most = node("ReduceMax", ["halfway", axis], "early.max", keepdims=0)
    first = node("Slice", ["halfway", zero, one, axis], "early.slice")
    first = node("Squeeze", [first, axis], "early.first")
    x = node("Concat", [mean, most, first], "early.seen", axis=-1)
    for number, (weight, bias) in enumerate(zip(weights, biases)):
        last = number + 1 == len(weights)
        x = node("MatMul", [x, constant(f"weight{number}", weight)], f"early.product{number}")
        x = node("Add", [x, constant(f"bias{number}", bias)], "early" if last else f"early.sum{number}")
        x = x if last else node("Relu", [x], f"early.active{number}")
    graph.output.append(helper.make_tensor_value_info("early", TensorProto.FLOAT, ["batch", weights[-1].shape[1]]))


def main():
    models_, train, dev = map(Path, sys.argv[1:])
    path = models_ / "encoder.onnx"
    model = with_halfway(onnx.load(path))
    words = Words(models_ / "encoder-words.bin")
    session = onnxruntime.InferenceSession(model.SerializeToString())
    rng = random.Random(1)
    windows = []
    for row in drawn(rows_of(train), rng):
        of_row = words.windows(row["text"])
        windows += rng.sample(of_row, min(len(of_row), WINDOWS))
    print("windows", len(windows), flush=True)
    seen, logits = run(session, words, windows)
    mean, deviation = seen.mean(0), seen.std(0) + 1e-6
    network = MLPRegressor(hidden_layer_sizes=(UNITS,), alpha=1e-3, early_stopping=True, max_iter=60, random_state=1, batch_size=256)
    network.fit((seen - mean) / deviation, logits)
    # The network takes the states as they are.
    weights = [w.astype(np.float32) for w in network.coefs_]
    biases = [b.astype(np.float32) for b in network.intercepts_]
    weights[0] = (network.coefs_[0] / deviation[:, None]).astype(np.float32)
    biases[0] = (network.intercepts_[0] - (mean / deviation) @ network.coefs_[0]).astype(np.float32)
    with_early(model, weights, biases)
    onnx.checker.check_model(model)
    onnx.save(model, path)
    card = json.loads((models_ / "encoder.json").read_text())
    card["sha256"]["encoder.onnx"] = hashlib.sha256(path.read_bytes()).hexdigest()
    card["early"] = {"layers": LAYERS, "units": UNITS, "windows": len(windows)}
    (models_ / "encoder.json").write_text(json.dumps(card, indent=2) + "\n")

    innocent = [row for row in rows_of(dev) if row.get("label") != "attack"]
    seen, logits = run(session, words, [window for row in innocent for window in words.windows(row["text"])])
    foretold = np.maximum(seen @ weights[0] + biases[0], 0) @ weights[1] + biases[1]
    print("limit", "stop", "of them above -4 and -2 in the end", "mean difference")
    for limit in (-4.0, -4.5, -5.0, -5.5, -6.0):
        stop = foretold.max(1) < limit
        end = logits[stop].max(1)
        print(limit, round(stop.mean(), 3), (end > -4).sum(), (end > -2).sum(), round(np.abs(foretold - logits)[stop].mean(), 2))


if __name__ == "__main__":
    main()
