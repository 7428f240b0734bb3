"""Connector/C's own tests of arrays of parameters, written anew for executemany.

Their origin is ``bulk1.c`` in ``unittest/libmariadb`` of MariaDB Connector/C's sources;
each test names its case. Through the C API they are in test_ported_statements_bulk.py.
Left out is what the driver does not offer: arrays row by row (bulk3, bulk4), rows that
are skipped (bulk_skip_row), IGNORE (bulk6), which makes an empty string of a NULL, and
results of each row, which no server before 11.5 has.
"""

from __future__ import annotations

import random
import string
from decimal import Decimal
from typing import Any

import pytest
from worlds import World, in_every_world

import mariadb_nb
from mariadb_nb import DEFAULT, aio

COUNT = 1024


async def query(conn: aio.Connection, sql: str) -> list[Any]:
    return await (await conn.execute(sql)).fetchall()


@in_every_world
async def test_the_same_array_a_hundred_times(world: World) -> None:
    """bulk1: 1024 numbers and strings, a hundred times by one statement."""
    conn = await world.connect()
    await conn.execute("CREATE TEMPORARY TABLE bulk1 (a INT, b VARCHAR(255))")
    letters = string.ascii_letters + string.digits
    choose = random.Random(1)
    rows = [(n, "".join(choose.choices(letters, k=254))) for n in range(COUNT)]
    for _ in range(100):
        cur = await conn.executemany("INSERT INTO bulk1 VALUES (?, ?)", rows)
        assert cur.rowcount == COUNT
    assert await query(conn, "SELECT COUNT(*), MAX(a) FROM bulk1") == [
        (COUNT * 100, COUNT - 1)
    ]
    found = "SELECT DISTINCT a, b FROM bulk1 ORDER BY a"
    assert await query(conn, found) == rows


@in_every_world
async def test_columns_of_defaults(world: World) -> None:
    """bulk2: nothing but DEFAULT in the array, beside a constant."""
    conn = await world.connect()
    await conn.execute(
        "CREATE TEMPORARY TABLE bulk2 (a INT DEFAULT 4, b INT DEFAULT 2)"
    )
    cur = await conn.executemany(
        "INSERT INTO bulk2 VALUES (?, 1)", [(DEFAULT,)] * COUNT
    )
    assert cur.rowcount == COUNT
    assert await query(conn, "SELECT DISTINCT a, b FROM bulk2") == [(4, 1)]


@in_every_world
async def test_names_and_their_defaults(world: World) -> None:
    """bulk4, test_conc243: numbers made up, a name or its default."""
    conn = await world.connect()
    await conn.execute(
        "CREATE TEMPORARY TABLE bulk_example2 (id INT NOT NULL AUTO_INCREMENT PRIMARY"
        " KEY, forename CHAR(30) NOT NULL DEFAULT 'unknown', surname CHAR(30))"
    )
    people = [
        (None, "Monty", "Widenius"),
        (None, "David", "Axmark"),
        (None, DEFAULT, "N.N."),
    ]
    await conn.executemany("INSERT INTO bulk_example2 VALUES (?, ?, ?)", people * 20)
    found = await query(conn, "SELECT forename, surname FROM bulk_example2 ORDER BY id")
    names = [("Monty", "Widenius"), ("David", "Axmark"), ("unknown", "N.N.")]
    assert found == names * 20


@in_every_world
async def test_keys_of_null_are_made_up(world: World) -> None:
    """bulk_null, test_mdev16593: whatever the array says of its type."""
    conn = await world.connect()
    for key in (None, 0):
        await conn.execute(
            "CREATE OR REPLACE TEMPORARY TABLE bulk_null"
            " (a INT NOT NULL AUTO_INCREMENT PRIMARY KEY, b VARCHAR(20))"
        )
        cur = await conn.executemany(
            "INSERT INTO bulk_null VALUES (?, ?)", [(key, "foo"), (key, "foobar")] * 20
        )
        assert cur.lastrowid == 1
        found = await query(conn, "SELECT a, b FROM bulk_null ORDER BY a")
        assert found == [(n, "foo" if n % 2 else "foobar") for n in range(1, 41)]


@in_every_world
async def test_each_type_between_two_nulls(world: World) -> None:
    """bulk_null_null: a row of NULL behind and before one of values."""
    conn = await world.connect()
    await conn.execute(
        "CREATE TEMPORARY TABLE bulk_null"
        " (s VARCHAR(20), i INT, d DOUBLE, t TIME, c DECIMAL(3, 1))"
    )
    values = ("3", 3, 3.0, "00:00:00", Decimal("3.0"))
    rows = [values, (None,) * 5, values] * 20
    await conn.executemany("INSERT INTO bulk_null VALUES (?, ?, ?, ?, ?)", rows)
    counts = ", ".join(f"COUNT({column})" for column in "sidtc")
    assert await query(conn, f"SELECT COUNT(*), {counts} FROM bulk_null") == [
        (60, *[40] * 5)
    ]
    right = "s = '3' AND i = 3 AND d = 3.0 AND t = '00:00:00' AND c = 3.0"
    assert await query(conn, f"SELECT COUNT(*) FROM bulk_null WHERE {right}") == [(40,)]


@in_every_world
async def test_rows_are_updated_by_their_key(world: World) -> None:
    """bulk5"""
    conn = await world.connect()
    await conn.execute("CREATE TEMPORARY TABLE bulk5 (a INT, b INT)")
    await conn.execute("INSERT INTO bulk5 VALUES (1,1), (2,2), (3,3), (4,4), (5,5)")
    cur = await conn.executemany(
        "UPDATE bulk5 SET a = ? WHERE a = ?", [(n + 11, n) for n in range(1, 6)]
    )
    assert cur.rowcount == 5
    assert await query(conn, "SELECT COUNT(*) FROM bulk5 WHERE a = b + 11") == [(5,)]


@in_every_world
async def test_statement_without_parameters(world: World) -> None:
    """bulk7: an array needs one; here the statement is executed for each row."""
    conn = await world.connect()
    await conn.execute("CREATE TEMPORARY TABLE t1 (a INT)")
    await conn.execute("INSERT INTO t1 VALUES (1)")
    cur = await conn.executemany("UPDATE t1 SET a = a + 1", [()] * 5)
    assert cur.rowcount == 5
    assert await query(conn, "SELECT a FROM t1") == [(6,)]
    with pytest.raises(mariadb_nb.ProgrammingError, match="has no placeholders"):
        await conn.executemany("UPDATE t1 SET a = a + 1", [(5,)] * 5)


@pytest.mark.parametrize("count", [1, 50])
@in_every_world
async def test_strings_for_a_column_of_another_character_set(
    world: World, count: int
) -> None:
    """test_char_conv1, test_char_conv2"""
    conn = await world.connect()
    await conn.execute(
        "CREATE TEMPORARY TABLE char_conv (a VARCHAR(20)) CHARSET latin1"
    )
    await conn.executemany("INSERT INTO char_conv VALUES (?)", [("ÂÃÄ",)] * count)
    found = await query(conn, "SELECT a, HEX(a) FROM char_conv")
    assert found == [("ÂÃÄ", "C2C3C4")] * count
