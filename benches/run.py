#!/usr/bin/env python3
"""Times `host` and its peers side by side, on the same file, and keeps every raw figure.

    python3 benches/run.py                  build, make the data, check, 7 rounds, table, record
    python3 benches/run.py --check-floors   the same, and exit 1 if a promised ratio is missed
    python3 benches/run.py --help           everything else

What is compared, and why that is fair, is told in benches/README.md.
"""

import argparse
import datetime
import filecmp
import hashlib
import json
import os
import platform
import shutil
import statistics
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parent.parent


class Peer(NamedTuple):
    """A program to time. In `command`, {host}, {native}, {plugin}, {node}, {data} and {out} are
    replaced. With `parts`, its output is {out}.0, {out}.1, ... one after the other."""

    name: str
    command: str
    what: str
    parts: int = 0


REFERENCE = "native"

PEERS = [
    Peer("native", "{native} {data} -o {out}", "native Rust, one thread"),
    Peer("host-1", "{host} --plugin {plugin} --workers 1 --quiet -o {out} {data}", "host, 1 worker"),
    Peer("host-2", "{host} --plugin {plugin} --workers 2 --quiet -o {out} {data}", "host, 2 workers"),
    Peer(
        "node-messages",
        "{node} benches/node/cluster-messages.js {data} {out} 2",
        "node cluster (a): 2 processes, balanced, results by process.send in order",
    ),
    Peer(
        "node-parts",
        "{node} benches/node/cluster-parts.js {data} {out} 2",
        "node cluster (b): 2 processes, static halves, part files",
        parts=2,
    ),
]


class Floor(NamedTuple):
    """A promise: the median time of `peer` is at most `factor` times that of `other`."""

    peer: str
    factor: float
    other: str
    text: str


FLOORS = [
    Floor("host-2", 1 / 3, "node-messages", "host with 2 workers is at least 3 times as fast as (a)"),
    Floor("host-2", 1 / 2, "node-parts", "host with 2 workers is at least 2 times as fast as (b)"),
    Floor("host-1", 2.0, "native", "host with 1 worker takes at most 2.0 times native's time"),
]


# What other programs may take of the cores before the figures deserve a warning.
QUIET = 0.05


class Failure(Exception):
    """Something that ends the benchmark; its text says what and where."""


def main():
    options = parse_arguments()
    bin_dir = options.bin_dir or build()
    data = make_data(options.dir, bin_dir, options.records, options.seed)
    tools = find_tools(bin_dir)
    peers, skipped = choose_peers(options.only, tools)
    for name, why in skipped.items():
        print(f"skipped: {name}: {why}", file=sys.stderr)

    bench = Bench(options.dir, data, tools, options.limit)
    facts = machine_facts(options, data, tools)
    bench.check_outputs(peers)
    runs = bench.alternate(peers, options.rounds)

    trial = {"facts": facts, "skipped": skipped, "runs": runs}
    print(table(trial))
    if others_share(trial) > QUIET:
        print(f"warning: other programs took {others_share(trial):.0%} of the cores meanwhile; "
              "these ratios say little, repeat on a quiet machine", file=sys.stderr)
    record(options.runs_dir, trial)
    return check_floors(trial) if options.check_floors else 0


def parse_arguments():
    names = [peer.name for peer in PEERS]
    parser = argparse.ArgumentParser(
        description="Times host and its peers side by side on the same file.",
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    add = parser.add_argument
    add("--rounds", type=positive, default=7, help="how often each program is timed")
    add("--records", type=positive, default=600_000, help="events in the data file")
    add("--seed", type=int, default=1, help="seed of the data file")
    add("--only", metavar="NAMES", help=f"some of {','.join(names)} (native always runs too)")
    add("--check-floors", action="store_true", help="exit 1 if a promised ratio is missed")
    add("--dir", type=Path, default=ROOT / "target/bench", help="where data and outputs go")
    add("--bin-dir", type=Path, help="take programs built before from here (host, examples/...)")
    add("--runs-dir", type=Path, default=ROOT / "benches/runs", help="where figures are kept")
    add("--limit", type=positive, default=600, help="seconds after which a program is killed")
    options = parser.parse_args()
    if options.only:
        options.only = options.only.split(",")
        for name in options.only:
            if name not in names:
                parser.error(f"there is no program {name!r}; there are {', '.join(names)}")
    for path in ("dir", "bin_dir", "runs_dir"):
        if value := getattr(options, path):
            setattr(options, path, value.resolve())
    return options


def positive(text):
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError("must be at least 1")
    return number


def build():
    """Builds the program, the generator and the native peer; gives the directory they are in."""
    for arguments in (["--bins"], ["--examples"]):
        subprocess.run(["cargo", "build", "--release", *arguments], cwd=ROOT, check=True)
    return (ROOT / os.environ.get("CARGO_TARGET_DIR", "target") / "release").resolve()


def make_data(directory, bin_dir, records, seed):
    """The data file, made again if the generator was built after it."""
    directory.mkdir(parents=True, exist_ok=True)
    generator = bin_dir / "examples/events"
    if not generator.exists():
        raise Failure(f"the generator is missing: {generator}")
    data = directory / f"events-{records}-{seed}.ndjson"
    if not data.exists() or data.stat().st_mtime < generator.stat().st_mtime:
        unfinished = data.with_suffix(".unfinished")
        with unfinished.open("wb") as sink:
            subprocess.run([generator, str(records), "--seed", str(seed)], stdout=sink, check=True)
        unfinished.rename(data)
    return data


def find_tools(bin_dir):
    """What the placeholders of `Peer.command` stand for; None where it is not there."""
    node = shutil.which("node")
    candidates = {
        "host": bin_dir / "host",
        "native": bin_dir / "examples/native",
        "plugin": ROOT / "plugins/filter/filter.wasm",
    }
    tools = {name: str(path) if path.exists() else None for name, path in candidates.items()}
    return tools | {"node": node}


def choose_peers(only, tools):
    """The peers to run, and why the others are not run. The reference always runs."""
    if tools[REFERENCE] is None:
        raise Failure("the native program is missing; it is the reference for every other")
    peers, skipped = [], {}
    for peer in PEERS:
        missing = [name for name, path in tools.items() if f"{{{name}}}" in peer.command and not path]
        if only and peer.name not in only and peer.name != REFERENCE:
            skipped[peer.name] = "not among --only"
        elif missing:
            skipped[peer.name] = f"{' and '.join(missing)} not found"
        else:
            peers.append(peer)
    return peers, skipped


class Bench:
    """Runs programs on one data file, one at a time."""

    def __init__(self, directory, data, tools, limit):
        self.directory = directory
        self.data = data
        self.tools = tools
        self.limit = limit

    def check_outputs(self, peers):
        """Runs each program once, untimed, which warms the caches too, and compares the outputs."""
        for peer in peers:
            self.run(peer)
            if peer.name == REFERENCE:
                self.output(peer).replace(self.reference)
            self.compare(peer)
            print(f"output equal: {peer.name}", file=sys.stderr)

    def alternate(self, peers, rounds):
        """Every round runs every program, in turn forwards and backwards, so that a machine that
        grows slower or faster treats all alike. Timed outputs are compared as well."""
        runs = []
        for number in range(1, rounds + 1):
            for peer in peers if number % 2 else reversed(peers):
                # No write-back of somebody's earlier output during this run.
                os.sync()
                figures = self.run(peer)
                self.compare(peer)
                runs.append({"round": number, "program": peer.name} | figures)
            print(f"round {number} of {rounds} done", file=sys.stderr)
        return runs

    def run(self, peer):
        """One run in seconds: wall time, CPU time with all descendants, and the CPU time that
        other programs of the machine took meanwhile."""
        values = self.tools | {"data": self.data, "out": self.output(peer)}
        command = [part.format_map(values) for part in peer.command.split()]
        busy = busy_seconds()
        began = time.monotonic()
        child = subprocess.Popen(command, cwd=ROOT, stdin=subprocess.DEVNULL)
        watchdog = threading.Timer(self.limit, child.kill)
        watchdog.start()
        _, status, usage = os.wait4(child.pid, 0)
        wall = time.monotonic() - began
        others = busy_seconds() - busy - usage.ru_utime - usage.ru_stime
        watchdog.cancel()
        child.returncode = os.waitstatus_to_exitcode(status)
        if child.returncode != 0:
            raise Failure(f"{peer.name} ended with {child.returncode}: {' '.join(command)}")
        return {
            "wall": round(wall, 4),
            "user": round(usage.ru_utime, 4),
            "sys": round(usage.ru_stime, 4),
            "others": round(max(others, 0), 2),
        }

    def compare(self, peer):
        """Demands that the output equals the reference's, then removes it."""
        output = self.output(peer)
        if peer.parts:
            parts = [output.with_name(f"{output.name}.{number}") for number in range(peer.parts)]
            with output.open("wb") as whole:
                for part in parts:
                    with part.open("rb") as source:
                        shutil.copyfileobj(source, whole, 1 << 20)
                    part.unlink()
        if output.exists():
            filecmp.clear_cache()
            if not filecmp.cmp(output, self.reference, shallow=False):
                raise Failure(f"{peer.name} wrote something else than {REFERENCE}: see {output}")
            output.unlink()
        elif peer.name != REFERENCE:
            raise Failure(f"{peer.name} wrote no output")

    def output(self, peer):
        return self.directory / f"out.{peer.name}"

    @property
    def reference(self):
        return self.directory / "reference"


def machine_facts(options, data, tools):
    """What somebody needs to know to judge the figures."""
    with data.open("rb") as source:
        digest = hashlib.file_digest(source, "sha256").hexdigest()
    return {
        "date": datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds"),
        "commit": first_line(["git", "describe", "--always", "--dirty"]),
        "cpu": field("/proc/cpuinfo", "model name"),
        "cores": len(os.sched_getaffinity(0)),
        "memory": f"{int(field('/proc/meminfo', 'MemTotal').split()[0]) / 2**20:.0f} GiB",
        "kernel": f"{platform.system()} {platform.release()} {platform.machine()}",
        "load before": [round(load, 2) for load in os.getloadavg()],
        "rustc": first_line(["rustc", "--version"]),
        "node": first_line([tools["node"], "--version"]) if tools["node"] else None,
        "rounds": options.rounds,
        "records": options.records,
        "seed": options.seed,
        "bytes": data.stat().st_size,
        "sha256": digest,
    }


def busy_seconds():
    """CPU time that all programs together have taken since the machine started."""
    user, nice, system, _idle, _iowait, irq, softirq = map(
        int, Path("/proc/stat").read_text().split(maxsplit=8)[1:8]
    )
    return (user + nice + system + irq + softirq) / os.sysconf("SC_CLK_TCK")


def others_share(trial):
    """The part of all cores, from 0 to 1, that other programs took during the timed runs."""
    runs = trial["runs"]
    available = sum(run["wall"] for run in runs) * trial["facts"]["cores"]
    return sum(run["others"] for run in runs) / available


def field(path, name):
    """The value of the first `name : value` line of a file under /proc."""
    for line in Path(path).read_text().splitlines():
        key, _, value = line.partition(":")
        if key.strip() == name:
            return value.strip()
    return None


def first_line(command):
    try:
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        return None
    return done.stdout.partition("\n")[0]


def walls(trial):
    """Program -> its wall times in seconds, in the order of PEERS."""
    times = {}
    for peer in PEERS:
        if found := [run["wall"] for run in trial["runs"] if run["program"] == peer.name]:
            times[peer.name] = found
    return times


def table(trial):
    """The figures of one trial as a markdown table."""
    times = walls(trial)
    native = statistics.median(times[REFERENCE])
    megabytes = trial["facts"]["bytes"] / 1e6
    lines = [
        "| program | median s | min s | spread | CPU s | MB/s | ratio to native |",
        "|---|---:|---:|---:|---:|---:|---:|",
    ]
    for peer in PEERS:
        if peer.name not in times:
            lines.append(f"| {peer.what} | skipped: {trial['skipped'][peer.name]} | | | | | |")
            continue
        wall = times[peer.name]
        median = statistics.median(wall)
        cpu = statistics.median(
            run["user"] + run["sys"] for run in trial["runs"] if run["program"] == peer.name
        )
        spread = (max(wall) - min(wall)) / median
        lines.append(
            f"| {peer.what} | {median:.3f} | {min(wall):.3f} | {spread:.0%} | {cpu:.2f} "
            f"| {megabytes / median:.0f} | {median / native:.2f} |"
        )
    return "\n".join(lines)


def record(runs_dir, trial):
    """Adds the trial to today's raw figures, and writes today's tables anew beside them."""
    runs_dir.mkdir(parents=True, exist_ok=True)
    raw = runs_dir / f"{trial['facts']['date'][:10]}.json"
    trials = json.loads(raw.read_text()) if raw.exists() else []
    trials.append(trial)
    raw.write_text(as_json(trials))
    raw.with_suffix(".md").write_text("\n".join(map(section, trials)))
    print(f"raw figures: {raw}", file=sys.stderr)


def as_json(trials):
    """JSON with one run a line: readable, and a later run changes no earlier line."""
    blocks = []
    for trial in trials:
        head = {key: value for key, value in trial.items() if key != "runs"}
        head = json.dumps(head, indent=2).removesuffix("\n}")
        runs = ",\n".join("    " + json.dumps(run) for run in trial["runs"])
        blocks.append(f'{head},\n  "runs": [\n{runs}\n  ]\n}}')
    return "[\n" + ",\n".join(blocks) + "\n]\n"


def section(trial):
    facts = trial["facts"]
    load = ", ".join(map(str, facts["load before"]))
    return f"""## {facts["date"]}, commit {facts["commit"]}

{facts["records"]:,} events, {facts["bytes"] / 1e6:.0f} MB; {facts["rounds"]} rounds. \
{facts["cpu"]}, {facts["cores"]} cores, {facts["memory"]}, {facts["kernel"]}; \
{facts["rustc"]}; node {facts["node"]}. Load before the run: {load}; other programs took {others_share(trial):.0%} of the cores during it.

{table(trial)}
"""


def check_floors(trial):
    """0 if every promise is kept, otherwise 1; a promise that cannot be checked is not kept."""
    times = walls(trial)
    broken = 0
    for floor in FLOORS:
        missing = [name for name in (floor.peer, floor.other) if name not in times]
        if missing:
            broken += 1
            print(f"FLOOR NOT CHECKED: {floor.text}: {' and '.join(missing)} did not run")
            continue
        mine, theirs = (statistics.median(times[name]) for name in (floor.peer, floor.other))
        kept = mine <= theirs * floor.factor
        broken += not kept
        print(f"{'floor kept' if kept else 'FLOOR MISSED'}: {floor.text} "
              f"({mine:.3f} s against {theirs:.3f} s: {theirs / mine:.2f} times as fast)")
    return 1 if broken else 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except (Failure, subprocess.CalledProcessError) as fault:
        sys.exit(f"error: {fault}")
