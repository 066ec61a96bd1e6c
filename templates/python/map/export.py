"""The function that `host` calls."""

import plugin
import wit_world


class WitWorld(wit_world.WitWorld):
    def apply(self, record: str) -> str | None:
        return plugin.apply(record)
