"""{{name}}: counts the records, and those whose member "type" is what `--param type=...` says.

The records are shared out among several instances of this plugin. Each has a state of its own,
and `host` merges them, in the order of the input.
"""

import json

from host import param, reject

own = {"records": 0, "matching": 0}


def add(record: str) -> None:
    """Called with each record, which is the text of one JSON value.

    The state has to be as before where a record is rejected.
    """
    wanted = param("type")
    if wanted is None:
        # Shown to the user, who decides what becomes of records that are rejected.
        reject("the parameter `type` is missing (--param type=VALUE)")
    found = json.loads(record).get("type")
    own["records"] += 1
    own["matching"] += found == wanted


def take() -> bytes:
    """Gives the state of the records so far. The next `add` is the first again."""
    taken = json.dumps(own).encode()
    own.update(records=0, matching=0)
    return taken


def merge(left: bytes, right: bytes) -> bytes:
    """Makes one state of two."""
    one, other = read(left), read(right)
    return json.dumps({name: one[name] + other[name] for name in own}).encode()


def finish(state: bytes) -> list[str]:
    """Called once, with the state of all records: what comes out."""
    return [json.dumps(read(state), separators=(",", ":"))]


def read(state: bytes) -> dict[str, int]:
    """The state that bytes hold."""
    try:
        return json.loads(state)
    except ValueError:
        reject("the state is none of this plugin")
