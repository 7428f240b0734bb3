"""Pools for threads.

Owns nothing but the waiting: what a pool does is decided in ``core``. A lock is held
while an event is handled and never while anybody waits; connects and pings run in the
watcher's thread, hooks and resets in those of the users.

A finalizer or a signal's handler may come in the middle of an event, in the thread that
holds the lock. What it gives back is closed when the event is over; whatever else it
wants of the pool is refused, for it would have to wait for itself.
"""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable
from math import inf
from threading import Lock, RLock
from time import monotonic
from types import TracebackType
from typing import Any, Final, Protocol, Self, TypeAlias, Unpack

from .. import runners
from .._cursor import DEFAULT
from ..connection import Connection
from ..errors import Busy, InterfaceError
from ..runners.selector import Handle
from ..state import READY
from . import watcher
from .base import (
    Borrower,
    Origin,
    PoolBase,
    PoolOptions,
    caller,
    is_final,
    log,
)
from .decisions import Action, Check, Close, Connect, Note, Watch, Why
from .slots import IDLE, RESETTING, Slot
from .stats import Stats

#: A hook: is called with a connection, and raises if it is of no use.
Hook: TypeAlias = Callable[[Connection], object]


#: The longest wait in one go, in seconds.
_LONGEST: Final = 3600.0


class Parking(Protocol):
    """Where one waits until it is released."""

    def acquire(self, *, timeout: float) -> bool:
        """Wait for ``release``; False if the time is over."""
        ...

    def release(self) -> object:
        """Let the one who waits go on."""
        ...


def _park_thread() -> Parking:
    lock = Lock()
    lock.acquire()
    return lock


def parking() -> Callable[[], Parking]:
    """What makes places to wait, for threads or for greenlets."""
    if runners.default().__module__.endswith("gevent"):
        from gevent.lock import Semaphore

        return lambda: Semaphore(0)
    return _park_thread


class Lease:
    """A connection for the time of a ``with`` block; made by ``acquire``."""

    __slots__ = ("_lent", "_origin", "_pool", "_timeout")

    def __init__(self, pool: Pool, timeout: float | None, origin: Origin) -> None:
        self._pool = pool
        self._timeout = timeout
        self._origin = origin
        self._lent: tuple[Slot, Connection] | None = None

    def __enter__(self) -> Connection:
        if self._lent is not None:
            raise InterfaceError("call acquire() anew for each connection")
        self._lent = self._pool._take(Borrower(self._timeout, self._origin))
        return self._lent[1]

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        lent, self._lent = self._lent, None
        if lent is not None:
            self._pool._give_back(*lent)


class Pool(PoolBase):
    """Connections that are kept, watched and lent to threads.

    It begins to make connections when it is entered by ``with``, or at the first
    ``acquire`` or ``warm_up``.

    Args:
        url: as for ``mariadb_nb.connect``.
        configure: is called with each connection before it is lent, when its session
            is as new: what is set here holds for the borrower.
        reset: is called with each connection that comes back, after its session was
            made as new.
        check: is called with each connection before it is lent again; if it raises,
            the connection is closed and the next one is tried.
        on_event: is called with what happens in the pool, see ``decisions.Note``; it
            must not wait.
        options: the pool's own, see ``Settings``, and those of connections.

    Raises:
        InterfaceError: an option is wrong.
    """

    def __init__(
        self,
        url: str | None = None,
        /,
        *,
        configure: Hook | None = None,
        reset: Hook | None = None,
        check: Hook | None = None,
        on_event: Callable[[Note], object] | None = None,
        **options: Unpack[PoolOptions],
    ) -> None:
        super().__init__(url, (configure, reset, check), on_event, {**options})
        self._lock: Any = RLock()
        self._watcher: watcher.Watcher | None = None
        self._process = os.getpid()
        self._parking = parking()
        self._due = inf
        self._work: dict[Slot, Callable[[], None]] = {}
        self._watched: dict[Slot, int] = {}
        self._left_over: deque[tuple[Slot, Connection]] = deque()

    # What its users call

    def acquire(self, *, timeout: float | None = DEFAULT) -> Lease:
        """Borrow a connection: ``with pool.acquire() as conn``.

        Args:
            timeout: seconds to wait for one; None for as long as it takes. The default
                is the pool's ``acquire_timeout``.

        Raises:
            PoolTimeout: there was none in time.
            PoolClosed: the pool is closed.
            OperationalError: the server refuses the user or the database.
        """
        return Lease(self, self._patience(timeout), caller())

    def warm_up(self, *, timeout: float | None = DEFAULT) -> None:
        """Wait until ``min_size`` connections are there; raises as ``acquire`` does."""
        borrower = Borrower(self._patience(timeout), caller())
        self._begin()
        self._tell(self._core.warm_up, borrower)
        self._wait(borrower)

    def resize(self, *, min_size: int, max_size: int) -> None:
        """Have other bounds. What is lent and too much is closed when it comes back."""
        self._begin()
        self._tell(self._core.resize, min_size, max_size)

    def drain(self) -> None:
        """Replace every connection: idle ones now, others when they come back."""
        self._begin()
        self._tell(self._core.drain)

    def close(self, *, timeout: float | None = 10.0) -> None:
        """Lend nothing any more, and close every connection.

        Args:
            timeout: seconds to wait for what is lent; then it is closed as well.
        """
        if self._process != os.getpid():
            return  # a child's copy: nothing of it is ours to end
        borrower = Borrower(self._patience(timeout))
        self._tell(self._core.close, borrower)
        try:
            self._wait(borrower)
        except BaseException:
            self._tell(self._core.close, Borrower(0))
            raise
        finally:
            with self._lock:
                serving, self._watcher = self._watcher, None
            if serving is not None:
                watcher.leave(serving, self)

    def stats(self) -> Stats:
        """The numbers of this moment."""
        if self._process != os.getpid():
            return super().stats()  # who held the lock at the fork is not here
        with self._lock:
            stats = super().stats()
        self._close_left_over()
        return stats

    def __enter__(self) -> Self:
        self._begin()
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    # Lending

    def _begin(self) -> None:
        if self._process != os.getpid():
            raise InterfaceError(
                "this pool was made before a fork: the child needs one of its own"
            )
        if self._watcher is None:
            with self._lock:
                first = self._watcher is None and not self._core.closing
                if first:
                    self._watcher = watcher.join()
            if first:
                self._tell(self._core.tick)

    def _wait(self, borrower: Borrower) -> None:
        """Wait until the core has told ``borrower`` what has come of it."""
        if not borrower.done:
            parked = self._parking()
            borrower.wake = parked.release  # before the next look at ``done``
            try:
                while not borrower.done:
                    rest = min(max(borrower.deadline - monotonic(), 0), _LONGEST)
                    if not parked.acquire(timeout=rest):
                        self._tell(self._core.tick)
            except BaseException:
                self._tell(self._core.leave, borrower)
                raise
            finally:
                borrower.wake = None
        if borrower.error is not None:
            raise borrower.error

    def _take(self, borrower: Borrower) -> tuple[Slot, Connection]:
        self._begin()
        try:
            self._tell(self._core.acquire, borrower)
            while True:
                self._wait(borrower)
                slot, conn = borrower.outcome()
                why = self._why_not(conn, first=slot.lent == 1)
                if why is None:
                    return slot, conn
                self._tell(self._core.reject, borrower, why)
        except BaseException:
            if borrower.slot is not None:
                self._tell(self._core.release, borrower.slot, "refused")
            else:
                self._tell(self._core.leave, borrower)
            raise

    def _why_not(self, conn: Connection, *, first: bool) -> Why | None:
        """Why a connection is not good enough to be lent; None if it is."""
        # It may have ended since the watch last had a turn.
        ended = conn.session.state != READY or conn.session.has_ended()
        if ended is False:
            ended = not self._answers(conn)
        if ended:
            return "lost"
        if self._check is not None and not first:
            try:
                self._check(conn)
            except Exception as error:
                log.info("check= refused %r: %s", conn, error)
                return "refused"
        if self._configure is not None:
            try:
                self._configure(conn)
            except Exception:
                if not conn.closed:
                    raise
                return "refused"
        return None

    def _answers(self, conn: Connection) -> bool:
        try:
            conn._run(self._ping(conn))
        except Exception as error:
            log.info("%r did not answer: %s", conn, error)
        return conn.session.state == READY

    def _give_back(self, slot: Slot, conn: Connection) -> None:
        if self._process != os.getpid():
            return  # a child's copy
        if self._lock._is_owned():
            self._left_over.append((slot, conn))
            return
        with self._lock:
            conn, why = self._taken_back(slot, conn)
        as_new = conn.session.as_new and self._reset is None
        self._tell(self._core.release, slot, why, as_new=as_new)
        if slot.place != RESETTING:
            return
        done = False
        try:
            conn._run(self._renewal(conn).operation())
            if self._reset is not None:
                self._reset(conn)
            done = True
        except Exception as error:
            log.info("%r could not be reset: %s", conn, error)
        finally:
            self._tell(self._core.ready if done else self._core.failed, slot)

    def _close_left_over(self) -> None:
        """Close what was given back in the middle of an event."""
        while self._left_over and not self._lock._is_owned():
            slot, conn = self._left_over.popleft()
            if slot.connection is conn:  # the pool has not taken it back itself
                self._tell(self._core.release, slot, "broken")

    # Carrying out what the core decides, with the lock held

    def _tell(
        self, event: Callable[..., list[Action]], *arguments: Any, **more: Any
    ) -> None:
        if self._lock._is_owned():
            raise Busy(
                "the pool is at work in this thread: try again when that goes on"
            )
        with self._lock:
            self._carry_out(event(monotonic(), *arguments, **more))
            notes, self._notes = self._notes, []
            due, serving = self._core.due, self._watcher
            earlier = due < self._due and serving is not None
            if earlier:
                self._due = due
        if earlier and serving is not None:
            serving.remind(self, due)
        for note in notes:
            self._report(note)
        self._close_left_over()

    def time_up(self) -> None:
        """Tick; called by the watcher."""
        self._due = inf
        self._tell(self._core.tick)

    def look_at(self, slot: Slot) -> None:
        """See what can be read from an idle connection; called by the watcher."""
        with self._lock:
            if slot.place != IDLE:
                return
            ended = slot.connection.session.has_ended()
        if ended is not None:
            self._tell(self._core.readable, slot, dead=ended)
        else:
            self._close_left_over()

    def _do_watch(self, action: Watch) -> None:
        slot, session = action.slot, action.slot.connection.session
        # Who kept it may have closed it: that is found when it is lent.
        if self._watcher is not None and session.state == READY:
            fd = self._watched[slot] = session.fd
            self._watcher.watch(fd, self, slot)

    def _unwatch(self, slot: Slot) -> None:
        fd = self._watched.pop(slot, None)
        if fd is not None and self._watcher is not None:
            self._watcher.unwatch(fd, slot)

    def _do_connect(self, action: Connect) -> None:
        slot = action.slot
        conn = Connection(self._options)

        def done(handle: Handle[None]) -> None:
            with self._lock:  # it may be done before the event that began it
                self._work.pop(slot, None)
            try:
                handle.result()
            except Exception as error:
                final = is_final(error)
                self._tell(self._core.connect_failed, slot, error, final=final)
            else:
                conn._runner.keep(conn._session.fd)
                self._connected(slot, conn)

        assert self._watcher is not None
        self._work[slot] = self._watcher.submit(conn._session.connect(), done)

    def _do_check(self, action: Check) -> None:
        slot = action.slot
        conn: Connection = slot.connection
        self._unwatch(slot)

        def done(handle: Handle[None]) -> None:
            with self._lock:  # it may be done before the event that began it
                self._work.pop(slot, None)
            try:
                handle.result()
            except Exception as error:
                log.info("%r did not answer: %s", conn, error)
                self._tell(self._core.failed, slot)
            else:
                self._tell(self._core.ready, slot)

        assert self._watcher is not None
        self._work[slot] = self._watcher.submit(self._ping(conn), done)

    def _do_close(self, action: Close) -> None:
        slot = action.slot
        cancel = self._work.pop(slot, None)
        if cancel is not None:
            cancel()
        self._unwatch(slot)
        super()._do_close(action)
