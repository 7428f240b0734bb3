"""What a statement of a pipeline does to those behind it: nothing that nobody wants.

How the server reads a statement may change with each one before it, and a transaction
may end. Statements that are on their way already would be read and kept otherwise than
they were meant.
"""

from __future__ import annotations

from itertools import product
from typing import Any

import pytest
from slow_statements import LATER, LONG, still_right
from worlds import World, in_every_world

import mariadb_nb
from mariadb_nb import aio
from mariadb_nb.errors import (
    Deadlock,
    IntegrityError,
    OperationTimeout,
    ProgrammingError,
)

#: Ends a literal where a backslash is only a backslash, if it was escaped by one.
EVIL = "\\' UNION SELECT 'stolen' -- "
#: Of each kind, to be read otherwise in another mode.
VALUES = (EVIL, "a\\b", "'", '"', "\\", "it's", "\\\\'", b"\\'", "\n\0\\")
MODES = ("NO_BACKSLASH_ESCAPES", "ANSI_QUOTES", "NO_BACKSLASH_ESCAPES,ANSI_QUOTES", "")


async def mode_of(conn: aio.Connection) -> Any:
    cur = await conn.execute(
        "SELECT @@sql_mode, @@character_set_client, @@character_set_connection"
    )
    return await cur.fetchone()


# ---- how statements are read -------------------------------------------------------

#: Ways to say it that a look at the first word does not tell of.
WAYS = (
    "SET sql_mode = '{}'",
    "/* */ set SESSION sql_mode = '{}'",
    "/*!50000 SET sql_mode = '{}' */",
    "SELECT 1; SET sql_mode = '{}'; SELECT 2",
    "SELECT 1;SET sql_mode = '{}'",
    "EXECUTE IMMEDIATE 'SET sql_mode = ''{}'''",
    "-- \n SET sql_mode = '{}'",
    "/* SELECT */ SET sql_mode = '{}' /* */ /* SELECT 1 */",
    "/* */ SET sql_mode = '{}' /* */; SELECT 1",
    "/*M!100000 SET sql_mode = '{}' */",
    "/* *//*! SET sql_mode = '{}' */",
    "SET @a = 1, sql_mode = '{}'",
)


@in_every_world
async def test_mode_that_changes_ahead_of_a_parameter(world: World) -> None:
    for way in WAYS:
        for before in MODES:
            for after in MODES:
                conn = await world.connect(multi_statements=True)
                await conn.execute(f"SET sql_mode = '{before}'")
                async with conn.pipeline() as pipe:
                    first = [pipe.execute("SELECT ?", (value,)) for value in VALUES]
                    pipe.execute(way.format(after))
                    behind = [pipe.execute("SELECT ?", (value,)) for value in VALUES]
                    await pipe.sync()
                    for value, result in zip(VALUES, behind, strict=True):
                        if after == before:
                            assert result.fetchall() == [(value,)]
                        else:
                            assert isinstance(result.error, ProgrammingError)
                            assert "call sync()" in str(result.error)
                    later = [pipe.execute("SELECT ?", (value,)) for value in VALUES]
                for value, one, other in zip(VALUES, first, later, strict=True):
                    assert one.fetchall() == other.fetchall() == [(value,)]
                await conn.close()


@in_every_world
async def test_text_as_it_is_is_sent_in_any_mode(world: World) -> None:
    conn = await world.connect()
    async with conn.pipeline() as pipe:
        pipe.execute("SET sql_mode = 'NO_BACKSLASH_ESCAPES'")
        first = pipe.execute(r"SELECT '\', 'ä'")
        pipe.execute("SET sql_mode = ''")
        second = pipe.execute(r"SELECT '\'', 'ä'")
    assert first.fetchall() == [("\\", "ä")]
    assert second.fetchall() == [("'", "ä")]


@in_every_world
async def test_character_set_that_changes(world: World) -> None:
    """What is UTF-8 would be read as something else, and kept so."""
    conn = await world.connect()
    await conn.execute("CREATE TEMPORARY TABLE t (x TEXT CHARACTER SET utf8mb4)")
    async with conn.pipeline() as pipe:
        pipe.execute("INSERT INTO t VALUES ('ä'), (?)", ("ö",))
        pipe.execute("SET character_set_client = latin1")
        refused = [
            pipe.execute("INSERT INTO t VALUES ('ä')"),
            pipe.execute("INSERT INTO t VALUES (?)", ("ä",)),
            pipe.execute("INSERT INTO t VALUES (?)", ("plain",)),
        ]
        sent = pipe.execute("INSERT INTO t VALUES ('a')")
        pipe.execute("SET NAMES utf8mb4")
        good = pipe.execute("INSERT INTO t VALUES (?)", ("ü",))
        found = pipe.execute("SELECT x FROM t")
        await pipe.sync()
        for result in refused:
            assert "utf8mb4" in str(result.error)
        assert sent.rowcount == good.rowcount == 1
    assert found.fetchall() == [("ä",), ("ö",), ("a",), ("ü",)]


@in_every_world
async def test_settings_that_change_nothing_of_that(world: World) -> None:
    conn = await world.connect()
    async with conn.pipeline() as pipe:
        pipe.execute("SET sql_mode = 'STRICT_ALL_TABLES'")
        pipe.execute("SET @a = ?", (EVIL,))
        result = pipe.execute("SELECT @a, ?", (EVIL,))
    assert result.fetchall() == [(EVIL, EVIL)]


#: Statements behind which others are sent at once; the function sets all it can.
PASSABLE = (
    "SELECT setting()",
    "(SELECT setting())",
    "/* SET */ /**/\n( /* ; */ SELECT setting())",
    "INSERT INTO {0} VALUES (setting())",
    "INSERT INTO {0} SELECT setting()",
    "REPLACE INTO {0} VALUES (setting())",
    "UPDATE {0} SET x = setting()",
    "DELETE FROM {0} WHERE x = setting()",
    "WITH w AS (SELECT setting() AS x) SELECT x FROM w",
    "VALUES (setting())",
    "DO setting()",
    "SHOW TABLES WHERE setting()",
    "EXPLAIN SELECT setting()",
    "DESC {0}",
    "DESCRIBE {0}",
)


@in_every_world
async def test_what_a_routine_sets_is_over_at_its_end(world: World) -> None:
    """Which is the server's promise; were it broken, nothing may be sent behind it."""
    table = await world.table("x INT")
    conn = await world.connect()
    body = (
        "SET sql_mode = 'NO_BACKSLASH_ESCAPES,ANSI_QUOTES'; "
        "SET character_set_client = latin1, character_set_connection = latin1"
    )
    await conn.execute(
        f"CREATE OR REPLACE FUNCTION setting() RETURNS INT BEGIN {body}; RETURN 1; END"
    )
    for when in ("INSERT", "UPDATE", "DELETE"):
        await conn.execute(
            f"CREATE TRIGGER {table}_{when} BEFORE {when} ON {table} FOR EACH ROW "
            f"BEGIN {body}; END"
        )
    before = await mode_of(conn)
    for sql in PASSABLE:
        await conn.execute(sql.format(table))
        assert await mode_of(conn) == before, sql
    async with conn.pipeline() as pipe:
        results = []
        for sql in PASSABLE:
            pipe.execute(sql.format(table))
            results += [pipe.execute("SELECT ?", (value,)) for value in VALUES]
    found = [result.fetchone() for result in results]
    assert found == [(value,) for value in VALUES] * len(PASSABLE)


# ---- transactions -------------------------------------------------------------------


async def fail(conn: aio.Connection, sql: str) -> None:
    """Insert what is there already, and something before and behind it."""
    async with conn.transaction(), conn.pipeline() as pipe:
        for number in (6, 1, 7):
            pipe.execute(sql, (number,))


@in_every_world
async def test_block_of_a_transaction(world: World) -> None:
    table = await world.table("x INT PRIMARY KEY")
    witness = await world.connect(autocommit=True)
    for autocommit in (False, True):
        conn = await world.connect(autocommit=autocommit)
        sql = f"INSERT INTO {table} VALUES (?)"
        async with conn.transaction(), conn.pipeline() as pipe:
            for number in range(5):
                pipe.execute(sql, (number,))
            await pipe.sync()
            assert conn.in_transaction
            pipe.execute(sql, (5,))
        with pytest.raises(IntegrityError):
            await fail(conn, sql)
        cur = await witness.execute(f"SELECT COUNT(*) FROM {table}")
        assert await cur.fetchone() == (6,)
        assert not conn.in_transaction
        assert conn.autocommit == autocommit
        await witness.execute(f"DELETE FROM {table}")


@in_every_world
async def test_transaction_that_a_pipeline_begins_and_ends(world: World) -> None:
    table = await world.table("x INT PRIMARY KEY")
    conn = await world.connect(autocommit=True)
    sql = f"INSERT INTO {table} VALUES (?)"
    async with conn.pipeline() as pipe:
        for number, end in enumerate(("COMMIT", "ROLLBACK")):
            pipe.execute("START TRANSACTION")
            pipe.execute(sql, (number,))
            pipe.execute(sql, (number + 10,))
            pipe.execute(end)
        pipe.execute(sql, (3,))
        pipe.execute("CREATE TEMPORARY TABLE t (x INT)")
        result = pipe.execute(f"SELECT x FROM {table} ORDER BY x")
    assert result.fetchall() == [(0,), (3,), (10,)]
    assert not conn.in_transaction


async def deadlock(
    world: World, conn: aio.Connection, blocks: int, *, alone: bool
) -> tuple[str, list[mariadb_nb.Result]]:
    """Have a pipeline's transaction be rolled back by the server, in its middle.

    Args:
        world: in which that happens.
        conn: whose transaction it is.
        blocks: how many ``transaction()`` blocks are around it; 0 for a statement.
        alone: whether the statement that fails is the only one on its way.

    Returns:
        The name of the table, and the results from the deadlock on.
    """
    table = await world.table("id INT PRIMARY KEY, x INT", "(1, 0), (2, 0)")
    other, witness = await world.connect(), await world.connect()
    # The server ends the one that changed less.
    values = ", ".join(f"({number}, 0)" for number in range(100, 300))
    await other.execute(f"INSERT INTO {table} VALUES {values}")
    await other.execute(f"UPDATE {table} SET x = 1 WHERE id = 2")
    waits = f"UPDATE {table} SET x = 2 WHERE id = 2 /* {world.name} */"
    results: list[mariadb_nb.Result] = []

    async def fill() -> None:
        async with conn.pipeline() as pipe:
            pipe.execute(f"UPDATE {table} SET x = 2 WHERE id = 1")
            if alone:
                await pipe.sync()
                # A statement behind which nothing is sent before it is answered.
                block = f"BEGIN NOT ATOMIC {waits}; END"
                results.append(pipe.execute(block))
            else:
                results.append(pipe.execute(waits))
            for number in range(3, 9):
                sql = f"INSERT INTO {table} VALUES (?, 2)"
                results.append(pipe.execute(sql, (number,)))
            results.append(pipe.execute(f"DELETE FROM {table} WHERE id = 1"))

    async def work(depth: int) -> None:
        if not depth:
            await fill()
        else:
            async with conn.transaction():
                await work(depth - 1)

    async def collide() -> None:
        await world.wait_until_seen(witness, waits)
        await other.execute(f"UPDATE {table} SET x = 1 WHERE id = 1")
        await other.rollback()

    if not blocks:
        await conn.execute("START TRANSACTION")
    error, _ = await world.together(work(blocks), collide())
    assert isinstance(error, Deadlock), error
    assert isinstance(results[0].error, Deadlock)
    return table, results


@in_every_world
async def test_deadlock_commits_nothing_behind_it(world: World) -> None:
    """Under autocommit, what comes behind a transaction is committed at once."""
    witness = await world.connect(autocommit=True)
    for blocks, alone in product((0, 1, 2), (False, True)):
        conn = await world.connect(autocommit=True)
        table, results = await deadlock(world, conn, blocks, alone=alone)
        cur = await witness.execute(f"SELECT id, x FROM {table} ORDER BY id")
        assert await cur.fetchall() == [(1, 0), (2, 0)]
        for result in results[1:]:
            # In a block they were executed and undone, else they were not sent.
            assert blocks or "not sent" in str(result.error)
            assert not blocks or result.rowcount == 1
        assert not conn.in_transaction
        assert conn.autocommit
        await still_right(conn)


@in_every_world
async def test_deadlock_without_autocommit_can_be_rolled_back(world: World) -> None:
    witness = await world.connect(autocommit=True)
    for blocks, alone in product((0, 1, 2), (False, True)):
        conn = await world.connect()
        table, _ = await deadlock(world, conn, blocks, alone=alone)
        await conn.rollback()
        cur = await witness.execute(f"SELECT id, x FROM {table} ORDER BY id")
        assert await cur.fetchall() == [(1, 0), (2, 0)]


@in_every_world
async def test_block_that_is_interrupted(world: World) -> None:
    """It is undone, and autocommit is on again; or the connection is ended."""
    table = await world.table("x INT PRIMARY KEY")
    witness = await world.connect(autocommit=True)
    for number in range(3):
        conn = await world.connect(autocommit=True)
        sql = [f"INSERT INTO {table} VALUES ({value})" for value in range(3)]
        sql.insert(number + 1, LONG)
        with pytest.raises(OperationTimeout):
            await interrupted(conn, sql)
        if number == 2:
            assert conn.autocommit
            assert not conn.in_transaction
            await still_right(conn)
        else:
            assert conn.closed
            await world.wait_until_gone(witness, conn.thread_id)
        cur = await witness.execute(f"SELECT COUNT(*) FROM {table}")
        assert await cur.fetchone() == (0,)


async def interrupted(conn: aio.Connection, statements: list[str]) -> None:
    async with conn.transaction(), conn.pipeline(timeout=LATER) as pipe:
        for sql in statements:
            pipe.execute(sql)


@in_every_world
async def test_blocks_one_in_another(world: World) -> None:
    table = await world.table("x INT PRIMARY KEY")
    conn = await world.connect(autocommit=True)
    sql = f"INSERT INTO {table} VALUES (?)"
    async with conn.transaction():
        for start in (0, 10):
            with pytest.raises(IntegrityError):
                await fail_inside(conn, sql, start)
            assert conn.in_transaction
            assert not conn.autocommit
        await conn.execute(sql, (20,))
    assert conn.autocommit
    cur = await conn.execute(f"SELECT x FROM {table} ORDER BY x")
    assert await cur.fetchall() == [(0,), (1,), (10,), (11,), (20,)]


async def fail_inside(conn: aio.Connection, sql: str, start: int) -> None:
    async with conn.pipeline() as pipe:
        pipe.execute(sql, (start,))
        pipe.execute(sql, (start + 1,))
    async with conn.transaction(), conn.pipeline() as pipe:
        pipe.execute(sql, (start + 2,))
        pipe.execute(sql, (start + 2,))
        pipe.execute(sql, (start + 3,))


@in_every_world
async def test_commit_inside_of_a_block(world: World) -> None:
    """What comes behind it belongs to the block too."""
    table = await world.table("x INT PRIMARY KEY")
    conn = await world.connect(autocommit=True)
    sql = f"INSERT INTO {table} VALUES (?)"
    with pytest.raises(KeyError):
        await commit_and_fail(conn, sql)
    cur = await conn.execute(f"SELECT x FROM {table} ORDER BY x")
    assert await cur.fetchall() == [(1,), (2,)]
    assert conn.autocommit


async def commit_and_fail(conn: aio.Connection, sql: str) -> None:
    async with conn.transaction():
        async with conn.pipeline() as pipe:
            for number in (1, 2):
                pipe.execute(sql, (number,))
            pipe.execute("COMMIT")
            for number in (3, 4):
                pipe.execute(sql, (number,))
        raise KeyError


@in_every_world
async def test_branch_of_a_distributed_transaction(world: World) -> None:
    table = await world.table("x INT PRIMARY KEY")
    conn = await world.connect(autocommit=True)
    await conn.tpc_begin(conn.xid(1, f"piped {world.name}", ""))
    async with conn.pipeline() as pipe:
        for number in range(3):
            pipe.execute(f"INSERT INTO {table} VALUES (?)", (number,))
    await conn.tpc_commit()
    cur = await conn.execute(f"SELECT COUNT(*) FROM {table}")
    assert await cur.fetchone() == (3,)


@in_every_world
async def test_block_around_statements_that_wait(world: World) -> None:
    """It would end before they are sent; it is undone instead."""
    table = await world.table("x INT PRIMARY KEY")
    conn, witness = await world.connect(autocommit=True), await world.connect()
    with pytest.raises(mariadb_nb.Busy, match="pipeline"):
        async with conn.pipeline() as pipe, conn.transaction():
            pipe.execute(f"INSERT INTO {table} VALUES (1)")
    cur = await witness.execute(f"SELECT COUNT(*) FROM {table}")
    assert await cur.fetchone() == (0,)
