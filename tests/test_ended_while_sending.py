"""A connection whose other end is closed while it takes nothing more.

Its socket can be read, to its end, and is not broken, but cannot be written: a large
statement would wait for it until the kernel gives up, or for ever.
"""

from __future__ import annotations

import socket
from collections.abc import Awaitable, Callable

import pytest
from test_deadlines import broken, stalled
from worlds import World, in_every_world

from mariadb_nb import ConnectionLost, _wire, aio

#: More than all buffers on the way hold.
LARGE = "x" * 24_000_000
#: Seconds after which the test has failed.
PATIENCE = 30

INSERT = "INSERT INTO {0} VALUES (?)"
SENDING: dict[str, Callable[[aio.Connection, str], Awaitable[object]]] = {
    "text": lambda conn, table: conn.execute(
        INSERT.format(table), (LARGE,), prepare=False, timeout=PATIENCE
    ),
    "prepared": lambda conn, table: conn.execute(
        INSERT.format(table), (LARGE,), prepare=True, timeout=PATIENCE
    ),
    "load": lambda conn, table: conn.load(table, [(LARGE,)], timeout=PATIENCE),
}


async def ended(world: World, tls: str, how: str) -> None:
    table = await world.table("x LONGTEXT")
    async with stalled(world, tls=tls) as (conn, proxy):
        proxy.resume()
        proxy.left = 1_000_000
        sending = SENDING[how](conn, table)
        with pytest.raises(ConnectionLost):
            await sending
        await broken(conn)


@pytest.mark.parametrize("tls", ["disable", "require"])
@in_every_world
async def test_statement_that_nobody_will_read(world: World, tls: str) -> None:
    await ended(world, tls, "text")


@pytest.mark.parametrize("how", ["prepared", "load"])
@in_every_world
async def test_other_ways_of_sending(world: World, how: str) -> None:
    await ended(world, "disable", how)


def test_what_has_hung_up() -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        assert not _wire.hung_up(ours.fileno())
        theirs.send(b"some")
        assert not _wire.hung_up(ours.fileno())
        ours.recv(4)
        theirs.shutdown(socket.SHUT_WR)
        assert _wire.hung_up(ours.fileno())
    ours, theirs = socket.socketpair()
    with ours:
        theirs.close()
        assert _wire.hung_up(ours.fileno())
    with pytest.raises(TypeError):
        _wire.hung_up("0")  # type: ignore[arg-type]
