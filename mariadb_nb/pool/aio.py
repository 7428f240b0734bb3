"""Pools to be awaited, on asyncio, uvloop and trio.

Owns nothing but the waiting: what a pool does is decided in ``core``.
"""

# A timeout of ours leaves the pool in order, and the other waiters in their places.
# ruff: noqa: ASYNC109

from __future__ import annotations

from collections import deque
from collections.abc import Awaitable, Callable
from contextlib import suppress
from functools import partial
from math import inf
from threading import get_ident
from types import TracebackType
from typing import Any, Self, TypeAlias, Unpack

from .._cursor import DEFAULT
from ..aio import Connection
from ..errors import InterfaceError, OperationalError
from ..state import READY
from .base import (
    Borrower,
    Origin,
    PoolBase,
    PoolOptions,
    caller,
    log,
)
from .decisions import Check, Close, Connect, Note, Watch, Why
from .slots import CHECKING, CONNECTING, IDLE, RESETTING, Slot
from .tasks import Tasks, here

#: A hook: is called with a connection, and raises if it is of no use.
Hook: TypeAlias = Callable[[Connection], Awaitable[object]]


class Lease:
    """A connection for the time of an ``async with`` block; made by ``acquire``."""

    __slots__ = ("_borrower", "_conn", "_origin", "_pool", "_timeout")

    def __init__(self, pool: Pool, timeout: float | None, origin: Origin) -> None:
        self._pool = pool
        self._timeout = timeout
        self._origin = origin
        self._borrower: Borrower | None = None

    async def __aenter__(self) -> Connection:
        if self._borrower is not None:
            raise InterfaceError("call acquire() anew for each connection")
        borrower = self._borrower = Borrower(self._timeout, self._origin)
        try:
            conn = self._conn = await self._pool._take(borrower)
        except BaseException:
            self._pool._let_go(borrower, "refused")
            self._borrower = None
            raise
        return conn

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self._borrower is not None:
            await self._pool._give_back(self._borrower, self._conn)
            self._borrower = None

    def __del__(self) -> None:
        borrower = getattr(self, "_borrower", None)
        if borrower is not None:  # Ctrl-C came before the block began, or as it ended
            self._pool._let_go(borrower)


class Pool(PoolBase):
    """Connections that are kept, watched and lent to tasks; see ``mariadb_nb.Pool``.

    It begins to make connections when it is entered by ``async with``, or at the first
    ``acquire`` or ``warm_up``, and belongs to the loop that runs then.
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
        self._tasks: Tasks | None = None
        self._due = inf
        self._thread = -1
        self._telling = False
        self._later: deque[Callable[[], None]] = deque()
        self._work: dict[Slot, Callable[[], object] | None] = {}

    # What its users call

    def acquire(self, *, timeout: float | None = DEFAULT) -> Lease:
        """Borrow a connection: ``async with pool.acquire() as conn``.

        Args:
            timeout: seconds to wait for one; None for as long as it takes. The default
                is the pool's ``acquire_timeout``.

        Raises:
            PoolTimeout: there was none in time.
            PoolClosed: the pool is closed.
            OperationalError: the server refuses the user or the database.
        """
        return Lease(self, self._patience(timeout), caller())

    async def warm_up(self, *, timeout: float | None = DEFAULT) -> None:
        """Wait until ``min_size`` connections are there; raises as ``acquire`` does."""
        borrower = Borrower(self._patience(timeout), caller())
        self._begin()
        self._tell(self._core.warm_up, borrower)
        await self._wait(borrower)

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

    async def close(self, *, timeout: float | None = 10.0) -> None:
        """Lend nothing any more, and close every connection.

        Args:
            timeout: seconds to wait for what is lent; then it is closed as well.
        """
        borrower = Borrower(self._patience(timeout))
        try:
            self._tell(self._core.close, borrower)
            await self._wait(borrower)
        except BaseException:
            self._tell(self._core.close, Borrower(0))
            raise
        if self._tasks is not None:
            await self._tasks.ended()

    async def __aenter__(self) -> Self:
        self._begin()
        return self

    async def __aexit__(self, *exception: object) -> None:
        await self.close()

    # Lending

    def _begin(self) -> Tasks:
        tasks = self._tasks
        if tasks is None:
            tasks = self._tasks = here()
            self._thread = get_ident()
            self._tell(self._core.tick)
        else:
            tasks.check()
            self._thread = get_ident()
        return tasks

    async def _wait(self, borrower: Borrower) -> None:
        """Wait until the core has told ``borrower`` what has come of it."""
        if not borrower.done:
            event = self._begin().event()

            def wake() -> None:
                with suppress(RuntimeError):  # its loop was closed: it never goes on
                    event.set()

            borrower.wake = wake
            try:
                await event.wait()
            except BaseException:
                self._tell(self._core.leave, borrower)
                raise
        if borrower.error is not None:
            raise borrower.error

    async def _take(self, borrower: Borrower) -> Connection:
        self._begin()
        self._tell(self._core.acquire, borrower)
        while True:
            await self._wait(borrower)
            slot, conn = borrower.outcome()
            why = await self._why_not(conn, first=slot.lent == 1)
            if why is None:
                return conn  # type: ignore[no-any-return]
            self._tell(self._core.reject, borrower, why)

    async def _why_not(self, conn: Connection, *, first: bool) -> Why | None:
        """Why a connection is not good enough to be lent; None if it is."""
        # It may have ended since the watch last had a turn.
        ended = conn.session.state != READY or conn.session.has_ended()
        if ended is False:
            ended = not await self._answers(conn)
        if ended:
            return "lost"
        if self._check is not None and not first:
            try:
                await self._check(conn)
            except Exception as error:
                log.info("check= refused %r: %s", conn, error)
                return "refused"
        if self._configure is not None:
            try:
                await self._configure(conn)
            except Exception:
                if not conn.closed:
                    raise
                return "refused"
        return None

    async def _answers(self, conn: Connection) -> bool:
        try:
            await conn._run(self._ping(conn))
        except Exception as error:
            log.info("%r did not answer: %s", conn, error)
        return conn.session.state == READY

    async def _give_back(self, borrower: Borrower, conn: Connection) -> None:
        slot = borrower.loan
        if slot is None:
            return  # the pool has taken it back itself
        if self._telling or self._is_elsewhere():
            self._let_go(borrower)
            return
        loan = slot.lent
        try:
            heir, why = self._taken_back(slot, conn)
            as_new = heir.session.as_new and self._reset is None
            self._tell(self._core.release, borrower, why, as_new=as_new)
            if not as_new and slot.place == RESETTING:
                await self._renew(slot, heir)
        except BaseException:
            self._abandon(borrower, slot, loan)
            raise

    async def _renew(self, slot: Slot, conn: Connection) -> None:
        """Make a session as new, and say whether that went well."""
        renewal = self._renewal(conn)
        done = False
        try:
            await conn._clean_up(renewal.operation())
            if self._reset is not None:
                await self._reset(conn)
            done = True
        except Exception as error:
            log.info("%r could not be reset: %s", conn, error)
        finally:
            # A cancelled task hears of that when all is well.
            done = done or (renewal.done and self._reset is None)
            self._tell(self._core.ready if done else self._core.failed, slot)

    def _let_go(self, borrower: Borrower, why: Why = "broken") -> None:
        """Have nothing more to do with somebody; what it has may be half used."""
        self._tell(self._core.release, borrower, why)
        self._tell(self._core.leave, borrower)

    # Carrying out what the core decides

    def _is_elsewhere(self) -> bool:
        """Whether the loop is another thread's: there the collector may be at work."""
        if get_ident() == self._thread or self._tasks is None:
            return False
        return self._tasks.elsewhere()

    def _tell(self, event: Callable[..., None], *arguments: Any, **more: Any) -> None:
        if self._is_elsewhere():
            assert self._tasks is not None
            self._tasks.pass_on(partial(self._tell, event, *arguments, **more))
            return
        if self._telling:
            # A finalizer or a signal's handler came in the middle of another event.
            self._later.append(partial(self._tell, event, *arguments, **more))
            return
        self._telling = True
        try:
            self._happen(event, *arguments, **more)
        finally:
            self._telling = False
        due = self._core.due
        if due < self._due and self._tasks is not None:
            self._due = due
            self._tasks.remind(due, self._time_up)
        if self._notes:
            notes, self._notes = self._notes, []
            for note in notes:
                self._report(note)
        while self._later:
            self._later.popleft()()

    def _time_up(self) -> None:
        self._due = inf
        self._tell(self._core.tick)

    def _do_connect(self, action: Connect) -> None:
        slot = action.slot
        if slot.place == CONNECTING and slot not in self._work:
            super()._do_close(Close(slot, "broken"))  # what Ctrl-C kept from its place
            self._start(slot, self._make(slot))

    def _do_check(self, action: Check) -> None:
        slot = action.slot
        if slot.place == CHECKING and slot not in self._work:
            self._unwatch(slot)
            self._start(slot, self._try(slot))

    def _start(self, slot: Slot, body: Any) -> None:
        assert self._tasks is not None
        self._work[slot] = self._tasks.start(body)

    def _do_watch(self, action: Watch) -> None:
        slot = action.slot
        if slot.place != IDLE or slot.connection is None:
            return
        if slot.connection.session.state == READY:  # or it is found when it is lent
            slot.connection._runner.watch(lambda: self._readable(slot))

    def _readable(self, slot: Slot) -> None:
        """Look at an idle connection from which something can be read."""
        ended = slot.connection.session.has_ended()
        if ended is None:
            self._do_watch(Watch(slot))
        else:
            self._tell(self._core.readable, slot, dead=ended)

    def _unwatch(self, slot: Slot) -> None:
        slot.connection._runner.watch(None)

    def _do_close(self, action: Close) -> None:
        cancel = self._work.pop(action.slot, None)
        if cancel is not None:
            cancel()
        super()._do_close(action)

    async def _make(self, slot: Slot) -> None:
        """Make a connection, in a task of its own."""
        try:
            try:
                conn = Connection(self._options)
                await conn._run(conn._session.connect())
                conn._runner.keep(conn._session.fd)
            finally:
                self._work[slot] = None  # it is over, but nobody was told
            self._connected(slot, conn)
        except GeneratorExit:
            raise  # its loop is gone
        except Exception as error:
            self._not_connected(slot, error)
        except BaseException:  # somebody has cancelled what is not theirs
            why = OperationalError("the task that made the connection was cancelled")
            self._not_connected(slot, why)
            raise
        finally:
            self._work.pop(slot, None)

    async def _try(self, slot: Slot) -> None:
        """Ping a connection, in a task of its own."""
        conn = slot.connection
        try:
            if conn is not None:
                await conn._run(self._ping(conn))
        except GeneratorExit:
            conn = None
            raise  # its loop is gone
        except Exception as error:
            log.info("%r did not answer: %s", conn, error)
        finally:
            # Also when somebody has cancelled what is not theirs.
            self._work[slot] = None
            try:
                if conn is not None and slot.place == CHECKING:
                    well = conn.session.state == READY
                    self._tell(self._core.ready if well else self._core.failed, slot)
            finally:
                self._work.pop(slot, None)
