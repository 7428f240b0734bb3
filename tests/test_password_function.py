"""A function as ``password=``: it may take its time, and only who connects waits."""

from __future__ import annotations

import asyncio
import errno
import os
import threading
import time
from collections.abc import Callable, Iterator
from contextvars import ContextVar
from typing import Any, Final

import pytest
import uvloop
from connector_support import BOUND, resources
from worlds import World, in_every_world

import mariadb_nb
from mariadb_nb import aio, calling

#: Seconds after which a function that nobody lets go on gives up.
PATIENCE: Final = 20


class SlowFunction:
    """A function for the password that waits until it is let go on.

    Attributes:
        entered: set when it is called.
        gate: what has to be set.
    """

    def __init__(self, password: str) -> None:
        self._password = password
        self.entered = threading.Event()
        self.gate = threading.Event()

    def __call__(self) -> str:
        self.entered.set()
        assert self.gate.wait(PATIENCE), "nobody lets it go on"
        return self._password


@pytest.fixture
def make_slow() -> Iterator[Callable[[str], SlowFunction]]:
    """Make slow functions, none of which waits for longer than the test."""
    made: list[SlowFunction] = []

    def make(password: str) -> SlowFunction:
        made.append(SlowFunction(password))
        return made[-1]

    yield make
    for function in made:
        function.gate.set()


async def until_entered(witness: aio.Connection, function: SlowFunction) -> None:
    """Wait until the function is called, giving all others their turns."""
    while not function.entered.is_set():
        await witness.execute("DO SLEEP(0.001)")


async def name(conn: aio.Connection) -> str:
    cur = await conn.execute("SELECT CURRENT_USER()")
    return str(await cur.fetchone())


@in_every_world
async def test_others_go_on_while_it_is_called(
    world: World, make_slow: Callable[[str], SlowFunction]
) -> None:
    slow = make_slow(world.server.users["native"].password)

    async def let_go_on() -> None:
        await until_entered(await world.connect(), slow)
        slow.gate.set()

    conn, _ = await world.together(world.connect(password=slow), let_go_on())
    assert not isinstance(conn, Exception), conn


@in_every_world
async def test_others_go_on_while_the_user_is_changed(
    world: World, make_slow: Callable[[str], SlowFunction]
) -> None:
    user = world.server.users["ed25519"]
    slow = make_slow(user.password)
    conn = await world.connect()

    async def change() -> None:
        await conn.change_user(user.name, slow)

    async def let_go_on() -> None:
        await until_entered(await world.connect(), slow)
        slow.gate.set()

    assert await world.together(change(), let_go_on()) == [None, None]
    assert "ed25519" in await name(conn)


@in_every_world
async def test_its_time_counts(
    world: World, make_slow: Callable[[str], SlowFunction]
) -> None:
    with pytest.raises(mariadb_nb.OperationTimeout, match="connect_timeout"):
        await world.connect(password=make_slow(""), connect_timeout=0.1)
    conn = await world.connect(timeout=0.1)
    with pytest.raises(mariadb_nb.OperationTimeout):
        await conn.change_user("native", make_slow(""))
    conn.timeout = None
    assert "native" in await name(conn)


@in_every_world
async def test_giving_up_leaves_nothing(
    world: World, make_slow: Callable[[str], SlowFunction]
) -> None:
    slow = make_slow("")
    witness = await world.connect()
    before = resources()
    await world.interrupt(world.connect(password=slow), until_entered(witness, slow))
    slow.gate.set()
    end = time.monotonic() + BOUND
    while any(now > then for now, then in zip(resources(), before, strict=True)):
        assert time.monotonic() < end, (resources(), before)
        time.sleep(0.005)  # noqa: ASYNC251  nobody tells when a thread has ended


@in_every_world
async def test_what_it_raises_comes_through(world: World) -> None:
    def fail() -> str:
        raise LookupError("no token to be had")

    with pytest.raises(LookupError, match="no token"):
        await world.connect(password=fail)
    conn = await world.connect()
    with pytest.raises(LookupError, match="no token"):
        await conn.change_user("native", fail)
    assert "native" in await name(conn)


@in_every_world
async def test_it_sees_the_context_of_the_caller(world: World) -> None:
    tenant: ContextVar[str] = ContextVar("tenant")
    passwords = {"this": world.server.users["native"].password}
    tenant.set("this")
    conn = await world.connect(password=lambda: passwords[tenant.get()])
    assert "native" in await name(conn)


@in_every_world
async def test_it_is_asked_again_for_the_connection_that_kills(world: World) -> None:
    asked = []

    def password() -> str:
        asked.append(1)
        return world.server.users["native"].password

    conn = await world.connect(password=password)
    with pytest.raises(mariadb_nb.OperationTimeout):
        await conn.execute("SELECT SLEEP(60)", timeout=0.05)
    assert len(asked) == 2
    assert "native" in await name(conn)


@pytest.mark.parametrize("new_loop", [asyncio.new_event_loop, uvloop.new_event_loop])
def test_coroutine_of_the_loop_that_waits(
    new_loop: Callable[[], asyncio.AbstractEventLoop], mariadb_server: Any
) -> None:
    user = mariadb_server.users["native"]

    async def fetch() -> str:
        await asyncio.sleep(0)
        return str(user.password)

    async def connect() -> None:
        loop = asyncio.get_running_loop()

        def password() -> str:
            return asyncio.run_coroutine_threadsafe(fetch(), loop).result(PATIENCE)

        place = {"unix_socket": mariadb_server.socket, "user": user.name}
        async with await aio.connect(**place, password=password) as conn:
            assert "native" in await name(conn)

    with asyncio.Runner(loop_factory=new_loop) as runner:
        runner.run(connect())


def test_no_thread_to_be_had(
    monkeypatch: pytest.MonkeyPatch, mariadb_server: Any
) -> None:
    user = mariadb_server.users["native"]
    options = {"unix_socket": mariadb_server.socket, "user": user.name}

    def refuse(*_: object) -> None:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(calling, "start_new_thread", refuse)
    before = len(os.listdir("/proc/self/fd"))
    with pytest.raises(mariadb_nb.OperationalError, match="cannot start a thread"):
        mariadb_nb.connect(**options, password=lambda: user.password)
    assert len(os.listdir("/proc/self/fd")) == before
    mariadb_nb.connect(**options, password=user.password).close()


def test_no_descriptor_to_be_had(
    monkeypatch: pytest.MonkeyPatch, mariadb_server: Any
) -> None:
    def refuse() -> tuple[int, int]:
        raise OSError(errno.EMFILE, "Too many open files")

    monkeypatch.setattr(os, "pipe", refuse)
    with pytest.raises(mariadb_nb.OperationalError, match="Too many open files"):
        mariadb_nb.connect(unix_socket=mariadb_server.socket, password=lambda: "x")
