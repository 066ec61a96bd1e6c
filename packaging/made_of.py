"""What a program that `cargo auditable` built says it is made of."""

import json
import subprocess
import tempfile
import zlib


def packages(program):
    """The packages that the program consists of, as (name, version)."""
    with tempfile.NamedTemporaryFile() as section:
        subprocess.run(["objcopy", "--dump-section", f".dep-v0={section.name}", program, "/dev/null"], check=True)
        told = json.loads(zlib.decompress(section.read()))["packages"]
    # Those that only build it, and are not in it, are of the kind `build`.
    return {(one["name"], one["version"]) for one in told if one.get("kind", "runtime") == "runtime"}
