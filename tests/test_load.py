"""load: all rows or none, on a connection that is nobody else's meanwhile."""

from __future__ import annotations

import itertools
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest
from load_support import MANY, awaits, contents, count, many, waiting
from worlds import World, finish, in_every_world

import mariadb_nb
from mariadb_nb import loading

# ---- all or nothing ------------------------------------------------------------------


class SourceError(Exception):
    """What a source raises."""


def broken(rows: Any, error: BaseException) -> Iterator[Any]:
    yield from rows
    raise error


@pytest.mark.parametrize("rows", [0, 1, 10, 5000, MANY])
@pytest.mark.parametrize("waits", [False, True])
@in_every_world
async def test_source_that_raises(world: World, rows: int, waits: bool) -> None:
    conn = await world.connect()
    table = await world.table("a INT PRIMARY KEY, b VARCHAR(30)", "(-1, 'old')")
    source: Any = broken(many(rows), SourceError("of the source's own"))
    if waits:
        source = waiting(world, conn, source)
    with pytest.raises(SourceError):
        await conn.load(table, source)
    assert not conn.in_transaction
    assert await contents(conn, table) == [(-1, "old")]


@pytest.mark.parametrize("autocommit", [True, False])
@in_every_world
async def test_transactions(world: World, autocommit: bool) -> None:
    """With autocommit it is one of its own; else it is part of one, as an INSERT is."""
    conn = await world.connect(autocommit=autocommit)
    table = await world.table("a INT PRIMARY KEY, b VARCHAR(30)")
    assert await conn.load(table, many()) == MANY
    assert conn.in_transaction is not autocommit
    await conn.rollback()
    assert await count(conn, table) == (MANY if autocommit else 0)
    assert conn.autocommit is autocommit


@pytest.mark.parametrize("autocommit", [True, False])
@in_every_world
async def test_inside_a_transaction(world: World, autocommit: bool) -> None:
    conn = await world.connect(autocommit=autocommit)
    table = await world.table("a INT PRIMARY KEY, b VARCHAR(30)")
    async with conn.transaction():
        await conn.execute(f"INSERT INTO {table} VALUES (-1, 'before')")
        with pytest.raises(SourceError):
            await conn.load(table, broken(many(), SourceError()))
        assert conn.in_transaction
        assert await conn.load(table, many(3)) == 3
        assert conn.in_transaction
        await conn.execute(f"INSERT INTO {table} VALUES (-2, 'after')")
    assert await contents(conn, table) == [(-2, "after"), (-1, "before"), *many(3)]

    async def undone() -> None:
        async with conn.transaction():
            await conn.load(table, [(-3, "undone")])
            raise SourceError

    with pytest.raises(SourceError):
        await undone()
    assert await count(conn, table) == 5


@in_every_world
async def test_table_without_transactions_keeps_what_came_before(world: World) -> None:
    conn = await world.connect()
    table = await world.table("a INT, b VARCHAR(30)")
    await conn.execute(f"ALTER TABLE {table} ENGINE = MyISAM")
    assert await conn.load(table, many(5)) == 5
    with pytest.raises(SourceError):
        await conn.load(table, broken(many(), SourceError()))
    await conn.rollback()
    assert 5 < await count(conn, table) <= MANY + 5


# ---- one operation at a time ---------------------------------------------------------


@pytest.mark.parametrize("rows", [0, 3, MANY])
@in_every_world
async def test_source_cannot_use_the_connection(world: World, rows: int) -> None:
    conn = await world.connect()
    table = await world.table("a INT PRIMARY KEY, b VARCHAR(30)")

    if awaits(conn):

        async def source() -> AsyncIterator[Any]:
            for row in many(rows):
                yield row
            await conn.commit()

        await_source: Any = source()
    else:
        plain: Any = conn._plain  # type: ignore[attr-defined]

        def plain_source() -> Iterator[Any]:
            yield from many(rows)
            plain.commit()

        await_source = plain_source()
    with pytest.raises(mariadb_nb.Busy, match="another operation is going on"):
        await conn.load(table, await_source)
    assert await count(conn, table) == 0


@in_every_world
async def test_stream_that_is_being_read_is_not_disturbed(world: World) -> None:
    conn = await world.connect()
    table = await world.table("a INT")
    cur = conn.cursor(stream=True)
    await cur.execute("SELECT seq FROM seq_1_to_3000")
    with pytest.raises(mariadb_nb.Busy, match="rows of a stream"):
        await conn.load(table, [(1,)])
    assert len(await cur.fetchall()) == 3000
    await cur.execute("SELECT seq FROM seq_1_to_30000")
    del cur
    assert await conn.load(table, [(1,)]) == 1


@in_every_world
async def test_source_that_closes_the_connection(world: World) -> None:
    conn = await world.connect()
    table = await world.table("a INT, b VARCHAR(30)")
    plain: Any = conn if awaits(conn) else conn._plain  # type: ignore[attr-defined]

    def source() -> Iterator[Any]:
        yield from many(100)
        plain.session.close()
        yield from many()

    with pytest.raises(mariadb_nb.Error):
        await conn.load(table, source())
    assert conn.closed
    assert await count(await world.connect(), table) == 0


@pytest.mark.parametrize("on_cancel", ["kill", "abort"])
@in_every_world
async def test_interrupted_while_the_server_is_slow(
    world: World, on_cancel: str
) -> None:
    """A lock keeps it from going on. Then a secret query; the table is as before."""
    conn = await world.connect(on_cancel=on_cancel)
    table = await world.table("a INT PRIMARY KEY, b VARCHAR(30)")
    locker = await world.connect()
    await locker.execute(f"INSERT INTO {table} VALUES (5, 'locked')")
    await world.interrupt(
        conn.load(table, many()), world.wait_until_seen(locker, "LOAD DATA")
    )
    await locker.rollback()
    if on_cancel == "kill":
        cur = await conn.execute("SELECT 'a secret'")
        assert await cur.fetchall() == [("a secret",)]
        assert not conn.in_transaction
    else:
        assert conn.broken
        await world.wait_until_gone(locker, conn.thread_id)
    assert await count(locker, table) == 0


@in_every_world
async def test_timeout(world: World) -> None:
    conn = await world.connect()
    table = await world.table("a INT PRIMARY KEY, b VARCHAR(30)")
    locker = await world.connect()
    await locker.execute(f"INSERT INTO {table} VALUES (5, 'locked')")
    with pytest.raises(mariadb_nb.OperationTimeout):
        await conn.load(table, many(), timeout=0.2)
    await locker.rollback()
    assert await count(conn, table) == 0


@in_every_world
async def test_timeout_while_the_source_never_ends(world: World) -> None:
    conn = await world.connect()
    table = await world.table("a INT, b VARCHAR(30)")
    endless = ((number, "") for number in itertools.count())
    with pytest.raises(mariadb_nb.OperationTimeout):
        await conn.load(table, endless, timeout=0.2)
    assert await count(conn, table) == 0


@in_every_world
async def test_interrupted_while_the_source_waits(world: World) -> None:
    conn = await world.connect()
    table = await world.table("a INT PRIMARY KEY, b VARCHAR(30)")
    waits = False

    def plain_source() -> Iterator[Any]:
        nonlocal waits
        yield from many()
        waits = True
        finish(world.rest())

    async def source() -> AsyncIterator[Any]:
        nonlocal waits
        for row in many():
            yield row
        waits = True
        await world.rest()

    async def until_it_waits() -> None:
        while not waits:
            await world.pause()

    chosen: Any = source() if awaits(conn) else plain_source()
    await world.interrupt(conn.load(table, chosen), until_it_waits())
    cur = await conn.execute("SELECT 'a secret'")
    assert await cur.fetchall() == [("a secret",)]
    assert await count(conn, table) == 0


@in_every_world
async def test_deadlock_is_not_left_half_done(world: World) -> None:
    conn, other = await world.connect(), await world.connect()
    table = await world.table("a INT PRIMARY KEY, b VARCHAR(30)", "(1, 'x'), (2, 'y')")
    await conn.execute(f"UPDATE {table} SET b = 'conn' WHERE a = 2")
    for sql in (
        f"INSERT INTO {table} SELECT seq + 100000, 'heavy' FROM seq_1_to_100",
        f"UPDATE {table} SET b = 'other' WHERE a = 1",
    ):
        await other.execute(sql)

    async def collide() -> None:
        await world.wait_until_seen(await world.connect(), "LOAD DATA")
        await other.execute(f"UPDATE {table} SET b = 'other' WHERE a = 2")

    found = await world.together(
        conn.load(table, [(3, "z"), (1, "replaced")], on_duplicate="replace"), collide()
    )
    assert isinstance(found[0], mariadb_nb.Deadlock)
    assert found[1] is None
    assert not conn.in_transaction
    await other.rollback()
    assert await contents(conn, table) == [(1, "x"), (2, "y")]


def test_a_buffer_is_bounded() -> None:
    """What the tests above rely on: there is more than one."""
    assert sum(len(text) + 8 for _, text in many()) > loading.BUFFER
