#!/usr/bin/env python3
"""Writes tests/golden/spin.json: random models and formulas with the verdict of Spin.

Needs gcc and Spin (6.5.2 wrote the committed file), built with `-DNXT` as its makefile does: Debian's package is built
without and does not know `X`. Same seed, same file:

    python3 crates/aimds-temporal/oracles/spin.py --spin SPIN > crates/aimds-temporal/tests/golden/spin.json

Spin has no operators of the past; those are tested against the naive evaluator only.
"""

import argparse
import json
import random
import re
import subprocess
import sys
import tempfile

PROPS = ["p", "q", "r"]
UNARY = {"!": "!", "X": "X", "F": "<>", "G": "[]"}
BINARY = {"&": "&&", "|": "||", "->": "->", "<->": "<->", "U": "U", "R": "V"}


def random_model(rng):
    names = [f"s{number}" for number in range(rng.randint(2, 6))]
    states = {}
    for name in names:
        props = [prop for prop in PROPS if rng.random() < 0.5]
        # Without successors a state stutters here and is a deadlock for Spin: there, the loop is written out.
        following = [other for other in names if rng.random() < 0.3] or [name]
        states[name] = {"props": props, "next": following}
    return {"props": PROPS, "initial": sorted(rng.sample(names, rng.randint(1, 2))), "states": states}


def random_formula(rng, nodes):
    """The same formula in the syntax of this crate and in that of Spin, all parentheses written."""
    if nodes <= 1:
        prop = rng.choice(PROPS)
        return prop, prop
    if nodes == 2 or rng.random() < 0.5:
        operator = rng.choice(list(UNARY))
        ours, spins = random_formula(rng, nodes - 1)
        return f"{operator} ({ours})", f"{UNARY[operator]} ({spins})"
    operator = rng.choice([*BINARY, "W"])
    left = rng.randint(1, nodes - 2)
    (our_left, spin_left), (our_right, spin_right) = random_formula(rng, left), random_formula(rng, nodes - 1 - left)
    ours = f"({our_left}) {operator} ({our_right})"
    # In what `spin -f` prints, Spin cannot read its own `W`.
    if operator == "W":
        return ours, f"(({spin_left}) U ({spin_right})) || [] ({spin_left})"
    return ours, f"({spin_left}) {BINARY[operator]} ({spin_right})"


def promela(model, initial):
    """One process with one variable; one atomic step for each transition, so that `X` means the next state."""
    number = {name: at for at, name in enumerate(model["states"])}
    lines = []
    for prop in model["props"]:
        where = [f"s == {number[name]}" for name, state in model["states"].items() if prop in state["props"]]
        lines.append(f"#define {prop} ({' || '.join(where) or 'false'})")
    lines += [f"byte s = {number[initial]};", "active proctype model() {", "  do"]
    for name, state in model["states"].items():
        lines += [f"  :: atomic {{ s == {number[name]} -> s = {number[other]} }}" for other in state["next"]]
    return "\n".join(lines + ["  od", "}", ""])


def run(command, folder):
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=120)
    if done.returncode != 0:
        sys.exit(f"{command}: {done.stdout}{done.stderr}")
    return done.stdout


def holds_from(spin, model, initial, formula):
    with tempfile.TemporaryDirectory() as folder:
        with open(f"{folder}/model.pml", "w") as file:
            file.write(promela(model, initial))
        run([spin, "-a", "-f", f"!({formula})", "model.pml"], folder)
        run(["gcc", "-O0", "-w", "-DNOREDUCE", "-o", "pan", "pan.c"], folder)
        report = run(["./pan", "-a", "-n"], folder)
    errors = re.search(r"errors: (\d+)", report)
    if not errors or "max search depth too small" in report:
        sys.exit(f"no verdict in: {report}")
    return errors.group(1) == "0"


def holds(spin, model, formula):
    return all(holds_from(spin, model, initial, formula) for initial in model["initial"])


def check_setup(spin):
    """An oracle that always says yes would go unnoticed."""
    model = {
        "props": PROPS,
        "initial": ["a"],
        "states": {"a": {"props": ["p"], "next": ["b"]}, "b": {"props": ["q"], "next": ["a", "b"]}},
    }
    for formula, expected in [("[] (p -> X q)", True), ("<> [] q", False), ("[] <> q", True), ("X X p", False)]:
        if holds(spin, model, formula) != expected:
            sys.exit(f"spin does not work as expected: {formula}")


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--spin", default="spin", help="the program")
    parser.add_argument("--count", type=int, default=400)
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    check_setup(arguments.spin)
    rng = random.Random(arguments.seed)
    cases = []
    for _ in range(arguments.count):
        model = random_model(rng)
        ours, spins = random_formula(rng, rng.randint(3, 10))
        cases.append({"formula": ours, "holds": holds(arguments.spin, model, spins), "model": model})
    version = run([arguments.spin, "-V"], ".").strip()
    lines = ",\n".join(json.dumps(case) for case in cases)
    print(f'{{"by": {json.dumps(version)}, "seed": {arguments.seed}, "cases": [\n{lines}\n]}}')


if __name__ == "__main__":
    main()
