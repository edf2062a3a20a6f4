"""Writes tests/golden.json: what nolds, antropy, neurokit2 and river say about reproducible series.

    python3.11 -m venv .venv
    .venv/bin/pip install nolds==0.6.3 antropy==0.2.3 neurokit2==0.3.0 river==0.26.1
    .venv/bin/python crates/aimds-attractor/oracles/generate.py

The series are computed here and written into the file with all digits, so that the test reads the very same numbers.
"""

import importlib.resources
import json
import math
import pathlib
import random
import time
from importlib.metadata import version

import numpy

# nolds 0.6.3 asks for the resources of one of its modules, which CPython 3.11 refuses: only packages have any there. What
# it loads is a table of example data that nothing here uses, so the package is given in place of the module.
_files = importlib.resources.files
importlib.resources.files = lambda anchor: _files("nolds" if anchor == "nolds.datasets" else anchor)

import antropy
import neurokit2
import nolds
from river import drift

HERE = pathlib.Path(__file__).resolve().parent


def logistic(n, r):
    x, out = 0.3, []
    for i in range(n + 100):
        x = r * x * (1.0 - x)
        out.append(x)
    return out[100:]


def henon(n):
    x, y, out = 0.1, 0.1, []
    for i in range(n + 100):
        x, y = 1.0 - 1.4 * x * x + y, 0.3 * x
        out.append(x)
    return out[100:]


def flow(n, step, every, field):
    state, out = numpy.array([1.0, 1.0, 1.0]), []
    for i in range(2000 + n * every):
        k1 = field(state)
        k2 = field(state + step / 2 * k1)
        k3 = field(state + step / 2 * k2)
        k4 = field(state + step * k3)
        state = state + step / 6 * (k1 + 2 * k2 + 2 * k3 + k4)
        if i >= 2000 and (i - 2000) % every == every - 1:
            out.append(float(state[0]))
    return out


def lorenz(n):
    return flow(n, 0.01, 1, lambda s: numpy.array(
        [10 * (s[1] - s[0]), s[0] * (28 - s[2]) - s[1], s[0] * s[1] - 8 / 3 * s[2]]))


def rossler(n):
    return flow(n, 0.05, 2, lambda s: numpy.array([-s[1] - s[2], s[0] + 0.2 * s[1], 0.2 + s[2] * (s[0] - 5.7)]))


rng = numpy.random.default_rng(20261128)
noise = [float(value) for value in rng.normal(size=1000)]
autoregressive = [0.0]
for value in rng.normal(size=999):
    autoregressive.append(0.9 * autoregressive[-1] + float(value))
sine = [math.sin(2 * math.pi * i / 25.3) for i in range(1000)]

# name, series, time between values, exponent known from the literature or None, arguments of nolds.lyap_r, tolerance
SYSTEMS = [
    ("logistic 4", logistic(1000, 4.0), 1.0, math.log(2), dict(emb_dim=2, lag=1, min_tsep=10, trajectory_len=8), 0.03),
    ("logistic 3.9", logistic(3000, 3.9), 1.0, 0.4945, dict(emb_dim=2, lag=1, min_tsep=10, trajectory_len=8), 0.03),
    ("logistic 3.83", logistic(1000, 3.83), 1.0, None, None, None),
    ("henon", henon(1000), 1.0, 0.4192, dict(emb_dim=2, lag=1, min_tsep=10, trajectory_len=8), 0.03),
    ("lorenz", lorenz(5000), 0.01, 0.9056, dict(emb_dim=5, lag=10, min_tsep=100, trajectory_len=300), 0.15),
    ("rossler", rossler(5000), 0.1, 0.0714, dict(emb_dim=5, lag=10, min_tsep=60, trajectory_len=250), 0.025),
    ("sine", sine, 1.0, None, None, None),
    ("noise", noise, 1.0, None, dict(emb_dim=4, lag=1, min_tsep=10, trajectory_len=20), None),
    ("autoregressive", autoregressive, 1.0, None, dict(emb_dim=4, lag=1, min_tsep=10, trajectory_len=20), None),
]


def oracle(name, series, interval, known, arguments, tolerance):
    values = numpy.array(series)
    row = {"name": name, "interval": interval, "known": known, "tolerance": tolerance}
    if arguments:
        start = time.thread_time()
        row["nolds"] = float(nolds.lyap_r(values, fit="poly", **arguments)) / interval
        print(f"{name:15} nolds.lyap_r {1e3 * (time.thread_time() - start):8.1f} ms CPU: {row['nolds']:.4f}")
    row["permutation"] = [
        [order, delay, float(antropy.perm_entropy(values, order=order, delay=delay, normalize=True))]
        for order, delay in [(3, 1), (4, 1), (4, 3), (5, 2), (7, 1)]
    ]
    row["series"] = series
    return row


def permutation_with_ties():
    values = random.Random(5).choices(range(4), k=500)
    entropy = lambda order, delay: float(antropy.perm_entropy(numpy.array(values, float), order=order, delay=delay, normalize=True))
    return {"series": values, "permutation": [[o, d, entropy(o, d)] for o, d in [(3, 1), (4, 1), (4, 2), (5, 1), (6, 1)]]}


def recurrence():
    """Counts neurokit2's recurrence plot, which takes the Euclidean distance: so one dimension, where all distances agree."""
    values = numpy.array(henon(300))
    standard = (values - values.mean()) / values.std()
    matrix = numpy.abs(standard[:, None] - standard[None, :]) <= 0.25
    theirs, _ = neurokit2.complexity_rqa(standard, dimension=1, delay=1, tolerance=0.25, min_linelength=2)
    return {"series": list(map(float, values)), "recurrent": int(matrix.sum()),
            "neurokit2": {key: float(theirs[key].iloc[0]) for key in theirs.columns}}


def drifts():
    source = random.Random(7)
    bernoulli = lambda p, n: [float(source.random() < p) for _ in range(n)]
    normal = lambda mean, n: [round(source.gauss(mean, 1.0), 6) for _ in range(n)]
    streams = {
        "rate 5 to 12 %": bernoulli(0.05, 2000) + bernoulli(0.12, 2000),
        "rate 30 to 70 to 30 %": bernoulli(0.3, 700) + bernoulli(0.7, 700) + bernoulli(0.3, 700),
        "mean 0 to 1.5": normal(0.0, 500) + normal(1.5, 500),
        "mean 2 to -2 to 0": normal(2.0, 400) + normal(-2.0, 400) + normal(0.0, 400),
        "steady": normal(0.0, 1500),
    }
    rows = []
    for name, stream in streams.items():
        adwin = {}
        for delta in (0.002, 0.05):
            detector, found = drift.ADWIN(delta=delta), []
            for at, value in enumerate(stream):
                detector.update(value)
                if detector.drift_detected:
                    found.append([at, detector.width, detector.estimation])
            adwin[str(delta)] = found
        page_hinkley = {}
        for mode in ("up", "down", "both"):
            detector = drift.PageHinkley(min_instances=30, delta=0.05, threshold=20.0, alpha=0.9999, mode=mode)
            found = []
            for at, value in enumerate(stream):
                detector.update(value)
                if detector.drift_detected:
                    found.append(at)
            page_hinkley[mode] = found
        rows.append({"name": name, "stream": stream, "adwin": adwin, "page_hinkley": page_hinkley})
    return rows


golden = {
    "made_by": {name: version(name) for name in ("nolds", "antropy", "neurokit2", "river", "numpy")},
    "systems": [oracle(*system) for system in SYSTEMS],
    "ties": permutation_with_ties(),
    "recurrence": recurrence(),
    "drifts": drifts(),
}
target = HERE.parent / "tests" / "golden.json"
target.write_text(json.dumps(golden, separators=(",", ":")) + "\n")
print(f"{target.name}: {target.stat().st_size} bytes")
