"""executemany without arrays of parameters: where they cannot be had."""

from __future__ import annotations

from typing import Any

import pytest
from bulk_support import INSERT, ROWS, Requests, contents, counted, filled
from worlds import World, in_every_world

import mariadb_nb


@in_every_world
async def test_lists_are_written_into_the_text(world: World) -> None:
    conn = await filled(world, ROWS[:50])
    cur = await conn.executemany(
        "UPDATE bulk SET text = ? WHERE x IN ?",
        [("a", (1, 2)), ("b", [3]), ("c", (4, 5, 6)), ("d", [49])],
    )
    assert cur.rowcount == 7
    texts = [text for _, text in await contents(conn)]
    assert texts[:8] == [ROWS[0][1], *"aabccc", ROWS[7][1]]
    assert texts[49] == "d"


@pytest.mark.parametrize(("prepare", "executed"), [(None, 4), (True, 5), (False, 0)])
@in_every_world
async def test_what_has_no_arrays_is_prepared_as_if_it_were_executed_alone(
    world: World, prepare: bool | None, executed: int
) -> None:
    conn = await filled(world, ROWS[:9])
    cur = conn.cursor(prepare=prepare)
    before = await counted(conn, "Com_stmt_execute")
    sql = "SELECT x FROM bulk WHERE x = ? AND x IN (SELECT x FROM bulk)"
    await cur.executemany(sql, [(n,) for n in (5, 3, 99, 8, 1)])
    assert await cur.fetchall() == [(5,), (3,), (8,), (1,)]
    assert await counted(conn, "Com_stmt_execute") - before == executed
    with pytest.raises(mariadb_nb.DataError, match=r"^rows\[2\]\[0\] is no finite"):
        await cur.executemany(sql, [(1,), (2,), (float("nan"),)])
    sql = "UPDATE bulk SET text = ? WHERE x = (SELECT ?) AND x IN ?"
    await cur.executemany(sql, [("a", 3, [3, 4]), ("b", 4, [4])])
    assert (await contents(conn))[3:5] == [(3, "a"), (4, "b")]


@in_every_world
async def test_each_row_is_written_as_the_server_reads_it_then(world: World) -> None:
    conn = await world.connect()
    await conn.executemany(
        "SET @said = ?, sql_mode = ?",
        [("a\\n", "NO_BACKSLASH_ESCAPES"), ("b\\n", ""), ("c\\n'", "ANSI_QUOTES")],
    )
    cur = await conn.execute("SELECT @said, @@sql_mode")
    assert await cur.fetchone() == ("c\\n'", "ANSI_QUOTES")


@in_every_world
async def test_types_that_change_all_the_time(world: World) -> None:
    conn = await world.connect()
    await conn.execute("CREATE TEMPORARY TABLE bulk (x INT, v DOUBLE)")
    rows = [(n, n if n % 3 else n / 7) for n in range(1000)]
    requests = await Requests(conn).start()
    cur = await conn.executemany("INSERT INTO bulk VALUES (?, ?)", iter(rows))
    assert cur.rowcount == 1000
    assert await requests.sent() < 10
    cur = await conn.execute("SELECT * FROM bulk ORDER BY x")
    assert await cur.fetchall() == rows


@pytest.mark.parametrize(
    ("sql", "left"),
    [
        ("DELETE b FROM bulk b WHERE b.x = ?", 45),
        ("DELETE FROM bulk WHERE x IN (SELECT ?)", 45),
        ("DELETE FROM bulk WHERE x = ? /*!99999 AND 0 */", 45),
        ("DO ?", 50),
    ],
)
@pytest.mark.parametrize("make", [list, iter], ids=["list", "iterator"])
@in_every_world
async def test_statements_that_have_no_arrays(
    world: World, sql: str, left: int, make: Any
) -> None:
    conn = await filled(world, ROWS[:50])
    cur = await conn.executemany(sql, make([(n,) for n in range(45, 60)]))
    assert cur.rowcount == 50 - left
    assert len(await contents(conn)) == left


@in_every_world
async def test_server_that_has_no_arrays(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    conn = await filled(world, [])
    monkeypatch.setattr(mariadb_nb.Session, "takes_bulks", False)
    await conn.executemany(INSERT, ROWS)
    assert await counted(conn, "Com_stmt_prepare") == 0
    assert await contents(conn) == ROWS


@in_every_world
async def test_statement_that_is_prepared_already_is_used(world: World) -> None:
    """For fewer rows than those for which one would be prepared."""
    conn = await filled(world, [])
    for n in range(3):
        await conn.executemany(INSERT, [(n * 50 + i, "x") for i in range(50)])
    requests = await Requests(conn).start()
    for n in range(3):
        await conn.executemany(INSERT, [(500 + n, "y"), (600 + n, "z")])
    assert await requests.sent() == 3
    assert await counted(conn, "Com_stmt_prepare") == 1
    assert await counted(conn, "Com_stmt_execute") == 6
    assert len(await contents(conn)) == 156


@in_every_world
async def test_server_that_has_no_room_for_another_statement(world: World) -> None:
    conn, root = await filled(world, []), await world.connect("root")
    cur = await root.execute("SELECT @@max_prepared_stmt_count")
    limit = await cur.fetchone()
    try:
        await root.execute("SET GLOBAL max_prepared_stmt_count = 0")
        await conn.executemany(INSERT, ROWS)
    finally:
        await root.execute("SET GLOBAL max_prepared_stmt_count = ?", limit)
    assert await contents(conn) == ROWS
    assert await counted(conn, "Com_stmt_execute") == 0


@in_every_world
async def test_statement_that_cannot_be_prepared_says_so_as_text(world: World) -> None:
    conn = await world.connect()
    with pytest.raises(mariadb_nb.ProgrammingError) as raised:
        await conn.executemany("INSERT INTO missing VALUES (?)", [(1,)] * 50)
    assert raised.value.errno == 1146
    assert raised.value.message.startswith("Table 'test.missing'")
