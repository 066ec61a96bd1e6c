#!/usr/bin/env python3
"""Times what the sandbox costs: the same runs with every layer and with none, in turn.

    python3 benches/sandbox.py            build, make the data, both tables, record
    python3 benches/sandbox.py --help     everything else

Two questions are asked. *Start*: how much longer does a run over one small record take, in which a
compile worker and one worker are started and lock themselves? *Speed*: how much longer does the
work of benches/run.py take? Each pair of runs lies side by side, in turn forwards and backwards, and
the difference is taken pair by pair: what slows the machine down meanwhile slows both.
"""

import argparse
import datetime
import json
import statistics
import subprocess
import sys
import time
from pathlib import Path

from run import ROOT, Failure, build, field, first_line, make_data, positive

MODES = ["off", "strict"]


def main():
    options = parse_arguments()
    bin_dir = (options.bin_dir or build()).resolve()
    options.dir.mkdir(parents=True, exist_ok=True)
    record_file = options.dir / "one.ndjson"
    record_file.write_text('{"type":"PushEvent"}\n')
    data = make_data(options.dir, bin_dir, options.records, 1)
    plugin = ROOT / "plugins/filter/filter.wasm"
    trials = {
        "start, 1 worker": (options.starts, ["--workers", "1", record_file]),
        "speed, 1 worker": (options.rounds, ["--workers", "1", data]),
        "speed, 2 workers": (options.rounds, ["--workers", "2", data]),
    }
    figures = {}
    for name, (rounds, arguments) in trials.items():
        command = [bin_dir / "host", "--plugin", plugin, "--quiet", "-o", options.dir / "out"]
        figures[name] = in_turn([*command, *arguments], rounds)
        print(f"{name}: done", file=sys.stderr)
    result = {"facts": facts(data), "figures": figures}
    print(table(figures))
    keep(options.runs_dir, result)
    return 0


def parse_arguments():
    parser = argparse.ArgumentParser(
        description="Times runs with the sandbox and without.",
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    add = parser.add_argument
    add("--starts", type=positive, default=100, help="pairs of runs over one record")
    add("--rounds", type=positive, default=9, help="pairs of runs over the data")
    add("--records", type=positive, default=600_000, help="events in the data file")
    add("--dir", type=Path, default=ROOT / "target/bench", help="where data and outputs go")
    add("--bin-dir", type=Path, help="take programs built before from here")
    add("--runs-dir", type=Path, default=ROOT / "benches/runs", help="where figures are kept")
    return parser.parse_args()


def in_turn(command, rounds):
    """Wall times in seconds of each mode, pair by pair. One pair before is not counted."""
    times = {mode: [] for mode in MODES}
    for number in range(rounds + 1):
        for mode in MODES if number % 2 else reversed(MODES):
            began = time.monotonic()
            subprocess.run([*command, "--sandbox", mode], cwd=ROOT, check=True)
            times[mode].append(round(time.monotonic() - began, 5))
    return {mode: walls[1:] for mode, walls in times.items()}


def table(figures):
    lines = [
        "| run | pairs | without, median | strict, median | strict / without | middle half of the pairs |",
        "|---|---:|---:|---:|---:|---:|",
    ]
    for name, times in figures.items():
        off, strict = (statistics.median(times[mode]) for mode in MODES)
        ratios = [strict / off for off, strict in zip(*(times[mode] for mode in MODES))]
        low, ratio, high = statistics.quantiles(ratios, n=4)
        lines.append(
            f"| {name} | {len(ratios)} | {off * 1000:.1f} ms | {strict * 1000:.1f} ms "
            f"| {ratio:.3f} | {low:.3f} to {high:.3f} |"
        )
    return "\n".join(lines)


def facts(data):
    return {
        "date": datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds"),
        "commit": first_line(["git", "describe", "--always", "--dirty"]),
        "cpu": field("/proc/cpuinfo", "model name"),
        "bytes": data.stat().st_size,
    }


def keep(runs_dir, result):
    """Writes today's figures and their table beside them."""
    name = f"sandbox-{result['facts']['date'][:10]}"
    (runs_dir / f"{name}.json").write_text(json.dumps(result, indent=1) + "\n")
    text = f"## {result['facts']['date']}, commit {result['facts']['commit']}\n\n"
    (runs_dir / f"{name}.md").write_text(text + table(result["figures"]) + "\n")


if __name__ == "__main__":
    try:
        sys.exit(main())
    except (Failure, subprocess.CalledProcessError) as fault:
        sys.exit(f"error: {fault}")
