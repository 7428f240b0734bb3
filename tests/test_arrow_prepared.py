"""Statements for columns are kept prepared, and mean what their text would mean now."""

from __future__ import annotations

import io
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pytest
from test_driver_prepared import counting, rows
from worlds import World, in_every_world

import mariadb_nb
from mariadb_nb import aio
from mariadb_nb.errors import DatabaseError, NotSupportedError, ProgrammingError

SQL = "SELECT seq FROM seq_1_to_9 WHERE seq >= ?"


async def columns(
    conn: aio.Connection, sql: str, params: Any = None, **how: Any
) -> list[tuple[Any, ...]]:
    """The rows of a table, checked."""
    table = pa.table(await conn.cursor().arrow(sql, params, **how))
    table.validate(full=True)
    return [tuple(row.values()) for row in table.to_pylist()]


async def agree(conn: aio.Connection, sql: str, params: Any = None) -> list[Any]:
    """What text gives, and columns twice."""
    expected = await rows(conn, sql, params, prepare=False)
    for _ in range(2):
        assert await columns(conn, sql, params) == expected
    return expected


@in_every_world
async def test_the_same_statement_is_prepared_once(world: World) -> None:
    """For tables and streams, with and without parameters, and for rows too."""
    conn = await world.connect()
    plain = "SELECT seq, 'a %% b' AS a FROM seq_1_to_9"
    async with counting(conn, prepare=2, execute=10):
        for number in (7, 8, 9):
            assert len(await columns(conn, SQL, (number,))) == 10 - number
            assert await columns(conn, plain) == [(n, "a %% b") for n in range(1, 10)]
        for batch_rows in (2, 4):
            cur = conn.cursor()
            stream = await cur.stream_arrow(SQL, (5,), batch_rows=batch_rows)
            assert sum([len(batch) async for batch in stream]) == 5
        for _ in range(2):
            assert await rows(conn, SQL, (9,), prepare=True) == [(9,)]


@in_every_world
async def test_other_ways_to_read_it_are_not_mixed_up(world: World) -> None:
    """Rows, columns and dictionaries of one statement, in turns."""
    conn = await world.connect()
    table = await world.table("e ENUM('a', 'b'), s VARCHAR(9)", "('a', 'x')")
    sql = f"SELECT e, s FROM {table}"
    async with counting(conn, prepare=1, execute=12):
        for _ in range(3):
            assert await rows(conn, sql, prepare=True) == [("a", "x")]
            for dictionary, kept in ((False, []), (True, ["e"]), (("s",), ["s"])):
                found = pa.table(await conn.cursor().arrow(sql, dictionary=dictionary))
                assert found.to_pylist() == [{"e": "a", "s": "x"}]
                types = zip(found.column_names, found.schema.types, strict=True)
                assert kept == [n for n, of in types if pa.types.is_dictionary(of)]


@in_every_world
async def test_large_results_and_small_ones_in_turns(world: World) -> None:
    """What is known of the batches of one is not of the next."""
    conn = await world.connect()
    sql = "SELECT seq, REPEAT('x', seq % ?) AS s FROM seq_1_to_200000 LIMIT ?"
    for most, count in ((90, 200_000), (3, 5), (900, 7), (1, 150_000), (5, 0)):
        found = pa.table(await conn.cursor().arrow(sql, (most, count)))
        found.validate(full=True)
        assert found["seq"].to_pylist() == [*range(1, count + 1)]
        sizes = pc.binary_length(found["s"]).to_pylist()
        assert sizes == [n % most for n in range(1, count + 1)]


@in_every_world
async def test_a_stream_that_is_left_leaves_its_statement(world: World) -> None:
    """Whatever ended it: the same statement gives its own rows afterwards."""
    conn = await world.connect(autocommit=True)
    sql = "SELECT seq FROM seq_1_to_1000000 WHERE seq > ?"
    for start in range(3):
        cur = conn.cursor()
        stream = await cur.stream_arrow(sql, (start,), batch_rows=10)
        batch = await anext(stream)
        assert read_first(batch) == start + 1
        await (stream.close() if start else cur.close())
        assert (await columns(conn, f"{sql} LIMIT 2", (start,))) == [
            (start + 1,),
            (start + 2,),
        ]


def read_first(batch: Any) -> Any:
    return pa.record_batch(batch).column(0)[0].as_py()


# ---- what changes -------------------------------------------------------------------


@in_every_world
async def test_tables_that_change(world: World) -> None:
    """The types of the columns are those that the server sends now."""
    table = await world.table("a INT, b VARCHAR(9)", "(1, 'x')")
    conn = await world.connect(autocommit=True)
    other = await world.connect(autocommit=True)
    sql = f"SELECT * FROM {table} WHERE a >= ?"
    for who, change in (
        (conn, "DO 1"),
        (conn, f"ALTER TABLE {table} ADD c DATE DEFAULT '2024-01-01' FIRST"),
        (other, f"ALTER TABLE {table} DROP b"),
        (other, f"ALTER TABLE {table} CHANGE c d CHAR(12) DEFAULT 'new'"),
        (other, f"ALTER TABLE {table} MODIFY a BIGINT UNSIGNED"),
        (other, f"UPDATE {table} SET a = 18446744073709551615"),
        (conn, f"CREATE TEMPORARY TABLE {table} SELECT 5 AS a, 'hides it' AS h"),
        (conn, f"ALTER TABLE {table} MODIFY a VARCHAR(9)"),
        (conn, f"DROP TEMPORARY TABLE {table}"),
        (other, f"ALTER TABLE {table} MODIFY a TINYINT, MODIFY d INT DEFAULT 4"),
    ):
        if change.endswith("d INT DEFAULT 4"):
            await other.execute(f"DELETE FROM {table}")
            await other.execute(f"INSERT INTO {table} VALUES (-5, 6), (7, NULL)")
        await who.execute(change)
        found = await agree(conn, sql, (0,))
        assert found
    await conn.execute(f"DROP TABLE {table}")
    for _ in range(2):
        with pytest.raises(DatabaseError, match="doesn't exist"):
            await columns(conn, sql, (0,))
    await conn.execute(f"CREATE TABLE {table} (a DOUBLE)")
    await conn.execute(f"INSERT INTO {table} VALUES (1.5)")
    assert await agree(conn, sql, (0,)) == [(1.5,)]


@in_every_world
async def test_settings_and_sessions_that_change(world: World) -> None:
    conn = await world.connect(autocommit=True)
    sql = "SELECT seq FROM seq_1_to_3 WHERE (seq || 0) = ?"
    for mode in ("", "PIPES_AS_CONCAT", "ANSI_QUOTES"):
        await conn.execute(f"SET sql_mode = '{mode}'")
        assert bool(await agree(conn, sql, (10,))) == (mode == "PIPES_AS_CONCAT")
    for renew in (conn.reset, conn.change_user):
        assert await columns(conn, SQL, (9,)) == [(9,)]
        await renew()
        async with counting(conn, prepare=1, execute=2):
            for _ in range(2):
                assert await columns(conn, SQL, (9,)) == [(9,)]


class Forgetful:
    """A channel whose server does not know a prepared statement at first."""

    def __init__(self, channel: Any, number: int) -> None:
        self.channel = channel
        self.number: int | None = number

    def __getattr__(self, name: str) -> Any:
        return getattr(self.channel, name)

    def execute(self, *arguments: object) -> Any:
        number, self.number = self.number, None
        if number is not None:
            raise mariadb_nb.errors.from_server(number, "HY000", "not known")
        return self.channel.execute(*arguments)


@in_every_world
@pytest.mark.parametrize("number", [1243, 1615])
async def test_what_the_server_has_lost_is_prepared_again(
    world: World, number: int
) -> None:
    conn = await world.connect()
    assert await columns(conn, SQL, (8,)) == [(8,), (9,)]
    session = conn.session
    forgetful = session._channel = Forgetful(session._channel, number)
    try:
        assert await columns(conn, SQL, (9,)) == [(9,)]
        assert forgetful.number is None
    finally:
        session._channel = forgetful.channel
    async with counting(conn, prepare=1, execute=2):
        for _ in range(2):
            assert await columns(conn, SQL, (9,)) == [(9,)]


# ---- limits -----------------------------------------------------------------------


@in_every_world
@pytest.mark.parametrize("most", [0, 1, 2])
async def test_only_so_many_are_kept(world: World, most: int) -> None:
    conn = await world.connect(prepared_max=most)
    texts = [SQL, f"{SQL} LIMIT 1"]
    again = 0 if most == 2 else 4
    async with counting(conn, prepare=2 + again, execute=6, close=2 + again - most):
        for _ in range(3):
            for sql in texts:
                assert (await columns(conn, sql, (9,))) == [(9,)]


@in_every_world
async def test_no_room_on_the_server(world: World) -> None:
    """Statements that were kept make room for this one."""
    conn = await world.connect()
    root = await world.connect("root")
    ((limit,),) = await rows(root, "SELECT @@max_prepared_stmt_count")
    for number in range(4):
        await conn.execute(f"SELECT {number}", prepare=True)
    ((used,),) = await rows(
        root,
        "SELECT variable_value FROM information_schema.global_status"
        " WHERE variable_name = 'prepared_stmt_count'",
    )
    try:
        await root.execute(f"SET GLOBAL max_prepared_stmt_count = {used}")
        for _ in range(2):
            assert await columns(conn, SQL, (9,)) == [(9,)]
        await root.execute("SET GLOBAL max_prepared_stmt_count = 0")
        with pytest.raises(DatabaseError) as raised:
            await columns(conn, f"{SQL} LIMIT 1", (9,))
        assert raised.value.errno == 1461
        assert await rows(conn, SQL, (9,), prepare=False) == [(9,)]
    finally:
        await root.execute(f"SET GLOBAL max_prepared_stmt_count = {limit}")
    async with counting(conn, prepare=1, execute=1):
        assert await columns(conn, f"{SQL} LIMIT 1", (9,)) == [(9,)]


@in_every_world
async def test_what_cannot_be_kept_is_prepared_or_refused(world: World) -> None:
    conn = await world.connect(multi_statements=True)
    for _ in range(2):
        with pytest.raises(NotSupportedError, match="cannot be prepared"):
            await columns(conn, "SELECT 1 AS a WHERE 1 IN (?)", ([1, 2],))
        with pytest.raises(DatabaseError):
            await columns(conn, "SELECT 1; SELECT 2")
        with pytest.raises(ProgrammingError, match="0 parameters are given"):
            await columns(conn, "SELECT ? AS a")
        with pytest.raises(ProgrammingError, match="has no rows"):
            await columns(conn, "DO 1")
        assert await columns(conn, "SELECT 7 % 4 AS a") == [(3,)]
        assert await columns(conn, "SELECT '%s' AS a") == [("%s",)]
        assert await columns(conn, "SELECT ? AS a", ("x",)) == [("x",)]
        text = io.StringIO("y" * 300_000)
        assert await columns(conn, "SELECT LENGTH(?) AS a", (text,)) == [(300_000,)]
