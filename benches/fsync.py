#!/usr/bin/env python3
"""What it costs to synchronise output and journal with the disk: the three policies of
--fsync on one input, in turn, and the output of each compared with the others'.

    python3 benches/fsync.py EVENTS [--rounds N] [--out DIR]

EVENTS is the output of `cargo run --release --example events -- 600000`. Prints medians and
ratios, and keeps the raw figures under benches/runs/.
"""

import argparse
import datetime
import json
import os
import platform
import statistics
import subprocess
import tempfile
import time

HERE = os.path.dirname(os.path.abspath(__file__))
HOST = os.path.join(HERE, "..", "target", "release", "host")
# It keeps about half of the events: as much is written as most jobs write.
PLUGIN = os.path.join(HERE, "..", "plugins", "longer", "longer.wat")
POLICIES = ["never", "checkpoint", "range"]


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("events")
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--out", default=None, help="a directory on the disk to be measured")
    arguments = parser.parse_args()
    seconds = {policy: [] for policy in POLICIES}
    with tempfile.TemporaryDirectory(dir=arguments.out) as directory:
        outputs = set()
        for turn in range(arguments.rounds):
            for policy in POLICIES:
                output = os.path.join(directory, "out.ndjson")
                command = [HOST, "--quiet", "--plugin", PLUGIN, "--fsync", policy, "-o", output]
                # What others have written is not to be paid for here.
                os.sync()
                began = time.perf_counter()
                subprocess.run([*command, arguments.events], check=True)
                seconds[policy].append(round(time.perf_counter() - began, 4))
                outputs.add(os.path.getsize(output))
                os.remove(output)
        assert len(outputs) == 1, outputs
    median = {policy: statistics.median(seconds[policy]) for policy in POLICIES}
    facts = {
        "when": datetime.datetime.now().isoformat(timespec="seconds"),
        "machine": f"{platform.machine()}, {os.cpu_count()} cores, Linux {platform.release()}",
        "input_bytes": os.path.getsize(arguments.events),
        "output_bytes": outputs.pop(),
        "seconds": seconds,
    }
    for policy in POLICIES:
        ratio = median[policy] / median["never"]
        spread = (max(seconds[policy]) - min(seconds[policy])) / median[policy]
        print(f"{policy:<11}{median[policy]:8.3f} s  {ratio:5.2f} x never  (spread {spread:.0%})")
    name = f"fsync-{datetime.date.today().isoformat()}.json"
    with open(os.path.join(HERE, "runs", name), "w") as file:
        json.dump(facts, file, indent=1)
        file.write("\n")


main()
