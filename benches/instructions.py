#!/usr/bin/env python3
"""Counts the instructions that a worker needs for fixed amounts of work, and compares them with
those on record. Times differ from run to run, and instructions do not.

    python3 benches/instructions.py             count, compare, exit 1 if one grew by 2 %
    python3 benches/instructions.py --record    count, and put what was counted on record

The work is in src/worker/workloads.rs: splitting alone, plugins that keep or drop all records
at once, and real ones. Needs valgrind. What is on record (benches/instructions.json) was counted
with one version of the compiler; another may need more or fewer.
"""

import argparse
import json
import re
import subprocess
import sys

from suite.programs import ROOT

RECORD = ROOT / "benches/instructions.json"
# Workload, and how many records go through it.
WORKLOADS = {
    "lines": 10_000,
    "array": 10_000,
    "rows": 100_000,
    "drop_all": 10_000,
    "keep_all": 10_000,
    "filter": 10_000,
    "map": 10_000,
}
TOLERANCE = 0.02


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--record", action="store_true", help="put what is counted on record")
    options = parser.parse_args()
    tests = build()
    counted = {name: count(tests, name) for name in WORKLOADS}
    compiler = subprocess.run(["rustc", "--version"], capture_output=True, text=True, check=True).stdout.strip()
    if options.record:
        RECORD.write_text(json.dumps({"compiler": compiler, "instructions": counted}, indent=1) + "\n")
    recorded = json.loads(RECORD.read_text())
    grown = table(counted, recorded["instructions"])
    if grown and recorded["compiler"] != compiler:
        print(f"what is on record was counted with {recorded['compiler']}, this with {compiler}")
    for name in grown:
        print(f"{name} needs more instructions than on record; if that has to be: --record")
    return 1 if grown else 0


def build() -> str:
    """Builds the library's tests and gives where they are."""
    command = ["cargo", "test", "--release", "--lib", "--no-run", "--message-format=json"]
    built = subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, text=True, check=True)
    messages = [json.loads(line) for line in built.stdout.splitlines()]
    return next(found for message in messages if (found := message.get("executable")))


def count(tests: str, name: str) -> int:
    command = [
        "valgrind", "--tool=callgrind", "--callgrind-out-file=/dev/null", "--collect-atstart=no",
        "--toggle-collect=*workloads::counted*", tests, "--ignored", "--exact",
        f"worker::workloads::{name}",
    ]
    ran = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    found = re.search(r"Collected : (\d+)", ran.stderr)
    if ran.returncode != 0 or "1 passed" not in ran.stdout or not found:
        sys.exit(f"error: {name} did not run under valgrind:\n{ran.stdout}{ran.stderr}")
    return int(found[1])


def table(counted: dict, recorded: dict) -> list:
    """Prints what each record needs, and gives the names of what has grown."""
    print("| work | instructions a record | on record | difference |")
    print("|---|---:|---:|---:|")
    grown = []
    for name, records in WORKLOADS.items():
        before = recorded.get(name, 0)
        change = counted[name] / before - 1 if before else 1.0
        print(f"| {name} | {counted[name] / records:,.0f} | {before / records:,.0f} | {change:+.1%} |")
        if change > TOLERANCE:
            grown.append(name)
    return grown


if __name__ == "__main__":
    sys.exit(main())
