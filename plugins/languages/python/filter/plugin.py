"""Keeps the records whose value at a path is the wanted one.

--param path=actor.login --param is=ann: a string is compared by what it says, anything else by
its JSON.
"""

from functools import cache

import members
from host import param, reject


@cache
def wanted() -> tuple[list[str], str]:
    """The path, and the value that is wanted there."""
    path, value = param("path"), param("is")
    if path is None:
        reject("the parameter `path` is missing (--param path=actor.login)")
    fields = members.parse(path)
    if value is None or len(fields) != 1:
        reject("one path and one value are wanted: --param path=actor.login --param is=ann")
    return fields[0].path, value


def keep(record: str) -> bool:
    """Called with each record, which is the text of one JSON value. True keeps it."""
    path, value = wanted()
    found = members.find(members.read(record), path)
    if found is members.MISSING:
        return False
    return (found if isinstance(found, str) else members.write(found)) == value
