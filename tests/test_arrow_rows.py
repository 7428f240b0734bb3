"""Rows of parameters out of columns of Arrow: pyarrow's, polars', pandas' and ours."""

from __future__ import annotations

import datetime
import decimal
import gc
import uuid
from collections.abc import Iterator
from typing import Any

import pandas as pd
import polars as pl
import psutil
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from worlds import World, in_every_world

import mariadb_nb
from mariadb_nb._wire import ArrowRows
from mariadb_nb.errors import (
    Busy,
    DataError,
    InterfaceError,
    NotSupportedError,
    ProgrammingError,
)
from mariadb_nb.server import TemporaryServer

D = decimal.Decimal
ID = uuid.UUID("00112233-4455-6677-8899-aabbccddeeff")
MOMENT = datetime.datetime(2024, 2, 29, 1, 2, 3, 4)
SPAN = datetime.timedelta(days=-3, microseconds=7)


def table(**columns: Any) -> pa.Table:
    return pa.table(columns)


def rows(columns: Any) -> list[tuple[Any, ...]]:
    return list(ArrowRows(columns))


def cells(array: pa.Array) -> list[Any]:
    return [value for (value,) in rows(table(c=array))]


# ---- types ---------------------------------------------------------------------------

#: A type of Arrow, values, and what comes of them if that is something else.
TYPES: list[tuple[Any, list[Any]]] = [
    (pa.bool_(), [True, False] * 9),
    *((kind, [-128, 127]) for kind in (pa.int8(), pa.int16(), pa.int32(), pa.int64())),
    *((kind, [0, 255]) for kind in (pa.uint8(), pa.uint16(), pa.uint32())),
    (pa.int64(), [-(2**63), 2**63 - 1]),
    (pa.uint64(), [2**64 - 1]),
    (pa.float16(), [1.5, -0.0]),
    (pa.float32(), [0.5, -3.0]),
    (pa.float64(), [0.1, 1e300]),
    (pa.decimal32(9, 2), [D("1234567.89"), D("-0.01")]),
    (pa.decimal64(18, 2), [D("1.50"), D("-9999999999999999.99")]),
    (pa.decimal128(38, 3), [D("1.500"), D("-" + "9" * 35 + ".999")]),
    (pa.decimal256(76, 0), [D("9" * 76), D("-" + "9" * 76)]),
    *(
        (kind, ["", "short", "a longer text, with ü in it", "x" * 12, "x" * 13])
        for kind in (pa.utf8(), pa.large_utf8(), pa.string_view())
    ),
    *(
        (kind, [b"", b"\0\xff", b"x" * 12, b"x" * 13, b"x" * 1000])
        for kind in (pa.binary(), pa.large_binary(), pa.binary_view())
    ),
    (pa.binary(3), [b"abc", b"\0\0\xff"]),
    (pa.uuid(), [ID]),
    (pa.date32(), [datetime.date.min, datetime.date.max, datetime.date(1969, 12, 31)]),
    (pa.date64(), [datetime.date.min, datetime.date(2024, 2, 29)]),
    *(
        (pa.timestamp(unit), [MOMENT.replace(microsecond=0), datetime.datetime.min])
        for unit in ("s", "ms", "us")
    ),
    (pa.timestamp("us"), [MOMENT, datetime.datetime.max]),
    (pa.timestamp("ns"), [MOMENT, datetime.datetime(1969, 12, 31, 23, 59, 59, 999999)]),
    *(
        (pa.duration(unit), [datetime.timedelta(days=-35, seconds=1)])
        for unit in ("s", "ms", "us", "ns")
    ),
    (pa.duration("us"), [SPAN, -SPAN]),
    (pa.dictionary(pa.int8(), pa.utf8()), ["a", "b", "a"]),
    (pa.dictionary(pa.uint16(), pa.int64()), [5, 7, 5]),
    (pa.dictionary(pa.int64(), pa.large_binary()), [b"a", b"b"]),
]


@pytest.mark.parametrize(("kind", "values"), TYPES, ids=lambda it: str(it)[:30])
def test_values_of_each_type(kind: Any, values: list[Any]) -> None:
    if pa.types.is_dictionary(kind):
        array = pa.array(values, kind.value_type).dictionary_encode().cast(kind)
    else:
        array = pa.array(values, kind)
    nulls = pa.concat_arrays([array, pa.nulls(1, array.type), array])
    found = cells(nulls)
    assert found == [*values, None, *values]
    assert {type(value) for value in found} == {type(values[0]), type(None)}
    assert repr(found) == repr([*values, None, *values])
    for start in range(len(nulls)):
        assert cells(nulls.slice(start)) == found[start:]
        assert rows(table(c=nulls).slice(start, 1)) == [(found[start],)]


def test_times_of_day() -> None:
    times = [datetime.time(0), datetime.time(23, 59, 59)]
    spans = [datetime.timedelta(0), datetime.timedelta(seconds=86399)]
    for kind in (pa.time32("s"), pa.time32("ms"), pa.time64("us"), pa.time64("ns")):
        assert cells(pa.array(times, kind)) == spans


def test_nulls_of_no_type() -> None:
    assert cells(pa.nulls(3)) == [None] * 3


def test_rows_that_are_null_as_a_whole() -> None:
    values = [{"a": 1, "b": "x"}, None, {"a": None, "b": "y"}]
    array = pa.array(values, pa.struct({"a": pa.int8(), "b": pa.utf8()}))

    class Stream:
        def __arrow_c_stream__(self, requested_schema: object = None) -> object:
            return pa.chunked_array([array, array.slice(1)]).__arrow_c_stream__()

    expected = [(1, "x"), (None, None), (None, "y")]
    assert rows(Stream()) == expected + expected[1:]


@given(st.lists(st.dates()))
def test_dates(values: list[datetime.date]) -> None:
    assert cells(pa.array(values, pa.date32())) == values


@given(st.lists(st.datetimes()))
def test_datetimes(values: list[datetime.datetime]) -> None:
    assert cells(pa.array(values, pa.timestamp("us"))) == values


@given(st.lists(st.decimals(allow_nan=False, allow_infinity=False, places=5)))
def test_decimals(values: list[decimal.Decimal]) -> None:
    values = [value for value in values if abs(value) < 10**30]
    assert cells(pa.array(values, pa.decimal128(38, 5))) == values


@pytest.mark.parametrize(
    ("array", "error", "words"),
    [
        (pa.array([[1]]), NotSupportedError, r"column 'c' is of the type \+l of Arrow"),
        (pa.array([{"a": 1}]), NotSupportedError, r"the type \+s of Arrow"),
        (pa.array([1], pa.timestamp("us", "UTC")), DataError, "with the time zone UTC"),
        (pa.array([1], pa.timestamp("ns")), DataError, "with nanoseconds"),
        (pa.array([1], pa.duration("ns")), DataError, "with nanoseconds"),
        (pa.array([3_000_000], pa.date32()), DataError, "beyond the years 1 to 9999"),
        (pa.array([10**18], pa.timestamp("us")), DataError, "beyond the years 1 to"),
        (pa.array([2**62], pa.timestamp("s")), DataError, "beyond what a moment or a"),
    ],
)
def test_what_is_no_parameter_is_refused(
    array: pa.Array, error: type[Exception], words: str
) -> None:
    with pytest.raises(error, match=words):
        cells(array)


# ---- streams -------------------------------------------------------------------------


def test_batches_of_all_sizes() -> None:
    chunks = [range(3), range(0), range(5)]
    array = pa.chunked_array([pa.array(chunk, pa.int64()) for chunk in chunks])
    found = ArrowRows(pa.table({"c": array}))
    assert found.column_names == ("c",)
    assert iter(found) is found
    assert list(found) == [(n,) for chunk in chunks for n in chunk]
    assert list(found) == []
    assert rows(pa.table({"c": pa.array([], pa.int8())})) == []


def test_something_else() -> None:
    with pytest.raises(AttributeError, match="__arrow_c_stream__"):
        ArrowRows([(1,)])
    with pytest.raises(InterfaceError, match="single values"):
        ArrowRows(pa.chunked_array([[1]]))

    class Taken:
        def __init__(self) -> None:
            self.capsule = table(c=[1]).__arrow_c_stream__()

        def __arrow_c_stream__(self, requested_schema: object = None) -> object:
            return self.capsule

    taken = Taken()
    assert rows(taken) == [(1,)]
    with pytest.raises(InterfaceError, match="was taken before"):
        rows(taken)
    taken.capsule = object()
    with pytest.raises(ValueError, match="PyCapsule"):
        rows(taken)


def test_an_error_of_the_stream() -> None:
    batch = pa.record_batch({"c": [1]})

    def batches() -> Iterator[pa.RecordBatch]:
        yield batch
        raise RuntimeError("no more of them")

    found = ArrowRows(pa.RecordBatchReader.from_batches(batch.schema, batches()))
    assert next(found) == (1,)
    with pytest.raises(InterfaceError, match=r"cannot be read.*no more of them"):
        next(found)
    assert list(found) == []


def test_a_stream_that_comes_back() -> None:
    batch = pa.record_batch({"c": [1]})
    found: Any = None

    def batches() -> Iterator[pa.RecordBatch]:
        with pytest.raises(ProgrammingError, match="already being made"):
            next(found)
        yield batch

    found = ArrowRows(pa.RecordBatchReader.from_batches(batch.schema, batches()))
    assert list(found) == [(1,)]


def test_nothing_is_left_of_a_stream() -> None:
    """Read to its end, by half, or refused."""
    large = pa.table({"c": pa.array(range(100_000)), "d": ["x" * 50] * 100_000})
    process = psutil.Process()

    def use() -> None:
        next(ArrowRows(large))
        with pytest.raises(NotSupportedError):
            ArrowRows(large.append_column("l", pa.array([[1]] * 100_000)))
        assert len(rows(large.slice(99_000))) == 1000

    for _ in range(3):
        use()
    gc.collect()
    before = process.memory_info().rss
    for _ in range(20):
        use()
    gc.collect()
    assert process.memory_info().rss - before < 30_000_000


# ---- executemany ---------------------------------------------------------------------

COLUMNS = {
    "n": [1, 2, None],
    "s": ["a", None, "ü"],
    "d": [D("1.50"), D("-2.25"), None],
    "t": [MOMENT, None, MOMENT],
}
STORED = list(zip(*COLUMNS.values(), strict=True))
TABLE = "n INT, s VARCHAR(9), d DECIMAL(9,2), t DATETIME(6)"


@in_every_world
async def test_columns_are_inserted(world: World) -> None:
    name = await world.table(TABLE)
    cur = (await world.connect()).cursor()
    arrow, frame = pa.table(COLUMNS), pl.DataFrame(COLUMNS)
    with_names = f"INSERT INTO {name} (s, n) VALUES (%(s)s, %(n)s)"
    for sql, columns, expected in (
        (f"INSERT INTO {name} VALUES (?, ?, ?, ?)", arrow, STORED),
        (f"INSERT INTO {name} VALUES (%s, %s, %s, %s)", frame, STORED),
        (with_names, arrow, [(n, s, None, None) for n, s, *_ in STORED]),
        (with_names, frame, [(n, s, None, None) for n, s, *_ in STORED]),
    ):
        await cur.executemany(sql, columns)
        assert cur.rowcount == 3
        await cur.execute(f"SELECT * FROM {name}")
        assert await cur.fetchall() == expected
        await cur.execute(f"DELETE FROM {name}")
    with pytest.raises(ProgrammingError):
        await cur.executemany(f"INSERT INTO {name} VALUES (?)", arrow)


@in_every_world
async def test_a_frame_of_pandas_is_inserted(world: World) -> None:
    name = await world.table("n INT, s VARCHAR(9)")
    cur = (await world.connect()).cursor()
    frame = pd.DataFrame({"n": [1, 2], "s": ["a", "b"]})
    await cur.executemany(f"INSERT INTO {name} VALUES (?, ?)", frame)
    await cur.execute(f"SELECT * FROM {name}")
    assert await cur.fetchall() == [(1, "a"), (2, "b")]


@in_every_world
async def test_what_was_read_as_columns_is_inserted(world: World) -> None:
    columns = "n BIGINT UNSIGNED, u UUID, j JSON, e ENUM('a'), b BLOB, y YEAR, f DOUBLE"
    source, target = await world.table(columns), await world.table(columns)
    cur = (await world.connect()).cursor()
    await cur.execute(
        f"INSERT INTO {source} VALUES (1, '{ID}', '[1]', 'a', x'00ff', 2024, 0.1), "
        "(NULL, NULL, NULL, NULL, NULL, NULL, NULL)"
    )
    for dictionary in (False, True):
        table = await cur.arrow(f"SELECT * FROM {source}", dictionary=dictionary)
        sql = f"INSERT INTO {target} VALUES (?, ?, ?, ?, ?, ?, ?)"
        await cur.executemany(sql, table)
    await cur.execute(f"SELECT * FROM {target}")
    copied = await cur.fetchall()
    await cur.execute(f"SELECT * FROM {source}")
    assert copied == (await cur.fetchall()) * 2


# ---- load ----------------------------------------------------------------------------


@in_every_world
async def test_columns_are_loaded(world: World) -> None:
    name = await world.table(TABLE)
    conn = await world.connect()
    arrow = pa.table(COLUMNS)
    for source, columns, expected in (
        (arrow, None, STORED),
        (pl.DataFrame(COLUMNS), None, STORED),
        (arrow.select(["s", "n"]), None, [(n, s, None, None) for n, s, *_ in STORED]),
        (arrow.select(["n"]), ["d"], [(None, None, row[0], None) for row in STORED]),
        (arrow.slice(0, 0), None, []),
    ):
        assert await conn.load(name, source, columns) == len(expected)
        cur = await conn.execute(f"SELECT * FROM {name}")
        assert await cur.fetchall() == expected
        await conn.execute(f"DELETE FROM {name}")
    with pytest.raises(ProgrammingError):
        await conn.load(name, arrow.rename_columns(["n", "s", "d", "nothing"]))
    with pytest.raises(NotSupportedError, match="of which no parameters are made"):
        await conn.load(name, table(n=[[1]]))
    cur = await conn.execute(f"SELECT COUNT(*) FROM {name}")
    assert await cur.fetchone() == (0,)


def test_a_stream_of_one_connection_is_loaded_on_another(
    mariadb_server: TemporaryServer,
) -> None:
    login: dict[str, Any] = {
        "unix_socket": mariadb_server.socket,
        "user": "root",
        "database": "test",
    }
    with mariadb_nb.connect(**login) as source, mariadb_nb.connect(**login) as target:
        target.execute("CREATE TEMPORARY TABLE copies (n BIGINT, s VARCHAR(20))")
        sql = "SELECT seq AS n, CONCAT('row ', seq) AS s FROM seq_1_to_20000"
        with source.cursor().stream_arrow(sql, batch_rows=3000) as stream:
            assert target.load("copies", stream) == 20_000
        cur = target.execute("SELECT COUNT(*), MAX(n), MAX(s) FROM copies")
        assert cur.fetchall() == [(20_000, 20_000, "row 9999")]
        with pytest.raises(Busy, match="rows of a stream have not been read"):
            target.load("copies", target.cursor().stream_arrow("SELECT 1 AS n"))
