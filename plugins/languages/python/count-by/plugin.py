"""Counts records by the value at a path, or at several: --param by=type or by=type,repo.name:repo.

A record for each value comes out, in the order of their JSON: {"type":"PushEvent","count":190}.
A member that is not there counts as null.

The records are shared out among several instances of this plugin. Each counts for itself, and
`host` merges what they have counted.
"""

import json
from collections import Counter
from functools import cache

import members
from host import param, reject

# How often each key was met: the members that are counted by, as they stand in an object.
counts: Counter[str] = Counter()


@cache
def keys() -> list[members.Field]:
    """What is counted by."""
    by = param("by")
    if by is None:
        reject("the parameter `by` is missing (--param by=type)")
    fields = members.parse(by)
    if any(field.name == "count" for field in fields):
        reject("a member called `count` needs another name: --param by=count:of")
    return fields


def add(record: str) -> None:
    """Called with each record, which is the text of one JSON value.

    The state has to be as before where a record is rejected.
    """
    fields = keys()
    read = members.read(record)
    found = {field.name: members.find(read, field.path) for field in fields}
    key = {name: None if value is members.MISSING else value for name, value in found.items()}
    counts[members.write(key)[1:-1]] += 1


def take() -> bytes:
    """Gives the state of the records so far. The next `add` is the first again."""
    taken = write(counts)
    counts.clear()
    return taken


def merge(left: bytes, right: bytes) -> bytes:
    """Makes one state of two."""
    return write(read(left) + read(right))


def finish(state: bytes) -> list[str]:
    """Called once, with the state of all records: what comes out."""
    keys()
    return [f'{{{key},"count":{count}}}' for key, count in sorted(read(state).items())]


def write(counts: Counter[str]) -> bytes:
    """A state: what is counted by, and the counts."""
    return json.dumps({"by": param("by"), "counts": counts}).encode()


def read(state: bytes) -> Counter[str]:
    """The counts that a state holds."""
    try:
        read = json.loads(state)
    except ValueError:
        read = {}
    if read.get("by") != param("by"):
        reject("a state is none of this plugin with this parameter `by`")
    return Counter(read["counts"])
