"""load: values and rows arrive exactly as they are, or are refused."""

from __future__ import annotations

import enum
import ipaddress
import itertools
import uuid
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from typing import Any

import pytest
from load_support import MANY, awaited, awaits, contents, count, many, waiting
from worlds import World, in_every_world

import mariadb_nb
from mariadb_nb.errors import DataError, ProgrammingError

# ---- values --------------------------------------------------------------------------


class Colour(enum.Enum):
    RED = "red"


VALUES: dict[str, list[Any]] = {
    "INT": [0, -1, 2147483647, True, None, "12", Decimal(7), 3.0],
    "TINYINT": [0.5, 1.5, 2.5, -0.5, -1.5, 0.49999999999999994, "2.5", Decimal("2.5")],
    "INT UNSIGNED": [-0.0, -0.5, 2.5, 4294967294.5, Decimal("-0")],
    "BIGINT": [9.223372036854775e18, -9.223372036854775e18, 4503599627370497.5, 1e18],
    "BIGINT UNSIGNED": [2**64 - 1, 0, 1.844674407370955e19],
    "DECIMAL(65, 30)": [Decimal("-1.5"), Decimal("1E-30"), Decimal("9" * 35), 0.1, 5],
    "DOUBLE": [0.1, 1e300, -5e-324, 1e-7, 3, Decimal("0.5"), 1.7976931348623157e308],
    "FLOAT": [0.1, 1e30, 16777216.0],
    "DATE": [date(2020, 2, 29), date(1, 1, 1), "1999-12-31"],
    "DATETIME(6)": [datetime(2020, 1, 2, 3, 4, 5, 6), datetime(9999, 12, 31), date.max],
    "TIMESTAMP(6) NULL": [datetime(2020, 1, 2, 3, 4, 5, 600000), None],
    "TIME(6)": [timedelta(hours=-838, microseconds=-1), time(1, 2, 3, 4), timedelta(0)],
    "YEAR": [0, 1901, 2155, "0", "69", False, 70, "2000", None],
    "BIT(1)": [0, 1, False, True, b"\1", None],
    "BIT(64)": [0, 9, 10, 92, 0x5C09_0A00, 2**64 - 1, b"\0\t\n\\", "12"],
    "ENUM('1', 'red', '2')": ["1", "2", Colour.RED, None],
    "SET('1', 'red', '2')": ["1", "1,2", "", Colour.RED],
    "VARCHAR(40)": [
        "",
        "NULL",
        "\\N",
        "N",
        "\t",
        "\n",
        "\\",
        "\\\\",
        " x ",
        "\0",
        "\r\n",
    ],
    "VARCHAR(50)": [
        *(1, 2.5, 1e22, Decimal("1.50"), Decimal("-0"), Decimal("-0.00")),
        *(date(2020, 1, 2), time(1), True),
    ],
    "CHAR(9) CHARACTER SET latin1": ["\xe9\u20ac", "plain"],
    "TEXT": ["\U0001f600 \u05e9", "a" * 60000, uuid.UUID(int=5), Colour.RED],
    "BLOB": [b"", b"\\N", b"NULL", bytes(range(256)), bytearray(b"\xe2\t"), "\xe9", 5],
    "LONGBLOB": [memoryview(b"\xf0\x90\n\xff\\"), b"x" * 3_000_000],
    "JSON": ['{"a": [1, "\\n"]}', "null"],
    "UUID": [uuid.UUID(int=2**100 + 1), "123e4567-e89b-12d3-a456-426614174000"],
    "INET6": [ipaddress.ip_address("::1"), "ff::"],
}


@pytest.mark.parametrize("kind", VALUES)
@in_every_world
async def test_values_are_what_executemany_makes_of_them(
    world: World, kind: str
) -> None:
    conn = await world.connect()
    tables = [await world.table(f"n INT PRIMARY KEY, v {kind}") for _ in range(2)]
    rows = list(enumerate(VALUES[kind]))
    assert await conn.load(tables[0], rows) == len(rows)
    await conn.executemany(f"INSERT INTO {tables[1]} VALUES (?, ?)", rows)
    loaded, inserted = [await contents(conn, table) for table in tables]
    assert loaded == inserted
    assert [type(row[1]) for row in loaded] == [type(row[1]) for row in inserted]


@in_every_world
async def test_every_byte_arrives(world: World) -> None:
    """Also what is no UTF-8, before and behind what ends a field."""
    signs = [
        b"\t",
        b"\n",
        b"\\",
        b"\0",
        b"N",
        b"0",
        b"\r",
        b"'",
        b'"',
        b"\x1a",
        b"\x80",
    ]
    values = [bytes([byte]) + sign for byte in range(256) for sign in [b"", *signs]]
    values += [b"".join(found) for found in itertools.product(signs[:5], repeat=4)]
    leads = [b"\xc3", b"\xe2\x82", b"\xf0\x9f\x98", b"\xff"]
    values += [a + b + c for a in leads for b in signs for c in leads]
    conn = await world.connect()
    table = await world.table("n INT PRIMARY KEY, b BLOB, t TEXT")
    rows = [(n, value, value.hex()) for n, value in enumerate(values)]
    assert await conn.load(table, rows) == len(rows)
    assert await contents(conn, table) == rows


@pytest.mark.parametrize(
    "sql_mode", ["NO_BACKSLASH_ESCAPES", "ANSI_QUOTES", "ORACLE", ""]
)
@in_every_world
async def test_any_sql_mode(world: World, sql_mode: str) -> None:
    conn = await world.connect(sql_mode=sql_mode)
    table = await world.table("a INT PRIMARY KEY, b VARCHAR(9)")
    rows = [(1, "\\N\t'\""), (2, None)]
    assert await conn.load(table, rows) == 2
    assert await contents(conn, table) == rows
    with pytest.raises(mariadb_nb.DataError, match=r"rows\[1\]: .*'b'"):
        await conn.load(table, [(3, "short"), (4, "much too long")])
    await conn.rollback()


@in_every_world
async def test_encoders(world: World) -> None:
    conn = await world.connect(encoders={complex: lambda value: abs(value)})
    table = await world.table("a DOUBLE")
    assert await conn.load(table, [(3 + 4j,)]) == 1
    assert await contents(conn, table) == [(5.0,)]


# ---- rows ----------------------------------------------------------------------------


@pytest.mark.parametrize("waits", [False, True])
@in_every_world
async def test_more_than_a_buffer(world: World, waits: bool) -> None:
    conn = await world.connect()
    table = await world.table("a INT PRIMARY KEY, b VARCHAR(30)")
    source = waiting(world, conn, many()) if waits else many()
    assert await conn.load(table, source) == MANY
    assert await contents(conn, table) == list(many())


@in_every_world
async def test_asynchronous_source_needs_somebody_who_awaits(world: World) -> None:
    conn = await world.connect()
    table = await world.table("a INT PRIMARY KEY, b VARCHAR(30)")
    if awaits(conn):
        assert await conn.load(table, awaited(world, many(3))) == 3
    else:
        with pytest.raises(TypeError, match="not iterable"):
            await conn.load(table, awaited(world, many(3)))


@in_every_world
async def test_no_rows(world: World) -> None:
    conn = await world.connect()
    table = await world.table("a INT")
    assert await conn.load(table, []) == 0
    assert not conn.in_transaction


@in_every_world
async def test_mappings(world: World) -> None:
    conn = await world.connect()
    table = await world.table("a INT PRIMARY KEY, b VARCHAR(9) DEFAULT 'there', C INT")
    assert await conn.load(table, [{"c": 1, "A": 2}, {"A": 3, "c": None}]) == 2
    rows = [{"a": 4, "b": "x", "more": object()}, ("y", 5)]
    assert await conn.load(table, rows, columns=["b", "a"]) == 2
    assert await contents(conn, table) == [
        *((2, "there", 1), (3, "there", None)),
        *((4, "x", None), (5, "y", None)),
    ]


@in_every_world
async def test_columns_that_the_server_fills_are_left_out(world: World) -> None:
    conn = await world.connect()
    table = await world.table(
        "a INT, g INT AS (a + 1), i INT INVISIBLE DEFAULT 7, b INT"
    )
    assert await conn.load(table, [(1, 2)]) == 1
    assert await conn.load(table, [{"i": 5, "a": 4}]) == 1
    cur = await conn.execute(f"SELECT a, g, i, b FROM {table} ORDER BY a")
    assert await cur.fetchall() == [(1, 2, 7, 2), (4, 5, 5, None)]
    with pytest.raises(
        mariadb_nb.ProgrammingError, match=r"\.g are made by the server"
    ):
        await conn.load(table, [(1, 2)], ["a", "g"])


@in_every_world
async def test_names_with_anything_in_them(world: World) -> None:
    conn = await world.connect()
    await conn.execute("CREATE TEMPORARY TABLE `a``b.c d` (`x``y` INT, `select` INT)")
    assert await conn.load("`a``b.c d`", [(1, 2)]) == 1
    assert await conn.load("test.`a``b.c d`", [(3, 4)], ["x`y", "select"]) == 1
    assert await contents(conn, "`a``b.c d`") == [(1, 2), (3, 4)]


WRONG: dict[str, tuple[Any, dict[str, Any], type[Exception], str]] = {
    "too short": (
        [(1, 2), (1,)],
        {},
        ProgrammingError,
        r"rows\[1\] .*length 1",
    ),
    "too long": ([(1, 2, 3)], {}, ProgrammingError, r"rows\[0\] .*length 3"),
    "a str": (["ab"], {}, ProgrammingError, r"rows\[0\] is of class str"),
    "a number": (
        [(1, 2), 3],
        {},
        ProgrammingError,
        r"rows\[1\] .*class int",
    ),
    "a key too few": (
        [{"a": 1, "b": 2}, {"a": 1}],
        {},
        ProgrammingError,
        r"rows\[1\] has no 'b'",
    ),
    "a key too many": (
        [{"a": 1}, {"a": 1, "b": 3}],
        {},
        ProgrammingError,
        r"rows\[1\] has the length 2",
    ),
    "another key": (
        [{"z": 1}],
        {},
        ProgrammingError,
        "no column 'z'.* a, b",
    ),
    "no literal": (
        [(1, {})],
        {},
        ProgrammingError,
        r"rows\[0\]\[1\] .*dict",
    ),
    "a default": (
        [(1, mariadb_nb.DEFAULT)],
        {},
        ProgrammingError,
        r"rows\[0\]\[1\] is DEFAULT",
    ),
    "a list": ([(1, [2])], {}, ProgrammingError, r"rows\[0\]\[1\] .*list"),
    "nan": (
        [{"a": 1, "b": float("nan")}],
        {},
        DataError,
        r"rows\[0\]\['b'\]",
    ),
    "a surrogate": (
        [(1, "\ud800")],
        {},
        DataError,
        r"rows\[0\]\[1\].*surrog",
    ),
    "a time zone": (
        [(1, datetime.now().astimezone())],
        {},
        DataError,
        "time zone",
    ),
    "a column twice": (
        [(1, 2)],
        {"columns": ["a", "A"]},
        ProgrammingError,
        "only once",
    ),
    "no columns": ([()], {"columns": []}, ProgrammingError, "one or more"),
    "a name": ([(1,)], {"columns": "a"}, TypeError, "sequence of names"),
    "a word": (
        [],
        {"on_duplicate": "update"},
        ProgrammingError,
        "'error', 'ignore', 'replace'",
    ),
    "no rows at all": (5, {}, TypeError, "not iterable"),
}


@pytest.mark.parametrize("wrong", WRONG)
@in_every_world
async def test_refusals(world: World, wrong: str) -> None:
    source, options, error, text = WRONG[wrong]
    conn = await world.connect()
    table = await world.table("a INT, b VARCHAR(9)")
    with pytest.raises(error, match=text):
        await conn.load(table, source, **options)
    assert not conn.in_transaction
    assert await count(conn, table) == 0


@pytest.mark.parametrize("name", ["a.b.c", "", "a.", "`a", "a`b"])
@in_every_world
async def test_what_is_no_name(world: World, name: str) -> None:
    conn = await world.connect()
    with pytest.raises(mariadb_nb.ProgrammingError, match="does not name a table"):
        await conn.load(name, [(1,)])
    with pytest.raises(TypeError, match="is a str"):
        await conn.load(5, [])  # type: ignore[arg-type]


@in_every_world
async def test_table_that_is_not_there(world: World) -> None:
    conn = await world.connect()
    with pytest.raises(mariadb_nb.ProgrammingError, match="nowhere") as raised:
        await conn.load("nowhere", [(1,)])
    assert raised.value.errno == 1146


@pytest.mark.parametrize(
    ("kind", "value", "text"),
    [
        ("BIT(8)", -1, "beyond BIT"),
        ("BIT(8)", 2**64, "beyond BIT"),
        ("BIT(8)", 1.0, "class float.* int or bytes"),
        ("BIT(64)", time(1), "a time .* int or bytes"),
        ("YEAR", Decimal(0), "class .*Decimal.* int or a str"),
        ("YEAR", 0.0, "int or a str"),
        ("ENUM('2', '1')", 1, "names of members"),
        ("SET('2', '1')", True, "names of members"),
        ("DATE", time(10, 11, 12), "is a time .* give a date"),
        ("DATETIME(6)", timedelta(0), "is a time or a duration"),
        ("TIMESTAMP NULL", timedelta(hours=25), "is a time or a duration"),
    ],
)
@in_every_world
async def test_numbers_whose_text_means_something_else(
    world: World, kind: str, value: Any, text: str
) -> None:
    conn = await world.connect()
    table = await world.table(f"v {kind}")
    with pytest.raises(mariadb_nb.DataError, match=rf"rows\[0\]\[0\] .*{text}"):
        await conn.load(table, [(value,)])
