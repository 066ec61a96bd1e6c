#!/usr/bin/env python3
"""Measures what the supervisor takes of the CPU beside its workers, and how much it can commit.

    python3 benches/supervisor.py             build, make the data, measure, tables, record
    python3 benches/supervisor.py --check     the same, and exit 1 if the supervisor takes too much
    python3 benches/supervisor.py --help      everything else

Three plugins go over the events: one that does nothing and drops every record, one that does nothing
and keeps every record, and the filter that keeps one of six.

*The supervisor's CPU time* is what the kernel has counted for the run with all its processes, less what
each worker had used when it was gone (`--stats`). Both are exact, and nothing slows the run down for
them. All threads of the supervisor are in it: the one that judges answers and commits, the one that
cuts the input, the one that listens to each worker.

*`write` aside*: each run is made to a file and to /dev/null. There a `write` returns at once, and
everything before it is the same (but for a journal, which has an entry a second). So what is used to
/dev/null is the supervisor's own, and what a file takes above that is the price of writing. Following
the calls instead would cost more than they do.

*For a range, for a byte*: each run is made over a smaller and a larger input, and the difference in
time divided by the difference in ranges or bytes. What a run costs to start and to end falls out.

*Cores that one supervisor feeds*: the workers' CPU time for each second of the supervisor's, from the
same differences. With so many cores of workers one supervisor would always be busy, if its threads took
turns on one core; they need not, so that it is a lower bound.
"""

import argparse
import itertools
import json
import statistics
import subprocess
import sys

from suite import inputs
from suite.figures import keep, markdown
from suite.machine import facts, sentence
from suite.programs import Failure, add_places, constant_filter, places, plugin, positive
from suite.timing import in_turn, run, warn_if_busy

# What the supervisor may take, `write` aside, as a part of what its workers take over the smaller input.
CEILING = 0.03

DROP, KEEP, FILTER = "drop all", "keep all", "filter"
WORKERS = [1, 2]
NOWHERE, FILE = "/dev/null", "file"


def main():
    options = parse_arguments()
    bin_dir = places(options)
    plugins = write_plugins(options.dir)
    runs = []
    for size in (options.small, options.large):
        data = inputs.events(options.dir, bin_dir, size)
        kinds = list(itertools.product(plugins, WORKERS, (NOWHERE, FILE)))
        for number in range(options.rounds + 1):
            for kind in in_turn(kinds, number):
                figures = measure(options, bin_dir / "host", plugins, kind, data)
                # Those before the first round see to it that all is compiled and in memory.
                if number:
                    runs.append({"size": size, **dict(zip(("plugin", "workers", "to"), kind)), "round": number}
                                | figures)
            print(f"{size:,} records, round {number}: done", file=sys.stderr)
    known = facts() | {"rounds": options.rounds, "small": options.small, "large": options.large}
    trial = {"facts": known, "runs": runs}
    verdicts = check(trial)
    print(whole_table(trial), differences_table(trial), "\n".join(text for text, _ in verdicts), sep="\n\n")
    warn_if_busy(trial)
    keep(options.runs_dir, "supervisor", trial, section)
    return 0 if all(is_kept for _, is_kept in verdicts) or not options.check else 1


def parse_arguments():
    parser = argparse.ArgumentParser(
        description="Measures the supervisor's CPU time beside that of its workers.",
        epilog="How it is measured is told at the top of this file.",
    )
    parser.add_argument("--rounds", type=positive, default=5, help="how often each kind of run is made (5)")
    parser.add_argument("--small", type=positive, default=inputs.EVENTS, metavar="N",
                        help=f"records of the smaller input ({inputs.EVENTS:,})")
    parser.add_argument("--large", type=positive, default=3_200_000, metavar="N",
                        help="records of the larger input (3,200,000, about 2 GB)")
    parser.add_argument("--check", action="store_true",
                        help=f"exit 1 if the supervisor takes more than {CEILING:.0%} of what the workers of the "
                             "filter take, `write` aside")
    add_places(parser)
    options = parser.parse_args()
    if options.large <= options.small:
        parser.error("--large must be more than --small")
    return options


def write_plugins(directory):
    """Name -> file."""
    return {
        DROP: constant_filter(directory, keeps=False),
        KEEP: constant_filter(directory, keeps=True),
        FILTER: plugin("filter"),
    }


def measure(options, program, plugins, kind, data):
    """One run: times in seconds, sizes in bytes."""
    name, workers, to = kind
    stats, output = options.dir / "supervisor-stats.json", options.dir / "supervisor.out"
    cache = options.dir / "supervisor-cache"
    cache.mkdir(mode=0o700, exist_ok=True)
    # What a run before has left is not to be taken away in this one's time.
    output.unlink(missing_ok=True)
    figures = run([program, "--plugin", plugins[name], "--workers", str(workers), "--quiet", "--cache", cache,
                   "--stats", stats, "-o", NOWHERE if to == NOWHERE else output, data])
    output.unlink(missing_ok=True)
    account = json.loads(stats.read_text())
    of_workers = sum(worker["cpu_seconds"] for worker in account["workers"])
    return figures | {
        "supervisor": round(figures["user"] + figures["sys"] - of_workers, 4),
        "of_workers": round(of_workers, 4),
        "ranges": sum(worker["ranges"] for worker in account["workers"]),
        "bytes_in": data.stat().st_size,
        "bytes_out": account["output"]["bytes"],
    }


def medians(trial, **wanted):
    """The figures of one kind of run, each the median of its rounds."""
    runs = [one for one in trial["runs"] if all(one[key] == value for key, value in wanted.items())]
    return {key: statistics.median(one[key] for one in runs)
            for key in ("wall", "supervisor", "of_workers", "ranges", "bytes_in", "bytes_out")}


def share(figures):
    return figures["supervisor"] / figures["of_workers"]


def check(trial):
    """(text, kept) for each promise."""
    verdicts = []
    for workers in WORKERS:
        part = share(medians(trial, size=trial["facts"]["small"], plugin=FILTER, workers=workers, to=NOWHERE))
        is_kept = part <= CEILING
        verdicts.append((f"{'kept' if is_kept else 'BROKEN'}: {workers} worker{'s' * (workers > 1)}: the supervisor "
                         f"takes {part:.1%} of what they take, `write` aside, at most {CEILING:.0%}", is_kept))
    return verdicts


def whole_table(trial):
    rows = []
    sizes = (trial["facts"]["small"], trial["facts"]["large"])
    for size, name, workers in itertools.product(sizes, (DROP, KEEP, FILTER), WORKERS):
        own, file = (medians(trial, size=size, plugin=name, workers=workers, to=to) for to in (NOWHERE, FILE))
        rows.append([f"{size:,}", name, workers, f"{own['ranges']:,.0f}", f"{own['bytes_in'] / 1e6:,.0f}",
                     f"{own['bytes_out'] / 1e6:,.0f}", f"{own['of_workers']:.2f}",
                     f"{own['supervisor'] * 1e3:.1f}", f"{share(own):.1%}",
                     f"{file['supervisor'] * 1e3:.1f}", f"{share(file):.1%}", f"{file['wall']:.2f}"])
    return markdown(["records:", "plugin", "workers:", "ranges:", "MB in:", "MB out:", "workers' CPU, s:",
                     "supervisor's, `write` aside, ms:", "of the workers':", "with it, ms:", "of the workers':",
                     "wall, s:"], rows)


def differences_table(trial):
    rows = []
    for name, workers in itertools.product((DROP, KEEP, FILTER), WORKERS):
        own, file = (difference(trial, plugin=name, workers=workers, to=to) for to in (NOWHERE, FILE))
        written = file["bytes_out"]
        rows.append([name, workers, f"{own['supervisor'] / own['ranges'] * 1e6:.0f}", f"{share(own):.1%}",
                     f"{1 / share(own):.1f}",
                     f"{file['supervisor'] / written * 1e9:.2f}" if written else "",
                     f"{(file['supervisor'] - own['supervisor']) / written * 1e9:.2f}" if written else "",
                     f"{written / file['supervisor'] / 1e9:.1f}" if written else "",
                     f"{1 / share(file):.1f}" if written else ""])
    return markdown(["plugin", "workers:", "for a range, `write` aside, µs:", "of the workers':", "cores fed:",
                     "for a byte of output, with `write`, ns:", "`write` alone, ns:", "commits, GB/s:",
                     "cores fed, with `write`:"], rows)


def difference(trial, **wanted):
    """What the larger input takes above the smaller."""
    small, large = (medians(trial, size=trial["facts"][size], **wanted) for size in ("small", "large"))
    return {key: large[key] - small[key] for key in large}


def section(trial):
    known = trial["facts"]
    verdicts = "\n".join(f"* {text}" for text, _ in check(trial))
    return f"""## The supervisor, {known["date"]}, commit {known["commit"]}

Medians of {known["rounds"]} rounds. {sentence(trial)} What is counted is told at the top of `benches/supervisor.py`.

Whole runs:

{whole_table(trial)}

What {known["large"]:,} records take above {known["small"]:,}:

{differences_table(trial)}

{verdicts}
"""


if __name__ == "__main__":
    try:
        sys.exit(main())
    except (Failure, subprocess.CalledProcessError) as fault:
        sys.exit(f"error: {fault}")
