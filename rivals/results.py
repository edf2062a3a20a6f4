"""Results as `aimds bench NAME --rivals FILE` reads them: a row for each case, with one number for each run."""

import json
import sys
import time
from importlib.metadata import version

BUDGET_S = 10.0  # No case is measured for longer, once it has three runs.
RUNS = 21


def row(package, case, unit, samples, answer=None, name=None):
    row = {"name": name or package, "version": version(package), "case": case, "unit": unit, "samples": samples}
    return row | ({} if answer is None else {"answer": answer})


def times(prepare, operation, per_second):
    """The time of each run, in the unit of which a second has so many, and the last result. `prepare` is not timed."""
    samples, spent, result = [], 0.0, None
    while len(samples) < 3 or (len(samples) < RUNS and spent < BUDGET_S):
        made = prepare()
        start = time.perf_counter()
        result = operation(made)
        spent += time.perf_counter() - start
        samples.append((time.perf_counter() - start) * per_second)
    return samples, result


def write(rows):
    json.dump(rows, sys.stdout)


def read():
    """What `aimds bench NAME --export FILE` wrote, from standard input."""
    return [json.loads(line) for line in sys.stdin]
