"""The memory that a process and all its descendants take from the machine.

A figure is the largest sample of

    anonymous memory + mapped files (the program itself), each process's share as the kernel
    counts it (PSS in /proc/PID/smaps_rollup), over the process and all its descendants
    + memory files (memfd), each counted once and whole, mapped or not

so that nothing is counted twice and nothing is left out because no process has it mapped. Page cache
is not counted; buffers of pipes and sockets inside the kernel (about 1 MiB for a pipe) are not either.
"""

import os
import subprocess
import threading
import time
from pathlib import Path

from .programs import Failure

MIB = 2**20

# Seconds between two looks. Looking takes time: without a pause it takes a core, and what is looked at
# waits for its turn with more in hand than it would have.
PAUSE = 0.005


def watched(command, feed=None, limit=3600):
    """One run with its memory watched: bytes, but for counts and the seconds. With `feed`, that
    command's output is its input, by a pipe."""
    began = time.monotonic()
    feeder = subprocess.Popen(feed, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE) if feed else None
    source = feeder.stdout if feeder else subprocess.DEVNULL
    child = subprocess.Popen(command, stdin=source, stdout=subprocess.DEVNULL)
    if feeder:
        feeder.stdout.close()
    watchdog = threading.Timer(limit, child.kill)
    watchdog.start()
    sampler = Sampler(child.pid)
    sampler.watch(child)
    wall = time.monotonic() - began
    watchdog.cancel()
    if feeder and feeder.wait() != 0:
        raise Failure(f"what feeds it ended with {feeder.returncode}: {' '.join(map(str, feed))}")
    if child.returncode != 0:
        raise Failure(f"ended with {child.returncode}: {' '.join(map(str, command))}")
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

    def watch(self, child):
        """Looks until the child has ended."""
        while child.poll() is None:
            self.sample()
            time.sleep(PAUSE)

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
