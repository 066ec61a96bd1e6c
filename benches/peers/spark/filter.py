"""What Spark does by itself, for benches/spark.py: `filter.py null|filter IN... OUT` reads lines and
writes them again, all or those of push events."""

import sys

from pyspark.sql import SparkSession, functions

what, *inputs, output = sys.argv[1:]
session = SparkSession.builder.getOrCreate()
lines = session.read.text(inputs)
if what == "filter":
    lines = lines.filter(functions.get_json_object("value", "$.type") == "PushEvent")
lines.write.text(output)
session.stop()
