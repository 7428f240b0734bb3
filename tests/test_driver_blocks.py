"""The ends of transaction() blocks: nothing is left open, whatever comes in between."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

import opcodes
import trio
from worlds import TrioWorld

import mariadb_nb
from mariadb_nb import _connection, connection, operations, turns
from mariadb_nb.server import TemporaryServer


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
    user = mariadb_server.users["native"]
    login: dict[str, Any] = {
        "unix_socket": mariadb_server.socket,
        "user": user.name,
        "password": user.password,
        "autocommit": True,
    }
    files = {it.__file__ for it in (connection, _connection, operations, turns)}

    conn = mariadb_nb.connect(**login)

    def interrupt() -> None:
        raise KeyboardInterrupt

    def work(conn: mariadb_nb.Connection) -> None:
        with suppress(KeyboardInterrupt), conn.transaction():
            pass

    def try_at(place: int) -> bool:
        nonlocal conn
        done = opcodes.run_with(
            files, interrupt, place, lambda: work(conn), signals=True
        )
        if conn.closed:
            conn.close()
            conn = mariadb_nb.connect(**login)
        cur = conn.execute("SELECT @@in_transaction")
        assert cur.fetchone() == (0,), place
        return done

    try:
        opcodes.everywhere(try_at)
    finally:
        conn.close()
