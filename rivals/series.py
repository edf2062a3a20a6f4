#!/usr/bin/env python3
"""nolds on the series of `aimds bench attractor`: exponents and times as JSON on standard output.

    python3 rivals/engines.py attractor         # installs it and calls this
    python series.py < cases.jsonl > results.json

The embedding, the least distance in time and the number of steps are those of the export. It gives no class, so cases
without an embedding are left out. Ten thousand values take it some ten seconds a run and several gigabytes.
"""

import importlib.resources

import numpy
import results

# nolds 0.6.3 asks for the resources of one of its modules, which CPython 3.11 refuses: only packages have any there.
# What it loads is a table of example data that nothing here uses, so the package is given in place of the module.
_files = importlib.resources.files
importlib.resources.files = lambda anchor: _files("nolds" if anchor == "nolds.datasets" else anchor)

import nolds  # noqa: E402


def main():
    rows = []
    for case in results.read():
        if "dimension" not in case:
            continue
        series = numpy.array(case["values"])

        def exponent(_, case=case, series=series):
            return nolds.lyap_r(
                series, emb_dim=case["dimension"], lag=case["delay"], min_tsep=case["apart"],
                trajectory_len=case["steps"], fit="poly",
            )  # fmt: skip

        samples, value = results.times(lambda: None, exponent, 1e6)
        rows.append(results.row("nolds", case["case"], "us", samples, float(value) / case["interval"]))
    results.write(rows)


if __name__ == "__main__":
    main()
