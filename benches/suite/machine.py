"""The machine: what somebody needs to know of it to judge a figure, and how busy it is."""

import datetime
import os
import platform
import subprocess
from pathlib import Path

from .programs import ROOT


def facts():
    """The machine, the commit and the time, for the head of every trial."""
    return {
        "date": datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds"),
        "commit": first_line(["git", "describe", "--always", "--dirty", "--exclude=*"]),
        "cpu": field("/proc/cpuinfo", "model name"),
        "cores": len(os.sched_getaffinity(0)),
        "memory": f"{int(field('/proc/meminfo', 'MemTotal').split()[0]) / 2**20:.0f} GiB",
        "kernel": f"{platform.system()} {platform.release()} {platform.machine()}",
        "rustc": first_line(["rustc", "--version"]),
        "load before": [round(load, 2) for load in os.getloadavg()],
    }


def sentence(trial):
    """Its facts in a line of text."""
    known = trial["facts"]
    load = ", ".join(map(str, known["load before"]))
    return (f"{known['cpu']}, {known['cores']} cores, {known['memory']}, {known['kernel']}; "
            f"{known['rustc']}. Load before: {load}.")


def field(path, name):
    """The value of the first `name : value` line of a file under /proc."""
    for line in Path(path).read_text().splitlines():
        key, _, value = line.partition(":")
        if key.strip() == name:
            return value.strip()
    return None


def first_line(command):
    """What a program says first, or None if it cannot be run."""
    try:
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        return None
    return done.stdout.partition("\n")[0]


def busy_seconds():
    """CPU time that all programs together have taken since the machine started."""
    user, nice, system, _idle, _iowait, irq, softirq = map(
        int, Path("/proc/stat").read_text().split(maxsplit=8)[1:8]
    )
    return (user + nice + system + irq + softirq) / os.sysconf("SC_CLK_TCK")
