"""Runs operations on asyncio, whatever its loop (uvloop too).

Owns what one connection has registered with the event loop. Knows no connection and no
library.

An operation is resumed right in the callback of the loop, in the context of the task
that waits for it. That, and how the task sleeps meanwhile, is in C: ``RunnerFields``
and ``Run`` in csrc/wire/run.c. They do all there is to do as long as the operation
waits for the descriptor that is watched already; whatever else it wants is done here.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from math import inf
from time import monotonic
from typing import Any, Final, Literal, NoReturn, Self, TypeVar

from .. import _wire
from ..wait import READ, TIMEOUT, WRITE, Operation, Wait

_T = TypeVar("_T")

#: Beside READ and WRITE in ``_once``: the operation has its turn later.
_TURN: Final = 16

# Only here: asyncio is not imported where nobody uses it.
_wire.run_with(asyncio.get_running_loop)


class Runner(_wire.RunnerFields):
    """Runs the operations of one connection on the running loop, one at a time.

    ``await run(operation)`` runs an operation to its end and returns what it returns.
    If the task is cancelled, the operation gets the CancelledError and goes on until it
    has cleaned up. Further cancellations are absorbed meanwhile. It raises

    - asyncio.CancelledError: the task was cancelled. What went wrong in the clean-up is
      the context of this exception.
    - RuntimeError: another operation is under way, or the connection is registered with
      another loop that runs.
    - what the operation raises.
    """

    __slots__ = (
        "_due",
        "_kept",
        "_on_readable",
        "_reading",
        "_shielded",
        "_timer",
        "_turn",
    )

    def __init__(self) -> None:
        self._loop: asyncio.AbstractEventLoop | None = None
        # The connection's own descriptor; whether the loop watches it; whether
        # somebody waits for that.
        self._kept = -1
        self._reading = False
        self._reads = False
        # The wait for which there is nothing to register, as long as it is watched.
        self._usual: Wait | None = None
        self._on_readable: Callable[[], object] | None = None
        # The operation under way, what it waits for, what is registered for this wait
        # alone, and how it was interrupted and ended.
        self._current: _wire.Run[Any] | None = None
        self._wait: Wait | None = None
        self._once: int | None = None
        self._turn: asyncio.Handle | None = None
        self._interruption: asyncio.CancelledError | None = None
        self._shielded: Operation[Any] | None = None
        self._error: BaseException | None = None
        # One timer for all waits: it may be due too early, but never too late.
        self._timer: asyncio.TimerHandle | None = None
        self._due = inf

    def keep(self, fd: int) -> None:
        """Leave ``fd`` registered from one wait to the next.

        The caller promises that it stays open until ``forget`` is called or an
        operation fails.
        """
        if fd != self._kept:
            self.forget()  # the timer of the connect too: it would wake who is idle
            self._kept = fd

    def forget(self) -> None:
        """Drop what is registered with the loop: the descriptor will be closed."""
        self._stop_reading()
        self._kept = -1
        self._on_readable = None
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
            self._due = inf

    def hand_over(self) -> Self:
        """Make a runner for the kept descriptor, which this one forgets.

        If the loop watches it, it goes on to do so: that is what saves the time.
        """
        heir, loop = type(self)(), self._loop
        heir._kept = self._kept
        if loop is not None and not loop.is_closed():
            heir._loop = loop
            if self._reading:
                loop.add_reader(heir._kept, heir._readable)
                heir._reading, self._reading = True, False
        self.forget()
        return heir

    def watch(self, on_readable: Callable[[], object] | None) -> None:
        """Call ``on_readable`` once if the kept descriptor is readable; None: do not.

        For the time between operations, on the loop that ran the last one.
        """
        self._on_readable = on_readable
        if on_readable is not None and not self._reading and self._loop is not None:
            self._loop.add_reader(self._kept, self._readable)
            self._reading = True

    async def run_shielded(self, operation: Operation[_T]) -> _T:
        """Run a clean-up to its end; a cancellation that comes meanwhile comes after.

        For operations that have a deadline of their own.
        """
        self._shielded = operation
        try:
            return await self.run(operation)
        finally:
            if self._shielded is operation:  # or its loop was closed long ago
                self._shielded = None

    def _move_to(self, loop: asyncio.AbstractEventLoop) -> None:
        old, kept = self._loop, self._kept
        if self._current is not None and old is not None and old.is_closed():
            # It waits for a loop that will never turn again; who cancelled it too.
            operation, self._current = self._current.operation, None
            self._unwatch()
            self._error = self._interruption = None
            operation.close()
        if self._current is not None or (
            old is not None and self._reading and old.is_running()
        ):
            raise RuntimeError(
                "this connection is in use on another event loop: "
                "open one connection for each loop"
            )
        self.forget()
        self._kept = kept
        self._loop = loop

    def _fail(self) -> NoReturn:
        """Raise what has come instead of a result.

        Also when the loop refused to wait, or when the task was destroyed: then the
        operation is ended here. No local name refers to an exception: that would make a
        reference cycle.
        """
        assert self._current is not None
        try:
            self._raise()
        except BaseException:
            self._unwatch()
            self._stop_reading()
            self._error = self._interruption = None
            self._current.operation.close()
            raise
        finally:
            self._current = self._wait = None
            self._reads = False

    def _raise(self) -> NoReturn:
        if self._interruption is None:
            assert self._error is not None
            raise self._error
        try:
            if self._error is not None:
                raise self._error
        except Exception:
            # Its context is what went wrong, which is just what happened.
            raise self._interruption  # noqa: B904
        raise self._interruption

    def _ask(self, wait: Wait) -> None:
        """Have the operation resumed when what it waits for is there."""
        self._wait = wait
        fd, events, deadline = wait
        if deadline is not None and deadline < self._due:
            self._arm(deadline)
        self._reads = self._reading and fd == self._kept and events == READ
        if not self._reads:
            self._register(wait)
        elif deadline is None:
            self._usual = wait

    def _register(self, wait: Wait) -> None:
        loop = self._loop
        assert loop is not None
        if self._turn is not None:
            # It cancelled its own task, and hears of that first.
            self._wait = None
            return
        fd, events, deadline = wait
        if events == 0:
            if deadline is None:
                self._once = _TURN
                self._turn = loop.call_soon(self._advance, 0)
            return
        if fd == self._kept:
            if events == READ:
                loop.add_reader(fd, self._readable)
                self._reading = self._reads = True
                return
            if events & READ:
                self._stop_reading()
        if not events & (READ | WRITE):
            raise ValueError(f"asyncio waits for READ and WRITE, not for {events}")
        if events & READ:
            loop.add_reader(fd, self._advance, READ)
            self._once = READ
        if events & WRITE:
            loop.add_writer(fd, self._advance, WRITE)
            self._once = (self._once or 0) | WRITE

    def _unasked(self) -> None:
        """The kept descriptor is readable, and no operation waits for that."""
        # A descriptor that nobody reads would keep the loop busy.
        self._stop_reading()
        on_readable, self._on_readable = self._on_readable, None
        if on_readable is not None:
            on_readable()

    def _cancel(self, message: object) -> Literal[True]:
        """The task is being cancelled: let the operation know in the next turn."""
        loop = self._loop
        if loop is None or self._interruption is not None:
            return True
        error = asyncio.CancelledError(*(() if message is None else (message,)))
        self._interruption = error
        # If it is a shielded clean-up, that comes after it.
        if self._current is None or self._current.operation is not self._shielded:
            self._unwatch()
            self._stop_reading()
            self._wait = None
            self._once = _TURN
            self._turn = loop.call_soon(self._advance, error)
        return True

    def _unwatch(self) -> None:
        """Undo what was registered for the present wait alone."""
        once, self._once = self._once or 0, None
        loop, wait, turn = self._loop, self._wait, self._turn
        if turn is not None:
            turn.cancel()
            self._turn = None
        if once & (READ | WRITE) and loop and wait and not loop.is_closed():
            if once & READ:
                loop.remove_reader(wait.fd)
            if once & WRITE:
                loop.remove_writer(wait.fd)

    def _stop_reading(self) -> None:
        self._usual = None
        if self._reading:
            self._reading = self._reads = False
            if self._loop is not None and not self._loop.is_closed():
                self._loop.remove_reader(self._kept)

    def _arm(self, deadline: float) -> None:
        assert self._loop is not None
        if self._timer is not None:
            self._timer.cancel()
        self._due = deadline
        # uvloop rounds to milliseconds: half a one more than the rest is never 0.
        delay = max(deadline - monotonic(), 0) + 0.0005
        self._timer = self._loop.call_later(delay, self._time_up)

    def _time_up(self) -> None:
        self._timer, self._due = None, inf
        deadline = self._wait.deadline if self._wait is not None else None
        if deadline is None:
            return
        if deadline > monotonic():
            self._arm(deadline)
        else:
            self._advance(TIMEOUT)
