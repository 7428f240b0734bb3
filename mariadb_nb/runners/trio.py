"""Runs operations on trio.

Owns the waiting of one connection. Knows no connection and no library.
"""

from __future__ import annotations

from collections.abc import Callable
from time import monotonic
from typing import NoReturn, Self, TypeVar

import trio

from ..wait import READ, TIMEOUT, WRITE, Operation, Wait
from ._common import ended

_T = TypeVar("_T")


async def _both(fd: int) -> int:
    """Wait until ``fd`` is readable or writable."""
    mask = 0

    async def writable() -> None:
        nonlocal mask
        await trio.lowlevel.wait_writable(fd)
        mask |= WRITE
        nursery.cancel_scope.cancel()

    try:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(writable)
            await trio.lowlevel.wait_readable(fd)
            mask |= READ
            nursery.cancel_scope.cancel()
    except BaseExceptionGroup as group:
        # Both tasks may have been interrupted; a Cancelled says the least.
        raise min(
            group.exceptions, key=lambda error: isinstance(error, trio.Cancelled)
        ) from None
    return mask


async def _events(wait: Wait) -> int:
    fd, events, deadline = wait
    if events & READ and events & WRITE:
        return await _both(fd)
    if events & READ:
        await trio.lowlevel.wait_readable(fd)
        return READ
    if events & WRITE:
        await trio.lowlevel.wait_writable(fd)
        return WRITE
    if events:
        raise ValueError(f"trio waits for READ and WRITE, not for {events}")
    if deadline is None:
        await trio.lowlevel.checkpoint()
    else:
        await trio.sleep_forever()
    return 0


async def _ready(wait: Wait) -> int:
    """Wait for what ``wait`` asks for and return the mask."""
    if wait.deadline is None:
        return await _events(wait)
    # trio has a clock of its own: what it shares with ours is the time that is left.
    with trio.move_on_after(max(wait.deadline - monotonic(), 0)):
        return await _events(wait)
    return TIMEOUT


async def _until_readable(
    fd: int, scope: trio.CancelScope, on_readable: Callable[[], object]
) -> None:
    with scope:
        if not scope.cancel_called:  # the descriptor may be somebody else's by now
            await trio.lowlevel.wait_readable(fd)
            if not scope.cancel_called:  # after it was woken, and before it ran
                on_readable()


class Runner:
    """Runs the operations of one connection in trio tasks, one at a time."""

    __slots__ = ("_kept", "_watch")

    def __init__(self) -> None:
        self._kept = -1
        self._watch: trio.CancelScope | None = None

    def keep(self, fd: int) -> None:
        """Say that ``fd`` is the connection's own, until ``forget``."""
        self._kept = fd

    def forget(self) -> None:
        """Tell trio that the descriptor will be closed, if trio runs."""
        kept, self._kept = self._kept, -1
        self.watch(None)
        if kept >= 0 and trio.lowlevel.in_trio_run():
            trio.lowlevel.notify_closing(kept)

    def hand_over(self) -> Self:
        """Make a runner for the connection's descriptor, which this one forgets."""
        heir = type(self)()
        heir._kept, self._kept = self._kept, -1
        self.watch(None)
        return heir

    def watch(self, on_readable: Callable[[], object] | None) -> None:
        """Call ``on_readable`` once if the kept descriptor is readable; None: do not.

        For the time between operations.
        """
        if self._watch is not None:
            self._watch.cancel()
            self._watch = None
        if on_readable is not None:
            self._watch = trio.CancelScope()
            trio.lowlevel.spawn_system_task(
                _until_readable, self._kept, self._watch, on_readable
            )

    async def run_shielded(self, operation: Operation[_T]) -> _T:
        """Run ``operation`` even in a task that is cancelled already.

        For clean-ups that have a deadline of their own.
        """
        with trio.CancelScope(shield=True):
            result = await self.run(operation)
        return result

    async def run(self, operation: Operation[_T]) -> _T:
        """Run ``operation`` to its end and return what it returns; a checkpoint.

        If the task is cancelled, the operation gets the ``trio.Cancelled`` and goes on,
        shielded, until it has cleaned up.

        Raises:
            trio.Cancelled: the task was cancelled. What went wrong in the clean-up is
                the context of this exception.
            trio.ClosedResourceError: ``forget`` was called meanwhile.
            Exception: what the operation raises.
        """
        try:
            await trio.lowlevel.checkpoint_if_cancelled()
        except BaseException:
            operation.close()
            raise
        waited = False
        try:
            wait = next(operation)
            waited = True
            while True:
                wait = operation.send(await _ready(wait))
        except StopIteration as stop:
            value: _T = stop.value
        except (trio.Cancelled, KeyboardInterrupt) as error:
            if ended(operation):
                raise
            await _clean_up(operation, error)
        except BaseException:
            operation.close()
            raise
        if not waited:
            await trio.lowlevel.cancel_shielded_checkpoint()
        return value


async def _clean_up(operation: Operation[_T], interruption: BaseException) -> NoReturn:
    try:
        with trio.CancelScope(shield=True):
            wait = operation.throw(interruption)
            while True:
                wait = operation.send(await _ready(wait))
    except StopIteration:
        pass
    except BaseException as failure:
        # Does nothing unless the clean-up itself was interrupted.
        operation.close()
        if not isinstance(failure, Exception):
            raise
        # Its context is what went wrong, which is just what happened.
        raise interruption  # noqa: B904
    raise interruption
