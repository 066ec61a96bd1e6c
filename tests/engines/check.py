#!/usr/bin/env python3
"""What examples/engines/ does with engines other than Spark, compared with `host` alone.

    tests/engines/check.py HOST EVENTS VENVS

HOST is the program, EVENTS a file of JSON lines, and VENVS a directory in which each engine gets a
virtual environment of its own from PyPI, unless it is there from before. Has run if it says so at
the end.
"""

import os
import re
import subprocess
import sys
import tempfile
import time
import venv
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[2]
PLUGINS = REPOSITORY / "plugins"
HOST, EVENTS, VENVS = (Path(path).resolve() for path in sys.argv[1:4])

# What is run, what it needs, and whether it keeps the order of records.
ENGINES = [
    ("ray_data.py", ["ray[data]==2.60.0"], True),
    ("beam.py", ["apache-beam==2.77.0"], False),
    ("flink.py", ["apache-flink==2.3.0"], False),
]
BROKEN = b'{"type": broken\n'


def main():
    with tempfile.TemporaryDirectory() as scene:
        scene = Path(scene)
        lines = EVENTS.read_bytes().splitlines(keepends=True)[:60_000]
        good, bad = scene / "good.ndjson", scene / "bad.ndjson"
        good.write_bytes(b"".join(lines))
        bad.write_bytes(b"".join([*lines[:30_000], BROKEN, *lines[30_000:]]))
        for script, packages, in_order in ENGINES:
            began = time.time()
            environment = installed(script, packages)
            check(environment, script, in_order, good, bad, scene)
            print(f"{script}: as it should be, {time.time() - began:.0f} s", flush=True)
    print("all is as it should be")


def installed(script, packages):
    """The variables with which the engine's Python is the one that is found."""
    directory = VENVS / script.removesuffix(".py")
    if not (directory / "bin" / "pip").exists():
        venv.create(directory, with_pip=True)
        pip = [directory / "bin" / "pip", "install", "--quiet", "--disable-pip-version-check"]
        subprocess.run([*pip, *packages], check=True)
    return dict(os.environ, PATH=f"{directory / 'bin'}:{os.environ['PATH']}", VIRTUAL_ENV=str(directory))


def check(environment, script, in_order, good, bad, scene):
    def run(name, source, *flags):
        output = scene / f"{script}-{name}"
        words = ["python", REPOSITORY / "examples" / "engines" / script, HOST, plugin(name), source]
        ran = subprocess.run([*words, output, *flags], env=environment, capture_output=True, text=True)
        return ran, output

    for name, flags in [("filter", []), ("map", ["--param", "fields=id,type"])]:
        ran, output = run(name, good, *flags)
        assert ran.returncode == 0, ran.stdout + ran.stderr
        found = written(output)
        alone = [HOST, "--quiet", "--plugin", plugin(name), *flags, good]
        wanted = subprocess.run(alone, capture_output=True, check=True).stdout
        order = list if in_order else sorted
        assert order(found.splitlines()) == order(wanted.splitlines()), f"{script}: {name}: other records"
    ran, _ = run("map", bad, "--param", "fields=id")
    assert ran.returncode != 0, f"{script}: a record fails, and nobody says so"
    assert re.search(r"error: record [\d,]+ of standard input \(byte", ran.stdout + ran.stderr), ran.stdout + ran.stderr


def plugin(name):
    return PLUGINS / name / f"{name}.wasm"


def written(output):
    """What has been written below a directory, or to files whose names begin so, by their names."""
    files = sorted(output.rglob("*")) or sorted(output.parent.glob(f"{output.name}*"))
    return b"".join(path.read_bytes() for path in files if path.is_file())


main()
