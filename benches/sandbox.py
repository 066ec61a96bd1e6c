#!/usr/bin/env python3
"""Times what the sandbox costs: the same runs with every layer and with none, in turn.

    python3 benches/sandbox.py            build, make the data, both tables, record
    python3 benches/sandbox.py --help     everything else

Two questions are asked. *Start*: how much longer does a run over one small record take, in which a
compile worker and one worker are started and lock themselves? *Speed*: how much longer does the
work of benches/run.py take? Each pair of runs lies side by side, in turn forwards and backwards, and
the difference is taken pair by pair: what slows the machine down meanwhile slows both.
"""

import argparse
import statistics
import subprocess
import sys
import time

from suite import figures, inputs, machine
from suite.programs import ROOT, Failure, add_places, places, plugin, positive

MODES = ["off", "strict"]


def main():
    options = parse_arguments()
    bin_dir = places(options)
    record_file = options.dir / "one.ndjson"
    record_file.write_text('{"type":"PushEvent"}\n')
    data = inputs.events(options.dir, bin_dir, options.records)
    trials = {
        "start, 1 worker": (options.starts, ["--workers", "1", record_file]),
        "speed, 1 worker": (options.rounds, ["--workers", "1", data]),
        "speed, 2 workers": (options.rounds, ["--workers", "2", data]),
    }
    runs = []
    for name, (rounds, arguments) in trials.items():
        command = [bin_dir / "host", "--plugin", plugin("filter"), "--quiet", "-o", options.dir / "out"]
        runs += [{"run": name} | seen for seen in pairs([*command, *arguments], rounds)]
        print(f"{name}: done", file=sys.stderr)
    trial = {"facts": machine.facts() | {"bytes": data.stat().st_size}, "runs": runs}
    print(table(trial))
    figures.keep(options.runs_dir, "sandbox", trial, section)
    return 0


def parse_arguments():
    parser = argparse.ArgumentParser(description="Times runs with the sandbox and without.")
    add = parser.add_argument
    add("--starts", type=positive, default=100, help="pairs of runs over one record (100)")
    add("--rounds", type=positive, default=9, help="pairs of runs over the data (9)")
    add("--records", type=positive, default=600_000, help="events in the data file (600,000)")
    add_places(parser)
    return parser.parse_args()


def pairs(command, rounds):
    """Wall times in seconds of each mode, pair by pair. One pair before is not counted."""
    seen = []
    for number in range(rounds + 1):
        pair = {}
        for mode in MODES if number % 2 else reversed(MODES):
            began = time.monotonic()
            subprocess.run([*command, "--sandbox", mode], cwd=ROOT, check=True)
            pair[mode] = round(time.monotonic() - began, 5)
        seen.append(pair)
    return seen[1:]


def table(trial):
    rows = []
    for name in dict.fromkeys(run["run"] for run in trial["runs"]):
        runs = [run for run in trial["runs"] if run["run"] == name]
        off, strict = (statistics.median(run[mode] for run in runs) for mode in MODES)
        low, ratio, high = statistics.quantiles([run["strict"] / run["off"] for run in runs], n=4)
        rows.append([name, len(runs), f"{off * 1000:.1f} ms", f"{strict * 1000:.1f} ms", f"{ratio:.3f}",
                     f"{low:.3f} to {high:.3f}"])
    columns = ["run", "pairs:", "without, median:", "strict, median:", "strict / without:", "middle half of the pairs:"]
    return figures.markdown(columns, rows)


def section(trial):
    return f"""## Sandbox, {trial["facts"]["date"]}, commit {trial["facts"]["commit"]}

{machine.sentence(trial)}

{table(trial)}
"""


if __name__ == "__main__":
    try:
        sys.exit(main())
    except (Failure, subprocess.CalledProcessError) as fault:
        sys.exit(f"error: {fault}")
