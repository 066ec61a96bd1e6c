"""The jobs, the programs that do them, and how each is called."""

import shutil
import subprocess
import sys
from pathlib import Path
from typing import Callable, NamedTuple

from .programs import ROOT, plugin

# Of jaq, which no Debian release has.
JAQ = "2.3.0"
NODE = ROOT / "benches/peers/node"


class Job(NamedTuple):
    """What is done, in each program's language. `keeps_bytes`: a record goes through as it is
    written, so that outputs can be the same to the byte. `ordered`: the order of the results is part of
    the job."""

    what: str
    plugin: str
    params: list
    jq: str
    miller: list
    sql: str
    keeps_bytes: bool = False
    ordered: bool = True


JOBS = {
    "filter": Job(
        what="keep the push events, one in six",
        plugin="filter",
        params=[],
        jq='select(.type == "PushEvent")',
        miller=["filter", '$type == "PushEvent"'],
        sql="SELECT json FROM {records} WHERE json_extract_string(json, '$.type') = 'PushEvent'",
        keeps_bytes=True,
    ),
    "map": Job(
        what="pick three members and rename one",
        plugin="map",
        params=["--param", "fields=id,actor.login:user,type"],
        jq="{id, user: .actor.login, type}",
        miller=["put", "-q", 'emit1 {"id": $id, "user": $actor["login"], "type": $type}'],
        sql="SELECT json_object('id', json->'$.id', 'user', json->'$.actor.login', 'type', json->'$.type') "
            "FROM {records}",
    ),
    "flat-map": Job(
        what="a record for each commit of an event",
        plugin="flat-map",
        params=["--param", "array=payload.commits", "--param", "keep=id", "--param", "as=commit"],
        jq=".id as $id | .payload.commits[] | {id: $id, commit: .}",
        miller=["put", "-q", 'for (c in $payload["commits"]) { emit1 {"id": $id, "commit": c} }'],
        sql="SELECT json_object('id', json->'$.id', 'commit', unnest(json->'$.payload.commits[*]')) "
            "FROM {records}",
    ),
    "count-by": Job(
        what="count the events of each type",
        plugin="count-by",
        params=["--param", "by=type"],
        jq="reduce inputs as $event ({}; .[$event.type] += 1) "
           "| to_entries[] | {type: .key, count: .value}",
        miller=["count", "-g", "type"],
        sql="SELECT json_object('type', json->>'$.type', 'count', count(*)) "
            "FROM {records} GROUP BY json->>'$.type'",
        ordered=False,
    ),
    "cities": Job(
        what="keep the cities of Switzerland, out of one array",
        plugin="cities",
        params=[],
        jq='.[] | select(.country == "CH")',
        miller=["filter", '$country == "CH"'],
        sql="SELECT json FROM {records} WHERE json_extract_string(json, '$.country') = 'CH'",
        keeps_bytes=True,
    ),
}


class Call(NamedTuple):
    """What a command is made from: the job's name, the data (None: by a pipe), where the output is to
    go, and the programs by name."""

    job: str
    data: Path | None
    out: Path
    tools: dict

    @property
    def array(self):
        return self.job == "cities"

    @property
    def files(self):
        """The input as the last argument of a program that reads standard input without one."""
        return [self.data] if self.data else []


class Peer(NamedTuple):
    """A program to time; `tools` is what it takes, by name. `command` gives its words, or a text: why it cannot do that. `prints`: its
    output goes to standard output. `parts`: its output is OUT.0, OUT.1, ... one after the other.
    `raw`: it passes a record on as it is written."""

    name: str
    what: str
    tools: str
    command: Callable
    prints: bool = False
    parts: int = 0
    raw: bool = False


def host(workers):
    def command(call):
        job = JOBS[call.job]
        form = ["--to", "ndjson"] if call.array else []
        source = [call.data] if call.data else ["--from", "ndjson", "-"]
        return [call.tools["host"], "--plugin", plugin(job.plugin), *job.params, "--workers", str(workers),
                "--quiet", *form, "-o", call.out, *source]
    return command


def native(threads):
    def command(call):
        more = ["--threads", str(threads)] if threads > 1 else []
        array = ["--array"] if call.array else []
        return [call.tools["native"], call.job, *call.files, "-o", call.out, *array, *more]
    return command


def node(program):
    def command(call):
        if call.array:
            return "it takes lines"
        if not call.data:
            return "it reads its file by position"
        if program == "parts" and call.job == "count-by":
            return "counts are put together from no part files"
        return [call.tools["node"], NODE / f"cluster-{program}.js", call.job, call.data, call.out, "2"]
    return command


def node_array(call):
    if not call.array:
        return "it takes an array"
    return [call.tools["node"], NODE / "array.js", call.data, call.out]


def jq_like(name):
    def command(call):
        expression = JOBS[call.job].jq
        nothing = ["-n"] if "inputs" in expression else []
        return [call.tools[name], *nothing, "-c", expression, *call.files]
    return command


def parallel(call):
    job = JOBS[call.job]
    if call.array:
        return "it cuts at line breaks"
    jaq = [call.tools["jaq"], *(["-n"] if "inputs" in job.jq else []), "-c", job.jq]
    source = ["--pipepart", "-a", str(call.data)] if call.data else ["--pipe"]
    words = [call.tools["parallel"], "--will-cite", *source, "--block", "10M", "-k", "-j", "2", "-q",
             # It would take the `{}` of an expression for something of its own.
             "-I", "%%%", *jaq]
    if call.job != "count-by":
        return words
    add = "group_by(.type)[] | {type: .[0].type, count: (map(.count) | add)}"
    script = 'jaq=$1 add=$2; shift 2; "$@" | "$jaq" -s -c "$add"'
    return ["sh", "-c", script, "sh", call.tools["jaq"], add, *words]


def miller(call):
    form = "--ijson" if call.array else "--ijsonl"
    return [call.tools["mlr"], form, "--ojsonl", *JOBS[call.job].miller, *call.files]


def duckdb(threads):
    def command(call):
        form = "array" if call.array else "newline_delimited"
        records = f"read_json_objects('{call.data or '/dev/stdin'}', format = '{form}')"
        query = JOBS[call.job].sql.format(records=records)
        # No record holds a byte 1, so nothing is ever quoted.
        form = "FORMAT csv, HEADER false, DELIMITER '\x01', QUOTE '', ESCAPE ''"
        words = f"SET threads = {threads}; COPY ({query}) TO '{call.out}' ({form})"
        return [call.tools["duckdb"], "-batch", "-c", words]
    return command


def grep(call):
    if call.job != "filter":
        return "it only finds lines"
    return [call.tools["grep"], "-F", '"type":"PushEvent"', *call.files]


REFERENCE = "native"

PEERS = [
    Peer("native", "native Rust, one thread", "native", native(1), raw=True),
    Peer("native-2", "native Rust, rayon with two threads", "native", native(2), raw=True),
    Peer("host-1", "host, 1 worker", "host", host(1), raw=True),
    Peer("host-2", "host, 2 workers", "host", host(2), raw=True),
    Peer("node-messages", "node cluster (a): 2 processes, results by process.send in order", "node",
         node("messages"), raw=True),
    Peer("node-parts", "node cluster (b): 2 processes, static halves, part files", "node",
         node("parts"), parts=2, raw=True),
    Peer("node-array", "node, one process, the array in memory", "node", node_array, raw=True),
    Peer("duckdb-1", "DuckDB, 1 thread", "duckdb", duckdb(1), raw=True),
    Peer("duckdb-2", "DuckDB, 2 threads", "duckdb", duckdb(2), raw=True),
    Peer("jaq", "jaq", "jaq", jq_like("jaq"), prints=True),
    Peer("parallel", "GNU parallel and jaq, 2 jobs", "parallel jaq", parallel, prints=True),
    Peer("jq", "jq", "jq", jq_like("jq"), prints=True),
    Peer("gojq", "gojq", "gojq", jq_like("gojq"), prints=True),
    Peer("miller", "miller", "mlr", miller, prints=True),
    Peer("grep", "grep: the floor of reading", "grep", grep, prints=True, raw=True),
]

# What `--install` has Debian install, by the command's name.
PACKAGES = {"jq": "jq", "gojq": "gojq", "mlr": "miller", "parallel": "parallel", "node": "nodejs", "grep": "grep"}


def find(bin_dir, directory):
    """Where each program is; None where it is not."""
    built = {"host": bin_dir / "host", "native": bin_dir / "examples/native"}
    found = {name: str(path) if path.exists() else None for name, path in built.items()}
    for name in PACKAGES:
        found[name] = shutil.which(name)
    own = directory / "tools/bin/jaq"
    found["jaq"] = str(own) if own.exists() else shutil.which("jaq")
    # What pip installs stands beside Python; on the path there may be a script that only finds it.
    beside = Path(sys.executable).resolve().parent / "duckdb"
    found["duckdb"] = str(beside) if beside.exists() else shutil.which("duckdb")
    return found


def install(bin_dir, directory):
    """Installs the peers that are not there: jaq by cargo beside the data, DuckDB's shell by pip, the others
    by Debian's packages (as root)."""
    missing = [name for name, place in find(bin_dir, directory).items() if not place]
    if "jaq" in missing:
        subprocess.run(["cargo", "install", "jaq", "--version", JAQ, "--locked", "--quiet",
                        "--root", directory / "tools"], cwd=directory, check=True)
    if "duckdb" in missing:
        subprocess.run([sys.executable, "-m", "pip", "install", "--quiet", "duckdb-cli"], check=True)
    if packages := [PACKAGES[name] for name in missing if name in PACKAGES]:
        subprocess.run(["apt-get", "install", "--yes", "--quiet", *packages], check=True)


def versions(tools):
    """What each peer says of its version."""
    said = {}
    for name in ("node", "duckdb", "jaq", "jq", "gojq", "mlr", "parallel", "grep"):
        if tools[name]:
            done = subprocess.run([tools[name], "--version"], capture_output=True, text=True)
            said[name] = f"{name}: {(done.stdout or done.stderr).partition(chr(10))[0]}"
    return said
