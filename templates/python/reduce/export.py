"""The functions that `host` calls."""

import plugin
import wit_world


class WitWorld(wit_world.WitWorld):
    def add(self, record: str) -> None:
        plugin.add(record)

    def take(self) -> bytes:
        return plugin.take()

    def merge(self, left: bytes, right: bytes) -> bytes:
        return plugin.merge(left, right)

    def finish(self, state: bytes) -> list[str]:
        return plugin.finish(state)
