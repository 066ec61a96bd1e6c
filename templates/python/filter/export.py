"""The function that `host` calls."""

import plugin
import wit_world


class WitWorld(wit_world.WitWorld):
    def keep(self, record: str) -> bool:
        return plugin.keep(record)
