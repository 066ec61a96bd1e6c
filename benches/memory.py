#!/usr/bin/env python3
"""Measures the memory that `host` and its workers use together, and that it does not grow with the input.

    python3 benches/memory.py             build, 10 MB, 1 GB and 5 GB as file and as stream, table, record
    python3 benches/memory.py --check     the same, and exit 1 if a promise is broken
    python3 benches/memory.py --help      everything else

A run's figure is the largest sample of

    anonymous memory + mapped files (the program itself), each process's share as the kernel
    counts it (PSS in /proc/PID/smaps_rollup), over the supervisor and all its descendants
    + memory files (memfd), each counted once and whole, mapped or not

which is what the job takes from the machine: nothing is counted twice and nothing is left out
because no process has it mapped. Page cache is not counted; buffers of pipes and sockets inside the
kernel (about 1 MiB for the pipe) are not either. Beside it stands the sum of each process's own
peak (VmHWM, which misses nothing between two samples but counts what is shared once for each
process and adds peaks of different moments): the truth cannot be above that.
"""

import argparse
import datetime
import json
import os
import platform
import statistics
import subprocess
import sys
import threading
import time
from pathlib import Path

from run import ROOT, Failure, build, field, first_line

# Name, and number of events that have about that size: one has 627 bytes on average.
SIZES = {"10 MB": 15_950, "1 GB": 1_595_000, "5 GB": 7_975_000}
WAYS = ["file", "stream"]

CEILING = 256 * 2**20
GROWTH = 0.10

MIB = 2**20


def main():
    options = parse_arguments()
    bin_dir = options.bin_dir or build()
    facts = machine_facts(options)
    runs = []
    for size in options.sizes:
        for way in options.ways:
            source = Source(options, bin_dir, size, way)
            try:
                for number in range(1, options.rounds + 1):
                    figures = measure(options, bin_dir, source)
                    runs.append({"size": size, "way": way, "round": number} | figures)
                    print(f"{size}, {way}, round {number}: {figures['peak'] / MIB:.1f} MiB, "
                          f"{figures['samples']} samples in {figures['wall']} s", file=sys.stderr)
            finally:
                source.remove()
    trial = {"facts": facts, "runs": runs}
    print(table(trial))
    verdicts = check(trial)
    print("\n".join(text for text, _ in verdicts))
    record(options.runs_dir, trial)
    kept = all(kept for _, kept in verdicts)
    return 0 if kept or not options.check else 1


def parse_arguments():
    parser = argparse.ArgumentParser(
        description="Measures the peak memory of host and its workers together.",
        epilog="How it is counted is told at the top of this file.",
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
    parser.add_argument("--plugin", type=Path, default=ROOT / "plugins/filter/filter.wasm")
    parser.add_argument("--bin-dir", type=Path, help="build nothing; take DIR/host and DIR/examples/events")
    parser.add_argument("--dir", type=Path, default=ROOT / "target/bench", help="where input goes (target/bench)")
    parser.add_argument("--runs-dir", type=Path, default=ROOT / "benches/runs",
                        help="where figures go (benches/runs)")
    parser.add_argument("--limit", type=float, default=3600, metavar="SECONDS",
                        help="after which a run counts as hung (3600)")
    options = parser.parse_args()
    if min(options.rounds, options.workers) < 1:
        parser.error("--rounds and --workers must be at least 1")
    for path in ("bin_dir", "dir", "runs_dir", "plugin"):
        if value := getattr(options, path):
            setattr(options, path, value.resolve())
    return options


def names_of(known):
    def parse(text):
        wanted = [name.strip() for name in text.split(",")]
        if unknown := [name for name in wanted if name not in known]:
            raise argparse.ArgumentTypeError(f"unknown: {', '.join(unknown)}")
        return wanted

    return parse


class Source:
    """The input of a run: a file that lies ready, or a generator that writes into a pipe."""

    def __init__(self, options, bin_dir, size, way):
        self.generator = [bin_dir / "examples/events", str(SIZES[size])]
        self.file = None
        if way == "file":
            options.dir.mkdir(parents=True, exist_ok=True)
            self.file = options.dir / f"memory-{SIZES[size]}.ndjson"
            with self.file.open("wb") as sink:
                subprocess.run(self.generator, stdout=sink, check=True)

    def start(self):
        """The arguments that name it, the standard input for it, and the process that fills that."""
        if self.file:
            return [self.file], subprocess.DEVNULL, None
        process = subprocess.Popen(self.generator, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE)
        return ["--from", "ndjson", "-"], process.stdout, process

    def remove(self):
        if self.file:
            self.file.unlink(missing_ok=True)


def measure(options, bin_dir, source):
    """One run. All figures in bytes but for the counts and the seconds."""
    arguments, stdin, generator = source.start()
    command = [bin_dir / "host", "--plugin", options.plugin, "--workers", str(options.workers),
               *options.arguments, *arguments, "-o", "/dev/null"]
    began = time.monotonic()
    child = subprocess.Popen(command, stdin=stdin, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    if generator:
        stdin.close()
    watchdog = threading.Timer(options.limit, child.kill)
    watchdog.start()
    sampler = Sampler(child.pid)
    while child.poll() is None:
        sampler.sample()
    wall = time.monotonic() - began
    watchdog.cancel()
    words = child.stderr.read().decode(errors="replace")
    if generator and generator.wait() != 0:
        raise Failure(f"the generator ended with {generator.returncode}")
    if child.returncode != 0:
        raise Failure(f"host ended with {child.returncode}: {words}")
    if not sampler.peak:
        raise Failure("no sample could be taken; smaps_rollup needs Linux 4.14 or later")
    return {"peak": sampler.peak, **sampler.parts, "processes": sampler.at_once,
            "sum_of_peaks": sampler.sum_of_peaks(), "supervisor_peak": sampler.highest[child.pid],
            "samples": sampler.samples, "wall": round(wall, 2)}


class Sampler:
    """Adds up the memory of a process and its descendants, again and again."""

    def __init__(self, root):
        self.root = root
        self.peak = 0
        # How the peak was made up.
        self.parts = {"anonymous": 0, "mapped": 0, "memory_files": 0}
        self.at_once = 0
        # Process -> its VmHWM as last seen.
        self.highest = {}
        self.samples = 0

    def sample(self):
        anonymous = mapped = shared = seen = 0
        files = {}
        for process in descendants(self.root):
            try:
                sizes = kilobytes(f"/proc/{process}/smaps_rollup")
                highest = kilobytes(f"/proc/{process}/status").get("VmHWM", 0)
                memory_files(process, files)
            except OSError:
                # It has ended meanwhile, or is a zombie.
                continue
            anonymous += sizes.get("Pss_Anon", 0)
            mapped += sizes.get("Pss_File", 0)
            shared += sizes.get("Pss_Shmem", 0)
            seen += 1
            self.highest[process] = max(highest, self.highest.get(process, 0))
        if not seen:
            return
        self.samples += 1
        self.at_once = max(self.at_once, seen)
        # Memory files whose descriptors are closed show in mappings only.
        shared = max(shared, sum(files.values()))
        total = anonymous + mapped + shared
        if total > self.peak:
            self.peak = total
            self.parts = {"anonymous": anonymous, "mapped": mapped, "memory_files": shared}

    def sum_of_peaks(self):
        """Of the processes that lived at the same time: the compile worker is gone before the
        workers come, so it counts only if it was larger than all of them together."""
        workers = sorted(peak for process, peak in self.highest.items() if process != self.root)
        return self.highest[self.root] + sum(workers[-max(self.at_once - 1, 0):] if workers else [])


def descendants(root):
    """A process and everything that it has started, directly or not."""
    found = [root]
    for process in found:
        try:
            for thread in os.listdir(f"/proc/{process}/task"):
                children = Path(f"/proc/{process}/task/{thread}/children").read_text()
                found.extend(map(int, children.split()))
        except OSError:
            continue
    return found


def kilobytes(path):
    """The lines of the form `Name:  123 kB`, in bytes."""
    sizes = {}
    with open(path) as lines:
        for line in lines:
            name, _, value = line.partition(":")
            if value.endswith(" kB\n"):
                sizes[name] = int(value.split()[0]) * 1024
    return sizes


def memory_files(process, files):
    """Adds the allocated bytes of each memory file that a process has open, by its number."""
    directory = f"/proc/{process}/fd"
    for descriptor in os.listdir(directory):
        path = f"{directory}/{descriptor}"
        try:
            if os.readlink(path).startswith("/memfd:"):
                status = os.stat(path)
                files[status.st_dev, status.st_ino] = status.st_blocks * 512
        except OSError:
            # Closed meanwhile.
            continue


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


def machine_facts(options):
    return {
        "date": datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds"),
        "commit": first_line(["git", "describe", "--always", "--dirty"]),
        "cpu": field("/proc/cpuinfo", "model name"),
        "cores": len(os.sched_getaffinity(0)),
        "memory": f"{int(field('/proc/meminfo', 'MemTotal').split()[0]) / 2**20:.0f} GiB",
        "kernel": f"{platform.system()} {platform.release()} {platform.machine()}",
        "rustc": first_line(["rustc", "--version"]),
        "plugin": options.plugin.name,
        "workers": options.workers,
        "arguments": " ".join(options.arguments),
        "load before": [round(load, 2) for load in os.getloadavg()],
        "rounds": options.rounds,
    }


def record(runs_dir, trial):
    """Adds the trial to today's raw figures, and writes today's tables anew beside them."""
    runs_dir.mkdir(parents=True, exist_ok=True)
    raw = runs_dir / f"memory-{trial['facts']['date'][:10]}.json"
    trials = json.loads(raw.read_text()) if raw.exists() else []
    trials.append(trial)
    blocks = []
    for each in trials:
        runs = ",\n".join("    " + json.dumps(run) for run in each["runs"])
        facts = json.dumps({"facts": each["facts"]}, indent=2).removesuffix("\n}")
        blocks.append(f'{facts},\n  "runs": [\n{runs}\n  ]\n}}')
    raw.write_text("[\n" + ",\n".join(blocks) + "\n]\n")
    raw.with_suffix(".md").write_text("\n".join(map(section, trials)))
    print(f"raw figures: {raw}", file=sys.stderr)


def section(trial):
    facts = trial["facts"]
    verdicts = "\n".join(f"* {text}" for text, _ in check(trial))
    given = f" and {facts['arguments']}" if facts["arguments"] else ""
    load = ", ".join(map(str, facts["load before"]))
    return f"""## Memory, {facts["date"]}, commit {facts["commit"]}

{facts["workers"]} workers, {facts["plugin"]}{given}, output to /dev/null; {facts["rounds"]} rounds, of which the \
highest is shown. {facts["cpu"]}, {facts["cores"]} cores, {facts["memory"]}, {facts["kernel"]}; {facts["rustc"]}. \
Load before the run: {load}. What is counted is told at the top of `benches/memory.py`.

{table(trial)}

{verdicts}
"""


if __name__ == "__main__":
    try:
        sys.exit(main())
    except (Failure, subprocess.CalledProcessError) as fault:
        sys.exit(f"error: {fault}")
