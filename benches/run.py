#!/usr/bin/env python3
"""Times `host` and what one would use in its place, side by side on the same data.

    python3 benches/run.py                  build, make the data, check, time, tables, record
    python3 benches/run.py --install        before that, install the peers that are missing
    python3 benches/run.py --check          exit 1 if a floor is missed
    python3 benches/run.py --help           everything else

What is compared, and why that is fair, is told in benches/README.md; the programs and how they are
called, in benches/suite/peers.py.
"""

import argparse
import filecmp
import itertools
import json
import os
import shutil
import statistics
import sys
from typing import NamedTuple

from suite import figures, inputs, machine, peers, timing
from suite.peers import JOBS, PEERS, REFERENCE, Call
from suite.programs import Failure, add_places, names_of, places, positive

# A program that takes longer than so many seconds is timed only so many times.
SLOW = 2.5
ROUNDS_OF_SLOW = 3


class Case(NamedTuple):
    """A table: a job over a file, or over the same data by a pipe."""

    name: str
    job: str
    # What the data is, for people.
    data: str
    # Number and size of the events; None for the cities.
    records: int | None
    size: str = "usual"
    piped: bool = False
    # The only peers, where not all are timed.
    only: tuple = ()


# Those that can be waited for with gigabytes of data.
QUICK = ("native", "native-2", "host-1", "host-2", "node-messages", "node-parts", "duckdb-1", "duckdb-2",
         "jaq", "parallel", "grep")

CASES = [
    Case("filter", "filter", "600,000 events of 627 bytes", inputs.EVENTS),
    Case("map", "map", "600,000 events of 627 bytes", inputs.EVENTS),
    Case("flat-map", "flat-map", "600,000 events of 627 bytes", inputs.EVENTS),
    Case("count-by", "count-by", "600,000 events of 627 bytes", inputs.EVENTS),
    Case("filter-stdin", "filter", "600,000 events of 627 bytes, by a pipe", inputs.EVENTS, piped=True),
    Case("filter-lines", "filter", "3,000,000 lines of 60 bytes", inputs.LINES, "small"),
    Case("filter-documents", "filter", "20,000 documents of 10 KB", inputs.DOCUMENTS, "large"),
    Case("flat-map-documents", "flat-map", "20,000 documents of 10 KB", inputs.DOCUMENTS, "large"),
    Case("cities", "cities", "an array of 171,075 cities", None),
    Case("filter-large", "filter", "3,500,000 events, 2.2 GB", 3_500_000, only=QUICK),
]


class Promise(NamedTuple):
    """In the table of `case`, the median time of `peer` is at most `floor` times that of `other`; what
    is wanted is `goal`."""

    case: str
    peer: str
    other: str
    floor: float
    goal: float
    text: str


PROMISES = [
    Promise("filter", "host-1", "native", 1.45, 1.30, "one worker against native"),
    Promise("filter", "host-2", "node-messages", 1 / 3, 1 / 6, "two workers against node cluster (a)"),
    Promise("filter", "host-2", "node-parts", 1 / 2.5, 1 / 4, "two workers against node cluster (b)"),
    Promise("filter", "host-2", "jaq", 1 / 8, 1 / 10, "two workers against jaq"),
    Promise("filter", "host-2", "duckdb-2", 1 / 1.5, 1 / 2, "two workers against DuckDB with two threads"),
    Promise("filter-large", "host-2", "host-1", 1 / 1.6, 1 / 1.8, "two workers against one, 2.2 GB"),
]


def main():
    options = parse_arguments()
    bin_dir = places(options)
    if options.install:
        peers.install(bin_dir, options.dir)
    tools = peers.find(bin_dir, options.dir)
    if not tools[REFERENCE] or not tools["host"]:
        raise Failure(f"host or the native program is not in {bin_dir}")
    trial = {
        "facts": machine.facts() | {"rounds": options.rounds, "seed": options.seed},
        "versions": peers.versions(tools),
        "cases": {},
        "runs": [],
    }
    failed = False
    for case in CASES:
        if case.name in options.cases:
            try:
                time_case(options, bin_dir, tools, case, trial)
            except Failure as failure:
                # What was seen of the others is kept.
                failed = True
                print(f"error: {failure}", file=sys.stderr)
                del trial["cases"][case.name]
                trial["runs"] = [run for run in trial["runs"] if run["case"] != case.name]
    if trial["runs"]:
        print(page(trial))
        timing.warn_if_busy(trial)
        if not options.no_record:
            figures.keep(options.runs_dir, "peers", trial, section)
    broken = options.check and not all(kept for _, kept in verdicts(trial))
    return 1 if failed or broken else 0


def parse_arguments():
    parser = argparse.ArgumentParser(
        description="Times host and its peers side by side on the same data.",
        epilog="What is compared, and why that is fair, is told in benches/README.md.",
    )
    cases, names = [case.name for case in CASES], [peer.name for peer in PEERS]
    add = parser.add_argument
    add("--rounds", type=positive, default=7, help=f"how often each program is timed (7; {ROUNDS_OF_SLOW} times "
        f"if it takes over {SLOW} s)")
    add("--cases", type=names_of(cases), default=cases, help=f"some of {', '.join(cases)} (all)")
    add("--only", type=names_of(names), default=names,
        help=f"some of {', '.join(names)} (all); {REFERENCE} always runs")
    add("--scale", type=float, default=1.0, help="this part of the records (1)")
    add("--seed", type=int, default=1, help="seed of the data (1)")
    add("--install", action="store_true", help="install the peers that are missing (needs root for some)")
    add("--check", action="store_true", help="exit 1 if a floor is missed, or could not be checked")
    add("--no-record", action="store_true", help="keep no figures")
    add("--limit", type=positive, default=600, help="seconds after which a program is killed (600)")
    add_places(parser)
    return parser.parse_args()


def time_case(options, bin_dir, tools, case, trial):
    """Checks and times every program that can do the case, and puts what was seen into the trial."""
    print(f"{case.name}: {JOBS[case.job].what}", file=sys.stderr)
    data = data_of(options, bin_dir, case)
    about = trial["cases"][case.name] = {"skipped": {}}
    if data is None:
        about["skipped"] = {peer.name: "the data cannot be had" for peer in PEERS}
        return
    about |= {"bytes": data.stat().st_size, "sha256": inputs.digest(data)}
    bench = Bench(options, case, data, tools)
    able = []
    for peer in PEERS:
        if why := bench.why_not(peer):
            about["skipped"][peer.name] = why
        else:
            able.append(peer)
    rounds = {}
    for peer in able:
        seconds, about.setdefault("equal", {})[peer.name] = bench.first_run(peer)
        rounds[peer.name] = min(options.rounds, ROUNDS_OF_SLOW) if seconds > SLOW else options.rounds
        print(f"  output equal: {peer.name} ({seconds:.2f} s)", file=sys.stderr)
    for number in range(1, options.rounds + 1):
        for peer in timing.in_turn([peer for peer in able if number <= rounds[peer.name]], number):
            seen = {"case": case.name, "round": number, "program": peer.name}
            trial["runs"].append(seen | bench.run(peer))
            bench.compare(peer)
    bench.remove()


def data_of(options, bin_dir, case):
    if case.records is None:
        return inputs.cities(options.dir)
    records = max(int(case.records * options.scale), 1)
    return inputs.events(options.dir, bin_dir, records, case.size, seed=options.seed)


class Bench:
    """Runs programs on one data file, one at a time, and compares what they write."""

    def __init__(self, options, case, data, tools):
        self.options = options
        self.case = case
        self.job = JOBS[case.job]
        self.data = data
        self.tools = tools
        # Program -> its output in the first run, which was compared with the reference's.
        self.first = {}

    def call(self, peer):
        source = None if self.case.piped else self.data
        return Call(self.case.job, source, self.output(peer), self.tools)

    def why_not(self, peer):
        """Why a program is not timed; None if it is."""
        if peer.name not in self.options.only and peer.name != REFERENCE:
            return "not among --only"
        if self.case.only and peer.name not in self.case.only:
            return "would take minutes"
        if missing := [tool for tool in peer.tools.split() if not self.tools[tool]]:
            return f"{' and '.join(missing)} not found"
        command = peer.command(self.call(peer))
        return command if isinstance(command, str) else None

    def first_run(self, peer):
        """One run, untimed, which warms the caches; gives its seconds, and how its output equals the
        reference's."""
        seconds = self.run(peer)["wall"]
        kept = self.first[peer.name] = self.options.dir / f"first.{self.case.name}.{peer.name}"
        self.output(peer).replace(kept)
        reference = self.first[REFERENCE]
        if filecmp.cmp(kept, reference, shallow=False):
            return seconds, "bytes"
        if peer.raw and self.job.keeps_bytes:
            raise Failure(f"{self.case.name}: {peer.name} wrote other bytes than {REFERENCE}: see {kept}")
        if fault := difference(kept, reference, self.job.ordered):
            raise Failure(f"{self.case.name}: {peer.name} and {REFERENCE} differ: {fault}: see {kept}")
        return seconds, "values"

    def run(self, peer):
        """One timed run; see timing.run."""
        # No write-back of somebody's earlier output during this run.
        os.sync()
        call = self.call(peer)
        feed = ["cat", self.data] if self.case.piped else None
        seen = timing.run(peer.command(call), self.options.limit, feed, call.out if peer.prints else None)
        if peer.parts:
            self.join(call.out, peer.parts)
        return seen

    def join(self, output, number):
        """Puts part files together; not timed."""
        with output.open("wb") as whole:
            for part in (output.with_name(f"{output.name}.{place}") for place in range(number)):
                with part.open("rb") as source:
                    shutil.copyfileobj(source, whole, 1 << 20)
                part.unlink()

    def compare(self, peer):
        """Demands what the program wrote the first time, and removes it."""
        output, first = self.output(peer), self.first[peer.name]
        filecmp.clear_cache()
        if not filecmp.cmp(output, first, shallow=False):
            if self.job.ordered or difference(output, first, False):
                raise Failure(f"{self.case.name}: {peer.name} wrote something else than before: see {output}")
        output.unlink()

    def remove(self):
        for kept in self.first.values():
            kept.unlink()

    def output(self, peer):
        return self.options.dir / f"out.{self.case.name}.{peer.name}"


def difference(left, right, ordered):
    """The first difference of two files of JSON lines as values, or None."""
    with left.open(encoding="utf-8") as ours, right.open(encoding="utf-8") as theirs:
        if not ordered:
            ours, theirs = (sorted(map(canonical, lines)) for lines in (ours, theirs))
        for number, pair in enumerate(itertools.zip_longest(ours, theirs), 1):
            if None in pair:
                return f"one ends before line {number}"
            if pair[0] != pair[1] and canonical(pair[0]) != canonical(pair[1]):
                return f"line {number}"
    return None


def canonical(line):
    return json.dumps(json.loads(line), sort_keys=True)


def medians(trial, case):
    """Program -> the median of its wall times in seconds, in the order of PEERS."""
    found = {}
    for peer in PEERS:
        if walls := [run["wall"] for run in runs_of(trial, case, peer.name)]:
            found[peer.name] = statistics.median(walls)
    return found


def runs_of(trial, case, program):
    return [run for run in trial["runs"] if run["case"] == case and run["program"] == program]


def table(trial, case):
    """The figures of one case."""
    about, times = trial["cases"][case], medians(trial, case)
    rows = []
    for peer in PEERS:
        if peer.name not in times:
            continue
        runs = runs_of(trial, case, peer.name)
        walls = [run["wall"] for run in runs]
        cpu = statistics.median(run["user"] + run["sys"] for run in runs)
        rows.append([
            peer.what, f"{times[peer.name]:.3f}", f"{min(walls):.3f}", f"{timing.spread(walls):.0%}", len(walls),
            f"{cpu:.2f}", f"{about['bytes'] / 1e6 / times[peer.name]:.0f}",
            f"{times[peer.name] / times[REFERENCE]:.2f}", about["equal"][peer.name],
        ])
    columns = ["program", "median s:", "best s:", "spread:", "runs:", "CPU s:", "MB/s:", "of native:", "same"]
    skipped = "; ".join(f"{name} ({why})" for name, why in about["skipped"].items())
    return figures.markdown(columns, rows) + (f"\n\nNot timed: {skipped}." if skipped else "")


def verdicts(trial):
    """(text, whether the floor is kept) for each promise of the cases that were timed."""
    said = []
    for promise in PROMISES:
        if promise.case not in trial["cases"]:
            continue
        times = medians(trial, promise.case)
        if promise.peer not in times or promise.other not in times:
            said.append((f"NOT CHECKED: {promise.text}", False))
            continue
        ratio = times[promise.peer] / times[promise.other]
        kept = ratio <= promise.floor
        how = "reached" if ratio <= promise.goal else "kept" if kept else "MISSED"
        said.append((f"{how}: {promise.text}: {times_of(ratio)}; wanted {times_of(promise.goal)}, "
                     f"floor {times_of(promise.floor)}", kept))
    return said


def times_of(ratio):
    """A ratio of times, in words."""
    return f"{ratio:.2f} times the time" if ratio > 1 else f"{1 / ratio:.2f} times as fast"


def page(trial):
    parts = []
    for case in CASES:
        if about := trial["cases"].get(case.name):
            size = f", {about['bytes'] / 1e6:.1f} MB" if "bytes" in about else ""
            parts.append(f"### {case.name}: {JOBS[case.job].what}; {case.data}{size}\n\n" + (
                table(trial, case.name) if "bytes" in about else "skipped: the data cannot be had"))
    if said := verdicts(trial):
        parts.append("\n".join(f"* {text}" for text, _ in said))
    return "\n\n".join(parts)


def section(trial):
    known = trial["facts"]
    return f"""## Peers, {known["date"]}, commit {known["commit"]}

{machine.sentence(trial)} Other programs took {timing.others_share(trial):.1%} of the cores meanwhile. \
{"; ".join(trial["versions"].values())}. "same": whether the output equals native's to the byte, or as JSON \
values in the same order (counts: in any order).

{page(trial)}
"""


if __name__ == "__main__":
    try:
        sys.exit(main())
    except Failure as failure:
        sys.exit(f"error: {failure}")
