"""Statements that are prepared: by themselves, or because it is asked for."""

from __future__ import annotations

import io
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import date
from typing import Any

import pytest
from worlds import World, in_every_world

import mariadb_nb
from mariadb_nb.rows import dict_row

COUNTS = (
    "SELECT VARIABLE_NAME, VARIABLE_VALUE + 0 FROM information_schema.SESSION_STATUS"
    " WHERE VARIABLE_NAME LIKE 'Com_stmt%'"
)


async def counts(conn: Any) -> dict[str, int]:
    """How often this session has prepared, executed, closed."""
    cur = await conn.execute(COUNTS, prepare=False)
    found = dict(await cur.fetchall())
    return {name.lower()[9:]: int(number) for name, number in found.items()}


@asynccontextmanager
async def counting(conn: Any, **expected: int) -> AsyncIterator[None]:
    """The block prepares, executes and closes statements so many times."""
    before = await counts(conn)
    yield
    after = await counts(conn)
    for name in ("prepare", "execute", "close"):
        number = after.get(name, 0) - before.get(name, 0)
        assert number == expected.get(name, 0), (name, number)


async def rows(conn: Any, sql: str, params: Any = None, **how: Any) -> list[Any]:
    cur = await conn.execute(sql, params, **how)
    found: list[Any] = await cur.fetchall()
    return found


# ---- when --------------------------------------------------------------------------


@in_every_world
@pytest.mark.parametrize(("threshold", "executed"), [(1, 5), (2, 4), (4, 2), (None, 0)])
async def test_prepared_from_the_threshold_on(
    world: World, threshold: int | None, executed: int
) -> None:
    conn = await world.connect(prepare_threshold=threshold)
    sql = "SELECT seq FROM seq_1_to_9 WHERE seq = ?"
    async with counting(conn, prepare=executed > 0, execute=executed):
        for number in range(1, 6):
            assert await rows(conn, sql, (number,)) == [(number,)]


@in_every_world
async def test_styles_of_placeholders(world: World) -> None:
    conn = await world.connect()
    for sql, params in (
        ("SELECT seq FROM seq_1_to_9 WHERE seq = ? OR seq = ?", (2, 3)),
        ("SELECT seq FROM seq_1_to_9 WHERE seq = %s OR seq = %s", [2, 3]),
        (
            "SELECT seq FROM seq_1_to_9 WHERE seq = %(a)s OR seq = %(b)s",
            {"b": 3, "a": 2},
        ),
        ("SELECT seq FROM seq_1_to_3 WHERE seq >= 2 AND '%' <> '?'", None),
        ("SELECT seq FROM seq_1_to_3 WHERE seq >= 2 AND '%%' = '%%'", None),
        ("SELECT seq FROM seq_1_to_3 WHERE seq >= 2", ()),
    ):
        async with counting(conn, prepare=1, execute=2):
            for _ in range(3):
                assert await rows(conn, sql, params) == [(2,), (3,)]


@in_every_world
async def test_choice_of_the_cursor_and_of_the_call(world: World) -> None:
    conn = await world.connect()
    sql = "SELECT seq FROM seq_1_to_9 WHERE seq = ?"
    async with counting(conn):
        cur = conn.cursor(prepare=False)
        for _ in range(4):
            await cur.execute(sql, (1,))
            await conn.execute(sql, (1,), prepare=False)
    async with counting(conn, prepare=1, execute=3):
        await conn.execute(sql, (1,), prepare=True)
        await cur.execute(sql, (1,), prepare=True)
        await conn.cursor(prepare=True).execute(sql, (1,))
        await conn.cursor(prepare=True).execute(sql, (1,), prepare=False)


@in_every_world
async def test_what_might_mean_something_else_is_sent_as_text(world: World) -> None:
    conn = await world.connect()
    async with counting(conn):
        for _ in range(4):
            assert await rows(conn, "SELECT ?", (1,)) == [(1,)]
            await conn.execute("SET @a = ?", (1,))
            await conn.execute("DO 1")
            assert await rows(conn, "SELECT @a") == [(1,)]
    async with counting(conn, prepare=1, execute=4):
        for number in range(4):
            found = await rows(conn, "SELECT ? AS a", (number,), prepare=True)
            assert found == [(number,)]


@in_every_world
async def test_column_that_is_named_after_its_parameter(world: World) -> None:
    """It is called as in text, however often it is executed."""
    conn = await world.connect()
    sql = "SELECT seq = ?, seq FROM seq_1_to_2"
    for _ in range(4):
        cur = conn.cursor(row_factory=dict_row)
        await cur.execute(sql, (2,))
        assert await cur.fetchall() == [
            {"seq = 2": 0, "seq": 1},
            {"seq = 2": 1, "seq": 2},
        ]


@in_every_world
async def test_lists_and_limits(world: World) -> None:
    conn = await world.connect()
    sql = "SELECT seq FROM seq_1_to_9 WHERE seq IN (?, ?) LIMIT ?"
    for _ in range(3):
        assert await rows(conn, sql, (1, 2, 9)) == [(1,), (2,)]
        with pytest.raises(mariadb_nb.ProgrammingError):
            await conn.execute(sql, (1, 2, -1))
        with pytest.raises(mariadb_nb.ProgrammingError):
            await conn.execute(sql, (1, 2, None))
    sql = "SELECT seq FROM seq_1_to_9 WHERE seq IN ?"
    for prepare in (None, True, False, None, True):
        assert await rows(conn, sql, ([1, 2],), prepare=prepare) == [(1,), (2,)]


@in_every_world
async def test_parameters_are_refused_as_in_text(world: World) -> None:
    conn = await world.connect()
    sql = "SELECT seq FROM seq_1_to_9 WHERE seq = %(a)s"
    for _ in range(3):
        await conn.execute(sql, {"a": 1})
    messages = []
    wrong: list[Any] = [(1,), {"b": 1}, {"a": object()}, {"a": float("nan")}, 5]
    for prepare in (False, None, True):
        for params in wrong:
            with pytest.raises(mariadb_nb.Error) as raised:
                await conn.execute(sql, params, prepare=prepare)
            messages.append((type(raised.value), str(raised.value).split("0x")[0]))
    assert messages[:5] == messages[5:10] == messages[10:]
    assert await rows(conn, sql, {"a": 1}) == [(1,)]


# ---- what cannot be prepared ---------------------------------------------------------


@in_every_world
async def test_several_statements(world: World) -> None:
    conn = await world.connect(multi_statements=True)
    async with counting(conn):
        for prepare in (None, None, None, True):
            cur = await conn.execute("SELECT 1; SELECT ?", (2,), prepare=prepare)
            assert await cur.fetchall() == [(1,)]
            assert await cur.nextset()
            assert await cur.fetchall() == [(2,)]
    with pytest.raises(mariadb_nb.NotSupportedError):
        await conn.prepare("SELECT 1; SELECT ?")


@in_every_world
async def test_statement_that_the_server_executes_but_does_not_prepare(
    world: World,
) -> None:
    conn = await world.connect()
    async with counting(conn, prepare=1):
        for _ in range(3):
            found = await rows(conn, "SELECT DATE ?", ("2024-02-29",), prepare=True)
            assert found == [(date(2024, 2, 29),)]
    with pytest.raises(mariadb_nb.Error) as raised:
        await conn.prepare("EXECUTE IMMEDIATE 'SELECT 1'")
    assert raised.value.errno == 1295
    # The statement itself prepares, executes and closes one; ours was refused once.
    async with counting(conn, prepare=1 + 2, execute=2, close=2):
        for _ in range(2):
            found = await rows(conn, "EXECUTE IMMEDIATE 'SELECT 1'", prepare=True)
            assert found == [(1,)]


@in_every_world
async def test_errors_are_those_of_the_text(world: World) -> None:
    table = await world.table("id INT PRIMARY KEY, a INT NOT NULL")
    conn = await world.connect(autocommit=True)
    insert = f"INSERT INTO {table} VALUES (?, ?)"
    await conn.execute(insert, (1, 1))
    for prepare in (False, None, None, True):
        for sql, params, number in (
            (insert, (1, 1), 1062),
            (insert, (2, None), 1048),
            (f"SELECT b FROM {table}", None, 1054),
        ):
            with pytest.raises(mariadb_nb.DatabaseError) as raised:
                await conn.execute(sql, params, prepare=prepare)
            assert raised.value.errno == number
    assert await rows(conn, f"SELECT * FROM {table}") == [(1, 1)]


@in_every_world
async def test_no_room_on_the_server(world: World) -> None:
    conn = await world.connect()
    root = await world.connect("root")
    ((limit,),) = await rows(root, "SELECT @@max_prepared_stmt_count")
    await conn.execute("SELECT 1 AS a", prepare=True)
    try:
        await root.execute("SET GLOBAL max_prepared_stmt_count = 0")
        for _ in range(5):
            assert await rows(conn, "SELECT 2 AS a") == [(2,)]
            assert await rows(conn, "SELECT 3 AS a", prepare=True) == [(3,)]
        with pytest.raises(mariadb_nb.Error) as raised:
            await conn.prepare("SELECT 4")
        assert raised.value.errno == 1461
    finally:
        await root.execute(f"SET GLOBAL max_prepared_stmt_count = {limit}")
    async with counting(conn, prepare=1, execute=1):
        assert await rows(conn, "SELECT 3 AS a", prepare=True) == [(3,)]


# ---- what is kept --------------------------------------------------------------------


@in_every_world
async def test_statement_that_was_not_executed_for_the_longest_time_goes(
    world: World,
) -> None:
    conn = await world.connect(prepared_max=3)
    texts = [f"SELECT {number}" for number in range(5)]
    async with counting(conn, prepare=5, execute=5, close=2):
        for sql in texts:
            await conn.execute(sql, prepare=True)
    async with counting(conn, execute=4):
        for sql in (*texts[2:], texts[2]):
            await conn.execute(sql, prepare=True)
    async with counting(conn, prepare=1, execute=3, close=1):
        await conn.execute("SELECT 5", prepare=True)
        await conn.execute(texts[2], prepare=True)  # not 3, which came before it
        await conn.execute(texts[4], prepare=True)


@in_every_world
async def test_nothing_is_kept(world: World) -> None:
    conn = await world.connect(prepared_max=0)
    async with counting(conn, prepare=3, execute=3, close=3):
        for number in range(3):
            sql = "SELECT seq FROM seq_1_to_9 WHERE seq = ?"
            assert await rows(conn, sql, (number + 1,), prepare=True) == [(number + 1,)]


# ---- prepare() -----------------------------------------------------------------------


@in_every_world
async def test_prepared_statement(world: World) -> None:
    conn = await world.connect()
    async with counting(conn, prepare=1, execute=3, close=1):
        prepared = await conn.prepare("SELECT ? AS a", row_factory=dict_row)
        async with prepared:
            assert prepared.sql == "SELECT ? AS a"
            assert "open" in repr(prepared)
            for value in (1, "x", None):
                cur = await prepared.execute((value,))
                assert await cur.fetchall() == [{"a": value}]
        assert "closed" in repr(prepared)
        await prepared.close()
    with pytest.raises(mariadb_nb.InterfaceError, match="closed"):
        await prepared.execute((1,))
    with pytest.raises(mariadb_nb.InterfaceError, match="closed"):
        await prepared.executemany([(1,)])


@in_every_world
async def test_prepared_statement_that_writes_many_rows(world: World) -> None:
    table = await world.table("id INT")
    conn = await world.connect()
    prepared = await conn.prepare(f"INSERT INTO {table} VALUES (?)")
    cur = await prepared.executemany([(1,), (2,)])
    assert cur.rowcount == 2
    await prepared.execute((3,))
    assert await rows(conn, f"SELECT SUM(id) FROM {table}") == [(6,)]


@in_every_world
async def test_prepared_statement_is_kept_whatever_else_is_prepared(
    world: World,
) -> None:
    conn = await world.connect(prepared_max=1)
    prepared = await conn.prepare("SELECT 'kept'")
    again = await conn.prepare("SELECT 'kept'")
    for number in range(5):
        await conn.execute(f"SELECT {number}", prepare=True)
    await again.close()
    async with counting(conn, execute=1):
        assert await (await prepared.execute()).fetchall() == [("kept",)]
    await prepared.close()
    async with counting(conn, prepare=1, execute=1):
        await conn.execute("SELECT 'kept'", prepare=True)


@in_every_world
async def test_prepared_statement_that_was_dropped_is_closed(world: World) -> None:
    conn = await world.connect()
    async with counting(conn, prepare=1, close=1):
        prepared = await conn.prepare("SELECT 1")
        del prepared


@in_every_world
async def test_prepared_statement_outlives_a_reset(world: World) -> None:
    conn = await world.connect()
    prepared = await conn.prepare("SELECT ? + 1 AS a")
    for renew in (conn.reset, conn.change_user):
        await renew()
        assert await (await prepared.execute((1,))).fetchall() == [(2,)]
    await conn.close()
    with pytest.raises(mariadb_nb.InterfaceError):
        await prepared.execute((1,))
    await prepared.close()


@in_every_world
async def test_prepare_raises_what_the_server_says(world: World) -> None:
    conn = await world.connect()
    for sql, number in (("SELEC 1", 1064), ("SELECT * FROM nosuch", 1146)):
        with pytest.raises(mariadb_nb.ProgrammingError) as raised:
            await conn.prepare(sql)
        assert raised.value.errno == number
    assert await rows(conn, "SELECT 1") == [(1,)]


@in_every_world
async def test_streams(world: World) -> None:
    conn = await world.connect()
    sql = "SELECT seq FROM seq_1_to_5000 WHERE seq > ?"
    async with counting(conn, prepare=1, execute=4):
        for _ in range(4):
            cur = conn.cursor(stream=True)
            await cur.execute(sql, (0,))
            assert len(await cur.fetchmany(10)) == 10
            assert len(await cur.fetchall()) == 4990
        prepared = await conn.prepare(sql, stream=True)
        cur = await prepared.execute((4998,))
        assert [row async for row in cur] == [(4999,), (5000,)]


@in_every_world
async def test_stream_that_is_left_is_ended(world: World) -> None:
    conn = await world.connect()
    sql = "SELECT seq, REPEAT('x', 1000) FROM seq_1_to_50000 WHERE seq > ?"
    for _ in range(3):
        cur = conn.cursor(stream=True)
        await cur.execute(sql, (0,), prepare=True)
        assert (await cur.fetchone())[0] == 1
        await cur.close()
        assert await rows(conn, "SELECT 'secret'") == [("secret",)]


@in_every_world
async def test_session_is_not_left_in_a_transaction(world: World) -> None:
    table = await world.table("id INT")
    conn = await world.connect(autocommit=False)
    prepared = await conn.prepare(f"SELECT * FROM {table}")
    assert not conn.in_transaction
    await prepared.execute()
    await conn.commit()
    root = await world.connect("root")
    await root.execute(f"ALTER TABLE {table} ADD a INT", timeout=10)


@in_every_world
async def test_large_parameters_from_files(world: World) -> None:
    table = await world.table("id INT PRIMARY KEY, a LONGTEXT, b LONGBLOB")
    conn = await world.connect(autocommit=True)
    sql = f"INSERT INTO {table} VALUES (?, ?, ?)"
    text, data = "\xe4" * 500_000, b"\xff\x00" * 500_000
    for number in range(3):
        params = number, io.StringIO(text), io.BytesIO(data)
        await conn.execute(sql, params, prepare=True)
        await conn.execute(sql, (10 + number, text, data))
    found = await rows(conn, f"SELECT a, b FROM {table}")
    assert found == [(text, data)] * 6
    with pytest.raises(mariadb_nb.ProgrammingError, match=r"params\[1\]"):
        await conn.execute(sql, (9, io.StringIO(""), None), prepare=False)


# ---- cursors of the server ----------------------------------------------------------


@in_every_world
@pytest.mark.parametrize("prefetch", [1, 7, 1000, 1 << 20])
async def test_rows_that_the_server_keeps(world: World, prefetch: int) -> None:
    conn = await world.connect()
    sql = "SELECT seq, REPEAT('x', 9) FROM seq_1_to_500 WHERE seq > ?"
    cur = conn.cursor(stream=True, prefetch=prefetch)
    for above in (0, 490, 500, 0):
        await cur.execute(sql, (above,))
        assert [row[0] async for row in cur] == list(range(above + 1, 501))
        assert cur.warning_count == 0
        assert await rows(conn, "SELECT 'secret'") == [("secret",)]
    # One row, and what the server makes no cursor of.
    for text in ("SELECT 1 FROM seq_1_to_1", "SHOW VARIABLES LIKE 'port'", "DO 1"):
        await cur.execute(text)
        if cur.description:
            assert len(await cur.fetchall()) == 1
    assert await rows(conn, sql, (499,)) == [(500, "x" * 9)]


@in_every_world
async def test_cursor_of_the_server_is_left(world: World) -> None:
    """Nobody is killed for it, and none of its rows turns up."""
    conn = await world.connect()
    root = await world.connect("root")
    sql = "SELECT seq, REPEAT('x', 1000) FROM seq_1_to_20000 WHERE seq > ?"
    ((_, before),) = await rows(root, "SHOW GLOBAL STATUS LIKE 'Connections'")
    for _ in range(3):
        cur = conn.cursor(stream=True, prefetch=10)
        await cur.execute(sql, (0,))
        assert len(await cur.fetchmany(15)) == 15
        await cur.close()
        assert await rows(conn, "SELECT 'secret'") == [("secret",)]
        cur = conn.cursor(stream=True, prefetch=10)
        await cur.execute(sql, (19_990,))
        assert len(await cur.fetchall()) == 10
    ((_, after),) = await rows(root, "SHOW GLOBAL STATUS LIKE 'Connections'")
    assert after == before


@in_every_world
async def test_error_while_the_server_makes_its_cursor(world: World) -> None:
    conn = await world.connect()
    sql = (
        "SELECT seq, IF(seq = ?, (SELECT 1 UNION SELECT 2), 'x') AS a FROM seq_1_to_999"
    )
    cur = conn.cursor(stream=True, prefetch=10)
    for seq in (1, 500):
        with pytest.raises(mariadb_nb.ProgrammingError):
            await cur.execute(sql, (seq,))
        assert await rows(conn, "SELECT 'secret'") == [("secret",)]


@in_every_world
async def test_wrong_prefetch(world: World) -> None:
    conn = await world.connect()
    for prefetch in (-1, 1 << 31, True, "5", 1.0):
        wrong: Any = prefetch
        with pytest.raises(mariadb_nb.ProgrammingError, match="prefetch"):
            conn.cursor(stream=True, prefetch=wrong)
    with pytest.raises(mariadb_nb.ProgrammingError, match="stream=True"):
        conn.cursor(prefetch=5)


@pytest.mark.parametrize("sql", ["SHOW DATABASES LIKE 'test'", "CALL prefetching()"])
@in_every_world
async def test_what_has_no_cursor_streams_as_usual(world: World, sql: str) -> None:
    conn = await world.connect()
    await conn.execute("DROP PROCEDURE IF EXISTS prefetching")
    await conn.execute("CREATE PROCEDURE prefetching() SELECT 'test'")
    cur = await conn.cursor(stream=True, prefetch=1).execute(sql)
    assert await cur.fetchall() == [("test",)]
    await cur.close()
    await conn.execute("DROP PROCEDURE prefetching")


@pytest.mark.parametrize(
    "sql", ["EXPLAIN SELECT a FROM {}", "INSERT INTO {} VALUES (1) RETURNING a"]
)
@in_every_world
async def test_what_cannot_be_prefetched_ends_the_connection(
    world: World, sql: str
) -> None:
    """The library asks for a cursor's rows, and then refuses to."""
    conn = await world.connect(autocommit=True)
    table = await world.table("a INT")
    with pytest.raises(mariadb_nb.InterfaceError, match="2014"):
        await conn.cursor(stream=True, prefetch=1).execute(sql.format(table))
    assert conn.closed
