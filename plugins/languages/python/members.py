"""Members of JSON objects, found by path.

Records are read and what comes out is written by Python's JSON library: a number comes out as
Python writes it, a string without needless escapes.
"""

import json
from typing import Any, NamedTuple

from host import reject

# What a member that is not there is found as.
MISSING = object()


class Field(NamedTuple):
    """A member that is wanted: the steps to it, and what it is called then."""

    path: list[str]
    name: str


def parse(text: str) -> list[Field]:
    """Reads a parameter like `id,actor.login:user`."""
    fields: list[Field] = []
    for part in text.split(","):
        steps, named, name = part.partition(":")
        path = steps.split(".")
        field = Field(path, name if named else path[-1])
        if not all(path) or not field.name or ":" in name:
            reject(f"`{part}` is no path like `actor.login` or `actor.login:user`")
        if any(other.name == field.name for other in fields):
            reject(f"two fields are called `{field.name}`")
        fields.append(field)
    return fields


def read(record: str) -> dict[str, Any]:
    """What a record holds. What is no JSON object is rejected."""
    try:
        members = json.loads(record)
    except ValueError as error:
        reject(str(error))
    if not isinstance(members, dict):
        reject("the record is not a JSON object")
    return members


def find(members: dict[str, Any], path: list[str]) -> Any:
    """The value at a path; MISSING if there is none."""
    value: Any = members
    for step in path:
        # What is no object has no members.
        value = value.get(step, MISSING) if isinstance(value, dict) else MISSING
    return value


def write(value: Any) -> str:
    """A value as JSON, without white space."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))
