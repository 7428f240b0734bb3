"""executemany with arrays of parameters: errors, and what they leave behind."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import pytest
from bulk_support import INSERT, ROWS, TABLE, contents, filled
from worlds import World, in_every_world

import mariadb_nb


@in_every_world
async def test_the_row_that_the_server_refuses_is_named(world: World) -> None:
    conn = await filled(world)
    rows: list[Any] = [(number, "x" * 99) for number in range(2000, 6000)]
    rows[3500] = (17, "there already")
    for cur in (conn.cursor(), conn.cursor(prepare=False)):
        with pytest.raises(mariadb_nb.IntegrityError) as raised:
            await cur.executemany(INSERT, rows)
        assert raised.value.errno == 1062
        assert raised.value.rows == range(3500, 3501)
        assert raised.value.message.startswith("rows[3500]: Duplicate entry '17'")
        ((_, number, _),) = await conn.show_warnings()
        assert number == 1062
        # The rows before, as far as they were in other requests, are there until:
        assert 1000 < len(await contents(conn)) <= 4500
        await conn.rollback()
        assert len(await contents(conn)) == 0
        await conn.executemany(INSERT, ROWS)
    rows[3500] = (17, "x" * 101)
    with pytest.raises(mariadb_nb.DataError, match=r"rows\[3500\]: Data too long"):
        await conn.executemany(INSERT, rows)


@in_every_world
async def test_where_the_server_cannot_be_asked_for_the_row(world: World) -> None:
    """With sql_mode=ORACLE a block is written in another way."""
    conn = await filled(world, ROWS[:50], sql_mode="ORACLE")
    with pytest.raises(mariadb_nb.IntegrityError) as raised:
        await conn.executemany(INSERT, [(n, "x") for n in range(100, 20, -1)])
    assert raised.value.rows == range(80)
    assert raised.value.message.startswith("rows[0:80]: Duplicate entry '49'")
    cur = await conn.execute("SELECT ?", ("a secret",))
    assert await cur.fetchall() == [("a secret",)]


@in_every_world
async def test_rows_among_which_the_server_refuses_one(world: World) -> None:
    """Of an UPDATE it does not tell which one."""
    conn = await filled(world, ROWS[:50], autocommit=True)
    rows = [(f"new {n}" if n != 30 else "x" * 101, n) for n in range(50)]
    with pytest.raises(mariadb_nb.DataError) as raised:
        await conn.executemany("UPDATE bulk SET text = ? WHERE x = ?", rows)
    assert raised.value.rows == range(50)
    assert raised.value.message.startswith("rows[0:50]: Data too long")
    # Each row was a statement, and those before have been executed.
    expected = [(n, f"new {n}") for n in range(30)] + ROWS[30:50]
    assert await contents(conn) == expected


@in_every_world
async def test_what_is_not_supported_in_one_of_many_rows(world: World) -> None:
    """The rows before it have been executed, and must not be so again."""
    conn = await world.connect()
    await conn.execute("CREATE OR REPLACE TABLE bulk_once (x INT PRIMARY KEY, n INT)")
    await conn.execute(
        "CREATE TRIGGER bulk_refuses BEFORE UPDATE ON bulk_once FOR EACH ROW"
        " IF OLD.x = 7 THEN SIGNAL SQLSTATE '45000' SET MYSQL_ERRNO = 1235; END IF"
    )
    await conn.executemany(
        "INSERT INTO bulk_once VALUES (?, 0)", [(n,) for n in range(40)]
    )
    sql = "UPDATE bulk_once SET n = n + ? WHERE x = ?"
    with pytest.raises(mariadb_nb.NotSupportedError) as raised:
        await conn.executemany(sql, [(1, n) for n in range(40)])
    assert (raised.value.errno, raised.value.rows) == (1235, range(40))
    cur = await conn.execute("SELECT SUM(n), MAX(n) FROM bulk_once")
    assert await cur.fetchone() == (7, 1)
    await conn.execute("DROP TABLE bulk_once")


@in_every_world
async def test_value_that_is_refused_keeps_its_request_back(world: World) -> None:
    conn = await filled(world, [], autocommit=True)
    rows: list[Any] = [*ROWS, (1000, float("nan")), (1001, "x")]
    with pytest.raises(mariadb_nb.DataError, match=r"^rows\[1000\]\[1\] is no finite"):
        await conn.executemany(INSERT, rows)
    assert await contents(conn) == []
    rows = [(number, "x" * 99) for number in range(3000)]
    rows[2999] = (2999,)
    with pytest.raises(mariadb_nb.ProgrammingError, match=r"^rows\[2999\] has the"):
        await conn.executemany(INSERT, rows)
    kept = len(await contents(conn))
    assert 0 < kept < 2999  # the requests before it have been sent
    assert await contents(conn) == rows[:kept]


@in_every_world
async def test_error_of_the_callers_rows(world: World) -> None:
    def failing(count: int) -> Iterator[tuple[int, str]]:
        for number in range(count):
            yield number, "x" * 99
        raise KeyError("the caller's own")

    conn = await filled(world, [])
    for count in (0, 5, 100, 2000):
        with pytest.raises(KeyError, match="own"):
            await conn.executemany(INSERT, failing(count))
        await conn.rollback()
        assert await contents(conn) == []


@in_every_world
async def test_rows_cannot_use_the_connection(world: World) -> None:
    conn = await filled(world, [])
    plain = getattr(conn, "_plain", conn)

    def curious(when: int) -> Iterator[tuple[int, str]]:
        for number in range(3000):
            if number == when:
                next(plain._session.ping())
            yield number, "x" * 99

    for when in (100, 1000, 2900):
        with pytest.raises(mariadb_nb.Busy):
            await conn.executemany(INSERT, curious(when))
        await conn.rollback()
        assert await contents(conn) == []


@in_every_world
async def test_a_deadline_ends_it(world: World) -> None:
    conn = await filled(world)
    cur = conn.cursor()
    with pytest.raises(mariadb_nb.OperationTimeout):
        await cur.executemany(
            "UPDATE bulk SET text = SLEEP(600) + ? WHERE x = ?",
            [("1", n) for n in range(9)],
            timeout=0.2,
        )
    cur = await conn.execute("SELECT ?", ("a secret",))
    assert await cur.fetchall() == [("a secret",)]


@in_every_world
async def test_statement_that_is_altered_under_its_feet(world: World) -> None:
    conn = await filled(world)
    await conn.execute("ALTER TABLE bulk ADD COLUMN y INT DEFAULT 5 FIRST")
    await conn.executemany(INSERT, [(n, "x") for n in range(5000, 5050)])
    cur = await conn.execute("SELECT y, x, text FROM bulk WHERE x > 4999")
    assert await cur.fetchall() == [(5, n, "x") for n in range(5000, 5050)]
    await conn.reset()
    await conn.execute(TABLE)
    await conn.executemany(INSERT, ROWS)
    assert await contents(conn) == ROWS


@in_every_world
async def test_between_arrays_the_same_statement_is_executed_alone(
    world: World,
) -> None:
    """Neither takes the other's types or parameters."""
    conn = await filled(world, [])
    single = conn.cursor(prepare=True)
    for first in (0, 1000, 2000):
        await conn.executemany(INSERT, [(first + n, f"{n}") for n in range(50)])
        await single.execute(INSERT, (first + 500, Decimal("1.5")))
        await conn.executemany(INSERT, [(f"{first + n}", n) for n in range(600, 650)])
        await single.execute(INSERT, (first + 700, None))
    rows = await contents(conn)
    for first in (0, 1000, 2000):
        part = [(x - first, text) for x, text in rows if first <= x < first + 1000]
        assert part[:50] == [(n, f"{n}") for n in range(50)]
        assert part[50:51] == [(500, "1.5")]
        assert part[51:101] == [(n, f"{n}") for n in range(600, 650)]
        assert part[101:] == [(700, None)]


@in_every_world
async def test_rows_that_are_deleted_from_a_table_made_anew(world: World) -> None:
    """The server would never answer to an array that it has to prepare anew."""
    conn = await world.connect(autocommit=True, timeout=10)
    table = await world.table("k INT")
    sql = f"DELETE FROM {table} WHERE k = ? RETURNING k"
    for _ in range(3):
        await conn.execute(f"CREATE OR REPLACE TABLE {table} (k INT)")
        await conn.execute(f"INSERT INTO {table} SELECT seq FROM seq_1_to_9")
        cur = await conn.executemany(sql, [(number,) for number in (5, 3, 77, 8)])
        assert await cur.fetchall() == [(5,), (3,), (8,)]
