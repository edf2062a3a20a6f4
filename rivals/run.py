#!/usr/bin/env python3
"""Compares AIMDS with the detectors one can install, on the same rows in the same run.

    python3 rivals/run.py [--rows 800] [--ood] [--data ../shared/data]

Installs the rivals under target/ on the first run, takes --rows rows at equal distances from each data file, gives the
texts without their labels to one detector after the other, and prints a Markdown table. target/rivals-run/results.json
has the counts behind every cell.

Rows that a detector answered with an error, not in time or not at all count as not flagged: the table says how many.
Rows that it did not reach before --cap, or before it broke, count for nothing: the table says how many were measured.
Where the kernel allows it, a rival runs without a network. Rates are per cent with their 95 % Wilson interval.
"""

import argparse
import hashlib
import importlib.metadata
import io
import json
import math
import os
import shutil
import subprocess
import sys
import threading
import time
from collections import Counter
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent
TARGET = ROOT / "target"
VENV = TARGET / "rivals-venv"
NPM = TARGET / "rivals-npm"
LOCALE = TARGET / "rivals-locale"
WORK = TARGET / "rivals-run"
PYTHON = VENV / "bin" / "python"
GRACE_S = 60  # to start, load a model and finish the last row
CAVEAT = """
test_public comes from the sources that AIMDS was trained on (other near-duplicate clusters): its TPR there flatters
AIMDS. Some of the rivals may have been made with these public sources too. ood_dev comes from other sources, but was
used to choose between models of AIMDS. Latencies are of one call at a time, in the language that each detector is
called from."""


# Setting up


def install():
    """Makes the virtual environment, npm's modules and the Rust rival, each only when its pins changed."""
    if not fresh(VENV, HERE / "requirements.txt"):
        run([sys.executable, "-m", "venv", "--clear", VENV])
        run([PYTHON, "-m", "pip", "install", "--quiet", "--only-binary=:all:", "-r", HERE / "requirements.txt"])
        stamp(VENV, HERE / "requirements.txt")
    if shutil.which("npm") and not fresh(NPM, HERE / "package-lock.json"):
        NPM.mkdir(parents=True, exist_ok=True)
        for name in ("package.json", "package-lock.json"):
            shutil.copy(HERE / name, NPM)
        run(["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--silent"], cwd=NPM)
        stamp(NPM, HERE / "package-lock.json")
    if shutil.which("localedef") and not (LOCALE / "en_US.UTF-8").exists():
        LOCALE.mkdir(parents=True, exist_ok=True)
        subprocess.run(["localedef", "-i", "en_US", "-f", "UTF-8", LOCALE / "en_US.UTF-8"], stderr=subprocess.DEVNULL)
    cargo = ["cargo", "build", "--release", "--quiet", "--locked", "--manifest-path", HERE / "Cargo.toml"]
    run([*cargo, "--target-dir", TARGET / "rivals"])


def fresh(folder, pins):
    seal = folder / ".pins"
    return seal.exists() and seal.read_text() == digest(pins)


def stamp(folder, pins):
    (folder / ".pins").write_text(digest(pins))


def digest(path):
    return hashlib.sha256(path.read_bytes()).hexdigest()


def run(command, cwd=ROOT):
    print("+", *(os.path.relpath(part, cwd) if isinstance(part, Path) else part for part in command), file=sys.stderr)
    subprocess.run(command, cwd=cwd, check=True, stdout=sys.stderr)


# Rows


def read(path):
    import zstandard

    opened = path.open("rb")
    if path.suffix == ".zst":
        opened = zstandard.ZstdDecompressor().stream_reader(opened)
    return [json.loads(line) for line in io.TextIOWrapper(opened, encoding="utf-8")]


def find(data, name):
    for suffix in (".jsonl.zst", ".jsonl"):
        if (data / (name + suffix)).exists():
            return data / (name + suffix)
    sys.exit(f"{data}: no {name}.jsonl or {name}.jsonl.zst")


def stride(rows, wanted):
    """`wanted` rows at equal distances; all of them for 0."""
    if not wanted or wanted >= len(rows):
        return rows
    return [rows[i * len(rows) // wanted] for i in range(wanted)]


def sample(data, wanted, wanted_ood):
    """The sets by name: rows with a number as id, their label and the file they came from."""
    files = {"test_public": [find(data, "test_public")], "clean_10k": [find(data, "clean_10k")]}
    if wanted_ood is not None:
        files["ood_dev"] = sorted((data / "ood_dev").glob("*.jsonl*"))
    sets = {}
    for name, paths in files.items():
        rows = []
        for path in paths:
            for row in stride(read(path), wanted_ood if name == "ood_dev" else wanted):
                file = path.name.split(".")[0]
                rows.append({"id": str(len(rows)), "text": row["text"], "label": row["label"], "file": file})
        # In an order of no meaning, so that the rows before a time cap are a fair sample too.
        rows.sort(key=lambda row: hashlib.sha256(f"{row['file']} {row['id']}".encode()).digest())
        sets[name] = rows
    return sets


# Detectors


class Detector:
    """One command that reads the rows on standard input and answers each with a line."""

    def __init__(self, name, version, command, licence="", verdict="", note=""):
        self.name, self.version, self.command = name, version, command
        self.licence, self.verdict, self.note = licence, verdict, note


def ours(binary):
    command = [binary, "scan", "--input", "jsonl", "--format", "jsonl", "--exit-zero", "--quiet", "--jobs", "1", "-"]
    version = subprocess.run([binary, "--version"], capture_output=True, text=True, check=True).stdout.split()[-1]
    return Detector("AIMDS", version, command, "Apache-2.0", "decision", "this repository, embedded policy")


def rivals(cap):
    sys.dont_write_bytecode = True
    from peers import PEERS

    yield Detector(
        "aimds-detection", cargo_version("aimds-detection"), [TARGET / "rivals/release/aimds-rivals", "/dev/stdin"],
        "MIT OR Apache-2.0", "severity High or more, or any pattern", "crates.io, in process",
    )  # fmt: skip
    for name, peer in PEERS.items():
        if peer.build:
            command, version = [PYTHON, HERE / "peers.py", name, str(cap)], importlib.metadata.version(peer.package)
        else:
            command = ["node", HERE / "peers.mjs", NPM / "node_modules", name, str(cap)]
            version = json.loads((HERE / "package.json").read_text())["dependencies"][peer.package]
        yield Detector(name, version, command, peer.licence, peer.verdict, peer.note)


def cargo_version(crate):
    lines = (HERE / "Cargo.lock").read_text().splitlines()
    return lines[lines.index(f'name = "{crate}"') + 1].split('"')[1]


def verdicts(answer):
    """Variant -> flagged, from a line of ours, of the Rust rival or of a peer; None for an error."""
    if "error" in answer:
        return None
    if "decision" in answer:
        decision = answer["decision"]
        return {"block or escalate": decision in ("block", "escalate"), "block": decision == "block"}
    if "flagged" in answer:
        return {"": answer["flagged"]}
    return answer["verdicts"]


def offline():
    """A prefix that takes the network away from a command, where the kernel lets us."""
    prefix = ["unshare", "--map-root-user", "--net"]
    works = shutil.which("unshare") and subprocess.run([*prefix, "true"], stderr=subprocess.DEVNULL).returncode == 0
    return prefix if works else []


def ask(detector, rows, cap, prefix):
    """What the detector answered, by row id, and how it ended if not by itself."""
    feed = "".join(json.dumps({"id": row["id"], "text": row["text"]}) + "\n" for row in rows)
    env = {**os.environ, "PYTHONDONTWRITEBYTECODE": "1", "OMP_NUM_THREADS": "1"}
    if (LOCALE / "en_US.UTF-8").exists():
        env["LOCPATH"] = str(LOCALE)
    with (WORK / f"{detector.name}.stderr").open("ab") as stderr:
        child = subprocess.Popen(
            [*prefix, *map(str, detector.command)], cwd=WORK, env=env,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=stderr,
        )  # fmt: skip
    lines = []
    reader = threading.Thread(target=lambda: lines.extend(child.stdout), daemon=True)
    writer = threading.Thread(target=write, args=(child.stdin, feed.encode()), daemon=True)
    reader.start(), writer.start()
    try:
        status = child.wait(cap + GRACE_S)
        end = f"ended with status {status}" if status else ""
    except subprocess.TimeoutExpired:
        child.kill()
        child.wait()
        end = "stopped: no answer in time"
    reader.join()
    answers = {}
    for line in lines:
        try:
            answer = json.loads(line)
            answers[str(answer["id"])] = answer
        except (ValueError, KeyError):
            end = end or "wrote lines that are no answers"
    return answers, end


def write(pipe, feed):
    try:
        with pipe:
            pipe.write(feed)
    except BrokenPipeError:
        pass  # It stopped at its time cap.


# Counting


def measure(detector, sets, cap, prefix, scores):
    """One result per variant of the detector's verdict; notes the scores of each set's attacks and benign rows, if it gives any."""
    counts, latencies, problems, wall = {}, [], [], 0.0
    for name, rows in sets.items():
        start = time.monotonic()
        answers, end = ask(detector, rows, cap, prefix)
        took = time.monotonic() - start
        wall += took
        if end:
            problems.append(f"{name}: {end}")
        silent = [row["id"] for row in rows if row["id"] not in answers]
        if end:
            silent = silent[:1] if answers else []  # the row it broke on; none if it never started
        elif took >= cap:
            silent = []
        for row in rows:
            answer = answers.get(row["id"]) or ({"error": "no answer"} if row["id"] in silent else None)
            if answer is None:
                continue
            if "score" in answer:
                scores.setdefault((name, row["label"]), []).append(answer["score"])
            if name != "ood_dev" and answer.get("latency_us") is not None:
                latencies.append(answer["latency_us"])
            for variant, flagged in (verdicts(answer) or {None: None}).items():
                count = counts.setdefault(variant, Counter())
                count[name, row["file"], row["label"], {True: "flagged", False: "passed", None: "error"}[flagged]] += 1
    errors = counts.pop(None, Counter())
    variants = counts or {"": Counter()}
    return [result(detector, variant, count + errors, latencies, problems, wall) for variant, count in variants.items()]


def result(detector, variant, count, latencies, problems, wall):
    def rate(label, name, file=None):
        cells = {key: n for key, n in count.items() if key[0] == name and key[2] == label and file in (None, key[1])}
        flagged = sum(n for key, n in cells.items() if key[3] == "flagged")
        return {"flagged": flagged, "rows": sum(cells.values()), **wilson(flagged, sum(cells.values()))}

    files = sorted({key[1] for key in count if key[0] == "ood_dev"})
    latencies = sorted(latencies)
    return {
        "detector": detector.name,
        "version": detector.version,
        "licence": detector.licence,
        "verdict": detector.verdict + (f": {variant}" if variant else ""),
        "test_public_tpr": rate("attack", "test_public"),
        "test_public_fpr": rate("benign", "test_public"),
        "clean_10k_fpr": rate("benign", "clean_10k"),
        "ood_dev_tpr": rate("attack", "ood_dev"),
        "ood_dev_fpr": rate("benign", "ood_dev"),
        "ood_dev_files": {f: {"tpr": rate("attack", "ood_dev", f), "fpr": rate("benign", "ood_dev", f)} for f in files},
        "p50_us": percentile(latencies, 0.50),
        "p99_us": percentile(latencies, 0.99),
        "measured": dict(sum_by_set(count)),
        "errors": sum(n for key, n in count.items() if key[3] == "error"),
        "wall_s": round(wall, 1),
        "note": detector.note,
        "problems": problems,
    }


def at_their_rate(results, scores):
    """Beside each rival on ood_dev: the TPR of our scores at the lowest threshold that gives no more false alarms than it has."""
    attacks, benign = (scores.get(("ood_dev", label), []) for label in ("attack", "benign"))
    for r in results:
        theirs = r["ood_dev_fpr"]["rate"]
        if theirs is None or not benign:
            continue
        threshold = min((s for s in {*benign, 1.1} if sum(b >= s for b in benign) <= theirs * len(benign)), default=1.1)
        caught = sum(a >= threshold for a in attacks)
        r["ours_at_their_ood_dev_fpr"] = {"flagged": caught, "rows": len(attacks), **wilson(caught, len(attacks))}


def sum_by_set(count):
    sums = Counter()
    for key, n in count.items():
        sums[key[0]] += n
    return sums


def wilson(hits, n, z=1.959964):
    if n == 0:
        return {"rate": None, "low": None, "high": None}
    p = hits / n
    middle = (p + z * z / (2 * n)) / (1 + z * z / n)
    half = z * math.sqrt(p * (1 - p) / n + z * z / (4 * n * n)) / (1 + z * z / n)
    return {"rate": p, "low": max(0.0, middle - half), "high": min(1.0, middle + half)}


def percentile(ordered, share):
    """Nearest rank."""
    return ordered[max(0, math.ceil(share * len(ordered)) - 1)] if ordered else None


# Telling


def table(results, sets):
    head = ["detector", "version", "flagged means", "TPR test_public", "FPR test_public", "FPR clean_10k"]
    if "ood_dev" in sets:
        head += ["TPR ood_dev", "FPR ood_dev", "ours at that FPR"]
    head += ["p50 / p99 µs", "rows", "note"]
    lines = [head, ["---"] * len(head)]
    for r in results:
        cells = [r["detector"], r["version"], r["verdict"]]
        cells += [percent(r[key]) for key in ("test_public_tpr", "test_public_fpr", "clean_10k_fpr")]
        if "ood_dev" in sets:
            ours_there = r.get("ours_at_their_ood_dev_fpr", {"rate": None})
            cells += [percent(rate) for rate in (r["ood_dev_tpr"], r["ood_dev_fpr"], ours_there)]
        cells.append("–" if r["p50_us"] is None else f"{r['p50_us']:,.0f} / {r['p99_us']:,.0f}")
        cells.append(" + ".join(str(r["measured"].get(name, 0)) for name in sets))
        notes = [r["note"], f"{r['errors']} errors" if r["errors"] else "", *r["problems"]]
        cells.append("; ".join(filter(None, notes)))
        lines.append(cells)
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def percent(rate):
    if rate["rate"] is None:
        return "–"
    return f"{100 * rate['rate']:.1f} ({100 * rate['low']:.1f}–{100 * rate['high']:.1f})"


def main():
    args = arguments()
    install()
    if Path(sys.prefix).resolve() != VENV.resolve():
        os.execv(PYTHON, [PYTHON, __file__, *sys.argv[1:]])
    binary = args.binary
    if binary is None:
        run(["cargo", "build", "--release", "--quiet", "-p", "aimds-cli"])
        binary = TARGET / "release" / "aimds"
    WORK.mkdir(parents=True, exist_ok=True)
    for old in WORK.glob("*.stderr"):
        old.unlink()

    binary = Path(shutil.copy(binary, WORK / "aimds"))  # A build in the meantime shall not change what is measured.
    start, load = time.monotonic(), os.getloadavg()[0]
    sets = sample((ROOT / args.data).resolve(), args.rows, args.rows_ood if args.ood else None)
    prefix = offline()
    results, scores = [], {}
    for detector in [ours(binary), *rivals(args.cap)]:
        if args.only and detector.name not in ("AIMDS", *args.only):
            continue
        mine = detector.name == "AIMDS"
        results += measure(detector, sets, args.cap, [] if mine else prefix, scores if mine else {})
        print(f"{detector.name}: {results[-1]['wall_s']} s", file=sys.stderr)

    label = Counter((name, row["label"]) for name, rows in sets.items() for row in rows)
    sizes = {name: {"attack": label[name, "attack"], "benign": label[name, "benign"]} for name in sets}
    us, them = results[:2], results[2:]
    if us[0]["detector"] != "AIMDS" or us[1]["detector"] != "AIMDS":
        us, them = results[:1], results[1:]
    them.sort(key=lambda r: -(r["test_public_tpr"]["rate"] or 0))
    at_their_rate(them, scores)
    report = {
        "taken": time.strftime("%Y-%m-%d", time.gmtime()),
        "cores": os.cpu_count(),
        "load_before": round(load, 2),
        "network_cut": bool(prefix),
        "cap_s": args.cap,
        "binary_sha256": digest(binary),
        "sets": sizes,
        "results": us + them,
    }
    args.out.parent.mkdir(parents=True, exist_ok=True)
    args.out.write_text(json.dumps(report, indent=1, ensure_ascii=False) + "\n")
    print(table(us + them, sets))
    rows = "; ".join(f"{name} {n['attack']} attacks, {n['benign']} benign" for name, n in sizes.items())
    minutes = (time.monotonic() - start) / 60
    print(f"\nRows: {rows}. {report['cores']} cores, load {load:.1f} before; {minutes:.0f} minutes.")
    print(CAVEAT)


def arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", default="../shared/data", help="the data, from the repository's root [%(default)s]")
    parser.add_argument("--rows", type=int, default=800, help="rows of each file, 0 for all [%(default)s]")
    parser.add_argument("--ood", action="store_true", help="measure on ood_dev too")
    parser.add_argument("--rows-ood", type=int, default=100, help="rows of each file of ood_dev [%(default)s]")
    parser.add_argument("--cap", type=int, default=180, help="seconds for a detector and a set [%(default)s]")
    parser.add_argument("--only", nargs="+", metavar="NAME", help="these rivals alone")
    parser.add_argument("--binary", type=Path, help="an `aimds` to use instead of building one")
    parser.add_argument("--out", type=Path, default=WORK / "results.json", help="where the JSON goes")
    return parser.parse_args()


if __name__ == "__main__":
    main()
