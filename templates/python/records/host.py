"""What lies between `host` and a plugin in Python: parameters, the log, rejections.

Which functions `host` calls is in export.py. There is nothing in these two to change;
plugin.py is yours.
"""

from typing import NoReturn

from componentize_py_types import Err
from wit_world.imports import log as _log
from wit_world.imports import params as _params

# Members of it are ERROR, WARN, INFO, DEBUG and TRACE.
Level = _log.Level


def param(name: str) -> str | None:
    """The value of `--param NAME=VALUE`; None if it was not given."""
    return _params.get(name)


def log(level: Level, line: str) -> None:
    """Logs a line, which `--plugin-log stderr` shows, as it does with what is printed."""
    _log.write(level, line)


def reject(why: str) -> NoReturn:
    """Says why this record cannot be processed, and goes no further with it."""
    raise Err(why)
