"""Calling a function of the user's that may take its time, as an operation.

A loop must not wait for it, and a deadline has to count for it too. So it runs in a
thread, and the operation waits for a pipe, as for any other file descriptor. Knows
neither loop nor session, and not what the function is for.
"""

from __future__ import annotations

import os
from _thread import start_new_thread
from collections.abc import Callable
from contextvars import copy_context
from typing import TypeVar

from .errors import OperationalError, OperationTimeout
from .wait import READ, TIMEOUT, Operation, Wait

_T = TypeVar("_T")


def call_in_thread(
    function: Callable[[], _T], deadline: float | None = None
) -> Operation[_T]:
    """Call a function in a thread of its own, in the caller's context.

    Whoever gives this operation up does not wait for the function: it goes on by
    itself, and what comes of it is dropped.

    Args:
        function: what to call; what it raises is raised here.
        deadline: when to give up, in seconds of ``time.monotonic()``, or None.

    Raises:
        OperationTimeout: the deadline passed.
        OperationalError: there is no descriptor or thread for it.
    """
    context = copy_context()
    outcome: list[tuple[_T | None, BaseException | None]] = []
    try:
        near_end, far_end = os.pipe()
    except OSError as problem:
        raise OperationalError(f"cannot make a pipe: {problem.strerror}") from problem

    def run() -> None:
        try:
            outcome.append((context.run(function), None))
        except BaseException as error:
            outcome.append((None, error))
        finally:
            os.close(far_end)

    try:
        try:
            start_new_thread(run, ())
        except RuntimeError as problem:
            os.close(far_end)
            raise OperationalError(f"cannot start a thread: {problem}") from problem
        while not outcome:
            if (yield Wait(near_end, READ, deadline)) & TIMEOUT and not outcome:
                raise OperationTimeout("the deadline passed")
    finally:
        os.close(near_end)
    result, error = outcome.pop()
    try:
        if error is not None:
            raise error
        return result  # type: ignore[return-value]
    finally:
        del error  # it refers to this frame
