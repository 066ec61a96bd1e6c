"""Tables as pyarrow and DuckDB write them, and what these programs read of what `host` makes of
them.

    tables.py write        writes tables of many kinds to the current directory
    tables.py check NAME   compares NAME with same-NAME, made of it by a filter that keeps all rows,
                           with arrow-NAME and parquet-NAME, the same as the other kind, and with
                           lines-NAME, its JSON lines
"""
import datetime
import decimal
import json
import math
import sys
import uuid

import duckdb
import pyarrow as pa
import pyarrow.feather
import pyarrow.ipc
import pyarrow.parquet as pq

ROWS = 3000
UTC = datetime.timezone.utc


def table():
    start = datetime.datetime(1969, 12, 31, 23, 59, 58)
    second = datetime.timedelta(seconds=1, microseconds=7)
    moments = [start + n * second for n in range(ROWS)]
    some = lambda values: [None if n % 7 == 3 else value for n, value in enumerate(values)]
    numbers = range(ROWS)
    return pa.table({
        "i8": pa.array([n % 256 - 128 for n in numbers], pa.int8()),
        "i64": pa.array(some([n * 2**50 - 2**60 for n in numbers]), pa.int64()),
        "u64": pa.array([2**64 - 1 - n for n in numbers], pa.uint64()),
        "f16": pa.array([n / 8 for n in numbers], pa.float16()),
        "f32": pa.array(some([n / 3 for n in numbers]), pa.float32()),
        "f64": pa.array([math.nan, math.inf, -math.inf, -0.0, 5e-324, 1e300] * (ROWS // 6)),
        "yes": pa.array(some([n % 2 == 0 for n in numbers])),
        "decimal": pa.array([decimal.Decimal(n - 1500) / 1000 for n in numbers], pa.decimal128(38, 10)),
        "large": pa.array([decimal.Decimal(10**70 + n) for n in numbers], pa.decimal256(76, 2)),
        "text": pa.array(some([chr(n + 1) + "\u00e9\U0001f600\"\\" for n in numbers])),
        "long": pa.array(["x" * (n % 500) for n in numbers], pa.large_string()),
        "view": pa.array(some([f"view {n}" for n in numbers]), pa.string_view()),
        "word": pa.array(some([f"word {n % 5}" for n in numbers])).dictionary_encode(),
        "bytes": pa.array([bytes([n % 256, 0, 255]) for n in numbers], pa.binary()),
        "fixed": pa.array([n.to_bytes(4, "big") for n in numbers], pa.binary(4)),
        "day": pa.array([moment.date() for moment in moments]),
        "time": pa.array([moment.time() for moment in moments], pa.time64("us")),
        "local": pa.array(moments, pa.timestamp("us")),
        "utc": pa.array([moment.replace(tzinfo=UTC) for moment in moments], pa.timestamp("ns", "UTC")),
        "zoned": pa.array([moment.replace(tzinfo=UTC) for moment in moments], pa.timestamp("ms", "America/New_York")),
        "took": pa.array([datetime.timedelta(microseconds=n) for n in numbers], pa.duration("us")),
        "list": pa.array(some([list(range(n % 4)) + [None] for n in numbers]), pa.list_(pa.int32())),
        "nested": pa.array(some([{"a": n, "b": [{"c": str(n)}, None]} for n in numbers])),
        "map": pa.array(some([[(f"k{n}", n), ("z", None)] for n in numbers]), pa.map_(pa.string(), pa.int64())),
        "nothing": pa.nulls(ROWS),
    })


def write():
    full = table()
    for name, options in {
        "snappy": {"row_group_size": 1000},
        "gzip": {"compression": "gzip", "data_page_version": "2.0", "data_page_size": 2000},
        "brotli": {"compression": "brotli", "use_dictionary": False},
        "lz4": {"compression": "lz4", "write_page_index": True, "data_page_size": 3000},
        "zstd": {"compression": "zstd", "write_page_checksum": True},
        "plain": {"compression": "none", "store_schema": False, "row_group_size": 77},
        "old": {"version": "1.0", "use_deprecated_int96_timestamps": True, "store_schema": False},
    }.items():
        columns = full
        if options.get("store_schema") is False:
            # What has no type of its own in Parquet is something else there.
            columns = full.drop_columns(["took", "large", "nothing", "f16"])
        pq.write_table(columns, f"{name}.parquet", **options)
    encodings = {"i64": "DELTA_BINARY_PACKED", "f64": "BYTE_STREAM_SPLIT", "text": "DELTA_BYTE_ARRAY"}
    pq.write_table(full, "encoded.parquet", use_dictionary=False, column_encoding=encodings)
    pq.write_table(full.slice(0, 0), "empty.parquet")
    # Feather has no views.
    feather = full.drop_columns(["view"])
    for compression in ["lz4", "zstd", "uncompressed"]:
        pyarrow.feather.write_feather(feather, f"{compression}.feather", compression=compression, chunksize=700)
    with pa.ipc.new_file("batches.arrow", full.schema) as file:
        file.write_table(full, max_chunksize=100)
    with pa.ipc.new_stream("stream.arrows", full.schema) as file:
        file.write_table(full, max_chunksize=999)
    deltas = pa.ipc.IpcWriteOptions(emit_dictionary_deltas=True)
    with pa.ipc.new_stream("deltas.arrows", pa.schema([("word", pa.dictionary(pa.int32(), pa.string()))]), options=deltas) as file:
        for words in [["a"], ["a", "b"], ["a", "b", "c"]]:
            column = pa.array(words).dictionary_encode()
            file.write_batch(pa.record_batch([column], ["word"]))
    db = duckdb.connect()
    db.execute("set timezone = 'Europe/Zurich'")
    rows = f"""select n::integer as id, case when n % 5 = 0 then null else 'text ' || n end as text,
        n / 7 as half, (n / 100)::decimal(18, 3) as price, n % 2 = 0 as yes,
        date '2000-01-01' + n::integer as day, timestamp '1999-12-31 23:59:59' + interval (n) minute as local,
        timestamptz '2024-03-31 00:00:00+00' + interval (n) minute as at, time '00:00:00' + interval (n) second as time,
        [n, null] as list, {{'a': n, 'b': {{'c': 'x'}}}} as nested, map {{'k': n}} as map,
        md5(n::varchar)::uuid as uuid, ('word' || n % 3)::enum('word0', 'word1', 'word2') as word,
        encode('b' || n) as bytes from range({ROWS}) t(n)"""
    db.execute(f"copy ({rows}) to 'duckdb.parquet' (row_group_size 2048)")
    db.execute(f"copy ({rows}) to 'duckdb-zstd.parquet' (compression zstd, parquet_version v2)")


def read(name):
    data = open(name, "rb").read()
    if data[:4] == b"PAR1":
        return pq.read_table(name)
    if data[:6] == b"ARROW1":
        return pa.ipc.open_file(name).read_all()
    return pa.ipc.open_stream(name).read_all()


def form(value, type):
    """The JSON form of a value, as docs/tables.md has it."""
    if value is None:
        return None
    if pa.types.is_dictionary(type):
        return form(value, type.value_type)
    if pa.types.is_floating(type):
        return value if math.isfinite(value) else {"inf": "Infinity", "-inf": "-Infinity", "nan": "NaN"}[str(float(value))]
    if isinstance(value, uuid.UUID):
        return value.hex
    if pa.types.is_binary(type) or pa.types.is_large_binary(type) or pa.types.is_fixed_size_binary(type):
        return value.hex()
    if pa.types.is_duration(type):
        return round(value / datetime.timedelta(microseconds=1))
    if pa.types.is_list(type):
        return [form(item, type.value_type) for item in value]
    if pa.types.is_struct(type):
        return {field.name: form(value[field.name], field.type) for field in type}
    if pa.types.is_map(type):
        return {key: form(item, type.item_type) for key, item in value}
    if pa.types.is_timestamp(type):
        moment = value.tz_convert("UTC").to_pydatetime(warn=False) if hasattr(value, "tz_convert") else value
        return ("at", moment.astimezone(UTC).replace(tzinfo=None) if type.tz else moment)
    if pa.types.is_date(type) or pa.types.is_time(type):
        return value.isoformat()
    return value


def lines(name, types):
    """What the lines say, with numbers as exact as they are written."""
    def understood(value, type):
        if value is None:
            return None
        if pa.types.is_timestamp(type):
            assert value.endswith("Z") == (type.tz is not None), value
            # Python has no nanoseconds.
            return ("at", datetime.datetime.fromisoformat(value.removesuffix("Z")[:26]))
        if pa.types.is_floating(type) and not isinstance(value, str):
            return float(value)
        if pa.types.is_integer(type) or pa.types.is_duration(type):
            return int(value)
        if pa.types.is_time(type):
            return datetime.time.fromisoformat(value).isoformat()
        if pa.types.is_list(type):
            return [understood(item, type.value_type) for item in value]
        if pa.types.is_struct(type):
            return {field.name: understood(value[field.name], field.type) for field in type}
        if pa.types.is_map(type):
            return {key: understood(item, type.item_type) for key, item in value.items()}
        return value
    with open(name, encoding="utf-8") as file:
        for line in file:
            row = json.loads(line, parse_float=decimal.Decimal, parse_int=decimal.Decimal)
            yield {field.name: understood(row[field.name], field.type) for field in types}


def check(name):
    original = read(name)
    wanted = repr(original.to_pylist())
    # An Arrow file has one dictionary for a column: it is made with the values themselves.
    plain = pa.schema([field.with_type(field.type.value_type) if pa.types.is_dictionary(field.type) else field for field in original.schema])
    others = ["same-" + name, "arrow-" + name]
    if "view" not in original.column_names or not name.endswith(".arrows"):
        others.append("parquet-" + name)
    for other in others:
        made = read(other)
        is_file = open(other, "rb").read(6) == b"ARROW1"
        different = [f"{one} and not {two}" for one, two in zip(made.schema, plain if is_file else original.schema) if not one.equals(two)]
        assert not different, f"{other} has another schema: {different}"
        assert repr(made.to_pylist()) == wanted, f"{other} has other rows"
    types = list(original.schema)
    found = list(lines("lines-" + name, types))
    assert len(found) == original.num_rows, f"{len(found)} lines"
    for row, line in zip(original.to_pylist(), found):
        expected = {field.name: form(row[field.name], field.type) for field in types}
        for field in types:
            same = expected[field.name] == line[field.name]
            if pa.types.is_float32(field.type) and not same:
                # It is written with as few digits as tell it from its neighbours.
                same = pa.scalar(line[field.name], pa.float32()).as_py() == expected[field.name]
            assert same, f"{name}, {field}: {expected[field.name]!r} is {line[field.name]!r}"
    if name.endswith(".parquet") and "large" not in original.column_names:
        for other in ["same-" + name, "parquet-" + name]:
            a, b = f"from '{name}'", f"from '{other}'"
            different = duckdb.sql(f"select count(*) from (({a} except all {b}) union all ({b} except all {a}))")
            assert different.fetchall() == [(0,)], f"DuckDB reads other rows in {other}"
            kinds = lambda source: duckdb.sql(f"describe {source}").fetchall()
            # The timestamps of old are of a type that nobody writes any more.
            assert kinds(a) == kinds(b) or name == "old.parquet", f"DuckDB reads other types in {other}"


match sys.argv[1:]:
    case ["write"]:
        write()
    case ["check", name]:
        check(name)
    case _:
        sys.exit(__doc__)
