"""Runs operations by blocking the thread in ``poll``.

Owns one poll object for each connection. Where the platform has no ``poll``, ``select``
takes its place.

Signals are handled while it waits. Python's ``poll`` is interrupted by them and runs
their handlers, but not by one that comes in the instant before it sleeps, and on
Windows by none: so no wait lasts long, and the operation is woken for nothing instead.

It takes the original functions even if gevent has patched the process: this is the
runner that blocks, also in threads that have no hub. The one that does not is
``mariadb_nb.runners.gevent``.
"""

from __future__ import annotations

import importlib
import select
import sys
from typing import Any, Final

from ..wait import EXCEPT, READ, WRITE, Wait
from ._blocking import Blocking
from ._common import nothing_ready, seconds_until

#: The longest wait, in seconds: after it at the latest, signals are handled.
_SLICE: Final = 0.05


def _original(module: str, name: str) -> Any:
    """A function of the standard library as it was before gevent patched it."""
    monkey = sys.modules.get("gevent.monkey")
    if monkey is not None:
        return monkey.get_original(module, name)
    return getattr(importlib.import_module(module), name)


class PollRunner(Blocking):
    """Runs the operations of one connection with ``select.poll``."""

    __slots__ = ("_events", "_fd", "_poller")

    def __init__(self) -> None:
        self._poller = _original("select", "poll")()
        self._fd = -1
        self._events = 0

    def keep(self, fd: int) -> None:
        """Do nothing: one descriptor is registered anyway, the last one."""

    def forget(self) -> None:
        """Drop the descriptor that was waited for last."""
        self._watch(-1, 0)

    def _watch(self, fd: int, events: int) -> None:
        if self._fd >= 0:
            self._poller.unregister(self._fd)
            self._fd = -1
        if events:
            self._poller.register(
                fd,
                (select.POLLIN if events & READ else 0)
                | (select.POLLOUT if events & WRITE else 0)
                | (select.POLLPRI if events & EXCEPT else 0),
            )
            self._fd = fd
        self._events = events

    def _ready(self, wait: Wait) -> int:
        fd, events, deadline = wait
        if fd != self._fd or events != self._events:
            self._watch(fd, events)
        if deadline is not None:
            rest = seconds_until(deadline, _SLICE)
        else:
            rest = _SLICE if events else 0.0
        ready = self._poller.poll(rest * 1000)
        if not ready:
            return nothing_ready(deadline)
        if not events & (events - 1):
            return events
        got = ready[0][1]
        mask = (
            (READ if got & select.POLLIN else 0)
            | (WRITE if got & select.POLLOUT else 0)
            | (EXCEPT if got & select.POLLPRI else 0)
        )
        # An error or a hang-up is for the library to find, by whatever it asked for.
        return mask or events


class SelectRunner(Blocking):
    """Runs the operations of one connection with ``select.select``."""

    __slots__ = ("_select", "_sleep")

    def __init__(self) -> None:
        self._select = _original("select", "select")
        self._sleep = _original("time", "sleep")

    def keep(self, fd: int) -> None:
        """Do nothing: ``select`` is told its descriptors each time."""

    def forget(self) -> None:
        """Do nothing: nothing is registered."""

    def _ready(self, wait: Wait) -> int:
        fd, events, deadline = wait
        rest = _SLICE if deadline is None else seconds_until(deadline, _SLICE)
        if not events:
            self._sleep(0 if deadline is None else rest)
            return nothing_ready(deadline)
        readable, writable, exceptional = self._select(
            [fd] if events & READ else [],
            [fd] if events & WRITE else [],
            [fd] if events & EXCEPT else [],
            rest,
        )
        mask = (
            (READ if readable else 0)
            | (WRITE if writable else 0)
            | (EXCEPT if exceptional else 0)
        )
        return mask or nothing_ready(deadline)


Runner: Final[type[PollRunner | SelectRunner]] = (
    PollRunner if hasattr(select, "poll") else SelectRunner
)
