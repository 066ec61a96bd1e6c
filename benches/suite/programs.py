"""Where things are, what ends a benchmark, and the programs of this repository."""

import argparse
import os
import subprocess
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
DATA = ROOT / "target/bench"
RUNS = ROOT / "benches/runs"


class Failure(Exception):
    """Something that ends a benchmark; its text says what and where."""


def build():
    """Builds the program, the generator and the native peers; gives the directory they are in."""
    for arguments in (["--bins"], ["--examples"]):
        subprocess.run(["cargo", "build", "--release", "--quiet", *arguments], cwd=ROOT, check=True)
    return (ROOT / os.environ.get("CARGO_TARGET_DIR", "target") / "release").resolve()


def plugin(name):
    """The file of one of the plugins of this repository."""
    file = ROOT / f"plugins/{name}/{name}.wasm"
    return file if file.exists() else file.with_suffix(".wat")


# Says the same of every record, at once, and has it put into the same place.
CONSTANT = """(module (memory (export "memory") 2)
  (func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32) (i32.const 1024))
  (func (export "keep") (param i32 i32) (result i32)
    (i32.store8 (i32.const 20) (i32.const {answer}))
    (i32.const 16)))
"""


def constant_filter(directory, keeps):
    """Writes a filter that looks at nothing and keeps all records, or none; its file."""
    file = directory / ("keep-all.wat" if keeps else "drop-all.wat")
    file.write_text(CONSTANT.format(answer=int(keeps)))
    return file


def add_places(parser):
    """The arguments that every benchmark has: where programs, data and figures are."""
    parser.add_argument("--bin-dir", type=path, metavar="DIR",
                        help="build nothing; take DIR/host, DIR/examples/native and the others")
    parser.add_argument("--dir", type=path, default=DATA, help="where data and outputs go (target/bench)")
    parser.add_argument("--runs-dir", type=path, default=RUNS, help="where figures go (benches/runs)")


def places(options):
    """Makes the directory for data, builds if nothing built was named; gives the programs' directory."""
    options.dir.mkdir(parents=True, exist_ok=True)
    return options.bin_dir or build()


def path(text):
    return Path(text).resolve()


def positive(text):
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError("must be at least 1")
    return number


def names_of(known):
    """A type of argument: some of the names, with commas between."""
    def parse(text):
        wanted = [name.strip() for name in text.split(",")]
        if unknown := [name for name in wanted if name not in known]:
            raise argparse.ArgumentTypeError(f"there is no {', '.join(unknown)}; there are {', '.join(known)}")
        return wanted

    return parse
