"""{{name}}: appends a member "source" with the value of `--param source=...`."""

import json

from host import param, reject


def apply(record: str) -> str | None:
    """Called with each record, which is the text of one JSON value.

    What it returns comes out in its place; None would drop the record.
    """
    source = param("source")
    if source is None:
        # Shown to the user, who decides what becomes of records that are rejected.
        reject("the parameter `source` is missing (--param source=VALUE)")
    if not record.startswith("{") or not record.endswith("}"):
        reject("the record is not a JSON object")
    # The members stay as they are written: numbers keep their digits.
    before = record[:-1].rstrip()
    comma = "" if before == "{" else ","
    value = json.dumps(source, ensure_ascii=False)
    return before + comma + '"source":' + value + "}"
