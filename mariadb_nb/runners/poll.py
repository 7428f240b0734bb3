"""Runs operations by blocking the thread in ``poll``.

Owns what an interruption means; the waiting itself is in C (csrc/wire/poll.c), and
where the platform has no ``poll``, ``select`` takes its place.

Signals are handled while it waits, but one that comes in the instant before it sleeps
does not wake it, and on Windows none does: so no wait lasts long, and the operation is
woken for nothing instead.

It takes the original functions even if gevent has patched the process: this is the
runner that blocks, also in threads that have no hub. The one that does not is
``mariadb_nb.runners.gevent``.
"""

from __future__ import annotations

import importlib
import select
import sys
from functools import partial
from typing import Any, Final, NoReturn, TypeVar

from .. import _wire
from ..wait import EXCEPT, READ, WRITE, Operation, Wait
from ._blocking import Blocking
from ._common import nothing_ready, seconds_until

_T = TypeVar("_T")

#: The longest wait, in seconds: after it at the latest, signals are handled.
_SLICE: Final = 0.05


def _original(module: str, name: str) -> Any:
    """A function of the standard library as it was before gevent patched it."""
    monkey = sys.modules.get("gevent.monkey")
    if monkey is not None:
        return monkey.get_original(module, name)
    return getattr(importlib.import_module(module), name)


class PollRunner(Blocking):
    """Runs the operations of one connection with ``poll``, in C."""

    __slots__ = ("run",)

    def __init__(self) -> None:
        #: Runs an operation to its end; see ``Blocking.run``.
        self.run = partial(  # type: ignore[method-assign]
            _wire.poll_run, self._interrupted
        )

    def _interrupted(self, operation: Operation[_T], error: BaseException) -> NoReturn:
        try:
            raise error
        except BaseException as interruption:  # what comes next has it as its context
            self._clean_up(operation, interruption)

    def keep(self, fd: int) -> None:
        """Do nothing: ``poll`` is told its descriptor each time."""

    def forget(self) -> None:
        """Do nothing: nothing is registered."""

    def _ready(self, wait: Wait) -> int:
        return _wire.poll_wait(wait)


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
