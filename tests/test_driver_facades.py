"""The two facades side by side, and what connections offer beyond statements."""

from __future__ import annotations

import gc
import inspect
from collections.abc import Iterator
from typing import Any

import pytest
from worlds import World, in_every_world

import mariadb_nb
from mariadb_nb import aio
from mariadb_nb.server import TemporaryServer

# ---- the same names ------------------------------------------------------------


def parameters_of(function: Any) -> list[tuple[str, Any]]:
    """Names and kinds of the parameters."""
    found = inspect.signature(function).parameters.values()
    return [(parameter.name, parameter.kind) for parameter in found]


@pytest.mark.parametrize("kind", ["Connection", "Cursor"])
def test_both_facades_have_the_same_names(kind: str) -> None:
    blocking, awaited = getattr(mariadb_nb, kind), getattr(aio, kind)
    only_blocking = {"next"}  # PEP 249's, from before there were iterators
    names = {name for name in dir(blocking) if not name.startswith("_")}
    assert names - only_blocking == {
        name for name in dir(awaited) if not name.startswith("_")
    }
    for name in names - only_blocking:
        one, other = getattr(blocking, name), getattr(awaited, name)
        assert inspect.isroutine(one) == inspect.isroutine(other), name
        if inspect.isroutine(one):
            assert parameters_of(one) == parameters_of(other), name
            assert one.__doc__, name
            assert other.__doc__, name


def test_connect_takes_the_same() -> None:
    assert parameters_of(mariadb_nb.connect) == parameters_of(aio.connect)


# ---- what only the blocking one has --------------------------------------------


@pytest.fixture
def conn(mariadb_server: TemporaryServer) -> Iterator[mariadb_nb.Connection]:
    with mariadb_nb.connect(
        unix_socket=mariadb_server.socket, user="root", database="test"
    ) as connection:
        yield connection


def test_autocommit_can_be_assigned(conn: mariadb_nb.Connection) -> None:
    conn.autocommit = True
    assert conn.autocommit is True
    assert conn.execute("SELECT @@autocommit").fetchone() == (1,)
    conn.autocommit = False
    assert conn.execute("SELECT @@autocommit").fetchone() == (0,)


def test_cursor_is_an_iterator(conn: mariadb_nb.Connection) -> None:
    cur = conn.execute("SELECT seq FROM seq_1_to_3")
    assert iter(cur) is cur
    assert next(cur) == (1,)
    assert cur.next() == (2,)
    assert list(cur) == [(3,)]
    with pytest.raises(StopIteration):
        cur.next()


def test_forgotten_connection_is_closed_with_a_warning(
    conn: mariadb_nb.Connection, mariadb_server: TemporaryServer
) -> None:
    forgotten = [
        mariadb_nb.connect(
            unix_socket=mariadb_server.socket, user="root", database="test"
        )
    ]
    thread_id = forgotten[0].thread_id

    def forget() -> None:
        forgotten.clear()
        gc.collect()

    with pytest.warns(ResourceWarning, match=f"{thread_id}.*not closed"):
        forget()
    watch = "SELECT COUNT(*) FROM information_schema.processlist WHERE id = ?"
    while conn.execute(watch, (thread_id,)).fetchone() != (0,):
        pass


# ---- PEP 249's optional extensions ----------------------------------------------


@in_every_world
async def test_lists_of_messages(world: World) -> None:
    conn = await world.connect()
    cur = await conn.execute("SELECT 1")
    assert cur.messages == []


# ---- closing ---------------------------------------------------------------------


@in_every_world
async def test_block_of_a_connection_commits_or_rolls_back(world: World) -> None:
    table = await world.table("x INT")
    witness = await world.connect(autocommit=True)

    async def work(x: int, *, fail: bool) -> None:
        async with await world.connect() as conn:
            await conn.execute(f"INSERT INTO {table} VALUES (?)", (x,))
            if fail:
                raise KeyError(x)

    await work(1, fail=False)
    with pytest.raises(KeyError):
        await work(2, fail=True)
    cur = await witness.execute(f"SELECT x FROM {table}")
    assert await cur.fetchall() == [(1,)]


@in_every_world
async def test_closed_while_a_statement_runs(world: World) -> None:
    """The one who waits gets an error, and does not wait any longer."""
    conn, witness = await world.connect(), await world.connect()
    sql = f"SELECT SLEEP(1000) /* closed {world.name} */"

    async def close() -> None:
        await world.wait_until_seen(witness, sql)
        await conn.close()

    outcome, _ = await world.together(conn.execute(sql), close())
    assert isinstance(outcome, mariadb_nb.Error), repr(outcome)
    assert conn.closed
    await witness.execute("KILL CONNECTION ?", (conn.thread_id,))


# ---- what else a connection offers -------------------------------------------------


@in_every_world
async def test_kill(world: World) -> None:
    conn, victim = await world.connect(), await world.connect()
    await conn.kill(victim.thread_id)
    await world.wait_until_gone(conn, victim.thread_id)
    with pytest.raises(mariadb_nb.ConnectionLost):
        await victim.execute("SELECT 1")


@in_every_world
async def test_settings_of_a_session(world: World) -> None:
    conn = await world.connect(
        isolation_level="READ COMMITTED",
        sql_mode="ANSI_QUOTES",
        time_zone="+02:00",
        collation="utf8mb4_bin",
    )
    sql = "SELECT @@tx_isolation, @@sql_mode, @@time_zone, @@collation_connection"
    expected = ("READ-COMMITTED", "ANSI_QUOTES", "+02:00", "utf8mb4_bin")
    for _ in range(2):
        assert await (await conn.execute(sql)).fetchone() == expected
        await conn.reset()
    await conn.set_isolation_level("SERIALIZABLE")
    cur = await conn.execute("SELECT @@tx_isolation")
    assert await cur.fetchone() == ("SERIALIZABLE",)


@in_every_world
async def test_literal(world: World) -> None:
    conn = await world.connect()
    for mode in ("", "NO_BACKSLASH_ESCAPES"):
        await conn.execute(f"SET sql_mode = '{mode}'")
        for value in ("it's \\ \"", b"\0\xff'", 7, 1.5, None):
            cur = await conn.execute(f"SELECT {conn.literal(value)}")
            assert await cur.fetchone() == (value,)


@in_every_world
async def test_info(world: World) -> None:
    conn = await world.connect()
    await conn.execute("CREATE TEMPORARY TABLE told (x INT)")
    cur = await conn.execute("INSERT INTO told VALUES (1), (2)")
    assert cur.info == "Records: 2  Duplicates: 0  Warnings: 0"
    cur = await conn.execute("SELECT 1")
    assert not cur.info
