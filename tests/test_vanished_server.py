"""Servers that vanish without a word, and what the system finds out of that."""

from __future__ import annotations

import ctypes
import fcntl
import socket
import struct
import termios
import threading
import time
from typing import Any

import pytest
from peers import Peer, pass_on
from worlds import World, in_every_world

import mariadb_nb
from mariadb_nb import ConnectionLost, NotSupportedError, Options, tcp
from mariadb_nb.server import TemporaryServer

#: asm-generic/socket.h; some platforms have another number.
SO_ATTACH_FILTER = 26
#: A socket filter of one instruction, BPF_RET, that lets 0 bytes of a packet pass.
DROP_ALL = ctypes.create_string_buffer(struct.pack("=HBBI", 6, 0, 0, 0))


class VanishingServer(Peer):
    """Passes bytes between one client and a server, until it vanishes.

    From then on what the client's system sends to it is dropped before TCP sees it: not
    even that is acknowledged, and nobody says so.
    """

    def __init__(self, target: tuple[str, int]) -> None:
        super().__init__()
        self._target = target

    def serve(self, client: socket.socket) -> None:
        with socket.create_connection(self._target) as server:
            for _ in pass_on(client, server):
                pass

    def vanish(self) -> None:
        """Vanish, once the client has acknowledged all that it was sent."""
        program = struct.pack("HP", 1, ctypes.addressof(DROP_ALL))
        for client in self.accepted:
            while fcntl.ioctl(client, termios.TIOCOUTQ, bytes(4)) != bytes(4):
                time.sleep(0.001)  # the kernel tells nobody
            client.setsockopt(socket.SOL_SOCKET, SO_ATTACH_FILTER, program)


#: With both, Linux needs a second for silence, and a second for one question.
QUICKLY: dict[str, Any] = {"tcp_keepalive": 1, "tcp_user_timeout": 0.5}


def place(server: VanishingServer) -> dict[str, Any]:
    tcp = {"unix_socket": None, "host": "127.0.0.1", "port": server.port}
    return {**tcp, "tls": "disable"}


@in_every_world
async def test_server_that_vanishes_during_a_statement_is_found(world: World) -> None:
    watching = await world.connect()
    with VanishingServer(("127.0.0.1", world.server.port)) as server:
        conn = await world.connect(**place(server), **QUICKLY)

        async def execute() -> None:
            await conn.execute("SELECT SLEEP(3600) AS vanished")

        async def vanish() -> None:
            await world.wait_until_seen(watching, "AS vanished")
            server.vanish()

        lost, _ = await world.together(execute(), vanish())
        assert isinstance(lost, ConnectionLost)
        assert conn.broken


@in_every_world
async def test_server_that_vanishes_before_a_statement_is_found(world: World) -> None:
    with VanishingServer(("127.0.0.1", world.server.port)) as server:
        conn = await world.connect(**place(server), tcp_user_timeout=0.5)
        server.vanish()
        with pytest.raises(ConnectionLost):
            await conn.execute("SELECT 1")


@in_every_world
async def test_server_that_vanishes_meanwhile_leaves_the_pool(world: World) -> None:
    with VanishingServer(("127.0.0.1", world.server.port)) as server:
        settings = {**place(server), **QUICKLY, "keepalive_interval": None}
        async with world.pool(**settings) as pool:
            async with pool.acquire():
                pass
            server.vanish()
            while pool.stats().closed != {"lost": 1}:
                await world.pause()


def test_keepalive_is_enough_while_an_answer_is_awaited(
    mariadb_server: TemporaryServer,
) -> None:
    user = mariadb_server.users["native"]
    login: dict[str, Any] = {"user": user.name, "password": user.password}
    watching = mariadb_nb.connect(unix_socket=mariadb_server.socket, **login)
    with watching, VanishingServer(("127.0.0.1", mariadb_server.port)) as server:
        conn = mariadb_nb.connect(
            host="127.0.0.1",
            port=server.port,
            **login,
            tls="disable",
            tcp_keepalive=1,
        )

        def vanish() -> None:
            state = "SELECT info FROM information_schema.processlist WHERE id = ?"
            while watching.execute(state, (conn.thread_id,)).fetchone() == (None,):
                time.sleep(0.001)  # to leave the server some time for it
            server.vanish()

        vanishing = threading.Thread(target=vanish)
        vanishing.start()
        with pytest.raises(ConnectionLost):
            conn.execute("SELECT SLEEP(3600)")
        vanishing.join()
        conn.close()


def test_the_sockets_options_are_set(mariadb_server: TemporaryServer) -> None:
    user = mariadb_server.users["native"]
    with mariadb_nb.connect(
        host="127.0.0.1",
        port=mariadb_server.port,
        user=user.name,
        password=user.password,
        tcp_keepalive=100,
        tcp_user_timeout=1.5,
    ) as conn:
        peeking = socket.socket(fileno=conn.session.fd)
        try:
            assert peeking.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE) == 1
            found = [
                peeking.getsockopt(socket.IPPROTO_TCP, name)
                for name in (
                    socket.TCP_KEEPIDLE,
                    socket.TCP_KEEPINTVL,
                    socket.TCP_KEEPCNT,
                    socket.TCP_USER_TIMEOUT,
                )
            ]
        finally:
            peeking.detach()
    assert found == [100, 34, 3, 1500]


@pytest.mark.parametrize(
    ("missing", "keywords"),
    [
        ("_IDLE", {"tcp_keepalive": 60}),
        ("_USER_TIMEOUT", {"tcp_user_timeout": 60.0}),
    ],
)
def test_what_the_system_has_not_is_refused(
    monkeypatch: pytest.MonkeyPatch, missing: str, keywords: dict[str, float]
) -> None:
    monkeypatch.setattr(tcp, missing, None)
    (name,) = keywords
    with pytest.raises(NotSupportedError, match=f"{name}= is not to be had"):
        Options.of(**keywords)  # type: ignore[arg-type]
    assert Options.of().tcp_keepalive is None


def test_a_socket_that_refuses_is_an_error_of_ours() -> None:
    ours, theirs = socket.socketpair()
    with (
        ours,
        theirs,
        pytest.raises(mariadb_nb.OperationalError, match="cannot be set"),
    ):
        tcp.apply(ours.fileno(), Options.of(tcp_keepalive=60))
