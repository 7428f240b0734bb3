"""What a pool needs of asyncio and of trio: tasks beside its users', and one timer.

Owns the tasks and the timer of one pool. Knows no connection and decides nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from contextlib import suppress
from math import inf
from time import monotonic
from typing import Any, Protocol

from .. import runners
from ..errors import InterfaceError

_ELSEWHERE = "this pool is in use on another event loop: open one pool for each loop"


class Event(Protocol):
    """Something to be waited for, once."""

    def set(self) -> object:
        """Let whoever waits go on."""
        ...

    async def wait(self) -> object:
        """Wait for ``set``."""
        ...


class Tasks(Protocol):
    """The tasks of a pool and its timer."""

    def check(self) -> None:
        """Raise InterfaceError if the caller runs on another loop."""
        ...

    def elsewhere(self) -> bool:
        """Whether the loop runs, and not the caller, who may be in another thread."""
        ...

    def pass_on(self, function: Callable[[], object]) -> None:
        """Have the loop call a function; from any thread."""
        ...

    def event(self) -> Event:
        """Make an event."""
        ...

    def start(self, body: Coroutine[Any, Any, None]) -> Callable[[], object]:
        """Run ``body``, which raises nothing of its own; returns what cancels it."""
        ...

    def remind(self, due: float, function: Callable[[], object]) -> None:
        """Call ``function`` at ``due``, and not when it was to be called before."""
        ...

    async def ended(self) -> None:
        """Wait until all tasks have ended, and forget the timer."""
        ...


class AsyncioTasks:
    """On asyncio, whatever its loop."""

    def __init__(self) -> None:
        import asyncio

        self._asyncio = asyncio
        self._loop = asyncio.get_running_loop()
        self._tasks: set[asyncio.Task[None]] = set()
        self._timer: asyncio.TimerHandle | None = None

    def check(self) -> None:
        if self._asyncio.get_running_loop() is not self._loop:
            raise InterfaceError(_ELSEWHERE)

    def elsewhere(self) -> bool:
        if not self._loop.is_running():
            return False
        try:
            return self._asyncio.get_running_loop() is not self._loop
        except RuntimeError:  # none runs in this thread
            return True

    def pass_on(self, function: Callable[[], object]) -> None:
        with suppress(RuntimeError):  # it was closed meanwhile
            self._loop.call_soon_threadsafe(function)

    def event(self) -> Event:
        return self._asyncio.Event()

    def start(self, body: Coroutine[Any, Any, None]) -> Callable[[], object]:
        loop = self._loop
        if loop.is_closed():  # a finalizer wants it, and nobody will ever run it
            body.close()
            return body.close
        task = loop.create_task(body)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return lambda: loop.is_closed() or task.cancel()

    def remind(self, due: float, function: Callable[[], object]) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if due != inf and not self._loop.is_closed():
            # uvloop rounds to milliseconds: half a one more than the rest is never 0.
            delay = max(due - monotonic(), 0) + 0.0005
            self._timer = self._loop.call_later(delay, function)

    async def ended(self) -> None:
        self.remind(inf, self.check)
        while self._tasks and not self._loop.is_closed():
            await self._asyncio.wait(self._tasks)


class TrioTasks:
    """On trio, as system tasks: a pool may be used by many nurseries."""

    def __init__(self) -> None:
        import trio

        self._trio = trio
        self._token = trio.lowlevel.current_trio_token()
        self._scopes: set[trio.CancelScope] = set()
        self._timer: Callable[[], object] | None = None
        self._last = trio.Event()

    def check(self) -> None:
        if self._trio.lowlevel.current_trio_token() is not self._token:
            raise InterfaceError(_ELSEWHERE)

    def elsewhere(self) -> bool:
        lowlevel = self._trio.lowlevel
        return not (
            lowlevel.in_trio_run() and lowlevel.current_trio_token() is self._token
        )

    def pass_on(self, function: Callable[[], object]) -> None:
        with suppress(self._trio.RunFinishedError):
            self._token.run_sync_soon(function)

    def event(self) -> Event:
        return self._trio.Event()

    def start(self, body: Coroutine[Any, Any, None]) -> Callable[[], object]:
        scope = self._trio.CancelScope()
        self._scopes.add(scope)
        self._trio.lowlevel.spawn_system_task(self._run, scope, body)
        return scope.cancel

    async def _run(self, scope: Any, body: Coroutine[Any, Any, None]) -> None:
        try:
            with scope:
                await body
        finally:
            self._scopes.discard(scope)
            if not self._scopes:
                self._last.set()

    def remind(self, due: float, function: Callable[[], object]) -> None:
        if self._timer is not None:
            self._timer()
            self._timer = None
        if due != inf:
            self._timer = self.start(self._wait_until(due, function))

    async def _wait_until(self, due: float, function: Callable[[], object]) -> None:
        # trio has a clock of its own: what it shares with ours is the time left.
        await self._trio.sleep(max(due - monotonic(), 0))
        self._timer = None
        function()

    async def ended(self) -> None:
        self.remind(inf, self.check)
        while self._scopes:
            self._last = self._trio.Event()
            await self._last.wait()


def here() -> Tasks:
    """Tasks for the loop that runs the caller.

    Raises:
        RuntimeError: neither asyncio nor trio runs it.
    """
    on_trio = runners.current_async().__module__.endswith("trio")
    return TrioTasks() if on_trio else AsyncioTasks()
