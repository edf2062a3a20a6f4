#!/usr/bin/env python3
"""Measures a part of AIMDS and its rivals one after the other, and prints what `aimds bench` says of all of them.

    python3 rivals/engines.py temporal|scheduler|attractor|sequence|learn [--binary FILE] [further arguments of aimds bench]

Exports the workload with `aimds bench NAME --export`, gives it to every rival, keeps their results under
target/rivals-engines, and runs `aimds bench NAME --rivals` with them. Installs the rivals under target/ on the first run.
A rival that does not install or breaks is named, and the others are measured.
"""

import argparse
import subprocess
import sys
from pathlib import Path

from run import HERE, ROOT, TARGET, fresh, run, stamp

VENV = TARGET / "rivals-engines-venv"
WORK = TARGET / "rivals-engines"
PINS = HERE / "requirements-engines.txt"
INCUMBENTS = TARGET / "rivals-incumbents"
PYTHON = {"temporal": "traces.py", "attractor": "series.py", "sequence": "sequences.py", "learn": "vowpal.py"}
RUST = ("temporal", "scheduler", "attractor", "sequence")


def python(script):
    """The command of a script in a virtual environment with its rivals."""
    if not fresh(VENV, PINS):
        run([sys.executable, "-m", "venv", "--clear", VENV])
        # Not all of them have wheels.
        run([VENV / "bin" / "python", "-m", "pip", "install", "--quiet", "-r", PINS])
        stamp(VENV, PINS)
    return [VENV / "bin" / "python", HERE / script]


def rust(bench):
    manifest = HERE / "incumbents" / "Cargo.toml"
    cargo = ["cargo", "build", "--release", "--quiet", "--locked", "--manifest-path", manifest]
    run([*cargo, "--target-dir", INCUMBENTS])
    return [INCUMBENTS / "release" / "aimds-incumbents", bench]


def main():
    arguments, further = parse()
    bench, binary = arguments.bench, arguments.binary
    if binary is None:
        run(["cargo", "build", "--release", "--quiet", "-p", "aimds-cli"])
        binary = TARGET / "release" / "aimds"
    WORK.mkdir(parents=True, exist_ok=True)
    cases = WORK / f"{bench}.jsonl"
    run([binary, "bench", bench, *further, "--export", cases])
    rivals = []
    for kind, prepare in contenders(bench):
        try:
            command = prepare()
            rivals.append(play(command, cases, WORK / f"{bench}-{kind}.json"))
        except (OSError, subprocess.CalledProcessError) as error:
            print(f"left out: the rivals in {kind}: {error}", file=sys.stderr)
    files = [argument for file in rivals for argument in ("--rivals", file)]
    sys.exit(subprocess.run([binary, "bench", bench, *further, *files], cwd=ROOT).returncode)


def contenders(bench):
    if bench in RUST:
        yield "rust", lambda: rust(bench)
    if bench in PYTHON:
        yield "python", lambda: python(PYTHON[bench])


def play(command, cases, results):
    with cases.open("rb") as stdin, results.open("wb") as stdout:
        subprocess.run(command, stdin=stdin, stdout=stdout, check=True)
    return results


def parse():
    formatter = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=formatter, allow_abbrev=False)
    parser.add_argument("bench", choices=sorted({*PYTHON, *RUST}))
    parser.add_argument("--binary", type=lambda file: Path(file).resolve(), help="an `aimds` to use instead of building one")
    return parser.parse_known_args()


if __name__ == "__main__":
    main()
