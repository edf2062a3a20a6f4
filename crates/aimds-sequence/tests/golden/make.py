"""Writes golden.json: what rapidfuzz and dtaidistance say about reproducible sequences.

    python3 -m venv .venv && .venv/bin/pip install rapidfuzz==3.14.6 dtaidistance==2.5.1 numpy
    .venv/bin/python crates/aimds-sequence/tests/golden/make.py
"""

import json
import pathlib
import random

import numpy
import rapidfuzz
from dtaidistance import __version__ as dtaidistance_version
from dtaidistance import dtw
from dtaidistance.subsequence.dtw import subsequence_alignment
from rapidfuzz.distance import LCSseq, Levenshtein

rng = random.Random(20261127)

symbols = []
for n, m, alphabet in [
    (0, 5, "ab"), (1, 1, "ab"), (7, 6, "ab"), (63, 64, "abcd"), (64, 64, "abcd"), (65, 63, "abcd"),
    (127, 128, "abcdefgh"), (129, 129, "ab"), (200, 150, "abcdefghijklmnop"), (256, 257, "abc"),
    (600, 580, "abcdefghijklmnopqrstuvwxyz"), (60, 70, "日本語のéü€🙂abc"),
]:
    a = "".join(rng.choices(alphabet, k=n))
    for related in (False, True):
        if related:
            b = list(a)
            for _ in range(max(1, n // 10)):
                place = rng.randrange(len(b) + 1)
                b[place:place + rng.randrange(2)] = rng.choices(alphabet, k=rng.randrange(2))
            b = "".join(b)
        else:
            b = "".join(rng.choices(alphabet, k=m))
        symbols.append({
            "a": a, "b": b,
            "levenshtein": Levenshtein.distance(a, b),
            "lcs": LCSseq.similarity(a, b),
        })

series = []
for n, m in [(1, 1), (1, 6), (5, 5), (20, 20), (31, 33), (64, 64), (100, 80), (129, 150)]:
    a = [round(x, 3) for x in numpy.cumsum([rng.gauss(0, 1) for _ in range(n)])]
    b = [round(x, 3) for x in numpy.cumsum([rng.gauss(0, 1) for _ in range(m)])]
    case = {"a": a, "b": b, "dtw": dtw.distance(a, b), "banded": []}
    for radius in (0, 1, 5, 20):
        # Its window of w allows w - 1 steps off the diagonal, beside the difference of the lengths.
        case["banded"].append([radius, dtw.distance(a, b, window=radius + 1)])
    if n == m:
        # Its bound of `b` by the envelope of `a` takes the same window.
        case["lb_keogh"] = [[radius, dtw.lb_keogh(b, a, window=radius + 1)] for radius in (0, 1, 5)]
    if n < m or n > 20:
        query = a[: max(1, n // 3)]
        # The last row of its matrix, which it divides by the length of the query.
        ends = subsequence_alignment(numpy.array(query), numpy.array(b), penalty=0).matching_function() * len(query)
        end = int(numpy.argmin(ends))
        case["subsequence"] = {"query": len(query), "distance": float(ends[end]), "end": end + 1}
    series.append(case)

golden = {
    "made_by": {"rapidfuzz": rapidfuzz.__version__, "dtaidistance": dtaidistance_version},
    "symbols": symbols,
    "series": series,
}
path = pathlib.Path(__file__).with_name("golden.json")
path.write_text(json.dumps(golden, ensure_ascii=False, separators=(",", ":")) + "\n", encoding="utf-8")
