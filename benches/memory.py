#!/usr/bin/env python3
"""Measures the memory that `host` and its workers use together, and that it does not grow with the input.

    python3 benches/memory.py             build, 10 MB, 1 GB and 5 GB as file and as stream, table, record
    python3 benches/memory.py --check     the same, and exit 1 if a promise is broken
    python3 benches/memory.py --help      everything else

How memory is counted is told in benches/suite/footprint.py. Beside it stands the sum of each process's
own peak (VmHWM, which misses nothing between two samples but counts what is shared once for each
process and adds peaks of different moments): the truth cannot be above that.
"""

import argparse
import statistics
import subprocess
import sys

from suite import figures, inputs, machine
from suite.footprint import MIB, watched
from suite.programs import ROOT, Failure, add_places, names_of, path, places

# Name, and number of events that have about that size: one has 627 bytes on average.
SIZES = {"10 MB": 15_950, "1 GB": 1_595_000, "5 GB": 7_975_000}
WAYS = ["file", "stream"]

CEILING = 256 * 2**20
GROWTH = 0.10

def main():
    options = parse_arguments()
    bin_dir = places(options)
    facts = machine.facts() | {
        "plugin": options.plugin.name,
        "workers": options.workers,
        "arguments": " ".join(options.arguments),
        "rounds": options.rounds,
    }
    runs = []
    for size in options.sizes:
        for way in options.ways:
            source = Source(options, bin_dir, size, way)
            try:
                for number in range(1, options.rounds + 1):
                    found = measure(options, bin_dir, source)
                    runs.append({"size": size, "way": way, "round": number} | found)
                    print(f"{size}, {way}, round {number}: {found['peak'] / MIB:.1f} MiB, "
                          f"{found['samples']} samples in {found['wall']} s", file=sys.stderr)
            finally:
                source.remove()
    trial = {"facts": facts, "runs": runs}
    print(table(trial))
    verdicts = check(trial)
    print("\n".join(text for text, _ in verdicts))
    figures.keep(options.runs_dir, "memory", trial, section)
    kept = all(kept for _, kept in verdicts)
    return 0 if kept or not options.check else 1


def parse_arguments():
    parser = argparse.ArgumentParser(
        description="Measures the peak memory of host and its workers together.",
        epilog="How it is counted is told in benches/suite/footprint.py.",
    )
    parser.add_argument("--rounds", type=int, default=3, help="runs of each kind (3)")
    parser.add_argument("--workers", type=int, default=2, help="worker processes (2)")
    parser.add_argument("--sizes", type=names_of(SIZES), default=list(SIZES),
                        help=f"some of {', '.join(SIZES)}, separated by commas (all)")
    parser.add_argument("--ways", type=names_of(WAYS), default=WAYS,
                        help="file, stream or both, separated by a comma (both)")
    parser.add_argument("--check", action="store_true",
                        help="exit 1 unless 1 GB and 5 GB differ by 10 %% at most and no run needs "
                             "more than 256 MiB; what was not measured counts as broken")
    parser.add_argument("--with", dest="arguments", type=str.split, default=[], metavar="ARGUMENTS",
                        help='further arguments for host, such as "--window 8MiB"')
    parser.add_argument("--plugin", type=path, default=ROOT / "plugins/filter/filter.wasm")
    add_places(parser)
    parser.add_argument("--limit", type=float, default=3600, metavar="SECONDS",
                        help="after which a run counts as hung (3600)")
    options = parser.parse_args()
    if min(options.rounds, options.workers) < 1:
        parser.error("--rounds and --workers must be at least 1")
    return options


class Source:
    """The input of a run: a file that lies ready, or a generator that writes into a pipe."""

    def __init__(self, options, bin_dir, size, way):
        self.generator = inputs.generate(bin_dir, SIZES[size])
        self.file = None
        if way == "file":
            self.file = options.dir / f"memory-{SIZES[size]}.ndjson"
            with self.file.open("wb") as sink:
                subprocess.run(self.generator, stdout=sink, check=True)

    def remove(self):
        if self.file:
            self.file.unlink(missing_ok=True)


def measure(options, bin_dir, source):
    """One run; see footprint.watched."""
    arguments = [source.file] if source.file else ["--from", "ndjson", "-"]
    command = [bin_dir / "host", "--quiet", "--plugin", options.plugin, "--workers", str(options.workers),
               *options.arguments, *arguments, "-o", "/dev/null"]
    return watched(command, None if source.file else source.generator, options.limit)


def kinds(trial):
    """(size, way) -> its runs, in the order in which they were made."""
    groups = {}
    for run in trial["runs"]:
        groups.setdefault((run["size"], run["way"]), []).append(run)
    return groups


def table(trial):
    lines = [
        "| input | from | peak MiB | all runs | anonymous | mapped files | memory files "
        "| sum of each process's peak | supervisor's peak | samples | s |",
        "|---|---|---:|---|---:|---:|---:|---:|---:|---:|---:|",
    ]
    for (size, way), runs in kinds(trial).items():
        peaks = ", ".join(f"{run['peak'] / MIB:.1f}" for run in runs)
        # The parts belong to the run with the highest peak.
        worst = max(runs, key=lambda run: run["peak"])
        parts = " | ".join(f"{worst[part] / MIB:.1f}" for part in ("anonymous", "mapped", "memory_files"))
        sums = max(run["sum_of_peaks"] for run in runs) / MIB
        supervisor = max(run["supervisor_peak"] for run in runs) / MIB
        samples = min(run["samples"] for run in runs)
        wall = statistics.median(run["wall"] for run in runs)
        lines.append(f"| {size} | {way} | {worst['peak'] / MIB:.1f} | {peaks} | {parts} "
                     f"| {sums:.1f} | {supervisor:.1f} | {samples} | {wall:.1f} |")
    return "\n".join(lines)


def check(trial):
    """(text, kept) for each promise. A promise that could not be checked is not kept."""
    groups = kinds(trial)
    verdicts = []
    for (size, way), runs in groups.items():
        worst = max(run["peak"] for run in runs)
        kept = worst <= CEILING
        verdicts.append((f"{'kept' if kept else 'BROKEN'}: {size}, {way}: {worst / MIB:.1f} MiB, "
                         f"at most {CEILING / MIB:.0f} MiB", kept))
    for way in WAYS:
        pair = [groups.get((size, way)) for size in ("1 GB", "5 GB")]
        if None in pair:
            verdicts.append((f"NOT CHECKED: {way}: growth from 1 GB to 5 GB was not measured", False))
            continue
        small, large = (statistics.median(run["peak"] for run in runs) for runs in pair)
        growth = abs(large - small) / small
        kept = growth <= GROWTH
        verdicts.append((f"{'kept' if kept else 'BROKEN'}: {way}: 1 GB and 5 GB differ by {growth:.1%} "
                         f"(medians {small / MIB:.1f} and {large / MIB:.1f} MiB), "
                         f"at most {GROWTH:.0%}", kept))
    return verdicts


def section(trial):
    facts = trial["facts"]
    verdicts = "\n".join(f"* {text}" for text, _ in check(trial))
    given = f" and {facts['arguments']}" if facts["arguments"] else ""
    return f"""## Memory, {facts["date"]}, commit {facts["commit"]}

{facts["workers"]} workers, {facts["plugin"]}{given}, output to /dev/null; {facts["rounds"]} rounds, of which the \
highest is shown. {machine.sentence(trial)} What is counted is told in `benches/suite/footprint.py`.

{table(trial)}

{verdicts}
"""


if __name__ == "__main__":
    try:
        sys.exit(main())
    except (Failure, subprocess.CalledProcessError) as fault:
        sys.exit(f"error: {fault}")
