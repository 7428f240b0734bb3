"""What the pools of all worlds share: everything but the waiting.

Owns the core, what the user asked for, and what is to be told to whom. Knows no loop
and no threads.
"""

from __future__ import annotations

import logging
import random
import sys
from abc import ABC, abstractmethod
from collections.abc import Callable
from contextlib import suppress
from math import inf
from time import monotonic
from typing import Any, Final, TypeVar

from .._connection import ConnectionBase
from .._cursor import DEFAULT, seconds
from .._unique import Unique
from ..errors import (
    Busy,
    Error,
    InterfaceError,
    NotSupportedError,
    PoolClosed,
    ProgrammingError,
)
from ..options import Keywords, Options
from ..session import deadline_after
from ..state import RESULT
from ..wait import Operation
from .core import PoolCore
from .decisions import (
    Check,
    Close,
    Connect,
    Done,
    Fail,
    Grant,
    Note,
    Reset,
    Watch,
    Why,
)
from .settings import PoolKeywords, Settings
from .slots import CONNECTING, RESETTING, Slot, Waiter
from .stats import Stats
from .steps import IS_CLOSED

log = logging.getLogger("mariadb_nb.pool")

_C = TypeVar("_C", bound=ConnectionBase)

#: Refusals that the next connect will meet too: of the user, host or database.
_FINAL: Final = frozenset({1044, 1045, 1049, 1130, 1698})


class PoolOptions(Keywords, PoolKeywords, total=False):
    """What pools take by keyword: settings of their own and a connection's options."""


class Origin(tuple[Any, int]):
    """A place in the program, code and line, as "file:line in function"."""

    __slots__ = ()

    def __str__(self) -> str:
        code, line = self
        return f"{code.co_filename}:{line} in {code.co_qualname}"


class Borrower(Waiter):
    """One who waits, with a way to be told.

    Attributes:
        wake: is called when it need not wait any more, perhaps twice.
    """

    __slots__ = ("wake",)

    def __init__(self, timeout: float | None, origin: object = None) -> None:
        super().__init__(inf if timeout is None else monotonic() + timeout, origin)
        self.wake: Callable[[], object] | None = None

    def outcome(self) -> tuple[Slot, Any]:
        """What it was lent and its connection, or raise what it failed with."""
        if self.error is not None:
            raise self.error
        slot = self.loan
        conn = None if slot is None else slot.connection
        if slot is None or conn is None:  # taken back before it came to use it
            raise PoolClosed(IS_CLOSED)
        return slot, conn


def is_final(error: Exception) -> bool:
    """Whether connecting would fail again for the same reason."""
    if not isinstance(error, Error):
        return True  # a function of the user's, such as password=
    return error.errno in _FINAL or isinstance(
        error, InterfaceError | NotSupportedError | ProgrammingError
    )


class Renewal:
    """Makes a connection as new, whatever its borrower left behind.

    Attributes:
        done: whether that went well.
    """

    __slots__ = ("_conn", "_options", "_timeout", "done")

    def __init__(self, conn: ConnectionBase, options: Options, timeout: float) -> None:
        self._conn, self._options, self._timeout = conn, options, timeout
        self.done = False

    def operation(self) -> Operation[None]:
        """Do it.

        Raises:
            InterfaceError: it cannot be done.
        """
        conn, options = self._conn, self._options
        session = conn.session
        if session.state == RESULT:
            yield from session.discard()
        deadline = deadline_after(self._timeout)
        yield from session.reset(deadline)
        if options.database is None:
            (reply,) = yield from session.command("SELECT DATABASE()", deadline)
            if reply.rows != [(None,)]:
                raise InterfaceError("there is no way back to no default database")
        conn.timeout = options.timeout
        self.done = True


class PoolBase(Unique, ABC):
    """A pool without the waiting."""

    def __init__(
        self,
        url: str | None,
        hooks: tuple[Any, Any, Any],
        on_event: Callable[[Note], object] | None,
        options: dict[str, Any],
    ) -> None:
        own = {name: options.pop(name) for name in _OWN if name in options}
        self._core = PoolCore(Settings(**own), random.random)
        self._options = Options.of(url, **options)
        self._configure, self._reset, self._check = hooks
        self._on_event = on_event
        self._notes: list[Note] = []
        self._acts: dict[type, Callable[[Any], None]] = {
            Connect: self._do_connect,
            Check: self._do_check,
            Reset: self._do_reset,
            Watch: self._do_watch,
            Close: self._do_close,
            Grant: self._do_wake,
            Done: self._do_wake,
            Fail: self._do_wake,
            Note: self._do_note,
        }

    def __repr__(self) -> str:
        stats = self.stats()
        kind = type(self)
        return (
            f"<{kind.__module__}.{kind.__name__} {self._options.address} "
            f"size={stats.size} idle={stats.idle} in_use={stats.in_use}>"
        )

    # What is known

    @property
    def settings(self) -> Settings:
        """The settings as they are now."""
        return self._core.settings

    @property
    def closed(self) -> bool:
        """Whether it lends nothing any more."""
        return self._core.closing

    def stats(self) -> Stats:
        """The numbers of this moment."""
        return self._core.stats()

    # What a world adds

    @abstractmethod
    def _tell(self, event: Callable[..., None], *arguments: Any, **more: Any) -> None:
        """Hand an event to the core, and carry out what it decides."""

    @abstractmethod
    def _do_connect(self, action: Connect) -> None: ...

    @abstractmethod
    def _do_check(self, action: Check) -> None: ...

    @abstractmethod
    def _do_watch(self, action: Watch) -> None: ...

    @abstractmethod
    def _unwatch(self, slot: Slot) -> None: ...

    # What is the same everywhere

    def _happen(self, event: Callable[..., None], *arguments: Any, **more: Any) -> None:
        """Hand an event to the core and carry out what it decides.

        Ctrl-C may come in the middle: then the pool is brought in order before that
        goes on, as if the event had been over or had not been.
        """
        try:
            event(monotonic(), *arguments, **more)
            self._carry_out()
        except BaseException:
            self._core.mend(monotonic())
            self._carry_out()
            raise

    def _carry_out(self) -> None:
        """Do what the core has decided, each thing at least once."""
        todo = self._core.todo
        while todo:
            action = todo[0]
            try:
                self._acts[action.__class__](action)
            except Exception:
                todo.popleft()
                raise
            todo.popleft()

    def _do_reset(self, action: Reset) -> None:
        """Leave it to the one who releases the connection, and waits for it."""
        assert action.slot.connection is not None

    def _do_close(self, action: Close) -> None:
        slot = action.slot
        if slot.connection is not None:
            close(slot.connection)
        slot.connection = None

    def _do_wake(self, action: Grant | Done | Fail) -> None:
        if isinstance(action, Grant) and action.slot.connection is not None:
            self._unwatch(action.slot)
        wake = action.waiter.wake  # type: ignore[attr-defined]
        if wake is not None:
            wake()

    def _do_note(self, note: Note) -> None:
        """Keep it until the event is over: those who are told may cause another one."""
        self._notes.append(note)

    def _report(self, note: Note) -> None:
        """Log an event, and tell whoever wants to know."""
        if note.event == "outage":
            log.warning(
                "connecting to %s failed, the next try is in %.1f s: %s",
                self._options.address,
                note.seconds,
                note.error,
            )
        elif note.event == "recovered":
            log.info("connecting to %s works again", self._options.address)
        elif note.event == "held" and note.slot is not None:
            log.warning(
                "%r has been lent for %.1f s; it was taken at %s",
                note.slot.connection,
                note.seconds,
                note.origin,
            )
        elif note.event == "closed" and note.origin is not None and self.closed:
            log.warning("closed while it was lent; it was taken at %s", note.origin)
        else:
            log.debug("%s: %r %s", note.event, note.slot, note.why or "")
        if self._on_event is not None:
            try:
                self._on_event(note)
            except Exception:
                log.exception("on_event= raised an exception")

    def _taken_back(self, slot: Slot, conn: _C) -> tuple[_C, Why | None]:
        """Take a connection from its borrower, for whom it is closed from now on.

        Returns:
            The connection for the next one, and why it is of no use; None if it may be.
        """
        if slot.connection is not conn or conn._options is not self._options:
            return conn, "broken"
        try:
            heir = slot.connection = conn._hand_over()
        except InterfaceError:  # it is closed, or the borrower is at work on it yet
            return conn, "broken"
        return heir, None

    def _abandon(self, borrower: Borrower, slot: Slot, loan: int) -> None:
        """Give up what was being given back when that was interrupted.

        Args:
            borrower: who had it.
            slot: what that was.
            loan: which loan of the slot it was.
        """
        self._tell(self._core.release, borrower, "broken")
        if slot.lent == loan and slot.place == RESETTING:
            self._tell(self._core.failed, slot)

    def _renewal(self, conn: ConnectionBase) -> Renewal:
        return Renewal(conn, self._options, self.settings.check_timeout)

    def _ping(self, conn: ConnectionBase) -> Operation[None]:
        return conn.session.ping(deadline_after(self.settings.check_timeout))

    def _connected(self, slot: Slot, conn: ConnectionBase) -> None:
        """Take in a new connection, unless the pool has no place for it any more.

        Nor has it for one of two that Ctrl-C had it begin.
        """
        if slot.place != CONNECTING or slot.connection is not None:
            close(conn)
            return
        slot.connection = conn
        self._tell(self._core.ready, slot)
        if slot.gone:  # since another thread has seen it without a connection
            close(conn)

    def _not_connected(self, slot: Slot, error: Exception) -> None:
        """Take note that a connection could not be made."""
        if slot.place == CONNECTING and slot.connection is None:
            final = is_final(error)
            self._tell(self._core.connect_failed, slot, error, final=final)

    def _patience(self, timeout: Any) -> float | None:
        """A user's timeout, checked, in seconds."""
        if timeout is DEFAULT:
            return self.settings.acquire_timeout
        return seconds(timeout)


def close(conn: ConnectionBase) -> None:
    """Close a connection, whatever is going on on it."""
    with suppress(Busy):  # who drives its handle by the C API has to end that first
        conn.session.close()


def caller() -> Origin:
    """Where the caller was called."""
    frame = sys._getframe(2)
    return Origin((frame.f_code, frame.f_lineno))


#: The settings that are a pool's own.
_OWN: Final = tuple(PoolKeywords.__annotations__)
