"""The function that `host` calls."""

import plugin
import wit_world
from componentize_py_types import Err, Ok, Result


def outcome(record: str) -> Result[list[str], str]:
    """What becomes of a record: texts, or why it is rejected."""
    try:
        return Ok(plugin.process(record))
    except Err as rejected:
        return rejected


class WitWorld(wit_world.WitWorld):
    def process(self, records: list[str]) -> list[Result[list[str], str]]:
        return [outcome(record) for record in records]
