"""One run of a command, timed; and many, in turn."""

import os
import statistics
import subprocess
import sys
import threading
import time

from .machine import busy_seconds
from .programs import ROOT, Failure

# What other programs may take of the cores before the figures deserve a warning.
QUIET = 0.05


def run(command, limit=600, feed=None, output=None):
    """One run in seconds: wall time, CPU time with all descendants, and the CPU time that other
    programs of the machine took meanwhile. With `feed`, that command's output is the input, by a
    pipe, and its CPU time counts as the others'. With `output`, that file takes what it prints."""
    sink = output.open("wb") if output else None
    feeder = subprocess.Popen(feed, cwd=ROOT, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE) if feed else None
    source = feeder.stdout if feeder else subprocess.DEVNULL
    busy = busy_seconds()
    began = time.monotonic()
    child = subprocess.Popen(command, cwd=ROOT, stdin=source, stdout=sink)
    for handle in (sink, feeder and feeder.stdout):
        if handle:
            handle.close()
    watchdog = threading.Timer(limit, child.kill)
    watchdog.start()
    _, status, usage = os.wait4(child.pid, 0)
    wall = time.monotonic() - began
    others = busy_seconds() - busy - usage.ru_utime - usage.ru_stime
    watchdog.cancel()
    child.returncode = os.waitstatus_to_exitcode(status)
    if feeder and feeder.wait() != 0:
        raise Failure(f"what feeds it ended with {feeder.returncode}: {' '.join(map(str, feed))}")
    if child.returncode != 0:
        raise Failure(f"ended with {child.returncode}: {' '.join(map(str, command))}")
    return {
        "wall": round(wall, 4),
        "user": round(usage.ru_utime, 4),
        "sys": round(usage.ru_stime, 4),
        "others": round(max(others, 0), 2),
    }


def in_turn(names, number):
    """The order of a round: forwards and backwards by turns, so that a machine that grows slower or
    faster treats all alike."""
    return list(names) if number % 2 else list(names)[::-1]


def spread(values):
    """Slowest less fastest, as a part of the median."""
    return (max(values) - min(values)) / statistics.median(values)


def others_share(trial):
    """The part of all cores, from 0 to 1, that other programs took during the timed runs."""
    runs = trial["runs"]
    available = sum(run["wall"] for run in runs) * trial["facts"]["cores"]
    return sum(run["others"] for run in runs) / available


def warn_if_busy(trial):
    if others_share(trial) > QUIET:
        print(f"warning: other programs took {others_share(trial):.0%} of the cores meanwhile; "
              "these figures say little, repeat on a quiet machine", file=sys.stderr)
