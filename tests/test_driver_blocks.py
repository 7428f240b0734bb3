"""The ends of transaction() blocks: nothing is left open, whatever comes in between."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Iterator
from contextlib import suppress
from typing import Any
from unittest import mock

import opcodes
import pytest
import trio
import uvloop
from server_place import login_of
from worlds import AsyncioWorld, TrioWorld, World, in_every_world

import mariadb_nb
from mariadb_nb import _connection, aio, connection, operations, turns
from mariadb_nb.server import TemporaryServer

#: What would end a block's transaction, by the words of its refusal.
ENDS: dict[str, Callable[[aio.Connection], Any]] = {
    "commit": lambda conn: conn.commit(),
    "rollback": lambda conn: conn.rollback(),
    "set_autocommit": lambda conn: conn.set_autocommit(True),
    "reset": lambda conn: conn.reset(),
    "change_user": lambda conn: conn.change_user(),
}


@pytest.mark.parametrize("autocommit", [False, True])
@pytest.mark.parametrize("name", ENDS)
@in_every_world
async def test_nothing_ends_a_block_but_its_end(
    world: World, name: str, autocommit: bool
) -> None:
    table = await world.table("x INT")
    conn = await world.connect(autocommit=autocommit)

    async def work() -> None:
        async with conn.transaction():
            await conn.execute(f"INSERT INTO {table} VALUES (1)")
            async with conn.transaction():
                with pytest.raises(
                    mariadb_nb.ProgrammingError, match=rf"^{name}\(\) inside trans"
                ):
                    await ENDS[name](conn)
            await conn.execute(f"INSERT INTO {table} VALUES (2)")
            raise KeyError

    with pytest.raises(KeyError):
        await work()
    await ENDS[name](conn)
    cur = await conn.execute(f"SELECT x FROM {table}")
    assert await cur.fetchall() == []


@in_every_world
async def test_commit_whose_connection_is_lost(world: World) -> None:
    conn, killer = await world.connect(), await world.connect("root")
    await conn.execute("BEGIN")
    await killer.kill(conn.thread_id)
    await world.wait_until_gone(killer, conn.thread_id)
    with pytest.raises(mariadb_nb.ConnectionLost, match="not known whether this was"):
        await conn.commit()


@in_every_world
async def test_block_is_committed_though_the_session_is_lost_behind_it(
    world: World,
) -> None:
    """Who hears of an error would do it all again."""
    table = await world.table("x INT")
    conn, killer = await world.connect(autocommit=True), await world.connect("root")

    def lose_it(sql: str, deadline: float | None = None) -> Any:
        if sql == "SET autocommit = 1":
            session.close()
        return command(sql, deadline)

    session = conn.session
    command = session.command
    with mock.patch.object(session, "command", lose_it):
        async with conn.transaction(), conn.pipeline() as pipe:
            pipe.execute(f"INSERT INTO {table} VALUES (1)")
    assert conn.closed
    cur = await killer.execute(f"SELECT x FROM test.{table}")
    assert await cur.fetchall() == [(1,)]


def test_block_that_is_cancelled_before_its_end_is_sent(
    mariadb_server: TemporaryServer,
) -> None:
    world = TrioWorld(mariadb_server)

    async def body() -> None:
        table = await world.table("x INT")
        conn = await world.connect()
        with trio.CancelScope() as scope:
            async with conn.transaction():
                await conn.execute(f"INSERT INTO {table} VALUES (1)")
                scope.cancel()
        assert scope.cancelled_caught
        assert not conn.in_transaction
        async with conn.transaction():
            await conn.execute(f"INSERT INTO {table} VALUES (2)")
        witness = await world.connect()
        cur = await witness.execute(f"SELECT x FROM {table}")
        assert await cur.fetchall() == [(2,)]

    world.run(body())


def test_ctrl_c_anywhere_around_a_block(mariadb_server: TemporaryServer) -> None:
    """It is over then: done, undone, or ended with its connection."""
    login = login_of(mariadb_server, autocommit=True)
    files = {it.__file__ for it in (connection, _connection, operations, turns)}

    conn = mariadb_nb.connect(**login)

    def work(conn: mariadb_nb.Connection) -> None:
        with suppress(KeyboardInterrupt), conn.transaction():
            pass

    def try_at(place: int) -> bool:
        nonlocal conn
        done = opcodes.run_with(
            files, opcodes.press_ctrl_c, place, lambda: work(conn), signals=True
        )
        if conn.closed:
            conn.close()
            conn = mariadb_nb.connect(**login)
        cur = conn.execute("SELECT @@in_transaction")
        assert cur.fetchone() == (0,), place
        conn.commit()  # no block is open
        return done

    try:
        opcodes.everywhere(try_at, 20)
    finally:
        conn.close()


@pytest.mark.parametrize("new_loop", [asyncio.new_event_loop, uvloop.new_event_loop])
def test_block_of_a_task_whose_loop_is_gone(
    mariadb_server: TemporaryServer, new_loop: Callable[[], Any]
) -> None:
    """It is not open on another loop, where the next one would be a part of it."""
    world = AsyncioWorld(mariadb_server)
    loop = new_loop()
    conn = loop.run_until_complete(world.connect())
    inside = asyncio.Event()

    async def work() -> None:
        async with conn.transaction(), conn.transaction():
            inside.set()
            await asyncio.Event().wait()

    async def begin(body: Coroutine[Any, Any, None]) -> None:
        task = loop.create_task(body)
        await inside.wait()
        task._log_destroy_pending = False

    body = work()
    loop.run_until_complete(begin(body))
    loop.close()
    body.close()  # what the garbage collector would do
    assert conn.broken
    asyncio.run(world.leave_nothing(conn.close()))


@pytest.fixture(scope="module")
def strict_server() -> Iterator[TemporaryServer]:
    """One on which a lock that is not to be had ends the transaction."""
    options: dict[str, str | int | None]
    options = {"innodb_rollback_on_timeout": "ON", "innodb_lock_wait_timeout": 1}
    with TemporaryServer(tls=False, options=options) as server:
        yield server


@pytest.mark.parametrize("autocommit", [False, True])
@pytest.mark.parametrize("ends", [False, True], ids=["usual", "strict"])
def test_block_in_which_a_lock_was_not_to_be_had(
    mariadb_server: TemporaryServer,
    strict_server: TemporaryServer,
    autocommit: bool,
    ends: bool,
) -> None:
    server = strict_server if ends else mariadb_server
    login = login_of(
        server,
        database="test",
        init_command="SET innodb_lock_wait_timeout = 1",
        autocommit=autocommit,
    )

    def work() -> None:
        with conn.transaction():
            conn.execute("INSERT INTO locked VALUES (2)")
            with pytest.raises(mariadb_nb.LockTimeout):
                conn.execute("DELETE FROM locked WHERE x = 1")
            conn.execute("INSERT INTO locked VALUES (3)")

    with mariadb_nb.connect(**login) as conn, mariadb_nb.connect(**login) as other:
        conn.execute("CREATE OR REPLACE TABLE locked (x INT PRIMARY KEY)")
        conn.execute("INSERT INTO locked VALUES (1)")
        conn.commit()
        try:
            with other.transaction():
                other.execute("SELECT x FROM locked WHERE x = 1 FOR UPDATE").fetchall()
                if ends:
                    with pytest.raises(mariadb_nb.Deadlock, match="lock timeout"):
                        work()
                else:
                    work()
            assert conn.autocommit is autocommit
            left = conn.execute("SELECT x FROM locked ORDER BY x").fetchall()
            assert left == ([(1,)] if ends else [(1,), (2,), (3,)])
        finally:
            conn.rollback()
            conn.execute("DROP TABLE locked")
