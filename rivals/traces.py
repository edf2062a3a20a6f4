#!/usr/bin/env python3
"""reelay and rtamt on the traces of `aimds bench temporal`: results as JSON on standard output.

    python3 rivals/engines.py temporal          # installs both and calls this
    python traces.py < cases.jsonl > results.json

Both work on the steps of discrete time, a millisecond each. Compiling a formula is not timed, as it is not for ours.

- rtamt evaluates the whole trace at once (offline, robustness). A formula `G …` has a value at each step; the last step
  at which it is below zero is the one to blame, because nothing later is.
- reelay monitors formulas of the past step by step. The bounded response is written in the past for it, ten steps late,
  so that the trace ends with ten empty steps more. The unbounded response in the past says that something is
  unanswered, but not what: such a violation has no answer here.
"""

import reelay
import results
import rtamt

ATOMS = ("threat", "mitigated")
LATE = 10
RTAMT = {
    "G(threat -> F[0,10ms] mitigated)": f"always((threat>=0) -> (eventually[0,{LATE}](mitigated>=0)))",
    "G(threat -> F mitigated)": "always((threat>=0) -> (eventually(mitigated>=0)))",
}
REELAY = {
    "G(threat -> F[0,10ms] mitigated)": f"(once[{LATE}:{LATE}]{{threat}}) -> (once[0:{LATE}]{{mitigated}})",
    "G(threat -> F mitigated)": "not((not{mitigated}) since {threat})",
}


def by_rtamt(formula, steps):
    spec = rtamt.StlDiscreteTimeSpecification()
    for name in (*ATOMS, "out"):
        spec.declare_var(name, "float")
    spec.spec = f"out = {RTAMT[formula]}"
    spec.parse()  # Once: what is parsed again is evaluated again.
    data = {name: [1.0 if name in events else -1.0 for events in steps] for name in ATOMS}
    data["time"] = list(range(len(steps)))

    samples, robustness = results.times(lambda: spec, lambda spec: spec.evaluate(data), 1e6)
    blame = [step for step, (_, value) in enumerate(robustness) if value < 0]
    return samples, blame[-1] if blame else "holds"


def by_reelay(formula, steps):
    bounded = "[" in formula
    values = [{name: name in events for name in ATOMS} for events in steps]
    values += [dict.fromkeys(ATOMS, False)] * (LATE if bounded else 0)

    def monitor():
        return reelay.discrete_timed_monitor(pattern=REELAY[formula], condense=False)

    samples, verdicts = results.times(monitor, lambda monitor: [monitor.update(value)["value"] for value in values], 1e6)
    if bounded:
        return samples, verdicts.index(False) - LATE if False in verdicts else "holds"
    return samples, "holds" if verdicts[-1] else None


def main():
    rows = []
    for case in results.read():
        steps = [set(step["events"]) for step in case["trace"]]
        for package, play in (("reelay", by_reelay), ("rtamt", by_rtamt)):
            samples, answer = play(case["formula"], steps)
            rows.append(results.row(package, case["id"], "us", samples, answer))
    results.write(rows)


if __name__ == "__main__":
    main()
