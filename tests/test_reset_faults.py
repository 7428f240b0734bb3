"""Faults at each byte of a reset and of what sets the session up behind it.

Whatever is cut off or held back, either way: the connection ends with a clear error,
and the next borrower of a pool gets another one.
"""

from __future__ import annotations

import contextlib
import selectors
import socket
import struct
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from peers import PATIENCE, Peer, hang_up
from worlds import World, in_every_world

import mariadb_nb
from mariadb_nb.errors import ConnectionLost, InterfaceError, OperationTimeout
from mariadb_nb.server import TemporaryServer

LINGER = struct.pack("ii", 1, 0)
#: More bytes than a reset has, either way.
MANY = 1 << 20


class Cutter(Peer):
    """Passes bytes both ways, and only so many more of one way once it is told.

    Attributes:
        left: how many more bytes go each way, "up" to the server and "down".
        fault: what is done to the client's side then.
    """

    def __init__(self, server: TemporaryServer) -> None:
        super().__init__()
        self._target = (server.host, server.port)
        self._serving: list[threading.Thread] = []
        self.fault: Callable[[socket.socket], object] = socket.socket.close
        self.left = {"up": MANY, "down": MANY}

    def arm(
        self, way: str, count: int, fault: Callable[[socket.socket], object]
    ) -> None:
        """Let so many more bytes pass."""
        self.fault = fault
        self.left = {"up": MANY, "down": MANY, way: count}

    def serve(self, client: socket.socket) -> None:
        self.left = {"up": MANY, "down": MANY}
        thread = threading.Thread(target=self._pass_on, args=(client,))
        self._serving.append(thread)
        thread.start()

    def _pass_on(self, client: socket.socket) -> None:
        with (
            contextlib.suppress(OSError),
            socket.create_connection(self._target) as server,
            selectors.DefaultSelector() as selector,
        ):
            selector.register(client, selectors.EVENT_READ, (server, "up"))
            selector.register(server, selectors.EVENT_READ, (client, "down"))
            while ready := selector.select(PATIENCE):
                for key, _ in ready:
                    assert isinstance(key.fileobj, socket.socket)
                    sink, way = key.data
                    data = key.fileobj.recv(65536)
                    if not data:
                        return
                    passed = data[: self.left[way]]
                    self.left[way] -= len(passed)
                    sink.sendall(passed)
                    if len(passed) < len(data):
                        self.fault(client)
                        if self.fault is not silence:
                            return

    def __exit__(self, *exception: Any) -> None:
        hang_up(self.accepted)
        for thread in self._serving:
            thread.join()  # before what it waits for is closed
        super().__exit__(*exception)


def finish(client: socket.socket) -> None:
    client.shutdown(socket.SHUT_RDWR)


def reset(client: socket.socket) -> None:
    client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, LINGER)
    client.close()


def silence(client: socket.socket) -> None:
    """Do nothing: what is left is never passed on."""


FAULTS = (finish, reset, silence)


@pytest.fixture
def cutter(mariadb_server: TemporaryServer) -> Iterator[Cutter]:
    with Cutter(mariadb_server) as made:
        yield made


def place(cutter: Cutter, server: TemporaryServer) -> dict[str, Any]:
    user = server.users["native"]
    return {
        "host": "127.0.0.1",
        "port": cutter.port,
        "user": user.name,
        "password": user.password,
        "database": "test",
        "tls": "disable",
        "init_command": ("SET @mine = 'as at the beginning'",),
    }


def passed(cutter: Cutter, way: str) -> int:
    return MANY - cutter.left[way]


@pytest.mark.parametrize("way", ["up", "down"])
@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("compress", [False, True])
def test_reset_that_is_cut_off_ends_the_connection(
    cutter: Cutter,
    mariadb_server: TemporaryServer,
    way: str,
    fault: Callable[[socket.socket], object],
    compress: bool,
) -> None:
    where = {**place(cutter, mariadb_server), "compress": compress}
    with mariadb_nb.connect(**where) as conn:
        cutter.arm(way, MANY, fault)
        conn.reset()
        whole = passed(cutter, way)
        assert conn.execute("SELECT @mine").fetchall() == [("as at the beginning",)]
    assert whole > 100
    # Each byte of the first packets and of the last ones, and some between.
    for count in sorted({*range(24), *range(24, whole, 17), *range(whole - 12, whole)}):
        with mariadb_nb.connect(**where) as conn:
            conn.execute("SET @left = 1")
            cutter.arm(way, count, fault)
            timeout = 0.02 if fault is silence else 10.0
            with pytest.raises((ConnectionLost, OperationTimeout)):
                conn.reset(timeout=timeout)
            assert conn.closed
            with pytest.raises(InterfaceError):
                conn.execute("SELECT @left")


@pytest.mark.parametrize("way", ["up", "down"])
@pytest.mark.parametrize("fault", FAULTS)
@in_every_world
async def test_pool_lends_another_one_instead(
    world: World, fault: Callable[[socket.socket], object], way: str
) -> None:
    with Cutter(world.server) as cutter:
        where = {**place(cutter, world.server), "unix_socket": None}
        lends = 0
        async with world.pool(
            max_size=1, check_timeout=0.05 if fault is silence else 10.0, **where
        ) as pool:
            for count in (0, 3, 5, 9, 20, 60, 100):
                async with pool.acquire() as conn:
                    lends += 1
                    first = conn.thread_id
                    cur = await conn.execute("SELECT @left, @mine")
                    assert await cur.fetchall() == [(None, "as at the beginning")]
                    await conn.execute("SET @left = 1")
                    cutter.arm(way, count, fault)
                assert conn.closed
                async with pool.acquire() as conn:
                    assert conn.thread_id != first
                    cur = await conn.execute("SELECT @left, @mine")
                    assert await cur.fetchall() == [(None, "as at the beginning")]
            closed = pool.stats().closed
            # On a busy machine another reset may have taken too long as well.
            assert set(closed) == {"reset"}
            assert closed["reset"] >= lends
