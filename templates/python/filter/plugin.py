"""{{name}}: keeps the records whose member "type" is what `--param type=...` says."""

import json

from host import param, reject


def keep(record: str) -> bool:
    """Called with each record, which is the text of one JSON value. True keeps it."""
    wanted = param("type")
    if wanted is None:
        # Shown to the user, who decides what becomes of records that are rejected.
        reject("the parameter `type` is missing (--param type=VALUE)")
    return json.loads(record).get("type") == wanted
