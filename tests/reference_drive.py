"""The usual path in Python alone: what that in C is compared with.

Written as plainly as it can be; what C hands over to is not used.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from typing import Any
from unittest import mock

from mariadb_nb import _wire, loading, operations, preparing, renewing, session
from mariadb_nb.errors import OperationTimeout
from mariadb_nb.operations import TIME_OVER, Driven
from mariadb_nb.wait import PAUSE, TIMEOUT, WRITE, Operation, Wait


def drive(
    driven: Driven,
    event: str,
    start: Callable[..., Any],
    arguments: tuple[Any, ...],
    resume: Callable[[int], Any],
    deadline: float | None = None,
    otherwise: tuple[Any, ...] | None = None,
) -> Operation[Any]:
    """What ``mariadb_nb.operations.drive`` does."""
    owner = object()
    try:
        driven.enter(event, owner)
        _check_time(deadline)
        outcome = start(*arguments)
        while type(outcome) is int:
            _check_time(deadline)
            if not outcome:
                yield PAUSE
                outcome = resume(0)
                continue
            if outcome == WRITE:
                ready = yield from operations._writable(driven, deadline)
            elif deadline is None:
                ready = yield driven.waits[outcome]
            else:
                ready = yield Wait(driven.fd, outcome, deadline)
            if ready & TIMEOUT:
                raise OperationTimeout(TIME_OVER)
            if ready:
                outcome = resume(ready)
        driven.leave()
        return outcome
    except GeneratorExit:
        driven.abort(owner)
        raise
    except BaseException as error:
        try:
            yield from driven.recover(error, owner)
        except BaseException:
            driven.abort(owner)
            raise
        if otherwise is None:
            raise
        function, *more = otherwise
        other = function(error, *more)
        if other is None:
            raise
    return (yield from other)


def _check_time(deadline: float | None) -> None:
    if operations._is_late(deadline):
        raise OperationTimeout(TIME_OVER)


def _not_usual(*arguments: object) -> None:
    """Stands for ``_wire.execution``; a mock would keep the cursors."""


@contextlib.contextmanager
def in_python() -> Iterator[None]:
    """Have operations that are made in a block go without the usual path in C."""
    with contextlib.ExitStack() as stack:
        for module in (loading, preparing, renewing, session):
            stack.enter_context(mock.patch.object(module, "drive", drive))
        stack.enter_context(mock.patch.object(_wire, "execution", _not_usual))
        yield
