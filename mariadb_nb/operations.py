"""Operations on a connection: the one loop that drives them, and the C pairs.

Owns the loop from a call that begins, over the waits, to what comes of it. Its usual
path is in C (csrc/wire/drive.c), and goes on here from all that is not usual. Knows no
loop that waits, no socket and no state: the session that is passed in says whether an
operation may begin and what becomes of the connection when one is interrupted.

Whatever is driven has the same form (see csrc/wire/channel.c): a call returns an int,
the ``MYSQL_WAIT_*`` bits to wait for or 0 for a turn of the loop, or something else:
what came of it. ``Pair`` brings a pair of the C API into this form.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from time import monotonic
from typing import TYPE_CHECKING, Any, Final, Protocol

from . import _wire
from .capi import ffi, lib
from .errors import OperationTimeout
from .wait import PAUSE, TIMEOUT, WRITE, Operation, Wait

if TYPE_CHECKING:
    from ._ffi import CData


TIME_OVER: Final = "the operation took longer than its timeout"

#: Seconds for which a socket may take nothing before one looks whether it ever will.
_LOOK: Final = 0.5


class Driven(Protocol):
    """What ``drive`` asks of a session."""

    def enter(self, event: str, owner: object) -> None:
        """Begin an operation that belongs to ``owner``, or raise."""

    def leave(self) -> None:
        """End an operation that was not interrupted."""

    def abort(self, owner: object) -> None:
        """End the owner's operation, if it has one, at once; never waits."""

    def recover(self, error: BaseException, owner: object) -> Operation[None]:
        """Put the connection in order after the owner's operation raised."""

    def notice_end(self) -> None:
        """Have what waits fail if the other end was closed."""

    @property
    def fd(self) -> int:
        """The descriptor of the connection's socket."""

    @property
    def waits(self) -> Mapping[int, Wait]:
        """For events, the request to wait for them without a deadline."""


#: Drives an operation to its end, whatever becomes of it; in C, see csrc/wire/drive.c.
#:
#: Args:
#:     session: whose connection it is, a ``Driven``.
#:     event: how it begins, see ``mariadb_nb.state``.
#:     start: begins it; called with the arguments.
#:     arguments: of ``start``.
#:     resume: goes on after a wait; called with the bits that came true. Or the channel
#:         whose ``resume`` that is.
#:     deadline: when to give up, in seconds of ``time.monotonic()``.
#:     otherwise: a function, and its arguments behind the error that was raised: it
#:         returns the operation that takes the place of this one, or None.
#:
#: Raises:
#:     OperationTimeout: the deadline passed.
#:     Error: what the operation itself raised.
drive = _wire.drive


def _go_on(
    session: Driven,
    owner: object,
    outcome: Any,
    resume: Callable[[int], Any] | _wire.Channel,
    deadline: float | None,
    otherwise: tuple[Any, ...] | None,
) -> Operation[Any]:
    """Go on with what ``drive`` has begun, from anything that is not usual.

    Args:
        session: as of ``drive``.
        owner: who has the turn.
        outcome: the events that are waited for, ``TIMEOUT`` if it is too late for that,
            or the exception that was raised.
        resume: as of ``drive``.
        deadline: likewise.
        otherwise: likewise.
    """
    try:  # also around the first and the last step: a signal may raise anywhere
        if isinstance(resume, _wire.Channel):
            resume = resume.resume
        if isinstance(outcome, BaseException):
            context = outcome.__context__
            try:
                raise outcome
            finally:
                outcome.__context__ = context  # and not what is being handled outside
                outcome = context = None  # or it would refer to itself by its traceback
        while type(outcome) is int:
            # Looked at here too: what is always ready would never time out.
            if outcome == TIMEOUT or _is_late(deadline):
                raise OperationTimeout(TIME_OVER)
            if not outcome:
                yield PAUSE
                outcome = resume(0)
                continue
            if outcome == WRITE:
                ready = yield from _writable(session, deadline)
            elif deadline is None:
                ready = yield session.waits[outcome]
            else:
                ready = yield Wait(session.fd, outcome, deadline)
            if ready & TIMEOUT:
                raise OperationTimeout(TIME_OVER)
            if ready:
                outcome = resume(ready)
        session.leave()
        return outcome
    except GeneratorExit:
        session.abort(owner)
        raise
    except BaseException as error:
        try:
            yield from session.recover(error, owner)
        except BaseException:
            session.abort(owner)  # a signal may come before it has begun
            raise
        if otherwise is None:
            raise
        function, *more = otherwise
        other = function(error, *more)
        if other is None:
            raise
    return (yield from other)


def _is_late(deadline: float | None) -> bool:
    return deadline is not None and monotonic() >= deadline


_wire.drive_with(_go_on, _is_late)


def _writable(session: Driven, deadline: float | None) -> Operation[int]:
    """Wait until more can be sent, or until it turns out that it never can.

    A peer that ends the connection while its buffer is full may leave a socket that can
    be read, to its end, but takes nothing for a minute, and does not count as broken.
    To wait until it can be read as well will not do: there may be something to read all
    the time, which the library leaves there until it has sent what it has.
    """
    while True:
        by = monotonic() + _LOOK
        if deadline is not None:
            by = min(by, deadline)
        wait = Wait(session.fd, WRITE, by)
        ready = 0
        while not ready:
            ready = yield wait
        if not ready & TIMEOUT or by == deadline:
            return ready
        session.notice_end()


class Pair:
    """A pair ``mysql_x_start``, ``mysql_x_cont`` of the C API, to be driven.

    Args:
        name: ``mysql_x``.
        handle: what the pair is called with.

    What comes of it is a tuple with the C function's result, so that an int among
    the results is not taken for something to wait for.
    """

    def __init__(self, name: str, handle: CData) -> None:
        self._start = getattr(lib, f"{name}_start")
        self._cont = getattr(lib, f"{name}_cont")
        self._handle = handle
        self._result = ffi.new(ffi.typeof(self._cont).args[0])

    def start(self, *arguments: Any) -> Any:
        """Call ``mysql_x_start``."""
        return self._outcome(self._start(self._result, self._handle, *arguments))

    def resume(self, ready: int) -> Any:
        """Call ``mysql_x_cont``."""
        return self._outcome(self._cont(self._result, self._handle, ready))

    def _outcome(self, events: int) -> Any:
        return events or (self._result[0],)
