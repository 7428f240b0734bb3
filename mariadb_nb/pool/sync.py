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
import warnings
from collections import deque
from collections.abc import Callable
from math import inf
from threading import RLock
from time import monotonic
from types import TracebackType
from typing import Any, Final, Self, TypeAlias, Unpack

from .._cursor import DEFAULT
from ..connection import Connection
from ..errors import Busy, InterfaceError
from ..runners.selector import Handle
from ..state import READY
from ..wait import Operation
from . import watcher
from .base import (
    Borrower,
    Origin,
    PoolBase,
    PoolOptions,
    caller,
    log,
)
from .decisions import Check, Close, Connect, Note, Watch, Why
from .parking import parking
from .slots import CHECKING, CONNECTING, IDLE, RESETTING, Slot
from .stats import Stats

#: A hook: is called with a connection, and raises if it is of no use.
Hook: TypeAlias = Callable[[Connection], object]


#: The longest wait in one go, in seconds.
_LONGEST: Final = 3600.0

#: How long a connection is idle before it is watched, in seconds: what is lent again at
#: once is looked at then, and need not be watched between.
_SOON: Final = 0.01


class Lease:
    """A connection for the time of a ``with`` block; made by ``acquire``."""

    __slots__ = ("_borrower", "_conn", "_origin", "_pool", "_timeout")

    def __init__(self, pool: Pool, timeout: float | None, origin: Origin) -> None:
        self._pool = pool
        self._timeout = timeout
        self._origin = origin
        self._borrower: Borrower | None = None

    def __enter__(self) -> Connection:
        if self._borrower is not None:
            raise InterfaceError("call acquire() anew for each connection")
        borrower = self._borrower = Borrower(self._timeout, self._origin)
        try:
            conn = self._conn = self._pool._take(borrower)
        except BaseException:
            self._pool._let_go(borrower, "refused")
            self._borrower = None
            raise
        return conn

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self._borrower is not None:
            self._pool._give_back(self._borrower, self._conn)
            self._borrower = None

    def __del__(self) -> None:
        borrower = getattr(self, "_borrower", None)
        if borrower is not None:  # Ctrl-C came before the block began, or as it ended
            self._pool._let_go(borrower)


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
        self._work: dict[Slot, Callable[[], None] | None] = {}
        self._watched: dict[Slot, int] = {}
        self._fresh: set[Slot] = set()
        self._left_over: deque[Borrower] = deque()

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
        self._may_wait()
        self._begin()
        self._tell(self._core.warm_up, borrower)
        self._wait(borrower)

    def resize(self, *, min_size: int, max_size: int) -> None:
        """Have other bounds. What is lent and too much is closed when it comes back."""
        self._begin()
        self._tell(self._core.resize, min_size, max_size)

    def drain(self, *, timeout: float | None = None) -> None:
        """Replace every connection: idle ones now, others when they come back.

        Args:
            timeout: seconds after which what is still lent is closed as well.
        """
        self._begin()
        self._tell(self._core.drain, Borrower(self._patience(timeout)).deadline)

    def close(self, *, timeout: float | None = 10.0) -> None:
        """Lend nothing any more, and close every connection.

        Args:
            timeout: seconds to wait for what is lent; then it is closed as well.
        """
        if self._process != os.getpid():
            return  # a child's copy: nothing of it is ours to end
        borrower = Borrower(self._patience(timeout))
        self._may_wait()
        try:
            self._tell(self._core.close, borrower)
            self._wait(borrower)
        except BaseException:
            self._tell(self._core.close, Borrower(0))
            raise
        finally:
            with self._lock:
                serving, self._watcher = self._watcher, None
            if serving is not None:
                watcher.leave(serving)

    def __del__(self) -> None:
        serving = getattr(self, "_watcher", None)
        if serving is None or self._process != os.getpid():
            return
        try:
            warnings.warn(f"{self!r} was not closed", ResourceWarning, stacklevel=2)
        finally:
            for slot in self._core.slots:
                self._do_close(Close(slot, "closed"))
            serving.post(lambda: watcher.leave(serving))

    def stats(self) -> Stats:
        """The numbers of this moment."""
        if self._process != os.getpid():
            return super().stats()  # who held the lock at the fork is not here
        with self._lock:
            stats = super().stats()
        self._let_go_left_over()
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

    def _may_wait(self) -> None:
        """Refuse to have the thread wait that all pools are waiting for."""
        if watcher.runs_here():
            raise Busy(
                "this is called by the thread that serves all pools: it must not wait"
            )

    def _wait(self, borrower: Borrower) -> None:
        """Wait until the core has told ``borrower`` what has come of it."""
        if not borrower.done:
            parked = self._parking()

            def wake() -> None:  # with the lock held: only who waits locks it meanwhile
                if parked.locked():
                    parked.release()

            borrower.wake = wake  # before the next look at ``done``
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

    def _take(self, borrower: Borrower) -> Connection:
        self._may_wait()
        self._begin()
        self._tell(self._core.acquire, borrower)
        while True:
            self._wait(borrower)
            slot, conn = borrower.outcome()
            why = self._why_not(conn, first=slot.lent == 1)
            if why is None:
                return conn  # type: ignore[no-any-return]
            self._tell(self._core.reject, borrower, why)

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

    def _give_back(self, borrower: Borrower, conn: Connection) -> None:
        slot = borrower.loan
        if slot is None or self._process != os.getpid():
            return  # the pool has taken it back itself, or it is a child's copy
        if self._lock._is_owned() or watcher.runs_here():
            self._let_go(borrower)
            return
        loan = slot.lent
        try:
            with self._lock:
                heir, why = self._taken_back(slot, conn)
            as_new = heir.session.as_new and self._reset is None
            self._tell(self._core.release, borrower, why, as_new=as_new)
            if not as_new and slot.place == RESETTING:
                self._renew(slot, heir)
        except BaseException:
            self._abandon(borrower, slot, loan)
            raise

    def _renew(self, slot: Slot, conn: Connection) -> None:
        """Make a session as new, and say whether that went well."""
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

    def _let_go(self, borrower: Borrower, why: Why = "broken") -> None:
        """Have nothing more to do with somebody; what it has may be half used."""
        if self._process != os.getpid():
            return  # a child's copy
        if self._lock._is_owned():  # by an event that this came in the middle of
            self._left_over.append(borrower)
            return
        self._tell(self._core.release, borrower, why)
        self._tell(self._core.leave, borrower)

    def _let_go_left_over(self) -> None:
        """Close what was given back in the middle of an event."""
        while self._left_over and not self._lock._is_owned():
            self._let_go(self._left_over.popleft())

    # Carrying out what the core decides, with the lock held

    def _tell(self, event: Callable[..., None], *arguments: Any, **more: Any) -> None:
        if self._lock._is_owned():
            raise Busy(
                "the pool is at work in this thread: try again when that goes on"
            )
        with self._lock:
            self._happen(event, *arguments, **more)
            notes, self._notes = self._notes, []
            due, serving = self._core.due, self._watcher
            earlier = due < self._due and serving is not None
            if earlier:
                self._due = due
        if earlier and serving is not None:
            serving.remind(self, due)
        for note in notes:
            self._report(note)
        if self._left_over:
            self._let_go_left_over()

    def time_up(self) -> None:
        """Watch what has become idle, and tick; called by the watcher."""
        with self._lock:
            fresh, self._fresh = self._fresh, set()
            for slot in fresh:
                if slot.place == IDLE:
                    self._register(slot)
        self._due = inf
        self._tell(self._core.tick)

    def _register(self, slot: Slot) -> None:
        session = slot.connection.session
        # Who kept it may have closed it: that is found when it is lent.
        if session.state == READY and self._watcher is not None:
            fd = self._watched[slot] = session.fd
            self._watcher.watch(fd, self, slot)

    def look_at(self, slot: Slot) -> None:
        """See what can be read from an idle connection; called by the watcher."""
        with self._lock:
            if slot.place != IDLE:
                return
            ended = slot.connection.session.has_ended()
        if ended is not None:
            self._tell(self._core.readable, slot, dead=ended)
        else:
            self._let_go_left_over()

    def _do_watch(self, action: Watch) -> None:
        slot = action.slot
        if slot.place != IDLE or slot.connection is None or self._watcher is None:
            return
        if not self._fresh:
            self._watcher.remind(self, monotonic() + _SOON)
        self._fresh.add(slot)

    def _unwatch(self, slot: Slot) -> None:
        self._fresh.discard(slot)
        fd = self._watched.pop(slot, None)
        if fd is not None and self._watcher is not None:
            self._watcher.unwatch(fd, slot)

    def _do_connect(self, action: Connect) -> None:
        slot = action.slot
        if slot.place != CONNECTING or slot in self._work:
            return
        super()._do_close(Close(slot, "broken"))  # what Ctrl-C kept from its place
        conn = Connection(self._options)

        def done(handle: Handle[None]) -> None:
            try:
                handle.result()
            except Exception as error:
                self._not_connected(slot, error)
            else:
                conn._runner.keep(conn._session.fd)
                self._connected(slot, conn)

        self._start(slot, conn._session.connect(), done)

    def _do_check(self, action: Check) -> None:
        slot = action.slot
        if slot.place != CHECKING or slot in self._work:
            return
        conn: Connection = slot.connection
        self._unwatch(slot)

        def done(handle: Handle[None]) -> None:
            try:
                handle.result()
            except Exception as error:
                log.info("%r did not answer: %s", conn, error)
            if slot.place == CHECKING:
                well = conn.session.state == READY
                self._tell(self._core.ready if well else self._core.failed, slot)

        self._start(slot, self._ping(conn), done)

    def _start(
        self,
        slot: Slot,
        operation: Operation[None],
        done: Callable[[Handle[None]], None],
    ) -> None:
        """Run an operation in the watcher's thread, and tell when it is done."""

        def over(handle: Handle[None]) -> None:
            with self._lock:  # it may be over before the event that began it
                self._work[slot] = None
            try:
                done(handle)
            finally:
                with self._lock:
                    self._work.pop(slot, None)

        assert self._watcher is not None
        self._work[slot] = self._watcher.submit(operation, over)

    def _do_close(self, action: Close) -> None:
        slot = action.slot
        cancel = self._work.pop(slot, None)
        if cancel is not None:
            cancel()
        self._unwatch(slot)
        super()._do_close(action)
