#!/usr/bin/env python3
"""Asks what Parquet and Arrow cost: the events as tables, filtered by `type`, beside DuckDB and pyarrow.

    python3 benches/tables.py            build, make the data, time, record
    python3 benches/tables.py --help     everything else

It needs PyPI's duckdb and pyarrow. Programs take turns forwards and backwards, with two workers or
threads. DuckDB and pyarrow compare a column that they have decoded; a plugin is given each row as
JSON and parses it. What `--columns` saves is seen where only `type` is wanted. "By lines" is what
one would do without tables: DuckDB writes JSON lines, `host` filters them, DuckDB makes a table.
"""

import argparse
import statistics
import sys

from suite import figures, inputs, machine, timing
from suite.programs import Failure, add_places, places, plugin, positive

WORKERS = 2

PYARROW = """
import sys, pyarrow, pyarrow.parquet as pq, pyarrow.compute as pc
pyarrow.set_cpu_count({threads})
table = pq.read_table({source!r})
pq.write_table(table.filter(pc.equal(table["type"], "PushEvent")), {out!r}, compression="zstd")
"""
DUCKDB = """
import duckdb
duckdb.sql("set threads = {threads}")
duckdb.sql("copy (select {columns} from '{source}' where type = 'PushEvent') to '{out}' ({form})")
"""
MAKE = """
import pyarrow.json, pyarrow.parquet as pq
options = pyarrow.json.ReadOptions(block_size=64 << 20)
pq.write_table(pyarrow.json.read_json({source!r}, read_options=options), {out!r}, compression="zstd")
"""


def main():
    options = parse_arguments()
    bin_dir = places(options)
    lines = inputs.events(options.dir, bin_dir, options.records)
    table = options.dir / f"events-{options.records}.parquet"
    if not table.exists():
        timing.run(python(MAKE.format(source=str(lines), out=str(table))))
    ways = calls(options, bin_dir / "host", table)
    seen = []
    # The first round warms up and is not counted.
    for number in range(options.rounds + 1):
        for way in timing.in_turn(ways, number):
            runs = [timing.run(command) for command in ways[way]]
            sums = {what: round(sum(run[what] for run in runs), 4) for what in ["wall", "user", "sys", "others"]}
            if number > 0:
                seen.append({"way": way, "round": number} | sums)
        check(options)
    sizes = {"lines": lines.stat().st_size, "parquet": table.stat().st_size}
    facts = machine.facts() | {"records": options.records, "workers": WORKERS} | sizes
    trial = {"facts": facts, "runs": seen}
    print(section(trial))
    figures.keep(options.runs_dir, "tables", trial, section)


def parse_arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=positive, default=5, help="how often each is run (5)")
    parser.add_argument("--records", type=positive, default=600_000, help="events (600,000)")
    add_places(parser)
    return parser.parse_args()


def python(script):
    return [sys.executable, "-c", script]


def calls(options, host, table):
    """The commands of each way, one after the other."""
    out = lambda name: str(options.dir / f"tables.{name}")
    filtered = [str(host), "--quiet", "--workers", str(WORKERS), "--plugin", str(plugin("filter"))]
    duckdb = lambda source, to, form, columns="*": python(
        DUCKDB.format(threads=WORKERS, source=source, out=to, form=form, columns=columns))
    return {
        "host, Parquet to lines": [[*filtered, str(table), "-o", out("host.ndjson")]],
        "host, Parquet to Parquet": [[*filtered, str(table), "-o", out("host.parquet")]],
        "host, one column to Parquet": [[*filtered, "--columns", "type", str(table), "-o", out("host-type.parquet")]],
        "by lines": [
            duckdb(table, out("all.ndjson"), "format json"),
            [*filtered, out("all.ndjson"), "-o", out("kept.ndjson")],
            duckdb(out("kept.ndjson"), out("by-lines.parquet"), "format parquet, compression zstd"),
        ],
        "DuckDB, Parquet to lines": [duckdb(table, out("duckdb.ndjson"), "format json")],
        "DuckDB, Parquet to Parquet": [duckdb(table, out("duckdb.parquet"), "format parquet, compression zstd")],
        "DuckDB, one column to Parquet": [duckdb(table, out("duckdb-type.parquet"), "format parquet, compression zstd", "type")],
        "pyarrow, Parquet to Parquet": [python(PYARROW.format(threads=WORKERS, source=str(table), out=out("pyarrow.parquet")))],
    }


def check(options):
    """All have the same rows in the same order."""
    import pyarrow.parquet as pq

    wanted = pq.read_table(options.dir / "tables.pyarrow.parquet")
    for name in ["host", "duckdb"]:
        found = pq.read_table(options.dir / f"tables.{name}.parquet")
        if found.to_pylist() != wanted.to_pylist():
            raise Failure(f"{name} has other rows")


def section(trial):
    facts, runs = trial["facts"], trial["runs"]
    ways = dict.fromkeys(run["way"] for run in runs)
    walls = {way: [run["wall"] for run in runs if run["way"] == way] for way in ways}
    cpus = {way: [run["user"] + run["sys"] for run in runs if run["way"] == way] for way in ways}
    base = statistics.median(walls["DuckDB, Parquet to lines"])
    rows = []
    for way, wall in walls.items():
        median = statistics.median(wall)
        rows.append([way, f"{median:.2f}", f"{min(wall):.2f}", f"{timing.spread(wall):.0%}", f"{statistics.median(cpus[way]):.2f}", f"{median / base:.2f}"])
    head = ["way", "median s:", "fastest s:", "spread:", "CPU s:", "DuckDB's lines = 1:"]
    size = lambda what: f"{facts[what] / 1e6:.0f} MB"
    said = f"{facts['records']:,} events, {size('lines')} as JSON lines, {size('parquet')} as Parquet. "
    return f"""## Tables, {facts["date"]}, commit {facts["commit"]}

{said}{machine.sentence(trial)}

{figures.markdown(head, rows)}
"""


if __name__ == "__main__":
    try:
        main()
    except Failure as failure:
        sys.exit(f"error: {failure}")
