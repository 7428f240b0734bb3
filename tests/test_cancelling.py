"""Each world's own ways to end what takes too long, and Ctrl-C.

Every one of them ends the statement on the server too, and leaves a connection that
works. What is the same in all worlds is in test_driver_interrupted.py.
"""

from __future__ import annotations

import asyncio
import signal
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable
from typing import Any, Final

import gevent
import pytest
import trio
from attempts import attempts
from server_place import environment
from slow_statements import (
    LONG,
    LONG_BATCH,
    LONG_STREAM,
    SHORT,
    SOON,
    still_right,
    wait_until_idle,
)
from worlds import AsyncioWorld, GeventWorld, TrioWorld, UvloopWorld, World

import mariadb_nb
from mariadb_nb.server import TemporaryServer

End = Callable[[Callable[[], Awaitable[object]]], Awaitable[None]]


async def ended(world: World, end: End) -> None:
    """What a way of ending does to a statement, to a stream and to a batch."""
    conn, witness = await world.connect(), await world.connect("root")

    async def stream() -> None:
        async with conn.cursor(stream=True) as cur:
            await cur.execute(LONG_STREAM)
            await cur.fetchall()

    slow: list[Callable[[], Awaitable[object]]] = [
        lambda: conn.execute(LONG),
        lambda: conn.executemany(LONG_BATCH, [(1,), (2,)]),
        stream,
    ]
    for operation in slow:
        begun = time.monotonic()
        await end(operation)
        assert time.monotonic() - begun < SOON
        await wait_until_idle(witness, conn)
        await still_right(conn)


# ---- asyncio and uvloop --------------------------------------------------------------


async def timeout_block(operation: Callable[[], Awaitable[object]]) -> None:
    with pytest.raises(TimeoutError) as raised:
        async with asyncio.timeout(SHORT):
            await operation()
    # It is asyncio's timeout, not one of ours.
    assert not isinstance(raised.value, mariadb_nb.Error)


async def wait_for(operation: Callable[[], Awaitable[object]]) -> None:
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(operation(), SHORT)


async def task_group(operation: Callable[[], Awaitable[object]]) -> None:
    """Another task of the group fails."""

    async def fail() -> None:
        await asyncio.sleep(SHORT)
        raise KeyError("another task")

    async def operate() -> None:
        await operation()

    async def both() -> None:
        async with asyncio.TaskGroup() as group:
            group.create_task(operate())
            group.create_task(fail())

    with pytest.raises(ExceptionGroup) as raised:
        await both()
    assert [type(error) for error in raised.value.exceptions] == [KeyError]


async def cancelled_twice(operation: Callable[[], Awaitable[object]]) -> None:
    """The second time is one too many, and changes nothing."""

    async def operate() -> None:
        await operation()

    task = asyncio.create_task(operate())
    await asyncio.sleep(SHORT)
    task.cancel()
    await asyncio.sleep(0)
    task.cancel()
    await asyncio.wait([task])
    assert task.cancelled()


@pytest.mark.parametrize("end", [timeout_block, wait_for, task_group, cancelled_twice])
@pytest.mark.parametrize("loop", [AsyncioWorld, UvloopWorld])
def test_asyncio(
    mariadb_server: TemporaryServer, loop: type[AsyncioWorld], end: End
) -> None:
    world = loop(mariadb_server)
    world.run(ended(world, end))


@pytest.mark.parametrize("loop", [AsyncioWorld, UvloopWorld])
def test_asyncio_tells_our_timeout_from_its_own(
    mariadb_server: TemporaryServer, loop: type[AsyncioWorld]
) -> None:
    world = loop(mariadb_server)

    async def body() -> None:
        conn = await world.connect()
        async with asyncio.timeout(20) as block:
            with pytest.raises(mariadb_nb.OperationTimeout):
                await conn.execute(LONG, timeout=SHORT)
        assert not block.expired()

    world.run(body())


# ---- trio ----------------------------------------------------------------------------


async def move_on_after(operation: Callable[[], Awaitable[object]]) -> None:
    with trio.move_on_after(SHORT) as scope:
        await operation()
    assert scope.cancelled_caught


async def fail_after(operation: Callable[[], Awaitable[object]]) -> None:
    with pytest.raises(trio.TooSlowError), trio.fail_after(SHORT):
        await operation()


async def nursery(operation: Callable[[], Awaitable[object]]) -> None:
    """Another task of the nursery fails."""

    async def operate() -> None:
        await operation()

    async def fail() -> None:
        await trio.sleep(SHORT)
        raise KeyError("another task")

    async def both() -> None:
        async with trio.open_nursery() as tasks:
            tasks.start_soon(operate)
            tasks.start_soon(fail)

    with pytest.raises(ExceptionGroup) as raised:
        await both()
    assert [type(error) for error in raised.value.exceptions] == [KeyError]


@pytest.mark.parametrize("end", [move_on_after, fail_after, nursery])
def test_trio(mariadb_server: TemporaryServer, end: End) -> None:
    world = TrioWorld(mariadb_server)
    world.run(ended(world, end))


# ---- gevent --------------------------------------------------------------------------


async def gevent_timeout(operation: Callable[[], Awaitable[object]]) -> None:
    with pytest.raises(gevent.Timeout), gevent.Timeout(SHORT):
        await operation()


async def silent_gevent_timeout(operation: Callable[[], Awaitable[object]]) -> None:
    timer = gevent.Timeout(SHORT, False)
    with timer:
        await operation()
        raise AssertionError("it ended by itself")


@pytest.mark.parametrize("end", [gevent_timeout, silent_gevent_timeout])
def test_gevent(mariadb_server: TemporaryServer, end: End) -> None:
    world = GeventWorld(mariadb_server)
    world.run(ended(world, end))


# ---- Ctrl-C --------------------------------------------------------------------------

#: Seconds within which Ctrl-C has to end a statement.
PROMPT: Final = 0.1

#: Each line of the standard input is a number, and asks for one statement.
BLOCKING = """
for number in sys.stdin:
    try:
        execute(conn, number)
    except KeyboardInterrupt:
        told(conn.execute("SELECT 'a secret'").fetchall())
"""

#: asyncio's own handler cancels the main task, once; then a usual one does.
ASYNCIO = """
async def main():
    conn = await mariadb_nb.aio.connect(**options)
    task, loop = asyncio.current_task(), asyncio.get_running_loop()
    for number in sys.stdin:
        try:
            await execute(conn, number)
        except asyncio.CancelledError:
            task.uncancel()
            loop.add_signal_handler(signal.SIGINT, task.cancel)
            cur = await conn.execute("SELECT 'a secret'")
            told(await cur.fetchall())
    await conn.close()

{run}(main())
"""

TRIO = """
async def main():
    conn = await mariadb_nb.aio.connect(**options)
    for number in sys.stdin:
        try:
            await execute(conn, number)
        except KeyboardInterrupt:
            cur = await conn.execute("SELECT 'a secret'")
            told(await cur.fetchall())
    await conn.close()

trio.run(main)
"""

HEAD = f"""
import asyncio, faulthandler, signal, sys, time
import trio, uvloop
import mariadb_nb
from mariadb_nb import aio
from server_place import place

faulthandler.dump_traceback_later(60, exit=True)  # told in stderr, and no hang
# What runs in the background of a shell has it ignored.
signal.signal(signal.SIGINT, signal.default_int_handler)
user = place().users["root"]
options = dict(unix_socket=place().socket, user=user.name, database="test")

def execute(conn, number):
    return conn.execute(f"{LONG} /* Ctrl-C {{sys.argv[1]}} {{int(number)}} */")

def told(rows):
    assert rows == [("a secret",)], rows
    print(time.monotonic(), flush=True)
"""

SCRIPTS: Final[dict[str, str]] = {
    "blocking": "conn = mariadb_nb.connect(**options)" + BLOCKING + "conn.close()",
    "asyncio": ASYNCIO.format(run="asyncio.run"),
    "uvloop": ASYNCIO.format(run="uvloop.run"),
    "trio": TRIO,
}


@pytest.mark.parametrize("name", SCRIPTS)
def test_ctrl_c(mariadb_server: TemporaryServer, name: str) -> None:
    """It ends the statement, and the connection works: all that within the time."""
    process: subprocess.Popen[str]
    number = 0
    with (
        mariadb_nb.connect(unix_socket=mariadb_server.socket, user="root") as witness,
        subprocess.Popen(
            [sys.executable, "-c", HEAD + SCRIPTS[name], name],
            env={
                **environment(mariadb_server),
                "PYTHONPATH": ":".join(filter(None, sys.path)),
            },
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        ) as process,
    ):
        try:
            # Twice: the first time is another one, see ASYNCIO.
            for _ in range(2):
                for attempt in attempts(PROMPT):
                    number += 1
                    attempt.measured = press_ctrl_c(process, witness, name, number)
            output, errors = process.communicate(timeout=30)
        finally:
            process.kill()
    assert (output, errors, process.returncode) == ("", "", 0)


def press_ctrl_c(process: Any, witness: Any, name: str, number: int) -> float:
    """Interrupt a statement; return after how many seconds the next one was over."""
    process.stdin.write(f"{number}\n")
    process.stdin.flush()
    end = time.monotonic() + 30
    while witness.execute(
        "SELECT COUNT(*) FROM information_schema.processlist "
        "WHERE info LIKE ? AND id != CONNECTION_ID()",
        (f"%/* Ctrl-C {name} {number} */",),
    ).fetchone() == (0,):
        assert process.poll() is None, process.stderr.read()
        assert time.monotonic() < end
    pressed = time.monotonic()
    process.send_signal(signal.SIGINT)
    told = process.stdout.readline()
    assert told, process.stderr.read()
    return float(told) - pressed
