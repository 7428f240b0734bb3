"""A deadline for every operation, and what is left when it has passed.

Either the connection works, and the server no longer works for nobody; or it is broken
and says so. Which of them it is, depends on whether the kill reaches the server.
"""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from slow_statements import (
    LONG,
    LONG_BATCH,
    LONG_STREAM,
    SHORT,
    SOON,
    still_right,
    wait_until_idle,
)
from stalling import StallingProxy
from worlds import World, in_every_world

import mariadb_nb
from mariadb_nb import aio


async def broken(conn: aio.Connection) -> None:
    """It says that it is, and nothing else."""
    assert conn.closed
    assert conn.broken
    assert "BROKEN" in repr(conn)
    for attempt in (conn.ping, conn.commit, conn.reset):
        with pytest.raises(mariadb_nb.InterfaceError, match="broken"):
            await attempt()
    with pytest.raises(mariadb_nb.InterfaceError, match="broken"):
        await conn.execute("SELECT 1")


async def over_in_time(
    operation: Awaitable[object], seconds: float = SHORT
) -> mariadb_nb.OperationTimeout:
    """Await an operation whose time is over after so many seconds."""
    begun = time.monotonic()
    with pytest.raises(mariadb_nb.OperationTimeout) as raised:
        await operation
    assert seconds * 0.99 <= time.monotonic() - begun < seconds + SOON
    assert isinstance(raised.value, TimeoutError)
    return raised.value


# ---- every operation -----------------------------------------------------------------


@in_every_world
async def test_deadline_of_a_statement(world: World) -> None:
    conn, witness = await world.connect("root"), await world.connect("root")
    cur = conn.cursor()
    procedure = f"slow_{world.name}"
    await conn.execute(f"CREATE OR REPLACE PROCEDURE {procedure}() {LONG}")
    slow: list[Callable[..., Awaitable[object]]] = [
        lambda **limit: conn.execute(LONG, **limit),
        lambda **limit: cur.execute(LONG, **limit),
        lambda **limit: conn.executemany(LONG_BATCH, [(1,), (2,)], **limit),
        lambda **limit: cur.executemany(LONG_BATCH, [(1,), (2,)], **limit),
        lambda **limit: cur.callproc(procedure, **limit),
        lambda **limit: conn.cursor(stream=True).execute(LONG, **limit),
    ]
    try:
        for operation in slow:
            await over_in_time(operation(timeout=SHORT))
            await wait_until_idle(witness, conn)
            await still_right(conn)
            # The same as the connection's default.
            conn.timeout = SHORT
            await over_in_time(operation())
            await wait_until_idle(witness, conn)
            conn.timeout = None
            await still_right(conn)
    finally:
        await conn.execute(f"DROP PROCEDURE {procedure}")


@in_every_world
async def test_deadline_of_a_fetch(world: World) -> None:
    conn, witness = await world.connect(), await world.connect("root")

    async def iterate(cur: aio.Cursor) -> None:
        async for _ in cur:
            pass

    ways: list[Callable[[aio.Cursor], Awaitable[object]]] = [
        lambda cur: cur.fetchall(),
        lambda cur: cur.fetchmany(99),
        lambda cur: cur.nextset(),
        iterate,
    ]
    for fetch in ways:
        cur = conn.cursor(stream=True)
        await cur.execute(LONG_STREAM)
        conn.timeout = SHORT
        await over_in_time(fetch(cur))
        await wait_until_idle(witness, conn)
        conn.timeout = None
        await still_right(conn)


@in_every_world
async def test_deadline_of_a_commit(world: World) -> None:
    table = await world.table("x INT")
    conn, blocker = await world.connect(), await world.connect("root")
    await conn.execute(f"INSERT INTO {table} VALUES (1)")
    await blocker.execute("FLUSH TABLES WITH READ LOCK")
    try:
        conn.timeout = SHORT
        error = await over_in_time(conn.commit())
        assert "not known whether this was committed" in str(error)
        conn.timeout = None
        await wait_until_idle(blocker, conn)
    finally:
        await blocker.execute("UNLOCK TABLES")
    await still_right(conn)
    await conn.rollback()


@asynccontextmanager
async def stalled(
    world: World, **options: Any
) -> AsyncIterator[tuple[aio.Connection, StallingProxy]]:
    """A connection to a server that has just gone silent."""
    server = world.server
    with StallingProxy(server.host, server.port) as proxy:
        place: dict[str, Any] = {
            "unix_socket": None,
            "host": "127.0.0.1",
            "port": proxy.port,
        }
        conn = await world.connect(**place, **options)
        try:
            await still_right(conn)
            proxy.stall()
            yield conn, proxy
        finally:
            await conn.close()


@pytest.mark.parametrize("name", ["ping", "reset", "change_user"])
@in_every_world
async def test_deadline_of_a_command(world: World, name: str) -> None:
    """These are no statements that could be killed: the connection is ended."""
    async with stalled(world) as (conn, _):
        conn.timeout = SHORT
        await over_in_time(getattr(conn, name)())
        await broken(conn)


@pytest.mark.parametrize("name", ["commit", "rollback", "show_warnings"])
@in_every_world
async def test_deadline_of_a_statement_of_ours(world: World, name: str) -> None:
    async with stalled(world, cancel_timeout=SHORT) as (conn, _):
        conn.timeout = SHORT
        await over_in_time(getattr(conn, name)())
        await broken(conn)


# ---- the default and what a call says ------------------------------------------------


@in_every_world
async def test_call_says_another_timeout_than_the_connection(world: World) -> None:
    conn = await world.connect(timeout=SHORT)
    assert conn.timeout == SHORT
    await over_in_time(conn.execute(LONG))
    for limit in (None, 20):
        cur = await conn.execute(f"SELECT SLEEP({3 * SHORT})", timeout=limit)
        assert await cur.fetchall() == [(0,)]
        await conn.executemany("DO SLEEP(?)", [(SHORT,), (SHORT,)], timeout=limit)
        await conn.cursor().executemany("DO SLEEP(?)", [(3 * SHORT,)], timeout=limit)
    conn.timeout = 20
    await over_in_time(conn.execute(LONG, timeout=SHORT))
    await still_right(conn)


@in_every_world
async def test_many_statements_share_one_deadline(world: World) -> None:
    conn = await world.connect(timeout=3 * SHORT)
    rows = [(SHORT,)] * 100
    await over_in_time(conn.executemany("DO SLEEP(?)", rows), 3 * SHORT)
    conn.timeout = None
    await still_right(conn)


@in_every_world
async def test_no_time_at_all(world: World) -> None:
    conn = await world.connect()
    await over_in_time(conn.execute(LONG, timeout=0), 0)
    await still_right(conn)


@in_every_world
async def test_deadline_that_does_not_pass_is_forgotten(world: World) -> None:
    conn = await world.connect()
    limit = 1.5
    for _ in range(3):
        await conn.execute("DO 1", timeout=limit)
    cur = await conn.execute(f"SELECT SLEEP({1.2 * limit})")
    assert await cur.fetchall() == [(0,)]


# ---- what becomes of the connection --------------------------------------------------


@in_every_world
async def test_connection_that_rather_ends_than_waits(world: World) -> None:
    conn, witness = await world.connect(on_cancel="abort"), await world.connect("root")
    begun = time.monotonic()
    await over_in_time(conn.execute(LONG, timeout=SHORT))
    assert time.monotonic() - begun < SHORT + SOON
    await broken(conn)
    await witness.kill(conn.thread_id)


@in_every_world
async def test_server_that_stands_still(world: World) -> None:
    """A kill cannot be delivered: the connection is ended, and in time."""
    conn = await world.connect(cancel_timeout=0.3)
    try:
        world.server.pause()
        error = await over_in_time(conn.execute(LONG, timeout=SHORT), SHORT + 0.3)
    finally:
        world.server.resume()
    assert "The connection was ended" in error.__notes__[0]
    await broken(conn)
    witness = await world.connect("root")
    await witness.kill(conn.thread_id)


@in_every_world
async def test_interrupted_while_the_server_stands_still(world: World) -> None:
    conn, witness = await world.connect(cancel_timeout=0.3), await world.connect("root")
    sql = f"{LONG} /* stands still {world.name} */"

    async def seen() -> None:
        await world.wait_until_seen(witness, sql)
        world.server.pause()
        begun.append(time.monotonic())

    begun: list[float] = []
    try:
        await world.interrupt(conn.execute(sql), seen())
        assert 0.3 <= time.monotonic() - begun[0] + 0.01 < 0.3 + SOON
    finally:
        world.server.resume()
    await broken(conn)
    await witness.kill(conn.thread_id)


@in_every_world
async def test_reply_that_never_comes(world: World) -> None:
    """The kill is delivered, but nobody hears of it."""
    witness = await world.connect("root")
    sql = f"{LONG} /* never heard of {world.name} */"
    # Long enough for the kill to be delivered, however busy the machine is.
    async with stalled(world, cancel_timeout=2.0) as (conn, proxy):
        proxy.resume()
        begun: list[float] = []

        async def seen() -> None:
            await world.wait_until_seen(witness, sql)
            proxy.stall()
            begun.append(time.monotonic())

        await world.interrupt(conn.execute(sql), seen())
        assert time.monotonic() - begun[0] < 2.0 + SOON
        await broken(conn)
    await wait_until_idle(witness, conn)


@in_every_world
async def test_server_that_takes_no_further_connection(
    world: World, tmp_path: Path
) -> None:
    path = tmp_path / "s"
    path.symlink_to(world.server.socket)
    conn = await world.connect(unix_socket=path)
    path.unlink()
    begun = time.monotonic()
    error = await over_in_time(conn.execute(LONG, timeout=SHORT))
    assert time.monotonic() - begun < SHORT + SOON
    assert str(path) in error.__notes__[0]
    await broken(conn)
    witness = await world.connect("root")
    await witness.kill(conn.thread_id)


@pytest.mark.parametrize("transport", ["unix", "tls"])
@in_every_world
async def test_rest_of_a_stream_is_killed_and_not_read(
    world: World, transport: str
) -> None:
    """To read it would take minutes."""
    server = world.server
    tls: dict[str, Any] = {
        "unix_socket": None,
        "host": "localhost",
        "port": server.port,
        "tls_ca": server.ca_file,
    }
    conn = await world.connect(**(tls if transport == "tls" else {}))
    witness = await world.connect("root")
    begun = time.monotonic()
    async with conn.cursor(stream=True) as cur:
        await cur.execute("SELECT seq FROM seq_1_to_1000000000")
        assert await cur.fetchmany(3) == [(1,), (2,), (3,)]
    assert time.monotonic() - begun < SOON
    await still_right(conn)
    await wait_until_idle(witness, conn)
    status = await conn.execute("SHOW SESSION STATUS LIKE 'Rows_sent'")
    ((_, sent),) = await status.fetchall()
    assert int(sent) < 100_000_000
