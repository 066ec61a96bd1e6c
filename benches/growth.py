#!/usr/bin/env python3
"""Measures how time and peak memory grow with what `host` is given.

    python3 benches/growth.py                    build, make the data, all curves, tables, plots
    python3 benches/growth.py --curves size      only some of them
    python3 benches/growth.py --check            the same, and exit 1 if a promise is broken
    python3 benches/growth.py --help             everything else

There are five curves. Each point of a curve is run so many times (`--rounds`) for its time, in turn
forwards and backwards with all others of its curve, and as many times for its memory, apart from
the first, because whoever looks at memory takes time. Every run with a look at memory also checks that
the program's account is right: so many records read, so many failed.

* *size*: 1 MB to `--largest`, as a stream that the generator writes into a pipe and as a file. The
  generator takes time on the same cores; what it takes alone stands beside it.
* *records*: 11 B, the shortest that `filter` takes, to 16 MB a record; `--total` bytes in all, as a file
  and as a stream. A record is a JSON object with a list of strings of 80 bytes, so that a byte of a long
  record is as much work as one of a short record. All are kept but the shortest, in which "PushEvent"
  has no room. No limit of `host` has to be changed for them.
* *workers*: 1 to 64 on the cores that there are.
* *chain*: 1 to 8 plugins that all keep every record: `filter`, `map` and `redact` parse each record,
  `bare`, which this file has as text, looks at one byte.
* *failures*: none to 10 % of the records, evenly spread, end with `!` in place of `}`. `filter`
  rejects them, `bare` traps at them; they are skipped or written aside as dead letters.

What is counted as memory is told at the top of `benches/suite/footprint.py`.
"""

import argparse
import itertools
import json
import os
import resource
import statistics
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

from suite import figures, inputs, machine, timing
from suite.footprint import MIB, watched
from suite.programs import Failure, add_places, names_of, places, plugin, positive

# Bytes of an event, on average.
EVENT = 627
SIZES = [10**6, 10**7, 10**8, 10**9, 10**10]
RECORDS = [11, 100, 1000, 10_000, 100_000, 1_000_000, 4_000_000, 16_000_000]
WORKERS = [1, 2, 3, 4, 8, 16, 32, 64]
CHAIN = range(1, 9)
# Failed records in a thousand.
FAILURES = [0, 1, 10, 50, 100]

# The peak for the largest input is within this part of the peak for this many bytes.
GROWTH = 0.10
REFERENCE = 10**8

# A point further from the straight line than this is pointed out.
BEND = 0.25

NOWHERE = Path("/dev/null")
GENERATOR = "generator alone"

# Looks at the last byte of a record: traps at `!`, keeps what ends with anything else.
BARE = """\
(module
  (memory (export "memory") 2)
  ;; The answer at 16: ok, and true.
  (data (i32.const 20) "\\01")
  (func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32) (i32.const 1024))
  (func (export "keep") (param $at i32) (param $length i32) (result i32)
    (if (i32.eq
          (i32.load8_u (i32.sub (i32.add (local.get $at) (local.get $length)) (i32.const 1)))
          (i32.const 33))
      (then unreachable))
    (i32.const 16)))
"""


class Point(NamedTuple):
    """A place on a curve: a command that is run again and again."""

    curve: str
    # Where on the curve it stands, as a number and as it is shown.
    x: float
    label: str
    records: int
    series: str
    command: list
    # What writes its input, where that is a stream.
    feed: list | None = None
    failed: int = 0


def main():
    options = parse_arguments()
    bin_dir = places(options)
    bench = Bench(options, bin_dir)
    trial = {"facts": machine.facts() | {
        "rounds": options.rounds, "curves": options.curves, "largest": options.largest,
        "largest file": options.largest_file, "total": options.total, "records": options.records,
    }}
    trial["runs"] = [run for curve in options.curves for run in bench.measure(curve)]
    trial["plots"] = draw(trial, options.runs_dir)
    print(section(trial))
    timing.warn_if_busy(trial | {"runs": timed(trial)})
    figures.keep(options.runs_dir, "growth", trial, section)
    kept = all(kept for _, kept in promises(trial))
    return 0 if kept or not options.check else 1


def parse_arguments():
    parser = argparse.ArgumentParser(
        description="Measures how time and peak memory grow.",
        epilog="The curves are described at the top of this file. SIZE is a number of bytes: 1000000, 1MB, 10GB.",
    )
    add = parser.add_argument
    add("--curves", type=names_of(CURVES), default=list(CURVES), metavar="NAMES",
        help=f"some of {','.join(CURVES)} (all)")
    add("--rounds", type=positive, default=5, help="runs of each point, for time and for memory (5)")
    add("--largest", type=amount, default=SIZES[-1], metavar="SIZE", help="largest stream (10GB)")
    add("--largest-file", type=amount, default=10**9, metavar="SIZE", help="largest file (1GB)")
    add("--total", type=amount, default=2 * 10**8, metavar="SIZE",
        help="bytes of input for each length of record (200MB)")
    add("--records", type=positive, default=inputs.EVENTS,
        help="events; chains get the push events among them, failures a third of them (600,000)")
    add("--check", action="store_true",
        help=f"exit 1 unless the peaks of the largest input and of 100 MB differ by {GROWTH:.0%}% at most, for "
             "files and streams; what was not measured counts as broken")
    add("--limit", type=positive, default=3600, help="seconds after which a run is killed (3600)")
    add_places(parser)
    return parser.parse_args()


def amount(text):
    """A number of bytes."""
    units = {"KB": 10**3, "MB": 10**6, "GB": 10**9}
    unit = units.get(text[-2:].upper())
    return positive(text[:-2]) * unit if unit else positive(text)


def in_bytes(number):
    """The same as people say it."""
    for unit, name in ((10**9, "GB"), (10**6, "MB"), (10**3, "KB")):
        if number >= unit:
            return f"{number / unit:g} {name}"
    return f"{number} B"


class Bench:
    """Makes the points of curves, and runs them."""

    def __init__(self, options, bin_dir):
        self.options = options
        self.bin_dir = bin_dir
        self.directory = options.dir
        self.bare = self.directory / "growth-bare.wat"
        self.bare.write_text(BARE)
        # Data that is large, or of no use to other benchmarks.
        self.made = []

    def measure(self, curve):
        """All runs of one curve. Those for memory come first, and warm the caches up."""
        runs = []
        try:
            points = list(CURVES[curve](self))
            # No write-back of what was made during the runs.
            os.sync()
            of_host = [point for point in points if point.series != GENERATOR]
            for what, run, those in (("memory", self.look, of_host), ("time", self.clock, points)):
                for number in range(1, self.options.rounds + 1):
                    for point in timing.in_turn(those, number):
                        place = {"curve": curve, "series": point.series, "x": point.x, "label": point.label,
                                 "records": point.records, "failed": point.failed}
                        runs.append(place | {"what": what, "round": number} | run(point))
                    print(f"{curve}, {what}: round {number} of {self.options.rounds} done", file=sys.stderr)
        finally:
            for file in self.made:
                file.unlink(missing_ok=True)
            self.made.clear()
        return runs

    def clock(self, point):
        """One run in seconds; what feeds it has a figure of its own."""
        before = children_seconds()
        output = NOWHERE if point.series == GENERATOR else None
        found = timing.run(point.command, self.options.limit, feed=point.feed, output=output)
        feeder = children_seconds() - before - found["user"] - found["sys"]
        found["others"] = round(max(found["others"] - feeder, 0), 2)
        return found | {"feeder": round(max(feeder, 0), 4)}

    def look(self, point):
        """One run with a look at its memory, in bytes, and at its account."""
        stats = self.directory / "growth-stats.json"
        found = watched([*point.command, "--stats", stats], point.feed, self.options.limit)
        account = json.loads(stats.read_text())
        records = account["records"]
        failed = records["skipped"] + records["dead_lettered"]
        if (records["read"], failed) != (point.records, point.failed):
            raise Failure(f"{point.series}, {point.label}: {records['read']:,} records read and {failed:,} failed, in "
                          f"place of {point.records:,} and {point.failed:,}")
        processed = sum(worker["input_bytes"] for worker in account["workers"])
        return found | {"bytes": processed}

    def host(self, *arguments, plugins=("filter",), workers=2):
        """The command that runs plugins, by name or file, with its output going nowhere."""
        command = [self.bin_dir / "host", "--quiet", "--workers", str(workers), "-o", NOWHERE]
        for each in plugins:
            command += ["--plugin", each if isinstance(each, Path) else plugin(each)]
        return [*command, *arguments]

    def size(self):
        """Points of the curve of input sizes."""
        for size in SIZES:
            count = size // EVENT
            place = ("size", size, in_bytes(size), count)
            generate = inputs.generate(self.bin_dir, count)
            if size <= self.options.largest_file:
                data = inputs.events(self.directory, self.bin_dir, count)
                if size > REFERENCE:
                    self.made.append(data)
                yield Point(*place, "file", self.host(data))
            if size <= self.options.largest:
                yield Point(*place, "stream", self.host("--from", "ndjson", "-"), feed=generate)
                yield Point(*place, GENERATOR, generate)

    def lengths(self):
        """Points of the curve of record lengths."""
        for length in RECORDS:
            count = max(self.options.total // (length + 1), 1)
            data = self.directory / f"growth-{length}.ndjson"
            self.made.append(data)
            with data.open("wb") as sink:
                sink.writelines(itertools.repeat(record_of(length) + b"\n", count))
            place = ("records", length, in_bytes(length), count)
            yield Point(*place, "file", self.host(data))
            yield Point(*place, "stream", self.host("--from", "ndjson", "-"), feed=["cat", data])

    def workers(self):
        """Points of the curve of workers."""
        data = inputs.events(self.directory, self.bin_dir, self.options.records)
        for workers in WORKERS:
            place = ("workers", workers, str(workers), self.options.records)
            yield Point(*place, "file", self.host(data, workers=workers))

    def chain(self):
        """Points of the curve of plugins in a chain."""
        events = inputs.events(self.directory, self.bin_dir, self.options.records)
        data = self.directory / "growth-pushes.ndjson"
        self.made.append(data)
        command = [self.bin_dir / "host", "--quiet", "--plugin", plugin("filter"), "-o", data, events]
        subprocess.run(command, check=True)
        with data.open("rb") as lines:
            count = sum(1 for _ in lines)
        members = "fields=id,type,actor,repo,payload,public,created_at"
        kinds = {"filter": [], "map": ["--param", members], "redact": ["--param", "fields=public"], self.bare: []}
        for name, params in kinds.items():
            for length in CHAIN:
                place = ("chain", length, str(length), count)
                series = "bare" if name == self.bare else name
                yield Point(*place, series, self.host(*params, data, plugins=[name] * length))

    def failures(self):
        """Points of the curve of failed records."""
        count = max(self.options.records // 3, 1000)
        events = inputs.events(self.directory, self.bin_dir, count)
        letters = self.directory / "growth-letters.ndjson"
        self.made.append(letters)
        for share in FAILURES:
            data = self.directory / f"growth-failures-{share}.ndjson"
            self.made.append(data)
            failed = spoil(events, data, share)
            place = ("failures", failed, f"{share / 10:g} %", count)
            for how, name in (("rejected", "filter"), ("trapped", self.bare)):
                for what, arguments in (("skipped", ["--on-error", "skip"]),
                                        ("written aside", ["--dead-letters", letters])):
                    command = self.host(*arguments, "--max-errors", "100%", data, plugins=[name])
                    yield Point(*place, f"{how}, {what}", command, failed=failed)


def record_of(length):
    """A JSON object of so many bytes."""
    head, tail = '{"type":"PushEvent","text":["', '"]}'
    if length < len(head + tail):
        return b'{"type":""}'
    text = "the quick brown fox jumps over the lazy dog, and nobody can say whether it had to" + '","'
    whole, rest = divmod(length - len(head + tail), len(text))
    return (head + text * whole + "." * rest + tail).encode()


def spoil(events, data, share):
    """Writes the events anew, so many in a thousand with `!` for a last byte; gives how many those are."""
    failed = 0
    with events.open("rb") as source, data.open("wb") as sink:
        for number, line in enumerate(source, 1):
            if share and number % (1000 // share) == 0:
                line = line[:-2] + b"!\n"
                failed += 1
            sink.write(line)
    return failed


def children_seconds():
    """CPU time of all children that have ended."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


CURVES = {"size": Bench.size, "records": Bench.lengths, "workers": Bench.workers, "chain": Bench.chain,
          "failures": Bench.failures}


class Measured:
    """What the runs of one point have come to."""

    def __init__(self, runs):
        first = runs[0]
        self.curve, self.series, self.label = first["curve"], first["series"], first["label"]
        self.x, self.records, self.failed = first["x"], first["records"], first["failed"]
        times = [run for run in runs if run["what"] == "time"]
        self.walls = [run["wall"] for run in times]
        self.wall = statistics.median(self.walls)
        self.cpu = statistics.median(run["user"] + run["sys"] for run in times)
        self.feeder = statistics.median(run["feeder"] for run in times)
        looks = [run for run in runs if "peak" in run]
        self.peaks = [run["peak"] / MIB for run in looks]
        self.peak = statistics.median(self.peaks) if looks else None
        # The generator gives no account; what it was asked for is near enough.
        self.bytes = looks[0]["bytes"] if looks else self.x
        self.before = None

    @property
    def first(self):
        """The first point of the same series."""
        return self.before.first if self.before else self


def measured(trial, curve):
    """The points of a curve, in the order in which they were made."""
    by_point = {}
    for run in trial["runs"]:
        if run["curve"] == curve:
            by_point.setdefault((run["series"], run["x"]), []).append(run)
    points, last = [], {}
    for runs in by_point.values():
        point = Measured(runs)
        point.before = last.get(point.series)
        last[point.series] = point
        points.append(point)
    return sorted(points, key=lambda point: list(last).index(point.series))


def timed(trial):
    """The runs that were made for their time."""
    return [run for run in trial["runs"] if run["what"] == "time"]


def per_failure(seconds):
    """A column with the microseconds for each failed record; `seconds` says of what."""
    def show(at):
        return f"{(seconds(at) - seconds(at.first)) / at.failed * 1e6:.1f}" if at.failed else ""

    return show


# Columns that stand in every table behind the point's own.
COMMON = {
    "records:": lambda at: f"{at.records:,}",
    "median s:": lambda at: f"{at.wall:.3f}",
    "spread:": lambda at: f"{timing.spread(at.walls):.0%}",
    "CPU s:": lambda at: f"{at.cpu:.3f}",
}
SPEED = {
    "a record, µs:": lambda at: f"{at.wall / at.records * 1e6:,.3f}",
    "MB/s:": lambda at: f"{at.bytes / at.wall / 1e6:,.0f}",
    "CPU s for a GB:": lambda at: f"{at.cpu / at.bytes * 1e9:.2f}",
}
MEMORY = {
    "peak MiB:": lambda at: f"{at.peak:.1f}" if at.peak else "",
    "all peaks": lambda at: ", ".join(f"{peak:.1f}" for peak in at.peaks),
}
FEEDER = {"CPU s of what feeds it:": lambda at: f"{at.feeder:.3f}" if at.feeder > 0.0005 else ""}
COLUMNS = {
    "size": COMMON | SPEED | FEEDER | MEMORY,
    "records": COMMON | SPEED | FEEDER | MEMORY,
    "workers": COMMON | SPEED | MEMORY,
    "chain": COMMON | {
        "CPU of the last plugin for a record, ns:":
            lambda at: f"{(at.cpu - at.before.cpu) / at.records * 1e9:,.0f}" if at.before else "",
    } | MEMORY,
    "failures": COMMON | {
        "failed:": lambda at: f"{at.failed:,}",
        "a failure, µs:": per_failure(lambda at: at.wall),
        "CPU of a failure, µs:": per_failure(lambda at: at.cpu),
    } | MEMORY,
}


# Why the curves are as they are.
READING = {
    "size": """\
Time is a start of some 11 ms and so much for each GB. The generator and `host` share the cores: a stream \
cannot take less than what both take of them together. A file's memory is flat. A stream's grows until every \
buffer has been in use (nine of 1.5 MiB between the pipe and the workers, and four slots), which takes some 50 \
MB of input, and stays there. How much finished output waits for an earlier range is chance, and 4 MiB for each \
worker at most: where other programs keep a worker waiting, a long run has the higher peak.""",
    "records": """\
Time is about 0.1 µs for a record and so much for each byte. Long records have a bend because a run has few of \
them: each buffer on their way is touched for the first time, which is work for the kernel (five times the input \
makes it a straight line), and twelve records are not shared out evenly. Memory is flat until a record is longer than a piece of 256 KiB. From there on \
each place that a record passes holds all of it: in each worker the buffer, the plugin's memory and the outputs \
of two slots, in the supervisor what waits for its turn; of a stream also the inputs of two slots and five \
ranges on their way to a worker. Of the shortest records nothing is kept, so nothing waits.""",
    "workers": """\
With more workers than cores there is nothing more to gain. Each takes its start, which is a process, its \
sandbox and loading the plugin, and some memory: straight lines.""",
    "chain": """\
Straight lines: each plugin takes what its own work takes and about 0.1 µs for being asked, in which the record \
is copied into its memory. The first is a little cheaper than the others, because only it is known to get the \
next record, so that room for that is made in the same call.""",
    "failures": """\
Straight lines, of very different slopes. A rejection is an answer like any other, with a text. A letter is the \
record read once more and written by a call of its own. A trap costs two instances, because the record is run \
again, alone in a fresh one, and what stands behind it needs another; each time a message goes to the worker and \
back, and 16 KiB of the file are read anew.""",
}


class Panel(NamedTuple):
    """A thing that grows along a curve."""

    name: str
    value: object
    log: bool = False


class Axis(NamedTuple):
    """What it grows with: `scale` of the points' numbers make one `unit`."""

    name: str
    unit: str
    scale: float
    # The base of a logarithmic axis, whose points have their labels; none for a linear axis.
    base: int | None
    panels: list


PEAK = Panel("peak memory, MiB", lambda at: at.peak)
WALL = Panel("time, s", lambda at: at.wall)
CPU = Panel("CPU time, s", lambda at: at.cpu)
AXES = {
    "size": Axis("size of the input", "GB", 1e9, 10, [WALL._replace(log=True), PEAK]),
    "records": Axis("length of a record", "MB", 1e6, 10, [
        Panel("time for a record, ms", lambda at: at.wall / at.records * 1e3, log=True), PEAK]),
    "workers": Axis("workers", "worker", 1, 2, [WALL, CPU, PEAK]),
    "chain": Axis("plugins in the chain", "plugin", 1, None, [CPU, PEAK]),
    "failures": Axis("failed records, thousands", "thousand", 1e3, None, [WALL, PEAK]),
}


class Line(NamedTuple):
    """The straight line that lies nearest to a series, as a part of each value."""

    start: float
    slope: float
    # The point furthest from it, and by which part of its value that lies above.
    furthest: Measured
    above: float


def line_through(points, axis, panel):
    """The line, or none through fewer than three points."""
    places = [(at.x / axis.scale, panel.value(at)) for at in points if panel.value(at)]
    if len(places) < 3:
        return None
    # Least squares, each point weighted so that a part of its value counts, not an amount.
    weights = [1 / y**2 for _, y in places]
    mean_x, mean_y = (sum(w * place[of] for w, place in zip(weights, places)) / sum(weights) for of in (0, 1))
    slope = (sum(w * (x - mean_x) * (y - mean_y) for w, (x, y) in zip(weights, places))
             / sum(w * (x - mean_x) ** 2 for w, (x, _) in zip(weights, places)))
    start = mean_y - slope * mean_x
    aboves = [(y - start - slope * x) / y for x, y in places]
    worst = max(range(len(places)), key=lambda index: abs(aboves[index]))
    return Line(start, slope, points[worst], aboves[worst])


def by_series(points):
    series = {}
    for at in points:
        series.setdefault(at.series, []).append(at)
    return series


def lines_of(trial, curve):
    """A table of what grows how: a straight line is a fixed part and so much for each."""
    axis = AXES[curve]
    rows = []
    for name, points in by_series(measured(trial, curve)).items():
        for panel in axis.panels:
            if line := line_through(points, axis, panel):
                bend = "bends" if abs(line.above) > BEND else ""
                rows.append([name, panel.name, f"{line.start:.4g}", f"{line.slope:.4g}",
                             f"{line.furthest.label}: {line.above:+.0%}", bend])
    return figures.markdown(["of", "what", "fixed:", f"for each {axis.unit}:", "furthest from that", ""], rows)


def table(trial, curve):
    columns = COLUMNS[curve]
    rows = [[at.series, at.label, *(show(at) for show in columns.values())] for at in measured(trial, curve)]
    return figures.markdown(["of", AXES[curve].name, *columns], rows)


def promises(trial):
    """(text, kept) for each promise. A promise that could not be checked is not kept."""
    verdicts = []
    series = by_series(measured(trial, "size"))
    for way in ("file", "stream"):
        points = series.get(way, [])
        small = next((at for at in points if at.x == REFERENCE), None)
        large = points[-1] if points else None
        if not small or large.x <= small.x:
            verdicts.append((f"NOT CHECKED: {way}: growth from {in_bytes(REFERENCE)} on was not measured", False))
            continue
        growth = abs(large.peak - small.peak) / small.peak
        kept = growth <= GROWTH
        verdicts.append((f"{'kept' if kept else 'BROKEN'}: {way}: the peaks of {small.label} and {large.label} differ "
                         f"by {growth:.1%} (medians {small.peak:.1f} and {large.peak:.1f} MiB), at most {GROWTH:.0%}",
                         kept))
    return verdicts


def section(trial):
    facts = trial["facts"]
    parts = [f"## Growth, {facts['date']}, commit {facts['commit']}",
             f"{machine.sentence(trial)} {facts['rounds']} rounds, medians; output to /dev/null, two workers unless "
             f"said otherwise. Other programs took {timing.others_share(trial | {'runs': timed(trial)}):.0%} of the "
             "cores meanwhile. What is run is told at the top of `benches/growth.py`. The second table of each curve "
             "has the straight line nearest to it, which is dashed in the plot (and bent where the plot's axis is "
             "logarithmic)."]
    for curve in facts["curves"]:
        parts.append(f"### {curve.capitalize()}")
        if plot := trial["plots"].get(curve):
            parts.append(f"![{curve}]({plot})")
        parts += [table(trial, curve), lines_of(trial, curve), READING[curve]]
    if "size" in facts["curves"]:
        parts.append("\n".join(f"* {text}" for text, _ in promises(trial)))
    return "\n\n".join(parts) + "\n"


def draw(trial, runs_dir):
    """Draws each curve; gives the names of the files."""
    try:
        import matplotlib
    except ImportError:
        print("no plots: they need matplotlib (pip install matplotlib)", file=sys.stderr)
        return {}
    matplotlib.use("svg")
    # Text stays text, and the same figures give the same file.
    matplotlib.rcParams.update({
        "svg.fonttype": "none", "svg.hashsalt": "growth", "font.sans-serif": ["DejaVu Sans", "Verdana", "sans-serif"],
        "axes.spines.top": False, "axes.spines.right": False, "axes.grid": True, "grid.color": "#dddddd",
    })
    runs_dir.mkdir(parents=True, exist_ok=True)
    plots = {}
    for curve in trial["facts"]["curves"]:
        plots[curve] = f"growth-{trial['facts']['date'][:10]}-{curve}.svg"
        figure = picture(curve, by_series(measured(trial, curve)))
        figure.savefig(runs_dir / plots[curve], metadata={"Date": None})
    return plots


def spread_out(low, high, base):
    """Places from low to high, close enough for a line that is bent on a logarithmic axis."""
    parts = [step / 50 for step in range(51)]
    return [low * (high / low) ** part if base else low + (high - low) * part for part in parts]


def picture(curve, series):
    """A curve, a panel for each thing that grows; dashed is the straight line."""
    from matplotlib import pyplot

    axis = AXES[curve]
    figure, places = pyplot.subplots(1, len(axis.panels), figsize=(5 * len(axis.panels), 4), layout="constrained")
    labels = {at.x / axis.scale: at.label for points in series.values() for at in points}
    for panel, place in zip(axis.panels, places):
        for number, (name, points) in enumerate(series.items()):
            points = [at for at in points if panel.value(at)]
            xs = [at.x / axis.scale for at in points]
            color = f"C{number}"
            values = [panel.value(at) for at in points]
            place.plot(xs, values, f"{'os^D'[number % 4]}-", color=color, label=name, markersize=4)
            if line := line_through(points, axis, panel):
                between = spread_out(xs[0], xs[-1], axis.base)
                place.plot(between, [line.start + line.slope * x for x in between], "--", color=color, linewidth=0.8)
        if axis.base:
            place.set_xscale("log", base=axis.base)
            place.set_xticks(list(labels), list(labels.values()), fontsize=8)
            place.minorticks_off()
        place.set_xlabel(axis.name)
        place.set_ylabel(panel.name)
        if panel.log:
            place.set_yscale("log")
            place.yaxis.set_major_formatter("{x:g}")
            place.tick_params(which="minor", labelleft=False)
        else:
            place.set_ylim(bottom=0)
    if len(series) > 1:
        figure.legend(*places[0].get_legend_handles_labels(), loc="outside upper center", ncols=4, frameon=False)
    return figure


if __name__ == "__main__":
    try:
        sys.exit(main())
    except (Failure, subprocess.CalledProcessError) as fault:
        sys.exit(f"error: {fault}")
