"""Runs operations by switching to gevent's hub, so that other greenlets go on.

Owns the watchers of one connection. Knows no connection and no library.

It needs no patched process, only calls from a greenlet. An exception that arrives while
it waits is a ``gevent.Timeout``, a ``GreenletExit`` or whatever ``Greenlet.kill`` or
``throw`` sent.
"""

from __future__ import annotations

from collections.abc import Callable
from math import inf
from time import monotonic
from typing import Any, Final, TypeVar

from gevent import get_hub, getcurrent, sleep

from ..wait import READ, TIMEOUT, WRITE, Operation, Wait
from ._blocking import Blocking
from ._common import nothing_ready, seconds_until

_T = TypeVar("_T")

#: The shortest and the longest time to sleep in one go, in seconds.
_SHORTEST: Final = 0.001
_LONGEST: Final = 86400.0


def _delay(deadline: float) -> float:
    return max(seconds_until(deadline, _LONGEST), _SHORTEST)


class Runner(Blocking):
    """Runs the operations of one connection in the greenlets of one thread."""

    __slots__ = ("_deadline", "_due", "_hub", "_io", "_kept", "_switch", "_timer")

    def __init__(self) -> None:
        self._hub: Any = None
        # The connection's own descriptor, and its watcher: active only while somebody
        # waits, for a readable descriptor that nobody reads would keep the loop busy.
        self._kept = -1
        self._io: Any = None
        # Who waits, and until when.
        self._switch: Callable[[int], object] | None = None
        self._deadline: float | None = None
        # One timer for all waits: it may be due too early, but never too late.
        self._timer: Any = None
        self._due = inf

    def keep(self, fd: int) -> None:
        """Use one watcher for all waits for ``fd``.

        The caller promises that it stays open until ``forget`` is called or an
        operation fails.
        """
        if fd != self._kept:
            self.forget()
            self._kept = fd

    def forget(self) -> None:
        """Drop the watchers: the descriptor will be closed."""
        self._kept = -1
        self._close_io()
        self._stop_timer()

    def run(self, operation: Operation[_T]) -> _T:
        """Run ``operation`` to its end and return what it returns.

        Any exception that is raised in the greenlet while it waits is thrown into the
        operation, which then cleans up. A second one ends it at once.

        Raises:
            BaseException: what the operation raises, or the interruption.
        """
        try:
            return super().run(operation)
        except BaseException:
            # It may have closed the descriptor. If another operation waits for it,
            # this one has been refused and has not touched it.
            if self._switch is None:
                self._close_io()
            raise

    def _ready(self, wait: Wait) -> int:
        fd, events, deadline = wait
        if events == 0:
            sleep(0 if deadline is None else _delay(deadline))
            return nothing_ready(deadline)
        if self._switch is not None:
            raise RuntimeError("another operation is under way on this connection")
        hub = get_hub()
        if hub is not self._hub:
            self._move_to(hub)
        if deadline is not None and deadline < self._due:
            self._arm(deadline)
        kept = fd == self._kept and events == READ
        io = self._io if kept and self._io is not None else self._watch(fd, events)
        if kept:
            self._io = io
        self._switch, self._deadline = getcurrent().switch, deadline
        try:
            io.start(self._switch, pass_events=True)
            got = hub.switch()
        finally:
            self._switch = None
            if kept:
                io.stop()
            else:
                io.close()
        if type(got) is not int:
            # Somebody else has switched here.
            return 0
        # An error is for the library to find, by whatever it asked for.
        return TIMEOUT if got == TIMEOUT else got & events or events

    def _watch(self, fd: int, events: int) -> Any:
        """A watcher; libev's bits for reading and writing are ours."""
        if not events & (READ | WRITE):
            raise ValueError(f"gevent waits for READ and WRITE, not for {events}")
        return self._hub.loop.io(fd, events & (READ | WRITE))

    def _close_io(self) -> None:
        if self._io is not None:
            self._io.close()
            self._io = None

    def _move_to(self, hub: Any) -> None:
        if self._timer is not None and not self._hub.dead:
            raise RuntimeError(
                "this connection is in use in another thread: "
                "open one connection for each thread"
            )
        kept = self._kept
        self.forget()
        self._kept = kept
        self._hub = hub

    def _arm(self, deadline: float) -> None:
        self._stop_timer()
        self._due = deadline
        # Without a reference: it must not keep the hub alive when nobody waits.
        self._timer = self._hub.loop.timer(_delay(deadline), ref=False)
        self._timer.start(self._time_up, update=True)

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.close()
            self._timer = None
            self._due = inf

    def _time_up(self) -> None:
        self._stop_timer()
        if self._switch is None or self._deadline is None:
            return
        if self._deadline > monotonic():
            self._arm(self._deadline)
        else:
            self._switch(TIMEOUT)
