"""executemany with arrays of parameters: the same values as one by one."""

from __future__ import annotations

import copy
import datetime
import pickle
from decimal import Decimal
from typing import Any, Final

import pytest
from bulk_support import counted
from worlds import World, in_every_world

from mariadb_nb import DEFAULT, Error
from mariadb_nb.many import ENOUGH_TO_INSERT

#: A value of each type, and how a table takes it.
VALUES: Final[list[tuple[str, list[Any]]]] = [
    ("BIGINT", [0, -1, -(2**63), 2**63 - 1, True, False, None]),
    ("BIGINT UNSIGNED", [0, 2**63, 5, 2**64 - 1]),
    ("DECIMAL(65, 0)", [2**64, -(10**64), 10**65 - 1]),
    ("DOUBLE", [0.1, -1e308, 5e-324, 1 / 3, 0.0]),
    ("FLOAT", [0.1, 16777217.0]),
    ("DECIMAL(65, 30)", [Decimal("0.1"), Decimal("-1E+9"), Decimal("1E-30")]),
    ("LONGTEXT", ["", "é😀\0\\'\"", "x" * 70_000, DEFAULT]),
    ("VARCHAR(300) CHARACTER SET latin1", ["ä", "?" * 252]),
    ("BLOB", [b"", b"\xff\0'\\", bytes(range(256)) * 3]),
    ("VARBINARY(30)", ["ä", bytearray(b"\xe4")]),
    ("DATE", [datetime.date(1, 1, 1), datetime.date(9999, 12, 31)]),
    (
        "DATETIME(6)",
        [
            datetime.datetime(2026, 2, 28),
            datetime.datetime(1, 1, 1, 23, 59, 59, 999999),
            datetime.date(2026, 2, 28),
        ],
    ),
    (
        "TIME(6)",
        [
            datetime.time(0, 0, 0, 1),
            datetime.timedelta(days=34, hours=22, microseconds=7),
            -datetime.timedelta(seconds=1.5),
            datetime.timedelta(0),
        ],
    ),
    ("VARCHAR(90)", [1, -2, 1.5, Decimal("1.50"), 2**64, datetime.date(2026, 1, 2)]),
    ("VARCHAR(50)", [datetime.datetime(2026, 1, 2), datetime.timedelta(1), 1e15]),
    ("BIT(64)", [5, 2**64 - 1]),
    ("ENUM('a', '2', 'b')", ["a", 2, "2"]),
]


@in_every_world
async def test_values_arrive_as_those_in_a_statements_text(world: World) -> None:
    conn = await world.connect()
    for column, values in VALUES:
        for name in ("bound", "written"):
            await conn.execute(f"CREATE OR REPLACE TEMPORARY TABLE {name} (v {column})")
        rows = [(value,) for value in values for _ in range(ENOUGH_TO_INSERT)]
        before = await counted(conn, "Com_stmt_execute")
        await conn.executemany("INSERT INTO bound VALUES (?)", rows)
        assert await counted(conn, "Com_stmt_execute") > before
        written = conn.cursor(prepare=False)
        await written.executemany("INSERT INTO written VALUES (?)", rows)
        found = []
        for name in ("bound", "written"):
            cur = await conn.execute(f"SELECT HEX(v), v FROM {name}")
            found.append(await cur.fetchall())
        assert found[0] == found[1], column
        assert len(found[0]) == len(rows)


#: What is computed with parameters, and parameters.
COMPUTED: Final[list[tuple[str, list[Any]]]] = [
    ("REGEXP_REPLACE('abc', ?, 'X')", ["a", "b", "c"]),
    ("CONVERT_TZ('2020-01-02', ?, '+00:00')", ["+01:00", "+02:00", "+03:00"]),
    ("? < CAST('2020-02-01' AS DATE)", ["2020-01-01", "2020-02-01", "2020-03-01"]),
    ("? - 5", [3, 2**63, 7]),
    ("? DIV 2", [3, 2**64 - 1, -3]),
    ("? / 3", [1, 1.0, Decimal(1)]),
    ("COALESCE(?, 'none')", [None, "x", None]),
    ("CONCAT(?, '!')", [1, 1.5, Decimal("1.50"), "é", None]),
    ("(SELECT ?)", ["a", "b", "c"]),
    ("DATE_ADD(?, INTERVAL 1 DAY)", [datetime.date(2026, 1, 31), "2026-02-28"]),
    ("HEX(?)", [b"\xff", "\xff", 255]),
]


@pytest.mark.parametrize("prepare", [None, True])
@in_every_world
async def test_what_is_computed_is_the_same_for_each_row(
    world: World, prepare: bool | None
) -> None:
    conn = await world.connect()
    cur = conn.cursor(prepare=prepare)
    table = "CREATE OR REPLACE TEMPORARY TABLE {} (k INT PRIMARY KEY, v VARCHAR(90))"
    for expression, values in COMPUTED:
        for name in ("bulk", "single"):
            await conn.execute(table.format(name))
        values = values * 20
        rows = list(enumerate(values))
        await cur.executemany(f"INSERT INTO bulk VALUES (?, {expression})", rows)
        inserted = await (await conn.execute("SELECT v FROM bulk")).fetchall()
        await conn.execute("UPDATE bulk SET v = ''")
        before = await counted(conn, "Com_stmt_prepare")
        await cur.executemany(
            f"UPDATE bulk SET v = {expression} WHERE k = ?", [row[::-1] for row in rows]
        )
        prepared = await counted(conn, "Com_stmt_prepare") - before
        assert prepared == (prepare is True)
        updated = await (await conn.execute("SELECT v FROM bulk")).fetchall()
        for row in rows:
            await conn.execute(f"INSERT INTO single VALUES (?, {expression})", row)
        alone = await (await conn.execute("SELECT v FROM single")).fetchall()
        assert inserted == alone, expression
        assert updated == alone, expression


@in_every_world
async def test_decimal_without_a_fraction_is_an_integer(world: World) -> None:
    """As its literal is: what is computed with it has the range of one."""
    conn = await world.connect(sql_mode="")
    for value in (Decimal(1), Decimal(2**63), Decimal("1E+2"), Decimal(-3)):
        rows = [(value, n) for n in range(4)]
        for sql in (
            "UPDATE part SET n = n + ? WHERE k = ?",
            "UPDATE part SET n = 5 - ? WHERE k = ?",
            "UPDATE part SET b = 1 - ? WHERE k = ?",
        ):
            found = []
            for bulk in (False, True):
                await conn.execute(
                    "CREATE OR REPLACE TEMPORARY TABLE part (k INT, n BIGINT, b BIT(8))"
                )
                await conn.execute(
                    "INSERT INTO part SELECT seq, 9223372036854775807, 0"
                    " FROM seq_0_to_3"
                )
                try:
                    await conn.cursor(prepare=bulk).executemany(sql, rows)
                except Error as error:
                    found.append([error.errno])
                else:
                    cur = await conn.execute("SELECT n, b FROM part ORDER BY k")
                    found.append(await cur.fetchall())
            assert found[0] == found[1], (sql, value)


@in_every_world
async def test_the_columns_own_default(world: World) -> None:
    conn = await world.connect()
    await conn.execute(
        "CREATE TEMPORARY TABLE bulk (x INT PRIMARY KEY, a INT DEFAULT 7, b INT,"
        " c INT DEFAULT (x + 1), d VARCHAR(9) NOT NULL DEFAULT 'd')"
    )
    rows: list[Any] = [(n, *[DEFAULT] * 4) for n in range(50)]
    rows[3] = (3, 1, 2, 3, "x")
    sql = "INSERT INTO bulk VALUES (?, ?, ?, ?, ?)"
    expected: list[Any] = [(n, 7, None, n + 1, "d") for n in range(50)]
    expected[3] = (3, 1, 2, 3, "x")
    for cur in (conn.cursor(), conn.cursor(prepare=False)):
        await cur.executemany(sql, rows)
        await cur.execute("SELECT * FROM bulk")
        assert await cur.fetchall() == expected
        await cur.execute("UPDATE bulk SET a = 0, b = 0, d = ''")
        update = "UPDATE bulk SET a = ?, b = ?, d = ? WHERE x = ?"
        await cur.executemany(
            update, [(DEFAULT, DEFAULT, DEFAULT, n) for n in range(4)]
        )
        await cur.execute("SELECT a, b, d FROM bulk WHERE x < 5")
        assert await cur.fetchall() == [(7, None, "d")] * 4 + [(0, 0, "")]
        await cur.execute("DELETE FROM bulk")
        await cur.execute(sql, rows[0])
        await cur.execute("SELECT * FROM bulk")
        assert await cur.fetchall() == expected[:1]
        await cur.execute("DELETE FROM bulk")


def test_default_is_one_object() -> None:
    assert repr(DEFAULT) == "mariadb_nb.DEFAULT"
    for other in (copy.deepcopy(DEFAULT), pickle.loads(pickle.dumps(DEFAULT))):
        assert other is DEFAULT
