#!/usr/bin/env python3
"""What it costs to synchronise output and journal with the disk.

    python3 benches/fsync.py            build, make the data, table, record
    python3 benches/fsync.py --help     everything else

The three policies of --fsync on one input, in turn, and the output of each compared with the others'.
"""

import argparse
import filecmp
import os
import statistics
import sys

from suite import figures, inputs, machine, timing
from suite.programs import Failure, add_places, path, places, plugin, positive

POLICIES = ["never", "checkpoint", "range"]


def main():
    parser = argparse.ArgumentParser(description="Times the policies of --fsync in turn.")
    parser.add_argument("--rounds", type=positive, default=9, help="how often each is run (9)")
    parser.add_argument("--records", type=positive, default=600_000, help="events (600,000)")
    parser.add_argument("--out", type=path, help="a directory on the disk to be measured (that of the data)")
    add_places(parser)
    options = parser.parse_args()
    bin_dir = places(options)
    data = inputs.events(options.dir, bin_dir, options.records)
    place = options.out or options.dir
    outputs = {policy: place / f"fsync.{policy}" for policy in POLICIES}
    runs = []
    for number in range(options.rounds):
        for policy in timing.in_turn(POLICIES, number):
            # It keeps about half of the events: as much is written as most jobs write.
            command = [bin_dir / "host", "--quiet", "--plugin", plugin("longer"), "--fsync", policy]
            # What others have written is not to be paid for here.
            os.sync()
            runs.append({"policy": policy} | timing.run([*command, "-o", outputs[policy], data]))
        for output in outputs.values():
            if not filecmp.cmp(output, outputs["never"], shallow=False):
                raise Failure(f"{output} holds other bytes than {outputs['never']}")
    facts = {"bytes in": data.stat().st_size, "bytes out": outputs["never"].stat().st_size}
    for output in outputs.values():
        output.unlink()
    trial = {"facts": machine.facts() | facts, "runs": runs}
    print(table(trial))
    figures.keep(options.runs_dir, "fsync", trial, section)


def table(trial):
    walls = {policy: [run["wall"] for run in trial["runs"] if run["policy"] == policy] for policy in POLICIES}
    never = statistics.median(walls["never"])
    rows = [[policy, f"{statistics.median(seen):.3f}", f"{statistics.median(seen) / never:.2f}",
             f"{timing.spread(seen):.0%}"] for policy, seen in walls.items()]
    return figures.markdown(["--fsync", "median s:", "of never:", "spread:"], rows)


def section(trial):
    known = trial["facts"]
    return f"""## What --fsync costs, {known["date"]}, commit {known["commit"]}

{known["bytes in"] / 1e6:.0f} MB in, {known["bytes out"] / 1e6:.0f} MB out. {machine.sentence(trial)}

{table(trial)}
"""


if __name__ == "__main__":
    try:
        main()
    except Failure as failure:
        sys.exit(f"error: {failure}")
