#!/usr/bin/env python3
"""rapidfuzz, dtaidistance, faiss and simsimd on the sequences of `aimds bench sequence`: answers and times as JSON on
standard output. The call from Python is part of the time, which is most of it for the shortest sequences.

    python3 rivals/engines.py sequence          # installs them and calls this
    python sequences.py < cases.jsonl > results.json

rapidfuzz compares with known patterns by `partial_ratio`, the nearest that it has to "contained but for a fifth".
"""

import itertools
import time

import faiss
import numpy
import results
import simsimd
from dtaidistance import dtw
from rapidfuzz import fuzz, process
from rapidfuzz.distance import LCSseq, Levenshtein

BEYOND = -1  # What `aimds bench` answers where the distance is above the cut-off.


def main():
    faiss.omp_set_num_threads(1)
    kinds = {"warping": warping, "levenshtein": levenshtein, "lcs": lcs, "nearest": nearest, "patterns": patterns}
    results.write([row for case in results.read() for row in kinds[case["kind"]](case)])


def calls(package, case, operation, answer):
    """So many calls in a run that the clock does not matter."""
    start = time.perf_counter()
    operation()
    many = max(1, round(50e-6 / max(time.perf_counter() - start, 1e-7)))
    samples, _ = results.times(lambda: None, lambda _: [operation() for _ in range(many)], 1e6)
    yield results.row(package, case["case"], "us", [sample / many for sample in samples], answer)


def warping(case):
    a, b = numpy.array(case["a"]), numpy.array(case["b"])
    # A window of 1 is the diagonal alone.
    window = case["radius"] + 1 if "radius" in case else None

    def distance():
        return dtw.distance_fast(a, b, window=window, use_pruning=False)

    return calls("dtaidistance", case, distance, float(distance()))


def text(symbols):
    return "".join(map(chr, symbols))


def levenshtein(case):
    a, b, cutoff = text(case["a"]), text(case["b"]), case["cutoff"]

    def distance():
        return Levenshtein.distance(a, b, score_cutoff=cutoff)

    found = distance()
    return calls("rapidfuzz", case, distance, found if cutoff is None or found <= cutoff else BEYOND)


def lcs(case):
    a, b = text(case["a"]), text(case["b"])
    return calls("rapidfuzz", case, lambda: LCSseq.similarity(a, b), LCSseq.similarity(a, b))


def nearest(case):
    vectors, query = numpy.array(case["vectors"], dtype=numpy.float32), numpy.array(case["query"], dtype=numpy.float32)
    vectors /= numpy.linalg.norm(vectors, axis=1, keepdims=True)
    query, k = query / numpy.linalg.norm(query), case["k"]
    truth = set(numpy.argsort(-(vectors.astype(float) @ query.astype(float)))[:k].tolist())
    index = faiss.IndexFlatIP(vectors.shape[1])
    index.add(vectors)
    codes, code = numpy.rint(vectors * 127).astype(numpy.int8), numpy.rint(query * 127).astype(numpy.int8)

    def flat():
        return index.search(query[None], k)[1][0]

    def products(all_, one):
        found = numpy.asarray(simsimd.cdist(one[None], all_, metric="dot"))[0]
        best = numpy.argpartition(-found, k)[:k]
        return best[numpy.argsort(-found[best])]

    # int8 by itself: without looking at the vectors again, as `aimds bench` does.
    for package, name, operation in (
        ("faiss-cpu", "faiss", flat),
        ("simsimd", "simsimd", lambda: products(vectors, query)),
        ("simsimd", "simsimd int8", lambda: products(codes, code)),
    ):
        right = len(truth & set(map(int, operation())))
        yield from (row | {"name": name} for row in calls(package, case, operation, right))


def patterns(case):
    # Beyond the surrogates, which are no characters.
    known, texts = ([text(token + 0x10000 for token in tokens) for tokens in case[key]] for key in ("patterns", "texts"))
    cutoff = 100 * (1 - case["cutoff"])
    samples, right = [], 0
    for number, one in enumerate(itertools.islice(texts, 20)):
        start = time.perf_counter()
        found = process.extractOne(one, known, scorer=fuzz.partial_ratio, score_cutoff=cutoff)
        samples.append((time.perf_counter() - start) * 1e6)
        right += found is not None and found[2] == number * 37 % len(known)
    yield results.row("rapidfuzz", case["case"], "us", samples, right * len(texts) / len(samples))


if __name__ == "__main__":
    main()
