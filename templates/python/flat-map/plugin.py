"""{{name}}: makes a record of each word of the member that `--param member=...` names."""

import json

from host import param, reject


def expand(record: str) -> list[str]:
    """Called with each record, which is the text of one JSON value.

    The texts that it returns come out in its place; if there are none, the record is dropped.
    """
    name = param("member")
    if name is None:
        # Shown to the user, who decides what becomes of records that are rejected.
        reject("the parameter `member` is missing (--param member=NAME)")
    text = json.loads(record).get(name)
    if text is None:
        return []
    if not isinstance(text, str):
        reject("the member is not a string")
    words = [word for word in text.split(" ") if word]
    return ['{"word":' + json.dumps(word, ensure_ascii=False) + "}" for word in words]
