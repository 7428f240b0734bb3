"""Connector/C's own tests of statements, written anew for the driver.

Origins: the functions of these names in ``ps.c`` and ``ps_bugs.c`` in
``unittest/libmariadb`` of MariaDB Connector/C. Those of them that are about the C API
are in test_ported_statements*.py.
"""

from __future__ import annotations

from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from test_driver_prepared import rows
from worlds import World, in_every_world

import mariadb_nb


async def fetched(prepared: Any, *params: Any) -> list[Any]:
    found: list[Any] = await (await prepared.execute(params)).fetchall()
    return found


@in_every_world
async def test_several_statements_at_the_same_time(world: World) -> None:
    """ps.c, test_nstmts: each keeps its own answer, whatever the order is."""
    conn = await world.connect(prepared_max=250)
    made = [await conn.prepare(f"SELECT {number} AS a") for number in range(200)]
    for number in (*range(200), *range(199, -1, -3)):
        assert await fetched(made[number]) == [(number,)]


@in_every_world
async def test_statement_is_closed_while_others_live(world: World) -> None:
    """ps.c, test_stmt_close."""
    table = await world.table("id INT", "(1), (2)")
    conn = await world.connect()
    one, other = [await conn.prepare(f"SELECT * FROM {table}") for _ in range(2)]
    await one.close()
    assert await fetched(other) == [(1,), (2,)]


@in_every_world
async def test_sql_mode_of_the_preparation(world: World) -> None:
    """ps.c, test_sqlmode: || is OR or concatenation as the session says now."""
    conn = await world.connect()
    prepared = await conn.prepare("SELECT ? || ? AS a")
    for mode, expected in (("PIPES_AS_CONCAT", "10"), ("", 1), ("ANSI", "10")):
        await conn.execute(f"SET sql_mode = '{mode}'")
        assert await fetched(prepared, "1", "0") == [(expected,)]


@in_every_world
async def test_parameters_of_a_union(world: World) -> None:
    """ps.c, test_union_param."""
    conn = await world.connect()
    prepared = await conn.prepare("SELECT ? AS a, ? AS b UNION ALL SELECT ?, ?")
    for _ in range(3):
        assert await fetched(prepared, "abc", 1, "d", 2) == [("abc", 1), ("d", 2)]


@in_every_world
async def test_conjunction_of_parameters(world: World) -> None:
    """ps_bugs.c, test_ps_conj_select."""
    table = await world.table(
        "id INT, v VARCHAR(32)", "(1, 'hh'), (2, 'hh'), (1, 'ii')"
    )
    conn = await world.connect()
    prepared = await conn.prepare(f"SELECT id, v FROM {table} WHERE id = ? OR v = ?")
    for _ in range(3):
        assert sorted(await fetched(prepared, 1, "hh")) == [
            (1, "hh"),
            (1, "ii"),
            (2, "hh"),
        ]


@in_every_world
async def test_null_where_a_value_was(world: World) -> None:
    """ps_bugs.c: test_bug1644, test_ps_null_param; ps.c, test_null."""
    table = await world.table("a INT, b INT, c VARCHAR(20)")
    conn = await world.connect()
    insert = await conn.prepare(f"INSERT INTO {table} VALUES (?, ?, ?)")
    wanted = [(22, None, "x"), (None, 88, None), (None, None, None), (1, 2, "y")]
    for row in wanted:
        await insert.execute(row)
    assert await rows(conn, f"SELECT * FROM {table}") == wanted
    assert await fetched(await conn.prepare("SELECT ? AS a"), None) == [(None,)]


@in_every_world
async def test_last_insert_id_in_a_statement(world: World) -> None:
    """ps_bugs.c, test_bug3117: it is that of now, not of the preparation."""
    table = await world.table("id INT AUTO_INCREMENT PRIMARY KEY, a INT")
    conn = await world.connect()
    prepared = await conn.prepare("SELECT LAST_INSERT_ID() AS a")
    for number in (1, 2, 3):
        await conn.execute(f"INSERT INTO {table} (a) VALUES (?)", (number,))
        assert await fetched(prepared) == [(number,)]


@in_every_world
async def test_types_follow_the_parameters(world: World) -> None:
    """ps_bugs.c: test_bug4026, test_bug4030; ps.c, test_fracseconds."""
    conn = await world.connect()
    prepared = await conn.prepare("SELECT ? AS a, ? AS b")
    for row in (
        (timedelta(hours=12, microseconds=56789), datetime(2008, 7, 10, 12, 0, 0, 1)),
        (date(1999, 12, 31), Decimal("-0.5")),
        (1, "1"),
        (1.5, b"\x00"),
        (None, 1 << 63),
    ):
        assert await fetched(prepared, *row) == [row]


@in_every_world
async def test_change_of_the_user_and_then_nothing_is_left(world: World) -> None:
    """ps_bugs.c, test_bug5315: statements live through it, or say that they do not."""
    conn = await world.connect()
    prepared = await conn.prepare("SELECT 1 AS a")
    assert await fetched(prepared) == [(1,)]
    await conn.change_user()
    assert await fetched(prepared) == [(1,)]
    await conn.close()
    with pytest.raises(mariadb_nb.InterfaceError):
        await prepared.execute()


@in_every_world
async def test_as_many_parameters_as_there_can_be(world: World) -> None:
    """ps_bugs.c, test_maxparam: 65535, and one more is sent as text."""
    table = await world.table("a INT")
    conn = await world.connect()
    for count in (65_535, 65_536):
        values = ", ".join(["(?)"] * count)
        sql = f"INSERT INTO {table} VALUES {values}"
        cur = await conn.execute(sql, (1,) * count, prepare=True)
        assert cur.rowcount == count


@in_every_world
async def test_procedure_with_parameters(world: World) -> None:
    """ps_bugs.c: test_conc424, test_conc97; results first, then those that are OUT."""
    conn = await world.connect(autocommit=True)
    name = f"ported_{world.name}"
    await conn.execute(
        f"CREATE OR REPLACE PROCEDURE {name}(IN a INT, OUT b INT)"
        " BEGIN SELECT a; SET b = a + 1; END"
    )
    try:
        prepared = await conn.prepare(f"CALL {name}(?, ?)")
        for number in (1, 5):
            cur = await prepared.execute((number, None))
            assert await cur.fetchall() == [(number,)]
            assert await cur.nextset()
            assert await cur.fetchall() == [(number + 1,)]
            assert not await cur.nextset()
    finally:
        await conn.execute(f"DROP PROCEDURE {name}")


@in_every_world
async def test_concatenation_and_groups_of_a_parameter(world: World) -> None:
    """ps_bugs.c: test_bug3796, test_bug12744; ps.c, test_distinct."""
    table = await world.table("a INT, b CHAR(30)", "(1, 'ONE'), (2, 'TWO')")
    conn = await world.connect()
    prepared = await conn.prepare(f"SELECT CONCAT(?, b) AS a FROM {table} ORDER BY a")
    for start in ("concat_with_", "", "\xe4" * 100):
        assert await fetched(prepared, start) == [(f"{start}ONE",), (f"{start}TWO",)]
    prepared = await conn.prepare(f"SELECT DISTINCT a > ? AS a FROM {table} ORDER BY a")
    assert await fetched(prepared, 1) == [(0,), (1,)]
    assert await fetched(prepared, 0) == [(1,)]


@in_every_world
async def test_numbers_of_narrow_columns(world: World) -> None:
    """ps_bugs.c: test_ushort_bug, test_sshort_bug, test_stiny_bug, test_decimal_bug."""
    table = await world.table(
        "a SMALLINT UNSIGNED, b SMALLINT, c TINYINT, d DECIMAL(9, 2),"
        " e INT(6) ZEROFILL",
        "(35999, -5999, -127, 8, 42)",
    )
    conn = await world.connect()
    prepared = await conn.prepare(f"SELECT * FROM {table} WHERE d = ? OR c = ?")
    expected = [(35999, -5999, -127, Decimal("8.00"), 42)]
    for value in (8, "8", 8.0, Decimal("8.0")):
        assert await fetched(prepared, value, 0) == expected
    assert await fetched(prepared, 5.5, -127) == expected
    assert await fetched(prepared, 5.5, 5) == []


@in_every_world
async def test_rows_come_after_the_table_was_dropped_and_made(world: World) -> None:
    """ps.c: test_create_drop, test_rename; ps_bugs.c, test_bug11183."""
    table = await world.table("a INT", "(1)")
    conn = await world.connect(autocommit=True)
    prepared = await conn.prepare(f"SELECT * FROM {table}")
    assert await fetched(prepared) == [(1,)]
    await conn.execute(f"DROP TABLE {table}")
    with pytest.raises(mariadb_nb.ProgrammingError):
        await prepared.execute()
    await conn.execute(f"CREATE TABLE {table} (b CHAR(1), c INT)")
    await conn.execute(f"INSERT INTO {table} VALUES ('x', 2)")
    assert await fetched(prepared) == [("x", 2)]
