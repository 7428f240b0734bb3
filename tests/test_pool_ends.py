"""How connections end: idle ones, drained ones, and where something is not over."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import struct
import threading
from collections.abc import Callable
from typing import Any

import pytest
import uvloop
from peers import Peer, pass_on
from worlds import World, in_every_world

import mariadb_nb
from mariadb_nb import aio
from mariadb_nb.errors import Error, InterfaceError
from mariadb_nb.server import TemporaryServer


class Relay(Peer):
    """Passes on what its clients and a server say."""

    def __init__(self, port: int) -> None:
        super().__init__()
        self._target = ("127.0.0.1", port)
        self.serving: list[threading.Thread] = []

    def serve(self, client: socket.socket) -> None:
        thread = threading.Thread(target=self._pass_on, args=(client,), daemon=True)
        self.serving.append(thread)
        thread.start()

    def _pass_on(self, client: socket.socket) -> None:
        with (
            contextlib.suppress(OSError),
            socket.create_connection(self._target) as server,
        ):
            for _ in pass_on(client, server):
                pass

    def __exit__(self, *exception: Any) -> None:
        super().__exit__(*exception)
        for thread in self.serving:
            thread.join()


def finish(relay: Relay) -> None:
    relay.accepted[0].shutdown(socket.SHUT_WR)


def reset(relay: Relay) -> None:
    client = relay.accepted[0]
    client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    client.shutdown(socket.SHUT_RD)
    relay.serving[0].join()  # nobody reads from it any more
    client.close()


def speak(relay: Relay) -> None:
    relay.accepted[0].sendall(b"\x07\x00\x00\x00\x00\x00\x00\x02\x00\x00\x00")


@pytest.mark.parametrize("end", [finish, reset, speak])
@in_every_world
async def test_idle_connection_that_ends_is_replaced_before_anybody_asks(
    world: World, end: Callable[[Relay], None]
) -> None:
    with Relay(world.server.port) as relay:
        async with world.pool(
            unix_socket=None,
            host="127.0.0.1",
            port=relay.port,
            tls="disable",
            min_size=1,
        ) as pool:
            async with pool.acquire() as conn:
                first = conn.thread_id
            end(relay)
            while pool.stats().closed != {"lost": 1} or not pool.stats().idle:
                await world.pause()
            assert pool.stats().created == 2
            async with pool.acquire() as conn:
                assert conn.thread_id != first
                found = await (await conn.execute("SELECT 42")).fetchall()
                assert found == [(42,)]


@in_every_world
async def test_statement_that_is_not_over_is_nobody_elses(world: World) -> None:
    witness = await world.connect("root")
    async with world.pool(max_size=1) as pool:
        lease = pool.acquire()
        conn = await lease.__aenter__()
        first = conn.thread_id

        async def execute() -> None:
            await conn.execute("SELECT 'left', SLEEP(60)")

        async def give_back() -> None:
            await world.wait_until_seen(witness, "SELECT 'left'")
            await lease.__aexit__(None, None, None)

        lost, none = await world.together(execute(), give_back())
        assert isinstance(lost, Error)
        assert none is None
        async with pool.acquire() as other:
            assert other.thread_id != first
            found = await (await other.execute("SELECT 'mine'")).fetchall()
            assert found == [("mine",)]
        assert pool.stats().closed == {"broken": 1}


@in_every_world
async def test_drain_replaces_all_connections(world: World) -> None:
    async with world.pool(min_size=2) as pool:
        await pool.warm_up()
        async with pool.acquire() as conn:
            old = conn.thread_id
            pool.drain()
        await pool.warm_up()
        async with pool.acquire() as conn, pool.acquire() as other:
            assert min(conn.thread_id, other.thread_id) > old
        assert pool.stats().closed == {"drained": 2}


@in_every_world
async def test_drain_takes_back_what_is_lent_at_its_deadline(world: World) -> None:
    async with world.pool(max_size=1) as pool:
        async with pool.acquire() as conn:
            first = conn.thread_id
            pool.drain(timeout=0.01)
            async with pool.acquire() as other:  # which has to wait for that
                assert other.thread_id != first
            with pytest.raises(InterfaceError):
                await conn.ping()
        assert pool.stats().closed == {"drained": 1}


def test_connection_that_is_closed_in_the_pool_keeps_no_other_from_the_watch(
    mariadb_server: TemporaryServer,
) -> None:
    user = mariadb_server.users["native"]
    login: dict[str, Any] = {"user": user.name, "password": user.password}
    with mariadb_nb.Pool(unix_socket=mariadb_server.socket, **login) as pool:
        with pool.acquire(), pool.acquire():
            pass
        for closed, watched in (0, 1), (1, 0):
            slots = [*pool._core.slots.idle]
            slots[closed].connection.session.close()
            with mariadb_nb.connect(
                unix_socket=mariadb_server.socket, user="root"
            ) as root:
                root.kill(slots[watched].connection.thread_id)
            while not slots[watched].gone:
                pass
            with pool.acquire(), pool.acquire():
                assert slots[closed].gone
        assert pool.stats().closed == {"lost": 4}


def test_all_pools_of_threads_share_one_thread(mariadb_server: TemporaryServer) -> None:
    user = mariadb_server.users["native"]
    login: dict[str, Any] = {"user": user.name, "password": user.password}
    before = {*threading.enumerate()}
    with contextlib.ExitStack() as stack:
        for _ in range(3):
            pool = mariadb_nb.Pool(unix_socket=mariadb_server.socket, **login)
            stack.enter_context(pool)
            with pool.acquire() as conn:
                assert conn.execute("SELECT 42").fetchall() == [(42,)]
        # One more for each connect that is being made: those are over.
        assert len({*threading.enumerate()} - before) == 1
    assert not {*threading.enumerate()} - before


@pytest.mark.parametrize("new_loop", [asyncio.new_event_loop, uvloop.new_event_loop])
def test_pool_whose_loop_is_gone_is_closed_on_another(
    mariadb_server: TemporaryServer, new_loop: Callable[[], asyncio.AbstractEventLoop]
) -> None:
    """Whatever its tasks were at: one has a connection, one waits for the next."""
    user = mariadb_server.users["native"]
    pool = aio.Pool(
        unix_socket=mariadb_server.socket,
        user=user.name,
        password=user.password,
        max_size=1,
    )
    lent = asyncio.Event()

    async def borrow() -> None:
        async with pool.acquire() as conn:
            await conn.execute("DO 1")
            lent.set()
            await asyncio.Event().wait()

    async def begin() -> None:
        tasks: list[Any] = [loop.create_task(body) for body in bodies]
        await lent.wait()
        for task in tasks:
            task._log_destroy_pending = False

    bodies = [borrow() for _ in range(2)]
    loop = new_loop()
    loop.run_until_complete(begin())
    assert pool.stats().waiting == 1
    loop.close()
    bodies[0].close()  # as the garbage collector does it
    asyncio.run(pool.close())
    bodies[1].close()
    stats = pool.stats()
    assert (stats.size, stats.waiting, stats.closed) == (0, 0, {"reset": 1})
