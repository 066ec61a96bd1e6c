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
import datetime
import filecmp
import json
import os
import statistics
import subprocess
import sys
import time
from pathlib import Path

from memory import MIB, Sampler
from run import ROOT, Failure, build, field, first_line, make_data, positive

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
    bin_dir = (options.bin_dir or build()).resolve()
    options.dir.mkdir(parents=True, exist_ok=True)
    data = make_data(options.dir, bin_dir, options.records, 1)
    host = bin_dir / "host"
    trial = {
        "date": datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds"),
        "commit": first_line(["git", "describe", "--always", "--dirty"]),
        "cpu": field("/proc/cpuinfo", "model name"),
        "records": options.records,
        "workers": WORKERS,
        "chains": {name: chain_figures(options, host, data, chain) for name, chain in CHAINS.items()},
        "reduce": {by: reduce(options, host, data, by) for by in KEYS},
    }
    text = tables(trial)
    print(text)
    options.runs_dir.mkdir(parents=True, exist_ok=True)
    name = f"operations-{trial['date'][:10]}"
    (options.runs_dir / f"{name}.json").write_text(json.dumps(trial, indent=1) + "\n")
    (options.runs_dir / f"{name}.md").write_text(text + "\n")


def parse_arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=positive, default=7, help="how often each is run (7)")
    parser.add_argument("--records", type=positive, default=600_000, help="events (600,000)")
    parser.add_argument("--bin-dir", type=Path, help="build nothing; take the programs here")
    parser.add_argument("--dir", type=Path, default=ROOT / "target/bench", help="data and outputs")
    parser.add_argument("--runs-dir", type=Path, default=ROOT / "benches/runs", help="figures")
    return parser.parse_args()


def wasm(name):
    file = ROOT / f"plugins/{name}/{name}.wasm"
    return str(file if file.exists() else file.with_suffix(".wat"))


def one_run(options, host, data, chain):
    command = [host, "--quiet", "--workers", str(WORKERS)]
    for place, (name, params) in enumerate(chain, 1):
        command += ["--plugin", wasm(name)]
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
            command = [host, "--quiet", "--workers", str(WORKERS), "--plugin", wasm(name), *params, *source]
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
        run([[host, "--quiet", "--workers", str(WORKERS), "--plugin", wasm(name), *params, "-o", out, source]])
        source = out
    return source


WAYS = {"one run": one_run, "three runs, pipes": with_pipes, "three runs, files": with_files}


def run(commands):
    for command in commands:
        if subprocess.run(command).returncode != 0:
            raise Failure(f"{' '.join(map(str, command))} failed")


def chain_figures(options, host, data, chain):
    figures = {way: {"wall": [], "cpu": []} for way in WAYS}
    for number in range(options.rounds + 1):
        order = list(WAYS) if number % 2 else list(WAYS)[::-1]
        outputs = {}
        for way in order:
            began, used = time.monotonic(), os.times()
            outputs[way] = WAYS[way](options, host, data, chain)
            wall, now = time.monotonic() - began, os.times()
            cpu = now.children_user - used.children_user + now.children_system - used.children_system
            # The first round warms up.
            if number:
                figures[way]["wall"].append(round(wall, 4))
                figures[way]["cpu"].append(round(cpu, 2))
        for way, output in outputs.items():
            if not filecmp.cmp(output, outputs["one run"], shallow=False):
                raise Failure(f"{way} gives other bytes than one run")
    return figures


def reduce(options, host, data, by):
    command = [host, "--quiet", "--workers", str(WORKERS), "--plugin", wasm("count-by"),
               "--param", f"by={by}", "-o", "/dev/null", data]
    figures = []
    for _ in range(3):
        began = time.monotonic()
        child = subprocess.Popen(command)
        sampler = Sampler(child.pid)
        while child.poll() is None:
            sampler.sample()
        if child.returncode != 0:
            raise Failure(f"counting by {by} failed")
        figures.append({"peak": sampler.peak, **sampler.parts, "samples": sampler.samples,
                        "wall": round(time.monotonic() - began, 2)})
    state = options.dir / "state"
    run([[host, "--quiet", "--plugin", wasm("count-by"), "--param", f"by={by}", "--partial-state", "-o", state, data]])
    return {"runs": figures, "state": state.stat().st_size}


def tables(trial):
    lines = [f"{trial['date']}, {trial['commit']}, {trial['cpu']}, {trial['records']:,} events, {WORKERS} workers"]
    for name, chain in trial["chains"].items():
        one = {what: statistics.median(walls) for what, walls in chain["one run"].items()}
        lines += ["", f"| three plugins {name} | median s | best s | of one run | CPU s | of one run |", "|---|---|---|---|---|---|"]
        for way, figures in chain.items():
            wall, cpu = statistics.median(figures["wall"]), statistics.median(figures["cpu"])
            lines.append(f"| {way} | {wall:.3f} | {min(figures['wall']):.3f} | {wall / one['wall']:.2f} "
                         f"| {cpu:.2f} | {cpu / one['cpu']:.2f} |")
    lines += ["", "| count-by | state, MB | peak of all processes, MiB (highest of 3) | s |", "|---|---|---|---|"]
    for by, found in trial["reduce"].items():
        peak = max(figure["peak"] for figure in found["runs"])
        wall = statistics.median(figure["wall"] for figure in found["runs"])
        lines.append(f"| {by} | {found['state'] / 1e6:.2f} | {peak / MIB:.0f} | {wall} |")
    return "\n".join(lines)


if __name__ == "__main__":
    try:
        main()
    except Failure as failure:
        sys.exit(f"error: {failure}")
