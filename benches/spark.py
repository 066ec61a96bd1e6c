#!/usr/bin/env python3
"""Asks what Spark costs around a plugin, and a plugin in Spark: events filtered by `type`.

    python3 benches/spark.py             build, make the data, time, record
    python3 benches/spark.py --help      everything else

It needs Java and PyPI's pyspark (or SPARK_HOME), and starts a cluster on this machine, with one worker
of a core and with two. Spark by itself reads and writes lines (the null job), or takes out the
member and compares (its own filter); `host spark` does the same two with plugins, one that keeps all
records at once, so that what passing them through costs can be told, and the filter. Each is timed over
the events once and eight times, so that what a byte costs can be told from what a job costs, and the
null job and `host spark` over the events once in many small tasks, so that what a task costs can be
told, in the cluster and in the driver. From these follows what 100 machines would take for 10 TB.
"""

import argparse
import os
import shutil
import statistics
import sys
import tempfile
from pathlib import Path

from suite import figures, inputs, machine, timing
from suite.programs import ROOT, Failure, add_places, constant_filter, places, plugin, positive

sys.path.insert(0, str(ROOT / "tests" / "spark"))
from cluster import Cluster  # noqa: E402  (it lies with the tests)

TIMES = [1, 8]
# Bytes of a file for a task where there are to be many; Spark takes 128 MiB otherwise, and `host
# spark` a block of the file system, which is 32 MiB where that has none.
SMALL = 256 << 10
BLOCKS = {"the null job": 128 << 20, "host spark": 32 << 20}
# The cluster of the model, its storage (bytes a second for each machine: 10 Gbit/s) and what a rename
# is taken to cost there, in seconds.
MACHINES, CORES, STORAGE, RENAME, TB = 100, 16, 1.25e9, 0.002, 1e12
CONF = ["--conf", "spark.executor.memory=512m", "--conf", "spark.log.level=ERROR"]


def main():
    options = parse_arguments()
    bin_dir = places(options)
    lines = inputs.events(options.dir, bin_dir, options.records)
    facts, seen, counts = machine.facts(), [], {}
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
                    seen.append({"way": way[0], "times": way[1], "workers": workers, "round": number, **ran})
                    if way[0] not in ["the null job", "host spark, all kept"]:
                        times = 1 if way[1] == "small" else way[1]
                        counts.setdefault(times, written(out))
                        if written(out) != counts[times]:
                            raise Failure(f"{way[0]} has other records")
    facts = facts | {"records": options.records, "bytes": lines.stat().st_size}
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
    plugins = {"host spark": plugin("filter"), "host spark, all kept": constant_filter(out.parent, keeps=True)}
    alone = [str(host), "--quiet", "--workers", str(workers), "--plugin", str(plugin("filter"))]

    def ours(way, read, *flags):
        words = ["spark", "--quiet", "--master", cluster.url, "--plugin", str(plugins[way]), *flags]
        return [str(host), *words, *read, str(out), "--", *CONF]

    commands = {}
    for times in TIMES:
        read = [str(lines)] * times
        commands["the null job", times] = [*spark, job, "null", *read, str(out)]
        commands["its own filter", times] = [*spark, job, "filter", *read, str(out)]
        for way in plugins:
            commands[way, times] = ours(way, read)
        commands["host alone", times] = [*alone, "-o", str(out / "part-0"), *read]
    sizes = ["--conf", f"spark.sql.files.maxPartitionBytes={SMALL}", "--conf", "spark.sql.files.openCostInBytes=0"]
    commands["the null job", "small"] = [*spark, *sizes, job, "null", str(lines), str(out)]
    commands["host spark", "small"] = ours("host spark", [str(lines)], "--split-size", str(SMALL))
    return commands


def written(out):
    """How many records there are."""
    return sum(part.read_bytes().count(b"\n") for part in Path(out).glob("part-*"))


def section(trial):
    facts, runs = trial["facts"], trial["runs"]
    walls = middle(runs, lambda run: run["wall"])
    cpus = middle(runs, lambda run: run["user"] + run["sys"])
    rows, tasks = [], []
    for workers in [1, 2]:
        for way in dict.fromkeys(run["way"] for run in runs):
            once, more, job = costs(walls, way, workers)
            rows.append([way, workers, f"{once:.1f}", f"{walls[way, TIMES[1], workers]:.1f}", f"{more:.2f}", f"{job:.1f}"])
        for way in BLOCKS:
            core, driver = task_costs(facts, walls, cpus, way, workers)
            tasks.append([way, workers, f"{core * 1000:.0f}", f"{driver * 1000:.1f}"])
    head = ["way", "workers:", "once, s:", "eight times, s:", "each time more, s:", "a job, s:"]
    said = f"{facts['records']:,} events, {facts['bytes'] / 1e6:.0f} MB. "
    return f"""## Spark, {facts["date"]}, commit {facts["commit"]}

{said}{machine.sentence(trial)}

{figures.markdown(head, rows)}

What a task costs, from tasks of {SMALL >> 10} KiB:

{figures.markdown(["way", "workers:", "a task, ms of a core:", "of it the driver, ms of CPU time:"], tasks)}

{model(facts, walls, cpus)}
"""


def middle(runs, of):
    """The medians, by way, times and workers."""
    values = {}
    for run in runs:
        values.setdefault((run["way"], run["times"], run["workers"]), []).append(of(run))
    return {key: statistics.median(several) for key, several in values.items()}


def costs(walls, way, workers):
    """Seconds for the events once, for each time more, and without any."""
    once = walls[way, 1, workers]
    more = (walls[way, TIMES[1], workers] - once) / (TIMES[1] - 1)
    return once, more, once - more


def task_costs(facts, walls, cpus, way, workers):
    """Seconds of a core for a task, and seconds of CPU time for it in the driver."""
    further = facts["bytes"] / SMALL - facts["bytes"] / BLOCKS[way]
    wall, driver = ((of[way, "small", workers] - of[way, 1, workers]) / further for of in (walls, cpus))
    return wall * workers, driver


def model(facts, walls, cpus):
    """What the cluster of the model would take."""
    _, more, job = costs(walls, "host spark", 2)
    rate = facts["bytes"] / more / 2
    task, driver = task_costs(facts, walls, cpus, "host spark", 2)
    alone = facts["bytes"] / costs(walls, "host alone", 2)[1] / 2
    rows = []
    for size in [128 << 20, 1 << 30]:
        for limit in [None, STORAGE]:
            count = 10 * TB / size
            work = 10 * TB / MACHINES / min(rate * CORES, limit or rate * CORES)
            tasks = max(count * task / (MACHINES * CORES), count * driver)
            last, renames = size / rate, count * RENAME
            total = job + work + tasks + last + renames
            rows.append([
                f"{size >> 20} MiB", "10 Gbit/s" if limit else "no limit", f"{count:,.0f}",
                *(f"{seconds:.0f}" for seconds in (job, work, tasks, last, renames, total)),
            ])
    head = ["a task reads", "storage, a machine", "tasks:", "start, s:", "work, s:", "tasks, s:", "last task, s:", "renames, s:", "in all, s:"]
    one = 10 * TB / min(alone * CORES, STORAGE) / 3600
    return f"""A model of {MACHINES} machines with {CORES} cores each and 10 TB, from the figures with two workers: a core \
does {rate / 1e6:.0f} MB/s in Spark and {alone / 1e6:.0f} MB/s without; a task costs {task * 1000:.0f} ms of a core, and the driver, which \
starts one after the other, {driver * 1000:.1f} ms. Work is the bytes by the cores' rate, or by the storage's; tasks are \
what they cost on all cores, or the driver, whichever is more. Assumed and not measured: each core is \
as fast as here, files are cut evenly, nothing fails, and a rename, of which there is one for each \
task at the end, takes {RENAME * 1000:.0f} ms.

{figures.markdown(head, rows)}

One such machine with `host` alone would take {one:.1f} hours, at its storage's rate or its cores'."""


if __name__ == "__main__":
    try:
        main()
    except Failure as failure:
        sys.exit(f"error: {failure}")
