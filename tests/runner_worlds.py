"""The same scene in every world: what the suite of the runners is played on.

Owns how operations are started, run side by side and interrupted under each runner.
Knows nothing of what the operations do.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import socket
import subprocess
import sys
import textwrap
import threading
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Coroutine, Iterable
from concurrent.futures import CancelledError, ThreadPoolExecutor
from functools import partial
from queue import Empty, SimpleQueue
from typing import Any, ClassVar, TypeVar

import gevent
import pytest
import trio
import uvloop

from mariadb_nb.runners.asyncio import Runner as AsyncioRunner
from mariadb_nb.runners.gevent import Runner as GeventRunner
from mariadb_nb.runners.poll import PollRunner, SelectRunner
from mariadb_nb.runners.selector import SelectorRunner
from mariadb_nb.runners.trio import Runner as TrioRunner
from mariadb_nb.wait import READ, Operation, Wait

_T = TypeVar("_T")

#: No test waits longer: what is expected has gone wrong then.
LONG = 60.0

Loop = Callable[[], asyncio.AbstractEventLoop]
#: What is done after an interruption.
Then = Callable[[], object]
#: What the fixture ``go`` is: it runs a coroutine.
Go = Callable[[Coroutine[Any, Any, Any]], Any]

LOOPS = [
    pytest.param(asyncio.new_event_loop, id="asyncio"),
    pytest.param(uvloop.new_event_loop, id="uvloop"),
]


class Pair:
    """Two connected sockets: an operation waits for ``near``, the test has ``far``."""

    def __init__(self) -> None:
        self.near, self.far = socket.socketpair()
        self.near.setblocking(False)
        self.far.setblocking(False)
        self.fd = self.near.fileno()

    def read(self) -> bytes:
        return self.near.recv(100)

    def drain(self) -> None:
        """Read all that ``fill`` has written."""
        with contextlib.suppress(BlockingIOError):
            while True:
                self.far.recv(1 << 20)

    def fill(self) -> None:
        """Write until ``near`` is no longer writable."""
        with contextlib.suppress(BlockingIOError):
            while True:
                self.near.send(bytes(65536))

    def close(self) -> None:
        self.near.close()
        self.far.close()


def nothing() -> None:
    """Do nothing."""


def until(wait: Wait) -> Operation[int]:
    """Wait, as often as it is woken for nothing; returns the mask."""
    mask = 0
    while not mask:
        mask = yield wait
    return mask


def asking(*waits: Wait) -> Operation[list[int]]:
    """Wait for one after another; returns the masks."""
    masks = []
    for wait in waits:
        mask = yield from until(wait)
        masks.append(mask)
    return masks


def reading(pair: Pair, times: int = 1) -> Operation[list[int]]:
    """Wait and read some times; returns the masks."""
    masks = []
    for _ in range(times):
        mask = yield from until(Wait(pair.fd, READ))
        masks.append(mask)
        pair.read()
    return masks


def cleaning(
    pair: Pair,
    log: list[object],
    seconds: float = 0.02,
    begin: Callable[[], object] = nothing,
) -> Operation[None]:
    """Wait for ever; if that is interrupted, clean up for a while.

    ``begin`` is called when what interrupts can come.
    """
    log.append("started")
    try:
        begin()
        yield from until(Wait(pair.fd, READ))
    except GeneratorExit:
        log.append("closed")
        raise
    except BaseException:
        yield from until(Wait(-1, 0, time.monotonic() + seconds))
        log.append("clean")
        raise


def python(code: str) -> subprocess.Popen[str]:
    """A Python process that runs ``code`` and can import what this one can."""
    return subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(code)],
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    )


def printed(code: str) -> str:
    """What a Python process prints that runs ``code`` to its end."""
    with python(code) as child:
        try:
            told, _ = child.communicate(timeout=LONG)
        finally:
            child.kill()
    assert child.returncode == 0
    return told


class World(ABC):
    """A runner and what runs around it."""

    #: What comes out of a ``run`` that was interrupted.
    interruption: ClassVar[type[BaseException]]
    #: Whether a second interruption has to wait until the clean-up is over.
    shields: ClassVar[bool]

    @abstractmethod
    def play(self, *operations: Operation[Any], keep: int = -1) -> list[Any]:
        """Run one after another with one runner; returns results and errors."""

    @abstractmethod
    def together(self, *operations: Operation[Any]) -> list[Any]:
        """Run side by side, each with its own runner; returns the results."""

    def interrupt(
        self,
        operation: Operation[Any],
        times: int = 1,
        then: Callable[[], object] | None = None,
        keep: int = -1,
    ) -> BaseException:
        """Interrupt ``operation`` in one wait after another; returns what came out.

        ``then`` is called in the wait after that.
        """
        error = self._interrupt(operation, times, then or nothing, keep)
        assert isinstance(error, BaseException)
        return error

    @abstractmethod
    def _interrupt(
        self, operation: Operation[Any], times: int, then: Then, keep: int
    ) -> object:
        """Do it in this world's way; returns what came out."""


def outcome(call: Callable[[], _T]) -> _T | BaseException:
    """What ``call`` returns or raises."""
    try:
        return call()
    except BaseException as error:
        return error


class Blocking(World):
    interruption = KeyboardInterrupt
    shields = False

    def __init__(self, runner: type[PollRunner | SelectRunner]) -> None:
        self.runner = runner

    def play(self, *operations: Operation[Any], keep: int = -1) -> list[Any]:
        runner = self.runner()
        runner.keep(keep)
        played = [outcome(partial(runner.run, each)) for each in operations]
        runner.forget()
        return played

    def together(self, *operations: Operation[Any]) -> list[Any]:
        with ThreadPoolExecutor(len(operations)) as pool:
            return list(pool.map(lambda each: self.runner().run(each), operations))

    def _interrupt(
        self, operation: Operation[Any], times: int, then: Then, keep: int
    ) -> object:
        # To put is a single step: a signal in the middle of it would leave a lock.
        waits: SimpleQueue[None] = SimpleQueue()
        mask = partial(signal.pthread_sigmask, mask={signal.SIGINT})

        def telling() -> Operation[Any]:
            """The operation; it tells of each wait, and is interrupted nowhere else."""
            step: Callable[[], Wait] = partial(next, operation)
            while True:
                try:
                    wait = step()
                except StopIteration as stop:
                    return stop.value
                try:
                    try:
                        mask(signal.SIG_UNBLOCK)
                        waits.put(None)
                        ready = yield wait
                    finally:
                        mask(signal.SIG_BLOCK)
                    step = partial(operation.send, ready)
                except GeneratorExit:
                    operation.close()
                    raise
                except BaseException as error:
                    step = partial(operation.throw, error)

        def interrupt() -> None:
            with contextlib.suppress(Empty):
                for _ in range(times):
                    waits.get(timeout=LONG)
                    signal.pthread_kill(main.ident or 0, signal.SIGINT)
                if then is not nothing:
                    waits.get(timeout=LONG)
                    then()

        main = threading.current_thread()
        thread = threading.Thread(target=interrupt)
        before = signal.signal(signal.SIGINT, signal.default_int_handler)
        try:
            runner = self.runner()
            runner.keep(keep)
            thread.start()
            error = outcome(lambda: runner.run(telling()))
        finally:
            thread.join()
            mask(signal.SIG_UNBLOCK)
            signal.signal(signal.SIGINT, before)
        return error


async def play_all(
    runner: AsyncioRunner | TrioRunner, operations: Iterable[Operation[Any]], keep: int
) -> list[Any]:
    """Run one after another; returns results and errors."""
    runner.keep(keep)
    played: list[Any] = []
    for each in operations:
        try:
            played.append(await runner.run(each))
        except Exception as error:
            played.append(error)
    runner.forget()
    return played


class Asyncio(World):
    interruption = asyncio.CancelledError
    shields = True

    def __init__(self, loop: Loop) -> None:
        self.loop = loop

    def go(self, main: Coroutine[Any, Any, _T]) -> _T:
        with asyncio.Runner(loop_factory=self.loop) as runner:
            return runner.run(asyncio.wait_for(main, LONG))

    def play(self, *operations: Operation[Any], keep: int = -1) -> list[Any]:
        return self.go(play_all(AsyncioRunner(), operations, keep))

    def together(self, *operations: Operation[Any]) -> list[Any]:
        async def main() -> list[Any]:
            return await asyncio.gather(
                *(AsyncioRunner().run(each) for each in operations)
            )

        return self.go(main())

    def _interrupt(
        self, operation: Operation[Any], times: int, then: Then, keep: int
    ) -> object:
        async def main() -> BaseException:
            runner = AsyncioRunner()
            runner.keep(keep)
            errors: list[BaseException] = []

            async def run() -> None:
                try:
                    await runner.run(operation)
                except BaseException as error:
                    errors.append(error)

            task = asyncio.create_task(run())
            for _ in range(times):
                await turns()
                task.cancel()
            await turns()
            then()
            await task
            (error,) = errors
            return error

        return self.go(main())


async def turns(count: int = 5) -> None:
    """Let the loop turn until those who can run have run."""
    for _ in range(count):
        await asyncio.sleep(0)


async def trio_turns(count: int = 10) -> None:
    """Let trio's tasks run."""
    for _ in range(count):
        await trio.lowlevel.checkpoint()


class Trio(World):
    interruption = trio.Cancelled
    shields = True

    def go(self, main: Callable[[], Coroutine[Any, Any, _T]]) -> _T:
        async def limited() -> _T:
            with trio.fail_after(LONG):
                return await main()

        return trio.run(limited)

    def play(self, *operations: Operation[Any], keep: int = -1) -> list[Any]:
        return self.go(lambda: play_all(TrioRunner(), operations, keep))

    def together(self, *operations: Operation[Any]) -> list[Any]:
        async def main() -> list[Any]:
            results: dict[int, Any] = {}

            async def one(number: int, operation: Operation[Any]) -> None:
                results[number] = await TrioRunner().run(operation)

            async with trio.open_nursery() as nursery:
                for number, operation in enumerate(operations):
                    nursery.start_soon(one, number, operation)
            return [results[number] for number in range(len(operations))]

        return self.go(main)

    def _interrupt(
        self, operation: Operation[Any], times: int, then: Then, keep: int
    ) -> object:
        async def main() -> BaseException:
            errors: list[BaseException] = []
            scopes = [trio.CancelScope() for _ in range(times)]

            async def run() -> None:
                runner = TrioRunner()
                runner.keep(keep)
                try:
                    await runner.run(operation)
                except trio.Cancelled as error:
                    errors.append(error)
                    raise
                except BaseException as error:
                    errors.append(error)

            async def nested(depth: int) -> None:
                if depth == times:
                    await run()
                else:
                    with scopes[depth]:
                        await nested(depth + 1)

            async with trio.open_nursery() as nursery:
                nursery.start_soon(nested, 0)
                for scope in reversed(scopes):
                    await trio_turns()
                    scope.cancel()
                await trio_turns()
                then()
            assert all(scope.cancel_called for scope in scopes)
            (error,) = errors
            return error

        return self.go(main)


class Kill(BaseException):
    """What is thrown into greenlets."""


class Gevent(World):
    interruption = Kill
    shields = False

    def play(self, *operations: Operation[Any], keep: int = -1) -> list[Any]:
        runner = GeventRunner()
        runner.keep(keep)
        with gevent.Timeout(LONG):
            played = [outcome(partial(runner.run, each)) for each in operations]
        runner.forget()
        return played

    def together(self, *operations: Operation[Any]) -> list[Any]:
        jobs = [gevent.spawn(GeventRunner().run, each) for each in operations]
        gevent.joinall(jobs, timeout=LONG, raise_error=True)
        return [job.value for job in jobs]

    def _interrupt(
        self, operation: Operation[Any], times: int, then: Then, keep: int
    ) -> object:
        runner = GeventRunner()
        runner.keep(keep)
        job = gevent.spawn(outcome, partial(runner.run, operation))
        for _ in range(times):
            gevent.sleep(0.005)
            job.kill(Kill(), block=False)
        gevent.sleep(0.005)
        then()
        error = job.get(timeout=LONG)
        runner.forget()
        return error


class Selector(World):
    interruption = CancelledError
    shields = True

    def play(self, *operations: Operation[Any], keep: int = -1) -> list[Any]:
        played = []
        with SelectorRunner() as runner:
            for each in operations:
                handle = runner.submit(each)
                while runner.run_once(LONG):
                    pass
                played.append(outcome(handle.result))
        return played

    def together(self, *operations: Operation[Any]) -> list[Any]:
        with SelectorRunner() as runner:
            handles = [runner.submit(each) for each in operations]
            runner.run()
            return [handle.result() for handle in handles]

    def _interrupt(
        self, operation: Operation[Any], times: int, then: Then, keep: int
    ) -> object:
        with SelectorRunner() as runner:
            handle = runner.submit(operation)
            for _ in range(times):
                runner.run_once(0)
                handle.cancel()
            runner.run_once(0)
            then()
            return outcome(runner.run) or outcome(handle.result)


WORLDS = [
    pytest.param(Blocking(PollRunner), id="poll"),
    pytest.param(Blocking(SelectRunner), id="select"),
    pytest.param(Asyncio(asyncio.new_event_loop), id="asyncio"),
    pytest.param(Asyncio(uvloop.new_event_loop), id="uvloop"),
    pytest.param(Trio(), id="trio"),
    pytest.param(Gevent(), id="gevent"),
    pytest.param(Selector(), id="selector"),
]
