"""Connecting ends in time and can be given up, and who is connected rests.

Through ``connect``, in every world. The thread below is test_connector.py's.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator
from typing import Any, Final

import pytest
from attempts import attempts
from connector_support import BOUND, resources
from server_packets import OK, greeting, packet
from silent_handshake import (
    PLAIN_STEPS,
    TLS_STEPS,
    Certificate,
    DeafServer,
    SilentHandshake,
    make_certificate,
)
from stalling import SilentServer
from worlds import World, in_every_world

import mariadb_nb
from mariadb_nb import aio

STEPS: Final = (*PLAIN_STEPS, *TLS_STEPS)

#: Seconds within which a connect has to end that was given one.
EARLIEST: Final = 0.999  # trio measures with another clock
LATEST: Final = 1.2
#: The share of a processor that is as good as none: each of these processes has some
#: housekeeping of its own.
NEXT_TO_NOTHING: Final = 0.05

#: A login that succeeds; what comes after it is never answered.
LOGGED_IN: Final = packet(0, greeting(False)) + packet(2, OK)


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Certificate:
    return make_certificate(tmp_path_factory.mktemp("certificate"))


def to(port: int) -> dict[str, Any]:
    """The options that lead to a port."""
    return {"unix_socket": None, "host": "127.0.0.1", "port": port}


def to_silence(server: SilentHandshake) -> dict[str, Any]:
    """The options that lead to a server that goes silent."""
    if server.ca_file is None:
        return to(server.port)
    return {**to(server.port), "tls": "verify-full", "tls_ca": server.ca_file}


@contextlib.contextmanager
def silent_places(certificate: Certificate) -> Iterator[dict[str, dict[str, Any]]]:
    """A server for each place at which it can go silent: the options to get there."""
    with contextlib.ExitStack() as stack:
        places = {
            step: to_silence(stack.enter_context(SilentHandshake(step, certificate)))
            for step in STEPS
        }
        places["connect"] = to(stack.enter_context(DeafServer()).port)
        places["after the login"] = to(
            stack.enter_context(SilentServer(LOGGED_IN)).port
        )
        yield places


def assert_no_more(before: tuple[int, int], accepted: int = 0) -> None:
    """Wait until there are no more descriptors and threads than before.

    There may be fewer: the thread of an earlier connect ends a moment after that.

    Args:
        before: how many there were.
        accepted: how many descriptors the server in this process has got meanwhile.
    """
    end = time.monotonic() + BOUND
    while True:
        files, threads = resources()
        if files <= before[0] + accepted and threads <= before[1]:
            return
        assert time.monotonic() < end, f"{files} descriptors, {threads} threads"
        time.sleep(0.005)  # nobody tells when a thread has ended


# ---- connect_timeout -----------------------------------------------------------------


@in_every_world
async def test_connect_timeout_wherever_the_server_goes_silent(
    world: World, certificate: Certificate
) -> None:
    before = resources()
    taken: dict[str, float] = {}

    async def connect(place: str, options: dict[str, Any]) -> None:
        begun = time.monotonic()
        with pytest.raises(mariadb_nb.OperationTimeout) as raised:
            await world.connect(**options, connect_timeout=1)
        seconds = time.monotonic() - begun
        assert seconds >= EARLIEST, place
        taken[place] = min(seconds, taken.get(place, seconds))
        assert isinstance(raised.value, TimeoutError)
        assert f"127.0.0.1:{options['port']}" in raised.value.message
        assert world.options()["password"] not in repr(raised.value)

    with silent_places(certificate) as places:
        for attempt in attempts(LATEST):
            connects = [connect(*place) for place in places.items()]
            assert await world.together(*connects) == [None] * len(places)
            attempt.measured = max(taken.values())
    assert_no_more(before)


@in_every_world
async def test_no_moment_of_a_timeout_leaves_anything(world: World) -> None:
    witness = await world.connect()
    before = resources()
    server = world.server
    tls = {**to(server.port), "tls": "verify-full", "tls_ca": server.ca_file}
    for number in range(30):
        try:
            conn = await world.connect(**tls, connect_timeout=0.0002 + 0.0005 * number)
        except mariadb_nb.OperationTimeout:
            continue
        await conn.close()
    await witness.execute("DO SLEEP(0.05)")
    assert_no_more(before)


@in_every_world
async def test_connect_without_a_limit(world: World) -> None:
    conn = await world.connect(connect_timeout=None)
    cur = await conn.execute("SELECT 'there'")
    assert await cur.fetchone() == ("there",)


# ---- a connect that is cancelled -----------------------------------------------------


@pytest.mark.parametrize("step", STEPS)
@in_every_world
async def test_cancelled_connect_leaves_nothing(
    world: World, certificate: Certificate, step: str
) -> None:
    witness = await world.connect()
    with SilentHandshake(step, certificate) as server:
        before = resources()

        async def silent() -> None:
            while not server.silent.acquire(blocking=False):
                await witness.execute("DO SLEEP(0.002)")

        forever = world.connect(**to_silence(server), connect_timeout=None)
        await world.interrupt(forever, silent())
        # One descriptor more: the server has not noticed yet.
        assert_no_more(before, accepted=1)
    await still_right(witness)


@in_every_world
async def test_cancelled_connect_to_nobody_leaves_nothing(world: World) -> None:
    witness = await world.connect()
    with DeafServer() as server:
        before = resources()
        await world.interrupt(
            world.connect(**to(server.port)), a_moment(witness, seconds=0.05)
        )
        assert_no_more(before)


async def a_moment(conn: aio.Connection, seconds: float) -> None:
    """Let time pass, in any world."""
    await conn.execute("DO SLEEP(?)", (seconds,))


async def still_right(conn: aio.Connection) -> None:
    cur = await conn.execute("SELECT 'a secret'")
    assert await cur.fetchall() == [("a secret",)]


# ---- connections that rest -----------------------------------------------------------


async def assert_idle(conn: aio.Connection) -> None:
    """Nothing happens in this process until a connection has its reply."""
    for attempt in attempts(NEXT_TO_NOTHING):
        begun, used = time.monotonic(), time.process_time()
        await a_moment(conn, seconds=0.5)
        used = time.process_time() - used
        attempt.measured = used / (time.monotonic() - begun)


@in_every_world
async def test_idle_connections_take_no_processor_time(world: World) -> None:
    """Neither while they live, nor once their sockets are readable for ever."""
    server = world.server
    tls = {**to(server.port), "tls": "verify-full", "tls_ca": server.ca_file}
    witness = await world.connect("root")
    conns = [await world.connect(**(tls if n % 2 else {})) for n in range(20)]
    for conn in conns:
        await still_right(conn)
    await assert_idle(witness)
    for conn in conns:
        await witness.kill(conn.thread_id)
        await world.wait_until_gone(witness, conn.thread_id)
    await assert_idle(witness)
    for conn in conns:
        with pytest.raises(mariadb_nb.OperationalError):
            await conn.execute("DO 1")
        assert conn.broken
    await assert_idle(witness)
