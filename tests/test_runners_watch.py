"""What the runners of asyncio and trio tell of a connection that nobody uses."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable, Coroutine, Iterator
from functools import partial
from typing import Any

import pytest
import trio
import uvloop

from mariadb_nb import runners
from mariadb_nb.wait import READ, Operation, Wait

Pair = tuple[socket.socket, socket.socket]
Body = Callable[[], Coroutine[Any, Any, None]]


def run_on_asyncio(body: Body) -> None:
    asyncio.run(body())


def run_on_uvloop(body: Body) -> None:
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(body())


def run_on_trio(body: Body) -> None:
    trio.run(body)


@pytest.fixture(params=[run_on_asyncio, run_on_uvloop, run_on_trio])
def run(request: pytest.FixtureRequest) -> Callable[[Body], None]:
    """Each loop."""
    function: Callable[[Body], None] = request.param
    return function


@pytest.fixture
def pair() -> Iterator[Pair]:
    """Two sockets that are connected."""
    ours, theirs = socket.socketpair()
    ours.setblocking(False)
    with ours, theirs:
        yield ours, theirs


def receive(ours: socket.socket) -> Operation[bytes]:
    while True:
        if (yield Wait(ours.fileno(), READ)):
            return ours.recv(100)


async def turns(runner: runners.AsyncRunner, count: int = 5) -> None:
    """Give the loop some turns, so that what is ready is found."""
    for _ in range(count):
        await runner.run(turn())


def turn() -> Operation[None]:
    yield Wait(-1, 0)


def test_readable_descriptor_is_told_of_once(
    run: Callable[[Body], None], pair: Pair
) -> None:
    async def body() -> None:
        runner, other = runners.current_async()(), runners.current_async()()
        ours, theirs = pair
        runner.keep(ours.fileno())
        theirs.send(b"1")
        assert await runner.run(receive(ours)) == b"1"
        told: list[bool] = []
        runner.watch(lambda: told.append(True))
        await turns(other)
        assert told == []
        theirs.send(b"2")
        while not told:
            await turns(other)
        await turns(other)
        assert told == [True]
        assert await runner.run(receive(ours)) == b"2"
        runner.forget()

    run(body)


def test_descriptor_that_is_handed_over_is_the_heirs_alone(
    run: Callable[[Body], None], pair: Pair
) -> None:
    def fails() -> Operation[None]:
        raise OSError("it is closed")
        yield

    async def body() -> None:
        runner, other = runners.current_async()(), runners.current_async()()
        ours, theirs = pair
        runner.keep(ours.fileno())
        theirs.send(b"1")
        assert await runner.run(receive(ours)) == b"1"
        told: list[str] = []
        runner.watch(lambda: told.append("the one who has it no more"))
        heir = runner.hand_over()
        heir.watch(lambda: told.append("the heir"))
        with pytest.raises(OSError, match="it is closed"):
            await runner.run(fails())
        runner.forget()
        theirs.send(b"2")
        while not told:
            await turns(other)
        assert await heir.run(receive(ours)) == b"2"
        assert told == ["the heir"]
        heir.forget()

    run(body)


@pytest.mark.parametrize("soon", [True, False])
def test_watch_that_has_ended_tells_nothing(
    run: Callable[[Body], None], pair: Pair, soon: bool
) -> None:
    async def body() -> None:
        runner, other = runners.current_async()(), runners.current_async()()
        ours, theirs = pair
        runner.keep(ours.fileno())
        theirs.send(b"1")
        assert await runner.run(receive(ours)) == b"1"
        told: list[bool] = []
        runner.watch(lambda: told.append(True))
        if not soon:
            await turns(other)
        runner.watch(None)
        theirs.send(b"2")
        assert await runner.run(receive(ours)) == b"2"
        theirs.send(b"3")
        await turns(other)
        assert told == []
        runner.forget()

    run(body)


def test_watch_that_ends_when_it_has_been_woken_tells_nothing(
    run: Callable[[Body], None], pair: Pair
) -> None:
    async def body() -> None:
        runner, other = runners.current_async()(), runners.current_async()()
        ours, theirs = pair
        mine, yours = socket.socketpair()
        mine.setblocking(False)
        with mine, yours:
            theirs.send(b"1")
            runner.keep(ours.fileno())
            assert await runner.run(receive(ours)) == b"1"
            for _ in range(50):
                told: list[bool] = []
                runner.watch(partial(told.append, True))
                await turns(other)
                theirs.send(b"2")
                yours.send(b"2")  # both are found in the same turn of the loop
                assert await other.run(receive(mine)) == b"2"
                before = list(told)
                runner.watch(None)
                await turns(other)
                assert told == before
                assert await runner.run(receive(ours)) == b"2"
        runner.forget()

    run(body)
