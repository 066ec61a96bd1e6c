#!/usr/bin/env python3
"""Times how `host` starts: one record, a plugin that was compiled before, every layer of the sandbox.

    python3 benches/start.py             build, time, say where the time goes, record
    python3 benches/start.py --check     the same, and exit 1 if a start takes too long
    python3 benches/start.py --help      everything else

A *start* is the whole run over one record, until its last process is gone: what is done with the
record takes some microseconds of that. It is timed in turn with other commands, and what counts is
what it takes above `true`, pair by pair: making any process has its price, and what slows the machine
down meanwhile slows both. (One record makes one range, and a worker starts when there is a range for
it: a run that may have two workers starts one as well.)

*Where the time goes* is asked of the kernel. `perf` notes when processes are made, execute and end, and
when they make some ten calls that stand for steps of a start (MARKS below); the program is as it always
is. What lies between two marks is a phase, and everything else waits for it. The table says how long a
start takes while it is followed and when it is not: about the same. (Under `strace`, which stops a process
at each call, it is more than twice as long, and the parts are others.) In other starts the page faults of
each phase are counted. `perf` needs the right to follow the whole machine, which is root's mostly; where
it or the right is missing this part is left out with a notice.

*CPU time* is exact: the kernel's sum for all processes, and what `--stats` says of the worker.
"""

import argparse
import collections
import json
import os
import re
import shutil
import statistics
import subprocess
import sys
import time

from suite.figures import keep, markdown
from suite.machine import busy_seconds, facts, sentence
from suite.programs import Failure, add_places, places, plugin, positive
from suite.timing import QUIET, in_turn

# What a start may take above `true`, and what it should, in milliseconds.
CEILING, GOAL = 15, 5

TRUE, VERSION, START, COMPILED = "true", "host --version", "one record", "compiled anew"
# Compiling takes so much longer that it is timed in one round of so many.
RARELY = {COMPILED: 10}

SUPERVISOR, WORKER = "supervisor", "worker"
# The phases in their order. Each ends with a mark: what is seen of which process, and which of several
# such, counted from the first (0) or the last (-1). The supervisor's last message is `Stop`.
MARKS = [
    ("loaded, until `main` begins", SUPERVISOR, "poll", 0),
    ("command line, signals", SUPERVISOR, "thread", 0),
    ("input opened, directory for sockets made", SUPERVISOR, "memfd_create", 0),
    ("plugin copied and hashed, looked up in the cache", SUPERVISOR, "memfd_create", 1),
    ("compiled plugin copied and hashed", SUPERVISOR, "utimensat", 0),
    ("output opened, threads, shared memory, a socket", SUPERVISOR, "worker", 0),
    ("forked, until the program is executed", WORKER, "executed", 0),
    ("loaded, until `main` begins", WORKER, "setsid", 0),
    ("server for requests made", WORKER, "connect", 0),
    ("hands shaken: `Hello`, connected, `Prepare`", SUPERVISOR, "sendmsg", -4),
    ("memory mapped, engine made", WORKER, "unshare", 0),
    ("namespaces, an empty root, no privileges", WORKER, "landlock_create_ruleset", 0),
    ("Landlock", WORKER, "seccomp", 0),
    ("the first two filters, `Locked`", WORKER, "sendmsg", 1),
    ("looked at from outside, `Start`", SUPERVISOR, "sendmsg", -3),
    ("compiled plugin loaded", WORKER, "seccomp", 2),
    ("the third filter, `Online`", WORKER, "sendmsg", 2),
    ("looked at from outside, the range sent", SUPERVISOR, "sendmsg", -2),
    ("instance made, record processed, answered", WORKER, "sendmsg", 3),
    ("answer judged, output written, `Stop`", SUPERVISOR, "sendmsg", -1),
    ("everything given back", WORKER, "exit_group", 0),
    ("the process ends", WORKER, "gone", 0),
    ("everything given back, directory removed", SUPERVISOR, "exit_group", 0),
    ("the process ends", SUPERVISOR, "gone", 0),
]
CALLS = ["poll", "memfd_create", "utimensat", "setsid", "connect", "sendmsg", "unshare",
         "landlock_create_ruleset", "seccomp", "exit_group"]
TRACEPOINTS = [*(f"syscalls:sys_enter_{call}" for call in CALLS),
               "sched:sched_process_fork", "sched:sched_process_exec", "signal:signal_generate"]
FAULT = "minor-faults"
# What `perf` calls what is seen, and what it is called here: a process that is gone tells its parent.
NAMES = {**{call: call for call in CALLS}, FAULT: FAULT, "sched_process_fork": "thread",
         "sched_process_exec": "executed", "signal_generate": "gone"}
CHILD_ENDED = "sig=17 "
EVENT = re.compile(rf"^ *(-?\d+)/(-?\d+) +([\d.]+): +(?:\w+:)?(?:sys_enter_)?({'|'.join(NAMES)}):(.*)", re.MULTILINE)


def main():
    options = parse_arguments()
    commands = prepare(options, places(options))
    known = facts() | {"rounds": options.rounds}
    runs, known["others"] = time_all(commands, options.rounds)
    runs += with_stats(commands[START], options)
    if timed := followed(commands[START], options, "times"):
        runs += timed + followed(commands[START], options, "faults")
    trial = {"facts": known, "runs": runs}
    text, is_kept = verdict(trial)
    print(tables(trial), text, sep="\n\n")
    if known["others"] > QUIET:
        print(f"warning: other programs took {known['others']:.0%} of the cores meanwhile; "
              "these figures say little, repeat on a quiet machine", file=sys.stderr)
    keep(options.runs_dir, "start", trial, section)
    return 0 if is_kept or not options.check else 1


def parse_arguments():
    parser = argparse.ArgumentParser(
        description="Times how host starts, and says where the time goes.",
        epilog="What is counted is told at the top of this file.",
    )
    parser.add_argument("--rounds", type=positive, default=200, help="how often each command is timed (200)")
    parser.add_argument("--followed", type=positive, default=100, metavar="N",
                        help="starts whose phases are noted (100)")
    parser.add_argument("--check", action="store_true",
                        help=f"exit 1 if a start takes more than {CEILING} ms above `true`")
    add_places(parser)
    return parser.parse_args()


def prepare(options, bin_dir):
    """Name -> command; each has run once, so that the plugin is compiled."""
    program, record, cache = bin_dir / "host", options.dir / "one.ndjson", options.dir / "start-cache"
    record.write_text('{"type":"PushEvent"}\n')
    cache.mkdir(mode=0o700, exist_ok=True)
    job = [program, "--plugin", plugin("filter"), "--quiet", record]
    strict, one, kept = ["--sandbox", "strict"], ["--workers", "1"], ["--cache", cache]
    commands = {
        TRUE: [shutil.which("true")],
        VERSION: [program, "--version"],
        START: [*job, *kept, *strict, *one],
        "two workers allowed": [*job, *kept, *strict, "--workers", "2"],
        "no sandbox": [*job, *kept, "--sandbox", "off", *one],
        "to a file": [*job, *kept, *strict, *one, "-o", options.dir / "one.out"],
        COMPILED: [*job, "--cache", "off", *strict, *one],
    }
    for command in commands.values():
        once(command)
    return commands


def once(command):
    """One run: its process, and wall time and CPU time in milliseconds."""
    command = list(map(str, command))
    silent = [(os.POSIX_SPAWN_OPEN, 1, os.devnull, os.O_WRONLY, 0)]
    began = time.perf_counter()
    process = os.posix_spawn(command[0], command, os.environ, file_actions=silent)
    _, status, usage = os.wait4(process, 0)
    wall = time.perf_counter() - began
    if status != 0:
        raise Failure(f"ended with {os.waitstatus_to_exitcode(status)}: {' '.join(command)}")
    cpu = usage.ru_utime + usage.ru_stime
    return process, {"wall": round(wall * 1e3, 3), "cpu": round(cpu * 1e3, 3), "faults": usage.ru_minflt}


def time_all(commands, rounds):
    """Every command in turn; also the part of all cores that other programs took meanwhile."""
    runs = []
    began, busy, own = time.monotonic(), busy_seconds(), sum(os.times()[:4])
    for number in range(1, rounds + 1):
        for name in in_turn(commands, number):
            if number % RARELY.get(name, 1) == 0:
                runs.append({"name": name, "round": number} | once(commands[name])[1])
    others = busy_seconds() - busy - (sum(os.times()[:4]) - own)
    cores = len(os.sched_getaffinity(0))
    return runs, round(max(others, 0) / (time.monotonic() - began) / cores, 3)


def with_stats(command, options):
    """Starts with the CPU time of each process; the supervisor's is what the worker's leaves of all."""
    stats = options.dir / "start-stats.json"
    runs = []
    for _ in range(options.rounds):
        _, figures = once([*command, "--stats", stats])
        worker = json.loads(stats.read_text())["workers"][0]["cpu_seconds"] * 1e3
        runs.append({"name": "cpu", SUPERVISOR: round(figures["cpu"] - worker, 3), WORKER: round(worker, 3)})
    return runs


def followed(command, options, counted):
    """Starts with what `perf` saw of each phase: its time in milliseconds, or its page faults."""
    data = options.dir / "start.perf"
    events = [*TRACEPOINTS, FAULT] if counted == "faults" else TRACEPOINTS
    (orders, order), (answer, answers) = os.pipe(), os.pipe()
    recorder = ["perf", "record", "--quiet", "--all-cpus", "--event", ",".join(events), "--count", "1",
                "--delay", "-1", "--control", f"fd:{orders},{answers}", "--output", str(data)]
    try:
        perf = subprocess.Popen(recorder, pass_fds=(orders, answers), stderr=subprocess.PIPE, text=True)
    except OSError as error:
        return left_out(error)
    finally:
        os.close(answers)
    os.write(order, b"enable\n")
    # It says so when it follows; before that it can only end.
    if not os.read(answer, 10):
        return left_out(perf.stderr.read().strip().partition("\n")[0])
    starts = dict(once(command) for _ in range(options.followed))
    os.write(order, b"stop\n")
    perf.wait()
    for end in (orders, order, answer):
        os.close(end)
    runs = read(data, starts, counted)
    data.unlink()
    return runs or left_out("the marks of a start are not to be seen here")


def left_out(why):
    print(f"notice: where the time goes is left out, `perf record --all-cpus` is needed: {why}", file=sys.stderr)
    return []


def read(data, starts, counted):
    """Adds to each start what a recording holds of its phases; one that is not all there is left out."""
    script = ["perf", "script", "--input", str(data), "--ns", "--fields", "trace:pid,tid,time,event,trace",
              "--fields", "sw:pid,tid,time,event"]
    text = subprocess.run(script, capture_output=True, text=True, check=True).stdout
    # Process -> what is seen of it: when, what, and which process it made.
    seen = collections.defaultdict(list)
    for process, thread, at, what, more in EVENT.findall(text):
        # A supervisor's other threads pass on what its workers say, and there are other signals.
        if what == "sendmsg" and process != thread or what == "signal_generate" and CHILD_ENDED not in more:
            continue
        made = re.search(r"child_pid=(\d+)", more)
        seen[int(process)].append((float(at) * 1e3, NAMES[what], made and int(made[1])))
    runs = []
    for process, figures in starts.items():
        try:
            runs.append({"name": counted} | figures | {"phases": phases(seen, process, counted)})
        except (IndexError, StopIteration):
            continue
    return runs


def phases(seen, process, counted):
    """A start's phases: of each how long it took, or how many page faults there were."""
    made = [(at, child) for at, what, child in seen[process] if what == "thread"]
    at, worker = next((at, child) for at, child in made if any(what == "executed" for _, what, _ in seen[child]))
    times = collections.defaultdict(list, {(SUPERVISOR, "worker"): [at]})
    for who, number in ((SUPERVISOR, process), (WORKER, worker)):
        for at, what, _ in seen[number]:
            times[who, what].append(at)
    ends = [times[who, what][which] for _, who, what, which in MARKS]
    begins = [times[SUPERVISOR, "executed"][0], *ends[:-1]]
    if counted == "times":
        return [round(end - begin, 4) for begin, end in zip(begins, ends)]
    faults = times[SUPERVISOR, FAULT] + times[WORKER, FAULT]
    return [sum(begin < at <= end for at in faults) for begin, end in zip(begins, ends)]


def of(trial, name, field):
    return [run[field] for run in trial["runs"] if run["name"] == name]


def quartiles(values):
    return statistics.quantiles(values, n=4) if len(values) > 1 else values * 3


def above_true(trial, name):
    """What each run takes more than that of `true` in the same round."""
    trues = {run["round"]: run["wall"] for run in trial["runs"] if run["name"] == TRUE}
    return [run["wall"] - trues[run["round"]] for run in trial["runs"] if run["name"] == name]


def verdict(trial):
    """The promise in words, and whether it is kept."""
    above = statistics.median(above_true(trial, START))
    is_kept = above <= CEILING
    return (f"{'kept' if is_kept else 'BROKEN'}: a start takes {above:.1f} ms above `true`, at most {CEILING} "
            f"({GOAL} is the goal)"), is_kept


def tables(trial):
    parts = [times_table(trial), cpu_table(trial)]
    if any(run["name"] == "times" for run in trial["runs"]):
        parts.append(phases_table(trial))
    return "\n\n".join(parts)


def times_table(trial):
    names = dict.fromkeys(run["name"] for run in trial["runs"] if "round" in run)
    rows = []
    for name in names:
        walls, above = of(trial, name, "wall"), statistics.median(above_true(trial, name))
        low, median, high = quartiles(walls)
        rows.append([name, len(walls), f"{median:.2f}", f"{low:.2f} to {high:.2f}", f"{above:.2f}",
                     f"{statistics.median(of(trial, name, 'cpu')):.2f}",
                     f"{statistics.median(of(trial, name, 'faults')):.0f}"])
    return markdown(["run", "runs:", "ms:", "middle half:", "above `true`:", "CPU ms:", "page faults:"], rows)


def cpu_table(trial):
    rows = [[who, *(f"{part:.2f}" for part in quartiles(of(trial, "cpu", who)))] for who in (SUPERVISOR, WORKER)]
    return markdown(["CPU time of a start", "lower quartile, ms:", "median, ms:", "upper quartile, ms:"], rows)


def phases_table(trial):
    times = list(zip(*of(trial, "times", "phases")))
    faults = list(zip(*of(trial, "faults", "phases")))
    medians, whole = list(map(statistics.median, times)), statistics.median(of(trial, "times", "wall"))
    rows = []
    for (name, who, *_), median, counts in zip(MARKS, medians, faults):
        rows.append([name, who, f"{median:.2f}", f"{median / sum(medians):.0%}", f"{statistics.median(counts):.0f}"])
    rows.append(["all", "", f"{sum(medians):.2f}", "", f"{sum(map(statistics.median, faults)):.0f}"])
    alone = statistics.median(of(trial, START, "wall"))
    return (markdown(["phase of a start", "of the", "ms:", "part:", "page faults:"], rows)
            + f"\n\nMedians of {len(times[0])} starts, which took {whole:.2f} ms each from outside because they were "
            f"followed, and {alone:.2f} ms alone.")


def section(trial):
    known = trial["facts"]
    text, _ = verdict(trial)
    return f"""## Start, {known["date"]}, commit {known["commit"]}

{known["rounds"]} rounds, output to /dev/null but for the one to a file. {sentence(trial)} Other programs took \
{known["others"]:.0%} of the cores meanwhile. What is counted is told at the top of `benches/start.py`.

{tables(trial)}

{text}
"""


if __name__ == "__main__":
    try:
        sys.exit(main())
    except (Failure, subprocess.CalledProcessError) as fault:
        sys.exit(f"error: {fault}")
