"""Writes tests/oracles/golden.json: what other tools say about random formulas on random traces.

    apt install mona && pip install ltlf2dfa==2.0.0 reelay==25.0.0 rtamt==0.4.10
    python3 oracles/generate.py > tests/oracles/golden.json

- ltlf2dfa with MONA turns formulas on finite traces (future only, and past only) into automata, which we run.
- reelay monitors past formulas with time bounds, one verdict for each step.
- rtamt computes the robustness of future formulas with time bounds, whose sign is the verdict.

A trace is a list of numbers, one for each step, whose bits are the propositions p, q, r. Step i is at i milliseconds.
"""

import json
import random
import re
import shutil
import sys

import reelay
import rtamt
from ltlf2dfa.parser.ltlf import LTLfParser
from ltlf2dfa.parser.ppltl import PPLTLParser

NAMES = ["p", "q", "r"]


def grow(rng, nodes, unary, binary, bounded):
    """A formula as nested tuples (operator, bound, operands...)."""
    if nodes == 1:
        return rng.choice(NAMES)
    if nodes == 2 or rng.random() < 0.5:
        operator = rng.choice(unary)
        operands = [nodes - 1]
    else:
        operator = rng.choice(binary)
        left = rng.randrange(1, nodes - 1)
        operands = [left, nodes - 1 - left]
    bound = None
    if operator in bounded and rng.random() < 0.7:
        low = rng.choice([0, 0, 1, 2])
        bound = (low, low + rng.randrange(1, 4))
    return (operator, bound, *[grow(rng, size, unary, binary, bounded) for size in operands])


def text(formula, words, atom, bound_text):
    """The formula in the syntax of a tool: every operator in parentheses."""
    if isinstance(formula, str):
        return atom(formula)
    operator, bound, *operands = formula
    word = words.get(operator, operator) + (bound_text(bound) if bound else "")
    parts = [text(operand, words, atom, bound_text) for operand in operands]
    return f"({word} {parts[0]})" if len(parts) == 1 else f"({parts[0]} {word} {parts[1]})"


def ours(formula):
    return text(formula, {}, str, lambda bound: f"[{bound[0]},{bound[1]}ms]")


def traces(rng, count, most):
    return [[rng.randrange(8) for _ in range(rng.randrange(1, most + 1))] for _ in range(count)]


class Automaton:
    """What ltlf2dfa prints."""

    def __init__(self, dot):
        self.accepting = set(re.search(r"doublecircle\];([^\n]*)", dot).group(1).replace(";", " ").split())
        self.first = re.search(r"init -> (\d+)", dot).group(1)
        self.edges = {}
        for source, target, label in re.findall(r'(\d+) -> (\d+) \[label="([^"]*)"\]', dot):
            condition = label.replace("~", " not ").replace("&", " and ").replace("|", " or ").replace("true", "True")
            self.edges.setdefault(source, []).append((compile(condition.strip(), label, "eval"), target))

    def accepts(self, trace):
        state = self.first
        for letter in trace:
            values = {name: bool(letter >> bit & 1) for bit, name in enumerate(NAMES)}
            state = next(target for condition, target in self.edges[state] if eval(condition, {}, values))
        return state in self.accepting


def ltlf(rng, count, parser, unary, binary):
    for _ in range(count):
        formula = grow(rng, rng.randrange(2, 8), unary, binary, ())
        automaton = Automaton(parser(text(formula, {}, str, str)).to_dfa())
        words = traces(rng, 25, 6)
        yield {"formula": ours(formula), "traces": words, "holds": [automaton.accepts(word) for word in words]}


def past_with_bounds(rng, count):
    words = {"O": "once", "H": "historically", "S": "since", "!": "not", "&": "and", "|": "or", "->": "implies"}
    for _ in range(count):
        formula = grow(rng, rng.randrange(2, 8), ["!", "O", "O", "H"], ["&", "|", "->", "S"], ("O", "H", "S"))
        pattern = text(formula, words, lambda name: "{%s}" % name, lambda bound: f"[{bound[0]}:{bound[1]}]")
        word = [rng.randrange(8) for _ in range(14)]
        monitor = reelay.discrete_timed_monitor(pattern=pattern, condense=False)
        values = [{name: bool(letter >> bit & 1) for bit, name in enumerate(NAMES)} for letter in word]
        holds = [monitor.update(value)["value"] for value in values]
        yield {"formula": ours(formula), "trace": word, "holds": holds}


def future_with_bounds(rng, count):
    words = {"F": "eventually", "G": "always", "!": "not", "&": "and", "|": "or", "->": "implies"}
    for _ in range(count):
        formula = grow(rng, rng.randrange(2, 8), ["!", "F", "F", "G"], ["&", "|", "->"], ("F", "G"))
        spec = rtamt.StlDiscreteTimeSpecification()
        for name in [*NAMES, "out"]:
            spec.declare_var(name, "float")
        stl = text(formula, words, lambda name: f"({name}>=0)", lambda bound: f"[{bound[0]},{bound[1]}]")
        spec.spec = f"out = {stl}"
        spec.parse()
        word = [rng.randrange(8) for _ in range(rng.randrange(2, 10))]
        data = {name: [1.0 if letter >> bit & 1 else -1.0 for letter in word] for bit, name in enumerate(NAMES)}
        robustness = spec.evaluate({"time": list(range(len(word))), **data})[0][1]
        assert robustness != 0
        yield {"formula": ours(formula), "traces": [word], "holds": [robustness > 0]}


def main():
    # Without it ltlf2dfa prints a complaint and answers with an automaton that is wrong.
    if shutil.which("mona") is None:
        sys.exit("the program mona is missing")
    rng = random.Random(5)
    future, past = LTLfParser(), PPLTLParser()
    golden = {
        "ltlf": list(ltlf(rng, 160, future, ["!", "X", "WX", "F", "G"], ["&", "|", "->", "<->", "U", "R"])),
        "past": list(ltlf(rng, 60, past, ["!", "Y", "O", "H"], ["&", "|", "->", "S"])),
        "past_with_bounds": list(past_with_bounds(rng, 120)),
        "future_with_bounds": list(future_with_bounds(rng, 200)),
    }
    sections = []
    for name, cases in golden.items():
        lines = ",\n".join(json.dumps(case, separators=(",", ":")) for case in cases)
        sections.append(f"{json.dumps(name)}:[\n{lines}\n]")
    print("{\n" + ",\n".join(sections) + "\n}")


main()
