"""Runs operations on asyncio, whatever its loop (uvloop too).

Owns what one connection has registered with the event loop. Knows no connection and no
library.

An operation is resumed right in the callback of the loop, in the context of the task
that waits for it. The task sleeps meanwhile in a ``_Parked``, which is a future as far
as a task can tell, and is woken once: at the operation's end, and directly. A future
for each wait would cost several times as much, and one for each operation another turn
of the loop.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Generator
from contextvars import Context
from math import inf
from time import monotonic
from typing import Any, Final, Literal, NoReturn, Self, TypeVar

from ..wait import READ, TIMEOUT, WRITE, Operation, Wait

_T = TypeVar("_T")

#: Beside READ and WRITE in ``_once``: the operation has its turn later.
_TURN: Final = 16


class _Parked:
    """What a task waits for while its operation runs.

    The protocol is that of asyncio for futures that are not its own: the task finds
    ``_asyncio_future_blocking`` set, leaves its wake-up function and the context to run
    it in, and calls ``cancel`` when it is cancelled.
    """

    __slots__ = (
        "_asyncio_future_blocking",
        "_interrupt",
        "_loop",
        "_wakeup",
        "context",
    )

    context: Context

    def __init__(self, interrupt: Callable[[asyncio.CancelledError], None]) -> None:
        self._asyncio_future_blocking = False
        self._interrupt = interrupt
        self._loop: asyncio.AbstractEventLoop | None = None
        self._wakeup: Callable[[_Parked], object] | None = None

    def __await__(self) -> Generator[_Parked, None, None]:
        self._asyncio_future_blocking = True
        yield self

    def bind(self, loop: asyncio.AbstractEventLoop) -> None:
        """Belong to ``loop``: a task compares it with its own."""
        self._loop = loop

    def add_done_callback(
        self, wakeup: Callable[[_Parked], object], *, context: Context
    ) -> None:
        self._wakeup = wakeup
        self.context = context

    def wake(self) -> None:
        """Let the task run; it may well park here again before this returns."""
        wakeup, self._wakeup = self._wakeup, None
        assert wakeup is not None
        self.context.run(wakeup, self)

    def cancel(self, msg: object = None) -> Literal[True]:
        """Promise the task that the wait ends with a CancelledError."""
        self._interrupt(asyncio.CancelledError(*(() if msg is None else (msg,))))
        return True

    def result(self) -> None:
        """Let the task go on: ``Runner.run`` knows the outcome."""


class Runner:
    """Runs the operations of one connection on the running loop, one at a time."""

    __slots__ = (
        "_due",
        "_error",
        "_interruption",
        "_kept",
        "_loop",
        "_on_readable",
        "_once",
        "_operation",
        "_parked",
        "_reading",
        "_reads",
        "_send",
        "_shielded",
        "_timer",
        "_turn",
        "_usual",
        "_value",
        "_wait",
    )

    _send: Callable[[int], Wait]

    def __init__(self) -> None:
        self._loop: asyncio.AbstractEventLoop | None = None
        self._parked = _Parked(self._interrupt)
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
        self._operation: Operation[Any] | None = None
        self._wait: Wait | None = None
        self._once = 0
        self._turn: asyncio.Handle | None = None
        self._interruption: asyncio.CancelledError | None = None
        self._shielded = False
        self._value: Any = None
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
            heir._parked.bind(loop)
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

    async def run(self, operation: Operation[_T]) -> _T:
        """Run ``operation`` to its end and return what it returns.

        If the task is cancelled, the operation gets the CancelledError and goes on
        until it has cleaned up. Further cancellations are absorbed meanwhile.

        Raises:
            asyncio.CancelledError: the task was cancelled. What went wrong in the
                clean-up is the context of this exception.
            RuntimeError: another operation is under way, or the connection is
                registered with another loop that runs.
            Exception: what the operation raises.
        """
        loop = asyncio.get_running_loop()
        if loop is not self._loop:
            self._move_to(loop)
        try:
            wait = next(operation)
        except StopIteration as stop:
            value: _T = stop.value
            return value
        except BaseException:
            # It may have closed the descriptor. If another operation waits for it,
            # this one has been refused and has not touched it.
            if self._operation is None:
                self._stop_reading()
            raise
        if self._operation is not None:
            operation.close()
            raise RuntimeError("another operation is under way on this connection")
        self._operation = operation
        self._send = operation.send
        try:
            if wait is self._usual:
                self._wait, self._reads = wait, True  # as _ask() does
            else:
                self._ask(wait)
            await self._parked
            if self._error is None and self._interruption is None:
                return self._value  # type: ignore[no-any-return]
            self._raise()
        except BaseException:
            # Also when the loop refused to wait, or when the task was destroyed.
            self._unwatch()
            self._stop_reading()
            self._error = self._interruption = None
            operation.close()
            raise
        finally:
            self._operation = self._wait = self._value = None
            self._reads = False

    async def run_shielded(self, operation: Operation[_T]) -> _T:
        """Run a clean-up to its end; a cancellation that comes meanwhile comes after.

        For operations that have a deadline of their own.
        """
        self._shielded = True
        try:
            return await self.run(operation)
        finally:
            self._shielded = False

    def _move_to(self, loop: asyncio.AbstractEventLoop) -> None:
        old, kept = self._loop, self._kept
        if self._operation is not None and old is not None and old.is_closed():
            # It waits for a loop that will never turn again.
            operation, self._operation = self._operation, None
            self._parked = _Parked(self._interrupt)
            operation.close()
        if self._operation is not None or (
            old is not None and self._reading and old.is_running()
        ):
            raise RuntimeError(
                "this connection is in use on another event loop: "
                "open one connection for each loop"
            )
        self.forget()
        self._kept = kept
        self._loop = loop
        self._parked.bind(loop)

    def _raise(self) -> NoReturn:
        """Raise what the operation ended with.

        No local name refers to an exception here: that would make a reference cycle.
        """
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
                self._turn = loop.call_soon(self._advance, self._send, 0)
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
            loop.add_reader(fd, self._advance, self._send, READ)
            self._once = READ
        if events & WRITE:
            loop.add_writer(fd, self._advance, self._send, WRITE)
            self._once |= WRITE

    def _readable(self) -> None:
        """Is called when the kept descriptor is readable."""
        if self._reads:
            self._advance(self._send, READ)
        else:
            # A descriptor that nobody reads would keep the loop busy.
            self._stop_reading()
            on_readable, self._on_readable = self._on_readable, None
            if on_readable is not None:
                on_readable()

    def _advance(self, step: Callable[[Any], Wait], value: object) -> None:
        """Resume the operation; wake the task if that was its end."""
        if self._once:
            # Before the operation can close this descriptor.
            self._unwatch()
        parked = self._parked
        try:
            self._ask(parked.context.run(step, value))
            return
        except StopIteration as stop:
            self._value = stop.value
        except BaseException as error:
            self._error = error
        parked.wake()

    def _interrupt(self, error: asyncio.CancelledError) -> None:
        """The task is being cancelled: let the operation know in the next turn."""
        operation, loop = self._operation, self._loop
        if operation is None or loop is None or self._interruption is not None:
            return
        self._interruption = error
        if self._shielded:
            return  # it comes after the clean-up
        self._unwatch()
        self._stop_reading()
        self._wait = None
        self._once = _TURN
        self._turn = loop.call_soon(self._advance, operation.throw, error)

    def _unwatch(self) -> None:
        """Undo what was registered for the present wait alone."""
        once, self._once = self._once, 0
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
            self._advance(self._send, TIMEOUT)
