#!/usr/bin/env python3
"""Measures how long large components take: compiled for the first time, and from the cache.

    python3 benches/components.py [--rounds N]

Builds a filter in Python (componentize-py, from PyPI) and one in JavaScript (componentize-js,
from npm), both without WASI, in a temporary directory; runs each over data/events.ndjson with
the defaults of `host`, first with an empty cache, then N times from it; and keeps the raw
figures in benches/runs/components-DATE.json.
"""

import argparse
import datetime
import json
import re
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
HOST = ROOT / "target/release/host"
EVENTS = ROOT / "data/events.ndjson"
KEPT = 190

PYTHON = """
import json
import wit_world

class WitWorld(wit_world.WitWorld):
    def keep(self, record: str) -> bool:
        return json.loads(record).get("type") == "PushEvent"
"""
JAVASCRIPT = "export const keep = (record) => JSON.parse(record).type === 'PushEvent';\n"
BUILD = """
import { componentize } from '@bytecodealliance/componentize-js';
import { writeFile } from 'node:fs/promises';
const disableFeatures = ['random', 'stdio', 'clocks', 'http', 'fetch-event'];
const options = { sourcePath: 'app.js', witPath: process.argv[2], worldName: 'filter', disableFeatures };
await writeFile('js.wasm', (await componentize(options)).component);
"""


def build_python(place: Path) -> Path:
    (place / "app.py").write_text(PYTHON)
    subprocess.run([sys.executable, "-m", "venv", place / "venv"], check=True)
    subprocess.run([place / "venv/bin/pip", "install", "--quiet", "componentize-py"], check=True)
    componentize = [place / "venv/bin/componentize-py", "-d", ROOT / "wit", "-w", "filter"]
    command = [*componentize, "componentize", "--stub-wasi", "-p", place, "-o", "py.wasm", "app"]
    subprocess.run(command, cwd=place, check=True, stdout=subprocess.DEVNULL)
    return place / "py.wasm"


def build_javascript(place: Path) -> Path:
    (place / "app.js").write_text(JAVASCRIPT)
    (place / "build.mjs").write_text(BUILD)
    (place / "package.json").write_text("{}")
    packages = ["@bytecodealliance/componentize-js", "@bytecodealliance/jco"]
    subprocess.run(["npm", "install", "--silent", *packages], cwd=place, check=True)
    command = ["node", "build.mjs", ROOT / "wit"]
    subprocess.run(command, cwd=place, check=True, stdout=subprocess.DEVNULL)
    return place / "js.wasm"


def run(plugin: Path, cache: Path) -> dict:
    """Runs the filter once, and says what it took."""
    command = [HOST, "--plugin", plugin, "--cache", cache, "--verbose", EVENTS]
    began = time.monotonic()
    ran = subprocess.run(command, capture_output=True, text=True, check=True)
    took = time.monotonic() - began
    if ran.stdout.count("\n") != KEPT:
        sys.exit(f"{plugin.name} kept {ran.stdout.count(chr(10))} records, not {KEPT}")
    how, ready = re.search(r"was (compiled|taken from the cache) \((\d+) ms\)", ran.stderr).groups()
    return {"how": how, "ready_ms": int(ready), "run_s": round(took, 3)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--rounds", type=int, default=7)
    rounds = parser.parse_args().rounds
    subprocess.run(["cargo", "build", "--release", "--quiet"], cwd=ROOT, check=True)
    raw = {"date": datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds"), "runs": {}}
    print("| component | bytes | compiled, kept | first run s | from the cache ms | run s |")
    print("|---|---:|---:|---:|---:|---:|")
    for name, build in (("Python", build_python), ("JavaScript", build_javascript)):
        with tempfile.TemporaryDirectory() as directory:
            place = Path(directory)
            plugin, cache = build(place), place / "cache"
            first = run(plugin, cache)
            again = [run(plugin, cache) for _ in range(rounds)]
            if first["how"] != "compiled" or any(one["how"] == "compiled" for one in again):
                sys.exit(f"{name}: the cache is not what it should be")
            kept = sum(entry.stat().st_size for entry in cache.iterdir())
            size = plugin.stat().st_size
        raw["runs"][name] = {"bytes": size, "kept": kept, "first": first, "again": again}
        ready = statistics.median(one["ready_ms"] for one in again)
        took = statistics.median(one["run_s"] for one in again)
        print(f"| {name} | {size:,} | {kept:,} | {first['run_s']} | {ready:.0f} | {took} |")
    children = resource.getrusage(resource.RUSAGE_CHILDREN)
    raw["largest_process_kib"] = children.ru_maxrss
    file = ROOT / f"benches/runs/components-{raw['date'][:10]}.json"
    file.write_text(json.dumps(raw, indent=1) + "\n")
    print(f"raw figures: {file}")


if __name__ == "__main__":
    main()
