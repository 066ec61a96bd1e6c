#!/usr/bin/env python3
"""Asks what Spark costs around a plugin, and a plugin in Spark: events filtered by `type`.

    python3 benches/spark.py             build, make the data, time, record
    python3 benches/spark.py --help      everything else

It needs Java and PyPI's pyspark (or SPARK_HOME), and starts a cluster on this machine, with one worker
of a core and with two. Spark by itself reads and writes lines (the null job), or takes out the
member and compares (its own filter); `host spark` does the same with a plugin. Each is timed over
the events once and four times, so that what a byte costs can be told from what a job costs.
"""

import argparse
import os
import shutil
import statistics
import sys
import tempfile
from pathlib import Path

from suite import figures, inputs, machine, timing
from suite.programs import ROOT, Failure, add_places, places, plugin, positive

sys.path.insert(0, str(ROOT / "tests" / "spark"))
from cluster import Cluster  # noqa: E402  (it lies with the tests)

TIMES = [1, 4]
CONF = ["--conf", "spark.executor.memory=512m", "--conf", "spark.log.level=ERROR"]


def main():
    options = parse_arguments()
    bin_dir = places(options)
    lines = inputs.events(options.dir, bin_dir, options.records)
    seen, counts = [], {}
    for workers in [1, 2]:
        with tempfile.TemporaryDirectory() as directory, Cluster(directory, workers) as cluster:
            os.environ.update(SPARK_HOME=str(cluster.home), SPARK_LOCAL_IP="127.0.0.1")
            out = options.dir / "spark-out"
            ways = calls(bin_dir / "host", cluster, workers, lines, out)
            for number in range(options.rounds):
                for way in timing.in_turn(ways, number):
                    shutil.rmtree(out, ignore_errors=True)
                    if way[0] == "host alone":
                        out.mkdir()
                    ran = timing.run(ways[way])
                    seen.append({"way": way[0], "times": way[1], "workers": workers, "round": number, "wall": ran["wall"]})
                    if way[0] != "the null job":
                        counts.setdefault(way[1], written(out))
                        if written(out) != counts[way[1]]:
                            raise Failure(f"{way[0]} has other records")
    facts = machine.facts() | {"records": options.records, "bytes": lines.stat().st_size}
    trial = {"facts": facts, "runs": seen}
    print(section(trial))
    figures.keep(options.runs_dir, "spark", trial, section)


def parse_arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=positive, default=3, help="how often each is run (3)")
    parser.add_argument("--records", type=positive, default=600_000, help="events (600,000)")
    add_places(parser)
    return parser.parse_args()


def calls(host, cluster, workers, lines, out):
    """The commands, by what they do and how many times the events they do it with."""
    spark = [str(cluster.home / "bin" / "spark-submit"), "--master", cluster.url, *CONF]
    job = str(ROOT / "benches" / "peers" / "spark" / "filter.py")
    alone = [str(host), "--quiet", "--workers", str(workers), "--plugin", str(plugin("filter"))]
    commands = {}
    for times in TIMES:
        read = [str(lines)] * times
        commands["the null job", times] = [*spark, job, "null", *read, str(out)]
        commands["its own filter", times] = [*spark, job, "filter", *read, str(out)]
        commands["host spark", times] = [
            *(str(host), "spark", "--quiet", "--master", cluster.url, "--plugin", str(plugin("filter"))),
            *(*read, str(out), "--", *CONF),
        ]
        commands["host alone", times] = [*alone, "-o", str(out / "part-0"), *read]
    return commands


def written(out):
    """How many records there are."""
    return sum(part.read_bytes().count(b"\n") for part in Path(out).glob("part-*"))


def section(trial):
    facts, runs = trial["facts"], trial["runs"]
    rows = []
    for workers in [1, 2]:
        for way in dict.fromkeys(run["way"] for run in runs):
            walls = {
                times: [run["wall"] for run in runs if (run["way"], run["times"], run["workers"]) == (way, times, workers)]
                for times in TIMES
            }
            medians = {times: statistics.median(wall) for times, wall in walls.items()}
            slope = (medians[4] - medians[1]) / 3
            rows.append([way, f"{workers}", *(f"{medians[times]:.1f}" for times in TIMES), f"{slope:.2f}", f"{medians[1] - slope:.1f}"])
    head = ["way", "workers:", "once, s:", "four times, s:", "each time more, s:", "a job, s:"]
    said = f"{facts['records']:,} events, {facts['bytes'] / 1e6:.0f} MB. "
    return f"""## Spark, {facts["date"]}, commit {facts["commit"]}

{said}{machine.sentence(trial)}

{figures.markdown(head, rows)}
"""


if __name__ == "__main__":
    try:
        main()
    except Failure as failure:
        sys.exit(f"error: {failure}")
