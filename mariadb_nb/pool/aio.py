"""Pools to be awaited, on asyncio, uvloop and trio.

Owns nothing but the waiting: what a pool does is decided in ``core``.
"""

# A timeout of ours leaves the pool in order, and the other waiters in their places.
# ruff: noqa: ASYNC109

from __future__ import annotations

from collections.abc import Awaitable, Callable
from math import inf
from time import monotonic
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
    is_final,
    log,
)
from .decisions import Action, Check, Close, Connect, Note, Watch, Why
from .slots import GONE, RESETTING, Slot
from .tasks import Tasks, here

#: A hook: is called with a connection, and raises if it is of no use.
Hook: TypeAlias = Callable[[Connection], Awaitable[object]]


class Lease:
    """A connection for the time of an ``async with`` block; made by ``acquire``."""

    __slots__ = ("_lent", "_origin", "_pool", "_timeout")

    def __init__(self, pool: Pool, timeout: float | None, origin: Origin) -> None:
        self._pool = pool
        self._timeout = timeout
        self._origin = origin
        self._lent: tuple[Slot, Connection] | None = None

    async def __aenter__(self) -> Connection:
        if self._lent is not None:
            raise InterfaceError("call acquire() anew for each connection")
        self._lent = await self._pool._take(Borrower(self._timeout, self._origin))
        return self._lent[1]

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        lent, self._lent = self._lent, None
        if lent is not None:
            await self._pool._give_back(*lent)


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
        self._work: dict[Slot, Callable[[], object]] = {}

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

    def drain(self) -> None:
        """Replace every connection: idle ones now, others when they come back."""
        self._begin()
        self._tell(self._core.drain)

    async def close(self, *, timeout: float | None = 10.0) -> None:
        """Lend nothing any more, and close every connection.

        Args:
            timeout: seconds to wait for what is lent; then it is closed as well.
        """
        borrower = Borrower(self._patience(timeout))
        self._tell(self._core.close, borrower)
        try:
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
            self._tell(self._core.tick)
        else:
            tasks.check()
        return tasks

    async def _wait(self, borrower: Borrower) -> None:
        """Wait until the core has told ``borrower`` what has come of it."""
        if not borrower.done:
            event = self._begin().event()
            borrower.wake = event.set
            try:
                await event.wait()
            except BaseException:
                self._tell(self._core.leave, borrower)
                raise
        if borrower.error is not None:
            raise borrower.error

    async def _take(self, borrower: Borrower) -> tuple[Slot, Connection]:
        self._begin()
        try:
            self._tell(self._core.acquire, borrower)
            while True:
                await self._wait(borrower)
                slot, conn = borrower.outcome()
                why = await self._why_not(conn, first=slot.lent == 1)
                if why is None:
                    return slot, conn
                self._tell(self._core.reject, borrower, why)
        except BaseException:
            if borrower.slot is not None:
                self._tell(self._core.release, borrower.slot, "refused")
            else:
                self._tell(self._core.leave, borrower)
            raise

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

    async def _give_back(self, slot: Slot, conn: Connection) -> None:
        conn, why = self._taken_back(slot, conn)
        as_new = conn.session.as_new and self._reset is None
        self._tell(self._core.release, slot, why, as_new=as_new)
        if slot.place != RESETTING:
            return
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

    # Carrying out what the core decides

    def _tell(
        self, event: Callable[..., list[Action]], *arguments: Any, **more: Any
    ) -> None:
        self._carry_out(event(monotonic(), *arguments, **more))
        due = self._core.due
        if due < self._due and self._tasks is not None:
            self._due = due
            self._tasks.remind(due, self._time_up)
        if self._notes:
            notes, self._notes = self._notes, []
            for note in notes:
                self._report(note)

    def _time_up(self) -> None:
        self._due = inf
        self._tell(self._core.tick)

    def _do_connect(self, action: Connect) -> None:
        self._start(action.slot, self._make(action.slot))

    def _do_check(self, action: Check) -> None:
        self._unwatch(action.slot)
        self._start(action.slot, self._try(action.slot))

    def _start(self, slot: Slot, body: Any) -> None:
        self._work[slot] = self._begin().start(body)

    def _do_watch(self, action: Watch) -> None:
        slot = action.slot
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
            conn = Connection(self._options)
            await conn._run(conn._session.connect())
            conn._runner.keep(conn._session.fd)
        except Exception as error:
            self._work.pop(slot, None)
            self._tell(self._core.connect_failed, slot, error, final=is_final(error))
        except GeneratorExit:
            raise  # its loop is gone
        except BaseException:  # somebody has cancelled what is not theirs
            self._work.pop(slot, None)
            why = OperationalError("the task that made the connection was cancelled")
            self._tell(self._core.connect_failed, slot, why)
            raise
        else:
            self._work.pop(slot, None)
            self._connected(slot, conn)

    async def _try(self, slot: Slot) -> None:
        """Ping a connection, in a task of its own."""
        conn = slot.connection
        if conn is None:
            return
        try:
            await conn._run(self._ping(conn))
        except Exception as error:
            log.info("%r did not answer: %s", conn, error)
        except GeneratorExit:
            raise  # its loop is gone
        except BaseException:  # somebody has cancelled what is not theirs
            self._tried(slot, conn)
            raise
        self._tried(slot, conn)

    def _tried(self, slot: Slot, conn: Connection) -> None:
        well = conn.session.state == READY
        self._work.pop(slot, None)
        if slot.place != GONE:
            self._tell(self._core.ready if well else self._core.failed, slot)
