"""Runs a plugin over lines with Ray Data: `ray_data.py HOST PLUGIN IN OUT [FLAG...]`.

IN is a file or a directory of lines, OUT a directory that is made. Records keep their order. Ray tries
a batch again if its process dies, and a record that fails ends the job with what `host` says of it.
Tried with Ray 2.60.0.
"""

import subprocess
import sys

import pyarrow
import ray
from ray.data import DataContext
from ray.data.datasource import BlockBasedFileDatasink

host, plugin, source, target, *flags = sys.argv[1:]


def process(batch):
    """Lines go in and come out; there may be fewer of them, or more."""
    lines = "".join(line + "\n" for line in batch["text"].to_pylist())
    ran = subprocess.run(
        [host, "--quiet", "--workers", "1", "--from", "ndjson", "--plugin", plugin, *flags],
        input=lines.encode(),
        capture_output=True,
    )
    if ran.returncode != 0:
        raise RuntimeError(ran.stderr.decode())
    # Nothing else ends a line: splitlines() would cut at more.
    return pyarrow.table({"text": ran.stdout.decode().split("\n")[:-1]})


class Lines(BlockBasedFileDatasink):
    """Writes lines as they are."""

    def write_block_to_file(self, block, file):
        file.write("".join(line + "\n" for line in block.to_arrow()["text"].to_pylist()).encode())


context = DataContext.get_current()
context.execution_options.preserve_order = True
# What a plugin refuses, it refuses again.
context.raise_original_map_exception = True
lines = ray.data.read_text(source, drop_empty_lines=False)
lines.map_batches(process, batch_size=50_000, batch_format="pyarrow").write_datasink(
    Lines(target, file_format="ndjson")
)
