"""Splits labelled texts into the half that the tagger is tuned on and the half that is only reported.

    python3 halves.py DATA/pii.jsonl.zst OUT

Writes OUT/tuning.jsonl and OUT/reporting.jsonl. What decides is the template: the text in lower case, with its labelled values
replaced by their types and its digits by zeros. No template is in both halves.
"""

import argparse
import hashlib
import json
import re
import subprocess
from pathlib import Path


def template(row):
    text, parts, reached = row["text"], [], 0
    for span in sorted(row["spans"], key=lambda span: span["start"]):
        parts += [text[reached : span["start"]], f"<{span['type']}>"]
        reached = span["end"]
    return re.sub(r"\d", "0", "".join([*parts, text[reached:]]).lower())


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("data", type=Path)
    parser.add_argument("out", type=Path)
    arguments = parser.parse_args()
    lines = subprocess.run(["zstd", "-dc", str(arguments.data)], check=True, capture_output=True).stdout.decode()
    arguments.out.mkdir(parents=True, exist_ok=True)
    halves = ([], [])
    for line in lines.splitlines():
        odd = hashlib.sha256(template(json.loads(line)).encode()).digest()[0] % 2
        halves[odd].append(line)
    for name, half in zip(("tuning", "reporting"), halves):
        (arguments.out / f"{name}.jsonl").write_text("".join(line + "\n" for line in half))
        print(name, len(half))


if __name__ == "__main__":
    main()
