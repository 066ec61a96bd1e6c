"""The function that `host` calls. There is nothing in it to change; plugin.py is yours."""

import sys

import plugin
from wit_world import exports


class Run(exports.Run):
    def run(self) -> None:
        # Records come in and go out as they are.
        for stream in (sys.stdin, sys.stdout):
            stream.reconfigure(encoding="utf-8", newline="\n")
        try:
            plugin.main()
        finally:
            sys.stdout.flush()
