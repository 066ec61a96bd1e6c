"""Runs a plugin over lines with Apache Flink, as a batch: `flink.py HOST PLUGIN IN OUT [FLAG...]`.

IN is a file or a directory of lines, OUT a directory that is made. Flink keeps no order among records.
A region that fails is tried again as the cluster's configuration has it, and a record that fails ends
the job with what `host` says of it. Tried with Flink 2.3.0 and the cluster that it starts by itself on
one machine.
"""

import subprocess
import sys
import zlib

from pyflink.common import Encoder, Types, WatermarkStrategy
from pyflink.datastream import KeyedProcessFunction, RuntimeExecutionMode, StreamExecutionEnvironment
from pyflink.datastream.connectors.file_system import (
    FileSink,
    FileSource,
    StreamFormat,
)

host, plugin, source, target, *flags = sys.argv[1:]
# Groups of records that are processed side by side.
GROUPS = 16
END_OF_TIME = 2**63 - 1


class Host(KeyedProcessFunction):
    """Gathers lines of a group, and gives batches of them to the program.

    In a batch a group's records come one behind the other, and time is at its end behind them.
    """

    def __init__(self, *arguments):
        self.arguments = arguments
        self.lines = []

    def process_element(self, line, context):
        context.timer_service().register_event_time_timer(END_OF_TIME)
        self.lines.append(line)
        if len(self.lines) >= 50_000:
            yield from self.processed()

    def on_timer(self, time, context):
        yield from self.processed()

    def processed(self):
        text = "".join(line + "\n" for line in self.lines)
        self.lines = []
        ran = subprocess.run(self.arguments, input=text.encode(), capture_output=True)
        if ran.returncode != 0:
            raise RuntimeError(ran.stderr.decode())
        yield from ran.stdout.decode().split("\n")[:-1]


environment = StreamExecutionEnvironment.get_execution_environment()
environment.set_runtime_mode(RuntimeExecutionMode.BATCH)
lines = environment.from_source(
    FileSource.for_record_stream_format(StreamFormat.text_line_format(), source).build(),
    WatermarkStrategy.no_watermarks(),
    "lines",
)
processed = lines.key_by(lambda line: zlib.crc32(line.encode()) % GROUPS, Types.INT()).process(
    Host(host, "--quiet", "--workers", "1", "--from", "ndjson", "--plugin", plugin, *flags), Types.STRING()
)
processed.sink_to(FileSink.for_row_format(target, Encoder.simple_string_encoder()).build())
environment.execute("host")
