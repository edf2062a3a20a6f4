"""The time nolds takes for the exponent of the series of examples/bench.rs, in microseconds of CPU time.

    .venv/bin/python crates/aimds-attractor/oracles/nolds_time.py [--long]

See generate.py for the environment. `--long` adds 10,000 values, some ten seconds a run and several gigabytes of memory.
"""

import importlib.resources
import sys
import time

import numpy

# See generate.py.
_files = importlib.resources.files
importlib.resources.files = lambda anchor: _files("nolds" if anchor == "nolds.datasets" else anchor)

import nolds


def logistic(n):
    x, out = 0.3, []
    for i in range(n + 100):
        x = 4.0 * x * (1.0 - x)
        out.append(x)
    return numpy.array(out[100:])


for n, repeats in [(1000, 15)] + ([(10_000, 2)] if "--long" in sys.argv else []):
    series = logistic(n)
    times = []
    for _ in range(repeats):
        start = time.process_time()
        value = nolds.lyap_r(series, emb_dim=2, lag=1, min_tsep=10, trajectory_len=8, fit="poly")
        times.append((time.process_time() - start) * 1e6)
    times.sort()
    print(f"nolds.lyap_r {n} logistic 4: {times[len(times) // 2]:.0f} µs (least {times[0]:.0f}), exponent {value:.4f}")
