"""Packs what `train.py` needs of the base: kept word vectors and layers, both as they are in the file, in 4 bits.

    python3 pack.py BASE ARRAYS.npz OUT.npz
"""

import sys

import numpy as np

from base import Base


def main():
    base_path, arrays, out = sys.argv[1:]
    base = Base(base_path)
    keep = np.load(arrays)["keep"]
    scales, nibbles = base.blocks("emb.word", base.hidden)
    packed = {"settings": np.array([base.hidden, base.heads, base.inner, base.positions])}
    packed["emb.scales"], packed["emb.nibbles"] = scales[keep], nibbles[keep]
    positions = base.vector("emb.pos").reshape(base.positions, base.hidden)[:130]
    packed["emb.pos"] = (positions + base.vector("emb.type")[: base.hidden]).astype(np.float32)
    for name in base.names():
        if name.startswith("l") or name.startswith("emb.ln"):
            if name.split(".")[1] in ("q", "k", "v", "ao", "fi", "fo") and name.endswith(".w"):
                width = base.inner if ".fo." in name else base.hidden
                packed[f"{name}.scales"], packed[f"{name}.nibbles"] = base.blocks(name, width)
            else:
                packed[name] = base.vector(name)
    np.savez(out, **packed)


if __name__ == "__main__":
    main()
