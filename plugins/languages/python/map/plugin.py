"""Picks members and renames them: --param fields=id,actor.login:user.

A member that is not there is left out.
"""

from functools import cache

import members
from host import param, reject


@cache
def wanted() -> list[members.Field]:
    """The fields that are wanted."""
    fields = param("fields")
    if fields is None:
        reject("the parameter `fields` is missing (--param fields=id,actor.login:user)")
    return members.parse(fields)


def apply(record: str) -> str | None:
    """Called with each record, which is the text of one JSON value.

    What it returns comes out in its place; None would drop the record.
    """
    fields = wanted()
    read = members.read(record)
    found = {field.name: members.find(read, field.path) for field in fields}
    return members.write({name: value for name, value in found.items() if value is not members.MISSING})
