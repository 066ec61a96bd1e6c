"""Runs a plugin over lines with Apache Beam: `beam.py HOST PLUGIN IN OUT [FLAG...]`.

IN is a file or a glob of lines, OUT what the names of the files that are written begin with. Beam keeps
no order among records. A bundle that fails is tried again where the runner does so, and a record that
fails ends the job with what `host` says of it. Tried with Beam 2.77.0 and the runner that it starts by
itself on one machine.
"""

import subprocess
import sys

import apache_beam as beam
from apache_beam.coders import BytesCoder
from apache_beam.options.pipeline_options import PipelineOptions

host, plugin, source, target, *flags = sys.argv[1:]


class Host(beam.DoFn):
    """Batches of lines go in, and lines come out."""

    def __init__(self, *arguments):
        self.arguments = arguments

    def process(self, lines):
        ran = subprocess.run(
            self.arguments, input=b"".join(line + b"\n" for line in lines), capture_output=True
        )
        if ran.returncode != 0:
            raise RuntimeError(ran.stderr.decode())
        yield from ran.stdout.split(b"\n")[:-1]


with beam.Pipeline(options=PipelineOptions([])) as pipeline:
    (
        pipeline
        | beam.io.ReadFromText(source, coder=BytesCoder())
        | beam.BatchElements(min_batch_size=1_000, max_batch_size=50_000)
        | beam.ParDo(Host(host, "--quiet", "--workers", "1", "--from", "ndjson", "--plugin", plugin, *flags))
        | beam.io.WriteToText(target, file_name_suffix=".ndjson", coder=BytesCoder())
    )
