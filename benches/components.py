#!/usr/bin/env python3
"""Measures how long large components take: compiled for the first time, and from the cache.

    python3 benches/components.py            build, compile, table, record
    python3 benches/components.py --help     everything else

Builds a filter in Python (componentize-py, from PyPI) and one in JavaScript (componentize-js,
from npm), both without WASI, in a temporary directory; runs each over data/events.ndjson with
the defaults of `host`, first with an empty cache, then several times from it; and keeps the raw
figures in benches/runs/components-DATE.json.
"""

import argparse
import re
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from suite import figures, machine
from suite.programs import ROOT, Failure, add_places, places, positive

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


def run(host: Path, plugin: Path, cache: Path) -> dict:
    """Runs the filter once, and says what it took."""
    command = [host, "--plugin", plugin, "--cache", cache, "--verbose", EVENTS]
    began = time.monotonic()
    ran = subprocess.run(command, capture_output=True, text=True, check=True)
    took = time.monotonic() - began
    if ran.stdout.count("\n") != KEPT:
        raise Failure(f"{plugin.name} kept {ran.stdout.count(chr(10))} records, not {KEPT}")
    how, ready = re.search(r"was (compiled|taken from the cache) \((\d+) ms\)", ran.stderr).groups()
    return {"how": how, "ready_ms": int(ready), "run_s": round(took, 3)}


def main() -> None:
    parser = argparse.ArgumentParser(description="Measures how long large components take.")
    parser.add_argument("--rounds", type=positive, default=7, help="runs from the cache (7)")
    add_places(parser)
    options = parser.parse_args()
    host = places(options) / "host"
    runs = []
    for name, build in (("Python", build_python), ("JavaScript", build_javascript)):
        with tempfile.TemporaryDirectory() as directory:
            place = Path(directory)
            plugin, cache = build(place), place / "cache"
            seen = [run(host, plugin, cache) for _ in range(options.rounds + 1)]
            if [one["how"] == "compiled" for one in seen] != [True] + [False] * options.rounds:
                raise Failure(f"{name}: the cache is not what it should be")
            kept = sum(entry.stat().st_size for entry in cache.iterdir())
            sizes = {"component": name, "bytes": plugin.stat().st_size, "kept": kept}
        runs += [sizes | one for one in seen]
    largest = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
    trial = {"facts": machine.facts() | {"largest process KiB": largest}, "runs": runs}
    print(table(trial))
    figures.keep(options.runs_dir, "components", trial, section)


def table(trial) -> str:
    rows = []
    for name in dict.fromkeys(run["component"] for run in trial["runs"]):
        first, *again = [run for run in trial["runs"] if run["component"] == name]
        rows.append([name, f"{first['bytes']:,}", f"{first['kept']:,}", first["run_s"],
                     statistics.median(one["ready_ms"] for one in again),
                     statistics.median(one["run_s"] for one in again)])
    columns = ["component", "bytes:", "compiled, kept:", "first run s:", "from the cache ms:", "run s:"]
    return figures.markdown(columns, rows)


def section(trial) -> str:
    return f"""## Components, {trial["facts"]["date"]}, commit {trial["facts"]["commit"]}

{machine.sentence(trial)}

{table(trial)}
"""


if __name__ == "__main__":
    try:
        main()
    except Failure as failure:
        sys.exit(f"error: {failure}")
