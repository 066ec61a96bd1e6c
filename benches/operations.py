#!/usr/bin/env python3
"""Asks two things of operations: what a chain of plugins saves, and what a reduce holds.

    python3 benches/operations.py            build, make the data, both tables, record
    python3 benches/operations.py --help     everything else

*A chain*: the same three plugins in one run, in three runs with pipes between them, and in three
runs with a file between each two, in turn forwards and backwards. All give the same bytes. Once with
plugins that parse each record, where most of the time is theirs, and once with one that only looks
at a record's length, where most of it is the program's.
*A reduce*: the peak memory of counting events by `type` (6 keys), `actor.login` (12,000) and `id` (a
key for each event, so that the state is larger than a slot), as benches/memory.py measures it.
"""

import argparse
import filecmp
import os
import statistics
import subprocess
import sys
import time

from suite import figures, inputs, machine, timing
from suite.footprint import MIB, watched
from suite.programs import Failure, add_places, places, plugin, positive

WORKERS = 2
REDACT = ["--param", "fields=actor.url,payload"]
PICK = ["--param", "fields=id,type,actor,repo.name:repo"]
FLAT = ["--param", "fields=id,actor.login:user,type,repo"]
CHAINS = {
    "that parse JSON": [("redact", REDACT), ("map", PICK), ("map", FLAT)],
    "that look at lengths": [("longer", [])] * 3,
}
KEYS = ["type", "actor.login", "id"]


def main():
    options = parse_arguments()
    bin_dir = places(options)
    data = inputs.events(options.dir, bin_dir, options.records)
    host = bin_dir / "host"
    runs = []
    for name, chain in CHAINS.items():
        runs += [{"chain": name} | seen for seen in time_chain(options, host, data, chain)]
    for by in KEYS:
        runs += [{"by": by} | seen for seen in measure_reduce(options, host, data, by)]
    trial = {"facts": machine.facts() | {"records": options.records, "workers": WORKERS}, "runs": runs}
    print(tables(trial))
    figures.keep(options.runs_dir, "operations", trial, section)


def parse_arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=positive, default=7, help="how often each is run (7)")
    parser.add_argument("--records", type=positive, default=600_000, help="events (600,000)")
    add_places(parser)
    return parser.parse_args()


def one_run(options, host, data, chain):
    command = [host, "--quiet", "--workers", str(WORKERS)]
    for place, (name, params) in enumerate(chain, 1):
        command += ["--plugin", plugin(name)]
        command += [f"{place}:{word}" if word != "--param" else word for word in params]
    out = options.dir / "chain.one"
    run([[*command, "-o", out, data]])
    return out


def with_pipes(options, host, data, chain):
    out = options.dir / "chain.pipes"
    with open(out, "wb") as last:
        stdin, running = None, []
        for place, (name, params) in enumerate(chain):
            source = [data] if place == 0 else ["--from", "ndjson", "-"]
            command = [host, "--quiet", "--workers", str(WORKERS), "--plugin", plugin(name), *params, *source]
            is_last = place + 1 == len(chain)
            process = subprocess.Popen(command, stdin=stdin, stdout=last if is_last else subprocess.PIPE)
            if stdin:
                stdin.close()
            stdin = process.stdout
            running.append(process)
        if any(process.wait() for process in running):
            raise Failure("a run of a pipe failed")
    return out


def with_files(options, host, data, chain):
    source = data
    for place, (name, params) in enumerate(chain):
        out = options.dir / f"chain.files{place}.ndjson"
        run([[host, "--quiet", "--workers", str(WORKERS), "--plugin", plugin(name), *params, "-o", out, source]])
        source = out
    return source


WAYS = {"one run": one_run, "three runs, pipes": with_pipes, "three runs, files": with_files}


def run(commands):
    for command in commands:
        if subprocess.run(command).returncode != 0:
            raise Failure(f"{' '.join(map(str, command))} failed")


def time_chain(options, host, data, chain):
    """Each way in each round, in seconds. The first round warms up and is not counted."""
    seen = []
    for number in range(options.rounds + 1):
        outputs = {}
        for way in timing.in_turn(WAYS, number):
            began, used = time.monotonic(), os.times()
            outputs[way] = WAYS[way](options, host, data, chain)
            wall, now = time.monotonic() - began, os.times()
            cpu = now.children_user - used.children_user + now.children_system - used.children_system
            seen.append({"way": way, "round": number, "wall": round(wall, 4), "cpu": round(cpu, 2)})
        for way, output in outputs.items():
            if not filecmp.cmp(output, outputs["one run"], shallow=False):
                raise Failure(f"{way} gives other bytes than one run")
    return [run for run in seen if run["round"]]


def measure_reduce(options, host, data, by):
    """Memory in bytes of three runs, and the size of the state."""
    command = [host, "--quiet", "--workers", str(WORKERS), "--plugin", plugin("count-by"),
               "--param", f"by={by}"]
    state = options.dir / "state"
    run([[*command, "--partial-state", "-o", state, data]])
    size = state.stat().st_size
    return [watched([*command, "-o", "/dev/null", data]) | {"state": size} for _ in range(3)]


def tables(trial):
    """A table for each chain, and one of the reduces."""
    parts = []
    for name in CHAINS:
        found = {way: [run for run in trial["runs"] if run.get("chain") == name and run["way"] == way] for way in WAYS}
        median = {way: {what: statistics.median(run[what] for run in runs) for what in ("wall", "cpu")}
                  for way, runs in found.items()}
        one = median["one run"]
        rows = [[way, f"{seen['wall']:.3f}", f"{min(run['wall'] for run in found[way]):.3f}",
                 f"{seen['wall'] / one['wall']:.2f}", f"{seen['cpu']:.2f}", f"{seen['cpu'] / one['cpu']:.2f}"]
                for way, seen in median.items()]
        columns = [f"three plugins {name}", "median s:", "best s:", "of one run:", "CPU s:", "of one run:"]
        parts.append(figures.markdown(columns, rows))
    rows = []
    for by in KEYS:
        runs = [run for run in trial["runs"] if run.get("by") == by]
        rows.append([by, f"{runs[0]['state'] / 1e6:.2f}", f"{max(run['peak'] for run in runs) / MIB:.0f}",
                     f"{statistics.median(run['wall'] for run in runs):.2f}"])
    columns = ["count-by", "state, MB:", "peak of all processes, MiB (highest of 3):", "s:"]
    return "\n\n".join([*parts, figures.markdown(columns, rows)])


def section(trial):
    known = trial["facts"]
    return f"""## Operations, {known["date"]}, commit {known["commit"]}

{known["records"]:,} events, {known["workers"]} workers. {machine.sentence(trial)}

{tables(trial)}
"""


if __name__ == "__main__":
    try:
        main()
    except Failure as failure:
        sys.exit(f"error: {failure}")
