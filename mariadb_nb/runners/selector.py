"""Runs many operations on one ``selectors`` loop.

Owns that loop: what each operation waits for, whose turn it is, and the timers. Knows
no connection and no library.

``run`` goes on until no operation is left. Who has a loop of his own waits there for
``events()``, or until ``timeout()`` has passed, and calls ``run_once(0)``.
"""

from __future__ import annotations

import selectors
from collections import deque
from collections.abc import Callable
from concurrent.futures import CancelledError, InvalidStateError
from contextlib import suppress
from heapq import heapify, heappop, heappush
from itertools import count
from time import monotonic
from types import TracebackType
from typing import Any, Final, Generic, Self, TypeVar

from ..wait import READ, TIMEOUT, WRITE, Operation, Wait

_T = TypeVar("_T")

#: A timer list of more than this, and mostly of waits that are over, is cleaned.
_FEW_TIMERS: Final = 64


class Handle(Generic[_T]):
    """One submitted operation."""

    __slots__ = (
        "_error",
        "_interruption",
        "_next",
        "_on_done",
        "_operation",
        "_runner",
        "_value",
        "_wait",
    )

    _value: _T

    def __init__(
        self,
        runner: SelectorRunner,
        operation: Operation[_T],
        on_done: Callable[[Handle[_T]], object] | None,
    ) -> None:
        self._runner: SelectorRunner | None = runner
        self._operation = operation
        self._on_done = on_done
        # How it is resumed at its next turn, or what it waits for.
        self._next: tuple[Callable[[Any], Wait], Any] | None = (operation.send, None)
        self._wait: Wait | None = None
        self._interruption: CancelledError | None = None
        self._error: BaseException | None = None

    def done(self) -> bool:
        """Whether it has returned, failed or been cancelled, and cleaned up."""
        return self._runner is None

    def result(self) -> _T:
        """What the operation returned.

        Raises:
            concurrent.futures.InvalidStateError: it is not done yet.
            concurrent.futures.CancelledError: it was cancelled.
            BaseException: what the operation raised.
        """
        if self._runner is not None:
            raise InvalidStateError("the operation is not done: run the runner first")
        if self._error is not None:
            raise self._error
        return self._value

    def cancel(self) -> bool:
        """Throw a CancelledError into the operation when it has its next turn.

        It is done when it has cleaned up. False if it is done or cancelled already.
        """
        if self._runner is None or self._interruption is not None:
            return False
        self._interruption = CancelledError()
        self._runner._resume(self, self._operation.throw, self._interruption)
        return True


#: When, a number that tells equal times apart, who, and in which wait.
_Timer = tuple[float, int, Handle[Any], Wait]


def _valid(timer: _Timer) -> bool:
    """Whether its operation still waits as it did."""
    _, _, handle, wait = timer
    return handle._wait is wait


def _outcome(
    interruption: CancelledError | None, error: BaseException
) -> BaseException:
    """What an operation ends with: it was cancelled, whatever the clean-up raised."""
    if interruption is None or not isinstance(error, Exception):
        return error
    # Raised while ``error`` is handled, it gets it as its context.
    with suppress(CancelledError):
        raise interruption
    return interruption


class SelectorRunner:
    """Runs any number of operations in one thread.

    Args:
        selector: what waits, for nobody else; ``selectors.DefaultSelector()`` if None.
            Whoever passes one closes it.
    """

    def __init__(self, selector: selectors.BaseSelector | None = None) -> None:
        self._own = selector is None
        self._selector = selectors.DefaultSelector() if selector is None else selector
        self._left: set[Handle[Any]] = set()
        # Those who are resumed in the next round, in this order.
        self._turns: deque[Handle[Any]] = deque()
        # Waits that are over stay in here until their time comes or there are too many.
        self._timers: list[_Timer] = []
        self._count = count()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def submit(
        self,
        operation: Operation[_T],
        on_done: Callable[[Handle[_T]], object] | None = None,
    ) -> Handle[_T]:
        """Run ``operation`` beside the others, from the next round on.

        ``on_done`` is called with the handle when it is done, in ``run_once``. What it
        raises comes out there.
        """
        handle = Handle(self, operation, on_done)
        self._left.add(handle)
        self._turns.append(handle)
        return handle

    def run(self) -> None:
        """Run until no operation is left.

        After a KeyboardInterrupt they are where they were: ``run`` goes on with them,
        ``close`` ends them.
        """
        while self.run_once():
            pass

    def run_once(self, timeout: float | None = None) -> bool:
        """Wait for something to happen, and give each operation it happens to a turn.

        Args:
            timeout: how long to wait at most, in seconds; None for as long as it takes.

        Returns:
            whether operations are left.
        """
        if not self._left:
            return False
        limit = self.timeout()
        if timeout is None or (limit is not None and limit < timeout):
            timeout = limit
        for key, ready in self._selector.select(timeout):
            mask = (READ if ready & selectors.EVENT_READ else 0) | (
                WRITE if ready & selectors.EVENT_WRITE else 0
            )
            self._resume(key.data, key.data._operation.send, mask)
        while self._timers and self._timers[0][0] <= monotonic():
            _, _, handle, wait = heappop(self._timers)
            if handle._wait is wait:
                self._resume(handle, handle._operation.send, TIMEOUT)
        for _ in range(len(self._turns)):
            if self._turns:
                self._step(self._turns.popleft())
        return bool(self._left)

    def events(self) -> dict[int, int]:
        """What is waited for: ``READ`` and ``WRITE`` bits by descriptor."""
        waits = [handle._wait for handle in self._left]
        return {wait.fd: wait.events for wait in waits if wait and wait.events}

    def timeout(self) -> float | None:
        """When ``run_once`` has to be called at the latest.

        In seconds from now; None if only events can make a difference.
        """
        if self._turns:
            return 0.0
        while self._timers and not _valid(self._timers[0]):
            heappop(self._timers)
        if not self._timers:
            return None
        return max(self._timers[0][0] - monotonic(), 0.0)

    def close(self) -> None:
        """End all operations at once, without clean-up and without ``on_done``."""
        while self._left:
            handle = self._left.pop()
            self._unregister(handle)
            handle._error = CancelledError("the runner was closed")
            handle._next = handle._runner = None
            handle._operation.close()
        self._turns.clear()
        self._timers.clear()
        if self._own:
            self._selector.close()

    def _resume(
        self, handle: Handle[Any], step: Callable[[Any], Wait], value: Any
    ) -> None:
        """Have ``step(value)`` called in the next round, whatever was to happen."""
        self._unregister(handle)
        if handle._next is None:
            self._turns.append(handle)
        handle._next = step, value

    def _step(self, handle: Handle[Any]) -> None:
        if handle._next is None:
            # It was cancelled and ended in the same turn.
            return
        (step, value), handle._next = handle._next, None
        try:
            self._ask(handle, step(value))
        except StopIteration as stop:
            handle._value = stop.value
            self._end(handle, handle._interruption)
        except BaseException as error:
            # Does nothing unless it was the selector that refused.
            handle._operation.close()
            self._end(handle, _outcome(handle._interruption, error))
            if not isinstance(error, Exception):
                raise

    def _ask(self, handle: Handle[Any], wait: Wait) -> None:
        fd, events, deadline = wait
        if handle._next is not None:
            # It has cancelled itself, and hears of that first.
            return
        if events == 0 and deadline is None:
            self._resume(handle, handle._operation.send, 0)
            return
        if events:
            mask = (selectors.EVENT_READ if events & READ else 0) | (
                selectors.EVENT_WRITE if events & WRITE else 0
            )
            try:
                self._selector.register(fd, mask, handle)
            except KeyError:
                raise RuntimeError(
                    f"two operations wait for descriptor {fd}: "
                    "run one at a time on each connection"
                ) from None
        handle._wait = wait
        if deadline is not None:
            if len(self._timers) > max(_FEW_TIMERS, 2 * len(self._left)):
                self._timers = [entry for entry in self._timers if _valid(entry)]
                heapify(self._timers)
            heappush(self._timers, (deadline, next(self._count), handle, wait))

    def _unregister(self, handle: Handle[Any]) -> None:
        wait, handle._wait = handle._wait, None
        if wait is not None and wait.events:
            self._selector.unregister(wait.fd)

    def _end(self, handle: Handle[Any], error: BaseException | None) -> None:
        handle._error = error
        handle._next = handle._runner = None
        self._left.discard(handle)
        if handle._on_done is not None:
            handle._on_done(handle)
