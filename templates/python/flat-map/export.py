"""The function that `host` calls."""

import plugin
import wit_world


class WitWorld(wit_world.WitWorld):
    def expand(self, record: str) -> list[str]:
        return plugin.expand(record)
